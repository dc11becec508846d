"""Drawings of the networks, in the letters of the notebooks' equations.

Each is made by code and 360 points wide, so that a phone shows it without scaling; letters are never smaller than
10 points there. A drawing has a white sheet of its own and an alternative text, and is readable in greyscale.

Notebook: 01-markov to 06-attention, 08-polyphony and 10-more-machines.
"""

from helpers.diagrams.attention import transformer_block
from helpers.diagrams.chains import markov_chain, shorter_contexts, song_as_chain
from helpers.diagrams.convolutions import dilations, gated_layer, skips
from helpers.diagrams.kit import Drawing
from helpers.diagrams.layers import encoder_decoder, feedforward, one_row
from helpers.diagrams.polyphony import reader_and_speller, spelled_moment
from helpers.diagrams.ranks import two_ranks
from helpers.diagrams.recurrent import lstm_cell, unrolled_rnn, windows_and_dense

__all__ = [
    "Drawing",
    "dilations",
    "encoder_decoder",
    "feedforward",
    "gated_layer",
    "lstm_cell",
    "markov_chain",
    "one_row",
    "reader_and_speller",
    "shorter_contexts",
    "skips",
    "song_as_chain",
    "spelled_moment",
    "transformer_block",
    "two_ranks",
    "unrolled_rnn",
    "windows_and_dense",
]

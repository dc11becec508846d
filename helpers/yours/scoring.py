"""What the network and counting say of your unseen songs, whether it copies, and its takes.

Notebook: 09-your-songs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

import torch

from helpers.composing import Writer, Written
from helpers.datasets import Split
from helpers.exported import from_notebook
from helpers.metrics import RunIndex, longest_copied_run
from helpers.songs import Song
from helpers.yours.network import NOTEBOOK, NOTES, Alphabet, data_of

STRENGTHS = (0.5, 1, 2, 5, 10, 20, 40, 100, 400, 1e4)  # of the in-song memory, to choose from
TEMPERATURE, LONGEST = 0.7, 64  # of the takes, as those of notebook 06; they are at most so many notes long
ORDER = 5  # of the counted chain, as in notebook 01


@dataclass(frozen=True)
class Score:
    """Nats a note on the test songs.

    Attributes:
        name: of the model.
        nats: alone.
        spread: the standard deviation of `nats` over families; None where there is one family.
        with_memory: with the in-song memory of notebook 01.
        spread_with_memory: of that.

    Notebook: 09-your-songs.
    """

    name: str
    nats: float
    spread: float | None
    with_memory: float
    spread_with_memory: float | None


def score(name: str, p_of: Callable, parts: Split, alphabet: Alphabet) -> Score:
    """A model on the test songs; validation picks the strengths of its memory, if there is any.

    Args:
        name: of the model.
        p_of: songs -> p (n,) of each of their notes and terminals.
        parts: of the songs.
        alphabet: of their notes.

    Notebook: 09-your-songs.
    """
    markov, strengths = from_notebook("01-markov"), from_notebook("01-markov").STRENGTHS
    if parts.validation:
        recalled = markov.recall_songs(_ids(parts.validation, alphabet))
        strengths = markov.tune_memory(p_of(parts.validation), *recalled, STRENGTHS)
    p = p_of(parts.test)
    mixed = markov.remember(p, *markov.recall_songs(_ids(parts.test, alphabet)), strengths)
    several = len({song.family for song in parts.test}) > 1
    found = []
    for each in (p, mixed):
        nats = -each.clamp_min(1e-300).log()
        found += [nats.mean().item(), markov.plus_minus(nats, parts.test) if several else None]
    return Score(name, *found)


def network_p(model, alphabet: Alphabet) -> Callable:
    """p (n,) of each note of some songs, by a network.

    Args:
        model: Pointing.
        alphabet: of its notes.

    Notebook: 09-your-songs.
    """
    losses = from_notebook(NOTEBOOK).lstm.note_losses
    return lambda songs: (-losses(model, data_of(songs, alphabet))).cpu().double().exp()


def counted_p(parts: Split, alphabet: Alphabet) -> Callable:
    """p (n,) of each note of some songs, by the interpolated chain of notebook 01 that counted the same songs.

    Args:
        parts: of the songs; validation picks the factors, if there is any.
        alphabet: of their notes.

    Notebook: 09-your-songs.
    """
    markov, m = from_notebook("01-markov"), len(alphabet.vocabulary)
    after = markov.count_contexts(_ids(parts.train, alphabet), ORDER)
    look_up = lambda songs: markov.look_up(after, _ids(songs, alphabet), ORDER)
    factors = markov.FACTORS
    if parts.validation:
        factors = markov.tune_factors(look_up(parts.validation), ORDER, m)
    return lambda songs: markov.interpolate(look_up(songs), factors, m)


def new_to(old: Alphabet, model, alphabet: Alphabet, songs: Sequence[Song]) -> tuple[float, float]:
    """The share of notes that an older alphabet did not have, and the nats a note of the others.

    Args:
        old: the older alphabet.
        model: Pointing, with the newer one.
        alphabet: the newer one.
        songs: to score.

    Returns:
        share, and nats a note; nan where no note was known.

    Notebook: 09-your-songs.
    """
    had = set(old.vocabulary.vocabulary)
    known = torch.tensor([token in had for song in songs for token in NOTES.encode(song)[1:]])
    nats = -network_p(model, alphabet)(songs).log()
    return 1 - known.double().mean().item(), nats[known].mean().item()


def takes(writer: Writer, number: int = 5) -> list[tuple[Written, int]]:
    """(song, seed) for the first seeds whose songs sing: `sings` of notebook 01.

    Args:
        writer: of the network.
        number: how many are wanted; a hundred seeds are tried.

    Notebook: 09-your-songs.
    """
    found, sings = [], from_notebook("01-markov").sings
    for seed in range(1, 101):
        try:
            written = writer.write(None, TEMPERATURE, LONGEST, seed)
        except ValueError:  # it ended before its first note
            continue
        if sings(written.song):
            found.append((written, seed))
        if len(found) == number:
            break
    return found


@dataclass(frozen=True)
class Copies:
    """The longest runs of notes, pitch and duration alike, that also stand in the songs learned from.

    Attributes:
        written: (longest, median) of songs that the network wrote.
        real: (longest, median) of the test songs, cut to the same length.
        number: songs that were written.
        source: title of the song that holds the longest run written.

    Notebook: 09-your-songs.
    """

    written: tuple[int, float]
    real: tuple[int, float]
    number: int
    source: str


def copies(writer: Writer, parts: Split, number: int = 30, length: int = 48) -> Copies | None:
    """Whether it copies; None if it wrote no song at all.

    Args:
        writer: of the network.
        parts: of the songs.
        number: of songs to write, at temperature 1.
        length: of each in notes, at most.

    Notebook: 09-your-songs.
    """
    index, songs = RunIndex(parts.train), []
    for seed in range(1001, 1001 + number):
        try:
            songs.append(writer.write(None, 1.0, length, seed).song)
        except ValueError:  # as in takes
            continue
    if not songs:
        return None
    runs = [longest_copied_run(song, index) for song in songs]
    openings = (replace(song, events=song.events[:length]) for song in parts.test)
    real = [longest_copied_run(song, index).length for song in openings]
    longest = max(runs, key=lambda run: run.length)
    lengths = [run.length for run in runs]
    source = longest.source.title if longest.source else ""
    return Copies((longest.length, median(lengths)), (max(real), median(real)), len(songs), source)


def _ids(songs: Sequence[Song], alphabet: Alphabet) -> list[torch.Tensor]:
    vocabulary = alphabet.vocabulary
    return [torch.tensor(vocabulary.encode(NOTES.encode(song))) for song in songs]

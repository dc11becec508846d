"""Music as moments: what sounds on each quarter, as tokens 1 to 88 from high to low, the keys of a piano.

Notebook: 08-polyphony.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import torch

from helpers.songs import Event, Song

LOWEST = 20  # token k is MIDI pitch 20 + k: token 1 is A0, the lowest key
Piece = list[tuple[int, ...]]


def moments_of(song: Song) -> Piece:
    """What sounds on each quarter of a song; what begins and ends between two quarters is passed over.

    Args:
        song: with chords or without; an upbeat of half a quarter moves the grid by that much.

    Returns:
        a tuple of tokens for each quarter.

    Notebook: 08-polyphony.
    """
    piece, onset, now = [], Fraction(0), song.pickup % 1
    for event in song.events:
        onset += event.duration
        while now < onset:
            piece.append(tuple(sorted({pitch - LOWEST for pitch in event.pitches}, reverse=True)))
            now += 1
    return piece


def to_voices(piece: Sequence[Sequence[int]], title: str = "") -> list[Song]:
    """Songs to play: the k-th highest notes of all moments are the k-th voice, a quarter each.

    Args:
        piece: tokens for each moment; at least one note.
        title: of the songs.

    Notebook: 08-polyphony.
    """
    voices = []
    for k in range(max(map(len, piece))):
        notes = [(moment[k] + LOWEST,) if k < len(moment) else () for moment in piece]
        events = tuple(Event(pitches, 1) for pitches in notes)
        voices.append(Song("moments", title, "moments", "C", "major", "4/4", events))
    return voices


def to_tokens(pieces: Sequence[Piece]) -> tuple[torch.Tensor, torch.Tensor]:
    """Pieces as one tensor.

    Args:
        pieces: B of them; the longest has T moments, the fullest moment R - 1 notes.

    Returns:
        y (B, T, R), with 0 after the last note of a moment, and which moments are real, (B, T).

    Notebook: 08-polyphony.
    """
    T, R = max(map(len, pieces)), max(len(moment) for piece in pieces for moment in piece) + 1
    rows = [[[*moment] + [0] * (R - len(moment)) for moment in [*piece, *[()] * (T - len(piece))]] for piece in pieces]
    lengths = torch.tensor([len(piece) for piece in pieces])
    return torch.tensor(rows), torch.arange(T) < lengths[:, None]


class Batches:
    """Batches of pieces of like length, each piece moved by -5 to 6 semitones at random, as far as the piano goes.

    Args:
        pieces: to train on.
        size: most moments in a batch.
        crop: longest stretch of a piece; it begins at a multiple of 16 moments.

    Notebook: 08-polyphony.
    """

    def __init__(self, pieces: Sequence[Piece], size: int = 450, crop: int = 256):
        self.pieces, self.size, self.crop = pieces, size, crop

    def __len__(self) -> int:
        return sum(1 for _ in self._groups())

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        groups = list(self._groups())
        for g in torch.randperm(len(groups)).tolist():
            yield to_tokens([self._moved(self.pieces[k]) for k in groups[g]])

    def _groups(self) -> Iterator[list[int]]:
        """Numbers of the pieces of each batch; how many batches there are depends on the lengths alone."""
        order, group = torch.randperm(len(self.pieces)).tolist(), []
        length = lambda k: min(len(self.pieces[k]), self.crop)
        for k in sorted(order, key=length):
            if group and (len(group) + 1) * length(k) > self.size:
                yield group
                group = []
            group.append(k)
        yield group

    def _moved(self, piece: Piece) -> Piece:
        begin = torch.randint((len(piece) - 1) // 16 + 1, ()).item() * 16
        begin = min(begin, max(0, len(piece) - self.crop) // 16 * 16)
        stretch = piece[begin : begin + self.crop]
        notes = [token for moment in stretch for token in moment] or [44]
        low, high = max(-5, 1 - min(notes)), min(6, 88 - max(notes))
        k = torch.randint(low, high + 1, ()).item()
        return [tuple(token + k for token in moment) for moment in stretch]

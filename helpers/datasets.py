"""From songs to training, validation and test data, and from there to batches.

Notebook: all of them (`split_by_family`); 02-fnn-gradcheck (`MiniBatches`); 03-lstm and later (the datasets).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch.utils.data import Dataset

from helpers.songs import Song

IGNORE = -100  # a target that counts for nothing; torch.nn.functional.cross_entropy skips it


class Split(NamedTuple):
    """Songs in three parts.

    Attributes:
        train: to learn from.
        validation: to choose with.
        test: to look at once.

    Notebook: 01-markov.
    """

    train: list[Song]
    validation: list[Song]
    test: list[Song]


def split_by_family(songs: Iterable[Song]) -> Split:
    """Splits songs so that the variants of one tune stay together.

    The family's name alone decides: the first 8 hex digits of its SHA-256 hash, modulo 10; bucket 0 is
    test, 1 validation, the rest training. So a song keeps its place whatever else is in the collection.

    Args:
        songs: in any order, which stays within each part.

    Notebook: 01-markov.
    """
    split = Split([], [], [])
    for song in songs:
        bucket = int(hashlib.sha256(song.family.encode("utf-8", "surrogateescape")).hexdigest()[:8], 16) % 10
        {0: split.test, 1: split.validation}.get(bucket, split.train).append(song)
    return split


def tune_name(song: Song) -> str:
    """The letters of a song's title; "" if they name no tune: fewer than four, or the name of its file.

    Args:
        song: any.

    Notebook: 09-your-songs, inside `make yours`; 10-more-machines, inside the store.
    """
    letters = "".join(filter(str.isalpha, song.title.casefold()))
    return letters if len(letters) >= 4 and song.title != Path(song.id).stem else ""


class ScoreDataset(Dataset):
    """Windows of equal length from songs, one for each place, each with the tokens that follow.

    Before a song begins there is silence: windows that reach back beyond its start are filled with the
    terminal, 0. Every token of every song is the last target of exactly one window if `stride` is 1.

    Args:
        songs: ids (time,), each from terminal to terminal.
        length: of a window, in tokens.
        stride: from one window to the next, in tokens.

    Items:
        x (length,) and y (length,), where y[i] is the token after x[i], and IGNORE in the silence.

    Raises:
        ValueError: for a length or stride below 1, or a song that is not long integers of one dimension.

    Notebook: 03-lstm.
    """

    def __init__(self, songs: Iterable[torch.Tensor], length: int = 64, stride: int = 1):
        if length < 1 or stride < 1:
            raise ValueError(f"a window of {length} with a stride of {stride}: both must be at least 1.")
        self.length, self.songs, self.places = length, [], []
        for number, ids in enumerate(songs):
            _check(ids, number)
            self.songs.append(torch.nn.functional.pad(ids, (length - 1, 0)))
            self.places += [(number, place) for place in range(0, len(ids) - 1, stride)]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        number, place = self.places[index]
        window = self.songs[number][place : place + self.length + 1]
        x, y = window[:-1], window[1:].clone()
        y[: max(0, self.length - 1 - place)] = IGNORE
        return x, y


class SongDataset(Dataset):
    """Whole songs, a target at every position; batch them with `pad_songs`.

    Args:
        songs: ids (time,), each from terminal to terminal.
        columns: for each song a tensor (time - 1, ...) of what else is known at each position, such as its place
            in the bar; None if nothing is.
        crop: a function ids -> ids applied each time a song is taken, such as a RandomCrop; not with columns.

    Items:
        x (time,), y (time,), and z (time, ...) if there are columns.

    Raises:
        ValueError: if songs and columns do not match, or for crop and columns together.

    Notebook: 03-lstm.
    """

    def __init__(self, songs: Iterable[torch.Tensor], columns: Sequence[torch.Tensor] | None = None, crop=None):
        self.songs, self.columns, self.crop = list(songs), columns, crop
        for number, ids in enumerate(self.songs):
            _check(ids, number)
        if columns is not None:
            if crop is not None:
                raise ValueError("a crop would leave the columns behind; give one or the other.")
            lengths = [len(ids) - 1 for ids in self.songs]
            if [len(column) for column in columns] != lengths:
                raise ValueError("the columns of each song must have one row for each token after its first.")

    def __len__(self) -> int:
        return len(self.songs)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        ids = self.songs[index]
        if self.crop is not None:
            ids = self.crop(ids)
        item = ids[:-1], ids[1:]
        return item if self.columns is None else (*item, self.columns[index])


def pad_songs(items: Sequence[tuple[torch.Tensor, ...]]) -> tuple[torch.Tensor, ...]:
    """A batch of SongDataset: x and z padded with 0, y with IGNORE, so that the loss masks itself.

    Args:
        items: (x, y) or (x, y, z) of each song.

    Returns:
        x (batch, time), y (batch, time), and z (batch, time, ...) if the items have one.

    Notebook: 03-lstm.
    """
    pad = torch.nn.utils.rnn.pad_sequence
    fill = (0, IGNORE, 0)
    columns = zip(*items, strict=True)
    return tuple(pad(list(c), batch_first=True, padding_value=value) for c, value in zip(columns, fill, strict=False))


class RandomCrop:
    """Takes a piece of `length` + 1 tokens (so `length` targets) from a random place of a song.

    Args:
        length: of the piece, in targets.
        repeat: sing a song again and again, a terminal between, until the piece is full; without it a short
            song stays as it is.
        generator: of random numbers; torch's global one if None, so that `torch.manual_seed` repeats a run.

    Raises:
        ValueError: for a length below 1.

    Notebook: 03-lstm.
    """

    def __init__(self, length: int, repeat: bool = False, generator: torch.Generator | None = None):
        if length < 1:
            raise ValueError(f"a crop of {length} tokens is empty.")
        self.length, self.repeat, self.generator = length, repeat, generator

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        body = ids[:-1]  # the last terminal is the first of the next round
        if self.repeat:
            start = self._below(len(body))
            return body[torch.arange(start, start + self.length + 1) % len(body)]
        start = self._below(max(1, len(ids) - self.length))
        return ids[start : start + self.length + 1]

    def _below(self, number: int) -> int:
        return int(torch.randint(number, (1,), generator=self.generator))


class MiniBatches:
    """Rows of tensors that belong together, some at a time, in an order drawn anew each time they are gone through.

    What a DataLoader does row by row is done here by one look-up, which pays for rows that are only a few numbers.

    Args:
        columns: tensors (n, ...), such as x and y.
        size: rows of a batch; the last batch holds what is left.
        seed: of the orders, which use up none of torch's own random numbers.

    Items:
        a list of tensors (size, ...), one for each column.

    Raises:
        ValueError: if the columns differ in length or have no rows, or for a size below 1.

    Notebook: 02-fnn-gradcheck.
    """

    def __init__(self, columns: Sequence[torch.Tensor], size: int = 256, seed: int = 0):
        lengths = {len(column) for column in columns}
        if len(lengths) != 1 or not min(lengths) or size < 1:
            raise ValueError(f"columns of {sorted(lengths)} rows, {size} a batch: give equally many rows, and some.")
        self.columns, self.size = list(columns), size
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return -(-len(self.columns[0]) // self.size)

    def __iter__(self) -> Iterator[list[torch.Tensor]]:
        for rows in torch.randperm(len(self.columns[0]), generator=self.generator).split(self.size):
            yield [column[rows] for column in self.columns]


def _check(ids: torch.Tensor, number: int) -> None:
    if not isinstance(ids, torch.Tensor) or ids.ndim != 1 or ids.dtype != torch.long or len(ids) < 2:
        what = f"{tuple(ids.shape)} {ids.dtype}" if isinstance(ids, torch.Tensor) else type(ids).__name__
        raise ValueError(f"song {number} is {what}; give a torch.long tensor (time,) of at least two ids.")

"""From songs to training, validation and test data.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from helpers.songs import Song


class Split(NamedTuple):
    """Songs to learn from, to choose with, and to look at once."""

    train: list[Song]
    validation: list[Song]
    test: list[Song]


def split_by_family(songs: Iterable[Song]) -> Split:
    """Splits songs so that the variants of one tune stay together.

    The family's name alone decides: the first 8 hex digits of its SHA-256 hash, modulo 10; bucket 0 is
    test, 1 validation, the rest training. So a song keeps its place whatever else is in the collection.
    """
    split = Split([], [], [])
    for song in songs:
        bucket = int(hashlib.sha256(song.family.encode("utf-8", "surrogateescape")).hexdigest()[:8], 16) % 10
        {0: split.test, 1: split.validation}.get(bucket, split.train).append(song)
    return split

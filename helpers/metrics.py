"""How good a model is, and whether it copies.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import isnan

import numpy as np

from helpers.songs import Song


def nats_per_note(losses: Iterable[float], songs: Iterable[Song]) -> float:
    """The score of this series: negative log-likelihood per event, the end of a song counted as one.

    Args:
        losses: for each song, -log p summed over its tokens and its terminal, in nats.
        songs: the same songs; each counts as its events + 1, however many tokens spell them, so that
            models on different encodings share one scale.

    Returns:
        nats per note; divide by log(2) for bits.

    Raises:
        ValueError: if the two do not match, or a loss is not a number.

    Notebook: 01-markov.
    """
    losses, songs = [float(loss) for loss in losses], list(songs)
    if len(losses) != len(songs) or not songs:
        raise ValueError(f"{len(losses)} losses for {len(songs)} songs; give one loss for each song.")
    if any(isnan(loss) for loss in losses):
        raise ValueError(f"the loss of song {songs[[isnan(x) for x in losses].index(True)].id!r} is not a number.")
    return sum(losses) / sum(len(song.events) + 1 for song in songs)


@dataclass(frozen=True)
class CopiedRun:
    """The longest run of notes that a song shares with a collection.

    Attributes:
        length: of the run, in notes (events).
        start: where it begins in the song, counted from 0.
        source: the song of the collection that holds it; None if not even one note is shared.
        source_start: where it begins there.

    Notebook: 01-markov, returned by `longest_copied_run`.
    """

    length: int
    start: int
    source: Song | None
    source_start: int


class RunIndex:
    """A collection prepared for many searches by `longest_copied_run`.

    Each distinct event becomes one character and the collection one string, so that looking for a run
    is looking for a substring. The places of the string are sorted by what begins there (a suffix array), so
    a search reads a number of characters that grows with the logarithm of the collection.

    Args:
        songs: of the collection.

    Notebook: 01-markov.

    Source: Manber and Myers (1990), Suffix Arrays, for sorting by twice as many characters each time.
    """

    DEPTH = 64  # characters that the places are sorted by; longer runs are compared one by one

    def __init__(self, songs: Iterable[Song]):
        self.songs = list(songs)
        events = {event for song in self.songs for event in song.events}
        self._characters = {event: chr(0x10000 + k) for k, event in enumerate(sorted(events, key=repr))}
        self.starts = list(accumulate((len(song.events) + 1 for song in self.songs), initial=0))
        self.text = "".join(self.spell(song) + "|" for song in self.songs)
        self._order = self._sorted()

    def _sorted(self) -> np.ndarray:
        """All places, by the DEPTH characters from each on; equal ones in any order."""
        _, rank = np.unique(np.frombuffer(self.text.encode("utf-32-le"), np.uint32), return_inverse=True)
        order, reach = np.argsort(rank), 1
        while reach < self.DEPTH and len(rank) and rank.max() < len(rank) - 1:
            after = np.zeros(len(rank), np.int64)  # rank of the characters beyond the first `reach`; 0 at the end
            after[:-reach] = rank[reach:] + 1
            key = rank * (len(rank) + 1) + after
            order = np.argsort(key)
            ahead = np.append(0, np.diff(key[order]) > 0).cumsum()
            rank = np.empty_like(ahead)
            rank[order], reach = ahead, 2 * reach
        return order

    def find(self, run: str) -> int:
        """Where a run of characters, as `spell` makes them, stands for the first time; -1 if nowhere."""
        head = run[: self.DEPTH]
        begins = lambda place: self.text[place : place + len(head)]
        first = bisect_left(self._order, head, key=begins)
        last = bisect_right(self._order, head, key=begins)
        places = self._order[first:last]
        if len(run) > self.DEPTH:
            return next((int(place) for place in sorted(places) if self.text.startswith(run, place)), -1)
        return int(places.min()) if len(places) else -1

    def spell(self, song: Song) -> str:
        """The song as characters; "?" for an event that the collection does not hold."""
        return "".join(self._characters.get(event, "?") for event in song.events)


def longest_copied_run(song: Song, collection: RunIndex | Sequence[Song]) -> CopiedRun:
    """The novelty check: the longest run of notes, pitch and duration alike, that also stands in a collection.

    Args:
        song: usually what a model wrote; in the same key as the collection (see `Song.in_c`).
        collection: usually the training songs; pass a RunIndex to search it many times.

    Returns:
        the run; the first one in the song of several equally long.

    Notebook: 01-markov.
    """
    index = collection if isinstance(collection, RunIndex) else RunIndex(collection)
    spelled = index.spell(song)
    length, start, place = 0, 0, -1
    for here in range(len(spelled)):
        while here + length < len(spelled):  # can a run from here beat the best one so far?
            found = index.find(spelled[here : here + length + 1])
            if found < 0:
                break
            length, start, place = length + 1, here, found
    if place < 0:
        return CopiedRun(0, 0, None, 0)
    source = bisect_right(index.starts, place) - 1
    return CopiedRun(length, start, index.songs[source], place - index.starts[source])


def histogram_distance(one: Iterable[Song], other: Iterable[Song], feature: str = "pitch class") -> float:
    """Total variation distance between two collections' histograms.

    Args:
        one: collection of songs.
        other: the collection to compare it with.
        feature: "pitch class" (C, C#, ... B, weighted by duration) or "interval" (semitones from each
            note to the next, of the highest notes).

    Returns:
        0 for equal histograms, 1 for disjoint ones.

    Raises:
        ValueError: for another feature, or for a collection without a note (or interval).

    Notebook: none; for comparing collections of your own.
    """
    if feature not in _FEATURES:
        raise ValueError(f"there is no feature {feature!r}; choose one of {', '.join(_FEATURES)}.")
    first, second = (_shares(_FEATURES[feature](songs), feature) for songs in (one, other))
    return 0.5 * sum(abs(first.get(value, 0) - second.get(value, 0)) for value in first.keys() | second.keys())


def _pitch_classes(songs):
    return ((pitch % 12, event.duration) for song in songs for event in song.events for pitch in event.pitches)


def _intervals(songs):
    for song in songs:
        tops = [event.pitches[-1] for event in song.events if event.pitches]
        yield from ((after - before, 1) for before, after in pairwise(tops))


_FEATURES = {"pitch class": _pitch_classes, "interval": _intervals}


def _shares(weighted, feature: str) -> dict:
    histogram: Counter = Counter()
    for value, weight in weighted:
        histogram[value] += weight
    total = sum(histogram.values())
    if not total:
        raise ValueError(f"there is no {feature} to count in these songs.")
    return {value: float(weight / total) for value, weight in histogram.items()}

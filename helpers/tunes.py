"""Which melodies are one tune: by how they begin, by long runs of equal steps, by edit similarity.

Notebook: 04-autoencoder-vae, inside `load_chorales`; 09-your-songs, inside `make yours`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from helpers.songs import Song

ALIKE = 0.65  # more than this edit similarity of their intervals makes two songs one family
SHORTEST = 12  # with fewer intervals, two melodies may be alike by chance
OPENING, RUN = 8, 12  # steps at the beginning, and steps in a row anywhere, that only one tune has


def one_tune(melodies: Sequence[Song]) -> list[int]:
    """For each melody the first one in its family.

    Two are one family if they begin with the same eight steps, if they share twelve steps in a row, or if the
    Levenshtein similarity of their steps is over `ALIKE`; and so are two that have a third one in common. Steps are
    read note by note and, so that a passing note hides nothing, from one quarter to the next (runs only there: note
    by note, scales join what is not akin). A pitch that comes again is no step; in runs it may be one, of none.

    Args:
        melodies: in any keys; of a chord, the highest note counts.

    Returns:
        an index of `melodies` for each of them.

    Notebook: 04-autoencoder-vae, inside `load_chorales`.
    """
    readings = [(notes(song), _on_quarters(song)) for song in melodies]
    return list(_one_tune(tuple((steps(a), steps(b), steps(b, still=True)) for a, b in readings)))


@lru_cache(4)
def _one_tune(lines: tuple[tuple[str, str, str], ...]) -> list[int]:
    pairs, columns = [], list(zip(*lines, strict=True))
    for strings in columns[:2]:
        pairs += [*same(text[:OPENING] if len(text) >= OPENING else "" for text in strings), *alike(strings)]
    for strings in columns[1:]:
        first: dict[str, int] = {}
        for k, text in enumerate(strings):
            pairs += [(first.setdefault(text[at : at + RUN], k), k) for at in range(len(text) - RUN + 1)]
    return joined(len(lines), pairs)


def steps(pitches: Sequence[int], still: bool = False) -> str:
    """The steps from pitch to pitch as a string, a character for each.

    Args:
        pitches: MIDI numbers.
        still: a pitch that comes again is a step, too.

    Notebook: none; called by `one_tune`.
    """
    pairs = zip(pitches, pitches[1:], strict=False)
    return "".join(chr(500 + after - before) for before, after in pairs if still or after != before)


def notes(song: Song) -> list[int]:
    """The pitches of a melody, without its rests.

    Args:
        song: any; of a chord, the highest note counts.

    Notebook: 09-your-songs.
    """
    return [event.pitches[-1] for event in song.events if event.pitches]


def _on_quarters(song: Song) -> list[int]:
    """What sounds at each quarter from the beginning on."""
    found, quarter = [], 0
    for event, onset in zip(song.events, song.onsets, strict=False):
        while quarter < onset + event.duration:
            found += event.pitches[-1:]
            quarter += 1
    return found


def joined(number: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """The first member of each one's group, where pairs belong together and whoever has one in common.

    Args:
        number: of members.
        pairs: of their indices.

    Notebook: 09-your-songs.
    """
    above = list(range(number))

    def top(k: int) -> int:
        while above[k] != k:
            above[k] = above[above[k]]
            k = above[k]
        return k

    for pair in pairs:
        one, other = sorted(map(top, pair))
        above[other] = one
    return [top(k) for k in range(number)]


def same(keys: Iterable[str]) -> list[tuple[int, int]]:
    """(first, other) of those that share a key which is not empty.

    Args:
        keys: one for each.

    Notebook: 09-your-songs.
    """
    first: dict[str, int] = {}
    pairs = [(first.setdefault(key, k), k) for k, key in enumerate(keys) if key]
    return [pair for pair in pairs if pair[0] != pair[1]]


def alike(strings: Sequence[str], rows: int = 128) -> Iterator[tuple[int, int]]:
    """Pairs of strings whose Levenshtein similarity is over ALIKE; none with fewer than `SHORTEST` characters.

    Args:
        strings: one for each.
        rows: so many at a time, against all that are not much longer.

    Notebook: 09-your-songs.
    """
    import numpy as np  # here, as rapidfuzz: the studio looks for no families
    from rapidfuzz import process
    from rapidfuzz.distance import Levenshtein

    order = sorted((k for k, text in enumerate(strings) if len(text) >= SHORTEST), key=lambda k: len(strings[k]))
    sizes = np.array([len(strings[k]) for k in order])
    for start in range(0, len(order), rows):
        some = order[start : start + rows]
        end = int(np.searchsorted(sizes, sizes[start : start + rows].max() / ALIKE, side="right"))
        those = order[start:end]
        found = process.cdist(
            [strings[k] for k in some],
            [strings[k] for k in those],
            scorer=Levenshtein.normalized_similarity,
            score_cutoff=ALIKE,
        )
        for i, j in np.argwhere(found > ALIKE):
            if i < j:
                yield some[i], those[j]

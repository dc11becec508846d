"""Which of your songs are variants of one tune, and the split that keeps them together.

Notebook: 09-your-songs.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from helpers.datasets import Split, split_by_family, tune_name
from helpers.songs import Song
from helpers.tunes import ALIKE, SHORTEST, alike, joined, notes, same, steps
from helpers.yours.preparing import many

LONGEST = 256  # intervals that are compared
MANY = 100  # families; with fewer, a tenth of them by chance may be none


@dataclass(frozen=True)
class Audit:
    """What the families rest on.

    Attributes:
        families: the number of families.
        largest: (title, songs) of the largest ones, at most five, none of a single song.
        by_title: songs that share their title with another.
        by_melody: pairs of songs whose intervals are alike.
        generic: titles that too many songs bear to mean anything.

    Notebook: 09-your-songs.
    """

    families: int
    largest: list[tuple[str, int]]
    by_title: int
    by_melody: int
    generic: list[str]


def with_families(songs: Sequence[Song]) -> tuple[list[Song], Audit]:
    """Songs with the family that their titles, their melodies and their files give them.

    Two songs are one family if a catalogue in their files says so, if their titles have the same letters, or if the
    Levenshtein similarity of their intervals is over `ALIKE`; and so are two that have a third one in common.

    Args:
        songs: with different ids.

    Returns:
        the songs in the same order, each with the id of its family's first song as its family; and the audit.

    Source: van Kranenburg (2010), A Computational Approach to Content-Based Retrieval of Folk Song Melodies.
    Notebook: 09-your-songs.
    """
    catalogued = same(song.family if song.family != song.id else "" for song in songs)
    titles, generic = _titles(songs)
    named = same(titles)
    strings = [intervals(song)[:LONGEST] for song in songs]
    similar = list(alike(strings))
    nothing = [not title and len(string) < SHORTEST for title, string in zip(titles, strings, strict=True)]
    files = same(_letters(Path(s.id).stem) if bare else "" for s, bare in zip(songs, nothing, strict=True))
    tops = joined(len(songs), [*catalogued, *named, *similar, *files])
    grouped = [replace(song, family=songs[top].id) for song, top in zip(songs, tops, strict=True)]
    sizes = Counter(tops).most_common()
    largest = [(songs[top].title, size) for top, size in sizes[:5] if size > 1]
    return grouped, Audit(len(sizes), largest, len({k for pair in named for k in pair}), len(similar), generic)


def intervals(song: Song) -> str:
    """The steps from note to note as a string, a character for each.

    Args:
        song: any; of a chord, the highest note counts.

    Notebook: 09-your-songs.
    """
    return steps(notes(song), still=True)


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, text.casefold()))


def _titles(songs: Sequence[Song]) -> tuple[list[str], list[str]]:
    """The letters of each title that can name a tune, "" for the others; and titles that name none.

    The name of a file is no title, and neither is a word such as "Reel" that stands over one song in fifty.
    """
    keys = [tune_name(song) for song in songs]
    most = max(5, len(songs) // 50)
    often = {key for key, number in Counter(keys).items() if key and number > most}
    generic = {key: song.title for key, song in zip(keys, songs, strict=True) if key in often}
    return ["" if key in often else key for key in keys], sorted(generic.values())


def split(songs: Sequence[Song]) -> Split:
    """The split of the series, `split_by_family`; fewer than `MANY` families are dealt out instead.

    By chance a tenth of few families may be none. So an eighth of them, in the order of their names' hashes, are test
    songs, and as many validation songs; but at least one each, and with two families there are no validation songs.

    Args:
        songs: with their families.

    Raises:
        ValueError: all songs are one family, so nothing is left to test on.

    Notebook: 09-your-songs.
    """
    hashed = lambda name: hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    names = sorted({song.family for song in songs}, key=hashed)
    if len(names) < 2:
        raise ValueError(
            f"all {len(songs)} songs are variants of one tune ({songs[0].title}), so there is none left to test on; "
            "add other songs."
        )
    if len(names) >= MANY:
        return split_by_family(songs)
    some = max(1, len(names) // 8)
    sides = names[some * (1 + (len(names) > 2)) :], names[some : some * (1 + (len(names) > 2))], names[:some]
    return Split(*([song for song in songs if song.family in side] for side in map(set, sides)))


def plainly(audit: Audit, parts: Split) -> list[str]:
    """The audit in sentences.

    Args:
        audit: of the families.
        parts: the split that was made with them.

    Notebook: 09-your-songs.
    """
    shared = f"{audit.by_title} share a title with another" if audit.by_title else "no two share a title"
    alike = f"{many(audit.by_melody, 'pair')} of melodies" if audit.by_melody else "no two melodies"
    lines = [
        f"{many(sum(map(len, parts)), 'song')} in {many(audit.families, 'family')}: {shared}, and {alike} are alike in "
        f"more than {ALIKE:.0%} of their intervals."
    ]
    if audit.largest:
        largest = (f"{title} ({many(size, 'song')})" for title, size in audit.largest)
        lines.append(f"The largest families: {'; '.join(largest)}.")
    if audit.generic:
        lines.append(f"Too many songs have these titles for them to mean one tune: {', '.join(audit.generic[:5])}.")
    sides = [{song.family for song in part} for part in parts]
    names = ("to learn from", "to choose with", "to test on")
    said = [
        f"{many(len(part), 'song')} {name} ({many(len(side), 'family')})"
        for part, side, name in zip(parts, sides, names, strict=True)
    ]
    both = sum(len(one & other) for k, one in enumerate(sides) for other in sides[k + 1 :])
    return [*lines, f"The split: {', '.join(said)}. Families on two sides: {both or 'none'}."]


def short_name(text: str) -> str:
    """A name for a checkpoint out of the name of a folder: letters, digits and hyphens.

    Args:
        text: name of the folder.

    Notebook: 09-your-songs.
    """
    return re.sub(r"[^\w-]+", "-", text).strip("-_")[:40] or "songs"

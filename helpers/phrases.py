"""Where the phrases of the bundled folk songs begin: each line of their ABC text is one.

music21 drops the ends of these lines, so the text is read once more, for the number of notes in each.

Notebook: 06-attention.
"""

from __future__ import annotations

import re
from bisect import bisect
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from helpers.songs import Song

_NOTE = re.compile(r"[\^_=]*[A-Ga-gxz][,']*\d*/*\d*")  # or a rest


def phrase_lengths(part: str = "erk") -> dict[str, list[int]]:
    """For each song of a part of the Essen collection, how many notes and rests each of its lines has.

    Args:
        part: of the collection, as in `corpus.load_essen`.

    Returns:
        song's id -> numbers of notes and rests; of songs that share an id, the last.

    Raises:
        FileNotFoundError: if music21 carries no such part.

    Notebook: 06-attention.
    """
    from music21 import common  # slow to import

    folder = Path(common.getCorpusFilePath()) / "essenFolksong"
    paths = sorted(path for path in folder.glob(f"{part}*.abc") if path.stem.rstrip("0123456789") == part)
    if not paths:
        raise FileNotFoundError(f"there is no {part!r} among the songs that music21 carries in {folder}.")
    lengths = {}
    for tune in "".join(path.read_text("utf-8", "replace") for path in paths).split("X:")[1:]:
        head, _, music = tune.partition("\nK:")
        if name := re.search(r"(?m)^N: *(\S+)", head):
            counts = [len(_NOTE.findall(line)) for line in music.splitlines()[1:]]
            lengths[name[1]] = [count for count in counts if count]
    return lengths


def places_in_phrase(song: Song, lengths: list[int]) -> list[tuple[int, Fraction]]:
    """For each event the number of its phrase, and how far into it the event begins, in quarter lengths.

    Args:
        song: a melody.
        lengths: of its phrases, in events.

    Raises:
        ValueError: if the lengths do not add up to the events of the song.

    Notebook: 06-attention.
    """
    if sum(lengths) != len(song.events):
        raise ValueError(f"song {song.id!r} has {len(song.events)} events, its phrases have {sum(lengths)}.")
    starts = [*accumulate(lengths, initial=0)][:-1]
    phrase = [bisect(starts, k) - 1 for k in range(len(song.events))]
    return [(number, song.onsets[k] - song.onsets[starts[number]]) for k, number in enumerate(phrase)]

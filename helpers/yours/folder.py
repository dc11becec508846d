"""Your folder in the place of Erk's songs: what the parameter `corpus` of the notebooks reads.

Notebook: 01-markov, 02-fnn-gradcheck, 03-lstm, 05-wavenet and 06-attention.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from helpers.corpus import load_essen
from helpers.datasets import split_by_family
from helpers.encoders import NoteEncoder
from helpers.exported import from_notebook
from helpers.songs import Corpus, Rejected, Song
from helpers.yours import families, preparing
from helpers.yours.preparing import many

FEWEST = (40, 5, 5)  # songs to train, to validate and to test
NOTES, QUARTERS = 40, 30  # of a long song: 03 follows a gradient through 120 sixteenths, 06 draws 40 notes
LONG = 5  # songs of that length to train


@functools.cache
def load_yours(folder: str) -> Corpus:
    """The melodies in a folder that the notebooks can spell, with families to split them by; in their own keys.

    They are prepared as `make yours` prepares them. The notebooks' alphabets have no triplets, nothing shorter than a
    sixteenth, and the meters of notebook 02: songs with anything else are listed in `rejected`. How many they are, why,
    and how the rest is split is printed. A folder is read once in a process.

    Args:
        folder: of kern, ABC, MIDI and MusicXML files.

    Raises:
        FileNotFoundError: there is no such folder.
        NotADirectoryError: it is a file.
        ValueError: no song can be used, or too few, or too short ones; says how many there are and are needed.

    Notebook: 01-markov.
    """
    corpus, several = preparing.melodies(folder)
    done = preparing.prepared(corpus, several).done[1:]
    corpus = _spelled(corpus)
    songs, audit = families.with_families(corpus.songs)
    parts = split_by_family(songs)
    print(f"{many(len(songs), 'song')} can be used, {len(corpus.rejected)} cannot.")
    for reason, number, names in preparing.reasons(corpus.rejected):
        print(f"  {number} × {reason}: {names}")
    _check(parts, Path(folder).expanduser().resolve().name)
    print(*done, *families.plainly(audit, parts), sep="\n")
    print("The text speaks of Erk's songs, and its numbers are theirs. Where it uses a shipped network, which knows")
    print("Erk's notes only, the one that the notebook has trained on your songs takes its place.")
    return Corpus(songs, corpus.rejected)


def songs_of(corpus: str = "", opening: Song | None = None) -> tuple[list[Song], Song]:
    """The songs of a notebook in C major or A minor: Erk's, or those of a folder; and a beginning for its takes.

    Args:
        corpus: a folder, as `load_yours`; "" for Erk's songs.
        opening: comes back with Erk's songs; with those of a folder, their `opening_of` does.

    Raises:
        FileNotFoundError: as `load_yours`.
        NotADirectoryError: as `load_yours`.
        ValueError: as `load_yours`.

    Notebook: 02-fnn-gradcheck.
    """
    book = load_yours(corpus) if corpus else load_essen("erk")
    songs = [song.in_c() for song in book.songs]
    return songs, opening_of(songs) if corpus else opening


def typical(songs: Sequence[Song]) -> Song:
    """An example: of the long songs, the one whose number of notes is closest to fifty.

    Args:
        songs: of which one is long enough, as `load_yours` makes sure of.

    Notebook: 01-markov.
    """
    return min(filter(_long, songs), key=lambda song: abs(len(song.events) - 50))


def opening_of(songs: Sequence[Song]) -> Song:
    """The first seven notes of the typical song, in C major or A minor.

    Args:
        songs: as for `typical`.

    Notebook: 01-markov.
    """
    song = typical(songs).in_c()
    return replace(song, events=song.events[:7])


def _long(song: Song) -> bool:
    return len(song.events) >= NOTES and song.duration > QUARTERS


def _spelled(corpus: Corpus) -> Corpus:
    """The songs without long rests that the notebooks can spell; the others are rejected with the reason."""
    meters, songs, rejected = from_notebook("02-fnn-gradcheck").METERS, [], list(corpus.rejected)
    for song in corpus.songs:
        try:
            line = preparing.without_long_rests(song)
            NoteEncoder().encode(line.in_c())
            if line.meter not in meters:
                raise ValueError(f"its meter is {line.meter}, and the notebooks know {', '.join(meters)}")
            if (sung := sum(not event.is_rest for event in line.events)) < preparing.FEWEST:
                raise ValueError(f"it has {sung} notes, and fewer than {preparing.FEWEST} are no melody")
            songs.append(line)
        except ValueError as error:
            rejected.append(Rejected(song.id, str(error)))
    return Corpus(songs, rejected)


def _check(parts, name: str) -> None:
    """Raises ValueError if the split leaves too little to train, to choose or to test."""
    sizes = [len(part) for part in parts]
    if any(size < fewest for size, fewest in zip(sizes, FEWEST, strict=True)):
        given, needed = ("{} to train, {} to validate and {} to test".format(*some) for some in (sizes, FEWEST))
        raise ValueError(
            f"of the folder {name!r}, {many(sum(sizes), 'song')} can be used: {given}. At least {needed} are needed, "
            "which about 100 songs give; `make yours` and notebook 09 work with fewer."
        )
    long = [sum(map(_long, part)) for part in parts]
    if long[0] < LONG or not long[1]:
        raise ValueError(
            f"the songs of the folder {name!r} are short: {long[0]} to train and {long[1]} to validate have {NOTES} "
            f"notes and more than {QUARTERS} quarters. At least {LONG} and 1 are needed; `make yours` works without."
        )

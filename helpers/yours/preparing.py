"""A folder of music as songs that the network can learn.

Notebook: 09-your-songs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise

from helpers.corpus import load_folder
from helpers.events import Event
from helpers.songs import Corpus, Rejected, Song
from helpers.yours.network import NOTES, STEP

LONGEST = 256  # notes; a longer song is learned in pieces
FEWEST = 8  # notes of a song


@dataclass(frozen=True)
class Prepared:
    """Songs to learn, and what was done to get them.

    Attributes:
        songs: melodies in C major or A minor.
        rejected: files and tunes that could not be used, with the reason.
        done: what was done to which number of songs, in sentences.
        centres: mean pitch in each mode.

    Notebook: 09-your-songs.
    """

    songs: list[Song]
    rejected: list[Rejected]
    done: list[str] = field(default_factory=list)
    centres: dict[str, float] = field(default_factory=dict)


def load(folder, instrument: str | None = None) -> Prepared:
    """The melodies in a folder, moved to C.

    Args:
        folder: of kern, ABC, MIDI and MusicXML files.
        instrument: as `load_folder`.

    Raises:
        FileNotFoundError: there is no such folder.
        NotADirectoryError: it is a file.
        ValueError: there is no song in it that can be used; with the reasons.

    Notebook: 09-your-songs.
    """
    return prepared(*melodies(folder, instrument), instrument)


def melodies(folder, instrument: str | None = None) -> tuple[Corpus, int]:
    """The melodies in a folder, in their own keys; of chords and voices, the highest note at each moment.

    Args:
        folder: as `load`.
        instrument: as `load`.

    Returns:
        the melodies, and how many of them were chords or voices.

    Raises:
        FileNotFoundError: as `load`.
        NotADirectoryError: as `load`.
        ValueError: there is no music in it.

    Notebook: 01-markov.
    """
    corpus = load_folder(folder, instrument)
    several = {song.id for song in corpus.songs if any(len(event.pitches) > 1 for event in song.events)}
    if several:  # a skyline of chords would strike held notes again, so these are read once more as melodies
        again = load_folder(folder, instrument, melody=True, only=several).songs
        lines = {song.id: song for song in again if song.id in several}
        corpus = Corpus([lines.get(song.id) or song.skyline() for song in corpus.songs], corpus.rejected)
    if not corpus.songs and not corpus.rejected:
        raise ValueError(f"the folder {str(folder)!r} holds no music: no .krn, .abc, .mid, .mxl or .musicxml file.")
    return corpus, len(several)


def prepared(corpus: Corpus, several: int = 0, instrument: str | None = None) -> Prepared:
    """Melodies moved to C, without what no alphabet could spell.

    Args:
        corpus: of melodies.
        several: how many of them were chords or voices.
        instrument: as it was chosen.

    Raises:
        ValueError: as `load`.

    Notebook: 09-your-songs.
    """
    songs, rejected, shortened = [], list(corpus.rejected), 0
    for song in corpus.songs:
        try:
            line = without_long_rests(song.in_c())
            NOTES.encode(line)
            if (sung := sum(not event.is_rest for event in line.events)) < FEWEST:
                raise ValueError(f"it has {sung} notes, and fewer than {FEWEST} are no melody")
        except ValueError as error:
            rejected.append(Rejected(song.id, str(error)))
            continue
        shortened += line.duration < song.duration
        songs.append(line)
    if not songs:
        reasons = "; ".join(f"{one.name}: {one.reason}" for one in rejected[:3])
        raise ValueError(f"none of {len(rejected)} songs can be used. {reasons}")
    done = ["All were moved to C major or A minor, as in the other notebooks."]
    if several:
        whose = f"the instrument {instrument!r}" if instrument not in (None, "all") else "what sounds"
        done.append(
            f"{many(several, 'song')} with chords or several voices: of {whose}, the highest note at each moment was "
            "kept, and all else was left out."
        )
    if shortened:
        done.append(
            f"In {many(shortened, 'song')}, silence before, after and between the notes was cut to a measure at most."
        )
    return Prepared(songs, rejected, done, centres_of(songs))


def centres_of(songs: Sequence[Song]) -> dict[str, float]:
    """The mean pitch of songs in each mode; of all of them, where a mode is missing.

    Args:
        songs: in C major and A minor.

    Notebook: 09-your-songs.
    """
    pitches = {"major": [], "minor": []}
    for song in songs:
        pitches[song.mode] += [event.pitches[-1] for event in song.events if event.pitches]
    every = pitches["major"] + pitches["minor"]
    return {mode: round(sum(some or every) / len(some or every), 1) for mode, some in pitches.items()}


def without_long_rests(song: Song) -> Song:
    """A song from its first note to its last, and no rest longer than a measure: whole measures are taken out.

    Args:
        song: with a note.

    Notebook: 09-your-songs.
    """
    sung = [k for k, event in enumerate(song.events) if not event.is_rest]
    if not sung:
        raise ValueError("there is no note in it")
    song = piece(song, sung[0], sung[-1] + 1)
    measure, events = song.measure_length, []
    for rest, event in pairwise((Event((60,), Fraction(1)), *song.events)):
        if event.is_rest and rest.is_rest and events[-1].duration + event.duration <= measure:
            event = Event((), events.pop().duration + event.duration)
        if event.is_rest and event.duration > measure:
            event = Event((), event.duration % measure or measure)
        events.append(event)
    return replace(song, events=tuple(events))


def piece(song: Song, first: int, end: int) -> Song:
    """Some events of a song in a row, with the upbeat that keeps each note on its place in the measure.

    Args:
        song: any.
        first: the first event.
        end: behind the last one.

    Notebook: 09-your-songs.
    """
    pickup = (song.pickup - song.onsets[first]) % song.measure_length
    return replace(song, events=song.events[first:end], pickup=pickup)


def in_pieces(songs: Sequence[Song]) -> list[Song]:
    """Songs of at most LONGEST notes; longer ones are cut into equal pieces, which stay one family.

    Args:
        songs: with their families.

    Notebook: 09-your-songs.
    """
    pieces = []
    for song in songs:
        number = -(-len(song.events) // LONGEST)
        places = [len(song.events) * k // number for k in range(number + 1)]
        pieces += [song] if number == 1 else [piece(song, *ends) for ends in pairwise(places)]
    return pieces


def reasons(rejected: Sequence[Rejected], most: int = 5) -> list[tuple[str, int, str]]:
    """What was rejected, like reasons together: (reason, how many, names).

    Args:
        rejected: of a Corpus.
        most: names that are given.

    Notebook: 09-your-songs.
    """
    anywhere = {one: re.sub(r" \(event \d+, measure \d+\)$", "", one.reason) for one in rejected}
    number = Counter(anywhere.values())
    names = lambda reason: [one.name for one, said in anywhere.items() if said == reason]
    shown = lambda every: ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")
    return [(reason, times, shown(names(reason))) for reason, times in number.most_common()]


def frame_of(songs: Sequence[Song]) -> Song:
    """A song without notes in the commonest meter, with its commonest upbeat, in the commonest mode.

    Args:
        songs: to look at.

    Notebook: 09-your-songs.
    """
    likely = Counter((song.meter, song.pickup, song.mode) for song in songs).most_common(1)[0][0]
    meter, pickup, mode = likely
    return Song("frame", "", "frame", "C" if mode == "major" else "A", mode, meter, (), pickup // STEP * STEP)


def many(number: int, what: str) -> str:
    """A number with its noun, in the singular or the plural.

    Args:
        number: from 0.
        what: such as "song" or "family".

    Notebook: 09-your-songs.
    """
    plural = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{number:,} {what if number == 1 else plural}"

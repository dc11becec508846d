"""Songs as plain data: what every other module hands around.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import accumulate

from helpers.events import Event, events_of_stream

_USUAL_TONIC = {
    "major": ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"),
    "minor": ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"),
}


def pitch_class(name: str) -> int:
    """Pitch class of a note name, C = 0 ... B = 11.

    Args:
        name: a letter and its accidentals, such as "F#", "Bb" or music21's "B-".

    Raises:
        ValueError: the name is no note name.

    Notebook: 04-autoencoder-vae.
    """
    match = re.fullmatch(r"([A-Ga-g])([#b-]*)", name)
    if not match:
        raise ValueError(f"{name!r} is not a note name; write a letter and accidentals, such as 'F#' or 'Bb'.")
    letter, accidentals = match.groups()
    natural = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[letter.upper()]
    return (natural + accidentals.count("#") - accidentals.count("b") - accidentals.count("-")) % 12


def pitch_name(pitch: int) -> str:
    """Name and octave of a MIDI number: 60 -> "C4", 70 -> "B♭4".

    Args:
        pitch: a MIDI number, 0 to 127.

    Notebook: 01-markov.
    """
    names = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
    return f"{names[pitch % 12]}{pitch // 12 - 1}"


@dataclass(frozen=True)
class Song:
    """A piece of music and where it comes from.

    Two songs are equal when they sound the same: equality looks at the events, not at the labels.

    Attributes:
        id: its name in the collection, such as "E0001A".
        title: as printed.
        family: id of the tune family; variants of one tune share it. Splits keep a family together.
        tonic: note name, such as "G" or "Bb".
        mode: "major" or "minor".
        meter: time signature, such as "3/4".
        events: notes, chords and rests, one after the other.
        pickup: length of the upbeat before the first full measure, in quarter lengths.

    Raises:
        ValueError: tonic, mode, meter or pickup cannot be.

    Notebook: 01-markov.
    """

    id: str = field(compare=False)
    title: str = field(compare=False)
    family: str = field(compare=False)
    tonic: str = field(compare=False)
    mode: str = field(compare=False)
    meter: str = field(compare=False)
    events: tuple[Event, ...]
    pickup: Fraction = field(default=Fraction(0), compare=False)

    def __post_init__(self):
        object.__setattr__(self, "events", tuple(self.events))
        object.__setattr__(self, "pickup", Fraction(self.pickup))
        pitch_class(self.tonic)
        if self.mode not in ("major", "minor"):
            raise ValueError(f"mode {self.mode!r} of song {self.id!r} is neither 'major' nor 'minor'.")
        object.__setattr__(self, "tonic", self.tonic[0].upper() + self.tonic[1:].replace("-", "b"))
        if not _METER.fullmatch(self.meter):
            raise ValueError(f"meter {self.meter!r} of song {self.id!r} is not a time signature such as '3/4'.")
        if not 0 <= self.pickup < self.measure_length:
            raise ValueError(f"a pickup of {self.pickup} quarters does not fit into a {self.meter} measure.")

    @property
    def measure_length(self) -> Fraction:
        """Length of a full measure in quarter lengths."""
        count, unit = self.meter.split("/")
        return Fraction(4 * int(count), int(unit))

    @property
    def onsets(self) -> list[Fraction]:
        """Where each event begins, and at last where the song ends, in quarter lengths."""
        return list(accumulate((event.duration for event in self.events), initial=Fraction(0)))

    @property
    def duration(self) -> Fraction:
        """Length of the song in quarter lengths."""
        return self.onsets[-1]

    def transpose(self, semitones: int) -> Song:
        """The song moved up; its tonic moves along.

        Args:
            semitones: by how many; down if negative.

        Raises:
            ValueError: a note would leave the MIDI range; names the song.
        """
        moved = {}
        for event in set(self.events):
            pitches = tuple(pitch + semitones for pitch in event.pitches)
            if pitches and not (min(pitches) >= 0 and max(pitches) <= 127):
                raise ValueError(f"song {self.id!r} moved by {semitones} semitones leaves the MIDI range 0 to 127.")
            moved[event] = Event(pitches, event.duration)
        tonic = self.tonic
        if semitones % 12:
            tonic = _USUAL_TONIC[self.mode][(pitch_class(self.tonic) + semitones) % 12]
        return replace(self, tonic=tonic, events=tuple(moved[event] for event in self.events))

    def in_c(self, nearest: bool = False) -> Song:
        """Transposed to C major or A minor.

        The interval is the one between the tonic and C (minor: A) when both stand in octave 4,
        so that G major moves down a fifth and D minor up a fifth; or the nearest one, -6 to +5 semitones,
        which leaves each song where its singers sing it.

        Args:
            nearest: by the nearest interval, so that what is learned cannot be the register.

        Raises:
            ValueError: as `transpose`.

        Source: Velardo (2020), Generating Melodies with LSTM Nets.
        """
        goal = 0 if self.mode == "major" else 9
        interval = goal - pitch_class(self.tonic)
        return self.transpose((interval + 6) % 12 - 6 if nearest else interval)

    def skyline(self) -> Song:
        """The highest note of each chord: a melody out of many voices.

        Source: Uitdenbogerd and Zobel (1998), Manipulation of Music for Melody Matching.
        """
        return replace(self, events=tuple(Event(event.pitches[-1:], event.duration) for event in self.events))

    def with_equal_durations(self, duration=Fraction(1)) -> Song:
        """Every note equally long and the rests left out: what is left is the line of pitches.

        Args:
            duration: of every event, in quarter lengths.
        """
        events = tuple(Event(event.pitches, duration) for event in self.events if event.pitches)
        return replace(self, events=events, pickup=Fraction(0))

    def folded(self, low: int = 48, high: int = 83) -> Song:
        """Each pitch outside a range moved by octaves into it; C3 to B5, three octaves, by default.

        Args:
            low: lowest MIDI number of the range.
            high: its highest.

        Raises:
            ValueError: the range is narrower than an octave, into which not every pitch fits.
        """
        if high - low < 11:
            raise ValueError(f"a range from {low} to {high} is narrower than an octave; not every pitch fits into it.")
        fold = lambda p: p - 12 * ((p - low) // 12) if p < low else p + 12 * ((high - p) // 12) if p > high else p
        return replace(self, events=tuple(Event(tuple(map(fold, e.pitches)), e.duration) for e in self.events))

    def excerpt(self, duration) -> Song:
        """The opening: the whole events that fit.

        Args:
            duration: of the excerpt at most, in quarter lengths.
        """
        return replace(self, events=self.events[: bisect_right(self.onsets[1:], duration)])

    @classmethod
    def from_tiny(cls, text: str, tonic: str = "C", mode: str = "major", title: str = "") -> Song:
        """A melody typed in music21's TinyNotation, such as "4/4 c4 d e f g2 g2".

        Letters are notes (c = middle C, c' an octave up, C an octave down), r is a rest, a number is
        the note value (4 = quarter) and stays until the next, # and - alter, ~ ties, trip{...} is a
        triplet. Tied notes become one event. A meter in front is optional (4/4 otherwise).

        Args:
            text: the melody.
            tonic: of the song, as a note name.
            mode: "major" or "minor".
            title: of the song.

        Raises:
            ValueError: a part cannot be read; names it. Or there are more than 20,000 characters.
        """
        if len(text) > 20_000:
            raise ValueError(f"a melody of {len(text):,} characters is too long to be typed; read it from a file.")
        meter, body = re.fullmatch(r"\s*(\d+/\d+)?\s*(.*)", text, re.DOTALL).groups()
        if meter and not _METER.fullmatch(meter):
            raise ValueError(f"{meter!r} is not a time signature such as '3/4'.")
        body = re.sub(r"([A-Ga-g])([#n-]+)('+)", r"\1\3\2", body)  # music21 would drop the ' of f#'
        _check_tiny(body)
        from music21 import converter  # slow to import, and only needed here

        try:
            score = converter.parse(f"tinyNotation: {meter or '4/4'} {body}", makeNotation=False)
        except Exception as error:
            raise ValueError(f"cannot read {text[:60]!r} as TinyNotation: {str(error)[:200]}") from error
        events = events_of_stream(score, merge_ties=True)
        return cls("tiny", title, "tiny", tonic, mode, meter or "4/4", events)

    def to_tiny(self) -> str:
        """The melody in TinyNotation, meter in front: `Song.from_tiny` reads the same events from it.

        A duration that needs several note values is written with ties, or, for a rest, as several rests.

        Raises:
            ValueError: there is a chord, or a duration that is no whole number of 64th notes.
        """
        words = [self.meter]
        for number, event in enumerate(self.events, 1):
            if len(event.pitches) > 1:
                raise ValueError(f"event {number} is a chord; TinyNotation writes one note at a time.")
            if not (values := note_values(event.duration)):
                raise ValueError(
                    f"event {number} lasts {event.duration} quarter notes, which TinyNotation cannot write."
                )
            name = _tiny_name(event.pitches[0]) if event.pitches else "r"
            words += [f"{name}{value}{'~' if event.pitches and value is not values[-1] else ''}" for value in values]
        return " ".join(words)


@dataclass(frozen=True)
class Rejected:
    """A file or song that was not used, and why.

    Notebook: none; in the `rejected` of a Corpus.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Corpus:
    """Songs that could be read, and what could not, with the reason.

    Notebook: 01-markov, as what `load_essen` returns.
    """

    songs: list[Song]
    rejected: list[Rejected] = field(default_factory=list)


class Voices(tuple[Song, ...]):
    """Songs that sound together, from high to low, as `voices_of` has found them fit to play.

    Notebook: none; made by `voices_of`.
    """

    @property
    def duration(self) -> Fraction:
        """Length of the longest voice in quarter lengths."""
        return max(voice.duration for voice in self)


def voices_of(song: Song | Sequence[Song]) -> Voices:
    """The voices of a piece: what plays, prints or writes music takes one Song, or several that sound together.

    Args:
        song: one song, or its voices from high to low; Voices are not looked at again.

    Returns:
        One or more songs.

    Raises:
        ValueError: there is none, or none of them holds an event.

    Notebook: none; called by midi, notation, sound, figures and player.
    """
    if isinstance(song, Voices):
        return song
    voices = Voices([song] if isinstance(song, Song) else song)
    if not voices:
        raise ValueError("there is no voice, so there is nothing to show or play.")
    if not any(voice.events for voice in voices):
        raise ValueError(f"song {voices[0].id!r} holds no event, so there is nothing to show or play.")
    return voices


def _tiny_name(pitch: int) -> str:
    letter, sharp = "CCDDEFFGGAAB"[pitch % 12], "#" * (pitch % 12 in (1, 3, 6, 8, 10))
    octave = pitch // 12 - 5
    return (letter.lower() + "'" * octave if octave >= 0 else letter * -octave) + sharp


def note_values(duration: Fraction) -> list[str]:
    """Note values that add up to a duration, long to short: 5/2 -> ["2", "8"].

    Args:
        duration: in quarter lengths.

    Returns:
        Numbers as in TinyNotation, dotted or not; [] if none add up to it.

    Notebook: none; called by Song.to_tiny and widgets.
    """
    values = []
    for value in (1, 2, 4, 8, 16, 32, 64):
        plain = Fraction(4, value)
        for dots, length in ((".", plain * Fraction(3, 2)), ("", plain)):
            while duration >= length and (not dots or value < 64):
                values.append(f"{value}{dots}")
                duration -= length
    return [] if duration else values


_METER = re.compile(r"[1-9]\d?/(1|2|4|8|16|32|64)")
_TINY_NOTE = re.compile(r"(?:r|([A-Ga-g])\1{0,5}'{0,5}(?:##?|--?|n)?)(?:\d+\.{0,3})?~?")


def _check_tiny(body: str) -> None:
    """music21 reads what it can of a mistyped note and drops the rest in silence; say so instead."""
    words = re.sub(r"(?:trip|quad)\{|\}", " ", body).split()
    if body.count("{") != body.count("}"):
        raise ValueError(f"the braces in {body[:60]!r} do not match; a triplet is written trip{{c8 d e}}.")
    if re.search(r"\{[^}]*\{", body):
        raise ValueError("a triplet stands inside another one; write them one after the other, as trip{c8 d e}.")
    if not words:
        raise ValueError("there is no note in this melody; type some, such as 'c4 d e f g2'.")
    for word in words:
        match = _TINY_NOTE.fullmatch(word)
        number = re.search(r"\d+", word)
        if not match or (number and int(number[0]) not in (1, 2, 4, 8, 16, 32, 64)):
            raise ValueError(
                f"{word[:60]!r} is not a note in TinyNotation; write a letter a to g (or r for a rest) and a "
                "note value out of 1, 2, 4, 8, 16, 32, 64, such as 'f#4', 'b-8' or 'r2'."
            )

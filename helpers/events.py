"""Notes, chords and rests, and how they come out of voices that overlap.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Event:
    """A note, a chord or a rest.

    Attributes:
        pitches: MIDI numbers (60 = middle C) in rising order; empty for a rest.
        duration: in quarter lengths (1 = quarter note), an exact Fraction.

    Raises:
        ValueError: a pitch is outside 0 ... 127, or the duration is not positive.

    Notebook: 01-markov.
    """

    pitches: tuple[int, ...]
    duration: Fraction

    def __post_init__(self):
        pitches = tuple(sorted(set(map(operator.index, self.pitches))))
        duration = Fraction(self.duration)
        if any(not 0 <= pitch <= 127 for pitch in pitches):
            raise ValueError(f"pitches {list(pitches)} are not all MIDI numbers; they go from 0 to 127.")
        if duration <= 0:
            raise ValueError(f"a duration of {duration} quarter notes is not positive.")
        object.__setattr__(self, "pitches", pitches)
        object.__setattr__(self, "duration", duration)

    @property
    def is_rest(self) -> bool:
        """Whether nothing sounds."""
        return not self.pitches


def events_of_stream(stream, merge_ties: bool, melody: bool = False) -> tuple[Event, ...]:
    """The notes, chords and rests of one music21 stream, in order.

    Grace notes, which have no length, and unpitched percussion are left out. Where voices overlap, the music becomes
    chords (`chords_of`).

    Args:
        stream: of any kind; it is flattened.
        merge_ties: join tied notes into one event.
        melody: keep only the highest of the notes that sound together, as `skyline`.

    Returns:
        Events, with the rests that are printed and those that fill gaps.

    Notebook: none; called by readers and Song.from_tiny.
    """
    found = list(_found(stream, merge_ties))
    if melody:
        found = skyline(found)
    events, end = [], Fraction(0)
    for onset, duration, pitches, continues in found:
        if onset < end:
            return tuple(Event(*chord) for chord in chords_of(found))
        if onset > end:
            events.append(Event((), onset - end))
        event = Event(pitches, duration)
        if continues and events and events[-1].pitches == event.pitches:
            event = Event(pitches, events.pop().duration + duration)
        events.append(event)
        end = onset + duration
    return tuple(events)


def _found(stream, merge_ties: bool):
    """(onset, duration, pitches, whether it continues a tie) of all that is played or rests."""
    for element in stream.flatten().notesAndRests:
        duration = Fraction(element.quarterLength).limit_denominator(5040)
        hidden = element.isRest and element.style.hideObjectOnPrint  # music21 fills short measures with these
        if duration <= 0 or hidden or not (element.isRest or getattr(element, "pitches", ())):
            continue
        pitches = () if element.isRest else tuple(round(pitch.ps) for pitch in element.pitches)
        tied = [note.tie for note in getattr(element, "notes", [element])]
        continues = merge_ties and pitches and all(tie and tie.type in ("stop", "continue") for tie in tied)
        yield Fraction(element.offset).limit_denominator(5040), duration, pitches, continues


def chords_of(found: Iterable[tuple]) -> list[tuple]:
    """Simultaneous voices as chords: the music is cut at every onset and every release.

    A note that only goes on through a cut is not struck again where nothing else changes the chord.
    music21's chordify finds the same chords, but only in streams, which MIDI does without, and in nine times the time.

    Args:
        found: (onset, duration, pitches, whether it continues a tie) of each note, in rising order of onset and in
            any one unit of time.

    Returns:
        (pitches, duration) of each chord and each silence from time 0 on, in the same unit.

    Notebook: none; called by events_of_stream and midi.
    """
    found = list(found)
    sounding = _spans(found)
    starting: dict[Fraction, list[int]] = {}
    stopping: dict[Fraction, list[int]] = {}
    for pitch, spans in sounding.items():
        for onset, end in spans:
            starting.setdefault(onset, []).append(pitch)
            stopping.setdefault(end, []).append(pitch)
    last = max(onset + duration for onset, duration, _, _ in found)
    cuts = sorted({0, last} | starting.keys() | stopping.keys())
    held: dict[int, int] = {}
    chords: list[tuple] = []
    for start, end in pairwise(cuts):
        for pitch in stopping.get(start, ()):
            held[pitch] -= 1
        for pitch in starting.get(start, ()):
            held[pitch] = held.get(pitch, 0) + 1
        chord = tuple(sorted(pitch for pitch, voices in held.items() if voices > 0))
        if chords and start not in starting and chords[-1][0] == chord:
            chords[-1] = (chord, chords[-1][1] + end - start)
        else:
            chords.append((chord, end - start))
    return chords


def skyline(found: Iterable[tuple]) -> list[tuple]:
    """A melody out of voices that overlap: the highest note at each moment, as it was struck.

    A note that begins under a higher one which still sounds is left out, and one that a higher one interrupts ends
    there. So a note that is held while others move below stays one note.

    Args:
        found: as `chords_of`.

    Returns:
        The same kind of tuples, none of them a chord, none overlapping; music for one voice comes back as it is.

    Source: Uitdenbogerd and Zobel (1998), Manipulation of Music for Melody Matching.
    Notebook: none; called by events_of_stream and midi.
    """
    found, end, one_voice = list(found), 0, True
    for onset, duration, pitches, _ in found:
        one_voice, end = one_voice and onset >= end and len(pitches) < 2, onset + duration
    if one_voice:
        return found
    notes = [(onset, -pitch, end) for pitch, spans in _spans(found).items() for onset, end in spans]
    line: list[tuple] = []  # (onset, pitch, end)
    for onset, below, end in sorted(notes):
        if line and line[-1][2] > onset:
            first, pitch, until = line[-1]
            if pitch >= -below:
                continue
            line[-1] = (first, pitch, onset)
        line.append((onset, -below, end))
    return [(onset, end - onset, (pitch,), False) for onset, pitch, end in line]


def _spans(found: list[tuple]) -> dict[int, list[tuple]]:
    """(onset, end) of all that sounds at each pitch, tied notes joined."""
    sounding: dict[int, list[tuple]] = {}
    for onset, duration, pitches, continues in found:
        for pitch in pitches:
            spans = sounding.setdefault(pitch, [])
            joined = next((k for k, (_, end) in enumerate(spans) if end == onset), None) if continues else None
            if joined is None:
                spans.append((onset, onset + duration))
            else:
                spans[joined] = (spans[joined][0], onset + duration)
    return sounding

"""Notes of MIDI files as chords: as they were written, or, where they were played, moved to a grid.

Notebook: none; called by midi.
"""

from __future__ import annotations

import functools
import math
from bisect import bisect_right


def is_written(score) -> bool:
    """Whether each note begins and ends on a simple fraction of a beat; where one was played, hardly any does.

    Args:
        score: of symusic, in ticks.

    Notebook: none; called by midi.
    """
    import numpy as np  # here, as symusic

    notes = [track.notes.numpy() for track in score.tracks]
    places = np.concatenate([part for each in notes for part in (each["time"], each["time"] + each["duration"])])
    parts = score.ticks_per_quarter // np.gcd(places, score.ticks_per_quarter)
    return set(parts.tolist()) <= {odd * 2**k for odd in (1, 3, 5, 7, 9) for k in range(5)}


def struck_together(notes: list[tuple]) -> list[tuple]:
    """Chords out of notes: those that begin and end together are one.

    Args:
        notes: (onset, length, pitch) each.

    Returns:
        (onset, length, pitches) in rising order.

    Notebook: none; called by midi.
    """
    chords: dict[tuple, list[int]] = {}
    for onset, length, pitch in notes:
        chords.setdefault((onset, length), []).append(pitch)
    return [(onset, length, tuple(pitches)) for (onset, length), pitches in sorted(chords.items())]


def moved(notes: list[tuple], ticks: int) -> list[tuple]:
    """Chords on the nearest sixteenth or triplet eighth.

    Notes that begin less than a sixteenth apart, and end so, are one chord. Where the next note begins on the grid of
    sixteenths (or triplets), a note is measured by that grid if the other would leave a gap before the next.

    Args:
        notes: (onset, length, pitch) each, in ticks.
        ticks: of a quarter note.

    Returns:
        (onset, length, pitches) in twelfths of a quarter note.

    Source: music21 10, `midi.translate.midiTrackToStream` and `Stream.quantize`, whose rounding errors are kept.
    Notebook: none; called by midi.
    """
    chords, taken = [], set()
    for k, (onset, length, _) in enumerate(notes):
        if k in taken:
            continue
        chord = [k]
        for j in range(k + 1, len(notes)):
            if notes[j][0] - onset >= ticks / 4:
                break
            if abs(sum(notes[j][:2]) - onset - length) <= ticks / 4:
                chord.append(j)
                taken.add(j)
        chords.append((onset, notes[chord[-1]][1], tuple(notes[j][2] for j in chord)))
    places = [nearest(onset / ticks) for onset, _, _ in chords]
    placed = []
    for k, (_, length, pitches) in enumerate(chords):
        later = bisect_right(places, places[k])
        gap = places[later] - places[k] if later < len(places) else 0
        placed.append((places[k], nearest(length / ticks, gap / 12, shortest=1), pitches))
    return placed


@functools.lru_cache(2**16)  # the same few lengths and places come again and again
def nearest(place: float, gap: float = 0.0, shortest: int = 0) -> int:
    """The twelfth of a quarter note that is a whole number of sixteenths or of triplet eighths and nearest.

    Args:
        place: in quarter notes.
        gap: until the next note; the grid that fills it wins.
        shortest: 1 where no length of 0 is allowed.

    Notebook: none; called by midi.
    """
    found = []
    for divisor in (4, 3):
        step = 1 / divisor
        low = step * math.floor(place / step)
        match = low if place <= low + step / 2 else step * (math.floor(place / step) + 1)
        match = match or shortest * step
        left = 0.0 if gap % step == 0 else max(gap - match, 0.0)
        found.append((left, round(abs(place - match), 7), step, match))
    return round(12 * min(found)[3])

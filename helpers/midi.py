"""Songs as MIDI files.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from helpers.files import write_atomically
from helpers.songs import Song, pitch_class, voices_of


def to_midi(song: Song | Sequence[Song], path=None, tempo: float = 100, program: int | Sequence[int] = 0) -> bytes:
    """The song as a MIDI file; also written to `path` if given.

    Args:
        tempo: quarter notes per minute.
        program: General MIDI instrument, 0 (grand piano) to 127; one for all voices or one for each.
    Raises: ValueError for a tempo or program out of range, or a song without events.
    """
    data = score_of(song, tempo, program).dumps_midi()
    if path is not None:
        write_atomically(Path(path), data)
    return data


def score_of(song: Song | Sequence[Song], tempo: float, program: int | Sequence[int]):
    import symusic

    voices = voices_of(song)
    first = voices[0]
    programs = [program] * len(voices) if isinstance(program, int) else list(program)
    if len(programs) != len(voices):
        raise ValueError(f"{len(programs)} instruments for {len(voices)} voices; give one for each, or one for all.")
    if not 4 <= tempo <= 1000:
        raise ValueError(f"a tempo of {tempo} is out of range; give quarter notes per minute, 4 to 1000.")
    for number in programs:
        if not 0 <= number <= 127:
            raise ValueError(f"there is no instrument {number}; General MIDI programs go from 0 to 127.")
    ticks = math.lcm(480, *(event.duration.denominator for voice in voices for event in voice.events))
    if ticks > 32_767:
        raise ValueError(f"the durations of song {first.id!r} need {ticks} ticks a quarter note; MIDI allows 32767.")
    score = symusic.Score(ticks)
    score.tempos.append(symusic.Tempo(0, tempo))
    count, unit = map(int, first.meter.split("/"))
    start, upbeat = 0, first.pickup / 4  # of a whole note
    if upbeat and upbeat.denominator in (1, 2, 4, 8, 16, 32):
        score.time_signatures.append(symusic.TimeSignature(0, upbeat.numerator, upbeat.denominator))
        start = int(first.pickup * ticks)
    score.time_signatures.append(symusic.TimeSignature(start, count, unit))
    fifths = (pitch_class(first.tonic) * 7 + 5) % 12 - 5  # of the tonic; a minor key has three sharps fewer
    sharps = fifths if first.mode == "major" else (fifths - 3 + 5) % 12 - 5
    score.key_signatures.append(symusic.KeySignature(0, sharps, first.mode == "minor"))
    for voice, number in zip(voices, programs, strict=True):
        track = symusic.Track(name=voice.title or "melody", program=number)
        onset = Fraction(0)
        for event in voice.events:
            for pitch in event.pitches:
                track.notes.append(symusic.Note(int(onset * ticks), int(event.duration * ticks), pitch, 90))
            onset += event.duration
        score.tracks.append(track)
    return score

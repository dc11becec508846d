"""Songs to MIDI files and back, both through symusic.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

import functools
import math
import re
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from helpers.events import Event, chords_of
from helpers.files import write_atomically
from helpers.reasons import Unusable, chosen_parts
from helpers.songs import Song, Voices, pitch_class, voices_of


def to_midi(song: Song | Sequence[Song], path=None, tempo: float = 100, program: int | Sequence[int] = 0) -> bytes:
    """The song as a MIDI file.

    Args:
        song: one song, or the voices of a piece.
        path: where to write it too, if given.
        tempo: quarter notes per minute.
        program: General MIDI instrument, 0 (grand piano) to 127; one for all voices or one for each.

    Returns:
        The bytes of a MIDI file of type 1.

    Raises:
        ValueError: a tempo or program is out of range, or the song is without events.

    Notebook: all of them, inside `play`.
    """
    data = score_of(song, tempo, program).dumps_midi()
    if path is not None:
        write_atomically(Path(path), data)
    return data


def score_of(song: Song | Sequence[Song], tempo: float, program: int | Sequence[int]):
    """The song as a symusic Score in ticks, each voice a track.

    Args:
        song, tempo, program: as `to_midi`.

    Raises:
        ValueError: as `to_midi`.

    Notebook: none; called by to_midi and sound.to_audio.
    """
    import symusic  # here, because whoever only looks at notes needs none of its 10 MB

    voices = voices_of(song)
    first = voices[0]
    programs = _programs(voices, tempo, program)
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
        for event, onset in zip(voice.events, voice.onsets, strict=False):
            for pitch in event.pitches:
                track.notes.append(symusic.Note(int(onset * ticks), int(event.duration * ticks), pitch, 90))
        score.tracks.append(track)
    return score


def _programs(voices: Voices, tempo: float, program: int | Sequence[int]) -> list[int]:
    """One instrument for each voice; ValueError where that or the tempo cannot be."""
    programs = [program] * len(voices) if isinstance(program, int) else list(program)
    if len(programs) != len(voices):
        raise ValueError(f"{len(programs)} instruments for {len(voices)} voices; give one for each, or one for all.")
    if not 4 <= tempo <= 1000:
        raise ValueError(f"a tempo of {tempo} is out of range; give quarter notes per minute, 4 to 1000.")
    for number in programs:
        if not 0 <= number <= 127:
            raise ValueError(f"there is no instrument {number}; General MIDI programs go from 0 to 127.")
    return programs


def read_midi(path, name: str, instrument: str | None = None) -> Song:
    """The song in a MIDI file.

    A file that was written, with all notes on simple fractions of a beat, is read exactly. In one that was played,
    each note moves to the nearest sixteenth or triplet eighth, as in music21. Rests are those between the notes,
    cut at barlines where there is one voice only. MIDI knows no ties: a held note is one event. Without a key
    signature, the key is found by music21's analysis (Krumhansl-Schmuckler with Aarden-Essen weights).

    Args:
        path: of the file.
        name: id of the song; without its ending, its title.
        instrument: name of the instrument to keep where there are several, or "all".

    Raises:
        Unusable: the file is no MIDI file, not whole, or holds no song that can be used; with the reason.

    Notebook: none; called by readers.read_file.
    """
    score = _score_in(Path(path).read_bytes())
    tracks = _tracks(score, instrument)
    signatures = {0: (4, 4)} | {s.time: (s.numerator, s.denominator) for s in score.time_signatures}
    ticks = unit = score.ticks_per_quarter
    if _is_written(score):
        parts = [_struck_together(notes) for notes in tracks]
    else:
        unit = 12  # a twelfth of a quarter note
        parts = [_moved(notes, ticks) for notes in tracks]
        signatures = {_nearest(time / ticks): signatures[time] for time in sorted(signatures)}
    parts = [chords for chords in parts if chords]
    if not parts:
        raise Unusable("there is no note in it")
    tonic, mode = _written_key(score) or _found_key(parts)
    meter, pickup = _meter_and_pickup(signatures, unit)
    event = functools.cache(lambda pitches, length: Event(pitches, Fraction(length, unit)))  # most are there many times
    events = tuple(event(*chord) for chord in _in_order(parts, signatures, unit))
    return Song(name, Path(name).stem, name, tonic, mode, meter, events, pickup)


def _score_in(data: bytes):
    """The symusic Score of a whole MIDI file; Unusable where it is not one."""
    import symusic  # here, because a cached load needs none of it

    data, count = _marked(data)
    try:
        score = symusic.Score.from_midi(data)
    except RuntimeError as error:
        raise Unusable(_DAMAGED) from error
    ends = [marker.time for marker in score.markers if marker.text == _END]
    whole = len(ends) == count and all(0 <= end <= _LONGEST * score.ticks_per_quarter for end in ends)
    keys = all(-7 <= key.key <= 7 and key.tonality in (0, 1) for key in score.key_signatures)
    meters = all(meter.numerator > 0 and meter.denominator > 0 for meter in score.time_signatures)
    if not (whole and keys and meters):
        raise Unusable(_DAMAGED)
    return score


_DAMAGED = "this is not a whole MIDI file: it is cut off or damaged"
_LONGEST = 20_000  # quarter notes, nearly three hours; only a damaged file lasts longer
_END = "the end of this track"
_END_OF_TRACK = b"\xff\x2f\0"
_MARKED_END = b"\xff\x06" + bytes([len(_END)]) + _END.encode() + b"\0" + _END_OF_TRACK
_NO_PROGRAM = 127  # gunshot
_MARKED_START = b"".join(bytes([0, 0xC0 + channel, _NO_PROGRAM]) for channel in range(16))


def _marked(data: bytes) -> tuple[bytes, int]:
    """The same MIDI file marked so that symusic tells what it would keep for itself, and how many tracks it has.

    symusic takes what it can where tracks are missing or damage ends one early; but it has read each track to its end
    if the marker put there is found in its Score. It takes a track without a program for a piano; here that starts as
    _NO_PROGRAM.
    """
    if data[:4] != b"MThd":
        raise Unusable("this is not a standard MIDI file: it does not begin with MThd")
    if len(data) < 14:
        raise Unusable(_DAMAGED)
    size, kind, count, ticks = struct.unpack(">IHHH", data[4:14])
    if kind > 1 or not 0 < ticks < 0x8000:
        raise Unusable("this kind of MIDI file (type 2, or timed in film frames) cannot be read; save it as type 1")
    tracks, at = [], 8 + size
    while at + 8 <= len(data):
        name, length = struct.unpack(">4sI", data[at : at + 8])
        track, at = data[at + 8 : at + 8 + length], at + 8 + length
        if name == b"MTrk" and track.endswith(_END_OF_TRACK) and at <= len(data):
            track = _MARKED_START + track.removesuffix(_END_OF_TRACK) + _MARKED_END
            tracks.append(b"MTrk" + struct.pack(">I", len(track)) + track)
        elif name == b"MTrk":
            raise Unusable(_DAMAGED)
    if len(tracks) < count:  # more is no damage: some programs do not count an empty last one
        raise Unusable(_DAMAGED)
    return struct.pack(">4sIHHH", b"MThd", 6, kind, len(tracks), ticks) + b"".join(tracks), len(tracks)


def _tracks(score, wanted: str | None) -> list[list[tuple[int, int, int]]]:
    """(onset, length, pitch) in ticks of all notes with a length, in each track of one instrument."""
    played = [track for track in score.tracks if len(track.notes)]
    pitched = [(k, track) for k, track in enumerate(played, 1) if not track.is_drum]
    named: dict[str, list] = {}
    for k, track in pitched:
        named.setdefault(_instrument(track, k), []).append(track.notes.numpy())
    chosen = chosen_parts(named, wanted, drums=len(pitched) < len(played))
    notes = (zip(*(part[key].tolist() for key in ("time", "duration", "pitch")), strict=True) for part in chosen)
    return [[note for note in part if note[1]] for part in notes]


def _instrument(track, number: int) -> str:
    """What the file calls a track (MuseScore ends it with a zero byte), or else what music21 calls its program."""
    name = " ".join(track.name.split("\0")[0].split())
    if "\ufffd" not in name and not re.fullmatch(r"(?i)(inst(rument)?( \d+)?|\d+)?", name):
        return name
    if track.program == _NO_PROGRAM:
        return f"part {number}"
    from music21 import instrument  # slow to import, and only tracks without a name need it

    return instrument.instrumentFromMidiProgram(track.program).instrumentName


def _is_written(score) -> bool:
    """Whether each note begins and ends on a simple fraction of a beat; where one was played, hardly any does."""
    import numpy as np  # here, as symusic

    notes = [track.notes.numpy() for track in score.tracks]
    places = np.concatenate([part for each in notes for part in (each["time"], each["time"] + each["duration"])])
    parts = score.ticks_per_quarter // np.gcd(places, score.ticks_per_quarter)
    return set(parts.tolist()) <= {odd * 2**k for odd in (1, 3, 5, 7, 9) for k in range(5)}


def _struck_together(notes: list[tuple]) -> list[tuple]:
    """(onset, length, pitches) in rising order: notes that begin and end together are one chord."""
    chords: dict[tuple, list[int]] = {}
    for onset, length, pitch in notes:
        chords.setdefault((onset, length), []).append(pitch)
    return [(onset, length, tuple(pitches)) for (onset, length), pitches in sorted(chords.items())]


def _moved(notes: list[tuple], ticks: int) -> list[tuple]:
    """(onset, length, pitches) in twelfths of a quarter note, on the nearest sixteenth or triplet eighth.

    Notes that begin less than a sixteenth apart, and end so, are one chord. Where the next note begins on the grid of
    sixteenths (or triplets), a note is measured by that grid if the other would leave a gap before the next.
    Source: music21 10, `midi.translate.midiTrackToStream` and `Stream.quantize`, whose rounding errors are kept.
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
    places = [_nearest(onset / ticks) for onset, _, _ in chords]
    moved = []
    for k, (_, length, pitches) in enumerate(chords):
        later = bisect_right(places, places[k])
        gap = places[later] - places[k] if later < len(places) else 0
        moved.append((places[k], _nearest(length / ticks, gap / 12, shortest=1), pitches))
    return moved


def _nearest(place: float, gap: float = 0.0, shortest: int = 0) -> int:
    """The twelfth of a quarter note that is a whole number of sixteenths or of triplet eighths and nearest.

    Args:
        place: in quarter notes.
        gap: until the next note; the grid that fills it wins.
        shortest: 1 where no length of 0 is allowed.
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


def _in_order(parts: list[list[tuple]], signatures: dict, unit: int) -> list[tuple]:
    """(pitches, length) of all that sounds and all silences between, one after the other."""
    notes = sorted((chord for part in parts for chord in part), key=lambda chord: chord[0])
    if len(parts) > 1 or any(onset + length > after[0] for (onset, length, _), after in pairwise(notes)):
        return chords_of((onset, length, pitches, False) for onset, length, pitches in notes)
    bars = _barlines(signatures, unit, notes[-1][0])
    events, end = [], 0
    for onset, length, pitches in notes:
        if onset > end:
            cuts = [end, *bars[bisect_right(bars, end) : bisect_left(bars, onset)], onset]
            events += [((), after - before) for before, after in pairwise(cuts)]
        events.append((pitches, length))
        end = onset + length
    return events


def _barlines(signatures: dict, unit: int, last: int) -> list[int | Fraction]:
    """Where measures end, until the last note begins; a change of meter holds from the next barline on."""
    changes = sorted(signatures)
    bars, at = [], 0
    while at < last:
        at += _measure(signatures[changes[bisect_right(changes, at) - 1]], unit)
        bars.append(at)
    return bars


def _measure(signature: tuple[int, int], unit: int) -> int | Fraction:
    """The length of a measure; a whole number where it can be, since Fractions compare slowly."""
    length = Fraction(4 * unit * signature[0], signature[1])
    return length.numerator if length.denominator == 1 else length


def _meter_and_pickup(signatures: dict, unit: int) -> tuple[str, Fraction]:
    """The first time signature, and the length of an upbeat, which stands in a short measure of its own."""
    upbeat, meter, pickup = _measure(signatures[0], unit), signatures[0], Fraction(0)
    second = min(signatures.keys() - {0}, default=None)
    if second == upbeat and upbeat < _measure(signatures[second], unit):
        meter, pickup = signatures[second], Fraction(upbeat, unit)
    return "/".join(map(str, meter)), pickup


_FIFTHS = ("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#")


def _written_key(score) -> tuple[str, str] | None:
    """Tonic and mode of the first key signature."""
    named = (
        (_FIFTHS[key.key + 7 + 3 * key.tonality], "minor" if key.tonality else "major") for key in score.key_signatures
    )
    return next(named, None)


def _found_key(parts: list[list[tuple]]) -> tuple[str, str]:
    """Tonic and mode by music21, which asks only how long each pitch class sounds: a stream of 12 notes will do."""
    from music21 import note, stream  # slow to import, and only files without a key signature need it
    from music21.analysis import discrete

    sounding = [0] * 12
    for _, length, pitches in (chord for part in parts for chord in part):
        for pitch in pitches:
            sounding[pitch % 12] += length
    notes = [note.Note(60 + k, quarterLength=length) for k, length in enumerate(sounding) if length]
    try:
        (tonic, mode, _), _ = discrete.AardenEssen().process(stream.Stream(notes))
    except Exception as error:
        raise Unusable("its key cannot be found: too little music in it") from error
    return tonic.name.replace("-", "b"), mode

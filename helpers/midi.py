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

from helpers.events import Event, chords_of, skyline
from helpers.files import write_atomically
from helpers.played import is_written, moved, nearest, struck_together
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


def read_midi(path, name: str, instrument: str | None = None, melody: bool = False) -> Song:
    """The song in a MIDI file.

    A file that was written, with all notes on simple fractions of a beat, is read exactly. In one that was played,
    each note moves to the nearest sixteenth or triplet eighth, as in music21. Rests are those between the notes,
    cut at barlines where there is one voice only. MIDI knows no ties: a held note is one event. Without a key
    signature, the key is found by music21's analysis (Krumhansl-Schmuckler with Aarden-Essen weights).

    Args:
        path: of the file.
        name: id of the song; without its ending, its title.
        instrument: name of the instrument, or of the track, to keep where there are several, or "all". All tracks
            with one program are one instrument.
        melody: keep only the highest of the notes that sound together, as `events.skyline`.

    Raises:
        Unusable: the file is no MIDI file, not whole, or holds no song that can be used; with the reason.

    Notebook: none; called by readers.read_file.
    """
    score = _score_in(Path(path).read_bytes())
    tracks = _tracks(score, instrument)
    signatures = {0: (4, 4)} | {s.time: (s.numerator, s.denominator) for s in score.time_signatures}
    ticks = unit = score.ticks_per_quarter
    if is_written(score):
        parts = [struck_together(notes) for notes in tracks]
    else:
        unit = 12  # a twelfth of a quarter note
        parts = [moved(notes, ticks) for notes in tracks]
        signatures = {nearest(time / ticks): signatures[time] for time in sorted(signatures)}
    parts = [chords for chords in parts if chords]
    if not parts:
        raise Unusable("there is no note in it")
    if melody:
        parts = _melody(parts)
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
            if _length(track) > _LONGEST * ticks:
                raise Unusable(_DAMAGED)
            track = _MARKED_START + track.removesuffix(_END_OF_TRACK) + _MARKED_END
            tracks.append(b"MTrk" + struct.pack(">I", len(track)) + track)
        elif name == b"MTrk":
            raise Unusable(_DAMAGED)
    if len(tracks) < count:  # more is no damage: some programs do not count an empty last one
        raise Unusable(_DAMAGED)
    return struct.pack(">4sIHHH", b"MThd", 6, kind, len(tracks), ticks) + b"".join(tracks), len(tracks)


def _length(track: bytes) -> int:
    """The ticks of a track, or 0 where they cannot be too many: symusic counts from 2^31 on backwards."""
    if len(track) < 300_000 and not re.search(rb"[\x80-\xff]{2}[\x00-\x7f]", track):
        return 0  # no wait has 2^14 ticks, and an event three bytes at least
    at = ticks = status = 0
    try:
        while at < len(track):
            wait, at = _number(track, at)
            ticks += wait
            if track[at] in (0xF0, 0xF7, 0xFF):
                length, at = _number(track, at + 1 + (track[at] == 0xFF))
                at += length
                continue
            if track[at] & 0x80:
                status, at = track[at], at + 1
            at += 1 if 0xC0 <= status < 0xE0 else 2
    except IndexError as error:
        raise Unusable(_DAMAGED) from error
    return ticks


def _number(track: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    number = 0
    while track[at] & 0x80:
        number, at = (number << 7) + (track[at] & 0x7F), at + 1
    return (number << 7) + track[at], at + 1


def _tracks(score, wanted: str | None) -> list[list[tuple[int, int, int]]]:
    """(onset, length, pitch) in ticks of all notes with a length, in each track of one instrument."""
    played = [track for track in score.tracks if len(track.notes)]
    pitched = [(k, track) for k, track in enumerate(played, 1) if not track.is_drum]
    tracks: dict[str, list] = {}
    of_program: dict[int, dict[str, list]] = {}
    for k, track in pitched:
        name, notes = _instrument(track, k), track.notes.numpy()
        tracks.setdefault(name, []).append(notes)
        program = 0 if track.program == _NO_PROGRAM else track.program  # a piano, says General MIDI
        of_program.setdefault(program, {}).setdefault(name, []).append(notes)
    named: dict[str, list] = {}
    for program, group in of_program.items():
        label = next(iter(group)) if len(group) == 1 else _program_name(program)
        named.setdefault(label, []).extend(part for parts in group.values() for part in parts)
    chosen = chosen_parts(named, wanted, drums=len(pitched) < len(played), tracks=tracks)
    notes = (zip(*(part[key].tolist() for key in ("time", "duration", "pitch")), strict=True) for part in chosen)
    return [[note for note in part if note[1]] for part in notes]


def _instrument(track, number: int) -> str:
    """What the file calls a track (MuseScore ends it with a zero byte), or else what music21 calls its program."""
    name = " ".join(track.name.split("\0")[0].split())
    if "\ufffd" not in name and not re.fullmatch(r"(?i)(inst(rument)?( \d+)?|\d+)?", name):
        return name
    if track.program == _NO_PROGRAM:
        return f"part {number}"
    return _program_name(track.program)


def _program_name(program: int) -> str:
    from music21 import instrument  # slow to import, and only tracks without a name of their own need it

    return instrument.instrumentFromMidiProgram(program).instrumentName


def _melody(parts: list[list[tuple]]) -> list[list[tuple]]:
    """All parts as one line."""
    notes = sorted((chord for part in parts for chord in part), key=lambda chord: chord[0])
    found = skyline((*chord, False) for chord in notes)
    return [[(onset, length, pitches) for onset, length, pitches, _ in found]]


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
    measures = [_measure(signatures[change], unit) for change in changes]
    bars, at = [], 0
    while at < last:
        at += measures[bisect_right(changes, at) - 1]
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

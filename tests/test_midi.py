"""MIDI files as other programs and hands make them. What to_midi writes is tested in test_render.py."""

import io
import random
import subprocess
import sys
from fractions import Fraction

import mido  # writes what symusic would not
import pytest

from helpers.events import Event, events_of_stream
from helpers.midi import read_midi, to_midi
from helpers.readers import read_file
from helpers.reasons import Unusable
from helpers.songs import Rejected, Song

SCALE = (60, 62, 64, 65, 67, 69, 71, 72)


def on(pitch, time=0, channel=0):
    return mido.Message("note_on", note=pitch, velocity=90, time=time, channel=channel)


def off(pitch, time=480, channel=0):
    return mido.Message("note_off", note=pitch, velocity=0, time=time, channel=channel)


def meta(kind, time=0, **how):
    return mido.MetaMessage(kind, time=time, **how)


def program(number, channel=0):
    return mido.Message("program_change", program=number, channel=channel)


def notes(pitches, channel=0):
    return [message for pitch in pitches for message in (on(pitch, 0, channel), off(pitch, 480, channel))]


def midi(*tracks, ticks=480, kind=1):
    file = mido.MidiFile(type=kind, ticks_per_beat=ticks)
    file.tracks = [mido.MidiTrack(track) for track in tracks]
    data = io.BytesIO()
    file.save(file=data)
    return data.getvalue()


def song_in(folder, data, instrument=None):
    path = folder / "x.mid"
    path.write_bytes(data)
    return read_midi(path, "x.mid", instrument)


def events(*pairs):
    return tuple(Event(pitches, Fraction(duration)) for pitches, duration in pairs)


def test_a_held_note_is_one_event_and_a_rest_stops_at_each_barline(tmp_path):
    track = [meta("time_signature"), meta("time_signature", numerator=3, denominator=4)]  # the last one counts
    track += [on(60), off(60, 5 * 480), on(62, 3 * 480), off(62, 40)]
    song = song_in(tmp_path, midi(track))
    assert song.events == events(((60,), 5), ((), 1), ((), 2), ((62,), "1/12"))
    assert (song.meter, song.pickup, song.title, song.family) == ("3/4", 0, "x", "x.mid")


def test_measures_follow_a_change_of_meter(tmp_path):
    track = [
        meta("time_signature", numerator=1, denominator=4),
        meta("time_signature", 480, numerator=3, denominator=4),
        meta("time_signature", 3 * 480, numerator=2, denominator=4),
        on(60, 4 * 480),
        off(60),
    ]
    song = song_in(tmp_path, midi(track))
    assert song.events == events(((), 1), ((), 3), ((), 2), ((), 2), ((60,), 1))
    assert (song.meter, song.pickup) == ("3/4", 1)


def test_notes_that_end_apart_are_cut_where_the_chord_changes(tmp_path):
    song = song_in(tmp_path, midi([on(60), on(64), off(64), on(65), off(65), off(60, 0)]))
    assert song.events == events(((60, 64), 1), ((60, 65), 1))


def test_a_note_struck_again_before_it_ended_is_heard_again(tmp_path):
    song = song_in(tmp_path, midi([on(60), on(60, 480), off(60), off(60)]))
    assert song.events == events(((60,), 1), ((60,), 2))  # music21 ends both where the first ends
    song = song_in(tmp_path, midi([on(60), on(60, 480), off(60, 0), off(60)]))
    assert song.events == events(((60,), 1), ((60,), 1))  # and loses the second here


def test_what_was_played_is_moved_as_music21_moves_it(tmp_path):
    from music21 import converter

    chance = random.Random(3)
    for number in range(8):
        track, now = [], 0
        for onset in range(0, 60 * 480, 480 // (2 if number % 2 else 3)):
            start = max(now, onset + chance.randrange(-45, 46))
            length = chance.randrange(20, 200)
            track += [on(60 + number + onset % 7, start - now), off(60 + number + onset % 7, length)]
            now = start + length
        song = song_in(tmp_path, midi(track))
        score = converter.parse(tmp_path / "x.mid", forceSource=True)
        theirs = events_of_stream(score.parts[0], merge_ties=True)
        while theirs[-1].is_rest:  # it fills the last measure
            theirs = theirs[:-1]
        assert song.events == theirs
        key = score.analyze("key")
        assert (song.tonic, song.mode) == (key.tonic.name.replace("-", "b"), key.mode)


def test_key_and_meter_count_wherever_they_stand(tmp_path):
    first = [meta("key_signature", key="Bbm"), meta("time_signature", numerator=6, denominator=8), program(0)]
    data = midi(first + notes(SCALE), [program(73, 1), *notes(SCALE, 1)])
    song = song_in(tmp_path, data, "flute")
    assert (song.tonic, song.mode, song.meter) == ("Bb", "minor", "6/8")


@pytest.mark.parametrize("sharps", range(-7, 8))
@pytest.mark.parametrize("mode", ["major", "minor"])
def test_each_key_signature_is_the_key_that_music21_names(tmp_path, sharps, mode):
    from music21 import key

    data = midi([meta("key_signature", key="C"), *notes(SCALE)])
    at = data.index(b"\xff\x59\x02") + 3
    song = song_in(tmp_path, data[:at] + bytes([sharps % 256, mode == "minor"]) + data[at + 2 :])
    named = key.KeySignature(sharps).asKey(mode)
    assert (song.tonic, song.mode) == (named.tonic.name.replace("-", "b"), mode)


def test_instruments_are_called_by_their_track_or_else_by_their_program(tmp_path):
    tracks = [
        [meta("track_name", name="Oboe d'amore\0"), program(68), *notes(SCALE)],
        [meta("track_name", name="Instrument 2"), program(40, 1), *notes(SCALE, 1)],
        [meta("track_name", name="fl\xf6te"), program(73, 2), *notes(SCALE, 2)],  # not UTF-8
        [program(40, 3), *notes(SCALE[:4], 3)],
        notes(SCALE[:2], 4),
        [meta("track_name", name="Drums"), *notes((36, 38), 9)],
        [meta("track_name", name="words"), meta("lyrics", text="la")],
    ]
    with pytest.raises(
        Unusable, match="^4 instruments play \\(Oboe d'amore, Violin, Flute, part 5\\): choose one, such as"
    ):
        song_in(tmp_path, midi(*tracks))
    assert len(song_in(tmp_path, midi(*tracks), "violin").events) == 8
    assert len(song_in(tmp_path, midi(*tracks), "part 5").events) == 2
    with pytest.raises(Unusable, match="no instrument is called 'Harp'; there is Oboe d'amore, Violin, Flute, part 5"):
        song_in(tmp_path, midi(*tracks), "Harp")


def test_music21_is_not_imported_where_the_file_says_its_key(tmp_path):
    to_midi(Song("x", "Tune", "x", "D", "minor", "3/4", (Event((62,), 3),)), tmp_path / "x.mid")
    code = "import sys; from helpers.corpus import load_file; s = load_file(sys.argv[1]).songs; print(s[0].tonic, "
    code += "'music21' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "x.mid"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["D", "False", "False"]


WHOLE = midi([meta("track_name", name="one"), *notes(SCALE)], [meta("track_name", name="two"), *notes(SCALE, 1)])
END = b"\xff\x2f\x00"


def changed(old, new, count=1):
    assert old in WHOLE
    return WHOLE.replace(old, new, count)


def test_more_than_there_should_be_does_no_harm(tmp_path):
    song = song_in(tmp_path, WHOLE + b"\0some more", "all")
    assert len(song.events) == 8
    assert song == song_in(tmp_path, changed(b"MTrk", b"XFIH\0\0\0\2abMTrk"), "all")  # a chunk that only some know
    assert song == song_in(tmp_path, changed(b"\0\1\0\2\1\xe0", b"\0\1\0\1\1\xe0"), "all")  # the second of one
    assert song == song_in(tmp_path, changed(b"\0\0\0\6", b"\0\0\0\7")[:14] + b"\0" + WHOLE[14:], "all")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"c d e f g", "begin with MThd"),
        (b"MThd", "cut off"),
        (WHOLE[:-1], "cut off"),
        (WHOLE[: WHOLE.rindex(b"MTrk")], "cut off"),  # the second of two tracks is missing
        (changed(b"\0\1\0\2\1\xe0", b"\0\2\0\2\1\xe0"), "type 2"),
        (changed(b"\0\1\0\2\1\xe0", b"\0\1\0\2\xe7\x28"), "film frames"),
        (changed(b"\0\1\0\2\1\xe0", b"\0\1\0\2\0\0"), "cannot be read"),
        (changed(b"\0\x90\x43\x5a", b"\0" + END), "damaged"),  # a track that ends early
        (changed(END, b"\0\0\0"), "damaged"),
        (changed(b"\x90\x43", b"\x90\xc3"), "damaged"),  # no pitch
        (changed(b"\x83\x60\x80\x43", b"\xff\xff\xff\x60\x80\x43"), "damaged"),  # a time of five bytes
        (midi([meta("key_signature", key="C"), *notes(SCALE)]).replace(b"\x59\2\0", b"\x59\2\x33"), "damaged"),
        (midi([meta("time_signature"), *notes(SCALE)]).replace(b"\x58\4\4", b"\x58\4\0"), "damaged"),
        (midi([on(60), off(60), meta("end_of_track", 2**28 - 1)]), "damaged"),  # nobody waits so long
        (midi([on(60)]), "no note"),
        (midi([on(60), off(60, 0)]), "no note"),
        (midi(notes((36, 38), 9)), "only drums"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, data, says):
    (tmp_path / "x.mid").write_bytes(data)
    (found,) = read_file(str(tmp_path / "x.mid"), "x.mid", "all", True)
    assert isinstance(found, Rejected) and says in found.reason and "\n" not in found.reason


def test_a_file_that_is_cut_anywhere_is_never_half_a_song(tmp_path):
    for cut in range(1, len(WHOLE)):
        (tmp_path / "x.mid").write_bytes(WHOLE[:cut])
        (found,) = read_file(str(tmp_path / "x.mid"), "x.mid", "all", True)
        assert isinstance(found, Rejected) and ("MThd" in found.reason or "cut off" in found.reason), cut


FUZZ = """
import random, sys
from pathlib import Path
from helpers.readers import read_file
from helpers.songs import Rejected, Song
path, whole, chance = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes(), random.Random(5)
for _ in range(3000):
    data = bytearray(whole)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        data[chance.randrange(len(data))] = chance.randrange(256)
    path.write_bytes(data)
    found = read_file(str(path), path.name, "all", True)
    assert all(isinstance(thing, (Song, Rejected)) for thing in found)
    assert not any(isinstance(thing, Rejected) and "\\n" in thing.reason for thing in found)
print("alive")
"""


@pytest.mark.slow
def test_no_damage_ends_a_worker_process(tmp_path):
    """symusic is C++, and before 0.6 it crashed here."""
    (tmp_path / "whole.mid").write_bytes(WHOLE)
    command = [sys.executable, "-c", FUZZ, tmp_path / "x.mid", tmp_path / "whole.mid"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr

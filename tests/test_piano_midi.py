"""Piano MIDI files as Mutopia, MAESTRO and NoteWorthy lay them out; text as DOS and the Macintosh wrote it."""

from fractions import Fraction

import pytest
from test_midi import meta, midi, off, on, program

from helpers.corpus import load_file, load_folder
from helpers.events import Event, skyline
from helpers.readers import read_file
from helpers.songs import Rejected

WORKS = ("joplin/maple_leaf_rag", "chopin/mazurka06-2", "bach/bwv846", "schumann_clara/polonaise_op1n1")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("NOTES_CACHE", str(tmp_path_factory.mktemp("cache")))


def hands(work):
    """(onset, length, pitch) in 480ths of a quarter note of each staff of a piano work inside music21."""
    from music21 import corpus

    score = corpus.parse(work).stripTies()
    staves = [part.flatten().notes for part in score.parts]
    note = lambda n, p: (round(n.offset * 480), round(n.quarterLength * 480), round(p.ps))
    staves = [[note(n, p) for n in staff for p in n.pitches if n.quarterLength] for staff in staves]
    return [sorted(set(staff)) for staff in staves if staff]


def track(notes, channel, *head):
    """A MIDI track: the notes in the order of their beginnings and ends."""
    moments = [(onset, 1, on(pitch, 0, channel)) for onset, _, pitch in notes]
    moments += [(onset + length, 0, off(pitch, 0, channel)) for onset, length, pitch in notes]
    now, messages = 0, list(head)
    for time, _, message in sorted(moments, key=lambda moment: moment[:2]):
        messages.append(message.copy(time=time - now))
        now = time
    return messages


def named(names, staves, programs=True):
    """A track for each staff on a channel of its own, called so, after a track without notes."""
    control = [meta("track_name", name="control track"), meta("time_signature"), meta("key_signature", key="C")]
    tracks = [control]
    for k, (name, staff) in enumerate(zip(names, staves, strict=False)):
        head = [meta("track_name", name=name)] + [program(0, k)] * programs
        tracks.append(track(staff, k, *head))
    return midi(*tracks)


LAYOUTS = {
    "LilyPond, hands": (("Right Hand", "Left Hand"), True),
    "LilyPond, staves": ((":upper", ":lower"), True),
    "NoteWorthy": (("Staff", "Staff-1"), True),
    "NoteWorthy's words": (("Created", "With"), True),
    "no program": (("Piano RH", "Piano LH"), False),
}


@pytest.mark.slow
@pytest.mark.parametrize("work", WORKS)
def test_piano_music_loads_whatever_its_tracks_are_called(tmp_path, work):
    staves = hands(work)[:2]
    assert len(staves) == 2
    (tmp_path / "one track.mid").write_bytes(named(["Piano"], [sorted(staves[0] + staves[1])]))
    for label, (names, programs) in LAYOUTS.items():
        (tmp_path / f"{label}.mid").write_bytes(named(names, staves, programs))
    loaded = load_folder(tmp_path)
    assert loaded.rejected == [] and len(loaded.songs) == 1 + len(LAYOUTS)
    by_name = {song.title: song for song in loaded.songs}
    heard = {name: sounding(song) for name, song in by_name.items()}
    assert set(heard.values()) == {heard["LilyPond, hands"]}
    melody = load_file(tmp_path / "NoteWorthy.mid", melody=True).songs[0]
    assert all(len(event.pitches) < 2 for event in melody.events)
    top = by_name["NoteWorthy"].skyline()
    assert len(melody.events) <= len(top.events) and melody.duration <= top.duration


def sounding(song):
    """What sounds at each sixteenth, of however many tracks it was made."""
    places = [(onset, event.pitches) for onset, event in zip(song.onsets, song.events, strict=False)]
    return tuple(dict(places).items())


def one(folder, data, **how):
    path = folder / "x.mid"
    path.write_bytes(data)
    return read_file(str(path), "x.mid", how.pop("instrument", None), True, **how)[0]


HIGH, LOW = [(0, 960, 72), (960, 960, 74)], [(0, 480, 48), (480, 480, 52), (960, 480, 55), (1440, 480, 52)]


def test_a_track_can_still_be_chosen_by_its_name(tmp_path):
    data = named(("Right Hand", "Left Hand"), (HIGH, LOW))
    assert [e.pitches for e in one(tmp_path, data).events] == [(48, 72), (52, 72), (55, 74), (52, 74)]
    assert [e.pitches for e in one(tmp_path, data, instrument="left hand").events] == [(48,), (52,), (55,), (52,)]


def test_two_programs_are_two_instruments(tmp_path):
    flute = track(HIGH, 0, meta("track_name", name="Staff"), program(73, 0))
    tracks = (track(LOW, k, meta("track_name", name=f"Staff-{k}"), program(0, k)) for k in (1, 2))
    rejected = one(tmp_path, midi(flute, *tracks))
    assert isinstance(rejected, Rejected) and rejected.reason.startswith("2 instruments play (Staff, Piano)")


def test_a_melody_of_voices_that_overlap_is_what_was_struck(tmp_path):
    data = named(("Right Hand", "Left Hand"), (HIGH, LOW))
    assert one(tmp_path, data, melody=True).events == (Event((72,), 2), Event((74,), 2))
    assert len(one(tmp_path, data).skyline().events) == 4  # the chords strike the held notes again


def test_skyline_by_hand():
    found = [(0, 4, (60,), False), (1, 1, (55,), False), (2, 1, (67,), False), (5, 1, (62, 65), False)]
    line = [(0, 2, (60,), False), (2, 1, (67,), False), (5, 1, (65,), False)]
    assert skyline(found) == line
    single = [(0, 1, (60,), False), (1, 1, (), False), (2, 1, (60,), True)]
    assert skyline(single) == single


KERN = "!!!OTL: {}\n!!!COM: {}\n**kern\n*M4/4\n*k[]\n*C:\n=1\n4c\n4d\n4e\n4f\n==\n*-\n"
WORDS = (
    "gefühlsmäßig",
    "Ännchen von Tharau",
    "Prélude à l'après-midi",
    "Señor, señorita",
    "Björn",
    "Dvorák",
    "Élégie",
    "GRÖSSE",
    "Über allen Gipfeln, müde",
)


@pytest.mark.parametrize("encoding", ["cp437", "cp850", "mac_roman", "latin-1", "cp1252", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("word", WORDS)
def test_text_in_an_old_encoding_is_read(tmp_path, encoding, word):
    (tmp_path / "a.krn").write_bytes(KERN.format(word, "somebody").encode(encoding))
    (song,) = load_file(tmp_path / "a.krn").songs
    assert song.title == word and len(song.events) == 4


def test_the_bytes_of_the_issue(tmp_path):
    (tmp_path / "a.krn").write_bytes(KERN.format("x", "?").encode().replace(b"?", b"gef\x81hlsm\x84\xe1ig") + b"\x1a")
    assert load_file(tmp_path / "a.krn").songs[0].events[0] == Event((60,), Fraction(1))


@pytest.mark.parametrize(
    "data",
    [
        b"**kern\n4c\x004d\n",
        b"X:1\nK:C\n\x01\x02\x03",
        bytes(range(128, 256)) * 4,
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        "X:1\nK:C\nC D E".encode("utf-16"),
        b"X:1\nK:C\n" + b"\xff\xfe\xfd" * 20,
    ],
)
def test_what_is_no_text_is_still_rejected(tmp_path, data):
    for name in ("a.krn", "a.abc"):
        (tmp_path / name).write_bytes(data)
        (rejected,) = load_file(tmp_path / name).rejected
        assert "not a text file" in rejected.reason

import json
import os
import subprocess
import sys
from fractions import Fraction

import pytest

from helpers import cache, corpus
from helpers.corpus import load_chorale_voices, load_chorales, load_essen, load_folder, load_songs_in_kern
from helpers.datasets import split_by_family
from helpers.midi import to_midi
from helpers.notation import to_musicxml
from helpers.songs import Corpus, Event, Song

KERN = """!!!OTL: Ein Lied
!!!SCT: E0001A
**kern
*k[f#]
*G:
*M3/4
4d
=1
4g
8a
8b
[4cc
=2
4cc]
6d
6e
6f#
=3
2.g
==
*-
"""


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(folder))
    return folder


def test_erk_is_what_the_notebook_says():
    songs = load_essen("erk").songs
    assert (len(songs), sum(len(song.events) for song in songs)) == (1754, 85714)
    assert len({song.id for song in songs}) == 1754
    assert [len(part) for part in split_by_family(songs)] == [1387, 222, 145]
    assert sum(song.mode == "minor" for song in songs) == 107


def test_families_stay_together():
    split = split_by_family(load_essen("erk").songs)
    families = [{song.family for song in part} for part in split]
    assert not families[0] & families[1] and not families[0] & families[2] and not families[1] & families[2]
    assert {song.id for part in split for song in part if song.family == "E0084"} >= {"E0084", "E0084A", "E0084F"}


def test_upbeat_and_meter_are_read():
    song = next(song for song in load_essen("erk").songs if song.id == "E0001")
    assert (song.meter, song.pickup, song.tonic, song.mode) == ("2/4", Fraction(1, 2), "F", "major")


def test_unknown_part_names_the_known_ones():
    with pytest.raises(ValueError, match="boehme.*erk.*kinder"):
        load_essen("bohème")


@pytest.mark.slow
def test_another_part_loads_fresh_and_from_the_cache_alike(own_cache, capsys):
    fresh = load_essen("variant")
    assert len(fresh.songs) == 29
    assert len(list(own_cache.glob("*.json"))) == 1
    cached = load_essen("variant")
    assert cached == fresh
    labels = lambda song: (song.id, song.title, song.family, song.tonic, song.mode, song.meter, song.pickup)
    assert [labels(song) for song in cached.songs] == [labels(song) for song in fresh.songs]
    assert "was damaged" not in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["cut", "changed", "not json", "empty"])
def test_a_damaged_cache_is_rebuilt_with_one_notice(own_cache, capsys, damage):
    fresh = load_essen("variant")
    (file,) = own_cache.glob("*.json")
    text = file.read_text()
    broken = {"cut": text[:-50], "changed": text.replace("60", "61", 1), "not json": "{", "empty": ""}[damage]
    file.write_text(broken)
    assert load_essen("variant") == fresh
    assert capsys.readouterr().err.count("was damaged") == 1
    assert json.loads(file.read_text())
    load_essen("variant")
    assert "was damaged" not in capsys.readouterr().err


@pytest.mark.slow
def test_a_cached_load_needs_no_music21(own_cache):
    load_essen("variant")
    code = "import sys; from helpers.corpus import load_essen; load_essen('variant'); print('music21' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.slow
def test_songs_load_in_a_script_without_a_main_guard(own_cache, tmp_path):
    """Worker processes are started alike on Linux, macOS and Windows, so this is the hardest case everywhere."""
    script = tmp_path / "script.py"
    script.write_text("from helpers.corpus import load_essen\nprint(len(load_essen('variant').songs))\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "29"


def test_the_cache_goes_to_the_users_folder_where_data_is_read_only(monkeypatch, tmp_path):
    monkeypatch.delenv(cache.CACHE_VARIABLE, raising=False)
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert tmp_path in cache.cache_folder().parents


def test_songs_load_where_no_cache_can_be_written_and_nothing_is_left_behind(own_cache, monkeypatch, capsys):
    def interrupt(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", interrupt)
    assert len(load_essen("variant").songs) == 29
    assert "not cached: No space left on device" in capsys.readouterr().err
    assert [path for path in own_cache.iterdir() if path.suffix != ".lock"] == []


def test_a_cache_folder_that_is_a_file_is_no_obstacle(own_cache, capsys):
    own_cache.write_text("not a folder")
    assert len(load_essen("variant").songs) == 29
    assert "not cached" in capsys.readouterr().err


def test_kern_keeps_ties_as_printed_unless_asked(own_cache, tmp_path):
    (tmp_path / "deut0001.krn").write_text(KERN)
    (song,) = load_songs_in_kern(tmp_path).songs
    third = Fraction(2, 3)
    assert (song.title, song.family, song.tonic, song.mode, song.meter) == ("Ein Lied", "E0001", "G", "major", "3/4")
    assert song.pickup == 1
    assert [event.duration for event in song.events] == [
        1,
        1,
        Fraction(1, 2),
        Fraction(1, 2),
        1,
        1,
        third,
        third,
        third,
        3,
    ]
    (merged,) = load_songs_in_kern(tmp_path, merge_ties=True).songs
    assert merged.events[4] == Event((72,), 2)
    assert merged.duration == song.duration


def test_a_minor_song_in_kern(own_cache, tmp_path):
    (tmp_path / "a.krn").write_text("**kern\n*k[]\n*a:\n*M2/4\n=1\n4a\n4r\n=2\n[2cc\n=3\n2cc]\n==\n*-\n")
    (song,) = load_songs_in_kern(tmp_path).songs
    assert (song.tonic, song.mode) == ("A", "minor")
    assert song.events == (Event((69,), 1), Event((), 1), Event((72,), 2), Event((72,), 2))


def test_missing_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no-such-folder"):
        load_songs_in_kern(tmp_path / "no-such-folder")
    (tmp_path / "file.krn").write_text(KERN)
    with pytest.raises(NotADirectoryError, match="give the folder"):
        load_folder(tmp_path / "file.krn")


def test_a_folder_of_bad_files_and_one_good_song(own_cache, tmp_path, capsys):
    folder = tmp_path / "songs"
    (folder / "deeper").mkdir(parents=True)
    good = Song.from_tiny("4/4 trip{c8 d e} f4 g2 a2")
    to_musicxml(good, folder / "deeper" / "good.musicxml")
    (folder / "cut.mid").write_bytes(to_midi(good)[:-20])
    (folder / "empty.krn").write_text("")
    (folder / "junk.abc").write_bytes(bytes(range(256)) * 3)
    (folder / "broken.musicxml").write_text("<score-partwise><part>")
    (folder / "silent.krn").write_text("**kern\n*M4/4\n1r\n==\n*-\n")
    (folder / "shopping.txt").write_text("milk, eggs")
    loaded = load_folder(folder)
    assert loaded.songs == [good]
    assert loaded.songs[0].events[0].duration == Fraction(1, 3)
    reasons = {rejected.name: rejected.reason for rejected in loaded.rejected}
    assert reasons.keys() == {"cut.mid", "empty.krn", "junk.abc", "broken.musicxml", "silent.krn"}
    assert "cut off or damaged" in reasons["cut.mid"]
    assert "empty" in reasons["empty.krn"]
    assert "not a text file" in reasons["junk.abc"]
    assert "not valid XML" in reasons["broken.musicxml"]
    assert "no note" in reasons["silent.krn"]
    printed = capsys.readouterr()
    assert "Traceback" not in printed.out + printed.err
    assert load_folder(folder) == loaded  # from the cache


def test_a_changed_folder_is_read_again(own_cache, tmp_path):
    folder = tmp_path / "songs"
    folder.mkdir()
    (folder / "one.abc").write_text("X:1\nT:One\nM:2/4\nL:1/8\nK:G\nG2 A2|B4|\n", encoding="utf-8")
    assert len(load_folder(folder).songs) == 1
    (folder / "two.abc").write_text("X:1\nT:Zwei, drü\nM:2/4\nL:1/8\nK:G\nG2 (3ABc|d4|\n\nX:2\nT:Drei\nK:D\nD4|\n")
    loaded = load_folder(folder)
    assert [song.id for song in loaded.songs] == ["one.abc", "two.abc#1", "two.abc#2"]
    assert loaded.songs[1].events[1].duration == Fraction(1, 3)
    assert loaded.songs[1].title == "Zwei, drü"


def two_instruments(path, same):
    from music21 import instrument, note, stream

    score = stream.Score()
    for k, pitch in enumerate((72, 60)):
        part = stream.Part()
        part.insert(0, instrument.Flute() if same or k == 0 else instrument.Violoncello())
        part.append([note.Note(pitch, quarterLength=1), note.Note(pitch + 2, quarterLength=1 + k)])
        score.insert(0, part)
    score.write("midi", path)


def test_only_what_is_asked_for_is_read(own_cache, tmp_path):
    songs = tmp_path / "songs"
    songs.mkdir()
    tune = "X:{n}\nT:Tune {n}\nM:2/4\nL:1/8\nK:G\n{notes}|B4|\n\n"
    (songs / "two.abc").write_text(tune.format(n=1, notes="G2 A2") + tune.format(n=2, notes="[GB]2 A2"))
    to_midi(Song.from_tiny("4/4 c4 d e f g2 a2 g1"), songs / "one.mid")
    to_midi(Song.from_tiny("4/4 c4 d e f g2 f2 c1"), songs / "other.mid")
    ids = {song.id for song in load_folder(songs).songs}
    assert ids == {"two.abc#1", "two.abc#2", "one.mid", "other.mid"}
    for some in ({"two.abc#2"}, {"one.mid", "two.abc#1"}, set()):
        assert {song.id for song in load_folder(songs, melody=True, only=some).songs} == some
    (line,) = load_folder(songs, melody=True, only=["two.abc#2"]).songs
    assert [event.pitches for event in line.events] == [(71,), (69,), (71,)]


def test_voices_of_one_instrument_become_chords(own_cache, tmp_path):
    two_instruments(tmp_path / "duo.mid", same=True)
    (song,) = load_folder(tmp_path, instrument=None).songs
    assert [event.pitches for event in song.events] == [(60, 72), (62, 74), (62,)]
    assert [event.duration for event in song.events] == [1, 1, 1]


def test_several_instruments_need_a_choice(own_cache, tmp_path):
    two_instruments(tmp_path / "duo.mid", same=False)
    (rejected,) = load_folder(tmp_path).rejected
    assert "2 instruments" in rejected.reason and "Flute" in rejected.reason and "instrument=" in rejected.reason
    (song,) = load_folder(tmp_path, instrument="flute").songs
    assert [event.pitches for event in song.events] == [(72,), (74,)]
    (song,) = load_folder(tmp_path, instrument="all").songs
    assert song.events[0].pitches == (60, 72)
    (rejected,) = load_folder(tmp_path, instrument="Tuba").rejected
    assert "no instrument is called 'Tuba'" in rejected.reason


def test_a_song_goes_through_midi_and_musicxml(own_cache, tmp_path):
    song = Song.from_tiny("3/4 g4 a8 b c'4 r d'2. e'4 f#' g'")
    to_midi(song, tmp_path / "song.mid")
    to_musicxml(song, tmp_path / "song.musicxml")
    loaded = load_folder(tmp_path)
    assert not loaded.rejected
    assert loaded.songs == [song, song]
    assert {song.meter for song in loaded.songs} == {"3/4"}


@pytest.mark.slow
def test_accidentals_hold_until_the_barline_where_asked(own_cache, tmp_path):
    (tmp_path / "a.abc").write_text("X:1\nM:4/4\nL:1/4\nK:C\n^F F =F F|F4|\n")
    (song,) = load_folder(tmp_path).songs
    assert [event.pitches[0] for event in song.events] == [66, 66, 65, 65, 65]
    as_read, as_printed = load_essen("variant"), load_essen("variant", bar_accidentals=True)
    assert [len(song.events) for song in as_read.songs] == [len(song.events) for song in as_printed.songs]


def test_abc_as_people_write_it(own_cache, tmp_path):
    text = "M:3/4\rL:1/4\r\rX:1\rT:One\rK:Ador\rA|Bcd|[K:G]f2[M:3/4]e|\r\rSome words.\r\rX:2\rT:Two\rK:C\rc & e|\r"
    (tmp_path / "book.abc").write_bytes(text.encode())
    loaded = load_folder(tmp_path)
    (song,) = loaded.songs
    assert (song.tonic, song.mode, song.meter) == ("A", "minor", "3/4")
    assert [event.pitches[0] for event in song.events] == [69, 71, 72, 74, 78, 76]
    assert [event.duration for event in song.events] == [1, 1, 1, 1, 2, 1]
    assert "ABC signs" in loaded.rejected[0].reason


def test_written_midi_is_read_exactly_with_its_upbeat(own_cache, tmp_path):
    durations = [
        Fraction(1),
        *[Fraction(1, 6)] * 6,
        *[Fraction(1, 8)] * 8,
        *[Fraction(1, 5)] * 5,
        Fraction(3, 4),
        Fraction(1, 4),
    ]
    events = tuple(Event((60 + k % 12,), duration) for k, duration in enumerate(durations))
    song = Song("x", "", "x", "Eb", "major", "3/4", events, 1)
    to_midi(song, tmp_path / "song.mid")
    (loaded,) = load_folder(tmp_path).songs
    assert loaded == song
    assert (loaded.meter, loaded.pickup, loaded.tonic, loaded.mode) == ("3/4", 1, "Eb", "major")


def test_a_transposing_instrument_sounds_as_it_sounds(own_cache, tmp_path):
    from music21 import instrument, note, stream

    part = stream.Part([instrument.Clarinet(), note.Note("D4", quarterLength=4)])
    stream.Score([part]).write("musicxml", tmp_path / "clarinet.musicxml")
    (song,) = load_folder(tmp_path).songs
    assert song.events == (Event((60,), 4),)


def test_uppercase_endings_and_locked_folders(own_cache, tmp_path, monkeypatch):
    (tmp_path / "UP.KRN").write_text(KERN)
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def refuse(path):  # as the system does, except to root
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    loaded = load_folder(tmp_path)
    assert [song.family for song in loaded.songs] == ["E0001"]
    assert [(found.name, "may not be opened" in found.reason) for found in loaded.rejected] == [
        (str(tmp_path / "locked"), True)
    ]


def test_midi_files_that_cannot_be_used_say_why(own_cache, tmp_path):
    import mido

    def file(name, *tracks):
        book = mido.MidiFile()
        for messages in tracks:
            track = mido.MidiTrack()
            track.extend(messages)
            book.tracks.append(track)
        book.save(tmp_path / name)

    def notes(*pitches, channel=0, program=24, label="Guitar"):
        yield mido.MetaMessage("track_name", name=label)
        yield mido.Message("program_change", program=program, channel=channel)
        for pitch in pitches:
            yield mido.Message("note_on", note=pitch, velocity=90, channel=channel)
            yield mido.Message("note_off", note=pitch, velocity=0, time=480, channel=channel)

    scale = (60, 64, 67, 72, 65, 62, 67, 71, 72, 67, 64, 60)
    file("good.mid", notes(*scale))
    file("drums.mid", notes(36, 38, 42, channel=9))
    file("empty.mid", [mido.MetaMessage("track_name", name="nothing")])
    file("duo.mid", notes(*scale), notes(*scale, channel=1, program=73, label="Flute"))
    corpus = load_folder(tmp_path)
    assert [song.id for song in corpus.songs] == ["good.mid"]
    assert (corpus.songs[0].tonic, corpus.songs[0].mode) == ("C", "major")
    reasons = {rejected.name: rejected.reason for rejected in corpus.rejected}
    assert "drums" in reasons["drums.mid"] and "no note" in reasons["empty.mid"]
    assert "Guitar" in reasons["duo.mid"] and "Flute" in reasons["duo.mid"]
    alone = load_folder(tmp_path, instrument="Flute")
    assert "duo.mid" in [song.id for song in alone.songs]


def test_a_midi_file_with_too_little_music_for_a_key_says_so(tmp_path, monkeypatch):
    from music21.analysis import discrete

    def nothing_found(self, *_, **__):
        raise ValueError("failed to get likely keys")

    song = Song("x", "", "x", "C", "major", "4/4", (Event((60,), 1),))
    to_midi(song, tmp_path / "one.mid")
    data = (tmp_path / "one.mid").read_bytes()
    at = data.find(b"\xff\x59")  # without the key signature, so that the key must be found
    assert at > 0
    size = int.from_bytes(data[18:22], "big")
    (tmp_path / "one.mid").write_bytes(data[:18] + (size - 6).to_bytes(4, "big") + data[22 : at - 1] + data[at + 5 :])
    monkeypatch.setattr(discrete.AardenEssen, "process", nothing_found)
    from helpers.readers import read_file

    (rejected,) = read_file(str(tmp_path / "one.mid"), "one.mid", None, False)
    assert "its key cannot be found" in rejected.reason


@pytest.mark.slow
def test_the_voices_of_the_chorales_need_no_cache(monkeypatch):
    two = load_chorales().songs[:2]
    made = [song for chorale in two for song in (chorale, chorale, chorale, chorale, chorale)]
    calls = []

    def nothing_cached(name, jobs, label):
        calls.append(len(jobs()))
        return Corpus(made, [])

    monkeypatch.setattr(corpus, "cached", nothing_cached)  # as where no cache can be written: read anew each time
    assert len(load_chorale_voices()) == len(load_chorales().songs) == 2
    assert all(count > 300 for count in calls)


@pytest.mark.slow
def test_the_voices_of_the_chorales_fit_the_chorales():
    songs, voices = load_chorales().songs, load_chorale_voices()
    assert len(songs) == len(voices) > 300
    for song, four in zip(songs, voices, strict=True):
        assert [voice.title for voice in four] == ["soprano", "alto", "tenor", "bass"]
        assert len({voice.duration for voice in four}) == 1 and {voice.id for voice in four} == {song.id}
        assert {(v.tonic, v.mode, v.meter, v.pickup, v.family) for v in four} == {
            (song.tonic, song.mode, song.meter, song.pickup, song.family)
        }
        sung = {pitch for voice in four for event in voice.events for pitch in event.pitches}
        assert sung == {pitch for event in song.events for pitch in event.pitches}
        heights = [
            sum(e.pitches[0] * e.duration for e in v.events if e.pitches)
            / sum(e.duration for e in v.events if e.pitches)
            for v in four
        ]
        assert heights == sorted(heights, reverse=True)


def test_one_file_of_any_kind_is_read_without_a_cache(own_cache, tmp_path):
    song = Song.from_tiny("3/4 c4 d e f2.", title="One")
    to_midi(song, tmp_path / "one.mid")
    to_musicxml(song, tmp_path / "one.musicxml")
    (tmp_path / "two.abc").write_text("X:1\nT:A\nM:3/4\nL:1/4\nK:C\nCDE|F3|\n\nX:2\nT:B\nM:4/4\nL:1/4\nK:G\nGABc|\n")
    for name, count in (("one.mid", 1), ("one.musicxml", 1), ("two.abc", 2)):
        found = corpus.load_file(tmp_path / name)
        assert len(found.songs) == count and found.songs[0] == song
    (tmp_path / "bad.mid").write_bytes(b"MThd")
    found = corpus.load_file(tmp_path / "bad.mid")
    assert not found.songs and "bad.mid" in found.rejected[0].name
    (tmp_path / "a.txt").write_text("c d e")
    with pytest.raises(ValueError, match="a.txt.*use one of"):
        corpus.load_file(tmp_path / "a.txt")
    with pytest.raises(FileNotFoundError, match="no file"):
        corpus.load_file(tmp_path / "none.mid")
    assert not own_cache.exists()


@pytest.mark.slow
def test_two_processes_read_a_collection_once(own_cache):
    code = "from helpers.corpus import load_essen; print(len(load_essen('variant').songs))"
    command = [sys.executable, "-c", code]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate() for process in both]
    assert [out.strip() for out, _ in said] == ["29", "29"]
    assert sum("Reading variant" in err for _, err in said) == 1

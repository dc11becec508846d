"""Files that would hang, crash or fill the loader, or slip something past it: each is rejected with one sentence."""

import gc
import io
import itertools
import os
import re
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path

import psutil
import pytest

from helpers import apart, cache, corpus, limits
from helpers import midi as reading
from helpers.corpus import load_file, load_folder
from helpers.notation import to_musicxml
from helpers.readers import read_file, read_tune, tunes_in
from helpers.reasons import Unusable, reason_of, shown
from helpers.songs import Rejected, Song
from helpers.text import text_of

GOOD = "X:1\nT:Good\nM:4/4\nL:1/4\nK:C\nCDEF|G4|\n"
SONG = Song.from_tiny("4/4 c4 d e f g1")
BEYOND = "\x1b[31m\u202egnp\nsong"  # colours the terminal red, and turns the direction of writing


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with one good song, which must be read whatever else is there."""
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "good.abc").write_text(GOOD)
    return tmp_path / "songs"


def reasons_in(folder):
    """Of all but the good song."""
    loaded = load_folder(folder)
    assert [song.id for song in loaded.songs] == ["good.abc"]
    return {rejected.name: rejected.reason for rejected in loaded.rejected}


def work_of(function, *arguments):
    """What a function returns, and how many calls of functions that takes: work, which does not depend on the machine.

    What is done inside one call of C, such as a search or a sort, is not seen.
    """
    calls, before = itertools.count(), sys.getprofile()
    gc.collect()
    gc.disable()
    sys.setprofile(lambda frame, event, _: next(calls) if event.endswith("call") else None)
    try:
        found = function(*arguments)
    finally:
        sys.setprofile(before)
        gc.enable()
    return found, next(calls)


def tune_and_work(text):
    """The one song or refusal in an ABC tune, its work, and that of a good tune; what these two load is not counted."""
    for tune in (GOOD, text):
        read_tune(tune, "x", None, True)
    (found,), calls = work_of(read_tune, text, "x", None, True)
    (good,), usual = work_of(read_tune, GOOD, "x", None, True)
    assert isinstance(good, Song)
    return found, calls, usual


def score():
    """A small MusicXML file."""
    return to_musicxml(SONG)


def packed(path, entries, root=None):
    """A compressed MusicXML file; with `root`, which its container names."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        if root is not None:
            files = "".join(f'<rootfile full-path="{name}"/>' for name in root)
            archive.writestr("META-INF/container.xml", f"<container><rootfiles>{files}</rootfiles></container>")
        for name, text in entries:
            archive.writestr(name, text)


def number(value):
    """A MIDI number of variable length."""
    out = [value & 127]
    while value := value >> 7:
        out.append(value & 127 | 128)
    return bytes(out[::-1])


def midi(*events, ticks=480):
    """A MIDI file of (ticks to wait, message)."""
    track = b"".join(number(wait) + message for wait, message in events) + b"\0\xff\x2f\0"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, ticks) + b"MTrk" + struct.pack(">I", len(track)) + track


ON, OFF, LONG = b"\x90\x3c\x40", b"\x80\x3c\0", 2**28 - 1


def test_a_zip_bomb_is_refused_by_the_size_it_declares(folder, monkeypatch):
    with zipfile.ZipFile(folder / "bomb.mxl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.xml", score().replace("</score-partwise>", " " * 60_000_000 + "</score-partwise>"))
    assert (folder / "bomb.mxl").stat().st_size < 100_000
    assert reasons_in(folder)["bomb.mxl"] == "unpacked, it has 60 MB, and 20 MB is the most that is read; split it"
    packed(folder / "good.mxl", [("good.xml", score())])
    opened, unpack = [], zipfile.ZipFile.open
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *how, **more: opened.append(how) or unpack(*how, **more))
    assert read_file(folder / "bomb.mxl", "bomb.mxl", None, True)[0].reason.startswith("unpacked, it has 60 MB")
    assert not opened  # nothing of it is unpacked
    assert read_file(folder / "good.mxl", "good.mxl", None, True)[0].events == SONG.events and opened


def test_a_zip_bomb_that_lies_about_its_size_is_damaged(folder):
    packed(folder / "liar.mxl", [("liar.xml", " " * 60_000_000)])
    data = (folder / "liar.mxl").read_bytes()
    (folder / "liar.mxl").write_bytes(data.replace(struct.pack("<I", 60_000_000), struct.pack("<I", 1000)))
    assert "cut off or damaged" in reasons_in(folder)["liar.mxl"]


def test_of_a_bomb_that_lies_no_more_is_unpacked_than_it_declares(folder):
    packed(folder / "lies.mxl", [("score.xml", bytes(50_000_000))])
    data = (folder / "lies.mxl").read_bytes()
    declared = struct.pack("<I", 50_000_000)
    assert data.count(declared) == 2
    (folder / "lies.mxl").write_bytes(data.replace(declared, struct.pack("<I", 1000)))
    tracemalloc.start()
    try:
        assert "cut off or damaged" in reason_of(refused(folder / "lies.mxl"))
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def refused(path):
    with pytest.raises(Unusable) as caught:
        limits.unpacked(path)
    return caught.value


def test_lines_before_the_first_tune_are_no_memory():
    """Each tune got all of them: 290 kB of such lines and tunes would have filled 3 GB."""
    text = "L:1/4\nM:3/4\n" * 1000 + "X:1\nK:C\nCDE|\n" * 1000
    tunes = list(tunes_in(text))
    assert len(tunes) == 1000 and sum(map(len, tunes)) < 50_000 and "L:1/4" in tunes[0]


def test_a_file_of_very_many_tunes_is_refused(folder):
    (folder / "many.abc").write_text("X:1\nK:C\nC\n" * (limits.TUNES + 1))
    assert "20,001 tunes, and 20,000 is the most" in reasons_in(folder)["many.abc"]


def test_old_encodings_are_no_work_in_a_large_file(tmp_path):
    (tmp_path / "x.abc").write_bytes("aöüß".encode("latin-1") * 500_000 + b"a" * 5_000_000)
    text, calls = work_of(text_of, tmp_path / "x.abc")
    assert text.startswith("aöüß") and calls < 1_000_000


def test_folders_very_deep_inside_one_another_are_listed(folder):
    from helpers.store import readings_of  # here: torch would not fit into the memory of what reads

    deep = folder
    for _ in range(20):
        deep = deep / "/".join("d" * 60)
        deep.mkdir(parents=True)
    (deep / "x.abc").write_text(GOOD)
    try:
        (listed,) = reasons_in(folder).values()
        assert "more than 100 folders deep" in listed and len(readings_of(str(folder))) == 2
    finally:
        (deep / "x.abc").unlink()
        os.removedirs(deep)  # pytest could not


def test_names_that_climb_out_of_an_archive_write_nothing(folder):
    before = sorted(folder.parent.rglob("*"))
    packed(folder / "climber.mxl", [("../../climbed.xml", score())], ["../../climbed.xml"])
    assert [song.events for song in load_file(folder / "climber.mxl").songs] == [SONG.events]
    assert set(folder.parent.rglob("*")) - set(before) == {folder / "climber.mxl"}


def test_of_several_scores_in_an_archive_the_listed_first_counts(folder):
    other = to_musicxml(Song.from_tiny("4/4 a1"))
    packed(folder / "two.mxl", [("a.xml", other), ("b.xml", score())], ["b.xml", "a.xml"])
    packed(folder / "none.mxl", [("notes.txt", "no music")])
    loaded = load_folder(folder)
    assert [len(song.events) for song in loaded.songs] == [5, 5]
    assert loaded.rejected == [Rejected("none.mxl", "this is not compressed MusicXML: there is no score in it")]


@pytest.mark.parametrize("packing", ["musicxml", "mxl"])
def test_entities_are_refused(folder, packing):
    (folder / "secret").write_text("secret")
    lol = "".join(f'<!ENTITY l{k} "{f"&l{k - 1};" * 10}">' for k in range(1, 10))
    texts = {
        "laughs": f'<?xml version="1.0"?><!DOCTYPE score-partwise [<!ENTITY l0 "lol">{lol}]>',
        "outside": f'<?xml version="1.0"?><!DOCTYPE score-partwise [<!ENTITY l9 SYSTEM "file://{folder}/secret">]>',
    }
    for name, head in texts.items():
        text = head + re.sub(r"(?s)^.*?(?=<score-partwise)", "", score()).replace("<step>", "&l9;<step>", 1)
        assert "&l9;" in text
        if packing == "mxl":
            packed(folder / f"{name}.mxl", [("x.xml", text)])
        else:
            (folder / f"{name}.musicxml").write_text(text)
    found = reasons_in(folder)
    assert len(found) == 2 and all(reason.startswith("it declares entities") for reason in found.values())


def test_xml_too_deep_or_too_long_is_refused(folder):
    (folder / "deep.xml").write_text("<score-partwise>" + "<a>" * 100_000 + "</a>" * 100_000 + "</score-partwise>")
    (folder / "long.xml").write_text("<score-partwise>" + "<note/>" * 15_001 + "</score-partwise>")
    (folder / "time.xml").write_text("<score-timewise><measure/></score-timewise>")
    found = reasons_in(folder)
    assert "more than 100 elements" in found["deep.xml"]
    assert found["long.xml"].startswith("it has 15,001 notes, and 15,000 is the most")
    assert "save it as score-partwise" in found["time.xml"]


def test_a_huge_file_is_refused_without_being_opened(folder, monkeypatch):
    for suffix in (".abc", ".krn", ".mid", ".mxl", ".xml"):
        with open(folder / f"huge{suffix}", "wb") as file:
            file.truncate(500_000_000)  # sparse: it takes no room on the disk
    found = reasons_in(folder)
    assert len(found) == 5
    assert set(found.values()) == {"it has 500 MB, and 20 MB is the most that is read; split it"}
    opened, real = [], io.open
    monkeypatch.setattr(io, "open", lambda path, *how, **more: opened.append(str(path)) or real(path, *how, **more))
    before = bytes_read()
    for name, reason in found.items():
        assert read_file(folder / name, name, None, True) == [Rejected(name, reason)]
    assert bytes_read() - before < 1_000_000  # other threads' messages
    assert not any("huge" in path for path in opened)
    assert read_file(folder / "good.abc", "good", None, True) and opened


def bytes_read():
    """How many this process has read of files, where the system counts them."""
    counts = Path("/proc/self/io")
    return int(re.search("rchar: (.*)", counts.read_text())[1]) if counts.exists() else 0


@pytest.mark.parametrize("ticks", [1, 480, 32767])
def test_midi_of_very_long_waits_is_damaged(folder, ticks):
    (folder / "notes.mid").write_bytes(midi(*[(LONG, ON), (LONG, OFF)] * 17, ticks=ticks))
    words = [(LONG, b"\xff\x01\x01x")] * 16  # symusic's clock of 32 bits has gone once round, unseen
    (folder / "round.mid").write_bytes(midi((0, ON), (9, OFF), *words, (480, ON), (9, OFF), ticks=ticks))
    found = reasons_in(folder)
    assert found.keys() == {"notes.mid", "round.mid"}
    assert set(found.values()) == {"this is not a whole MIDI file: it is cut off or damaged"}


def test_midi_of_very_short_measures_is_no_work(monkeypatch):
    made, measure = [], reading._measure
    monkeypatch.setattr(reading, "_measure", lambda *how: made.append(how) or measure(*how))
    assert len(reading._barlines({0: (1, 128)}, 32767, LONG)) == 262_152  # 8,192 quarter notes of silence
    assert len(made) == 1  # a measure's length is found once for each signature, not for each barline


def test_a_song_of_many_notes_is_refused_before_it_is_read(folder):
    tune = "X:1\nT:Long\nM:4/4\nL:1/8\nK:G\n" + "GABcdefg|\n" * 2500
    (folder / "long.abc").write_text(tune + "\n" + GOOD)
    (folder / "long.krn").write_text("**kern\n" + "4c\n" * 8001 + "*-\n")
    loaded = load_folder(folder)
    assert [song.id for song in loaded.songs] == ["good.abc", "long.abc#2"]
    assert {rejected.name: rejected.reason.split(",")[0] for rejected in loaded.rejected} == {
        "long.abc#1": "it has 20",
        "long.krn": "it has 8",
    }
    assert "it has 20,000 notes, and 10,000 is the most that is read of a piece" in loaded.rejected[0].reason


@pytest.mark.parametrize("where", ["L:99999/16\nK:C\nCDEF|", "L:1/8\nK:C\nCD|c99999|", "K:C\nM:2/4\n[L:1/4]C|z9999999"])
def test_abc_notes_of_a_thousand_measures_are_damage(where):
    found, calls, usual = tune_and_work(f"X:1\nT:No. 12345\nM:4/4\n{where}\n")
    assert "it is damaged: no note or measure has a length of 9999" in found.reason
    assert calls < usual  # music21 is not asked


def test_abc_may_name_long_numbers_elsewhere():
    (found,) = read_tune('X:1\nT:No. 12345\nM:4/4\nL:1/4\nN:1999\nK:C\n"2001"CDEF % 1850\nw:1234\n', "x", None, True)
    assert found.title == "No. 12345" and len(found.events) == 4


# what reads: stand-ins for a reader that hangs, crashes, fills its memory


def hang(path):
    """Sleeps, as on a pipe: no processor time is spent."""
    time.sleep(600)


def spin(path):
    """In C code, where no signal handler of Python is heard."""
    return sum(range(10**12))


def crash(path):
    os.abort()


def fill(path):
    return bytearray(2_000_000_000)


def well(path):
    return [path]


def test_a_store_reads_as_carefully_as_a_folder(folder, monkeypatch):
    """What hangs, what leads nowhere and what has an evil name cost only themselves."""
    from helpers import store  # here: torch would not fit into the memory of what reads

    (folder / "gone.mid").symlink_to("/nowhere")
    (folder / f"{BEYOND}.abc").write_text(GOOD)
    (folder / "hangs.krn").write_text("**kern\n")
    monkeypatch.setattr(limits, "SECONDS", 1)
    monkeypatch.setattr(limits, "MEMORY", 999_999_999)  # a process of our own, which has loaded nothing for others
    monkeypatch.setattr(corpus, "read_file", spin_for_ever)
    readings = store.readings_of(str(folder))
    assert len(store.digest_of(readings)) == 12
    read = list(store.melodies_in(readings))
    names = sorted(one.id if isinstance(one, Song) else one.name for one in read)
    assert len(names) == 4 and all(name.isprintable() for name in names)
    reasons = {one.name: one.reason for one in read if isinstance(one, Rejected)}
    assert "leads nowhere" in reasons["gone.mid"] and "takes longer than 1 seconds" in reasons["hangs.krn"]


def spin_for_ever(*_):
    while True:
        pass


def test_what_hangs_crashes_or_spins_is_ended_and_the_rest_is_read(monkeypatch):
    monkeypatch.setattr(limits, "SECONDS", 1)
    monkeypatch.setattr(limits, "WAIT", 5)
    jobs = [(function, ("x",), function.__name__) for function in (well, hang, crash, spin, well)]
    first, hung, crashed, spun, last = apart.read_apart(jobs)
    assert first == last == ["x"]
    assert [hung[0].name, crashed[0].name, spun[0].name] == ["hang", "crash", "spin"]
    assert hung[0].reason == spun[0].reason
    assert hung[0].reason == "reading it takes longer than 1 seconds; it is damaged, or very large: split it"
    assert crashed[0].reason.startswith("reading it crashed, or took more than 1 GB of memory")


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize(("soon", "at_most"), [(600, 20), (0, 110)])
def test_small_files_are_handed_over_together(monkeypatch, cores, soon, at_most):
    """Handing a MIDI file over took twice as long as reading it. What is not small goes alone, after the first."""
    handed, schedule = [], apart._schedule
    monkeypatch.setattr(apart, "SOON", soon)
    monkeypatch.setattr(
        apart, "_schedule", lambda pool, packet: (handed.append(len(packet)), schedule(pool, packet))[1]
    )
    jobs = [(well, (k,), str(k)) for k in range(100)]
    assert list(apart.read_apart(jobs, cores)) == [[k] for k in range(100)]
    assert len(handed) <= at_most, handed
    assert max(handed) == apart.PACKET and (soon or handed.count(1) > 85)


def test_one_that_crashes_among_small_files_costs_only_itself(monkeypatch):
    monkeypatch.setattr(apart, "SOON", 600)
    jobs = [(crash if k in (17, 18, 60) else well, (k,), str(k)) for k in range(70)]
    found = list(apart.read_apart(jobs, 1))
    assert [k for k, one in enumerate(found) if one != [k]] == [17, 18, 60]
    assert [found[k][0].name for k in (17, 18, 60)] == ["17", "18", "60"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")
def test_what_fills_the_memory_is_rejected_and_the_rest_is_read():
    (full,), after = apart.read_apart([(fill, ("x",), "full"), (well, ("x",), "well")])
    assert full == Rejected(
        "full", "reading it crashed, or took more than 1 GB of memory; it is damaged, or very large: split it"
    )
    assert after == ["x"]


def test_the_reading_processes_end_with_their_parent(tmp_path):
    code = "import os; from helpers.apart import read_apart; print(*read_apart([(os.getpid, (), 'x')]), flush=True);"
    for end in ("", "os.kill(os.getpid(), 9)"):
        done = subprocess.run([sys.executable, "-c", code + end], capture_output=True, text=True, timeout=600)
        reader = int(done.stdout)
        for _ in range(6000):  # ten minutes: a busy machine may take its time
            if not _runs(reader):
                break
            time.sleep(0.1)
        assert not _runs(reader)


def _runs(process):
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_pipes_and_links_that_lead_nowhere_are_listed(folder):
    os.mkfifo(folder / "pipe.mid")
    (folder / "loop.mid").symlink_to(folder / "loop.mid")
    (folder / "nowhere.mid").symlink_to(folder / "gone.mid")
    (folder / "round").symlink_to(folder)  # a folder inside itself: links to folders are not followed
    found = reasons_in(folder)
    assert found["pipe.mid"] == "this is no ordinary file but a pipe, a device or a folder with the name of one"
    assert found["loop.mid"].startswith("the file cannot be opened: ")
    assert found["nowhere.mid"] == "the file is gone, or is a link that leads nowhere"
    assert len(found) == 3
    (only,) = load_file(folder / "pipe.mid").rejected
    assert "a pipe" in only.reason


def test_a_file_that_vanishes_or_may_not_be_opened_is_listed(folder, monkeypatch):
    (folder / "gone.krn").write_text("**kern\n4c\n*-\n")
    (folder / "locked.krn").write_text("**kern\n4c\n*-\n")
    opened = Path.read_bytes

    def read_bytes(path):  # after it was looked at
        if path.name == "gone.krn":
            raise FileNotFoundError(2, "No such file or directory", str(path))
        if path.name == "locked.krn":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    read = lambda name: read_file(str(folder / name), name, None, True)[0]
    assert read("gone.krn").reason == "the file is gone, or is a link that leads nowhere"
    assert read("locked.krn").reason == "the file may not be opened; check its permissions"
    look = os.stat
    monkeypatch.undo()
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(folder.parent / "cache"))

    def vanished(path, **how):
        if str(path).endswith("gone.krn"):
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return look(path, **how)

    monkeypatch.setattr(limits.os, "stat", vanished)
    assert [rejected.name for rejected in load_folder(folder, suffixes=(".krn",)).rejected] == ["gone.krn"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows allows no such names")
def test_names_cannot_steer_the_terminal(folder, capsys):
    names = [f"{BEYOND}.krn", '<script>alert("x")</script>.krn'.replace("/", "_"), "it's.krn", "caf\u00e9.krn"]
    for name in names:
        (folder / name).write_text("")
    with open(os.fsencode(folder) + b"/\xff\xfe.krn", "wb"):
        pass
    loaded = load_folder(folder)
    shown_names = {rejected.name for rejected in loaded.rejected}
    escaped = "\\x1b[31m\\u202egnp\\nsong.krn"
    assert shown_names == {escaped, names[1], names[2], names[3], "\\udcff\\udcfe.krn"}
    assert load_folder(folder) == loaded  # from the cache
    for rejected in loaded.rejected:
        print(rejected.name, rejected.reason)
    printed = capsys.readouterr()
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", printed.out + printed.err)


def test_titles_and_reasons_cannot_steer_the_terminal():
    (song,) = read_tune(f"X:1\nT:{BEYOND[:9]} <script>\nM:4/4\nL:1/4\nK:C\nCDEF|\n", "x", None, True)
    assert song.title == "\\x1b[31m\\u202egnp <script>"
    assert reason_of(ValueError(BEYOND)) == "cannot be read: \\x1b[31m\\u202egnp"
    assert shown("é" * 300) == "é" * 199 + "…"


@pytest.mark.slow
def test_a_folder_of_ten_thousand_files(folder):
    for k in range(10_000):
        (folder / f"{k}.mid").write_bytes(b"")
    (folder / "z.mid").write_bytes(midi((0, ON), (480, OFF)))
    loaded = load_folder(folder)
    assert [song.id for song in loaded.songs] == ["good.abc", "z.mid"]
    assert len(loaded.rejected) == 10_000


# what the fuzzer found (tests/fuzz.py, seed 1), each made small


@pytest.mark.parametrize(
    "body",
    ["(" + "CDEF|GABc|\n" * 300, "(CDEF|\n" * 300],  # one slur over 2,400 notes; 300 slurs
)
def test_slurs_without_end_are_refused_before_they_take_minutes(body):
    found, calls, usual = tune_and_work(f"X:1\nT:Slurs\nM:4/4\nL:1/8\nK:C\n{body}")
    assert found.reason == "it is damaged: many of its slurs have no end"
    assert calls < 100 * usual


@pytest.mark.parametrize("tune", ["M:999/4\nL:1/8\nK:C\nCDEF|G4|", "M:6/8\nL:1/8\nK:C\nCDE|c999|CDE|"])
def test_measures_of_hundreds_of_notes_take_no_minutes(tune):
    found, calls, usual = tune_and_work(f"X:1\nT:Long\n{tune}\n")
    assert isinstance(found, Song) or "999/4" in found.reason
    assert calls < 25 * usual  # music21's accent weights took over a minute


@pytest.mark.parametrize(
    "sign, damage",
    [("fifths", "2147483648"), ("beats", "99999"), ("beat-type", "99999"), ("octave", "2147483648")],
)
def test_numbers_in_musicxml_are_small(folder, sign, damage):
    (folder / "big.xml").write_text(re.sub(rf"(?<=<{sign}>)[^<]*", damage, score(), count=1))
    assert reasons_in(folder)["big.xml"] == f"it is damaged: its <{sign}> is {damage}"


@pytest.mark.parametrize("meter", ["99999/4", "4/99999999"])
def test_meters_in_kern_are_small(folder, meter):
    (folder / "big.krn").write_text(f"**kern\n*M{meter}\n4c\n=1\n4d\n*-\n")
    assert reasons_in(folder)["big.krn"] == f"it is damaged: its meter is {meter}"


def test_an_archive_whose_parts_lie_before_it_is_damaged(folder):
    packed(folder / "moved.mxl", [("a.xml", score())])
    data = bytearray((folder / "moved.mxl").read_bytes())
    at = data.rfind(b"PK\5\6")
    data[at + 16 : at + 20] = struct.pack("<I", 2**31)  # where its list begins
    (folder / "moved.mxl").write_bytes(data)
    assert "cut off or damaged" in reasons_in(folder)["moved.mxl"]

"""The number in the cache's name: it has to change when the readers come to read anything differently.

Run as a program, after FORMAT was raised: notes what the readers make of the fixtures below.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import pytest

from helpers import cache, readers
from helpers.midi import to_midi
from helpers.songs import Event, Song

NOTED = Path(__file__).with_name("cache_format.json")
KERN = """!!!OTL: Ein Lied
!!!SCT: E0001B
**kern\t**kern
*k[f#]\t*k[f#]
*G:\t*G:
*M3/4\t*M3/4
4d\t4r
=1\t=1
4g\t2.G
8a\t.
8b\t.
[4cc\t.
=2\t=2
4cc]\t4.D
6d\t.
6e\t8.r
6f#\t16A
=3\t=3
2.g\t2.G
==\t==
*-\t*-
"""
MUSICXML = """<?xml version="1.0" encoding="UTF-8"?>
<score-partwise version="4.0"><work><work-title>Zwei Takte</work-title></work>
<part-list><score-part id="P1"><part-name>Clarinet in Bb</part-name></score-part></part-list>
<part id="P1"><measure number="0" implicit="yes"><attributes><divisions>6</divisions><key><fifths>2</fifths></key>
<time><beats>3</beats><beat-type>4</beat-type></time><clef><sign>G</sign><line>2</line></clef>
<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose></attributes>
<note><pitch><step>A</step><octave>4</octave></pitch><duration>6</duration><type>quarter</type></note></measure>
<measure number="1"><note><pitch><step>F</step><alter>1</alter><octave>5</octave></pitch><duration>12</duration>
<tie type="start"/><type>half</type></note><note><pitch><step>E</step><octave>5</octave></pitch><duration>2</duration>
<type>eighth</type><time-modification><actual-notes>3</actual-notes><normal-notes>2</normal-notes></time-modification>
</note><note><rest/><duration>4</duration><type>quarter</type><time-modification><actual-notes>3</actual-notes>
<normal-notes>2</normal-notes></time-modification></note></measure>
<measure number="2"><note><pitch><step>D</step><octave>5</octave></pitch><duration>18</duration><type>half</type><dot/>
</note><note><chord/><pitch><step>A</step><octave>4</octave></pitch><duration>18</duration><type>half</type><dot/>
</note></measure></part></score-partwise>
"""
ABC = "X:7\nT:Tanz\nM:6/8\nL:1/8\nK:Ador\nE|A2B c2d|e3-e2 z|(3ABc d [K:G]^f=fg|[Ac]6|\n\nX:8\nT:Leer\nK:C\nz4|\n"


def written() -> list[Song]:
    """Two voices with an upbeat, triplets, rests over barlines and a unison."""
    third = Fraction(1, 3)
    upper = [((67,), 1), ((72,), 2), ((74,), third), ((76,), third), ((77,), third), ((), 4), ((67, 71), 3)]
    lower = [((55,), Fraction(5, 2)), ((), third), ((67,), Fraction(1, 6)), ((48,), 4), ((67, 43), 4)]
    voice = lambda events: tuple(Event(*event) for event in events)
    return [Song("x", "Geige", "x", "Eb", "minor", "3/4", voice(events), 1) for events in (upper, lower)]


def played() -> bytes:
    """The first voice, 24 times, as a hand might play it: early, late, long and short, and without a key signature."""
    import symusic

    upper = written()[0]
    score = symusic.Score.from_midi(to_midi(Song("y", "", "y", "C", "major", "3/4", upper.events * 24, 0)))
    for k, note in enumerate(score.tracks[0].notes):
        note.time = max(0, note.time + k * 37 % 101 - 50)
        note.duration = max(10, note.duration - k * 53 % 137)
    score.key_signatures.clear()
    return score.dumps_midi()


def fixtures(folder: Path) -> dict:
    """What each reader makes of a few songs."""
    corpus = Path(importlib.util.find_spec("music21").origin).parent / "corpus"
    tunes = list(readers.tunes_in(readers.text_of(corpus / "essenFolksong" / "erk10.abc")))

    def read(name: str, data: bytes, instrument=None, merge_ties=True):
        (folder / name).write_bytes(data)
        return readers.read_file(str(folder / name), name, instrument, merge_ties)

    midi = to_midi(written())
    return {
        "Essen": [readers.read_essen("erk10.abc", tune, bar) for tune in tunes[4:8] for bar in (False, True)],
        "chorale": readers.read_chorale(str(corpus / "bach" / "bwv101.7.mxl")),
        "kern": [read("a.krn", KERN.encode(), "all", ties) for ties in (False, True)],
        "MusicXML": read("b.musicxml", MUSICXML.encode()),
        "ABC": read("c.abc", ABC.encode()),
        "MIDI": read("d.mid", midi),
        "played MIDI": read("e.mid", played()),
        "damaged MIDI": read("f.mid", midi[:-1]),
    }


def digests(folder: Path) -> dict[str, str]:
    """A digest of all that stands in each song, labels too, and in each Rejected."""
    short = lambda thing: hashlib.sha256(repr(thing).encode()).hexdigest()[:16]
    return {name: short(found) for name, found in fixtures(folder).items()}


def complaint(noted: dict, now: dict[str, str]) -> str:
    """What there is to do, in one sentence; "" if nothing."""
    again = f"run `python {Path(__file__).parent.name}/{Path(__file__).name}`"
    if noted["format"] != cache.FORMAT:
        return f"FORMAT is {cache.FORMAT} and what the readers read was noted for {noted['format']}: {again}."
    changed = [name for name in now if now[name] != noted["digests"].get(name)]
    if not changed:
        return ""
    return (
        f"The readers make something else of {', '.join(changed)}, and whoever has a cache would not see it: raise "
        f"FORMAT in helpers/cache.py by one and {again}."
    )


@pytest.fixture
def noted():
    noted = json.loads(NOTED.read_text(encoding="utf-8"))
    if noted["music21"] != importlib.metadata.version("music21"):
        pytest.skip(f"noted with music21 {noted['music21']}; that of another version has a cache of its own")
    return noted


def test_the_format_has_a_new_number_where_songs_are_read_differently(noted, tmp_path):
    assert not complaint(noted, digests(tmp_path))


def test_each_reader_that_changes_is_named(noted, tmp_path, monkeypatch):
    read_midi, tonic = readers.read_midi, Song.in_c
    monkeypatch.setattr(readers, "read_midi", lambda *given: tonic(read_midi(*given)))
    said = complaint(noted, digests(tmp_path))
    assert "else of MIDI, played MIDI, and" in said and "raise FORMAT" in said and said.count(". ") == 0
    monkeypatch.setattr(readers, "_mode_from_thirds", lambda *_: "minor")  # a label, of which no note knows
    assert "Essen" in complaint(noted, digests(tmp_path))


def test_a_new_number_has_to_be_noted(noted, monkeypatch):
    monkeypatch.setattr(cache, "FORMAT", cache.FORMAT + 1)
    assert f"FORMAT is {cache.FORMAT} and" in complaint(noted, noted["digests"])


if __name__ == "__main__":
    before = json.loads(NOTED.read_text(encoding="utf-8")) if NOTED.exists() else {"format": 0, "digests": {}}
    with tempfile.TemporaryDirectory() as made:
        now = digests(Path(made))
    if before["digests"] != now and before["format"] == cache.FORMAT:
        sys.exit(complaint(before, now))
    noted_now = {"format": cache.FORMAT, "music21": importlib.metadata.version("music21"), "digests": now}
    NOTED.write_text(json.dumps(noted_now, indent=2) + "\n", encoding="utf-8")

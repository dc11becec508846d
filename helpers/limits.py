"""What one file may cost: limits that are looked at before it is read, and so hold on every machine alike.

Notebook: none; called by corpus and readers.
"""

from __future__ import annotations

import io
import os
import re
import stat
import zipfile
from pathlib import Path
from xml.parsers import expat

from helpers.reasons import Unusable

SECONDS = 10  # of the processor, for one file: a busy machine refuses no more than a quiet one
WAIT = 120  # seconds on the clock, for a file that waits rather than works; on a starved machine 2 s of work took 30
MEMORY = 1_000_000_000  # bytes, for a process that reads files
LARGEST = 20_000_000  # bytes of one file, packed or unpacked
NOTES = {".abc": 10_000, ".krn": 8_000, ".xml": 15_000}  # of one piece: music21 takes 5 to 8 s for so many
TUNES = 20_000  # of an ABC file
SLURRED = 4_000_000  # squares of the notes under each slur of an ABC tune, added up: music21's work for them
SMALL = {"alter", "beat-type", "beats", "chromatic", "diatonic", "fifths", "octave", "octave-change", "staves"}
DEPTH = 100  # of elements inside one another; MusicXML needs 10


def look_at(path) -> os.stat_result:
    """Looks at a file from outside, without opening it.

    Args:
        path: of the file.

    Returns:
        What the system says of it.

    Raises:
        Unusable: it is no ordinary file, or empty, or too large.
        OSError: it cannot be looked at.

    Notebook: none; called by corpus and readers.
    """
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise Unusable("this is no ordinary file but a pipe, a device or a folder with the name of one")
    if found.st_size == 0:
        raise Unusable("the file is empty")
    _size(found.st_size, "it has")
    return found


def _size(size: int, has: str) -> None:
    if size > LARGEST:
        raise Unusable(f"{has} {size / 1e6:,.0f} MB, and {LARGEST / 1e6:.0f} MB is the most that is read; split it")


def few_notes(count: int, suffix: str) -> None:
    """Refuses a piece of more notes than are read.

    Args:
        count: of its notes.
        suffix: key of NOTES.

    Raises:
        Unusable: there are more.

    Notebook: none; called by readers.
    """
    if count > NOTES[suffix]:
        most = f"{NOTES[suffix]:,} is the most that is read of a piece"
        raise Unusable(f"it has {count:,} notes, and {most}; split it, at its movements for example")


def few_notes_in_text(text: str, suffix: str) -> None:
    """The same for kern, where lines are notes, and for an ABC tune, where letters are; its lengths are looked at too.

    Args:
        text: of the tune or the file.
        suffix: ".abc" or ".krn".

    Raises:
        Unusable: there are more, or what music21 would need minutes for: lengths of a thousand.

    Notebook: none; called by readers.
    """
    if suffix == ".krn":
        few_notes(len(re.findall(r"(?m)^[^!*=\s]", text)), suffix)
        if meter := re.search(r"(?m)(?:^|\t)\*M(\d{3,}/\d+|\d+/\d{4,})", text):
            raise Unusable(f"it is damaged: its meter is {meter[1][:20]}")
        return
    music = re.sub(r'(?m)^(?![LM]:)[A-Za-z]:.*$|%.*$|"[^"\n]*"|![^!\n]*!|\[(?![LM]:)[A-Za-z]:[^\]\n]*\]', "", text)
    few_notes(len(re.findall(r"[A-Ga-gxzZ]", music)), suffix)
    if number := re.search(r"\d{4,}", music):
        raise Unusable(f"it is damaged: no note or measure has a length of {number[0][:20]}")


def unpacked(path) -> bytes:
    """The score inside a compressed MusicXML file. Nothing is written to disk, whatever its names are.

    Args:
        path: of the file.

    Returns:
        The first of the scores that its META-INF/container.xml lists, or without one the first in it.

    Raises:
        Unusable: it is no zip file, damaged, locked, too large when unpacked, or holds no score.

    Source: MusicXML 4.0, "Compressed .MXL files".
    Notebook: none; called by readers.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(Path(path).read_bytes())) as archive:
            scores = [name for name in archive.namelist() if re.search(r"(?i)\.(musicxml|xml|mxl)$", name)]
            scores = [name for name in scores if "META-INF" not in name]
            listed = _listed(archive)
            scores = [name for name in listed if name in scores] or scores
            if not scores:
                raise Unusable("this is not compressed MusicXML: there is no score in it")
            return _entry(archive, scores[0])
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, zipfile.zlib.error) as error:
        raise Unusable("this is not compressed MusicXML: it is no zip file, or cut off or damaged") from error
    except RuntimeError as error:  # zipfile's word for a password
        raise Unusable("it is locked with a password; save it without one") from error


def _entry(archive: zipfile.ZipFile, name: str) -> bytes:
    """One entry; no more of it is unpacked than the size that it declares, whatever it holds."""
    found = archive.getinfo(name)
    _size(found.file_size, "unpacked, it has")
    if found.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # MusicXML knows no others
        raise zipfile.BadZipFile("another method")
    with archive.open(name) as file:
        return file.read(found.file_size + 1)


def _listed(archive: zipfile.ZipFile) -> list[str]:
    """The scores that META-INF/container.xml lists."""
    if "META-INF/container.xml" not in archive.namelist():
        return []
    container = _entry(archive, "META-INF/container.xml").decode("utf-8", "replace")
    return re.findall(r"<rootfile\b[^>]*?\bfull-path\s*=\s*[\"']([^\"']*)[\"']", container)


def look_into(data: bytes) -> None:
    """Goes once through a MusicXML file, in little memory, before a tree is made of it.

    Args:
        data: the file, unpacked.

    Raises:
        Unusable: it is not XML or not MusicXML, declares entities, or is too long.

    Notebook: none; called by readers.
    """
    seen, parser = _Seen(), expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = seen.start, seen.end
    parser.CharacterDataHandler, parser.EntityDeclHandler = seen.inside, seen.entity
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise Unusable(f"this is not MusicXML: not valid XML ({error})") from error
    few_notes(seen.notes, ".xml")


class _Seen:
    """What has been seen of a MusicXML file."""

    def __init__(self):
        self.depth = self.notes = 0
        self.root = self.tag = self.number = ""

    def start(self, tag, _):
        self.tag, self.number, self.root = tag, "", self.root or tag
        self.depth += 1
        self.notes += tag == "note"
        if not self.root.startswith("score-"):
            raise Unusable(f"this is not MusicXML: it is XML, but about <{self.root[:50]}>")
        if self.depth > DEPTH:
            raise Unusable(f"this is not MusicXML: more than {DEPTH} elements stand inside one another")

    def end(self, _):
        self.depth -= 1
        self.tag = ""

    def inside(self, text):
        if self.tag in SMALL:
            self.number += text
            if re.search(r"\d{3,}", self.number):
                raise Unusable(f"it is damaged: its <{self.tag}> is {self.number.strip()[:20]}")

    def entity(self, *_):
        raise Unusable("it declares entities, which MusicXML does not need and which can fill the memory; remove them")

"""A file of the reader's own.

Notebook: 01-markov, inside the Composer.
"""

from __future__ import annotations

import base64
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import ipywidgets as widgets
import traitlets

from helpers.corpus import load_file
from helpers.readers import SUFFIXES
from helpers.reasons import shown
from helpers.songs import Song
from helpers.widgets.parts import FrontEnd, status

LARGEST_FILE = 2_000_000  # bytes; a notebook server cuts the connection at 10 MB, so the browser looks first
MOST_FILES = 200  # of one page, each read in seconds that limits.SECONDS counts, three times at most


class Chooser(FrontEnd):
    """The field on the page; it sends {"name", "size" in bytes, "data" in base64} of the file that is chosen.

    Notebook: 01-markov, inside the Composer.
    """

    _esm = Path(__file__).with_name("upload.js")
    suffixes = traitlets.Unicode(",".join(SUFFIXES)).tag(sync=True)
    largest = traitlets.Int(LARGEST_FILE).tag(sync=True)


class FileInput(widgets.VBox):
    """Chooses a music file; `song` is its first melody, or None. What is wrong with a file is said in one sentence.

    ipywidgets' own FileUpload hands any file to the server, whose connection breaks at 10 MB without a word.

    Notebook: 01-markov, inside the Composer.
    """

    def __init__(self):
        self.song: Song | None = None
        self.chooser, self.message = Chooser(), widgets.HTML()
        self._left = MOST_FILES
        self.chooser.on_msg(lambda _, content, buffers: self._received(content))
        super().__init__([self.chooser, self.message])

    def _received(self, content) -> None:
        """Takes a message of the page; one that its script does not send is refused."""
        kinds = {"name": str, "size": int, "data": (str, type(None))}
        named = isinstance(content, dict) and content.keys() == kinds.keys()
        fits = named and all(isinstance(content[name], kind) for name, kind in kinds.items())
        if not fits or not -1 <= content["size"] < 2**53:  # JavaScript's whole numbers
            self.message.value = status("The page sent something that is no file; it is not read. Load the page again.")
            return
        if self._left <= 0:
            self.message.value = status(f"{MOST_FILES} files were chosen on this page; load it again to go on.")
            return
        self._left -= 1
        self.choose(**content)

    def choose(self, name: str, size: int, data: str | None = None) -> None:
        """Takes a file, or says why not and keeps the one before.

        Args:
            name, size, data: as `song_in`.
        """
        try:
            song = song_in(name, size, data)
        except ValueError as mistake:
            kept = f" ({self.song.title} is kept.)" if self.song else ""
            self.message.value = status(str(mistake) + kept)
            return
        self.song = song
        notes = sum(bool(event.pitches) for event in song.events)
        self.message.value = status(f"{song.title}: {notes} notes, {song.tonic} {song.mode}, {song.meter}")


def song_in(name: str, size: int, data: str | None) -> Song:
    """The first song of an uploaded file, of chords and several voices the highest notes.

    Args:
        name: of the file.
        size: in bytes; -1 if the browser could not read it.
        data: the file in base64; None if the browser did not send it.

    Raises:
        ValueError: in one sentence for a file that is too large, empty, of another kind, or broken.

    Notebook: none: called by the Composer.
    """
    name = name.replace("\\", "/").rsplit("/", 1)[-1][-100:]
    size = max(size, len(data or "") * 3 // 4 - 2)  # what it says, and what it is
    if size > LARGEST_FILE:
        raise ValueError(
            f"{name!r} has {size / 1e6:.1f} MB, and {LARGEST_FILE / 1e6:.0f} MB is the most that fits; "
            "choose a shorter piece, or read it with load_folder."
        )
    if size < 0:
        raise ValueError(f"the browser could not read {name!r}; choose it again.")
    if not size or not data:
        raise ValueError(f"{name!r} is empty; choose a file with music in it.")
    try:
        content = base64.b64decode(data, validate=True)
    except ValueError:
        raise ValueError(f"{name!r} was damaged on its way from the page; choose it again.") from None
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{name!r} is no music file that can be read; use one of {', '.join(SUFFIXES)}.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / (re.sub(r"[^\w -]+", "_", Path(name).stem)[:80] + suffix)
        path.write_bytes(content)
        corpus = load_file(path, "all", first=True)
    if not corpus.songs:
        reason = corpus.rejected[0].reason if corpus.rejected else "there is no music in it"
        raise ValueError(f"{name!r} cannot be used: {reason}".rstrip(".") + ".")
    return replace(corpus.songs[0].skyline(), title=corpus.songs[0].title or shown(name), id=shown(name))

"""What is no file of music, for tests/fuzz.py: typed melodies, cards, caches, notebooks, messages of a page.

Each kind has inputs to begin with, words of its format, and a function that gives one input to the program: it returns
whether the input was taken, and raises whatever is not the one sentence that is promised.
"""

import contextlib
import hashlib
import io
import json
import tempfile
from pathlib import Path

import torch

from helpers import cache, checkpoints, exported
from helpers.songs import Corpus, Event, Rejected, Song

CARD = {
    "notebook": "02-fnn-gradcheck",
    "class": "Linear",
    "hyperparameters": {"in_features": 3, "out_features": 2},
    "vocabulary": [".", "60/4"],
    "data": "none",
    "seed": 0,
    "scores": {"validation": 1.5},
}
TUNES = ("4/4 c4 d e f g2 g2", "3/4 c'4. d8 e-4~ e-8 r8 f#4 trip{c8 d e} CC2", "6/8 G8 A B c4. quad{c16 d e f} r2.")
CONTROLS = ("temperature", "length", "seed", "start", "way", "key", "model")
MESSAGES = (
    {"file": {"name": "tune.abc", "size": 40, "data": "WDoxClQ6eApNOjQvNApMOjEvNApLOkcKR0FCY3xkMmQyfAo="}},
    {"grid": {"notes": [[60, 0, 1], [64, 1, 3]], "bar": 8.0, "steps": 16}},
    {"map": {"point": [0.5, -1.25], "way": [[0, 0], [1, 1]]}},
    {"sliders": {"temperature": {"value": 1.5, "max": 3.0}, "length": {"value": 20}, "seed": {"value": 7, "max": 10}}},
    {"texts": {"start": {"value": "4/4 c4 d"}, "way": {"index": 0}, "key": {"index": 3}, "model": {"index": 0}}},
)


def seeds_of(kind: str) -> list[bytes]:
    """Inputs to begin with."""
    if kind == "tiny":
        return [tune.encode() for tune in TUNES]
    if kind == "card":
        return [json.dumps(CARD, indent=1).encode()]
    if kind == "cache":
        songs = [Song.from_tiny(tune, title=f"tune {k}") for k, tune in enumerate(TUNES)]
        return [json.loads(cache._pack(Corpus(songs, [Rejected("x.mid", "is empty")])))["body"].encode()]
    if kind == "exported":
        return [json.dumps(_notebook(), indent=1).encode()]
    return [json.dumps(message).encode() for message in MESSAGES]


def _notebook() -> dict:
    cell = lambda source, *tags: {
        "cell_type": "code",
        "source": source.splitlines(keepends=True),
        "metadata": {"tags": list(tags)},
    }
    return {
        "cells": [
            cell("import math\n%matplotlib inline\n"),
            cell("def area(r):\n    return math.pi * r**2\n", "export"),
            {"cell_type": "markdown", "source": ["text"], "metadata": {}},
            cell("class Half:\n    def of(self, x):\n        return area(x) / 2\n", "export"),
        ]
    }


def take_tiny(data: bytes) -> bool:
    """A typed melody: a Song that can be written and read again, or a ValueError."""
    try:
        song = Song.from_tiny(data.decode("utf-8", "replace"))
    except ValueError as mistake:
        assert str(mistake)
        return False
    assert all(isinstance(event, Event) for event in song.events)
    with contextlib.suppress(ValueError):
        assert Song.from_tiny(song.to_tiny()) == song
    return True


def take_card(data: bytes) -> bool:
    """A checkpoint's card: the model, or a ValueError that names the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = checkpoints.save(torch.nn.Linear(3, 2), "x", CARD, folder)
        whole = hashlib.sha256(path.read_bytes()).hexdigest().encode()
        path.with_suffix(".json").write_bytes(data.replace(b'"seed"', b'"sha256": "%s", "seed"' % whole, 1))
        try:
            checkpoints.load("x", torch.nn.Linear, folder)
        except ValueError as mistake:
            assert "x" in str(mistake)
            return False
    return True


def take_cache(data: bytes) -> bool:
    """The body of a cache, with its right checksum: the corpus, or a notice."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()) as said:
        path = Path(folder) / "cache.json"
        body = data.decode("utf-8", "replace")
        path.write_text(json.dumps({"sha256": hashlib.sha256(body.encode()).hexdigest(), "body": body}))
        corpus = cache._from_cache(path)
        if corpus is None:
            assert "was damaged" in said.getvalue()
            return False
        assert cache._unpack(cache._pack(corpus)) == corpus
    return True


def take_exported(data: bytes) -> bool:
    """A notebook: its module, or one of the errors that are promised."""
    kept = exported.NOTEBOOKS
    with tempfile.TemporaryDirectory() as folder:
        exported.NOTEBOOKS = Path(folder)
        (Path(folder) / "x.ipynb").write_bytes(data)
        exported.from_notebook.cache_clear()
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exported.from_notebook("x")
        except (ValueError, ImportError) as mistake:
            assert "x" in str(mistake)
            return False
        finally:
            exported.NOTEBOOKS = kept
            exported.from_notebook.cache_clear()
    return True


_WIDGETS: list = []


def _widgets() -> tuple:
    """A Composer and a map; made once, as a page's messages meet a kernel that goes on."""
    if not _WIDGETS:
        from helpers.composing import note_writer
        from helpers.encoders import NoteEncoder, StringToIntEncoder
        from helpers.widgets import Composer, LatentExplorer

        song = Song.from_tiny(TUNES[0])
        alphabet = StringToIntEncoder.fit([NoteEncoder().encode(song)])
        p = torch.ones(len(alphabet)).double() / len(alphabet)
        composer = Composer({"even": note_writer(lambda like: lambda history: p, alphabet)}, songs=[song])
        explorer = LatentExplorer(lambda code: song, torch.randn(5, 3), list("abcde"))
        _WIDGETS.extend((composer, explorer))
    return _WIDGETS[0], _WIDGETS[1]


def take_message(data: bytes) -> bool:
    """What a page may send: it is taken, said or ignored; then the settings are in their bounds, or one sentence."""
    import traitlets

    try:
        message = json.loads(data)
    except ValueError:
        return False
    if not isinstance(message, dict):
        return False
    composer, explorer = _widgets()
    composer.file._left = 1000
    for part, content in message.items():
        if part == "file":
            composer.file._received(content)
        elif isinstance(content, dict) and part in ("grid", "map"):
            (composer.drawn.grid if part == "grid" else explorer.map).set_state(content)
        elif isinstance(content, dict):
            for name, state in content.items():
                if name in ("temperature", "length", "seed", "start", "way", "key", "model") and isinstance(
                    state, dict
                ):
                    with contextlib.suppress(traitlets.TraitError):  # ipywidgets' own refusal
                        getattr(composer, name).set_state(state)
    composer.drawn.song, explorer.point, explorer.code  # noqa: B018 (they can be computed)
    try:
        settings = composer.settings()
    except ValueError as mistake:
        assert str(mistake)
        return False
    assert 0.1 <= settings.temperature <= 3 and 8 <= settings.longest <= 200 and 0 <= settings.seed <= 10**6
    return True


TAKE = {"tiny": take_tiny, "card": take_card, "cache": take_cache, "exported": take_exported, "message": take_message}
WORDS = {
    "tiny": (b"~", b"trip{", b"}", b"#", b"--", b"''", b"...", b"64", b"3", b"r", b"CCC", b"4/4", b"0/4", b"n"),
    "card": (b"null", b"[]", b"{}", b'"', b"1e999", b"-1", b"true", b"[[", b"\\ud800", b"NaN"),
    "cache": (b"null", b"[]", b"{}", b'"', b"1e999", b"-1", b"1/0", b"99", b"\\ud800", b"[60.5]"),
    "exported": (b"null", b"[]", b"{}", b'"export"', b"%", b"!", b"import nothing\\n", b"(", b"\\u0000", b"1"),
    "message": (b"null", b"[]", b"{}", b'"', b"1e999", b"-1", b"NaN", b"60", b"1e308", b"true", b"\\u202e", b"[[1,2]]"),
}

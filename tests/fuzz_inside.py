"""What is no file of music, for tests/fuzz.py: typed melodies, cards, caches, notebooks, messages of a page.

Each kind has inputs to begin with, words of its format, and a function that gives one input to the program: it returns
whether the input was taken, and raises whatever is not the one sentence that is promised.
"""

import contextlib
import functools
import hashlib
import io
import json
import os
import tempfile
import warnings
from pathlib import Path
from unittest import mock

import torch
import traitlets

from helpers import cache, checkpoints, exported, shipped
from helpers.songs import Corpus, Event, Rejected, Song

TUNES = ("4/4 c4 d e f g2 g2", "3/4 c'4. d8 e-4~ e-8 r8 f#4 trip{c8 d e} CC2", "6/8 G8 A B c4. quad{c16 d e f} r2.")
MESSAGES = (
    {"file": {"name": "tune.abc", "size": 40, "data": "WDoxClQ6eApNOjQvNApMOjEvNApLOkcKR0FCY3xkMmQyfAo="}},
    {"grid": {"notes": [[60, 0, 1], [64, 1, 3]], "bar": 8.0, "steps": 16}},
    {"map": {"point": [0.5, -1.25], "way": [[0, 0], [1, 1]]}},
    {"sliders": {"temperature": {"value": 1.5, "max": 3.0}, "length": {"value": 20}, "seed": {"value": 7, "max": 10}}},
    {"texts": {"start": {"value": "4/4 c4 d"}, "way": {"index": 0}, "key": {"index": 3}, "model": {"index": 0}}},
    {"axes": {"0": {"value": 1.5, "max": 3.0}, "1": {"value": -0.5, "min": -3.0}, "way": {"value": 0.5, "max": 1.0}}},
    {"typed": {"text": {"value": "4/4 c4 d e f"}}},
    {"voices": {"seed": {"value": 3}, "tempo": {"value": 90}, "bars": {"value": 4, "max": 16}, "way": {"index": 1}}},
)


def seeds_of(kind: str) -> list[bytes]:
    """Inputs to begin with."""
    if kind == "tiny":
        return [tune.encode() for tune in TUNES]
    if kind == "card":
        return [json.dumps(_network()[1], indent=1).encode()]
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


@functools.cache
def _network() -> tuple[bytes, dict]:
    """The weights and the card of a small network, as `make yours` keeps it."""
    from helpers.exported import from_notebook
    from helpers.yours import network

    alphabet = network.EMPTY.grown([Song.from_tiny(TUNES[0])])
    settings = {"body": "LSTM", "hidden": 16, **alphabet.shape}
    card = {
        "notebook": "06-attention",
        "class": "Pointing",
        "hyperparameters": settings,
        "vocabulary": alphabet.vocabulary.vocabulary,
        "step": "1/240",
        "meters": list(alphabet.meters),
        "frame": {"meter": "4/4", "pickup": "0"},
        "centres": [55, 79],
        "data": "none",
        "seed": 0,
        "scores": {"validation": 1.5},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = checkpoints.save(from_notebook("06-attention").Pointing(**settings), "x", card, folder)
        return path.read_bytes(), card


def take_card(data: bytes) -> bool:
    """A checkpoint's card with the right hash: the model, or a ValueError that names the file; the studio goes on."""
    weights, _ = _network()
    whole = hashlib.sha256(weights).hexdigest().encode()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()) as said:
        warnings.simplefilter("ignore")  # torch's
        (Path(folder) / "x.safetensors").write_bytes(weights)
        (Path(folder) / "x.json").write_bytes(data.replace(b'"seed"', b'"sha256": "%s", "seed"' % whole, 1))
        with mock.patch.dict(os.environ, {"NOTES_YOURS": folder}):
            found = shipped.own_writers()
        assert found or "x.safetensors cannot be used: " in said.getvalue()
        assert said.getvalue().rstrip("\n").isprintable()
        try:
            checkpoints.load("x", folder=folder)
        except ValueError as mistake:
            assert "x" in str(mistake) and not found
            return False
        except (FileNotFoundError, ImportError) as mistake:  # of the notebook that it names
            assert "notebook" in str(mistake) and not found
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


@functools.cache
def _widgets() -> tuple:
    """A Composer, a map and a Harmoniser; made once, as a page's messages meet a kernel that goes on."""
    from helpers.composing import note_writer
    from helpers.encoders import NoteEncoder, StringToIntEncoder
    from helpers.widgets import Composer, Harmoniser, LatentExplorer

    song = Song.from_tiny(TUNES[0])
    alphabet = StringToIntEncoder.fit([NoteEncoder().encode(song)])
    p = torch.ones(len(alphabet)).double() / len(alphabet)
    composer = Composer({"even": note_writer(lambda like: lambda history: p, alphabet)}, songs=[song])
    explorer = LatentExplorer(lambda code: song, torch.randn(5, 3), list("abcde"))
    return composer, explorer, Harmoniser(_no_network, songs=[song])


def _no_network(melody, seed, *_):
    """In place of a network: whether what it is asked for is in its bounds."""
    assert 0 <= seed <= 10**6 and melody.duration <= 128
    raise ValueError("nothing is written here")


def take_message(data: bytes) -> bool:
    """What a page may send: it is taken, said or ignored; then the settings are in their bounds, or one sentence."""
    try:
        message = json.loads(data)
    except ValueError:
        return False
    if not isinstance(message, dict):
        return False
    composer, explorer, harmoniser = _widgets()
    composer.file._left = 1000
    melody = harmoniser.melody
    controls = {
        "sliders": {name: getattr(composer, name) for name in ("temperature", "length", "seed")},
        "texts": {name: getattr(composer, name) for name in ("start", "way", "key", "model")},
        "axes": {"0": explorer.sliders[0], "1": explorer.sliders[1], "way": explorer.way},
        "typed": {"text": melody.drawn.text},
        "voices": {"seed": harmoniser.seed, "tempo": harmoniser.tempo, "bars": melody.bars, "way": melody.way},
    }
    for part, content in message.items():
        if part == "file":
            composer.file._received(content)
        elif isinstance(content, dict) and part in ("grid", "map"):
            (composer.drawn.grid if part == "grid" else explorer.map).set_state(content)
        elif isinstance(content, dict):
            for name, state in content.items():
                if (control := controls.get(part, {}).get(name)) and isinstance(state, dict):
                    with contextlib.suppress(traitlets.TraitError):  # ipywidgets' own refusal
                        control.set_state(state)
    explorer.listen()
    harmoniser.write()
    composer.drawn.song, explorer.code  # noqa: B018 (they can be computed)
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
    "message": (b"null", b"[]", b"{}", b'"', b"1e999", b"-1", b"NaN", b"60", b"1e308", b"true", b"[[1,2]]")
    + (b"1" + b"0" * 400,),
}

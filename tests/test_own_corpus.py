"""`papermill -p corpus my-songs`: the notebooks on a reader's own songs."""

import ast
import json
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import music21
import pytest

from helpers.corpus import load_essen
from helpers.datasets import split_by_family
from helpers.encoders import NoteEncoder
from helpers.songs import Corpus
from helpers.yours import folder as own
from helpers.yours import preparing

ROOT = Path(__file__).resolve().parent.parent
TAKE_A_FOLDER = ("01-markov", "02-fnn-gradcheck", "03-lstm", "05-wavenet", "06-attention")
each = pytest.mark.parametrize("name", TAKE_A_FOLDER)


def code(name):
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return [
        (cell["metadata"].get("tags", []), "".join(cell["source"])) for cell in cells if cell["cell_type"] == "code"
    ]


@each
def test_the_parameter_comes_before_the_songs_and_chooses_them(name):
    cells = code(name)
    (given,) = [k for k, (tags, text) in enumerate(cells) if "parameters" in tags]
    assert 'corpus = ""' in cells[given][1]
    ways = 'load_yours(corpus) if corpus else load_essen("erk")', "songs, opening = songs_of(corpus, opening)"
    loads = [k for k, (_, text) in enumerate(cells) if any(way in text for way in ways)]
    assert loads and given < loads[0]
    others = [text for k, (_, text) in enumerate(cells) if 'load_essen("erk")' in text and k not in loads]
    assert not others, "Erk's songs, whatever the parameter says"


@each
def test_no_song_is_asked_for_by_name_without_another_to_fall_back_on(name):
    for _, text in code(name):
        tree = ast.parse(text)
        spared = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and "corpus" in ast.unparse(node.test)
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "next" and id(node) not in spared:
                asks = any(word in ast.unparse(node) for word in ("split.", "songs if", "book.songs"))
                assert len(node.args) == 2 or not asks, ast.unparse(node)


@pytest.fixture
def read(monkeypatch):
    """load_yours of given songs, in the place of those in a folder."""
    own.load_yours.cache_clear()

    def load(songs, rejected=()):
        own.load_yours.cache_clear()
        monkeypatch.setattr(preparing, "melodies", lambda folder: (Corpus(list(songs), list(rejected)), 0))
        return own.load_yours("some folder")

    yield load
    own.load_yours.cache_clear()


def test_what_the_notebooks_cannot_spell_is_named_and_the_rest_is_split_by_family(read, capsys):
    songs = load_essen("erk").songs[:300]
    event = songs[0].events[0]
    triplet = replace(songs[0], id="triplet", events=(replace(event, duration=Fraction(1, 3)),) + songs[0].events[1:])
    slip_jig = replace(songs[0], id="slip jig", meter="9/8")
    corpus = read([triplet, slip_jig, *songs])
    assert {one.name for one in corpus.rejected} == {"triplet", "slip jig"} and len(corpus.songs) == 300
    assert corpus.songs[0].tonic == songs[0].tonic, "they stay in their own keys"
    for song in corpus.songs:
        NoteEncoder().encode(song.in_c())
    sides = [{song.family for song in part} for part in split_by_family(corpus.songs)]
    assert all(sides) and not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    printed = capsys.readouterr().out
    assert "300 songs can be used, 2 cannot" in printed and "9/8" in printed and "1/3" in printed
    assert own.typical(corpus.songs).duration > own.QUARTERS and len(own.opening_of(corpus.songs).events) == 7


def test_too_few_or_too_short_songs_are_one_sentence(read):
    songs = load_essen("erk").songs[:300]
    with pytest.raises(ValueError, match=r"12 songs can be used: .* At least 40 to train, 5 to validate and 5 to test"):
        read(songs[:12])
    with pytest.raises(ValueError, match=r"are short: 0 to train and 0 to validate have 40 notes"):
        read([replace(song, events=song.events[:20]) for song in songs])
    event = songs[0].events[0]
    thirds = (replace(event, duration=Fraction(1, 3)),) + songs[0].events[1:]
    with pytest.raises(ValueError, match="0 songs can be used"):
        read([replace(songs[0], events=thirds)])


def test_a_folder_that_is_not_there_is_named():
    with pytest.raises(FileNotFoundError, match="there is no folder 'no such folder'"):
        own.load_yours("no such folder")


def tunes(place):
    """A folder of 200 of O'Neill's tunes, from music21."""
    place.mkdir()
    book = Path(music21.__file__).parent / "corpus" / "oneills1850"
    for name in ("0101-0200.abc", "0201-0300.abc"):
        shutil.copy2(book / name, place)
    return place


def run_on(folder, name, output, parameter="corpus"):
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "-p", parameter, str(folder)]
    command += ["--start-timeout", "600"]  # seconds until the kernel answers; nbval is given as many
    command += [str(ROOT / "notebooks" / f"{name}.ipynb"), str(output)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=folder.parent)


@pytest.mark.slow
def test_papermill_runs_the_first_notebook_on_a_folder(tmp_path):
    done = run_on(tunes(tmp_path / "tunes"), "01-markov", tmp_path / "out.ipynb")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    cells = json.loads((tmp_path / "out.ipynb").read_text(encoding="utf-8"))["cells"]
    said = "".join("".join(out.get("text", "")) for cell in cells for out in cell.get("outputs", []))
    assert "songs can be used" in said and "1,754 songs" not in said
    assert "+ memory saves" in said


@pytest.mark.slow
def test_notebook_09_runs_on_eight_short_songs_that_all_hold_something_new(tmp_path):
    """Too short for its first player, too few for its check of (9.1), and none that the network can spell."""
    folder, draw = tmp_path / "eight", random.Random(0)
    folder.mkdir()
    for k in range(8):
        bars = ("(3" + "".join(draw.choices("CDEFGABcdefg", k=3)) + draw.choice("CDEFGAB") + "4" for _ in range(4))
        head = f"X:1\nT:Melody {'abcdefgh'[k] * 3}\nM:3/4\nL:1/8\nK:C\n"
        (folder / f"{k}.abc").write_text(head + "|".join(bars) + "|]\n")
    done = run_on(folder, "09-your-songs", tmp_path / "out.ipynb", "songs")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    cells = json.loads((tmp_path / "out.ipynb").read_text(encoding="utf-8"))["cells"]
    said = json.dumps([cell.get("outputs") for cell in cells])
    assert "8 songs can be used, 0 cannot." in said and "a new note costs" in said
    assert "songs of known notes" not in said

"""Songs on disk as numbers: the very ones that memory would hold, made on all cores, and never twice."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import joblib
import pytest
import torch

from helpers import store
from helpers.corpus import load_essen
from helpers.datasets import split_by_family
from helpers.midi import to_midi
from helpers.songs import Song

NOTEBOOK = "06-attention"


@pytest.fixture(scope="module")
def songs():
    return load_essen("erk").songs[:70]


@pytest.fixture(scope="module")
def made(songs, tmp_path_factory):
    return store.prepare(songs, tmp_path_factory.mktemp("store"), NOTEBOOK, shard=20).spelled_by(NOTEBOOK)


def test_a_store_holds_what_the_notebook_would_hold_in_memory(made, songs):
    lstm = store.melodies_of(NOTEBOOK)
    moved = [song.in_c() for song in songs]
    alphabet, durations = lstm.note_alphabet(moved)
    data = lstm.note_data(moved, alphabet)
    assert made.alphabet.vocabulary == alphabet.vocabulary and made.durations == durations
    assert len(made) == len(data) == 70 and made.lengths.tolist() == [len(item[0]) for item in data]
    for k, song in enumerate(songs):
        assert all(torch.equal(*pair) and pair[0].dtype == torch.long for pair in zip(made[k], data[k], strict=True))
        assert made.name_of(k) == song.id
    split = split_by_family(songs)
    for part in store.PARTS:
        assert [made.name_of(k) for k in made.of_part(part)] == [song.id for song in getattr(split, part)]
    with pytest.raises(IndexError, match="there is no song 70; there are 70"):
        made[70]


def test_songs_of_one_title_are_on_one_side(songs, tmp_path):
    names = ("Rose", "Wren", "May", "Bee", "Fox", "Moon", "Rain", "Lark", "Oak", "Elf", "Hare", "Well")
    titles = [f"The {name} Reel" for name in names] * 2
    folder = tmp_path / "songs"
    folder.mkdir()
    notes = "C D E F|G2 [EA]2|G2 F E|"
    for k, title in enumerate(titles):
        (folder / f"{k:02}.abc").write_text(f"X:1\nT:{title}\nM:4/4\nL:1/4\nK:C\n{notes * (1 + k % 5)}C4|\n")
    shelf = store.prepare(store.readings_of(str(folder)), tmp_path / "store", NOTEBOOK, shard=5).spelled_by(NOTEBOOK)
    assert len(shelf) == 24 and not shelf.rejected  # a chord gives its highest note
    part_of = {shelf.name_of(k): part for part in store.PARTS for k in shelf.of_part(part)}
    assert all(part_of[f"{k:02}.abc"] == part_of[f"{k + 12:02}.abc"] for k in range(12))
    assert len(set(part_of.values())) > 1


def test_songs_stay_in_their_keys_if_asked(songs, tmp_path):
    kept = store.prepare(songs, tmp_path, NOTEBOOK, in_c=False).spelled_by(NOTEBOOK)
    assert kept.alphabet.decode(kept[3][1][:1].tolist()) == [
        f"{songs[3].events[0].pitches[0]}/" + str(int(songs[3].events[0].duration * 4))
    ]


def test_what_was_interrupted_goes_on_and_what_is_there_is_not_made_again(made, songs, tmp_path, monkeypatch):
    begun, real = [], store._write_shard

    def stops(path, *arguments):
        begun.append(path.name)
        if len(begun) == 3:
            raise KeyboardInterrupt
        real(path, *arguments)

    monkeypatch.setattr(store, "_write_shard", stops)
    with joblib.parallel_config("sequential"):
        with pytest.raises(KeyboardInterrupt):
            store.prepare(songs, tmp_path, NOTEBOOK, shard=20)
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "shard-00000.safetensors",
            "shard-00001.safetensors",
        ]
        again = store.prepare(songs, tmp_path, NOTEBOOK, shard=20)
    assert begun[3:] == ["shard-00002.safetensors", "shard-00003.safetensors"]
    for one, other in zip(again.paths, made.paths, strict=True):
        assert one.read_bytes() == other.read_bytes()  # made by one process and by several


def test_what_cannot_be_used_is_listed_with_its_reason(songs, tmp_path):
    folder = tmp_path / "songs"
    (folder / "below").mkdir(parents=True)
    to_midi(songs[0], folder / "good.mid")
    to_midi(Song.from_tiny("7/8 c8 d e f g a b c' b a g f e d"), folder / "below" / "seven.mid")
    to_midi(replace(songs[0], events=songs[0].events[:1]), folder / "short.mid")
    (folder / "broken.mid").write_bytes(to_midi(songs[0])[:-40])
    (folder / "notes.txt").write_text("no music")
    made = store.prepare(store.readings_of(str(folder)), tmp_path / "store", NOTEBOOK)
    reasons = {rejected.name: rejected.reason for rejected in made.rejected}
    assert len(made) == 1 and set(reasons) == {"below/seven.mid", "short.mid", "broken.mid"}
    assert reasons["below/seven.mid"].startswith("its meter is 7/8, and the notebook knows 2/2, 2/4")
    assert reasons["short.mid"] == "it has fewer than two notes"
    assert "not a whole MIDI file" in reasons["broken.mid"]


def test_another_digest_for_other_files(songs, tmp_path):
    to_midi(songs[0], tmp_path / "a.mid")
    before = store.digest_of(store.readings_of(str(tmp_path)))
    assert before == store.digest_of(store.readings_of(str(tmp_path)))
    to_midi(songs[1], tmp_path / "a.mid")
    assert before != store.digest_of(store.readings_of(str(tmp_path)))
    assert store.digest_of(songs) != store.digest_of(songs, "other notebook")


MEASURED = """
import sys
from pathlib import Path
from helpers import store

def anonymous():
    return int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0]) / 1024

def reads_all(times):
    big = store.Store(list(map(Path, sys.argv[1:])) * times).spelled_by("06-attention")
    return big, sum(len(big[k][0]) for k in range(len(big)))

few, notes = reads_all(1)
before = anonymous()
many, more = reads_all(50)
grown = anonymous() - before
held = [many[k] for _ in range(5) for k in range(len(many))]
print(len(few), notes, len(many), more, grown, anonymous() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="only Linux says how much memory no file backs")
def test_memory_does_not_grow_with_the_songs(made):
    """Fifty times the songs, all read: 4 MB more at most, of file handles; held five times they take 15 MB besides.

    In a process of its own, because memory that other tests have given back is used again; so is what the first
    reading gave back, some MB, and that is why they are held five times.
    """
    command = [sys.executable, "-c", MEASURED, *map(str, made.paths)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    songs, notes, many, more, grown, held = map(float, done.stdout.split())
    assert many == 50 * songs and more == 50 * notes and grown < 4 and held - grown > 15, (grown, held)


PREPARED = """
import sys
from helpers import store
made = store.prepare(store.readings_of(sys.argv[1]), sys.argv[2], "06-attention", shard=2, jobs=2)
print(len(made))
"""


@pytest.mark.slow
def test_a_process_that_has_prepared_a_folder_comes_to_its_end(tmp_path):
    """It stood still for ever: those of joblib waited for those that had read for them."""
    (tmp_path / "songs").mkdir()
    for k in range(8):
        (tmp_path / "songs" / f"{k}.abc").write_text(f"X:1\nT:tune {k}\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|\n")
    command = [sys.executable, "-c", PREPARED, str(tmp_path / "songs"), str(tmp_path / "store")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    assert done.stdout == "8\n"


@pytest.mark.slow
def test_the_cores_may_be_those_of_a_dask_cluster(made, songs, tmp_path):
    distributed = pytest.importorskip("distributed", reason="pip install 'dask[distributed]' to parse on a cluster")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        with joblib.parallel_config("dask"):
            there = store.prepare(songs, tmp_path, NOTEBOOK, shard=20)
        used = client.run(lambda: "helpers.store" in sys.modules)
    assert any(used.values())
    for one, other in zip(there.paths, made.paths, strict=True):
        assert one.read_bytes() == other.read_bytes()

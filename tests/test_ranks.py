"""Training on many processes: real ones, started by torchrun, two of them on these cores."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from helpers.corpus import load_essen
from helpers.midi import to_midi
from helpers.training import __main__ as command
from helpers.training.ranks import Ranks, Stopped

ROOT = Path(__file__).resolve().parent.parent
WORKER = str(ROOT / "tests" / "ranks_worker.py")
SMALL = ["--set", "hidden=16", "keys=8", "--epochs", "2", "--batch", "3", "--save-every", "2", "--rate", "0.01"]
slow = pytest.mark.slow
if sys.platform == "win32":
    pytest.skip("torchrun and gloo are tested on Linux and macOS", allow_module_level=True)


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """A folder of 24 songs between 12 and 81 notes long, as MIDI files."""
    folder = tmp_path_factory.mktemp("songs")
    some = [song for song in load_essen("erk").songs if 12 <= len(song.events) and song.meter in ("3/4", "4/4")]
    for k, song in enumerate(sorted(some, key=lambda song: len(song.events))[:: len(some) // 24][:24]):
        to_midi(song, folder / f"{k:02}.mid")
    return folder


@pytest.fixture(scope="module")
def start(songs, tmp_path_factory):
    """start(run, agent's options ..., more=command's, **environment) -> the process; agent None: without torchrun."""
    store, logs, started = tmp_path_factory.mktemp("store"), tmp_path_factory.mktemp("logs"), []

    def begin(run, *agent, more=(), **environment):
        torchrun = ["-m", "torch.distributed.run", *agent] if agent != (None,) else []
        line = [sys.executable, *torchrun, WORKER, "06-attention", "--songs", str(songs), "--into", str(run)]
        path = logs / f"{len(started)}.txt"
        settings = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "ACCIDENT": ""} | environment
        with path.open("w") as log:
            line += ["--store", str(store), *SMALL, *more]
            started.append(subprocess.Popen(line, stdout=log, stderr=log, env=settings, start_new_session=True))
        started[-1].path = path
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


TWO = ("--standalone", "--nproc-per-node", "2")


def ended(process, rc=0):
    """What a process printed, when it has ended."""
    code = process.wait(600)
    text = process.path.read_text()
    assert (code == 0) == (rc == 0), text[-3000:]
    return text


def weights(run):
    return torch.load(run / "last.pt", weights_only=True)["model"]


def apart(one, other):
    """The largest difference between the weights of two runs."""
    one, other = weights(one), weights(other)
    return max((one[name] - other[name]).abs().max().item() for name in one)


@pytest.fixture(scope="module")
def alone(start, tmp_path_factory):
    """The folder of a run of one process, without dropout."""
    run = tmp_path_factory.mktemp("alone")
    ended(start(run, None, more=["--no-dropout"]))
    return run


@pytest.fixture(scope="module")
def two(start, alone, tmp_path_factory):
    """The folder of an undisturbed run of two processes, with dropout."""
    run = tmp_path_factory.mktemp("two")
    ended(start(run, *TWO))
    return run


@slow
def test_two_processes_take_the_steps_of_one_and_the_mean_of_means_does_not(start, alone, tmp_path):
    """Batches of three songs: two for one process, one for the other, and a last batch of one song, none for it."""
    ended(start(tmp_path / "two", *TWO, more=["--no-dropout"]))
    assert apart(tmp_path / "two", alone) < 1e-10
    curves = [torch.load(run / "last.pt", weights_only=True)["curve"] for run in (alone, tmp_path / "two")]
    assert torch.allclose(*map(torch.tensor, curves), rtol=0, atol=1e-10)
    ended(start(tmp_path / "plain", *TWO, more=["--no-dropout"], ACCIDENT="unweighted@0"))
    assert apart(tmp_path / "plain", alone) > 1e-3


@slow
def test_a_killed_process_is_started_again_and_the_weights_are_those_of_an_undisturbed_run(start, two, tmp_path):
    text = ended(start(tmp_path, *TWO, "--max-restarts", "1", ACCIDENT="killed@4"))  # step 3 is done and not kept
    assert "Going on after step 2 of epoch 1." in text and text.count("Rank 1 is killed.") == 1
    assert apart(tmp_path, two) < 1e-12
    assert (tmp_path / "06-attention.safetensors").is_file()


@slow
def test_a_run_that_is_kept_does_not_fail_while_python_is_taken_down(start, two, tmp_path):
    """A thread of gloo's may abort a process then: seen once, in a full run of the lowest versions, as exitcode -6."""
    text = ended(start(tmp_path, *TWO, ACCIDENT="ends badly@0"))
    assert text.count("Whoever takes Python down is aborted.") == 2 and "Traceback" not in text
    assert apart(tmp_path, two) < 1e-12


def test_leaving_ends_idle_processes_and_says_what_was_said():
    """Their own time is up only after days; without being told they would be waited for."""
    code = (
        "import atexit; from joblib.externals import loky; from helpers.training.ranks import leave\n"
        "loky.get_reusable_executor(2, timeout=10**6).submit(abs, -1).result()\n"
        "atexit.register(print, 'last'); print('first'); leave(3)"
    )
    settings = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stdout) == (3, "first\nlast\n"), done.stderr[-2000:]


@slow
def test_a_machine_that_joins_late_takes_part(start, alone, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    agent = ["--nnodes", "1:2", "--nproc-per-node", "1", "--rdzv-backend", "c10d", "--local-addr", "127.0.0.1"]
    agent += ["--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", "late", "--rdzv-conf", "last_call_timeout=1"]
    waits, how = tmp_path / "waits", {"more": ["--no-dropout"], "ACCIDENT": "alone@4", "FULL": str(tmp_path / "waits")}
    how["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    first = start(tmp_path / "run", *agent, **how)
    while not waits.is_file():
        assert first.poll() is None, first.path.read_text()[-3000:]
        time.sleep(0.05)
    second = start(tmp_path / "run", *agent, **how)
    text = ended(first) + ended(second)
    assert "Going on after step 2 of epoch 1." in text and "of 2 processes" in text
    assert apart(tmp_path / "run", alone) < 1e-10


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 1 MB, where one can be mounted; else None, and the longest file is limited instead."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    yield folder, mounted.returncode == 0
    if mounted.returncode == 0:
        subprocess.run(["umount", str(folder)], check=True)


@slow
def test_a_full_disk_costs_no_checkpoint_and_the_run_goes_on_when_there_is_room(start, two, small_disk):
    folder, mounted = small_disk
    full = {"FULL": str(folder)} if mounted else {}
    text = ended(start(folder / "run", *TWO, ACCIDENT="full@4", **full), rc=1)
    assert text.count("training goes on.") == 1 and "Make room on the disk and give the same command again" in text
    assert ("No space left" if mounted else "File too large") in text
    kept = torch.load(folder / "run" / "last.pt", weights_only=True)
    assert kept["so_far"][0] == 2 and kept["curve"] == []
    assert sorted(file.name for file in (folder / "run").iterdir()) == [".lock", "last.pt"]  # nothing half-written
    (folder / "ballast").unlink(missing_ok=True)
    assert "Going on after step 2 of epoch 1." in ended(start(folder / "run", *TWO))
    assert apart(folder / "run", two) < 1e-12


@slow
def test_of_two_runs_in_one_folder_the_second_is_told(start, alone, tmp_path):
    waits = tmp_path / "waits"
    first = start(tmp_path, None, more=["--no-dropout"], ACCIDENT="busy@4", FULL=str(waits))
    while not waits.is_file():
        assert first.poll() is None, first.path.read_text()[-3000:]
        time.sleep(0.05)
    text = ended(start(tmp_path, *TWO), rc=1)
    assert text.count(f"helpers.training: another run is at work in {tmp_path}; wait for it") == 1
    first.send_signal(signal.SIGKILL)  # and its lock dies with it
    first.wait()
    assert "Going on after step 2" in ended(start(tmp_path, None, more=["--no-dropout"]))
    assert apart(tmp_path, alone) == 0


@pytest.fixture(scope="module")
def one():
    ranks = Ranks()
    yield ranks
    ranks.close()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("99-nothing --songs {songs}", r"there is no notebook '99-nothing' in .*; there is 01-markov, "),
        (
            "07-sound --songs {songs}",
            "'07-sound' exports no network for melodies; 03-lstm, 05-wavenet and 06-attention",
        ),
        ("06-attention --songs {empty}", "there is no music in '.*': it holds no file that ends in .krn"),
        ("06-attention --songs {broken}", "all 1 songs were rejected; the first: a.mid: this is not a standard MIDI"),
        ("06-attention --songs /nowhere", "there is no folder '/nowhere'; check the path"),
        ("06-attention --songs essen:earth", "there is no Essen part 'earth'; choose one of altdeu"),
        ("06-attention --songs {songs} --like 03-lstm", "'03-lstm' is of notebook '03-lstm', not '06-attention'; take"),
        ("06-attention --songs {songs} --like 06-gru", "there is no checkpoint '06-gru'; of notebook '06-attention'"),
        ("06-attention --songs {songs} --set hiden=3", r"Pointing of notebook .* unexpected keyword argument 'hiden'"),
        ("06-attention --songs {songs} --set hidden", "--set 'hidden' is no NAME=VALUE"),
        ("06-attention --songs {songs} --batch 0", "--batch 0 leaves some of 1 processes without a song"),
        (
            "06-attention --songs {songs} --set hidden=8 --rate 1e38",
            r"in step 2 of epoch 1, by \d+ of its songs, the first",
        ),
    ],
)
def test_bad_input_is_one_sentence(one, songs, tmp_path, line, message):
    empty, broken = tmp_path / "empty", tmp_path / "broken"
    empty.mkdir()
    broken.mkdir()
    (broken / "a.mid").write_bytes(b"nothing")
    typed = line.format(songs=songs, empty=empty, broken=broken).split()
    with pytest.raises(Stopped, match=message) as told:
        command.train(command.options([*typed, "--into", str(tmp_path / "run"), "--store", str(tmp_path)]), one)
    assert "\n" not in str(told.value)


def test_a_folder_of_another_notebook_is_not_gone_on_with(one, songs, tmp_path):
    line = ["--songs", str(songs), "--into", str(tmp_path / "run"), "--store", str(tmp_path), "--epochs", "1"]
    command.train(command.options(["03-lstm", *line, "--set", "hidden=8"]), one)
    with pytest.raises(Stopped, match="holds another run: the notebook was 03-lstm there and is 06-attention here"):
        command.train(command.options(["06-attention", *line, "--set", "hidden=8"]), one)


def test_more_processes_than_songs_are_told(one, songs, tmp_path, monkeypatch):
    monkeypatch.setattr(one, "world", 64)
    monkeypatch.setattr(one, "gather", lambda thing: [thing] * 64)
    with pytest.raises(Stopped, match=r"64 processes for \d+ songs to train on: start \d+ at most"):
        command.train(command.options(["06-attention", "--songs", str(songs), "--store", str(tmp_path)]), one)


def test_a_machine_that_does_not_see_the_songs_is_told(one, songs, tmp_path, monkeypatch):
    monkeypatch.setattr(one, "gather", lambda sees: [sees, False])
    with pytest.raises(
        Stopped, match="process 1 does not see the songs in .*; give --store a folder on a disk that all"
    ):
        command.train(command.options(["06-attention", "--songs", str(songs), "--store", str(tmp_path)]), one)


@pytest.mark.parametrize("notebook", ["03-lstm", "05-wavenet", "06-attention"])
def test_a_song_that_is_not_a_number_is_named(one, songs, tmp_path, notebook, monkeypatch):
    book = command.melodies_of(notebook)
    real = book.note_loss
    poisoned = lambda model, x, y, z: real(model, x, y, z) * (float("nan") if (y == y[0, 0]).all() else 1.0)
    monkeypatch.setattr(book, "note_loss", poisoned)
    line = ["--songs", str(songs), "--into", str(tmp_path / "run"), "--store", str(tmp_path), "--epochs", "1"]
    sizes = ["--set", "channels=4" if notebook == "05-wavenet" else "hidden=8"]
    command.train(command.options([notebook, *line, *sizes]), one)  # no song is one note again and again
    bad = lambda model, x, y, z: real(model, x, y, z) * (float("nan") if x.shape[1] in lengths else 1.0)
    store = command.Store(command._prepared(command.options([notebook, *line])))
    longest = max(store.of_part("train"), key=lambda k: store.lengths[k])
    lengths = {int(store.lengths[longest])}
    monkeypatch.setattr(book, "note_loss", bad)
    again = command.options([notebook, *line, *sizes, "--into", str(tmp_path / "other")])
    with pytest.raises(Stopped, match=f"the loss is not a number in step .* by song '{store.name_of(longest)}'"):
        command.train(again, one)

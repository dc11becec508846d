"""kill -9 at random moments, and other ways in which a disk or a neighbour spoils a run; the next one must be whole.

Each round starts a process, kills it at a moment drawn from the time that an undisturbed one takes, waits for what it
had started to end, and runs it again: what comes of it must be what an undisturbed run leaves, without half files.

Run: make kill; python tests/kill.py cache training --rounds 50; python tests/kill.py run setup --rounds 10.
Linux, as processes are forked. Finds end it with 1.
"""

import argparse
import contextlib
import csv
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.metadata import distributions
from pathlib import Path

import psutil
import torch

from helpers import cache, checkpoints, training
from helpers.corpus import load_essen, load_folder
from helpers.songs import Song

ROOT = Path(__file__).resolve().parent.parent
LINEAR = {
    "notebook": "02-fnn-gradcheck",
    "class": "Linear",
    "hyperparameters": {"in_features": 300, "out_features": 300},
}
LINEAR |= {"vocabulary": ["."], "data": "none", "scores": {}}
LOADED = (
    "from helpers.corpus import load_folder; import sys; print(len(load_folder(sys.argv[1], instrument='all').songs))"
)


BIG: list = []  # a collection, loaded before anything is forked


def digest(thing) -> str:
    return hashlib.sha256(repr(thing).encode()).hexdigest()


def tunes(folder: Path, many: int = 6) -> Path:
    """A folder of small ABC files."""
    folder.mkdir()
    for k in range(many):
        (folder / f"{k}.abc").write_text(f"X:1\nT:tune {k}\nM:4/4\nL:1/4\nK:G\n" + "GABc|d2d2|" * (k + 1) + "\n")
    return folder


# ---- what is done: (folder) -> what can be compared ----


def loading(folder: Path) -> str:
    """The first load of a collection, and its cache."""
    corpus = load_essen("variant")
    return digest([corpus.songs, corpus.rejected])


def writing(folder: Path) -> str:
    """A cache of 700 kB written again and again, and read."""
    corpus = BIG[0]
    for _ in range(5):
        cache._kept(folder / "big-music21_x.json", "big", corpus)
    return digest(cache._from_cache(folder / "big-music21_x.json").songs)


def saving(folder: Path) -> str:
    """Checkpoints of two models in turn, under one name."""
    for seed in (1, 2, 1, 2, 1, 2):
        torch.manual_seed(seed)
        checkpoints.save(torch.nn.Linear(300, 300), "x", LINEAR | {"seed": seed}, folder)
    return f"weights of seed {_saved(folder)}"


def _saved(folder: Path) -> int:
    """The seed of the checkpoint, whose weights must be its own."""
    model, card = checkpoints.load("x", torch.nn.Linear, folder)
    torch.manual_seed(card["seed"])
    assert torch.equal(model.weight, torch.nn.Linear(300, 300).weight), "the weights are another card's"
    return card["seed"]


def trained(folder: Path) -> str:
    """A small network trained for six epochs, resumed where there is something to resume."""
    torch.manual_seed(0)
    model = torch.nn.Linear(8, 3)
    x, y = torch.randn(640, 8), torch.randint(3, (640,))
    batches = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 16, shuffle=True)
    loss = lambda model, x, y: torch.nn.functional.cross_entropy(model(x), y)
    validate = lambda model: loss(model, x, y).item()
    training.fit(model, batches, loss, epochs=6, validate=validate, run=folder / "run", progress=False)
    return digest([weight.tolist() for weight in model.parameters()])


def apart(folder: Path) -> str:
    """A folder's first load, in a program of its own, whose files are read in processes of their own."""
    if not (folder / "songs").is_dir():
        tunes(folder / "songs")
    command = [sys.executable, "-W", "ignore", "-c", LOADED, folder / "songs"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NOTES_CACHE": str(folder)}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def nothing(folder: Path) -> None:
    """What must hold between a kill and the next run."""


def still_one(folder: Path) -> None:
    """After a kill there is the old checkpoint or the new one, or none yet."""
    if (folder / "x.json").is_file() and (folder / "x.safetensors").is_file():
        _saved(folder)


DONE = {
    "loading": (loading, nothing),
    "cache": (writing, nothing),
    "checkpoint": (saving, still_one),
    "training": (trained, nothing),
    "apart": (apart, nothing),
}


# ---- rounds ----


def forked(work, folder: Path, told: Path | None = None) -> int:
    """A child, in a session of its own, that does the work and tells what came of it."""
    child = os.fork()
    if not child:
        os.setsid()
        os.environ[cache.CACHE_VARIABLE] = str(folder)
        with open(os.devnull, "w") as nothing_, contextlib.redirect_stderr(nothing_):
            try:
                result = work(folder)
                if told:
                    told.write_text(result)
                os._exit(0)
            except BaseException as error:
                if told:
                    told.write_text(f"raised {type(error).__name__}: {error}")
                os._exit(1)
    return child


def whole(work, folder: Path) -> str:
    """What a run that nobody disturbs leaves."""
    with tempfile.TemporaryDirectory() as other:
        told, end = Path(other) / "told", time.monotonic() + 120
        child = forked(work, folder, told)
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if time.monotonic() > end:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return "hangs"
            time.sleep(0.01)
        return told.read_text()


def remaining(seconds: float, session: int = -1, folder: Path = Path("/none")) -> list[str]:
    """Processes of a session, or at work in a folder, that do not end by themselves."""
    end = time.monotonic() + seconds
    while True:
        left = []
        for process in psutil.process_iter():
            with contextlib.suppress(OSError, psutil.Error):
                ours = os.getsid(process.pid) == session or process.cwd().startswith(str(folder))
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    left.append(f"{process.pid} {' '.join(process.cmdline())[:80]}")
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.05)


def half_files(folder: Path) -> list[str]:
    """What a whole run would not leave."""
    ends = (".part", ".next", ".tmp")
    return [path.name for path in folder.rglob("*") if path.name.endswith(ends)]


def rounds_of(name: str, many: int, seed: int) -> dict:
    """Kills `many` processes; what was found."""
    work, between = DONE[name]
    rng, faults, killed = random.Random(f"{name} {seed}"), [], 0
    with tempfile.TemporaryDirectory() as folder:
        expected = whole(work, Path(folder))
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        assert whole(work, Path(folder)) == expected, "two undisturbed runs differ"
    takes = time.monotonic() - begin
    for number in range(many):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            child = forked(work, folder)
            time.sleep(rng.uniform(0, takes))
            os.kill(child, signal.SIGKILL)
            killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
            wrong = [f"orphans {left}"] if (left := remaining(20, session=child)) else []
            try:
                between(folder)
            except Exception as error:
                wrong.append(f"after the kill: {error}")
            found = whole(work, folder)
            wrong += [f"the next run gave {found[:200]}"] if found != expected else []
            wrong += [f"left behind: {half}"] if (half := half_files(folder)) else []
        faults += [f"{name} {number}: {text}" for text in wrong]
    return {"killed": killed, "rounds": many, "faults": faults[:5], "count": len(faults)}


# ---- the README's commands ----


def clone(folder: Path, environment: bool) -> Path:
    """A clone of what is committed, with this folder's environment or none."""
    place = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(place)], check=True)
    if environment:
        (place / ".venv").symlink_to(ROOT / ".venv")
        for name in ("pyproject.toml", "constraints.txt"):
            os.utime(place / name, (0, 0))  # nothing is to be installed
    return place


def pages_of(place: Path) -> dict:
    """What `make run` leaves: files, what the pages hold, whether it is up to date, whether git notices anything."""
    said = subprocess.run(COMMANDS["run"][0], cwd=place, capture_output=True, text=True)
    made = [path for part in ("site", "build") for path in (place / part).rglob("*") if path.is_file()]
    status = subprocess.run(["git", "status", "--porcelain"], cwd=place, capture_output=True, text=True).stdout
    untidy = [line for line in status.splitlines() if not line.endswith(" .venv")]  # ignored as a folder, not as a link
    names = sorted(str(path.relative_to(place)) for path in made)
    pages = [path for path in sorted((place / "site").rglob("*.html")) if path.stem != "09-your-songs"]  # which has run
    found = {"names": names, "pages": digest([(path.name, path.read_bytes()) for path in pages])}
    return found | {"again": said.stdout.split("\n")[0][:10], "code": said.returncode, "git": untidy}


def installed_in(place: Path) -> dict:
    """What `make setup` leaves: packages and their versions; and what their lists of files name but is not there."""
    (site,) = place.glob(".venv/lib/python*/site-packages")
    packages, wrong = [], [path.name for path in site.glob("~*")]  # what pip was about to remove
    for package in distributions(path=[str(site)]):
        packages.append(f"{package.name}=={package.version}")
        record = package.read_text("RECORD")  # since Python 3.12 `package.files` leaves out what is missing
        wrong += [] if record else [f"{package.name} has no list of files"]
        for name, _, size in csv.reader((record or "").splitlines()):
            path = site / name
            there = path.is_file() and (not size or path.stat().st_size == int(size))
            wrong += [] if there or path.suffix == ".pyc" else [name]
    return {"packages": sorted(packages), "wrong": wrong}


COMMANDS = {  # what is typed; what it leaves; whether it finds the environment; whether all that it started is killed
    "run": (["make", "run", "ONLY=09-your-songs"], pages_of, True, False),
    "setup": (["make", "setup"], installed_in, False, True),
}


def kills_of(name: str, many: int, seed: int) -> dict:
    """Kills a command in `many` fresh clones, and types it again."""
    command, leaves, environment, whole_group = COMMANDS[name]
    rng, faults, killed, hurt = random.Random(f"{name} {seed}"), [], 0, 0
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    with tempfile.TemporaryDirectory() as folder:
        place, begin = clone(Path(folder), environment), time.monotonic()
        subprocess.run(command, cwd=place, check=True, **quiet)
        takes, expected = time.monotonic() - begin, leaves(place)
    for number in range(many):
        with tempfile.TemporaryDirectory() as folder:
            place = clone(Path(folder), environment)
            process = subprocess.Popen(command, cwd=place, **quiet)
            time.sleep(rng.uniform(0, takes))
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                if whole_group:
                    os.killpg(process.pid, signal.SIGKILL)
                else:  # make's child does the work; what that has started must end without being told
                    for victim in psutil.Process(process.pid).children():
                        victim.kill()
            killed += bool(process.wait())
            wrong = [f"orphans {left}"] if (left := remaining(60, folder=place)) else []
            if name == "setup" and list(place.glob(".venv/lib/python*/site-packages")):
                hurt += bool(installed_in(place)["wrong"])
            code = subprocess.run(command, cwd=place, **quiet).returncode
            found = leaves(place) if not code else {}
            wrong += [f"the next run ends with {code}"] if code else []
            wrong += [f"{key}: {str(found[key])[:200]}" for key in found if found[key] != expected[key]]
            wrong += [f"left behind: {half}"] if (half := half_files(place)) else []
        faults += [f"{name} {number}: {text}" for text in wrong]
    return {"killed": killed, "rounds": many, "left torn by the kill": hurt, "faults": faults[:5], "count": len(faults)}


# ---- without a kill ----


def eight_at_once() -> dict:
    """Eight programs load the same folder for the first time."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        tunes(folder / "songs", 20)
        environment = os.environ | {"PYTHONPATH": str(ROOT), "NOTES_CACHE": str(folder / "cache")}
        command = [sys.executable, "-W", "ignore", "-c", LOADED, folder / "songs"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        said = [p.communicate() for p in [subprocess.Popen(command, env=environment, **pipes) for _ in range(8)]]
        files = sorted(path.name for path in (folder / "cache").iterdir() if not path.name.endswith(".lock"))
        wrong = [] if [out for out, _ in said] == ["20\n"] * 8 and len(files) == 1 else [str(said)[:500], str(files)]
        read = sum("Waiting for another" in err for _, err in said)
    return {"waited": read, "faults": wrong, "count": len(wrong)}


@contextlib.contextmanager
def disk(options: str):
    """A file system in memory, of a size or read-only; needs the rights to mount one."""
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True, capture_output=True)
        try:
            yield Path(place)
        finally:
            subprocess.run(["umount", place], check=True)


def full_or_read_only() -> dict:
    """Caches, checkpoints and training on a disk without room, and on one that can only be read."""
    wrong, songs = [], load_essen("variant").songs
    for options in ("size=16k", "ro"):
        with disk(options) as folder:
            loaded = whole(loading, folder)
            wrong += [f"{options}: loading gave {loaded[:100]}"] if loaded != digest([songs, []]) else []
            for work in (saving, trained):
                said = whole(work, folder)
                wrong += [] if said.startswith("raised OSError") else [f"{options}: {work.__name__}: {said[:100]}"]
            wrong += [f"{options}: {half}"] if (half := half_files(folder)) else []
    return {"faults": wrong, "count": len(wrong)}


def other_versions() -> dict:
    """Caches of another version of music21, another format, and files from a future that a clock set back leaves."""
    wrong = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        expected = whole(loading, folder)
        (now,) = folder.glob("essen-variant-*.json")
        for name in ("essen-variant-music21_0.1-format_2.json", now.name.replace("format_2", "format_1")):
            shutil.copy(now, folder / name)
            now.unlink()
            wrong += [f"{name} was used"] if whole(loading, folder) != expected or not now.is_file() else []
            wrong += [f"{name} was left"] if (folder / name).exists() else []
        os.utime(now, (time.time() + 10**6,) * 2)
        wrong += ["a cache of the future"] if whole(loading, folder) != expected else []
        tunes(folder / "songs")
        os.environ[cache.CACHE_VARIABLE] = str(folder)
        for age in (0, 10**7, -(10**7)):
            for path in (folder / "songs").iterdir():
                os.utime(path, (time.time() + age,) * 2)
            wrong += [f"songs of {age} s"] if len(load_folder(folder / "songs", instrument="all").songs) != 6 else []
    return {"faults": wrong, "count": len(wrong)}


OTHERS = {"eight": eight_at_once, "disk": full_or_read_only, "versions": other_versions}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join([*DONE, *OTHERS, *COMMANDS])}; all but the last two")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    import torch.utils.tensorboard  # noqa: F401 (with music21, the slow imports; the children are forked after them)

    Song.from_tiny("c4")
    BIG.append(load_essen("kinder"))
    faults = 0
    for name in given.names or [*DONE, *OTHERS]:
        begin = time.monotonic()
        kill = rounds_of if name in DONE else kills_of
        found = OTHERS[name]() if name in OTHERS else kill(name, given.rounds, given.seed)
        faults += found["count"]
        print(json.dumps({"what": name, **found, "seconds": round(time.monotonic() - begin)}), flush=True)
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())

"""Both of the README's commands, in fresh clones with empty caches, on a quiet machine and on busy ones.

Conditions: quiet; busy (four processes that only count); one core (of however many there are); twice (the same
command at once in two clones). Each command must exit 0 and leave `git status` clean, and a second `make run` must
find nothing to do. Prints a row for each command as soon as it has ended. Not part of `make test`: it takes hours.

Run: make test-load, or python tests/load.py busy "one core"
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONDITIONS = ("quiet", "busy", "one core", "twice")
STEPS = (["make", "setup"], ["make", "run"], ["make", "run"], ["make", "test"])


class Clone:
    """A fresh clone of what is committed, with a home folder of its own, so that all caches are empty."""

    def __init__(self, place: Path, number: int):
        self.folder, home = (
            place / f"clone {number} ü",
            place / f"home{number}",
        )  # a space and an umlaut, as people have
        home.mkdir()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(self.folder)], check=True)
        self.environment = os.environ | {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
        for name in ("NOTES_CACHE", "OMP_NUM_THREADS", "VIRTUAL_ENV", "PYTEST_ADDOPTS"):
            self.environment.pop(name, None)

    def start(self, command: list[str], log) -> subprocess.Popen:
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)

    def untidy(self) -> str:
        words = ["git", "-C", str(self.folder), "status", "--porcelain"]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def measure(condition: str) -> bool:
    """Whether all steps end well under this condition."""
    well, cores = True, getattr(os, "sched_getaffinity", lambda _: set(range(os.cpu_count())))(0)
    others = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4 if condition == "busy" else 0)
    ]
    if condition == "one core":
        os.sched_setaffinity(0, {min(cores)})
    try:
        with tempfile.TemporaryDirectory() as place:
            clones = [Clone(Path(place), number) for number in range(2 if condition == "twice" else 1)]
            for number, step in enumerate(STEPS):
                well &= take(step, clones, Path(place), condition, again=step in STEPS[:number])
    finally:
        os.sched_setaffinity(0, cores) if condition == "one core" else None
        for other in others:
            other.kill()
            other.wait()
    return well


def take(step: list[str], clones: list[Clone], place: Path, condition: str, again: bool) -> bool:
    """Types one command in each clone at once, and says how it ended; `again`: it must find nothing to do."""
    logs = [place / f"log{k}" for k in range(len(clones))]
    begin, running = time.perf_counter(), []
    try:
        for clone, log in zip(clones, logs, strict=True):
            with open(log, "w") as file:
                running.append(clone.start(step, file))
        codes = [process.wait() for process in running]
    finally:
        for process in running:
            process.terminate()  # make ends what it has started
            process.wait()
    seconds, texts = time.perf_counter() - begin, [log.read_text(errors="replace") for log in logs]
    untidy = [text for clone in clones if (text := clone.untidy())]
    idle = not again or all("Up to date" in text for text in texts)
    said = [f"exit {codes}", *(f"git status: {text}" for text in untidy), *([] if idle else ["it did something again"])]
    print(f"{condition:9} {' '.join(step):11} {seconds:7.1f} s  {'  '.join(said)}", flush=True)
    for code, text in zip(codes, texts, strict=True):
        if code or step[1] == "test":
            print("\n".join(text.splitlines()[-60 if code else -2 :]), flush=True)
    return idle and not any(codes) and not untidy


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what counts is ended, and clones are removed
    wanted = sys.argv[1:] or CONDITIONS
    if unknown := set(wanted) - set(CONDITIONS):
        sys.exit(f"There is no condition {unknown.pop()!r}; there is {', '.join(CONDITIONS)}.")
    if shutil.disk_usage(tempfile.gettempdir()).free < 8e9:
        sys.exit(f"{tempfile.gettempdir()} has less than 8 GB free; name another folder in TMPDIR.")
    results = [measure(condition) for condition in wanted]
    sys.exit(not all(results))

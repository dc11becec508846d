"""What `make run` does: pages out of the committed notebooks; then each notebook runs here and replaces its page.

What has run is not run again while the notebook, helpers and models stay as they are, so an interrupted run goes on
where it stopped. A notebook that fails leaves a line and its log, keeps its committed page, and stops no other.

Run: make run, or make run ONLY=03-lstm; with --in-place, what `make notebooks` does.
"""

from helpers import interrupts

if __name__ == "__main__":
    interrupts.ignore_tracebacks()

import argparse
import contextlib
import errno
import hashlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from helpers.files import write_atomically

ROOT = Path(__file__).resolve().parent.parent
BUILD, SITE = ROOT / "build", ROOT / "site"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
OTHERS = [ROOT / "notebooks" / "studio.ipynb", *sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))]


def main(words):
    parser = argparse.ArgumentParser(description="Executes the notebooks and makes pages of them.")
    parser.add_argument("only", nargs="*", help="names of notebooks, such as 03-lstm; all of them if there are none")
    parser.add_argument("--in-place", action="store_true", help="replace the notebooks themselves")
    arguments = parser.parse_args(words)
    try:
        interrupts.raise_again()
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # what stops make stops the kernels too
        chosen = choose(arguments.only, NOTEBOOKS + OTHERS if arguments.in_place else NOTEBOOKS)
        with alone():
            return replace_notebooks(chosen) if arguments.in_place else run(chosen)
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno not in REASONS:
            raise
        print(f"{error.filename or BUILD}: {REASONS[error.errno]}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 2


REASONS = {
    errno.ENOSPC: "the disk is full. Free some space, 1 GB at best, and type the command again: it goes on from here.",
    errno.EROFS: "this is on a disk that can only be read. Clone the project into a folder that you can write to.",
    errno.EACCES: "you may not write here. Clone the project into a folder of your own.",
    errno.EDQUOT: "your share of the disk is full. Free some space and type the command again: it goes on from here.",
}


@contextlib.contextmanager
def alone():
    """One of us at a time in this folder. Raises: RuntimeError if another is at work."""
    import filelock

    BUILD.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(BUILD / "run.lock")
    with contextlib.ExitStack() as stack:
        try:
            lock.acquire(timeout=0)
            stack.callback(lock.release)
        except filelock.Timeout:
            raise RuntimeError(
                "Another make run is at work in this folder. Wait until it is done, or stop it."
            ) from None
        except NotImplementedError:  # a disk without locks
            pass
        yield


def choose(names, notebooks):
    """The notebooks of these names (a part of "solutions/..." is one, too); all if there are none."""
    names = [word for name in names for word in name.replace(",", " ").split()]
    by_name = {str(path.relative_to(ROOT / "notebooks").with_suffix("")): path for path in notebooks}
    for name in names:
        if name.removesuffix(".ipynb") not in by_name:
            sys.exit(f"There is no notebook {name!r}; there is {', '.join(by_name)}.")
    return [by_name[name.removesuffix(".ipynb")] for name in names] or list(by_name.values())


# ---- what has to be done ----


def digest(*parts: bytes) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()


def cells_of(path: Path) -> list[dict]:
    """Raises: RuntimeError if it is no notebook, as after a merge that left its marks."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [{key: cell[key] for key in ("cell_type", "source", "metadata")} for cell in cells]
    except (ValueError, KeyError, TypeError) as error:
        back = f"git checkout '{path.relative_to(ROOT)}'"
        raise RuntimeError(f"{path} cannot be read as a notebook ({error}). {back} brings the committed one.") from None


def fingerprint(path: Path) -> str:
    """Changes with whatever may change a notebook's page: its cells, helpers, what notebooks export, models, data."""
    own = [[cell["source"], cell["metadata"].get("tags")] for cell in cells_of(path)]
    exported = [
        cell["source"] for file in NOTEBOOKS for cell in cells_of(file) if "export" in cell["metadata"].get("tags", ())
    ]
    files = [ROOT / "constraints.txt", *ROOT.glob("helpers/**/*"), *ROOT.glob("models/*"), *ROOT.glob("data/*.json")]
    contents = [str(f).encode() + f.read_bytes() for f in sorted(files) if f.is_file() and f.suffix != ".pyc"]
    return digest(json.dumps([own, exported]).encode(), *contents)


@dataclass
class Task:
    """A notebook, where it goes when it has run, and what has become of it."""

    path: Path
    output: Path
    key: str = ""
    failure: dict = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT / "notebooks").with_suffix(""))

    @property
    def stamp(self) -> Path:
        return self.output.with_suffix(".key")

    @property
    def log(self) -> Path:
        return BUILD / "logs" / f"{self.name.replace('/', '-')}.log"

    def has_run(self) -> bool:
        return self.output.is_file() and self.stamp.is_file() and self.stamp.read_text() == self.key


# ---- executing ----


class Workers:
    """Notebooks in processes of their own, some at a time; `events` tells what happens."""

    def __init__(self, tasks: list[Task], jobs: int):
        self.events: queue.Queue = queue.Queue()
        self._waiting: queue.Queue = queue.Queue()
        self._running: set[subprocess.Popen] = set()
        self._lock, self._stopped = threading.Lock(), False
        for task in tasks:
            self._waiting.put(task)
        for _ in range(min(jobs, len(tasks))):
            threading.Thread(target=self._work, daemon=True).start()

    def _work(self):
        while not self._stopped:
            try:
                task = self._waiting.get_nowait()
            except queue.Empty:
                return
            try:
                self._execute(task)
            except Exception as error:  # whoever waits for an event must get one
                self.events.put((task, error))

    def _execute(self, task: Task):
        begin = time.perf_counter()
        command = [sys.executable, str(ROOT / "pages" / "execute.py"), str(task.path), str(task.output)]
        task.log.parent.mkdir(parents=True, exist_ok=True)
        with open(task.log, "w", encoding="utf-8") as log:
            with self._lock:
                if self._stopped:
                    return
                # a session of its own: Ctrl-C reaches us, and we stop it in order
                pipe = {"stdout": subprocess.PIPE, "stderr": log, "stdin": subprocess.DEVNULL, "text": True}
                process = subprocess.Popen(command, start_new_session=True, encoding="utf-8", **pipe)
                self._running.add(process)
            said = {}
            for line in process.stdout:
                said = json.loads(line)
                self.events.put((task, said))
            code = process.wait()
        self._running.discard(process)
        if code and "error" not in said:
            said = {"heading": "the beginning", "error": (last_line(task.log) or f"exit code {code}")}
        task.failure = said if code else {}
        task.seconds = time.perf_counter() - begin
        if not self._stopped:
            self.events.put((task, None))

    def stop(self):
        """Ends all processes; their kernels end with them."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")


def execute(tasks: list[Task], jobs: int, finished) -> None:
    """Runs the tasks, `jobs` at a time, with one progress bar over all; calls `finished(task, say)` after each."""
    from tqdm import tqdm

    cells = {task.name: code_cells(task.path) for task in tasks}
    workers, left = Workers(tasks, jobs), len(tasks)
    try:
        with tqdm(total=sum(cells.values()), unit="cell", disable=None, dynamic_ncols=True, leave=False) as bar:
            say = lambda line: tqdm.write(line, file=sys.stdout)
            seen = dict.fromkeys(cells, 0)
            while left:
                task, said = workers.events.get()
                if isinstance(said, Exception):
                    raise said
                if said is None:
                    bar.update(cells[task.name] - seen[task.name])
                    left -= 1
                    finished(task, say)
                    sys.stdout.flush()
                elif "cell" in said:
                    seen[task.name] += 1
                    bar.update()
    finally:
        workers.stop()


def code_cells(path: Path) -> int:
    return sum(cell["cell_type"] == "code" for cell in cells_of(path))


def cores() -> int:
    """Those that this process may use, four at most: each notebook takes up to a gigabyte of memory."""
    import joblib

    return min(4, joblib.cpu_count())


def longest_first(path: Path) -> float:
    minutes = json.loads((ROOT / "pages" / "minutes.json").read_text(encoding="utf-8"))
    return -minutes.get(path.stem, 0) if path in NOTEBOOKS else 0


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def shown(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


# ---- make run ----


def run(chosen: list[Path]) -> int:
    """Pages, then executions, each of which replaces its page. Returns 0, or 1 if a notebook failed."""
    tasks = [Task(path, BUILD / "notebooks" / path.name, fingerprint(path)) for path in NOTEBOOKS]
    new = [task for task in tasks if task.path in chosen and not task.has_run()]
    (BUILD / "notebooks").mkdir(parents=True, exist_ok=True)
    address = (SITE / "index.html").as_uri()
    made = make_pages(tasks)
    if made or new:
        print(f"Open {address}")
    if not new:
        print(f"Up to date. {'' if made else 'Open ' + address}".rstrip())
        return 0
    many = f"{len(new)} notebooks run" if len(new) > 1 else f"{new[0].name} runs"
    print(f"It shows the committed results until a notebook has run here. Now {many}:", flush=True)

    def finished(task, say):
        if task.failure:
            failure = task.failure
            say(f"{task.name} FAILED in '{failure['heading']}': {failure['error']}; the whole log: {shown(task.log)}")
        else:
            write_atomically(task.stamp, task.key.encode())
            task.log.unlink(missing_ok=True)
            say(f"{task.name} has run in {duration(task.seconds)}")
        make_pages(tasks)

    begin = time.perf_counter()
    execute(sorted(new, key=lambda task: longest_first(task.path)), cores(), finished)
    failed = [task.name for task in new if task.failure]
    if failed:
        print(f"{', '.join(failed)} failed; its page shows the committed results. Open {address}")
        return 1
    print(f"Done in {duration(time.perf_counter() - begin)}. Open {address}")
    return 0


def make_pages(tasks: list[Task]) -> bool:
    """The site of what has run here, and of the committed notebooks for what has not; False if it is there already."""
    sources = {task.path.stem: task.output if task.has_run() else task.path for task in tasks}
    notes = {task.path.stem: task.failure for task in tasks if task.failure}
    beside = ("LICENSE", "*.md", "pages/*.*", "data/*.md", "benchmarks/*.*", "models/*.json", "helpers/*.py")
    files = [*sources.values(), *OTHERS, *(path for pattern in beside for path in ROOT.glob(pattern))]
    key = digest(json.dumps(notes, sort_keys=True).encode(), *(f.read_bytes() for f in sorted(files)))
    stamp = BUILD / "site.key"
    if stamp.is_file() and stamp.read_text() == key and (SITE / "index.html").is_file():
        return False
    from make_site import build

    stamp.unlink(missing_ok=True)  # from here on the site is neither the old one nor the new
    build(sources, SITE, BUILD / "pages", notes)
    write_atomically(stamp, key.encode())
    return True


# ---- make notebooks ----


def replace_notebooks(chosen: list[Path]) -> int:
    """Executes notebooks one after the other, in place, and keeps how long they took. Returns 0, or 1 if one failed."""
    import results

    tasks = [Task(path, path) for path in chosen]
    (BUILD / "logs").mkdir(parents=True, exist_ok=True)

    def finished(task, say):
        if task.failure:
            say(f"{task.name} FAILED in '{task.failure['heading']}': {task.failure['error']}; see {shown(task.log)}")
            return
        if task.path in NOTEBOOKS:
            results.keep_time(task.path.stem, task.seconds)
        say(f"{task.name} has run in {duration(task.seconds)}")

    execute(tasks, 1, finished)
    results.write_readme()
    return int(any(task.failure for task in tasks))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What was read once is kept on disk: the next load takes milliseconds, and needs no music21.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import itertools
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from helpers.apart import read_apart
from helpers.files import write_atomically
from helpers.reasons import shown
from helpers.songs import Corpus, Event, Rejected, Song

CACHE_VARIABLE = "NOTES_CACHE"  # set it to a folder to keep the caches there
FORMAT = 2  # of what is kept; to be raised when a reader comes to read anything differently (a test says when)


def cache_folder() -> Path:
    """$NOTES_CACHE, else data/cache beside this project, else (where that is read-only) the user's cache folder.

    Returns:
        A folder, made if that is possible.

    Notebook: none; called by `cached`.
    """
    if os.environ.get(CACHE_VARIABLE):
        folder = Path(os.environ[CACHE_VARIABLE]).expanduser()
        with contextlib.suppress(OSError):  # said later, when the cache cannot be written
            folder.mkdir(parents=True, exist_ok=True)
        return folder
    data = Path(__file__).resolve().parent.parent / "data"
    if data.is_dir():
        folder = data / "cache"
        try:
            folder.mkdir(exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
        except OSError:
            pass  # read-only: fall through
    import platformdirs  # here, because where the project can be written nothing asks for it

    folder = platformdirs.user_cache_path("notes-from-scratch")
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def cached(
    name: str, jobs: Callable[[], list], label: str, unique_ids: bool = False, stamp: str = "", apart: bool = False
) -> Corpus:
    """The corpus from its cache, or read on all cores and then cached in place of any older one.

    Args:
        name: of the cache.
        jobs: function that lists what is to be done, as (function, arguments) pairs; where they are done apart, with
            the name of a file besides.
        label: of the progress bar.
        unique_ids: as `corpus_of`.
        stamp: changes when the files do.
        apart: whether these are files from outside, which may do harm: each is read as `apart.read_apart` does.

    Returns:
        The songs in the order of the jobs, and what was rejected.

    Notebook: none; called by corpus.
    """
    version = importlib.metadata.version("music21")
    path = cache_folder() / f"{name}-music21_{version}-format_{FORMAT}{stamp}.json"
    corpus = _from_cache(path)
    if corpus is None:
        with _alone(path.with_name(f".{name}.lock")):
            corpus = _from_cache(path, quiet=True)  # of another process, that has just read the same songs
            if corpus is None:
                found = _in_parallel(jobs(), label, read_apart if apart else _results)
                corpus = _kept(path, name, corpus_of(found, unique_ids))
    return corpus


def _from_cache(path: Path, quiet: bool = False) -> Corpus | None:
    """The corpus in `path`; None, with a reason unless `quiet`, if there is none that can be used."""
    problem = ""
    try:
        return _unpack(path.read_text(encoding="utf-8"))
    except OSError as error:
        if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            problem = f"cannot be read ({error.strerror})"
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        problem = "was damaged"
    if problem and not quiet:
        print(f"The cache {path} {problem}; reading the songs again.", file=sys.stderr)
    return None


@contextlib.contextmanager
def _alone(path: Path):
    """One process reads a collection; others that want it wait, and then find its cache."""
    import filelock  # here, because a cached load locks nothing

    lock = filelock.FileLock(path)
    with contextlib.ExitStack() as stack:
        try:
            lock.acquire(blocking=False)
            stack.callback(lock.release)
        except filelock.Timeout:
            print("Waiting for another process that is reading the same songs.", file=sys.stderr)
            stack.enter_context(lock)
        except (OSError, NotImplementedError):  # a folder that cannot be written, or a disk without locks
            pass
        yield


def _kept(path: Path, name: str, corpus: Corpus) -> Corpus:
    """The corpus, written down in place of any older one."""
    try:
        write_atomically(path, _pack(corpus).encode("utf-8"))
        for old in path.parent.glob(f"{name}-music21_*.json"):
            if old != path:
                old.unlink(missing_ok=True)
    except OSError as error:
        print(
            f"The songs were read but not cached: {error.strerror or error} in {path.parent}. Set {CACHE_VARIABLE} to "
            "a folder that can be written.",
            file=sys.stderr,
        )
    return corpus


def _in_parallel(jobs: list, label: str, results: Callable) -> list:
    """Runs jobs with a progress bar, unless they are few, and chains their results in order."""
    from tqdm import tqdm  # here, because a cached load shows no bar

    results = tqdm(results(jobs), f"Reading {label}", len(jobs), unit="song", disable=len(jobs) < 20)
    return list(itertools.chain.from_iterable(results))


def _results(jobs: list):
    """What each job returns: in this process for a second, since workers take two to start; then on all cores."""
    end, left = time.monotonic() + 1, iter(jobs)
    for function, arguments in left:
        yield function(*arguments)
        if time.monotonic() > end:
            break
    if rest := list(left):
        import joblib  # takes a quarter of a second

        tasks = (joblib.delayed(function)(*arguments) for function, arguments in rest)
        yield from joblib.Parallel(n_jobs=-1, return_as="generator")(tasks)


def corpus_of(found: list[Song | Rejected], unique_ids: bool) -> Corpus:
    """Songs and what was rejected, apart, each in the order in which they were found.

    Args:
        found: by the readers.
        unique_ids: whether songs with the same id are told apart by a number: the second E0001 becomes E0001#2, as
            four times in "erk".

    Notebook: none; called by `cached` and corpus.load_file.
    """
    songs = [song for song in found if isinstance(song, Song)]
    if unique_ids:
        seen: Counter = Counter()
        for k, song in enumerate(songs):
            seen[song.id] += 1
            if seen[song.id] > 1:
                songs[k] = replace(song, id=f"{song.id}#{seen[song.id]}")
    return Corpus(songs, [rejected for rejected in found if isinstance(rejected, Rejected)])


def _pack(corpus: Corpus) -> str:
    """JSON with every distinct event written once: a corpus has few, and the file loads in milliseconds."""
    table: dict[Event, int] = {}
    songs = []
    for song in corpus.songs:
        numbers = [table.setdefault(event, len(table)) for event in song.events]
        labels = [song.id, song.title, song.family, song.tonic, song.mode, song.meter, str(song.pickup)]
        songs.append([labels, numbers])
    body = json.dumps(
        {
            "events": [[list(event.pitches), str(event.duration)] for event in table],
            "songs": songs,
            "rejected": [[rejected.name, rejected.reason] for rejected in corpus.rejected],
        }
    )
    return json.dumps({"sha256": hashlib.sha256(body.encode()).hexdigest(), "body": body})


def _unpack(text: str) -> Corpus:
    """The inverse of _pack. Raises ValueError if the text is not what _pack wrote."""
    outer = json.loads(text)
    if hashlib.sha256(outer["body"].encode()).hexdigest() != outer["sha256"]:
        raise ValueError("checksum")
    data = json.loads(outer["body"])
    table = [Event(tuple(pitches), fraction_in(duration)) for pitches, duration in data["events"]]
    if not all(isinstance(label, str) for labels, _ in data["songs"] for label in labels):
        raise ValueError("labels")
    if min((number for _, numbers in data["songs"] for number in numbers), default=0) < 0:
        raise ValueError("numbers")
    songs = [
        Song(*labels[:6], tuple(map(table.__getitem__, numbers)), fraction_in(labels[6]))
        for labels, numbers in data["songs"]
    ]
    return Corpus(songs, [Rejected(*(shown(text, 1000) for text in row)) for row in data["rejected"]])


def fraction_in(text: str) -> Fraction:
    """A fraction of at most nine digits in each part: Fraction itself would count out "1e3000000".

    Args:
        text: such as "3/2".

    Raises:
        ValueError: it is none.

    Notebook: none; called by shipped.
    """
    if not isinstance(text, str) or not re.fullmatch(r"\d{1,9}(/0*[1-9]\d{0,8})?", text):
        raise ValueError(f"{text!r:.40} is no fraction")
    return Fraction(text)

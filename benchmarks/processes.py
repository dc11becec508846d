"""What more processes bring on this machine: songs a second of parsing and of training, and memory by number of songs.

20,000 songs of music21's Essen books are written as MIDI files into build/processes: the books first as they are, and
then again in other keys until there are enough; songs/provenance.json says which is what. No score is made of them, so
copies of a tune do no harm. `python benchmarks/processes.py` writes its figures into benchmarks/processes.json, from
which notebook 10 draws its curves; it takes some minutes. SONGS=3000 in front makes all smaller and writes no file.
"""

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import joblib
import psutil
from tqdm import tqdm

from helpers import store
from helpers.corpus import load_essen
from helpers.midi import score_of, to_midi
from helpers.songs import Song

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "build" / "processes"
BOOKS = ("erk", "altdeu", "ballad", "boehme", "dva", "fink", "kinder", "variant", "zuccal")
SONGS, FEW = int(os.environ.get("SONGS", 20_000)), 2_000
NOTEBOOK, CORES = "06-attention", os.cpu_count()
SHIFTS = (0, 2, -2, 4, -4, 5, -5, 1, -1, 3, -3, 6)


def write_songs() -> dict:
    """The MIDI files, in folders of 1,000; what each is stands in provenance.json."""
    known = HERE / "songs" / "provenance.json"
    if known.is_file() and len(told := json.loads(known.read_text(encoding="utf-8"))) == SONGS:
        return told
    songs = [song for book in BOOKS for song in load_essen(book).songs if len(song.events) > 11]
    wanted = ((book, shift) for shift in SHIFTS for book in songs)
    told = {}
    for k, (song, shift) in enumerate(tqdm(islice(wanted, SONGS), "Writing songs", SONGS, disable=None)):
        name = f"{k // 1000:03}/{k:06}.mid"
        (HERE / "songs" / name).parent.mkdir(parents=True, exist_ok=True)
        to_midi(song.transpose(shift), HERE / "songs" / name)
        told[name] = f"Essen {song.id}, {shift:+} semitones"
    known.write_text(json.dumps(told, indent=0), encoding="utf-8")
    return told


def first_readings(number: int) -> list:
    """The readings of the first so many files."""
    return store.readings_of(str(HERE / "songs"))[:number]


def midi_speed() -> dict:
    """Files a second of processor time, which does not know what else runs; and what becomes of broken ones.

    A process apart reads them, so its time counts, too.
    """
    result = {}
    for kind in ("tunes", "long", "long, no key", "long, played"):
        files = first_readings(1000) if kind == "tunes" else long_files(kind)
        list(store.melodies_in(files[:1]))  # what is imported once
        rounds = []
        for _ in range(3):
            since = cpu_seconds()
            songs = list(store.melodies_in(files))
            rounds.append(cpu_seconds() - since)
        seconds, notes = min(rounds), round(sum(len(song.events) for song in songs) / len(songs))
        result[kind] = {"notes a file": notes, "files a second and core": round(len(files) / seconds)}
    return result | broken_files()


def long_files(kind: str, number: int = 150) -> list:
    """Files of some 300 notes, six tunes one after the other: written, without a key signature, or played unevenly."""
    folder = HERE / kind.replace(", ", "-").replace(" ", "-")
    folder.mkdir(exist_ok=True)
    songs, draw = iter(load_essen("erk").songs), random.Random(0)
    for k in range(number):
        events = tuple(event for song in islice(songs, 6) for event in song.events)
        score = score_of(Song(str(k), "", str(k), "C", "major", "4/4", events), 100, 0)
        if kind != "long":
            score.key_signatures.clear()
        if kind == "long, played":
            for note in score.tracks[0].notes:
                note.time += draw.randrange(12)
        (folder / f"{k:03}.mid").write_bytes(score.dumps_midi())
    return store.readings_of(str(folder))


def broken_files(number: int = 300) -> dict:
    """Files cut off at places all over them; each must be rejected with a reason."""
    folder = HERE / "broken"
    folder.mkdir(exist_ok=True)
    for k, (path, _) in enumerate(first_readings(number)):
        data = Path(path).read_bytes()
        (folder / f"{k:03}.mid").write_bytes(data[: len(data) * (k + 1) // (number + 2)])
    found = list(store.melodies_in(store.readings_of(str(folder))))
    rejected = [one for one in found if hasattr(one, "reason")]
    return {
        "broken files": number,
        "of them rejected": len(rejected),
        "reasons": sorted({one.reason for one in rejected}),
    }


def cpu_seconds() -> float:
    """Processor seconds of this process, of all below it that are still there, and of those that these saw end."""
    mine = psutil.Process()
    return sum(sum(process.cpu_times()[:4]) for process in [mine, *mine.children(recursive=True)])


def parsing(rounds: int = 3) -> dict:
    """Songs a second of making a store, by the number of processes.

    "by the clock" is the best of some rounds; "on cores of their own" is what the processor time comes to that they
    took: it is right where nothing else runs, and processes do not wait for each other.
    """
    some, clock, own = first_readings(FEW), {}, {}
    for jobs in list(range(1, CORES + 1)) * rounds:
        call = joblib.delayed(store.melodies_of)
        joblib.Parallel(jobs)(call(NOTEBOOK) for _ in range(4 * jobs))  # the processes start and import
        since, before = time.perf_counter(), cpu_seconds()
        with tempfile.TemporaryDirectory(dir=HERE) as folder:
            store.prepare(some, folder, NOTEBOOK, in_c=False, shard=50, jobs=jobs)
        took, computed = time.perf_counter() - since, (cpu_seconds() - before) / jobs
        clock[jobs] = max(clock.get(jobs, 0), round(len(some) / took))
        own[jobs] = max(own.get(jobs, 0), round(len(some) / computed))
    return {"by the clock": clock, "on cores of their own": own}


MEMORY = """
import sys
from pathlib import Path
sys.path.insert(0, {benchmarks!r})
import processes
from helpers import store
way, number = sys.argv[1], int(sys.argv[2])
made = store.Store(sorted(Path({stored!r}).glob("shard-*"))[: -(-number // store.SHARD)]).spelled_by(processes.NOTEBOOK)
for k in range(len(made)):
    made[k]
held = [made[k] for k in range(len(made))] if way == "tensors" else None
if way == "songs":
    held = list(store.melodies_in(processes.first_readings(number)))
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def memory(stored: Path) -> dict:
    """Highest memory in MB (on Linux), by the number of songs, of a process that reads them all from the store; of one
    that holds all tensors as well; and of one that holds them as songs."""
    peaks = {}
    code = MEMORY.format(benchmarks=str(ROOT / "benchmarks"), stored=str(stored))
    for way in ("store", "tensors", "songs"):
        for number in (FEW, SONGS):
            line = [sys.executable, "-c", code, way, str(number)]
            out = subprocess.run(line, check=True, capture_output=True, text=True).stdout
            peaks[f"{way}, {number} songs"] = round(int(out) / 1024)
    return peaks


def training(rounds: int = 2) -> dict:
    """Songs a second of training on 1,000 of them, by the number of processes; both figures as in `parsing`.

    Four epochs less one epoch are three without the start.
    """
    clock, own = {}, {}
    for world in list(range(1, CORES + 1)) * rounds:
        spent = []
        for epochs in (1, 4):
            before = cpu_seconds()
            with tempfile.TemporaryDirectory(dir=HERE) as into:
                line = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(world)]
                line += ["-m", "helpers.training", NOTEBOOK, "--songs", str(HERE / "songs" / "000"), "--as-written"]
                line += ["--store", str(HERE), "--epochs", str(epochs), "--batch", "32", "--into", into]
                out = subprocess.run(line, check=True, capture_output=True, text=True).stdout
            spent.append(cpu_seconds() - before)
            found = [tuple(map(float, pair)) for pair in re.findall(r"(\d+) steps of \d+ processes in ([\d.]+) s", out)]
            best = max(32 * steps / seconds for steps, seconds in found)
            clock[world] = max(clock.get(world, 0), round(best))
        own[world] = max(own.get(world, 0), round(32 * 3 * found[0][0] * world / (spent[1] - spent[0])))
    return {"by the clock": clock, "on cores of their own": own}


def main() -> None:
    told, figures = write_songs(), {"songs": SONGS, "cores": CORES}
    figures["distinct tunes"] = sum(text.endswith(" +0 semitones") for text in told.values())
    figures["load at the beginning"] = round(os.getloadavg()[0], 1)
    stored = HERE / "store"
    figures["rejected"] = len(store.prepare(first_readings(SONGS), stored, NOTEBOOK, in_c=False).rejected)
    measures = {"midi": midi_speed, "memory": lambda: memory(stored), "parsing": parsing, "training": training}
    for name, measure in measures.items():
        figures[name] = measure()
        print(f"{name}: {json.dumps(figures[name], ensure_ascii=False)}", flush=True)
    figures["load at the end"] = round(os.getloadavg()[0], 1)
    if "SONGS" not in os.environ:
        text = json.dumps(figures, indent=1, ensure_ascii=False) + "\n"
        (ROOT / "benchmarks" / "processes.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

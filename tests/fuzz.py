"""Damaged music files by the thousand, made of real ones, through the loader.

Each input is made of a file of music21's corpus by one to eight changes: bits, bytes, slices, numbers, and words of its
format. Input k of a seed is always the same, so a find can be made again. It is a find where the reader raises, takes
more than its seconds, crashes or fills its process, or gives what is no song or cannot be printed on one line. What is
no file of music (typed melodies, cards, caches, notebooks, messages of a page) is in fuzz_inside.py.

Run: make fuzz, or python tests/fuzz.py midi --inputs 1000; --guided lets atheris choose the inputs by the lines they
reach, if it is installed (pip install atheris). What is found is written to build/fuzz.
"""

import argparse
import io
import json
import random
import re
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

import fuzz_inside

from helpers import apart, limits
from helpers.cache import _pack, _unpack, corpus_of
from helpers.corpus import _music21_folder
from helpers.midi import to_midi
from helpers.readers import SUFFIXES, read_file, tunes_in
from helpers.songs import Event, Rejected, Song

ROOT = Path(__file__).resolve().parent.parent
SUFFIX = {"abc": ".abc", "kern": ".krn", "midi": ".mid", "musicxml": ".musicxml", "mxl": ".mxl"}
NUMBERS = (b"0", b"-1", b"1/0", b"255", b"99999", b"2147483648", b"1e999", b"NaN", b"")
WORDS = {
    "abc": (b"M:0/4\n", b"L:1/0\n", b"K:\n", b"(3", b"[K:", b"|:", b"[1", b"{", b"!", b"-", b"[CEG]", b"z99999", b"&"),
    "kern": (b"*^", b"*v", b"*-", b"**kern", b"*M0/1", b"\t", b"=", b"[", b"q", b".", b"%", b"0", b"*tb4", b"!!!OTL:"),
    "midi": (
        b"\xff\x2f\0",
        b"\xff\x58\4\1\7\x18\x08",
        b"\xff\x59\2\x7f\x7f",
        b"\xff\xff\xff\x7f",
        b"MTrk",
        b"\xf0\x05",
    ),
    "musicxml": (b"<note>", b"</note>", b"<chord/>", b"<grace/>", b"<backup>", b"<divisions>0</divisions>", b"&lt;"),
}
WORDS["mxl"] = WORDS["musicxml"]
WORDS |= fuzz_inside.WORDS
KINDS = [*SUFFIX, *fuzz_inside.TAKE]
MANY = 60  # files to begin with


def seeds_of(kind: str) -> list[bytes]:
    """Small real files of one format, always the same ones."""
    if kind in fuzz_inside.TAKE:
        return fuzz_inside.seeds_of(kind)
    corpus = _music21_folder() / "corpus"
    if kind == "abc":
        texts = [path.read_text(encoding="latin-1") for path in sorted(corpus.rglob("*.abc"))]
        found = [tune.encode() for text in texts for tune in list(tunes_in(text))[:2]]
    elif kind == "midi":
        texts = [path.read_text(encoding="latin-1") for path in sorted((corpus / "essenFolksong").glob("*.abc"))]
        tunes = [read_file_of(tune.encode(), "abc") for text in texts for tune in list(tunes_in(text))[:4]]
        written = [to_midi(song) for songs in tunes for song in songs if isinstance(song, Song)]
        real = [path.read_bytes() for path in sorted(_music21_folder().rglob("*.mid")) if path.stat().st_size < 40_000]
        return [*real, *written[:: max(1, len(written) // (MANY - len(real)))][: MANY - len(real)]]
    else:
        endings = (".musicxml", ".xml") if kind == "musicxml" else (SUFFIX[kind],)
        paths = sorted(path for path in _music21_folder().rglob("*") if path.suffix in endings)
        found = [path.read_bytes() for path in paths if path.stat().st_size < 40_000]
        if kind == "musicxml":
            found = [data for data in found if b"<score-partwise" in data[:3000]]
    return found[:: max(1, len(found) // MANY)][:MANY]


def read_file_of(data: bytes, kind: str) -> list:
    """What the loader makes of these bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{SUFFIX[kind]}"
        path.write_bytes(data)
        return read_file(str(path), path.name, "all", merge_ties=True)


def changed(seeds: list[bytes], kind: str, rng: random.Random) -> bytes:
    """One input."""
    data = rng.choice(seeds)
    if kind == "mxl" and rng.random() < 0.7:  # what is inside; otherwise the zip file itself
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        name = rng.choice(sorted(entries))
        entries[name] = mutated(entries[name], [entries[name]], kind, rng)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in entries.items():
                archive.writestr(name, content)
        return packed.getvalue()
    if kind == "midi" and rng.random() < 0.8:  # what is inside a track, which stays whole
        tracks = data.split(b"MTrk")
        number = rng.randrange(1, len(tracks))
        body = mutated(tracks[number][4:], [tracks[number]], kind, rng).removesuffix(b"\xff\x2f\0") + b"\xff\x2f\0"
        tracks[number] = len(body).to_bytes(4, "big") + body
        return b"MTrk".join(tracks)
    return mutated(data, seeds, kind, rng)


def mutated(data: bytes, others: list[bytes], kind: str, rng: random.Random) -> bytes:
    """The bytes after one to eight changes."""
    data = bytearray(data)
    text = kind != "midi" and not data.startswith(b"PK") and rng.random() < 0.8  # damage that leaves text text
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice((1, 2, 8, 40, 200)))
        change = (
            rng.choice((2, 3, 5, 6, 6, 6, 7, 8)) if text else rng.choice((0,) * 20 * (kind == "midi") + tuple(range(9)))
        )
        if change == 0 and end > start:
            data[start] ^= 1 << rng.randrange(7 if kind == "midi" else 8)
        elif change == 1 and end > start:
            data[start] = rng.randrange(256)
        elif change == 2:
            del data[start:end]
        elif change == 3:
            data[start:start] = data[start:end] * rng.choice((1, 2, 50))
        elif change == 4:
            data[start:start] = rng.randbytes(rng.randint(1, 8))
        elif change == 5:
            data[start:start] = rng.choice(WORDS[kind])
        elif change == 6 and (found := list(re.finditer(rb"\d+", data))):
            match = rng.choice(found)
            data[match.start() : match.end()] = rng.choice(NUMBERS)
        elif change == 7:
            other = rng.choice(others)
            cut = rng.randrange(len(other) + 1)
            data[start:end] = other[cut : cut + rng.choice((8, 40, 200))]
        elif change == 8 and rng.random() < 0.2:
            del data[start:]
    return bytes(data)


_SEEDS: dict[str, list[bytes]] = {}


def input_of(kind: str, seed: int, number: int) -> bytes:
    """Input `number` of a seed."""
    if kind not in _SEEDS:
        _SEEDS[kind] = seeds_of(kind)
    return changed(_SEEDS[kind], kind, random.Random(f"{kind} {seed} {number}"))


def faults(found: list) -> list[str]:
    """What is wrong with what the loader returned."""
    if not found or not all(isinstance(one, (Song, Rejected)) for one in found):
        return ["neither songs nor rejections"]
    corpus = corpus_of(found, unique_ids=True)
    wrong = ["a song changes in the cache"] if _unpack(_pack(corpus)) != corpus else []
    wrong += ["an event is none" for song in corpus.songs for e in song.events if not isinstance(e, Event)][:1]
    texts = [text for song in corpus.songs for text in (song.id, song.title, song.family, song.meter)]
    texts += [text for one in corpus.rejected for text in (one.name, one.reason)]
    wrong += [f"not printable: {text!r}" for text in texts if not re.fullmatch(r"[^\x00-\x1f\x7f-\x9f\u202e]*", text)]
    return wrong


def one(kind: str, seed: int, number: int) -> list:
    """In the reading process: [seconds, faults, reasons] of one input."""
    data = input_of(kind, seed, number)
    begun = time.process_time()
    if kind in fuzz_inside.TAKE:
        try:
            wrong, reasons = [], ["" if fuzz_inside.TAKE[kind](data) else "refused"]
        except Exception as error:
            wrong, reasons = [f"raised {type(error).__name__}: {error}"], []
        return [(time.process_time() - begun, wrong, reasons)]
    try:
        found = read_file_of(data, kind)
        wrong = faults(found)
    except Exception as error:
        found, wrong = [], [f"raised {type(error).__name__}: {error}"]
    reasons = [one.reason if isinstance(one, Rejected) else "" for one in found]
    return [(time.process_time() - begun, wrong, reasons)]


def campaign(kind: str, seed: int, inputs: int, folder: Path) -> dict:
    """The figures of one format; finds are written to the folder."""
    figures = Counter()
    slowest, reasons, begun = 0.0, Counter(), time.monotonic()
    jobs = [(one, (kind, seed, number), str(number)) for number in range(inputs)]
    with apart._pool(1) as pool:
        for number, (found,) in enumerate(apart._through(lambda: pool, jobs)):
            if isinstance(found, Rejected):
                wrong, figures["ended"] = [found.reason], figures["ended"] + 1
            else:
                seconds, wrong, said = found
                slowest = max(slowest, seconds)
                figures["read"] += "" in said
                figures["slower than 1 s"] += seconds > 1
                figures["uncaught"] += any(text.startswith("raised") for text in wrong)
                reasons.update(re.sub(r"\d+|'.*'", "…", reason)[:70] for reason in said if reason)
            if wrong:
                figures["finds"] += 1
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{kind}-{seed}-{number}{SUFFIX.get(kind, '.txt')}").write_bytes(input_of(kind, seed, number))
                print(f"find {kind} {seed} {number}: {ascii(wrong[0][:300])}", flush=True)
    names = ("read", "slower than 1 s", "ended", "uncaught", "finds")
    return {
        "format": kind,
        "seed": seed,
        "inputs": inputs,
        **{name: figures[name] for name in names},
        "slowest, in seconds of the processor": round(slowest, 2),
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "most frequent reasons": reasons.most_common(6),
    }


def guided(kind: str, inputs: int) -> None:
    """atheris: inputs that reach new lines of helpers are kept and changed further. It ends the program itself."""
    import atheris

    corpus = ROOT / "build" / "fuzz" / f"{kind}-guided"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds_of(kind)):
        (corpus / f"seed-{number}").write_bytes(data)

    def check(data: bytes) -> None:
        wrong = faults(read_file_of(data, kind))
        assert not wrong, wrong

    from helpers import events, midi, played, readers, text  # what reads; music21 would take minutes to instrument

    for module in (events, limits, midi, played, readers, text):
        for name, thing in vars(module).items():
            if getattr(thing, "__module__", "") == module.__name__ and hasattr(thing, "__code__"):
                setattr(module, name, atheris.instrument_func(thing))
    words = [sys.argv[0], str(corpus), f"-runs={inputs}", f"-timeout={limits.SECONDS}", "-max_len=40000", "-seed=1"]
    atheris.Setup([*words, f"-artifact_prefix={ROOT}/build/fuzz/{kind}-"], check)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kinds", nargs="*", default=KINDS, help=f"of {', '.join(KINDS)}")
    parser.add_argument("--inputs", type=int, default=100_000, help="of each format")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--guided", action="store_true")
    given = parser.parse_args()
    assert set(SUFFIX.values()) <= set(SUFFIXES)
    for kind in given.kinds or KINDS:
        if given.guided:
            guided(kind, given.inputs)
        figures = campaign(kind, given.seed, given.inputs, ROOT / "build" / "fuzz")
        print(json.dumps(figures, indent=1), flush=True)


if __name__ == "__main__":
    import fuzz  # by its name, so that the reading process finds `one`

    fuzz.main()

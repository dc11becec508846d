"""How cost grows with the work, over two decades where that is possible, and the exponent of a line on log-log axes.

Run: by make bench, or python benchmarks/growth.py
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import nbformat
import torch
from measuring import ROOT, children_seconds, exponent, seconds_of
from recipes import fnn, lstm, markov, melodies

from helpers import cache, checkpoints, training
from helpers.corpus import load_folder
from helpers.encoders import StringToIntEncoder
from helpers.exported import from_notebook
from helpers.metrics import RunIndex, longest_copied_run
from helpers.midi import to_midi
from helpers.player import Player
from helpers.songs import Corpus
from helpers.sound import to_audio

WORK = {  # series -> (exponent of the work itself, why)
    "reading MIDI files": (1, "each file is read once"),
    "loading from the cache": (1, "each song is unpacked once"),
    "counting pairs": (1, "each note is looked at once"),
    "counting contexts of 0 to 5 notes": (1, "once for each note and order, in Python's dictionaries"),
    "training step against width": (2, "the matrices have width × width numbers"),
    "training step against batch": (1, "each song is read once"),
    "composing: chain": (1, "a few look-ups for each note"),
    "composing: chain with memory": (1, "a few look-ups for each note; the search of 01's `recall` would grow as n²"),
    "composing: LSTM": (2, "a step for each note, but its clock is computed from the whole history, in n² tiny parts"),
    "composing: WaveNet with queues": (1, "one step for each token"),
    "composing: Transformer with cache": (2, "each note attends to all before it; at first the layers cost more"),
    "sound": (1, "samples"),
    "player": (1, "samples, and notes to engrave"),
    "RunIndex: building": (1, "each note is spelled once; sorting adds a logarithm"),
    "RunIndex: searching one song": (0, "a binary search: a logarithm"),
    "site": (1, "each notebook is a page; Sphinx itself starts once"),
}


def series(name: str, unit: str, sizes, measure) -> dict:
    """Measures at each size; measure(size) -> seconds."""
    sizes = list(sizes)
    seconds = [max(measure(size), 1e-7) for size in sizes]
    found = {"name": name, "unit": unit, "sizes": sizes, "seconds": seconds}
    return found | {"exponent": exponent(sizes, seconds)}


def loading(quick: bool) -> list[dict]:
    """Files in a folder the first time, then songs from a cache."""
    songs = melodies()[0].train

    def first(n):
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as kept:
            for k in range(n):
                (Path(folder) / f"{k}.mid").write_bytes(to_midi(songs[k % len(songs)]))
            before, own = time.process_time() + children_seconds(), os.environ.get(cache.CACHE_VARIABLE)
            os.environ[cache.CACHE_VARIABLE] = kept
            try:
                found = load_folder(folder)
            finally:
                os.environ.pop(cache.CACHE_VARIABLE)
                os.environ |= {cache.CACHE_VARIABLE: own} if own else {}
            assert len(found.songs) == n, found.rejected[:1]
            return time.process_time() + children_seconds() - before

    def again(n):
        many = [replace(song, id=f"{k}") for k, song in enumerate(itertools.islice(itertools.cycle(songs), n))]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "songs.json"
            path.write_text(cache._pack(Corpus(many, [])), encoding="utf-8")
            del many
            return seconds_of(lambda: cache._from_cache(path), 1)

    first(2)  # what is imported once is imported now
    few, many = ((30, 100, 300), (100, 1000)) if quick else ((100, 316, 1000, 3162), (100, 1000, 10_000, 100_000))
    return [
        series("reading MIDI files", "files", few, first),
        series("loading from the cache", "songs", many, again),
    ]


def counting(quick: bool) -> list[dict]:
    alphabet, (train, _) = melodies()[1]["note"]
    m, per_song = len(alphabet), sum(map(len, train)) / len(train)
    some = lambda notes: list(itertools.islice(itertools.cycle(train), max(1, round(notes / per_song))))
    sizes = (2000, 20_000) if quick else (5000, 16_000, 50_000, 160_000, 500_000)
    songs = {notes: some(notes) for notes in sizes}
    pairs = lambda notes: seconds_of(lambda: markov.count(songs[notes], 1, m), 3)
    contexts = lambda notes: seconds_of(lambda: markov.count_contexts(songs[notes], 5), 1)
    return [
        series("counting pairs", "notes", sizes, pairs),
        series("counting contexts of 0 to 5 notes", "notes", sizes, contexts),
    ]


def training_steps(quick: bool) -> list[dict]:
    """A step of 03's network on 40 notes of random songs."""

    def step(hidden, songs):
        torch.manual_seed(0)
        model = lstm.MelodyLSTM(45, 15, tuple(fnn.SIZES.values()), hidden=hidden)
        x, y = torch.randint(1, 600, (2, songs, 40))
        batch = x, y, torch.randint(0, 10, (songs, 40, 3))
        optimizer = torch.optim.AdamW(model.parameters())
        take = lambda: training.step(model, optimizer, lstm.note_loss, batch, 1.0)
        take()
        return seconds_of(take, 3 if quick else 6)

    widths, batches = ((64, 256), (4, 32)) if quick else ((16, 32, 64, 128, 256, 512, 1024, 1600), (1, 3, 10, 32, 100))
    return [
        series("training step against width", "units", widths, lambda hidden: step(hidden, 16)),
        series("training step against batch", "songs", batches, lambda songs: step(256, songs)),
    ]


def composing(quick: bool) -> list[dict]:
    """Tokens composed by shipped models; none may end its song."""
    alphabet, (train, _) = melodies()[1]["note"]
    m, after = len(alphabet), markov.count_contexts(train, 5)
    like = next(song for song in melodies()[0].train if song.meter == "4/4")

    def shipped(name):
        model, card = checkpoints.load(name)
        return lambda: lstm.next_note(model, fnn.durations(StringToIntEncoder(card["vocabulary"])), like)

    chain = lambda: markov.counted(after, markov.FACTORS, m)
    wavenet = from_notebook("05-wavenet")
    torch.manual_seed(0)
    tokens = wavenet.TokenWaveNet(m, 64, 128, [2**k for k in range(6)]).eval()
    ways = {
        "chain": chain,
        "chain with memory": lambda: markov.with_memory(chain(), m, markov.STRENGTHS, patience=3),
        "LSTM": shipped("03-lstm"),
        "WaveNet with queues": lambda: wavenet.queued(tokens),
        "Transformer with cache": shipped("06-transformer"),
    }

    def seconds(way, length):
        next_p = way()

        def endless(history):
            p = next_p(history).clone()
            p[0] = 0
            return p

        begin = time.process_time()
        assert len(markov.compose(endless, max_length=length, seed=1)) == length + 1
        return time.process_time() - begin

    found = []
    for name, way in ways.items():
        sizes = (30, 100) if quick else (100, 316, 1000, 3162, 10_000)
        sizes = (30, 95, 300, 950, 3000) if name.startswith("Transformer") and not quick else sizes
        seconds(way, 20)
        found.append(series(f"composing: {name}", "tokens", sizes, lambda length, way=way: seconds(way, length)))
    return found


def player(quick: bool) -> list[dict]:
    """Sound alone, and the whole block with staff, MP3 and MIDI."""
    song = next(song for song in melodies()[0].train if song.meter == "4/4")

    def lasting(seconds):
        times = max(1, round(seconds / (float(song.duration) * 0.6)))
        return replace(song, events=song.events * times)

    sizes = (10, 100) if quick else (10, 32, 100, 316, 1000)
    songs = {size: lasting(size) for size in sizes}
    Player(song)
    return [
        series("sound", "s of sound", sizes, lambda size: seconds_of(lambda: to_audio(songs[size]), 2)),
        series("player", "s of sound", sizes, lambda size: seconds_of(lambda: Player(songs[size]), 1)),
    ]


def run_index(quick: bool) -> list[dict]:
    """Songs in twelve keys, so that there are many without being the same."""
    split, sizes = melodies()[0], (100, 1000) if quick else (100, 316, 1000, 3162, 10_000)
    many = [song.transpose(key) for key in range(8) for song in split.train][: max(sizes)]
    indices = {size: RunIndex(many[:size]) for size in sizes}
    search = lambda size: seconds_of(
        lambda: [longest_copied_run(song, indices[size]) for song in split.validation[:20]]
    )
    return [
        series("RunIndex: building", "songs", sizes, lambda size: seconds_of(lambda: RunIndex(many[:size]), 1)),
        series("RunIndex: searching one song", "songs", sizes, lambda size: search(size) / 20),
    ]


def site(quick: bool) -> list[dict]:
    """Sphinx with the site's settings on so many small notebooks."""
    sys.path.insert(0, str(ROOT / "pages"))
    from make_site import sphinx  # needs that path

    book = nbformat.v4.new_notebook()
    for k in range(6):
        code = nbformat.v4.new_code_cell(f"print({k})", outputs=[nbformat.v4.new_output("stream", text=f"{k}\n")])
        book.cells += [
            nbformat.v4.new_markdown_cell(f"## Section {k}\n\nThe square $x_{k}^2$, and what follows."),
            code,
        ]

    def seconds(n):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "source"
            source.mkdir()
            (source / "conf.py").write_bytes((ROOT / "pages" / "conf.py").read_bytes())
            (source / "extra").mkdir()
            (source / "index.md").write_text("# Books\n\n```{toctree}\n:glob:\n\nbook*\n```\n", encoding="utf-8")
            for k in range(n):
                book.cells[0].source = f"# Book {k}"
                (source / f"book{k}.ipynb").write_text(nbformat.writes(book), encoding="utf-8")
            before = children_seconds()
            sphinx(source, Path(folder) / "made", Path(folder) / "doctrees")
            return children_seconds() - before

    return [series("site", "notebooks", (1, 10) if quick else (1, 10, 100), seconds)]


PARTS = (loading, counting, training_steps, composing, player, run_index, site)


def all_growth(quick: bool, say=print) -> list[dict]:
    """All series, for the page."""
    found = []
    for part in PARTS:
        if quick and part is site:
            continue
        for one in part(quick):
            say(f"  {one['name']}: n^{one['exponent']:.2f}")
            found.append(one)
    return found


if __name__ == "__main__":
    print(json.dumps(all_growth("--quick" in sys.argv), indent=1))

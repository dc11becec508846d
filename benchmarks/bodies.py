"""The table of 06-attention, section 6: three bodies, alone, with the counted memory and with pointing; ablations;
and section 7: what it changes if training songs that resemble a validation song are left out.

Every network reads Erk's training songs three times, in C, with the recipe of 03's `train_melody`; three seeds. The
Transformer is the small one of 06, about as large as the other two. Only validation songs are scored: they pick the
epoch and the memory's strengths. Each run is written to models/bodies.json as soon as it is done, and a run that the
file holds is not repeated; `--again` begins anew.

Run: .venv/bin/python benchmarks/bodies.py (a quarter of an hour on one quiet core)
"""

import argparse
import functools
import json
import os
import platform
import time
from pathlib import Path

import torch
from torch.utils.data import Dataset

from helpers.corpus import load_essen
from helpers.datasets import split_by_family
from helpers.encoders import NoteEncoder
from helpers.exported import from_notebook
from helpers.files import write_atomically

RESULTS = Path(__file__).resolve().parent.parent / "models" / "bodies.json"
RECIPE = {"epochs": 3, "rate": 0.008, "seeds": [0, 1, 2], "Transformer": {"d": 96, "layers": 2, "heads": 4}}
MOVED = range(-5, 7)  # semitones
ABLATIONS = {  # of the Transformer that points: what is changed
    "no places": {"positions": "none"},
    "no clock": {"clock": False},
    "no clock, no places": {"clock": False, "positions": "none"},
    "one head": {"heads": 1},
    "no dropout": {"dropout": 0.0, "inner": 0.0},
    "moved by -5 to 6 semitones": {"moved": True},
    "a quarter of the rate": {"rate": 0.002},
}
LEFT_OUT = {  # of the LSTM that points: which training songs it does not read
    "no relatives of validation songs": {"songs": "unrelated"},
    "as many songs fewer, at random": {"songs": "fewer"},
}


class Moved(Dataset):
    """A SongDataset's songs, each time moved by another number of semitones, as far as the alphabet spells them."""

    def __init__(self, attention, songs, alphabet, **columns):
        versions = ([song.transpose(k) for k in MOVED] for song in songs)
        spelled = ([v for v in each if attention.can_be_spelled(v, alphabet)] for each in versions)
        self.versions = [list(attention.lstm.note_data(each, alphabet, **columns)) for each in spelled]

    def __len__(self):
        return len(self.versions)

    def __getitem__(self, index):
        versions = self.versions[index]
        return versions[torch.randint(len(versions), ()).item()]


class Bench:
    """The songs, and what trains and scores one network on them."""

    def __init__(self):
        self.attention = from_notebook("06-attention")
        songs = [song.in_c() for song in load_essen("erk").songs]
        self.split = split_by_family(songs)
        self.alphabet, self.durations = self.attention.lstm.note_alphabet(songs)
        ids = (self.alphabet.encode(NoteEncoder().encode(song)) for song in self.split.validation)
        self.recalled = self.attention.markov.recall_songs([torch.tensor(each) for each in ids])
        unrelated, (train, validation, _) = self.attention.unrelated, self.split
        some = unrelated(train, validation)
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0)).tolist()
        self.train = {"all": train, "unrelated": some, "fewer": [train[k] for k in sorted(order[: len(some)])]}
        related = torch.tensor([len(unrelated(train, [song])) < len(train) for song in validation])
        self.related = related.repeat_interleave(torch.tensor([len(song.events) + 1 for song in validation]))
        counts = {name: len(songs) for name, songs in self.train.items()}
        self.counts = counts | {"validation songs with a relative": related.sum().item()}

    def run(self, body, points, seed, rate=RECIPE["rate"], clock=True, moved=False, songs="all", **change):
        """Trains one network; its validation scores, alone and with the in-song memory."""
        lstm, begin = self.attention.lstm, time.process_time()
        columns = (0, 1, 2) if clock else ()
        sizes = list(self.attention.fnn.SIZES.values()) if clock else []
        settings = {"pitches": (len(self.alphabet) - 1) // self.durations, "durations": self.durations, "sizes": sizes}
        data = functools.partial(lstm.note_data, alphabet=self.alphabet, columns=columns)
        train, held_out = data(self.train[songs]), data(self.split.validation)
        if moved:
            train = Moved(self.attention, self.train[songs], self.alphabet, columns=columns)
        torch.manual_seed(seed)
        kind = functools.partial(self.attention.Pointing, body) if points else self.attention.BODIES[body]
        model = kind(**settings | RECIPE.get(body, {}) | change)
        curve = lstm.train_melody(model, train, held_out, RECIPE["epochs"], seed, rate)
        losses = lstm.note_losses(model, held_out).double()
        seconds = {"seconds": round(time.process_time() - begin), "weights": sum(p.numel() for p in model.parameters())}
        each = [round(nats, 4) for _, nats in curve]
        return self.scores(losses) | {"validation after each epoch": each} | seconds

    def scores(self, losses):
        """Nats a note of the validation songs and their bootstrap over families, without the memory and with it."""
        markov = self.attention.markov
        strengths = markov.tune_memory((-losses).exp(), *self.recalled, (0.5, 1, 2, 5, 10, 20, 40, 100, 400, 1e4))
        with_memory = -markov.remember((-losses).exp(), *self.recalled, strengths).log()
        found = {"strengths": strengths}
        for name, nats in (("nats", losses), ("nats with memory", with_memory)):
            found[name] = round(nats.mean().item(), 4)
            found[name.replace("nats", "plus minus")] = round(markov.plus_minus(nats, self.split.validation), 4)
        for name, rows in (("with", self.related), ("without", ~self.related)):
            found[f"nats, songs {name} a relative in training"] = round(losses[rows].mean().item(), 4)
        return found


def plan(bodies):
    """(name, what `Bench.run` takes) of every kind of network."""
    for body in bodies:
        yield body, {"body": body, "points": False}
        yield f"{body} + pointing", {"body": body, "points": True}
    for name, change in ABLATIONS.items():
        yield f"Transformer + pointing, {name}", {"body": "Transformer", "points": True} | change
    for name, change in LEFT_OUT.items():
        yield f"LSTM + pointing, {name}", {"body": "LSTM", "points": True} | change


def main(again):
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() and not again else {}
    if kept.get("recipe", RECIPE) != RECIPE:
        raise SystemExit(f"{RESULTS} was made by another recipe, {kept['recipe']}; --again begins anew.")
    bench = Bench()
    kept |= {"command": "python benchmarks/bodies.py", "score": "nats a note, Erk's validation songs", "recipe": RECIPE}
    kept |= {
        "songs": bench.counts,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    kept |= {"threads": torch.get_num_threads()}
    runs = kept.setdefault("runs", {})
    for name, how in plan(bench.attention.BODIES):
        for seed in RECIPE["seeds"]:
            if len(runs.setdefault(name, [])) > seed:
                continue
            runs[name].append(bench.run(seed=seed, **how))
            write_atomically(RESULTS, (json.dumps(kept, indent=1) + "\n").encode())
            print(f"{name}, seed {seed}: {runs[name][-1]}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Trains three bodies with and without pointing; models/bodies.json.")
    parser.add_argument("--again", action="store_true", help="begin anew, whatever the file holds")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    main(parser.parse_args().again)

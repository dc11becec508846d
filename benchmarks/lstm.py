"""Speed claims of 03-lstm: a target at every position against the last one only, and composing with a carried state
against running the whole prefix for every token."""

import time

import numpy as np
import torch

from helpers.corpus import load_essen
from helpers.datasets import ScoreDataset, split_by_family
from helpers.encoders import GridEncoder, StringToIntEncoder
from helpers.exported import from_notebook

lstm = from_notebook("03-lstm")


def seconds(way, model, length):
    """To compose `length` tokens, after a warm-up; the best of three."""

    def endless(next_p):
        def others(history):
            p = next_p(history).clone()
            p[0] = 0  # no terminal, so that every tune reaches its length
            return p

        return others

    best = float("inf")
    for run in range(4):
        begin = time.perf_counter()
        lstm.markov.compose(endless(way(model)), max_length=50 if run == 0 else length, seed=1)
        best = min(best, time.perf_counter() - begin) if run else best
    return best


LOOKS = (10_000, 25_000, 60_000, 150_000, 360_000)  # tokens


def sooner(one, other, column):
    """How many times sooner race `one` reached what race `other` has at its end, in tokens (0) or seconds (1)."""
    amount, nats = np.array(one)[:, [column, 2]].T
    best = -np.minimum.accumulate(nats)
    return other[-1][column] / np.exp(np.interp(-other[-1][2], best, np.log(amount)))


def races():
    """The notebook's race, with two rates for the classic recipe: how much sooner the dense recipes are where
    the classic ones end, in tokens and seconds."""
    grid = GridEncoder()
    songs = [song.in_c() for song in load_essen("erk").songs]
    alphabet = StringToIntEncoder.fit(grid.encode(song) for song in songs)
    split = split_by_family(songs)
    ids = [[torch.tensor(alphabet.encode(grid.encode(song))) for song in part] for part in split]
    windows = ScoreDataset(ids[0], length=64)
    validate = lambda model: lstm.grid_nats(model, split.validation, ids[1])
    curves = {}
    for loss, batch, rate in (("last", 64, 1e-3), ("last", 64, 4e-3), ("every", 64, 4e-3), ("every", 8, 4e-3)):
        torch.manual_seed(0)
        model = lstm.LSTMModel(len(alphabet), 128, 1, len(alphabet))
        loader = torch.utils.data.DataLoader(windows, batch, shuffle=True)
        curve = lstm.race(model, getattr(lstm, f"loss_{loss}"), loader, validate, rate, LOOKS)
        curves[f"{loss} position, batch {batch}, rate {rate}"] = curve
    classic, dense = list(curves)[:2], list(curves)[2:]
    for one in dense:
        for other in classic:
            fewer, faster = (sooner(curves[one], curves[other], column) for column in (0, 1))
            print(f"{one}: {fewer:.1f} times sooner in tokens, {faster:.1f} in seconds, than {other}")


races()
for hidden in (128, 256):
    torch.manual_seed(0)
    model = lstm.LSTMModel(36, hidden, 1, 36).eval()
    for length in (100, 500):
        slow, quick = (seconds(way, model, length) for way in (lstm.whole_prefix, lstm.stateful))
        print(f"{hidden} units, {length} tokens: prefix {slow:.2f} s, stateful {quick:.3f} s, ratio {slow / quick:.0f}")

"""Speed claims of 03-lstm: composing with a carried state against running the whole prefix for every token."""

import time

import torch

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


for hidden in (128, 256):
    torch.manual_seed(0)
    model = lstm.LSTMModel(36, hidden, 1, 36).eval()
    for length in (100, 500):
        slow, quick = (seconds(way, model, length) for way in (lstm.whole_prefix, lstm.stateful))
        print(f"{hidden} units, {length} tokens: prefix {slow:.2f} s, stateful {quick:.3f} s, ratio {slow / quick:.0f}")

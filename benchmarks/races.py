"""The races: each recipe of the field against ours, its own final score, equal seconds, equal tokens, memory.

Run: make bench. Or python benchmarks/races.py --whole lstm (or mit, wavenet, autoencoder): that recipe to its
published end, beside ours. That takes up to an hour; the page shows the result until it is measured again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

import torch
from measuring import ROOT, by_turns, cost_of, machine, peak_megabytes, race, score_at, seconds_of
from recipes import FIELD, OURS, chorales, fnn, lstm, markov, melodies, our_grid

from helpers.files import write_atomically

F = torch.nn.functional
SCALES = ("quick", "usual", "whole")
STEPS = {  # steps of the recipe (the last number is the publication's) and of ours, at each scale
    "lstm": ((60, 800, 33260), (87, 348, 348)),
    "mit": ((6, 60, 3000), (87, 348, 348)),
    "wavenet": ((60, 1000, 26750), (87, 348, 348)),
    "autoencoder": ((150, 4000, 91000), (60, 260, 2600)),
}
WHOLE = ROOT / "benchmarks" / "whole.json"


def compare(key: str, scale: str, say=print) -> dict:
    """A recipe and ours by turns: both curves, and what follows from them."""
    theirs, ours = (steps[SCALES.index(scale)] for steps in STEPS[key])
    racers = [FIELD[key](theirs), OURS[key](ours)]
    race(racers, lambda text: say(f"  {key}: {text}"))
    return verdict(*(racer.curve for racer in racers)) | {"steps": theirs, "steps of the whole": STEPS[key][0][-1]}


def verdict(field, ours) -> dict:
    """What two curves of (seconds, tokens, score) say of each other.

    Returns:
        their final score and the seconds to it, the seconds in which ours has that score (None if it never has), the
        ratio, and both scores at the seconds, and at the tokens, of the one that used fewer.
    """
    final = min(score for *_, score in field)
    seconds, reached = cost_of(field, final), cost_of(ours, final)
    result = {"score": final, "seconds": seconds, "our seconds": reached, "field": field, "ours": ours}
    result["ratio"] = seconds / reached if reached else None
    result["our score"] = min(score for *_, score in ours)
    for column, what in ((0, "seconds"), (1, "tokens")):
        equal = min(field[-1][column], ours[-1][column])
        result[f"at equal {what}"] = [equal, score_at(field, equal, column), score_at(ours, equal, column)]
    return result


def counting(scale: str) -> dict:
    """The matrix of counts in a loop and by 01's `count`, from the same ids, and from the same tokens."""
    alphabet, (train, _) = melodies()[1]["note"]
    lines = [alphabet.decode(ids) for ids in train]
    m = len(alphabet)

    def loop():
        N = torch.zeros(m, m)
        for line in lines:
            for one, other in zip(line, line[1:], strict=False):
                N[alphabet.encode([one])[0], alphabet.encode([other])[0]] += 1
        return N

    def loop_of_ids():
        N = torch.zeros(m, m)
        for ids in train:
            for a, b in zip(ids[:-1].tolist(), ids[1:].tolist(), strict=True):
                N[a, b] += 1
        return N

    encoded = lambda: markov.count([torch.tensor(alphabet.encode(line)) for line in lines], 1, m)
    by_01 = lambda: markov.count(train, 1, m)
    assert torch.equal(loop(), by_01().float()) and torch.equal(by_01(), encoded())
    functions = {"loop": loop, "loop of ids": loop_of_ids, "encoded": encoded, "01": by_01}
    found = by_turns(functions, 1 if scale == "quick" else 5)
    return {
        "notes": sum(len(ids) - 1 for ids in train),
        "seconds": found["loop of ids"],
        "our seconds": found["01"],
        "ratio": found["loop of ids"] / found["01"],
        "all": found,
    }


def softmax(scale: str) -> dict:
    """One-hot rows: a few of the 2,000 equal steps are timed; all of them are taken on counts, which is the same W."""
    alphabet, (train, validation) = melodies()[1]["note"]
    m, steps, timed = len(alphabet), 2000, 4 if scale == "quick" else 20
    pairs = torch.cat([torch.stack([ids[:-1], ids[1:]], 1) for ids in train])
    x, y = pairs.T
    X, start = F.one_hot(x, m).float(), torch.randn(m, m, generator=torch.Generator().manual_seed(0))

    W = start.clone().requires_grad_()

    def step():
        odds = (X @ W).exp()
        p = odds / odds.sum(1, keepdim=True)
        W.grad = None
        (-p[torch.arange(len(y)), y].log().mean()).backward()
        W.data -= 10 * W.grad

    seconds = sum(seconds_of(step, 1) for _ in range(timed)) / timed * steps
    N = markov.count(train, 1, m).double()
    rows, V = N.sum(1, keepdim=True), start.double()
    for k in range(steps):
        V = V - 10 * (rows * fnn.log_softmax(V).exp() - N) / len(y)
        if k == timed - 1:
            assert (V - W.detach()).abs().max() < 1e-3  # the same steps
    notes = torch.cat([torch.stack([ids[:-1], ids[1:]], 1) for ids in validation]).T

    def ours():
        N = markov.count(train, 1, m).double()
        return markov.witten_bell(N, markov.witten_bell(N.sum(0), torch.full((m,), 1 / m).double()))

    P, fast = ours(), seconds_of(ours, 10)
    theirs = -fnn.log_softmax(V)[tuple(notes)].mean().item()
    return {
        "score": theirs,
        "our score": -P[tuple(notes)].log().mean().item(),
        "seconds": seconds,
        "our seconds": fast,
        "ratio": seconds / fast,
        "timed": timed,
    }


def step_cost(scale: str) -> dict:
    """Velardo's network: seconds a step, and what 50 epochs come to; nobody waits for them here."""
    from recipes import LastPosition, last_loss, trainer, windows

    alphabet, (train, _) = melodies()[1]["grid"]
    torch.manual_seed(0)
    model, (x, y) = LastPosition(len(alphabet), 256, one_hot=True), windows(train, 64)
    batches = [(x[:64], y[:64])]
    step = trainer(model, last_loss, batches, torch.optim.Adam(model.parameters(), 1e-3))
    step()
    each = seconds_of(step, 5 if scale == "quick" else 15)
    steps = 50 * -(-len(x) // 64)
    return {"a step": each, "steps": steps, "seconds": each * steps}


def generation(scale: str) -> dict:
    """Composing with the classic LSTM: the whole prefix again for each token (Zönnchen's generate) and 03's state.

    Up to 500 tokens the prefix is run for each; beyond, in the middle of every hundred lengths. Velardo's way, which
    runs the last 64 tokens again for each, is timed once.
    """
    torch.manual_seed(0)
    m = len(melodies()[1]["grid"][0])
    model = lstm.LSTMModel(m, 128, 1, m).eval()
    found = {}
    for length in (100, 500) if scale == "quick" else (100, 500, 1500, 5000):
        history = torch.randint(1, m, (length,)).tolist()

        def prefix(history=history, step=1 if length <= 500 else 100):
            way, total = lstm.whole_prefix(model), 0.0
            for place in range(step - step // 2, len(history) + 1, step):
                total += step * seconds_of(lambda: way(history[:place]), 1)  # noqa: B023
            return total

        def last_64(history=history):
            way, total = lstm.whole_prefix(model), 0.0
            for place in range(1, min(500, len(history)) + 1):
                total += seconds_of(lambda: way(history[max(0, place - 64) : place]), 1)  # noqa: B023
            return total * len(history) / min(500, len(history))

        def carried(history=history):
            way, so_far = lstm.stateful(model), []

            def all_tokens():
                for token in history:
                    so_far.append(token)  # as 01's compose does
                    way(so_far)

            return seconds_of(all_tokens, 1)

        assert torch.allclose(lstm.whole_prefix(model)(history[:60]), lstm.stateful(model)(history[:60]), atol=1e-5)
        turns = [(prefix(), carried(), last_64()) for _ in range(1 if scale == "quick" else 3)]
        slow, quick, windowed = (min(column) for column in zip(*turns, strict=True))
        found[str(length)] = {"seconds": slow, "our seconds": quick, "ratio": slow / quick, "last 64": windowed}
    return found


def memory() -> dict[str, float]:
    """The most megabytes a process held that took a few steps of a recipe, beyond the one that only has the songs."""
    bases, found = {data: _in_a_process(data) for data in ("songs", "chorales")}, {}
    for kind in STEPS:
        base = bases["chorales" if kind == "autoencoder" else "songs"]
        found[kind] = [_in_a_process(f"{side} {kind}") - base for side in ("field", "ours")]
    return found


def _in_a_process(what: str) -> float:
    command = [sys.executable, __file__, "--memory", what]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def hold(what: str) -> float:
    """Does what `memory` measures."""
    side, _, key = what.partition(" ")
    if key:
        racer = (FIELD if side == "field" else OURS)[key](6)
        for _ in range(racer.slices):
            next(racer.work)
    elif side == "chorales":
        chorales()
    else:
        melodies()
    return peak_megabytes()


def all_races(scale: str, say=print) -> dict:
    """Everything that is raced, for the page."""
    found = {}
    for name, measure in (("counting", counting), ("softmax", softmax), ("velardo", step_cost)):
        say(f"  {name}")
        found[name] = measure(scale)
    for key in STEPS:
        found[key] = compare(key, scale, say)
    number = 60 if scale == "quick" else 800
    racers = [FIELD["lstm"](number), our_grid(number)]
    race(racers, lambda text: say(f"  same grid: {text}"))
    found["same grid"] = verdict(*(racer.curve for racer in racers))
    say("  composing")
    found["generation"] = generation(scale)
    if scale != "quick":
        say("  memory")
        found["memory"] = memory()
    return found


def kept_whole() -> dict:
    """What the longer races of one recipe each measured."""
    return json.loads(WHOLE.read_text(encoding="utf-8")) if WHOLE.is_file() else {}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="One recipe to its published end, beside ours.")
    parser.add_argument("--whole", choices=list(STEPS))
    parser.add_argument("--memory", help="used by itself")
    asked = parser.parse_args()
    if asked.memory:
        print(hold(asked.memory))
    elif asked.whole:
        found = compare(asked.whole, "whole", lambda text: print(text, flush=True)) | {"machine": machine()}
        write_atomically(WHOLE, (json.dumps(kept_whole() | {asked.whole: found}, indent=1) + "\n").encode())
    else:
        print(json.dumps(all_races("quick"), indent=1))

"""How near each training step comes to this machine's own matrix product, what holds it back, and what cures it.

Also: from the first import to the first note, and from the press of each widget's button to its sound.

Run: by make bench, or python benchmarks/limits.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from functools import partial

import torch
from measuring import by_turns, seconds_of
from recipes import chorales, fnn, lstm, melodies
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from helpers import checkpoints, training
from helpers.datasets import IGNORE, MiniBatches
from helpers.exported import from_notebook
from helpers.moments import to_tokens
from helpers.player import Player
from helpers.songs import Song

F = torch.nn.functional
PRODUCTS = ("mm", "bmm", "mkldnn_rnn", "convolution", "scaled_dot_product", "flash_attention", "linear")
FIRST_NOTE = """
import time
begin, spent = time.perf_counter(), time.process_time()
from helpers.player import play
from helpers.songs import Song
play(Song.from_tiny("4/4 G8 c4 d e c8 d e4"))
print(time.perf_counter() - begin, time.process_time() - spent)
"""


def steps(number: int = 6) -> dict[str, tuple]:
    """Notebook and network -> (model, loss, batches), with so many batches of real songs."""
    split, spelled = melodies()
    torch.manual_seed(0)
    found, sizes = {}, tuple(fnn.SIZES.values())
    names, ids = spelled["note"][0], spelled["note"][1][0]
    columns = fnn.examples(split.train, ids, 6, fnn.durations(names))
    loss = lambda model, x, y, z: F.cross_entropy(model(x, z), y)
    network = fnn.Network(len(names), 6, 32, 256, sizes, 0.1)
    found["02 network"] = network, loss, list(MiniBatches(columns, 256))[:number]

    alphabet, durations = lstm.note_alphabet([song for part in split for song in part])
    settings = {"pitches": (len(alphabet) - 1) // durations, "durations": durations, "sizes": sizes}
    songs = lstm.note_data(split.train, alphabet)
    batches = list(DataLoader(songs, batch_sampler=lstm.LikeLengths(songs, 16), collate_fn=lstm.pad_songs))[:number]
    attention, wavenet = from_notebook("06-attention"), from_notebook("05-wavenet")
    bodies = {
        "03 LSTM": lstm.MelodyLSTM(**settings),
        "05 WaveNet": wavenet.MelodyWaveNet(**settings),
        "06 LSTM that points": attention.Pointing("LSTM", **settings),
        "06 Transformer": attention.Pointing("Transformer", **settings),
    }
    found |= {name: (body, lstm.note_loss, batches) for name, body in bodies.items()}

    vae, windows = from_notebook("04-autoencoder-vae"), chorales()[2]
    keyed = [(vae.in_random_keys(windows, 64), torch.tensor(0.1)) for _ in range(number)]
    found["04 VAE"] = vae.ChoraleVAE(), vae.vae_loss, keyed
    sound = torch.randint(0, 256, (4, 2001))
    heard = wavenet.TokenWaveNet(256, 64, 128, [2**k for k in range(9)])
    found["07 WaveNet of samples"] = heard, wavenet.token_loss, [(sound[:, :-1], sound[:, 1:])]
    chords = [
        [tuple(sorted({p + 4 for p in row if p}, reverse=True)) for row in grid.tolist()] for grid in windows[:14]
    ]
    poly = from_notebook("08-polyphony")
    found["08 speller"] = poly.Speller(), poly.speller_loss, [to_tokens(chords)]
    return dict(sorted(found.items()))


def multiply_adds(model, loss, batch) -> int:
    """Of a training step, forwards and backwards: torch's own count, and an LSTM's, which it leaves out."""
    extra = []

    def count(module, inputs, _):
        numbers = sum(weight.numel() for name, weight in module.named_parameters() if name.startswith("weight"))
        extra.append(3 * inputs[0].shape[0] * inputs[0].shape[1] * numbers)

    hooks = [module.register_forward_hook(count) for module in model.modules() if isinstance(module, torch.nn.LSTM)]
    with FlopCounterMode(display=False) as counter:
        loss(model, *batch).backward()
    for hook in hooks:
        hook.remove()
    return counter.get_total_flops() // 2 + sum(extra)


def in_products(step) -> float:
    """Share of the time of torch's operations that matrix products and convolutions take in a step."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        step()
    rows = [(row.key, row.self_cpu_time_total) for row in profile.key_averages() if row.key.startswith("aten")]
    return sum(t for name, t in rows if any(part in name for part in PRODUCTS)) / sum(t for _, t in rows)


def one_by_one(model, loss, batches, fused=False, half=False):
    """A function that takes one step with each of the batches."""
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=fused)

    def in_bfloat(model, *batch):
        with torch.autocast("cpu", torch.bfloat16):
            return loss(model, *batch)

    def take():
        model.train()
        for batch in batches:
            training.step(model, optimizer, in_bfloat if half else loss, batch, 1.0)

    return take


def larger(batches):
    """Four batches in one, padded to the longest."""
    pad, columns = torch.nn.utils.rnn.pad_sequence, []
    for k, column in enumerate(zip(*batches[:4], strict=True)):
        rows = [row for part in column for row in part]
        fill = IGNORE if k == 1 else 0
        columns.append(pad(rows, batch_first=True, padding_value=fill) if rows[0].ndim else torch.cat(column))
    return [tuple(columns)]


def targets(batches) -> int:
    return sum(int((batch[1] != IGNORE).sum()) if batch[1].ndim else batch[0].numel() for batch in batches)


def near_the_limit(quick: bool, say=print) -> dict:
    """Multiply-adds a second of each step, and of the machine's best product."""
    a, b = torch.randn(2, 1024, 1024)
    peak, found = 1024**3 / seconds_of(lambda: a @ b, 20 if quick else 100), {}
    for name, (model, loss, batches) in steps(2 if quick else 6).items():
        macs = sum(multiply_adds(model, loss, batch) for batch in batches)
        step = one_by_one(model, loss, batches)
        step()
        seconds = seconds_of(step, 2 if quick else 5)
        achieved = macs / seconds
        padded = sum(int((batch[1] == IGNORE).sum()) for batch in batches) / sum(batch[1].numel() for batch in batches)
        found[name] = {"achieved": achieved, "peak": peak, "share": achieved / peak, "padding": padded}
        found[name] |= {"products": in_products(step), "a step": seconds / len(batches)}
        say(f"  {name}: {achieved / 1e9:.1f} of {peak / 1e9:.1f} thousand million multiply-adds a second")
    return found


def cures(quick: bool, say=print) -> dict[str, dict[str, float]]:
    """Targets a second with each cure, as multiples of what the notebook does."""
    found, split = {}, melodies()[0]
    alphabet, _ = lstm.note_alphabet([song for part in split for song in part])
    songs = lstm.note_data(split.train, alphabet)
    mixed = list(DataLoader(songs, 16, shuffle=True, collate_fn=lstm.pad_songs))[: 2 if quick else 6]
    for name, (model, loss, batches) in steps(2 if quick else 6).items():
        ways = {"as it is": (one_by_one(model, loss, batches), targets(batches))}
        ways["fused AdamW"] = one_by_one(model, loss, batches, fused=True), targets(batches)
        ways["bfloat16"] = one_by_one(model, loss, batches, half=True), targets(batches)
        if len(batches) > 3 and len(batches[0]) == 3:
            ways["batch × 4"] = one_by_one(model, loss, four := larger(batches)), targets(four)
        if batches[0][0].ndim == 2 and len(batches[0]) == 3 and name[:2] in ("03", "05", "06"):
            ways["lengths not sorted"] = one_by_one(model, loss, mixed), targets(mixed)
        for take, _ in ways.values():
            take()
        seconds = by_turns({way: take for way, (take, _) in ways.items()}, 1 if quick else 2)
        speed = {way: count / seconds[way] for way, (_, count) in ways.items()}
        found[name] = {way: speed[way] / speed["as it is"] for way in list(ways)[1:]}
        say(f"  {name}: " + ", ".join(f"{way} {ratio:.2f}" for way, ratio in found[name].items()))
    if not quick:
        found["02 network"] |= compiled(say)
    return found


def compiled(say=print) -> dict[str, float]:
    """torch.compile on 02's network, whose batches all have one shape; {} where there is no compiler."""
    model, loss, batches = steps()["02 network"]
    plain = one_by_one(model, loss, batches)
    begin = time.perf_counter()
    try:
        quick = one_by_one(torch.compile(model), loss, batches)
        quick()
    except Exception as error:  # of many kinds, by system and compiler
        say(f"  torch.compile does not work here: {type(error).__name__}")
        return {}
    waited = time.perf_counter() - begin
    plain()
    seconds = by_turns({"plain": plain, "compiled": quick}, 3)
    say(f"  torch.compile: {seconds['plain'] / seconds['compiled']:.2f}, after {waited:.0f} s on the clock")
    return {"torch.compile": seconds["plain"] / seconds["compiled"], "seconds to compile": waited}


def threads() -> dict[str, float]:
    """Steps a second with two threads, as a multiple of one; on the clock on the wall, so true on a quiet machine."""
    found, before = {}, torch.get_num_threads()
    for name, (model, loss, batches) in steps().items():
        take, best = one_by_one(model, loss, batches), {1: float("inf"), 2: float("inf")}
        for _ in range(2):
            for count in best:
                torch.set_num_threads(count)
                begin = time.perf_counter()
                take()
                best[count] = min(best[count], time.perf_counter() - begin)
        found[name] = best[1] / best[2]
    torch.set_num_threads(before)
    return found


def first_note(times: int = 3) -> dict[str, float]:
    """Seconds from the first import to a player shown, in a fresh Python whose files are in the system's cache."""
    command, runs = [sys.executable, "-c", FIRST_NOTE], []
    for _ in range(times):
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
        runs.append([float(word) for word in done.stdout.split()[-2:]])
    return dict(zip(("clock", "processor"), map(min, zip(*runs, strict=True)), strict=True))


def presses() -> dict[str, float]:
    """The processor's seconds from a press to a block with sound, for each widget; one was shown before."""
    from helpers import widgets  # slow, and part of what first_note measures

    wavenet, vae = from_notebook("05-wavenet"), from_notebook("04-autoencoder-vae")
    opening = replace(Song.from_tiny("4/4 G8 c4 d e c8 d e4"), pickup=Fraction(1, 2))
    Player(opening)
    found = {}
    files = {"LSTM": "03-lstm", "WaveNet": "05-wavenet", "LSTM that points": "06-lstm", "network": "02-fnn"}
    composer = widgets.Composer({name: wavenet.trained_writer(file, opening) for name, file in files.items()})
    composer.start.value, composer.length.value = "4/4 G4 c d e", 64

    def press(seed):
        composer.seed.value = seed
        composer.start_writing()
        composer.wait()

    for name in files:
        composer.model.value = name
        found[f"Composer, {name}"] = seconds_of(lambda: press(len(composer.written)), 2)
    drawn = widgets.MelodyInput()
    drawn.song = Song.from_tiny("4/4 c4 d e f g2 g")
    found["MelodyInput"] = seconds_of(drawn.listen)
    model, _ = checkpoints.load("04-vae", vae.ChoraleVAE)
    codes = model.eval().encode(chorales()[2][:10])[0].flatten(1).detach()
    decode = lambda z: vae.to_voices(model.decode(torch.tensor(z).float().view(1, *model.shape)).argmax(-1)[0])
    explorer = widgets.LatentExplorer(decode, codes, titles=[str(k) for k in range(10)])
    found["LatentExplorer, Listen"] = seconds_of(explorer.listen)
    found["LatentExplorer, Walk"] = seconds_of(explorer.listen_walk, 2)
    harmony, network = from_notebook("11-harmony"), checkpoints.load("11-harmony").model
    song = next(song for song in melodies()[0].validation if song.meter == "4/4" and song.duration >= 32)
    harmoniser = widgets.Harmoniser(partial(harmony.harmonise, network), songs=[song])
    harmoniser.melody.bars.value = 8
    found["Harmoniser, eight bars"] = seconds_of(harmoniser.write, 2)
    assert harmoniser.voices, harmoniser.message.value
    return found


def all_limits(quick: bool, say=print) -> dict:
    """Everything above, for the page."""
    found = {"near": near_the_limit(quick, say), "cures": cures(quick, say)}
    say("  first note and presses")
    found |= {"first note": first_note(1 if quick else 3), "presses": presses()}
    return found if quick else found | {"threads": threads()}


if __name__ == "__main__":
    print(json.dumps(all_limits("--quick" in sys.argv), indent=1))

"""Ratios behind the foundation's speed claims, each measured side by side in this run."""

import os
import subprocess
import sys
import tempfile
import time

import torch

from helpers.cache import CACHE_VARIABLE
from helpers.corpus import load_essen
from helpers.encoders import NoteEncoder, StringToIntEncoder
from helpers.sound import to_audio


def seconds(function, repeat=5):
    """The shortest of a few runs."""
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return min(times)


with tempfile.TemporaryDirectory() as folder:
    code = (
        "import time; begin = time.perf_counter(); from helpers.corpus import load_essen; load_essen('erk');"
        "print(time.perf_counter() - begin)"
    )
    environment = os.environ | {CACHE_VARIABLE: folder}
    load = lambda: float(subprocess.run([sys.executable, "-c", code], env=environment, stdout=-1, stderr=-1).stdout)
    first, cached = load(), min(load() for _ in range(3))
print(f"load erk: first {first:.1f} s, cached {cached:.3f} s, ratio {first / cached:.0f} ×")

notes = NoteEncoder()
songs = [song.in_c() for song in load_essen("erk").songs]
alphabet = StringToIntEncoder.fit(notes.encode(song) for song in songs)
ids = [torch.tensor(alphabet.encode(notes.encode(song))) for song in songs]
m = len(alphabet)
pairs = torch.cat([torch.stack([s[:-1], s[1:]]) for s in ids], 1)


def loop():
    counts = torch.zeros(m, m, dtype=torch.long)
    for sequence in ids:
        for a, b in zip(sequence[:-1].tolist(), sequence[1:].tolist(), strict=True):
            counts[a, b] += 1
    return counts


line = lambda: torch.bincount(pairs[0] * m + pairs[1], minlength=m * m).reshape(m, m)
assert torch.equal(loop(), line())
slow, fast = seconds(loop, 2), seconds(line)
print(
    f"count {pairs.shape[1]:,} transitions: loop {slow:.2f} s, bincount {fast * 1000:.2f} ms, ratio {slow / fast:.0f} ×"
)

song = next(song for song in songs if song.id == "E0084")
rendering, sounding = seconds(lambda: to_audio(song)), float(song.duration) * 0.6
print(f"sound: {sounding:.0f} s of piano in {rendering * 1000:.0f} ms, ratio {sounding / rendering:.0f} ×")

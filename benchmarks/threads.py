"""Threads: what a training step costs with each setting, on a quiet machine and on a busy one.

Each row is a process of its own, because OpenMP reads its settings when torch is loaded. Busy processes only count.
What `helpers/__init__.py` sets was chosen from this table.

Run: python benchmarks/threads.py, or with the numbers of busy processes to measure beside: ... 0 1 4
"""

import os
import subprocess
import sys

SETTINGS = {
    "torch's own": ({}, None),
    "spin 0": ({"GOMP_SPINCOUNT": "0"}, None),
    "spin 1,000": ({"GOMP_SPINCOUNT": "1000"}, None),
    "spin 10,000": ({"GOMP_SPINCOUNT": "10000"}, None),
    "passive": ({"OMP_WAIT_POLICY": "PASSIVE"}, None),
    "one thread": ({}, 1),
}
STEPS = """
import sys, time
import torch
threads = int(sys.argv[1])
if threads:
    torch.set_num_threads(threads)
from helpers.exported import from_notebook
torch.manual_seed(0)
F = torch.nn.functional
lstm, wavenet = (from_notebook(name) for name in ("03-lstm", "05-wavenet"))
ids = torch.randint(1, 40, (16, 65))


def token_step(model):
    optimizer = torch.optim.AdamW(model.parameters())
    def step():
        logits = model(ids[:, :-1])[0]
        loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return step


def matrix_step():
    x = torch.nn.functional.one_hot(torch.randint(200, (20_000,)), 200).float()
    W = torch.zeros(200, 200)
    return lambda: x.T @ ((x @ W).softmax(1) - x)


class Window(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.layers = torch.nn.Embedding(200, 32), torch.nn.Sequential(
            torch.nn.Linear(192, 256), torch.nn.Tanh(), torch.nn.Linear(256, 200))
    def forward(self, x):
        return self.layers(self.table(x.unfold(1, 6, 1)).flatten(2)), None


def window_step():
    model = Window()
    optimizer = torch.optim.AdamW(model.parameters())
    def step():
        logits = model(ids)[0]
        loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 5:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return step


for name, step, times in (
    ("window", window_step(), 150),
    ("LSTM", token_step(lstm.LSTMModel(40, 128, 1, 40)), 40),
    ("WaveNet", token_step(wavenet.TokenWaveNet(40, 64, 128, [1, 2, 4, 8, 16, 32])), 40),
    ("matrix", matrix_step(), 10),
):
    for _ in range(3):
        step()
    begin = time.perf_counter()
    for _ in range(times):
        step()
    print(f"{1000 * (time.perf_counter() - begin) / times:.2f}", end=" ", flush=True)
"""


def measure(setting, busy):
    """Milliseconds for each kind of step, with `busy` processes beside."""
    variables, threads = SETTINGS[setting]
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
    try:
        command = [sys.executable, "-c", STEPS, str(threads or 0)]
        done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=True)
    finally:
        for other in others:
            other.kill()
            other.wait()
    return [float(word) for word in done.stdout.split()]


def main(loads):
    print("milliseconds a step          window    LSTM  WaveNet  matrix")
    for busy in loads:
        for setting in SETTINGS:
            times = measure(setting, busy)
            print(f"{busy} busy, {setting:18}" + "".join(f"{t:9.2f}" for t in times), flush=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [0, 1, 4])

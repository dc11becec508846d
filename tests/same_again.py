"""Two runs of a notebook: which outputs and which trained weights are the same again, to the last bit.

Each notebook is executed with one thread, with one thread once more, with two, and with one and the lowest versions
that are allowed, if `make test-ranges` has left their environment. Compared are what it prints, by what nbval compares
(the others print times or trained floats), and every weight of every network that it holds at its end.

Run: make same, or python tests/same_again.py 01-markov; results are gathered in build/same-again.json
"""

import argparse
import configparser
import json
import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
import numpy as np
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from helpers.files import write_atomically

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build" / "same-again.json"
LOWEST = ROOT / ".envs" / "lowest" / "bin" / "python"
WEIGHTS = """
import numpy as _np, torch as _torch
_kept, _seen = {{}}, set()
for _name, _thing in list(globals().items()):
    for _key, _one in (_thing.items() if isinstance(_thing, dict) else [("", _thing)]):
        if isinstance(_one, _torch.nn.Module) and id(_one) not in _seen:
            _seen.add(id(_one))
            for _k, _w in _one.state_dict().items():
                _kept[f"{{_name}} {{_key}} {{_k}}"] = _w.detach().cpu().numpy()
assert _torch.get_num_threads() == {threads}
_np.savez({path!r}, **_kept)
"""


def patterns():
    """What nbval replaces before it compares."""
    config = configparser.RawConfigParser()
    config.read(ROOT / "tests" / "nbval_sanitize.cfg", encoding="utf-8")
    return [(config[section]["regex"], config[section]["replace"]) for section in config.sections()]


class Kernels(AsyncKernelManager):
    """Kernels of the Python that is named, whatever is installed beside it."""

    python = sys.executable

    @property
    def kernel_spec(self):
        words = [self.python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=words, display_name="", language="python")


class Lowest(Kernels):
    python = str(LOWEST)


def run(path: Path, threads: int, kernels=Kernels) -> tuple[dict[int, tuple[bool, str]], dict[str, np.ndarray]]:
    """Executes a copy of a notebook.

    Returns:
        cell -> (whether nbval compares it, what it printed), and name -> array of weights.
    """
    book = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "weights.npz"
        book.cells.append(nbformat.v4.new_code_cell(WEIGHTS.format(path=str(kept), threads=threads)))
        where = {"metadata": {"path": str(path.parent)}}
        client = NotebookClient(book, timeout=None, startup_timeout=600, kernel_manager_class=kernels, resources=where)
        client.execute(env=os.environ | {"OMP_NUM_THREADS": str(threads)})
        with np.load(kept) as found:
            weights = {name: found[name] for name in found.files}
    return {k: printed(cell) for k, cell in enumerate(book.cells[:-1]) if cell.cell_type == "code"}, weights


def printed(cell) -> tuple[bool, str]:
    tags = cell.metadata.get("tags", [])
    text = "".join(
        output.get("text", "") if output.output_type == "stream" else output.get("data", {}).get("text/plain", "")
        for output in cell.outputs
        if output.output_type != "stream" or output.name == "stdout"
    )
    text = re.sub(r"0x[0-9a-f]{6,}|at 0x\w+|[0-9a-f]{32}", "ID", text)
    for pattern, word in patterns():
        text = re.sub(pattern, word, text)
    return "nbval-ignore-output" not in tags, text


def compare(one, other) -> dict:
    """How two runs differ: cells of either kind, and weights."""
    (cells, weights), (again, their) = one, other
    differ = {kind: [k for k in cells if cells[k][0] is kind and cells[k] != again[k]] for kind in (True, False)}
    assert weights.keys() == their.keys()
    moved = {
        name: float(np.linalg.norm(w.astype("f8") - their[name]) / (np.linalg.norm(w.astype("f8")) or 1))
        for name, w in weights.items()
        if w.dtype.kind == "f" and w.size
    }
    return {
        "compared": sum(kind for kind, _ in cells.values()),
        "compared that differ": differ[True],
        "ignored": sum(not kind for kind, _ in cells.values()),
        "ignored that differ": differ[False],
        "tensors": len(moved),
        "tensors that differ": sum(bool(np.any(weights[name] != their[name])) for name in moved),
        "largest relative difference": max(moved.values(), default=0.0),
    }


def row(name: str, what: str, found: dict) -> str:
    values = (
        f"{len(found['compared that differ'])} of {found['compared']}",
        f"{len(found['ignored that differ'])} of {found['ignored']}",
        f"{found['tensors that differ']} of {found['tensors']}",
        f"{found['largest relative difference']:.1g}",
    )
    return f"| {name} | {what} | " + " | ".join(values) + " |"


def main(words) -> int:
    parser = argparse.ArgumentParser(description="Runs notebooks again and compares outputs and weights.")
    parser.add_argument("names", nargs="*", help="notebooks, such as 01-markov; all of them if there are none")
    names = parser.parse_args(words).names or sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
    RESULTS.parent.mkdir(exist_ok=True)
    found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    print("| notebook | against one thread | compared cells | other cells | tensors | largest difference |", flush=True)
    bad = False
    for name in names:
        path = ROOT / "notebooks" / f"{name}.ipynb"
        first = run(path, 1)
        found[name] = {}
        others = [("once more", 1, Kernels), ("two threads", 2, Kernels), ("lowest versions", 1, Lowest)]
        for what, *how in others[: 2 + LOWEST.is_file()]:
            found[name][what] = compare(first, run(path, *how))
            print(row(name, what, found[name][what]), flush=True)
        write_atomically(RESULTS, (json.dumps(found, indent=1) + "\n").encode())
        again = found[name]["once more"]
        bad |= bool(again["compared that differ"] or again["tensors that differ"])
    return int(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

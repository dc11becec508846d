"""Every notebook as on Colab: its own empty folder, Colab's versions, the project fetched by its first cell.

The environment is .envs/colab, made of requirements.txt beside this file; a stand-in google.colab is on its path,
and the project's address is this clone as it is committed. Between notebooks the project is uninstalled, as each
Colab session begins without it. As many notebooks run at once as there are cores, each lane with a copy of the
environment.

Run: make test-colab, or python tests/colab/run.py 01-markov ...
"""

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".envs" / "colab"
PINS = Path(__file__).parent / "requirements.txt"
STAY = ("torch", "numpy", "ipython", "ipykernel", "ipywidgets", "jupyter_client", "matplotlib", "notebook", "music21")


def python(environment):
    return str(environment / "bin" / "python")


def pip(environment, *words):
    command = [python(environment), "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def versions(environment):
    code = f"from importlib.metadata import version; print(*map(version, {STAY}))"
    return subprocess.run([python(environment), "-c", code], check=True, capture_output=True, text=True).stdout.split()


def make_environments(number):
    """Fresh ones each time: what a notebook installs must not be there before. The copies share files on disk."""
    import torch

    for old in ENVIRONMENT.parent.glob(f"{ENVIRONMENT.name}*"):
        shutil.rmtree(old)
    subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
    pins = [f"torch=={torch.__version__.split('+')[0]}", "--requirement", str(PINS)]
    pip(ENVIRONMENT, "install", "--no-compile", *pins)
    (site,) = ENVIRONMENT.glob("lib/python*/site-packages")
    (site / "google" / "colab").mkdir(parents=True)
    (site / "google" / "colab" / "__init__.py").write_text('"""A stand-in: only its presence is looked at."""\n')
    copies = [ENVIRONMENT.with_name(f"{ENVIRONMENT.name}-{k}") for k in range(2, number + 1)]
    for copy in copies:  # pip replaces files, it never writes into one
        shutil.copytree(ENVIRONMENT, copy, symlinks=True, copy_function=os.link)
    return [ENVIRONMENT, *copies]


def run(name, place, kernel, variables):
    """Runs one notebook in an empty folder; returns what its set-up cell said, and the seconds of both."""
    folder = place / name
    folder.mkdir()
    nb = nbformat.read(shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", folder), as_version=4)
    client = NotebookClient(
        nb,
        timeout=None,
        startup_timeout=600,
        iopub_timeout=600,
        kernel_name=kernel,
        resources={"metadata": {"path": str(folder)}},
    )
    begin = time.perf_counter()
    with client.setup_kernel(env=variables):
        for k, cell in enumerate(nb.cells):
            try:
                client.execute_cell(cell, k)
            except CellExecutionError as error:
                raise SystemExit(f"{name}, cell {k}, fails as on Colab:\n{error}") from None
            if "setup" in cell.metadata.get("tags", ()):
                set_up = time.perf_counter() - begin
                said = "".join(output.get("text", "") for output in cell.outputs)
    return said, set_up, time.perf_counter() - begin


def main(names):
    cores = min(4, joblib.cpu_count())  # each notebook takes up to a gigabyte of memory
    lanes = queue.Queue()
    environments = make_environments(min(cores, len(names)))
    before = versions(ENVIRONMENT)
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        os.environ["JUPYTER_PATH"] = str(place / "share")
        for environment in environments:
            spec = place / "share" / "kernels" / environment.name
            spec.mkdir(parents=True)
            argv = [python(environment), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            kernel = {"argv": argv, "display_name": environment.name, "language": "python"}
            (spec / "kernel.json").write_text(json.dumps(kernel))
            lanes.put(environment)
        variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        variables |= {"NOTES_ADDRESS": f"file://{ROOT}", "NOTES_CACHE": str(place / "cache")}

        def one(name):
            environment = lanes.get()
            try:
                said, set_up, whole = run(name, place, environment.name, variables)
                pip(environment, "uninstall", "--yes", "notes-from-scratch")
            finally:
                lanes.put(environment)
            lines = [f"{name}: set-up {set_up:.0f} s, all cells {whole:.0f} s. The set-up cell said:"]
            print("\n  ".join(lines + said.strip().splitlines()), flush=True)
            assert said.count("\n") == 3, "the set-up cell says what it did in two lines, and then the versions"

        with ThreadPoolExecutor(len(environments)) as pool:
            list(pool.map(one, names))  # raises what one of them raises
    for environment in environments:
        assert versions(environment) == before, f"the versions of {STAY} were {before} and are {versions(environment)}"
    print(f"{len(names)} passed, 0 failed")


if __name__ == "__main__":
    minutes = json.loads((ROOT / "pages" / "minutes.json").read_text(encoding="utf-8"))
    main(sys.argv[1:] or sorted(minutes, key=minutes.get, reverse=True))  # the longest first

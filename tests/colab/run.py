"""Every notebook as on Colab: its own empty folder, Colab's versions, the project fetched by its first cell.

The environment is .envs/colab, made of requirements.txt beside this file; a stand-in google.colab is on its path,
and the project's address is this clone as it is committed. Between notebooks the project is uninstalled, as each
Colab session begins without it.

Run: make test-colab, or python tests/colab/run.py 01-markov ...
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".envs" / "colab"
PYTHON = ENVIRONMENT / "bin" / "python"
PINS = Path(__file__).parent / "requirements.txt"
STAY = ("torch", "numpy", "ipython", "ipykernel", "ipywidgets", "jupyter_client", "matplotlib", "notebook", "music21")


def pip(*words):
    command = [str(PYTHON), "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def versions():
    code = f"from importlib.metadata import version; print(*map(version, {STAY}))"
    return subprocess.run([str(PYTHON), "-c", code], check=True, capture_output=True, text=True).stdout.split()


def make_environment():
    """A fresh one each time: what a notebook installs must not be there before."""
    import torch

    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
    pip("install", "--no-compile", f"torch=={torch.__version__.split('+')[0]}", "--requirement", str(PINS))
    (site,) = ENVIRONMENT.glob("lib/python*/site-packages")
    (site / "google" / "colab").mkdir(parents=True)
    (site / "google" / "colab" / "__init__.py").write_text('"""A stand-in: only its presence is looked at."""\n')


def run(name, place, variables):
    """Runs one notebook in an empty folder; returns what its set-up cell said, and the seconds of both."""
    folder = place / name
    folder.mkdir()
    nb = nbformat.read(shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", folder), as_version=4)
    client = NotebookClient(
        nb, timeout=None, startup_timeout=600, kernel_name="colab", resources={"metadata": {"path": str(folder)}}
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
    make_environment()
    before = versions()
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        spec = place / "share" / "kernels" / "colab"
        spec.mkdir(parents=True)
        argv = [str(PYTHON), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "colab", "language": "python"}))
        os.environ["JUPYTER_PATH"] = str(place / "share")
        variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        variables |= {"NOTES_ADDRESS": f"file://{ROOT}", "NOTES_CACHE": str(place / "cache")}
        for name in names:
            said, set_up, whole = run(name, place, variables)
            print(f"{name}: set-up {set_up:.0f} s, all cells {whole:.0f} s. The set-up cell said:")
            print("  " + said.strip().replace("\n", "\n  "), flush=True)
            assert said.count("\n") == 3, "the set-up cell says what it did in two lines, and then the versions"
            pip("uninstall", "--yes", "notes-from-scratch")
    assert versions() == before, f"the versions of {STAY} were {before} and are {versions()}"
    print(f"{len(names)} passed, 0 failed")


if __name__ == "__main__":
    main(sys.argv[1:] or sorted(file.stem for file in (ROOT / "notebooks").glob("[0-9]*.ipynb")))

"""Executes one notebook in a kernel of its own: python pages/execute.py NOTEBOOK OUTPUT.

Each cell that has run is a line on standard output, a JSON object; so is the cell that failed. The output appears whole
or not at all. A traceback goes to standard error.

Run: by pages/run.py
"""

import contextlib
import json
import os
import re
import signal
import sys
import threading
import traceback
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from helpers.files import write_atomically

HEADING = re.compile(r"^#{1,4} +(.+)$", re.MULTILINE)


def heading(cells, k: int) -> str:
    """The last heading at or above cell k, and what the cell is to a reader: "7. WaveNet against LSTM"."""
    above = (HEADING.findall(cell.source) for cell in reversed(cells[: k + 1]) if cell.cell_type == "markdown")
    return next((found[-1] for found in above if found), "the beginning")


def last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1].strip()


def execute(client: NotebookClient, output: Path) -> dict | None:
    """Writes the executed notebook to `output`. Returns None, or what failed where."""
    nb, now = client.nb, 0

    def begins(cell, cell_index):
        nonlocal now
        now = cell_index

    client.on_cell_execute = begins
    client.on_cell_executed = lambda cell, cell_index, **_: print(json.dumps({"cell": cell_index}), flush=True)
    try:
        client.execute()
    except CellExecutionError as error:
        print(error, file=sys.stderr)
        return {"heading": heading(nb.cells, now), "error": f"{error.ename}: {last_line(error.evalue)}".strip(": ")}
    except DeadKernelError as error:
        print(error, file=sys.stderr)
        return {"heading": heading(nb.cells, now), "error": "its Python process died; was there too little memory?"}
    except Exception as error:  # a kernel that does not start, or a folder that cannot be written
        traceback.print_exc()
        return {"heading": heading(nb.cells, now), "error": f"{type(error).__name__}: {last_line(str(error))}"}
    for cell in nb.cells:
        cell.metadata.pop("execution", None)
        if "outputs" in cell:  # what Debian's font settings make pygraphviz say has nothing to do with the notebook
            cell.outputs = [out for out in cell.outputs if not out.get("text", "").startswith("Fontconfig warning")]
    try:
        write_atomically(output, (nbformat.writes(nb) + "\n").encode("utf-8"))
    except OSError as error:
        traceback.print_exc()
        return {"heading": "the writing of its results", "error": f"{output}: {error.strerror}"}
    return None


def main(source: Path, output: Path) -> int:
    client = NotebookClient(
        nbformat.read(source, as_version=4),
        timeout=None,
        startup_timeout=600,  # seconds; a busy machine takes its time
        iopub_timeout=600,  # what comes later than this after a cell's end would be lost
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,  # one line for each progress bar
        resources={"metadata": {"path": str(source.parent)}},
    )
    result = {"heading": "the beginning", "error": "see the log"}  # of a mistake of ours

    def work():
        nonlocal result
        result = execute(client, output)

    def stop(*_):
        with contextlib.suppress(AttributeError):  # there is no kernel yet
            client.km.provisioner.process.kill()
        os._exit(143)

    signal.signal(signal.SIGTERM, stop)
    parent = os.getppid()
    worker = threading.Thread(target=work, daemon=True)  # nbclient leaves signals alone outside the main thread
    worker.start()
    while worker.is_alive():
        worker.join(0.5)
        if os.getppid() != parent:  # nobody waits for us any more
            stop()
    if result:
        print(json.dumps(result), flush=True)
    return int(bool(result))


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))

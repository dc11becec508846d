"""A JupyterLab on loopback, for the tests of this folder."""

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def command_of(target: str) -> list[str]:
    """The last line that `make target` would run, with this Python and without a browser."""
    make = shutil.which("make")
    if make is None:
        pytest.skip("there is no make on this machine")
    apart = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = [make, "--no-print-directory", "-n", target]  # this may be part of `make test`, which would add lines
    text = subprocess.run(command, cwd=ROOT, env=apart, capture_output=True, text=True, check=True).stdout
    words = re.sub(r"\\\n\s*", " ", text).strip().splitlines()[-1].split()
    return [sys.executable, *words[1:], "--no-browser"]


def wait_for(address, process, seconds=600, any_answer=False):
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        assert process.poll() is None, "the server has stopped; its output is above"
        try:
            with urllib.request.urlopen(address, timeout=60):
                return
        except urllib.error.HTTPError:
            if any_answer:
                return
            raise
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(f"no answer from {address} in {seconds} seconds")


def stop(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


def quiet_environment(folder):
    """Environment variables for a server that keeps its settings in `folder`."""
    places = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTERLAB_SETTINGS_DIR": "settings"}
    places |= {"JUPYTERLAB_WORKSPACES_DIR": "workspaces", "IPYTHONDIR": "ipython"}
    return os.environ | {key: str(folder / name) for key, name in places.items()} | {"PYTHONUTF8": "1"}


@contextlib.contextmanager
def studio(notebook, folder):
    """The address of Voilà on loopback, which shows this notebook, until it is left."""
    port = free_port()
    command = [sys.executable, "-m", "voila", str(notebook), "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
    with open(folder / "voila.log", "w") as log:
        server = subprocess.Popen(command, env=quiet_environment(folder), stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/static/", server, any_answer=True)
        yield f"http://127.0.0.1:{port}/"
    finally:
        stop(server)


class Lab:
    """A running JupyterLab whose root folder is `notebooks`."""

    def __init__(self, folder):
        self.notebooks, self.settings = folder / "notebooks", folder / "settings"
        self.notebooks.mkdir()
        self.set_theme("light")
        plain = {"fetchNews": "false", "checkForUpdates": False}
        self._setting("apputils-extension", "notification", plain)
        whole = {"windowingMode": "none", "autoStartDefaultKernel": True}  # every cell in the page, and no question
        self._setting("notebook-extension", "tracker", whole)
        self.port, self.token = free_port(), secrets.token_hex(16)
        command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", f"--port={self.port}", "--ip=127.0.0.1"]
        command += [f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={self.notebooks}"]
        command += ["--allow-root", "--ServerApp.port_retries=0"]
        log = open(folder / "lab.log", "w")  # noqa: SIM115 (the server writes to it as long as it runs)
        self.process = subprocess.Popen(command, env=quiet_environment(folder), stdout=log, stderr=log)
        wait_for(f"http://127.0.0.1:{self.port}/api?token={self.token}", self.process)

    def set_theme(self, kind):
        self._setting("apputils-extension", "themes", {"theme": f"JupyterLab {kind.title()}"})

    def _setting(self, extension, plugin, values):
        file = self.settings / "@jupyterlab" / extension / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))

    def address(self, name):
        return f"http://127.0.0.1:{self.port}/lab/workspaces/{Path(name).stem}/tree/{name}?token={self.token}"

    def write(self, name, *cells):
        """A notebook of these code cells, on this environment's kernel."""
        import nbformat

        nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(nb, self.notebooks / name)
        return name

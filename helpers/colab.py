"""Installs on Colab what this project needs and Colab lacks; every notebook's set-up cell runs it.

torch, numpy, ipython and what else is running stay as they are, so no restart is needed. Standard library alone.

Notebook: all of them, on Colab.
"""

import importlib
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

KEPT = ("torch", "numpy", "ipython", "ipykernel", "ipywidgets", "jupyter-client", "matplotlib", "tornado", "traitlets")
FOLDER = Path(__file__).resolve().parent.parent


def install(folder: Path = FOLDER) -> str:
    """Installs the project in `folder` with what it needs, and says in two lines what was done.

    Args:
        folder: of the project, where its pyproject.toml is.

    Returns:
        the two lines, to be printed.

    Raises:
        RuntimeError: with pip's own words if it fails.

    Notebook: 01-markov, in the set-up cell, as in all of them.
    """
    before, begin = _installed(), time.perf_counter()
    kept = {name: before[name] for name in KEPT if name in before}
    with tempfile.TemporaryDirectory() as place:
        pins = Path(place) / "kept.txt"
        pins.write_text("".join(f"{name}=={version}\n" for name, version in kept.items()), encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*pip, "-c", str(pins), "--editable", str(folder)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"pip could not install what {folder} needs:\n{done.stderr.strip()}")
    importlib.invalidate_caches()  # what was installed can be imported at once
    new = sorted(name for name, version in _installed().items() if before.get(name) != version)
    changed = [name for name in new if name in before and name != "notes-from-scratch"]
    seconds = time.perf_counter() - begin
    first = f"fetched the project into {folder.name}; installed in {seconds:.0f} s: {', '.join(new) or 'nothing new'}"
    stay = ", ".join(f"{name} {kept[name]}" for name in KEPT[:3] if name in kept)
    second = f"kept {stay}" + (
        f"; changed the version of {', '.join(changed)}" if changed else "; changed nothing else"
    )
    return f"{first}\n{second}"


def _installed() -> dict[str, str]:
    found = metadata.distributions()
    names = ((one.metadata["Name"] or "", one.version) for one in found)
    first: dict[str, str] = {}  # Colab has two folders of packages; the first one counts
    for name, version in names:
        first.setdefault(name.lower().replace("_", "-"), version)
    return first


if __name__ == "__main__":
    print(install())

"""An earlier notebook's definitions, without a second copy of them.

Notebook: 02-fnn-gradcheck and later; tests and benchmarks too.
"""

from __future__ import annotations

import functools
import linecache
import sys
from pathlib import Path
from types import ModuleType

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


@functools.cache
def from_notebook(name: str) -> ModuleType:
    """A module made of the cells that a notebook tags `export`, run in order.

    Args: name: the notebook's name without its ending, such as "03-lstm".
    Raises:
        FileNotFoundError naming the notebooks there are, if this is none of them.
        ValueError if it exports nothing.
        ImportError naming the cell, if one of its exported cells fails.
    """
    import nbformat

    path = NOTEBOOKS / f"{name}.ipynb"
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in NOTEBOOKS.glob("*.ipynb"))) or "none"
        raise FileNotFoundError(f"there is no notebook {name!r} in {NOTEBOOKS}; there is {there}.")
    cells = nbformat.read(path, as_version=4).cells
    module = ModuleType(f"helpers.exported.{name.replace('-', '_')}", f"Exported from {path.name}.")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # so that its classes can be pickled
    exported = [(k, cell) for k, cell in enumerate(cells) if "export" in cell.metadata.get("tags", ())]
    if not exported:
        raise ValueError(f"notebook {name!r} has no cell tagged 'export'.")
    for number, cell in exported:
        place = f"{path.name}[cell {number}]"
        linecache.cache[place] = (len(cell.source), None, cell.source.splitlines(keepends=True), place)
        try:
            exec(compile(cell.source, place, "exec"), module.__dict__)
        except Exception as error:
            raise ImportError(f"exported cell {number} of notebook {name!r} fails: {error}") from error
    return module

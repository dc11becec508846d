"""An earlier notebook's definitions, without a second copy of them.

Notebook: 02-fnn-gradcheck and later; tests and benchmarks too.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import json
import linecache
import symtable
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


@functools.cache
def from_notebook(name: str) -> ModuleType:
    """A module made of the cells that a notebook tags `export`, run in order.

    What these cells use and another cell imports is imported first; nothing else of the other cells runs.

    Args:
        name: the notebook's name without its ending, such as "03-lstm".

    Returns:
        the module; its classes can be pickled.

    Raises:
        FileNotFoundError: naming the notebooks there are, if this is none of them.
        ValueError: if it is no notebook, or exports nothing.
        ImportError: naming the cell, if one of its exported cells fails, or an import that they need.

    Notebook: 02-fnn-gradcheck.
    """
    path = NOTEBOOKS / f"{name}.ipynb"
    inside = path.resolve().is_relative_to(NOTEBOOKS.resolve())  # a checkpoint's card names it, and it is run
    if not path.is_file() or not inside:
        there = ", ".join(sorted(file.stem for file in NOTEBOOKS.glob("*.ipynb"))) or "none"
        raise FileNotFoundError(f"there is no notebook {name!r} in {NOTEBOOKS}; there is {there}.")
    exported, others = _cells(path)
    module = ModuleType(f"helpers.exported.{name.replace('-', '_')}", f"Exported from {path.name}.")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # so that its classes can be pickled
    if not exported:
        raise ValueError(f"notebook {name!r} has no cell tagged 'export'.")
    for number, line in _imports(others, exported):
        _run(line, module, f"{path.name}[imports of cell {number}]", f"an import in cell {number} of notebook {name!r}")
    for number, source in exported:
        _run(source, module, f"{path.name}[cell {number}]", f"exported cell {number} of notebook {name!r}")
    return module


def _cells(path: Path) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """(number, source) of each code cell that is exported, and of each that is not."""
    exported, others = [], []
    try:  # nbformat would say more, after seconds of being imported
        for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
            if cell["cell_type"] == "code":
                kind = exported if "export" in cell["metadata"].get("tags", ()) else others
                kind.append((number, "".join(cell["source"])))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"{path.name} is no notebook that can be read.") from None
    return exported, others


def _run(source: str, module: ModuleType, place: str, what: str) -> None:
    linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)
    try:
        exec(compile(source, place, "exec"), module.__dict__)
    except Exception as error:
        raise ImportError(f"{what} fails: {error}") from error


def _imports(others, exported) -> Iterator[tuple[int, str]]:
    """The imports, at the top level of other cells, of what exported cells use: (number of the cell, line)."""
    used = {name for _, source in exported for name in _globals(source)}
    for number, source in others:
        for line in _parsed(source).body:
            if isinstance(line, ast.Import | ast.ImportFrom):
                line.names = [alias for alias in line.names if (alias.asname or alias.name.partition(".")[0]) in used]
                if line.names:
                    yield number, ast.unparse(line)


def _globals(source: str) -> Iterator[str]:
    """The global names that a cell uses, in functions too."""
    try:
        tables = [symtable.symtable(source, "cell", "exec")]
    except (SyntaxError, ValueError):  # said when the cell is run
        return
    while tables:
        table = tables.pop()
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module"):
                yield symbol.get_name()
        tables += table.get_children()


def _parsed(source: str) -> ast.Module:
    """A cell's syntax; shell magics become function calls, and what is no Python at all is empty."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        from IPython.core.inputtransformer2 import TransformerManager  # seldom needed

        with contextlib.suppress(SyntaxError, ValueError):
            return ast.parse(TransformerManager().transform_cell(source))
        return ast.Module([], [])

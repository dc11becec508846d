"""For each numbered equation one planted mistake, which the cell that checks the equation must catch.

The mistakes stand in mistakes.toml: a sign, a transpose, a missing term. Each changes the code that the check depends
on, in the last cell up to the check that holds the old text. Only the cells that the checks need are run, once; at each
cell with a mistake the process forks, and the child goes on with the mistake to its check.

Run: make mutate-equations; ONLY=06-attention does one notebook. The exit status is 1 if a check did not bite.
"""

import argparse
import ast
import contextlib
import json
import os
import re
import resource
import signal
import sys
import tomllib
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from helpers.exported import _globals, _parsed

ROOT = Path(__file__).resolve().parent.parent
MISTAKES = Path(__file__).with_name("mistakes.toml")
HARMLESS = {"print", "play", "check", "display", "hear", "rolls", "novelty", "sing"}  # calls that change nothing
SECONDS = 300  # of the processor, for one mistake


@dataclass
class Mistake:
    """One planted mistake: where it is and what became of it."""

    equation: str
    old: str
    new: str
    cell: int = -1
    check: int = -1
    needs: list = field(default_factory=list)
    verdict: str = ""


def code_cells(path: Path) -> dict[int, str]:
    """Number -> source of each code cell, in Python alone."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return {k: "".join(cell["source"]) for k, cell in enumerate(cells) if cell["cell_type"] == "code"}


def checks_of(cells: dict[int, str]) -> dict[str, int]:
    """Equation -> the number of the cell that checks it."""
    first_lines = ((k, source.split("\n")[0]) for k, source in cells.items())
    heads = [(k, line) for k, line in first_lines if line.startswith("# checks ")]
    return {tag: k for k, line in heads for tag in re.findall(r"\((\d+\.\d+)\)", line)}


# ---- which cells a check needs ----


def names_of(source: str) -> tuple[set, set, dict]:
    """What a cell binds at its top level, what it may change in place, and the globals of its functions."""
    binds, changes, functions = set(), set(), {}
    for line in _parsed(source).body:
        for node in ast.walk(line):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                binds.add(node.id)
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                binds.add(node.name)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                binds |= {(alias.asname or alias.name.partition(".")[0]) for alias in node.names}
            elif isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Store):
                changes |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        if isinstance(line, (ast.FunctionDef, ast.ClassDef)):
            functions[line.name] = set(_globals(ast.unparse(line)))
        elif isinstance(line, ast.Assign) and any(isinstance(n, ast.Lambda) for n in ast.walk(line.value)):
            names = [n.id for goal in line.targets for n in ast.walk(goal) if isinstance(n, ast.Name)]
            functions |= dict.fromkeys(names, set(_globals(ast.unparse(line))))
        changes |= changed_by_calls(line)
    return binds, changes, functions


def changed_by_calls(line: ast.stmt) -> set:
    """The names in calls whose results are thrown away: they are called for what they change."""
    if isinstance(line, (ast.FunctionDef, ast.ClassDef)):
        return set()
    calls = [node.value for node in ast.walk(line) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    roots = [(call, call.func.id if isinstance(call.func, ast.Name) else "") for call in calls]
    return {
        n.id
        for call, root in roots
        if root not in HARMLESS
        for n in ast.walk(call)
        if isinstance(n, ast.Name) and n.id not in {"plt", "ax", "axes", "diagrams"}
    }


def needed(cells: dict[int, str], check: int) -> list[int]:
    """The cells that must run for a check, and the check, in order."""
    about = {k: names_of(source) for k, source in cells.items() if k <= check}
    inside: dict[str, set] = {}
    for _, _, functions in about.values():
        for name, names in functions.items():
            inside.setdefault(name, set()).update(names)

    def closed(names: set) -> set:
        found, left = set(), list(names)
        while left:
            if (name := left.pop()) not in found:
                found.add(name)
                left += inside.get(name, ())
        return found

    need, chosen = closed(set(_globals(cells[check]))), [check]
    for k in sorted((k for k in about if k < check), reverse=True):
        binds, changes, _ = about[k]
        if (binds | changes) & need or "# @title Set-up" in cells[k]:
            chosen.append(k)
            plain = {n for n in binds if re.search(rf"(?m)^(?:{n} = |def {n}\(|class {n}\b)", cells[k])}
            need = (need - plain) | closed(set(_globals(cells[k])))
    return chosen[::-1]


# ---- running ----


def prepare() -> dict:
    """The names that a notebook begins with; nothing is shown."""
    import matplotlib

    matplotlib.use("Agg")
    from IPython.core.interactiveshell import InteractiveShell

    InteractiveShell.instance()
    return sys.modules["__main__"].__dict__


def run_cell(source: str, names: dict, number: int) -> None:
    """Runs one cell, quietly."""
    tree = _parsed(source)
    with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
        exec(compile(tree, f"cell {number}", "exec"), names)


def in_a_child(mistake: Mistake, cells: dict[int, str], names: dict) -> str:
    """What becomes of the mistake: "caught", or how it got away."""
    get, put = os.pipe()
    if not (child := os.fork()):
        os.close(get)
        verdict = "went unnoticed"
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        try:
            for k in (k for k in mistake.needs if k >= mistake.cell):
                source = cells[k].replace(mistake.old, mistake.new) if k == mistake.cell else cells[k]
                try:
                    run_cell(source, names, k)
                except AssertionError:
                    verdict = "caught" if k == mistake.check else f"caught before, by cell {k}"
                    break
                except Exception as error:
                    last = traceback.extract_tb(error.__traceback__)[-1]
                    verdict = f"cell {k} failed: {type(error).__name__}: {error} (line {last.lineno})"[:200]
                    break
        finally:
            os.write(put, verdict.encode())
            os._exit(0)
    os.close(put)
    with os.fdopen(get, encoding="utf-8") as answer:
        verdict = answer.read()
    status = os.waitpid(child, 0)[1]
    return verdict or f"its process ended with {signal.Signals(status & 127).name if status & 127 else status}"


def try_notebook(path: Path, mistakes: list[Mistake]) -> None:
    """Gives each mistake its verdict."""
    cells, names = code_cells(path), prepare()
    checks = checks_of(cells)
    for mistake in mistakes:
        mistake.check = checks[mistake.equation]
        holding = [k for k, source in cells.items() if k <= mistake.check and mistake.old in source]
        if not holding:
            mistake.verdict = "the old text is in no cell up to the check"
            continue
        mistake.cell = holding[-1]
        mistake.needs = sorted({*needed(cells, mistake.check), mistake.cell})
    open_ = [mistake for mistake in mistakes if mistake.needs]
    os.chdir(path.parent)
    for k in sorted({k for mistake in open_ for k in mistake.needs}):
        for mistake in open_:
            if mistake.cell == k:
                mistake.verdict = in_a_child(mistake, cells, names)
        try:
            run_cell(cells[k], names, k)
        except BaseException as error:
            raise RuntimeError(f"{path.name}: cell {k} fails without any mistake: {error!r}") from error


def all_mistakes() -> dict[str, list[Mistake]]:
    """Notebook -> its mistakes."""
    found = tomllib.loads(MISTAKES.read_text(encoding="utf-8"))
    return {name: [Mistake(tag, *patch) for tag, patch in of.items()] for name, of in found.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("only", nargs="*", help="notebooks, such as 06-attention")
    only = parser.parse_args().only
    total, planted = Counter(), all_mistakes()
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        if only and path.stem not in only:
            continue
        mistakes = planted.get(path.stem, [])
        if not (child := os.fork()):  # notebooks know nothing of each other
            try:
                try_notebook(path, mistakes)
            except Exception as error:
                print(error)
            for mistake in mistakes:
                if mistake.verdict != "caught":
                    print(f"  ({mistake.equation}) {mistake.verdict}; planted: {mistake.old!r} -> {mistake.new!r}")
            caught = sum(mistake.verdict == "caught" for mistake in mistakes)
            print(f"{path.stem}: {caught} of {len(mistakes)} caught", flush=True)
            os._exit(len(mistakes) - caught)
        missed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        total.update(equations=len(checks_of(code_cells(path))), planted=len(mistakes), missed=missed)
    print(f"{total['equations']} equations, {total['planted']} mistakes, {total['planted'] - total['missed']} caught")
    return int(total["missed"] > 0 or total["planted"] < total["equations"])


if __name__ == "__main__":
    sys.exit(main())

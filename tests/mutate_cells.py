"""A mutation campaign over the cells that notebooks export: each is changed at one place, and a check must notice.

mutmut says what to change. A notebook runs once; at each exported cell the process forks for every change, and the
child runs what depends on the cell: each later cell with an assert, or with an output that nbval compares, and the
cells which that one needs, cheapest first, up to half a minute of the processor as measured without a change. A
change is noticed if a cell fails, prints something else, or takes ten times as long. What none of the cells notices
meets the tests that name the notebook, in a copy of the project. Each survivor is shown.

Run: make mutate-cells ONLY=03-lstm; SAMPLE=100 takes a hundred changes of each notebook.
"""

import argparse
import ast
import contextlib
import difflib
import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mutate import ROOT, TOOLS, WORK, copy_project, install
from mutate_equations import code_cells, needed, prepare

from helpers.exported import _parsed

BUDGET = 30  # seconds of the processor for what looks at one change, as measured without it
SLACK, TIMES = 10, 10  # a change is ended after this many seconds, and times as long as without it
MEMORY = 8 << 30


def mutants(source: str) -> Iterator[str]:
    """The cell with one change each; texts stay as they are."""
    import libcst
    from libcst.metadata import MetadataWrapper
    from mutmut.mutation.file_mutation import MutationVisitor
    from mutmut.mutation.mutators import mutation_operators
    from mutmut.mutation.pragma_handling import IgnoredCode

    visitor = MutationVisitor(mutation_operators, IgnoredCode(set(), set(), set()))
    wrapper = MetadataWrapper(libcst.parse_module(source))
    wrapper.visit(visitor)
    seen = {ast.dump(ast.parse(source))}
    for one in visitor.mutations:
        if not isinstance(one.original_node, libcst.BaseString):
            changed = wrapper.module.deep_replace(one.original_node, one.mutated_node).code
            with contextlib.suppress(SyntaxError):
                if (tree := ast.dump(ast.parse(changed))) not in seen:
                    seen.add(tree)
                    yield changed


def difference(old: str, new: str) -> str:
    """The lines that differ, before and after."""
    lines = [line for line in difflib.ndiff(old.splitlines(), new.splitlines()) if line[0] in "-+"]
    before, after = (" ".join(line[2:].strip() for line in lines if line[0] == sign) for sign in "-+")
    return f"{before[:160]}  =>  {after[:160]}"


# ---- running ----


def run(source: str, names: dict, number: int) -> str:
    """What a cell prints, and the value of its last line; nothing is shown."""
    tree, printed = _parsed(source), io.StringIO()
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(printed), contextlib.redirect_stderr(nothing):
        exec(compile(tree, f"cell {number}", "exec"), names)
        if last:
            value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names)
            if isinstance(value, str | int | float | tuple | list | dict):
                print(value)
    return printed.getvalue()


def forked(work: Callable[[], bool], seconds: float) -> bool:
    """Whether `work` says so in a child that ends well, and within so many seconds of the processor."""
    child = os.fork()
    if not child:
        well = False
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, resource.getrlimit(resource.RLIMIT_CPU)[1]))
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
            signal.alarm(60 + 10 * int(seconds))  # what only waits
            well = work()
        except BaseException:
            well = False
        finally:
            os._exit(0 if well else 1)
    return os.waitpid(child, 0)[1] == 0


def measured(cells: dict[int, str], names: dict) -> dict[int, list]:
    """Number of a cell -> [seconds of the processor, what it prints], from a run of all of them in a child."""
    place = WORK / f"measured-{os.getpid()}.json"

    def work() -> bool:
        found = {}
        for k, source in cells.items():
            begin = time.process_time()
            text = run(source, names, k)
            found[k] = [time.process_time() - begin, text]
        return bool(place.write_text(json.dumps(found)))

    if not forked(work, 3600):
        raise RuntimeError("the notebook fails without any change")
    found = {int(k): what for k, what in json.loads(place.read_text()).items()}
    place.unlink()
    return found


class Notebook:
    """One notebook: its cells, and which of them look at which.

    Args:
        path: in the copy of the project.
    """

    def __init__(self, path: Path):
        self.path, self.cells = path, code_cells(path)
        whole = json.loads(path.read_text(encoding="utf-8"))["cells"]
        tags = {k: set(cell["metadata"].get("tags", ())) for k, cell in enumerate(whole)}
        self.exported = [k for k in self.cells if "export" in tags[k]]
        self.compared = {k for k in self.cells if not tags[k] & {"nbval-ignore-output", "nbval-skip"}}
        self.needs = {k: needed(self.cells, k) for k in self.cells}
        self.names = prepare()
        os.chdir(path.parent)
        self.told = measured(self.cells, self.names)

    def looking(self, cell: int) -> list[tuple[float, list[int]]]:
        """(seconds, the cells to run) for each cell that looks at this one, cheapest first, within the budget."""
        found = []
        for k in self.cells:
            looks = "assert" in self.cells[k] or (k in self.compared and self.told[k][1])
            if k > cell and looks and cell in self.needs[k]:
                chain = [n for n in self.needs[k] if n > cell]
                found.append((sum(self.told[n][0] for n in chain), chain))
        chosen, total = [], 0.0
        for seconds, chain in sorted(found):
            if total + seconds <= BUDGET:
                chosen.append((seconds, chain))
                total += seconds
        return chosen

    def same(self, chain: list[int], compare: bool) -> bool:
        """Runs cells; whether the last prints what it printed without a change."""
        text = ""
        for k in chain:
            text = run(self.cells[k], self.names, k)
        return not compare or chain[-1] not in self.compared or text == self.told[chain[-1]][1]

    def unnoticed(self, cell: int, source: str, own: bool, chains: list[tuple[float, list[int], bool]]) -> bool:
        """Whether no cell that looks at this one notices that it has another source.

        Args:
            cell: its number.
            source: the other one.
            own: whether what the cell itself prints is compared.
            chains: (seconds, cells to run, whether what the last of them prints is compared).
        """

        def work() -> bool:
            if run(source, self.names, cell) != self.told[cell][1] and own:
                return False
            signal.alarm(0)  # the cells that look at it have their own time
            return all(
                forked(lambda chain=chain, compare=compare: self.same(chain, compare), SLACK + TIMES * seconds)
                for seconds, chain, compare in chains
            )

        return forked(work, SLACK + TIMES * self.told[cell][0])

    def chains_of(self, cell: int) -> tuple[bool, list[tuple[float, list[int], bool]]]:
        """What `unnoticed` needs to know: what fails or prints something else without a change is left out."""
        source, chains = self.cells[cell], []
        for seconds, chain in self.looking(cell):
            for compare in (True, False):
                if self.unnoticed(cell, source, False, [(seconds, chain, compare)]):
                    chains.append((seconds, chain, compare))
                    break
        return self.unnoticed(cell, source, True, []), chains

    def campaign(self, sample: int) -> tuple[int, list[tuple[int, str]]]:
        """How many changes there were, and (cell, source) of those that no cell notices."""
        chosen = [(k, source) for k in self.exported for source in mutants(self.cells[k])]
        if sample:
            chosen = random.Random(0).sample(chosen, min(sample, len(chosen)))
        left, useful = [], set()
        for k in self.exported:
            useful |= {n for _, chain in self.looking(k) for n in self.needs[chain[-1]]} | set(self.needs[k])
        for k, source in self.cells.items():
            if here := [text for number, text in chosen if number == k]:
                own, chains = self.chains_of(k)
                left += [(k, text) for text in here if self.unnoticed(k, text, own, chains)]
                print(f"  cell {k}: {len(here)} changes, {len(chains)} cells look at it", flush=True)
            if k in useful:
                run(source, self.names, k)
        return len(chosen), left


# ---- tests ----


def tests_of(name: str) -> list[str]:
    """The files of tests that name a notebook."""
    files = sorted((WORK / "tests").glob("test_*.py"))
    left_out = {"test_exercises.py", "test_notebooks.py", "test_house.py", "test_pages.py", "test_run.py"}
    return [str(f) for f in files if f'"{name}"' in f.read_text(encoding="utf-8") and f.name not in left_out]


def passes(path: Path, cell: int, source: str, tests: list[str]) -> bool:
    """Whether the tests pass with a changed cell."""
    kept = path.read_bytes()
    notebook = json.loads(kept)
    notebook["cells"][cell]["source"] = source.splitlines(keepends=True)
    try:
        path.write_text(json.dumps(notebook), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-n", "0", *tests]
        with contextlib.suppress(subprocess.TimeoutExpired):
            here = os.environ | {"PYTHONPATH": str(WORK)}
            return not subprocess.run(command, cwd=WORK, env=here, capture_output=True, timeout=1800).returncode
        return False
    finally:
        path.write_bytes(kept)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("only", nargs="*", help="notebooks, such as 03-lstm")
    parser.add_argument("--sample", type=int, default=0, help="changes of each notebook; all by default")
    given = parser.parse_args()
    install()
    sys.path.insert(0, str(TOOLS))
    os.environ["OMP_NUM_THREADS"] = "1"
    copy_project()
    found = [path.stem for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))]
    for name in given.only or found:
        path = WORK / "notebooks" / f"{name}.ipynb"
        if not (child := os.fork()):  # notebooks know nothing of each other
            notebook, begin = Notebook(path), time.monotonic()
            if not notebook.exported:
                os._exit(0)
            many, left = notebook.campaign(given.sample)
            print(f"{name}: {many} changes, {many - len(left)} noticed by cells", flush=True)
            tests = tests_of(name)
            alive = [(k, text) for k, text in left if not tests or passes(path, k, text, tests)]
            for k, text in alive:
                print(f"  cell {k}: {difference(notebook.cells[k], text)}")
            minutes = (time.monotonic() - begin) / 60
            print(
                f"{name}: {many} changes, {many - len(left)} noticed by cells, {len(left) - len(alive)} by tests,"
                f" {len(alive)} survived ({100 * (1 - len(alive) / many):.0f} % noticed; {minutes:.0f} min)",
                flush=True,
            )
            os._exit(0)
        os.waitpid(child, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())

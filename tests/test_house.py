"""What helpers keeps to: rooms that are one thing, arrows that go one way, and docstrings that say it all."""

import ast
import json
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HELPERS = ROOT / "helpers"
FILES = sorted(path for path in HELPERS.rglob("*.py"))
PAGES = sorted(path for path in HELPERS.rglob("*") if path.suffix in (".js", ".css", ".html"))
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))
CORE = ("events", "songs", "encoders", "datasets", "metrics", "checkpoints", "exported", "files")
each = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HELPERS)))


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path) for path in FILES}


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path):
    """The helpers modules that a file imports, wherever in it."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES
            yield from inner or ({node.module} & MODULES)


def functions_of(tree):
    return [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def source(cell):
    return "".join(cell["source"])


@each
def test_files_and_functions_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350
    lengths = {node.name: node.end_lineno - node.lineno + 1 for node in functions_of(tree_of(path))}
    assert not {name: length for name, length in lengths.items() if length > 40}


def test_arrows_go_one_way():
    arrows = {module_of(path): set(imported(path)) for path in FILES}
    TopologicalSorter(arrows).prepare()  # raises CycleError, which names the circle
    core = {f"helpers.{name}" for name in CORE}
    for name in core:
        assert arrows[name] <= core, f"{name} must not know {arrows[name] - core}"
    into, out = {"helpers.corpus", "helpers.readers", "helpers.cache"}, {"helpers.notation", "helpers.sound"}
    assert not any(arrows[name] & out for name in into) and not any(arrows[name] & into for name in out)
    widgets = {name for name in MODULES if name.startswith("helpers.widgets")}
    assert not any(arrows[name] & widgets for name in MODULES - widgets)


def test_no_colour_stands_outside_the_palette():
    color = re.compile(r"#[0-9a-fA-F]{6}\b|#[0-9a-fA-F]{3}\b(?![\w-])")
    for path in FILES + PAGES:
        if path.name != "figures.py":
            text = re.sub(r"#\d+\b", "", path.read_text(encoding="utf-8"))  # an issue's or a song's number
            assert not color.findall(text), path
    for path in NOTEBOOKS:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                assert not color.findall(source(cell)), (path.name, source(cell))


def test_colours_are_told_apart():
    from helpers.figures import GROUPS, PALETTE, SHADES

    colors = [*PALETTE.values(), *GROUPS, SHADES["lit"]]
    split = lambda color: [int(color[k : k + 2], 16) for k in (1, 3, 5)]
    for k, one in enumerate(colors):
        for other in colors[k + 1 :]:
            assert sum(abs(a - b) for a, b in zip(split(one), split(other), strict=True)) > 60, (one, other)


@each
def test_an_import_inside_a_function_says_why(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    for function in functions_of(tree_of(path)):
        for node in ast.walk(function):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                above = lines[node.lineno - 2]
                assert "#" in lines[node.lineno - 1] or above.strip().startswith(("#", "import ", "from ")), (
                    f"line {node.lineno}: {lines[node.lineno - 1].strip()}"
                )


def public_functions(path):
    """(name, arguments, docstring) of what a reader may call, constructors under their class."""
    classes = {node.name: node for node in tree_of(path).body if isinstance(node, ast.ClassDef)}
    for node in tree_of(path).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            shared = (arguments(init_of(classes[d.args[0].id], classes)) for d in node.decorator_list if taking_what(d))
            yield node.name, next(shared, arguments(node)), ast.get_docstring(node) or ""
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            init = init_of(node, classes)
            yield node.name, arguments(init) if init else [], ast.get_docstring(node) or ""
            for member in methods_of(node):
                if not member.name.startswith("_"):
                    text = ast.get_docstring(member)
                    property_ = any(isinstance(d, ast.Attribute) for d in member.decorator_list)  # a setter
                    yield f"{node.name}.{member.name}", arguments(member), text or ("-" if property_ else "")


def taking_what(decorator):
    """Whether a function takes what a class does."""
    return isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "_taking_what"


def init_of(node, classes):
    inits = (m for above in (node, *bases_of(node, classes)) for m in methods_of(above) if m.name == "__init__")
    return next(inits, None)


def methods_of(node):
    return [member for member in node.body if isinstance(member, ast.FunctionDef)]


def bases_of(node, classes):
    """The classes above one, as far as they are among these."""
    for base in node.bases:
        above = classes.get(getattr(base, "id", None))
        if above:
            yield above
            yield from bases_of(above, classes)


def arguments(function):
    given = function.args
    starred = [argument for argument in (given.vararg, given.kwarg) if argument]
    listed = given.posonlyargs + given.args + given.kwonlyargs + starred
    return [argument.arg for argument in listed if argument.arg not in ("self", "cls")]


@each
def test_public_docstrings_are_complete(path):
    for name, given, text in public_functions(path):
        assert text, f"{name} has no docstring"
        part = re.search(r"(?ms)^Args:\n(.*?)(?=^\S|\Z)", text)
        if part:  # a line for each argument, in Google's form
            listed = re.findall(r"(?m)^    ([\w, ]+):", part[1])
            said = {word for line in listed for word in re.split(r",\s*", line)}
            assert set(given) == said, f"{name} has arguments {given} and explains {sorted(said)}"
        for heading in ("Args", "Returns", "Raises", "Attributes"):
            assert not re.search(rf"(?m)^{heading}: \S", text), f"{name}: what follows {heading} stands below it"
        assert len(given) < 2 or part, f"{name} explains no argument"
        if "." not in name:
            assert re.search(r"(?m)^Notebook: \S", text), f"{name} does not say where it is used"
        raises = re.search(r"(?ms)^Raises:\n(.*?)(?=^\S|\Z)", text)
        for line in raises[1].splitlines() if raises else ():
            assert re.match(r"    (    |[A-Z]\w+: )|$", line), f"{name}: no exception and colon in {line!r}"


def attributes_of(node):
    """(method, attribute of self) for each one that a class sets."""
    for method in methods_of(node):
        for inner in ast.walk(method):
            changed = isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store | ast.Del)
            if changed and getattr(inner.value, "id", None) == "self":
                yield method.name, inner.attr


def test_all_state_is_born_in_init():
    classes = {node.name: node for path in FILES for node in ast.walk(tree_of(path)) if isinstance(node, ast.ClassDef)}
    for node in classes.values():
        house = [node, *bases_of(node, classes)]
        born = {name for above in house for method, name in attributes_of(above) if method == "__init__"}
        born |= {method.name for above in house for method in methods_of(above)}  # a property with a setter
        late = {name for _, name in attributes_of(node)} - born
        assert not late, f"{node.name} sets {sorted(late)} outside __init__"


def test_pages_are_files_of_their_own():
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"<script|<style|addEventListener|querySelector", text), path


def test_the_readme_says_which_notebooks_import_each_file():
    used = {}
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        text = "\n".join(map(source, json.loads(path.read_text(encoding="utf-8"))["cells"]))
        for module, names in re.findall(r"from helpers(?:\.(\w+))?[\w.]* import ([\w, ]+)", text):
            for name in [module] if module else names.split(", "):
                used.setdefault(name.split(" ")[0], set()).add(int(path.name[:2]))
    rows = re.findall(r"(?m)^\| \[.*?\]\((\w+)(?:\.py)?\) \|.*\| (.*) \|$", (HELPERS / "README.md").read_text("utf-8"))
    said = {}
    for name, where in rows:
        spans = [(int(first), int(last or first)) for first, last in re.findall(r"\b(\d\d)(?:–(\d\d))?", where)]
        said[name] = {number for first, last in spans for number in range(first, last + 1)}
    assert {name: numbers for name, numbers in said.items() if numbers} == used


def test_the_readme_names_every_file_and_the_size_of_the_core():
    text = (HELPERS / "README.md").read_text(encoding="utf-8")
    for path in FILES:
        name = path.relative_to(HELPERS).parts
        assert f"]({name[0]})" in text, path
    lines = sum(len((HELPERS / f"{name}.py").read_text(encoding="utf-8").splitlines()) for name in CORE)
    assert abs(int(re.search(r"([\d,]+) lines", text)[1].replace(",", "")) - lines) <= 100, lines

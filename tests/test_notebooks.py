"""Guards: what a committed notebook must keep to (see CONTRIBUTING.md)."""

import ast
import itertools
import json
import re
import statistics
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
ADDRESS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_and_solution = pytest.mark.parametrize(
    "path", NOTEBOOKS + SOLUTIONS, ids=lambda path: "/".join(path.with_suffix("").parts[-2:])
)


def cells(path, kind=None):
    book = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in book["cells"] if kind in (None, cell["cell_type"])]


def source(cell):
    return "".join(cell["source"])


def test_there_are_notebooks_and_each_has_solutions():
    assert NOTEBOOKS
    assert [path.name for path in SOLUTIONS] == [path.name for path in NOTEBOOKS]


def test_the_studio_is_executed_top_to_bottom():
    code = cells(NOTEBOOKS[0].with_name("studio.ipynb"), "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert all(output["output_type"] == "execute_result" for cell in code for output in cell["outputs"])
    assert sum(len(cell["outputs"]) for cell in code) == 2, "the Composer and the Harmoniser"


@each_and_solution
def test_executed_top_to_bottom_with_outputs_and_without_errors(path):
    code = cells(path, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert len(outputs) >= 3, "outputs are stripped: nbval would compare nothing"
    assert all(output["output_type"] != "error" for output in outputs)


@each_and_solution
def test_size(path):
    assert path.stat().st_size < 3_000_000


@each
def test_every_tagged_equation_has_its_check(path):
    text = "\n".join(map(source, cells(path, "markdown")))
    tags = re.findall(r"\\tag\{([\d.]+)\}", text)
    asserts = lambda cell: "assert" in source(cell) or "three_ways(" in source(cell)  # which asserts, three times
    checks = "\n".join(source(cell).splitlines()[0] for cell in cells(path, "code") if asserts(cell))
    checked = {tag for line in re.findall(r"(?m)^# checks (.*)$", checks) for tag in re.findall(r"\(([\d.]+)\)", line)}
    assert tags and len(tags) == len(set(tags))
    assert set(tags) == checked
    assert all(tag.split(".")[0] == str(int(path.name[:2])) for tag in tags)


@each
def test_no_tagged_equation_breaks_its_line_with_two_backslashes(path):
    text = "\n".join(map(source, cells(path, "markdown")))
    for equation in re.findall(r"\$\$(.+?)\$\$", text, re.DOTALL):  # Sphinx would wrap it in `split`: no tag allowed
        assert not ("\\tag" in equation and "\\\\" in equation), f"use \\cr instead: {equation[:60]}"


@each_and_solution
def test_cells_are_short(path):
    lengths = [sum(bool(line.strip()) for line in source(cell).splitlines()) for cell in cells(path, "code")]
    assert statistics.median(lengths) <= 8


@each
def test_every_section_has_more_words_than_lines_of_code(path):
    words, lines, title = Counter(), Counter(), "the beginning"
    for cell in cells(path):
        text = source(cell)
        if cell["cell_type"] == "markdown":
            if found := re.findall(r"(?m)^## (.+)$", text):
                title = found[-1]
            words[title] += len(re.sub(r"\$\$.*?\$\$", " ", text, flags=re.DOTALL).split())
        elif not {"setup", "remove-cell"} & set(cell["metadata"].get("tags", ())):
            lines[title] += sum(bool(line.strip()) for line in text.splitlines())
    poor = {title: (words[title], lines[title]) for title in lines if words[title] < lines[title]}
    assert not poor, f"sections with fewer words than lines of code: {poor}"


@each
def test_a_notebook_is_read_in_an_hour(path):
    """At 200 words and 15 lines of code a minute; set-up, hidden cells and displayed equations are not counted."""
    words = lines = 0
    for cell in cells(path):
        text = source(cell)
        if cell["cell_type"] == "markdown":
            text = re.sub(r"<[^>]+>|\]\([^)]*\)|\$\$.*?\$\$", " ", text, flags=re.DOTALL)
            words += len(text.split())
        elif not {"setup", "remove-cell"} & set(cell["metadata"].get("tags", ())):
            lines += sum(bool(line.strip()) for line in text.splitlines())
    assert len(cells(path)) <= 130
    assert lines <= 700 and round(words / 200 + lines / 15) <= 60, (words, lines)


@each_and_solution
def test_every_saved_tune_sings(path):
    """At least twelve notes, and none more than eight times in a row; the beginning of a melody may be shorter."""
    for cell in cells(path, "code"):
        for output in cell["outputs"]:
            block = "".join(output.get("data", {}).get("text/html", ""))
            if "nfs-player" in block and 'nfs-title">the beginning <' not in block:
                bars = {(int(k), int(pitch)) for k, pitch in re.findall(r'id="roll-0-(\d+)-(\d+)"', block)}
                pitches = [pitch for _, pitch in sorted(bars)]
                longest = max(len(list(same)) for _, same in itertools.groupby(pitches))
                assert len(pitches) >= 12 and longest <= 8, (source(cell)[:60], len(pitches), longest)


@each_and_solution
def test_no_filler(path):
    said = [source(cell).strip() for cell in cells(path, "markdown")]
    short = [text for text in said if len(text.split()) <= 6 and not text.startswith(("#", "$", "!", "[", "|"))]
    assert len(short) <= 2, f"cells that say next to nothing: {short}"


@each_and_solution
def test_asserts_stand_where_they_teach_or_out_of_sight(path):
    for cell in cells(path, "code"):
        body = ast.parse(re.sub(r"(?m)^[%!]", "# ", source(cell))).body
        alone = all(isinstance(statement, ast.Assert) for statement in body)
        if alone and not source(cell).startswith("# checks"):
            assert "remove-cell" in cell["metadata"].get("tags", ()), source(cell)
            assert cell["metadata"].get("jupyter", {}).get("source_hidden"), source(cell)


@each_and_solution
def test_no_machinery_is_left_in_cells(path):
    for cell in cells(path):
        assert "execution" not in cell["metadata"], "timestamps of an execution"
        assert cell["cell_type"] != "code" or "NBVAL" not in source(cell), "use the tag nbval-ignore-output"


@each_and_solution
def test_no_amount_of_work_is_decided_by_the_clock(path):
    """On a busy machine such a cell would do less, and what follows it would be another result."""
    for cell in cells(path, "code"):
        for node in ast.walk(ast.parse(re.sub(r"(?m)^[%!]", "# ", source(cell)))):
            tests = [node.test] if isinstance(node, (ast.While, ast.If, ast.Assert)) else []
            names = {
                n.id if isinstance(n, ast.Name) else n.attr
                for test in tests
                for n in ast.walk(test)
                if isinstance(n, (ast.Name, ast.Attribute))
            }
            assert not names & {"perf_counter", "monotonic", "process_time", "time", "seconds", "spent"}, source(cell)


@each
def test_same_setup_cell_and_a_device_cell(path):
    tagged = lambda p, tag: [source(cell) for cell in cells(p, "code") if tag in cell["metadata"].get("tags", [])]
    (setup,) = tagged(path, "setup")
    assert setup == tagged(NOTEBOOKS[0], "setup")[0]
    (folded,) = [cell for cell in cells(path, "code") if "setup" in cell["metadata"].get("tags", [])]
    assert setup.startswith("# @title ") and folded["metadata"]["cellView"] == "form"  # Colab folds it
    (device,) = tagged(path, "device")
    assert re.search(r'"cuda" if .* else "mps" if .* else "cpu"', device)
    assert f'ADDRESS = "{ADDRESS}"' in setup


@each
def test_opens_with_badge_and_links_and_closes_with_exercises(path):
    first, text = source(cells(path)[0]), "\n".join(map(source, cells(path, "markdown")))
    repository = ADDRESS.removeprefix("https://github.com/")
    assert first.startswith(f"# {path.name[:2]} · ")
    assert f"https://colab.research.google.com/github/{repository}/blob/main/notebooks/{path.name}" in first
    assert all(word in first for word in ("You build", "You hear", "You check", "[Contents]"))
    assert "## Exercises" in text and f"solutions/{path.name}" in text
    assert 3 <= len(re.findall(r"(?m)^\*\*\d+\. ", text)) <= 6
    assert "[Contents]" in source(cells(path)[-1])


@each_and_solution
def test_no_widget_state_and_no_absolute_path(path):
    text = path.read_text(encoding="utf-8")
    assert "application/vnd.jupyter.widget-state+json" not in text
    assert str(ROOT) not in text

import inspect
import pickle

import nbformat
import pytest

from helpers import exported


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    def write(name, *cells):
        book = nbformat.v4.new_notebook()
        for source, tags in cells:
            book.cells.append(nbformat.v4.new_code_cell(source, metadata={"tags": tags}))
        nbformat.write(book, tmp_path / f"{name}.ipynb")
        return name

    monkeypatch.setattr(exported, "NOTEBOOKS", tmp_path)
    exported.from_notebook.cache_clear()
    yield write
    exported.from_notebook.cache_clear()


def test_only_tagged_cells_run(notebook):
    name = notebook(
        "09-test", ("class A:\n    x = 1", ["export"]), ("1 / 0", []), ("def f():\n    return A.x", ["export"])
    )
    module = exported.from_notebook(name)
    assert module.f() == 1
    assert exported.from_notebook(name) is module
    assert isinstance(pickle.loads(pickle.dumps(module.A())), module.A)


def test_imports_that_exported_cells_need_are_found_wherever_they_stand(notebook, capsys):
    name = notebook(
        "09-imports",
        ("import math as m, fractions\nfrom itertools import chain, count\nprint('not this')", []),
        ("f = lambda x: (m.floor(x), [k for k in chain(deque('a'), os.path.basename('b/c'))])", ["export"]),
        ("import os.path\nfrom collections import deque\nimport no_such_package", []),
    )
    module = exported.from_notebook(name)
    assert module.f(2.5) == (2, ["a", "c"])
    assert {"m", "chain", "deque", "os"} <= set(vars(module))
    assert not {"fractions", "count", "no_such_package"} & set(vars(module))
    assert capsys.readouterr().out == ""


def test_a_name_of_their_own_imports_nothing(notebook):
    used = "def f(time):\n    json = time\n    return json\n\n\nclass A:\n    csv = 1\n    b = csv"
    module = exported.from_notebook(notebook("09-own", ("import time, json", []), (used, ["export"])))
    assert module.f(1) == module.A.b == 1
    assert not {"time", "json"} & set(vars(module))


def test_every_function_of_a_cell_gets_what_it_needs_and_shows_its_source(notebook):
    first = "def f():\n    return math.floor(2.5)\n"
    second = "def g():\n    return [fractions.Fraction(1, k) for k in (1, 2)]\n"
    name = notebook("09-two", ("import math, fractions", []), (f"{first}\n\n{second}", ["export"]))
    module = exported.from_notebook(name)
    assert module.f() == 2 and len(module.g()) == 2
    assert (inspect.getsource(module.f), inspect.getsource(module.g)) == (first, second)


def test_a_cell_that_no_parser_takes_is_as_if_it_were_empty(notebook):
    name = notebook("09-null", ("x = '\0'", []), ("import math", []), ("f = lambda: math.floor(2.5)", ["export"]))
    assert exported.from_notebook(name).f() == 2


def test_shell_magics_break_nothing(notebook):
    name = notebook(
        "09-magics",
        ("%matplotlib inline\n!echo {x}\nfiles = !ls\nimport math", []),
        ("%%bash\nimport what", []),
        ("import fractions\nthis is no Python", []),
        ("x = %timeit -o 1\nmath?\nfrom statistics import mean", []),
        ("def f():\n    return math.pi, mean([1, 3])", ["export"]),
    )
    assert exported.from_notebook(name).f() == (pytest.approx(3.14159, abs=1e-5), 2)


def test_what_goes_wrong_is_said(notebook):
    with pytest.raises(FileNotFoundError, match="no notebook '07-none'"):
        exported.from_notebook("07-none")
    with pytest.raises(ValueError, match="no cell tagged 'export'"):
        exported.from_notebook(notebook("09-empty", ("x = 1", [])))
    with pytest.raises(ImportError, match="cell 1 of notebook '09-bad' fails: division"):
        exported.from_notebook(notebook("09-bad", ("x = 1", []), ("1 / 0", ["export"])))
    with pytest.raises(ImportError, match="cell 1 of notebook '09-worse' fails: .*invalid syntax"):
        exported.from_notebook(notebook("09-worse", ("x = 1", []), ("this is no Python", ["export"])))
    with pytest.raises(ImportError, match="an import in cell 0 of notebook '09-lacking' fails: No module"):
        lacking = ("import no_such_package", []), ("f = lambda: no_such_package", ["export"])
        exported.from_notebook(notebook("09-lacking", *lacking))


@pytest.mark.parametrize("path", sorted(exported.NOTEBOOKS.glob("[0-9]*.ipynb")), ids=lambda path: path.stem)
def test_no_definition_of_ours_hides_an_import(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if "export" in cell.metadata.get("tags", ()):
            hidden = [line for line in cell.source.splitlines() if line.startswith((" ", "\t"))]
            assert not [line for line in hidden if line.split()[:1] in (["import"], ["from"])], cell.source


def test_markov_is_exported():
    module = exported.from_notebook("01-markov")
    assert {
        "compose",
        "tempered",
        "windows",
        "count",
        "losses",
        "witten_bell",
        "remember",
        "recall",
        "recall_all",
    } <= set(vars(module))


def test_a_file_that_is_no_notebook_is_said_by_name(notebook, tmp_path):
    export = '{"cells": [{"cell_type": "code", "source": %s, "metadata": {"tags": ["export"]}}]}'
    for text in ("", "{}", "[1]", '{"cells": [1]}', '{"cells": [{"cell_type": "code"}]}', export % "null"):
        (tmp_path / "torn.ipynb").write_text(text)
        with pytest.raises(ValueError, match="torn.ipynb is no notebook that can be read"):
            exported.from_notebook("torn")
    (tmp_path / "torn.ipynb").write_text(export % '"a\\u0000b"')
    with pytest.raises(ImportError, match="exported cell 0 of notebook 'torn' fails"):
        exported.from_notebook("torn")

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


def test_what_goes_wrong_is_said(notebook):
    with pytest.raises(FileNotFoundError, match="no notebook '07-none'"):
        exported.from_notebook("07-none")
    with pytest.raises(ValueError, match="no cell tagged 'export'"):
        exported.from_notebook(notebook("09-empty", ("x = 1", [])))
    with pytest.raises(ImportError, match="cell 1 of notebook '09-bad' fails: division"):
        exported.from_notebook(notebook("09-bad", ("x = 1", []), ("1 / 0", ["export"])))


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

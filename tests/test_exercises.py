"""`check`, and that each stored answer is what the solution notebook computes."""

import json
import math
import re
import warnings
from fractions import Fraction
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from helpers import exercises, exported

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
ANSWERS = {
    "9.1": {"value": 2.69, "tolerance": 0.005, "about": "nats per note"},
    "9.2": {"value": [[1.5, 2], [3, 4]]},
    "9.3": {"value": "WaveNet"},
    "9.4": {"value": True},
    "9.5": {"value": 12},
    "9.6": {"value": [3, "G", [1, 2]]},
    "9.7": {"function": "twice", "tries": [[[1, 2, 3]], [{"random": [2, 3]}], [0.5]]},
    "9.8": {"function": "name_of", "tries": [[60], [61]]},
    "9.9": {"function": "both", "tries": [[{"random": [3]}, {"random": [3]}]], "tolerance": 1e-9},
}
FUNCTIONS = """import math
def twice(x):
    return 2 * x
def name_of(pitch):
    return "C" if pitch == 60 else "C sharp"
def both(x, y):
    return x + y, x.dot(y)"""


@pytest.fixture
def answer(tmp_path, monkeypatch, capsys):
    """`check`, which returns what it says about the exercises of a notebook 09 of our own."""
    book = nbformat.v4.new_notebook(metadata={"exercises": ANSWERS})
    book.cells.append(nbformat.v4.new_code_cell(FUNCTIONS, metadata={"tags": ["export"]}))
    (tmp_path / "solutions").mkdir()
    nbformat.write(book, tmp_path / "solutions" / "09-test.ipynb")
    other = nbformat.v4.new_notebook(metadata={"exercises": {"10.2": {"value": 1}}})
    nbformat.write(other, tmp_path / "solutions" / "10-other.ipynb")
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "solutions" / "11-none.ipynb")
    monkeypatch.setattr(exported, "NOTEBOOKS", tmp_path)
    exported.from_notebook.cache_clear()

    def said(number, yours):
        assert exercises.check(number, yours) is None
        text = capsys.readouterr().out
        assert text.startswith(f"{number}: ") and text.count("\n") == 1
        return text.removeprefix(f"{number}: ").strip()

    yield said
    exported.from_notebook.cache_clear()


@pytest.mark.parametrize(
    "number, yours",
    [
        ("9.1", 2.6937),
        ("9.1", torch.tensor(2.69, requires_grad=True)),
        ("9.1", np.float32(2.69)),
        ("9.1", [[2.69]]),
        ("9.1", Fraction(269, 100)),
        ("9.2", [[1.5, 2], [3, 4]]),
        ("9.2", [[1.5, 2], [3, 4.000003]]),  # to six digits
        ("9.2", torch.tensor([[1.5, 2], [3, 4]])),
        ("9.2", [torch.tensor([1.5, 2]), np.array([3, 4])]),
        ("9.3", "WaveNet"),
        ("9.4", np.True_),
        ("9.5", 12.0),
        ("9.6", (3, "G", torch.tensor([1, 2]))),
        ("9.7", lambda x: x + x),
        ("9.7", lambda x: 2 * torch.arange(9)[x] if torch.is_tensor(x) and x.ndim == 1 else 2 * x),  # whole numbers
        ("9.8", lambda pitch: "C" + " sharp" * (pitch - 60)),
        ("9.9", lambda x, y: [y + x, (x * y).sum()]),
    ],
)
def test_right(answer, number, yours):
    assert answer(number, yours) == "right"


@pytest.mark.parametrize(
    "number, yours, says",
    [
        ("9.1", 2.6, "too small (nats per note)"),
        ("9.1", float("inf"), "too large (nats per note)"),
        ("9.5", 11, "too small"),
        ("9.5", 12.0001, "too large"),
        ("9.2", [[1, 2, 3]], "wrong, the shape should be (2, 2), yours is (1, 3)"),
        ("9.2", [1.5, 2, 3, 4], "wrong, the shape should be (2, 2), yours is (4,)"),
        ("9.2", [[1, 2], [3, 3.9]], "too small"),
        ("9.2", [[1.50001, 2], [3, 4]], "too large"),
        ("9.2", [[1, 2], [3, 5]], "wrong in 2 of 4 places"),
        ("9.3", "LSTM", "wrong"),
        ("9.4", False, "wrong"),
        ("9.6", [3, "G"], "wrong, it should have 3 parts, yours has 2"),
        ("9.6", [3, "G", [1, 3]], "wrong in part 3: too large"),
        ("9.6", [3, ..., [1, 3]], "wrong in part 2: it is missing"),
        ("9.7", lambda x: x, "on try 1 of 3 too small"),
        ("9.7", lambda x: [1, 2], "on try 1 of 3 wrong, the shape should be (3,), yours is (2,)"),
        ("9.7", lambda x: 2 * x if isinstance(x, float) or x.ndim == 1 else x.T, "on try 2 of 3 wrong, the shape "),
        ("9.7", lambda x: "2 x", "on try 1 of 3 wrong: the answer is a number or an array, and yours is a str."),
        ("9.7", lambda x: float("nan") * x, "on try 1 of 3 wrong: your answer is NaN"),
        ("9.8", lambda pitch: "C", "on try 2 of 2 wrong"),
        ("9.8", lambda: "C", "your function fails on try 1 of 2: TypeError: "),
        ("9.9", lambda x, y: (x + y, x.dot(x)), "on try 1 of 1 wrong in part 2: too "),
        ("9.9", lambda x, y: (x + y,), "on try 1 of 1 wrong, it should have 2 parts, yours has 1"),
    ],
)
def test_wrong_says_where_to_look_and_never_the_answer(answer, number, yours, says):
    said = answer(number, yours)
    assert said.startswith(says)
    assert "2.69" not in said and "12" not in said and "WaveNet" not in said and "sharp" not in said


def unwritten(x):
    raise NotImplementedError


@pytest.mark.parametrize(
    "number, yours", [("9.1", ...), ("9.2", None), ("9.7", lambda x: ...), ("9.7", lambda x: None), ("9.7", unwritten)]
)
def test_a_stub_is_not_yet_an_answer(answer, number, yours):
    assert answer(number, yours).startswith("not yet")


@pytest.mark.parametrize(
    "number, yours, says",
    [
        ("9.10", 1, r"no exercise '9\.10' to check; there is 9\.1, 9\.2, .*9\.9\.$"),
        ("10.1", 1, r"no exercise '10\.1' to check; there is 10\.2\.$"),
        ("11.1", 1, r"no exercise '11\.1' to check; there is 9\.1, .*9\.9, 10\.2\.$"),
        (9.1, 1, r"no exercise 9\.1 to check"),
        ("9.1", float("nan"), r"exercise 9\.1: your answer is NaN, not a number"),
        ("9.2", [[1.5, float("nan")], [3, 4]], r"exercise 9\.2: your answer is NaN"),
        ("9.1", "2.69", r"exercise 9\.1: the answer is a number or an array, and yours is a str\.$"),
        ("9.1", True, r"the answer is a number or an array, and yours is a bool\.$"),
        ("9.1", abs, r"the answer is a number or an array, and yours is a function\.$"),
        ("9.1", [1, 2], r"the answer is a single number, and yours has the shape \(2,\)\.$"),
        ("9.2", [[1, 2], [3]], r"the answer is an array, and yours has rows of different shapes\.$"),
        ("9.3", 5, r"the answer is text, and yours is an int\.$"),
        ("9.4", 1, r"the answer is True or False, and yours is an int\.$"),
        ("9.6", 3, r"the answer is a list of 3 parts, and yours is an int\.$"),
        ("9.7", 3, r"exercise 9\.7 asks for a function, and yours is an int; give its name alone\.$"),
    ],
)
def test_what_cannot_be_checked_is_refused_in_one_sentence(answer, number, yours, says):
    with pytest.raises(ValueError, match=says) as error:
        answer(number, yours)
    assert "\n" not in str(error.value)


def test_infinity_is_equal_to_itself_and_makes_no_warning():
    with warnings.catch_warnings(action="error"):
        assert exercises._verdict([1, -math.inf], [1, -math.inf], None) == ""
        assert exercises._verdict([1, -math.inf], [1, 2], None) == "too large"


def test_a_function_that_changes_what_it_is_given_harms_nobody(answer):
    def in_place(x):
        if isinstance(x, float):
            return 2 * x
        x *= 2
        return x

    assert answer("9.7", in_place) == answer("9.7", in_place) == "right"


def checked(path):
    """(number, cell) for each `check` in a notebook's code."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            for number in re.findall(r"(?m)\bcheck\(\s*[\"']([^\"']+)[\"']", "".join(cell["source"])):
                yield number, cell


def stored(path):
    return json.loads(path.read_text(encoding="utf-8"))["metadata"].get("exercises", {})


def said(cell):
    return "".join("".join(output.get("text", ())) for output in cell["outputs"])


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_a_stored_answer_is_what_its_solution_computes(path):
    proofs = dict(checked(path))
    for number, answer in stored(path).items():
        assert number.partition(".")[0] == str(int(path.name[:2])), f"{number} belongs into another notebook"
        assert number in proofs, f'no cell says check("{number}", ...)'
        assert re.search(rf"(?m)^{re.escape(number)}: right$", said(proofs[number])), (
            f"{number}: {said(proofs[number])}"
        )
        assert "nbval-ignore-output" not in proofs[number]["metadata"].get("tags", ()), (
            f"nbval does not look at {number}"
        )
        assert ("value" in answer) != ("function" in answer and len(answer["tries"]) > 0), number
        assert not isinstance(answer.get("value"), float) or answer.get("tolerance", 0) > 0, f"{number}: how exactly?"
    assert set(proofs) <= set(stored(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_an_exercise_is_one_that_is_stored_and_its_answer_is_not_shown(path):
    solution = path.parent / "solutions" / path.name
    answers = stored(solution) if solution.is_file() else {}
    asked = dict(checked(path))
    assert set(asked) == set(answers)
    for number, cell in asked.items():
        assert f"{number}: not yet" in said(cell), f"{number}: a stub should say that there is no answer yet"
    assert not stored(path)

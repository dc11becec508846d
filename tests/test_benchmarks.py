"""The benchmarks' own logic, on small made-up numbers. No ratio stands in a test."""

import json
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import measuring  # noqa: E402
import page  # noqa: E402
import races  # noqa: E402
import recipes  # noqa: E402

from helpers.songs import Song  # noqa: E402

SLOW = [(1.0, 10, 4.0), (10.0, 100, 3.0), (100.0, 1000, 2.0)]
QUICK = [(0.1, 20, 3.5), (1.0, 200, 2.5), (10.0, 2000, 1.5)]


def test_an_exponent_is_that_of_the_power_law():
    sizes = [10, 100, 1000]
    assert measuring.exponent(sizes, [3 * n**1.5 for n in sizes]) == pytest.approx(1.5)
    with pytest.raises(ValueError, match="none of them 0"):
        measuring.exponent(sizes, [0, 1, 2])
    with pytest.raises(ValueError, match="two or more"):
        measuring.exponent([10], [1])


def test_costs_and_scores_are_read_off_a_curve_between_its_looks():
    assert measuring.cost_of(SLOW, 3.0) == pytest.approx(10) and measuring.cost_of(SLOW, 2.5) == pytest.approx(10**1.5)
    assert measuring.cost_of(SLOW, 2.5, 1) == pytest.approx(10**2.5)
    assert measuring.cost_of(SLOW, 4.5) == 1 and measuring.cost_of(SLOW, 1.9) is None
    assert measuring.score_at(SLOW, 10) == 3 and measuring.score_at(SLOW, 10**1.5) == pytest.approx(2.5)
    assert measuring.score_at(SLOW, 0.5) is None and measuring.score_at(SLOW, 1e6) == 2
    worse_at_the_end = [*SLOW, (200.0, 2000, 2.7)]
    assert measuring.score_at(worse_at_the_end, 200) == 2  # the best so far is what counts


def test_a_verdict_compares_at_the_recipes_own_final_score_and_at_equal_cost():
    found = races.verdict(SLOW, QUICK)
    assert found["score"] == 2 and found["seconds"] == pytest.approx(100)
    assert found["our seconds"] == pytest.approx(10**0.5) and found["ratio"] == pytest.approx(10**1.5)
    assert found["at equal seconds"] == [10.0, 3.0, 1.5]
    assert found["at equal tokens"] == [1000, 2.0, pytest.approx(2.5 - 0.69897)]
    assert races.verdict(QUICK, SLOW)["ratio"] is None


def noisy(name, slices):
    """A racer whose every score depends on the random numbers that it drew."""
    drawn = []

    def work():
        for k in range(slices):
            drawn.append(torch.rand(()).item())
            yield k + 1

    return measuring.Racer(name, work(), lambda: drawn[-1], slices)


def test_a_racer_runs_by_turns_as_it_would_alone():
    alone, one, other = noisy("one", 4), noisy("one", 4), noisy("other", 8)
    measuring.race([alone])
    turns = []
    measuring.race([one, other], turns.append)
    assert [score for *_, score in one.curve] == [score for *_, score in alone.curve]
    assert [turn.partition(":")[0] for turn in turns[:6]] == ["one", "other", "other", "one", "other", "other"]


def test_what_moved_by_more_than_a_third_is_said():
    raced = {name: {"ratio": 10.0} for name in ("counting", "softmax", *page.RACED)}
    stored = {"races": raced | {"generation": {"500": {"ratio": 30.0}}}, "limits": {"near": {"LSTM": {"share": 0.6}}}}
    now = json.loads(json.dumps(stored))
    now["races"]["lstm"]["ratio"], now["races"]["mit"]["ratio"] = 13.2, 6.6
    now["races"]["softmax"]["ratio"] = None
    assert page.moved(stored, stored) == []
    assert page.moved(stored, now) == ["softmax: gone.", "mit: 10 before, 6.6 now."]


def test_a_race_that_is_never_won_is_no_headline_and_missed():
    results, whole = page.load()
    lost = whole | {"lstm": whole["lstm"] | {"ratio": None}}
    assert page.headlines(results, whole)["lstm"] and page.headlines(results, lost)["lstm"] is None
    row = next(line for line in page.aims_section(results, lost).splitlines() if page.IN_WORDS["lstm"] in line)
    assert "never | **no**" in row and "**never**" in page.recipes_section(results["races"], lost)
    markers = f"{page.BEGIN}{page.END}"
    assert page.IN_WORDS["lstm"] not in page.readme(markers, results, lost)


def test_numbers_are_short_and_seconds_have_a_unit_that_fits():
    assert [page.short(x) for x in (None, 0.0372, 4.25, 37.4, 1849.0, 0.0, 10)] == [
        *("–", "0.037", "4.2", "37", "1,800", "0", "10"),
    ]
    assert [page.seconds(x) for x in (None, 2e-5, 0.0032, 1.5, 700, 7200)] == [
        *("never", "20 µs", "3.2 ms", "1.5 s", "12 min", "2 h"),
    ]


def test_the_page_and_the_readme_say_what_was_stored():
    results, whole = page.load()
    assert page.is_whole(results)
    again = "run: python benchmarks/page.py"
    assert page.PAGE.read_text(encoding="utf-8") == page.markdown(results, whole), again
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text == page.readme(text, results, whole), again
    assert sum(path.stat().st_size for path in page.HERE.glob("*.png")) < 300_000
    with pytest.raises(ValueError, match="must hold the lines"):
        page.readme("no markers", results, whole)


def test_songs_are_spelled_as_the_recipes_want_them():
    assert recipes.in_abc(Song.from_tiny("4/4 c4 d8 r8 c'2")) == "C4 D2 z2 c8\n"
    x, y = recipes.windows([torch.tensor([0, 5, 6, 0]), torch.tensor([0, 7, 0])], 2)
    assert x.tolist() == [[0, 0], [0, 5], [5, 6], [0, 0], [0, 7]] and y.tolist() == [5, 6, 0, 7, 0]


def test_the_recipes_have_the_shapes_of_their_publications():
    count = lambda model: sum(weight.numel() for weight in model.parameters())
    m, lstm = 36, lambda inputs, hidden: 4 * hidden * (inputs + hidden + 2)
    x = torch.randint(0, m, (3, 64))
    classic, wide, lab = recipes.LastPosition(m), recipes.LastPosition(m, 256, one_hot=True), recipes.Characters(m)
    assert count(classic) == m * m + lstm(m, 128) + 129 * m and classic(x).shape == (3, m)
    assert count(wide) == lstm(m, 256) + 257 * m and wide(x).shape == (3, m)
    assert count(lab) == 256 * m + lstm(256, 1024) + 1025 * m and lab(x)[0].shape == (3, 64, m)
    pooled = recipes.Pooled(m).eval()
    convolutions = 3 * (100 * 64 + 64 * 128 + 128 * 256) + 64 + 128 + 256
    assert count(pooled) == 100 * m + convolutions + 257 * 256 + 257 * m and pooled(x[:, :32]).shape == (3, m)


def test_looks_are_ever_further_apart_and_include_the_end():
    assert sorted(recipes.every(1000, 3)) == [10, 100, 1000] and max(recipes.every(348)) == 348
    fed = iter(range(1, 100))
    work, slices = recipes.sliced(16, lambda: next(fed), 2)
    assert list(work) == [1 + 2 + 3 + 4, sum(range(1, 17))] and slices == 2

"""Notebook 08: what composes is what was scored, and the benchmark's data are read as published."""

import json
import sys
from pathlib import Path

import pytest
import torch

from helpers.exported import from_notebook
from helpers.moments import to_tokens

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))


@pytest.fixture(scope="module")
def poly():
    return from_notebook("08-polyphony")


@pytest.fixture(scope="module")
def pieces():
    dice = torch.Generator().manual_seed(0)
    chord = lambda: tuple(sorted(set(torch.randint(30, 60, (3,), generator=dice).tolist()), reverse=True))
    lines = [[chord() for _ in range(6)] for _ in range(4)]
    return [[*line, *line, (), line[0]] for line in lines]  # with repetitions, and a rest


def test_the_chain_composes_with_the_probabilities_that_it_was_scored_by(poly, pieces):
    counted = poly.Counted.fit(pieces[:2], pieces[2:3])
    agree(poly, counted.next_p, counted.p(pieces[3:])[1], pieces[3])


def test_the_network_composes_with_the_probabilities_that_it_was_scored_by(poly, pieces):
    torch.manual_seed(0)
    model = poly.Speller(d=16, layers=1, heads=2, hidden=16)
    for weights in (model.run.weight, model.reader.bias.weight):
        torch.nn.init.normal_(weights)  # they begin as nothing
    agree(poly, lambda piece, said: poly.next_p(model, piece, said), poly.token_p(model, pieces[3:]), pieces[3])


def agree(poly, next_p, scored, piece):
    scored = scored.tolist()
    for t, moment in list(enumerate(piece))[1:]:
        for rank, token in enumerate((*moment, 0)):
            p = next_p(piece[:t], moment[:rank])
            assert p.sum().item() == pytest.approx(1, abs=1e-5)
            assert p[token].item() == pytest.approx(scored.pop(0), abs=1e-6)
    assert not scored


def test_no_moment_sees_what_comes_after_it(poly, pieces):
    torch.manual_seed(0)
    model = poly.Speller(d=16, layers=2, heads=2, hidden=16).eval()
    torch.nn.init.normal_(model.run.weight)
    y, _ = to_tokens(pieces[:1])
    other = y.clone()
    other[:, 7:] = other[:, 7:].flip(1)
    with torch.no_grad():
        assert torch.equal(model(y)[:, :7], model(other)[:, :7])
        for moment in range(1, 7):  # one at a time as all at once
            parts = zip(model.parts(y), model.parts(y, slice(moment, moment + 1)), strict=True)
            (own, one), *_ = parts
            assert torch.allclose(own[:, moment].exp(), one[:, 0].exp(), atol=1e-5)


def test_composing_keeps_the_beginning_and_spells_from_high_to_low(poly, pieces):
    counted = poly.Counted.fit(pieces[:2], pieces[2:3])
    piece = poly.compose_moments(counted.next_p, pieces[3][:2], 9, 1.0, seed=3)
    assert piece[:2] == pieces[3][:2] and len(piece) == 9
    assert all(list(moment) == sorted(set(moment), reverse=True) and 0 not in moment for moment in piece)
    assert piece == poly.compose_moments(counted.next_p, pieces[3][:2], 9, 1.0, seed=3)


def test_a_file_with_another_checksum_is_refused(tmp_path, monkeypatch):
    import polyphony

    (tmp_path / "JSB_Chorales.mat").write_bytes(b"something else")
    monkeypatch.setenv("NOTES_BENCHMARK", str(tmp_path))
    with pytest.raises(ValueError, match="it should be ac0e6085"):
        polyphony.path_of("JSB_Chorales.mat")


def test_the_results_are_those_of_the_recipe():
    import polyphony

    card = json.loads((ROOT / "models" / "benchmark.json").read_text(encoding="utf-8"))
    assert card["sha256"] == polyphony.SHA256 and card["published"] == polyphony.PUBLISHED
    assert card["training"] == polyphony.HOW
    for name, recipe in polyphony.RECIPES.items():
        assert recipe.items() <= card[name]["recipe"].items()
        test = card[name]["scores"]["test"]
        assert test["network and counted"] < min(test["network"], test["counted, in-song memory"])
        assert test["counted, in-song memory"] < test["counted"]
        assert test["counted, in-song memory"] < test["counted as they stand, in-song memory"]


def test_pieces_in_twelve_keys_keep_their_intervals_and_the_piano(poly, pieces):
    high = [(88, 84), (85,)]
    moved = poly.in_twelve_keys([pieces[0], high])
    by = lambda one, other: {a - b for m, n in zip(one, other, strict=True) for a, b in zip(m, n, strict=True)}
    for piece, top in ((pieces[0], 6), (high, 0)):
        mine = [by(p, piece) for p in moved if len(p) == len(piece)]
        assert sorted(map(list, mine)) == [[k] for k in range(-5, top + 1)]


def test_the_chain_in_twelve_keys_knows_a_piece_in_another_key(poly, pieces):
    twelve = poly.Counted.fit(poly.in_twelve_keys(pieces[:2]), pieces[2:3])
    printed = poly.Counted.fit(pieces[:2], pieces[2:3])
    moved = [tuple(note + 3 for note in moment) for moment in pieces[0]]
    gap = lambda chain: [poly.nats_per_frame(chain.p([piece])[0], [piece]) for piece in (pieces[0], moved)]
    (known, other), (here, there) = gap(twelve), gap(printed)
    assert abs(known - other) < 0.2 * (there - here)

import json

import pytest
import torch

from helpers import checkpoints

CARD = {
    "notebook": "09-test",
    "class": "Net",
    "hyperparameters": {"width": 3},
    "vocabulary": [".", "60/4"],
    "data": "two notes",
    "seed": 0,
    "scores": {"test_nats_per_note": 1.5},
}


class Net(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = torch.nn.Linear(width, 2)


def test_a_model_comes_back_as_it_was(tmp_path):
    model = Net(3).train()
    path = checkpoints.save(model, "net", CARD, tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net.json", "net.safetensors"] and path.is_file()
    loaded, card = checkpoints.load("net", Net, tmp_path)
    assert torch.equal(loaded.layer.weight, model.layer.weight)
    assert not loaded.training
    assert {key: card[key] for key in CARD} == CARD


def test_what_does_not_fit_is_said(tmp_path):
    checkpoints.save(Net(3), "net", CARD, tmp_path)
    with pytest.raises(FileNotFoundError, match="no checkpoint 'nets'.*there is net"):
        checkpoints.load("nets", Net, tmp_path)
    with pytest.raises(ValueError, match=r"'layer.weight' is \(2, 3\) in the file and \(2, 5\) in the model"):
        checkpoints.load("net", lambda width: Net(5), tmp_path)
    with pytest.raises(ValueError, match="lacks vocabulary, seed"):
        checkpoints.save(Net(3), "net", {key: CARD[key] for key in CARD if key not in ("seed", "vocabulary")}, tmp_path)
    checkpoints.save(Net(3), "other", CARD, tmp_path)
    (tmp_path / "other.json").rename(tmp_path / "net.json")
    with pytest.raises(ValueError, match="not the file that net.json describes"):
        checkpoints.load("net", Net, tmp_path)


def test_a_failed_save_keeps_the_old_checkpoint(tmp_path):
    checkpoints.save(Net(3), "net", CARD, tmp_path)
    before = (tmp_path / "net.safetensors").read_bytes()
    with pytest.raises(TypeError):
        checkpoints.save(Net(3), "net", CARD | {"seed": object()}, tmp_path)
    assert (tmp_path / "net.safetensors").read_bytes() == before
    assert json.loads((tmp_path / "net.json").read_text())["seed"] == 0


def test_a_card_that_is_none_is_said_by_name(tmp_path):
    path = checkpoints.save(Net(3), "net", CARD, tmp_path).with_suffix(".json")
    whole = json.loads(path.read_text())
    for text in ("", "[]", "null", "[" * 100_000, "\x00"):
        path.write_text(text)
        with pytest.raises(ValueError, match="net.json is no card that can be read"):
            checkpoints.load("net", Net, tmp_path)
    path.write_text(json.dumps({key: whole[key] for key in whole if key != "hyperparameters"}))
    with pytest.raises(ValueError, match="net.json has no hyperparameters; take it again"):
        checkpoints.load("net", Net, tmp_path)
    for settings in ({"height": 3}, {"width": "3"}, [3], {"width": -1}):
        path.write_text(json.dumps(whole | {"hyperparameters": settings}))
        with pytest.raises(ValueError, match="net.json describes no model that can be built"):
            checkpoints.load("net", Net, tmp_path)


def test_a_card_names_a_notebook_of_the_project_and_no_other_file(tmp_path):
    path = checkpoints.save(Net(3), "net", CARD, tmp_path).with_suffix(".json")
    cell = {"cell_type": "code", "source": "raise SystemExit", "metadata": {"tags": ["export"]}}
    (tmp_path / "evil.ipynb").write_text(json.dumps({"cells": [cell]}))
    for name in (str(tmp_path / "evil"), "../notebooks/01-markov", ["01-markov"], None):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"notebook": name, "class": "Net"}))
        with pytest.raises((ValueError, FileNotFoundError), match="no model that can be built|there is no notebook"):
            checkpoints.load("net", folder=tmp_path)

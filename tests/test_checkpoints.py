import json
from types import SimpleNamespace

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


def test_a_card_can_be_read_by_people_and_lies_in_a_new_folder(tmp_path):
    path = checkpoints.save(Net(3), "net", CARD | {"data": "Wanderlieder für zwei"}, tmp_path / "new" / "and newer")
    lines = path.with_suffix(".json").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["{", ' "notebook": "09-test",'] and ' "data": "Wanderlieder für zwei",' in lines


def test_weights_without_a_card_are_no_checkpoint(tmp_path):
    checkpoints.save(Net(3), "net", CARD, tmp_path).with_suffix(".json").unlink()
    with pytest.raises(FileNotFoundError, match="there is no checkpoint 'net' in .*; there is net"):
        checkpoints.load("net", Net, tmp_path)


def test_a_model_goes_where_it_is_wanted(tmp_path):
    checkpoints.save(Net(3), "net", CARD, tmp_path)
    assert checkpoints.load("net", Net, tmp_path, device="meta").model.layer.weight.device.type == "meta"


def test_a_tensor_that_only_one_of_them_has_does_not_fit(tmp_path):
    class Wider(Net):
        def __init__(self, width):
            super().__init__(width)
            self.more = torch.nn.Linear(2, 2, bias=False)

    checkpoints.save(Net(3), "net", CARD, tmp_path)
    with pytest.raises(ValueError, match=r"does not fit Wider: 'more.weight' is nothing in the file and \(2, 2\) in"):
        checkpoints.load("net", Wider, tmp_path)
    checkpoints.save(Wider(3), "wide", CARD, tmp_path)
    with pytest.raises(ValueError, match=r"'more.weight' is \(2, 2\) in the file and nothing in the model"):
        checkpoints.load("wide", Net, tmp_path)


def test_the_class_that_a_card_names_is_built_without_numbers_first(tmp_path, monkeypatch):
    """A stranger's card may ask for any size; only what fits the file gets numbers."""
    places = []

    class Watched(Net):
        def __init__(self, width):
            super().__init__(width)
            places.append(self.layer.weight.device.type)

    exported = SimpleNamespace(Net=Watched, no_network=dict, no_class=print)
    monkeypatch.setattr(checkpoints, "from_notebook", {"09-test": exported}.get)
    model = Watched(3)
    path = checkpoints.save(model, "net", CARD, tmp_path).with_suffix(".json")
    places.clear()
    loaded = checkpoints.load("net", folder=tmp_path).model
    assert places == ["meta", "cpu"] and type(loaded) is Watched
    assert torch.equal(loaded.layer.weight, model.layer.weight)
    places.clear()
    checkpoints.load("net", Watched, tmp_path)
    assert places == ["cpu"]
    for name in ("no_network", "no_class", "not_there"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"class": name}))
        with pytest.raises(ValueError, match=f"can be built: 09-test exports no network '{name}'"):
            checkpoints.load("net", folder=tmp_path)

"""The scores on a shipped checkpoint's card are what its weights give."""

import pytest
import torch

from helpers import checkpoints
from helpers.corpus import load_essen
from helpers.datasets import split_by_family
from helpers.encoders import NoteEncoder, StringToIntEncoder
from helpers.exported import from_notebook
from helpers.metrics import nats_per_note

NOTES = NoteEncoder()


def test_every_checkpoint_has_a_card_and_fits_its_notebook():
    names = sorted(path.stem for path in checkpoints.MODELS.glob("*.safetensors"))
    assert "02-fnn" in names
    for name in names:
        model, card = checkpoints.load(name)
        assert not model.training
        assert (
            card["training"] and card["scores"]["test_nats_per_note_with_memory"] < card["scores"]["test_nats_per_note"]
        )


@pytest.mark.parametrize("name", ["validation", "test"])
def test_scores_of_02_fnn(name):
    fnn, markov = from_notebook("02-fnn-gradcheck"), from_notebook("01-markov")
    model, card = checkpoints.load("02-fnn")
    alphabet = StringToIntEncoder(card["vocabulary"])
    songs = getattr(split_by_family([song.in_c() for song in load_essen("erk").songs]), name)
    ids = [torch.tensor(alphabet.encode(NOTES.encode(song))) for song in songs]
    data = fnn.examples(songs, ids, model.t, fnn.durations(alphabet))
    per_note = fnn.loss_per_note(model, data)
    per_song = [part.sum().item() for part in per_note.split([len(sequence) - 1 for sequence in ids])]
    scores = card["scores"]
    assert nats_per_note(per_song, songs) == pytest.approx(scores[f"{name}_nats_per_note"], abs=1e-4)
    p = (-per_note).exp().double()
    remembered = markov.remember(p, *markov.recall_songs(ids), scores["memory_strengths"])
    assert -remembered.log().mean().item() == pytest.approx(scores[f"{name}_nats_per_note_with_memory"], abs=1e-4)
    if name == "test":
        assert scores["test_nats_per_note"] < 2.5


@pytest.fixture(scope="module")
def network():
    """The notebook's definitions, the shipped network, and one song in three forms."""
    fnn = from_notebook("02-fnn-gradcheck")
    model, card = checkpoints.load("02-fnn")
    alphabet = StringToIntEncoder(card["vocabulary"])
    song = load_essen("erk").songs[3].in_c()
    return fnn, model, song, torch.tensor(alphabet.encode(NOTES.encode(song))), fnn.durations(alphabet)


def test_the_network_sees_nothing_of_the_future(network):
    fnn, model, song, ids, steps = network
    other = ids.clone()
    other[20:] = other[20:].flip(0)
    rows = [fnn.examples([song], [sequence], model.t, steps) for sequence in (ids, other)]
    with torch.no_grad():
        here, there = (model(x, z) for x, _, z in rows)
    assert torch.equal(here[:20], there[:20]) and not torch.equal(here[21:], there[21:])


def test_next_note_gives_the_probabilities_that_were_scored(network):
    fnn, model, song, ids, steps = network
    scored = fnn.loss_per_note(model, fnn.examples([song], [ids], model.t, steps))
    next_p = fnn.next_note(model, steps, song)
    one_by_one = [-next_p(ids[:k].tolist())[ids[k]].log().item() for k in range(1, len(ids))]
    assert one_by_one == pytest.approx(scored.tolist(), abs=1e-4)

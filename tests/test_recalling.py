"""The in-song memory from note to note: 01's `recall`, without searching the song again."""

import random

import pytest
import torch

from helpers.exported import from_notebook
from helpers.recalling import Recall


@pytest.mark.parametrize("m", [2, 5])
def test_it_gives_what_notebook_01_counts(m):
    markov, dice, recalled, history = from_notebook("01-markov"), random.Random(m), Recall(m), [0]
    for _ in range(60):
        assert torch.equal(recalled(history), markov.recall(history, m))
        history += [dice.randrange(m) for _ in range(dice.choice((1, 1, 3)))]
    for other in ([0, 1, 1, 0, 1, 1], [0], [0, 1, 0, 1], []):  # another song, in the middle and shorter
        assert torch.equal(recalled(other), markov.recall(other, m))


def test_it_learns_each_token_once(monkeypatch):
    learned, learn = [], Recall._learn
    monkeypatch.setattr(Recall, "_learn", lambda self, token: learned.append(token) or learn(self, token))
    markov = from_notebook("01-markov")
    even = torch.full((9,), 1 / 8, dtype=torch.float64)
    even[0] = 0  # no terminal: the song gets as long as it may
    with_memory = markov.with_memory(lambda history: even, 9, markov.STRENGTHS)
    song = markov.compose(with_memory, max_length=200, seed=1)
    assert len(song) > 150 and learned == song[:-1]  # a search would look at some 20,000

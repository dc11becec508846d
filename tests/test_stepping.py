"""torch's LSTM, one token at a time."""

import pytest
import torch

from helpers.exported import from_notebook
from helpers.stepping import LSTM


@pytest.mark.parametrize("layers, batch", [(1, 1), (1, 3), (3, 2)])
def test_it_gives_what_torchs_gives_from_the_same_weights(layers, batch):
    torch.manual_seed(0)
    theirs = torch.nn.LSTM(5, 7, layers, batch_first=True, dropout=0.5 * (layers > 1)).eval()
    ours = LSTM(5, 7, layers, batch_first=True, dropout=0.5 * (layers > 1)).eval()
    ours.load_state_dict(theirs.state_dict())
    x, states = torch.randn(batch, 12, 5), [None, None]
    with torch.inference_mode():
        for k in [slice(0, 4), *(slice(k, k + 1) for k in range(4, 12))]:
            (h, states[0]), (own, states[1]) = theirs(x[:, k], states[0]), ours(x[:, k], states[1])
            assert h.shape == own.shape and torch.allclose(h, own, atol=1e-6)
            for one, other in zip(*states, strict=True):
                assert one.shape == other.shape and torch.allclose(one, other, atol=1e-6)


def test_only_single_tokens_outside_training_go_by_cells(monkeypatch):
    calls, cell = [], torch.lstm_cell
    monkeypatch.setattr(torch, "lstm_cell", lambda *weights: calls.append(1) or cell(*weights))
    model = from_notebook("03-lstm").LSTMModel(9, 8, 2, 9, dropout=0.5)
    x = torch.randint(0, 9, (2, 6))
    state = model(x)[1]
    model(x[:, :1], state)[0].sum().backward()
    assert not calls and model.lstm.weight_ih_l0.grad is not None
    model.eval()
    with torch.no_grad():
        model(x, state)
        model(x[:, :1])
        assert not calls
        model(x[:, :1], state)
    assert len(calls) == 2  # layers

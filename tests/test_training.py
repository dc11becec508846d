"""What surrounds a training loop does not change its steps, and an interruption costs nothing."""

import functools
import io

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from helpers import files, training
from helpers.training import loop

ROWS = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
BATCHES = DataLoader(TensorDataset(ROWS, ROWS.sum(1, keepdim=True)), 8, shuffle=True)  # 5 an epoch
fit = functools.partial(training.fit, progress=False)


def network(width=4):
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, width), torch.nn.Dropout(0.3), torch.nn.Linear(width, 1))


def loss(model, x, y):
    return (model(x) - y).square().mean()


def validate(model):
    model.eval()
    with torch.no_grad():
        return loss(model, ROWS, ROWS.sum(1, keepdim=True)).item()


def same(one, other):
    return all(torch.equal(w, other.state_dict()[name]) for name, w in one.state_dict().items())


def interrupted(steps):
    """The loss, until the plug is pulled."""
    left = iter(range(steps))

    def until(model, x, y):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return loss(model, x, y)

    return until


def plain_loop(model, optimizer, schedule=None, epochs=3, clip=None):
    for epoch in range(epochs):
        torch.manual_seed(epoch)
        model.train()
        for x, y in BATCHES:
            optimizer.zero_grad()
            loss(model, x, y).backward()
            if clip:
                torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            if schedule:
                schedule.step()


def test_the_steps_are_those_of_a_plain_loop():
    by_hand, by_fit = network(), network()
    optimizer = torch.optim.AdamW(by_hand.parameters(), 0.02, weight_decay=0.1)
    plain_loop(by_hand, optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, 15), clip=1.0)
    curve = fit(by_fit, BATCHES, loss, epochs=3, rate=0.02, decay=0.1)
    assert same(by_hand, by_fit) and not same(by_fit, network())
    assert len(curve) == 3 and all(score is None for _, score in curve) and not by_fit.training


def test_another_optimizer_with_and_without_a_schedule():
    for scheduled in (False, True):
        models = network(), network()
        both = [torch.optim.SGD(model.parameters(), 0.01, momentum=0.9) for model in models]
        schedules = [torch.optim.lr_scheduler.ExponentialLR(one, 0.9) if scheduled else None for one in both]
        plain_loop(models[0], both[0], schedules[0])
        fit(models[1], BATCHES, loss, epochs=3, optimizer=both[1], schedule=schedules[1], clip=None)
        assert same(*models)


def test_without_a_seed_the_random_numbers_are_left_alone():
    model = network()
    torch.manual_seed(5)
    fit(model, [(ROWS, ROWS[:, :1])], loss, epochs=2, seed=None)
    after = torch.rand(3)
    torch.manual_seed(5)
    model.train()
    for _ in range(2):
        model(ROWS)
    assert torch.equal(after, torch.rand(3))


def test_a_step_clips_the_gradient_and_returns_the_loss():
    model = torch.nn.Linear(3, 1, bias=False)
    steep = lambda model, x: 100 * model(x).sum()
    for clip, length in ((None, (100 * ROWS.sum(0)).norm().item()), (0.5, 0.5)):
        before = model.weight.detach().clone()
        value = training.step(model, torch.optim.SGD(model.parameters(), 1.0), steep, [ROWS], clip)
        assert (model.weight.detach() - before).norm().item() == pytest.approx(length, rel=1e-4)
        assert not value.requires_grad and value.item() == pytest.approx(100 * (ROWS @ before.T).sum().item(), rel=1e-4)


def test_the_best_weights_are_kept():
    model, seen = network(), []
    scores = iter([3.0, 1.0, 2.0, 1.5])

    def score(model):
        seen.append({name: w.clone() for name, w in model.state_dict().items()})
        return next(scores)

    curve = fit(model, BATCHES, loss, epochs=4, validate=score)
    assert [score for _, score in curve] == [3.0, 1.0, 2.0, 1.5]
    assert all(torch.equal(w, seen[1][name]) for name, w in model.state_dict().items())
    assert not torch.equal(seen[3]["0.weight"], seen[1]["0.weight"])


def test_what_is_resumed_ends_with_the_very_same_weights(tmp_path):
    whole = network()
    curve = fit(whole, BATCHES, loss, epochs=4, validate=validate)
    for steps in (3, 5, 12):  # in the first epoch, after it, in the third
        run = tmp_path / str(steps)
        with pytest.raises(KeyboardInterrupt):
            fit(network(), BATCHES, interrupted(steps), epochs=4, validate=validate, run=run)
        resumed, left = network(), interrupted(20 - steps // 5 * 5)  # whole epochs are not done again
        assert fit(resumed, BATCHES, left, epochs=4, validate=validate, run=run) == curve
        assert same(whole, resumed)
        again = network()  # nothing is left to do
        assert fit(again, BATCHES, interrupted(0), epochs=4, validate=validate, run=run) == curve
        assert same(whole, again)


@pytest.mark.parametrize("half_way", ["write", "rename"])
def test_an_interruption_in_the_middle_of_writing_costs_one_epoch(tmp_path, monkeypatch, half_way):
    whole = network()
    fit(whole, BATCHES, loss, epochs=3, validate=validate)
    fit(network(), BATCHES, loss, epochs=3, validate=validate, run=tmp_path / "other")
    real, calls = getattr(files.os, {"write": "fdopen", "rename": "replace"}[half_way]), []

    class Half(io.FileIO):
        def write(self, data):
            super().write(data[: len(data) // 2])
            raise KeyboardInterrupt

    def stops(*arguments):
        calls.append(arguments)
        if len(calls) < 2:
            return real(*arguments)
        if half_way == "write":
            return Half(*arguments)
        raise KeyboardInterrupt

    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fdopen" if half_way == "write" else "replace", stops)
        with pytest.raises(KeyboardInterrupt):
            fit(network(), BATCHES, loss, epochs=3, validate=validate, run=run)
    names = [file.name for file in run.iterdir() if not file.name.startswith("events.")]
    assert names == ["last.pt"] and len(torch.load(run / "last.pt")["curve"]) == 1
    resumed = network()
    fit(resumed, BATCHES, interrupted(10), epochs=3, validate=validate, run=run)
    assert same(whole, resumed)


def test_tensorboard_reads_what_was_logged_once_for_each_epoch(tmp_path, monkeypatch):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):

        def write(path, data):
            if len(torch.load(io.BytesIO(data))["curve"]) == 2:  # epoch 2 is logged, and not saved
                raise KeyboardInterrupt
            files.write_atomically(path, data)

        patch.setattr(loop, "write_atomically", write)
        fit(network(), BATCHES, loss, epochs=3, validate=validate, run=tmp_path)
    curve = fit(network(), BATCHES, loss, epochs=3, validate=validate, run=tmp_path)
    log = EventAccumulator(str(tmp_path)).Reload()
    assert sorted(log.Tags()["scalars"]) == ["learning rate", "training loss", "validation"]
    for k, name in enumerate(("training loss", "validation")):
        points = log.Scalars(name)
        assert [point.step for point in points] == [0, 1, 2]
        assert [point.value for point in points] == pytest.approx([epoch[k] for epoch in curve])
    highest, _, lowest = (point.value for point in log.Scalars("learning rate"))
    assert 0.003 < highest < 0.004 and lowest < 0.0001


def test_the_bar_goes_to_standard_output(capsys):
    (_, score), *_ = training.fit(network(), BATCHES, loss, epochs=1, validate=validate)
    out, err = capsys.readouterr()
    assert "5/5" in out and f"epoch 1, validation {score:.3f}" in out and not err
    fit(network(), BATCHES, loss, epochs=1)
    assert capsys.readouterr() == ("", "")


def test_what_goes_wrong_is_said(tmp_path):
    fit(network(), BATCHES, loss, epochs=2, run=tmp_path)
    for message, model, options in (
        (r"0.weight was \(4, 3\) there and is \(5, 3\) here. Name another folder", network(5), {}),
        ("the recipe was 2 epochs of 5 steps, .* there and is 3 epochs of 5 steps", network(), {"epochs": 3}),
        (r"Recipe\(rate=0.004, .* there and is .*rate=0.1,", network(), {"rate": 0.1}),
        (r"clip=1.0, .* there and is .*clip=None,", network(), {"clip": None}),
        ("a run in a folder a seed", network(), {"seed": None}),
    ):
        with pytest.raises(ValueError, match=message):
            fit(model, BATCHES, loss, run=tmp_path, **{"epochs": 2} | options)
        assert same(model, network(model[0].out_features))  # and nothing was done
    (tmp_path / "last.pt").write_bytes(b"half a fi")
    with pytest.raises(ValueError, match="last.pt cannot be read; delete it"):
        fit(network(), BATCHES, loss, epochs=2, run=tmp_path)
    for batches in ([], (batch for batch in BATCHES)):
        with pytest.raises(ValueError, match="no batches, or they cannot be counted"):
            fit(network(), batches, loss, epochs=2)
    with pytest.raises(ValueError, match="a schedule needs its optimizer"):
        fit(network(), BATCHES, loss, epochs=1, schedule=object())
    for options in ({"validate": lambda model: float("nan")}, {"loss": lambda *_: loss(*_) * float("nan")}):
        with pytest.raises(FloatingPointError, match="epoch 1 is not a number"):
            fit(network(), BATCHES, **{"loss": loss, "epochs": 1} | options)

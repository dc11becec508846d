"""Speed claims of 05-wavenet: composing with queues against running the whole receptive field for every token, a
convolution as one product against torch.nn.Conv1d, and sounds drawn together against one at a time."""

import time

import torch

from helpers.exported import from_notebook

wavenet, sound = from_notebook("05-wavenet"), from_notebook("07-sound")


def seconds(function, repeat):
    """For one call, after a warm-up; the best of three."""
    function()
    best = float("inf")
    for _ in range(3):
        begin = time.perf_counter()
        for _ in range(repeat):
            function()
        best = min(best, (time.perf_counter() - begin) / repeat)
    return best


def composing(channels, layers):
    torch.manual_seed(0)
    model = wavenet.TokenWaveNet(200, channels, channels, [2**k for k in range(layers)]).eval()
    step, queues = wavenet.stepper(model), wavenet.queues_of(model)
    token, field = torch.zeros(1, dtype=torch.long), torch.zeros(1, model.body.field, dtype=torch.long)
    with torch.inference_mode():
        slow = seconds(lambda: model(field)[0][0, -1].tolist(), 10)
        quick = seconds(lambda: step(token, queues)[0].tolist(), 100)
    print(
        f"{channels} channels, receptive field {2**layers}: direct {1000 * slow:.2f} ms, "
        f"queues {1000 * quick:.3f} ms, ratio {slow / quick:.0f}"
    )


def training(channels=64, batch=16, dilation=4):
    """Forwards and backwards, lengths as songs have them (another one each time)."""
    torch.manual_seed(0)
    one_product = wavenet.CausalConv(channels, 2 * channels, 2, dilation)
    library = torch.nn.Conv1d(channels, 2 * channels, 2, dilation=dilation)
    batches = [torch.randn(batch, length, channels) for length in range(30, 80)]

    def by_product():
        for x in batches:
            one_product(x, x.new_zeros(batch, dilation, channels))[0].sum().backward()

    def by_library():
        for x in batches:
            library(torch.nn.functional.pad(x.mT, (dilation, 0))).sum().backward()

    product, conv = seconds(by_product, 3), seconds(by_library, 3)
    print(f"training a convolution: Conv1d {1000 * conv:.0f} ms, one product {1000 * product:.0f} ms", end=", ")
    print(f"ratio {conv / product:.1f}")


def together(sounds=3, samples=500):
    torch.manual_seed(0)
    model = wavenet.TokenWaveNet(256, 64, 128, [2**k for k in range(10)])
    start = torch.zeros(sounds, 1, dtype=torch.long)
    one = seconds(lambda: sound.compose_numbers(model, start[:1], samples), 1)
    all_ = seconds(lambda: sound.compose_numbers(model, start, samples), 1)
    print(f"{sounds} sounds together take {all_ / one:.1f} times as long as one")


for channels in (64, 128):
    for layers in (6, 9, 10):
        composing(channels, layers)
training()
together()

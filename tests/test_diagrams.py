"""The drawings: what they show, that nothing in them overlaps or is too small, and that they are light."""

import base64
import functools
import io
import re
import warnings
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from helpers import diagrams
from helpers.diagrams import kit

THREE = [[0.1, 0.5, 0.3], [0.4, 0.2, 0.2], [0.3, 0.6, 0.02]]
FOUR = [[0.1, 0.5, 0.3, 0.1], [0.4, 0.2, 0.2, 0.1], [0.3, 0.5, 0.05, 0.1], [0.25, 0.25, 0.25, 0.25]]
DRAWN = {
    "a song": (diagrams.song_as_chain, (), {}),
    "a song of four": (diagrams.song_as_chain, (["67/16", "72/16", "76/16", "r/16"],), {}),
    "two states": (diagrams.markov_chain, ([[0.1, 0.9], [0.5, 0.5]], ["major", "minor"]), {}),
    "three states": (diagrams.markov_chain, (THREE, "CEG"), {}),
    "four states": (diagrams.markov_chain, (torch.tensor(FOUR), [".", "C4", "E4", "G4"]), {}),
    "five states": (diagrams.markov_chain, ([[0, 0.5, 0.2, 0.3, 0]] * 5, "CDEFG"), {}),
    "shorter contexts": (diagrams.shorter_contexts, (), {}),
    "one row": (diagrams.one_row, (), {}),
    "network": (diagrams.feedforward, (), {}),
    "network with numbers": (diagrams.feedforward, (6, 24, 128, 202), {}),
    "RNN": (diagrams.unrolled_rnn, (), {}),
    "RNN backwards": (diagrams.unrolled_rnn, (4, True), {}),
    "two steps": (diagrams.unrolled_rnn, (2, True), {}),
    "LSTM": (diagrams.lstm_cell, (), {}),
    "windows": (diagrams.windows_and_dense, (), {}),
    "short windows": (diagrams.windows_and_dense, (["60", "_", "62", "_", "64", "r"], 3), {}),
    "VAE": (diagrams.encoder_decoder, (True, 9216, 96), {}),
    "autoencoder": (diagrams.encoder_decoder, (False, 9216, 2), {}),
    "two processes": (diagrams.two_ranks, (), {}),
    "two processes, a song each": (diagrams.two_ranks, ([[200], [9]],), {}),
    "causal": (diagrams.dilations, (), {}),
    "causal, not dilated": (diagrams.dilations, ((1, 1, 1), 3), {}),
    "same": (diagrams.dilations, ((1, 1, 1), 3), {"causal": False}),
    "same, dilated": (diagrams.dilations, ((1, 2, 4, 8), 2, False), {}),
    "gated layer": (diagrams.gated_layer, (), {}),
    "skips": (diagrams.skips, (), {}),
    "skips of four": (diagrams.skips, (4,), {}),
    "Transformer": (diagrams.transformer_block, (), {}),
    "a moment": (diagrams.spelled_moment, (), {}),
    "a moment of two": (diagrams.spelled_moment, (["C4", "C3"],), {}),
    "reader and speller": (diagrams.reader_and_speller, (), {}),
}
each = pytest.mark.parametrize("name", DRAWN)


@functools.cache
def draw(name):
    function, arguments, options = DRAWN[name]
    return function(*arguments, **options)


@pytest.fixture
def sheets(monkeypatch):
    """The sheets of all drawings made, finished or not."""
    made, born = [], kit.Sheet.__init__

    def remember(self, *arguments, **options):
        born(self, *arguments, **options)
        made.append(self)

    monkeypatch.setattr(kit.Sheet, "__init__", remember)
    return made


def test_all_are_drawn_here():
    assert {function.__name__ for function, _, _ in DRAWN.values()} | {"Drawing"} == set(diagrams.__all__)


@each
def test_a_drawing_is_one_small_self_contained_picture(name):
    drawing = draw(name)
    data, metadata = drawing._repr_mimebundle_()
    assert sum(map(len, data.values())) < 60_000
    assert set(data) == {"text/plain", "text/html", "image/png"}
    assert metadata == {"image/png": {"alt": drawing.alt}}
    root = ET.fromstring(drawing.svg)
    assert root.get("viewBox").split()[2] == "360"
    names = [element.get("id") for element in root.iter() if element.get("id")]
    links = [value for element in root.iter() for key, value in element.items() if key.endswith("href")]
    assert len(names) == len(set(names)) and {link.lstrip("#") for link in links} <= set(names)
    assert not re.search(r"https?://(?!www\.w3\.org/(?:2000/svg|1999/xlink))", drawing.svg)
    picture = Image.open(io.BytesIO(drawing.png)).convert("L")
    assert picture.width == kit.SHOWN and 0.005 < (np.array(picture) < 128).mean() < 0.3
    assert picture.getpixel((0, 0)) == 255  # a sheet of its own, on dark pages too


@each
def test_where_svg_is_stripped_a_picture_with_its_text_remains(name):
    drawing = draw(name)
    page = drawing._repr_mimebundle_()[0]["text/html"]
    source = re.search(r'<source type="image/svg\+xml" srcset="data:image/svg\+xml;base64,([^"]+)">', page)
    assert base64.b64decode(source[1]).decode() == drawing.svg
    left = re.sub(r"</?(?:picture|source)\b[^>]*>", "", page)
    image = re.fullmatch(r'<img alt="([^"]+)" width="560" style="[^"]+" src="data:image/png;base64,([^"]+)">', left)
    assert base64.b64decode(image[2]) == drawing.png
    assert 80 < len(drawing.alt) < 900 and drawing.alt.endswith(".")
    assert repr(drawing) == f"a drawing: {drawing.alt.partition('.')[0]}"


@each
def test_words_are_large_enough_and_never_touch(name, sheets, monkeypatch):
    monkeypatch.setattr(kit.Sheet, "finish", lambda sheet, alt: None)
    draw.__wrapped__(name)
    (sheet,) = sheets
    renderer = FigureCanvasAgg(sheet.figure).get_renderer()
    words = [text for text in sheet.axes.texts if text.get_text()]
    assert words and min(text.get_fontsize() for text in words) >= 10
    boxes = [text.get_window_extent(renderer).padded(-1.5) for text in words]  # the frame holds a little air
    for k, (text, box) in enumerate(zip(words, boxes, strict=True)):
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= sheet.figure.bbox.x1, text.get_text()
        assert box.y1 <= sheet.figure.bbox.y1, text.get_text()
        for other, there in zip(words[:k], boxes[:k], strict=True):
            assert not box.overlaps(there), (text.get_text(), other.get_text())


@pytest.mark.parametrize("name", ["three states", "causal"])
def test_the_same_drawing_is_the_same_text(name):
    assert draw(name).svg == draw.__wrapped__(name).svg


def test_a_reader_s_own_figure_style_changes_nothing():
    import matplotlib.pyplot as plt

    plain = diagrams.lstm_cell().svg
    style = {"font.family": "serif", "font.size": 20, "figure.constrained_layout.use": True, "svg.fonttype": "none"}
    with plt.rc_context(style), warnings.catch_warnings(action="error"):
        warnings.simplefilter("ignore", DeprecationWarning)  # the lowest matplotlib calls what its parser has renamed
        assert diagrams.lstm_cell().svg == plain


def test_names_never_become_markup_or_mathematics():
    drawing = diagrams.markov_chain([[0.5, 0.5], [0.5, 0.5]], ['"><script>', "$x_$"])
    assert "<script" not in drawing._repr_mimebundle_()[0]["text/html"]
    assert "<script" not in drawing.svg


def test_a_chain_has_an_arrow_for_each_probability_and_likelier_ones_are_thicker(sheets):
    drawing = diagrams.markov_chain(THREE, "CEG")
    arrows = [patch for patch in sheets[0].axes.patches if type(patch).__name__ == "FancyArrowPatch"]
    likely = [p for row in THREE for p in row if p >= 0.05]
    assert len(arrows) == len(likely) == 8
    assert np.argsort([arrow.get_linewidth() for arrow in arrows]).tolist() == np.argsort(likely).tolist()
    assert [float(text.get_text().strip("$")) for text in sheets[0].axes.texts[:8]] == likely
    assert "from G to E 0.60" in drawing.alt and "from G to G" not in drawing.alt


def test_each_gate_of_the_cell_has_its_name(sheets):
    diagrams.lstm_cell()
    across = {text.get_text(): text.get_position()[0] for text in sheets[0].axes.texts}
    names = {"f": "forget", "i": "input", "g": "candidate", "o": "output"}
    for letter, name in names.items():
        nearest = min(names.values(), key=lambda other: abs(across[other] - across[f"$\\mathbf{{{letter}}}_t$"]))
        assert nearest == name


def seen_by_the_output(sizes, kernel, causal):
    """How many places before and after its own an output sees, measured by its gradient."""
    x = torch.zeros(1, 1, 81, dtype=torch.double, requires_grad=True)
    y = x
    for d in sizes:
        pad = ((kernel - 1) * d, 0) if causal else ((kernel - 1) * d // 2, (kernel - 1) * d - (kernel - 1) * d // 2)
        weight = torch.ones(1, 1, kernel, dtype=torch.double)
        if not causal:
            library = torch.nn.functional.conv1d(y, weight, padding="same", dilation=d)
        y = torch.nn.functional.conv1d(torch.nn.functional.pad(y, pad), weight, dilation=d)
        assert causal or torch.equal(y, library)
    (gradient,) = torch.autograd.grad(y[0, 0, 40], x)
    places = gradient[0, 0].nonzero()[:, 0] - 40
    return places.tolist()


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(
    "sizes, kernel", [((1, 2, 4, 8), 2), ((1, 1, 1), 3), ((1, 2, 4), 3), ((1, 2, 1), 2), ((1, 2), 4)]
)
def test_a_tree_shows_what_a_convolution_sees(sizes, kernel, causal, sheets):
    drawing = diagrams.dilations(sizes, kernel, causal)
    places = seen_by_the_output(sizes, kernel, causal)
    ahead = sum(place > 0 for place in places)
    marks = {line.get_marker(): line for line in sheets[0].axes.lines if line.get_linestyle() == "None"}
    filled = [line for line in sheets[0].axes.lines if line.get_marker() == "o" and line.get_mfc() != kit.PAPER]
    bottom = lambda line: int((line.get_ydata() == line.get_ydata().min()).sum())
    assert len(filled) == 1 and bottom(filled[0]) == len(places) - ahead
    assert ("s" in marks) == bool(ahead) and (not ahead or bottom(marks["s"]) == ahead)
    assert f"end at {len(places)} places of the input" in drawing.alt
    assert f"{ahead} of them in the future" in drawing.alt or not ahead
    span = places[-1] - places[0] + 1
    assert any(f"R={span}$" in text.get_text() for text in sheets[0].axes.texts)


def test_what_is_seen_and_what_is_asked_differ_in_greyscale():
    grey = lambda color: sum(
        weight * part for weight, part in zip((0.299, 0.587, 0.114), kit.to_rgb(color), strict=True)
    )
    for model in diagrams.recurrent.COLOR, diagrams.layers.COLOR, diagrams.layers.MAP, diagrams.convolutions.COLOR:
        assert grey(model) + 0.2 < grey(kit.tint(model, 0.25)) and grey(kit.tint(model, 0.25)) + 0.04 < 1
        assert grey(kit.tint(model, 0.35)) > 0.7  # letters stand on it


@pytest.mark.parametrize(
    "function, arguments, says",
    [
        (diagrams.markov_chain, ([[0.5, 0.5]], "CE"), r"1 rows of \[2\] for 2 names\.$"),
        (diagrams.markov_chain, ([[0.5, 0.5], [1, 0]], "CEG"), r"for 3 names\.$"),
        (diagrams.markov_chain, ([[0.5, 0.6], [1, 0]], "CE"), r"must be probabilities, which sum to at most one\.$"),
        (diagrams.markov_chain, ([[0.5, -0.1], [1, 0]], "CE"), "must be probabilities"),
        (diagrams.markov_chain, ([[float("nan"), 0.1], [1, 0]], "CE"), "must be probabilities"),
        (diagrams.markov_chain, ([[0.2] * 5] * 5, "CDEFG"), r"25 arrows cannot be told apart; .* larger `least`\.$"),
        (diagrams.song_as_chain, (["60/4"],), r"1 notes do not fit on a phone; give 2 to 4\.$"),
        (diagrams.unrolled_rnn, (9,), r"9 steps do not fit on a phone; draw 2 to 4\.$"),
        (diagrams.windows_and_dense, (["60"] * 9,), r"9 tokens and windows of 4 do not fit; "),
        (diagrams.windows_and_dense, (["60"] * 6, 4), r"6 tokens and windows of 4 do not fit; "),
        (diagrams.dilations, ((1, 2, 4, 8, 16),), r"see 32 places; 2 to 20 can be drawn\.$"),
        (diagrams.dilations, ((),), "see 1 places"),
        (diagrams.skips, (7,), r"7 layers do not fit on a phone; draw 2 to 4\.$"),
    ],
)
def test_what_cannot_be_drawn_is_refused(function, arguments, says):
    with pytest.raises(ValueError, match=says):
        function(*arguments)

import pytest

from helpers.songs import Song
from helpers.widgets import Composer, LatentExplorer


def write(start, temperature, max_length, seed):
    """Repeats the start; a longest take of 8 and more is asked for by the slider's range."""
    calls.append((start, temperature, max_length, seed))
    return start or Song.from_tiny("c4")


calls: list = []


def test_compose_uses_every_control_and_keeps_takes():
    calls.clear()
    composer = Composer({"one": write, "two": lambda *a: write(*a).transpose(12)}, takes=2)
    composer.start.value, composer.temperature.value = "3/4 c4 d e", 0.5
    composer.length.value, composer.seed.value, composer.tempo.value = 20, 7, 60
    composer.compose()
    assert calls == [(Song.from_tiny("3/4 c4 d e"), 0.5, 20, 7)]
    assert "3.0 s" in composer.shown.children[0].outputs[0]["data"]["text/plain"]
    composer.model.value = "two"
    composer.compose()
    assert composer.songs[0].events[0].pitches == (72,) and calls[1][3] == 8
    assert len(composer.shown.children) == 2
    composer.start.value = ""
    composer.compose()
    assert calls[2][0] is None and len(composer.shown.children) == 2


def test_a_mistake_is_explained_and_nothing_is_lost():
    composer = Composer({"one": write})
    composer.compose()
    composer.start.value = "c4 <script>"
    composer.button.click()
    assert "&lt;script&gt;" in composer.message.value and "<script>" not in composer.message.value
    assert "TinyNotation" in composer.message.value
    assert len(composer.shown.children) == 1 and not composer.button.disabled


def test_latent_explorer_plays_the_point_and_keeps_the_last_takes():
    asked = []

    def voices_at(point):
        asked.append(point)
        if point[0] > 2:
            raise ValueError("too far out")
        return [Song.from_tiny("4/4 c4 d e f"), Song.from_tiny("4/4 C2 D2")]

    explorer = LatentExplorer(voices_at, axes=3, takes=2, program=(73, 70))
    for value in (0, 1, 1.5):
        explorer.sliders[0].value = value
        explorer.button.click()
    assert asked == [[0, 0, 0], [1, 0, 0], [1.5, 0, 0]] and len(explorer.shown.children) == 2
    assert "point 1.5, 0, 0" in explorer.shown.children[0].outputs[0]["data"]["text/html"]
    explorer.sliders[0].value = 3
    explorer.button.click()
    assert "too far out" in explorer.message.value and len(explorer.shown.children) == 2
    assert not explorer.button.disabled
    explorer.home.click()
    assert explorer.point == [0, 0, 0]
    with pytest.raises(ValueError, match="at least one"):
        LatentExplorer(voices_at, axes=0)

import math

import pytest

from helpers.metrics import RunIndex, histogram_distance, longest_copied_run, nats_per_note
from helpers.songs import Song


def tune(text):
    return Song.from_tiny(text)


def test_nats_per_note_counts_the_terminal():
    songs = [tune("c4 d e"), tune("c4")]
    assert nats_per_note([4.0, 2.0], songs) == pytest.approx(6 / 6)
    with pytest.raises(ValueError, match="1 losses for 2 songs"):
        nats_per_note([1.0], songs)
    with pytest.raises(ValueError, match="not a number"):
        nats_per_note([1.0, math.nan], songs)
    assert nats_per_note([1.0, math.inf], songs) == math.inf


def test_longest_copied_run():
    collection = [tune("c4 d e f"), tune("a4 g8 f e d c4"), tune("c4 d e")]
    found = longest_copied_run(tune("b4 g8 f e c4 d e f"), collection)
    assert (found.length, found.start, found.source_start) == (4, 4, 0)
    assert found.source is collection[0]
    assert longest_copied_run(tune("b4 g8 f e b"), collection).source is collection[1]
    assert longest_copied_run(collection[1], RunIndex(collection)).length == 6
    assert longest_copied_run(tune("c2"), collection).length == 0  # the same pitch, another duration
    assert longest_copied_run(tune("f4 a"), collection).length == 1  # runs do not go on into the next song


def test_histogram_distance():
    low, high = [tune("c4 d e")], [tune("c'4 d' e'")]
    assert histogram_distance(low, high) == 0
    assert histogram_distance(low, high, "interval") == 0
    assert histogram_distance([tune("c4")], [tune("d4")]) == 1
    assert histogram_distance([tune("c2 d")], [tune("c4 d e2")]) == pytest.approx(0.5)
    assert histogram_distance([tune("c4 d")], [tune("c4 e d f")], "interval") == pytest.approx(1)
    with pytest.raises(ValueError, match="no feature 'rhythm'"):
        histogram_distance(low, high, "rhythm")
    with pytest.raises(ValueError, match="no interval"):
        histogram_distance([tune("c4")], low, "interval")

import math
import random
from dataclasses import replace

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


def test_a_run_is_found_where_python_finds_it():
    dice = random.Random(3)
    letters = [tune(f"{name}{length}") for name in "cdef" for length in (4, 8)]
    song = lambda n: replace(letters[0], events=tuple(dice.choice(letters).events[0] for _ in range(n)))
    songs = [song(n) for n in (1, 30, 200, 7)]
    index = RunIndex([*songs, songs[2], songs[1]])  # repeats longer than what the places are sorted by
    text = index.text
    for length in (1, 2, 3, 5, 9, RunIndex.DEPTH - 1, RunIndex.DEPTH, RunIndex.DEPTH + 1, 150):
        for start in range(0, len(text) - length, 3):
            run = text[start : start + length]
            assert index.find(run) == text.find(run)
            assert index.find(run[:-1] + "?") == -1 == text.find(run[:-1] + "?")
    assert RunIndex([]).find("?") == -1


def test_a_search_reads_hardly_more_of_a_collection_ten_times_as_large():
    class Counting(str):
        read = 0

        def __getitem__(self, place):
            Counting.read += 1
            return super().__getitem__(place)

    dice, letters = random.Random(5), [tune(f"{name}{length}") for name in "cdefgab" for length in (2, 4, 8)]
    song = lambda: replace(letters[0], events=tuple(dice.choice(letters).events[0] for _ in range(40)))
    many, reads = [song() for _ in range(1000)], {}
    for size in (100, 1000):
        index = RunIndex(many[:size])
        index.text, Counting.read = Counting(index.text), 0
        longest_copied_run(song(), index)
        reads[size] = Counting.read
    assert 0 < reads[1000] < 2 * reads[100]

"""Which melodies are one tune."""

from dataclasses import replace
from fractions import Fraction

from helpers.corpus import load_chorale_voices, load_chorales
from helpers.datasets import split_by_family
from helpers.exported import from_notebook
from helpers.songs import Event, Song
from helpers.tunes import RUN, joined, one_tune

TUNE = [60, 62, 64, 65, 67, 69, 67, 65, 64, 67, 72, 71, 69, 67, 64, 62, 60, 67, 60, 65]
OTHER = [67, 60, 72, 64, 71, 60, 69, 62, 72, 65, 60, 71, 62, 69, 60, 64, 72, 67, 60, 62]


def melody(pitches, durations=None):
    durations = durations or [1] * len(pitches)
    events = [Event((p,), Fraction(d)) for p, d in zip(pitches, durations, strict=True)]
    return Song("x", "", "x", "C", "major", "4/4", events)


def test_another_key_repeated_notes_an_upbeat_and_passing_notes_are_the_same_tune():
    in_d = [p + 2 for p in TUNE]
    repeated = [p for p in TUNE for _ in range(2)]
    upbeat = [55, 57, *TUNE]
    passing, durations = [TUNE[0]], [Fraction(1, 2)]
    for before, after in zip(TUNE, TUNE[1:], strict=False):  # an eighth note between each two
        passing += [(before + after) // 2 + 1, after]
        durations += [Fraction(1, 2)] * 2
    variants = [melody(TUNE), melody(in_d), melody(repeated), melody(upbeat), melody(passing, durations)]
    assert one_tune(variants) == [0] * 5
    assert one_tune([melody(TUNE), melody(OTHER), melody(in_d)]) == [0, 1, 0]


def test_what_begins_alike_is_one_tune_and_a_run_is_as_long_as_said():
    assert one_tune([melody(TUNE), melody(TUNE[:9] + OTHER)]) == [0, 0]
    assert one_tune([melody(TUNE), melody([*OTHER, *TUNE[3 : 4 + RUN], 90, *OTHER[::-1]])]) == [0, 0]
    assert one_tune([melody(TUNE), melody([*OTHER, *TUNE[3 : 3 + RUN], 90, *OTHER[::-1]])]) == [0, 1]


def test_short_and_silent_melodies_are_families_of_their_own():
    rest = Song("x", "", "x", "C", "major", "4/4", [Event((), 4)])
    assert one_tune([]) == [] and one_tune([melody([60]), melody([60, 62]), rest, rest]) == [0, 1, 2, 3]


def test_who_has_one_in_common_belongs_together():
    assert joined(6, [(5, 3), (3, 1), (4, 2)]) == [0, 1, 2, 1, 2, 1]


def test_the_settings_of_one_chorale_tune_stay_on_one_side():
    """By BWV number: settings of "O Haupt voll Blut und Wunden", and tunes that lay on both sides once."""
    family = {song.id: song.family for song in load_chorales().songs}
    passion = ("bwv135.6", "bwv153.5", "bwv244.15", "bwv244.17", "bwv244.44", "bwv244.54", "bwv244.62", "bwv248.5")
    for tune in (passion, ("bwv16.6", "bwv419"), ("bwv84.5", "bwv166.6", "bwv197.10"), ("bwv24.6", "bwv399")):
        assert len({family[name] for name in tune}) == 1


def test_hardly_a_held_out_chorale_has_a_relative_that_trains():
    """By the rules of notebook 06, which are others: runs and openings note by note, with repeated notes."""
    unrelated = from_notebook("06-attention").unrelated
    split = split_by_family(replace(voices[0], title="") for voices in load_chorale_voices())
    train, held_out = split.train, split.validation + split.test
    related = [song.id for song in held_out if len(unrelated(train, [song])) < len(train)]
    assert len(held_out) > 80 and len(related) < 0.1 * len(held_out), related

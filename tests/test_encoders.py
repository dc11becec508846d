from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.corpus import load_essen
from helpers.encoders import (
    TERM_SYMBOL,
    ChordEncoder,
    EncodingError,
    GridEncoder,
    NoteEncoder,
    PitchEncoder,
    StringToIntEncoder,
)
from helpers.songs import Event, Song

STEPS = st.sampled_from([Fraction(1, 4), Fraction(1, 2), Fraction(1, 12), Fraction(1)])
PITCH = st.integers(0, 127)


def melody(events):
    return Song("x", "", "x", "C", "major", "4/4", tuple(events))


def songs(pitches, durations, least=0):
    return st.lists(st.builds(Event, pitches, durations), min_size=least, max_size=40).map(melody)


@given(STEPS.flatmap(lambda step: st.tuples(st.just(step), songs(st.lists(PITCH, max_size=1), steps_of(step)))))
def test_melodies_survive_note_and_grid(step_and_song):
    step, song = step_and_song
    for encoder in (NoteEncoder(step), GridEncoder(step), ChordEncoder(step)):
        tokens = encoder.encode(song)
        assert tokens[0] == tokens[-1] == TERM_SYMBOL
        assert encoder.decode(tokens) == encoder.decode(tokens[1:-1]) == song


def steps_of(step):
    return st.integers(1, 40).map(lambda count: count * step)


@given(STEPS.flatmap(lambda step: st.tuples(st.just(step), songs(st.lists(PITCH, max_size=5), steps_of(step)))))
def test_chords_survive(step_and_song):
    step, song = step_and_song
    assert ChordEncoder(step).decode(ChordEncoder(step).encode(song)) == song


@given(songs(st.lists(PITCH, max_size=1), st.just(Fraction(2, 3))))
def test_equal_durations_survive(song):
    encoder = PitchEncoder(Fraction(2, 3))
    assert encoder.decode(encoder.encode(song)) == song


@given(songs(st.lists(PITCH, max_size=3), st.fractions(Fraction(1, 12), 4, max_denominator=12), least=1))
@pytest.mark.slow
def test_whatever_is_accepted_survives_and_nothing_is_rounded(song):
    for encoder in (NoteEncoder(), GridEncoder(), PitchEncoder(), ChordEncoder()):
        try:
            tokens = encoder.encode(song)
        except EncodingError as reason:
            assert "measure" in str(reason)
        else:
            assert encoder.decode(tokens) == song


@pytest.mark.slow
def test_all_real_songs_survive():
    real = load_essen("erk").songs
    assert len(real) == 1754
    for encoder in (NoteEncoder(), GridEncoder(), ChordEncoder()):
        encoded, rejected = encoder.encode_songs(real)
        assert not rejected
        assert [encoder.decode(tokens) for tokens in encoded] == real


def test_the_examples_of_the_design():
    song = melody(
        [Event((60,), 1), Event((), Fraction(1, 2)), Event((60,), Fraction(1, 4)), Event((60,), Fraction(1, 4))]
    )
    assert NoteEncoder().encode(song) == [".", "60/4", "r/2", "60/1", "60/1", "."]
    assert GridEncoder().encode(song) == [".", "60", "_", "_", "_", "r", "_", "60", "60", "."]
    assert ChordEncoder().encode(melody([Event((60, 64, 67), 1), Event((), 1)])) == [".", "60.64.67/4", "r/4", "."]
    assert PitchEncoder().encode(melody([Event((60,), 1), Event((), 1)])) == [".", "60", "r", "."]


def test_what_cannot_be_expressed_is_rejected_with_its_reason():
    triplet = melody([Event((60,), 1), Event((62,), Fraction(1, 3))])
    chord = melody([Event((60, 64), 1)])
    encoded, rejected = NoteEncoder().encode_songs([triplet, chord, melody([Event((60,), 1)])])
    assert len(encoded) == 1
    assert [r.name for r in rejected] == ["x", "x"]
    assert "1/3 quarter notes is not a multiple of the time step, 1/4 (event 2, measure 1)" in rejected[0].reason
    assert "chord of 2 notes" in rejected[1].reason
    with pytest.raises(EncodingError, match="1 only"):
        PitchEncoder().encode(triplet)


@pytest.mark.parametrize(
    ("encoder", "tokens", "says"),
    [
        (NoteEncoder(), ["60/4", "boo"], "'boo'"),
        (NoteEncoder(), ["60/0"], "'60/0'"),
        (NoteEncoder(), ["60/4", ".", "60/4"], "terminal"),
        (NoteEncoder(), ["200/4"], "0 to 127"),
        (GridEncoder(), ["_", "60"], "no note has begun"),
        (GridEncoder(), ["60", "x"], "'x'"),
        (PitchEncoder(), ["60/4"], "'60/4'"),
    ],
)
def test_tokens_that_cannot_be_read_are_named(encoder, tokens, says):
    with pytest.raises(ValueError, match=says):
        encoder.decode(tokens)


def test_decode_takes_labels_from_like():
    like = Song("x", "A title", "f", "A", "minor", "3/4", (Event((57,), 1),), 1)
    song = NoteEncoder().decode(["57/4"], like=like)
    assert (song.title, song.tonic, song.mode, song.meter, song.pickup) == ("A title", "A", "minor", "3/4", 1)


def test_time_steps_must_be_positive():
    for encoder in (NoteEncoder, GridEncoder, ChordEncoder, PitchEncoder):
        with pytest.raises(ValueError, match="not positive"):
            encoder(0)


def test_strings_to_ints_and_back():
    alphabet = StringToIntEncoder.fit([[".", "60/10", "r/2", "60/9"], ["_", "9/1", "."]])
    assert alphabet.vocabulary == [".", "_", "r/2", "9/1", "60/9", "60/10"]
    assert alphabet.decode(alphabet.encode(["9/1", "."])) == ["9/1", "."]
    assert len(alphabet) == 6
    with pytest.raises(ValueError, match="'61/4' is not among the 6 tokens"):
        alphabet.encode(["61/4"])
    with pytest.raises(ValueError, match="-1 is no token"):
        alphabet.decode([-1])
    with pytest.raises(ValueError, match="twice"):
        StringToIntEncoder(["a", "a"])

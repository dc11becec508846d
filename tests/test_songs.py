from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.events import events_of_stream
from helpers.songs import Event, Song, pitch_class


def song(*events, tonic="G", mode="major", meter="3/4", pickup=0):
    return Song("x", "A title", "x", tonic, mode, meter, tuple(Event(*event) for event in events), pickup)


def test_events_are_put_in_order_and_checked():
    assert Event((67, 60, 64, 60), 1) == Event((60, 64, 67), Fraction(1))
    with pytest.raises(ValueError, match="0 to 127"):
        Event((128,), 1)
    with pytest.raises(ValueError, match="not positive"):
        Event((60,), 0)


@pytest.mark.parametrize(
    ("label", "value", "says"),
    [
        ("tonic", "H", "note name"),
        ("mode", "dorian", "major"),
        ("meter", "3/5", "time signature"),
        ("pickup", 3, "fit"),
    ],
)
def test_impossible_labels_are_refused(label, value, says):
    with pytest.raises(ValueError, match=says):
        song(((60,), 1), **{label: value})


def test_songs_are_equal_when_they_sound_the_same():
    assert song(((60,), 1)) == song(((60,), 1), tonic="C", meter="4/4")
    assert song(((60,), 1)) != song(((60,), 2))


def test_pitch_class():
    assert [pitch_class(name) for name in ("C", "F#", "Bb", "B-", "Cb", "e")] == [0, 6, 10, 10, 11, 4]


@pytest.mark.parametrize(
    ("tonic", "mode", "moves"),
    [
        ("C", "major", 0),
        ("G", "major", -7),
        ("Bb", "major", -10),
        ("A", "minor", 0),
        ("D", "minor", 7),
        ("F#", "minor", 3),
    ],
)
def test_in_c_moves_by_the_interval_of_the_tonics_in_octave_4(tonic, mode, moves):
    moved = song(((72,), 1), tonic=tonic, mode=mode).in_c()
    assert moved.events[0].pitches == (72 + moves,)
    assert moved.tonic == ("C" if mode == "major" else "A")


@pytest.mark.parametrize(
    ("tonic", "mode", "moves"),
    [
        ("C", "major", 0),
        ("G", "major", 5),
        ("F#", "major", -6),
        ("Bb", "major", 2),
        ("D", "minor", -5),
        ("E", "minor", 5),
    ],
)
def test_in_c_by_the_nearest_interval_leaves_a_song_in_its_register(tonic, mode, moves):
    moved = song(((72,), 1), tonic=tonic, mode=mode).in_c(nearest=True)
    assert moved.events[0].pitches == (72 + moves,) and -6 <= moves <= 5
    assert moved.tonic == ("C" if mode == "major" else "A")


def test_transposing_moves_the_tonic_and_keeps_rests():
    moved = song(((60, 64), 1), ((), 2)).transpose(3)
    assert moved.events == (Event((63, 67), 1), Event((), 2))
    assert moved.tonic == "Bb"
    with pytest.raises(ValueError, match="MIDI range"):
        song(((120,), 1)).transpose(8)


def test_skyline_keeps_the_highest_note_and_the_rests():
    assert song(((60, 64), 1), ((), 1)).skyline() == song(((64,), 1), ((), 1))


def test_excerpt_keeps_whole_events():
    two = song(((60,), 2), ((62,), 2))
    assert two.onsets == [0, 2, 4] and two.duration == 4 and song().onsets == [0]
    assert [len(two.excerpt(most).events) for most in (0, 1.5, 2, 3, 4, 9)] == [0, 0, 1, 1, 2, 2]
    assert two.excerpt(3) == song(((60,), 2))


def test_tiny_notation():
    tune = Song.from_tiny("3/4 c4 trip{d8 e f} g2 r4 C#8. f#'16 b-~ b-", title="t")
    third = Fraction(1, 3)
    assert tune.meter == "3/4"
    assert tune.events == (
        Event((60,), 1),
        Event((62,), third),
        Event((64,), third),
        Event((65,), third),
        Event((67,), 2),
        Event((), 1),
        Event((49,), Fraction(3, 4)),
        Event((78,), Fraction(1, 4)),
        Event((70,), Fraction(1, 2)),
    )


def test_absurd_values_are_refused_at_once():
    with pytest.raises(ValueError, match="time signature"):
        Song.from_tiny("99999/4 c4")
    with pytest.raises(TypeError):
        Event((60.5,), 1)
    assert song(((60,), 1), tonic="b").tonic == "B"


@pytest.mark.parametrize("text", ["c4 h4", "c3", "", "4/4", "c4 {d", "trip{c8 d e", "c4 60/4"])
def test_mistyped_tiny_notation_is_one_clear_sentence(text):
    with pytest.raises(ValueError) as caught:
        Song.from_tiny(text)
    assert "\n" not in str(caught.value)
    assert "such as" in str(caught.value) or "trip{" in str(caught.value)


def test_equal_durations_leave_the_pitches_and_drop_the_rests():
    tune = song(((60,), 1), ((), 2), ((62, 65), 3), pickup=1).with_equal_durations(0.5)
    assert tune.events == (Event((60,), 0.5), Event((62, 65), 0.5))
    assert tune.pickup == 0 and tune.meter == "3/4"


def test_folding_moves_by_octaves_only_what_is_outside():
    pitches = range(20, 120)
    folded = song(*(((p,), 1) for p in pitches)).folded(48, 83)
    for before, event in zip(pitches, folded.events, strict=True):
        (after,) = event.pitches
        assert 48 <= after <= 83 and (after - before) % 12 == 0
        assert after == before or not 48 <= before <= 83
    with pytest.raises(ValueError, match="narrower than an octave"):
        song(((60,), 1)).folded(60, 70)


@given(
    st.lists(st.tuples(st.integers(24, 108) | st.none(), st.integers(1, 96).map(lambda n: Fraction(n, 16))), min_size=1)
)
def test_tiny_notation_is_read_back_as_it_was_written(notes):
    values = {Fraction(4, 2**k) * dots for k in range(6) for dots in (1, Fraction(3, 2))} | {Fraction(1, 16)}
    notes = [(pitch, length) for pitch, length in notes if pitch is not None or length in values] or [(60, Fraction(1))]
    song = replace(
        Song.from_tiny("3/4 c4"), events=[Event(() if pitch is None else (pitch,), length) for pitch, length in notes]
    )
    assert Song.from_tiny(song.to_tiny()) == song and song.to_tiny().startswith("3/4 ")


def test_what_tiny_notation_cannot_write_is_named():
    for event, words in ((Event((60, 64), 1), "event 1 is a chord"), (Event((60,), Fraction(1, 3)), "lasts 1/3")):
        with pytest.raises(ValueError, match=words):
            replace(Song.from_tiny("c4"), events=(event,)).to_tiny()
    assert replace(Song.from_tiny("c4"), events=(Event((), Fraction(5, 4)),)).to_tiny() == "4/4 r4 r16"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("c4 " * 7000, "21,000 characters is too long"),
        ("trip{trip{c8 d e}}", "inside another"),
        ("c" * 300 + "4", "is not a note"),
        ("c" + "'" * 300, "is not a note"),
        ("c4" + "." * 300, "is not a note"),
        ("}" + "c" * 300, "do not match"),
    ],
)
def test_a_typed_melody_without_end_is_refused_in_a_short_sentence(text, words):
    """music21 took 19 s for braces in braces, and dropped a note of 300 letters in silence."""
    with pytest.raises(ValueError, match=words) as mistake:
        Song.from_tiny(text)
    assert len(str(mistake.value)) < 300


def test_a_chord_goes_on_only_if_all_its_notes_are_tied():
    from music21 import chord, stream, tie

    def two_chords(*tied):
        first, second = (
            chord.Chord(["C4", "E4", "G4"], quarterLength=1),
            chord.Chord(["C4", "E4", "G4"], quarterLength=2),
        )
        for number in tied:
            first.notes[number].tie, second.notes[number].tie = tie.Tie("start"), tie.Tie("stop")
        score = stream.Stream([first, second])
        return [(event.pitches, event.duration) for event in events_of_stream(score, merge_ties=True)]

    struck = (60, 64, 67)
    assert two_chords(0, 1, 2) == [(struck, 3)]
    for some in ((), (0,), (1,), (0, 2), (1, 2)):
        assert two_chords(*some) == [(struck, 1), (struck, 2)]

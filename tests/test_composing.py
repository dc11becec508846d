import math

import pytest
import torch

from helpers.composing import MomentWriter, Stopped, Writer, likeliest, note_writer, steps_of
from helpers.encoders import GridEncoder, NoteEncoder, StringToIntEncoder
from helpers.songs import Event, Song

SONG = Song.from_tiny("3/4 c4 d e f g a8 r8")
ALPHABET = StringToIntEncoder.fit([NoteEncoder().encode(SONG)])


def chances(like):
    """Always the same: the end the least likely, each token after it twice as likely as the one before."""
    p = torch.tensor([2.0**k for k in range(len(ALPHABET))]).double()
    return lambda history: p / p.sum()


WRITER = note_writer(chances, ALPHABET)


def test_surprise_is_the_loss_of_each_note_given_and_drawn():
    song, surprise, given = WRITER.write(Song.from_tiny("4/4 c4 d"), max_length=30, seed=3)
    assert given == 2 and song.events[:2] == Song.from_tiny("4/4 c4 d").events
    assert len(surprise) == len(song.events) > 2
    p = chances(None)([])
    ids = ALPHABET.encode(NoteEncoder().encode(song))[1:-1]
    assert surprise == pytest.approx([-math.log(p[k]) for k in ids])


def test_surprise_does_not_depend_on_temperature_or_top_k():
    p = chances(None)([])
    for temperature, top_k in ((0.5, 0), (2, 0), (1, 2)):
        song, surprise, _ = WRITER.write(None, temperature, 20, 1, top_k)
        ids = ALPHABET.encode(NoteEncoder().encode(song))[1:-1]
        assert surprise == pytest.approx([-math.log(p[k]) for k in ids])


def test_the_same_seed_writes_the_same_song_and_meter_comes_from_the_beginning():
    start = Song.from_tiny("3/4 c4 d e")
    assert WRITER.write(start, seed=5) == WRITER.write(start, seed=5)
    assert WRITER.write(start, seed=5).song != WRITER.write(start, seed=6).song
    assert WRITER.write(start, seed=5).song.meter == "3/4"


def test_a_grid_adds_up_the_surprise_of_a_note_and_its_holds():
    song = Song.from_tiny("4/4 c4 d2 r4 e4")
    grid = GridEncoder()
    alphabet = StringToIntEncoder.fit([grid.encode(song)])
    even = lambda like: lambda history: torch.full((len(alphabet),), 1 / len(alphabet)).double()
    encode = lambda song: alphabet.encode(grid.encode(song))

    def decode(ids, like):
        tokens = alphabet.decode(ids)[1:]
        first = next((k for k, token in enumerate(tokens) if token != "_"), len(tokens))
        return grid.decode(tokens[first:], like)

    writer = Writer(even, encode, decode, spans=steps_of, per_note=4)
    for seed in range(5):
        written, surprise, given = writer.write(song, max_length=20, seed=seed)
        steps = steps_of(written)
        assert given == 4 and len(surprise) == len(written.events)
        assert surprise == pytest.approx([math.log(len(alphabet)) * n for n in steps])


def test_top_k_keeps_the_k_likeliest_and_their_proportions():
    p = torch.tensor([0.1, 0.4, 0.2, 0.3]).double()
    assert likeliest(p, 2).tolist() == pytest.approx([0, 4 / 7, 0, 3 / 7])
    assert likeliest(p, 0) is p and likeliest(p, 4) is p and likeliest(p, 9) is p


@pytest.mark.parametrize(
    "start, words",
    [
        ("4/4 c4 b4", "note 2 of the beginning, B4 for 1 quarter notes"),
        ("4/4 c2", "note 1 of the beginning, C4 for 2"),
        ("4/4 " + "c4 " * 12, "takes 12 tokens, and a song of 12 notes may have 12"),
    ],
)
def test_a_beginning_that_cannot_be_is_explained(start, words):
    with pytest.raises(ValueError, match=words):
        WRITER.write(Song.from_tiny(start), max_length=12)


def test_a_chord_is_explained_with_its_notes():
    from dataclasses import replace

    from helpers.songs import Event

    start = replace(SONG, events=(SONG.events[0], Event((60, 64, 67), 1)))
    with pytest.raises(ValueError, match="note 2 .* is a chord, C4 E4 G4, .* keep one"):
        WRITER.write(start)


def test_a_song_that_ends_at_once_asks_for_another_seed():
    ends = lambda like: lambda history: torch.eye(len(ALPHABET))[0].double()
    with pytest.raises(ValueError, match="another seed"):
        note_writer(ends, ALPHABET).write()


def test_on_step_sees_every_token_and_may_stop():
    seen = []
    song = WRITER.write(SONG.excerpt(2), max_length=10, seed=2, on_step=seen.append).song
    assert seen == list(range(1, len(seen) + 1)) and len(seen) >= len(song.events)

    def enough(tokens):
        if tokens == 4:
            raise Stopped

    with pytest.raises(Stopped):
        WRITER.write(SONG.excerpt(2), max_length=50, on_step=enough)


def spells(piece, said):
    """p (89,): C and E on the piano's middle, then the end; a little of all that no moment may hold."""
    p = torch.full((89,), 1e-4).double()
    p[[0, 40, 44]] += torch.tensor({0: [0.0, 0.4, 0.6], 1: [0.3, 0.7, 0.0]}.get(len(said), [1.0, 0.0, 0.0])).double()
    return p / p.sum()


CHORDS = MomentWriter(spells)


def test_chords_go_on_with_the_surprise_of_each_and_the_beginning_is_kept():
    start = Song("x", "", "x", "C", "major", "3/4", tuple(Event(p, 1) for p in ((60, 64), (64,), (60, 64))))
    song, surprise, given = CHORDS.write(start, max_length=40, seed=2)
    assert given == 3 and song.events[:3] == start.events and len(song.events) == len(surprise) == 40
    log = lambda said, token: -math.log(spells([], said)[token])
    assert surprise[0] == pytest.approx(log((), 44) + log((44,), 40) + log((44, 40), 0))
    assert surprise[1] == pytest.approx(log((), 44) + log((44,), 0))
    assert all(tuple(sorted(set(event.pitches))) == event.pitches for event in song.events)
    assert CHORDS.write(start, max_length=40, seed=2).song == song != CHORDS.write(start, max_length=40, seed=3).song


def test_chords_begin_with_nothing_and_top_k_draws_only_the_likeliest():
    song = CHORDS.write(None, max_length=12, top_k=1).song
    assert {event.pitches for event in song.events} == {(60, 64), (60,)} and len(song.events) == 12  # patience
    assert [event.pitches for event in song.events[:4]] == [(60, 64)] * 4


def test_chords_that_cannot_be_begun_say_why_and_stop_when_asked():
    with pytest.raises(ValueError, match="takes 7 quarters, and a song of 7 has no room"):
        CHORDS.write(Song.from_tiny("4/4 c1 d2."), max_length=7)
    with pytest.raises(ValueError, match="which no piano has"):
        CHORDS.write(Song("x", "", "x", "C", "major", "4/4", (Event((120,), 4),)), max_length=9)

    def enough(tokens):
        if tokens == 5:
            raise Stopped

    with pytest.raises(Stopped):
        CHORDS.write(None, max_length=9, on_step=enough)

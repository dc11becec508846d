"""Music as moments: what sounds on each quarter, padded, moved and played."""

import torch

from helpers.moments import Batches, moments_of, to_tokens, to_voices
from helpers.songs import Event, Song


def song(*events, pickup=0):
    return Song("a", "", "a", "C", "major", "4/4", tuple(Event(*event) for event in events), pickup)


def test_a_moment_is_what_sounds_on_a_quarter():
    piece = moments_of(song(((48, 60), 2), ((62,), 0.5), ((64,), 0.5), ((), 1)))
    assert piece == [(40, 28), (40, 28), (42,), ()]
    assert moments_of(song(((60,), 0.5), ((62,), 1), pickup=0.5)) == [(42,)]  # the eighth before is passed over


def test_voices_say_the_same_chords():
    piece = [(40, 28), (42,), (), (44, 40, 37)]
    voices = to_voices(piece)
    assert len(voices) == 3 and {voice.duration for voice in voices} == {4}
    again = [tuple(voice.events[t].pitches[0] - 20 for voice in voices if voice.events[t].pitches) for t in range(4)]
    assert again == piece


def test_tokens_are_padded_with_nothing():
    y, real = to_tokens([[(5, 3), ()], [(7,)]])
    assert y.tolist() == [[[5, 3, 0], [0, 0, 0]], [[7, 0, 0], [0, 0, 0]]]
    assert real.tolist() == [[True, True], [True, False]]


def test_batches_move_each_piece_within_the_piano_and_count_alike_each_time():
    torch.manual_seed(0)
    pieces = [[(88, 1)] * 20, [(40,)] * 20, [(3, 2)] * 300, [()] * 7]
    batches = Batches(pieces, size=45, crop=32)
    for _ in range(5):
        seen = list(batches)
        assert len(seen) == len(batches) == 3
        tokens = torch.cat([y[y > 0] for y, _ in seen])
        assert tokens.min() >= 1 and tokens.max() <= 88
        assert sum(int(real.sum()) for _, real in seen) == 20 + 20 + 32 + 7
    moved = {int(y[y > 0][0]) - 40 for _ in range(60) for y, _ in Batches(pieces[1:2])}
    assert moved == set(range(-5, 7))

import pytest
import torch

from helpers.datasets import IGNORE, MiniBatches, RandomCrop, ScoreDataset, SongDataset, pad_songs

SONGS = [torch.tensor([0, 5, 6, 7, 0]), torch.tensor([0, 8, 0])]


def test_every_token_is_the_last_target_of_one_window():
    data = ScoreDataset(SONGS, length=3)
    assert [y[-1].item() for _, y in data] == [5, 6, 7, 0, 8, 0]
    assert [x.tolist() for x, _ in data][:4] == [[0, 0, 0], [0, 0, 5], [0, 5, 6], [5, 6, 7]]
    assert [y.tolist() for _, y in data][:4] == [[IGNORE, IGNORE, 5], [IGNORE, 5, 6], [5, 6, 7], [6, 7, 0]]
    for x, y in data:  # y is x moved by one, wherever there is music
        assert torch.equal(x[1:][y[:-1] != IGNORE], y[:-1][y[:-1] != IGNORE])


def test_windows_never_reach_into_another_song():
    for x, y in ScoreDataset(SONGS, length=4):
        here = set(torch.cat([x, y]).tolist()) - {0, IGNORE}
        assert here <= {5, 6, 7} or here <= {8}


def test_stride_leaves_windows_out():
    assert len(ScoreDataset(SONGS, length=3, stride=2)) == 3
    with pytest.raises(ValueError, match="at least 1"):
        ScoreDataset(SONGS, length=0)


def test_padding_is_masked_and_the_last_target_kept():
    x, y = pad_songs(list(SongDataset(SONGS)))
    assert x.tolist() == [[0, 5, 6, 7], [0, 8, 0, 0]]
    assert y.tolist() == [[5, 6, 7, 0], [8, 0, IGNORE, IGNORE]]
    logits = torch.randn(2, 4, 9)
    whole = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum")
    one_by_one = [
        torch.nn.functional.cross_entropy(logits[k, : len(ids) - 1], ids[1:], reduction="sum")
        for k, ids in enumerate(SONGS)
    ]
    assert torch.isclose(whole, sum(one_by_one))


def test_columns_travel_along():
    columns = [torch.arange(8).view(4, 2), torch.arange(4).view(2, 2)]
    _, _, z = pad_songs(list(SongDataset(SONGS, columns)))
    assert z.shape == (2, 4, 2) and torch.equal(z[0], columns[0]) and z[1, 2:].sum() == 0
    with pytest.raises(ValueError, match="one row for each token"):
        SongDataset(SONGS, columns[::-1])


def test_crops_are_pieces_of_the_song():
    crop, song = RandomCrop(2, generator=torch.Generator().manual_seed(0)), SONGS[0]
    seen = {tuple(crop(song).tolist()) for _ in range(100)}
    assert seen == {(0, 5, 6), (5, 6, 7), (6, 7, 0)}
    assert torch.equal(RandomCrop(9)(song), song)


def test_crops_with_repetition_are_always_full_and_keep_the_end():
    crop = RandomCrop(6, repeat=True, generator=torch.Generator().manual_seed(1))
    seen = {tuple(crop(SONGS[1]).tolist()) for _ in range(50)}
    assert seen == {(0, 8, 0, 8, 0, 8, 0), (8, 0, 8, 0, 8, 0, 8)}


@pytest.mark.parametrize("bad", [[0, 1, 0], torch.tensor([0.0, 1.0]), torch.zeros(2, 2).long(), torch.tensor([0])])
def test_what_is_no_song_is_refused(bad):
    with pytest.raises(ValueError, match="song 0 is"):
        SongDataset([bad])


def test_mini_batches_go_through_all_rows_in_another_order_each_time():
    x = torch.arange(10)
    batches, again = MiniBatches([x, x[:, None] * 2], size=4), MiniBatches([x, x], size=4)
    state = torch.get_rng_state()
    epochs = [list(batches), list(batches)]
    assert len(batches) == 3 and [len(rows) for rows, _ in epochs[0]] == [4, 4, 2]
    for epoch in epochs:
        rows, twice = (torch.cat(column) for column in zip(*epoch, strict=True))
        assert sorted(rows.tolist()) == x.tolist() and torch.equal(twice[:, 0], 2 * rows)
    first, second = ([row for rows, _ in epoch for row in rows.tolist()] for epoch in epochs)
    assert first != second and first == [row for rows, _ in again for row in rows.tolist()]
    assert torch.equal(torch.get_rng_state(), state)  # no random number of anyone else's is used up
    for columns, size in (([x, x[1:]], 4), ([x[:0]], 4), ([x], 0), ([], 4)):
        with pytest.raises(ValueError, match="equally many rows"):
            MiniBatches(columns, size)

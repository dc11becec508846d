"""The scores on a shipped checkpoint's card are what its weights give."""

import importlib.util
import json
import math
from dataclasses import replace
from fractions import Fraction

import pytest
import torch

from helpers import checkpoints
from helpers.corpus import load_chorale_voices, load_chorales, load_essen
from helpers.datasets import SongDataset, split_by_family
from helpers.encoders import NoteEncoder, StringToIntEncoder
from helpers.exported import from_notebook
from helpers.metrics import nats_per_note
from helpers.songs import Song

pytestmark = pytest.mark.slow

NOTES = NoteEncoder()


def test_every_checkpoint_has_a_card_and_fits_its_notebook():
    names = sorted(path.stem for path in checkpoints.MODELS.glob("*.safetensors"))
    pointing = {"06-lstm", "06-transformer", "06-wavenet"}
    assert {"02-fnn", "03-lstm", "04-vae", "05-wavenet", "07-sound", "11-harmony"} | pointing == set(names)
    for name in names:
        model, card = checkpoints.load(name)
        assert not model.training
        assert card["training"] and card["scores"]
        scores = card["scores"]
        if "test_nats_per_note" in scores:  # a model of melodies
            assert scores["test_nats_per_note_with_memory"] < scores["test_nats_per_note"]


@pytest.mark.parametrize("name", ["validation", "test"])
def test_scores_of_02_fnn(name):
    fnn, markov = from_notebook("02-fnn-gradcheck"), from_notebook("01-markov")
    model, card = checkpoints.load("02-fnn")
    alphabet = StringToIntEncoder(card["vocabulary"])
    songs = getattr(split_by_family([song.in_c() for song in load_essen("erk").songs]), name)
    ids = [torch.tensor(alphabet.encode(NOTES.encode(song))) for song in songs]
    data = fnn.examples(songs, ids, model.t, fnn.durations(alphabet))
    per_note = fnn.loss_per_note(model, data)
    per_song = [part.sum().item() for part in per_note.split([len(sequence) - 1 for sequence in ids])]
    scores = card["scores"]
    assert nats_per_note(per_song, songs) == pytest.approx(scores[f"{name}_nats_per_note"], abs=1e-4)
    p = (-per_note).exp().double()
    remembered = markov.remember(p, *markov.recall_songs(ids), scores["memory_strengths"])
    assert -remembered.log().mean().item() == pytest.approx(scores[f"{name}_nats_per_note_with_memory"], abs=1e-4)
    if name == "test":
        assert scores["test_nats_per_note"] < 2.5


@pytest.fixture(scope="module")
def network():
    """The notebook's definitions, the shipped network, and one song in three forms."""
    fnn = from_notebook("02-fnn-gradcheck")
    model, card = checkpoints.load("02-fnn")
    alphabet = StringToIntEncoder(card["vocabulary"])
    song = load_essen("erk").songs[3].in_c()
    return fnn, model, song, torch.tensor(alphabet.encode(NOTES.encode(song))), fnn.durations(alphabet)


def test_the_network_sees_nothing_of_the_future(network):
    fnn, model, song, ids, steps = network
    other = ids.clone()
    other[20:] = other[20:].flip(0)
    rows = [fnn.examples([song], [sequence], model.t, steps) for sequence in (ids, other)]
    with torch.no_grad():
        here, there = (model(x, z) for x, _, z in rows)
    assert torch.equal(here[:20], there[:20]) and not torch.equal(here[21:], there[21:])


def test_next_note_gives_the_probabilities_that_were_scored(network):
    fnn, model, song, ids, steps = network
    scored = fnn.loss_per_note(model, fnn.examples([song], [ids], model.t, steps))
    next_p = fnn.next_note(model, steps, song)
    one_by_one = [-next_p(ids[:k].tolist())[ids[k]].log().item() for k in range(1, len(ids))]
    assert one_by_one == pytest.approx(scored.tolist(), abs=1e-4)


@pytest.fixture(scope="module", params=["03-lstm", "05-wavenet", "06-lstm", "06-transformer", "06-wavenet"])
def melody(request):
    """03's definitions, a shipped network that reads notes, its card, its alphabet and durations."""
    lstm = from_notebook("03-lstm")
    model, card = checkpoints.load(request.param)
    alphabet = StringToIntEncoder(card["vocabulary"])
    return lstm, model, card, alphabet, lstm.fnn.durations(alphabet)


def note_data(melody, songs):
    lstm, _, _, alphabet, length_of = melody
    ids = [torch.tensor(alphabet.encode(NOTES.encode(song))) for song in songs]
    return ids, SongDataset(ids, [lstm.fnn.clock(i, length_of, s) for i, s in zip(ids, songs, strict=True)])


@pytest.mark.parametrize("name", ["validation", "test"])
def test_scores_of_the_networks_that_read_notes(melody, name):
    lstm, model, card, _, _ = melody
    songs = getattr(split_by_family([song.in_c() for song in load_essen("erk").songs]), name)
    ids, data = note_data(melody, songs)
    per_note = lstm.note_losses(model, data)
    per_song = [part.sum().item() for part in per_note.split([len(sequence) - 1 for sequence in ids])]
    scores = card["scores"]
    assert nats_per_note(per_song, songs) == pytest.approx(scores[f"{name}_nats_per_note"], abs=1e-4)
    p = (-per_note).exp().double()
    remembered = lstm.markov.remember(p, *lstm.markov.recall_songs(ids), scores["memory_strengths"])
    assert -remembered.log().mean().item() == pytest.approx(scores[f"{name}_nats_per_note_with_memory"], abs=1e-4)
    if name == "test":
        most = 1.75 if card["notebook"] == "06-attention" else 2.3  # with the pointer and without
        assert scores["test_nats_per_note_with_memory"] < scores["test_nats_per_note"] < most


def test_the_network_is_a_distribution_that_sees_nothing_of_the_future(melody):
    lstm, model, _, _, _ = melody
    song = load_essen("erk").songs[3].in_c()
    _, data = note_data(melody, [song])
    x, _, z = (column[None] for column in data[0])
    other = x.clone()
    other[:, 20:] = other[:, 20:].flip(1)
    with torch.no_grad():
        here, there = model(x, z)[0], model(other, z)[0]
    assert (here.exp().sum(-1) - 1).abs().max() < 1e-5
    assert torch.allclose(here[:, :20], there[:, :20], atol=1e-6)
    assert not torch.allclose(here[:, 21:], there[:, 21:])


def test_songs_of_a_batch_do_not_see_each_other_nor_the_padding(melody):
    lstm, model, _, _, _ = melody
    songs = [song.in_c() for song in load_essen("erk").songs[:6]]
    _, data = note_data(melody, songs)
    together = lstm.note_losses(model, data, size=6)
    apart = torch.cat([lstm.note_losses(model, note_data(melody, [song])[1]) for song in songs])
    assert torch.allclose(together, apart, atol=1e-4)


def test_next_note_of_these_networks_gives_what_was_scored(melody):
    lstm, model, _, _, length_of = melody
    song = load_essen("erk").songs[3].in_c()
    (ids,), data = note_data(melody, [song])
    next_p = lstm.next_note(model, length_of, song)
    one_by_one = [-next_p(ids[:k].tolist())[ids[k]].log().item() for k in range(1, len(ids))]
    assert one_by_one == pytest.approx(lstm.note_losses(model, data).tolist(), abs=1e-4)
    jumps = [ids[:k].tolist() for k in (9, 4, 4, 30)]  # histories that do not go on from the last
    fresh = lambda history: lstm.next_note(model, length_of, song)(history)
    assert all(torch.allclose(next_p(history), fresh(history), atol=1e-6) for history in jumps)


def test_stateful_composing_equals_rerunning_the_prefix_with_two_layers():
    lstm = from_notebook("03-lstm")
    torch.manual_seed(0)
    model = lstm.LSTMModel(9, 16, 2, 9).eval()
    one, other = lstm.stateful(model), lstm.whole_prefix(model)
    compose = lstm.markov.compose
    assert compose(one, max_length=60, seed=1) == compose(other, max_length=60, seed=1)
    for history in ([0, 4, 5], [0, 4, 5, 6, 7], [0, 1], [0]):
        assert torch.allclose(one(history), other(history), atol=1e-6)


@pytest.mark.parametrize("positions", ["rotary", "none"])
def test_a_transformer_in_pieces_is_the_whole_and_sees_no_future(positions):
    attention = from_notebook("06-attention")
    torch.manual_seed(0)
    body = attention.Transformer(5, 12, layers=2, heads=3, positions=positions).double().eval()
    x, state, pieces = torch.randn(2, 30, 5).double(), None, []
    for piece in x.split([1, 7, 1, 21], 1):
        h, state = body(piece, state)
        pieces.append(h)
    whole = body(x)[0]
    assert (torch.cat(pieces, 1) - whole).abs().max() < 1e-12
    assert (body(x[:, :11])[0] - whole[:, :11]).abs().max() < 1e-12
    moved = body(torch.cat([x[:, 1:2], x[:, :1], x[:, 2:]], 1))[0][:, -1]
    assert (moved - whole[:, -1]).abs().max() > 1e-6  # two layers and a mask know an order


def test_no_song_of_the_other_books_resembles_a_held_out_one():
    attention = from_notebook("06-attention")
    songs = [song.in_c() for song in load_essen("erk").songs]
    split = split_by_family(songs)
    held_out = split.validation + split.test
    moved = [song.transpose(5).with_equal_durations() for song in split.test[:10]]
    assert attention.unrelated(moved, held_out) == []
    assert attention.unrelated(moved, split.train[:1]) == moved


LET_THROUGH = {  # by openings of eight intervals and runs of twelve: the held-out song and what else is like it
    ("zuccal", "Z0018"): "E0878",
    ("ballad", "Q0126E"): "E0487",
    ("dva", "D0070"): "E0163A",
    ("kinder", "K2446"): "E1901A",
    ("zuccal", "Z0260"): "E0764",
}


@pytest.mark.parametrize("part, name", LET_THROUGH)
def test_relatives_by_title_or_by_edits_are_left_out(part, name):
    attention, held_out = from_notebook("06-attention"), LET_THROUGH[part, name]
    (known,) = (song.in_c() for song in load_essen("erk").songs if song.id == held_out)
    (song,) = (song.in_c() for song in load_essen(part).songs if song.id == name)
    steps, others = attention.intervals(song), attention.intervals(known)
    assert steps[:8] != others[:8] and not any(steps[k : k + 12] in others for k in range(len(steps) - 11))
    assert attention.unrelated([song], [known]) == []
    assert attention.title(song) == attention.title(known) or attention.likeness([song], [known]).item() > 0.65


def test_a_short_or_missing_title_is_nobodys_relative():
    attention = from_notebook("06-attention")
    one, other = (song.in_c() for song in load_essen("erk").songs[3:5])
    for name, kept in (("", 1), ("Lied 1", 1), ("Ein langes Lied", 0)):
        pair = [replace(song, title=words) for song, words in ((one, name), (other, name.upper()))]
        assert len(attention.unrelated(pair[:1], pair[1:])) == kept


def test_the_table_of_bodies_is_whole_and_of_the_scripts_recipe():
    path = checkpoints.MODELS.parent / "benchmarks" / "bodies.py"
    script = importlib.util.module_from_spec(spec := importlib.util.spec_from_file_location("bodies", path))
    spec.loader.exec_module(script)
    kept, attention = json.loads(script.RESULTS.read_text(encoding="utf-8")), from_notebook("06-attention")
    assert kept["recipe"] == script.RECIPE
    assert list(kept["runs"]) == [name for name, _ in script.plan(attention.BODIES)]
    train, validation, _ = split_by_family([song.in_c() for song in load_essen("erk").songs])
    assert kept["songs"]["unrelated"] == kept["songs"]["fewer"] == len(attention.unrelated(train, validation))
    for runs in kept["runs"].values():
        assert len(runs) == len(script.RECIPE["seeds"])
        for run in runs:
            assert run["nats"] == min(run["validation after each epoch"])
            assert run["nats with memory"] < run["nats"]


@pytest.fixture(scope="module")
def chorale_windows():
    """Windows of 32 eighths of the unseen chorales, as the notebook cuts them."""
    vae = from_notebook("04-autoencoder-vae")
    songs = load_chorales().songs
    grids = {
        song.id: vae.voice_grid([voice.in_c(nearest=True) for voice in voices])
        for song, voices in zip(songs, load_chorale_voices(), strict=True)
    }
    split = split_by_family(songs)
    return {
        name: vae.windows_of([grids[song.id] for song in getattr(split, name)], 8) for name in ("validation", "test")
    }


@pytest.mark.parametrize("name", ["validation", "test"])
def test_measures_of_04_vae(chorale_windows, name):
    vae = from_notebook("04-autoencoder-vae")
    model, card = checkpoints.load("04-vae")
    found, stored = vae.measures(model, chorale_windows[name]), card["scores"][name]
    assert found["right"] == pytest.approx(stored["right"], abs=2e-3) and found["right"] > 0.8
    assert found["rate"] == pytest.approx(stored["rate"], rel=1e-3)
    assert found["distortion"] == pytest.approx(stored["distortion"], rel=0.02)  # of random draws
    assert found["active"] == stored["active"] <= 96


def test_the_rate_distortion_curve_trades_one_for_the_other():
    _, card = checkpoints.load("04-vae")
    points = [result for _, result in sorted(card["rate_distortion"].items(), key=lambda item: float(item[0]))]
    assert [p["rate"] for p in points] == sorted((p["rate"] for p in points), reverse=True)
    assert [p["distortion"] for p in points] == sorted(p["distortion"] for p in points)


def test_a_grid_survives_its_way_to_voices_and_back(chorale_windows):
    vae = from_notebook("04-autoencoder-vae")
    for window in chorale_windows["test"][::40]:
        assert torch.equal(vae.voice_grid(vae.to_voices(window)), window)


def test_parallels_are_counted_where_two_voices_move_alike_and_nowhere_else():
    vae = from_notebook("04-autoencoder-vae")
    fifths = [[19 + k, 0, 0, 12 + k] for k in (0, 0, 2, 4)]  # two moves, after a held step
    marks, rate = vae.parallels(torch.tensor([fifths]), 7)
    assert rate == 100 and marks.any(2).tolist() == [[False, False, True, True]]
    assert not marks[..., 1:3].any()  # voices that rest take no part
    assert vae.parallels(torch.tensor([fifths]), 12)[1] == 0
    contrary = [[19, 0, 0, 24], [21, 0, 0, 14]]  # a fourth, then a fifth, in contrary motion
    assert vae.parallels(torch.tensor([contrary]), 7)[1] == 0
    octaves = [[24, 0, 0, 12], [26, 0, 0, 14]]
    assert vae.parallels(torch.tensor([octaves]), 12)[1] == 100


def small_wavenet(kernel):
    wavenet = from_notebook("05-wavenet")
    torch.manual_seed(0)
    return wavenet, wavenet.TokenWaveNet(9, 8, 12, [1, 2, 4, 1, 2], kernel=kernel).eval()


@pytest.mark.parametrize("kernel", [2, 3])
def test_queues_pieces_and_the_field_give_what_the_whole_gives(kernel):
    wavenet, model = small_wavenet(kernel)
    assert model.body.field == 1 + (kernel - 1) * 10
    ids = torch.randint(9, (60,))
    queues, history = wavenet.queues_of(model), ids.tolist()
    with torch.no_grad():
        whole = model(ids[None])[0][0]
        step = wavenet.stepper(model)
        steps = torch.cat([step(token[None], queues) for token in ids])
        past, pieces = None, []
        for piece in ids.split([1, 30, 2, 27]):
            logits, past = model(piece[None], past)
            pieces.append(logits[0])
    assert torch.allclose(steps, whole, atol=1e-5) and torch.allclose(torch.cat(pieces), whole, atol=1e-5)
    field, queued = wavenet.whole_field(model), wavenet.queued(model)
    for t in (1, 5, 40, 60, 3):  # the last does not go on from the one before
        expected = whole[t - 1].double().softmax(0)
        assert torch.allclose(field(history[:t]), expected, atol=1e-6)
        assert torch.allclose(queued(history[:t]), expected, atol=1e-6)


def test_a_batch_of_sounds_is_what_each_would_be_alone():
    sound, (_, model) = from_notebook("07-sound"), small_wavenet(2)
    start = torch.randint(9, (3, 7))
    cold = sound.compose_numbers(model, start, 20, temperature=1e-6)
    for row, one in zip(start, cold, strict=True):
        assert torch.equal(sound.compose_numbers(model, row[None], 20, temperature=1e-6)[0], one)


def test_a_gradient_shows_exactly_what_is_seen():
    wavenet = from_notebook("05-wavenet")
    torch.manual_seed(0)
    conv = torch.nn.Conv1d(2, 2, 3, dilation=2).double()
    x = torch.randn(1, 2, 21).double()
    pad = torch.nn.functional.pad
    places = lambda left, right: wavenet.seen_from(lambda x: conv(pad(x, (left, right))), x, 10).nonzero()[:, 0]
    assert places(4, 0).tolist() == [6, 8, 10]
    assert places(3, 1).tolist() == [7, 9, 11]  # a leak of one place


@pytest.mark.parametrize("mu", [15, 255])
def test_mu_law_comes_back_for_every_number(mu):
    sound = from_notebook("07-sound")
    numbers = torch.arange(mu + 1)
    assert torch.equal(sound.mu_law(sound.mu_law_back(numbers.double(), mu), mu), numbers)
    ends = torch.tensor([-1.0, 1.0])
    assert sound.mu_law(ends, mu).tolist() == [0, mu]


def test_the_sound_network_beats_the_chain_on_unseen_songs():
    sound = from_notebook("07-sound")
    model, card = checkpoints.load("07-sound")
    songs = split_by_family([song.in_c() for song in load_essen("erk").songs]).validation[:4]
    sounds = [sound.sound_of(song) for song in songs]
    total = count = 0
    with torch.no_grad():
        for numbers in map(sound.mu_law, sounds):
            total += sound.token_loss(model, numbers[None, :-1], numbers[None, 1:]).item() * (len(numbers) - 1)
            count += len(numbers) - 1
    assert total / count == pytest.approx(card["scores"]["validation_nats_per_sample"], abs=2e-3)
    assert total / count < 2.5


@pytest.fixture(scope="module")
def harmony():
    """Notebook 11's definitions, its shipped network and card, and the grids of each part."""
    notebook = from_notebook("11-harmony")
    model, card = checkpoints.load("11-harmony")
    chorales = load_chorales().songs
    grids = {
        song.id: notebook.sixteenths([voice.in_c(nearest=True) for voice in voices])
        for song, voices in zip(chorales, load_chorale_voices(), strict=True)
    }
    split = split_by_family(chorales)
    return (
        notebook,
        model,
        card["scores"],
        {name: [grids[s.id] for s in getattr(split, name)] for name in split._fields},
    )


def test_a_known_voice_speaks_by_its_interval(harmony):
    """s of (11.3): the soprano's number for a major third over the bass acts on those thirds alone."""
    notebook = harmony[0]
    torch.manual_seed(0)
    small = notebook.Infill(8, 1, 4).double().eval()
    chord, none = torch.full((1, 1, 4), notebook.MASK), torch.zeros(1, 1).long()
    chord[0, 0, 3] = 38
    with torch.no_grad():
        before = small(chord, none)[0, 0, 0]
        small.out.bias[notebook.PITCHES + 2 + 2 * 12 + 4] += 3
        change = small(chord, none)[0, 0, 0] - before
    third = torch.tensor([c > 0 and (c - 38) % 12 == 4 for c in range(notebook.PITCHES)])
    assert torch.allclose(change - change[0], 3.0 * third.double())


@pytest.mark.parametrize("name", ["validation", "test"])
def test_scores_of_11_harmony(harmony, name):
    notebook, model, scores, parts = harmony
    nats = notebook.mean_nats(notebook.network_nats(model, parts[name]), parts[name])
    assert nats == pytest.approx(scores[f"{name}_nats_per_voice_step"], abs=1e-4)
    counting = notebook.Counting(parts["train"])
    counted = [counting.nats(*song) for song in notebook.even_masks(parts[name])]
    counted = notebook.mean_nats(counted, parts[name])
    assert counted == pytest.approx(scores[f"{name}_nats_per_voice_step_counted"], abs=1e-4)
    assert nats < counted - 0.2


def test_counting_says_a_distribution(harmony):
    notebook, _, _, parts = harmony
    counting = notebook.Counting(parts["train"][:20])
    x, clock, masks = next(notebook.even_masks(parts["validation"]))
    place = masks[4].nonzero()[7]
    only, total = torch.zeros_like(masks[4:5]), 0.0
    given = torch.where(masks[4], notebook.MASK, x)
    only[0, place[0], place[1]] = True
    for pitch in range(notebook.PITCHES):
        other = given.clone()
        other[place[0], place[1]] = pitch
        total += math.exp(-counting.nats(other, clock, only))
    assert total == pytest.approx(1, abs=1e-4)


def test_what_is_not_free_stays_and_the_rest_is_sung(harmony):
    notebook, model, _, parts = harmony
    x, clock = (part[None, :48] for part in parts["validation"][0])
    free = torch.zeros_like(x, dtype=torch.bool)
    free[:, 16:32, 1:] = True
    made = notebook.rewrite(model, torch.where(free, notebook.MASK, x), clock, free, sweeps=2)
    assert torch.equal(made[~free], x[~free]) and (made < notebook.MASK).all()
    again = notebook.rewrite(model, torch.where(free, notebook.MASK, x), clock, free, sweeps=2)
    other = notebook.rewrite(model, torch.where(free, notebook.MASK, x), clock, free, sweeps=2, seed=1)
    assert torch.equal(made, again) and not torch.equal(made, other)


TUNE = Song.from_tiny("4/4 g4 a b8 a g4 d4 e f# g", tonic="G")


def test_a_melody_is_harmonised_in_its_own_key(harmony):
    notebook, model, _, _ = harmony
    voices, rows = notebook.harmonise(model, TUNE, seed=3, sweeps=3)
    moved = voices[0].events[0].pitches[0] - TUNE.events[0].pitches[0]
    assert moved % 12 == 0 and voices[0].events == TUNE.transpose(moved).events
    assert [len(row) for row in rows] == [len(voice.events) for voice in voices]
    assert {voice.duration for voice in voices} == {TUNE.duration} and {voice.tonic for voice in voices} == {"G"}
    assert min(min(row) for row in rows) >= 0
    higher, _ = notebook.harmonise(model, TUNE.transpose(1), seed=3, sweeps=3)
    assert [voice.tonic for voice in higher] == ["Ab"] * 4
    assert [voice.events for voice in higher] == [voice.transpose(1).events for voice in voices]


def test_what_is_kept_of_an_earlier_take_stays(harmony):
    notebook, model, _, _ = harmony
    tune = replace(TUNE.transpose(-2), pickup=1)  # in F, with an upbeat
    before, _ = notebook.harmonise(model, tune, seed=1, sweeps=2)
    after, _ = notebook.harmonise(model, tune, seed=2, before=before, voices=[3], bars=[1], sweeps=2)
    grid = lambda voices: notebook.sixteenths(voices)[0]
    old, new = grid(before), grid(after)
    assert torch.equal(old[:, [0, 3]], new[:, [0, 3]]) and torch.equal(old[4:20], new[4:20])
    assert not torch.equal(old, new)


def test_a_melody_that_fits_no_grid_is_refused_with_the_note_and_the_fix(harmony):
    notebook, model, _, _ = harmony
    third = replace(TUNE, events=[*TUNE.events[:2], replace(TUNE.events[2], duration=Fraction(1, 3))])
    with pytest.raises(ValueError, match="note 3 of the melody lasts 1/3 quarters.*multiples of 1/4"):
        notebook.harmonise(model, third)
    with pytest.raises(ValueError, match="no notes"):
        notebook.harmonise(model, replace(TUNE, events=[replace(TUNE.events[0], pitches=())]))


def test_real_parallels_and_wrong_chords_are_counted(harmony):
    notebook, _, _, _ = harmony
    chord = torch.tensor([48, 43, 40, 36])  # C major, and the same a tone higher: three fifths and an octave
    x = torch.stack([chord] * 4 + [chord + 2] * 4)
    found = notebook.counts_of(x)
    assert found["5ths"] == (1, 6) and found["8ves"] == (1, 6)
    assert found["chords"] == (2, 2) and found["dissonant"] == (0, 12) and found["leaps"] == (0, 4)
    x[4:, 1] = 45 + 7  # the alto leaps a ninth, to the third above the soprano's octave: no chord any more
    assert notebook.counts_of(x)["leaps"] == (1, 4) and notebook.counts_of(x)["5ths"] == (0, 6)
    x[2, 0] = 0
    assert notebook.counts_of(x)["rests"] == (1, 32)
    x[:3, 0] = 0  # before its first note: no rest in mid-phrase
    assert notebook.counts_of(x)["rests"] == (0, 32)

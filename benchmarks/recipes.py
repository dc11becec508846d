"""Recipes of the field beside ours: the same songs, the same split, the same score, by turns in one run.

Each recipe is written from its publication (see TABLE); none of its code is here. Ours come from the notebooks through
`helpers.exported`. All are judged on the validation songs by nats per note; the autoencoders by the share of the
voice-steps of unseen chorales that they get wrong. Test songs are not looked at.

Run: by races.py.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import torch
from measuring import Racer
from torch.utils.data import DataLoader

from helpers import training
from helpers.corpus import load_chorale_voices, load_chorales, load_essen
from helpers.datasets import ScoreDataset, split_by_family
from helpers.encoders import GridEncoder, NoteEncoder, StringToIntEncoder
from helpers.exported import from_notebook
from helpers.songs import Song

F = torch.nn.functional
markov, fnn, lstm = (from_notebook(name) for name in ("01-markov", "02-fnn-gradcheck", "03-lstm"))

TABLE = {  # key -> what the publication does, from its text and its own code
    "counting": {
        "recipe": "Markov chain, first order, counted in a loop",
        "source": "B. Zönnchen, Musical Interrogation II (2023), melody_mc.ipynb",
        "settings": "a cell of the matrix is raised by one for each pair of neighbours",
        "ours": "01: `count`, one bincount",
    },
    "softmax": {
        "recipe": "one matrix and a softmax on one-hot rows",
        "source": "B. Zönnchen, Musical Interrogation II (2023), the article, which counts too",
        "settings": "all pairs in one batch, W drawn from a normal distribution, rate 10, 2,000 steps",
        "ours": "01 and 02: counts, mixed by Witten and Bell's rule",
    },
    "lstm": {
        "recipe": "LSTM, loss on the last position of each window",
        "source": "B. Zönnchen, Musical Interrogation III (2023), after V. Velardo, Generating Melodies (2020)",
        "settings": "grid of sixteenths, windows of 64 one token apart, 128 units, dropout 0.2, Adam 0.001, batch 64, "
        "10 epochs",
        "ours": "03: pitch and duration by two heads, a target at every note, the clock given",
    },
    "velardo": {
        "recipe": "the same with 256 units on one-hot rows",
        "source": "V. Velardo, Generating Melodies with RNN-LSTM (2020), train.py",
        "settings": "windows of 64, 256 units, dropout 0.2, Adam 0.001, batch 64, 50 epochs",
        "ours": "as above",
    },
    "mit": {
        "recipe": "character-level LSTM on random crops of the joined songs",
        "source": "MIT, Introduction to Deep Learning, lab 1, part 2",
        "settings": "ABC text, crops of 100 characters, batch 8, embedding 256, 1,024 units, Adam 0.005, 3,000 steps",
        "ours": "as above",
    },
    "wavenet": {
        "recipe": "stack of convolutions with max-pooling, one target a window",
        "source": "Analytics Vidhya, How to Perform Automatic Music Generation (2020)",
        "settings": "windows of 32 notes, embedding 100, convolutions of 64, 128 and 256 channels, dropout 0.2, "
        "pooling after each, dense 256, Adam 0.001, batch 128, 50 epochs",
        "ours": "05: gated convolutions that only look back, a target at every note, the clock given",
    },
    "autoencoder": {
        "recipe": "dense autoencoder with two latent numbers",
        "source": "DataCamp, Using TensorFlow Autoencoders with Music",
        "settings": "32 moments as one-hot rows, tanh and sigmoid, binary cross-entropy, RMSprop 0.001 (Keras's own: "
        "the rate given to compile has no effect), batch 32, 500 epochs",
        "ours": "04: a hidden layer of 200 on each side, 260 steps (2,600 beside the 91,000)",
    },
}
NAMES = ("c", "^c", "d", "^d", "e", "f", "^f", "g", "^g", "a", "^a", "b")


@functools.cache
def melodies():
    """Essen's songs as everybody here gets them: (Split, {encoding: (alphabet, [ids of train, of validation])})."""
    songs = [song.in_c() for song in load_essen("erk").songs]
    split, spelled = split_by_family(songs), {}
    for name, encoder in (("note", NoteEncoder()), ("grid", GridEncoder())):
        alphabet = StringToIntEncoder.fit(map(encoder.encode, songs))
        ids = lambda some, alphabet=alphabet, encoder=encoder: [
            torch.tensor(alphabet.encode(encoder.encode(song))) for song in some
        ]
        spelled[name] = alphabet, [ids(split.train), ids(split.validation)]
    texts = [[in_abc(song) for song in some] for some in split[:2]]
    characters = sorted({character for song in songs for character in in_abc(song)})
    spell = lambda text: torch.tensor([characters.index(character) for character in text])
    spelled["character"] = characters, [[spell(text) for text in some] for some in texts]
    return split, spelled


def in_abc(song: Song) -> str:
    """The notes of a song as in the body of an ABC file with L:1/16, without bar lines; a line to a song."""
    words = []
    for event in song.events:
        length = str(int(event.duration * 4))
        if not event.pitches:
            words.append("z" + length)
            continue
        octave, name = divmod(event.pitches[-1], 12)
        letter = NAMES[name] if octave > 5 else NAMES[name].upper()
        words.append(letter + "'" * (octave - 6) + "," * (5 - octave) + length)
    return " ".join(words) + "\n"


def per_note(nats: float, songs) -> float:
    return nats / sum(len(song.events) + 1 for song in songs)


def every(steps: int, times: int = 10) -> set[int]:
    """The steps after which a racer is looked at: more and more of them apart, the last one included."""
    return {max(1, round(steps ** (k / times))) for k in range(1, times + 1)}


def looks(steps: int) -> int:
    """How often a recipe of the field is looked at; scoring takes longer than a few steps."""
    return 3 if steps < 200 else 6


def sliced(steps: int, take_step, times: int = 10) -> tuple[Iterator[int], int]:
    """The work of a Racer that takes so many steps, and its slices; take_step() -> tokens it was fed."""

    def work():
        tokens, stops = 0, every(steps, times)
        for step in range(1, steps + 1):
            tokens += take_step()
            if step in stops:
                yield tokens

    return work(), len(every(steps, times))


def trainer(model, loss, batches, optimizer, clip=None, schedule=None, fed=lambda batch: batch[0].numel()):
    """take_step for `sliced`: batches again and again; fed(batch) -> tokens, those of the input if not given."""

    def stream():
        while True:
            yield from batches

    source = stream()

    def take_step():
        batch = next(source)
        model.train()
        training.step(model, optimizer, loss, batch, clip)
        if schedule:
            schedule.step()
        return fed(batch)

    return take_step


def scored(model, score):
    """A Racer's score that leaves its model and the random numbers as they are."""

    def now():
        model.eval()
        with torch.no_grad():
            return score(model)

    return now


# ---- the recipes of the field


class LastPosition(torch.nn.Module):
    """The classic LSTM: ids (batch, time) -> logits (batch, m) of what follows the window."""

    def __init__(self, m: int, hidden: int = 128, one_hot: bool = False):
        super().__init__()
        self.rows = functools.partial(F.one_hot, num_classes=m) if one_hot else torch.nn.Embedding(m, m)
        self.lstm = torch.nn.LSTM(m, hidden, batch_first=True)
        self.dropout, self.out = torch.nn.Dropout(0.2), torch.nn.Linear(hidden, m)

    def forward(self, x):
        return self.out(self.dropout(self.lstm(self.rows(x).float())[0][:, -1]))


def last_loss(model, x, y):
    return F.cross_entropy(model(x), y)


def windows(all_ids, length: int):
    """x (n, length), filled with the terminal before a song begins, and y (n,), what follows."""
    rows = torch.cat([F.pad(ids, (length - 1, 0)).unfold(0, length + 1, 1) for ids in all_ids])
    return rows[:, :-1], rows[:, -1]


def window_score(model, data, songs, size: int = 512) -> float:
    """Nats per note of a model that predicts what follows a window."""
    x, y = data
    parts = zip(x.split(size), y.split(size), strict=True)
    return per_note(sum(F.cross_entropy(model(a), b, reduction="sum").item() for a, b in parts), songs)


def field_lstm(steps: int) -> Racer:
    split, spelled = melodies()
    alphabet, (train, validation) = spelled["grid"]
    torch.manual_seed(0)
    model, held_out = LastPosition(len(alphabet)), windows(validation, 64)
    loader = DataLoader(torch.utils.data.TensorDataset(*windows(train, 64)), 64, shuffle=True)
    step = trainer(model, last_loss, loader, torch.optim.Adam(model.parameters(), 1e-3))
    score = scored(model, lambda model: window_score(model, held_out, split.validation))
    work, slices = sliced(steps, step, looks(steps))
    return Racer("lstm", work, score, slices)


class Characters(torch.nn.Module):
    """The lab's network: ids (batch, time) -> logits (batch, time, m), and the state."""

    def __init__(self, m: int):
        super().__init__()
        self.embedding, self.lstm = torch.nn.Embedding(m, 256), torch.nn.LSTM(256, 1024, batch_first=True)
        self.out = torch.nn.Linear(1024, m)

    def forward(self, x, state=None):
        h, state = self.lstm(self.embedding(x), state)
        return self.out(h), state


def field_mit(steps: int) -> Racer:
    split, spelled = melodies()
    characters, (train, validation) = spelled["character"]
    torch.manual_seed(0)
    model, text, end = Characters(len(characters)), torch.cat(train), characters.index("\n")

    def crops():
        starts = torch.randint(len(text) - 101, (8, 1))
        rows = text[starts + torch.arange(101)]
        return rows[:, :-1], rows[:, 1:]

    held_out = lstm.SongDataset([F.pad(ids, (1, 0), value=end) for ids in sorted(validation, key=len)])

    def score(model):
        loader = DataLoader(held_out, 32, collate_fn=lstm.pad_songs)
        each = (F.cross_entropy(model(x)[0].transpose(1, 2), y, reduction="sum").item() for x, y in loader)
        return per_note(sum(each), split.validation)

    endless = iter(crops, None)
    step = trainer(model, lstm.loss_every, endless, torch.optim.Adam(model.parameters(), 5e-3))
    work, slices = sliced(steps, step, looks(steps))
    return Racer("mit", work, scored(model, score), slices)


class Pooled(torch.nn.Module):
    """The article's "WaveNet": ids (batch, 32) -> logits (batch, m). Max-pooling lets it forget where a note stood."""

    def __init__(self, m: int):
        super().__init__()
        self.embedding, channels = torch.nn.Embedding(m, 100), (100, 64, 128, 256)
        self.layers = torch.nn.ModuleList(
            torch.nn.Conv1d(inputs, outputs, 3, dilation=2**k)
            for k, (inputs, outputs) in enumerate(zip(channels, channels[1:], strict=False))
        )
        self.dropout = torch.nn.Dropout(0.2)
        self.head = torch.nn.Sequential(torch.nn.Linear(256, 256), torch.nn.ReLU(), torch.nn.Linear(256, m))

    def forward(self, x):
        x = self.embedding(x).transpose(1, 2)
        for k, layer in enumerate(self.layers):
            x = F.max_pool1d(self.dropout(layer(F.pad(x, (2 * 2**k, 0))).relu()), 2)
        return self.head(x.amax(2))


def field_wavenet(steps: int) -> Racer:
    split, spelled = melodies()
    alphabet, (train, validation) = spelled["note"]
    torch.manual_seed(0)
    model, held_out = Pooled(len(alphabet)), windows(validation, 32)
    loader = DataLoader(torch.utils.data.TensorDataset(*windows(train, 32)), 128, shuffle=True)
    step = trainer(model, last_loss, loader, torch.optim.Adam(model.parameters(), 1e-3))
    work, slices = sliced(steps, step, looks(steps))
    score = lambda model: window_score(model, held_out, split.validation)
    return Racer("wavenet", work, scored(model, score), slices)


@functools.cache
def chorales():
    """(X of training, X of validation, validation windows, classes in use): chorales as 04 prepares them."""
    vae = from_notebook("04-autoencoder-vae")
    songs = load_chorales().songs
    voices = {song.id: voices for song, voices in zip(songs, load_chorale_voices(), strict=True)}
    grid = lambda song: vae.voice_grid([voice.in_c(nearest=True) for voice in voices[song.id]])
    split = split_by_family(songs)
    train, validation = (
        vae.windows_of([grid(song) for song in some], stride)
        for some, stride in ((split.train, 2), (split.validation, 8))
    )
    used = vae.used_classes(train)
    return vae.flat(train, used), vae.flat(validation, used), validation, used


def moments(batch) -> int:
    """Tokens of a batch of windows of 32 moments of four voices."""
    return len(batch[0]) * 32 * 4


def wrong(model) -> float:
    _, X, x, used = chorales()
    return 1 - from_notebook("04-autoencoder-vae").voice_steps_right(model(X)[0], x, used)


class Dense(torch.nn.Module):
    """The tutorial's autoencoder: x (batch, size) -> logits of x again, and two numbers."""

    def __init__(self, size: int):
        super().__init__()
        self.encoder, self.decoder = torch.nn.Linear(size, 2), torch.nn.Linear(2, size)
        for layer in (self.encoder, self.decoder):  # as Keras begins
            torch.nn.init.xavier_uniform_(layer.weight)
            torch.nn.init.zeros_(layer.bias)

    def forward(self, x):
        z = self.encoder(x).tanh()
        return self.decoder(z), z


def field_autoencoder(steps: int) -> Racer:
    X = chorales()[0]
    torch.manual_seed(0)
    model = Dense(X.shape[1])
    loss = lambda model, x: F.binary_cross_entropy_with_logits(model(x)[0], x)
    optimizer = torch.optim.RMSprop(model.parameters(), 1e-3, alpha=0.9, eps=1e-7)
    loader = DataLoader(torch.utils.data.TensorDataset(X), 32, shuffle=True)
    work, slices = sliced(steps, trainer(model, loss, loader, optimizer, fed=moments), looks(steps))
    return Racer("autoencoder", work, scored(model, wrong), slices)


# ---- ours


def our_melody(steps: int, name: str = "ours", wavenet: bool = False) -> Racer:
    """The network of 03 or 05 with the notebook's loss, batches, optimizer and cycle, for so many steps."""
    split, _ = melodies()
    alphabet, durations = lstm.note_alphabet([*split.train, *split.validation, *split.test])
    train, validation = (lstm.note_data(some, alphabet) for some in split[:2])
    body = from_notebook("05-wavenet").MelodyWaveNet if wavenet else lstm.MelodyLSTM
    torch.manual_seed(0)
    model = body((len(alphabet) - 1) // durations, durations, tuple(fnn.SIZES.values()))
    loader = DataLoader(train, batch_sampler=lstm.LikeLengths(train, 16), collate_fn=lstm.pad_songs)
    optimizer = torch.optim.AdamW(model.parameters(), 8e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 8e-3, steps)
    work, slices = sliced(steps, trainer(model, lstm.note_loss, loader, optimizer, 1.0, schedule))
    score = lambda model: lstm.note_losses(model, validation).mean().item()
    return Racer(name, work, scored(model, score), slices)


def our_grid(steps: int, name: str = "ours on the same grid") -> Racer:
    """Section 7 of 03: the classic network and tokens, with a target at every position and 8 windows a batch."""
    split, spelled = melodies()
    alphabet, (train, validation) = spelled["grid"]
    torch.manual_seed(0)
    model = lstm.LSTMModel(len(alphabet), 128, 1, len(alphabet), 0.2)
    loader = DataLoader(ScoreDataset(train, 64), 8, shuffle=True)
    step = trainer(model, lstm.loss_every, loader, torch.optim.Adam(model.parameters(), 4e-3), 1.0)
    work, slices = sliced(steps, step)
    return Racer(name, work, scored(model, lambda model: lstm.grid_nats(model, split.validation, validation)), slices)


def our_autoencoder(steps: int) -> Racer:
    X = chorales()[0]
    torch.manual_seed(0)
    model = from_notebook("04-autoencoder-vae").Autoencoder(X.shape[1])
    loss = lambda model, x: F.binary_cross_entropy_with_logits(model(x)[0], x, reduction="sum") / len(x)
    batches = iter(lambda: (X[torch.randint(len(X), (128,))],), None)
    optimizer = torch.optim.Adam(model.parameters(), 2e-3, fused=True)
    work, slices = sliced(steps, trainer(model, loss, batches, optimizer, fed=moments))
    return Racer("ours", work, scored(model, wrong), slices)


FIELD = {"lstm": field_lstm, "mit": field_mit, "wavenet": field_wavenet, "autoencoder": field_autoencoder}
OURS = {"mit": our_melody, "lstm": our_melody, "autoencoder": our_autoencoder}
OURS["wavenet"] = functools.partial(our_melody, wavenet=True)

"""From a folder to a trained network and a page, step by step.

Notebook: 09-your-songs.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from helpers import checkpoints
from helpers.checkpoints import MODELS
from helpers.datasets import Split
from helpers.files import write_atomically
from helpers.yours import families, fitting, network, page, preparing, scoring
from helpers.yours.fitting import Outcome, Plan
from helpers.yours.page import Material
from helpers.yours.preparing import many

SCRATCH = "scratch"
PAGE = MODELS.parent / "site" / "yours.html"


@dataclass(frozen=True)
class Options:
    """What can be chosen.

    Attributes:
        songs: the folder.
        base: the checkpoint to go on from, or "scratch".
        instrument: to keep; files without it are rejected. "all" keeps all, None the only one of each file.
        name: of the new checkpoint; that of the folder if "".
        page: the file to write.
        models: folder of the new checkpoint; None for `network.yours_folder()`.
        epochs: at most; 0 for what suits the number of songs.
        rate: the learning rate; 0 for what suits.
        seed: of training.

    Notebook: 09-your-songs.
    """

    songs: Path
    base: str = "06-lstm"
    instrument: str | None = None
    name: str = ""
    page: Path = PAGE
    models: Path | None = None
    epochs: int = 0
    rate: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Trained:
    """What training gave.

    Attributes:
        model: Pointing.
        card: of its checkpoint.
        old: the alphabet of the network that it went on from; None from scratch.
        before: that network with rows for the new notes; None from scratch.

    Notebook: 09-your-songs.
    """

    model: object
    card: dict
    old: network.Alphabet | None = None
    before: object = None


def run(options: Options, say: Callable[[str], None] = print) -> Path:
    """Reads the songs, trains, and writes the checkpoint and the page.

    Args:
        options: what was chosen.
        say: where progress is told, line by line.

    Returns:
        the path of the page.

    Raises:
        ValueError: the songs, or the checkpoint to go on from, cannot be used; nothing was written.
        OSError: there is no such folder or checkpoint, or one cannot be written to; found before the work.
        FloatingPointError: as `fitting.fit`.
        KeyboardInterrupt: before anything was trained.

    Notebook: 09-your-songs.
    """
    folder = options.models or network.yours_folder()
    base = None if options.base == SCRATCH else network.load_base(options.base)
    material = material_of(options, say)
    check_writable(folder, options.page.parent)
    trained = train(options, folder, base, material, say)
    say("Scoring, and writing takes …")
    text = report(options, material, trained)
    write_atomically(options.page, text.encode("utf-8"))
    say(f"The network is {folder / material.name}.safetensors; its page is {options.page}.")
    return options.page


def material_of(options: Options, say: Callable[[str], None] = print) -> Material:
    """The songs in the folder, split, and what is to be said of them.

    Args:
        options: what was chosen.
        say: where it is told.

    Raises:
        ValueError: as `preparing.load` and `families.split`.
        OSError: as `preparing.load`.

    Notebook: 09-your-songs.
    """
    prepared = preparing.load(options.songs, options.instrument or None)
    say(f"{many(len(prepared.songs), 'song')} can be used, {len(prepared.rejected)} cannot.")
    for reason, number, names in preparing.reasons(prepared.rejected):
        say(f"  {number} × {reason}: {names}")
    songs, audit = families.with_families(prepared.songs)
    whole = families.split(songs)
    title = Path(options.songs).expanduser().resolve().name
    material = Material(options.name or families.short_name(title), title, prepared, audit, whole)
    for line in [*prepared.done[1:], *families.plainly(audit, whole), *page.few(whole)]:
        say(line)
    return material


def check_writable(*folders: Path) -> None:
    """Says before the work that its results could not be kept.

    Args:
        folders: made if they are not there.

    Raises:
        PermissionError: naming the folder.

    Notebook: 09-your-songs.
    """
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / ".writable", b"")
            (folder / ".writable").unlink()
        except OSError as error:
            raise PermissionError(
                f"the folder {str(folder)!r} cannot be written to ({error.strerror}); name others: PAGE=… for the "
                "page, NOTES_YOURS=… for the network."
            ) from error


def train(options: Options, folder: Path, base, material: Material, say: Callable[[str], None] = print) -> Trained:
    """The network after training and before it; what was done by an earlier command is not done again.

    Args:
        options: what was chosen.
        folder: where the network goes.
        base: the Checkpoint to go on from; None from scratch.
        material: the songs.
        say: where progress is told.

    Raises:
        FloatingPointError: as `fitting.fit`.
        KeyboardInterrupt: as `fitting.fit`.

    Notebook: 09-your-songs.
    """
    parts, name = material.parts, material.name
    old = network.alphabet_of(base.card) if base else None
    alphabet = (old or network.EMPTY).grown([song for part in parts for song in part])
    before = base and network.grown(base.model, base.card["hyperparameters"], old, alphabet)
    digest, card = _digest(options, base, parts), _card_of(name, folder)
    if card and card.get("digest") == digest and card.get("complete"):
        say(f"{name} has been trained on these very songs; delete {folder / name}.json to train it again.")
        return Trained(checkpoints.load(name, folder=folder).model, card, old, before)
    if card and card.get("digest") != digest:
        say(f"The network {name} of other songs or settings is replaced when this one is trained.")
    model = copy.deepcopy(before) if base else network.from_scratch(alphabet, options.seed)
    running = folder / f".{name}-{digest[:12]}"
    outcome, plan = _fitted(options, model, alphabet, parts, running, say)
    say(told(outcome, plan))
    card = _card(options, base, alphabet, material, outcome, plan) | {"digest": digest}
    checkpoints.save(model, name, card, folder)
    if outcome.complete:
        fitting.forget(running)
    return Trained(model, card, old, before)


def _fitted(options: Options, model, alphabet, parts: Split, running: Path, say) -> tuple[Outcome, Plan]:
    """Trains, from where an interrupted command left off if there is one."""
    plan = fitting.plan_for(len(parts.train), options.base == SCRATCH, bool(parts.validation))
    plan = Plan(options.epochs or plan.epochs, options.rate or plan.rate, plan.patience)
    if (running / "last.pt").is_file():
        say("Training goes on after its last whole epoch.")
    songs = many(len(parts.train), "song or piece").replace("song or pieces", "songs or pieces")
    say(f"Training on {songs}, at most {many(plan.epochs, 'epoch')}; Ctrl-C keeps the best so far.")
    validation = network.data_of(parts.validation, alphabet) if parts.validation else None
    data = network.data_of(parts.train, alphabet)
    return fitting.fit(model, parts.train, data, validation, plan, running, options.seed), plan


def told(outcome: Outcome, plan: Plan) -> str:
    """How training went, in a sentence.

    Args:
        outcome: of it.
        plan: what was to be trained.

    Notebook: 09-your-songs.
    """
    if not outcome.complete:
        return f"Stopped after {outcome.epochs} of at most {plan.epochs} epochs; the same command goes on from here."
    if outcome.kept == "first":
        return "No epoch was better on the validation songs than the network was before, so it stays as it was."
    best = "" if outcome.best is None else f"; the best scores {outcome.best:.3f} nats a note on the validation songs"
    trained = "epoch was" if outcome.epochs == 1 else "epochs were"
    return f"{outcome.epochs} {trained} trained{best}."


def report(options: Options, material: Material, trained: Trained) -> str:
    """The page's HTML.

    Args:
        options: what was chosen.
        material: the songs.
        trained: the networks.

    Notebook: 09-your-songs.
    """
    parts, alphabet, read = material.parts, network.alphabet_of(trained.card), []
    scores = [scoring.score("counting, on your songs", scoring.counted_p(parts, alphabet), parts, alphabet)]
    if trained.old is not None:
        p_of = scoring.network_p(trained.before, alphabet)
        scores.append(scoring.score(f"{options.base}, before", p_of, parts, alphabet))
        share, nats = scoring.new_to(trained.old, trained.before, alphabet, parts.test)
        if share:
            known = f"of the others it was surprised by {nats:.3f} nats a note before training"
            read.append(f"{share:.1%} of the notes in the test songs are new to {options.base}; {known}.")
    name = "from scratch, on your songs" if trained.old is None else f"{options.base}, trained on your songs"
    scores.append(scoring.score(name, scoring.network_p(trained.model, alphabet), parts, alphabet))
    writer = network.writer_of(trained.model, trained.card, preparing.frame_of(parts.train))
    notes = {
        "summary": [trained.card["data"], trained.card["training"]],
        "read": [verdict(scores), *read],
        "offer": ["Run “make studio”: the Composer offers this network by its name. It is on this machine only."],
    }
    return page.html_of(material, scores, scoring.copies(writer, parts), scoring.takes(writer), notes)


def verdict(scores: list[scoring.Score]) -> str:
    """What the table says, in a sentence.

    Args:
        scores: counting first, the trained network last.

    Notebook: 09-your-songs.
    """
    counted, last = scores[0], scores[-1]
    bar = min(counted.nats, counted.with_memory)
    gain, noise = bar - min(last.nats, last.with_memory), 2 * max(last.spread or 0, counted.spread_with_memory or 0)
    if last.spread is None:
        return f"The difference to the best of counting is {gain:+.3f} nats a note, on one family: no more than a hint."
    if abs(gain) <= noise:
        return f"The network and counting differ by {abs(gain):.3f} nats a note, which is within twice the ±: a draw."
    return f"The network is {abs(gain):.3f} nats a note {'better' if gain > 0 else 'worse'} than the best of counting."


def _digest(options: Options, base, parts: Split) -> str:
    """Changes when the songs, their split or the settings do."""
    songs = [[(song.id, song.family, song.meter, str(song.pickup), song.events) for song in part] for part in parts]
    start = base.card["sha256"] if base else SCRATCH
    text = repr((songs, start, options.epochs, options.rate, options.seed))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _card_of(name: str, folder: Path) -> dict | None:
    try:
        return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _card(options: Options, base, alphabet, material: Material, outcome: Outcome, plan: Plan) -> dict:
    """What the checkpoint is."""
    hyperparameters = (base.card["hyperparameters"] if base else {"body": "LSTM"}) | alphabet.shape
    start = f"from {options.base}" if base else "from scratch"
    frame, songs = preparing.frame_of(material.parts.train), material.prepared.songs
    return {
        "notebook": network.NOTEBOOK,
        "class": "Pointing",
        "hyperparameters": hyperparameters,
        "vocabulary": alphabet.vocabulary.vocabulary,
        "step": str(network.STEP),
        "meters": list(alphabet.meters),
        "centres": material.prepared.centres,
        "frame": {"meter": frame.meter, "pickup": str(frame.pickup), "mode": frame.mode},
        "data": f"{many(len(songs), 'song')} of the folder {material.title}, in C.",
        "seed": options.seed,
        "scores": {"validation_nats_per_note": outcome.best},
        "training": f"Trained {start}, {outcome.epochs} of at most {plan.epochs} epochs: AdamW, decay 0.1, rate "
        f"{plan.rate:g} falling to nothing, batches of {fitting.BATCH} songs. {told(outcome, plan)}",
        "complete": outcome.complete,
    }

"""Every model of the series so far, ready to go on with one melody.

Notebook: the end of each, and the studio.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace

from helpers import checkpoints
from helpers.cache import fraction_in
from helpers.composing import IN_C, Writer
from helpers.exported import from_notebook
from helpers.player import play
from helpers.reasons import shown
from helpers.songs import Song
from helpers.yours.network import writer_of, yours_folder

SERIES = {  # the notebooks whose models write melodies, and what their models are called
    "01-markov": "Markov",
    "02-fnn-gradcheck": "network",
    "03-lstm": "LSTM",
    "05-wavenet": "WaveNet",
    "06-attention": "LSTM that points",
}


def writers(last: str, frame: Song = IN_C) -> dict[str, Writer]:
    """The shipped models of the series, up to one notebook.

    Args:
        last: the notebook that is included as the last one, such as "03-lstm".
        frame: lends meter and upbeat where there is no beginning.

    Returns:
        name of the model -> Writer, in the order of the series.

    Notebook: 01-markov.
    """
    return {label: from_notebook(name).shipped_writer(frame) for name, label in SERIES.items() if name[:2] <= last[:2]}


def own_writers(frame: Song = IN_C) -> dict[str, Writer]:
    """The networks that `make yours` trained on this machine.

    Args:
        frame: lends meter and upbeat where there is no beginning, to a network that knows its meter; another one has
            those of its own songs.

    Returns:
        name -> Writer, the newest first; one that cannot be read is named on standard error and left out.

    Notebook: 09-your-songs.
    """
    found: dict[str, Writer] = {}
    paths = [path for path in yours_folder().glob("*.safetensors") if path.is_file()]
    for path in sorted(paths, key=lambda path: -path.stat().st_mtime):
        try:
            model, card = checkpoints.load(path.stem, folder=path.parent)
            own = replace(frame, meter=card["frame"]["meter"], pickup=fraction_in(card["frame"]["pickup"]))
            found[path.stem] = writer_of(model, card, frame if frame.meter in card["meters"] else own)
        except Exception as error:  # whatever its card says, the other networks are of use
            print(f"The network {shown(str(path), 1000)} cannot be used: {shown(str(error), 1000)}", file=sys.stderr)
    return found


def side_by_side(models: Mapping[str, Writer], melody: Song, seed: int = 1, tempo: float = 120, **settings) -> None:
    """Plays a melody, and after it what each model makes of it, with the surprise of its notes.

    Args:
        models: name -> Writer.
        melody: the beginning, in C major or A minor.
        seed: the same for all.
        tempo: quarter notes per minute.
        settings: temperature, max_length and top_k, as `Writer.write`.

    Raises:
        ValueError: naming the note that a model does not know.

    Notebook: 01-markov.
    """
    play(melody, title="the beginning", tempo=tempo)
    for name, writer in models.items():
        written = writer.write(melody, seed=seed, **settings)
        song = replace(written.song, title=f"{name} goes on, seed {seed}")
        play(song, tempo=tempo, surprise=written.surprise, given=written.given)

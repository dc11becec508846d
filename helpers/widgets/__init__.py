"""Controls to steer a model by hand, on ipywidgets (7.7 and 8) and anywidget.

`Composer` writes songs with a model, `MelodyInput` is a grid to click a melody into, `LatentExplorer` a map to walk on,
`Harmoniser` adds three voices to a melody, and `BlindTest` asks which of two takes is the real one.

Notebook: all of them; first met in 01-markov.
"""

from helpers.widgets.blind import BlindTest
from helpers.widgets.composer import INSTRUMENTS, Composer
from helpers.widgets.explorer import LatentExplorer
from helpers.widgets.harmoniser import Harmoniser
from helpers.widgets.melody import MelodyInput
from helpers.widgets.upload import LARGEST_FILE, song_in

__all__ = [
    "INSTRUMENTS",
    "LARGEST_FILE",
    "BlindTest",
    "Composer",
    "Harmoniser",
    "LatentExplorer",
    "MelodyInput",
    "song_in",
]

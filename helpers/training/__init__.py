"""Training: on one process in a notebook (`fit`), or on many by `torchrun -m helpers.training`.

Notebook: 02-fnn-gradcheck and later; 10-more-machines starts many processes.
"""

from helpers.training.loop import Recipe, fit, step

__all__ = ["Recipe", "fit", "step"]

"""The in-song memory of notebook 01, kept up to date from note to note.

Notebook: 01-markov, inside `with_memory`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

import torch


class Recall:
    """What 01's `recall` gives for a history that grows, without reading all of it again for every token.

    Composing n tokens takes time in proportion to n; to search the history anew each time takes n squared.

    Args:
        m: symbols of the alphabet.
        reach: the longest context.

    Notebook: 01-markov.
    """

    def __init__(self, m: int, reach: int = 4):
        self.m, self.reach = m, reach
        self._known: list[int] = []
        self._after: dict[tuple, Counter] = {}
        self._lock = threading.Lock()  # two Composers may write with one model

    def __call__(self, history: Sequence[int]) -> torch.Tensor:
        """How often each token followed the last 1 ... reach ids before.

        Args:
            history: ids; if it does not go on from the one before, it is another song, and all is learned anew.

        Returns:
            float64 (m, reach).
        """
        with self._lock:
            return self._count(list(history))

    def _count(self, history: list[int]) -> torch.Tensor:
        if history[: len(self._known)] != self._known:
            self._known, self._after = [], {}
        for token in history[len(self._known) :]:
            self._learn(token)
        c = torch.zeros(self.m, self.reach, dtype=torch.float64)
        for k in range(1, min(self.reach, len(history)) + 1):
            if followed := self._after.get(tuple(history[-k:])):
                c[list(followed), k - 1] = torch.tensor([*followed.values()], dtype=torch.float64)
        return c

    def _learn(self, token: int) -> None:
        for k in range(1, min(self.reach, len(self._known)) + 1):
            self._after.setdefault(tuple(self._known[-k:]), Counter())[token] += 1
        self._known.append(token)

"""A blind test: which of two takes is the real one?

Notebook: 11-harmony.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import ipywidgets as widgets

from helpers.player import Player
from helpers.songs import Song
from helpers.widgets.parts import ROW, Panel, button, enable

HINT = "Ten pairs and one listener prove nothing about all music and all ears."


class BlindTest(Panel):
    """Pairs of takes, one real and one by a machine, in random order; at the end the score and its interval.

    Args:
        pairs: (real, machine) for each, a Song or its voices.
        interval: function (right, answered) -> (lowest, highest) share of right answers to be expected.
        name: of whoever wrote the real ones.
        seed: of the order within the pairs; another one in each session if None.
        tempo: quarter notes per minute.
        program: General MIDI instrument, one for all voices or one for each.

    Raises:
        ValueError: if there is no pair.

    Notebook: 11-harmony.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[Song | Sequence[Song], Song | Sequence[Song]]],
        interval: Callable[[int, int], tuple[float, float]],
        name: str = "Bach",
        seed: int | None = None,
        tempo: float = 80,
        program: int | Sequence[int] = 19,
    ):
        if not pairs:
            raise ValueError("there is no pair to compare; give at least one, as (real, machine).")
        super().__init__(takes=2)
        self.pairs, self.interval, self.name = list(pairs), interval, name
        self.tempo, self.program = tempo, program
        draw = random.Random(seed)
        self.real_first = [draw.random() < 0.5 for _ in pairs]
        self.answers: list[bool] = []  # whether each was right
        self.begin = button("Begin", "Hear the first pair", self.next_pair, button_style="primary")
        self.first = button(f"A is {name}", "The upper one", lambda: self.answer(True))
        self.second = button(f"B is {name}", "The lower one", lambda: self.answer(False))
        for control in (self.first, self.second):
            enable(control, False, "Press Begin first")
        self.add_class("nfs-blind")
        self.children = (
            widgets.Box([self.begin, self.first, self.second], layout=ROW),
            *(self.message, self.shown),
        )
        self.say(f"{len(self.pairs)} pairs. One of each is {name}'s, the other a machine's.")

    @property
    def right(self) -> int:
        """How many answers were right so far."""
        return sum(self.answers)

    def next_pair(self) -> None:
        """Shows the pair that comes next: A above B."""
        number = len(self.answers)
        enable(self.begin, False, "The test has begun")
        for control in (self.first, self.second):
            enable(control, False, "The pair is being made")
        takes = self.pairs[number] if self.real_first[number] else self.pairs[number][::-1]
        for letter, take in reversed(list(zip("AB", takes, strict=True))):
            title = f"{letter} of pair {number + 1}"
            self.show(Player(take, title=title, tempo=self.tempo, program=self.program))
        for control in (self.first, self.second):
            enable(control, True, f"Which one did {self.name} write?")

    def answer(self, first: bool) -> None:
        """Takes an answer, says whether it is right, and goes on.

        Args:
            first: whether A is thought to be the real one.
        """
        if len(self.answers) == len(self.pairs):
            return
        truth = self.real_first[len(self.answers)]
        self.answers.append(first == truth)
        said = f"{'Right' if self.answers[-1] else 'Wrong'}: {self.name} was {'A' if truth else 'B'}. "
        score = f"{self.right} of {len(self.answers)} right so far."
        if len(self.answers) < len(self.pairs):
            self.say(f"{said}{score}")
            self.next_pair()
            return
        for control in (self.first, self.second):
            enable(control, False, "The test is over")
        self.say(said + self._result())

    def _result(self) -> str:
        low, high = self.interval(self.right, len(self.answers))
        guess = "Guessing, one half, lies inside" if low <= 0.5 <= high else "Guessing, one half, lies outside"
        return (
            f"{self.right} of {len(self.answers)} right; the interval of your true share, at 95 %, goes from "
            f"{100 * low:.0f} % to {100 * high:.0f} %. {guess}. {HINT}"
        )

"""Drawings of Markov chains.

Notebook: 01-markov.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.path import Path

from helpers.diagrams.kit import FAINT, LETTER, SIZE, SMALL, WIDTH, Drawing, Sheet, tint
from helpers.figures import PALETTE

COLOR = PALETTE["Markov"]
RADIUS = 21  # of a state, in points


def song_as_chain(tokens: Sequence[str] = ("67/4", "72/4", "76/8")) -> Drawing:
    """A song as a chain of notes between two terminals, in the letters of (1.2).

    Args:
        tokens: the notes of the song, 2 to 4.

    Raises:
        ValueError: if they do not fit.

    Notebook: 01-markov.
    """
    if not 2 <= len(tokens) <= 4:
        raise ValueError(f"{len(tokens)} notes do not fit on a phone; give 2 to 4.")
    sheet, last = Sheet(92), len(tokens) + 1
    step = (WIDTH - 56) / last
    places = [28 + step * k for k in range(last + 1)]
    fills = [tint(COLOR, 0.35 * (0 < k < last)) for k in range(last + 1)]
    sheet.row(places, 58, [".", *tokens, "."], [f"x_{k}" for k in range(last + 1)], fills)
    for k, x in enumerate(places[1:], 1):
        sheet.letter(x - step / 2, 76, f"P_{{x_{k - 1}x_{k}}}", LETTER)
    sheet.text(places[0], 9, "begins", SMALL, color=FAINT)
    sheet.text(places[-1], 9, "ends", SMALL, color=FAINT)
    return sheet.finish(
        f"A song as a chain. From left to right: the terminal x 0, the notes {', '.join(tokens)}, and the terminal x "
        f"{last}; over each of the {last} arrows between neighbours stands a probability P, from one to the next."
    )


def markov_chain(P, names: Sequence[str], least: float = 0.05) -> Drawing:
    """A Markov chain as states and arrows, an arrow the thicker the likelier.

    Args:
        P: (k, k) probabilities of the next state, a row for each state; k is 2 to 5. Rows may sum to less than one,
            as those of a part of a larger matrix do.
        names: of the k states.
        least: arrows with a smaller probability are left out.

    Raises:
        ValueError: if P is no such matrix, has not one name for each row, or needs more than 16 arrows.

    Notebook: 01-markov.
    """
    rows = [[float(p) for p in row] for row in P]
    _check_matrix(rows, names)
    angles, places, height = _around(len(names))
    sheet = Sheet(height)
    arrows = [(a, b, p) for a, row in enumerate(rows) for b, p in enumerate(row) if p >= least]
    if len(arrows) > 16:
        raise ValueError(f"{len(arrows)} arrows cannot be told apart; leave out more of them with a larger `least`.")
    curves = [_loop(places[a], angles[a]) if a == b else _bow(places[a], places[b]) for a, b, _ in arrows]
    for (_, _, p), curve, at in zip(arrows, curves, _apart(curves), strict=True):
        codes = [Path.MOVETO, *[Path.CURVE4] * 3]
        sheet.curve(curve, codes, linewidth=0.6 + 4.4 * p, mutation_scale=9 + 9 * p)
        sheet.letter(*_on(curve, at), f"{p:.2f}", SIZE)
    for (x, y), name in zip(places, names, strict=True):
        sheet.dot(x, y, RADIUS, tint(COLOR, 0.35))
        sheet.text(x, y, name, SIZE, parse_math=False)
    said = [f"from {names[a]} to {names[b]} {p:.2f}" for a, b, p in arrows]
    return sheet.finish(f"A Markov chain as states and arrows. The probabilities: {', '.join(said)}.")


def _check_matrix(rows: Sequence[Sequence[float]], names: Sequence[str]) -> None:
    if not 2 <= len(names) <= 5 or [len(row) for row in rows] != [len(names)] * len(names):
        shape = f"{len(rows)} rows of {sorted({len(row) for row in rows})}"
        raise ValueError(f"a chain of 2 to 5 states is drawn from a square P; this is {shape} for {len(names)} names.")
    if not all(0 <= p <= 1 for row in rows for p in row) or any(sum(row) > 1 + 1e-6 for row in rows):
        raise ValueError("the rows of P must be probabilities, which sum to at most one.")


def _around(k: int) -> tuple[list[float], list[tuple[float, float]], float]:
    """The angle and the place of each of k states on an oval, and the height that they need."""
    turn = {2: math.pi, 4: 3 * math.pi / 4}.get(k, math.pi / 2)
    angles = [turn - 2 * math.pi * n / k for n in range(k)]
    wide, high = (100, 0) if k == 2 else (128, 100)
    ups = [high * math.sin(angle) for angle in angles]
    below, above = (RADIUS + 12 if k == 2 else RADIUS + 36 * abs(math.sin(angles[n])) + 8 for n in (k // 2, 0))
    places = [(WIDTH / 2 + wide * math.cos(a), up - min(ups) + below) for a, up in zip(angles, ups, strict=True)]
    return angles, places, max(ups) - min(ups) + below + above


def _bow(here, there) -> list[tuple[float, float]]:
    """A bent arrow as a Bézier curve; the one back bends to the other side."""
    across, up = there[0] - here[0], there[1] - here[1]
    far = math.hypot(across, up)
    bend = 0.14 * far + 6
    handle = lambda share: tuple(
        one + share * way + bend * side
        for one, way, side in zip(here, (across, up), (up / far, -across / far), strict=True)
    )
    first, second = handle(1 / 3), handle(2 / 3)
    return [_edge(here, first, RADIUS + 1), first, second, _edge(there, second, RADIUS + 3)]


def _loop(place, angle: float) -> list[tuple[float, float]]:
    """An arrow from a state to itself, away from the middle, as a Bézier curve."""
    at = lambda turn, far: (place[0] + far * math.cos(angle + turn), place[1] + far * math.sin(angle + turn))
    return [at(0.45, RADIUS + 1), at(0.45, RADIUS + 34), at(-0.45, RADIUS + 34), at(-0.45, RADIUS + 3)]


def _on(curve, t: float) -> tuple[float, float]:
    """The place on a Bézier curve, t from 0 to 1."""
    shares = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    return tuple(sum(share * point[k] for share, point in zip(shares, curve, strict=True)) for k in (0, 1))


def _apart(curves) -> list[float]:
    """For each curve the t of its number: where no other number is near, nor another curve."""
    found: list[float] = []
    for number, curve in enumerate(curves):
        others = [_on(other, k / 24) for other in curves[:number] + curves[number + 1 :] for k in range(25)]
        taken = [_on(other, t) for other, t in zip(curves, found, strict=False)]

        def room(t, curve=curve, others=others, taken=taken):
            x, y = _on(curve, t)
            gap = lambda place: math.hypot((x - place[0]) / 1.6, y - place[1])  # a number is wider than high
            return min([gap(place) for place in taken] + [40]) + min([2 * gap(place) for place in others] + [30])

        loop = math.dist(curve[0], curve[-1]) < RADIUS
        found.append(0.5 if loop else max((k / 40 for k in range(11, 27)), key=room))
    return found


def _edge(place, towards, distance: float) -> tuple[float, float]:
    """So far from the middle of a state, on the way to another place."""
    across, up = towards[0] - place[0], towards[1] - place[1]
    share = distance / math.hypot(across, up)
    return place[0] + share * across, place[1] + share * up


def shorter_contexts() -> Drawing:
    """How each context asks the next shorter one, with the weights of (1.8).

    Notebook: 01-markov.
    """
    sheet = Sheet(294)
    kept, passed = "\\dfrac{N_a}{N_a+T_a}", "\\dfrac{T_a}{N_a+T_a}"
    rows = ("after two notes", "after one note", "after none", "all alike")
    for k, words in enumerate(rows):
        y = 268 - 78 * k
        sheet.box(72, y, 124, 28, tint(COLOR, 0.35 - 0.1 * k))
        sheet.text(72, y, words, SIZE)
        sheet.way([(134, y), (250, y)])
        if k < 3:
            sheet.letter(188, y + 1, kept, SIZE)
            sheet.letter(258, y, "\\dfrac{N_{ab}}{N_a}", SIZE + 1, at="left")
            sheet.way([(72, y - 14), (72, y - 63)])
            sheet.letter(72, y - 37, passed, SIZE)
        else:
            sheet.letter(258, y, "\\dfrac{1}{m}", SIZE + 1, at="left")
    return sheet.finish(
        "Each context asks the next shorter one. After two notes a share N over N plus T of the weight goes to what "
        "was counted after them, and a share T over N plus T down to the context of one note; that one shares with "
        "the context of none, and that one with the uniform distribution, 1 over m."
    )

"""The page about your songs: one HTML file that needs nothing else.

Notebook: 09-your-songs.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import jinja2

from helpers.composing import Written
from helpers.datasets import Split
from helpers.figures import css_variables
from helpers.player import Player, content_policy
from helpers.songs import Song
from helpers.yours.families import Audit, plainly
from helpers.yours.preparing import Prepared, in_pieces, many, reasons
from helpers.yours.scoring import LONGEST, TEMPERATURE, Copies, Score

_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
RULE = (
    "The first seeds, from 1 on, whose songs have twelve notes or more and none more than eight times in a row; "
    f"temperature {TEMPERATURE}, at most {LONGEST} notes, begun with nothing, in C major or A minor. The colour "
    "of a note says how surprised the network was to write it."
)
FEW = 20  # families; with fewer on one side, one more or less changes the score visibly


@dataclass(frozen=True)
class Material:
    """The songs of a folder, ready to be learned.

    Attributes:
        name: of the checkpoint.
        title: name of the folder.
        prepared: the songs, and what was rejected.
        audit: of their families.
        whole: the split, of whole songs.

    Notebook: 09-your-songs.
    """

    name: str
    title: str
    prepared: Prepared
    audit: Audit
    whole: Split

    @functools.cached_property
    def parts(self) -> Split:
        """The split with long songs in pieces."""
        return Split(*map(in_pieces, self.whole))


def html_of(
    material: Material,
    scores: Sequence[Score],
    copied: Copies | None,
    takes: Sequence[tuple[Written, int]],
    notes: dict[str, list[str]],
) -> str:
    """The whole page.

    Args:
        material: the songs.
        scores: of the models, the network's last.
        copied: whether it copies.
        takes: (song, seed) each.
        notes: sentences under "summary", "read" and "offer".

    Notebook: 09-your-songs.
    """
    prepared, parts = material.prepared, material.whole
    found = len(prepared.songs) + len(prepared.rejected)
    return _PAGES.get_template("page.html").render(
        name=material.title,
        variables=css_variables(),
        policy=content_policy(),
        **notes,
        few=few(parts),
        done=[f"Of {many(found, 'song')}, {len(prepared.songs)} can be used.", *prepared.done],
        rejected=reasons(prepared.rejected),
        split=plainly(material.audit, parts),
        tested=many(len(parts.test), "test song"),
        scores=_rows(scores),
        copies=plainly_copied(copied),
        takes=[_player(written, seed) for written, seed in takes],
        rule=RULE,
    )


def few(parts: Split) -> list[str]:
    """What few songs cannot show, in sentences.

    Args:
        parts: of the songs.

    Notebook: 09-your-songs.
    """
    families = [len({song.family for song in part}) for part in parts]
    lines = []
    if not parts.validation:
        lines.append(
            "There are too few families for validation songs, so nothing said when to stop: a fixed number of epochs "
            "was trained, and the counted models use the settings of notebook 01."
        )
    elif families[1] < FEW:
        lines.append(_little("validation", families[1], "where training stopped is partly luck"))
    if families[2] == 1:
        lines.append("One family is left to test on: its score says nothing about other tunes, and has no ±.")
    elif families[2] < FEW:
        lines.append(_little("test", families[2], "differences smaller than about twice the ± mean nothing"))
    return lines


def _little(what: str, number: int, so: str) -> str:
    return f"Only {number} {'family is' if number == 1 else 'families are'} {what} songs: {so}."


def plainly_copied(copied: Copies | None) -> list[str]:
    """Whether it copies, in sentences.

    Args:
        copied: None if the network wrote nothing.

    Notebook: 09-your-songs.
    """
    if copied is None:
        return ["The network wrote no song that could be compared."]
    longest, middle = copied.written
    lines = [
        f"In {copied.number} songs that it wrote, the longest run of notes (pitch and duration alike) that also stands "
        f"in a song it learned from has a median of {middle:g} notes and a maximum of {longest}"
        + (f" (in “{copied.source}”)." if copied.source else "."),
        f"Your own test songs share runs of {copied.real[1]:g} notes in the median and {copied.real[0]} at most with "
        "those same songs.",
    ]
    verdict = (
        "In the median its runs are no longer than those of your songs, give or take three notes; for single songs "
        "compare the maxima."
    )
    if middle > copied.real[1] + 3:
        verdict = "It repeats longer stretches than your songs share: it has learned some of them by heart."
    return [*lines, verdict]


def _rows(scores: Sequence[Score]) -> list[dict]:
    widest = max(score.nats for score in scores)
    shown = lambda nats, spread: f"{nats:.3f}" + ("" if spread is None else f" ± {spread:.3f}")
    return [
        {
            "name": score.name,
            "alone": shown(score.nats, score.spread),
            "remembering": shown(score.with_memory, score.spread_with_memory),
            "width": round(100 * score.nats / widest),
        }
        for score in scores
    ]


def _player(written: Written, seed: int) -> str:
    song: Song = replace(written.song, title=f"Take of seed {seed}")
    return Player(song, tempo=120, surprise=written.surprise, given=written.given, downloads=True).html

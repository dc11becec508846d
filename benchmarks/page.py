"""The page a sceptic reads: benchmarks/RESULTS.md with its figures, site/benchmarks.html, and three lines of README.

All are written from benchmarks/results.json and benchmarks/whole.json, which hold what was measured.

Run: by make bench; python benchmarks/page.py writes them again without measuring.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

from measuring import ROOT, exponent
from pictures import RACED, growth_figure, races_figure

from helpers.files import write_atomically

HERE = ROOT / "benchmarks"
RESULTS, PAGE = HERE / "results.json", HERE / "RESULTS.md"
BEGIN, END = "<!-- benchmarks: written by benchmarks/page.py -->", "<!-- end of benchmarks -->"
AIMS = {"counting": 100, "softmax": 1000, "lstm": 6, "composing 500 tokens": 20, "composing 5,000 tokens": 100}
IN_WORDS = {
    "counting": "counting pairs of notes with one `bincount` instead of a loop",
    "softmax": "counts instead of 2,000 steps of a softmax on one-hot rows (extrapolated from 20), to its score",
    "lstm": "notebook 03's whole network (notes, clock, two heads, a target at every note), to the best score measured "
    "of the classic LSTM",
    "mit": "notebook 03's network, to the best score measured of a character-level LSTM on random crops",
    "wavenet": "notebook 05's network (causal convolutions, clock, a target at every note), to the best score measured "
    "of a stack with max-pooling",
    "autoencoder": "a hidden layer on each side, to the best score measured of a dense autoencoder without",
    "composing 500 tokens": "composing 500 tokens with the state carried along instead of the whole prefix",
    "composing 5,000 tokens": "composing 5,000 tokens with the state carried along instead of the whole prefix",
}


def load() -> tuple[dict, dict]:
    """What was measured: in one run, and by `races.py --whole`, which goes further than one run has time for."""
    read = lambda path: json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return read(RESULTS), read(HERE / "whole.json")


def is_whole(results: dict) -> bool:
    """Whether a run measured all parts."""
    return {"machine", "races", "growth", "limits"} <= set(results)


def ratios(results: dict) -> dict[str, float]:
    """Every ratio of a run by name; what the weekly job compares. None (ours never got there) is left out."""
    races = results["races"]
    found = {name: races[name]["ratio"] for name in ("counting", "softmax", *RACED)}
    for length, one in races["generation"].items():
        found[f"composing {int(length):,} tokens"] = one["ratio"]
    found |= {f"{name}, share of the product": one["share"] for name, one in results["limits"]["near"].items()}
    return {name: ratio for name, ratio in found.items() if ratio}


def headlines(results: dict, whole: dict) -> dict[str, float | None]:
    """The ratios to the best score measured of a recipe, in the longer race where there is one; None: never reached."""
    found = dict.fromkeys(RACED) | ratios(results) | {name: one["ratio"] for name, one in whole.items()}
    return {name: ratio for name, ratio in found.items() if name in IN_WORDS}


def many_times(ratio: float | None) -> str:
    """A ratio of a race in bold; "never" where ours did not reach the score."""
    return f"**{short(ratio)} ×**" if ratio else "**never**"


def moved(stored: dict, now: dict, by: float = 1 / 3) -> list[str]:
    """A sentence for each ratio that moved by more than a third, or that came or went."""
    old, new, sentences = ratios(stored), ratios(now), []
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in new or name not in old:
            sentences.append(f"{name}: {'gone' if name in old else 'new'}.")
        elif abs(new[name] / old[name] - 1) > by:
            sentences.append(f"{name}: {short(old[name])} before, {short(new[name])} now.")
    return sentences


def short(number: float | None) -> str:
    """Two digits that matter: 0.037, 4.2, 37, 1,800; a dash for None."""
    if number is None:
        return "–"
    if number == 0:
        return "0"
    rounded = float(f"{number:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:.10f}".rstrip("0").rstrip(".")


def times(ratio: float | None) -> str:
    """A ratio near 1."""
    return "–" if ratio is None else f"{ratio:.2f}"


def seconds(number: float | None) -> str:
    """Seconds in a unit that fits."""
    if number is None:
        return "never"
    for unit, size in (("h", 5400), ("min", 600), ("s", 1), ("ms", 1e-3), ("µs", 0)):
        if number >= size:
            return f"{short(number / {'h': 3600, 'min': 60, 's': 1, 'ms': 1e-3, 'µs': 1e-6}[unit])} {unit}"
    raise ValueError(f"{number} s is no time.")


def table(head: list[str], rows: list[list]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


# ---- the sections


def about(results: dict) -> str:
    machine, note = results["machine"], results["machine"].get("note", "")
    return (
        f"Measured on {machine['date']}: {machine['processor']}; {machine['system']}; {machine['versions']}; load "
        f"{machine['load']} when it began. {note}Written by `make bench`, which takes at most a quarter of an hour on "
        "two quiet cores.\n\n"
        "Seconds are those of the **processor**, on one thread, so that other programs change them little; where the "
        "clock on the wall is meant, it says so. In a training race contestants run by turns, a slice of one and a "
        "slice of the other; of counting and composing, the least of as many tries of each is shown. "
        "The work is fixed and seeded. Scores are **nats per note on the 222 validation songs** (lower is better; the "
        "test songs are not looked at), and for the autoencoders the share of the voice-steps of unseen chorales that "
        "is wrong. A ratio says how many times more the recipe costs than ours; no test depends on one."
    )


def recipes_section(races: dict, whole: dict) -> str:
    from recipes import TABLE  # reads the notebooks, which the other sections do not need

    rows = []
    for key in ("counting", "softmax", *RACED):
        one = races[key]
        part = "" if key in ("counting", "softmax") else f" ({one['steps']:,} of {one['steps of the whole']:,} steps)"
        values = [short_score(one.get("score")), short_score(one.get("our score")), seconds(one["seconds"])]
        rows.append([TABLE[key]["recipe"] + part, *values, seconds(one["our seconds"]), many_times(one["ratio"])])
    for key, one in whole.items():
        values = [short_score(one["score"]), short_score(one["our score"]), seconds(one["seconds"])]
        when = f"{one['machine']['date']} at load {one['machine']['load']}"
        done = f"**{one['steps']:,} of {one['steps of the whole']:,} steps**, measured once, {when}"
        name = f"{TABLE[key]['recipe']}, {done}"
        rows.append([name, *values, seconds(one["our seconds"]), many_times(one["ratio"])])
    head = ["recipe", "its best score", "our best score", "its seconds to it", "ours to its score", "ratio"]
    counted, velardo = races["counting"]["all"], races["velardo"]
    grid, fair = (races["same grid"][f"at equal {what}"] for what in ("tokens", "seconds"))
    text = (
        "Counting: the loop and 01's `count` begin with the same lists of ids. The publication spells each note on the "
        f"way, {seconds(counted['loop'])}; beginning with the same names, ours takes {seconds(counted['encoded'])}, "
        f"{short(counted['loop'] / counted['encoded'])} times less. The softmax: {races['softmax']['timed']} of its "
        "2,000 equal steps are timed, and all of them taken on counts, which give the same matrix (equation 2.11; "
        "asserted). Velardo's network, twice as wide "
        f"and on one-hot rows, takes {seconds(velardo['a step'])} a step, so {seconds(velardo['seconds'])} for its "
        f"{velardo['steps']:,} steps: nobody waits for it here. The classic LSTM on its own grid, but with a target at "
        f"every position, 8 windows a step and rate 0.004 (03): after {grid[0]:,} tokens {short_score(grid[2])}, the "
        f"recipe {short_score(grid[1])}; after {seconds(fair[0])}, {short_score(fair[2])} and {short_score(fair[1])}."
    )
    return "\n\n".join((table(head, rows), text, equal_section(races, whole), settings_section(TABLE)))


def short_score(score: float | None) -> str:
    return "the same" if score is None else f"{score:.3f}"


def equal_section(races: dict, whole: dict) -> str:
    rows = []
    for key, one in [(key, races[key]) for key in RACED] + [
        (f"{key}, {one['steps']:,} steps", one) for key, one in whole.items()
    ]:
        row = [key]
        for what in ("seconds", "tokens"):
            amount, theirs, ours = one[f"at equal {what}"]
            shown = seconds(amount) if what == "seconds" else f"{amount:,}"
            row += [shown, short_score(theirs) if theirs else "–", short_score(ours) if ours else "–"]
        key = key.partition(",")[0]
        row += [f"{max(mb, 0):.0f}" for mb in races.get("memory", {}).get(key, ())] or ["–", "–"]
        rows.append(row)
    head = ["", "after", "recipe", "ours", "after tokens", "recipe", "ours", "memory, MB", "ours, MB"]
    return (
        "**Equal seconds and equal tokens** (of the one that used fewer), and the most memory while it trained, beyond "
        "that of the songs (0: no more than reading them took). A token is what each is fed: a sixteenth of the grid, "
        "a character, a note, a voice-step; padding and windows that overlap are counted. So equal tokens are not "
        "equal music: a note is several sixteenths or characters, and a window gives one target where a song gives "
        "ours one a note.\n\n" + table(head, rows)
    )


def settings_section(recipes: dict) -> str:
    rows = [[one["recipe"], one["source"], one["settings"], one["ours"]] for one in recipes.values()]
    text = (
        "**What was run.** Each recipe is written from its publication; the code is ours. All get the same songs in C, "
        "and the same split by families; ours are told meter and upbeat besides, which costs 0.054 nats a note to say "
        "(notebook 02), and the recipes are not. What was changed: the article's windows begin with terminals, and its "
        "vocabulary is not cut to frequent notes, or some notes could not be scored; the lab's text has no headers and "
        "bar lines, so it is not told the meter; random splits of windows are replaced by ours. Recipes from Keras run "
        "in PyTorch and begin with its weights, all but the autoencoder. What each change does to the score was not "
        "measured. The recipes keep their published settings; ours were chosen on these validation songs."
    )
    return text + "\n\n" + table(["recipe", "source", "its settings", "ours"], rows)


def composing_section(generation: dict) -> str:
    rows = []
    for length, one in generation.items():
        took = [seconds(one[key]) for key in ("seconds", "last 64", "our seconds")]
        rows.append([f"{int(length):,}", *took, many_times(one["ratio"])])
    return (
        "The classic LSTM of 128 units, composing: Zönnchen's `generate` runs the whole prefix again for each token, "
        "Velardo's the last 64 tokens. MIT's lab carries the state from token to token, as 03 does: there is nothing "
        "to gain over it. Beyond 500 tokens the prefix is timed in the middle of every hundred lengths, and the last "
        "64 tokens cost what they cost up to 500. A song of Erk has about 150 sixteenths.\n\n"
        + table(["tokens", "whole prefix", "last 64 tokens", "state carried (03)", "prefix by state"], rows)
    )


def growth_section(growth: list[dict]) -> str:
    from growth import WORK  # reads the notebooks, as recipes does

    rows = []
    for one in growth:
        sizes, costs = one["sizes"], one["seconds"]
        span = f"{sizes[0]:,} … {sizes[-1]:,} {one['unit']}"
        row = [one["name"], span, seconds(costs[0]), seconds(costs[-1]), f"{one['exponent']:.2f}"]
        rows.append([*row, f"{exponent(sizes[-2:], costs[-2:]):.2f}", *WORK[one["name"]]])
    head = ["what", "from … to", "at first", "at last", "exponent", "of the last two", "of the work", "why"]
    text = (
        "Cost against size, fitted by a line on log-log axes: an exponent of 1 means that twice the work costs twice "
        "as much. Below the exponent of the work, fixed costs are still being paid off.\n\n"
        "![Seconds against size on log-log axes](growth.png)\n\n"
    )
    after = (
        "Mended: the in-song memory searched the song anew for each token, in n² (`helpers.recalling`), and the search "
        "for copied runs read the whole collection for each note (`helpers.metrics.RunIndex` now sorts it once). "
        "Explained: the networks' `next_note` computes the clock from the whole history for each token, and `compose` "
        "hands it over whole; both show beyond a thousand tokens, and songs have about fifty notes."
    )
    return text + table(head, rows) + "\n\n" + after


def limits_section(limits: dict) -> str:
    rows = []
    for name, one in limits["near"].items():
        shares = [f"{100 * one[key]:.0f} %" for key in ("share", "products", "padding")]
        rows.append([name, seconds(one["a step"]), f"{one['achieved'] / 1e9:.1f}", f"{one['peak'] / 1e9:.1f}", *shares])
    head = ["training step", "takes", "10⁹ multiply-adds/s", "the best product of 1,024²", "share", "time in products"]
    text = table([*head, "padding"], rows)
    under = [name for name, one in limits["near"].items() if one["share"] < 1 / 3]
    said = "Under a third: " + ", ".join(under) if under else "None is under a third"
    text += (
        f"\n\n{said}. What keeps a step from the whole: the time outside matrix products (gates, softmax, dropout, the "
        "optimizer; by torch's profiler), products that are smaller than 1,024², and padding.\n\n"
    )
    ways = list(dict.fromkeys(way for one in limits["cures"].values() for way in one if way != "seconds to compile"))
    rows = [[name, *(times(one.get(way)) for way in ways)] for name, one in limits["cures"].items()]
    if limits.get("threads"):
        ways, rows = [*ways, "two threads (clock)"], [[*row, times(limits["threads"][row[0]])] for row in rows]
    text += "Targets a second with each cure, as a multiple of what the notebook does:\n\n" + table(["", *ways], rows)
    waited = limits["cures"]["02 network"].get("seconds to compile")
    if waited:
        text += f"\n\n`torch.compile` takes {waited:.0f} s (clock) before its first step."
    first = limits["first note"]
    text += (
        "\n\n**First import to first note** (a fresh Python, `play` of eight notes, staff and sound): "
        f"{first['clock']:.2f} s on the clock, {first['processor']:.2f} s of the processor.\n\n"
        "**From press to sound:**\n\n"
    )
    return text + table(["widget", "processor"], [[name, seconds(took)] for name, took in limits["presses"].items()])


def aims_section(results: dict, whole: dict) -> str:
    found, rows = headlines(results, whole), []
    for name, aim in AIMS.items():
        ratio = found.get(name)
        measured = f"{short(ratio)} ×" if ratio else "never"
        rows.append([IN_WORDS[name], f"{aim:,} ×", measured, "yes" if ratio and ratio >= aim else "**no**"])
    clock = results["limits"]["first note"]["clock"]
    rows.append(["first import to first note (clock)", "1.5 s", f"{clock:.2f} s", "yes" if clock <= 1.5 else "**no**"])
    return table(["", "aim", "measured", "met"], rows)


def markdown(results: dict, whole: dict) -> str:
    """RESULTS.md."""
    races = results["races"]
    parts = (
        "# Benchmarks",
        about(results),
        "## What was aimed at",
        aims_section(results, whole),
        "## Recipes of the field, beside ours",
        "![Score against seconds](races.png)",
        recipes_section(races, whole),
        "## Composing",
        composing_section(races["generation"]),
        "## How cost grows",
        growth_section(results["growth"]),
        "## Near the limit",
        limits_section(results["limits"]),
    )
    return "\n\n".join(parts) + "\n"


# ---- files


def html(text: str) -> str:
    """The page by itself, its pictures inside; `make run` makes it again in the looks of the site."""
    from markdown_it import MarkdownIt  # only here

    def inside(match):
        return f'src="data:image/png;base64,{base64.b64encode((HERE / match[1]).read_bytes()).decode()}"'

    body = re.sub(r'src="(\w+\.png)"', inside, MarkdownIt("commonmark").enable("table").render(text))
    style = "body{font:16px/1.5 sans-serif;max-width:1100px;margin:2em auto;padding:0 1em}img{max-width:100%}"
    style += "table{border-collapse:collapse;display:block;overflow-x:auto}td,th{padding:4px 10px;text-align:left}"
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Benchmarks</title>'
    return f'<!doctype html><html lang="en"><head>{head}<style>{style}</style></head><body>{body}</body></html>\n'


def readme(text: str, results: dict, whole: dict) -> str:
    """README's text with the three best ratios between the markers.

    Raises:
        ValueError: if the markers are missing.
    """
    if BEGIN not in text or END not in text:
        raise ValueError(f"README.md must hold the lines {BEGIN!r} and {END!r}, between which the best ratios stand.")
    reached = {name: ratio for name, ratio in headlines(results, whole).items() if ratio}
    best = sorted(reached.items(), key=lambda item: -item[1])[:3]
    lines = [f"- {short(ratio)} × less: {IN_WORDS[name]}" for name, ratio in best]
    before, _, rest = text.partition(BEGIN)
    machine = results["machine"]
    said = f"Processor time against recipes of the field, measured on {machine['date']} ({machine['processor']}):"
    after = rest.partition(END)[2]
    link = "All of them, with what was run and how cost grows: [benchmarks/RESULTS.md](benchmarks/RESULTS.md)."
    return f"{before}{BEGIN}\n\n{said}\n\n" + "\n".join(lines) + f"\n\n{link}\n\n{END}{after}"


def write(site: Path | None = None) -> None:
    """Writes the page, its figures, README's lines, and the page of the site."""
    results, whole = load()
    write_atomically(HERE / "growth.png", growth_figure(results["growth"]))
    write_atomically(HERE / "races.png", races_figure(results["races"], whole))
    text = markdown(results, whole)
    write_atomically(PAGE, text.encode())
    path = ROOT / "README.md"
    write_atomically(path, readme(path.read_text(encoding="utf-8"), results, whole).encode())
    site = site or ROOT / "site"
    site.mkdir(exist_ok=True)
    write_atomically(site / "benchmarks.html", html(text).encode())


if __name__ == "__main__":
    write()

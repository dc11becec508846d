"""All that `make bench` measures, in one command: at most a quarter of an hour on two quiet cores.

The results replace those in benchmarks/results.json, after a word on what moved by more than a third, and the page is
written (page.py). `make bench QUICK=1` takes two minutes, prints, and replaces nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from pathlib import Path

import page
from growth import all_growth
from limits import all_limits
from measuring import ROOT, children_seconds, machine
from races import all_races

from helpers.files import write_atomically

PARTS = ("races", "growth", "limits")


def measure(part: str, quick: bool, say=print):
    """One of PARTS."""
    say(f"== {part}")
    begin, spent = time.perf_counter(), time.process_time() + children_seconds()
    if part == "races":
        found = all_races("quick" if quick else "usual", say)
    else:
        found = (all_growth if part == "growth" else all_limits)(quick, say)
    spent = time.process_time() + children_seconds() - spent
    say(f"   {time.perf_counter() - begin:.0f} s on the clock, {spent:.0f} s of the processor")
    return found


def tell(sentences: list[str]) -> None:
    """On the screen, and on the summary of GitHub's run where there is one."""
    lines = ["Moved by more than a third since the stored run:", *(f"- {s}" for s in sentences)]
    lines = lines if sentences else ["No ratio moved by more than a third since the stored run."]
    print("\n".join(lines))
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the speed claims and writes the page about them.")
    parser.add_argument("--quick", action="store_true", help="two minutes; replaces nothing")
    parser.add_argument("--only", choices=PARTS, help="measure this part again, and keep the others as they are stored")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    stored, _ = page.load()
    found = (stored if asked.only else {}) | {"machine": machine()}
    for part in [asked.only] if asked.only else PARTS:
        found[part] = measure(part, asked.quick, lambda text: print(text, flush=True))
    if asked.quick:
        (ROOT / "build").mkdir(exist_ok=True)
        write_atomically(ROOT / "build" / "bench-quick.json", json.dumps(found, indent=1).encode())
    else:
        stored, _ = page.load()  # again: another part may have been measured meanwhile
        found = (stored | {part: found[part] for part in ("machine", asked.only)}) if asked.only else found
        if page.is_whole(stored):
            tell(page.moved(stored, found))
        write_atomically(page.RESULTS, (json.dumps(found, indent=1) + "\n").encode())
    if page.is_whole(found):
        for name, ratio in page.ratios(found).items():
            print(f"{name:40} {page.short(ratio)}")
        if not asked.quick:
            page.write()
            print(f"Written: {page.PAGE}")


if __name__ == "__main__":
    main()

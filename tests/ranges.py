"""The tests with the lowest and with the newest versions that pyproject.toml allows, each in an environment of its own.

torch stays as it is installed: other versions of it would pull in gigabytes of CUDA. What only the tests need is
the newest.

Run: make test-ranges, or python tests/ranges.py lowest
"""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import VERSION_PATTERN, Version

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FOR_TESTS = ("pytest", "pytest-xdist", "nbval", "hypothesis", "pyyaml", "nbconvert", "papermill", "psutil")


def lowest(requirement: Requirement) -> str:
    """The lowest published release inside a requirement's range, as a pin."""
    words = [sys.executable, "-m", "pip", "index", "versions", requirement.name]
    listed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    texts = re.search(r"Available versions: (.*)", listed)[1].split(", ")
    versions = [Version(text) for text in texts if re.fullmatch(VERSION_PATTERN, text, re.VERBOSE | re.IGNORECASE)]
    return f"{requirement.name}=={min(v for v in versions if v in requirement.specifier)}"


def requirements(end: str) -> list[str]:
    """What to install for one end of the ranges."""
    import torch

    needed = [Requirement(text) for text in PROJECT["dependencies"]]
    others = [one for one in needed if one.name != "torch"]
    pins = [lowest(one) for one in others] if end == "lowest" else [str(one) for one in others]
    return [f"torch=={torch.__version__.split('+')[0]}", *pins]


def main(ends):
    for end in ends:
        place = ROOT / ".envs" / end
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        python = str(place / "bin" / "python")
        wanted = requirements(end)
        print(f"{end}: {' '.join(wanted)}", flush=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--upgrade"]
        subprocess.run([*pip, *wanted, *FOR_TESTS], check=True)
        subprocess.run([*pip, "--no-deps", "--editable", str(ROOT)], check=True)
        workers = ["-n", "auto", "--dist", "loadscope"]
        tests = ["tests", "--ignore", "tests/browser", "--ignore", "tests/test_run.py"]  # these need no other versions
        subprocess.run([python, "-m", "pytest", "-q", *workers, *tests], check=True, cwd=ROOT)


if __name__ == "__main__":
    main(sys.argv[1:] or ("lowest", "newest"))

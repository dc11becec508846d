"""A mutation campaign over the core: mutmut changes it line by line, and tests must notice.

A copy of the project goes to build/mutants, with mutmut in a folder of its own beside it, as it needs more packages
than the project does. In the end each survivor is shown, but for those that change nothing but the text of a message.

Run: make mutate
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK, TOOLS = ROOT / "build" / "mutants", ROOT / "build" / "mutmut"
CORE = ("events", "songs", "encoders", "datasets", "metrics", "checkpoints", "exported", "files")
TESTS = (*CORE, "survivors", "corpus", "midi", "hostile")
LEFT_OUT = "cache or chorales or needs_no or not_imported or moved_as_music21"  # seconds each, and about other files
SETTINGS = """
[tool.mutmut]
source_paths = ["helpers"]
only_mutate = {core}
also_copy = ["pages", "README.md", "notebooks", "models", "data", "conftest.py"]
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = ["-m", "not slow", "-k", "not ({left_out})", "-p", "no:cacheprovider", "-n", "0"]
"""


def install() -> None:
    """mutmut into a folder of its own."""
    if not TOOLS.is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(TOOLS)]
        subprocess.run([*command, "mutmut==3.8.1", "libcst", "textual", "rich", "setproctitle"], check=True)


def copy_project() -> None:
    """What git knows, into a new folder."""
    shutil.rmtree(WORK, ignore_errors=True)
    words = ["git", "ls-files"]
    listed = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    for name in filter(None, listed):
        (WORK / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, WORK / name)


def prepare() -> dict:
    """The copy and its settings; what mutmut needs in the environment."""
    install()
    copy_project()
    tests = [f"tests/test_{name}.py" for name in TESTS if (ROOT / "tests" / f"test_{name}.py").is_file()]
    core = [f"helpers/{name}.py" for name in CORE]
    with open(WORK / "pyproject.toml", "a", encoding="utf-8") as file:
        file.write(SETTINGS.format(core=json.dumps(core), tests=json.dumps(tests), left_out=LEFT_OUT))
    return os.environ | {"PYTHONPATH": str(TOOLS), "OMP_NUM_THREADS": "1", "NOTES_CACHE": str(WORK / "cache")}


def survivors() -> dict[str, tuple[str, str]]:
    """Name of each survivor -> the line before and after, without those that change a text alone."""
    sys.path.insert(0, str(TOOLS))
    os.chdir(WORK)
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    found = {}
    for path in sorted((WORK / "mutants" / "helpers").glob("*.meta")):
        for name, code in json.loads(path.read_text())["exit_code_by_key"].items():
            if code == 0:
                lines = get_diff_for_mutant(name).splitlines()
                before, after = (
                    " ".join(line[1:].strip() for line in lines if line.startswith(sign) and line[:3] != 3 * sign)
                    for sign in "-+"
                )
                if "XX" not in after and before.lower() != after.lower():
                    found[name] = before, after
    return found


def main() -> None:
    environment = prepare()
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1"]
    with open(WORK / "log", "w") as log:
        subprocess.run(command, cwd=WORK, env=environment, stdout=log, stderr=log)
    metas = [json.loads(path.read_text()) for path in (WORK / "mutants" / "helpers").glob("*.meta")]
    codes = Counter(code for meta in metas for code in meta["exit_code_by_key"].values())
    for name, (before, after) in survivors().items():
        print(f"{name.split('__mutmut')[0]}: {before[:100]}  =>  {after[:100]}")
    lived, untested, noticed = codes[0], codes[33], codes.total() - codes[0] - codes[33]
    print(f"{codes.total()} changes: {noticed} noticed, {lived} survived, {untested} without a test")


if __name__ == "__main__":
    main()

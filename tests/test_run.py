"""What `make run` does around notebooks: order, failures, interruption, resuming, and the pages in between."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "pages"))

import run  # noqa: E402

pytest.importorskip("nbclient", reason="notebooks run in the full environment only")
pytest.importorskip("ipykernel", reason="notebooks run in the full environment only")
pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path, monkeypatch, capsys):
    """Two notebooks of our own, their build folder, and the pages made so far (name -> notebook shown)."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "BUILD", tmp_path / "build")
    monkeypatch.setattr(run, "SITE", tmp_path / "site")
    (tmp_path / "pages").mkdir()
    for name in ("execute.py", "minutes.json"):
        (tmp_path / "pages" / name).write_bytes((ROOT / "pages" / name).read_bytes())
    (tmp_path / "constraints.txt").write_text("")
    write(folder / "01-one.ipynb", "# 01 · One", "print('one')", "print('two')")
    write(folder / "02-two.ipynb", "# 02 · Two", "x = 1", "print(x)")
    monkeypatch.setattr(run, "NOTEBOOKS", sorted(folder.glob("*.ipynb")))
    monkeypatch.setattr(run, "OTHERS", [])
    made = []

    def build(sources, site, work, failures):
        made.append(({name: path.parent.name for name, path in sources.items()}, sorted(failures)))
        site.mkdir(exist_ok=True)
        (site / "index.html").write_text("pages")

    import make_site

    monkeypatch.setattr(make_site, "build", build)
    return folder, made


def write(path, title, *sources):
    """A notebook of a title and cells; a source that begins with "## " and a capital letter is a heading."""
    code, prose = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    cells = [prose(title), *((prose if re.match("## [A-Z]", text) else code)(text) for text in sources)]
    nb = nbformat.v4.new_notebook(cells=cells)
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nb, path)


def test_pages_come_first_then_each_notebook_replaces_its_own(project, capsys):
    folder, made = project
    assert run.main([]) == 0
    said = capsys.readouterr().out
    assert said.index("Open file://") < said.index("01-one has run in") and "Done in" in said
    assert made[0] == ({"01-one": "notebooks", "02-two": "notebooks"}, [])  # notebooks/ and build/notebooks/
    assert len(made) == 3
    shown = nbformat.read(run.BUILD / "notebooks" / "01-one.ipynb", as_version=4)
    assert [cell.execution_count for cell in shown.cells[1:]] == [1, 2]
    assert shown.cells[2].outputs[0].text == "two\n" and "execution" not in shown.cells[1].metadata


def test_what_has_run_is_not_run_again_until_its_code_changes(project, capsys):
    folder, made = project
    run.main([])
    capsys.readouterr()
    assert run.main([]) == 0 and len(made) == 3
    assert "Up to date" in capsys.readouterr().out
    write(folder / "02-two.ipynb", "# 02 · Two", "print('another')")
    assert run.main([]) == 0
    said = capsys.readouterr().out
    assert "02-two has run" in said and "01-one has run" not in said


def test_new_prose_is_shown(project):
    """A page must not go on showing what was written when its notebook last ran."""
    folder, _ = project
    before = run.fingerprint(folder / "01-one.ipynb")
    write(folder / "01-one.ipynb", "# 01 · One, said better", "print('one')", "print('two')")
    assert run.fingerprint(folder / "01-one.ipynb") != before


def test_a_failure_is_one_line_and_stops_no_other(project, capsys):
    folder, made = project
    write(
        folder / "01-one.ipynb",
        "# 01 · One\n\n## 1. A part",
        "## comment\nx = 1",
        "## Another part",
        "assert x > 1, 'two lines:\\nx is small'",
        "## A part that is not reached",
    )
    assert run.main([]) == 1
    lines = capsys.readouterr().out.splitlines()
    (failed,) = [line for line in lines if "FAILED" in line]
    assert "01-one" in failed and "'Another part'" in failed and "AssertionError: x is small" in failed
    log = Path(failed.rpartition("the whole log: ")[2])
    assert "Traceback" in log.read_text() and "x > 1" in log.read_text()
    assert any("02-two has run" in line for line in lines)
    assert made[-1][1] == ["01-one"] and made[-1][0]["01-one"] == "notebooks"
    write(folder / "01-one.ipynb", "# 01 · One", "x = 2")
    assert run.main([]) == 0 and made[-1][1] == []


def test_a_kernel_that_dies_is_named(project, capsys):
    folder, _ = project
    write(folder / "01-one.ipynb", "# 01 · One\n\n## 7. The end", "import os; os._exit(9)")
    assert run.main(["01-one"]) == 1
    assert "FAILED in '7. The end': its Python process died" in capsys.readouterr().out


def test_a_kernel_that_does_not_start_is_named(project, capsys):
    folder, _ = project
    nb = json.loads((folder / "01-one.ipynb").read_text())
    nb["metadata"]["kernelspec"]["name"] = "none-such"
    (folder / "01-one.ipynb").write_text(json.dumps(nb))
    assert run.main(["01-one"]) == 1
    assert "01-one FAILED in 'One': NoSuchKernel" in capsys.readouterr().out.replace("01 · ", "")


def test_results_that_cannot_be_written_are_named(project, capsys):
    _, _ = project
    (run.BUILD / "notebooks" / "01-one.ipynb").mkdir(parents=True)
    assert run.main(["01-one"]) == 1
    assert "FAILED in 'the writing of its results': " in (said := capsys.readouterr().out) and "directory" in said


def test_what_is_no_notebook_is_one_sentence(project, capsys):
    folder, _ = project
    (folder / "02-two.ipynb").write_text("<<<<<<< HEAD\n{}")
    assert run.main([]) == 2
    said = capsys.readouterr().err
    assert "02-two.ipynb cannot be read as a notebook" in said and "git checkout 'notebooks/02-two.ipynb'" in said


def test_a_second_run_in_the_same_folder_is_told_so(project, capsys):
    with run.alone():
        assert run.main([]) == 2
    assert "Another make run is at work in this folder." in capsys.readouterr().err
    assert run.main(["02-two"]) == 0


def test_new_benchmarks_are_shown(project, capsys):
    _, made = project
    run.main([])
    (run.ROOT / "benchmarks").mkdir()
    (run.ROOT / "benchmarks" / "RESULTS.md").write_text("faster")
    assert run.main([]) == 0 and len(made) == 4


def test_a_site_that_was_not_finished_does_not_count(project, monkeypatch):
    import make_site

    run.main([])

    def stopped(*_):
        raise KeyboardInterrupt

    folder, made = project
    before = (folder / "02-two.ipynb").read_bytes()
    build = make_site.build
    monkeypatch.setattr(make_site, "build", stopped)
    write(folder / "02-two.ipynb", "# 02 · Two", "print('another')")
    assert run.main([]) == 130
    monkeypatch.setattr(make_site, "build", build)
    (folder / "02-two.ipynb").write_bytes(before)
    many = len(made)
    assert run.main([]) == 0 and len(made) == many + 1


def made_by(*words, **variables):
    """What make says and how it ends, in this project."""
    here = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))} | variables
    command = [shutil.which("make") or pytest.skip("there is no make"), "--no-print-directory", *words]
    return subprocess.run(command, cwd=ROOT, env=here, capture_output=True, text=True)


@pytest.mark.parametrize("home", ["", "/nonexistent"])
def test_without_a_home_there_is_one(home):
    (ROOT / "build").mkdir(exist_ok=True)
    done = made_by("--eval=home: ; @echo $(HOME)", "home", HOME=home, LC_ALL="C")
    assert done.stdout.strip() == str(ROOT / "build" / "home"), done.stderr


def test_what_is_imported_is_compiled_once():
    """Containers often forbid Python to keep it; then each of some hundred processes compiled torch again."""
    done = made_by("--eval=said: ; @echo [$$PYTHONDONTWRITEBYTECODE]", "said", PYTHONDONTWRITEBYTECODE="1", LC_ALL="C")
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.skipif(not shutil.which("unshare"), reason="only Linux can show this folder so that it cannot be written")
def test_a_folder_that_can_only_be_read_is_one_sentence(tmp_path):
    shown = (
        'mount --bind "$1" "$2" && mount -o remount,ro,bind "$2" || exit 77; cd "$2" && make --no-print-directory room'
    )
    command = ["unshare", "--mount", "sh", "-c", shown, "sh", str(ROOT), str(tmp_path)]
    here = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(command, env=here, capture_output=True, text=True)
    if done.returncode in (1, 77):  # of unshare and of mount; make ends with 2
        pytest.skip("this user may not mount anything")
    assert done.returncode == 2
    assert done.stdout.splitlines()[0].startswith("This folder can only be read. Clone the project into")


def test_a_full_disk_is_one_sentence_before_anything_is_done(tmp_path):
    fake = tmp_path / "df"
    fake.write_text("#!/bin/sh\necho Filesystem\necho /dev/x 1000 1000 2048 100% /\n")
    fake.chmod(0o755)
    done = made_by("room", PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}", LC_ALL="C")
    assert done.returncode and "The disk is full: 2 MB are free here, and " in done.stdout


def test_one_of_them(project, capsys):
    _, made = project
    assert run.main(["02-two"]) == 0
    said = capsys.readouterr().out
    assert "02-two has run" in said and "01-one has run" not in said
    with pytest.raises(SystemExit, match="There is no notebook '3'; there is 01-one, 02-two"):
        run.main(["3"])


@pytest.mark.parametrize(("number", "words"), [(errno.ENOSPC, "disk is full"), (errno.EROFS, "only be read")])
def test_a_disk_that_cannot_be_written_is_one_sentence(project, capsys, monkeypatch, number, words):
    def fail(path, data):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(run, "write_atomically", fail)
    assert run.main([]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_a_stop_leaves_nothing_behind_and_the_next_run_goes_on(project, how):
    """The real thing, in a process of its own: one notebook is done, the other sleeps when the signal comes."""
    folder, _ = project
    marker = folder.parent / "kernel.pid"
    sleeps = f"import os, pathlib, time\npathlib.Path({str(marker)!r}).write_text(str(os.getpid()))\ntime.sleep(600)"
    write(folder / "02-two.ipynb", "# 02 · Two", sleeps)
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored in a background job
        f"import sys; sys.path[:0] = [{str(ROOT / 'pages')!r}]\n"
        f"from pathlib import Path; import make_site, run\n"
        f"run.ROOT = Path({str(folder.parent)!r}); run.BUILD = run.ROOT / 'build'; run.SITE = run.ROOT / 'site'\n"
        "run.NOTEBOOKS = sorted((run.ROOT / 'notebooks').glob('*.ipynb')); run.OTHERS = []\n"
        "make_site.build = lambda *a: (run.SITE.mkdir(exist_ok=True), (run.SITE / 'index.html').write_text(''))\n"
        "run.cores = lambda: 2\n"
        "sys.exit(run.main([]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    done = folder.parent / "build" / "notebooks" / "01-one.key"
    try:
        until(lambda: marker.is_file() and marker.read_text() and done.is_file())
        process.send_signal(how)
        _, err = process.communicate(timeout=600)
    finally:
        process.kill()
    if how == signal.SIGINT:
        assert process.returncode == 130 and "Stopped. The same command goes on from here." in err
    assert "Traceback" not in err
    until(lambda: not alive(int(marker.read_text())))
    assert not (done.parent / "02-two.ipynb").exists() and not list(done.parent.glob(".*.part"))
    write(folder / "02-two.ipynb", "# 02 · Two", "print('quick')")
    assert run.main([]) == 0


@pytest.mark.parametrize("words", [[str(ROOT / "pages" / "run.py")], ["-m", "helpers.yours", "songs"]])
def test_a_stop_while_it_imports_is_no_traceback(tmp_path, words):
    """A module of the standard library that both import is replaced by one that never ends."""
    (tmp_path / "argparse.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(600)\n")
    here = os.environ | {"PYTHONPATH": str(tmp_path)}
    given = {"env": here, "cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    reset = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a background job
    process = subprocess.Popen([sys.executable, *words], preexec_fn=reset, **given)
    try:
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=600)
    finally:
        process.kill()
    assert (process.returncode, err) == (-signal.SIGINT, "")


def until(condition, seconds=600):
    """Waits; a busy machine may take its time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def alive(pid):
    try:
        return "zombie" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_the_fingerprint_sees_helpers_models_and_what_others_export(project):
    folder, _ = project
    one = folder / "01-one.ipynb"
    before = run.fingerprint(one)
    (run.ROOT / "helpers").mkdir()
    (run.ROOT / "helpers" / "new.py").write_text("x = 1")
    after = run.fingerprint(one)
    assert before != after
    nb = json.loads((folder / "02-two.ipynb").read_text())
    nb["cells"][1]["metadata"]["tags"] = ["export"]
    (folder / "02-two.ipynb").write_text(json.dumps(nb))
    assert run.fingerprint(one) != after

"""What is locked: nothing listens but on loopback, no door without its token, no pickle, pins with their hashes."""

import base64
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
import torch

from helpers import cache
from helpers.songs import Song
from helpers.widgets import LARGEST_FILE, Composer, LatentExplorer, MelodyInput, song_in
from helpers.widgets.turns import turn
from helpers.widgets.upload import MOST_FILES, FileInput

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "browser"))
from lab import command_of, quiet_environment, stop, wait_for  # noqa: E402 (it lies in the folder above)

TUNE = base64.b64encode(b"X:1\nT:x\nM:4/4\nL:1/4\nK:G\nGABc|d2d2|\n").decode()


# ---- servers ----


def listening(process) -> set[str]:
    """The addresses where a process and its children wait for connections."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    found = [c.laddr.ip for one in family for c in one.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    return set(found)


def where_its_port_is_taken(command: list[str], log: Path) -> tuple[subprocess.Popen, int]:
    """A server whose port somebody else has, and the port that it takes and names instead."""
    with socket.socket() as other, open(log, "w") as file:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken, here = other.getsockname()[1], quiet_environment(log.parent)
        server = subprocess.Popen([*command, f"--port={taken}"], cwd=ROOT, env=here, stdout=file, stderr=file)
        end = time.monotonic() + 600
        while not (named := re.search(r"https?://127\.0\.0\.1:(\d+)/\S*token=", log.read_text())):
            assert server.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.1)
    assert int(named[1]) != taken
    return server, int(named[1])


def status_of(address: str, method="GET") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method=method), timeout=120) as answer:
            return answer.status, answer.geturl()
    except urllib.error.HTTPError as error:
        return error.code, error.geturl()


@pytest.mark.slow
def test_the_lab_listens_on_loopback_and_asks_for_its_token(tmp_path):
    pytest.importorskip("jupyterlab")
    log = tmp_path / "lab.log"
    server, port = where_its_port_is_taken([*command_of("lab"), "--allow-root"], log)
    try:
        wait_for(f"http://127.0.0.1:{port}/api", server, any_answer=True)
        assert status_of(f"http://127.0.0.1:{port}/api/contents")[0] == 403
        assert status_of(f"http://127.0.0.1:{port}/api/kernels", "POST")[0] == 403
        token = re.search(r"token=(\w{20,})", log.read_text())[1]
        assert status_of(f"http://127.0.0.1:{port}/api/kernels?token={token}", "POST")[0] == 201
        lines = [" ".join(child.cmdline()) for child in psutil.Process(server.pid).children()]
        assert any("ipykernel" in line for line in lines)  # which listens too
        assert listening(server) == {"127.0.0.1"}
    finally:
        stop(server)


@pytest.mark.slow
def test_the_studio_listens_on_loopback_and_asks_for_its_token(tmp_path):
    pytest.importorskip("voila")
    log = tmp_path / "studio.log"
    server, port = where_its_port_is_taken(command_of("studio"), log)
    try:
        wait_for(f"http://127.0.0.1:{port}/static/", server, any_answer=True)
        code, where = status_of(f"http://127.0.0.1:{port}/")
        assert (code, "/login" in where) in ((200, True), (403, False))  # and no kernel was started for nobody
        assert not psutil.Process(server.pid).children() and listening(server) == {"127.0.0.1"}
        token = re.search(r"token=(\w{20,})", log.read_text())[1]
        for path in ("studio.ipynb", "voila/files/studio.ipynb", "voila/files/../pyproject.toml"):
            assert status_of(f"http://127.0.0.1:{port}/{path}?token={token}")[0] in (403, 404), path
    finally:
        stop(server)


def test_idle_kernels_of_the_studio_end():
    words = command_of("studio")
    timeout = next(word for word in words if "cull_idle_timeout" in word)
    assert int(timeout.partition("=")[2]) <= 3600 and "--MappingKernelManager.cull_connected=True" in words


# ---- files ----


def test_nothing_is_pickled_to_disk_or_from_it():
    """torch.load reads only weights unless it is told otherwise: torch 2.6 and later, which pyproject.toml asks for."""
    unsafe = r"weights_only\s*=\s*False|allow_pickle\s*=\s*True|(?:pickle|joblib)\.(?:dump|load)|shelve\.|marshal\."
    sources = [*ROOT.glob("helpers/**/*.py"), *ROOT.glob("pages/*.py"), *ROOT.glob("benchmarks/*.py")]
    found = [(path.name, line) for path in sources for line in re.findall(unsafe, path.read_text(encoding="utf-8"))]
    for path in ROOT.glob("notebooks/**/*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        found += [(path.name, line) for line in re.findall(unsafe, code)]
    assert found == []


def test_what_lies_in_the_project_is_no_pickle():
    for path in (
        path for folder in ("models", "data", "benchmarks", "notebooks") for path in (ROOT / folder).rglob("*")
    ):
        if path.is_file() and "cache" not in path.parts and path.suffix != ".pyc":
            head = path.read_bytes()[:4]
            assert head[:1] != b"\x80" or path.suffix == ".safetensors", path
            assert head != b"PK\x03\x04", f"{path} is an archive, as torch.save writes"


def test_each_dependency_has_its_hashes():
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    blocks = re.split(r"\n(?=\S)", (ROOT / "constraints-hashes.txt").read_text())
    hashed = {}
    for block in (block for block in blocks if not block.startswith("#")):
        name, version = re.match(r"([\w.-]+)==([\w.+]+)", block).groups()
        hashed[name] = version
        assert re.findall(r"--hash=sha256:[0-9a-f]{64}", block), name
    plain = lambda name: name.lower().replace("_", "-")
    missing = {name: version for name, version in pins.items() if hashed.get(plain(name)) != version}
    assert not missing, "make constraints-hashes.txt again, as its first lines say"


CARD = {"frame": {"meter": "4/4", "pickup": "0"}, "meters": ["4/4"], "centres": None}


@pytest.mark.parametrize(
    "change",
    [
        *({"frame": frame} for frame in (None, [], {"meter": "4/4", "pickup": "1/0"}, {"pickup": "1e3000000"})),
        *({"meters": 5}, {"vocabulary": 5}, {"class": "NoteEncoder"}, {"class": "__class__"}, {"notebook": []}),
        *({"hyperparameters": {"\x1b]0;owned\x07\u202e": 1}}, {"hyperparameters": {"pitches": 10**12}}),
    ],
    ids=str,
)
def test_a_card_that_a_stranger_wrote_costs_only_its_own_network(tmp_path, monkeypatch, capsys, change):
    """With the right hash of the weights, but something else that is not what it should be."""
    from helpers import checkpoints, shipped

    monkeypatch.setenv("NOTES_YOURS", str(tmp_path))
    for ending in (".safetensors", ".json"):
        shutil.copy(checkpoints.MODELS / f"06-lstm{ending}", tmp_path / f"good{ending}")
        shutil.copy(checkpoints.MODELS / f"06-lstm{ending}", tmp_path / f"bad\x1b[31m{ending}")
    for name, more in (("good", {}), ("bad\x1b[31m", change)):
        card = json.loads((tmp_path / f"{name}.json").read_text())
        (tmp_path / f"{name}.json").write_text(json.dumps(card | CARD | more))
    (tmp_path / "gone.safetensors").symlink_to("/nowhere")
    assert list(shipped.own_writers()) == ["good"]
    said = capsys.readouterr().err
    assert said.count("cannot be used") == 1 and said.rstrip("\n").isprintable()


def test_garbage_with_the_right_hash_is_one_sentence(tmp_path):
    from helpers import checkpoints

    card = json.loads((checkpoints.MODELS / "06-lstm.json").read_text())
    (tmp_path / "x.safetensors").write_bytes(b"garbage" * 9)
    (tmp_path / "x.json").write_text(json.dumps(card | {"sha256": hashlib.sha256(b"garbage" * 9).hexdigest()}))
    with pytest.raises(ValueError, match=r"x\.json describes no model that can be built"):
        checkpoints.load("x", folder=tmp_path)


@pytest.mark.parametrize("kept", [{}, [1, 2], {"nature": 5}, {"nature": {}}, {"weights": torch.ones(2)}], ids=str)
def test_a_last_pt_that_is_no_run_is_one_sentence(tmp_path, kept):
    from helpers.training.loop import Recipe, Run

    torch.save(kept, tmp_path / "last.pt")
    with pytest.raises(ValueError, match=r"last\.pt cannot be read; delete it|holds another run"):
        Run(tmp_path, torch.nn.Linear(2, 2), Recipe(), 1, 1)


def test_a_cache_that_a_stranger_wrote_is_refused(tmp_path, capsys):
    """Its checksum is right; what it says is not."""
    song = [["x", "", "x", "C", "major", "4/4", "0"], [0]]
    for events, songs in (
        ([[[60], "1/0"]], [song]),
        ([[[60], "1"]], [[*song[:1], [7]]]),
        ([[["a"], "1"]], []),
        ([[[60], "1e2000000"]], [song]),
        ([[[60], "1"]], [[song[0], [-1]]]),
        ([[[60], "1"]], [[[1, *song[0][1:]], [0]]]),
        (5, []),
    ):
        body = json.dumps({"events": events, "songs": songs, "rejected": []})
        path = tmp_path / "cache.json"
        path.write_text(json.dumps({"sha256": hashlib.sha256(body.encode()).hexdigest(), "body": body}))
        assert cache._from_cache(path) is None
        assert "was damaged; reading the songs again" in capsys.readouterr().err


# ---- messages of a page ----


def test_a_file_message_that_no_page_sends_is_refused_in_one_sentence():
    field = FileInput()
    huge = [{"name": "x.abc", "size": size, "data": ""} for size in (10**400, -2)]
    for content in (None, [], {}, {"name": "x"}, {"name": 1, "size": 2, "data": ""}, {"name": "x", "size": "2"}, *huge):
        field._received(content)
        assert "no file; it is not read" in field.message.value and field.song is None
    field._received({"name": "x.abc", "size": 38, "data": TUNE})
    assert field.song is not None
    field._received({"name": "x.abc", "size": 38, "data": "%%%"})
    assert "damaged on its way" in field.message.value and field.song is not None


def test_uploads_are_limited_in_size_and_count_whatever_they_say_of_themselves():
    with pytest.raises(ValueError, match="is the most that fits"):
        song_in("x.abc", 10, "A" * (LARGEST_FILE * 4 // 3 + 100))
    field = FileInput()
    field._left = 1
    for _ in range(2):
        field._received({"name": "x.abc", "size": 38, "data": TUNE})
    assert f"{MOST_FILES} files were chosen" in field.message.value


def test_the_name_of_an_upload_steers_nothing():
    song = song_in("a\u202e\x1b[31m\n<b>.abc", 38, base64.b64encode(b"X:1\nM:4/4\nL:1/4\nK:G\nGABc|d2d2|\n").decode())
    assert song.title.isprintable() and song.id.isprintable()


def test_notes_that_no_grid_holds_are_not_taken():
    melody = MelodyInput()
    melody.grid.set_state({"notes": [[60, 0, 2]]})
    for notes in (
        [[60, 0, 10**9]],
        [[1, 0, 1]],
        [["60", 0, 1]],
        [[60, 0]],
        [[60, 3, 1], [62, 2, 1]],
        [[60.5, 0, 1]],
        [None],
    ):
        melody.grid.set_state({"notes": notes, "steps": 10**9, "low": 0})
        assert melody.grid.notes == [[60, 0, 2]] and "not taken" in melody.message.value, notes
    melody.grid.set_state({"notes": "c4"})
    assert (melody.grid.notes, melody.grid.steps, melody.grid.low) == ([[60, 0, 2]], 16, 55)


def test_a_point_that_is_none_is_not_taken():
    tune = Song.from_tiny("c4 d e f")
    explorer = LatentExplorer(lambda code: tune, [[0.0, 1.0], [1.0, 0.5], [0.3, 0.1]], list("abc"))
    before = explorer.point
    for point in ([], [1], ["a", 2], [float("nan"), 0], [None, None], [0, float("inf")], [10**400, 0], [99.0, 0]):
        explorer.map.set_state({"point": point, "reach": -1.0})
        assert explorer.point == before and "not taken" in explorer.message.value
        explorer.say("")


def test_of_an_upload_no_more_is_read_than_its_first_song(monkeypatch):
    """199,000 tunes fit into the 2 MB that may be sent."""
    from helpers import apart, corpus

    read = []
    monkeypatch.setattr(corpus, "read_apart", lambda jobs: (read.extend(jobs), apart.read_apart(jobs))[1])
    tunes = "X:1\nM:4/4\nL:1/4\nK:G\nGABc|d2d2|\n\n" * 1000
    assert song_in("x.abc", len(tunes), base64.b64encode(tunes.encode()).decode()).tonic == "G"
    assert len(read) == 1
    broken = "X:1\nK:G\n&\n\n" * 1000
    with pytest.raises(ValueError, match=r"'x\.abc' cannot be used: it uses ABC signs"):
        song_in("x.abc", len(broken), base64.b64encode(broken.encode()).decode())
    assert len(read) == 4


def test_sliders_of_the_map_that_a_page_has_widened_do_not_count():
    tune = Song.from_tiny("c4 d e f")
    explorer = LatentExplorer(lambda code: tune, [[0.0, 1.0], [1.0, 0.5], [0.3, 0.1]], list("abc"))
    explorer.sliders[0].set_state({"max": 1e300, "value": 1e300})
    explorer.listen()
    assert "axis 1 is 1e+300; it goes from -3.3 to 3.3." in explorer.message.value and not explorer.shown.children


def test_sliders_that_a_page_has_widened_do_not_count():
    composer = Composer({"none": None})
    composer.way.value = "nothing"
    composer.length.set_state({"max": 10**9, "value": 10**9})
    assert composer.length.value == 10**9
    composer.start_writing()
    assert "longest is 1e+09; it goes from 8 to 200." in composer.message.value


# ---- turns ----


def test_whoever_comes_later_is_told_how_many_are_before_and_a_dead_one_is_not_waited_for(tmp_path):
    hold = "import sys, time; from helpers.widgets.turns import turn\nfrom pathlib import Path\n"
    hold += "with turn(print, 1, Path(sys.argv[1])): print('in', flush=True); time.sleep(600)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    other = subprocess.Popen([sys.executable, "-c", hold, tmp_path], env=environment, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "in\n"
    told = []

    def wait(before):
        told.append(before)
        assert len(told) < 1000, "a dead one is waited for"
        if len(told) == 3:
            other.kill()
            other.wait()

    with turn(wait, 1, tmp_path):
        assert told[:3] == [1, 1, 1]
    assert list(tmp_path.iterdir()) == []


def test_a_clock_set_back_lets_nobody_pass(tmp_path, monkeypatch):
    told = []

    def wait(before):
        told.append(before)
        raise InterruptedError

    with turn(print, 1, tmp_path):
        monkeypatch.setattr("time.time_ns", lambda: 0)
        with pytest.raises(InterruptedError), turn(wait, 1, tmp_path):
            pass
    assert told == [1]


def test_a_queue_whose_folder_is_gone_lets_everybody_in(tmp_path):
    folder, told = tmp_path / "turns", []

    def wait(before):
        told.append(before)
        shutil.rmtree(folder)

    with turn(print, 1, folder), turn(wait, 1, folder):
        assert told == [1]

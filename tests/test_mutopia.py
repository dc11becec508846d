"""The downloader against a local web server that serves, stalls, cuts off and forbids."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from helpers.mutopia import _file_name, download_guitar

PIECE = b"MThd" + bytes(range(256)) * 40


class Site(BaseHTTPRequestHandler):
    """What it does with a file is in its name; `log` holds (time, path, Range)."""

    def do_GET(self):
        server = self.server
        server.log.append((time.monotonic(), self.path, self.headers.get("Range")))
        if self.path == "/robots.txt":
            return self.answer(503 if server.robots is None else 200, (server.robots or "").encode())
        if self.path.startswith("/cgibin/"):
            page = int(self.path.rpartition("=")[2]) // 10
            listed = server.pages[page] if page < len(server.pages) else []
            links = "".join(f'<a href="/ftp/{name}">midi</a><a href="/ftp/x.pdf">pdf</a>' for name in listed)
            return self.answer(200, f"<html><a name=top>{links}<a href='http://elsewhere.test/z.mid'>".encode())
        name = self.path.rpartition("/")[2]
        tries = sum(path == self.path for _, path, _ in server.log)
        if "stalls" in name and tries == 1:
            server.over.wait(600)  # longer than anybody waits
            return None
        if "gone" in name:
            return self.answer(404, b"")
        if "page" in name:
            return self.answer(200, b"<html>not music</html>")
        start = 0
        if (wanted := self.headers.get("Range")) and "deaf" not in name:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        body = PIECE[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(PIECE) - 1}/{len(PIECE)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = "never" in name or ("cuts" in name and tries == 1)
        self.wfile.write(body[:5000] if cut and not ("never" in name and start) else b"" if cut else body)
        return None

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.log, server.robots, server.pages = [], "", [["Sor/a.mid", "Sor/b.mid"], ["Giuliani/a.mid"]]
    server.over = threading.Event()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    server.address = f"http://127.0.0.1:{server.server_address[1]}/"
    yield server
    server.over.set()
    server.shutdown()


def fetch(site, folder, **options):
    return download_guitar(folder, **({"pause": 0, "timeout": 60, "site": site.address} | options))


def test_serves_all_pages_under_distinct_names(site, tmp_path):
    files, rejected = fetch(site, tmp_path / "new" / "folder")
    assert [path.name for path in files] == ["Sor_a.mid", "Sor_b.mid", "Giuliani_a.mid"] and not rejected
    assert all(path.read_bytes() == PIECE for path in files)


def test_the_limit_counts_earlier_files_and_finished_files_stay_untouched(site, tmp_path):
    (tmp_path / "Sor_a.mid").write_bytes(b"mine")
    files, _ = fetch(site, tmp_path, limit=2)
    assert [path.name for path in files] == ["Sor_a.mid", "Sor_b.mid"]
    assert files[0].read_bytes() == b"mine" and not any("Sor/a.mid" in path for _, path, _ in site.log)


def test_waits_between_requests_and_longer_if_asked(site, tmp_path):
    site.robots = "User-agent: *\nCrawl-delay: 0.2\n"  # not a whole number, so the standard library passes over it
    fetch(site, tmp_path, limit=2, pause=0.15)
    moments = [moment for moment, _, _ in site.log]
    assert all(after - before >= 0.149 for before, after in zip(moments, moments[1:], strict=False))
    site.log.clear()
    site.robots = "User-agent: *\nCrawl-delay: 1\n"
    fetch(site, tmp_path, limit=2)
    assert site.log[1][0] - site.log[0][0] >= 0.99


def test_a_file_that_is_cut_off_is_continued(site, tmp_path):
    site.pages = [["Sor/cuts.mid"]]
    files, rejected = fetch(site, tmp_path)
    assert files[0].read_bytes() == PIECE and not rejected
    assert [wanted for _, path, wanted in site.log if path.endswith("cuts.mid")] == [None, "bytes=5000-"]
    assert [path.name for path in tmp_path.iterdir()] == ["Sor_cuts.mid"]


def test_a_server_that_knows_no_ranges_starts_over(site, tmp_path):
    site.pages = [["Sor/cuts-deaf.mid"]]
    files, _ = fetch(site, tmp_path)
    assert files[0].read_bytes() == PIECE


def test_what_never_arrives_leaves_no_file_under_its_name_and_goes_on_next_time(site, tmp_path):
    site.pages = [["Sor/never.mid", "Sor/b.mid"]]
    files, (rejected,) = fetch(site, tmp_path, retries=1)
    assert [path.name for path in files] == ["Sor_b.mid"]
    assert "broke off 2 times" in rejected.reason and not (tmp_path / "Sor_never.mid").exists()
    assert (tmp_path / "Sor_never.mid.part").read_bytes() == PIECE[:5000]


def test_a_stall_is_not_waited_for_for_ever(site, tmp_path):
    site.pages = [["Sor/stalls.mid"]]
    files, _ = fetch(site, tmp_path, timeout=2)
    assert files[0].read_bytes() == PIECE
    assert sum(path.endswith("stalls.mid") for _, path, _ in site.log) >= 2


def test_robots_txt_is_obeyed(site, tmp_path):
    site.robots = "User-agent: *\nDisallow: /ftp/Sor/\n"
    files, rejected = fetch(site, tmp_path)
    assert [path.name for path in files] == ["Giuliani_a.mid"]
    assert [r.reason for r in rejected] == ["robots.txt forbids it"] * 2
    assert not any(path.startswith("/ftp/Sor") for _, path, _ in site.log)
    site.robots = "User-agent: *\nDisallow: /cgibin/\n"
    with pytest.raises(PermissionError, match="robots.txt"):
        fetch(site, tmp_path)


def test_a_site_that_is_busy_or_silent_is_left_alone(site, tmp_path):
    site.robots = None  # whether we may come in is not known, so we do not
    with pytest.raises(ConnectionError, match="is busy"):
        fetch(site, tmp_path, retries=1)
    assert {path for _, path, _ in site.log} == {"/robots.txt"} and list(tmp_path.iterdir()) == []


def test_what_is_missing_or_no_music_is_named(site, tmp_path):
    site.pages = [["Sor/gone.mid", "Sor/page.mid"]]
    files, rejected = fetch(site, tmp_path)
    assert not files and list(tmp_path.iterdir()) == []
    assert "404" in rejected[0].reason and "not a MIDI file" in rejected[1].reason


def test_no_network_and_bad_arguments_get_one_sentence(tmp_path):
    with pytest.raises(ConnectionError, match="cannot be reached"):
        download_guitar(tmp_path, site="http://127.0.0.1:9/", pause=0, timeout=0.5, retries=0)
    with pytest.raises(ValueError, match="limit of 0"):
        download_guitar(tmp_path, limit=0)


def test_file_names_cannot_leave_the_folder():
    assert _file_name("http://x/ftp/../../etc/passwd%2F..%2Fa b.mid") == "etc_passwd_.._a_b.mid"

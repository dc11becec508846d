"""A polite downloader for the guitar music of the Mutopia project, as MIDI files.

It asks robots.txt first, waits between requests, goes on where it was interrupted, never touches a finished
file and never leaves a partial one under its final name. Read the files with `helpers.corpus.load_folder`.

Notebook: none; README says how to use it (nothing else needs the network).
"""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.util import Retry

from helpers.songs import Rejected

SITE = "https://www.mutopiaproject.org/"
LISTING = "cgibin/make-table.cgi?Instrument=Guitar&startat={start}"
PER_PAGE = 10  # pieces that Mutopia lists on a page
AGENT = "NotesFromScratch (+https://github.com/notes-from-scratch/notes-from-scratch)"
LARGEST = 5_000_000  # bytes; no guitar piece comes near it


class Download(NamedTuple):
    """What `download_guitar` did.

    Attributes:
        files: complete files, those of earlier calls included, in the order of the listing.
        rejected: addresses that could not be fetched, each with its reason.

    Notebook: none; returned by `download_guitar`.
    """

    files: list[Path]
    rejected: list[Rejected]


def download_guitar(
    folder, limit: int = 20, pause: float = 2.0, site: str = SITE, timeout: float = 30.0, retries: int = 3
) -> Download:
    """Fetches up to `limit` guitar pieces as MIDI files into a folder.

    Call it again to go on: files that are there are not asked for again, and a file that broke off is
    continued from where it stopped. Mutopia's music is in the public domain or under a Creative Commons
    licence; each piece's page says which.

    Args:
        folder: where the files go; made if it is not there.
        limit: the most files to have in the end, those of earlier calls included.
        pause: seconds between two requests; longer if robots.txt asks for it.
        site: address of the site, for tests.
        timeout: seconds to wait for an answer.
        retries: how often to try again when the server is busy or breaks off.

    Raises:
        ValueError: for a limit below 1 or a negative pause.
        PermissionError: if robots.txt forbids the listing.
        ConnectionError: if the site cannot be reached.

    Notebook: none; for your own music.
    """
    if limit < 1 or pause < 0:
        raise ValueError(f"a limit of {limit} files and a pause of {pause} s: take at least 1 file and 0 s.")
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return _collect(_Visitor(site, pause, timeout, retries), folder, limit)


def _collect(visitor: _Visitor, folder: Path, limit: int) -> Download:
    """Files of the listing, one after the other, until there are `limit`."""
    done = Download([], [])
    with visitor.session, tqdm(total=limit, desc="Mutopia", unit="file") as bar:
        for address in visitor.addresses():
            if len(done.files) == limit:
                break
            path = folder / _file_name(address)
            try:
                if not path.exists():
                    visitor.fetch(address, path)
            except (_Refused, requests.RequestException) as reason:
                done.rejected.append(Rejected(address, _plain(reason)))
                continue
            done.files.append(path)
            bar.update()
    return done


class _Refused(Exception):
    """A reason not to keep what an address gives."""


class _Visitor:
    def __init__(self, site, pause, timeout, retries):
        self.site, self.timeout, self.retries = site.rstrip("/") + "/", timeout, retries
        self.session = requests.Session()
        self.session.headers["User-Agent"] = AGENT
        busy = Retry(total=retries, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), read=0)
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, HTTPAdapter(max_retries=busy))
        self.pause, self.last = pause, 0.0
        self.robots = self._read_robots()
        self.pause = max(pause, float(self.robots.crawl_delay(AGENT) or 0))

    def _read_robots(self) -> RobotFileParser:
        robots = RobotFileParser()
        answer = self._page(urljoin(self.site, "/robots.txt"))
        if answer.status_code in (401, 403):
            robots.disallow_all = True
        else:  # no robots.txt: nothing is forbidden
            robots.parse(answer.text.splitlines() if answer.ok else [])
        return robots

    def _page(self, address) -> requests.Response:
        """A page that nothing goes on without. Raises ConnectionError in one sentence."""
        try:
            return self._get(address)
        except requests.RequestException as error:
            raise ConnectionError(f"{address} does not answer ({_plain(error)}); try again later.") from error

    def _get(self, address, **options) -> requests.Response:
        time.sleep(max(0.0, self.last + self.pause - time.monotonic()))
        try:
            return self.session.get(address, timeout=self.timeout, **options)
        finally:
            self.last = time.monotonic()

    def addresses(self):
        """Addresses of MIDI files, page after page of the listing, each once."""
        seen: set[str] = set()
        start = 0
        while True:
            page = urljoin(self.site, LISTING.format(start=start))
            if not self.robots.can_fetch(AGENT, page):
                raise PermissionError(f"robots.txt of {self.site} forbids {page}; nothing was fetched from there.")
            answer = self._page(page)
            if not answer.ok:
                raise ConnectionError(f"the listing {page} answers {answer.status_code} {answer.reason}.")
            links = _Links.of(answer.text, page)
            new = [link for link in dict.fromkeys(links) if link not in seen and link.lower().endswith(".mid")]
            if not new:
                return
            seen.update(new)
            yield from new
            start += PER_PAGE

    def fetch(self, address: str, path: Path) -> None:
        """One file, whole or not at all; what arrives stays in `path`.part until it is complete."""
        if not self.robots.can_fetch(AGENT, address):
            raise _Refused("robots.txt forbids it")
        part = path.with_name(path.name + ".part")
        for attempt in range(self.retries + 1):
            try:
                self._continue(address, part)
                break
            except requests.RequestException as error:
                if attempt == self.retries:
                    raise _Refused(f"it broke off {attempt + 1} times ({_plain(error)})") from error
        if part.read_bytes()[:4] != b"MThd":
            part.unlink()
            raise _Refused("it is not a MIDI file")
        part.replace(path)

    def _continue(self, address: str, part: Path) -> None:
        have = part.stat().st_size if part.exists() else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with self._get(address, stream=True, headers=headers) as answer:
            answer.raw.enforce_content_length = False  # or the last bytes before a break are lost; counted below
            if answer.status_code == 416:  # nothing is left, or the file has changed
                part.unlink()
                raise requests.ConnectionError("the part that was there did not fit")
            if not answer.ok:
                raise _Refused(f"the server answers {answer.status_code} {answer.reason}")
            resumed = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            expected = int(answer.headers.get("Content-Length", -1))
            if expected > LARGEST:
                raise _Refused(f"it has {expected:,} bytes, more than a guitar piece can have")
            got = 0
            with part.open("ab" if resumed else "wb") as file:
                for block in answer.iter_content(16_384):
                    got += len(block)
                    if got > LARGEST:
                        raise _Refused(f"it has more than {LARGEST:,} bytes, more than a guitar piece can have")
                    file.write(block)
            if 0 <= expected != got:
                raise requests.ConnectionError(f"{got} of {expected} bytes arrived")


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    @classmethod
    def of(cls, page: str, base: str) -> list[str]:
        reader = cls()
        reader.feed(page)
        same = urlsplit(base).netloc
        absolute = (urljoin(base, link) for link in reader.found)
        return [link for link in absolute if urlsplit(link).netloc == same]

    def handle_starttag(self, tag, attributes):
        if tag == "a":
            self.found += [value for name, value in attributes if name == "href" and value]


def _file_name(address: str) -> str:
    """A flat name from the path on the server: /ftp/SorF/O35/x.mid -> SorF_O35_x.mid."""
    path = unquote(urlsplit(address).path).removeprefix("/ftp/").strip("/")
    return re.sub(r"[^A-Za-z0-9.-]+", "_", path).lstrip("._-")


def _plain(error: Exception) -> str:
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "no answer in time"
    if isinstance(error, requests.exceptions.RetryError):
        return "the server is busy"
    if isinstance(error, requests.ConnectionError) and "Max retries" in str(error):
        return "it cannot be reached; is there a network?"
    return str(error).split("\n")[0][:200]

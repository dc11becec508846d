"""Visitors of the studio at once, as protocol clients on loopback: how long they wait, and what is left of them.

Each visitor opens the page (a kernel of its own), then presses Compose some times, with a seed nobody else has. A take
that shows another visitor's seed, or an error, ends it with 1; so does a visitor who waits for ever. What a visitor may
not do is tried, too: run code. All leave; then as many others may come (--rounds).

Run: make studio-load; python tests/studio_load.py --visitors 20 --takes 2 --rounds 3. A kernel: half a gigabyte.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from pathlib import Path

import psutil
import websocket

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "browser"))
from lab import command_of, free_port, quiet_environment, stop, wait_for  # noqa: E402 (it lies in a folder of its own)

PATIENCE = 900  # seconds for a page, or for a take; whoever waits longer is a fault, and the others go on


class Visitor(threading.Thread):
    """One page: its kernel, and the widgets in it."""

    def __init__(self, port: int, token: str, number: int, takes: int, ready: threading.Barrier):
        super().__init__(daemon=True)
        self.port, self.token, self.number, self.takes, self.ready = port, token, number, takes, ready
        self.opened, self.waits, self.writes, self.told, self.faults = 0.0, [], [], set(), []
        self.last = ""
        self._stage("asks for the page")

    def _stage(self, stage: str):
        self.stage, self.end = stage, time.monotonic() + PATIENCE

    def _in_time(self):
        if time.monotonic() > self.end:
            raise TimeoutError(f"{PATIENCE} s have passed")

    def run(self):
        try:
            self._open()
            self._stage("waits for the others")
            self.ready.wait(PATIENCE)
            for take in range(self.takes):
                self._stage(f"waits for take {take + 1}")
                self._take(1000 * self.number + take)
            self._stage("tries to run code")
            self._run_code()
            self.socket.close()
        except Exception as error:
            self.faults.append(f"visitor {self.number} {self.stage}: {type(error).__name__}: {error}; {self.last}")
            self.ready.abort()

    def _open(self):
        begin = time.monotonic()
        address = f"http://127.0.0.1:{self.port}/?token={self.token}"
        with urllib.request.urlopen(address, timeout=120) as answer:
            parts, cookies = [], answer.headers.get_all("Set-Cookie") or []
            while part := answer.read1():  # Voilà sends a sign of life every 10 s, whatever becomes of the page
                parts.append(part)
                self._in_time()
            page = b"".join(parts).decode()
        self.kernel = re.search(r'"kernelId": *"([\w-]+)"', page)[1]
        header = {"Cookie": "; ".join(cookie.partition(";")[0] for cookie in cookies)}
        place = f"127.0.0.1:{self.port}/api/kernels/{self.kernel}/channels?token={self.token}"
        self._stage("waits for the kernel")
        self.socket = websocket.create_connection(f"ws://{place}", timeout=120, header=header)
        self._send("kernel_info_request", {})  # as pages do: nothing else is sent before the kernel answers
        while self._next()["msg_type"] != "kernel_info_reply":
            pass
        self._stage("waits for the widgets")
        control = uuid.uuid4().hex
        self._send("comm_open", {"comm_id": control, "target_name": "jupyter.widget.control", "data": {}})
        self._send("comm_msg", {"comm_id": control, "data": {"method": "request_states"}})
        while (message := self._next())["content"].get("data", {}).get("method") != "update_states":
            pass
        states = message["content"]["data"]["states"]
        inside = self._inside(states, next(name for name in states if "nfs-composer" in self._classes(states, name)))
        named = {states[name]["state"].get("description"): name for name in inside}  # the Harmoniser has a seed, too
        self.button, self.seed = named["Compose"], named["seed"]
        self.opened = time.monotonic() - begin

    @staticmethod
    def _classes(states: dict, name: str) -> list[str]:
        return states[name]["state"].get("_dom_classes", [])

    def _inside(self, states: dict, name: str) -> list[str]:
        """A widget and all that it holds, by their names."""
        children = [child.removeprefix("IPY_MODEL_") for child in states[name]["state"].get("children", [])]
        return [name, *(one for child in children for one in self._inside(states, child))]

    def _send(self, kind: str, content: dict):
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": "load", "username": "", "version": "5.3"}
        header["date"] = "2026-01-01T00:00:00Z"
        body = {
            "header": header,
            "parent_header": {},
            "metadata": {"version": "1.0.0"},
            "content": content,
            "channel": "shell",
        }
        self.socket.send(json.dumps(body | {"buffers": []}))

    def _next(self) -> dict:
        while True:
            kind, frame = self.socket.recv_data_frame(control_frame=True)  # the server's pings are answered, too
            self._in_time()
            if kind == websocket.ABNF.OPCODE_CLOSE:
                raise ConnectionError("the server has closed the connection")
            if kind in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY):
                break
        message = frame.data if kind == websocket.ABNF.OPCODE_BINARY else frame.data.decode()
        if isinstance(message, bytes):  # with buffers: how many parts, where each begins, and JSON as the first
            begin, end = (int.from_bytes(message[k : k + 4], "big") for k in (4, 8))
            message = message[begin:end]
        self.last, message = message[-300:], json.loads(message)
        if message["content"].get("execution_state") in ("restarting", "dead"):
            raise ConnectionError("the kernel has died")
        return message

    def _take(self, seed: int):
        """Sets the seed, presses Compose, and waits for a player with this seed."""
        begin, began = time.monotonic(), None
        update = {"method": "update", "state": {"value": seed}, "buffer_paths": []}
        self._send("comm_msg", {"comm_id": self.seed, "data": update})
        pressed = {"method": "custom", "content": {"event": "click"}}
        self._send("comm_msg", {"comm_id": self.button, "data": pressed})
        shown, ready = "", False
        while not (shown and ready):
            message = self._next()["content"]
            text = json.dumps(message)
            if message.get("comm_id") == self.button and "disabled" in message["data"].get("state", {}):
                ready = not message["data"]["state"]["disabled"]  # nobody can press before
            if waiting := re.search(r"(\d+) before you", text):
                self.told.add(int(waiting[1]))
            if "Composing" in text and began is None:
                began = time.monotonic()
            if "nfs-player" in text:
                shown = text
        if f"seed {seed}" not in shown:
            self.faults.append(f"visitor {self.number} asked for seed {seed} and got another tune")
        self.waits.append((began or begin) - begin)
        self.writes.append(time.monotonic() - (began or begin))

    def _run_code(self):
        """What no page sends: it must not be carried out."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "ran"
            code = {"code": f"open({str(path)!r}, 'w')", "silent": False, "store_history": False}
            self._send("execute_request", code | {"user_expressions": {}, "allow_stdin": False})
            time.sleep(2)
            if path.exists():
                self.faults.append("a visitor's code was run")

    def leave(self):
        """As a page does that is closed."""
        address = f"http://127.0.0.1:{self.port}/voila/api/shutdown/{self.kernel}?token={self.token}"
        with urllib.request.urlopen(urllib.request.Request(address, method="POST"), timeout=60):
            pass


def megabytes(server) -> float:
    """Memory of the server and of what it has started."""
    family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    return sum(process.memory_info().rss for process in family) / 1e6


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--takes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    port, token = free_port(), uuid.uuid4().hex
    command = [word for word in command_of("studio") if word != "--token"]  # which would draw one
    command += [f"--port={port}", f"--Voila.token={token}"]
    with tempfile.TemporaryDirectory() as place, open(Path(place) / "log", "w") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=quiet_environment(Path(place)), stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/static/", server, any_answer=True)
            well = [visit(server, port, token, given.visitors, given.takes) for _ in range(given.rounds)]
        finally:
            stop(server)
        if not all(well):
            print("The server's last words:", *(Path(place) / "log").read_text().splitlines()[-40:], sep="\n")
    return int(not all(well))


def visit(server, port: int, token: str, many: int, takes: int) -> bool:
    """So many come at once, compose, and leave. Prints the figures; returns whether there was no fault."""
    before, ready = megabytes(server), threading.Barrier(many)
    visitors = [Visitor(port, token, k + 1, takes, ready) for k in range(many)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join(PATIENCE * (takes + 4))
    during = megabytes(server)
    faults = [f"visitor {v.number} {v.stage} for ever; {v.last}" for v in visitors if v.is_alive()]
    faults += [fault for visitor in visitors for fault in visitor.faults]
    for visitor in (visitor for visitor in visitors if not visitor.faults and not visitor.is_alive()):
        visitor.leave()
    end = time.monotonic() + 60
    while psutil.Process(server.pid).children() and time.monotonic() < end:
        time.sleep(0.2)
    after, left = megabytes(server), len(psutil.Process(server.pid).children())
    writes, waits = ([x for v in visitors for x in getattr(v, kind)] for kind in ("writes", "waits"))
    told = sorted(set().union(*(visitor.told for visitor in visitors)))
    figures = {"visitors": many, "takes": len(writes), "faults": faults[:3], "count": len(faults)}
    if writes:
        figures |= {"writing: median, 95 % (s)": [round(percentile(writes, share), 1) for share in (0.5, 0.95)]}
        figures |= {"waiting: median, 95 % (s)": [round(percentile(waits, share), 1) for share in (0.5, 0.95)]}
    figures |= {"told before them": told, "opened after (s)": round(max(visitor.opened for visitor in visitors))}
    figures |= {"MB before, with all, after": [round(before), round(during), round(after)], "kernels left": left}
    print(json.dumps(figures))
    return not faults and not left


if __name__ == "__main__":
    sys.exit(main())

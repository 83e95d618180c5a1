"""A Swift account carried to another Swift, beside the plainest client and rclone; `make bench-objects`.

Swift of Pike and of the newest release on this machine, each alone, with a stand-in for Keystone; all of them, and the
tools, share its processors. The tools take turns, each with an account of its own on the new side; a turn has its part
of the objects. The last line is a JSON object. Ratios of speed: more than 1 is faster than the other.

    small_limit     objects of 4 KiB a second, against 16 threads that GET and PUT known names by Python's http.client
                    and do nothing else: what the two Swifts and this machine give
    small_rclone    the same against `rclone copy` with 16 transfers (Debian's; its process from start to end)
    large_limit, large_rclone   bytes a second of objects of 64 MiB, the same way
    unchanged       time of a pass in which nothing changed against both listings read by the plainest client,
                    one after the other: less than 1 is shorter
    names_mib       the most memory, in MiB, of a process with a pass over 1,000,000 names, the same on both sides;
                    the listings are simulated, what was carried is real
    names_seconds   how long that pass took, most of it the simulation's own time
    load            the machine's load average over the minute before
"""

import argparse
import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from naru.objects.engine.copy import copy
from naru.objects.wire import Account
from tests.objects.stand_in import Cloud
from tests.objects.swift import PROJECT, pair

BASE = 30000
PARALLEL, TURNS = 16, 4
SMALL, LARGE = 4096, 64 << 20
NAMES, PAGE = 1_000_000, 10_000
ONE_PASS = """
import json, resource, sys, time
from pathlib import Path
from types import SimpleNamespace
from naru.objects.engine.copy import copy
from naru.objects.engine.state import Carried, opened
from naru.objects.listing import Entry
from naru.objects.wire import Account
cloud = SimpleNamespace(trust=(True, None), token="t", renew=lambda: None)
source, target = (Account(cloud, name, url) for name, url in zip(("old", "new"), sys.argv[1:3]))
directory, number = Path(sys.argv[3]), int(sys.argv[4])
with opened(directory, source.url, target.url) as state:
    for one in range(number):
        entry = Entry(f"name-{one:08}", "0" * 32, 7, "2026-12-01T00:00:00.500000", "text/plain")
        state.record("c", Carried(entry, "plain", "0" * 32, 1796083201))
before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
done = copy(source, target, directory)
assert done.same == number and not done.copied, done
print(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.monotonic() - began]))
"""


class Names(BaseHTTPRequestHandler):
    """A container of so many names, simulated."""

    protocol_version = "HTTP/1.1"
    number = NAMES

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        marker = parse_qs(parts.query).get("marker", [""])[0]
        body = b"[]"
        if parts.path == "/info":
            body = json.dumps({"swift": {"container_listing_limit": PAGE, "account_listing_limit": PAGE}}).encode()
        elif parts.path.endswith("/c"):
            first = int(marker.removeprefix("name-")) + 1 if marker else 0
            rows = (
                f'{{"name":"name-{one:08}","hash":"{"0" * 32}","bytes":7,'
                '"last_modified":"2026-12-01T00:00:00.500000","content_type":"text/plain"}'
                for one in range(first, min(first + PAGE, self.number))
            )
            body = f"[{','.join(rows)}]".encode()
        elif not marker:
            body = b'[{"name":"c","count":0,"bytes":0}]'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Container-Object-Count", "0")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing."""


def account(one: Any, name: str) -> str:
    return str(one.url).replace(PROJECT, name)


def plain(url: str, work: Callable[[http.client.HTTPConnection, str, str], None], names: list[str]) -> None:
    """Has each name done by threads with connections of their own."""
    held = threading.local()

    def do(name: str) -> None:
        if not hasattr(held, "to"):
            parts = urlsplit(url)
            held.to = http.client.HTTPConnection(str(parts.hostname), parts.port)
            held.path = parts.path
        work(held.to, held.path, name)

    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(do, names))


def asked(to: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None) -> bytes:
    to.request(method, path, body)
    answer = to.getresponse()
    content = answer.read()
    assert answer.status < 400 or answer.status == 404, (method, path, answer.status, content[:200])
    return content


def fill(url: str, container: str, number: int, size: int) -> None:
    names = [f"{container}/object-{one:06}" for one in range(number)]
    plain(url, lambda to, path, name: void(asked(to, "PUT", f"{path}/{name}")), [container])
    plain(url, lambda to, path, name: void(asked(to, "PUT", f"{path}/{name}", os.urandom(size))), names)


def void(_: object) -> None:
    """Nothing of it is wanted."""


def by_plain(source: str, target: str, container: str, number: int) -> None:
    here = threading.local()
    parts = urlsplit(source)

    def carry(to: http.client.HTTPConnection, path: str, name: str) -> None:
        if not hasattr(here, "to"):
            here.to = http.client.HTTPConnection(str(parts.hostname), parts.port)
        asked(to, "PUT", f"{path}/{name}", asked(here.to, "GET", f"{parts.path}/{name}"))

    plain(target, lambda to, path, name: void(asked(to, "PUT", f"{path}/{name}")), [container])
    plain(target, carry, [f"{container}/object-{one:06}" for one in range(number)])


def by_naru(source: str, target: str, container: str, number: int, state: Path) -> None:
    cloud: Any = Cloud(type("Server", (), {"token": "t"})())  # type: ignore[arg-type]
    sides = [Account(cloud, name, url, PARALLEL + 8) for name, url in (("old", source), ("new", target))]
    done = copy(sides[0], sides[1], state, only=[container], parallel=PARALLEL)
    assert (done.copied, done.problems) == (number, []), done
    for side in sides:
        side.close()


def by_rclone(source: str, target: str, container: str) -> None:
    environment = dict(os.environ)
    for name, url in (("OLD", source), ("NEW", target)):
        told = {"TYPE": "swift", "STORAGE_URL": url, "AUTH_TOKEN": "t", "AUTH": "http://127.0.0.1:9/v1.0"}
        environment |= {f"RCLONE_CONFIG_{name}_{key}": value for key, value in told.items()}
    many = ["--transfers", str(PARALLEL), "--checkers", str(PARALLEL), "--config", os.devnull]
    subprocess.run(["rclone", "copy", f"old:{container}", f"new:{container}", *many], env=environment, check=True)


def listings(urls: list[str], containers: list[str]) -> None:
    for url in urls:
        parts = urlsplit(url)
        to = http.client.HTTPConnection(str(parts.hostname), parts.port)
        asked(to, "GET", f"{parts.path}?format=json")
        for container in containers:
            marker = ""
            while found := json.loads(asked(to, "GET", f"{parts.path}/{container}?format=json&marker={marker}")):
                marker = found[-1]["name"]
        to.close()


def timed(do: Callable[[], None]) -> float:
    began = time.monotonic()
    do()
    return time.monotonic() - began


def names(directory: Path, number: int) -> tuple[float, float]:
    """The memory in MiB and the seconds of a pass over so many names."""
    Names.number = number
    with contextlib.ExitStack() as stack:
        urls = []
        for _ in range(2):
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Names))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            urls.append(f"http://127.0.0.1:{server.server_address[1]}/v1/AUTH_p")
        argv = [sys.executable, "-c", ONE_PASS, *urls, str(directory / "names"), str(number)]
        memory, seconds = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
        return memory, seconds


def part(old: Any, new: Any, directory: Path, kind: str, number: int, size: int) -> dict[str, float]:
    """The seconds of each tool for so many objects of that size, in turns."""
    source, took = account(old, "source"), {"limit": 0.0, "naru": 0.0, "rclone": 0.0}
    each = max(1, number // TURNS)
    for turn in range(TURNS):
        container = f"{kind}-{turn}"
        fill(source, container, each, size)
        tools: list[tuple[str, Callable[[], None]]] = [
            ("limit", lambda c=container: by_plain(source, account(new, "limit"), c, each)),  # type: ignore[misc]
            ("naru", lambda c=container: by_naru(source, account(new, "naru"), c, each, directory / "state")),  # type: ignore[misc]
            ("rclone", lambda c=container: by_rclone(source, account(new, "rclone"), c)),  # type: ignore[misc]
        ]
        for name, do in tools[turn % 3 :] + tools[: turn % 3]:
            took[name] += timed(do)
        print(f"{kind}, turn {turn + 1}: " + ", ".join(f"{name} {value:.1f} s" for name, value in took.items()))
    return {name: each * TURNS * size / value for name, value in took.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=20_000, help="small objects (%(default)s)")
    parser.add_argument("--mib", type=int, default=2048, help="MiB of large ones (%(default)s)")
    parser.add_argument("--names", type=int, default=NAMES, help="names of the simulated listing (%(default)s)")
    arguments = parser.parse_args()
    shown: dict[str, Any] = {"load": round(os.getloadavg()[0], 1)}
    with tempfile.TemporaryDirectory(prefix="naru-bench-objects-") as made, contextlib.ExitStack() as stack:
        directory = Path(made)
        old, new, _ = stack.enter_context(pair(directory, BASE))
        small = part(old, new, directory, "small", arguments.objects, SMALL)
        urls = [account(old, "source"), account(new, "naru")]
        containers = [f"small-{turn}" for turn in range(TURNS)]
        again: list[float] = []
        plainly: list[float] = []
        for _ in range(3):
            plainly.append(timed(lambda: listings(urls, containers)))
            again.append(timed(lambda: unchanged(urls, directory, containers)))
        large = part(old, new, directory, "large", arguments.mib * (1 << 20) // LARGE, LARGE)
        for kind, speed in (("small", small), ("large", large)):
            unit = SMALL if kind == "small" else 1 << 20
            shown |= {f"{kind}_{name}_a_second": round(value / unit, 1) for name, value in speed.items()}
            shown[f"{kind}_limit"] = round(speed["naru"] / speed["limit"], 3)
            shown[f"{kind}_rclone"] = round(speed["naru"] / speed["rclone"], 3)
        shown["unchanged"] = round(min(again) / min(plainly), 3)
        memory, seconds = names(directory, arguments.names)
        shown |= {"names_mib": round(memory), "names_seconds": round(seconds, 1)}
        shown |= {"objects": arguments.objects, "mib": arguments.mib, "names": arguments.names}
    print(json.dumps(shown))


def unchanged(urls: list[str], directory: Path, containers: list[str]) -> None:
    cloud: Any = Cloud(type("Server", (), {"token": "t"})())  # type: ignore[arg-type]
    sides = [Account(cloud, name, url, PARALLEL + 8) for name, url in zip(("old", "new"), urls, strict=True)]
    done = copy(sides[0], sides[1], directory / "state", only=containers, parallel=PARALLEL)
    assert not done.copied and not done.metadata, done


if __name__ == "__main__":
    main()

"""A cloud's log files that grow as a test says, watched with alerts; and a server that takes what sinks send."""

import datetime
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from naru.watch.alerts.alerts import Alerting
from naru.watch.alerts.known import Known
from naru.watch.alerts.outbox import Alert, Outbox
from naru.watch.follow import Follower
from naru.watch.formats import KNOWN
from naru.watch.match import Matcher
from naru.watch.place import Here
from naru.watch.request import Reader
from naru.watch.store import Store
from naru.watch.times import Clock

from .lines import line, traceback

HOUR = 3600.0
DAY = 24 * HOUR


def req(number: int) -> str:
    return f"req-{number:08d}-aaaa-4bbb-8ccc-{number:012d}"


def context(own: int, sent: int = 0, user: str = "u1", project: str = "p1") -> str:
    return f"{req(sent) if sent else 'None'} {req(own)} {user} {project} - - d d"


class Watched:
    """Files of one host, and a clock that is moved: `now` is in seconds since 1970."""

    def __init__(self, directory: Path, sinks: Sequence[str] = ("sink",), matcher: Matcher | None = None) -> None:
        self.logs, self.work = directory / "log", directory / "watch"
        self.logs.mkdir()
        self.store = Store(self.work, make=True)
        self.outbox = Outbox(self.store)
        self.now = time.time()
        self.place = Here("h1")
        self.place.now = lambda: self.now  # type: ignore[method-assign]
        self.matcher = matcher or Matcher([])
        self.sinks = sinks
        self.known = Known()
        self.start()

    def start(self, away: float = 0.0) -> None:
        clock = Clock(datetime.UTC)
        patterns = [str(self.logs / "*.log")]
        self.follower = Follower(self.store, self.place, patterns, KNOWN, self.matcher, clock)
        self.alerting = Alerting(
            self.store,
            self.sinks,
            known=self.known,
            reader=lambda: Reader(self.store, {"h1": self.place}, KNOWN, clock),
            away=away,
            now=lambda: self.now,
        )

    def write(self, program: str, *lines: str) -> None:
        file = self.logs / f"{program}.log"
        with file.open("a") as out:
            out.write("".join(f"{one}\n" for one in lines))
        os.utime(file, (self.now, self.now))

    def time(self, ago: float = 0.0) -> str:
        moment = datetime.datetime.fromtimestamp(self.now - ago, datetime.UTC)
        return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:23]

    def error(self, program: str, message: str, own: int = 1, ago: float = 0.0, **given: Any) -> None:
        """One record, with whatever of its head is given."""
        trace = given.pop("trace", ())
        sent, user, project = given.pop("sent", 0), given.pop("user", "u1"), given.pop("project", "p1")
        when = self.time(ago)
        logger = given.get("logger", "nova.compute.manager")
        lines = [line(message, context=context(own, sent, user, project), time=when, **given)]
        self.write(program, *lines, *(traceback(*trace, logger=logger, time=when) if trace else ()))

    def read(self) -> None:
        for _ in self.follower.round():
            pass

    def round(self, after: float = 0.0) -> list[Alert]:
        """So many seconds later all that is new is read, and told."""
        self.now += after
        self.read()
        return self.alerting.round()

    def begun(self) -> "Watched":
        """The first run is over, with nothing in it."""
        assert self.round() == []
        return self

    def key(self, text: str) -> str:
        (found,) = [one["key"] for one in self.store.groups() if text in one["text"]]
        return str(found)


class Receiver:
    """Takes what is posted: each with its path, headers and JSON. `answers` is the status that it gives."""

    def __init__(self, port: int = 0) -> None:
        self.got: list[tuple[str, dict[str, str], Any]] = []
        self.answers = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.answers < 300:
                    outer.got.append((self.path, dict(self.headers), json.loads(body)))
                self.send_response(outer.answers)
                self.send_header("Content-Length", "2")
                self.send_header("Location", "http://elsewhere/")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who posts may be killed
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def bodies(self) -> list[Any]:
        return [body for _, _, body in self.got]


@contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    made = Receiver(port)
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()

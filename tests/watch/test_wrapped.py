"""Lines within docker's and syslog's lines, and oslo.log's own JSON: the same groups as from plain lines."""

import json
import logging
import logging.handlers
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg
from oslo_context.context import RequestContext
from oslo_log import formatters, log

from naru.watch import statements
from naru.watch.formats import KNOWN, LEVELS, OSLO, Configured, fitting
from naru.watch.group import group
from naru.watch.match import Match, Matcher
from naru.watch.records import Record, read
from naru.watch.sources.documents import entry_of
from naru.watch.sources.entries import join
from naru.watch.wrapped import TRIED, wrapping

from ..processes import started
from .lines import FRAMES, line, traceback

pytestmark = pytest.mark.unit

PLAIN = [
    line("no room on h1"),
    *traceback(*FRAMES),
    line("fine", "INFO"),
    line("x" * 40_000 + " é end"),
    *traceback(*FRAMES),
    line("two"),
    "lines",
]


def of(lines: Sequence[str], formats: Sequence[Any] = TRIED) -> list[Record]:
    """The records of lines as a file has them."""
    raw = ("\n".join(lines) + "\n").encode().decode("latin-1").split("\n")[:-1]
    form = fitting(raw[:400], formats)
    assert form is not None
    chunk = read(raw, 0, form, last=True)
    assert (chunk.unread, chunk.held) == (0, sum(len(one) + 1 for one in raw))
    return chunk.records


def said(records: Sequence[Record]) -> list[tuple[Any, ...]]:
    return [(one.message, one.level, one.logger, one.time, one.request_id, one.traceback) for one in records]


def docker(lines: Sequence[str], stream: str = "stdout") -> list[str]:
    """As docker's json-file driver writes them: pieces of 16 KiB, the last with its line end."""
    made = []
    for one in lines:
        data = f"{one}\n".encode()
        for at in range(0, len(data), 16 << 10):
            # a character that lies on the border is lost by docker, too
            piece = data[at : at + (16 << 10)].decode("utf-8", "replace")
            made.append(json.dumps({"log": piece, "stream": stream, "time": "2026-10-05T14:42:27.3Z"}))
    return made


def test_docker() -> None:
    wrapped = docker(PLAIN)
    assert len(wrapped) == len(PLAIN) + 2
    assert said(of(wrapped)) == said(of(PLAIN))
    own = ("%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [%(request_id)s] @%(message)s",)
    other = f"{PLAIN[0].partition('[')[0]}[req-b0bf378c-589b-4bee-9d1b-0a0b3c95b45d] @own"
    (record,) = of(docker([other]), wrapping((Configured(own), *KNOWN)))
    assert record.message == "own"


def test_docker_is_read_on_at_the_first_piece() -> None:
    """Of a line that is not whole yet nothing is counted, and the place is that of its first piece."""
    wrapped = docker(PLAIN[:10]) + docker(PLAIN[10:11])
    whole, at = "\n".join(wrapped) + "\n", 0
    found: list[Record] = []
    for end in range(0, len(whole) + 900, 900):
        part = whole[at:end]
        lines = part[: part.rfind("\n") + 1].split("\n")[:-1]
        form = fitting(lines, TRIED) or OSLO
        chunk = read(lines, at, form, last=end >= len(whole))
        found += chunk.records
        at = chunk.held
    expected = of(wrapped)
    assert [one.place for one in found] == [one.place for one in expected]
    assert [one.message[:20] for one in found] == [one.message[:20] for one in expected]


def test_lines_of_two_streams_of_docker() -> None:
    one, other = docker(["x" * 20_000]), docker([line("whole")], "stderr")
    chunk = read([one[0], other[0], one[1]], 0, fitting(other, TRIED) or OSLO, last=True)
    assert [record.message.split("\n")[0] for record in chunk.records] == ["whole"]


@pytest.mark.skipif(not shutil.which("rsyslogd"), reason="needs rsyslog")
def test_syslog(tmp_path: Path) -> None:
    """What the real rsyslog writes, of what Python's handler sends, as oslo.log's does: a datagram a record."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = tmp_path / "syslog"
    (tmp_path / "conf").write_text(
        f'module(load="imudp")\ninput(type="imudp" address="127.0.0.1" port="{port}")\n'
        f'$WorkDirectory {tmp_path}\n*.* action(type="omfile" file="{file}" template="RSYSLOG_TraditionalFileFormat")\n'
    )
    words = ["rsyslogd", "-n", "-f", str(tmp_path / "conf"), "-i", str(tmp_path / "pid"), "-C"]
    records = ["\n".join(PLAIN[:7]), PLAIN[7], "\n".join([line("last"), *traceback(*FRAMES)])]
    with started(words, stderr=subprocess.DEVNULL) as daemon:
        try:
            handler = logging.handlers.SysLogHandler(("127.0.0.1", port))
            handler.ident = "nova-compute: "
            until = time.monotonic() + 30
            while time.monotonic() < until and not (file.exists() and "last" in file.read_text()):
                for one in records:
                    handler.emit(logging.LogRecord("x", logging.ERROR, "", 0, one, None, None))
                time.sleep(0.5)
            handler.close()
        finally:
            daemon.terminate()
            daemon.wait(20)
    written = file.read_text().splitlines()[:3]
    assert "#012" in written[0]
    found = of(written)
    assert said(found) == said(of([*PLAIN[:8], *records[2].split("\n")]))
    assert {one.program for one in found} == {"nova-compute"}


CODE = """
import logging
LOG = logging.getLogger(__name__)

class NoRoom(Exception):
    pass

def fails(host):
    try:
        raise NoRoom("no room on " + host)
    except NoRoom as error:
        LOG.exception("Failed on %s: %d", host, 5)
        LOG.error("It is constant")
        LOG.warning(error)
        LOG.error("first: %(a)s", {"a": host})
    LOG.error("long %s %s",
              host,
              "text")
"""


class Kept(logging.Handler):
    """Keeps what a formatter makes of each record."""

    def __init__(self, *made: Callable[[logging.LogRecord], Any]) -> None:
        super().__init__()
        self.made = made
        self.kept: list[list[Any]] = [[] for _ in made]

    def emit(self, record: logging.LogRecord) -> None:
        for kept, make in zip(self.kept, self.made, strict=True):
            kept.append(make(record))


@pytest.mark.parametrize("known", [True, False])
def test_oslo_logs_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool) -> None:
    """Scenario 42: oslo.log's real formatters, of the same records; also where nobody knows the code."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    site = tmp_path / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    (site / "nova").mkdir(parents=True)
    (site / "nova" / "__init__.py").write_text("")
    (site / "nova" / "rooms.py").write_text(CODE)
    matcher = Matcher(statements.of_environment(tmp_path).statements if known else [])
    monkeypatch.syspath_prepend(str(site))
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    conf([])
    plain = formatters.ContextFormatter(datefmt="%Y-%m-%d %H:%M:%S", config=conf)
    # as files have it: a traceback's lines with a head of their own
    kept = Kept(plain.format, formatters.JSONFormatter().format, formatters.FluentFormatter().format)
    context = RequestContext(user_id="u1", project_id="p1", overwrite=True)
    __import__("nova.rooms")
    logger = logging.getLogger("nova.rooms")
    monkeypatch.setattr(logger, "handlers", [kept])
    monkeypatch.setattr(logger, "propagate", False)
    sys.modules["nova.rooms"].fails("h1")
    for name in ("nova.rooms", "nova"):
        del sys.modules[name]
    texts, json_lines, fluent = kept.kept

    def keys(records: Sequence[Record]) -> list[str]:
        return [_key(record, matcher) for record in records]

    expected = of("\n".join(texts).split("\n"))
    assert [one.level for one in expected] == ["ERROR", "ERROR", "WARNING", "ERROR", "ERROR"]
    assert {one.request_id for one in expected} == {context.request_id}
    of_json = read([one.encode().decode("latin-1") for one in json_lines], 0, OSLO, last=True).records
    of_fluent = [one.record for one in join([entry_of(one) for one in fluent], TRIED).arrived]
    of_pushed = [one.record for one in join([entry_of(json.loads(one)) for one in json_lines], TRIED).arrived]
    if known:
        assert keys(of_json) == keys(of_fluent) == keys(of_pushed) == keys(expected)
    else:
        assert len(set(keys(of_json))) == len(set(keys(expected))) == 5
        assert keys(of_json) == keys(of_pushed)
    assert {one.project for one in [*of_json, *of_fluent]} == {"p1"}
    assert {one.request_id for one in [*of_json, *of_fluent]} == {context.request_id}
    if known:
        assert {matcher.match(one).how for one in of_json if one.level == "ERROR"} == {"place"}
        assert {matcher.match(one).how for one in of_fluent if one.level == "ERROR"} == {"place"}


def _key(record: Record, matcher: Matcher) -> str:
    match: Match = matcher.match(record)
    assert record.level in LEVELS
    return group(record, match, "nova-compute", matcher).key

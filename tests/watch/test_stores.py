"""OpenSearch and Loki, by answers as their documentation has them: the same groups as from the files, each record once,
late ones too."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.cli.main import main
from naru.watch.formats import KNOWN
from naru.watch.request import GLOBAL as BY_GLOBAL
from naru.watch.request import OWN, Reader, join
from naru.watch.request import SERVER as ABOUT
from naru.watch.sources import loki, opensearch
from naru.watch.sources.loki import Loki
from naru.watch.sources.opensearch import OpenSearch
from naru.watch.sources.stream import Window
from naru.watch.sources.web import Web
from naru.watch.store import Store
from naru.watch.streams import streams
from naru.watch.times import Clock

from .lines import FRAMES, REQUEST, line, traceback
from .stores import Documents, Lines

pytestmark = pytest.mark.unit

SERVER = "5e5e5e5e-1111-4222-8333-444444444444"
SENT = "req-11111111-2222-4333-8444-555555555555"
KOLLA_FIRST = re.compile(r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d{3} \d+ \S+ \S+ \[")
KOLLA = re.compile(
    r"^(?P<Timestamp>\S+ \S+) (?P<Pid>\d+) (?P<log_level>\S+) (?P<python_module>\S+)"
    r"(?: \[(?:-|(?:(?:None|req-(?P<global_request_id>\S+)) )?req-(?P<request_id>\S+) (?P<user_id>\S+) "
    r"(?P<tenant_id>\S+)[^\]]*)\])?(?P<Payload>.*)$",
    re.S,
)


def of_kolla(text: str, host: str = "h1", program: str = "nova-compute") -> list[dict[str, Any]]:
    """The documents that kolla's fluentd makes of a log's text."""
    wholes: list[str] = []
    for one in text.split("\n"):
        if KOLLA_FIRST.match(one) or not wholes:
            wholes.append(one)
        else:
            wholes[-1] += f"\n{one}"
    made = []
    for one in wholes:
        found = KOLLA.match(one)
        assert found
        document = {name: value for name, value in found.groupdict().items() if value is not None}
        when = document["Timestamp"].replace(" ", "T") + "+00:00"
        made.append({**document, "Hostname": host, "programname": program, "@timestamp": when})
    return made


def stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03}"


def record(
    message: str, seconds: float, context: str = f"{SENT} {REQUEST} u1 p1 - - d d", instance: bool = True
) -> str:
    """A record with a traceback, whose lines name the instance, or not."""
    about = f"[instance: {SERVER}] " if instance else ""
    when = stamp(seconds)
    lines = [line(about + message, context=context, time=when), *traceback(*FRAMES, time=when)]
    return "\n".join([lines[0], *(one.replace("manager ", f"manager {about}", 1) for one in lines[1:])])


@pytest.fixture
def log() -> str:
    now = time.time() - 3600
    return "\n".join(
        [
            record("no room on host 5", now),
            line("fine", "INFO", time=stamp(now)),
            record("not of a server", now + 1, instance=False),
            record("without a request", now + 2, context="-"),
            line("slow", "WARNING", time=stamp(now + 3)),
        ]
    )


def groups(work: Path) -> set[tuple[str, int]]:
    with Store(work) as store:
        return {(one["key"], one["count"]) for one in store.groups()}


def of_file(directory: Path, log: str) -> set[tuple[str, int]]:
    (directory / "nova-compute.log").write_text(f"{log}\n")
    work = directory / "of_file"
    words = ["--files", str(directory / "nova-compute.log"), "--zone", "UTC", "--once"]
    assert main(["-q", "watch", "run", str(work), *words]) == 0
    return groups(work)


@pytest.fixture
def documents() -> Iterator[Documents]:
    made = Documents()
    with made.serving():
        yield made


@pytest.fixture
def lines() -> Iterator[Lines]:
    made = Lines()
    with made.serving():
        yield made


def run(directory: Path, what: dict[str, Any], once: int = 1, code: int = 0) -> Path:
    file, work = directory / "sources.yaml", directory / "watch"
    file.write_text(yaml.safe_dump({"naru_watch_sources": 1, **what}))
    for _ in range(once):
        assert main(["-q", "watch", "run", str(work), "--sources", str(file), "--once"]) == code
    return work


@pytest.mark.parametrize("page", [5000, 4])
def test_groups_of_kolla_are_those_of_files(
    tmp_path: Path, documents: Documents, log: str, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scenario 41: tracebacks that were taken apart are one record again, and `req-` is there again."""
    monkeypatch.setattr(opensearch, "PAGE", page + 8)
    for document in of_kolla(log):
        documents.add(int(opensearch.moment_of(document["@timestamp"]) * 1000), document)
    assert len(documents.hits) > 5 + 2 * len(FRAMES)
    (tmp_path / "password").write_text("secret")
    (tmp_path / "password").chmod(0o600)
    at = {"url": documents.url, "user": "kolla", "password": {"file": "password"}}
    work = run(tmp_path, {"opensearch": [at]}, once=3)
    expected = of_file(tmp_path, log)
    assert groups(work) == expected
    assert len(expected) == 4
    with Store(work) as store:
        (kept,) = streams(store)
        every = [store.examples(key)[0] for key, _ in expected]
    (example,) = [one for one in every if one.body["message"] == "no room on host 5"]
    assert (kept.records, kept.unread) == (4, 0)
    assert (example.body["request"], example.body["global_request"], example.host) == (REQUEST, SENT, "h1")
    assert example.body["traceback"].splitlines()[-1] == FRAMES[-1]
    assert all(headers["Authorization"].startswith("Basic ") for _, _, headers in documents.asked)
    assert "secret" not in str((work / "watch.db").read_bytes())


def test_documents_that_come_late(documents: Documents) -> None:
    web = Web(documents.url, "opensearch")
    source = OpenSearch("o", web, KNOWN, "flog-*")
    now = time.time()
    cursor, found = "", []

    def add(message: str, ago: float) -> None:
        (document,) = of_kolla(line(message, time=stamp(now - ago)))
        documents.add(int((now - ago) * 1000), document)

    for messages in ([("one", 30)], [("two", 50), ("three", 20)], [], [("four", 75)], [("too late", 90)], []):
        for message, ago in messages:
            add(message, ago)
        batch = source.follow(cursor)
        cursor = batch.cursor
        found += [one.record.message for one in batch.arrived]
    # a minute before the newest one is read again
    assert found == ["one", "two", "three", "four"]


def test_a_part_of_opensearch_that_does_not_answer_is_no_end(
    tmp_path: Path, documents: Documents, capsys: pytest.CaptureFixture[str], log: str
) -> None:
    for document in of_kolla(log):
        documents.add(int(opensearch.moment_of(document["@timestamp"]) * 1000), document)
    documents.failed = 1
    work = run(tmp_path, {"opensearch": [{"url": documents.url}]}, code=1)
    assert "1 shards of flog-* did not answer" in capsys.readouterr().err
    assert groups(work) == set()
    documents.failed = 0
    assert groups(run(tmp_path, {"opensearch": [{"url": documents.url}]})) == of_file(tmp_path, log)


def test_a_request_in_opensearch(tmp_path: Path, documents: Documents, log: str) -> None:
    now = time.time()
    other = f"{REQUEST} req-22222222-2222-4333-8444-555555555555 u1 p1 - - d d"
    text = f"{log}\n{line('port made', 'INFO', 'neutron.api', other, time=stamp(now))}"
    for document in of_kolla(text):
        documents.add(int(opensearch.moment_of(document["@timestamp"]) * 1000), document)
    source = OpenSearch("o", Web(documents.url, "opensearch"), KNOWN, "flog-*")
    with Store(tmp_path / "watch", make=True) as store:
        window = Window(now - 7200, now + 60)
        reader = Reader(store, {}, KNOWN, Clock(None), streams=[source], window=window)
        joined = join(reader, REQUEST)
    found = [(one.record.message, one.reason) for one in joined if one.reason != ABOUT]
    assert [one.record.message for one in joined if one.reason == ABOUT] == ["without a request"]
    assert all(one.record.traceback[-1] == FRAMES[-1] for one in joined if one.record.level == "ERROR")
    expected = ["no room on host 5", "fine", "not of a server", "slow"]
    assert found == [*((text, OWN) for text in expected), ("port made", BY_GLOBAL)]


@pytest.mark.parametrize(
    ("status", "answer", "told"),
    [
        (401, {}, "it does not let one in (401)"),
        (503, {"error": "red"}, "it answers 503"),
        (200, [], "what it answers is none of its own"),
    ],
)
def test_a_store_that_does_not_answer(
    tmp_path: Path,
    documents: Documents,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: int,
    answer: Any,
    told: str,
) -> None:
    monkeypatch.setattr(documents, "answer", lambda path, body: (status, answer))
    run(tmp_path, {"opensearch": [{"url": documents.url}]}, code=1)
    assert told in capsys.readouterr().err


LABELS = {"job": "openstack", "host": "h1", "filename": "/var/log/kolla/nova/nova-compute.log"}


@pytest.mark.parametrize("page", [5000, 30])
@pytest.mark.parametrize("alone", [True, False])
def test_groups_of_loki_are_those_of_files(
    tmp_path: Path, lines: Lines, log: str, page: int, alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line by line, and where the shipper joins tracebacks."""
    monkeypatch.setattr(loki, "PAGE", page)
    begun = int((time.time() - 3600) * 1e9)
    text = log.split("\n") if alone else re.split(r"\n(?=\S+ \S+ \d+ \w+ \S+ \[(?!inst))", log)
    for number, one in enumerate(text):
        lines.rows.append((begun + number * 200_000_000, LABELS, one))
        lines.rows.append((begun + number * 200_000_000, {"job": "openstack", "host": "h2"}, line("fine", "INFO")))
    query = '{job="openstack"}'
    work = run(tmp_path, {"loki": [{"url": lines.url, "query": query, "tenant": "cloud"}]}, once=2)
    assert groups(work) == of_file(tmp_path, log)
    assert all(headers["X-Scope-OrgID"] == "cloud" for _, _, headers in lines.asked)


def test_lines_that_come_late(lines: Lines) -> None:
    source = Loki("l", Web(lines.url, "loki"), KNOWN, '{job="openstack"}')
    now = time.time()
    cursor, found = "", []
    for messages in ([("one", 30)], [("two", 50), ("three", 20)], [], [("too late", 90)]):
        for message, ago in messages:
            lines.rows.append((int((now - ago) * 1e9), LABELS, line(message)))
        batch = source.follow(cursor)
        cursor = batch.cursor
        found += [one.record.message for one in batch.arrived]
    assert found == ["one", "two", "three"]


def test_a_format_that_changed_is_no_silence(tmp_path: Path, lines: Lines, capsys: pytest.CaptureFixture[str]) -> None:
    """Scenario 45, for lines of a store."""
    begun = int((time.time() - 3600) * 1e9)
    for number in range(100):
        text = line("x", "INFO") if number < 3 else f"2026-10-05 14:42:27,282 [nova] ERROR failed {number}"
        lines.rows.append((begun + number, LABELS, text))
    work = run(tmp_path, {"loki": [{"url": lines.url, "query": "{}"}]}, code=1)
    assert "97% of its lines are of no known format" in capsys.readouterr().err
    assert main(["-v", "watch", "groups", str(work)]) == 0
    assert "97% of its lines" in capsys.readouterr().err


def test_a_request_in_loki(tmp_path: Path, lines: Lines, log: str) -> None:
    begun = int((time.time() - 3600) * 1e9)
    for number, one in enumerate(log.split("\n")):
        lines.rows.append((begun + number, LABELS, one))
    source = Loki("l", Web(lines.url, "loki"), KNOWN, '{job="openstack"}')
    with Store(tmp_path / "watch", make=True) as store:
        reader = Reader(store, {}, KNOWN, Clock(None), streams=[source], window=Window(0, time.time()))
        joined = join(reader, REQUEST)
    assert all(one.record.traceback[-1] == FRAMES[-1] for one in joined if one.record.level == "ERROR")
    found = [one.record.message for one in joined if one.reason == OWN]
    assert found == ["no room on host 5", "fine", "not of a server", "slow"]


def test_json_in_loki(lines: Lines) -> None:
    said = {"message": "no room on 5", "msg": "no room on %s", "levelname": "ERROR", "name": "nova.x", "lineno": 5}
    lines.rows.append((int((time.time() - 60) * 1e9), LABELS, json.dumps({**said, "pathname": "/v/nova/x.py"})))
    batch = Loki("l", Web(lines.url, "loki"), KNOWN, "{}").follow("")
    ((one, host, program, _),) = batch.arrived
    assert (one.template, one.line, host, program) == ("no room on %s", 5, "h1", "nova-compute")

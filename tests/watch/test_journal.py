"""Journals, read by the real journalctl from real journal files: the same groups as from files, each record once."""

import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from oslo_config import cfg
from oslo_context.context import RequestContext
from oslo_log import formatters, handlers, log

from naru.cli.main import main
from naru.watch.formats import KNOWN, Configured
from naru.watch.request import OWN, Reader, join
from naru.watch.sources import journal as journals
from naru.watch.sources.fields import journal_entry
from naru.watch.sources.journal import Journal
from naru.watch.sources.stream import Window
from naru.watch.store import Store
from naru.watch.streams import streams
from naru.watch.times import Clock

from ..processes import started
from . import journals as real
from .journals import JournalFile
from .lines import FRAMES, REQUEST, line, traceback

pytestmark = [pytest.mark.unit, pytest.mark.skipif(not real.there, reason="needs systemd-journal-remote")]

UNIT = {"_SYSTEMD_UNIT": "nova-compute.service", "SYSLOG_IDENTIFIER": "nova-compute", "_PID": "7"}


def logged(message: str, trace: bool = True, **more: str) -> dict[str, str]:
    """An entry of oslo.log's journal handler: its message is the line that a file would have."""
    lines = [line(message), *(traceback(*FRAMES) if trace else ())]
    return {
        **UNIT,
        **{"MESSAGE": "\n".join(lines), "PRIORITY": "3", "LOGGER_NAME": "nova.compute.manager"},
        **{"LOGGER_LEVEL": "ERROR", "CODE_FILE": "/v/lib/python3.11/site-packages/nova/compute/manager.py"},
        **{"CODE_LINE": "10", "REQUEST_ID": REQUEST, "USER_ID": "u1", "PROJECT_ID": "p1"},
        **({"EXCEPTION_INFO": "\n".join(traceback(*FRAMES))} if trace else {}),
        **more,
    }


def printed(*lines: str, pid: str = "7") -> list[dict[str, str]]:
    """Entries of a service that writes its log to its standard error: one a line, whose priority says nothing."""
    return [{**UNIT, "_PID": pid, "MESSAGE": one, "PRIORITY": "6"} for one in lines]


class Watched:
    """A journal, and a watch of it and of nothing else."""

    def __init__(self, directory: Path) -> None:
        self.journal = JournalFile(directory / "journal")
        self.work = directory / "watch"
        self.sources = directory / "sources.yaml"
        said = {"naru_watch_sources": 1, "journals": [{"directory": str(self.journal.directory)}]}
        self.sources.write_text(yaml.safe_dump(said))

    def read(self, *words: str) -> int:
        """Reads what there is; how many records there are."""
        assert main(["-q", "watch", "run", str(self.work), "--sources", str(self.sources), "--once", *words]) in (0, 1)
        with Store(self.work) as store:
            return sum(one["count"] for one in store.groups())


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr("naru.watch.following.SETTLED", 0)
    return Watched(tmp_path)


def of_file(directory: Path, *lines: str) -> set[str]:
    """The keys of the groups that a file with these lines has."""
    (directory / "nova-compute.log").write_text("\n".join(lines) + "\n")
    work = directory / "of_file"
    words = ["--files", str(directory / "nova-compute.log"), "--once"]
    assert main(["-q", "watch", "run", str(work), *words]) == 0
    with Store(work) as store:
        return {one["key"] for one in store.groups()}


def test_the_groups_are_those_of_a_file(watched: Watched, tmp_path: Path) -> None:
    """Scenario 42, for journals: as oslo.log's handler writes them, and line by line."""
    expected = of_file(tmp_path, line("no room on host 5"), *traceback(*FRAMES), line("fine", "INFO"))
    watched.journal.write([logged("no room on host 5"), logged("fine", trace=False, LOGGER_LEVEL="INFO")])
    assert watched.read() == 1
    with Store(watched.work) as store:
        (group,) = store.groups()
        assert {group["key"]} == expected
        (example,) = store.examples(group["key"])
        assert example.body["request"] == REQUEST
        assert (example.body["user"], example.body["project"]) == ("u1", "p1")
        assert example.body["message"] == "no room on host 5"
        assert store.hosts()[group["key"]] == {"h1": 1}
    watched.journal.write(printed(line("no room on host 6"), *traceback(*FRAMES), line("fine", "INFO")))
    assert watched.read() == 2
    with Store(watched.work) as store:
        assert {one["key"] for one in store.groups()} == expected


def test_what_oslo_logs_own_handler_sends(watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real handler and formatter of oslo.log (`use_journal`), beside a file of the same records."""
    sent: list[dict[str, str]] = []

    def send(message: str, **fields: object) -> None:
        sent.append({"MESSAGE": message, **{name: str(value) for name, value in fields.items()}, "_PID": "7"})

    monkeypatch.setattr(handlers, "journal", SimpleNamespace(send=send))
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    conf([])
    formatter = formatters.ContextFormatter(datefmt="%Y-%m-%d %H:%M:%S", config=conf)
    handler = handlers.OSJournalHandler()
    handler.binary_name = "nova-compute"
    handler.setFormatter(formatter)
    context = RequestContext(user_id="u1", project_id="p1", global_request_id=f"req-{uuid.uuid4()}", overwrite=True)
    logger = logging.getLogger("nova.compute.manager")
    records: list[logging.LogRecord] = []
    keeper = SimpleNamespace(level=0, handle=records.append)
    monkeypatch.setattr(logger, "handlers", [handler, keeper])
    monkeypatch.setattr(logger, "propagate", False)
    try:
        raise KeyError("none")
    except KeyError:
        logger.exception("no room on %s", "h5")
    logger.warning("slow")
    lines = [formatter.format(record) for record in records]
    watched.journal.write(sent)
    assert watched.read() == 2
    expected = of_file(tmp_path, *"\n".join(lines).split("\n"))
    with Store(watched.work) as store:
        assert {one["key"] for one in store.groups()} == expected
        (group,) = [one for one in store.groups() if one["level"] == "ERROR"]
        (example,) = store.examples(group["key"])
    assert (group["exception"], group["frame"].rpartition(":")[2]) == (
        "KeyError",
        "test_what_oslo_logs_own_handler_sends",
    )
    said = {name: example.body[name] for name in ("message", "request", "global_request", "user", "project")}
    assert said == {
        **{"message": "no room on h5: KeyError: 'none'", "request": context.request_id, "user": "u1", "project": "p1"},
        "global_request": context.global_request_id,
    }


def test_a_traceback_that_is_in_its_field_alone() -> None:
    entry = journal_entry({**logged("x"), "MESSAGE": line("no room")})
    assert entry.record is not None
    assert entry.record.traceback == ["Traceback (most recent call last):", *FRAMES]


def test_lines_of_several_processes_between_one_another(watched: Watched) -> None:
    one = printed(line("first failed", pid=7), *traceback(*FRAMES, pid=7), pid="7")
    other = printed(line("second failed", pid=8), *traceback(*FRAMES, pid=8), pid="8")
    watched.journal.write([entry for pair in zip(one, other, strict=True) for entry in pair])
    assert watched.read() == 2
    with Store(watched.work) as store:
        traces = [store.examples(group["key"])[0].body["traceback"] for group in store.groups()]
    assert [trace.splitlines()[-1] for trace in traces] == [FRAMES[-1]] * 2


def test_what_is_no_openstack_has_its_priority(watched: Watched) -> None:
    watched.journal.write(
        [
            {"MESSAGE": "Cannot open 5, no space", "PRIORITY": "3", "SYSLOG_IDENTIFIER": "libvirtd"},
            {"MESSAGE": "all is well", "PRIORITY": "6", "SYSLOG_IDENTIFIER": "libvirtd"},
        ]
    )
    assert watched.read() == 1
    with Store(watched.work) as store:
        (group,) = store.groups()
    assert (group["binary"], group["text"], group["level"]) == ("libvirtd", "Cannot open #, no space", "ERROR")


def test_each_once_page_by_page(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a page ends within a traceback, and is read again."""
    monkeypatch.setattr(journals, "PAGE", 20)
    count = 0
    for number in (1, 5, 12, 0, 2):
        entries = []
        for _ in range(number):
            count += 1
            entries += [*printed(line(f"number {count} failed"), *traceback(*FRAMES)), logged(f"other {count}")]
        if entries:
            watched.journal.write(entries)
        assert watched.read() == 2 * count
    with Store(watched.work) as store:
        assert {one["count"] for one in store.groups()} == {count}
        assert {one["exception"] for one in store.groups()} == {"NovaException"}
        (kept,) = streams(store)
    assert (kept.records, kept.unread, kept.lost) == (2 * count, 0, 0)


def test_a_record_that_is_just_being_written_waits(watched: Watched) -> None:
    shown = Journal("j", journals.here, KNOWN, directory=str(watched.journal.directory))
    watched.journal.write(printed(line("old failed")))
    watched.journal.write(printed(line("new failed")), at=time.time() + 30)
    batch = shown.follow("")
    assert [one.record.message for one in batch.arrived] == ["old failed"]
    assert not batch.more
    assert shown.follow(batch.cursor) == batch._replace(arrived=[], lines=0)


def test_what_the_journal_threw_away_is_told(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    watched.journal.write([logged("first")])
    assert watched.read() == 1
    for file in watched.journal.directory.iterdir():
        file.unlink()
    watched.journal.write([logged("second")], at=time.time() - 30)
    assert watched.read() == 2
    assert "lines were lost by rotation 1 times" in capsys.readouterr().err


def test_other_units_are_no_loss(watched: Watched) -> None:
    other = {"_SYSTEMD_UNIT": "nova-api.service", "SYSLOG_IDENTIFIER": "nova-api"}
    watched.journal.write([logged("one"), logged("two", **other)])
    shown = [
        Journal("j", journals.here, KNOWN, units, str(watched.journal.directory))
        for units in (("nova-api",), ("nova-compute",), ())
    ]
    cursor = shown[0].follow("").cursor
    watched.journal.write([logged("three")])
    batch = shown[1].follow(cursor)
    assert ([one.record.message for one in batch.arrived], batch.lost) == (["three"], 0)
    batch = shown[2].follow(batch.cursor)
    assert (batch.arrived, batch.lost) == ([], 0)


def test_a_format_of_the_sites_own(watched: Watched) -> None:
    entry = journal_entry(
        logged("", MESSAGE="nova.compute.manager|ERROR: no room"),
        formats=(Configured(["%(name)s|%(levelname)s: %(message)s"]), *KNOWN),
    )
    assert entry.record is not None
    assert entry.record.message == "no room"


def test_one_request(watched: Watched) -> None:
    other = "req-99999999-aaaa-4bbb-8ccc-000000000009"
    context = f"{other} u2 p2 - - -"
    watched.journal.write(
        [
            logged("spawning", trace=False, LOGGER_LEVEL="INFO"),
            logged("another's", REQUEST_ID=other, MESSAGE=line("another's", context=context)),
            *printed(line("printed", "INFO"), line("another's", context=context)),
        ]
    )
    watched.read()
    with Store(watched.work) as store:
        source = Journal("j", journals.here, KNOWN, directory=str(watched.journal.directory))
        window = Window(time.time() - 3600, time.time())
        reader = Reader(store, {}, KNOWN, Clock(None), streams=[source], window=window)
        found = [(one.host, one.program, one.record.message, one.reason) for one in join(reader, REQUEST)]
        nothing = Reader(store, {}, KNOWN, Clock(None), streams=[source], window=Window(0, time.time() - 3600))
        assert join(nothing, REQUEST) == []
    assert found == [("h1", "nova-compute", text, OWN) for text in ("spawning", "printed")]


def test_what_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sources.yaml"
    file.write_text(yaml.safe_dump({"naru_watch_sources": 1, "journals": [{"directory": str(tmp_path / "none")}]}))
    assert main(["watch", "sources", str(file), "-f", "json"]) == 1
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["source"], told["readable"]) == (f"journal {tmp_path / 'none'}", False)
    assert "No such file or directory" in told["what"]
    assert main(["-q", "watch", "run", str(tmp_path / "watch"), "--once", "--sources", str(file)]) == 1
    assert f"not read: journal {tmp_path / 'none'}: " in capsys.readouterr().err


WATCH = """
import sys
from naru.cli.main import main
from naru.watch import phases
from naru.watch.sources import journal
phases.EVERY, journal.PAGE = 0.01, 50
sys.exit(main(sys.argv[1:]))
"""


def killed(tmp_path: Path, kills: int) -> None:
    """Killed at any instant, while entries come: each record is counted once. Of two watches one is killed after it has
    read something, the other whenever it is, also while it starts."""
    watched = Watched(tmp_path)
    chance = random.Random(kills)
    words = ["-q", "watch", "run", str(watched.work), "--sources", str(watched.sources)]
    count = reads = 0
    for number in range(kills):
        with started([sys.executable, "-c", WATCH, *words], stdout=subprocess.DEVNULL) as watch:
            begun = time.time()
            until = 0.0 if number % 2 else time.monotonic() + 2 * chance.random()
            while not until or time.monotonic() < until:
                assert time.time() - begun < 120, "nothing was read"
                if not until and _read(watched.work) > begun:
                    until, reads = time.monotonic() + chance.random(), reads + 1
                entries = []
                for _ in range(chance.randrange(20)):
                    count += 1
                    entries += [
                        logged(f"number {count} failed"),
                        *printed(line(f"{count}: other"), *traceback(*FRAMES)),
                    ]
                if entries:
                    watched.journal.write(entries, at=time.time())
                time.sleep(0.1)
            assert watch.poll() is None
            os.kill(watch.pid, signal.SIGKILL)
    assert watched.read() == 2 * count
    with Store(watched.work) as store:
        assert sorted(one["count"] for one in store.groups()) == [count, count]
    print(f"{kills} kills, {reads} after something was read, {2 * count} records")


def _read(work: Path) -> float:
    """When the watch had read all the last time."""
    if not (work / "watch.db").exists():
        return 0.0
    with Store(work) as store:
        return float(store.setting("read") or 0.0)


@pytest.mark.kill
@pytest.mark.releases  # files are killed in make test
def test_killed(tmp_path: Path) -> None:
    killed(tmp_path, 6)


@pytest.mark.kill
@pytest.mark.releases
def test_killed_200_times(tmp_path: Path) -> None:
    killed(tmp_path, 200)

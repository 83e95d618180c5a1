"""What is not as it should be: disks, databases, clocks, files, answers. Each is told in one message or borne, and
nothing is lost or counted twice."""

import contextlib
import hashlib
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from naru.cli.main import main
from naru.errors import NaruError
from naru.files import FileLock
from naru.watch import follow, following, phases, store
from naru.watch.alerts.outbox import NEW, Trouble
from naru.watch.alerts.sender import Sending
from naru.watch.formats import KNOWN
from naru.watch.notifications.message import read
from naru.watch.sources.loki import Loki
from naru.watch.sources.opensearch import OpenSearch
from naru.watch.sources.settings import Settings
from naru.watch.store import Store

from .lines import line
from .messages import one
from .test_notifications import Fed
from .watched import DAY, HOUR, Watched

pytestmark = pytest.mark.unit
DIGEST_OF_TABLES = "e0bd"


@pytest.fixture(autouse=True)
def _nothing_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "QUIET", 0)
    monkeypatch.setattr(following, "QUIET", 0)


class Watch:
    """A file that is watched by the command."""

    def __init__(self, directory: Path) -> None:
        self.log, self.work = directory / "log" / "nova-api.log", directory / "watch"
        self.log.parent.mkdir()
        self.words = ["-q", "watch", "run", str(self.work), "--host", "h1", "--zone", "UTC", "--once"]
        self.write("it failed")

    def write(self, *messages: str) -> None:
        with self.log.open("a") as out:
            out.writelines(f"{line(each)}\n" for each in messages)

    def run(self, *more: str) -> int:
        return main([*self.words, "--files", str(self.log), *more])

    def counts(self) -> dict[str, int]:
        with Store(self.work) as opened:
            return {each["text"]: each["count"] for each in opened.groups()}


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path)


# the database


def test_another_command_holds_the_database(
    watch: Watch, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert watch.run() == 0
    monkeypatch.setattr(store, "PATIENCE", 0.2)
    (key,) = [each["key"] for each in _groups(watch)]
    other = sqlite3.connect(watch.work / store.DATABASE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        capsys.readouterr()
        assert main(["watch", "mute", str(watch.work), key]) == 1
        told = capsys.readouterr().err
        assert "watch.db: database is locked" in told and "give this one again" in told
        assert watch.run() == 1
        assert main(["watch", "groups", str(watch.work)]) == 0  # who reads does not wait
    finally:
        other.close()
    assert main(["watch", "mute", str(watch.work), key]) == 0


def _groups(watch: Watch) -> list[dict[str, Any]]:
    with Store(watch.work) as opened:
        return opened.groups()


FULL = """
import resource, sys
from naru.cli.main import main
from naru.watch import follow, following
follow.QUIET = following.QUIET = 0
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(sys.argv[2:]))
"""


def test_a_full_disk(watch: Watch) -> None:
    """It is told; when there is room again, all is read, and counted once."""
    assert watch.run() == 0
    words = "".join(chance.choice("abcdefgh") for chance in [random.Random(1)] for _ in range(200_000))
    watch.write(*(f"failed {words[n * 80 : n * 80 + 80]}" for n in range(2000)))
    size = max(each.stat().st_size for each in watch.work.iterdir()) + 50_000
    argv = [sys.executable, "-c", FULL, str(size), *watch.words, "--files", str(watch.log)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    assert "watch.db: " in done.stderr and "Traceback" not in done.stderr
    assert "What was read since is read again" in done.stderr or "what was read since is read again" in done.stderr
    assert watch.run() == 0
    assert sum(watch.counts().values()) == 2001


def test_two_at_a_time(watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    assert watch.run() == 0
    with FileLock(watch.work / phases.LOCK) as lock:
        assert lock.take()
        assert watch.run() == 1
    assert "another naru watch run goes on here" in capsys.readouterr().err


def test_what_is_no_database(watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    watch.work.mkdir()
    (watch.work / store.DATABASE).write_bytes(b"no database at all, and of some length\n" * 100)
    assert watch.run() == 2
    assert "is not what naru watch writes" in capsys.readouterr().err


FIRST_TABLES = """
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE file (
    id INTEGER PRIMARY KEY, host TEXT NOT NULL, path TEXT NOT NULL, device INTEGER NOT NULL, inode INTEGER NOT NULL,
    head BLOB NOT NULL, place INTEGER NOT NULL, ended INTEGER NOT NULL, format TEXT NOT NULL, lines INTEGER NOT NULL,
    records INTEGER NOT NULL, unread INTEGER NOT NULL, judged INTEGER NOT NULL, unmatched INTEGER NOT NULL,
    lost INTEGER NOT NULL, read REAL NOT NULL
);
CREATE INDEX file_path ON file (host, path);
CREATE TABLE block (file INTEGER NOT NULL, begin INTEGER NOT NULL, end INTEGER NOT NULL, first TEXT NOT NULL,
    last TEXT NOT NULL, ids BLOB NOT NULL, PRIMARY KEY (file, begin)) WITHOUT ROWID;
CREATE TABLE grp (
    key TEXT PRIMARY KEY, version INTEGER NOT NULL, binary TEXT NOT NULL, module TEXT NOT NULL, text TEXT NOT NULL,
    exception TEXT NOT NULL, frame TEXT NOT NULL, level TEXT NOT NULL, class TEXT NOT NULL, how TEXT NOT NULL,
    state TEXT NOT NULL, first REAL NOT NULL, last REAL NOT NULL, count INTEGER NOT NULL, changed REAL NOT NULL,
    muted_until REAL, muted_by TEXT NOT NULL, reason TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE rate (grp TEXT NOT NULL, minute INTEGER NOT NULL, host TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (grp, minute, host)) WITHOUT ROWID;
CREATE INDEX rate_minute ON rate (minute);
CREATE TABLE example (grp TEXT NOT NULL, number INTEGER NOT NULL, moment REAL NOT NULL, host TEXT NOT NULL,
    file INTEGER NOT NULL, place INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (grp, number)) WITHOUT ROWID;
CREATE TABLE change (id INTEGER PRIMARY KEY, moment REAL NOT NULL, what TEXT NOT NULL);
"""
"""The tables of the first watch that there was."""


@pytest.mark.parametrize("number", [1, 2])
def test_a_directory_of_an_older_naru(watch: Watch, capsys: pytest.CaptureFixture[str], number: int) -> None:
    """What it knows is gone on with: nothing is read twice, what is muted stays muted, all commands work."""
    assert watch.run() == 0
    (key,) = [each["key"] for each in _groups(watch)]
    assert main(["watch", "mute", str(watch.work), key, "--reason", "known"]) == 0
    file = watch.work / store.DATABASE
    with contextlib.closing(sqlite3.connect(file)) as now:
        rows = {name: now.execute(f"SELECT * FROM {name}").fetchall() for name in ("setting", "file", "grp", "rate")}
    for each in watch.work.glob(f"{store.DATABASE}*"):
        each.unlink()
    with contextlib.closing(sqlite3.connect(file)) as old:
        old.executescript(FIRST_TABLES)
        for name, every in rows.items():
            old.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(every[0]))})", every)
        old.execute(f"PRAGMA user_version = {number}")
        old.commit()
    watch.write("it failed", "another one")
    assert watch.run("--alert-to", "none") == 0
    assert watch.counts() == {"it failed": 2, "another one": 1}
    capsys.readouterr()
    for words in (["groups"], ["changes"], ["alerts"], ["metrics"], ["report"]):
        assert main(["watch", words[0], str(watch.work), *words[1:]]) == 0, words
    assert phases.group_of(Store(watch.work), key)["reason"] == "known"


def test_tables_are_not_changed_under_one_number(tmp_path: Path) -> None:
    """Whoever changes them gives `store.FORMAT` another number, so that older databases get them; then this digest."""
    with Store(tmp_path, make=True) as opened:
        rows = opened.connection.execute("SELECT sql FROM sqlite_master WHERE sql != '' ORDER BY name").fetchall()
    text = " ".join(" ".join(sql.split()) for (sql,) in rows)
    assert (store.FORMAT, hashlib.sha256(text.encode()).hexdigest()[:4]) == (3, DIGEST_OF_TABLES)


# files


def test_what_is_no_file_and_what_cannot_be_read(watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    """Others are read all the same."""
    beside = watch.log.parent
    os.mkfifo(beside / "a.log")
    (beside / "b.log").mkdir()
    (beside / "c.log").symlink_to("c.log")
    assert main([*watch.words, "--files", str(beside / "*.log")]) == 1
    assert f"not read: h1: {beside / 'c.log'} (Too many levels of symbolic links)" in capsys.readouterr().err
    assert watch.counts() == {"it failed": 1}
    (beside / "c.log").unlink()
    assert main([*watch.words, "--files", str(beside / "*.log")]) == 0


def test_a_file_that_cannot_be_read_for_a_time_is_gone_on_with(watch: Watch, tmp_path: Path) -> None:
    assert watch.run() == 0
    watch.log.rename(tmp_path / "kept")
    watch.log.symlink_to(watch.log)
    assert watch.run() == 1
    watch.log.unlink()
    (tmp_path / "kept").rename(watch.log)
    watch.write("it failed")
    assert watch.run() == 0
    assert watch.counts() == {"it failed": 2}


def test_a_disk_that_is_away_and_returns(watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its files are known again: nothing is counted twice, and nothing is taken for lost."""
    watch.write("it failed")
    assert watch.run() == 0
    directory = watch.log.parent
    directory.rename(directory.with_name("away"))
    assert watch.run() == 1
    assert "there is no file of" in capsys.readouterr().err
    assert watch.run() == 1
    directory.with_name("away").rename(directory)
    watch.write("it failed")
    assert watch.run() == 0
    assert watch.counts() == {"it failed": 3}


def test_names_are_those_of_where_they_were_given(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(watch.log.parent)
    assert main([*watch.words, "--files", "*.log"]) == 0
    monkeypatch.chdir(tmp_path)
    watch.write("it failed")
    assert main(watch.words) == 0
    assert watch.counts() == {"it failed": 2}


def test_a_line_without_an_end(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is passed by, and told; what comes behind it is read."""
    monkeypatch.setattr(follow, "CHUNK", 1 << 12)
    monkeypatch.setattr(follow, "_LARGEST", 1 << 14)
    with watch.log.open("a") as out:
        out.write("x" * 100_000 + "\n")
    watch.write(*["it failed"] * 30)
    assert watch.run() in (0, 1)
    assert watch.counts() == {"it failed": 31}
    with Store(watch.work) as opened:
        assert opened.files()[0].unread >= 1


def test_odd_bytes(watch: Watch) -> None:
    """Between records, and in them."""
    chance = random.Random(4)
    with watch.log.open("ab") as out:
        for _ in range(50):
            out.write(chance.randbytes(200).replace(b"\n", b"") + b"\n")
            out.write(line("odd ").encode() + b"\xff\xfe\x00\xed\xa0\x80\x1b[31m\n")
    assert watch.run() in (0, 1)
    assert sum(watch.counts().values()) == 51
    for words in (["groups", "--state", "all", "--since", "3650d"], ["report", "--since", "3650d"]):
        assert main(["watch", words[0], str(watch.work), *words[1:]]) == 0


# clocks


@pytest.mark.parametrize("year", ["0001", "1969", "9999"])
def test_a_year_that_cannot_be(watch: Watch, year: str) -> None:
    with watch.log.open("a") as out:
        out.write(line("it failed", time=f"{year}-01-01 00:00:00.000") + "\n")
    assert watch.run() == 0
    assert main(["watch", "groups", str(watch.work), "--state", "all"]) == 0
    (group,) = _groups(watch)
    assert time.time() - 10 * DAY < group["last"] < time.time() + DAY or group["first"] < group["last"]


def test_a_clock_that_is_set_back(tmp_path: Path) -> None:
    """Alerts come as soon as ever, and sinks are tried again."""
    cloud = Watched(tmp_path).begun()
    cloud.error("nova-api", "one", 1)
    cloud.round()
    assert len(cloud.round(10)) == 1
    cloud.now -= DAY
    cloud.error("nova-api", "two", 2)
    cloud.round()
    assert [each.why for each in cloud.round(10)] == [NEW]
    sent: list[str] = []

    class Sink:
        name = "sink"

        def send(self, alert: Any, again: bool) -> str:
            sent.append(alert.root)
            return "ok"

        def lasts(self) -> bool:
            return False

        def keep(self, still: Sequence[Any], over: Sequence[Any], now: float) -> None:
            """Nothing."""

    cloud.outbox.set_trouble("sink", Trouble(cloud.now + DAY, 3, cloud.now + DAY + 60, "away"))
    Sending(cloud.store, [Sink()], now=lambda: cloud.now).round()
    assert len(sent) == 2


def test_a_clock_that_is_set_back_after_a_storm(tmp_path: Path) -> None:
    """No digest for each round until the time has come again."""
    cloud = Watched(tmp_path).begun()
    for number in range(30):
        cloud.error("nova-api", f"failed {'abcdefghij'[number % 10]}{'klmno'[number // 10]}", number)
    cloud.round()
    assert len(cloud.round(10)) == 1
    cloud.now -= HOUR
    made = []
    for number in range(10):
        cloud.error("nova-api", f"again {'abcdefghij'[number]}", number)
        cloud.round()
        made += cloud.round(10)
    assert [each.why for each in made] == [NEW] * 10


# what others send and answer


ODD: dict[str, dict[str, Any]] = {
    "half of a character": {"publisher_id": "scheduler.\ud800"},
    "before all years": {"timestamp": "0001-01-01 00:00:00+23:59"},
    "after all years": {"timestamp": "9999-12-31 23:59:59-23:59"},
    "infinite": {"payload": {"reason": {"code": float("inf")}}},
    "huge": {"payload": {"reason": {"code": 10**30}, "deep\udfff": ["\ud800"]}},
    "infinite in a text": {"payload": {"reason": "{'code': 1e999}"}},
    "of other types": {"payload": [1], "priority": None, "_context_request_id": 7},
}


@pytest.mark.parametrize("what", ODD)
def test_a_message_of_any_kind_is_kept_or_refused(tmp_path: Path, what: str) -> None:
    """One that could be neither would be sent again for ever."""
    fed = Fed(tmp_path)
    message = one("2026.2", "scheduler.create_volume").again(**ODD[what])
    fed.give(message, now=time.time())
    (count,) = fed.store.connection.execute("SELECT count(*) FROM event").fetchone()
    assert count == 1
    assert 0 < read(message.body, "openstack", time.time()).moment < time.time() + DAY


class Answers:
    """A store that answers as it is told."""

    url = "http://store"

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def ask(self, *_: Any, **given: Any) -> Any:
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"hits": None},
        {"hits": {"hits": [{"_id": "a"}]}},
        {"hits": {"hits": [{"_id": "a", "_index": "i", "sort": [None], "_source": {}}]}},
        {"hits": {"hits": [{"_id": "a", "_index": "i", "sort": [1], "_source": None}]}},
    ],
)
def test_answers_that_opensearch_does_not_give(answer: Any) -> None:
    with pytest.raises(NaruError, match="no documents"):
        OpenSearch("it", Answers(answer), KNOWN, "flog-*").follow("")  # type: ignore[arg-type]


@pytest.mark.parametrize("result", [None, [{}], [{"values": [["x", "y"]]}], [{"values": [[1]]}], [1]])
def test_answers_that_loki_does_not_give(result: Any) -> None:
    answer = {"status": "success", "data": {"resultType": "streams", "result": result}}
    with pytest.raises(NaruError, match="no lines"):
        Loki("it", Answers(answer), KNOWN, "{}").follow("")  # type: ignore[arg-type]
    with pytest.raises(NaruError):
        Loki("it", Answers({"status": "success", "data": result}), KNOWN, "{}").follow("")  # type: ignore[arg-type]


# what is given


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--alert-to", "webhook:http://["], "this is no URL"),
        (["--alert-to", "alertmanager:http://host:port"], "this is no URL"),
        (["--zone", "Nowhere/None"], "there is no such time zone"),
        (["--venv", "/nowhere"], "no virtual environment"),
        (["--known", "/nowhere"], "there is no such directory"),
        (["--site", "/nowhere"], "/nowhere"),
        (["--notifications", "/nowhere"], "/nowhere"),
        (["--sources", "/nowhere"], "/nowhere"),
        (["--log-format", "%(message"], "--log-format"),
    ],
)
def test_bad_arguments(watch: Watch, capsys: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    assert watch.run(*words) == 2
    said = capsys.readouterr().err
    assert told in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("journals: [{since: soon}]", "journals.0.since"),
        ("journals: [{since: 5}]", "journals.0.since"),
        ("loki: [{url: 'http://[', query: '{}'}]", "loki.0.url: http://[ is no URL"),
        ("opensearch: [{url: 'http://h:99999'}]", "opensearch.0.url"),
        ("push: {listen: 5, token: {file: x}}", "push.listen"),
        ("push: {token: {file: nowhere}}", "push.token"),
        ("loki: 5", "loki"),
        ("others: []", "others"),
        ("[", "is not YAML"),
        ("\ttext", "is not YAML"),
    ],
)
def test_bad_sources(watch: Watch, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, told: str) -> None:
    file = tmp_path / "sources.yaml"
    file.write_text(f"naru_watch_sources: 1\n{text}\n")
    asked = [["watch", "sources", str(file)], [*watch.words, "--sources", str(file)]]
    for words in asked[: 1 if "file: nowhere" in text else 2]:  # with --once it does not listen
        code = main(words)
        said = capsys.readouterr()
        assert code in (1, 2) and told in said.err + said.out, (words, said)
        assert "Traceback" not in said.err


def test_settings_of_a_newer_naru_are_left_alone(tmp_path: Path) -> None:
    with Store(tmp_path, make=True) as opened:
        opened.set("settings", {"files": ["a"], "what_will_be": 5})
        assert Settings.kept(opened).files == ("a",)


def test_an_interpreter_that_prints_something_else(
    watch: Watch, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho welcome\n")
    python.chmod(0o755)
    assert watch.run("--venv", str(tmp_path / "venv")) == 1
    assert "its interpreter prints what is no statement" in capsys.readouterr().err


def test_a_cache_that_cannot_be_written(
    watch: Watch, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "venv" / "lib" / "python3" / "site-packages").mkdir(parents=True)
    assert watch.run("--venv", str(tmp_path / "venv")) == 1
    assert "cannot be written" in capsys.readouterr().err

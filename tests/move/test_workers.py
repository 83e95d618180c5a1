"""Content carried at workers: processes of their own, without a clouds.yaml, on a journal on PostgreSQL; real files as
storages, a tiny cloud that is both."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from naru.cli.main import main
from naru.errors import NaruError
from naru.messages import say
from naru.move import check
from naru.move.steps import copying, volume_content
from naru.move.work import Work
from naru.plan import schema
from naru.plan.context import Context
from naru.plan.errors import PlanInputError
from naru.plan.journal import DATABASE, POINTER, Journal
from naru.plan.model import Plan, Step
from naru.work import rate
from tests.cloud.service import serving

from ..plan.conftest import database, postgresql  # noqa: F401
from ..plan.test_cli import naru, naru_json
from .scenario import at_workers, worker
from .test_back import MIB, stage
from .test_hold import change, prepared
from .test_same_storage import VOLUME, drafted
from .test_snapshots import disk, taken
from .test_snapshots import drafted as drafted_with_snapshots
from .unchanged import NARU

PLACE = "nfs@old"
SIZE = 16 * MIB
Process = subprocess.Popen[str]
on_postgresql = pytest.mark.postgresql


class Site:
    """A project that is prepared, with a volume whose content is carried at PLACE, and commands beside this process."""

    def __init__(self, directory: Path, clouds: str, url: str) -> None:
        self.directory, self.url = directory, url
        self.work = directory / "work"
        self.old, self.new = directory / "old" / "volume-v", directory / "new" / "volume-w"
        self._clouds = clouds
        self._started: list[Process] = []

    def _start(self, name: str, argv: list[str], env: dict[str, str]) -> Process:
        with (self.directory / f"{name}.out").open("w") as out, (self.directory / f"{name}.err").open("w") as said:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=said, text=True, env=env)
        self._started.append(process)
        return process

    def move(self, *words: object) -> Process:
        env = {**os.environ, "OS_CLIENT_CONFIG_FILE": self._clouds}
        return self._start("move", [*NARU, *map(str, words), "-f", "json"], env)

    def worker(self, where: object, *before: str) -> Process:
        return self._start("worker", *worker(PLACE, where, self.directory, *before))

    def ended(self, process: Process, code: int = 0) -> Any:
        """What a command of `move` answered."""
        process.wait(timeout=240)
        out, said = self.said()
        assert process.returncode == code, f"{said}\n{out}"
        return json.loads(out) if out else said

    def said(self) -> tuple[str, str]:
        return tuple((self.directory / f"move.{end}").read_text() for end in ("out", "err"))  # type: ignore[return-value]

    def until(self, what: Callable[[], bool]) -> None:
        end = time.monotonic() + 180
        while not what():
            assert time.monotonic() < end, [path.read_text() for path in self.directory.glob("*.err")]
            time.sleep(0.05)

    def position(self) -> int:
        """How far the copy that is under way surely is."""
        file = self.work / "volumes" / "v" / "state.json"
        told = json.loads(file.read_text()) if file.exists() else {}
        return int((told.get("running") or {}).get("position", 0))

    def same(self) -> bool:
        return self.old.read_bytes() == self.new.read_bytes()

    def go_on(self) -> tuple[Any, int]:
        """A round whose worker is killed inside the volume, ended by another one: what it answered, and how far the
        first one surely was."""
        rate.set_rate(self.work, 4 * MIB)
        first = self.worker(self.url)
        round_ = self.move("move", "sync", self.work)
        self.until(lambda: self.position() > 0)
        first.kill()
        first.wait()
        position = self.position()
        rate.set_rate(self.work, None)
        self.worker(self.url)
        (copied,) = self.ended(round_)
        return copied, position

    def stop(self) -> None:
        for process in self._started:
            process.kill()
            process.wait()


@pytest.fixture
def site(tmp_path: Path, database: str) -> Iterator[Site]:  # noqa: F811
    with serving() as service:
        made = Site(tmp_path, stage(tmp_path, service), database)
        prepared(made.work, tmp_path, database, PLACE)
        made.old.write_bytes(os.urandom(SIZE))
        made.new.write_bytes(bytes(SIZE))
        try:
            yield made
        finally:
            made.stop()


@on_postgresql
def test_a_round_and_the_window_at_a_worker_that_knows_no_cloud(site: Site) -> None:
    change(site.old, 3)
    worker = site.worker(site.work)
    (copied,) = site.ended(site.move("move", "sync", site.work))
    assert (copied["volume"], copied["number"], copied["size"]) == ("v", 1, SIZE)
    assert site.same() and (site.work / "sync" / "1" / POINTER).exists()
    assert not list(site.work.glob(f"**/{DATABASE}"))
    change(site.old, 5)
    assert site.ended(site.move("move", "cutover", site.work))["state"] == "held"
    assert site.same() and (site.work / "volumes" / "v" / copying.FINAL).exists()
    for directory, more in ((site.work, set()), (site.work / "sync" / "1", {"point v"})):
        assert at_workers(directory) == {"content volume/v", *more}
        assert (directory / POINTER).stat().st_mode & 0o777 == 0o600
        told = naru_json("plan", "events", directory, "--step", "content volume/v", "--requests")
        assert any(one["detail"].startswith("copy and compare") for one in told)
    assert site.ended(site.move("move", "rollback", site.work))["state"] == "done"
    assert "undo/content volume/v" in at_workers(site.work)
    assert not (site.work / "volumes" / "v" / copying.FINAL).exists()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=300) == 0, (site.directory / "worker.err").read_text()


@on_postgresql
@pytest.mark.kill
@pytest.mark.releases
def test_another_worker_goes_on_inside_the_volume(site: Site) -> None:
    """From a raw file to a qcow2 file of 128 MiB: twice what a copy has in memory. Every day it is between two clusters
    (tests/volumes/test_at_workers.py)."""
    site.old.write_bytes(os.urandom(128 * MIB))
    backends = {"nfs": {"kind": "file", "root": str(site.new.parent), "format": "qcow2"}}
    (site.directory / "new.yaml").write_text(json.dumps({"backends": backends}))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", site.new, "128M"], check=True)
    copied, position = site.go_on()
    assert copied["number"] == 1 and 0 < copied["read"] <= 128 * MIB - position
    subprocess.run(["qemu-img", "compare", "-f", "raw", "-F", "qcow2", site.old, site.new], check=True)
    with Journal.open(site.work / "sync" / "1") as journal, journal.read() as connection:
        assert connection.execute(schema.steps.select()).one().attempt >= 2  # more where its file was locked still


@on_postgresql
def test_the_cap_holds_at_the_worker_and_follows(site: Site) -> None:
    naru("move", "rate", site.work, "1M")
    site.worker(site.work)
    round_ = site.move("move", "sync", site.work)
    site.until(lambda: (site.work / "volumes" / "v" / "state.json").exists())
    time.sleep(3.0)
    # to copy it takes 16 s at that rate
    assert round_.poll() is None and not site.same()
    naru("move", "rate", site.work, "none")
    site.ended(round_)
    assert site.same()


@on_postgresql
def test_cancelled_at_a_worker_and_without_one(site: Site) -> None:
    naru("move", "rate", site.work, "256K")
    number = site.work / "sync" / "1"
    round_ = site.move("move", "sync", site.work)
    site.until(lambda: (number / POINTER).exists() and running(number))
    time.sleep(2.0)  # nobody is there: it waits
    naru("plan", "cancel", number)
    site.ended(round_, code=3)
    naru("plan", "resume", number)
    site.worker(site.work)
    round_ = site.move("move", "sync", site.work)
    site.until(lambda: (site.work / "volumes" / "v" / "state.json").exists())
    naru("plan", "cancel", number)
    site.ended(round_, code=3)
    assert not running(number) and not site.same()


def running(directory: Path) -> bool:
    with Journal.open(directory) as journal, journal.read() as connection:
        return any(row.state == "running" for row in connection.execute(schema.steps.select()))


@on_postgresql
def test_a_worker_without_the_work_directory_fails_the_step_and_writes_nothing(site: Site) -> None:
    if os.geteuid() or not shutil.which("unshare"):
        pytest.skip("only root can give a process another view of the files")
    before = site.new.read_bytes()
    change(site.old, 3)
    # its own mount in the place of the share: empty
    hide = f'mount -t tmpfs none {site.work} && exec "$@"'
    site.worker(site.url, "unshare", "--mount", "sh", "-c", hide, "sh")
    site.ended(site.move("move", "sync", site.work), code=1)
    said = str(naru_json("plan", "events", site.work / "sync" / "1"))
    assert "the work directory of this move is not on" in said and f"no {site.work / POINTER} there" in said
    assert "Mount the share" in said
    assert site.new.read_bytes() == before and not (site.work / "volumes" / "v" / "state.json").exists()


def given(directory: Path, work: str) -> Context:
    args = {"old": "old", "cloud": "new", "from": "v", "to": "w", "directory": str(directory / "volumes" / "v")}
    context = Context(n=1, id="s", kind="k", unit="", args={}, attempt=1, earlier=None, reader=lambda _: {})
    context.given = {"args": {**args, "storage": ["", ""]}, "volumes": [], "backends": [], "work": work}
    return context


@pytest.mark.unit
@pytest.mark.parametrize("there", [False, True])
def test_a_work_directory_that_is_not_this_moves(tmp_path: Path, there: bool) -> None:
    work = tmp_path / "work"
    if there:
        work.mkdir()
        (work / POINTER).write_text("postgresql://db/moves?options=-csearch_path%3Dnaru_other\n")
    for kind in (
        volume_content.content,
        volume_content.check_access,
        volume_content.content_undo,
        volume_content.content_forget,
        volume_content.content_flatten,
    ):
        with pytest.raises(NaruError, match="is not on") as raised:
            kind(given(work, "postgresql://db/moves?options=-csearch_path%3Dnaru_this\n"))
        assert ("another one" if there else "no ") in raised.value.detail
    assert (work / "volumes").exists() is False


# -- the plan


def backends(directory: Path, **place: str) -> str:
    file = directory / f"storage{len(list(directory.iterdir()))}.yaml"
    file.write_text(json.dumps({"backends": {"ceph": {"kind": "rbd", "pool": "volumes", **place}}}))
    return str(file)


@pytest.mark.unit
def test_what_touches_content_is_at_the_place_of_the_old_backend(tmp_path: Path) -> None:
    files = (backends(tmp_path, place="rbd@old"), backends(tmp_path, place="rbd@new"))
    draft = drafted("ACTIVE", files, **{"os-vol-host-attr:host": "h@ceph#p"})
    places = {step.id: step.queue for step in draft.plan.steps if step.queue}
    assert places == dict.fromkeys(
        (f"content volume/{VOLUME}", f"flatten volume/{VOLUME}", f"clean volume/{VOLUME}"), "rbd@old"
    )
    check.unused_places(draft)
    found = [finding for finding in draft.plan.findings if "is not used" in say(finding.summary)]
    assert [(one.severity, one.about) for one in found] == [("info", "backend ceph")]
    for host in ("h@other#p", None):
        assert not {s.queue for s in drafted("ACTIVE", files, **{"os-vol-host-attr:host": host}).plan.steps} - {""}


@pytest.mark.unit
def test_snapshots_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("naru.move.draft.Draft.queue", lambda _, row: f"place of {row.id}")
    draft = drafted_with_snapshots(tmp_path, [disk("a")], [taken("s", "a")])
    placed = {step.kind: step.queue for step in draft.plan.steps if step.queue}
    assert placed == dict.fromkeys(("move.content.access", "move.snapshot"), "place of a")


def plan(directory: Path, *more: str, code: int = 2) -> str:
    argv = ["move", "plan", "--from", "old", "--to", "new", "--all", "--work", str(directory / "work"), *more]
    return naru(*argv, code=code).stderr


@pytest.mark.unit
def test_what_is_refused_before_any_cloud_is_asked(tmp_path: Path) -> None:
    placed, plain = backends(tmp_path, place="rbd@old"), backends(tmp_path)
    told = plan(tmp_path, "--storage", f"old={placed}", "--storage", f"new={plain}")
    assert "workers need a journal on PostgreSQL" in told and "ceph: rbd@old" in told and "--journal" in told
    for url in ("sqlite:///x.db", "somewhere", "mysql://db/moves"):
        assert "no URL of a PostgreSQL database" in plan(tmp_path, "--journal", url)
    told = plan(tmp_path, "--journal", "postgresql://naru:geheim@db/moves")
    assert "--journal holds a password" in told and "geheim" not in told and ".pgpass" in told
    unknown = backends(tmp_path, plase="rbd@old")
    told = plan(tmp_path, "--storage", f"old={unknown}", "--storage", f"new={plain}")
    assert "plase: there is no such field" in told
    assert not (tmp_path / "work").exists()


@on_postgresql
def test_a_database_that_is_not_there_is_told_before_any_cloud_is_asked(tmp_path: Path, postgresql: str) -> None:  # noqa: F811
    told = plan(tmp_path, "--journal", f"{postgresql}/nowhere", code=1)
    assert 'database "nowhere" does not exist' in told and "Traceback" not in told
    with contextlib.redirect_stderr(None):
        assert main(["worker", "--place", "x", "--work", f"{postgresql}/nowhere"]) == 1


@on_postgresql
def test_a_journal_elsewhere_is_the_work_directorys(tmp_path: Path, database: str) -> None:  # noqa: F811
    work = tmp_path / "work"
    prepared(work, tmp_path, database, PLACE)
    with pytest.raises(PlanInputError, match="a journal already"):
        Journal.create(work, Plan(steps=[Step("a", "noop")]), database)
    assert Work(work).database() == database
    # two of them in one database
    Journal.create(tmp_path / "other", Plan(steps=[Step("a", "noop")]), database).close()
    with Work(work).journal() as journal, journal.read() as connection:
        assert journal.name == str(work)
        found = text("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'naru%'")
        assert connection.execute(found).scalar_one() == 2
    Journal.remove(work)
    assert not Journal.exists(work) and Journal.exists(tmp_path / "other")
    with Journal.open(tmp_path / "other") as journal, journal.read() as connection:
        assert connection.execute(found).scalar_one() == 1
        assert journal.kinds() == ["noop"]
    (work / POINTER).write_text("nonsense://\n")
    with pytest.raises(PlanInputError, match="journal's URL"):
        Journal.open(work)

"""A rollback that carries back what was written to the new volumes: commands on a journal written by hand, real files
as storages, and a tiny cloud that is both."""

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import update

from naru.actions import clouds
from naru.cloud import transport
from naru.move.decisions import Decision
from naru.move.draft import COPIES
from naru.move.steps import off, volume_content
from naru.move.work import DECISIONS
from naru.plan import rollback, schema
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS, Retry, load
from naru.plan.model import Plan, Step
from naru.work import rate
from tests.cloud.service import Deed, Service, serving

from ..plan.test_cli import naru
from .described import described

pytestmark = pytest.mark.unit
MIB = 1 << 20
HOST = "os-vol-host-attr:host"


class Move(NamedTuple):
    """A project that is cut over: server `s` became `t`, volume `v` became `w`."""

    work: Path
    old: Path
    new: Path
    service: Service

    def states(self) -> dict[str, str]:
        with Journal.open(self.work) as journal, journal.read() as connection:
            return {row.id: row.state for row in connection.execute(schema.steps.select())}

    def result(self, step: str) -> Any:
        with Journal.open(self.work) as journal, journal.read() as connection:
            chosen = schema.steps.select().where(schema.steps.c.id == step)
            return json.loads(connection.execute(chosen).one().result)

    def servers(self, **states: str) -> None:
        for name, told in states.items():
            status, _, task = told.partition(" ")
            body = {"server": {"id": name, "status": status, "OS-EXT-STS:task_state": task or None}}
            self.service.deeds["GET", f"/compute/v2.1/servers/{name}"] = [answer(body)] * 50


def answer(body: Any) -> Deed:
    return lambda request: request.answer(200, body)


def stage(directory: Path, service: Service) -> str:
    """Two clouds, `old` with volume `v` of server `s` and `new` with `w` of `t`; returns their clouds.yaml."""
    auth = {"auth_url": f"{service.url}/identity/v3", "username": "admin", "password": "secret-of-admin"}
    auth |= {"project_name": "admin", "user_domain_id": "default", "project_domain_id": "default"}
    entry = {"auth": auth, "region_name": "r"}
    file = directory / "clouds.yaml"
    file.write_text(json.dumps({"clouds": {"old": entry, "new": entry}}))
    for side, volume, server in (("old", "v", "s"), ("new", "w", "t")):
        root = directory / side
        root.mkdir()
        (root / f"volume-{volume}").write_bytes(bytes([1]) * 4 * MIB)
        backends = {"backends": {"nfs": {"kind": "file", "root": str(root)}}}
        (directory / f"{side}.yaml").write_text(json.dumps(backends))
        told = {"id": volume, HOST: "h@nfs#p", "attachments": [{"server_id": server}]}
        service.deeds["GET", f"/volume/v3/volumes/{volume}"] = [answer({"volume": told})] * 1000
        off = {"server": {"id": server, "status": "SHUTOFF", "OS-EXT-STS:task_state": None}}
        service.deeds["GET", f"/compute/v2.1/servers/{server}"] = [answer(off)] * 1000
    return str(file)


def way(directory: Path) -> dict[str, Any]:
    """The arguments of the step that carries the volume's content."""
    storages = [str(directory / f"{side}.yaml") for side in ("old", "new")]
    found = {"cloud": "new", "service": "block-storage", "old": "old", "from": "v", "to": "w", "size": 4 * MIB}
    return {**found, "storage": storages, "directory": str(directory / "work" / "volumes" / "v")}


@pytest.fixture
def move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Move]:
    monkeypatch.setattr(transport, "PAUSE", 0.01)
    monkeypatch.setattr(clouds, "_clouds", {})
    at_once = (Retry(on=(Exception,), tries=2, pause=0.01),)
    monkeypatch.setitem(KINDS.by_name, volume_content.UNDO_CONTENT, replaced(at_once))
    with serving() as service:
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", stage(tmp_path, service))
        made = Move(tmp_path / "work", tmp_path / "old" / "volume-v", tmp_path / "new" / "volume-w", service)
        made.servers(s="SHUTOFF", t="SHUTOFF")
        cut_over(made.work, tmp_path)
        yield made


def replaced(retry: tuple[Retry, ...]) -> Any:
    return dataclasses.replace(KINDS.get(volume_content.UNDO_CONTENT), retry=retry)


def cut_over(work: Path, directory: Path) -> None:
    settings = {"from": "old", "to": "new", "projects": ["p"]}
    plan = Plan(modules=["naru.move.steps"], settings=settings, limits={COPIES: 4, "default": 1})
    plan.add(Step("stop server/s", "noop"))
    plan.add(Step("content volume/v", "move.content", way(directory), limits=(COPIES,)), after=["stop server/s"])
    plan.add(Step("start server/s", "noop"), after=["content volume/v"])
    plan.add(Step("finalize p", "noop"), after=["start server/s"])
    plan.add(Step("no way back p", "noop"), after=["finalize p"])
    plan.add(Step("cutover p", "noop"))
    Journal.create(work, described(plan)).close()
    decisions = [Decision("server", "s", "web", "p", "create", "").dump()]
    told = {"naru_decisions": 1, "from": "old", "to": "new", "projects": {"p": "shop"}, "decisions": decisions}
    (work / DECISIONS).write_text(json.dumps({**told, "snapshots": {"old": 1, "new": 2}}))
    with Journal.open(work) as journal, journal.write() as connection:
        found = schema.steps
        times = {"state": "done", "attempt": 1, "started": 1_800_000_000.0, "ended": 1_800_000_060.0}
        connection.execute(update(found).where(found.c.id.not_in(("finalize p", "no way back p"))).values(times))
        result = json.dumps({"way": "copy", "to": "w", "size": 4 * MIB})
        connection.execute(update(found).where(found.c.id == "content volume/v").values(result=result))
        for n in (1, 3):
            row = {"at": 1_800_000_000.0, "step": n, "attempt": 1, "what": "started", "detail": ""}
            connection.execute(schema.events.insert(), [row])


def written(move: Move) -> bytes:
    """As users did: a changed part, a hole, and the rest as it was."""
    content = bytearray(move.new.read_bytes())
    content[MIB : MIB + 512] = b"w" * 512
    content[2 * MIB : 3 * MIB] = bytes(MIB)
    move.new.write_bytes(content)
    return bytes(content)


def test_what_was_written_comes_back(move: Move) -> None:
    content = written(move)
    told = naru("move", "rollback", move.work, "--carry-back", "-f", "json")
    assert json.loads(told.stdout)["state"] == "done"
    assert "carried back" in told.stderr
    assert move.old.read_bytes() == content == move.new.read_bytes()
    found = move.result("undo/content volume/v")
    assert found["carried"] == 2 and found["compared"] == 4 * MIB
    assert move.states()["content volume/v"] == move.states()["stop server/s"] == "undone"


def test_without_the_wish_it_is_lost_and_said_so(move: Move) -> None:
    before = move.old.read_bytes()
    written(move)
    told = naru("-q", "move", "rollback", move.work)
    assert "web: 2027-01-15T08:01:00.000+00:00" in told.stderr and "--carry-back" in told.stderr
    assert move.old.read_bytes() == before
    assert move.service.count("GET", "/volume/v3/volumes/v") == 0


@pytest.mark.parametrize(
    ("servers", "said"),
    [
        ({"t": "ACTIVE"}, "server t on new"),
        ({"s": "PAUSED"}, "server s on old"),
        ({"s": "SHUTOFF powering-on"}, "powering-on"),
    ],
)
def test_nothing_is_written_under_a_server(
    move: Move, servers: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(off, "SETTLED", 1.0)
    before, content = move.old.read_bytes(), written(move)
    move.servers(**servers)
    told = naru("move", "rollback", move.work, "--carry-back", "-f", "json", code=1)
    assert said in json.dumps(json.loads(told.stdout)["failed"]) or said in events(move)
    assert move.old.read_bytes() == before
    assert move.states()["stop server/s"] == "done"  # nor does the old server start
    move.servers(s="SHUTOFF", t="SHUTOFF")
    naru("plan", "retry", "undo/content volume/v", "--work", move.work)
    naru("move", "rollback", move.work)  # the wish is kept
    assert move.old.read_bytes() == content


def events(move: Move) -> str:
    with Journal.open(move.work) as journal, journal.read() as connection:
        return "\n".join(str(row) for row in connection.execute(schema.events.select()))


def test_a_volume_that_was_extended_needs_room(move: Move) -> None:
    with move.new.open("ab") as file:
        file.truncate(5 * MIB)
    told = naru("move", "rollback", move.work, "--carry-back", "-f", "json", code=1)
    assert "fewer than" in told.stdout
    with move.old.open("ab") as file:
        file.truncate(5 * MIB)
    naru("plan", "retry", "undo/content volume/v", "--work", move.work)
    naru("move", "rollback", move.work)
    assert move.old.read_bytes() == move.new.read_bytes()


def test_what_never_arrived_is_not_carried_back(move: Move) -> None:
    """A cut-over that failed half-way: the new volume has garbage."""
    before = move.old.read_bytes()
    written(move)
    with Journal.open(move.work) as journal, journal.write() as connection:
        found = schema.steps
        chosen = update(found).where(found.c.id == "content volume/v")
        connection.execute(chosen.values(state="failed", result=None, error="{}"))
        connection.execute(update(found).where(found.c.id == "start server/s").values(state="waiting", attempt=0))
    naru("move", "rollback", move.work, "--carry-back")
    assert move.old.read_bytes() == before


def test_a_rollback_that_was_begun_without_can_still_be_told(move: Move) -> None:
    content = written(move)
    with Journal.open(move.work) as journal:
        load(journal.modules())
        rollback.start(journal)  # and killed
    naru("move", "rollback", move.work, "--carry-back")
    assert move.old.read_bytes() == content
    with Journal.open(move.work) as journal:
        assert rollback.change(journal, volume_content.UNDO_CONTENT, volume_content.CARRY) == []
        assert rollback.change(journal, volume_content.UNDO_CONTENT, {"carry": "otherwise"}) == ["content volume/v"]


def test_volumes_that_go_by_images_cannot(tmp_path: Path, move: Move) -> None:
    with Journal.open(move.work) as journal, journal.write() as connection:
        connection.execute(update(schema.steps).where(schema.steps.c.kind == "move.content").values(kind="noop"))
    assert "nothing that could be carried back" in naru("move", "rollback", move.work, "--carry-back", code=2).stderr
    assert "undone" not in move.states().values()


@pytest.mark.kill
def test_killed_while_it_carries_back(move: Move) -> None:
    """Slowly, in a process of its own; then again, to its end."""
    content = written(move)
    rate.set_rate(move.work, MIB // 4)
    argv = [sys.executable, "-m", "naru.cli.main", "-q", "move", "rollback", str(move.work), "--carry-back"]
    for seconds in (0.1, 1.0):
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while move.states().get("undo/content volume/v") != "running" and process.poll() is None:
            time.sleep(0.05)
        time.sleep(seconds)
        assert process.poll() is None
        process.kill()
        process.wait()
        assert move.states()["stop server/s"] == "done"
        if seconds == 0.1:
            with Journal.open(move.work) as journal, journal.write() as connection:  # so that it is waited for again
                chosen = update(schema.steps).where(schema.steps.c.state == "running")
                connection.execute(chosen.values(state="waiting"))
    rate.set_rate(move.work, None)
    naru("move", "rollback", move.work)
    assert move.old.read_bytes() == content
    assert set(move.states().values()) == {"done", "undone"}

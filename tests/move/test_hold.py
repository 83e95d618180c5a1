"""A cut-over that holds: processes of their own, real files as storages, a tiny cloud that is both, a real terminal."""

import fcntl
import json
import os
import pty
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from naru.actions import clouds
from naru.errors import InputError, NaruError
from naru.move import hold
from naru.move.decisions import Decision
from naru.move.draft import COPIES
from naru.move.steps import copying, locate, off, volume_content
from naru.move.work import DECISIONS
from naru.plan import schema
from naru.plan.context import Context
from naru.plan.journal import Journal
from naru.plan.model import Plan, Step
from naru.plan.queries import reading as journal_reading
from naru.work import rate
from tests.cloud.service import Service, serving

from ..plan.test_cli import naru
from .described import described
from .test_back import MIB, answer, stage, way
from .unchanged import NARU

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("all_right")]
Process = subprocess.Popen[str]


class Held:
    """A project that is prepared, and the command that holds its cut-over."""

    def __init__(self, directory: Path, clouds: str, service: Service) -> None:
        self.service = service
        self.work = directory / "work"
        self.old, self.new = directory / "old" / "volume-v", directory / "new" / "volume-w"
        self.env = {**os.environ, "OS_CLIENT_CONFIG_FILE": clouds}
        self.said = directory / "said"
        self.started: list[Process] = []

    def start(self, *options: str, every: str = "1s", **more: Any) -> Process:
        argv = [*NARU, "move", "cutover", str(self.work), "--hold", "--every", every]
        more = {"stdin": subprocess.DEVNULL, **more}
        with self.said.open("w") as said:
            process = subprocess.Popen(
                [*argv, *options, "-f", "json"], stdout=subprocess.PIPE, stderr=said, text=True, env=self.env, **more
            )
        self.started.append(process)
        return process

    def run(self, command: str) -> Process:
        """Another command, in a terminal of its own."""
        process = subprocess.Popen(
            [*NARU, "-q", "move", command, str(self.work), "-f", "json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.env,
        )
        self.started.append(process)
        self.said.touch()
        return process

    def until(self, what: Callable[[], bool], process: Process) -> None:
        end = time.monotonic() + 90
        while not what():
            assert process.poll() is None and time.monotonic() < end, self.said.read_text()
            time.sleep(0.05)

    def rounds(self) -> int:
        """How many are at their end."""
        return self.said.read_text().count(" ended: ")

    def states(self) -> dict[str, str]:
        with Journal.open(self.work) as journal, journal.read() as connection:
            return {row.id: row.state for row in connection.execute(schema.steps.select())}

    def same(self) -> bool:
        return self.old.read_bytes() == self.new.read_bytes()


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    with serving() as service:
        held = Held(tmp_path, stage(tmp_path, service), service)
        prepared(held.work, tmp_path)
        yield held
        for process in held.started:
            process.kill()
            process.wait()


def prepared(work: Path, directory: Path, database: str = "", place: str = "") -> None:
    settings = {"from": "old", "to": "new", "projects": ["p"]}
    limits = {COPIES: 4, "default": 4}
    plan = Plan(modules=["naru.move.steps"], settings=settings, limits=limits, gates=["cutover shop", "finalize shop"])
    plan.add(Step("volume v", "noop"))
    plan.add(Step("access volume/v", "noop"), after=["volume v"])
    plan.add(Step("cutover p", "noop", gate="cutover shop"), after=["access volume/v"])
    plan.add(Step("stop server/s", "sleep", {"seconds": 0.1}, estimate=10.0), after=["cutover p"])
    after = ["stop server/s", "access volume/v", "volume v"]
    content = Step("content volume/v", "move.content", way(directory), limits=(COPIES,), queue=place, estimate=500.0)
    plan.add(content, after=after)
    plan.add(Step("start server/s", "noop", estimate=10.0), after=["content volume/v"])
    plan.add(Step("finalize p", "noop", gate="finalize shop"), after=["start server/s"])
    plan.add(Step("no way back p", "noop"), after=["finalize p"])
    Journal.create(work, described(plan), database).close()
    decisions = [Decision("server", "s", "web", "p", "create", "").dump()]
    decisions.append(Decision("volume", "v", "data", "p", "create", "").dump())
    told = {"naru_decisions": 1, "from": "old", "to": "new", "projects": {"p": "shop"}, "decisions": decisions}
    (work / DECISIONS).write_text(json.dumps({**told, "snapshots": {"old": 1, "new": 2}}))
    Path(way(directory)["directory"]).mkdir(parents=True)
    with Journal.open(work) as journal, journal.write() as connection:
        for step, result in (("volume v", {"id": "w"}), ("access volume/v", {})):
            values = {"state": "done", "attempt": 1, "result": json.dumps(result)}
            connection.execute(update(schema.steps).where(schema.steps.c.id == step).values(values))


def change(path: Path, value: int) -> None:
    with path.open("r+b") as file:
        file.seek(value * MIB // 4)
        file.write(bytes([value]) * 4096)


def test_it_copies_ahead_until_it_is_released(held: Held) -> None:
    assert "no cut-over is holding" in naru("move", "release", held.work, code=2).stderr
    process = held.start()
    for number in (2, 3):
        change(held.old, number)
        held.until(lambda number=number: held.rounds() >= 2 * number, process)  # type: ignore[misc]
        assert held.same()
    assert held.states()["cutover p"] == "waiting"
    said = held.said.read_text()
    assert "the longest interruption now: about 2" in said  # of the rounds, not of the plan's 500 s
    change(held.old, 5)
    naru("move", "release", held.work)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0 and json.loads(out)["state"] == "held", held.said.read_text()
    assert held.same() and held.states()["start server/s"] == "done"
    assert not (held.work / hold.HOLD).exists()
    assert "no cut-over is holding" in naru("move", "release", held.work, code=2).stderr
    assert "all of it is cut over" in naru("move", "cutover", held.work, "--hold", code=2).stderr


def test_released_while_a_round_is_under_way(held: Held) -> None:
    rate.set_rate(held.work, MIB // 2)
    process = held.start("--project", "shop")
    held.until(lambda: (held.work / "volumes" / "v" / "state.json").exists(), process)
    change(held.old, 3)
    naru("move", "release", held.work)
    held.until(lambda: "released; the window begins" in held.said.read_text(), process)
    rate.set_rate(held.work, None)
    process.communicate(timeout=300)
    assert process.returncode == 0, held.said.read_text()
    assert held.same()
    # the round that was broken off is not gone on with: the new server writes by now
    change(held.new, 7)
    before = held.new.read_bytes()
    assert "been cut over" in naru("move", "sync", held.work, code=2).stderr
    assert held.new.read_bytes() == before


@pytest.mark.kill
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("in_a_round", [True, False])
def test_interrupted_or_killed_nothing_is_cut_over(held: Held, how: signal.Signals, in_a_round: bool) -> None:
    if in_a_round:
        rate.set_rate(held.work, MIB)
    process = held.start(every="1h")
    if in_a_round:
        held.until(lambda: (held.work / "volumes" / "v" / "state.json").exists(), process)
    else:
        held.until(lambda: "begins in" in held.said.read_text(), process)
    process.send_signal(how)
    process.wait(timeout=300)
    assert process.returncode == (-9 if how == signal.SIGKILL else 130), held.said.read_text()
    assert {held.states()[step] for step in ("cutover p", "stop server/s")} == {"waiting"}
    assert "no cut-over is holding" in naru("move", "release", held.work, code=2).stderr
    rate.set_rate(held.work, None)
    again = held.start()
    held.until(lambda: held.rounds() >= 1, again)
    naru("move", "release", held.work)
    again.communicate(timeout=300)
    assert again.returncode == 0 and held.same(), held.said.read_text()


def test_enter_in_its_terminal(held: Held) -> None:
    ours, theirs = pty.openpty()

    def controlling() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = held.start(stdin=theirs, preexec_fn=controlling)
    os.close(theirs)
    held.until(lambda: held.rounds() >= 2, process)
    assert held.states()["cutover p"] == "waiting"
    os.write(ours, b"\n")
    process.communicate(timeout=300)
    os.close(ours)
    assert process.returncode == 0 and held.states()["start server/s"] == "done", held.said.read_text()


def test_what_cannot_be_held(held: Held) -> None:
    command = ("move", "cutover", held.work, "--hold")
    assert "--hold" in naru("move", "cutover", held.work, "--every", "1m", code=2).stderr
    assert "Projects: shop" in naru(*command, "--project", "shed", code=2).stderr
    with hold.holding(held.work):
        assert "another cut-over is holding" in naru(*command, code=1).stderr
    assert held.states()["cutover p"] == "waiting"
    with Journal.open(held.work) as journal, journal.write() as connection:
        rows = schema.steps
        connection.execute(update(rows).where(rows.c.id == "content volume/v").values(kind="noop"))
    told = naru(*command, code=2).stderr
    assert "nothing to copy ahead" in told and "by images" in told
    with Journal.open(held.work) as journal, journal.write() as connection:
        connection.execute(update(rows).where(rows.c.id == "cutover p").values(state="done"))
    assert "has begun" in naru(*command, code=2).stderr
    with Journal.open(held.work) as journal, journal.write() as connection:
        connection.execute(update(rows).where(rows.c.id == "cutover p").values(state="waiting"))
        connection.execute(update(rows).where(rows.c.id == "access volume/v").values(state="waiting"))
    assert "naru move prepare" in naru(*command, code=2).stderr


def test_nothing_is_copied_ahead_of_what_has_begun(held: Held, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever round asks for it."""
    args = {**way(tmp_path), "to": "w", "ahead": True}
    (Path(args["directory"]) / copying.FINAL).touch()
    before = held.new.read_bytes()
    change(held.old, 3)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", held.env["OS_CLIENT_CONFIG_FILE"])
    monkeypatch.setattr(clouds, "_clouds", {})
    context = Context(n=1, id="s", kind="k", unit="", args=args, attempt=1, earlier=None, reader=lambda _: {})
    context.given = locate.locate(context)
    found = volume_content.content(context)
    assert (found["way"], found["written"]) == ("gave way", 0) and "has begun" in found["why"]
    assert held.new.read_bytes() == before


def test_a_round_in_another_terminal_gives_way_to_the_window(held: Held) -> None:
    """What it did is kept, and the window goes on from it as soon as it has given way."""
    rate.set_rate(held.work, MIB // 4)
    ahead = held.run("sync")
    held.until(lambda: (held.work / "volumes" / "v" / "state.json").exists(), ahead)
    change(held.old, 3)
    window = held.run("cutover")
    out, _ = ahead.communicate(timeout=300)
    assert ahead.returncode == 0 and [row["way"] for row in json.loads(out)] == ["gave way"], out
    rate.set_rate(held.work, None)
    out, _ = window.communicate(timeout=300)
    assert window.returncode == 0 and held.states()["start server/s"] == "done", out
    assert held.same()
    with Journal.open(held.work) as journal, journal_reading(journal) as now:
        (content,) = now.steps(kind="move.content")
        assert content.attempt == 1  # it waited, and did not fail and try again


@pytest.mark.parametrize(
    ("state", "carried"),
    [
        ("ACTIVE", False),
        pytest.param("SHUTOFF powering-on", False, marks=pytest.mark.releases),
        ("PAUSED", True),
        ("SHUTOFF powering-off", True),
    ],
)
def test_the_window_carries_nothing_of_a_server_that_runs(
    held: Held, state: str, carried: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it writes meanwhile, or afterwards, would be lost. One that Nova was told twice to stop is off, and has a
    task for a moment."""
    status, _, task = state.partition(" ")
    now = [answer({"server": {"id": "s", "status": status, "OS-EXT-STS:task_state": one}}) for one in (task, None)]
    held.service.deeds["GET", "/compute/v2.1/servers/s"] = now[:1] * (3 if carried else 300) + now[1:] * 50
    change(held.old, 3)
    out, _ = held.run("sync").communicate(timeout=300)  # ahead it may run
    assert held.same(), out
    change(held.old, 2)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", held.env["OS_CLIENT_CONFIG_FILE"])
    monkeypatch.setattr(clouds, "_clouds", {})
    monkeypatch.setattr(off, "SETTLED", 2.0)
    naru("-q", "move", "cutover", held.work, code=0 if carried else 1)
    assert held.same() == carried
    if not carried:
        with Journal.open(held.work) as journal, journal_reading(journal) as now:
            (content,) = now.steps(kind="move.content")
        assert content.error == f"server s on old has volume v and is not off: {state}"
        assert not (held.work / "volumes" / "v" / copying.FINAL).exists()


@pytest.mark.kill
def test_a_window_that_was_killed_has_told_the_round_already(held: Held) -> None:
    rate.set_rate(held.work, MIB // 4)
    ahead = held.run("sync")
    held.until(lambda: (held.work / "volumes" / "v" / "state.json").exists(), ahead)
    window = held.run("cutover")
    held.until(lambda: (held.work / "volumes" / "v" / copying.FINAL).exists(), window)
    window.kill()
    window.communicate()
    out, _ = ahead.communicate(timeout=300)
    assert ahead.returncode == 0 and [row["way"] for row in json.loads(out)] == ["gave way"], out
    rate.set_rate(held.work, None)
    again = held.run("cutover")
    out, _ = again.communicate(timeout=300)
    assert again.returncode == 0 and held.same(), out


def test_a_round_that_does_not_give_way_is_not_waited_for_forever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lock").touch()
    context = Context(n=1, id="s", kind="k", unit="", args={}, attempt=1, earlier=None, reader=lambda _: {})
    monkeypatch.setattr(copying, "PATIENCE", 0.5)
    with (tmp_path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(NaruError, match="still used by another process, after"):
            copying.wait_for_round(context, tmp_path)
    copying.wait_for_round(context, tmp_path)


def test_a_file_of_that_name_is_no_pipe(tmp_path: Path) -> None:
    (tmp_path / hold.HOLD).touch()
    with pytest.raises(InputError, match="something else"):
        hold.release(tmp_path)
    assert (tmp_path / hold.HOLD).exists()

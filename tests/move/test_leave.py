"""`naru move leave`, on the plan of the demo company: for every thing of it in turn, and in every phase."""

import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from naru.errors import InputError
from naru.inventory.archive import Archive
from naru.inventory.kinds import BY_NAME
from naru.messages import say
from naru.move import leave, phases, work
from naru.move.facts import Side
from naru.move.leaving import Leaving, leaving
from naru.move.left import Key, Left
from naru.move.verify import Verifier
from naru.plan import leaving as plan_leaving
from naru.plan import schema
from naru.plan.arguments import references
from naru.plan.events import Event
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS
from naru.plan.model import COMMANDS, UNDO_LEFT, Plan
from naru.plan.queries import StepRow, reading

from ..plan.test_cli import naru, naru_json
from . import readings
from .fake_clouds import World, fake_clouds
from .readings import GOLDEN
from .test_commands import given_command
from .test_golden import CASES, planned

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("all_right")]


class Quiet:
    """A terminal that keeps what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)

    warn = say

    def watching(self, journal: Journal) -> AbstractContextManager[None]:
        return nullcontext()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work directory of the demo's move, as it was planned."""
    directory = tmp_path_factory.mktemp("leave") / "work"
    directory.mkdir(mode=0o700)
    with Archive(directory / work.ARCHIVE) as archive:
        sides = [Side(archive, *readings.load(archive, GOLDEN / f"{name}.jsonl.xz")) for name in ("old", "new")]
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(GOLDEN)
            draft = planned((sides[0], sides[1]), next(case for case in CASES if case.name == "demo"))
            draft.plan.findings = []
            draft.plan.settings[COMMANDS] = "naru move"
            work.create(directory, draft, {"old": sides[0].snapshot, "new": sides[1].snapshot}, "")
    return directory


@pytest.fixture
def directory(template: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(template, tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def world() -> Iterator[World]:
    with fake_clouds() as world:
        yield world


def whole_journal(journal: Journal) -> Any:
    """All that a plan is: its steps with their states, edges, gates and limits."""
    with journal.read() as connection:
        return [
            [tuple(row) for row in connection.execute(select(table))]
            for table in (schema.setup, schema.steps, schema.edges, schema.limits, schema.gates)
        ]


def steps(journal: Journal, *, rollbacks: bool = False) -> list[StepRow]:
    with reading(journal) as now:
        return now.steps(args=True, rollbacks=rollbacks)


def states(directory: Path) -> dict[str, str]:
    with Journal.open(directory) as journal:
        return {step.id: step.state for step in steps(journal)}


# -- every thing in turn


def check_end_of_all_phases(plan: Plan, found: Leaving, befores: dict[str, list[str]]) -> None:
    """What is not left reaches its end: each step gets all that it refers to from steps that are not skipped."""
    over = set(found.steps)
    left = [step for step in plan.steps if step.id not in over]
    done: set[str] = set()
    while left:
        ready = [step for step in left if set(befores.get(step.id, ())) <= over]
        assert ready, [step.id for step in left]
        for step in ready:
            args = {name: value for name, value in found.args.get(step.id, step.args).items() if name != "made"}
            args["requests"] = [one for one in args.get("requests", ()) if not one.get("optional")]
            assert set(references(args)) <= done, step.id
            done.add(step.id)
            over.add(step.id)
        left = [step for step in left if step.id not in over]


def check_nothing_else(plan: Plan, found: Leaving, steps_of: dict[Key, set[str]]) -> None:
    """All that is of what is left, and nothing that is not: each further step refers to something of it."""
    mine = {id for key in found.things for id in steps_of.get(key, ())}
    assert mine <= found.steps.keys()
    for step in plan.steps:
        if step.id in found.steps.keys() - mine:
            assert any(name in found.steps for name in references(step.args)), step.id


def test_every_thing_can_be_left_and_the_rest_goes_on(directory: Path) -> None:
    move = work.Work(directory)
    refused = 0
    with move.journal() as journal, move.archive() as archive:
        old = Side(archive, move.snapshots["old"], move.old)
        plan, before = plan_leaving.whole(journal), whole_journal(journal)
        befores, empty = plan.befores(), plan_leaving.left_out(journal)
        steps_of: dict[Key, set[str]] = {}
        for one in move.planned:
            steps_of.setdefault(Key(one.kind, one.id), set()).add(one.step)
        for step in plan.steps:
            if step.about:
                steps_of.setdefault(Key(step.about.kind, step.about.id), set()).add(step.id)
        for decision in move.planned:
            key = Key(decision.kind, decision.id)
            if decision.decision != "create":
                continue
            if decision.kind in ("project", "domain"):
                with pytest.raises(InputError, match=r"whole project .* would be left"):
                    leaving(plan, move.planned, old, [key])
                refused += 1
                continue
            found = leaving(plan, move.planned, old, [key])
            assert found.things[key] == key
            check_end_of_all_phases(plan, found, befores)
            check_nothing_else(plan, found, steps_of)
            part = plan_leaving.Part(dict.fromkeys(found.steps, "left"), (), found.args)
            plan_leaving.settle(journal, empty, {"asked": str(key)}, part, Event.LEFT, "")
            left = plan_leaving.left_out(journal)
            assert left.steps == found.steps.keys() and left.args.keys() == found.args.keys()
            plan_leaving.settle(journal, left, {}, plan_leaving.Part({}, (), {}), Event.TAKEN_BACK, "")
            assert whole_journal(journal) == before
    assert refused == 5


def test_a_thing_of_every_kind_is_left_and_taken_back_by_the_command(directory: Path) -> None:
    move = work.Work(directory)
    kinds: set[str] = set()
    with move.journal() as journal:
        before = whole_journal(journal)
        for decision in move.planned:
            if decision.decision != "create" or decision.kind in {"project", "domain", *kinds}:
                continue
            kinds.add(decision.kind)
            key = Key(decision.kind, decision.id)
            rows, code = leave.leave(move, journal, str(key), "not wanted", Quiet())
            things = {Key(row.kind, row.id) for row in rows if row.becomes == "left"}
            assert code == 0 and key in things == Left.of(journal).things
            why = {say(one.why) for one in move.decisions if Key(one.kind, one.id) in things}
            assert why and all(text.endswith(": not wanted") for text in why)
            leave.leave(move, journal, str(key), "", Quiet(), undo=True)
            assert whole_journal(journal) == before
            assert not Left.of(journal).things
    assert len(kinds) > 20


def test_what_depends_on_a_thing(directory: Path) -> None:
    def left(thing: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for row in naru_json("move", "leave", directory, thing, "--reason", "why", "--dry-run"):
            found.setdefault(f"{row['becomes']} {row['kind']}", []).append(row["name"])
        return {what: sorted(names) for what, names in found.items()}

    before = states(directory)
    db = {
        "left server": ["db"],
        "left volume": ["db-data", "db-log", "db-root", "db-wal"],
        "left snapshot": ["db-root:before-upgrade"],
    }
    assert left("volume/db-wal").items() >= db.items()
    assert left("server/db") == left("volume/db-wal") == left("volume/db-root")
    assert left("volume/archive") == {"left volume": ["archive"], "left snapshot": ["archive:year-1", "archive:year-2"]}
    assert left("snapshot/year-1") == left("snapshot/archive:year-1") == {"left snapshot": ["archive:year-1"]}
    assert left("server/scratch").keys() == {"left server", "left port"}
    assert left("server group/apart") == {"left server group": ["apart"], "without server": ["fresh", "web-boot"]}
    assert left("QoS-policy/thin") == {
        "left QoS policy": ["thin"],
        "without network": ["front"],
        "without port": ["limited"],
    }
    assert left("trunk/uplink") == {"left trunk": ["uplink"], "left port": ["trunk-100", "trunk-200"]}
    assert left("port/trunk-100") == {"left port": ["trunk-100"], "without trunk": ["uplink"]}
    assert left("router/inner") == {"left router": ["inner"], "left port": ["inner-leg"]}
    assert left("port/inner-leg") == {"left port": ["inner-leg"], "without router": ["inner"]}
    assert left("network/empty-net") == {"left network": ["empty-net"]}
    assert left("port/vip")["left floating IP"] and left("router/lab")["left floating IP"]
    assert states(directory) == before


def test_a_server_loses_the_name_of_a_key_pair_that_is_left(directory: Path) -> None:
    move = work.Work(directory)
    pair = next(
        one for one in move.planned if one.kind == "key pair" and one.name == "laptop" and _uses_it(move, one.id)
    )
    with move.journal() as journal:
        leave.leave(move, journal, f"key pair/{pair.id}", "why", Quiet())
        lost = [step.id for step in steps(journal) if step.kind == "cloud.create" and step.id.startswith("server/")]
        bodies = [step.args["body"] for step in steps(journal) if step.id in lost]
        assert sum("key_name" in body for body in bodies) < len(bodies)
        leave.leave(move, journal, f"key pair/{pair.id}", "", Quiet(), undo=True)


def _uses_it(move: work.Work, pair: str) -> bool:
    user, _, name = pair.partition("/")
    with move.archive() as archive:
        servers = Side(archive, move.snapshots["old"], move.old).by("server", "key_name", name)
        return any(one.body["user_id"] == user for one in servers)


def test_verification_explains_what_is_made_without_it_and_nothing_else(directory: Path) -> None:
    move = work.Work(directory)
    group = next(one for one in move.planned if (one.kind, one.name) == ("security group", "db"))
    with move.journal() as journal:
        leave.leave(move, journal, f"security group/{group.id}", "made by hand", Quiet())
        left = Left.of(journal)
    with move.archive() as archive:
        old = Side(archive, move.snapshots["old"], move.old)
        # the new cloud is as the old one, but for the group and what named it, and one port with another description
        number = archive.begin("as new")
        wrong = next(row for row in old.all("port").values() if row.name == "probe")
        for kind in BY_NAME:
            rows = [row for row in old.all(kind).values() if row.id != group.id]
            archive.add(number, [replace(row, body=_without(row.body, group.id)) for row in rows])
        archive.add(number, [replace(wrong, body={**wrong.body, "description": "of somebody else"})])
        archive.end(number, [])
        new = Side(archive, number, "as new")
        made = {f"{one.kind} {one.id}": one.id for one in move.planned if one.id != group.id}
        verifier = Verifier(old, new, made, set(), set(), left=left)
        found = [
            (decision.kind, difference.field, say(difference.why))
            for decision in left.applied(move.planned)
            if decision.kind in ("port", "security group")
            for difference in verifier.differences(decision)
        ]
    why = "made without security group db, left: made by hand"
    assert {one for one in found if one[2] == why} == {
        ("port", "security_groups", why),
        ("security group", "rules", why),
    }
    assert [one for one in found if not one[2]] == [("port", "description", "")]


def _without(value: Any, identity: str) -> Any:
    """The value without what names it."""
    if isinstance(value, dict):
        return {name: _without(one, identity) for name, one in value.items()}
    if isinstance(value, list):
        named = [one for one in value if one == identity or (isinstance(one, dict) and identity in one.values())]
        return [_without(one, identity) for one in value if one not in named]
    return value


# -- which thing is meant


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        ("volume/db", "db-data"),
        ("volume/nothing-like-it", "no such thing"),
        ("nonsense", "no such thing"),
        ("security group/default", "are 3 things"),
        ("volume/data", "are 2 things"),
        ("server/rescued", "it is being rescued"),
        ("flavor/m1.tiny", "no such thing"),
        ("domain/Default", "the new cloud has it already"),
        ("project/hanok", "naru move rollback DIR --project hanok"),
        ("domain/guild", "naru move rollback DIR --project carpenters"),
    ],
)
def test_one_clear_error_for_what_cannot_be_left(directory: Path, thing: str, said: str) -> None:
    before = states(directory)
    answer = naru("move", "leave", directory, thing, "--reason", "why", code=2)
    assert said in answer.stderr and "Traceback" not in answer.stderr
    assert states(directory) == before


def test_things_are_named_by_kind_and_name_or_id(directory: Path) -> None:
    move = work.Work(directory)
    one = next(item for item in move.planned if (item.kind, item.name) == ("volume", "db-wal"))
    for text in ("volume/db-wal", f"volume/{one.id}", one.id, "db-wal", "Volume/db-wal"):
        rows = naru_json("move", "leave", directory, text, "--reason", "why", "--dry-run")
        assert rows[0]["old id"] == one.id and rows[0]["project"] == "hanok"
    with move.archive() as archive:
        moved = next(one.id for one in move.planned if one.kind == "floating IP")
        address = Side(archive, move.snapshots["old"], move.old).all("floating IP")[moved]
    where = address.body["floating_ip_address"]
    rows = naru_json("move", "leave", directory, f"floating-ip/{where}", "--reason", "why", "--dry-run")
    assert (rows[0]["old id"], rows[0]["name"]) == (address.id, where)


def test_a_reason_is_needed_to_leave_and_none_to_take_back(directory: Path) -> None:
    naru("move", "leave", directory, "volume/archive", code=2)
    naru("move", "leave", directory, "volume/archive", "--reason", " ", code=2)
    naru("move", "leave", directory, "volume/archive", "--undo", "--reason", "x", code=2)
    assert "is not left" in naru("move", "leave", directory, "volume/archive", "--undo", code=2).stderr
    naru("move", "leave", directory, "volume/db-wal", "--reason", "x")
    answer = naru("move", "leave", directory, "server/db", "--undo", code=2).stderr
    assert "is left with volume/db-wal" in answer and "volume/db-wal --undo" in answer


def test_twice_and_overlapping(directory: Path) -> None:
    before = states(directory)
    for _ in range(2):
        naru("move", "leave", directory, "volume/db-wal", "--reason", "x")
    with Journal.open(directory) as journal, reading(journal) as now:
        events = [event for event in now.events() if event.what == "left out"]
        assert len(events) == 1 and "db-wal" not in events[0].detail and ": x (" in events[0].detail
    assert naru_json("move", "status", directory, code=0)["left"] == ["volume db-wal: x"]
    one = states(directory)
    naru("move", "leave", directory, "network/back", "--reason", "y")
    naru("move", "leave", directory, "volume/db-wal", "--undo")
    # the network that is left has the server still
    assert {id for id, state in one.items() if state == "skipped"} <= {
        id for id, state in states(directory).items() if state == "skipped"
    }
    naru("move", "leave", directory, "network/back", "--undo")
    assert states(directory) == before


# -- in every phase


def finished(directory: Path, world: World, *, phases: tuple[str, ...] = ("prepare", "cutover", "finalize")) -> None:
    """Gives the phases, which go through; what is skipped is what is left, and nothing else."""
    for phase in phases:
        naru("-q", "move", phase, directory)
    with Journal.open(directory) as journal:
        left = plan_leaving.left_out(journal).steps
        now = steps(journal, rollbacks=True)
    assert {step.id for step in now if step.state == "skipped" and step.undoes is None} == left
    assert not [step for step in now if step.state not in ("done", "skipped")]
    made = {step.id for step in now if step.state == "done" and step.undoes is None and step.kind in MAKES}
    assert made <= world.there.keys()
    undone = {step.id for step in now if step.id in left and KINDS.get(step.kind).undo}
    assert not world.there.keys() & undone


MAKES = ("cloud.create", "move.snapshot", "move.backup")
FAILING = {
    "volume/db-wal": "volume/{}",
    "network/back": "subnet",
    "router/edge": "router/{} interface",
    "image/base": "image/{} data",
}


@pytest.mark.parametrize("thing", FAILING)
def test_before_and_after_a_prepare_that_failed(directory: Path, world: World, thing: str) -> None:
    move = work.Work(directory)
    kind, _, name = thing.partition("/")
    key = next(one for one in move.planned if (one.kind, one.name) == (kind, name))
    begin = FAILING[thing].format(key.id)
    failing = next(
        id
        for id in states(directory)
        if id.startswith(begin) and (kind != "network" or "back" in _title(directory, id))
    )
    world.fail = {failing}
    answer = naru_json("-q", "move", "prepare", directory, code=1)
    (failed,) = [one for one in answer["failed"] if one["id"] == failing]
    (offer,) = [line for line in failed["hint"].splitlines() if "naru move leave" in line]
    words = offer.partition("naru ")[2].replace("REASON", "refused").split(" --reason ")[0]
    assert failed["detail"] == "Invalid input for field metadata"
    shutil.copytree(directory, other := directory.parent / "other")
    naru(*_split(words), "--reason", "refused")
    world.ran.clear()
    finished(directory, world)
    assert failing not in world.ran
    assert not [one for one in steps_of(other) if one.state == "skipped"]


def _split(words: str) -> list[str]:
    import shlex

    return shlex.split(words)


def _title(directory: Path, id: str) -> str:
    with Journal.open(directory) as journal:
        return next(say(step.title) for step in steps(journal) if step.id == id)


def steps_of(directory: Path) -> list[StepRow]:
    with Journal.open(directory) as journal:
        return steps(journal)


@pytest.mark.parametrize(
    ("thing", "after"),
    [
        ("volume/db-wal", "plan"),
        ("volume/db-wal", "cutover"),
        ("security group/db", "prepare"),
        ("network/front", "cutover"),
        ("router/edge", "prepare"),
    ],
)
def test_what_was_made_is_undone_unless_others_use_it(directory: Path, world: World, thing: str, after: str) -> None:
    rest = ("prepare", "cutover", "finalize")
    begun = rest[: 0 if after == "plan" else rest.index(after) + 1]
    for phase in begun:
        naru("-q", "move", phase, directory)
    answer = naru_json("move", "leave", directory, thing, "--reason", "not wanted")
    used = [row for row in answer if row["on the new cloud"].startswith("stays on new")]
    undone = [row for row in answer if row["on the new cloud"] == "is undone"]
    if after == "plan":
        assert not used and not undone
    else:
        assert bool(used) == (thing == "security group/db") and bool(undone) != bool(used)
    if used:
        assert states(directory)[f"security group/{used[0]['old id']}"] == "done"
        finished_with(directory, rest[len(begun) :])
        return
    finished(directory, world, phases=rest[len(begun) :] or ("finalize",))


def finished_with(directory: Path, phases: tuple[str, ...]) -> None:
    for phase in phases:
        naru("-q", "move", phase, directory)
    over = {"done", "skipped"} | ({"held", "waiting"} if "finalize" not in phases else set())
    assert set(states(directory).values()) <= over


def test_in_the_window_the_old_server_of_a_volume_that_fails_runs_again(directory: Path, world: World) -> None:
    naru("-q", "move", "prepare", directory)
    move = work.Work(directory)
    ids = {one.name: one.id for one in move.planned if one.kind in ("volume", "server")}
    failing = f"content volume/{ids['db-wal']}"
    world.fail = {failing}
    answer = naru_json("-q", "move", "cutover", directory, code=1)
    assert [one["id"] for one in answer["failed"]] == [failing]
    assert "naru move leave" in answer["failed"][0]["hint"] and "volume/db-wal" in answer["failed"][0]["hint"]
    assert states(directory)[f"start server/{ids['db']}"] == "waiting"
    world.ran.clear()
    told = naru("move", "leave", directory, "volume/db-wal", "--reason", "it cannot be read").stderr
    assert "left: server db, project hanok (with volume db-wal: it cannot be read); is undone" in told
    assert f"undo/stop server/{ids['db']}" in world.ran
    assert f"start server/{ids['db']}" not in world.ran
    finished(directory, world, phases=("cutover", "finalize"))
    assert f"start server/{ids['db']}" not in world.ran


def test_after_the_cut_over_it_is_told_what_is_lost(directory: Path, world: World) -> None:
    for phase in ("prepare", "cutover"):
        naru("-q", "move", phase, directory)
    told = naru("move", "leave", directory, "server/web", "--reason", "why").stderr
    assert "what was written on the new cloud is lost with server web" in told
    order = [id for id in world.ran if id.startswith("undo/")]
    server = next(id for id in order if id.startswith("undo/start server/"))
    assert order.index(server) < order.index(server.replace("undo/start", "undo/stop"))


def test_it_is_moved_after_all(directory: Path, world: World) -> None:
    naru("-q", "move", "prepare", directory)
    everything = set(world.there)
    naru("-q", "move", "leave", directory, "server/db", "--reason", "why")
    assert set(world.there) < everything
    naru("-q", "move", "leave", directory, "server/db", "--undo")
    assert "waiting" in states(directory).values()
    naru("-q", "move", "prepare", directory)
    assert set(world.there) == everything
    finished(directory, world, phases=("cutover", "finalize"))
    assert set(states(directory).values()) == {"done"}


def test_what_was_made_without_it_is_told_when_it_is_taken_back(directory: Path, world: World) -> None:
    naru("-q", "move", "leave", directory, "server group/apart", "--reason", "why")
    naru("-q", "move", "prepare", directory)
    told = naru("move", "leave", directory, "server group/apart", "--undo").stderr
    assert told.count("was done without it: naru plan retry") == 2


def test_what_cannot_be_undone_is_told_and_tried_again(directory: Path, world: World) -> None:
    naru("-q", "move", "prepare", directory)
    volume = next(one for one in work.Work(directory).planned if (one.kind, one.name) == ("volume", "archive"))
    world.fail = {f"undo/volume/{volume.id}"}
    told = naru("move", "leave", directory, "volume/archive", "--reason", "why", code=1).stderr
    assert f"undo/volume/{volume.id} cannot be undone" in told
    # nothing waits for that
    finished_with(directory, ("cutover",))
    world.fail.clear()
    naru("move", "leave", directory, "volume/archive", "--reason", "why")
    assert f"volume/{volume.id}" not in world.there
    finished(directory, world, phases=("finalize",))


def test_an_address_that_has_no_gateway_to_go_back_to_is_told(directory: Path, world: World) -> None:
    naru("-q", "move", "prepare", directory)
    said = "cannot lead to the old server before the project is rolled back: the gateway of its router is on new"
    assert said not in naru("move", "leave", directory, "server/web", "--reason", "why", "--dry-run").stderr
    naru("-q", "move", "cutover", directory)
    assert said in naru("move", "leave", directory, "server/web", "--reason", "why", "--dry-run").stderr


def test_rolling_back_later_undoes_each_thing_once(directory: Path, world: World) -> None:
    for phase in ("prepare", "cutover"):
        naru("-q", "move", phase, directory)
    naru("-q", "move", "leave", directory, "server/db", "--reason", "why")
    world.ran.clear()
    naru("-q", "move", "rollback", directory)
    assert not [id for id in world.there if id.startswith(("server/", "volume/", "port/")) and " " not in id]
    assert len(world.ran) == len(set(world.ran))
    db = next(one for one in work.Work(directory).planned if (one.kind, one.name) == ("server", "db"))
    assert not [id for id in world.ran if db.id in id]
    assert set(states(directory).values()) == {"undone"}
    assert "rolled back" in naru("move", "leave", directory, "server/web", "--reason", "why", code=1).stderr


def test_nothing_of_a_finalized_project_can_be_left(directory: Path, world: World) -> None:
    for phase in ("prepare", "cutover"):
        naru("-q", "move", phase, directory)
    naru("-q", "move", "leave", directory, "server/db", "--reason", "why")
    naru("-q", "move", "finalize", directory)
    for words in (("server/web", "--reason", "why"), ("server/db", "--undo")):
        assert "finalized" in naru("move", "leave", directory, *words, code=1).stderr


# -- beside others, and killed


def test_while_a_run_is_in_progress(directory: Path, world: World) -> None:
    move = work.Work(directory)
    ids = {one.name: one.id for one in move.planned if one.kind == "volume"}
    busy, going = f"volume/{ids['archive']}", threading.Event()
    said: list[int] = []
    terminal = Quiet()

    def run(context: Any) -> Any:
        if context.id == busy:
            going.set()
            thread.join()
        return world.run(context)

    def other_terminal() -> None:
        going.wait(60)
        with move.journal() as journal:
            for thing in ("volume/archive", "server/db"):
                said.append(leave.leave(move, journal, thing, "why", terminal)[1])

    world.now = run
    thread = threading.Thread(target=other_terminal)
    thread.start()
    state = phases.prepare(move, Quiet())
    thread.join()
    assert state.state == "held" and said == [0, 0]
    assert any("archive of" in line and ": that is running" in line for line in terminal.said)
    assert not [id for id in world.there if ids["db-wal"] in id or ids["archive"] in id]
    finished(directory, world, phases=("cutover", "finalize"))


def test_what_is_still_made_of_a_left_thing_is_undone_before_what_it_uses(directory: Path, world: World) -> None:
    move = work.Work(directory)
    (snapshot, *_) = [one for one in move.planned if (one.kind, one.decision) == ("snapshot", "create")]
    with move.archive() as archive:
        row = Side(archive, move.snapshots["old"], move.old).all("snapshot")[snapshot.id]
    volume = next(one for one in move.planned if (one.kind, one.id) == ("volume", row.body["volume_id"]))

    def run(context: Any) -> Any:
        if context.id == snapshot.step:
            with move.journal() as journal:
                leave.leave(move, journal, f"volume/{volume.id}", "why", Quiet())
        return world.run(context)

    world.now = run
    phases.prepare(move, Quiet())
    with move.journal() as journal, journal.read() as connection:
        n = {row.id: row.n for row in connection.execute(select(schema.steps))}
        edges = {(row.after, row.before) for row in connection.execute(select(schema.edges))}
    assert (n[f"undo/{volume.step}"], n[f"undo/{snapshot.step}"]) in edges
    finished(directory, world, phases=("cutover", "finalize"))


def test_a_step_that_fails_although_its_thing_was_left_meanwhile(directory: Path, world: World) -> None:
    move = work.Work(directory)
    volume = next(one.id for one in move.planned if (one.kind, one.name) == ("volume", "archive"))
    world.fail = {f"volume/{volume}"}

    def run(context: Any) -> Any:
        if context.id in world.fail:
            thread = threading.Thread(target=other_terminal)
            thread.start()
            thread.join()
        return world.run(context)

    def other_terminal() -> None:
        with move.journal() as journal:
            leave.leave(move, journal, "volume/archive", "why", Quiet())

    world.now = run
    assert phases.prepare(move, Quiet()).state == "held"
    finished(directory, world, phases=("cutover", "finalize"))


def test_two_terminals_leave_two_things_at_once(directory: Path) -> None:
    move = work.Work(directory)
    begun = threading.Barrier(2)

    def terminal(thing: str) -> None:
        begun.wait(60)
        with move.journal() as journal:
            leave.leave(move, journal, thing, "why", Quiet())

    threads = [threading.Thread(target=terminal, args=(thing,)) for thing in ("server/db", "network/front")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with move.journal() as journal:
        assert {key.kind for key in Left.of(journal).asked} == {"server", "network"}


def test_killed_at_any_instant_it_is_left_or_it_is_not(directory: Path, world: World) -> None:
    naru("-q", "move", "prepare", directory)
    with Journal.open(directory) as journal:
        before = whole_journal(journal)
    began = time.monotonic()
    assert given_command(["-q", "move", "leave", str(directory), "server/db", "--reason", "why", "--dry-run"]) == 0
    long = 1.5 * (time.monotonic() - began)
    kills = 0
    for attempt in range(60):
        if attempt >= 12 and kills > 2:
            break
        words = ["-q", "move", "leave", str(directory), "server/db"]
        words += ["--undo"] if attempt % 2 else ["--reason", "why"]
        began = time.monotonic()
        code = given_command(words, after=random.random() * long)
        kills += code == -signal.SIGKILL
        if code != -signal.SIGKILL:  # the machine was busier when it was measured
            long = min(long, 1.5 * (time.monotonic() - began))
        with Journal.open(directory) as journal:
            left, now = plan_leaving.left_out(journal), steps(journal)
            skipped = {step.id for step in now if step.state == "skipped"}
            assert skipped == left.steps and bool(left.steps) == bool(left.things.get("asked"))
            assert {step.state for step in now} <= {"done", "skipped", "waiting", "held"}
        assert code in (0, 2, -signal.SIGKILL)
    assert kills > 2
    assert given_command(["-q", "move", "leave", str(directory), "server/db", "--reason", "why"]) == 0
    with Journal.open(directory) as journal:
        undo = [step for step in steps(journal, rollbacks=True) if step.purpose == UNDO_LEFT]
        assert undo and {step.state for step in undo} <= {"done", "skipped"}
        assert len(before[1]) < len(whole_journal(journal)[1])

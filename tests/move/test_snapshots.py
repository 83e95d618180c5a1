"""Snapshots of volumes: which steps make them, in which order, and what is told of those that stay."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from naru.actions.request import Action
from naru.errors import InputError
from naru.inventory.kinds import BY_NAME
from naru.inventory.rows import Row
from naru.messages import say
from naru.move import mapfile, sync
from naru.move.decisions import Decision
from naru.move.draft import COPIES, Draft, Options
from naru.move.facts import Facts
from naru.move.kinds import BY_NAME as OF_MOVE
from naru.move.kinds import backup, snapshot, volume, volume_group, volume_transfer, volume_type
from naru.move.marks import Marks
from naru.move.verify import Verifier
from naru.move.work import DECISIONS, Work
from naru.plan import schema
from naru.plan.arguments import references
from naru.plan.journal import Journal
from naru.plan.model import Plan, Step

from .described import described
from .test_mapping import Given

pytestmark = pytest.mark.unit

OWNER, POOL = "os-extended-snapshot-attributes:project_id", {"name": "new@rbd#pool", "capabilities": {}}
HINT = "openstack volume create --snapshot"


class Nothing(Action):
    """A step that other rules would have made."""

    step_kind: ClassVar[str] = "noop"


NOTHING = Nothing(cloud="new", service="identity")


def disk(identity: str, **more: Any) -> dict[str, Any]:
    body = {"id": identity, "name": identity.upper(), "size": 2, "status": "available", "volume_type": "fast"}
    return {
        **body,
        **{"os-vol-tenant-attr:tenant_id": "p", "os-vol-host-attr:host": "old@ceph#ceph", "attachments": []},
        **more,
    }


def taken(identity: str, of: str, day: int = 1, **more: Any) -> dict[str, Any]:
    body = {"id": identity, "volume_id": of, "name": identity, "description": "", "size": 2, "status": "available"}
    return {**body, "created_at": f"2020-01-{day:02}T00:00:00.000000", "metadata": {"k": ""}, OWNER: "p", **more}


def drafted(
    directory: Path,
    volumes: list[dict[str, Any]],
    snapshots: list[dict[str, Any]],
    *,
    pools: list[dict[str, Any]] | None = None,
    specs: dict[str, str] | None = None,
    storage: bool = True,
    servers: tuple[dict[str, Any], ...] = (),
    more: dict[str, list[dict[str, Any]]] | None = None,
    there: dict[str, list[dict[str, Any]]] | None = None,
    written: mapfile.Map = mapfile.EMPTY,
) -> Draft:
    """What the rules about volumes, snapshots and backups make of these, of one project; `more` is what else the old
    cloud has, and `there` the new one."""
    backends = {"ceph": {"kind": "rbd", "pool": "volumes"}, "rbd": {"kind": "rbd", "pool": "v"}}
    files = {"nfs": {"kind": "file", "root": str(directory)}}
    for name in ("old", "new"):
        directory.joinpath(name).write_text(json.dumps({"naru_backends": 1, "backends": backends | files}))
    old = {
        "project": [{"id": "p", "name": "shop", "domain_id": "default"}],
        "volume type": [{"id": "t", "name": "fast"}],
        "volume": volumes,
        "snapshot": snapshots,
        "server": list(servers),
        **(more or {}),
    }
    types = [{"id": "t2", "name": "fast", "extra_specs": specs or {}}]
    new = {"volume type": types, "volume pool": [POOL] if pools is None else pools, **(there or {})}
    facts = Facts(Given("old", old), Given("new", new), ["shop"])
    chosen = {
        (one.need.section, one.need.row.id if one.need.row else one.need.key): one
        for one in mapfile.choose(facts, written)
    }
    where = (str(directory / "old"), str(directory / "new")) if storage else None
    draft = Draft(facts, chosen, Plan(settings={}), Options("key", where, str(directory)), OF_MOVE)
    for kind in ("project", "server"):
        for row in facts.old.all(kind).values():
            draft.made(row, f"{kind}/{row.id}")
            draft.step(f"{kind}/{row.id}", NOTHING, "")
            draft.step(f"{kind}/{row.id} stopped", NOTHING, "")
    for rule in (
        *(volume_type.types, volume.volumes, volume_group.groups, volume_transfer.transfers),
        *(snapshot.snapshots, backup.backups),
    ):
        rule(draft)
    return draft


def steps(draft: Draft) -> dict[str, Step]:
    return {step.id: step for step in draft.plan.steps}


def left(draft: Draft) -> dict[str, str]:
    return {
        one.id: say(one.why) for one in draft.decisions.values() if (one.kind, one.decision) == ("snapshot", "leave")
    }


def before(draft: Draft, step: str) -> set[str]:
    return {edge for edge, after in draft.plan.edges if after == step}


def test_one_after_the_other_oldest_first_on_volumes_that_nobody_writes(tmp_path: Path) -> None:
    attached = {"id": "v", "tenant_id": "p", "name": "web", "os-extended-volumes:volumes_attached": [{"id": "a"}]}
    snapshots = [taken("s3", "a", 3), taken("s1", "a", 1), taken("s2", "a", 2), taken("other", "b")]
    draft = drafted(tmp_path, [disk("a"), disk("b")], snapshots, servers=(attached,))
    assert left(draft) == {}
    own = {f"snapshot/{name}": before(draft, f"snapshot/{name}") for name in ("s1", "s2", "s3", "other")}
    assert {"access volume/a", "volume/a properties", "server/v stopped"} <= own["snapshot/s1"]
    assert "snapshot/s1" in own["snapshot/s2"] and "snapshot/s2" in own["snapshot/s3"]
    assert "access volume/b" in own["snapshot/other"] and not any(
        step.startswith("snap") for step in own["snapshot/other"]
    )
    step = steps(draft)["snapshot/s1"]
    assert (step.kind, step.limits) == ("move.snapshot", (COPIES,))
    assert set(references(step.args)) >= {"volume/a"}
    assert step.args["carry"]["snapshot"] == "s1" and step.args["carry"]["from"] == "a"
    assert step.args["body"] == {
        **{"name": "s1", "description": "", "metadata": {"k": "", "naru": "naru:s1"}, "force": True},
        "volume_id": {"$ref": "volume/a", "field": "id"},
    }
    assert {entry.mark for entry in draft.note(Marks).by_project["p"]} >= {
        "naru:s1",
        "naru:s2",
        "naru:s3",
        "naru:other",
    }


@given(days=st.permutations(list(range(1, 7))))
def test_whatever_order_cinder_lists_them_in(days: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    draft = drafted(tmp_path_factory.getbasetemp(), [disk("a")], [taken(f"s{day}", "a", day) for day in days])
    for day in range(2, 7):
        assert f"snapshot/s{day - 1}" in before(draft, f"snapshot/s{day}")


@pytest.mark.parametrize(
    ("said", "more"),
    [
        ("its volume is not", {"volumes": [disk("a", **{"os-vol-host-attr:host": "old@nfs#share"})]}),
        ("its volume is not", {"volumes": [disk("a", **{"os-vol-host-attr:host": "old@else#pool"})]}),
        ("its volume is not moved", {"volumes": [disk("a", status="error")]}),
        ("its volume is not moved", {"volumes": [disk("a", encrypted=True)]}),
        ("its volume is not moved", {"volumes": []}),
        ("it is error", {"snapshots": [taken("s", "a", status="error")]}),
        ("it is creating", {"snapshots": [taken("s", "a", status="creating")]}),
        ("without --storage", {"storage": False}),
        ("may come to a pool that Cinder does not list", {"pools": []}),
        ("may come to new@nfs#share", {"pools": [POOL, {"name": "new@nfs#share", "capabilities": {}}]}),
        ("may come to new@unknown#p", {"pools": [{"name": "new@unknown#p"}], "specs": {}}),
        ("may come to new@nfs#x", {"pools": [{"name": "new@nfs#x", "capabilities": {"volume_backend_name": "rbd"}}]}),
    ],
)
def test_what_stays_and_why(tmp_path: Path, said: str, more: dict[str, Any]) -> None:
    given = {"volumes": [disk("a")], "snapshots": [taken("s", "a")], "specs": {"volume_backend_name": "rbd"}}
    given["pools"] = [{**POOL, "capabilities": {"volume_backend_name": "rbd"}}]
    if "pools" in more and said.endswith("share"):
        given["specs"] = {}
    draft = drafted(tmp_path, **{**given, **more})
    assert said in left(draft)["s"]
    (told,) = [one for one in draft.plan.findings if one.about == "s"]
    assert told.severity == "warning" and ("plan again" if said.startswith("it is") else HINT) in say(told.hint)
    assert not any(step.startswith("snapshot/") for step in steps(draft))


def test_a_type_says_which_pools_count(tmp_path: Path) -> None:
    pools = [
        {"name": "new@rbd#p", "capabilities": {"volume_backend_name": "gold"}},
        {"name": "new@nfs#share", "capabilities": {"volume_backend_name": "files"}},
    ]
    kept = drafted(tmp_path, [disk("a")], [taken("s", "a")], pools=pools, specs={"volume_backend_name": "gold"})
    assert left(kept) == {}
    told = drafted(tmp_path, [disk("a")], [taken("s", "a")], pools=pools, specs={"volume_backend_name": "files"})
    assert "new@nfs#share" in left(told)["s"]


def test_one_that_stays_keeps_no_other_back(tmp_path: Path) -> None:
    snapshots = [taken("s1", "a", 1), taken("s2", "a", 2, status="error"), taken("s3", "a", 3)]
    draft = drafted(tmp_path, [disk("a")], snapshots)
    assert left(draft).keys() == {"s2"}
    assert "snapshot/s1" in before(draft, "snapshot/s3")


def test_what_is_not_the_same_is_told(tmp_path: Path) -> None:
    draft = drafted(tmp_path, [disk("a", size=5)], [taken("s", "a", group_snapshot_id="g", novel=1)])
    decision = draft.decisions["snapshot", "s"]
    rules = {rule.field: (rule.old, rule.new) for rule in decision.changes}
    assert rules["size"] == (2, 5) and rules["group_snapshot_id"] == ("g", None) and rules["novel"] == (1, None)
    assert rules["created_at"][0] == "2020-01-01T00:00:00.000000"


def test_verification_compares_every_field(tmp_path: Path) -> None:
    old = Given("old", {"snapshot": [taken("s", "a", **{"os-extended-snapshot-attributes:progress": "100%"})]})
    made = {"snapshot s": "s9", "volume a": "a9", "project p": "p9"}
    same = taken("s9", "a9", 5, **{OWNER: "p9", "metadata": {"k": "", "naru": "naru:s"}, "user_id": "u", "name": "s"})
    for change in ({}, {"name": "x"}, {"description": "x"}, {"size": 3}, {"volume_id": "b9"}, {"metadata": {}}):
        new = Given("new", {"snapshot": [{**same, **change}]})
        row = Row.of(BY_NAME["snapshot"], taken("s", "a"))
        decision = Decision("snapshot", "s", row.name, "p", "create", "", step="snapshot/s")
        found = list(Verifier(old, new, made, set(), set()).differences(decision))
        assert [one.field for one in found] == list(change), change
        assert all(not one.why for one in found)


@pytest.mark.parametrize("state", ["waiting", "running", "failed", "skipped", "done"])
def test_nothing_is_copied_ahead_of_the_history(tmp_path: Path, state: str) -> None:
    way = {"cloud": "new", "service": COPIES, "old": "old", "from": "a", "to": "a9", "size": 1}
    way |= {"directory": "", "storage": []}
    decided = {"kind": "volume", "id": "a", "name": "", "project": "p", "decision": "create", "why": "", "new": ""}
    decisions = [{**decided, "step": "", "rules": []}]
    told = {"naru_decisions": 1, "from": "old", "to": "new", "projects": {"p": "shop"}, "decisions": decisions}
    tmp_path.joinpath(DECISIONS).write_text(json.dumps({**told, "snapshots": {"old": 1, "new": 2}}))
    settings = {"from": "old", "to": "new", "projects": ["p"]}
    plan = Plan(modules=["naru.move.steps"], limits={COPIES: 1, "default": 1}, gates=["cutover"], settings=settings)
    plan.add(Step("access volume/a", "noop", {}))
    plan.add(Step("snapshot/s", "move.snapshot", {"carry": way}, limits=(COPIES,)))
    plan.add(Step("content volume/a", "move.content", way, limits=(COPIES,), gate="cutover"))
    Journal.create(tmp_path, described(plan)).close()
    with Journal.open(tmp_path) as journal, journal.write() as connection:
        for step, now in (("access volume/a", "done"), ("snapshot/s", state)):
            connection.execute(update(schema.steps).where(schema.steps.c.id == step).values(state=now, result="{}"))
    work = Work(tmp_path)
    if state in ("skipped", "done"):
        with sync.next_round(work, []) as journal:
            assert [step.id for step in journal.plan().steps] == ["point a", "age a", "content volume/a"]
    else:
        with pytest.raises(InputError, match="nothing to copy ahead"):
            sync.next_round(work, [])

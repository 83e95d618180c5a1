"""Backups of volumes: which steps make them anew and what is told, and the step itself against a small Cinder with real
files, whatever answer it loses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from naru.actions import clouds, create
from naru.cloud import transport
from naru.cloud.client import Unavailable
from naru.errors import NaruError
from naru.inventory.kinds import BY_NAME
from naru.inventory.rows import Row
from naru.messages import say
from naru.move import mapfile
from naru.move.decisions import Decision
from naru.move.draft import COPIES, Draft
from naru.move.facts import Facts
from naru.move.marks import Marks
from naru.move.steps import backup
from naru.move.verify import Verifier
from naru.plan.arguments import references
from naru.plan.context import Context
from naru.plan.errors import PlanError, Transient
from tests.cloud.service import Handler, clouds_yaml, reset, serving, usual

from .test_mapping import NEWEST, Given
from .test_snapshots import before, disk, drafted, taken
from .test_snapshots import steps as planned

pytestmark = pytest.mark.unit

OWNER = "os-backup-project-attr:project_id"
MIB = 1 << 20


def kept(identity: str, of: str = "a", day: int = 1, **more: Any) -> dict[str, Any]:
    body = {"id": identity, "volume_id": of, "name": identity, "description": "", "size": 2, "status": "available"}
    made = f"2020-01-{day:02}T00:00:00.000000"
    return {**body, "created_at": made, "data_timestamp": made, "is_incremental": False, OWNER: "p", **more}


def service(zone: str = "nova", **more: Any) -> dict[str, Any]:
    return {"binary": "cinder-backup", "host": f"h-{zone}", "status": "enabled", "state": "up", "zone": zone, **more}


def made(directory: Path, backups: list[dict[str, Any]], **more: Any) -> Draft:
    given: dict[str, Any] = {"volumes": [disk("a"), disk("b")], "snapshots": [], **more}
    old = {"backup": backups, "volume service": [service()], **given.pop("more", {})}
    there = {"volume service": [service()], **given.pop("there", {})}
    return drafted(directory, more=old, there=there, **given)


def left(draft: Draft) -> dict[str, str]:
    return {one.id: say(one.why) for one in draft.decisions.values() if (one.kind, one.decision) == ("backup", "leave")}


# -- the plan


@pytest.mark.parametrize("storage", [True, False])
def test_one_after_the_other_oldest_first(tmp_path: Path, storage: bool) -> None:
    backups = [kept("k3", day=3), kept("k1", day=1), kept("k2", day=2), kept("other", "b"), kept("gone", "deleted")]
    draft = made(tmp_path, backups, storage=storage)
    assert left(draft) == {}
    assert "backup/k1" in before(draft, "backup/k2") and "backup/k2" in before(draft, "backup/k3")
    for name in ("k1", "other", "gone"):
        assert not any(step.startswith("backup/") for step in before(draft, f"backup/{name}"))
    step = planned(draft)["backup/k1"]
    assert (step.kind, step.limits) == ("move.backup", (COPIES,))
    assert step.args["body"] == {"name": "k1", "description": "naru:k1"}
    assert step.args["size"] == 2 << 30
    assert step.args["carry"]["volumes"]["old"] == {"size": 2, "volume_type": "fast"}
    assert step.args["carry"]["storage"] == (list(draft.options.storage or ()) or None)
    # of a volume that is no more, nothing is known but the backup
    assert planned(draft)["backup/gone"].args["carry"]["volumes"] == {"old": {"size": 2}, "cloud": {"size": 2}}
    # nothing waits for the moved volume
    assert "volume/a" not in set(references(step.args))
    (mark,) = [entry for entry in draft.note(Marks).by_project["p"] if entry.mark == "naru:k1"]
    assert mark.unmark["body"] == {"backup": {"description": ""}}


@pytest.mark.parametrize(
    ("said", "backups", "more"),
    [
        ("it is error", [kept("k", status="error")], {}),
        ("it is creating", [kept("k", status="creating")], {}),
        ("it is encrypted", [kept("k", encryption_key_id="e")], {}),
        ("it is encrypted", [kept("k")], {"volumes": [disk("a", encrypted=True)]}),
        ("no cinder-backup of old runs", [kept("k")], {"more": {"volume service": []}}),
        ("no cinder-backup of new runs", [kept("k")], {"there": {"volume service": [service(state="down")]}}),
        ("no cinder-backup of new runs", [kept("k")], {"there": {"volume service": [service(status="disabled")]}}),
    ],
)
def test_what_stays_and_why(tmp_path: Path, said: str, backups: list[dict[str, Any]], more: dict[str, Any]) -> None:
    draft = made(tmp_path, backups, **more)
    assert said in left(draft)["k"]
    (told,) = [one for one in draft.plan.findings if one.about == "k"]
    assert told.severity == "warning" and told.hint
    assert "backup/k" not in planned(draft)


def in_file(**more: Any) -> dict[str, Any]:
    return disk("a", **{"os-vol-host-attr:host": "old@nfs#nfs"}, **more)


@pytest.mark.parametrize(
    ("told", "more"),
    [
        (True, {}),
        (False, {"nova": "2.101"}),
        (False, {"volumes": [disk("a")]}),
        (False, {"snapshots": []}),
        (False, {"pools": [{"name": "new@rbd#pool", "capabilities": {}}]}),
    ],
    ids=["a qcow2 file", "a Cinder that keeps formats", "on Ceph", "without snapshots", "to Ceph"],
)
def test_one_that_an_older_cinder_cannot_make_is_told(tmp_path: Path, told: bool, more: dict[str, Any]) -> None:
    versions = {**NEWEST["versions"], "compute": more.get("nova", "2.100")}
    given = {
        "volumes": [in_file()],
        "snapshots": [taken("s", "a")],
        "pools": [{"name": "new@nfs#nfs", "capabilities": {}}],
        "there": {"cloud": [{"name": "new", **NEWEST, "versions": versions}]},
    }
    given |= {name: value for name, value in more.items() if name in given}
    draft = made(tmp_path, [kept("k")], **given)
    assert ("may hold a qcow2 file" in left(draft).get("k", "")) is told
    assert ("backup/k" in planned(draft)) is not told


def rules(draft: Draft, identity: str) -> dict[str, tuple[Any, Any]]:
    return {rule.field: (rule.old, rule.new) for rule in draft.decisions["backup", identity].changes}


def test_what_is_not_the_same_is_told(tmp_path: Path) -> None:
    body = kept("k", is_incremental=True, snapshot_id="s", container="k0/k1/k", novel=1, metadata={"by": "me"})
    draft = made(tmp_path, [body, kept("full")])
    told = rules(draft, "k")
    assert told["is_incremental"] == (True, False) and told["snapshot_id"] == ("s", None)
    assert told["volume_id"] == ("a", None) and told["container"] == ("k0/k1/k", None) and told["novel"] == (1, None)
    assert {"created_at", "data_timestamp", "user_id"} <= told.keys()
    assert not {"is_incremental", "snapshot_id", "container"} & rules(draft, "full").keys()
    step = planned(draft)["backup/k"].args
    assert step["body"]["metadata"] == {"by": "me"} and "container" not in step["body"]
    (room,) = [one for one in draft.plan.findings if one.about == "p"]
    assert "2 backups are made anew, full ones of 4 GiB" in say(room.summary)


@pytest.mark.parametrize(
    ("container", "others", "written", "asked"),
    [
        ("vault", {}, {}, "vault"),
        ("vault", {}, {"vault": "safe"}, "safe"),
        ("vault", {}, {"vault": "default"}, None),
        ("vault", {OWNER: "q"}, {}, None),  # whoever makes one gets this
        ("backups", {}, {}, None),
        ("backups", {}, {"backups": "backups"}, "backups"),
    ],
)
def test_containers_are_mapped(
    tmp_path: Path, container: str, others: dict[str, Any], written: dict[str, str], asked: str | None
) -> None:
    backups = [kept("w1", container=container), kept("w2", container=container, **others)]
    decided = mapfile.EMPTY.model_copy(update={"backup_containers": written})
    draft = made(tmp_path, backups, written=decided)
    assert planned(draft)["backup/w1"].args["body"].get("container") == asked
    assert rules(draft, "w1").get("container") == (None if asked == container else (container, asked))


def test_the_map_suggests_where_backups_go() -> None:
    backups = [kept("w1", container="vault"), kept("w2", container="volumebackups"), kept("w3", container="w/3/w3")]
    facts = Facts(Given("old", {"project": [{"id": "p", "name": "shop"}], "backup": backups}), Given("new", {}), ["p"])
    choices = mapfile.choose(facts, mapfile.EMPTY)
    found = {one.need.key: one.target for one in choices if one.need.section == "backup_containers"}
    assert found == {"vault": "vault", "volumebackups": "default"}
    assert "backup_containers:" in mapfile.text(facts, choices, mapfile.EMPTY)


@pytest.mark.parametrize(
    ("zones", "asked", "rule"),
    [(["nova", "b"], "nova", None), (["nova"], "nova", None), (["b"], "b", ("nova", "b"))],
)
def test_made_where_backups_are_made(tmp_path: Path, zones: list[str], asked: str, rule: Any) -> None:
    there = {
        "volume availability zone": [{"zoneName": "nova"}, {"zoneName": "c"}],
        "volume service": [service(zone) for zone in zones],
    }
    draft = made(tmp_path, [kept("k", availability_zone="nova")], there=there)
    assert planned(draft)["backup/k"].args["body"]["availability_zone"] == asked
    assert rules(draft, "k").get("availability_zone") == rule


@pytest.mark.parametrize(
    ("cinder", "nova", "forgets"),
    [
        ("3.59", "2.79", False),
        ("3.60", "2.87", True),
        ("3.68", "2.90", True),
        ("3.70", "2.93", True),
        ("3.70", "2.95", False),
    ],
)
def test_a_cinder_that_forgets_the_zone(tmp_path: Path, cinder: str, nova: str, forgets: bool) -> None:
    """From Ussuri to Zed; Train, Yoga and 2023.1 as seen on clouds."""
    versions = {"compute": nova, "block-storage": cinder}
    zones = {"volume availability zone": [{"zoneName": "nova"}]}
    there = {"cloud": [{"name": "new", **NEWEST, "versions": versions}], **zones}
    draft = made(tmp_path, [kept("k", availability_zone="nova")], there=there)
    assert rules(draft, "k").get("availability_zone") == (("nova", None) if forgets else None)


def test_verification_compares_every_field() -> None:
    told = {"object_count": 3, "has_dependent_backups": True, "container": "vault", "metadata": {"k": ""}}
    old = Given("old", {"backup": [kept("k", **told)]})
    names = {"backup k": "k9", "volume a": "a9", "project p": "p9"}
    same = kept("k9", "a9", **{**told, OWNER: "p9", "object_count": 1, "has_dependent_backups": False, "name": "k"})
    changes = ({"name": "x"}, {"description": "x"}, {"size": 3}, {"volume_id": "t"}, {"container": "c"})
    for change in ({}, *changes, {"metadata": {}}, {"is_incremental": True}):
        new = Given("new", {"backup": [{**same, **change}]})
        row = Row.of(BY_NAME["backup"], kept("k"))
        decision = Decision("backup", "k", row.name, "p", "create", "", step="backup/k")
        found = list(Verifier(old, new, names, set(), set()).differences(decision))
        assert [one.field for one in found] == list(change), change


# -- the step


class Cinder:
    """What both clouds answer, which are one here. Volumes are files of a share; what a backup holds are bytes. Of the
    requests that change something, the one numbered `lost` is never answered: with `before` it is not even done."""

    def __init__(self, share: Path) -> None:
        self.share = share
        self.volumes: dict[str, dict[str, Any]] = {}
        self.backups: dict[str, dict[str, Any]] = {}
        self.data: dict[str, tuple[bytes, dict[str, Any]]] = {}
        self.changes: list[str] = []
        self.lost, self.before = 0, False
        self.fails: dict[str, str] = {}  # what becomes of what is made next, by the word that it is made with
        self.restores = 0

    def __call__(self, request: Handler) -> None:
        url = urlsplit(request.path)
        path = url.path.removeprefix("/volume/v3")
        if path == url.path or not path.strip("/") or not request.headers.get("X-Auth-Token"):
            usual(request)
            return
        changing = request.command != "GET"
        if changing:
            self.changes.append(f"{request.command} {path}")
        losing = changing and len(self.changes) == self.lost
        if losing and self.before:
            reset(request)
            return
        body = json.loads(request.body) if request.body else {}
        status, answer = self.do(request.command, path.strip("/").split("/"), parse_qs(url.query), body)
        if losing:
            reset(request)
        else:
            request.answer(status, answer)

    def do(self, method: str, parts: list[str], query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        match method, parts:
            case "GET", ["volumes", "detail"]:
                return 200, {"volumes": [one for one in self.volumes.values() if one["name"] in query["name"]]}
            case "GET", ["backups", "detail"]:
                return 200, {"backups": list(self.backups.values())}
            case "POST", ["volumes"]:
                return 202, {"volume": self.volume(body["volume"])}
            case "POST", ["backups"]:
                return 202, {"backup": self.backup(body["backup"])}
            case "POST", ["backups", identity, "restore"]:
                return self.restore(identity, body["restore"]["volume_id"])
            case _, [kind, identity, *more] if identity in (there := getattr(self, kind)):
                return self.item(method, kind, there, identity, more, body)
        return 404, {}

    def item(self, method: str, kind: str, there: Any, identity: str, more: list[str], body: Any) -> tuple[int, Any]:
        item = there[identity]
        if method == "GET":
            shown = dict(item)
            item["status"] = item.pop("then", item["status"])
            return 200, {kind.removesuffix("s"): shown}
        if method == "PUT":
            item |= body["volume"]
        elif method == "POST" and more == ["action"]:
            item["volume_image_metadata"] = body["os-set_image_metadata"]["metadata"]
        elif method == "DELETE":
            if item["status"] not in ("available", "error", "error_restoring"):
                return 400, {}
            del there[identity]
            if kind == "volumes":
                self.file(identity).unlink()
        return 202, {}

    def file(self, volume: str) -> Path:
        return self.share / f"volume-{volume}"

    def volume(self, body: dict[str, Any]) -> dict[str, Any]:
        identity = f"v{len(self.changes)}"
        with self.file(identity).open("wb") as file:
            file.truncate(body["size"] << 20)  # a small kind of GiB
        then = self.fails.pop("volume", "available")
        made = {"description": None, "metadata": {}, "attachments": [], **body, "id": identity}
        self.volumes[identity] = {**made, "status": "creating", "then": then, "os-vol-host-attr:host": "h@nfs#s"}
        return made

    def restore(self, identity: str, volume: str) -> tuple[int, Any]:
        kept, target = self.backups[identity], self.volumes[volume]
        if kept["status"] != "available" or target["status"] != "available":
            return 400, {}
        self.restores += 1
        content, like = self.data[identity]
        with self.file(volume).open("r+b") as file:
            file.write(content)
        if like["name"] and target["name"].startswith("restore_backup_"):
            target |= {"name": like["name"], "description": like["description"]}
        target |= {name: like[name] for name in ("metadata", "volume_image_metadata") if like.get(name)}
        target |= {"status": "restoring-backup", "then": self.fails.pop("restore", "available")}
        return 202, {}

    def backup(self, body: dict[str, Any]) -> dict[str, Any]:
        volume, identity = self.volumes[body["volume_id"]], f"b{len(self.changes)}"
        assert volume["status"] == "available"
        self.data[identity] = self.file(volume["id"]).read_bytes(), dict(volume)
        then = self.fails.pop("backup", "available")
        self.backups[identity] = {**body, "id": identity, "status": "creating", "then": then}
        return {"id": identity, "name": body["name"]}


LIKE = {
    "name": "data",
    "description": "of mina",
    "metadata": {"purpose": "data", "src_backup_id": "old"},
    "volume_image_metadata": {"os_distro": "debian"},
}
CONTENT = b"".join(bytes([number]) * MIB if number % 2 else bytes(MIB) for number in range(4))


@pytest.fixture
def cinder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cinder]:
    monkeypatch.setattr(transport, "PAUSE", 0.001)
    monkeypatch.setattr(create, "SETTLE", 0.01)
    monkeypatch.setattr(clouds, "POLL", (0.001, 0.002))
    monkeypatch.setattr(clouds, "_clouds", {})
    monkeypatch.setattr(clouds, "_acting", {})
    share = tmp_path / "share"
    share.mkdir()
    described = {"naru_backends": 1, "backends": {"nfs": {"kind": "file", "root": str(share)}}}
    (tmp_path / "storage").write_text(json.dumps(described))
    found = Cinder(share)
    found.backups["k"] = {"id": "k", "status": "available"}
    found.data["k"] = CONTENT, LIKE
    with serving() as server:
        server.usual = found
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", clouds_yaml(tmp_path, server))
        yield found


@pytest.fixture
def args(tmp_path: Path) -> dict[str, Any]:
    return {
        **{"cloud": "c", "old": "c", "service": "block-storage", "path": "/backups", "wrap": "backup"},
        "body": {"name": "weekly", "description": "naru:k"},
        "find": {"path": "/backups/detail", "collection": "backups", "where": {"description": "naru:k"}},
        "wait": {"field": "status", "until": ["available"], "fail": ["error"]},
        "size": 4 * MIB,
        "version": "3.51",
        "gone": True,
        "carry": {
            **{"from": "k", "volumes": {"old": {"size": 4}, "cloud": {"size": 4, "volume_type": "fast"}}},
            "storage": [str(tmp_path / "storage")] * 2,
            "directory": str(tmp_path / "work" / "backups" / "k"),
        },
    }


def context(args: dict[str, Any], attempt: int = 1) -> Context:
    return Context(
        n=1, id="s", kind="move.backup", unit="", args=args, attempt=attempt, earlier=None, reader=lambda _: {}
    )


def until_done(args: dict[str, Any], step: Any = backup.backup) -> tuple[Any, int]:
    """The step's result, and the attempts that it took."""
    for attempt in range(1, 6):
        try:
            return step(context(args, attempt)), attempt
        except (Unavailable, Transient, PlanError, NaruError):
            continue
    raise AssertionError("not done in five attempts")


def whole(cinder: Cinder, args: dict[str, Any], found: dict[str, Any]) -> None:
    """There is the new backup, with all that the old one brings back, and nothing else."""
    assert cinder.backups.keys() == {"k", found["id"]} and cinder.volumes == {}
    data, like = cinder.data[found["id"]]
    assert data == CONTENT
    assert {name: like[name] for name in LIKE} == {**LIKE, "metadata": {"purpose": "data"}}
    assert like["volume_type"] == "fast"
    assert not list(cinder.share.iterdir()) and not Path(args["carry"]["directory"]).exists()


def test_the_new_one_is_what_the_old_one_was(cinder: Cinder, args: dict[str, Any]) -> None:
    whole(cinder, args, backup.backup(context(args)))
    assert cinder.restores == 1


def test_a_volume_without_a_name(cinder: Cinder, args: dict[str, Any]) -> None:
    cinder.data["k"] = CONTENT, {**LIKE, "name": ""}
    found = backup.backup(context(args))
    assert cinder.data[found["id"]][1]["name"] == ""


@pytest.mark.parametrize("before", [True, False])
def test_whatever_answer_is_lost(cinder: Cinder, args: dict[str, Any], before: bool) -> None:
    backup.backup(context(args))
    requests = len(cinder.changes)
    assert requests >= 8
    for lost in range(1, requests + 1):
        cinder.backups = {"k": cinder.backups["k"]}
        cinder.changes, cinder.lost, cinder.before, cinder.restores = [], lost, before, 0
        found, _ = until_done(args)
        whole(cinder, args, found)
        assert cinder.restores == 1, lost


@pytest.mark.parametrize(
    ("word", "state"), [("volume", "error"), ("restore", "error_restoring"), ("backup", "error"), ("restore", "error")]
)
def test_what_came_to_nothing_is_made_anew(cinder: Cinder, args: dict[str, Any], word: str, state: str) -> None:
    cinder.fails[word] = state
    found, attempts = until_done(args)
    assert attempts == 2
    whole(cinder, args, found)


def rolled_back(cinder: Cinder, args: dict[str, Any], result: Any) -> None:
    until_done({"step": "backup", "args": args, "result": result, "results": {}}, backup.backup_forget)
    assert cinder.backups.keys() == {"k"} and cinder.volumes == {}
    assert not Path(args["carry"]["directory"]).exists()


def test_rolled_back_from_wherever_it_was(cinder: Cinder, args: dict[str, Any]) -> None:
    rolled_back(cinder, args, backup.backup(context(args)))
    for lost in range(1, 8):
        cinder.changes, cinder.lost = [], lost
        try:
            result = backup.backup(context(args))
        except (Unavailable, Transient):
            result = None
        rolled_back(cinder, args, result)


def test_one_that_is_gone_says_what_to_do(cinder: Cinder, args: dict[str, Any]) -> None:
    del cinder.backups["k"]
    with pytest.raises(NaruError, match="backup k is gone from c") as told:
        backup.backup(context(args))
    assert "naru plan skip" in told.value.hint

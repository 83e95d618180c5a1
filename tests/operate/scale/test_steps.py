"""The steps against a Nova of a few lines: kept out, in aggregates, tried, opened, taken back, and given again."""

import json
from pathlib import Path
from typing import Any

import pytest

from naru.cloud.client import CloudError
from naru.errors import NaruError
from naru.operate import compute
from naru.operate.scale import canary, steps
from naru.operate.scale.keeping import Keeping, Misnamed
from naru.operate.scale.work import Settings, work_directory
from naru.plan.model import Plan, Step

from ...plan.test_cli import naru, naru_json

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]

MODULES = [steps.__name__, canary.__name__]
HOST, LIKE, PLAN = "compute9", "compute1", "plan-123456789"
COMMON = {"cloud": "seoul", "host": HOST, "like": LIKE, "plan": PLAN}


class Nova:
    """The compute service of the new host and others, one aggregate, servers that move at once. `absent`: how many
    times the services are asked for before the new one is there."""

    name = "seoul"

    def __init__(self) -> None:
        self.service = {"id": "s1", "host": HOST, "status": "enabled", "state": "up", "disabled_reason": None}
        self.others: list[dict[str, Any]] = [{**self.service, "id": "s2", "host": LIKE}]
        self.absent = 0
        self.aggregate: dict[str, Any] = {"id": 7, "name": "ssd", "hosts": [LIKE]}
        self.servers: dict[str, dict[str, Any]] = {}
        self.log: list[str] = []

    def supports(self, *_: str) -> bool:
        return True

    def items(self, service: str, path: str, collection: str, version: str = "") -> Any:
        if collection == "servers":
            return iter([dict(one) for one in self.servers.values()])
        self.absent -= 1
        listed = [*self.others, *([] if self.absent >= 0 else [self.service])]
        return iter([dict(one) for one in listed if path.partition("&host=")[2] in ("", one["host"])])

    def __call__(self, service: str, method: str, path: str, body: Any = None, **_: Any) -> Any:
        if method != "GET":
            self.log.append(f"{method} {path.partition('?')[0]} {json.dumps(body) if body else ''}".strip())
        if path.startswith("/os-services/"):
            (found,) = (one for one in (self.service, *self.others) if path.endswith(one["id"]))
            found |= {"disabled_reason": None, **body}
            return {}
        if path == "/os-aggregates":
            return {"aggregates": [self.aggregate] if self.aggregate else []}
        if path.startswith("/os-aggregates/"):
            ((action, given),) = body.items()
            getattr(self.aggregate["hosts"], {"add_host": "append", "remove_host": "remove"}[action])(given["host"])
            return {}
        if path == "/servers":
            host = body["server"]["availability_zone"].partition(":")[2]
            self.servers["c1"] = {"id": "c1", "status": "ACTIVE", compute.TASK: None, compute.HOST: host}
            return {"server": {"id": "c1"}}
        if path.endswith("/os-instance-actions"):
            return {"instanceActions": []}
        if path.endswith("/action"):
            self.servers["c1"][compute.HOST] = body["os-migrateLive"]["host"]
            return {}
        if method == "DELETE":
            self.servers.pop("c1")
            return {}
        if "c1" not in self.servers:
            raise CloudError("seoul has no such server", status=404)
        return {"server": self.servers["c1"]}


@pytest.fixture
def nova(monkeypatch: pytest.MonkeyPatch) -> Nova:
    made = Nova()
    for module in (steps, canary):
        monkeypatch.setattr(module, "cloud", lambda *_: made)
    return made


def work(directory: Path, *listed: dict[str, Any]) -> Path:
    chained = [{**one, "after": [listed[number - 1]["id"]] if number else []} for number, one in enumerate(listed)]
    text = {"naru_plan": 1, "title": "Grow", "modules": MODULES, "steps": chained}
    (directory / "plan.json").write_text(json.dumps(text))
    naru("plan", "create", directory / "plan.json", "--work", directory / "work")
    return directory / "work"


def keeping(nova: Nova, earlier: dict[str, Any] | None = None) -> Keeping:
    return Keeping(nova, [HOST], PLAN, earlier)  # type: ignore[arg-type]


def looked(nova: Nova) -> dict[str, str]:
    made = keeping(nova)
    made.look()
    return made.kept


def test_a_service_is_kept_out_and_opened_by_this_plan_alone(nova: Nova, tmp_path: Path) -> None:
    assert looked(nova) == {HOST: "now"}
    assert nova.service["disabled_reason"] == f"naru scale {PLAN}: until it is proved"
    assert looked(nova) == {HOST: "before"}
    directory = work(tmp_path, {"id": "open", "kind": "scale.open", "args": COMMON})
    assert naru_json("plan", "run", directory)["state"] == "done" and nova.service["status"] == "enabled"
    naru("plan", "rollback", directory)
    assert nova.service["status"] == "disabled"
    # what somebody else has disabled stays theirs
    nova.service["disabled_reason"] = "a fan is broken"
    assert looked(nova) == {HOST: "by others: a fan is broken"}
    (tmp_path / "other").mkdir()
    naru("plan", "run", work(tmp_path / "other", {"id": "open", "kind": "scale.open", "args": COMMON}))
    assert (nova.service["status"], nova.service["disabled_reason"]) == ("disabled", "a fan is broken")


def test_what_novas_configuration_has_disabled_is_ours_to_open(nova: Nova) -> None:
    nova.service |= {"status": "disabled", "disabled_reason": "New compute service disabled due to config option."}
    assert looked(nova) == {HOST: "by Nova's configuration"}
    assert nova.service["disabled_reason"] == f"naru scale {PLAN}: until it is proved"


def test_a_new_service_under_another_name_is_kept_out_as_well_and_said(nova: Nova) -> None:
    other = {**nova.service, "id": "s3", "host": f"{HOST}.example.com"}
    made = keeping(nova)
    nova.others.append(other)
    with pytest.raises(Misnamed, match=rf"a new compute service on {HOST}\.example\.com, which is none of {HOST}"):
        made.look()
    assert other["status"] == "disabled" and str(other["disabled_reason"]).startswith(f"naru scale {PLAN}: new")
    # given again it is found again, until it is deleted, or enabled by somebody who knows it
    with pytest.raises(Misnamed):
        keeping(nova, made.record()).look()
    other["status"] = "enabled"
    again = keeping(nova, made.record())
    again.look()
    assert other["status"] == "enabled" and again.kept == {HOST: "before"}


DEPLOY = {"hosts": [HOST], "action": "deploy", "cloud": "seoul", "plan": PLAN} | dict.fromkeys(
    ("inventory", "kolla", "config", "directory"), "/nowhere"
)


def test_what_registers_after_a_deployment_has_failed_is_kept_out(
    nova: Nova, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise steps.Failed("kolla-ansible deploy ended with 2")

    monkeypatch.setattr(steps, "_kolla", fails)
    nova.absent = 3
    directory = work(tmp_path, {"id": "one", "kind": "scale.deploy", "args": DEPLOY})
    (failed,) = naru_json("plan", "run", directory, code=1)["failed"]
    assert failed["summary"] == "kolla-ansible deploy ended with 2"
    assert (nova.service["status"], nova.absent) == ("disabled", -1)
    assert all(one["status"] == "enabled" for one in nova.others)


@pytest.mark.parametrize("is_cut", [True, False])
def test_a_deployment_that_was_cut_off_is_waited_for_when_it_is_taken_back(
    nova: Nova, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_cut: bool
) -> None:
    def ends(*_: Any) -> dict[str, Any]:
        nova.service["status"] = "enabled"  # as a container does that is started last
        if is_cut:
            raise NaruError("the machine was switched off")
        return {}

    monkeypatch.setattr(steps, "_kolla", ends)
    monkeypatch.setattr(steps, "APPEAR", 20.0 if is_cut else 0.0)
    nova.absent = 4 if is_cut else 99
    directory = work(tmp_path, {"id": "one", "kind": "scale.deploy", "args": DEPLOY})
    naru("plan", "run", directory, code=1)
    asked = nova.absent
    naru("plan", "rollback", directory)
    assert nova.service["status"] == ("disabled" if is_cut else "enabled") and (is_cut or nova.absent == asked - 1)
    if is_cut:
        assert nova.service["disabled_reason"] == f"naru scale {PLAN}: taken back"


def test_an_aggregate_gets_the_host_and_loses_it_if_it_was_us(nova: Nova, tmp_path: Path) -> None:
    args = {"cloud": "seoul", "host": HOST, "aggregate": "ssd"}
    directory = work(tmp_path, {"id": "one", "kind": "scale.aggregate", "args": args})
    naru("plan", "run", directory)
    assert nova.aggregate["hosts"] == [LIKE, HOST]
    naru("plan", "rollback", directory)
    assert nova.aggregate["hosts"] == [LIKE]
    nova.aggregate["hosts"].append(HOST)  # it was in it before
    (tmp_path / "other").mkdir()
    directory = work(tmp_path / "other", {"id": "one", "kind": "scale.aggregate", "args": args})
    naru("plan", "run", directory)
    naru("plan", "rollback", directory)
    assert nova.aggregate["hosts"] == [LIKE, HOST]


def test_what_could_not_be_taken_back_is_tried_again_and_nothing_goes_forward_meanwhile(
    nova: Nova, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Plan(title="Grow", modules=MODULES)
    made.settings = Settings("site.yaml", "seoul", {HOST: ""}, LIKE, "multinode", "/opt/kolla", "/etc/kolla").dump()
    args = {"cloud": "seoul", "host": HOST, "aggregate": "ssd"}
    made.add(Step("one", "scale.aggregate", args))
    work_directory(tmp_path / "grow").prepare()
    work_directory(tmp_path / "grow").create(made)
    naru("scale", "run", tmp_path / "grow")
    with monkeypatch.context() as broken:
        broken.setattr(steps, "_aggregate", lambda *_: fail())
        naru("scale", "rollback", tmp_path / "grow", code=1)
    assert nova.aggregate["hosts"] == [LIKE, HOST]
    naru("scale", "run", tmp_path / "grow", code=2)
    naru("scale", "rollback", tmp_path / "grow")
    assert nova.aggregate["hosts"] == [LIKE]
    naru("scale", "run", tmp_path / "grow", code=2)  # and does not say that it is done
    assert nova.aggregate["hosts"] == [LIKE]


def fail() -> None:
    raise NaruError("Nova is not to be had")


def test_an_aggregate_that_was_not_there_is_nothing_to_take_back(nova: Nova, tmp_path: Path) -> None:
    nova.aggregate = {}
    args = {"cloud": "seoul", "host": HOST, "aggregate": "ssd"}
    directory = work(tmp_path, {"id": "one", "kind": "scale.aggregate", "args": args})
    (failed,) = naru_json("plan", "run", directory, code=1)["failed"]
    assert failed["summary"] == "seoul has no aggregate ssd"
    # somebody makes it, and adds the host by hand
    nova.aggregate = {"id": 7, "name": "ssd", "hosts": [HOST]}
    naru("plan", "rollback", directory)
    assert nova.aggregate["hosts"] == [HOST]


@pytest.mark.parametrize("status", ["ERROR", "SHUTOFF"])
def test_a_canary_in_error_is_booted_anew(nova: Nova, tmp_path: Path, status: str) -> None:
    nova.servers["c1"] = {"id": "c1", "status": status, compute.TASK: None, compute.HOST: HOST}
    args = {**COMMON, "flavor": "f1", "image": "i1", "network": ""}
    state = naru_json("plan", "run", work(tmp_path, {"id": "one", "kind": "scale.canary", "args": args}))
    assert state["state"] == "done" and nova.servers == {}
    assert [line.partition(" {")[0] for line in nova.log if "/action" not in line] == [
        *("DELETE /servers/c1", "POST /servers", "DELETE /servers/c1")
    ]


@pytest.mark.parametrize("left", [None, HOST, LIKE])
def test_a_canary_goes_there_and_back_and_one_that_was_left_is_taken_up(
    nova: Nova, tmp_path: Path, left: str | None
) -> None:
    if left:
        nova.servers["c1"] = {"id": "c1", "status": "ACTIVE", compute.TASK: None, compute.HOST: left}
    args = {**COMMON, "flavor": "f1", "image": "i1", "network": ""}
    state = naru_json("plan", "run", work(tmp_path, {"id": "one", "kind": "scale.canary", "args": args}))
    assert state["state"] == "done" and nova.servers == {}
    moves = [line.partition('"host": "')[2].partition('"')[0] for line in nova.log if "os-migrateLive" in line]
    assert moves == ([HOST] if left == LIKE else [LIKE, HOST])
    assert [line.partition(" {")[0] for line in nova.log if "/action" not in line] == [
        *([] if left else ["POST /servers"]),
        "DELETE /servers/c1",
    ]


def test_a_file_that_was_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    file, old, new = (tmp_path / name for name in ("multinode", "before", "after"))
    for one, text in ((file, "a\n"), (old, "a\n"), (new, "a\nb\n")):
        one.write_text(text)
    args = {"file": str(file), "old": str(old), "new": str(new)}
    directory = work(tmp_path, {"id": "one", "kind": "scale.file", "args": args})
    file.write_text("a\nc\n")
    (failed,) = naru_json("plan", "run", directory, code=1)["failed"]
    assert "was changed since this was planned" in failed["summary"] and file.read_text() == "a\nc\n"
    file.write_text("a\n")
    naru("plan", "retry", "--failed", "--work", directory)
    naru("plan", "run", directory)
    assert file.read_text() == "a\nb\n"
    naru("plan", "rollback", directory)
    assert file.read_text() == "a\n"


def test_a_file_that_is_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, file = tmp_path / "elsewhere" / "seoul", tmp_path / "multinode"
    file.symlink_to(target)
    for one, text in ((target, "a\n"), (tmp_path / "before", "a\n"), (tmp_path / "after", "a\nb\n")):
        one.write_text(text)
    steps._write(str(file), str(tmp_path / "before"), str(tmp_path / "after"))
    assert file.is_symlink() and target.read_text() == "a\nb\n"

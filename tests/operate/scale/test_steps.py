"""The steps against a Nova of a few lines: kept out, in aggregates, tried, opened, taken back, and given again."""

import json
from pathlib import Path
from typing import Any

import pytest

from naru.cloud.client import CloudError
from naru.operate import compute
from naru.operate.scale import steps

from ...plan.test_cli import naru, naru_json

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]

MODULES = [steps.__name__]
HOST, LIKE, PLAN = "compute9", "compute1", "plan-123456789"
COMMON = {"cloud": "seoul", "host": HOST, "like": LIKE, "plan": PLAN}


class Nova:
    """One compute service, one aggregate, servers that move at once."""

    name = "seoul"

    def __init__(self) -> None:
        self.service = {"id": "s1", "host": HOST, "status": "enabled", "state": "up", "disabled_reason": None}
        self.aggregate: dict[str, Any] = {"id": 7, "name": "ssd", "hosts": [LIKE]}
        self.servers: dict[str, dict[str, Any]] = {}
        self.log: list[str] = []

    def supports(self, *_: str) -> bool:
        return True

    def items(self, service: str, path: str, collection: str, version: str = "") -> Any:
        return iter([dict(self.service)] if collection == "services" else [dict(one) for one in self.servers.values()])

    def __call__(self, service: str, method: str, path: str, body: Any = None, **_: Any) -> Any:
        if method != "GET":
            self.log.append(f"{method} {path.partition('?')[0]} {json.dumps(body) if body else ''}".strip())
        if path.startswith("/os-services/"):
            self.service |= {"disabled_reason": None, **body}
            return {}
        if path == "/os-aggregates":
            return {"aggregates": [self.aggregate]}
        if path.startswith("/os-aggregates/"):
            ((action, given),) = body.items()
            getattr(self.aggregate["hosts"], {"add_host": "append", "remove_host": "remove"}[action])(given["host"])
            return {}
        if path == "/servers":
            host = body["server"]["availability_zone"].partition(":")[2]
            self.servers["c1"] = {"id": "c1", "status": "ACTIVE", compute.TASK: None, compute.HOST: host}
            return {"server": {"id": "c1"}}
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
    monkeypatch.setattr(steps, "cloud", lambda *_: made)
    return made


def work(directory: Path, *listed: dict[str, Any]) -> Path:
    chained = [{**one, "after": [listed[number - 1]["id"]] if number else []} for number, one in enumerate(listed)]
    text = {"naru_plan": 1, "title": "Grow", "modules": MODULES, "steps": chained}
    (directory / "plan.json").write_text(json.dumps(text))
    naru("plan", "create", directory / "plan.json", "--work", directory / "work")
    return directory / "work"


def test_a_service_is_kept_out_and_opened_by_this_plan_alone(nova: Nova, tmp_path: Path) -> None:
    kept: dict[str, str] = {}
    args = {"hosts": [HOST], "plan": PLAN}
    assert steps._keep_out(nova, args, kept) == {HOST: "now"}  # type: ignore[arg-type]
    assert nova.service["disabled_reason"] == f"naru scale {PLAN}: until it is proved"
    assert steps._keep_out(nova, args, {}) == {HOST: "before"}  # type: ignore[arg-type]
    directory = work(tmp_path, {"id": "open", "kind": "scale.open", "args": COMMON})
    assert naru_json("plan", "run", directory)["state"] == "done" and nova.service["status"] == "enabled"
    naru("plan", "rollback", directory)
    assert nova.service["status"] == "disabled"
    # what somebody else has disabled stays theirs
    nova.service["disabled_reason"] = "a fan is broken"
    assert steps._keep_out(nova, args, {}) == {HOST: "by others: a fan is broken"}  # type: ignore[arg-type]
    (tmp_path / "other").mkdir()
    naru("plan", "run", work(tmp_path / "other", {"id": "open", "kind": "scale.open", "args": COMMON}))
    assert (nova.service["status"], nova.service["disabled_reason"]) == ("disabled", "a fan is broken")


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

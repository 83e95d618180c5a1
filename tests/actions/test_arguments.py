"""What stands in a plan for what users would not show, and is read from the archive when a step runs."""

import json
from pathlib import Path

import pytest

from naru.actions.arguments import archived, resolve
from naru.actions.create import delete
from naru.inventory.archive import Archive
from naru.inventory.rows import Row
from naru.plan.arguments import references
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.runner import result_json

pytestmark = pytest.mark.unit
SECRET = "IyEvYmluL3NoCmVjaG8gZ2VoZWlt"


def context(**args: object) -> Context:
    return Context(n=1, id="s", kind="k", unit="u", args=args, attempt=1, earlier=None, reader=lambda n: {})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with Archive(tmp_path / "archive.db") as archive:
        body = {"id": "s1", "data": SECRET, "metadata": {"api.token": "t0ken-of-a-user", "n": "1", "none": None}}
        archive.add(archive.begin("old"), [Row("server", "s1", "web", "p", "ACTIVE", body)])
    return tmp_path / "archive.db"


def test_it_is_read_when_the_step_runs_and_is_in_nothing_that_it_records(file: Path) -> None:
    body = {
        "user_data": archived(str(file), 1, "server", "s1", ["data"]),
        "metadata": {"api.token": archived(str(file), 1, "server", "s1", ["metadata", "api.token"])},
    }
    assert list(references(body)) == [] and SECRET not in json.dumps(body)
    step = context()
    assert resolve(body, {}, step) == {"user_data": SECRET, "metadata": {"api.token": "t0ken-of-a-user"}}
    step.log(f"POST {SECRET}")
    assert SECRET not in step.take_requests()[0].text
    told = result_json(step, {"id": "1", "refused": f"Value: {SECRET}, t0ken-of-a-user"})
    assert told is not None and json.loads(told) == {"id": "1", "refused": "Value: ***, ***"}


def test_values_of_whatever_kind_come_as_they_are_and_short_ones_change_nothing_else(file: Path) -> None:
    step = context()
    for name, value in (("n", "1"), ("none", None)):
        assert resolve(archived(str(file), 1, "server", "s1", ["metadata", name]), {}, step) == value
    assert step.redact({"id": "1"}) == {"id": "1"}


@pytest.mark.parametrize(("snapshot", "identity", "path"), [(2, "s1", "data"), (1, "s2", "data"), (1, "s1", "more")])
def test_what_is_not_there_is_told(file: Path, snapshot: int, identity: str, path: str) -> None:
    with pytest.raises(PlanError, match=f"does not have {path} of server {identity}"):
        resolve(archived(str(file), snapshot, "server", identity, [path]), {}, context())


def test_an_undo_does_not_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("naru.actions.create.cloud", lambda context, name: None)
    monkeypatch.setattr("naru.actions.create._Thing.settle", lambda self: [])
    body = {"user_data": archived("/not/there/archive.db", 1, "server", "s1", ["data"])}
    args = {"cloud": "c", "service": "compute", "path": "/servers", "wrap": "server", "body": body, "find": {}}
    assert delete(context(step="server/s1", args=args, result=None)) == {"deleted": 0}

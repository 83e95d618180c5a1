"""EC2 credentials: written with the same keys, and taken away again by what was made."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.actions import clouds
from naru.cloud.client import CloudError
from naru.move.kinds.credential import ec2, ec2_delete, identity
from naru.plan.context import Context
from tests.cloud.service import Deed, Service, clouds_yaml, serving

pytestmark = pytest.mark.unit

PATH = "/identity/v3/credentials"
BLOB = json.dumps({"access": "a", "secret": "s"})
ARGS = {"cloud": "c", "service": "identity", "old": "c", "id": "odd", "user": "u", "project": "p"}
MADE = identity("a")


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(clouds, "_clouds", {})
    with serving() as server:
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", clouds_yaml(tmp_path, server))
        yield server


def says(status: int, body: Any = None) -> Deed:
    return lambda request: request.answer(status, body)


def context(kind: str, args: dict[str, Any]) -> Context:
    return Context(n=1, id="s", kind=kind, unit="", args=args, attempt=1, earlier=None, reader=lambda _: {})


def undone(result: Any) -> Context:
    return context("move.ec2.delete", {"step": "s", "args": ARGS, "result": result})


def test_what_was_made_is_deleted_and_not_what_has_the_old_id(service: Service) -> None:
    service.deeds["GET", f"{PATH}/odd"] = [says(200, {"credential": {"id": "odd", "blob": BLOB}})]
    service.deeds["POST", PATH] = [says(201, {"credential": {"id": MADE}})]
    made = ec2(context("move.ec2", ARGS))
    assert made == {"id": MADE}
    service.deeds["DELETE", f"{PATH}/{MADE}"] = [says(204)]
    ec2_delete(undone(made))
    assert service.count("DELETE", f"{PATH}/{MADE}") == 1 and service.count("DELETE", f"{PATH}/odd") == 0


@pytest.mark.parametrize(("answer", "deleted"), [(says(200, {"credential": {"blob": BLOB}}), 1), (says(404), 0)])
def test_what_a_killed_step_may_have_made_follows_from_the_access_key(
    service: Service, answer: Deed, deleted: int
) -> None:
    service.deeds["GET", f"{PATH}/odd"] = [answer]
    service.deeds["DELETE", f"{PATH}/{MADE}"] = [says(204)]
    ec2_delete(undone(None))
    assert [call for call in service.asked if call[0] == "DELETE"] == [("DELETE", f"{PATH}/{MADE}")] * deleted


@pytest.mark.parametrize(("user", "project", "taken"), [("u", "p", True), ("u", "other", False), ("v", "p", False)])
def test_one_that_is_there_is_taken_when_it_is_the_same_users_in_the_same_project(
    service: Service, user: str, project: str, taken: bool
) -> None:
    service.deeds["GET", f"{PATH}/odd"] = [says(200, {"credential": {"id": "odd", "blob": BLOB}})]
    service.deeds["POST", PATH] = [says(409)]
    there = {"id": MADE, "user_id": user, "project_id": project}
    service.deeds["GET", f"{PATH}/{MADE}"] = [says(200, {"credential": there})]
    if taken:
        assert ec2(context("move.ec2", ARGS)) == {"id": MADE}
    else:
        with pytest.raises(CloudError):
            ec2(context("move.ec2", ARGS))

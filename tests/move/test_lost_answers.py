"""Steps whose requests were done while the answers were lost: what they made is found and not made again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.actions import clouds, create
from naru.actions.call import call
from naru.cloud import transport
from naru.cloud.client import CloudError, Unavailable
from naru.move.marks import sweep
from naru.plan import runner
from naru.plan.context import Context
from naru.plan.errors import PlanError, Transient
from naru.plan.kinds import KINDS
from tests.cloud.service import Deed, Handler, Service, clouds_yaml, empty, reset, serving, short, status

pytestmark = pytest.mark.unit
SERVERS = "/compute/v2.1/servers"
DETAIL = f"{SERVERS}/detail"
FIND = {"path": "/servers/detail", "collection": "servers", "where": {"metadata.naru": "naru:1"}}
CREATE = {"cloud": "c", "service": "compute", "path": "/servers", "wrap": "server", "body": {"name": "a"}, "find": FIND}


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(transport, "PAUSE", 0.01)
    monkeypatch.setattr(create, "SETTLE", 0.05)
    monkeypatch.setattr(clouds, "_clouds", {})
    monkeypatch.setattr(clouds, "_acting", {})
    with serving() as server:
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", clouds_yaml(tmp_path, server))
        yield server


def context(args: dict[str, Any], attempt: int = 1) -> Context:
    return Context(
        n=1, id="s", kind="cloud.create", unit="", args=args, attempt=attempt, earlier=None, reader=lambda _: {}
    )


def holds(*items: dict[str, Any]) -> Deed:
    return lambda request: request.answer(200, {"servers": list(items)})


def makes(item: dict[str, Any]) -> Deed:
    return lambda request: request.answer(202, {"server": item})


@pytest.mark.parametrize("lost", [reset, status(502), status(504), short, empty])
def test_what_was_made_is_found(service: Service, lost: Deed) -> None:
    service.deeds["POST", SERVERS] = [lost]
    with pytest.raises((Unavailable, Transient)):
        create.create(context(CREATE))
    service.deeds["GET", DETAIL] = [holds(), holds({"id": "made", "metadata": {"naru": "naru:1"}})]  # it shows late
    assert create.create(context(CREATE, 2))["id"] == "made"
    assert service.count("POST", SERVERS) == 1


def test_what_was_not_made_is_made(service: Service) -> None:
    service.deeds["POST", SERVERS] = [status(503), makes({"id": "made"})]
    with pytest.raises(Unavailable):
        create.create(context(CREATE))
    service.deeds["GET", DETAIL] = [holds(), holds()]
    assert create.create(context(CREATE, 2))["id"] == "made"


def test_a_step_is_not_tried_again_sooner_than_the_service_asks(service: Service) -> None:
    service.deeds["POST", SERVERS] = [status(503, Retry_After="17")]
    outcome = runner.call(KINDS.get("cloud.create"), context(CREATE))
    assert outcome.policy == 0 and outcome.asked == 17


def test_one_of_many_requests_is_repeated_by_itself(service: Service) -> None:
    paths = [f"/servers/s{number}/action" for number in range(5)]
    requests = [{"method": "POST", "path": path, "body": {"lock": None}} for path in paths]
    service.deeds["POST", f"/compute/v2.1{paths[3]}"] = [reset, status(502)]
    call(context({"cloud": "c", "service": "compute", "requests": requests}))
    assert [service.count("POST", f"/compute/v2.1{path}") for path in paths] == [1, 1, 1, 3, 1]


def test_what_was_skipped_is_passed_over(service: Service) -> None:
    results = {"skipped": None, "done": {"id": "s1"}}
    args = {"cloud": "c", "service": "compute"}
    requests = [
        {"method": "DELETE", "path": ["/servers/", {"$ref": step}, "/metadata/naru"], "optional": True}
        for step in results
    ]
    for kind, more in (
        (call, {"requests": requests}),
        (sweep, {"lists": [], "made": {"m": {"$ref": "skipped"}}}),
    ):
        told = {"n": 1, "id": "s", "kind": "k", "unit": "", "attempt": 1, "earlier": None}
        kind(Context(**told, args={**args, **more}, reader=lambda _: results))
    assert [request for request in service.asked if request[0] == "DELETE"] == [
        ("DELETE", f"{SERVERS}/s1/metadata/naru")
    ]
    with pytest.raises(PlanError, match="skipped"):
        del requests[0]["optional"]
        call(Context(**told, args={**args, "requests": requests}, reader=lambda _: results))


@pytest.mark.parametrize("there", [True, False])
def test_a_refusal_of_what_is_there_already_is_none(service: Service, there: bool) -> None:
    where = {"external_port": 2222, "protocol": "tcp"}
    request = {"method": "POST", "path": "/servers", "body": {}, "there": {"collection": "servers", "where": where}}
    service.deeds["POST", SERVERS] = [status(400)]
    service.deeds["GET", SERVERS] = [holds({"id": "f", **where} if there else {"id": "f", "external_port": 1})]
    cloud = clouds.cloud(context({}), "c")
    if there:
        assert clouds.send(cloud, "compute", request) is None
    else:
        with pytest.raises(CloudError):
            clouds.send(cloud, "compute", request)


def test_what_was_deleted_while_the_answer_was_lost_is_gone(service: Service) -> None:
    def gone(request: Handler) -> None:
        request.answer(404, {})

    service.deeds["DELETE", f"{SERVERS}/s1"] = [reset, gone]
    clouds.remove(context({}), clouds.cloud(context({}), "c"), "compute", "/servers/s1")
    assert service.count("DELETE", f"{SERVERS}/s1") == 2

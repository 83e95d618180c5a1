"""How long steps wait for a cloud that does not answer: not past their deadline, nor after they are told to stop; and a
rollback asks the operator soon."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from naru.actions import clouds, power
from naru.errors import NaruError
from naru.plan.context import Context
from naru.plan.errors import DeadlineExceeded, StepCancelled

from ..cloud.service import Service, clouds_yaml, serving, silence, status

pytestmark = pytest.mark.unit
SERVER = "/compute/v2.1/servers/s1"


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with serving() as server:
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", clouds_yaml(tmp_path, server))
        monkeypatch.setattr(clouds, "_clouds", {})
        yield server
        for client in clouds._clouds.values():
            client.close()


def context(**args: object) -> Context:
    return Context(n=1, id="s", kind="k", unit="u", args=args, attempt=1, earlier=None, reader=lambda n: {})


FAULTS = {"silence": silence, "503": status(503), "asked to wait": status(503, Retry_After="60")}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_deadline_ends_the_waiting_for_an_answer(service: Service, fault: str) -> None:
    service.deeds["GET", SERVER] = [FAULTS[fault]] * 20
    step = context()
    step.deadline = 1.0
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        clouds.cloud(step, "c")("compute", "GET", "/servers/s1")
    assert time.monotonic() - began < 10


def test_a_step_that_is_to_stop_does_not_ask_again(service: Service) -> None:
    service.deeds["GET", SERVER] = [FAULTS["asked to wait"]] * 20
    step = context()
    threading.Timer(0.5, step.cancel, ["told to stop"]).start()
    began = time.monotonic()
    with pytest.raises(StepCancelled):
        clouds.cloud(step, "c")("compute", "GET", "/servers/s1")
    assert time.monotonic() - began < 10 and service.count("GET", SERVER) == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_a_rollback_asks_the_operator_whether_a_server_is_off(
    service: Service, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(power, "OFF_PATIENCE", 1.0)
    service.deeds["GET", SERVER] = [FAULTS[fault]] * 20
    args = {"cloud": "c", "service": "compute", "server": "s1", "to": "ACTIVE", "back": "SHUTOFF"}
    step = context(step="start server/s", args=args, result={"server": "s1", "seconds": 1.0})
    began = time.monotonic()
    with pytest.raises(NaruError, match="c does not say that server s1 is off") as told:
        power.undo_power(step)
    assert type(told.value) is NaruError and time.monotonic() - began < 10


def test_a_server_that_takes_its_time_is_waited_for(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "OFF_PATIENCE", 0.5)
    looks = iter(["ACTIVE"] * 6)

    def look(request: object) -> None:
        answer: Callable[..., None] = request.answer  # type: ignore[attr-defined]
        answer(200, {"server": {"id": "s1", "status": next(looks, "SHUTOFF")}})

    service.deeds["GET", SERVER] = [look] * 20
    args = {"cloud": "c", "service": "compute", "server": "s1", "to": "ACTIVE", "back": "SHUTOFF"}
    power.undo_power(context(step="start server/s", args=args, result={"server": "s1", "seconds": 1.0}))
    assert service.count("GET", SERVER) == 7 and service.count("POST", f"{SERVER}/action") == 1

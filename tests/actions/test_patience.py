"""How long steps wait for a cloud that does not answer: not past their deadline, nor after they are told to stop; and a
rollback asks the operator soon."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from naru.actions import clouds, power
from naru.cloud.client import Cloud, Unavailable
from naru.errors import NaruError
from naru.plan.context import Context
from naru.plan.errors import DeadlineExceeded, StepCancelled

from ..cloud.service import Handler, Service, clouds_yaml, serving, silence, status

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


def test_a_service_that_hangs_keeps_nobody_from_another(service: Service) -> None:
    service.deeds["GET", "/volume/v3/"] = service.deeds["GET", "/volume/v3"] = [silence] * 20
    hanging, step = context(), context()
    hanging.deadline = 8.0
    asked = threading.Thread(target=_asks, args=(hanging, "block-storage"), daemon=True)
    asked.start()
    _until(lambda: any(path.startswith("/volume") for _, path in service.asked))
    began = time.monotonic()
    clouds.cloud(step, "c")("compute", "GET", "/servers/s1")
    assert time.monotonic() - began < 2 and asked.is_alive()
    asked.join()


@pytest.mark.parametrize("what", ["discovery", "a token"])
def test_whoever_waits_for_what_another_step_is_asking_has_a_deadline_of_its_own(service: Service, what: str) -> None:
    path = "/compute/v2.1" if what == "discovery" else "/identity/v3/auth/tokens"
    for spelled in (path, f"{path}/"):
        for method in ("GET", "POST"):
            service.deeds[method, spelled] = [silence] * 20
    first, second = context(), context()
    first.deadline, second.deadline = 8.0, 1.0
    asked = threading.Thread(target=_asks, args=(first, "compute"), daemon=True)
    asked.start()
    _until(lambda: any(found.rstrip("/") == path for _, found in service.asked))
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        clouds.cloud(second, "c")("compute", "GET", "/servers/s1")
    assert time.monotonic() - began < 4 and asked.is_alive()
    with clouds.within(0.5), pytest.raises(Unavailable):
        clouds.cloud(context(), "c")("compute", "GET", "/servers/s1")
    asked.join()


def test_a_service_that_hangs_does_not_take_the_connections_of_others(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Cloud("c", connections=2, patience=clouds._patience)
    monkeypatch.setitem(clouds._clouds, "c", client)
    for known in ("block-storage", "compute"):
        client.endpoint(known)
    service.deeds["GET", "/volume/v3/volumes"] = [silence] * 20
    steps = [context() for _ in range(3)]
    for step in steps:
        step.deadline = 8.0
    asked = [threading.Thread(target=_asks, args=(step, "block-storage", "/volumes"), daemon=True) for step in steps]
    for thread in asked:
        thread.start()
    _until(lambda: service.count("GET", "/volume/v3/volumes") == 2)
    began = time.monotonic()
    clouds.cloud(context(), "c")("compute", "GET", "/servers/s1")
    assert time.monotonic() - began < 2 and all(thread.is_alive() for thread in asked)
    for step in steps:
        step.cancel("the test is over")


def _asks(step: Context, service: str, path: str = "/servers/s1") -> None:
    with contextlib.suppress(NaruError, DeadlineExceeded, StepCancelled):
        clouds.cloud(step, "c")(service, "GET", path)


def _until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


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


def test_a_rollback_asks_the_operator_about_a_server_whose_task_never_ends(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(power, "TASK_PATIENCE", 1.0)

    def look(request: object) -> None:
        answer: Callable[..., None] = request.answer  # type: ignore[attr-defined]
        known = {"id": "s1", "tenant_id": "p", "updated": "2026-01-01T00:00:00Z"}
        answer(200, {"server": known | {"status": "SHUTOFF", "OS-EXT-STS:task_state": "powering-on"}})

    service.deeds["GET", SERVER] = [look] * 20
    args = {"cloud": "c", "service": "compute", "server": "s1", "to": "ACTIVE", "back": "SHUTOFF"}
    began = time.monotonic()
    with pytest.raises(NaruError, match="c does not say that server s1 is off") as told:
        power.undo_power(context(step="start server/s", args=args, result={"server": "s1", "seconds": 1.0}))
    assert "something is being done with server s1" in told.value.detail and time.monotonic() - began < 10
    assert service.count("POST", f"{SERVER}/action") == 0


def test_a_server_that_takes_its_time_is_waited_for(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "OFF_PATIENCE", 2.0)
    looks = iter(["ACTIVE"] * 6)

    def look(request: object) -> None:
        answer: Callable[..., None] = request.answer  # type: ignore[attr-defined]
        known = {"id": "s1", "tenant_id": "p", "updated": "2026-01-01T00:00:00Z"}
        answer(200, {"server": known | {"status": next(looks, "SHUTOFF")}})

    service.deeds["GET", SERVER] = [look] * 20
    args = {"cloud": "c", "service": "compute", "server": "s1", "to": "ACTIVE", "back": "SHUTOFF"}
    power.undo_power(context(step="start server/s", args=args, result={"server": "s1", "seconds": 1.0}))
    assert service.count("GET", SERVER) == 7 and service.count("POST", f"{SERVER}/action") == 1


@pytest.mark.parametrize(
    ("looks", "to", "asked"),
    [
        # a killed command's stop is under way: the server runs for the last time, and is not left so
        (["ACTIVE powering-off", "SHUTOFF", "SHUTOFF", "ACTIVE"], "ACTIVE", ["os-start"]),
        (["SHUTOFF powering-off", "SHUTOFF", "SHUTOFF powering-on", "ACTIVE"], "ACTIVE", ["os-start"]),
        (["SHUTOFF powering-on", "ACTIVE"], "ACTIVE", []),
        (["ACTIVE powering-off", "SHUTOFF"], "SHUTOFF", []),
        (["SHUTOFF powering-on", "ACTIVE", "ACTIVE powering-off", "SHUTOFF"], "SHUTOFF", ["os-stop"]),
    ],
)
def test_what_is_being_done_with_a_server_is_waited_for_first(
    service: Service, looks: list[str], to: str, asked: list[str]
) -> None:
    left, deeds = iter(looks), list[str]()

    def look(request: Handler) -> None:
        state, _, task = next(left, looks[-1]).partition(" ")
        known = {"id": "s1", "tenant_id": "p", "updated": "2026-01-01T00:00:00Z", "OS-EXT-STS:task_state": task or None}
        request.answer(200, {"server": known | {"status": state}})

    def act(request: Handler) -> None:
        deeds.extend(json.loads(request.body))
        request.answer(202, {})

    service.deeds["GET", SERVER] = [look] * 20
    service.deeds["POST", f"{SERVER}/action"] = [act] * 2
    step = context()
    power.bring(step, clouds.cloud(step, "c"), "s1", to)
    assert deeds == asked
    assert next(left, None) is None

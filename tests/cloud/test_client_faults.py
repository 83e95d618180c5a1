"""What the client does with the faults of a network and of overloaded services, against a service on loopback."""

import datetime
import email.utils
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.cloud import transport
from naru.cloud.client import Call, Cloud, CloudError, Unavailable

from .service import Deed, Service, clouds_yaml, cut, empty, reset, serving, short, silence, status

pytestmark = pytest.mark.unit
SERVERS = "/compute/v2.1/servers"
TOKENS = "/identity/v3/auth/tokens"
FAULTS: dict[str, Deed] = {
    **{str(code): status(code) for code in (429, 500, 502, 503, 504)},
    "reset": reset,
    "cut": cut,
    "short": short,
    "empty": empty,
    "silence": silence,
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "PAUSE", 0.01)


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as server:
        yield server


@pytest.fixture
def open_cloud(service: Service, tmp_path: Path) -> Iterator[Callable[..., Cloud]]:
    opened = []

    def make(**more: Any) -> Cloud:
        record = more.pop("record", None)
        # a short one only where it is waited for: a machine under load may answer late, and the tests count
        silent = any(silence in deeds for deeds in service.deeds.values())
        options = {"api_timeout": 1.0 if silent else 30.0, **more}
        opened.append(Cloud("c", config_files=[clouds_yaml(tmp_path, service, **options)], record=record))
        return opened[-1]

    yield make
    for cloud in opened:
        cloud.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_read_is_asked_again(service: Service, open_cloud: Callable[..., Cloud], fault: str) -> None:
    service.deeds["GET", SERVERS] = [FAULTS[fault]] * 2
    assert list(open_cloud().items("compute", "/servers", "servers")) == [{"id": "s1"}]
    assert service.count("GET", SERVERS) == 3


@pytest.mark.parametrize("fault", ["502", "reset", "cut", "silence", "short"])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_what_is_the_same_however_often_it_is_asked_is_asked_again(
    service: Service, open_cloud: Callable[..., Cloud], method: str, fault: str
) -> None:
    service.deeds[method, f"{SERVERS}/s1"] = [FAULTS[fault]]
    open_cloud()("compute", method, "/servers/s1", {"server": {}})
    assert service.count(method, f"{SERVERS}/s1") == 2


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"429", "empty"}))
def test_a_post_is_not_asked_again_by_itself(service: Service, open_cloud: Callable[..., Cloud], fault: str) -> None:
    service.deeds["POST", SERVERS] = [FAULTS[fault]]
    with pytest.raises(Unavailable):
        open_cloud()("compute", "POST", "/servers", {"server": {}})
    assert service.count("POST", SERVERS) == 1


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"empty"}))
def test_a_post_that_may_be_repeated_is(service: Service, open_cloud: Callable[..., Cloud], fault: str) -> None:
    service.deeds["POST", SERVERS] = [FAULTS[fault]]
    assert open_cloud()("compute", "POST", "/servers", {"server": {}}, again=True) == {"servers": [{"id": "s1"}]}
    assert service.count("POST", SERVERS) == 2


def test_a_post_that_was_refused_for_now_is_asked_again(service: Service, open_cloud: Callable[..., Cloud]) -> None:
    service.deeds["POST", SERVERS] = [status(429, Retry_After="1")]
    begun = time.monotonic()
    open_cloud()("compute", "POST", "/servers", {"server": {}})
    assert service.count("POST", SERVERS) == 2 and time.monotonic() - begun >= 1


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize("as_date", [False, True])
def test_who_asks_to_wait_is_waited_for(
    service: Service, open_cloud: Callable[..., Cloud], code: int, as_date: bool
) -> None:
    cloud = open_cloud()
    cloud.endpoint("compute")
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2.5)
    told = email.utils.format_datetime(until, usegmt=True) if as_date else "1"
    service.deeds["GET", SERVERS] = [status(code, Retry_After=told)]
    begun = time.monotonic()
    cloud("compute", "GET", "/servers")
    assert 1 <= time.monotonic() - begun < 10


def test_a_long_wait_is_left_to_who_asked(service: Service, open_cloud: Callable[..., Cloud]) -> None:
    service.deeds["GET", SERVERS] = [status(503, Retry_After="900")]
    service.deeds["POST", SERVERS] = [status(503, Retry_After="7")]
    for method, asked in (("GET", 900), ("POST", 7)):
        with pytest.raises(Unavailable) as caught:
            open_cloud()("compute", method, "/servers", None if method == "GET" else {})
        assert (caught.value.status, caught.value.after) == (503, asked)


@pytest.mark.parametrize("fault", ["500", "reset", "short", "silence"])
def test_a_fault_that_stays_is_told_and_may_pass(
    service: Service, open_cloud: Callable[..., Cloud], fault: str
) -> None:
    service.deeds["GET", SERVERS] = [FAULTS[fault]] * transport.TRIES
    with pytest.raises(Unavailable) as caught:
        open_cloud()("compute", "GET", "/servers")
    assert service.count("GET", SERVERS) == transport.TRIES
    assert "compute does not answer" in str(caught.value) and "secret-of-admin" not in str(caught.value)


def test_what_is_refused_for_good_is_not_asked_again(service: Service, open_cloud: Callable[..., Cloud]) -> None:
    service.deeds["GET", SERVERS] = [status(403)]
    with pytest.raises(CloudError) as caught:
        open_cloud()("compute", "GET", "/servers")
    assert not isinstance(caught.value, Unavailable) and service.count("GET", SERVERS) == 1


@pytest.mark.parametrize("fault", ["503", "reset", "cut", "short"])
def test_tokens_and_versions_are_asked_again(service: Service, open_cloud: Callable[..., Cloud], fault: str) -> None:
    service.deeds["POST", TOKENS] = [FAULTS[fault]]
    service.deeds["GET", "/compute/v2.1/"] = [FAULTS[fault]]
    cloud = open_cloud()
    assert cloud.newest("compute") == (2, 96) and cloud.project_id == "p"


@pytest.mark.parametrize("fault", ["503", "reset", "short"])
def test_a_service_whose_versions_cannot_be_read_is_not_one_without(
    service: Service, open_cloud: Callable[..., Cloud], fault: str
) -> None:
    service.deeds["GET", "/compute/v2.1/"] = [FAULTS[fault]] * transport.TRIES
    cloud = open_cloud()
    with pytest.raises(Unavailable):
        cloud.supports("compute", "2.73")
    assert cloud.supports("compute", "2.73")  # nor is it remembered as one


def test_keystone_that_does_not_answer_is_told_as_such(service: Service, open_cloud: Callable[..., Cloud]) -> None:
    service.deeds["POST", TOKENS] = [reset] * transport.TRIES
    with pytest.raises(Unavailable, match="identity does not answer"):
        assert open_cloud().user_id


def test_a_token_that_ends_in_the_middle_is_renewed(service: Service, open_cloud: Callable[..., Cloud]) -> None:
    cloud = open_cloud()
    other = cloud.acting("q")
    for client in (cloud, other):
        client("compute", "GET", "/servers")
        service.good = set()
        client("compute", "POST", "/servers", {"server": {}})
    # both tokens have ended: that of the administrator is renewed to get one for the project
    service.good = set()
    service.deeds["POST", TOKENS] = [status(401)]
    other("compute", "GET", "/servers")


def test_another_identity_has_the_time_outs_too(service: Service, open_cloud: Callable[..., Cloud]) -> None:
    service.deeds["POST", SERVERS] = [silence]
    other = open_cloud().acting("q", "u", "secret")
    begun = time.monotonic()
    with pytest.raises(Unavailable):
        other("compute", "POST", "/servers", {})
    assert time.monotonic() - begun < 10


def test_there_are_time_outs_without_any_in_clouds_yaml(
    service: Service, open_cloud: Callable[..., Cloud], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "TIMEOUT", (1.0, 0.5))
    service.deeds["GET", SERVERS] = [silence]
    assert open_cloud(api_timeout=None)("compute", "GET", "/servers")


def test_a_stream_is_sent_once(service: Service, open_cloud: Callable[..., Cloud]) -> None:
    cloud = open_cloud(api_timeout=1.0)
    cloud("compute", "GET", "/servers")

    def send() -> None:
        cloud.request("compute", "PUT", "/servers/s1", data=iter([b"one", b"two"]))

    for fault in (status(503), status(429), reset, silence):
        service.deeds["PUT", f"{SERVERS}/s1"] = [fault]
        with pytest.raises(Unavailable):
            send()
    service.good = set()
    with pytest.raises(Unavailable):  # a second request with the new token would have had an empty body
        send()
    send()
    assert service.count("PUT", f"{SERVERS}/s1") == 6


def test_a_service_that_is_being_restarted_is_waited_for(
    service: Service, open_cloud: Callable[..., Cloud], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "PAUSE", 0.5)
    cloud = open_cloud()
    cloud("compute", "GET", "/servers")
    port = service.server_address[1]
    service.shutdown()
    service.server_close()
    cloud.close()  # the connections that are open

    def restart() -> None:
        time.sleep(0.6)
        with serving(port) as other:
            other.good = service.good
            over.wait(20)
            asked.extend(other.asked)

    asked: list[tuple[str, str]] = []
    over = threading.Event()
    thread = threading.Thread(target=restart)
    thread.start()
    cloud("compute", "POST", "/servers", {"server": {}})  # nothing was sent before: it may be asked again
    over.set()
    thread.join()
    assert asked == [("POST", SERVERS)]


def test_every_change_is_recorded_with_what_became_of_it(service: Service, open_cloud: Callable[..., Cloud]) -> None:
    calls: list[Call] = []
    cloud = open_cloud(record=calls.append)
    service.deeds["POST", SERVERS] = [reset, status(409)]
    for _ in range(2):
        with pytest.raises(CloudError):
            cloud("compute", "POST", "/servers", {})
    cloud("compute", "POST", "/servers", {})
    assert [(call.method, call.status) for call in calls] == [("POST", 0), ("POST", 409), ("POST", 202)]

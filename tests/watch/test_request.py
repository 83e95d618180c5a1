"""One request's records are found in all files, each with its reason, and none of another's."""

from pathlib import Path

import pytest

from naru.errors import InputError
from naru.watch.follow import Follower
from naru.watch.formats import KNOWN
from naru.watch.match import Matcher
from naru.watch.place import Here
from naru.watch.request import CAME, FOUND, GLOBAL, NOT_TRUSTED, OWN, SERVER, Joined, Reader, join
from naru.watch.store import Store
from naru.watch.times import Clock

from .lines import line

pytestmark = pytest.mark.unit


def req(number: int) -> str:
    return f"req-{number:08d}-aaaa-4bbb-8ccc-{number:012d}"


SENT, OWN_ID, NEUTRON, EVENT, OTHER = (req(number) for number in range(1, 6))
SERVER_ID = "5e5e5e5e-1111-4222-8333-444444444444"


def at(second: float) -> str:
    return f"2026-10-05 14:42:{second:06.3f}"


def context(own: str, sent: str = "None", user: str = "u1") -> str:
    return f"{sent} {own} {user} p1 - - d d"


ACCESS = '10.0.0.1 "POST /v2.1/servers HTTP/1.1" status: 202 len: 5 time: 0.1'
FILES = {
    "nova-api": [
        line("other's", "INFO", context=context(OTHER), time=at(0)),
        line("booting", "INFO", context=context(OWN_ID, SENT), time=at(1)),
        line(ACCESS, "INFO", "nova.osapi_compute.wsgi.server", context(OWN_ID, SENT), at(2)),
        line("Unable to validate token", "WARNING", "keystonemiddleware.auth_token", context(OWN_ID, SENT), at(3)),
        line(f'"GET /v2.1/servers/{SERVER_ID} HTTP/1.1" status: 200', "INFO", context=context(req(9)), time=at(4)),
        line(f"event for {SERVER_ID}", "INFO", context=context(EVENT), time=at(4.5)),
        line(f"much later {SERVER_ID}", "INFO", context=context(EVENT), time=at(50)),
    ],
    "nova-compute": [
        line(f"[instance: {SERVER_ID}] spawning", "INFO", context=context(OWN_ID, SENT), time=at(2.5)),
        line(f"[instance: {SERVER_ID}] failed", context=context(OWN_ID, SENT), time=at(5)),
        f"{at(5)} 7 ERROR nova.compute.manager Traceback (most recent call last):",
        f"{at(5)} 7 ERROR nova.compute.manager ValueError: x",
        line(f"[instance: {SERVER_ID}] periodic", "INFO", context="-", time=at(6)),
    ],
    "neutron-server": [
        line("port made", "INFO", context=context(NEUTRON, OWN_ID), time=at(2.6)),
        line("without its global id", "INFO", context=context(NEUTRON), time=at(2.7)),
        line("other's", "INFO", context=context(req(8)), time=at(2.8)),
    ],
}


@pytest.fixture(params=["read", "not read"])
def reader(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """By the index, and with nothing but the first record of each file in it."""
    monkeypatch.setattr("naru.watch.follow.QUIET", 0)
    place = Here("h1")
    store = Store(tmp_path / "watch", make=True)
    follower = Follower(store, place, [str(tmp_path / "*.log")], KNOWN, Matcher([]), Clock(None))
    for name, lines in FILES.items():
        first = 1 if request.param == "not read" else len(lines)
        (tmp_path / f"{name}.log").write_text("\n".join(lines[:first]) + "\n")
    list(follower.round())
    for name, lines in FILES.items():
        (tmp_path / f"{name}.log").write_text("\n".join(lines) + "\n")
    return Reader(store, {"h1": place}, KNOWN, Clock(None))


def told(found: list[Joined]) -> list[tuple[str, str, str]]:
    return [(one.program, one.record.message[:12], one.reason) for one in found]


def test_by_its_own_id(reader: Reader) -> None:
    found = join(reader, OWN_ID)
    assert told(found) == [
        ("nova-api", "booting", OWN),
        ("nova-api", ACCESS[:12], OWN),
        ("nova-compute", "spawning", OWN),
        ("neutron-server", "port made", GLOBAL),
        ("neutron-server", "without its ", FOUND),
        ("nova-api", "Unable to va", NOT_TRUSTED),
        ("nova-api", "event for 5e", SERVER),
        ("nova-compute", "failed", OWN),
        ("nova-compute", "periodic", SERVER),
    ]
    assert [one.trusted for one in found].count(False) == 1
    assert next(one for one in found if one.record.message == "failed").record.traceback[-1] == "ValueError: x"


def test_by_the_id_that_it_was_sent(reader: Reader) -> None:
    """And without `req-`, as some stores keep it."""
    found = join(reader, SENT[4:])
    assert {one.record.message for one in found} == {one.record.message for one in join(reader, OWN_ID)}
    assert {one.reason for one in found if one.program == "nova-compute"} == {GLOBAL, SERVER}


def test_by_the_id_of_a_request_that_it_made(reader: Reader) -> None:
    """Neutron's id leads to what it was asked by, and not to all that Nova had to do."""
    assert ("neutron-server", "port made", OWN) in told(join(reader, NEUTRON))
    assert (CAME, OWN_ID) in {(one.reason, one.record.request_id) for one in join(reader, NEUTRON)}


def test_another_request(reader: Reader) -> None:
    assert told(join(reader, OTHER)) == [("nova-api", "other's", OWN)]
    assert join(reader, req(77)) == []


@pytest.mark.parametrize("text", ["req-1", "", "volume"])
def test_what_is_no_id(reader: Reader, text: str) -> None:
    with pytest.raises(InputError, match="no request id"):
        join(reader, text)

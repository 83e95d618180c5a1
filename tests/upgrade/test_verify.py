"""What differs between the readings before and after an upgrade, and what of it is wrong."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from naru.inventory.archive import Archive
from naru.inventory.kinds import BY_NAME
from naru.inventory.read import Reading
from naru.inventory.rows import Row
from naru.upgrade.verify import judge

pytestmark = pytest.mark.unit

SERVERS = [{"id": "1", "name": "web", "status": "ACTIVE", "description": None}, {"id": "2", "name": "db"}]


def judged(
    path: Path,
    before: Sequence[Mapping[str, Any]],
    after: Sequence[Mapping[str, Any]],
    kind: str = "server",
    problem: str = "",
    earlier: str = "",
) -> list[tuple[Any, ...]]:
    """The judgement, the change, the field and the number of each difference."""
    with Archive(path / "archive.db") as archive:
        for bodies, said in ((before, earlier), (after, problem)):
            number = archive.begin("seoul")
            archive.add(number, [Row.of(BY_NAME[kind], dict(body)) for body in bodies])
            archive.end(number, [Reading(kind, len(bodies), said, bool(said))])
        return [(one.judged, one.change, one.field, one.number) for one in judge(archive, 1, 2)]


def but(**fields: Any) -> list[dict[str, Any]]:
    return [{**SERVERS[0], **fields}, SERVERS[1]]


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (SERVERS, []),
        (SERVERS[:1], [("wrong", "removed", "", 1)]),
        ([*SERVERS, {"id": "3"}], [("new", "added", "", 1)]),
        (but(status="SHUTOFF"), [("wrong", "changed", "status", 1)]),
        # null is a value, of one as of all
        (but(description="x"), [("wrong", "changed", "description", 1)]),
        (but(locked=False), [("another release's", "changed", "locked", 1)]),
        ([{**one, "locked": None} for one in SERVERS], [("another release's", "changed", "locked", 2)]),
        # gone of all things, or of one
        (
            [{"id": "1", "status": "ACTIVE", "description": None}, {"id": "2"}],
            [("another release's", "changed", "name", 2)],
        ),
        ([{"id": "1", "status": "ACTIVE", "description": None}, SERVERS[1]], [("wrong", "changed", "name", 1)]),
        (but(updated="2026-11-30", links=[]), []),
    ],
)
def test_what_is_gone_or_changed_is_wrong(
    tmp_path: Path, after: list[dict[str, Any]], said: list[tuple[Any, ...]]
) -> None:
    assert judged(tmp_path, SERVERS, after) == said


def test_services_may_say_something_else_of_themselves_and_have_to_be_there(tmp_path: Path) -> None:
    service = {"id": "1", "binary": "nova-compute", "host": "c1", "state": "up", "status": "enabled"}
    assert judged(tmp_path, [service], [{**service, "state": "down", "new": 1}], "compute service") == []


def test_a_service_that_is_gone_is_wrong(tmp_path: Path) -> None:
    service = {"id": "1", "binary": "nova-compute", "host": "c1", "state": "up", "status": "enabled"}
    assert judged(tmp_path, [service], [], "compute service") == [("wrong", "removed", "", 1)]


def test_a_list_that_cannot_be_read_any_more_is_wrong(tmp_path: Path) -> None:
    assert ("wrong", "not read", "", 0) in judged(tmp_path, SERVERS, SERVERS, problem="403")


@pytest.mark.parametrize("now", ["", "500"])
def test_what_could_not_be_read_before_is_not_known(tmp_path: Path, now: str) -> None:
    assert judged(tmp_path, [], [], earlier="500", problem=now) == [("not known", "not read before", "", 0)]

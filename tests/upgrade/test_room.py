"""Room on the disks of database servers."""

from pathlib import Path
from typing import Any

import pytest

from naru.errors import NaruError
from naru.site import site as sites
from naru.upgrade.check import room
from naru.upgrade.check.room import Needs, judged
from naru.upgrade.check.rows import Denied
from naru.upgrade.finding import Span

pytestmark = pytest.mark.unit
GIB = 1 << 30
NEEDS = Needs(10 * GIB, 2 * GIB, "/var/lib/mysql/", "/srv/sorting")


def told(text: str | NaruError, needs: Needs = NEEDS) -> list[tuple[str, str]]:
    return [(one.state, one.what) for one in judged("main", "2026.1", needs, {"db1": text})]


def test_all_of_it_has_room_beside_itself_and_the_largest_table_where_it_is_sorted() -> None:
    assert {state for state, _ in told(f"/srv {10 * GIB}\n/ {2 * GIB}\n")} == {"right"}
    assert ("blocks", "10.0 GiB are needed in /var/lib/mysql/, and 9.0 GiB are free") in told(
        f"/srv {9 * GIB}\n/ {2 * GIB}\n"
    )
    assert ("blocks", "2.0 GiB are needed in /srv/sorting, and 0 B are free") in told(f"/srv {10 * GIB}\n/ 0\n")
    # one disk for both
    assert {state for state, _ in told(f"/ {11 * GIB}\n/ {11 * GIB}\n")} == {"blocks"}
    assert {state for state, _ in told(f"/ {12 * GIB}\n/ {12 * GIB}\n")} == {"right"}


def test_of_one_table_there_is_room_for_two() -> None:
    needs = NEEDS._replace(bytes=3 * GIB)
    assert {state for state, _ in told(f"/srv {4 * GIB}\n/ {2 * GIB}\n", needs)} == {"right"}
    assert "blocks" in {state for state, _ in told(f"/srv {4 * GIB - 1}\n/ {2 * GIB}\n", needs)}


def test_what_cannot_be_seen_is_not_known() -> None:
    assert {state for state, _ in told("\n\n")} == {"unknown"}
    assert told(NaruError("db1: no answer")) == [
        ("unknown", "whether there is room beside the databases: db1: no answer")
    ]


def test_a_database_that_does_not_let_one_see_it_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def needs(*_: Any) -> Needs:
        raise Denied("Query execution was interrupted")

    monkeypatch.setattr(room, "_needs", needs)
    monkeypatch.setattr(room, "asked_anywhere", lambda site, fleet, database, work, seconds: work(None))
    database = {"name": "main", "kind": "mariadb", "hosts": ["db1"], "user": "root"}
    content = {
        "naru_site": 1,
        "name": "seoul",
        "hosts": [{"name": "db1", "address": "10.0.0.1"}],
        "databases": [{**database, "password": {"file": "/nowhere"}}],
    }
    (found,) = room.check(sites.parse(content, Path("site.yaml")), None, Span("pike", "queens"), [])  # type: ignore[arg-type]
    assert (found.state, found.where) == ("unknown", "main") and "was interrupted" in found.what

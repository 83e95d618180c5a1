"""Room on the disks of database servers."""

import pytest

from naru.errors import NaruError
from naru.upgrade.check.room import Needs, judged

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

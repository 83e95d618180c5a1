"""The archive: what goes in comes out, whatever it is, and what cannot be read is said so."""

import re
import sqlite3
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naru.errors import InputError
from naru.inventory.archive import Archive
from naru.inventory.compare import compare
from naru.inventory.kinds import BY_NAME, DATA, ELSEWHERE, ITSELF, KINDS, MEMBER, RESOURCES, values
from naru.inventory.read import Reading
from naru.inventory.rows import Row

pytestmark = pytest.mark.unit

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)

# what stands in the path of a kind that is no list of a service
OTHERS: dict[str, set[str]] = {
    **{MEMBER: {"project", "user"}, RESOURCES: {"resources"}, DATA: {"image"}},
    **{ITSELF: set(), ELSEWHERE: set()},
}


def network(identity: str, **fields: Any) -> Row:
    return Row.of(BY_NAME["network"], {"id": identity, "name": f"n-{identity}", "project_id": "p", **fields})


@settings(max_examples=40)
@given(body=st.dictionaries(st.text(), JSON))
def test_every_value_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, body: dict[str, Any]) -> None:
    row = Row("network", "1", "n", "p", "", {**body, "off": False, "zero": 0, "empty": "", "nothing": None})
    with Archive(tmp_path_factory.mktemp("archive") / "archive.db") as archive:
        archive.add(archive.begin("old"), [row])
        assert list(archive.rows(1)) == [row]


def test_things_are_found_by_id_and_name_the_newest_first(tmp_path: Path) -> None:
    with Archive(tmp_path / "archive.db") as archive:
        for mtu in (1450, 1442):
            number = archive.begin("old")
            archive.add(number, [network("a", mtu=mtu), network("b")])
            archive.end(number, [Reading("network", 2)])
        assert [(number, row.body["mtu"]) for number, row in archive.find("a")] == [(2, 1442), (1, 1450)]
        assert [row.id for _, row in archive.find("n-b", 1)] == ["b"]
        assert archive.find("a'; --") == []
        assert [row.id for row in archive.rows(1, kind="network", project="p")] == ["a", "b"]
        assert list(archive.rows(1, project="other")) == [] == list(archive.rows(1, kind="port"))


def test_who_names_a_thing_is_known(tmp_path: Path) -> None:
    port = Row.of(
        BY_NAME["port"],
        {
            "id": "p1",
            "name": "",
            "network_id": "a",
            "fixed_ips": [{"subnet_id": "s1"}, {"subnet_id": "s2"}],
            "security_groups": [],
            "device_id": "",
            "qos_policy_id": None,
        },
    )
    assert list(port.references()) == [
        ("network_id", "network", "a"),
        ("fixed_ips.*.subnet_id", "subnet", "s1"),
        ("fixed_ips.*.subnet_id", "subnet", "s2"),
    ]
    with Archive(tmp_path / "archive.db") as archive:
        archive.add(archive.begin("old"), [network("a"), port])
        assert archive.users_of(1, "s2") == [("port", "p1", "fixed_ips.*.subnet_id")]
        assert archive.users_of(1, "p1") == []


def test_an_interrupted_snapshot_is_seen_as_such(tmp_path: Path) -> None:
    with Archive(tmp_path / "archive.db") as archive:
        archive.add(archive.begin("old"), [network("a")])
    with Archive(tmp_path / "archive.db", create=False) as archive:
        (snapshot,) = archive.snapshots()
        assert (snapshot.ended, snapshot.readings) == ("", ())


def test_a_thing_that_came_twice_is_there_once(tmp_path: Path) -> None:
    with Archive(tmp_path / "archive.db") as archive:
        number = archive.begin("old")
        archive.add(number, [network("a", mtu=1)])
        archive.add(number, [network("a", mtu=2)])
        assert [row.body["mtu"] for row in archive.rows(number)] == [2]


def test_many_threads_may_write_while_one_reads(tmp_path: Path) -> None:
    with Archive(tmp_path / "archive.db") as archive:
        number = archive.begin("old")

        def write(part: int) -> None:
            for item in range(50):
                archive.add(number, [network(f"{part}-{item}")])
                list(archive.rows(number))

        threads = [threading.Thread(target=write, args=(part,)) for part in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(list(archive.rows(number))) == 200


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "work" / "archive.db"
    with Archive(file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_is_no_archive_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    other, text, newer = tmp_path / "other.db", tmp_path / "text", tmp_path / "newer.db"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE theirs (id)")
    text.write_text("no database at all, but long enough to be looked at " * 20)
    with sqlite3.connect(newer) as database:
        database.execute("PRAGMA user_version = 99")
    for file, message in ((other, "no archive of Naru's"), (text, "is not an archive"), (newer, "newer Naru")):
        before = file.read_bytes()
        with pytest.raises(InputError, match=message):
            Archive(file)
        assert file.read_bytes() == before
    with pytest.raises(InputError, match="there is no archive"):
        Archive(tmp_path / "absent.db", create=False)
    assert not (tmp_path / "absent.db").exists()


def test_the_table_of_kinds_is_consistent() -> None:
    for kind in KINDS:
        assert set(kind.references.values()) <= {*BY_NAME, "device", "resource of a stack"}, kind.name
        if kind.each in OTHERS:
            assert set(re.findall(r"{(.*?)}", kind.path)) == OTHERS[kind.each], kind.name
            continue
        assert bool(kind.each) == ("{id}" in kind.path) == bool(kind.parent), kind.name
        assert not kind.each or BY_NAME[kind.each].each == "", kind.name
    assert len(BY_NAME) == len(KINDS)


def test_paths_lead_to_every_value_there_is() -> None:
    body = {"a": [{"b": 1}, {"b": None}, {}, {"b": False}], "c": {"d": 0}, "e": "text"}
    assert list(values(body, "a.*.b")) == [1, None, False]
    assert list(values(body, "c.d")) == [0]
    assert list(values(body, "e.d")) == [] == list(values(body, "x.*")) == list(values(body, "c.*"))


def test_a_comparison_tells_what_came_went_and_changed_and_nothing_else(tmp_path: Path) -> None:
    before = [
        network("a", mtu=1450, tags=["x", "y"], updated_at="1", shared=False, dns=["1", "2"]),
        network("b"),
        network("c", project_id="other"),
    ]
    after = [
        network("a", mtu=1442, tags=["y", "x"], updated_at="2", shared=0, dns=["2", "1"], vlan=None),
        network("c", project_id="other", mtu=1),
        network("d"),
    ]
    with Archive(tmp_path / "archive.db") as archive:
        for rows in (before, after):
            archive.add(archive.begin("old"), rows)
        found = [(item.change, item.id, item.field, item.before, item.after) for item in compare(archive, 1, 2)]
        assert found == [
            ("changed", "a", "dns", ["1", "2"], ["2", "1"]),
            ("changed", "a", "mtu", 1450, 1442),
            ("changed", "a", "shared", False, 0),
            ("changed", "a", "vlan", None, None),
            ("removed", "b", "", None, None),
            ("changed", "c", "mtu", None, 1),
            ("added", "d", "", None, None),
        ]
        assert list(compare(archive, 1, 1)) == []
        assert {item.id for item in compare(archive, 1, 2, "p")} == {"a", "b", "d"}


def test_proofs_of_a_volume_are_found_from_either_side(tmp_path: Path) -> None:
    chain = [{"at": "2026-11-21T01:00:00+00:00", "size": 0, "repaired": [[0, 65536]]}]
    with Archive(tmp_path / "archive.db") as archive:
        assert archive.proofs("v") == []  # nor in an archive of before there were any
        archive.add_proofs("v", "w", chain[:0])
        archive.add_proofs("v", "w", chain)
        archive.add_proofs("v", "x", [])
    with Archive(tmp_path / "archive.db", create=False) as archive:
        assert archive.proofs("w") == [{"volume": "v", "target": "w", "proofs": chain}]
        assert [found["target"] for found in archive.proofs("v")] == ["w", "x"]
        assert archive.proofs("'; --") == []

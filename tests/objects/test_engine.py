"""The engine beside a stand-in: what is asked and how often, faults, and what is remembered."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naru.cloud.client import Unavailable
from naru.errors import InputError, NaruError
from naru.objects import wire
from naru.objects.engine.compared import together
from naru.objects.engine.copy import PassResult, copy
from naru.objects.engine.state import Carried, State, opened
from naru.objects.engine.verify import verify
from naru.objects.headers import second
from naru.objects.listing import Entry
from naru.objects.mapping import Mapping, load
from naru.objects.where import parse
from naru.objects.wire import Account
from naru.volumes.control import Control

from .stand_in import Cloud, StandIn, standing

pytestmark = pytest.mark.unit


class Sides(NamedTuple):
    old: StandIn
    new: StandIn
    source: Account
    target: Account
    state: Path

    def copy(self, **options: Any) -> PassResult:
        return copy(self.source, self.target, self.state, **options)

    def contents(self) -> dict[str, dict[str, bytes]]:
        return {name: {key: one.body for key, one in held.items()} for name, held in self.new.containers.items()}


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sides]:
    monkeypatch.setattr(wire, "LONGEST_PAUSE", 0.01)
    with ExitStack() as stack:
        old, new = (stack.enter_context(standing()) for _ in range(2))
        accounts = []
        for name, server in (("old", old), ("new", new)):
            cloud: Any = Cloud(server)
            accounts.append(Account(cloud, name, server.url))
            stack.callback(accounts[-1].close)
        yield Sides(old, new, accounts[0], accounts[1], tmp_path / "state")


def test_a_pass_carries_all_and_the_next_asks_for_listings_alone(sides: Sides) -> None:
    for number in range(250):  # three pages
        sides.old.put("c", f"{number:04}", b"x" * number, x_object_meta_number=str(number))
    done = sides.copy()
    assert (done.copied, done.same, done.bytes, done.problems) == (250, 0, sum(range(250)), [])
    assert sides.new.containers["c"]["0007"].headers["x-object-meta-number"] == "7"
    sides.old.asked.clear(), sides.new.asked.clear()
    done = sides.copy()
    assert (done.number, done.same, done.copied) == (2, 250, 0)
    for server in (sides.old, sides.new):
        kinds = [(method, name) for method, _, name in server.asked]
        assert ("GET", "") in kinds and not [one for one in kinds if one[1]]
        assert sum(one == ("GET", "c", "") for one in server.asked) == 3


def test_only_what_changed_is_carried(sides: Sides) -> None:
    for name in "abcdef":
        sides.old.put("c", name, name.encode())
    sides.copy()
    sides.old.put("c", "b", b"changed")
    sides.old.put("c", "new", b"")
    sides.old.put("c", "d", b"d", x_object_meta_color="red")
    del sides.old.containers["c"]["e"]
    sides.new.put("c", "theirs", b"of others")
    sides.new.put("c", "f", b"written there")
    done = sides.copy()
    assert (done.copied, done.metadata, done.deleted, done.others, done.same) == (3, 1, 1, 1, 2)
    found = sides.contents()["c"]
    assert found == {"a": b"a", "b": b"changed", "c": b"c", "d": b"d", "f": b"f", "new": b"", "theirs": b"of others"}
    assert sides.new.containers["c"]["d"].headers["x-object-meta-color"] == "red"
    assert sides.copy(delete_others=True).deleted == 1
    assert "theirs" not in sides.contents()["c"]


def test_what_a_killed_pass_did_is_found_and_not_carried_again(sides: Sides) -> None:
    for name in "abc":
        sides.old.put("c", name, name.encode(), x_object_meta_color="red")
        sides.new.put("c", name, name.encode(), x_object_meta_color="blue" if name == "b" else "red")
    done = sides.copy()
    assert (done.same, done.metadata, done.copied, done.bytes) == (2, 1, 0, 0)
    assert not [one for one in sides.new.asked if one[0] == "PUT" and one[2]]


def test_a_deleted_object_that_others_replaced_stays_and_is_told(sides: Sides) -> None:
    sides.old.put("c", "a", b"a")
    sides.copy()
    del sides.old.containers["c"]["a"]
    sides.new.put("c", "a", b"of others")
    assert sides.copy().others == 1
    assert sides.contents()["c"] == {"a": b"of others"}


def test_a_container_that_is_gone_takes_its_objects_along(sides: Sides) -> None:
    sides.old.put("c", "a", b"a")
    sides.old.put("other", "b", b"b")
    sides.copy()
    del sides.old.containers["c"]
    assert sides.copy().deleted == 1
    assert sides.contents()["c"] == {}


def test_a_broken_answer_goes_on_where_it_was(sides: Sides) -> None:
    body = bytes(range(256)) * 20000  # 5 MB
    sides.old.put("c", "large", body)
    sides.old.deeds["GET", "large"] = [lambda one: one.cut(3_000_000)]
    done = sides.copy()
    assert (done.copied, done.problems) == (1, [])
    assert sides.contents()["c"]["large"] == body
    assert [one[2] for one in sides.old.asked if one[0] == "GET"].count("large") == 2


@pytest.mark.parametrize("status", [500, 503, 429, 498])
def test_what_fails_for_a_while_is_asked_again(sides: Sides, status: int) -> None:
    for name in ("small", "large"):
        sides.old.put("c", name, b"x" * (10 if name == "small" else 3 << 20))
        sides.old.deeds["GET", name] = [lambda one: one.answer(status)] * 2
        sides.new.deeds["PUT", name] = [lambda one: one.answer(status)] * 2
    assert sides.copy().copied == 2


def test_a_token_that_ended_is_renewed(sides: Sides) -> None:
    sides.old.put("c", "large", b"x" * (3 << 20))
    sides.old.token = sides.new.token = "token-2"
    assert sides.copy().copied == 1


def test_what_is_refused_concerns_one_object(sides: Sides) -> None:
    for name in ("a", "b", "c"):
        sides.old.put("c", name, b"x")
    sides.new.deeds["PUT", "b"] = [lambda one: one.answer(413, b"too large")]
    done = sides.copy()
    assert done.copied == 2 and len(done.problems) == 1 and done.number == 0
    assert "c/b: new: PUT 'c/b' is refused (413) too large" in done.problems[0]
    done = sides.copy()
    assert (done.copied, done.number, done.problems) == (1, 1, [])


def test_what_arrived_otherwise_is_refused_by_the_target_and_carried_again(sides: Sides) -> None:
    sides.old.put("c", "a", b"right")
    sides.old.deeds["GET", "a"] = [lambda one: one.answer(200, b"wrong", etag=sides.old.containers["c"]["a"].etag)]
    assert sides.copy().copied == 1
    assert sides.contents()["c"] == {"a": b"right"}


def test_an_object_that_is_listed_and_not_given_is_told(sides: Sides) -> None:
    sides.old.put("c", "a", b"a")
    sides.copy()
    sides.old.put("c", "a", b"b")
    sides.old.deeds["HEAD", "a"] = [lambda one: one.answer(404)]
    done = sides.copy()
    assert (done.missing, done.problems) == (1, [])
    assert sides.contents()["c"] == {"a": b"a"}  # a replica may be late: it is not deleted for that
    assert sides.copy().copied == 1


def test_a_cloud_that_does_not_answer_ends_the_pass(sides: Sides) -> None:
    sides.old.put("c", "a", b"a")
    sides.new.deeds["GET", ""] = sides.new.deeds["HEAD", ""] = [lambda one: one.answer(503)] * 50
    with pytest.raises(Unavailable, match="new: object storage does not answer"):
        sides.copy()
    sides.new.deeds.clear()
    assert sides.copy().copied == 1


def test_the_cap_may_be_changed_while_it_runs(sides: Sides) -> None:
    for number in range(4):
        sides.old.put("c", str(number), b"x" * (2 << 20))
    cap = [1 << 17]
    threading.Timer(1.0, lambda: cap.__setitem__(0, 1 << 30)).start()
    began = time.monotonic()
    assert sides.copy(control=Control(rate=lambda: cap[0])).copied == 4
    assert 1.0 <= time.monotonic() - began < 30  # with the first cap it would take 63 s


def test_an_end_that_is_asked_for_comes_at_once_and_the_next_goes_on(sides: Sides) -> None:
    for number in range(50):
        sides.old.put("c", str(number), b"x" * 10000)
    sides.old.put("c", "large", b"x" * (8 << 20))
    began = time.monotonic()

    def check() -> None:
        if time.monotonic() - began > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sides.copy(control=Control(check=check, rate=lambda: 100_000))
    assert time.monotonic() - began < 30  # with the cap it would take 80 s
    had = len(sides.contents().get("c", {}))
    done = sides.copy()
    assert done.copied == 51 - had and done.same == had


def test_verification_finds_each_difference(sides: Sides) -> None:
    for name in ("same", "etag", "gone", "meta"):
        sides.old.put("c", name, b"abc", x_object_meta_color="red")
    sides.copy()
    assert verify(sides.source, sides.target, metadata=True, content=True).equal
    sides.new.put("c", "etag", b"abd")
    sides.new.put("c", "meta", b"abc", x_object_meta_color="blue")
    sides.new.put("c", "more", b"abc")
    del sides.new.containers["c"]["gone"]
    found = verify(sides.source, sides.target)
    assert not found.equal and len(found.different) == 3, found.different
    found = verify(sides.source, sides.target, metadata=True)
    assert sorted(found.different) == [
        f"c/etag: has the ETags {sides.old.containers['c']['etag'].etag} and {sides.new.containers['c']['etag'].etag}",
        "c/etag: x-object-meta-color",
        "c/gone: is not on new",
        "c/meta: x-object-meta-color",
        "c/more: is not on old",
    ]


def test_the_state_belongs_to_one_pair_and_one_process(sides: Sides) -> None:
    sides.old.put("c", "a", b"a")
    sides.copy()
    with pytest.raises(InputError, match="is the state of another copy"):
        copy(sides.target, sides.source, sides.state)
    with (
        opened(sides.state, sides.source.url, sides.target.url),
        pytest.raises(NaruError, match="being used by another process"),
    ):
        sides.copy()
    with pytest.raises(InputError, match="has no container 'none'"):
        sides.copy(only=["none"])
    with pytest.raises(InputError, match="are one account"):
        copy(sides.source, sides.source, sides.state)
    (sides.state / "objects.db").write_bytes(b"no database" * 100)
    for more in ("-wal", "-shm"):
        (sides.state / f"objects.db{more}").unlink(missing_ok=True)
    with pytest.raises(InputError, match=r"objects\.db cannot be used"):
        sides.copy()


@given(st.lists(st.sets(st.text(max_size=3), max_size=12), min_size=3, max_size=3))
def test_all_names_are_gone_through_in_the_order_of_listings(names: list[set[str]]) -> None:
    here, there, known = (sorted(one, key=lambda name: name.encode("utf-8", "surrogatepass")) for one in names)
    entry = lambda name: Entry(name, "", 0, "", "")  # noqa: E731
    rows = list(together(map(entry, here), map(entry, there), (Carried(entry(one), "plain", "", 0) for one in known)))
    assert [row.name for row in rows] == sorted(set().union(*names))
    for row in rows:
        assert [row.here is not None, row.there is not None, row.known is not None] == [
            row.name in one for one in names
        ]


def test_what_was_carried_is_read_page_by_page_while_it_is_written(tmp_path: Path) -> None:
    with State(tmp_path / "objects.db") as state:
        for number in range(12000):
            state.record("c", Carried(Entry(f"{number:05}", "", number, "", ""), "plain", "", 0))
        seen = 0
        for one in state.carried("c"):
            seen += 1
            state.forget("c", one.entry.name)
        assert seen == 12000 and not list(state.carried("c"))


P, Q, U, V, S = ("a" * 32, "b" * 32, "c" * 32, "d" * 32, "e" * 32)


@pytest.mark.parametrize(
    ("given", "kept", "lost"),
    [
        (".r:*,.rlistings", ".r:*,.rlistings", []),
        (".r:-bad.example.com,.r:.example.com", ".r:-bad.example.com,.r:.example.com", []),
        (f"{P}:{U}, {P}:*,*:{U}", f"{Q}:{V},{Q}:*,*:{V}", []),
        (f"{S}:{U},{P}:{S},*:*", "*:*", [f"{S}:{U}", f"{P}:{S}"]),
        (f"member,shop:ann,{P},{S}", f"member,shop:ann,{Q}", [S]),
        ("", "", []),
    ],
)
def test_access_lists_are_mapped(given: str, kept: str, lost: list[str]) -> None:
    assert Mapping({P: Q}, {U: V}).access(given) == (kept, lost)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[a]", "is not a mapping"),
        ("project: {a: b}", "project: there is no such field"),
        ("users: [a]", "users: is not a mapping of old to new"),
        ("users: {a: 7}", "users.a: 7 is not a text"),
        ("users: {", "is not YAML"),
    ],
)
def test_a_map_that_is_wrong_is_told_by_file_and_field(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(InputError, match=r"map\.yaml") as raised:
        load(tmp_path / "map.yaml")
    assert says in str(raised.value)


def test_an_account_is_named_by_cloud_and_project() -> None:
    assert parse("old") == ("old", "") and parse("old/shop") == ("old", "shop")
    for text in ("", "/shop", "old/"):
        with pytest.raises(InputError, match="is no account"):
            parse(text)


def test_a_moment_is_rounded_up_as_services_do() -> None:
    assert second("2026-12-01T00:00:00.000000") == 1796083200
    assert second("2026-12-01T00:00:00.000010") == 1796083201
    assert second("2026-12-01T00:00:00") == 1796083200 and second("") == 0

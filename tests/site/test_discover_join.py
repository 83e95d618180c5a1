"""Which names are of one host, and many of them as few lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naru.site.discover.found import HOST, Gap, HostSeen, Source, said_once
from naru.site.discover.join import Hosts
from naru.site.discover.ranges import fold, fold_names
from naru.site.names import expand

pytestmark = pytest.mark.unit

NAME = st.from_regex(r"[a-c0-2.-]{1,6}", fullmatch=True)
COUNTED = st.tuples(
    st.sampled_from(("node", "rack1-n", "")), st.integers(0, 120), st.integers(1, 3), st.sampled_from(("", ".a", "x2"))
).map(lambda one: f"{one[0]}{one[1]:0{one[2]}}{one[3]}")
ADDRESS = st.one_of(st.just(""), st.integers(0, 40).map(lambda last: f"10.0.0.{last}"), NAME)


@given(st.lists(st.tuples(st.one_of(COUNTED, NAME), ADDRESS), max_size=40))
def test_folded_rows_are_the_same_rows(rows: list[tuple[str, str]]) -> None:
    back = []
    for name, address in fold(rows):
        names = expand(name)
        back += list(zip(names, expand(address) if address else [""] * len(names), strict=True))
    assert back == rows


@pytest.mark.parametrize(
    ("names", "folded"),
    [
        ([f"compute{number:03}" for number in range(1, 301)], ["compute[001:300]"]),
        (["node9", "node10", "node11"], ["node[9:11]"]),
        (["node09", "node10", "node011"], ["node[09:10]", "node011"]),
        (["n1", "n3", "n2", "n5"], ["n[1:3]", "n5"]),
        (["r1-n1", "r1-n2", "r2-n1", "r2-n2"], ["r1-n[1:2]", "r2-n[1:2]"]),
        (["ctl1.a.org", "ctl2.a.org"], ["ctl[1:2].a.org"]),
        (["db", "db"], ["db"]),
    ],
)
def test_names_as_ranges(names: list[str], folded: list[str]) -> None:
    assert fold_names(names) == folded


def test_an_address_counts_up_with_its_name() -> None:
    rows = [("c1", "10.0.0.254"), ("c2", "10.0.0.255"), ("c3", "10.0.1.0"), ("c4", "10.0.1.1"), ("c5", "10.0.1.1")]
    assert fold(rows) == [("c[1:2]", "10.0.0.[254:255]"), ("c[3:4]", "10.0.1.[0:1]"), ("c5", "10.0.1.1")]


def joined(*sources: list[HostSeen]) -> tuple[Hosts, list[Source]]:
    made = [Source(f"source {number}", hosts=hosts) for number, hosts in enumerate(sources)]
    return Hosts(made), made


def test_a_host_has_short_and_full_names_and_addresses() -> None:
    hosts, (inventory, nova, looked) = joined(
        [HostSeen("ctl1", address="10.0.0.11"), HostSeen("10.0.0.21", login={"user": "a"})],
        [
            HostSeen("ctl1.example.org", names=("hyper1.example.org",)),
            HostSeen("compute1", names=("compute1.example.org",), address="10.0.0.21", zone="nova"),
        ],
        [HostSeen("hyper1.example.org", machine="m1", addresses=("10.9.9.9",))],
    )
    assert list(hosts.hosts) == ["ctl1", "compute1"]
    assert hosts.of(nova, "ctl1.example.org") == hosts.of(looked, "hyper1.example.org") == "ctl1"
    compute = hosts.hosts["compute1"]
    assert hosts.of(inventory, "10.0.0.21") == "compute1"
    assert (compute.address, compute.zone, compute.login) == ("10.0.0.21", "nova", {"user": "a"})
    assert hosts.gaps == []


def test_a_name_that_may_be_of_two_is_told() -> None:
    hosts, (_, nova) = joined(
        [HostSeen("ctl1.a.org", address="10.0.0.1"), HostSeen("ctl1.b.org", address="10.0.0.2")], [HostSeen("ctl1")]
    )
    assert list(hosts.hosts) == ["ctl1.a.org", "ctl1.b.org"]
    assert hosts.of(nova, "ctl1") == ""
    assert hosts.gaps[0].field == "hosts.ctl1"
    assert "may be each of ctl1.a.org, ctl1.b.org" in hosts.gaps[0].why


def test_bridges_and_names_of_cloned_machines_join_nothing() -> None:
    hosts, _ = joined(
        [HostSeen("a", address="10.0.0.1"), HostSeen("b", address="10.0.0.2")],
        [
            HostSeen("a", names=("ubuntu",), addresses=("10.0.0.1", "172.17.0.1"), machine="1"),
            HostSeen("b", names=("ubuntu",), addresses=("10.0.0.2", "172.17.0.1"), machine="2"),
        ],
    )
    assert list(hosts.hosts) == ["a", "b"]


def test_what_a_host_shows_joins_what_others_call_it() -> None:
    """Nova has it by a name of its own, with an address of another network."""
    hosts, (_, nova, _) = joined(
        [HostSeen("rack1-u3", address="10.0.0.3")],
        [HostSeen("cmp03", address="192.168.0.3")],
        [HostSeen("rack1-u3", names=("cmp03",), addresses=("10.0.0.3", "192.168.0.3"), machine="m")],
    )
    assert list(hosts.hosts) == ["rack1-u3"]
    assert hosts.of(nova, "cmp03") == "rack1-u3"


def test_ports_of_one_address_are_several_hosts() -> None:
    hosts, _ = joined(
        [
            HostSeen("a", address="192.0.2.1", login={"port": 2201}),
            HostSeen("b", address="192.0.2.1", login={"port": 2202}),
            HostSeen("c", address="192.0.2.9"),
            HostSeen("d", address="192.0.2.9"),
        ]
    )
    assert list(hosts.hosts) == ["a", "b", "c"]
    assert "c, d have the one address 192.0.2.9" in hosts.gaps[0].why


def test_what_is_no_host_is_told() -> None:
    hosts, _ = joined([HostSeen("a")], [HostSeen("volumes", joins=True), HostSeen("a", joins=True)])
    assert list(hosts.hosts) == ["a"]
    assert hosts.gaps[0].field == "hosts.volumes"


def test_what_is_the_same_on_many_hosts_is_said_once() -> None:
    many = [Gap(f"hosts.{HOST}.login", f"no password of {HOST}", "Give it.", f"n{number}") for number in range(1, 301)]
    one = Gap(f"hosts.{HOST}", f"{HOST} is off", "On.", "n7")
    assert said_once([*many, one, many[0]]) == [
        Gap("hosts.login", "no password of n[1:300]", "Give it."),
        Gap("hosts.n7", "n7 is off", "On."),
    ]

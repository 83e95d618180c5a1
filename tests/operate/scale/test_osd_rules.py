"""New OSDs: what is in the way, when data is held, and what is put back."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from naru.messages import say
from naru.operate.scale.osd import guard, hosts, prechecks, proof, quiet, state
from naru.plan.errors import Transient
from naru.site.check.look import Clock
from naru.site.ssh import Ran

pytestmark = pytest.mark.unit

HEALTHY = state.State(frozenset({"sortbitwise"}), "HEALTH_OK", {})
VERSIONS = {"overall": {"ceph version 16.2.15 (1) pacific (stable)": 9}}


def words(found: Any) -> list[str]:
    return [f"{one.severity}: {say(one.summary)}" for one in found]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, []),
        ({"flags": frozenset({"norebalance", "noin"})}, ["error: Ceph has flags set: norebalance, noin"]),
        ({"flags": frozenset({"noout"})}, ["warning: Ceph has flags set, which stay as they are: noout"]),
        (
            {"unclean": "3 active+undersized"},
            ["error: placement groups are not active and clean: 3 active+undersized"],
        ),
        ({"checks": {"OSD_NEARFULL": "HEALTH_WARN"}}, ["warning: Ceph says OSD_NEARFULL: "]),
        ({"checks": {"OSD_BACKFILLFULL": "HEALTH_WARN"}}, ["error: Ceph says OSD_BACKFILLFULL: "]),
        ({"checks": {"OSD_FULL": "HEALTH_ERR"}}, ["error: Ceph says OSD_FULL: "]),
        ({"checks": {"MON_DISK_LOW": "HEALTH_WARN"}}, ["warning: Ceph says MON_DISK_LOW: "]),
    ],
)
def test_what_of_ceph_is_in_the_way(changed: dict[str, Any], said: list[str]) -> None:
    now = state.State(**{**vars(HEALTHY), **changed})
    assert words(prechecks.of_ceph(now, VERSIONS)) == said


def test_an_upgrade_under_way_is_in_the_way() -> None:
    versions = {"overall": {**VERSIONS["overall"], "ceph version 17.2.7 (2) quincy (stable)": 1}}
    (one,) = words(prechecks.of_ceph(HEALTHY, versions))
    assert one == "error: Ceph's daemons are of several versions: ceph version 16.2.15, ceph version 17.2.7"


GOOD = hosts.Disk("/dev/sdb", "block", "/dev/sdb", size=10**12)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"kind": "missing"}, "there is none"),
        ({"kind": "other"}, "it is no block device"),
        ({"mounts": ("/var",), "parts": ("sdb1",)}, "mounted on /var; has parts: sdb1"),
        ({"signatures": ("ceph_bluestore",)}, "not empty: ceph_bluestore"),
        ({"holders": ("dm-0",)}, "held by dm-0"),
        ({"size": 10**9}, "only 1000000000 bytes"),
        ({"is_read_only": True}, "read-only"),
        ({"busy": "OSError: [Errno 16] Device or resource busy"}, "cannot be opened alone: OSError: [Errno 16]"),
    ],
)
def test_a_disk_that_is_used_is_in_the_way(changed: dict[str, Any], said: str) -> None:
    found = prechecks.in_the_way(hosts.Disk(**{**vars(GOOD), **changed}))
    assert found.startswith(said) and bool(found) == bool(said)


SAID = """
== clock
1000.5

== name
osd7

== system
debian 12

== programs
python3
podman

== addresses
[{"ifname": "eth0", "mtu": 1500, "addr_info": [{"family": "inet", "local": "10.0.0.7", "prefixlen": 24,
  "scope": "global"}, {"family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link"}]}]

== kind /dev/disk/by-id/a
block

== real /dev/disk/by-id/a
/dev/sdb

== blocks /dev/disk/by-id/a
{"blockdevices": [{"name": "sdb", "type": "disk", "size": "1000", "ro": "0", "fstype": null, "mountpoint": null,
  "children": [{"name": "vg-x", "type": "lvm", "mountpoint": "/srv"}]}]}

== signatures /dev/disk/by-id/a
0x218,abc,,LVM2_member

== holders /dev/disk/by-id/a
dm-0

== exclusive /dev/disk/by-id/a
OSError: [Errno 16] Device or resource busy: '/dev/sdb'

== kind /dev/sdc
missing

== clock
1001.5

== end
"""


def test_what_a_host_says_is_read() -> None:
    found = hosts.parse(SAID, before=1000.0, after=1002.0)
    assert (found.name, found.system) == ("osd7", "debian 12")
    assert found.programs == frozenset({"python3", "podman"})
    assert found.clock is not None and tuple(found.clock) == (-0.5, 0.5)
    (interface,) = found.interfaces
    assert (interface.address, str(interface.network), interface.mtu) == ("10.0.0.7", "10.0.0.0/24", 1500)
    disk = found.disks["/dev/disk/by-id/a"]
    assert (disk.real, disk.size, disk.is_read_only) == ("/dev/sdb", 1000, False)
    assert disk.mounts == ("/srv",) and disk.signatures == ("LVM2_member",) and disk.holders == ("dm-0",)
    assert found.disks["/dev/sdc"].kind == "missing"


def looking(**changed: Any) -> hosts.Look:
    found = hosts.parse(SAID, 1000.0, 1002.0)
    programs = frozenset({"python3", "podman", "lvm", "systemctl"})
    return hosts.Look(**{**vars(found), "programs": programs, "disks": {"/dev/sdb": GOOD}, **changed})


def test_what_of_hosts_is_in_the_way() -> None:
    def told(look: hosts.Look, tree: Sequence[dict[str, Any]] = (), by: str = "cephadm") -> list[str]:
        other = looking(name="osd6", disks={})
        looks: Any = {"osd7": look, "osd6": other, "osd5": other}
        return words(prechecks.of_hosts(looks, {"osd7": ["/dev/sdb"]}, tree, ["osd7"], "osd6", by))

    assert told(looking()) == []
    assert told(looking(name="osd7.example.org"), by="ceph-ansible") == []
    assert told(looking(name="osd7.example.org")) == ["error: osd7 calls itself osd7.example.org"]
    bucket = {"id": -2, "type": "host", "name": "osd7", "children": [3]}
    assert told(looking(), [bucket]) == ["error: CRUSH has a host osd7 with OSDs already"]
    assert told(looking(), [{**bucket, "children": []}]) == []
    far = Clock(9.0, 11.0)
    assert told(looking(clock=far)) == ["error: the clock of osd7 is 10.0 s off the other hosts'"]
    assert told(looking(system="rocky 9")) == ["warning: osd7 has rocky 9, and osd6 has debian 12"]
    assert told(looking(programs=frozenset({"python3", "ceph-osd"}))) == [
        "error: osd7 has the program ceph-osd, beside which cephadm's OSDs must not be",
        *(f"error: osd7 lacks {one}" for one in ("podman / docker", "lvm", "systemctl")),
    ]
    assert told(looking(disks={})) == ["error: osd7: /dev/sdb: there is none"]


def test_networks_are_those_of_the_like_hosts_osds() -> None:
    like = looking()
    addresses = {"front_addr": "[v2:10.0.0.7:6800/12,v1:10.0.0.7:6801/12]", "back_addr": "10.0.9.1:6802/3"}
    wanted = prechecks.networks(like, addresses)
    assert {name: one.address for name, one in wanted.items()} == {"public": "10.0.0.7"}
    assert prechecks.address_of("[v2:[fd00::1]:6800/1,v1:[fd00::1]:6801/1]") == "fd00::1"
    assert words(prechecks.of_networks("osd7", looking(interfaces=()), wanted)) == [
        "error: osd7 has no address in the public network 10.0.0.0/24"
    ]
    big = {"public": hosts.Interface("10.0.0.6", wanted["public"].network, 9000)}
    assert words(prechecks.of_networks("osd7", like, big)) == [
        "error: osd7 has an MTU of 1,500 in the public network, and the others 9,000"
    ]


class Pinging:
    """A host that is reached, and whose ping ends so."""

    def __init__(self, code: int) -> None:
        self.code, self.asked = code, []  # type: ignore[var-annotated]
        self.fleet = self

    def remote(self, name: str) -> Any:
        return self

    def run(self, argv: list[str], seconds: float) -> Any:
        self.asked.append(argv)

    def call(self, asked: Any) -> Ran:
        return Ran(self.code, "3 packets transmitted, 0 received", "")


def test_packets_of_full_size_have_to_arrive() -> None:
    mine = looking()
    wanted = {"public": hosts.Interface("10.0.0.6", mine.interfaces[0].network, 9000)}
    place: Any = Pinging(1)
    assert words(proof.paths(place, "osd7", mine, wanted)) == [
        "error: packets of 9,000 bytes do not go whole from osd7 to 10.0.0.6 (public network)"
    ]
    assert place.asked[0][-2:] == ["8972", "10.0.0.6"] and "do" in place.asked[0]
    assert not list(proof.paths(Pinging(0), "osd7", mine, wanted))  # type: ignore[arg-type]


BEFORE = guard.noted(state.State(frozenset(), "HEALTH_OK", {"POOL_APP_NOT_ENABLED": "HEALTH_WARN"}), 10.0)


@pytest.mark.parametrize(
    ("changed", "said", "at_once"),
    [
        ({}, [], False),
        ({"checks": {"OBJECT_MISPLACED": "HEALTH_WARN", "PG_DEGRADED": "HEALTH_WARN"}}, [], False),
        ({"checks": {"POOL_APP_NOT_ENABLED": "HEALTH_WARN"}}, [], False),
        ({"checks": {"SLOW_OPS": "HEALTH_WARN"}}, ["SLOW_OPS"], False),
        ({"checks": {"OSD_NEARFULL": "HEALTH_WARN"}}, ["OSD_NEARFULL"], True),
        ({"checks": {"PG_DEGRADED": "HEALTH_ERR"}}, ["PG_DEGRADED"], True),
        ({"checks": {"POOL_APP_NOT_ENABLED": "HEALTH_ERR"}}, ["POOL_APP_NOT_ENABLED"], True),
        ({"checks": {"OSD_DOWN": "HEALTH_WARN"}, "down": frozenset({3})}, ["OSD_DOWN"], False),
        ({"checks": {"OSD_DOWN": "HEALTH_WARN"}, "down": frozenset({7})}, [], False),
        ({"latency": 60.0}, [], False),
        (
            {"latency": 61.0},
            ["writes take 61 ms on the slowest OSDs, 10 ms before (at most 60 ms)"],
            False,
        ),
    ],
)
def test_what_is_worse_than_before_holds_data(changed: dict[str, Any], said: list[str], at_once: bool) -> None:
    now = state.State(**{**vars(HEALTHY), **changed})
    assert guard.worse(BEFORE, now, ours=[7]) == (said, at_once)


def test_a_weight_is_the_size_or_as_the_others_weigh() -> None:
    tib = state.TIB
    one = state.Osd(7, 0.0, 4 * tib, 0, 0, "hdd", 1.0)
    others = [state.Osd(n, 3.9, 4 * tib, 0, 9, "hdd", 1.0) for n in range(3)]
    assert state.full_weight(one, others) == 4.0
    assert state.full_weight(one, [state.Osd(0, 1.0, 4 * tib, 0, 9, "hdd", 1.0)]) == 1.0
    assert state.full_weight(one, [state.Osd(0, 1.0, 4 * tib, 0, 9, "ssd", 1.0)]) == 4.0
    assert state.full_weight(one, []) == 4.0


def test_where_an_osd_is_in_crush() -> None:
    tree = [
        {"id": -1, "type": "root", "name": "default", "children": [-3]},
        {"id": -3, "type": "rack", "name": "r1", "children": [-2]},
        {"id": -2, "type": "host", "name": "osd7", "children": [7]},
        {"id": 7, "type": "osd", "name": "osd.7"},
    ]
    assert state.location(tree, 7) == {"host": "osd7", "rack": "r1", "root": "default"}
    assert state.location(tree, 8) == {}


class Answering:
    """Ceph's settings, in place of a cluster."""

    def __init__(self, **config: str) -> None:
        self.config, self.flags, self.balancer = dict(config), {"noout"}, True
        self.scaled = {"rbd": "on", "old": "off"}
        self.scheduler, self.asked, self.fails = "wpq", list[list[str]](), 0

    def run(self, *words: str, given: bytes = b"") -> Ran:
        if words[:2] == ("config", "get"):
            return Ran(0, f"{self.scheduler}\n", "")
        return Ran(0, json.dumps(self.ask(*words)), "")

    def ask(self, *words: str) -> Any:
        return {
            "osd dump": {"flags": ",".join(sorted(self.flags))},
            "osd pool ls detail": [{"pool_name": k, "pg_autoscale_mode": v} for k, v in self.scaled.items()],
            "balancer status": {"active": self.balancer},
            "config dump": [{"section": "osd", "name": k, "value": v, "mask": ""} for k, v in self.config.items()],
        }[" ".join(words)]

    def all_of(self, commands: list[list[str]]) -> Ran:
        for one in commands:
            self.asked.append(one)
            if one[:2] == ["osd", "set"]:
                self.flags.add(one[2])
            elif one[:2] == ["osd", "unset"]:
                self.flags.discard(one[2])
            elif one[0] == "balancer":
                self.balancer = one[1] == "on"
            elif one[:3] == ["osd", "pool", "set"]:
                self.scaled[one[3]] = one[5]
            elif one[1] == "set":
                self.config[one[3]] = "0.000000" if one[3] == quiet.BIRTH else one[4]
            else:
                self.config.pop(one[3])
        return Ran(self.fails, "", "busy" if self.fails else "")

    def all(self) -> Any:
        return dict(self.config), set(self.flags), self.balancer, dict(self.scaled)


def test_what_is_switched_off_is_put_back_exactly() -> None:
    ceph: Any = Answering(osd_max_backfills="3")
    was = ceph.all()
    before = quiet.read(ceph, 2)
    held = quiet.hold(ceph, before)
    assert ceph.flags == {"noout", "norebalance"} and not ceph.balancer and ceph.scaled["rbd"] == "off"
    assert ceph.config["osd_max_backfills"] == "2" and ceph.config["osd_recovery_max_active"] == "2"
    # given again after it was killed, it is the same
    assert quiet.hold(ceph, before) == held
    quiet.born(ceph, held)
    assert ceph.flags == {"noout"} and quiet.BIRTH not in ceph.config and not ceph.balancer
    assert quiet.release(ceph, {**held, "flags": []})["left"] == []
    assert ceph.all() == was
    ceph.asked.clear()
    assert quiet.release(ceph, {**held, "flags": []})["put back"] == [] and ceph.asked == []


def test_what_others_have_set_meanwhile_stays() -> None:
    ceph: Any = Answering()
    held = quiet.hold(ceph, quiet.read(ceph, 1))
    ceph.config["osd_max_backfills"] = "8"
    (left,) = quiet.release(ceph, held)["left"]
    assert left == "osd_max_backfills is 8: it was None, and 1 while data moved"
    assert ceph.config == {"osd_max_backfills": "8"}
    ceph.fails = 16
    with pytest.raises(Transient, match="Ceph does not do: ceph osd set norebalance"):
        quiet.hold(ceph, quiet.read(ceph, 1))


def test_mclock_is_bounded_by_its_profile() -> None:
    ceph: Any = Answering()
    ceph.scheduler = "mclock_scheduler"
    assert quiet.read(ceph, 1)["wanted"] == {"osd_crush_initial_weight": "0", "osd_mclock_profile": "high_client_ops"}


def test_what_was_nearly_full_is_not_borne_again() -> None:
    full = state.State(frozenset(), "HEALTH_WARN", {"OSD_NEARFULL": "HEALTH_WARN"})
    before = guard.noted(full, 1.0)
    assert guard.worse(guard.over(before, full), full) == ([], False)
    later = guard.over(before, HEALTHY)
    assert guard.worse(later, full) == (["OSD_NEARFULL"], True)

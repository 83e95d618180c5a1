"""New OSDs: what is in the way, when data is held, what is put back, what grows, and what the orchestrator is told."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.errors import InputError, NaruError
from naru.messages import say
from naru.operate.scale import growth
from naru.operate.scale.osd import cephadm, guard, hosts, makers, playbooks, prechecks, proof, quiet, state
from naru.plan.errors import Transient
from naru.plan.model import Finding
from naru.site import site as sites
from naru.site.check.look import Clock
from naru.site.ssh import Ran

from ...plan.test_cli import naru

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


def test_the_orchestrator_is_told_of_these_disks_alone(tmp_path: Path) -> None:
    disks = {"osd7": ["/dev/sdb"], "osd8": ["/dev/sdb"], "osd9": ["/dev/sdc", "/dev/sdd"]}
    specs = cephadm.osd_specs("0123456789", disks, "ssd", unmanaged=False)
    assert [(one["service_id"], one["placement"]["hosts"]) for one in specs] == [
        ("naru-01234567-1", ["osd7", "osd8"]),
        ("naru-01234567-2", ["osd9"]),
    ]
    assert all("unmanaged" not in one for one in specs)
    assert all(one["unmanaged"] for one in cephadm.osd_specs("0123456789", disks, "", unmanaged=True))
    host = cephadm.host_spec("osd7", "10.0.0.7", ["osd"], {"rack": "r3"})
    file = tmp_path / "spec.yaml"
    file.write_text(cephadm.text([host, *specs]))
    assert list(yaml.safe_load_all(file.read_text())) == [host, *specs]
    _validated(file)


def _validated(file: Path) -> None:
    """By the orchestrator's own classes, which Debian's python3-ceph has for its own Python."""
    check = (
        "import sys, yaml\n"
        "from ceph.deployment.hostspec import HostSpec\n"
        "from ceph.deployment.service_spec import ServiceSpec\n"
        "for one in yaml.safe_load_all(open(sys.argv[1])):\n"
        "    kind = HostSpec if one['service_type'] == 'host' else ServiceSpec\n"
        "    made = kind.from_json(one)\n"
        "    made.validate()\n"
        "    print(made.service_type if kind is ServiceSpec else made.hostname)\n"
    )
    python = shutil.which("python3", path="/usr/bin")
    if python is None or subprocess.run([python, "-c", "import ceph.deployment"], capture_output=True).returncode:
        pytest.skip("python3-ceph is not installed")
    done = subprocess.run([python, "-c", check, str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["osd7", "osd", "osd"]


@pytest.mark.parametrize(
    ("placement", "takes"),
    [
        ({"host_pattern": "*"}, True),
        ({"host_pattern": "osd[1-6]"}, False),
        ({"host_pattern": {"pattern": "osd*", "pattern_type": "fnmatch"}}, True),
        ({"host_pattern": {"pattern": "osd.", "pattern_type": "regex"}}, True),
        ({"label": "osd"}, True),
        ({"label": "other"}, False),
        ({"hosts": ["osd1", "osd7:10.0.0.7"]}, True),
        ({"hosts": [{"hostname": "osd1"}]}, False),
        ({}, True),
    ],
)
def test_a_service_that_takes_all_disks_is_in_the_way(placement: dict[str, Any], takes: bool) -> None:
    one = {"service_type": "osd", "service_id": "all", "service_name": "osd.all", "placement": placement}

    def found(**changed: Any) -> list[Finding]:
        return list(cephadm.in_the_way([{**one, **changed}], ["osd7"], ["osd"]))

    assert [item.severity for item in found()] == (["error"] if takes else [])
    assert not found(unmanaged=True) and not found(service_id="naru-01234567-1")
    other = {"service_type": "mon", "service_name": "mon", "placement": {"label": "osd"}}
    assert words(cephadm.in_the_way([other], ["osd7"], ["osd"])) == [
        "warning: with the label osd the orchestrator brings mon to the new hosts as well"
    ]


class Orchestrator:
    """Answers as a real one of 16.2 has given them."""

    def __init__(self, code: int = 0, out: str = "", errors: str = "") -> None:
        self.ran = Ran(code, out, errors)

    def run(self, *words: str, given: bytes = b"") -> Ran:
        return self.ran

    def ask(self, *words: str) -> Any:
        return json.loads(self.ran.out)


EXPORTED = """[{"placement": {"host_pattern": "*"}, "service_id": "all-available-devices",
"service_name": "osd.all-available-devices", "service_type": "osd", "spec": {"data_devices": {"all": true},
"filter_logic": "AND", "objectstore": "bluestore"}}, {"placement": {"hosts": ["osd7"]}, "service_id": "naru-01234567-1",
"service_name": "osd.naru-01234567-1", "service_type": "osd", "spec": {"crush_device_class": "ssd",
"data_devices": {"paths": ["/dev/sdb"]}, "filter_logic": "AND", "objectstore": "bluestore"}, "unmanaged": true}]"""


def test_what_the_orchestrator_answers_is_read() -> None:
    none: Any = Orchestrator(2, "", "Error ENOENT: No orchestrator configured (try `ceph orch set backend`)")
    with pytest.raises(NaruError, match="Ceph has no orchestrator"):
        cephadm.exported(none)
    empty: Any = Orchestrator(0, "No services reported\n")
    assert cephadm.exported(empty) == []
    some: Any = Orchestrator(0, EXPORTED)
    (one,) = cephadm.in_the_way(cephadm.exported(some), ["osd7"], [])
    assert one.about == "osd.all-available-devices"
    unknown: Any = Orchestrator(22, "", "Error EINVAL: Cannot place <DriveGroupSpec for ...> on osd7: Unknown hosts")
    with pytest.raises(NaruError, match="the orchestrator refuses the specification"):
        cephadm.apply(unknown, [])
    disks: Any = Orchestrator(0, '[{"addr": "osd7", "devices": [], "labels": [], "name": "osd7"}]')
    assert cephadm.unavailable(disks, looking(), "osd7", ["/dev/sdb"]) == ["osd7: /dev/sdb: not seen yet"]
    device = {"path": "/dev/sdb", "available": False, "rejected_reasons": ["LVM detected", "locked"]}
    disks = Orchestrator(0, json.dumps([{"name": "osd7", "devices": [device]}]))
    assert cephadm.unavailable(disks, looking(), "osd7", ["/dev/sdb"]) == ["osd7: /dev/sdb: LVM detected, locked"]
    disks = Orchestrator(0, json.dumps([{"name": "osd7", "devices": [{**device, "available": True}]}]))
    assert cephadm.unavailable(disks, looking(), "osd7", ["/dev/sdb"]) == []


def test_disks_come_to_the_variables_of_a_host(tmp_path: Path) -> None:
    file = tmp_path / "osd7.yml"
    assert playbooks.variables(file, "osd7", ["/dev/sdb"], "ssd") == (
        "",
        "---\ndevices:\n- /dev/sdb\ncrush_device_class: ssd\n",
    )
    file.write_text("# of rack 1\ndevices:\n  - /dev/sda  # the first\nosd_objectstore: bluestore\n")
    old, new = playbooks.variables(file, "osd7", ["/dev/sdb"], "")
    assert new == old.replace("first\n", "first\n  - /dev/sdb\n")
    with pytest.raises(InputError, match="has /dev/sda already"):
        playbooks.variables(file, "osd7", ["/dev/sda"], "")
    file.write_text("lvm_volumes: [{data: a}]\n")
    with pytest.raises(InputError, match="has no list `devices`"):
        playbooks.variables(file, "osd7", ["/dev/sdb"], "")


def test_the_playbook_is_the_one_of_the_release(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no infrastructure-playbooks/shrink-osd\.yml"):
        playbooks.installed(tmp_path, "")
    (tmp_path / "infrastructure-playbooks").mkdir()
    (tmp_path / playbooks.SHRINK).touch()
    with pytest.raises(InputError, match=r"it has none of site-container\.yml"):
        playbooks.installed(tmp_path, "")
    (tmp_path / "site.yml").touch()
    assert playbooks.installed(tmp_path, "").playbook == "site.yml"
    (tmp_path / "site-container.yml").touch()
    with pytest.raises(InputError, match=r"it has site-container\.yml and site\.yml"):
        playbooks.installed(tmp_path, "")
    assert playbooks.installed(tmp_path, "site.yml").playbook == "site.yml"
    (tmp_path / playbooks.ADD).touch()
    assert playbooks.installed(tmp_path, "").playbook == playbooks.ADD


SITE = """naru_site: 1
name: seoul
hosts:
  - {name: mon1, address: 192.0.2.1}
  - {name: 'osd[1:6]', address: '192.0.2.[11:16]'}
groups: {storage: 'osd[1:6]'}
storage:
  - name: other
    kind: ceph
    monitors: mon1
    osds: [osd1]
  - {name: main, kind: ceph, monitors: mon1, osds: OSDS, deployed_by: cephadm}
"""


@pytest.mark.parametrize("osds", ["'osd[1:6]'", "[osd1, osd6]", "storage"])
def test_the_storage_of_a_site_grows(osds: str, tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    text = SITE.replace("OSDS", osds)
    file.write_text(text)
    grown = growth.grown(sites.load(file), text, "osd6", {"osd7": "192.0.2.17"}, "main")
    after = sites.parse(yaml.safe_load(grown), file)
    other, main = after.part.storage
    assert "osd7" in {one.name for one in after.named(main.osds)}  # type: ignore[union-attr]
    assert [one.name for one in after.named(other.osds)] == ["osd1"]  # type: ignore[union-attr]
    assert after.hosts["osd7"].address == "192.0.2.17"
    with pytest.raises(InputError, match="osd7 cannot be added as mon1 is"):
        growth.grown(sites.load(file), text, "mon1", {"osd7": ""}, "main")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["osd7", "--disk", "sdb", "--storage", "main"], "--disk sdb: give PATH or HOST:PATH"),
        (["osd7", "--disk", "osd8:/dev/sdb", "--storage", "main"], "--disk osd8:/dev/sdb: osd8 is none of the hosts"),
        (["osd7", "osd8", "--disk", "osd7:/dev/sdb", "--storage", "main"], "osd8: no disk is given"),
        (["osd7", "--disk", "/dev/sdb", "--disk", "osd7:/dev/sdb", "--storage", "main"], "osd7 has it twice"),
        (["osd7", "--disk", "/dev/sdb", "--storage", "x"], "has no Ceph of that name"),
        (["osd7", "--disk", "/dev/sdb"], "site.yaml has 2 Ceph clusters: other, main"),
        (["osd7", "--disk", "/dev/sdb", "--storage", "other"], "other: deployed_by: is missing"),
        (["osd7", "--disk", "/dev/sdb", "--storage", "main", "--steps", "0"], "--steps 0: give 1 to 100"),
        (["osd6=1.2.3.4", "--disk", "/dev/sdb", "--storage", "main"], "site.yaml has the host already"),
        (["osd7", "--disk", "/dev/sdb", "--storage", "main"], "--like names a host of OSDs that it has"),
        (["osd7", "--disk", "/dev/sdb", "--storage", "main", "--like", "mon1"], "has no OSDs of main on it"),
        (["osd7", "--disk", "/dev/sdb", "--storage", "main", "--location", "r3"], "--location r3: give TYPE=NAME"),
        (["osd7", "--disk", "/dev/sdb", "--storage", "main", "--inventory", "x"], "main is deployed by cephadm"),
    ],
)
def test_bad_input_is_one_message(given: list[str], said: str, tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(SITE.replace("OSDS", "storage"))
    _, errors = naru("scale", "osd", *given, "--site", file, "--work", tmp_path / "work", code=2)
    assert said in errors and "Traceback" not in errors
    assert not (tmp_path / "work" / "journal.db").exists()


def test_the_orchestrators_key_comes_once_and_goes_again(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "getent").write_text(f"#!/bin/sh\necho root:x:0:0:root:{tmp_path}:/bin/sh\n")
    (programs / "getent").chmod(0o755)
    file = tmp_path / ".ssh" / "authorized_keys"

    def keys(how: str, key: str = "ssh-rsa AAAA ceph") -> str:
        env = {"PATH": f"{programs}:/usr/bin:/bin"}
        argv = ["sh", "-c", makers.KEY, "naru", how, "root"]
        return subprocess.run(argv, input=key, capture_output=True, text=True, check=True, env=env, timeout=30).stdout

    assert keys("look") == "" and not file.exists()
    assert keys("add") == "added\n" and keys("add") == "" and keys("look") == "there\n"
    assert file.read_text() == "ssh-rsa AAAA ceph\n" and file.stat().st_mode & 0o777 == 0o600
    file.write_text("ssh-rsa BBBB other")
    file.chmod(0o640)
    assert keys("add") == "added\n"
    assert file.read_text() == "ssh-rsa BBBB other\nssh-rsa AAAA ceph\n"
    assert keys("remove") == "removed\n" and keys("remove") == ""
    assert file.read_text() == "ssh-rsa BBBB other\n" and file.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in file.parent.iterdir()] == ["authorized_keys"]


def test_what_was_nearly_full_is_not_borne_again() -> None:
    full = state.State(frozenset(), "HEALTH_WARN", {"OSD_NEARFULL": "HEALTH_WARN"})
    before = guard.noted(full, 1.0)
    assert guard.worse(guard.over(before, full), full) == ([], False)
    later = guard.over(before, HEALTHY)
    assert guard.worse(later, full) == (["OSD_NEARFULL"], True)

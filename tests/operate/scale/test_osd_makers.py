"""New OSDs: what the orchestrator and ceph-ansible are told, what grows, and what is bad input."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.errors import InputError, NaruError
from naru.messages import say
from naru.operate.scale import growth
from naru.operate.scale.osd import cephadm, hosts, orchestrating, playbooks
from naru.plan.model import Finding
from naru.site import site as sites
from naru.site.ssh import Ran

from ...plan.test_cli import naru

pytestmark = pytest.mark.unit


def words(found: Any) -> list[str]:
    return [f"{one.severity}: {say(one.summary)}" for one in found]


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
    assert cephadm.unavailable(disks, hosts.Look(name="osd7"), "osd7", ["/dev/sdb"]) == ["osd7: /dev/sdb: not seen yet"]
    device = {"path": "/dev/sdb", "available": False, "rejected_reasons": ["LVM detected", "locked"]}
    disks = Orchestrator(0, json.dumps([{"name": "osd7", "devices": [device]}]))
    assert cephadm.unavailable(disks, hosts.Look(name="osd7"), "osd7", ["/dev/sdb"]) == [
        "osd7: /dev/sdb: LVM detected, locked"
    ]
    disks = Orchestrator(0, json.dumps([{"name": "osd7", "devices": [{**device, "available": True}]}]))
    assert cephadm.unavailable(disks, hosts.Look(name="osd7"), "osd7", ["/dev/sdb"]) == []


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
        argv = ["sh", "-c", orchestrating.KEY, "naru", how, "root"]
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

"""Declared tenants on real clouds: the demo company of Pike, written into a file, made on the newest release, killed,
given again, written from there: the same file. A rollback leaves that cloud as it was."""

import csv
import io
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.lab.cloud import Cloud
from naru.lab.lab import Lab

from ...ansible.collection import Playbook, task
from ...lab.scenario import Rest, census, connect

pytestmark = pytest.mark.lab

NARU = [sys.executable, "-m", "naru.cli.main"]
PROJECTS = ("hanok", "hanok-lab", "carpenters", "hanok-closed")


def in_order(value: Any) -> Any:
    """The value with its lists, at any depth, in one order."""
    if isinstance(value, dict):
        return {name: in_order(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return sorted(map(in_order, value), key=lambda inner: json.dumps(inner, sort_keys=True))
    return value


class Tenants:
    """The commands, as an operator gives them, on the clouds of a lab."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.cloud = "new"
        self.work = directory / "work"
        self.file = directory / "tenants.yaml"
        self.errors = ""

    def census(self) -> Any:
        """Everything in the cloud; what is in lists, which services give in any order, in one."""
        return in_order(census(self.lab, self.cloud))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        env = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(self.lab.clouds_yaml)}
        argv = [*NARU, "-q", "tenant", *arguments]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)

    def run(self, *arguments: str, code: int = 0) -> str:
        with self.start(*arguments) as process:
            try:
                out, self.errors = process.communicate(timeout=600)
            except BaseException:
                process.kill()
                raise
        assert process.returncode == code, f"{arguments}: {process.returncode}\n{out}\n{self.errors}"
        return out

    def export(self, cloud: str, file: Path) -> str:
        which = [word for name in PROJECTS for word in ("--project", name)]
        self.run("export", str(file), "--cloud", cloud, *which, "--images", str(file.parent / "images"))
        return file.read_text()

    def applying(self) -> list[str]:
        return ["apply", str(self.file), "--cloud", self.cloud, "--work", str(self.work), "-f", "json"]

    def apply(self, code: int = 0) -> dict[str, Any]:
        return dict(json.loads(self.run(*self.applying(), code=code)))

    def killed(self, seconds: float) -> None:
        """An apply that is killed so many seconds after its plan is there."""
        with self.start(*self.applying()) as process:
            until = time.monotonic() + 120
            while not list(self.work.glob("apply/*/journal.db")) and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(seconds)
            process.kill()

    def differences(self, code: int, *more: str) -> list[tuple[str, ...]]:
        """what, kind, name, field."""
        out = self.run("diff", str(self.file), "--cloud", self.cloud, *more, "-f", "csv", code=code)
        return [tuple(row[:4]) for row in list(csv.reader(io.StringIO(out)))[1:]]

    def roll_back(self) -> None:
        state = json.loads(self.run("rollback", str(self.work), "-f", "json"))
        assert state["state"] == "done"


@pytest.fixture
def tenants(pair: Lab, tmp_path: Path) -> Iterator[Tenants]:
    """A test that failed leaves the cloud to the next one as it was."""
    made = Tenants(pair, tmp_path)
    yield made
    for _ in list(made.work.glob("apply/*")):
        with made.start("rollback", str(made.work)) as process:
            process.communicate(timeout=600)


def test_the_company_is_the_same_on_the_next_cloud(tenants: Tenants, company: Cloud, tmp_path: Path) -> None:
    before = tenants.census()
    written = tenants.export("old", tenants.file)
    tenants.killed(random.Random(written).uniform(0.5, 6))
    assert tenants.apply()["state"] == "done"
    assert tenants.apply() == {"state": "nothing to do", "steps": 0}
    (tmp_path / "again").mkdir()
    assert tenants.export("new", tmp_path / "again" / "tenants.yaml") == written
    names = sorted(path.name for path in (tmp_path / "images").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again" / "images").iterdir()) and names
    assert len(list(tenants.work.glob("apply/*"))) == 1  # the killed one went on
    tenants.roll_back()
    assert tenants.census() == before
    assert "nothing to take back" in tenants.run("rollback", str(tenants.work), code=2) + tenants.errors


FILE = """
naru_tenants: 1
users: [{name: tora, password: {file: tora.password}, email: tora@forge.example}]
groups: [{name: smiths, members: [tora]}]
projects:
  - name: forge
    quotas: {compute: {cores: 7}, network: {network: 1}}
    members: [{group: smiths, roles: [member]}]
    security_groups: [{name: ssh, rules: [{protocol: tcp, port_range_min: 22, port_range_max: 22}]}]
    networks: [{name: yard, subnets: [{name: yard-v4, cidr: 10.5.0.0/24}]}]
    routers: [{name: gate, gateway: {network: public}, interfaces: [yard-v4]}]
"""


@pytest.mark.releases
def test_a_playbook_shows_what_is_otherwise_and_makes_it_so(tenants: Tenants, tmp_path: Path) -> None:
    before = tenants.census()
    tenants.file.write_text(FILE.replace(", password: {file: tora.password}", ""))
    playbook = Playbook(tmp_path / "ansible", OS_CLIENT_CONFIG_FILE=str(tenants.lab.clouds_yaml))
    tasks = [task("tenant", file=str(tenants.file), cloud=tenants.cloud, work=str(tenants.work))]
    (told,) = playbook.run(tasks, "--check", "--diff")
    assert told["changed"] and "forge" in {row["unit"].rpartition(" ")[2] for row in told["result"]}
    assert "network forge/yard" in told["diff"]["after"] and tenants.census() == before
    (made,) = playbook.run(tasks)
    assert made["changed"] and made["result"]["state"] == "done"
    (again,), (checked,) = playbook.run(tasks), playbook.run(tasks, "--check", "--diff")
    assert not again["changed"] and not checked["changed"] and checked["result"] == []
    playbook.run([task("tenant", action="rollback", work=str(tenants.work))])
    assert tenants.census() == before


@pytest.mark.releases
def test_what_was_changed_by_hand_is_seen_and_made_right(tenants: Tenants) -> None:
    before = tenants.census()
    tenants.file.write_text(FILE)
    (tenants.file.parent / "tora.password").write_text("hammer and tongs\n")
    (tenants.file.parent / "tora.password").chmod(0o600)
    assert tenants.apply()["state"] == "done"
    assert tenants.differences(0) == []
    assert not any(b"hammer" in one.read_bytes() for one in tenants.work.rglob("*") if one.is_file())
    rest = Rest(connect(tenants.lab, "new"))
    # by hand: a rule is added and one is gone, the group has lost its member, the gateway does no SNAT
    (group,) = rest("network", "GET", "/v2.0/security-groups?name=ssh")["security_groups"]
    own = [rule for rule in group["security_group_rules"] if rule["protocol"] == "tcp"]
    assert len(group["security_group_rules"]) == 1 == len(own)  # without those that Neutron puts in
    rest("network", "DELETE", f"/v2.0/security-group-rules/{own[0]['id']}")
    by_hand = {"security_group_id": group["id"], "direction": "ingress", "protocol": "udp"}
    rest("network", "POST", "/v2.0/security-group-rules", {"security_group_rule": by_hand})
    (router,) = rest("network", "GET", "/v2.0/routers?name=gate")["routers"]
    gateway = {**router["external_gateway_info"], "enable_snat": False}
    rest("network", "PUT", f"/v2.0/routers/{router['id']}", {"router": {"external_gateway_info": gateway}})
    changed = [
        ("add", "security group", "forge/ssh", "rules"),
        ("change", "router", "forge/gate", "external_gateway_info"),
    ]
    assert sorted(tenants.differences(1)) == changed
    assert ("undeclared", "security group", "forge/ssh", "rules") in tenants.differences(1, "--undeclared")
    tenants.file.write_text(FILE.replace("naru_tenants: 1", "naru_tenants: 1\nprune: [security_group_rules]"))
    assert sorted(tenants.differences(1)) == [*changed, ("remove", "security group", "forge/ssh", "rules")]
    assert tenants.apply()["state"] == "done"
    assert tenants.differences(0) == []
    tenants.roll_back()  # as it was changed by hand
    (group,) = rest("network", "GET", "/v2.0/security-groups?name=ssh")["security_groups"]
    assert [rule["protocol"] for rule in group["security_group_rules"]] == ["udp"]
    # the quota is for one network: the second fails, and with a corrected file it is made
    more = "{name: yard, subnets: [{name: yard-v4, cidr: 10.5.0.0/24}]}, {name: shed}]"
    too_much = FILE.replace("{name: yard, subnets: [{name: yard-v4, cidr: 10.5.0.0/24}]}]", more)
    tenants.file.write_text(too_much)
    assert "quota" in str(tenants.apply(code=1)["failed"]).lower()
    # somebody makes it by hand: a rollback of what was refused to us leaves it
    (yard,) = rest("network", "GET", "/v2.0/networks?name=yard")["networks"]
    rest("network", "PUT", f"/v2.0/quotas/{yard['project_id']}", {"quota": {"network": 2}})
    shed = rest("network", "POST", "/v2.0/networks", {"network": {"name": "shed", "project_id": yard["project_id"]}})
    tenants.roll_back()
    there = rest("network", "GET", f"/v2.0/networks/{shed['network']['id']}")
    assert there["network"]["name"] == "shed"
    rest("network", "DELETE", f"/v2.0/networks/{shed['network']['id']}")
    tenants.file.write_text(too_much.replace("{network: 1}", "{network: 2}"))
    assert tenants.apply()["state"] == "done"
    for _ in range(2):
        tenants.roll_back()
    assert tenants.census() == before


GONE = [
    ("members: [{name: tora, domain: anvil}]", "members: []", ("group", "anvil/smiths", "members")),
    ("- {group: {name: smiths, domain: anvil}, roles: [hammerer]}", "", ("project", "anvil/forge", "members")),
    ("shared_with: [demo]", "shared_with: []", ("network", "anvil/forge/yard", "shared_with")),
    (", {subnet: back-v4, ip_address: 10.6.0.9}", "", ("router", "anvil/forge/gate", "interfaces")),
    ('{"hw:cpu_policy": shared}', "{}", ("flavor", "forge.one", "extra_specs")),
    ("description: not on Pike\n", "access: []\n", ("flavor", "forge.one", "access")),
    ("access: [{name: forge, domain: anvil}]}", "access: []}", ("volume type", "iron", "access")),
    ("members: [demo]", "members: []", ("image", "anvil/forge/ingot", "members")),
    (", {protocol: 112, remote_group: ssh}", "", ("security group", "anvil/forge/ssh", "rules")),
]


@pytest.mark.releases
@pytest.mark.parametrize("cloud", ["old", "new"])
def test_every_kind_is_made_and_what_is_pruned_comes_back(tenants: Tenants, cloud: str) -> None:
    tenants.cloud = cloud
    before = tenants.census()
    written = (Path(__file__).parent / "forge.yaml").read_text()
    if cloud == "new":  # Pike has no address groups
        written += "    address_groups: [{name: yards, addresses: [10.5.0.0/24, 10.6.0.9]}]\n"
        rule = "{protocol: udp, remote_address_group: yards}, {protocol: 112"
        written = written.replace("{protocol: 112", rule).replace("prune:\n", "prune:\n  - address_group_addresses\n")
    (tenants.file.parent / "ingot.img").write_bytes(b"iron " * 50_000)
    tenants.file.write_text(written)
    assert tenants.apply()["state"] == "done"
    whole = tenants.census()
    assert tenants.differences(0) == []
    less = written
    for there, instead, _ in GONE:
        assert there in less
        less = less.replace(there, instead, 1)
    # what stood beside a changed line is gone with it, and the key pair with its lines
    less = less.replace("    access: [{name: forge, domain: anvil}]\n", "", 1)
    key = less[less.index("    key_pairs:") : less.index("groups:")]
    tenants.file.write_text(less.replace(key, "    key_pairs: []\n"))
    expected = {("remove", *which) for _, _, which in GONE} | {("remove", "user", "anvil/tora", "key_pairs")}
    assert set(tenants.differences(1)) == expected
    assert tenants.apply()["state"] == "done"
    assert tenants.differences(0) == []
    tenants.roll_back()
    tenants.file.write_text(written)
    assert tenants.differences(0) == []
    assert {kind: len(things) for kind, things in tenants.census().items()} == {
        kind: len(things) for kind, things in whole.items()
    }
    tenants.roll_back()
    assert tenants.census() == before

"""What grows where, what kolla-ansible is asked, and what is bad input; kolla-ansible's own runs by a stand-in for it,
under a real ansible-runner."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.errors import InputError
from naru.operate.scale import growth, inventory, phases, planner
from naru.operate.scale.kolla import installed
from naru.operate.scale.newborn import Newborn
from naru.operate.scale.work import Settings
from naru.plan.kinds import load
from naru.plan.text import text as shown
from naru.site import site as sites

from ...plan.test_cli import naru, naru_json
from . import standin

pytestmark = pytest.mark.unit

NEW = {"compute8": "192.0.2.18", "compute9": ""}
SITE = """# seoul
naru_site: 1
name: seoul
cloud: seoul
hosts:
  - {name: control1, address: 192.0.2.1}
  - name: compute1  # the first
    address: 192.0.2.11
    rack: r1
groups:
  computes: [compute1]
  rack1:
    - compute1
    - control1
services:
  - {name: nova-compute, hosts: computes, managed: {container: nova_compute}}
  - {name: libvirt, hosts: compute1, managed: {container: nova_libvirt}}
"""


def test_an_inventory_keeps_all_that_is_in_it() -> None:
    grown = inventory.grown(standin.INVENTORY, "compute1", NEW)
    added = [line for line in grown.splitlines() if line not in standin.INVENTORY.splitlines()]
    assert added == [
        "compute8 ansible_host=192.0.2.18 ansible_connection=local rack=r1",
        "compute9 ansible_connection=local rack=r1",
    ]
    assert "\n".join(line for line in grown.splitlines() if line not in added) + "\n" == standin.INVENTORY
    assert inventory.hosts(grown) == {"control1", "compute1", *NEW}


def test_a_host_of_a_range_has_likes_after_the_range() -> None:
    grown = inventory.grown("[compute]\ncompute[01:04] disk=ssd\n[all:vars]\nx=1\n", "compute03", {"compute05": ""})
    assert grown == "[compute]\ncompute[01:04] disk=ssd\ncompute05 disk=ssd\n[all:vars]\nx=1\n"
    with pytest.raises(InputError, match="no such host"):
        inventory.grown(grown, "x", NEW)


@pytest.mark.parametrize(
    ("line", "added"),
    [
        ("compute1\track=r1", "compute8 rack=r1"),
        ("compute1   rack=r1 # the first", "compute8 rack=r1"),
        ("compute1 note='a # b; c' x=1", "compute8 note='a # b; c' x=1"),
        ('compute1 "note=a b" empty=', "compute8 note='a b' empty="),
        ('compute1 many=\'["a", "b"]\'', 'compute8 many=\'["a", "b"]\''),
        ("compute1:2222 ansible_ssh_host=192.0.2.1", "compute8:2222"),
        ("compute[0:3:1] disk=ssd", "compute8 disk=ssd"),
    ],
)
def test_an_inventory_is_read_as_ansible_reads_it(line: str, added: str) -> None:
    text = f"[gpu]  # a note\n{line}\n[gpu:vars]\nnote=what's this\n"
    grown = inventory.grown(text, "compute1", {"compute8": ""})
    assert grown == text.replace(f"{line}\n", f"{line}\n{added}\n")
    assert inventory.groups_of(grown, "compute8") == {"gpu"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("compute1 note='a", "line 2 cannot be read: No closing quotation"),
        ("compute1 note", "line 2 cannot be read: the variable number 1 is not NAME=VALUE"),
        ("compute[3:1]", r"line 2 cannot be read: \[3:1\] is empty"),
        ("[a b]", r"line 2 cannot be read: \[a b\]"),
    ],
)
def test_a_line_that_cannot_be_read_is_refused(line: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        inventory.grown(f"[compute]\n{line}\n", "compute1", NEW)


def test_groups_of_groups_count() -> None:
    text = "[r1]\nnode[a:c]\n[compute:children]\nr1  # all\n[nova-compute:children]\ncompute\n[control]\nnode9\n"
    assert inventory.groups_of(text, "nodeb") == {"r1", "compute", "nova-compute"}
    assert inventory.groups_of(text, "node9") == {"control"} and inventory.hosts(text) >= {"nodea", "nodec"}


def test_a_site_grows_in_its_own_form(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(SITE)
    site = sites.load(file)
    grown = growth.grown(site, SITE, "compute1", NEW)
    assert [line[1:] for line in growth.difference(SITE, grown, file) if line.startswith("+") and line[1] != "+"] == [
        "  - {name: compute8, address: 192.0.2.18}",
        "  - {name: compute9}",
        "  computes: [compute1, compute8, compute9]",
        "    - compute8",
        "    - compute9",
        "  - {name: libvirt, hosts: [compute1, compute8, compute9], managed: {container: nova_libvirt}}",
    ]
    after = sites.parse(yaml.safe_load(grown), file)
    assert after.hosts["compute8"].address == "192.0.2.18" and after.groups_of("compute9") == ["computes", "rack1"]
    for name, range_ in (("hosts", "compute[1:3]"), ("groups", "compute[1:3]")):
        text = f"naru_site: 1\nname: x\nhosts: [{{name: '{range_}'}}]\ngroups: {{all-of-them: ['{range_}']}}\n"
        file.write_text(text)
        after = sites.parse(yaml.safe_load(growth.grown(sites.load(file), text, "compute2", NEW)), file)
        assert set(after.groups["all-of-them"]) == {"compute1", "compute2", "compute3", *NEW}, name


@pytest.mark.parametrize(
    "groups", ["computes: compute[1:3]", "computes: 'compute[1:3]'", "computes:\n    - compute1 # first"]
)
def test_a_range_becomes_a_list_that_is_yaml(groups: str, tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    text = f"naru_site: 1\nname: x\nhosts: [{{name: 'compute[1:3]'}}]\ngroups:\n  {groups}\n"
    file.write_text(text)
    # names and addresses that YAML would take for something else by themselves
    new = {"compute8": "2001:db8::8", "1e3": "::1"}
    grown = growth.grown(sites.load(file), text, "compute1", new)
    after = sites.parse(yaml.safe_load(grown), file)
    assert {name: after.hosts[name].address for name in new} == new and set(after.groups["computes"]) >= {
        "compute1",
        *new,
    }
    assert "first" not in text or "    - compute1 # first\n    - compute8\n" in grown


def test_a_site_that_cannot_be_added_to_is_bad_input(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(SITE)
    with pytest.raises(InputError, match="cannot be added to"):
        growth.grown(sites.load(file), SITE + "more: [", "compute1", NEW)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("c1 ansible_host=192.0.2.1 ansible_become_password=hunter2 rack=r1", "c1 ansible_host=192.0.2.1 {} rack=r1"),
        ("c1 'ansible_become_password=hunter2 hunter2' rack=r1", "c1 {} rack=r1"),
        ("c1 ansible_become_password=\"hunter2 'hunter2\" note='a b'", "c1 {} note='a b'"),
        ("c1 rack=r1  # PASSWORD: hunter2", "c1 rack=r1  # PASSWORD: ***"),
        ("ansible_become_password=hunter2 hunter2", "{}"),
        ("ansible_become_password = hunter2 a=hunter2", "ansible_become_password = ***"),
        ("c1 ansible_become_password='hunter2", "c1 {}"),
        ("  - {name: c1, api_token: hunter2, x: hunter2}", "  - {{name: c1, api_token: ***"),
        ('  "client_secret": "hunter2 hunter2"', '  "client_secret": ***'),
        ("compass1 rack=r1 note='a b'", "compass1 rack=r1 note='a b'"),
        ("  compass: [compute1]", "  compass: ***"),
    ],
)
def test_no_secret_is_shown(line: str, shown: str) -> None:
    found = growth.difference("", f"{line}\n", Path("/etc/multinode"))
    assert found[:2] == ["--- /etc/multinode", "+++ /etc/multinode (grown)"]
    assert found[3:] == ["+" + shown.format("ansible_become_password=***")]
    assert growth.difference(f"{line}\n", f"{line}\nx\n", Path("m"))[3] == " " + found[3][1:]


def settings(directory: Path, **more: Any) -> Settings:
    options = standin.installed(directory)
    given = {"site": str(directory / "site.yaml"), "cloud": "seoul", "hosts": NEW, "like": "compute1"}
    return Settings(**{**given, **{name: str(file) for name, file in options.items()}, **more})


def test_the_plan_keeps_hosts_out_until_they_are_proved(tmp_path: Path) -> None:
    load(planner.MODULES)
    given = settings(tmp_path, aggregates=("ssd",), flavor="f1", image="i1", mtu=9000)
    like = {"compute1": {"status": "enabled", "state": "up"}}
    seen = planner.Seen(like, {"valkey"}, tmp_path / "multinode", [])
    made = planner.whole(seen, given, "plan-1", tmp_path / "work", {"multinode": given.inventory})
    waits = made.befores()
    assert [step.id for step in made.steps][:4] == ["bootstrap-servers", "prechecks", "pull", "deploy"]
    assert waits["compute8/prove"] == ["deploy"] and waits["write/multinode"] == ["compute8/mtu", "compute9/mtu"]
    assert waits["compute8/aggregate/ssd"] == ["compute8/mtu", "write/multinode"]
    assert waits["compute8/canary"] == ["compute8/aggregate/ssd"] and waits["compute8/open"] == ["compute8/canary"]
    ping = next(step for step in made.steps if step.id == "compute8/mtu")
    assert ping.args["host"] == "compute1" and ping.args["argv"][-2:] == ["8972", "192.0.2.18"]
    assert [one.severity for one in made.findings] == ["warning"] and "valkey" in shown(made)
    # one that is there already was scheduled to before anybody could prove it
    there = planner.Seen({**like, "compute8": {"status": "enabled", "state": "up"}}, (), tmp_path, [])
    made = planner.whole(there, given, "plan-1", tmp_path / "work", {})
    assert [one.about for one in made.findings if one.severity == "error"] == ["compute8"]


def test_a_like_host_that_is_a_member_of_a_cluster_is_refused(tmp_path: Path) -> None:
    load(planner.MODULES)
    like = {"compute1": {"status": "enabled", "state": "up"}}
    given = settings(tmp_path, flavor="f1", image="i1", mtu=9000)
    text = "[control]\ncompute1\n[compute]\ncompute1\n[mariadb:children]\ncontrol\n[loadbalancer:children]\ncontrol\n"
    seen = planner.Seen(like, (), tmp_path, [], inventory.groups_of(text, "compute1"))
    (found,) = planner.whole(seen, given, "plan-1", tmp_path / "work", {}).findings
    assert (found.severity, found.about) == ("error", "compute1") and "control, loadbalancer, mariadb" in str(found)
    # a group with no cluster of its own is for the operator to judge
    seen = planner.Seen(like, (), tmp_path, [], {"compute", "storage"}, {"storage"})
    (found,) = planner.whole(seen, given, "plan-1", tmp_path / "work", {}).findings
    assert found.severity == "warning" and "storage" in str(found)


def test_groups_beyond_those_of_a_compute_host_are_the_releases_own(tmp_path: Path) -> None:
    options = standin.installed(tmp_path)
    kolla = installed(options["kolla"], options["config"])
    assert phases._beyond(kolla, {"compute", "nova-compute", "valkey", "ours"}) == {"valkey"}


class Answers:
    """A cloud that says what it was given, by path."""

    def __init__(self, **more: Any) -> None:
        self.said: dict[str, Any] = {
            "nodes": [node("one"), node("two")],
            "one.example": ({"VCPU": 4.0, "MEMORY_MB": 1.0}, ["HW_CPU_X86_AVX2"]),
            "two.example": ({"VCPU": 4.0, "MEMORY_MB": 1.0}, ["HW_CPU_X86_AVX2", "CUSTOM_GOLD"]),
            "agents": [agent("one"), agent("two")],
            "state": "up",
            **more,
        }

    def supports(self, *_: str) -> bool:
        return True

    def has(self, service: str) -> bool:
        return True

    def items(self, service: str, path: str, collection: str, version: str = "") -> Any:
        if collection == "services":
            return iter([{"host": "one", "state": self.said["state"], "status": "disabled"}])
        return iter(self.said["nodes" if collection == "hypervisors" else collection])

    def __call__(self, service: str, method: str, path: str, version: str = "") -> Any:
        name = path.partition("=")[2] or path.split("/")[2]
        if "?" in path:
            return {"resource_providers": [{"uuid": name}] if self.said[name] else []}
        ratios, traits = self.said[name]
        if path.endswith("traits"):
            return {"traits": traits}
        return {"inventories": {kind: {"total": 8, "allocation_ratio": ratio} for kind, ratio in ratios.items()}}


def node(host: str) -> dict[str, Any]:
    kind = {"hypervisor_type": "QEMU", "hypervisor_version": 8002002}
    return {**kind, "hypervisor_hostname": f"{host}.example", "service": {"host": host}}


def agent(host: str, **more: Any) -> dict[str, Any]:
    return {"host": host, "binary": "neutron-openvswitch-agent", "alive": True, "admin_state_up": True, **more}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, []),
        ({"state": "down"}, ["its compute service is down"]),
        ({"nodes": []}, ["Nova has no node of one: its host is mapped to no cell yet"]),
        ({"nodes": [node("one")]}, ["Nova has no node of two: there is nothing to compare with"]),
        ({"two.example": None}, ["Placement has no provider two.example: there is nothing to compare with"]),
        (
            {"one.example": ({"VCPU": 16.0}, [])},
            [
                "Placement has no MEMORY_MB of it",
                "VCPU: its ratio is 16, and that of two 4",
                "it lacks the traits HW_CPU_X86_AVX2",
            ],
        ),
        ({"agents": [agent("two")]}, ["Neutron has no neutron-openvswitch-agent on it"]),
        ({"agents": [agent("one", alive=False)]}, ["its neutron-openvswitch-agent is not alive"]),
    ],
)
def test_a_new_host_is_as_the_other_one_is(more: dict[str, Any], said: list[str]) -> None:
    newborn = Newborn(Answers(**more), "one", "two")  # type: ignore[arg-type]
    assert newborn.problems() == said
    assert said or newborn.told["inventory"] == {"VCPU": 8, "MEMORY_MB": 8}


def test_kolla_ansible_is_found_where_it_is_installed(tmp_path: Path) -> None:
    options = standin.installed(tmp_path)
    kolla = installed(options["kolla"], options["config"])
    assert kolla.variables("prechecks") == [
        *("-e", f"@{options['config']}/globals.yml", "-e", f"@{options['config']}/globals.d/more.yml"),
        *("-e", f"@{options['config']}/passwords.yml", "-e", "kolla_action=precheck"),
        *("-e", f"CONFIG_DIR={options['config']}"),
    ]
    with pytest.raises(InputError, match=r"there is no .*site\.yml"):
        installed(tmp_path, options["config"])
    with pytest.raises(InputError, match=r"there is no globals\.yml"):
        installed(options["kolla"], tmp_path)


@pytest.mark.releases
def test_a_run_is_on_the_new_hosts_alone_and_says_what_failed(tmp_path: Path) -> None:
    options = standin.installed(tmp_path)
    file = tmp_path / "grown"
    file.write_text(inventory.grown(standin.INVENTORY, "compute1", {"compute8": "127.0.0.1"}))
    args = {
        **{"hosts": ["compute8"], "inventory": str(file), "directory": str(tmp_path / "runs")},
        **{"kolla": str(options["kolla"]), "config": str(options["config"])},
    }
    steps = [
        {"id": "prechecks", "kind": "scale.run", "args": {**args, "action": "prechecks"}},
        {"id": "deploy", "kind": "scale.run", "args": {**args, "action": "deploy"}, "after": ["prechecks"]},
    ]
    (options["config"] / "globals.d" / "more.yml").write_text(
        json.dumps({"deploy": "echo no disk is left >&2; exit 4"})
    )
    made = {"naru_plan": 1, "title": "Runs", "modules": ["naru.operate.scale.steps"], "steps": steps}
    (tmp_path / "plan.json").write_text(json.dumps(made))
    naru("plan", "create", tmp_path / "plan.json", "--work", tmp_path / "work")
    state = naru_json("plan", "run", tmp_path / "work", code=1)
    assert (tmp_path / "log").read_text() == "precheck compute8 r1 for-nobody\ndeploy compute8 r1 for-nobody\n"
    (failed,) = state["failed"]
    assert failed["summary"] == "kolla-ansible deploy ended with 2"
    assert failed["detail"].startswith("compute8: Deploy: ") and "non-zero return code" in failed["detail"]
    # given again it goes on where it failed
    (options["config"] / "globals.d" / "more.yml").write_text(json.dumps({"deploy": "true"}))
    naru("plan", "retry", "--failed", "--work", tmp_path / "work")
    assert naru_json("plan", "run", tmp_path / "work")["state"] == "done"
    kept = [file for file in (tmp_path / "work").rglob("*") if file.is_file() and b"for-nobody" in file.read_bytes()]
    assert kept == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["compute1"], "it has compute1 already"),
        (["compute8", "--like", "compute7"], "it has no host compute7"),
        (["compute8", "compute8"], "compute8 is given twice"),
        (["compute 8"], "give a host as NAME or NAME=ADDRESS"),
        (["compute8", "--flavor", "tiny"], "--flavor and --image are given together"),
        (["compute8", "--mtu", "9"], "give the bytes of a packet"),
        (["compute8", "--config", "/nowhere"], "there is no globals.yml"),
        (["compute8", "--inventory", "/nowhere"], "there is no such file"),
    ],
)
def test_what_cannot_be_planned_is_bad_input(options: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    found = standin.installed(tmp_path)
    given = [word for name, file in found.items() for word in (f"--{name}", str(file))]
    words = ["scale", "compute", *given, "--site", str(tmp_path / "site.yaml"), "--like", "compute1", *options]
    assert said in naru(*words, "--work", tmp_path / "work", code=2).stderr
    assert not (tmp_path / "work").exists()

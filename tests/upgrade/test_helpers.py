"""What the units and helpers of services name that are to have a shipped environment."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from naru.errors import NaruError
from naru.site.model import Service
from naru.upgrade.check import helpers
from naru.upgrade.check.configuration import Read
from naru.upgrade.check.helpers import Seen, Wrong, judged

pytestmark = pytest.mark.unit

LINK, PLACE = "/opt/naru/nova", "/opt/naru/queens-0123456789ab"
CONF = "/etc/next/nova.conf"
UNIT = {
    "LoadState": "loaded",
    "User": "nova",
    "ExecStart": f"{{ path={LINK}/bin/nova-compute ; argv[]={LINK}/bin/nova-compute }}",
}
RULE = f"nova ALL = (root) NOPASSWD: {LINK}/bin/nova-rootwrap *"


def line(**more: Any) -> Service:
    given = {"name": "nova-compute", "hosts": "c1", "managed": {"unit": "next"}, "environment": LINK, "config": CONF}
    return Service(**{**given, **more})


def told(seen: Seen, **more: Any) -> list[tuple[str, str]]:
    return [(one.state, one.what) for one in judged(line(**more), PLACE, seen) if one.state != "right"]


def seen(
    unit: dict[str, str] | None = None, *options: Read, rule: str = RULE, **rootwrap: list[tuple[str, bool]]
) -> Seen:
    dirs = {f"/etc/{name}/rootwrap.conf": found for name, found in rootwrap.items()}
    return Seen({"next": {**UNIT, **(unit or {})}}, list(options), dirs, [rule])


def test_what_is_all_of_the_environment_is_right() -> None:
    nova = [("/usr/sbin", False), (f"{LINK}/bin", False), ("/usr/bin", True)]
    helper = Read(CONF, "vif_plug_ovs", "helper_command", f"sudo {PLACE}/bin/privsep-helper --config-file {CONF}")
    assert told(seen({}, helper, nova=nova)) == []
    # a wrapper, with the environment in its PATH
    assert told(seen({"ExecStart": "{ path=/srv/run ; }", "Environment": f"A=b PATH={LINK}/bin:/usr/bin"})) == []
    assert told(seen(rule="nova ALL=(ALL) NOPASSWD: ALL")) == []
    assert told(seen({"User": ""}, rule="")) == []  # it is root


def test_a_unit_that_starts_another_release_blocks() -> None:
    ((state, what),) = told(seen({"ExecStart": "{ path=/usr/bin/nova-compute ; argv[]=/usr/bin/nova-compute }"}))
    assert state == "blocks" and what == f"next starts /usr/bin/nova-compute, which is not of {LINK}"
    assert told(seen({"ExecStart": "{ path=/srv/run ; }"})) == [("unknown", f"next names nothing of {LINK}")]
    ((state, what),) = told(seen({"LoadState": "not-found"}))
    assert state == "unknown" and "there is no unit next yet" in what


def test_helpers_of_another_place_block() -> None:
    helper = Read(CONF, "privsep", "helper_command", "sudo /usr/bin/privsep-helper")
    ((state, what),) = told(seen({}, helper))
    assert state == "blocks" and "[privsep] helper_command names /usr/bin/privsep-helper" in what
    daemon = Read(CONF, "agent", "root_helper_daemon", "sudo /usr/bin/neutron-rootwrap-daemon /etc/next/rootwrap.conf")
    ((state, what),) = told(seen({}, daemon, next=[(f"{LINK}/bin", False)]))
    assert state == "blocks" and "neutron-rootwrap-daemon" in what
    other = Read("/etc/other.conf", "privsep", "helper_command", "sudo /usr/bin/privsep-helper")
    assert told(seen({}, other)) == []  # another service's


@pytest.mark.parametrize(
    ("found", "what"),
    [
        ([("/usr/bin", True), (f"{LINK}/bin", False)], f"exec_dirs has {LINK}/bin behind /usr/bin"),
        ([("/usr/sbin", False), ("/usr/bin", True)], f"exec_dirs has no {LINK}/bin"),
    ],
)
def test_rootwrap_finds_the_first_privsep_helper(found: list[tuple[str, bool]], what: str) -> None:
    ((state, text),) = told(seen(nova=found))
    assert state == "blocks" and what in text
    # the service's own file counts, where it names one
    own = Read(CONF, "DEFAULT", "rootwrap_config", "/etc/own/rootwrap.conf")
    assert told(seen({}, own, nova=found, own=[(f"{PLACE}/bin", False)])) == []


def test_sudo_has_to_let_them_through() -> None:
    ((state, what),) = told(seen(rule="nova ALL = (root) NOPASSWD: /usr/bin/nova-rootwrap /etc/nova/rootwrap.conf *"))
    assert (state, what) == ("blocks", f"sudo lets nova run /usr/bin/nova-rootwrap, and nothing of {LINK}")
    ((state, what),) = told(seen(rule="neutron ALL = (root) NOPASSWD: /usr/bin/neutron-rootwrap *"))
    assert state == "unknown" and "no rule of it names such a program" in what


def test_sudo_has_to_find_them() -> None:
    def paths(*rules: str) -> list[tuple[str, str]]:
        return told(Seen({"next": UNIT}, rules=[*rules, RULE]))

    everybody = 'Defaults secure_path="/usr/sbin:/usr/bin"'
    ((state, what),) = paths(everybody)
    assert state == "blocks" and what.startswith("sudo looks for nova-rootwrap in its secure_path")
    assert paths(everybody, f'Defaults:nova secure_path="{LINK}/bin:/usr/bin"') == []
    assert paths(everybody, "Defaults:nova !secure_path") == []
    assert paths("Defaults:neutron secure_path=/usr/bin") == []


def test_novas_libvirt_driver_needs_a_binding_besides() -> None:
    driver = Read(CONF, "DEFAULT", "compute_driver", "libvirt.LibvirtDriver")
    ((state, what),) = told(seen({}, driver))
    assert state == "warns" and "no binding of libvirt" in what
    assert told(seen({"Environment": "PYTHONPATH=/opt/naru/libvirt"}, driver)) == []
    assert told(seen({}, driver, Read(CONF, "DEFAULT", "compute_driver", "fake.FakeDriver"))) == []


def test_what_a_host_is_asked_by(tmp_path: Path) -> None:
    conf, other = tmp_path / "nova.conf", tmp_path / "bin"
    other.mkdir()
    (other / "privsep-helper").touch(0o755)
    conf.write_text("[DEFAULT]\nrootwrap_config = /x\nsecret = no\n[privsep]\nhelper_command = sudo a\n   b\n")
    rootwrap = tmp_path / "rootwrap.conf"
    rootwrap.write_text(f"[DEFAULT]\nexec_dirs={LINK}/bin, {other}\n")
    mine = line(config=str(conf), managed={"start": "a", "stop": "b", "status": "c"})

    def said(text: str) -> str:
        return subprocess.run(["sh", "-c", text], capture_output=True, text=True, timeout=60, check=True).stdout

    found = helpers.read(said(helpers.script([mine])))
    assert found.options == [
        Read(str(conf), "DEFAULT", "rootwrap_config", "/x"),
        Read(str(conf), "privsep", "helper_command", "sudo ab"),
    ]
    assert helpers.rootwrap_files(mine, found) == {"/x"}
    text = helpers._directories([str(rootwrap), str(tmp_path / "none")])
    assert helpers.directories(said(text)) == {str(rootwrap): [(f"{LINK}/bin", False), (str(other), True)]}
    unit = helpers.read(
        "unit\tnext\tUser=nova\nunit\tnext\tExecStart={ path=/a ; argv[]=/a b=c }\nsudo\tnova\tALL\tx y\n"
    )
    assert unit.units == {"next": {"User": "nova", "ExecStart": "{ path=/a ; argv[]=/a b=c }"}}
    assert unit.rules == ["nova ALL x y"] and unit.options == []


def test_hosts_that_say_the_same_are_one_finding() -> None:
    wrong = Wrong("blocks", "nova", "a", "b", "c")
    (gone, one) = helpers._folded("queens", {"c3": [line()]}, {"c1": [wrong], "c2": [wrong], "c3": NaruError("gone")})
    assert (gone.state, gone.where, one.number, one.examples) == ("unknown", "c3", 2, ("c[1:2]",))

"""What is concluded of what was seen: `naru site check` without a host."""

import os
import shutil
import subprocess
from pathlib import Path

import asyncssh
import pytest

from naru.errors import InputError, NaruError
from naru.releases.versions import releases_of
from naru.site.check import hosts, services, wanted
from naru.site.check.look import SCRIPT, Clock, Disk, Look, Missed, Owner, missed, parse
from naru.site.check.result import Result, Results, together
from naru.site.ssh import Unreachable

from .looks import RUNS, bad, look, site

pytestmark = pytest.mark.unit

# -- hosts


def of_hosts(looks: dict[str, Look], missed_: dict[str, Missed] | None = None) -> dict[tuple[str, str, str], str]:
    results = Results()
    hosts.judge(site(), looks, missed_ or {}, results)
    return bad(results)


def test_a_host_is_the_one_that_its_line_means() -> None:
    assert of_hosts({"ctl1": look("CTL1.example.org")}) == {}
    assert of_hosts({"ctl1": look("ctl2")}) == {
        ("wrong", "hosts.ctl1.address", "ctl1"): "10.0.0.11 is the host ctl2: it calls itself ctl2"
    }
    found = of_hosts({"ctl1": look("web", boot="b"), "ctl2": look("web", boot="b")})
    assert "the same machine as ctl2" in found["wrong", "hosts.ctl1.address", "ctl1"]
    assert "whether it is ctl3 is not known" in of_hosts({"ctl3": look("web")})["unknown", "hosts.ctl3.address", "ctl3"]


def test_clocks_are_compared_with_this_machine_or_with_most_hosts() -> None:
    def clocks(*offsets: float, width: float = 0.2) -> dict[tuple[str, str, str], str]:
        found = {
            f"ctl{number}": look(f"ctl{number}", clock=Clock(offset - width / 2, offset + width / 2))
            for number, offset in enumerate(offsets, 1)
        }
        return of_hosts(found)

    assert clocks(0, 0.5, -0.5) == {}
    assert clocks(0, 90, 0) == {("wrong", "hosts.ctl2", "ctl2"): "its clock is 90.0 s ahead of this machine's"}
    assert clocks(40, 40.2, 40) == {("wrong", "hosts", ""): "most hosts' clocks are 40.0 s ahead of this machine's"}
    assert clocks(-40, -40, 0) == {
        ("wrong", "hosts", ""): "most hosts' clocks are 40.0 s behind this machine's",
        ("wrong", "hosts.ctl3", "ctl3"): "its clock is 40.0 s ahead of the other hosts'",
    }
    assert "too slowly to tell" in clocks(0.9, width=3)["unknown", "hosts.ctl1", "ctl1"]
    assert of_hosts({"ctl1": look(clock=None)}) == {("unknown", "hosts.ctl1", "ctl1"): "its clock could not be read"}


def test_disks_that_are_nearly_full() -> None:
    gib = 1 << 20
    disks = [
        Disk("disk", "/", 100 * gib, 50 * gib),
        Disk("disk", "/var/log", 10 * gib, gib // 2),
        Disk("disk", "/srv", 4000 * gib, 200 * gib),  # little of it, but enough
        Disk("disk", "/run/user/0", 1, 0),
        Disk("disk", "/var/lib/docker/overlay2/ab/merged", 1, 0),
        Disk("inodes", "/var/mail", 1000, 1),
    ]
    results = Results()
    hosts.judge(site(), {"ctl1": look(disks=disks)}, {}, results)
    assert [one.what for one in results if one.state == "wrong"] == [
        "/var/log is 95% full (512.0 MiB free)",
        "/var/mail is at 100% of its inodes",
    ]
    assert ("unknown", "hosts.ctl1", "ctl1") in of_hosts({"ctl1": look(disks=[])})


def test_who_is_not_root_does_not_see_all() -> None:
    found = of_hosts({"ctl1": look(root=False, user="naru")})
    assert "what only root sees is hidden" in found["unknown", "hosts.ctl1.login", "ctl1"]
    found = of_hosts({"ctl1": look(root=False, user="naru", sudo="a password is required")})
    assert "does not make naru root" in found["wrong", "hosts.ctl1.login.sudo", "ctl1"]


def test_why_a_host_was_missed_names_the_field() -> None:
    def caused(error: NaruError, cause: BaseException) -> Missed:
        error.__cause__ = cause
        return missed(error)

    assert caused(Unreachable("ctl1: x"), ConnectionRefusedError()).field == "address"
    assert caused(Unreachable("ctl1: x"), FileNotFoundError(2, "none", "key")).field == "login"
    assert caused(Unreachable("ctl1: bad key"), ValueError()).field == "login.key"
    assert missed(InputError("site.yaml: login.password of ctl1: none")).field == "login"
    assert not caused(NaruError("ctl1: no end of sh within 120 s"), TimeoutError()).certain
    assert not caused(Unreachable("ctl1: x"), asyncssh.ConnectionLost("x")).certain


# -- what is asked of a host, and the script itself


def test_the_script_runs_where_it_is_given_names_of_any_kind(tmp_path: Path) -> None:
    odd = 'it\'s $HOME; `x` "q"'
    (tmp_path / odd).touch()
    (tmp_path / "opt/lib/python3.9/site-packages/openstack_placement-9.0.0.dist-info").mkdir(parents=True)
    content = f"""
services:
  - name: placement
    hosts: ctl1
    managed: {{start: "true", stop: "true", status: "echo 'a\tb'; exit 3"}}
    python: {tmp_path}/opt/bin/python
    config: ["{tmp_path}/none", '{str(tmp_path / odd).replace("'", "''")}']
    port: 22
  - {{name: nova-compute, hosts: ctl1, managed: {{unit: "no such.service"}}}}
"""
    text = wanted.text(wanted.of_site(site(content))["ctl1"])
    done = subprocess.run(
        ["sh", "-s"], input=f"{SCRIPT}\n{text}\nlook </dev/null\n", capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    found = parse(done.stdout)
    assert found.whole and found.root == (os.geteuid() == 0) and len(found.clocks) == 2
    assert found.files == {f"{tmp_path}/none": "none", str(tmp_path / odd): "there"}
    assert found.packages == {"placement": [("openstack-placement", "9.0.0")]}
    assert [code for code, _ in found.status.values()] == [3]
    assert found.disks and any(one.mount == "/" for one in found.disks)


ENGINE = """#!/bin/sh
case $1 in
ps) printf 'nova_compute\\nkeystone\\nhaproxy\\n' ;;
inspect) shift; shift; shift
    for name; do
        case $name in
        nova_compute) printf '/%s\\trunning\\t%s\\t%s\\t%s\\n' $name $$ abc kolla/nova:pike ;;
        keystone) printf '/%s\\texited\\t0\\t%s\\t%s\\n' $name def kolla/keystone:pike ;;
        esac
    done ;;
esac
"""


def test_containers_as_an_engine_lists_them(tmp_path: Path) -> None:
    (tmp_path / "docker").write_text(ENGINE)
    (tmp_path / "docker").chmod(0o755)
    content = """
services:
  - {name: nova-compute, hosts: ctl1, managed: {container: nova_compute}}
  - {name: keystone, hosts: ctl1, managed: {container: keystone, engine: docker}}
  - {name: nova-scheduler, hosts: ctl1, managed: {container: nova_schedule}}
  - {name: glance-api, hosts: ctl1, managed: {container: glance_api, engine: podman}}
"""
    given = site(content)
    text = wanted.text(wanted.of_site(given)["ctl1"])
    (tmp_path / "real").mkdir()
    for program in ("sh", "awk", "sed", "grep", "tr", "tail", "head", "readlink", "cat", "date", "id", "df", "timeout"):
        (tmp_path / "real" / program).symlink_to(shutil.which(program) or "/none")
    done = subprocess.run(
        ["/bin/sh", "-s"],
        input=f"{SCRIPT}\n{text}\nlook </dev/null\n",
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": f"{tmp_path}:{tmp_path}/real"},
    )
    found = parse(done.stdout)
    assert found.whole, done.stderr
    found.root = True
    results = Results()
    services.judge(given, {"ctl1": found}, lambda name, version: (), results)
    told = {one.field: (one.state, one.what) for one in results if ".release" not in one.field}
    assert told == {
        "services.nova-compute.managed.container": ("right", "nova_compute runs in docker, of kolla/nova:pike"),
        "services.keystone.managed.container": ("wrong", "the container keystone is exited"),
        "services.nova-scheduler.managed.container": ("wrong", "there is no container nova_schedule"),
        "services.glance-api.managed.engine": ("wrong", "there is no podman, but docker"),
    }


# -- services

NOVA = "services:\n  - {name: nova-api, hosts: ctl1, managed: {unit: nova-api}, port: 8774, logs: /var/log/x}\n"


def of_services(seen: Look, content: str = NOVA) -> dict[tuple[str, str, str], str]:
    results = Results()
    services.judge(site(content), {"ctl1": seen}, releases_of, results)
    return bad(results)


def test_what_runs_of_which_release_at_which_port() -> None:
    seen = {
        "units": RUNS,
        "packages": {"nova-api": [("nova", "16.1.8")]},
        "listening": [("10.0.0.11", 8774)],
        "owners": [Owner(8774, 7, "nova-api", "/system.slice/nova-api.service")],
        "files": {"/var/log/x": "there"},
    }
    assert of_services(look(**seen)) == {}
    assert of_services(look(**seen | {"packages": {"nova-api": [("nova", "17.0.0")]}})) == {
        ("wrong", "services.nova-api.release", "ctl1"): "it is of queens (nova 17.0.0), not of pike"
    }
    both = {"packages": {"nova-api": [("nova", "16.1.8"), ("nova", "17.0.0")]}}
    assert ("unknown", "services.nova-api.release", "ctl1") in of_services(look(**seen | both))
    assert ("unknown", "services.nova-api.port", "ctl1") in of_services(look(**seen | {"owners": []}))
    other = [Owner(8774, 7, "haproxy", "/system.slice/haproxy.service")]
    assert of_services(look(**seen | {"owners": other})) == {
        ("wrong", "services.nova-api.port", "ctl1"): "at 8774 listens haproxy (haproxy.service), which is not nova-api"
    }
    assert of_services(look(**seen | {"packages": {}})) == {
        ("unknown", "services.nova-api.release", "ctl1"): "its interpreter is not known"
    }
    assert of_services(look(**seen | {"files": {"/var/log/x": "hidden"}, "user": "naru"})) == {
        ("unknown", "services.nova-api.logs", "ctl1"): "/var/log/x is hidden from naru"
    }
    assert of_services(look(**seen | {"units": {}})) == {
        ("unknown", "services.nova-api.managed.unit", "ctl1"): "systemd does not answer"
    }
    for state, text in (("failed", "nova-api is failed"), ("activating", "nova-api is activating (auto-restart)")):
        unit = {
            "nova-api": RUNS["nova-api"]
            | {"ActiveState": state, "SubState": "auto-restart"[: 12 if state != "failed" else 0] or state}
        }
        assert of_services(look(**seen | {"units": unit})) == {
            ("wrong", "services.nova-api.managed.unit", "ctl1"): text
        }


def test_a_service_on_a_host_that_was_not_seen_is_never_right() -> None:
    results = Results()
    services.judge(site(NOVA), {}, releases_of, results)
    assert {one.field for one in results if one.state == "unknown" and one.follows} == {
        *("services.nova-api.managed", "services.nova-api.release", "services.nova-api.port", "services.nova-api.logs")
    }
    assert len(results) == 4


def test_what_is_the_same_on_many_hosts_is_said_once() -> None:
    one = Result("wrong", "services.x.port", "", "nothing listens at 1", "Correct port.")
    rows = together([one._replace(host=f"ctl{number}") for number in (1, 2, 3)])
    assert rows == [(one, ["ctl[1:3]"])]

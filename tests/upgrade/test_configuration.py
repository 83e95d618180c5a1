"""Configuration files that a later release refuses or ignores: read by the host's own awk, and judged."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from naru.errors import NaruError
from naru.releases import path, release
from naru.releases.settings import ALL, required, settings
from naru.site.model import Service, Unit
from naru.upgrade.check import configuration
from naru.upgrade.finding import Finding, Span

pytestmark = pytest.mark.unit

NOVA = """\
[DEFAULT]
# rabbit_host = commented
rabbit_host=10.0.0.5
my_password = secret
[oslo_messaging_rabbit]
rabbit_password = secret
[filter_scheduler]
enabled_filters = RetryFilter,
    CoreFilter,
    ComputeFilter
[scheduler]
driver: filter_scheduler
"""


def found(directory: Path, start: str, goal: str, *, is_next: bool = True) -> list[Finding]:
    """What is found of files in a directory."""
    files = {str(file): file.parent.name for file in sorted(directory.glob("*/*.conf"))}
    options = sorted({option for one in settings() for option in one.options})
    script = configuration.script(list(files), options)
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, timeout=60).stdout
    assert "secret" not in said
    span = Span(start, goal)
    wanted = [one for one in settings() if span.passes(one.since)]
    read = {"ctl1": configuration.parsed(said)}
    return list(configuration.judged(read, {"ctl1": files}, wanted, span, is_next=is_next))


def write(directory: Path, service: str, text: str) -> None:
    (directory / service).mkdir(exist_ok=True)
    (directory / service / f"{service}.conf").write_text(text)


def test_what_is_refused_is_found_from_the_release_on_that_refuses_it(tmp_path: Path) -> None:
    write(tmp_path, "nova", NOVA)
    assert found(tmp_path, "pike", "rocky") == []
    train = found(tmp_path, "pike", "train")
    assert {(one.release, one.service) for one in train} == {("stein", "nova"), ("train", "nova")}
    rabbit, filters = sorted(train, key=lambda one: one.release)
    assert "[DEFAULT] rabbit_host = 10.0.0.5" in rabbit.what and rabbit.state == "blocks"
    assert rabbit.examples == ("ctl1",) and rabbit.number == 1 and "transport_url" in rabbit.cure
    assert "enabled_filters = RetryFilter,CoreFilter,ComputeFilter" in filters.what
    assert {one.release for one in found(tmp_path, "pike", "2026.2")} == {"stein", "train", "victoria"}
    # what is behind the cloud is of no interest, and of the running services' files it is no reason to stop
    assert {one.release for one in found(tmp_path, "train", "2026.2")} == {"victoria"}
    assert {one.state for one in found(tmp_path, "pike", "train", is_next=False)} == {"on the way"}


def test_of_each_setting_one_is_found_and_its_neighbour_is_not(tmp_path: Path) -> None:
    wrong = {
        "keystone": "[token]\nprovider = uuid\n[catalog]\ndriver = templated\n",
        "glance": "[DEFAULT]\ndata_api = glance.db.registry.api\n",
        "cinder": "[DEFAULT]\nbackup_driver = cinder.backup.drivers.ceph\n[oslo_policy]\npolicy_file = /etc/p.json\n",
        "neutron": "[DEFAULT]\napi_workers = 0\ninterface_driver = linuxbridge\n[ml2]\n"
        "mechanism_drivers = l2population, linuxbridge\n",
    }
    for service, text in wrong.items():
        write(tmp_path, service, text)
    assert len(found(tmp_path, "pike", "2026.2")) == 8
    right = {
        "keystone": "[token]\nprovider = fernet\n[catalog]\ndriver = sql\n[other]\nprovider = uuid\n",
        "glance": "[DEFAULT]\ndata_api = glance.db.sqlalchemy.api\n",
        "cinder": "[DEFAULT]\nbackup_driver = cinder.backup.drivers.ceph.CephBackupDriver\n[oslo_policy]\n"
        "policy_file = policy.yaml\n",
        "neutron": "[DEFAULT]\napi_workers = 10\ninterface_driver = openvswitch\n[ml2]\n"
        "mechanism_drivers = openvswitch,linuxbridge2\n",
    }
    for service, text in right.items():
        write(tmp_path, service, text)
    assert found(tmp_path, "pike", "2026.2") == []


def test_a_policy_beside_a_configuration_is_found_and_a_host_that_does_not_answer_is_not_known(tmp_path: Path) -> None:
    write(tmp_path, "cinder", "[DEFAULT]\n")
    (tmp_path / "cinder" / "policy.json").write_text("{}")
    assert found(tmp_path, "pike", "2025.2") == []
    (one,) = found(tmp_path, "pike", "2026.1")
    assert (one.service, one.release, one.state) == ("cinder", "2026.1", "blocks")
    span = Span("pike", "2026.1")
    (gone,) = configuration.judged({"c1": NaruError("no answer")}, {"c1": {"/etc/x": "nova"}}, [], span, is_next=True)
    assert gone.state == "unknown" and "no answer" in gone.what


def test_what_is_known_is_of_releases_and_services_that_there_are() -> None:
    assert {one.service for one in settings()} <= {ALL, *path.services()}
    assert {one.since for one in settings()} <= set(release.names())


def left_out(start: str, goal: str, lines: list[tuple[Service, list[str]]], said: Mapping[str, str | NaruError]) -> Any:
    """What is found missing: for each finding its state, what files or programs it begins with, and the hosts."""
    needed = [one for one in required() if one.is_needed(start, goal)]
    read = {host: one if isinstance(one, NaruError) else configuration.parsed(one) for host, one in said.items()}
    every = list(configuration.missing(read, lines, needed, goal))
    assert {(one.service, one.release) for one in every} <= {("nova", goal)}
    return [(one.state, one.what.partition(":")[0], " ".join(one.examples)) for one in every]


def line(name: str, *config: str) -> Service:
    return Service(name=name, hosts=("x",), managed=Unit(unit=f"{name}.service"), config=config)


FFU = "disable_compute_service_check_for_ffu"
A, B = "/etc/nova/nova.conf", "/etc/nova/more.conf"


def test_novas_services_need_a_setting_where_the_cloud_is_older_than_they_support() -> None:
    lines = [(line("nova-scheduler", A), ["ctl1"]), (line("nova-compute", A), ["c1", "c2", "c3"])]
    lines += [(line("nova-novncproxy", B), ["ctl1"])]
    said = dict.fromkeys(("c1", "c3"), f"{A}\tworkarounds\t{FFU}\tTrue\n")
    said |= {"ctl1": f"{A}\tworkarounds\t{FFU}\tfalse\n", "c2": f"{A}\tDEFAULT\t{FFU}\ttrue\n"}
    assert left_out("pike", "2026.1", lines, said) == [("blocks", A, "c2 ctl1")]
    assert left_out("pike", "2026.1", lines, {**said, "c2": NaruError("gone")}) == [("blocks", A, "ctl1")]
    assert left_out("2024.2", "2026.1", lines, said) == [("blocks", A, "c2 ctl1")]
    assert left_out("2025.1", "2026.1", lines, said) == []
    assert left_out("victoria", "wallaby", lines, said) == [] == left_out("pike", "victoria", lines, said)
    assert left_out("pike", "2026.1", [], {}) == [("on the way", f"[workarounds] {FFU}", "")]
    assert left_out("pike", "2026.1", lines[2:], said) == [("on the way", f"[workarounds] {FFU}", "")]


def test_the_last_of_a_services_files_says_it_and_without_files_it_is_not_known() -> None:
    lines = [(line("nova-compute", A, B), ["c1"])]
    on, off = f"\tworkarounds\t{FFU}\ttrue\n", f"\tworkarounds\t{FFU}\t0\n"
    assert left_out("pike", "yoga", lines, {"c1": B + on + A + off}) == []
    assert left_out("pike", "yoga", lines, {"c1": A + on + B + off}) == [("blocks", f"{A}, {B}", "c1")]
    unknown = ("unknown", f"[workarounds] {FFU}", "c1")
    assert left_out("pike", "yoga", [(line("nova-compute"), ["c1"])], {}) == [unknown]


def test_a_file_that_cannot_be_read_ends_the_script() -> None:
    """So that a host is not known, and not right."""
    script = configuration.script(["/etc/passwd", "/nowhere/nova.conf"], ["rabbit_host"])
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "/nowhere/nova.conf" in done.stderr


def test_each_release_since_wallaby_says_which_is_the_oldest() -> None:
    names = release.names()
    for one in required():
        assert list(one.oldest) == names[names.index("wallaby") :]
        assert all(names.index(oldest) < names.index(goal) for goal, oldest in one.oldest.items())
        assert [name for name in names if release.load(name).has("nova-compute-check")] == list(one.oldest)

"""Configuration files that a later release refuses or ignores: read by the host's own awk, and judged."""

import subprocess
from pathlib import Path

import pytest

from naru.errors import NaruError
from naru.releases import path, release
from naru.releases.settings import ALL, settings
from naru.upgrade import configuration
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
    script = configuration._script(list(files), options)
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

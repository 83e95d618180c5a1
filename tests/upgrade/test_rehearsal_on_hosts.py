"""An upgrade planned, prepared and rehearsed on a Pike cloud on hosts, by the commands that an operator gives."""

import json
import random
import re
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from naru.lab.lab import Lab
from naru.releases import path, release

from ..lab.hosted.scenario import on, until
from ..lab.scenario import connect
from .cloud import CLOUD
from .conftest import DATABASE_HOST
from .orders import begin, naru

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1800)]

See = Callable[[str], str]
KILLS = 40
SEED = 20261129


@pytest.fixture(scope="module")
def prepared(pike: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work directory of an upgrade that is prepared."""
    work = tmp_path_factory.mktemp("upgrade") / "work"
    out, errors = naru("plan", "--site", str(pike.site_yaml), "--to", "queens", "--work", str(work), "-f", "json")
    steps = [row["step"] for row in json.loads(out)]
    assert steps[:3] == ["queens/pack", "queens/db1/ship", "queens/db1/prove"]
    assert "shared_targets_online_data_migration is left out" in errors
    assert "not prepared" in naru("rehearse", str(work), code=2)[1]
    naru("prepare", str(work))
    naru("prepare", str(work))  # once more does no harm
    return work


@pytest.fixture
def nothing_is_left(pike: Lab) -> Callable[[], None]:
    """Nothing of a rehearsal is on hosts, beside the empty directories that they were in."""

    def check() -> None:
        for host in (DATABASE_HOST, "ctl1"):
            units = "systemctl list-units --all --no-legend 'naru-*'; find /var/lib/naru-scratch /run/naru -mindepth 1"
            dumps = "find /var/lib/naru/upgrade -path '*/rehearsal-*' -type f"
            assert on(pike.hosts(), host, f"({units}; {dumps}) 2>/dev/null || true") == ""

    return check


def timings(work: Path) -> dict[str, Any]:
    return {row["what"]: row for row in json.loads(naru("timings", str(work), "-f", "json")[0])}


def test_a_rehearsal_goes_there_and_back_and_leaves_the_cloud_alone(
    prepared: Path, live: Callable[[str], str], nothing_is_left: Callable[[], None]
) -> None:
    looks = (
        "SELECT version FROM nova.migrate_version; SELECT version FROM cinder.migrate_version; "
        "SELECT version_num FROM neutron.alembic_version; "
        "SELECT database_connection, transport_url FROM nova_api.cell_mappings; "
        "CHECKSUM TABLE keystone.project, nova.instances, nova_api.flavors, cinder.volumes, glance.images"
    )
    before = live(looks)
    out, errors = naru("rehearse", str(prepared), "-f", "json")
    assert "1 of 3 rehearsals are done" in errors
    assert live(looks) == before
    nothing_is_left()
    rows = timings(prepared)
    assert rows == {row["what"]: row for row in json.loads(out)}
    services = {name for name in path.services() if name != "placement"}  # of Queens it is a part of Nova
    assert {f"{name}/queens/sync" for name in services} | {"nova/queens/online", "cinder/queens/online"} <= rows.keys()
    assert rows["all hops"]["median"] >= rows["nova/queens/sync"]["median"] > 0.5
    assert rows["the way back"]["median"] > 0.5
    status = json.loads(naru("status", str(prepared), "-f", "json")[0])
    assert (status["rehearsals"], status["wanted"], status["last rehearsal"]) == (1, 3, "1: done")
    # Queens' nova-status has run on the copy, and what it cannot find out there is not right
    assert rows["nova/queens/check"]["median"] < 60
    own = [one for one in json.loads(naru("check", str(prepared), "-f", "json")[0]) if one["where"] == "nova-status"]
    assert [(one["state"], one["examples"]) for one in own] == [("unseen", ["Placement API"])]
    # no password is in the journal or the directory
    assert "mysql+pymysql" not in (prepared / "rehearsal/1/journal.db").read_bytes().decode("latin1")


def test_what_fails_in_a_rehearsal_is_said_and_the_next_one_begins_anew(
    prepared: Path, on_database: See, nothing_is_left: Callable[[], None]
) -> None:
    process = begin("rehearse", str(prepared))
    killer = (
        "for n in $(seq 600); do pkill -KILL -f '[b]in/keystone-manage .*db_sync' && exit; sleep 0.05; done; exit 1"
    )
    on_database(killer)
    with process:
        _, errors = process.communicate(timeout=600)
    assert process.returncode == 1, errors
    assert "schema steps of keystone queens: db1: keystone-manage exited with 70" in errors, errors
    assert "1: failed" not in naru("status", str(prepared))[0]
    _, errors = naru("rehearse", str(prepared))
    assert "removing the copy and its dumps" in errors
    nothing_is_left()


@pytest.mark.releases  # the same steps are killed in a window, and in rehearsals that fail
def test_a_rehearsal_that_is_killed_over_and_over_comes_to_its_end(
    prepared: Path, nothing_is_left: Callable[[], None]
) -> None:
    pick = random.Random(SEED)
    before = json.loads(naru("status", str(prepared), "-f", "json")[0])["rehearsals"]
    for _ in range(KILLS):
        process = begin("rehearse", str(prepared))
        time.sleep(pick.uniform(1.5, 7))
        process.kill()
        process.communicate(timeout=60)
    if json.loads(naru("status", str(prepared), "-f", "json")[0])["rehearsals"] == before:
        naru("rehearse", str(prepared))
    assert json.loads(naru("status", str(prepared), "-f", "json")[0])["rehearsals"] > before
    naru("rehearse", str(prepared))
    nothing_is_left()
    assert re.search(r"all hops", naru("timings", str(prepared))[0])


@pytest.mark.releases
@pytest.mark.timeout(7200)
def test_all_hops_to_the_newest_release_are_rehearsed_there_and_back(
    pike: Lab, tmp_path: Path, nothing_is_left: Callable[[], None]
) -> None:
    work, newest = str(tmp_path / "w"), release.names()[-1]
    naru("plan", "--site", str(pike.site_yaml), "--to", newest, "--on", "ctl1", "--work", work, seconds=300)
    naru("prepare", work, seconds=3600)
    naru("rehearse", work, seconds=3600)
    rows = timings(Path(work))
    for way in path.ways("pike", newest):
        assert {f"{way.service.name}/{hop.release}/sync" for hop in way.hops} <= rows.keys()
    print({name: rows[name]["median"] for name in ("dump", "all hops", "the way back")})
    nothing_is_left()


def test_what_blocks_keeps_an_upgrade_from_being_planned(pike: Lab, live: Callable[[str], str], tmp_path: Path) -> None:
    live("INSERT INTO cinder.volumes (id, deleted, host) VALUES ('planted', 0, 'nowhere@lvm#lvm')")
    try:
        work = tmp_path / "w"
        _, errors = naru("plan", "--site", str(pike.site_yaml), "--to", "queens", "--work", str(work), code=1)
        assert "on a host that has no service" in errors and "planted" in errors and "update_host" in errors
        assert "error" in naru("prepare", str(work), code=2)[1]
        out, _ = naru("check", str(work), "-f", "json", code=1)  # of what was planned
        assert {one["service"] for one in json.loads(out) if one["state"] == "blocks"} == {"cinder"}
    finally:
        live("DELETE FROM cinder.volumes WHERE id = 'planted'")


def test_a_service_that_is_to_run_and_is_not_there_is_told_days_ahead(pike: Lab, tmp_path: Path) -> None:
    content = yaml.safe_load(pike.site_yaml.read_text())
    (line,) = (one for one in content["next"]["services"] if one["name"] == "glance-api")
    line["managed"]["unit"] = "other.service"
    site, work = pike.site_yaml.with_name("other.yaml"), str(tmp_path / "w")
    site.write_text(yaml.safe_dump(content))
    try:
        naru("plan", "--site", str(site), "--to", "queens", "--services", "glance", "--work", work)
        out, _ = naru("prepare", work, "-f", "json", code=1)
        (failed,) = json.loads(out)["failed"]
        assert failed["id"] == "found/glance-api@ctl1" and "other.service" in failed["detail"]
        assert "1 steps are left" in naru("run", work, code=2)[1]
    finally:
        site.unlink()


def test_a_setting_that_the_next_release_refuses_blocks(pike: Lab, tmp_path: Path) -> None:
    """In the configuration of the services that are built beside; that of those that run may have it."""
    file, running = "/srv/naru/next-etc/nova/nova.conf", "/srv/naru/etc/nova/nova.conf"
    planted = "[filter_scheduler]\\nenabled_filters = ComputeFilter,\\n  TrustedFilter\\n"
    command = f"for f in {file} {running}; do cp -p $f $f.kept; printf '{planted}' >>$f; done"
    on(pike.hosts(), "ctl1", command)
    conf, drop_in = "/srv/naru/next-etc/nova/nova-compute.conf", "/etc/systemd/system/next-nova-compute.service.d"
    other = "[Service]\\nExecStart=\\nExecStart=/usr/bin/nova-compute\\n"
    helper = "[privsep]\\nhelper_command = sudo /usr/bin/privsep-helper\\n"
    planting = f"mkdir {drop_in}; printf '{other}' >{drop_in}/other.conf; systemctl daemon-reload"
    on(pike.hosts(), "compute1", f"{planting}; cp -p {conf} {conf}.kept; printf '{helper}' >>{conf}")
    try:
        site, work = str(pike.site_yaml), str(tmp_path / "w")
        _, errors = naru("plan", "--site", site, "--to", "queens", "--work", work, code=1)
        assert f"{file}: [filter_scheduler] enabled_filters = ComputeFilter,TrustedFilter: the filter is gone" in errors
        assert running not in errors
        # what the unit and the helper of the shipped environment are
        said = "next-nova-compute.service starts /usr/bin/nova-compute, which is not of /opt/naru/nova-compute"
        assert said in errors and f"{conf}: [privsep] helper_command names /usr/bin/privsep-helper" in errors, errors
    finally:
        on(pike.hosts(), "compute1", f"rm -r {drop_in}; systemctl daemon-reload; mv {conf}.kept {conf}")
        on(pike.hosts(), "ctl1", f"for f in {file} {running}; do mv $f.kept $f; done")


def test_novas_services_that_would_not_start_beside_old_records_block(pike: Lab) -> None:
    """As if those that are built beside were of a release that does not support what runs."""
    content = yaml.safe_load(pike.site_yaml.read_text())
    for one in content["next"]["services"]:
        one["release"] = "2026.1"
    site = pike.site_yaml.with_name("far-next.yaml")
    site.write_text(yaml.safe_dump(content))
    files = {"ctl1": "/srv/naru/next-etc/nova/nova.conf", "compute1": "/srv/naru/next-etc/nova/nova-compute.conf"}
    name = "disable_compute_service_check_for_ffu"
    try:
        for host, file in files.items():
            words = ("check", "--site", str(site), "--services", "nova", "--to", "2026.1", "-f", "json")
            found = [one for one in json.loads(naru(*words, code=1)[0]) if name in one["what"]]
            left = list(files)[list(files).index(host) :]
            assert {one["state"] for one in found} == {"blocks"}
            assert sorted(host for one in found for host in one["examples"]) == sorted(left)
            on(pike.hosts(), host, f"cp -p {file} {file}.kept; printf '[workarounds]\n{name} = true\n' >>{file}")
        assert json.loads(naru(*words)[0]) == []
    finally:
        site.unlink()
        for host, file in files.items():
            on(pike.hosts(), host, f"[ ! -e {file}.kept ] || mv {file}.kept {file}")


def test_who_calls_what_is_gone_is_found_at_a_load_balancer_and_at_the_services(pike: Lab, tmp_path: Path) -> None:
    """A HAProxy that logs requests, to the journal, and the services' own files."""
    hosts, unit, file = pike.hosts(), "second-proxy.service", "/run/second-proxy.cfg"
    lb1, ctl1 = (next(h.address("management").ip for h in hosts.hosts if h.name == name) for name in ("lb1", "ctl1"))
    lines = f"""global
  log stdout format raw local0 info
defaults
  mode http
  log global
  option httplog
  timeout connect 5s
  timeout client 5s
  timeout server 5s
listen keystone_public
  bind {lb1}:15000
  capture request header User-Agent len 120
  capture request header X-Forwarded-For len 60
  server ctl1 {ctl1}:5000
"""
    balancer = {"name": "second", "kind": "haproxy", "hosts": ["lb1"], "managed": {"unit": unit}}
    content = yaml.safe_load(pike.site_yaml.read_text())
    content["load_balancers"].append({**balancer, "files": [file], "reload": "true"})
    site = pike.site_yaml.with_name("second-proxy.yaml")
    site.write_text(yaml.safe_dump(content))
    session = connect(pike, f"{CLOUD}-user").session
    on(hosts, "lb1", f"printf '%s' {shlex.quote(lines)} >{file}; systemd-run -qu {unit} haproxy -W -db -f {file}")
    try:
        headers = {"User-Agent": "old/1.0", "X-Forwarded-For": "203.0.113.5"}
        until(lambda: _answers(f"http://{lb1}:15000/v2.0/tenants", headers), "the second load balancer")
        session.get("/os-fping", endpoint_filter={"service_type": "compute", "interface": "public"}, raise_exc=False)
        words = ("callers", "--site", str(site), "--to", "rocky", "--services", "keystone,nova", "-f", "json")
        found = [one for one in json.loads(naru(*words, code=1)[0]) if one["state"] == "called"]
        proxied = next(one for one in found if one["log"] == "second: journal" and one["user_agent"] == "old/1.0")
        assert (proxied["release"], proxied["what"]) == ("queens", "GET /v2.0/tenants")
        assert proxied["forwarded_for"] == "203.0.113.5" and proxied["hosts"] == ["lb1"] and proxied["number"]
        assert any(one["what"] == "GET /v2.0/tenants" and one["log"].startswith("keystone: /srv/") for one in found)
        (fping,) = (one for one in found if one["what"].endswith("/os-fping") and one["user"] == session.get_user_id())
        assert fping["log"] == "nova-api: /srv/naru/log/nova-api.log" and fping["release"] == "rocky"
        assert fping["project"] == session.get_project_id() and fping["project_name"]
    finally:
        on(hosts, "lb1", f"systemctl stop {unit}; rm {file}")
        site.unlink()


def _answers(url: str, headers: dict[str, str]) -> bool:
    try:
        return requests.get(url, headers=headers, timeout=5).status_code < 500
    except requests.ConnectionError:
        return False


def test_what_is_under_openstack_says_its_version(pike: Lab) -> None:
    content = yaml.safe_load(pike.site_yaml.read_text())
    words = ("check", "--site", str(pike.site_yaml), "--services", "glance", "-v", "-f", "json")
    with begin(*words, "--to", "2024.1") as process:
        said = {one["where"]: one for one in json.loads(process.communicate(timeout=120)[0])}
    queue = content["next"].get("queues", content["queues"])[0]["name"]
    for server, name in (("mariadb", "main"), ("rabbitmq", queue)):
        assert (said[server]["state"], said[server]["examples"]) == ("right", [name]), said
    # where nothing is built beside, the environment is to run on the hosts themselves
    del content["next"]
    site = pike.site_yaml.with_name("without-next.yaml")
    site.write_text(yaml.safe_dump(content))
    try:
        out, _ = naru(*words, "--site", str(site), "--to", "queens")
    finally:
        site.unlink()
    (one,) = (one for one in json.loads(out) if one["where"] == "hosts of services")
    assert (one["state"], one["examples"]) == ("right", ["ctl1"]) and "glibc" in one["what"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "pike"), "pike is not later than pike"),
        (("--to", "queens", "--on", "nowhere"), "there is no host and no group 'nowhere'"),
        (("--to", "queens", "--services", "swift"), "the way of 'swift' is not known"),
        (("--to", "stein", "--services", "placement"), "comes out of Nova's databases on the way"),
        (("--to", "queens", "--memory", "1"), "--memory is at least 32"),
    ],
)
def test_bad_input_is_one_clear_error(pike: Lab, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    _, errors = naru("plan", "--site", str(pike.site_yaml), "--work", str(tmp_path / "w"), *words, code=2)
    assert said in errors and "Traceback" not in errors
    assert not (tmp_path / "w").exists()


def test_the_host_that_does_the_work_may_be_another_one(pike: Lab, tmp_path: Path) -> None:
    site, work = str(pike.site_yaml), str(tmp_path / "w")
    _, errors = naru("plan", "--site", site, "--to", "queens", "--on", "ctl1", "--services", "glance", "--work", work)
    assert DATABASE_HOST not in errors and "takes" not in errors
    naru("prepare", work)
    naru("rehearse", work)
    assert {"glance/queens/sync", "main/dump"} <= timings(Path(work)).keys()

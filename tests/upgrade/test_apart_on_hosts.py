"""A Pike cloud on hosts upgraded to Queens whose controllers and load balancer are other hosts, and back."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from naru.lab.hosts import layout
from naru.lab.lab import Lab

from ..lab.hosted.scenario import boots_a_server, on, services, until
from ..lab.scenario import Rest, connect
from .cloud import CLOUD, a_lab, is_up, units
from .orders import naru

pytestmark = [pytest.mark.hosts, pytest.mark.releases, pytest.mark.timeout(2400)]

NETWORK = "10.88."
HOSTS = ("ctl1", "compute1", "lb1", "ctl2", "lb2")
Sql = Callable[[str], str]


@pytest.fixture(scope="module")
def pike(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab; nothing of it is left at the end. NARU_TEST_APART=DIRECTORY uses and keeps one there."""
    kept = os.environ.get("NARU_TEST_APART")
    with a_lab(tmp_path_factory.mktemp("apart"), "upgrade-apart", NETWORK, kept) as lab:
        yield lab


@pytest.fixture
def volume(pike: Lab) -> Iterator[str]:
    """A member's volume."""
    made = Rest(connect(pike, f"{CLOUD}-user")).volume(name="kept", size=1)
    yield made
    rest = Rest(connect(pike, f"{CLOUD}-user"))
    rest("volumev3", "DELETE", f"/volumes/{made}")
    rest.gone("volumev3", f"/volumes/{made}")


def holders(lab: Lab) -> list[str]:
    """The hosts that have the virtual address."""
    address = str(layout.virtual_address(lab.spec().hosts or layout.load("upgrade-apart")).ip)
    return [host for host in HOSTS if on(lab.hosts(), host, f"ip -o addr show to {address}")]


def host_of(lab: Lab, volume: str) -> str:
    """Where an administrator sees a volume."""
    found = Rest(connect(lab, CLOUD))("volumev3", "GET", f"/volumes/{volume}")["volume"]
    return str(found["os-vol-host-attr:host"])


def blocking(site: Path) -> dict[str, list[str]]:
    """What is in the way, by where."""
    out, _ = naru("check", "--site", str(site), "--to", "queens", "-f", "json", code=1)
    return {one["where"]: one["examples"] for one in json.loads(out) if one["state"] == "blocks"}


def test_what_the_next_controllers_lack_is_found(pike: Lab, site: Path) -> None:
    haproxy = "echo 'set server nova/ctl2 state {}' | socat - /run/haproxy/admin.sock"
    keys = "/srv/naru/state/keystone/fernet"
    on(pike.hosts(), "lb2", haproxy.format("maint"))
    on(pike.hosts(), "ctl2", f"mv {keys}/1 /tmp/key")
    try:
        found = blocking(site)
    finally:
        on(pike.hosts(), "lb2", haproxy.format("ready"))
        on(pike.hosts(), "ctl2", f"mv /tmp/key {keys}/1")
    assert found["lb2"] == ["ctl2:8774"]
    assert found["ctl2"] == [keys]


def test_there_and_back(pike: Lab, volume: str, planned: Callable[..., str], live: Sql) -> None:
    work = planned()
    before = units(pike, *HOSTS)
    rows = "SELECT host, COUNT(*) FROM cinder.services WHERE deleted = 0 GROUP BY 1 ORDER BY 1"
    recorded = live(rows)
    assert holders(pike) == ["lb1"] and host_of(pike, volume) == "ctl1@nfs#nfs"
    naru("freeze", work, "--as", f"{CLOUD}-user")
    naru("run", work)
    assert holders(pike) == ["lb2"]
    naru("run", work)  # once more does no harm
    naru("agents", work)
    until(lambda: is_up(pike), "Queens' services")
    assert {name.partition("@")[2].partition("@")[0] for name in services(pike, CLOUD)} == {"ctl2", "compute1"}
    assert host_of(pike, volume) == "ctl2@nfs#nfs"
    found = json.loads(naru("verify", work, "-f", "json")[0])
    assert not {one["judged"] for one in found} & {"wrong", "not known"}, found
    naru("thaw", work)
    assert boots_a_server(pike, CLOUD) == "compute1"
    # the volume is managed where it is now
    rest = Rest(connect(pike, f"{CLOUD}-user"))
    body = {"snapshot": {"volume_id": volume, "name": "kept"}}
    snapshot = rest("volumev3", "POST", "/snapshots", body)["snapshot"]["id"]
    until(lambda: rest("volumev3", "GET", f"/snapshots/{snapshot}")["snapshot"]["status"] == "available", "a snapshot")
    rest("volumev3", "DELETE", f"/snapshots/{snapshot}")
    rest.gone("volumev3", f"/snapshots/{snapshot}")
    now = units(pike, *HOSTS)
    assert now["keepalived.service@lb1"] == "inactive masked"
    assert now["keepalived.service@lb2"] == "active enabled"
    naru("rollback", work, "--lose-writes")
    until(lambda: is_up(pike), "Pike's services")
    assert holders(pike) == ["lb1"] and units(pike, *HOSTS) == before
    assert live(rows) == recorded and host_of(pike, volume) == "ctl1@nfs#nfs"
    _, errors = naru("verify", work)
    assert "nothing wrong" in errors, errors


def test_behind_the_same_load_balancer_and_back_without_a_controller_that_is_off(
    pike: Lab, planned: Callable[..., str], live: Sql
) -> None:
    content = yaml.safe_load(pike.site_yaml.read_text())
    del content["next"]["load_balancers"], content["next"]["virtual_addresses"]
    site = pike.site_yaml.with_name("same.yaml")
    site.write_text(yaml.safe_dump(content))
    old, new = (f"http://{pike.hosts().host(host).address('management').ip}:9292" for host in ("ctl1", "ctl2"))
    those = "keystone.endpoint WHERE interface = 'internal' AND url LIKE '%:9292%'"
    (url,) = live(f"SELECT url FROM {those}").splitlines()
    change = "UPDATE " + those.replace(" WHERE", " SET url = '{}' WHERE")
    live(change.format(old))
    try:
        work = planned("--rehearsals", "0", site=site)
        naru("freeze", work)
        naru("run", work)
        assert holders(pike) == ["lb1"] and live(f"SELECT url FROM {those}") == new
        servers = on(pike.hosts(), "lb1", "echo 'show stat -1 4 -1' | socat - /run/haproxy/admin.sock | cut -d, -f2,18")
        up = {tuple(line.split(",")) for line in servers.splitlines() if line.startswith("ctl")}
        assert up >= {("ctl2", "UP")} and ("ctl1", "UP") not in up, up
        # what cannot be asked does not keep users from their service when the operator says that it is off
        pike.hosts().power("ctl2", "cut")
        _, errors = naru("rollback", work, "--off", "ctl2")
        assert "ctl2: before it is in the network again, on it: systemctl disable --now" in errors, errors
        until(lambda: is_up(pike), "Pike's services")
        assert live(f"SELECT url FROM {those}") == old
        pike.hosts().power("ctl2", "on", wait=True)
        on(pike.hosts(), "ctl2", errors.partition("on it: ")[2].splitlines()[0])
        naru("thaw", work)
    finally:
        live(change.format(url))

"""What is seen of a cloud that is upgraded: its servers, its units, whether all of it runs."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from naru.lab import spec
from naru.lab.hosts import layout
from naru.lab.lab import Lab

from ..lab.hosted.scenario import on, services
from ..lab.hosts.machine import left_of, of_the_machine
from ..lab.scenario import Rest, come_up, connect
from .orders import naru

CLOUD = "cloud"
NAMES = ("keystone", "glance", "placement", "cinder", "nova", "neutron", "keepalived")


@contextlib.contextmanager
def a_lab(
    directory: Path, name: str, network: str, kept: str | None = None, *, start: str = "pike", goal: str = "queens"
) -> Iterator[Lab]:
    """A cloud of the release `start` on the hosts of a layout, with services of `goal` built beside, in the networks
    that begin with `10.N.`; nothing of it is left at the end. One that is `kept` in a directory is used, and stays."""
    before = of_the_machine()
    file = directory / f"{name}.yaml"
    text = (layout.LAYOUTS / f"{name}.yaml").read_text().replace("10.77.", network)
    file.write_text(text.replace("next: queens", f'next: "{goal}"'))
    lab = Lab(Path(kept) if kept else directory / "lab")
    come_up(lab, spec.build_hosts(str(file), [f"{CLOUD}={start}"]))
    yield lab
    if kept:
        return
    hosts = lab.hosts()
    lab.down()
    assert left_of(hosts) == []
    assert of_the_machine() == before


@contextlib.contextmanager
def on_the_queue(lab: Lab, unit: str, does: str, seconds: int = 2) -> Iterator[None]:
    """A program on the controller that has the URL of Nova's message queue, `url`, and does something with it; it is
    waited so many seconds for."""
    code = (
        "import kombu, re, time; text = open('/srv/naru/etc/nova/nova.conf').read(); "
        f"url = 'pyamqp' + re.search(r'transport_url = rabbit(.*)', text).group(1); {does}; time.sleep(600)"
    )
    python = lab.cloud(CLOUD).program("python")
    line = f'systemd-run --unit={unit} {python} -c "{code}"; sleep {seconds}; systemctl is-active {unit}'
    on(lab.hosts(), "ctl1", line)
    try:
        yield
    finally:
        on(lab.hosts(), "ctl1", f"systemctl stop {unit}")


def seen(lab: Lab, server: str) -> dict[str, Any]:
    """What of a server its user and an administrator see, and the lists that it is in."""
    rest = Rest(connect(lab, CLOUD))
    found = rest("compute", "GET", f"/servers/{server}")["server"]
    fields = ("id", "name", "status", "addresses", "OS-EXT-SRV-ATTR:host", "image", "user_id", "tenant_id", "created")
    return {name: found[name] for name in fields}


def units(lab: Lab, *hosts: str) -> dict[str, str]:
    """How each unit of OpenStack, and what has the virtual address, is on hosts: active or not, and whether a boot
    starts it. Some end with a code of their own when they are told to, and have failed: that is as inactive."""
    found = {}
    for host in hosts or ("ctl1", "compute1"):
        one = "u=${u##*/}; echo $u $(systemctl is-active $u; systemctl is-enabled $u)"
        line = f"for u in /etc/systemd/system/*.service; do {one}; done"
        for row in on(lab.hosts(), host, f"{line} 2>/dev/null || true").splitlines():
            unit, *states = row.split()
            if any(name in unit for name in NAMES):
                found[f"{unit}@{host}"] = " ".join(states).replace("failed", "inactive")
    return found


def imply_roles(lab: Lab) -> None:
    """What a cloud that was built before Rocky has to be given before it goes past Zed: its roles imply reader."""
    rest = Rest(connect(lab, CLOUD))
    roles = {one["name"]: one["id"] for one in rest("identity", "GET", "/roles")["roles"]}
    for prior, implied in (("admin", "member"), ("member", "reader")):
        rest("identity", "PUT", f"/roles/{roles[prior]}/implies/{roles[implied]}")


def is_up(lab: Lab, but: str = "") -> bool:
    """Whether all of Nova's and Cinder's services are up, but those of a host."""
    try:
        states = services(lab, CLOUD)
    except (ClientException, SDKException, AssertionError):  # it starts
        return False
    down = {name for name, state in states.items() if state != "up"}
    return "nova-compute@compute1" in states and all(name.endswith(f"@{but}") for name in down)


def failed(work: str) -> str:
    """What has failed of an upgrade of which something has."""
    return json.dumps(json.loads(naru("status", work, "-f", "json", code=1)[0])["failed"])

"""A Ceph cluster on the hosts of the role `ceph`: on each a monitor, a manager and an OSD, as the distribution's own
units, which keep a copy of everything each.

What all of them have in common (keys, the first maps) is made once and kept beside what hosts share.
"""

import os
import shutil
import subprocess
import uuid
from pathlib import Path

from naru.errors import NaruError
from naru.files import write_whole
from naru.lab.hosted import units
from naru.lab.hosted.cloud import CEPH_CONF, HostedCloud
from naru.lab.hosts.disk import below, enable
from naru.lab.hosts.layout import MANAGEMENT, STORAGE, Host
from naru.lab.infra import ceph

OWNER = "ceph"
"""The user that the daemons run as."""
DATA = Path("/var/lib/ceph")
POOLS = units.DIRECTORY / "naru-ceph-pools.service"
"""The unit that makes the pools."""
USING = ("controller", "compute")
"""Roles of hosts that have volumes in it."""
SECRETS = Path("/etc/libvirt/secrets")


def _network(cloud: HostedCloud) -> str:
    """The network in which the cluster is reached: that for storage, where all that need it have a cable to it."""
    needing = cloud.having("ceph", *USING)
    return STORAGE if all(STORAGE in host.networks for host in needing) else MANAGEMENT


def _keyring(client: str) -> Path:
    """Where a host has the key of a client."""
    return CEPH_CONF.with_name(f"ceph.client.{client}.keyring")


def daemons(cloud: HostedCloud, host: Host) -> dict[str, str]:
    """The daemons on a host, with the control groups that systemd gives their units."""
    return {
        f"ceph-{kind}": f"system.slice/system-ceph\\x2d{kind}.slice/ceph-{kind}@{name}.service"
        for kind, name in _instances(cloud, host).items()
    }


def prepare(cloud: HostedCloud) -> None:
    """Makes what all hosts of the cluster have in common, unless it is there; `cloud` as the machine sees it."""
    target = _common(cloud)
    if target.exists():
        return
    new = target.with_name(f"{target.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True, mode=0o700)
    hosts, fsid = cloud.roles["ceph"], str(uuid.uuid4())
    write_whole(new / "fsid", fsid)
    entries = [ceph.entry("mon.", ceph.MONITOR)]
    for number, host in enumerate(hosts):
        for name, caps in ((f"mgr.{host.name}", ceph.MANAGER), (f"osd.{number}", ceph.OSD)):
            entries.append(ceph.entry(name, caps))
            write_whole(new / name, entries[-1])
    for client, caps in ceph.CLIENTS.items():
        entries.append(ceph.entry(f"client.{client}", caps))
        write_whole(new / f"client.{client}", entries[-1])
    write_whole(new / "keyring", "".join(entries))
    write_whole(new / "ceph.conf", _conf(cloud, fsid, daemons=True))
    members = [word for host in hosts for word in ("--addv", host.name, _addresses(cloud, host))]
    _run("monmaptool", "--create", "--fsid", fsid, *members, str(new / "monmap"), conf=new)
    # a map that has the OSDs already: any OSD of such a name and key is it
    _run("osdmaptool", "--createsimple", str(len(hosts)), str(new / "osdmap"), conf=new)
    new.rename(target)


def furnish(cloud: HostedCloud, host: Host, disk: Path, owner: tuple[int, int], *, enabled: bool) -> None:
    """Writes what a host has of the cluster; `cloud` as the machine sees it, `owner` the daemons' user and group. If
    `enabled` the host's daemons have data, and start at each boot."""
    if not host.is_any("ceph", *USING):
        return
    common = _common(cloud)
    fsid = (common / "fsid").read_text()
    member = "ceph" in host.roles
    files = {CEPH_CONF: _conf(cloud, fsid, daemons=member)}
    clients = [*(["admin"] if member else []), *(["cinder"] if host.is_any(*USING) else [])]
    files |= {_keyring(client): (common / f"client.{client}").read_text() for client in clients}
    if member and host == cloud.roles["ceph"][0]:
        files[POOLS] = _pools(cloud)
    if "compute" in host.roles and cloud.real_guests:
        files |= _secret(cloud, (common / "client.cinder").read_text())
    for path, text in files.items():
        target = below(disk, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, text)
    for path in files.keys() & {CEPH_CONF, POOLS}:
        below(disk, path).chmod(0o644)
    if member and enabled:
        _daemons(cloud, host, disk, owner)


def _daemons(cloud: HostedCloud, host: Host, disk: Path, owner: tuple[int, int]) -> None:
    """The data of the host's daemons before their first start, and their units."""
    common = _common(cloud)
    data = below(disk, DATA)
    names = _instances(cloud, host)
    directories = {kind: data / kind / f"ceph-{name}" for kind, name in names.items()}
    for directory in directories.values():
        shutil.rmtree(directory, ignore_errors=True)  # of an attempt that was killed
        directory.mkdir(parents=True)
    (data / "mgr" / "modules").mkdir(exist_ok=True)
    for kind in ("mgr", "osd"):
        write_whole(directories[kind] / "keyring", (common / f"{kind}.{names[kind]}").read_text())
    maps = ("--monmap", str(common / "monmap"), "--osdmap", str(common / "osdmap"))
    keys = ("--keyring", str(common / "keyring"))
    _run("ceph-mon", "-i", host.name, "--mkfs", *maps, *keys, "--mon-data", str(directories["mon"]), conf=common)
    place = ("--osd-data", str(directories["osd"]))
    _run("ceph-osd", "-i", names["osd"], "--mkfs", "--no-mon-config", *maps[:2], *place, conf=common)
    for path in (data, *data.rglob("*")):
        os.chown(path, *owner, follow_symlinks=False)
    for kind, name in names.items():
        enable(disk, f"/lib/systemd/system/ceph-{kind}@.service", f"ceph-{kind}@{name}.service")
    if host == cloud.roles["ceph"][0]:
        enable(disk, str(POOLS))


def _instances(cloud: HostedCloud, host: Host) -> dict[str, str]:
    """By kind, what the daemons on a host are called; none where the host has not the role."""
    members = cloud.roles.get("ceph", [])
    if host not in members:
        return {}
    return {"mon": host.name, "mgr": host.name, "osd": f"{members.index(host)}"}


def _common(cloud: HostedCloud) -> Path:
    return cloud.directory / "ceph"


def _addresses(cloud: HostedCloud, host: Host) -> str:
    address = host.address(_network(cloud)).ip
    return f"[v2:{address}:3300,v1:{address}:6789]"


def _conf(cloud: HostedCloud, fsid: str, *, daemons: bool) -> str:
    hosts = cloud.roles["ceph"]
    parts = list(dict.fromkeys(host.part(_network(cloud)) for host in hosts))
    head = f"""[global]
fsid = {fsid}
mon host = {",".join(_addresses(cloud, host) for host in hosts)}
{ceph.AUTHENTICATION}"""
    if not daemons:
        return f"{head}\n{ceph.FOR_CLIENTS}"
    return f"""{head}public network = {", ".join(map(str, parts))}
# a manager without modules: it is there for the figures of `ceph df`, and for what it is asked of OSDs
mgr initial modules =
mgr module path = {DATA}/mgr/modules
osd pool default size = {len(hosts)}
osd pool default min size = {len(hosts) // 2 + 1}
{ceph.FOR_DAEMONS}
{ceph.FOR_MONITORS}mon allow pool size one = true
mon warn on pool no redundancy = false

{ceph.for_osds(ceph.SIZE)}
{ceph.FOR_CLIENTS}"""


def _pools(cloud: HostedCloud) -> str:
    """The unit that makes the pools once the cluster answers; each command may be repeated."""
    make = [
        command
        for pool in ceph.POOLS
        for command in (
            f"ceph osd pool create {pool} {ceph.PLACEMENT_GROUPS}",
            f"ceph osd pool application enable {pool} rbd",
        )
    ]
    # the first map had all OSDs on a host of that name; each has put itself on its own since
    rest = [
        "(ceph osd crush rm localhost; ceph osd crush rm localrack) || true",
        "ceph health mute MGR_MODULE_ERROR --sticky",
    ]
    return f"""[Unit]
Description=the pools of {cloud.name}'s Ceph
After=ceph-mon@{cloud.roles["ceph"][0].name}.service

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=infinity
ExecStart=/bin/sh -c 'until timeout 60 sh -ec "{"; ".join([*make, *rest])}"; do sleep 1; done'

[Install]
WantedBy=multi-user.target
"""


def _secret(cloud: HostedCloud, key: str) -> dict[Path, str]:
    """The key of Cinder's client as libvirt keeps it."""
    number = cloud.ceph_secret_uuid
    return {SECRETS / f"{number}.{suffix}": text for suffix, text in ceph.secret(number, ceph.key_of(key)).items()}


def _run(*argv: str, conf: Path) -> None:
    """A program of Ceph that makes data, here on the machine; it leaves nothing outside of it."""
    places = ("--run-dir", str(conf), "--crash-dir", str(conf))
    # nothing is the machine's, nor is the machine in the hosts' network
    quiet = ("--log-file", "", "--admin-socket", "", "--public-network", "", *places)
    command = [*argv, "-c", str(conf / "ceph.conf"), *(quiet if argv[0].startswith("ceph-") else ())]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NaruError(f"{argv[0]} cannot make what hosts have of Ceph", detail=str(error)) from error
    if done.returncode:
        raise NaruError(f"{argv[0]} cannot make what hosts have of Ceph", detail=done.stderr[-2000:])

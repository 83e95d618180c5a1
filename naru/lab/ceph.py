"""One Ceph cluster for one cloud: a monitor, a manager and one OSD on a sparse file, as plain processes on loopback.

Everything is under the cluster's directory, which may be copied as a whole while the cluster is stopped:

- `ceph.conf`: the daemons' and client.admin's. It alone holds absolute paths and is written anew at every start.
- `etc/`: what clients need, as /etc/ceph has it: `ceph.conf`, `ceph.client.NAME.keyring`; and `NAME.conf` for one
  client each, with the place of its keyring. Mounted over /etc/ceph it serves programs that look nowhere else.
- `keyring`: every key of the cluster (mode 0600).
- `mon/`, `mgr/`, `osd/`: the daemons' data. `osd/block` is sparse: it must be copied by a tool that keeps holes.
- `created.json`: fsid, size, ports. Written last by `create()`: without it the rest is a left-over.
- `pools`: empty; there since the pools have been made.

Beside it, `NAME.lock`: held by a `create()` and by the programs that it runs.
"""

import contextlib
import functools
import json
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from naru.errors import NaruError
from naru.files import FileLock, write_whole
from naru.lab.infra import ceph as infra
from naru.lab.ports import LOOPBACK, At, Ports, is_open
from naru.lab.process import LAB_VARIABLE, NAME_VARIABLE, Command, Processes

_DAEMONS: Mapping[str, Mapping[str, str]] = {"mon.": infra.MONITOR, "mgr.x": infra.MANAGER, "osd.0": infra.OSD}
# process name: daemon id
PROCESSES: Mapping[str, str] = {"ceph-mon": "a", "ceph-mgr": "x", "ceph-osd": "0"}
_MAKER = "ceph-create"  # the name under which the programs that make the data run
_END_SECONDS = 60.0  # that the programs of a killed attempt get to end


def _librados() -> Any:
    """Our binding, loaded when it is needed: a machine without Ceph's libraries must get as far as being told so."""
    try:
        from naru.lab.inside import rados
    except OSError as error:
        raise NaruError(
            "Ceph's client library is missing", detail=str(error), hint="naru lab deps --install"
        ) from error
    return rados


def _patience(deadline: float) -> dict[str, str]:
    """Options that end every operation of a client at about the deadline: by default they wait for ever."""
    seconds = str(max(1, int(deadline - time.monotonic())))
    return dict.fromkeys(("client_mount_timeout", "rados_mon_op_timeout", "rados_osd_op_timeout"), seconds)


class Ceph:
    """The cluster of one cloud. `size` is the capacity in bytes, fixed when it is created."""

    def __init__(self, directory: Path, processes: Processes, ports: Ports, *, size: int = infra.SIZE) -> None:
        self.directory = directory
        self.processes = processes
        self.ports = ports
        self.size = size
        self.etc = directory / "etc"
        self._created = directory / "created.json"
        self._pools_made = directory / "pools"

    # -- configuration

    def conf(self, client: str) -> Path:
        """The ceph.conf that lets this client, and only it, reach the cluster; "admin" is the daemons' own."""
        return self.directory / "ceph.conf" if client == "admin" else self.etc / f"{client}.conf"

    def keyring(self, client: str) -> Path:
        """The file with the client's key, mode 0600."""
        return (self.directory if client == "admin" else self.etc) / f"ceph.client.{client}.keyring"

    def key(self, client: str) -> str:
        """The client's key itself, as libvirt's secrets want it."""
        return infra.key_of(self.keyring(client).read_text())

    @property
    def created(self) -> bool:
        """Whether the cluster's data is there and complete."""
        return self._created.exists()

    def render(self) -> None:
        """Writes every configuration file with this directory's paths and these ports."""
        self._render(json.loads(self._created.read_text()))

    def _addresses(self) -> str:
        return f"[v2:127.0.0.1:{self.ports['ceph-mon']},v1:127.0.0.1:{self.ports['ceph-mon-v1']}]"

    def _render(self, identity: Mapping[str, Any]) -> None:
        common = f"""[global]
fsid = {identity["fsid"]}
mon host = {self._addresses()}
{infra.AUTHENTICATION}"""
        d = self.directory
        self.conf("admin").write_text(
            f"""{common}public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind port min = {self.ports["ceph-first"]}
ms bind port max = {self.ports["ceph-last"]}
keyring = {d}/keyring
run dir = {d}/run
crash dir = {d}/crash
# No sockets (a deep path would exceed their 107 bytes) and no log files: everything goes to the process's log.
admin socket =
pid file =
log file =
log to stderr = true
err to stderr = true
mon cluster log to file = false
mon cluster log to stderr = false
# A manager without modules: it is there for the figures of `ceph df` only.
mgr initial modules =
mgr module path = {d}/modules
osd pool default size = 1
osd pool default min size = 1
osd crush chooseleaf type = 0
{infra.FOR_DAEMONS}
{infra.FOR_MONITORS}mon data = {d}/mon
mon allow pool size one = true
mon warn on pool no redundancy = false

[mgr]
mgr data = {d}/mgr

{infra.for_osds(identity["size"])}osd data = {d}/osd
osd crush update on start = false

{infra.FOR_CLIENTS}"""
        )
        (self.etc / "ceph.conf").write_text(f"{common}\n{infra.FOR_CLIENTS}")
        for name in infra.CLIENTS:
            if name != "admin":
                self.conf(name).write_text(f"{common}keyring = {self.keyring(name)}\n\n{infra.FOR_CLIENTS}")

    # -- making it

    def create(self) -> None:
        """Makes the cluster's data, unless it is there. What a killed attempt left is thrown away first."""
        if self.created:
            return
        with self._alone() as lock:
            self._make(lock)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[int]:
        """Ends the programs of an attempt that was killed; the descriptor of the lock that those of this one keep. A
        program is known by its environment, but not in the instant before it begins: then only the lock shows it."""
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.directory.with_name(f"{self.directory.name}.lock")) as lock:
            deadline = time.monotonic() + _END_SECONDS
            while True:
                self.processes.stop((*PROCESSES, _MAKER))
                if lock.take():
                    break
                if time.monotonic() > deadline:
                    raise NaruError(f"something else makes a Ceph cluster in {self.directory}")
                time.sleep(0.02)
            yield lock.fileno()

    def _make(self, lock: int) -> None:
        make = functools.partial(self._run, lock=lock)
        shutil.rmtree(self.directory, ignore_errors=True)
        for name in ("etc", "mon", "mgr", "osd", "run", "crash", "modules"):
            (self.directory / name).mkdir(parents=True)
        identity: dict[str, Any] = {"fsid": str(uuid.uuid4()), "size": self.size, "port": self.ports["ceph-mon"]}
        entries = [infra.entry(name, caps) for name, caps in _DAEMONS.items()]
        for name, caps in infra.CLIENTS.items():
            entries.append(infra.entry(f"client.{name}", caps))
            write_whole(self.keyring(name), entries[-1])
        write_whole(self.directory / "keyring", "".join(entries))
        self._render(identity)
        with tempfile.TemporaryDirectory() as name:
            monmap, osdmap = f"{name}/monmap", f"{name}/osdmap"
            make("monmaptool", "--create", "--fsid", identity["fsid"], "--addv", "a", self._addresses(), monmap)
            # A map that has osd.0 already spares the monitor's part in making it: any OSD of that name and key is it.
            make("osdmaptool", "--createsimple", "1", osdmap)
            maps = ("--monmap", monmap, "--osdmap", osdmap)
            make("ceph-mon", "-i", "a", "--mkfs", *maps, "--keyring", str(self.directory / "keyring"))
            make("ceph-osd", "-i", "0", "--mkfs", "--no-mon-config", "--monmap", monmap)
        self._write_created(identity)

    def _write_created(self, identity: Mapping[str, Any]) -> None:
        temporary = self._created.with_suffix(".new")
        temporary.write_text(json.dumps(identity))
        temporary.replace(self._created)

    def _run(self, *argv: str, lock: int | None = None) -> None:
        command = [*argv, "-c", str(self.conf("admin"))]
        # Marked like a daemon: when we are killed it goes on, and the next create() must find and end it.
        env = {**os.environ, LAB_VARIABLE: self.processes.mark, NAME_VARIABLE: _MAKER}
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=120,
                env=env,
                pass_fds=() if lock is None else (lock,),
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NaruError(f"{argv[0]} cannot make a Ceph cluster in {self.directory}", detail=str(error)) from error
        if done.returncode:
            raise NaruError(f"{argv[0]} cannot make a Ceph cluster in {self.directory}", detail=done.stderr[-2000:])

    def _move(self) -> None:
        """Gives the monitor of a cluster that was made for other ports these ones."""
        identity = json.loads(self._created.read_text())
        if identity["port"] == self.ports["ceph-mon"]:
            return
        with tempfile.TemporaryDirectory() as name:
            monmap = f"{name}/monmap"
            self._run("monmaptool", "--create", "--fsid", identity["fsid"], "--addv", "a", self._addresses(), monmap)
            self._run("ceph-mon", "-i", "a", "--inject-monmap", monmap)
        self._write_created({**identity, "port": self.ports["ceph-mon"]})

    # -- running it

    def start(self) -> None:
        """Starts the daemons that do not run, all at once, and returns before they are ready."""
        self.create()
        self.render()
        if not self.processes.find("ceph-mon"):
            self._move()
        for name, ident in PROCESSES.items():
            # Without --no-mon-config the others would end when the monitor is not there yet.
            early = () if name == "ceph-mon" else ("--no-mon-config",)
            argv = (name, "-f", "-i", ident, "-c", str(self.conf("admin")), *early)
            env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
            port = self.ports["ceph-mon"] if name == "ceph-mon" else None
            self.processes.start(Command(name, argv, env, port=port))

    def stop(self) -> None:
        """Ends the daemons, which exit at once: their stores recover from their journals at the next start."""
        self.processes.stop(PROCESSES)

    def ready(self, timeout: float = 60.0) -> None:
        """Waits until every pool takes reads and reports free space; makes the pools of a new cluster on the way.

        Raises NaruError after `timeout` seconds, or as soon as a daemon has ended.
        """
        rados = _librados()
        deadline = time.monotonic() + timeout
        while not is_open(At(LOOPBACK, self.ports["ceph-mon"])):
            self._wait(deadline, "its monitor does not listen")
        try:
            with rados.Rados(conffile=str(self.conf("admin")), conf=_patience(deadline)) as cluster:
                if not self._pools_made.exists():
                    self._make_pools(cluster)
                while not self._osd_is_up(cluster):
                    self._wait(deadline, "its OSD is not up")
                cluster.wait_for_latest_osdmap()  # else a read would still go to the last run's OSD
                for pool in infra.POOLS:
                    with cluster.open_ioctx(pool) as ioctx, contextlib.suppress(rados.ObjectNotFound):
                        ioctx.stat("any")  # waits for the placement group
                while missing := self._without_space(cluster):
                    self._wait(deadline, f"no free space is reported for the pools {', '.join(missing)}")
        except rados.Error as error:
            raise NaruError(
                f"The Ceph cluster in {self.directory} is not ready",
                detail=str(error),
                hint=f"See {self.processes.log_file('ceph-osd')}.",
            ) from error

    def _wait(self, deadline: float, problem: str) -> None:
        dead = [name for name in PROCESSES if not self.processes.find(name)]
        if dead or time.monotonic() > deadline:
            raise NaruError(
                f"The Ceph cluster in {self.directory} is not ready: {problem}",
                detail=f"not running: {', '.join(dead)}" if dead else "",
                hint=f"See {self.processes.log_file(dead[0] if dead else 'ceph-osd')}.",
            )
        time.sleep(0.05)

    def _ask(self, cluster: Any, prefix: str, **arguments: Any) -> Any:
        """The monitor's answer to a command, decoded; None when it has none."""
        code, output, status = cluster.mon_command(json.dumps({"prefix": prefix, "format": "json", **arguments}), b"")
        if code:
            raise NaruError(f"Ceph refuses '{prefix}' ({os.strerror(-code)})", detail=status)
        return json.loads(output) if output.strip() else None

    def _make_pools(self, cluster: Any) -> None:
        """Every command may be repeated, so a killed attempt does no harm."""

        def make(pool: str) -> None:
            self._ask(cluster, "osd pool create", pool=pool, pg_num=infra.PLACEMENT_GROUPS)
            self._ask(cluster, "osd pool application enable", pool=pool, app="rbd")

        with ThreadPoolExecutor(len(infra.POOLS)) as threads:
            list(threads.map(make, infra.POOLS))
        # The manager has no modules by intent; the monitor expects ten.
        self._ask(cluster, "health mute", code="MGR_MODULE_ERROR", sticky=True)
        self._pools_made.touch()

    def _osd_is_up(self, cluster: Any) -> bool:
        """Whether the OSD of this run is up. After a restart the map shows the last run's for a moment, and a client
        that tries to reach that one takes ten seconds to look again. The nonce in an OSD's address is its pid.
        """
        osd = self.processes.find("ceph-osd")
        nonces = [
            int(entry["public_addr"].rpartition("/")[2])
            for entry in self._ask(cluster, "osd dump")["osds"]
            if entry["up"]
        ]
        return osd is not None and nonces == [osd.pid]

    def _without_space(self, cluster: Any) -> list[str]:
        """The pools for which the manager has not reported any free space (yet)."""
        known = {pool["name"]: pool["stats"]["max_avail"] for pool in self._ask(cluster, "df")["pools"]}
        return [pool for pool in infra.POOLS if not known.get(pool)]

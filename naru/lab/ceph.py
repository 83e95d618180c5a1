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

import base64
import contextlib
import functools
import json
import os
import shutil
import struct
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from naru.errors import NaruError
from naru.files import FileLock
from naru.lab.ports import LOOPBACK, At, Ports, is_open
from naru.lab.process import LAB_VARIABLE, NAME_VARIABLE, Command, Processes

POOLS = ("volumes", "images", "vms", "backups")
CLIENTS: Mapping[str, Mapping[str, str]] = {
    "admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *", "mds": "allow *"},
    "cinder": {
        "mon": "profile rbd",
        "osd": "profile rbd pool=volumes, profile rbd pool=vms, profile rbd pool=images, profile rbd pool=backups",
        "mgr": "profile rbd pool=volumes, profile rbd pool=vms",
    },
    "glance": {"mon": "profile rbd", "osd": "profile rbd pool=images", "mgr": "profile rbd pool=images"},
}
_DAEMONS: Mapping[str, Mapping[str, str]] = {
    "mon.": {"mon": "allow *"},
    "mgr.x": {"mon": "allow profile mgr", "osd": "allow *", "mds": "allow *"},
    "osd.0": {"mon": "allow profile osd", "mgr": "allow profile osd", "osd": "allow *"},
}
# process name: daemon id
PROCESSES: Mapping[str, str] = {"ceph-mon": "a", "ceph-mgr": "x", "ceph-osd": "0"}
_MAKER = "ceph-create"  # the name under which the programs that make the data run
_END_SECONDS = 60.0  # that the programs of a killed attempt get to end
DEFAULT_SIZE = 200 << 30  # bytes; nothing of it is allocated before it is written
# The OSD's metadata store with small buffers: by default they may grow to 1 GiB.
ROCKSDB = (
    "compression=kNoCompression,max_write_buffer_number=2,min_write_buffer_number_to_merge=1,recycle_log_file_num=4,"
    "write_buffer_size=4194304,writable_file_max_buffer_size=0,compaction_readahead_size=1048576,"
    "max_background_compactions=1,max_total_wal_size=33554432"
)


def _key() -> str:
    """A new cephx key as ceph-authtool makes it: type 1 (AES), when it was made, length and 16 random bytes."""
    now = time.time_ns()
    return base64.b64encode(struct.pack("<HIIH", 1, now // 10**9, now % 10**9, 16) + os.urandom(16)).decode()


def _entry(name: str, caps: Mapping[str, str]) -> str:
    """A keyring's entry with a new key."""
    lines = [f"[{name}]", f"\tkey = {_key()}", *(f'\tcaps {kind} = "{cap}"' for kind, cap in caps.items())]
    return "\n".join(lines) + "\n"


def _key_of(keyring: str) -> str:
    """The key of a keyring with one entry."""
    return next(line.split(" = ", 1)[1] for line in keyring.splitlines() if line.startswith("\tkey = "))


def _write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner may read, from its first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.write(text)


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

    def __init__(self, directory: Path, processes: Processes, ports: Ports, *, size: int = DEFAULT_SIZE) -> None:
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
        return _key_of(self.keyring(client).read_text())

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
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
"""
        client = """[client]
admin socket =
log file =
log to stderr = false
rbd default features = 61
rados mon op timeout = 60
client mount timeout = 30
"""
        d = self.directory
        self.conf("admin").write_text(
            f"""{common}public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind port min = {self.ports["ceph-first"]}
ms bind port max = {self.ports["ceph-last"]}
ms async op threads = 1
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
log max recent = 100
debug rocksdb = 0/0
debug bdev = 0/0
debug bluefs = 0/0
debug bluestore = 0/0
debug mon = 0/0
debug osd = 0/0
mon client hunt interval = 0.2
mgr connect retry interval = 0.2
# A manager without modules: it is there for the figures of `ceph df` only.
mgr initial modules =
mgr module path = {d}/modules
mgr stats period = 2
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0

[mon]
mon data = {d}/mon
auth allow insecure global id reclaim = false
mon allow pool size one = true
mon allow pool delete = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
mon data avail crit = 1
mon data avail warn = 2
paxos propose interval = 0.02
paxos min wait = 0.01
mon rocksdb options = write_buffer_size=4194304,compression=kNoCompression,level_compaction_dynamic_level_bytes=true

[mgr]
mgr data = {d}/mgr

[osd]
osd data = {d}/osd
osd objectstore = bluestore
osd class update on start = false
osd crush update on start = false
osd op num shards = 2
osd op num threads per shard = 1
osd fast shutdown notify mon = false
osd max pg log entries = 200
osd min pg log entries = 100
bluestore block create = true
bluestore block size = {identity["size"]}
bluestore block wal create = false
bluestore block db create = false
bluestore fsck on mkfs = false
# Every close of the device waits for one poll, and a start opens and closes it seven times (250 ms each by default).
bdev aio poll ms = 25
# Fixed small caches instead of a memory target, whose least value is 896 MiB.
bluestore cache autotune = false
bluestore cache size = 33554432
bluestore rocksdb options = {ROCKSDB}

{client}"""
        )
        (self.etc / "ceph.conf").write_text(f"{common}\n{client}")
        for name in CLIENTS:
            if name != "admin":
                self.conf(name).write_text(f"{common}keyring = {self.keyring(name)}\n\n{client}")

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
        entries = [_entry(name, caps) for name, caps in _DAEMONS.items()]
        for name, caps in CLIENTS.items():
            entries.append(_entry(f"client.{name}", caps))
            _write_private(self.keyring(name), entries[-1])
        _write_private(self.directory / "keyring", "".join(entries))
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
                for pool in POOLS:
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
            self._ask(cluster, "osd pool create", pool=pool, pg_num=8)
            self._ask(cluster, "osd pool application enable", pool=pool, app="rbd")

        with ThreadPoolExecutor(len(POOLS)) as threads:
            list(threads.map(make, POOLS))
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
        return [pool for pool in POOLS if not known.get(pool)]

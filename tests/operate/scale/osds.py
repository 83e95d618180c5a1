"""A real Ceph cluster that gets real OSDs: hosts that are this machine under other names, reached by SSH, and a
stand-in for ceph-ansible that makes and removes an OSD on a block device as ceph-volume would. ansible-runner, Ansible,
Ceph and the devices are real."""

import asyncio
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import asyncssh
import yaml

from naru.lab.ceph import Ceph
from naru.lab.ports import Ports
from naru.lab.process import Processes

LIKE = "localhost"
"""What the lab's CRUSH map calls the host of its one OSD."""
MODULES = Path("/usr/share/ceph/mgr")
"""The manager's modules, the balancer among them, which a lab's cluster runs without."""
BYTES = 200 * 1000**3
"""Of a disk, sparse: about what the first OSD has, so that its share of the few placement groups is some."""

MAKE = """set -e
host=$1 device=$2 mark={made}/$(basename $2)
if [ ! -s $mark ]; then
    [ ! -e {broken} ] || {{ echo "the disk $device is broken" >&2; exit 5; }}
    # what an attempt that was killed has left
    dd if=/dev/zero of=$device bs=1M count=16 conv=notrunc 2>/dev/null
    uuid=$(cat /proc/sys/kernel/random/uuid)
    id=$(ceph osd new $uuid)
    dir={root}/osd-$id
    mkdir -p $dir
    {{ grep -v 'osd data =\\|crush update on start\\|bluestore block' {conf}
      printf '[osd.%s]\\nosd data = %s\\nkeyring = %s/keyring\\n' $id $dir $dir
      printf 'bluestore block path = %s\\ncrush location = root=default host=%s\\n' $device $host
      printf 'bluestore block wal create = false\\nbluestore block db create = false\\n'
    }} >$dir/ceph.conf
    ceph auth get-or-create osd.$id mon 'allow profile osd' osd 'allow *' mgr 'allow profile osd' >$dir/keyring
    ceph-osd -i $id --mkfs --osd-uuid $uuid --no-mon-config -c $dir/ceph.conf >$dir/mkfs.log 2>&1
    echo $id >$mark
fi
id=$(cat $mark) dir={root}/osd-$(cat $mark)
# what Ansible starts ends with it: this machine's systemd, so to speak, starts the daemon
if ! kill -0 $(cat $dir/pid 2>/dev/null) 2>/dev/null; then
    rm -f $dir/pid
    echo $host >$dir/start
    while [ ! -s $dir/pid ]; do sleep 0.1; done
fi
"""
REMOVE = """set -e
for id in $(echo $1 | tr , ' '); do
    ceph osd out $id
    kill $(cat {root}/osd-$id/pid)
    while kill -0 $(cat {root}/osd-$id/pid) 2>/dev/null; do sleep 0.1; done
    ceph osd down $id
    ceph osd purge $id --yes-i-really-mean-it
    device=$(readlink -f {root}/osd-$id/block)
    wipefs -a $device
    dd if=/dev/zero of=$device bs=1M count=16 conv=notrunc 2>/dev/null
    rm -r {root}/osd-$id {made}/$(basename $device)
done
"""


class Server:
    """An SSH server on loopback, whose shell is this machine's under the name of a host."""

    def __init__(self, directory: Path, name: str, env: dict[str, str]) -> None:
        self.name, self.env = name, env
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.directory = directory / f"ssh-{name}"
        self.directory.mkdir()
        self.key.write_private_key(str(self.directory / "key"))
        (self.directory / "key").chmod(0o600)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._serve(), self.loop).result(30)

    async def _serve(self) -> int:
        public = self.key.export_public_key().decode().strip()
        (self.directory / "authorized").write_text(f"{public}\n")
        self.listener = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[self.key],
            authorized_client_keys=str(self.directory / "authorized"),
            process_factory=self._shell,
            encoding=None,
        )
        port = int(self.listener.get_port())
        (self.directory / "known").write_text(f"[127.0.0.1]:{port} {public}\n")
        return port

    async def _shell(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        given = await process.stdin.read()
        line = f"hostname {self.name}; exec sh -c {shlex.quote(process.command or '')}"
        argv = ["unshare", "--uts", "sh", "-c", line]
        done = await asyncio.to_thread(
            subprocess.run, argv, input=given, capture_output=True, timeout=100, env={**os.environ, **self.env}
        )
        process.stdout.write(done.stdout)
        process.stderr.write(done.stderr)
        process.exit(done.returncode)

    def host(self, name: str = "") -> dict[str, Any]:
        """The host as a line of a site."""
        login = {"port": self.port, "key": str(self.directory / "key"), "known_hosts": str(self.directory / "known")}
        return {"name": name or self.name, "address": "127.0.0.1", "login": {"user": "root", **login}}

    def stop(self) -> None:
        async def close() -> None:
            self.listener.close()
            await self.listener.wait_closed()

        asyncio.run_coroutine_threadsafe(close(), self.loop).result(30)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


class Cluster:
    """The cluster, its hosts, and what there is of ceph-ansible."""

    def __init__(self, directory: Path, ports: Ports, name: str = "osd7", disks: int = 2) -> None:
        self.directory, self.name = directory, name
        self.ceph = Ceph(directory / "ceph", Processes(directory, f"test:{directory}"), ports)
        self.loops: list[str] = []
        self._daemons: list[subprocess.Popen[bytes]] = []
        self.servers: list[Server] = []
        self.made = directory / "made"
        self.made.mkdir()
        self.broken = directory / "broken"
        self.ceph.create()
        modules = self.ceph.directory / "modules"
        for one in MODULES.iterdir() if MODULES.is_dir() else ():
            # the autoscaler would change pools while they are looked at; its setting is the pool's own
            if one.name != "pg_autoscaler":
                (modules / one.name).symlink_to(one)
        self.ceph.start()
        self.ceph.ready()
        env = {"CEPH_CONF": str(self.ceph.conf("admin"))}
        self.env = {**os.environ, **env}
        for number in range(disks):
            file = directory / f"disk{number}"
            file.touch()
            os.truncate(file, BYTES)
            self.loops.append(self._checked("losetup", "--find", "--show", str(file)).strip())
        self.servers = [Server(directory, one, env) for one in (LIKE, name)]
        self._install()
        self._ended = threading.Event()
        self._starter = threading.Thread(target=self._start_daemons)
        self._starter.start()

    def _start_daemons(self) -> None:
        """Starts OSDs as they are asked for, as systemd would."""
        while not self._ended.wait(0.2):
            for file in self.directory.glob("osd-*/start"):
                where, number = file.parent, file.parent.name.partition("-")[2]
                line = f"hostname {file.read_text().strip()}; exec ceph-osd -f -i {number} -c {where}/ceph.conf"
                file.unlink()
                with (where / "log").open("ab") as log:
                    argv = ["unshare", "--uts", "sh", "-c", line]
                    daemon = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
                self._daemons.append(daemon)
                (where / "pid").write_text(f"{daemon.pid}\n")
            for daemon in self._daemons:
                daemon.poll()

    def _checked(self, *argv: str) -> str:
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60, env=self.env).stdout

    def __call__(self, *words: str) -> Any:
        """What `ceph` answers."""
        out = self._checked("ceph", "-f", "json", *words)
        return json.loads(out) if out.strip() else None

    def _install(self) -> None:
        place = {"root": self.directory, "made": self.made, "broken": self.broken, "conf": self.ceph.conf("admin")}
        for name, text in (("make", MAKE), ("remove", REMOVE)):
            (self.directory / name).write_text(text.format(**place))
        playbooks = self.directory / "ceph-ansible"
        (playbooks / "infrastructure-playbooks").mkdir(parents=True)
        make = f"sh {self.directory}/make {{{{ inventory_hostname }}}} {{{{ item }}}}"
        tasks = [{"name": "Make an OSD", "ansible.builtin.command": make, "loop": "{{ devices }}"}]
        env = {"CEPH_CONF": str(self.ceph.conf("admin"))}
        whole = {"hosts": "osds", "gather_facts": False, "environment": env}
        (playbooks / "site.yml").write_text(json.dumps([{**whole, "tasks": tasks}]))
        remove = f"sh {self.directory}/remove {{{{ osd_to_kill }}}}"
        tasks = [{"name": "Remove OSDs", "ansible.builtin.command": remove, "when": "ireallymeanit == 'yes'"}]
        shrink = [{**whole, "hosts": "mons", "tasks": tasks}]
        (playbooks / "infrastructure-playbooks" / "shrink-osd.yml").write_text(json.dumps(shrink))
        here = f"ansible_connection=local ansible_python_interpreter={sys.executable}"
        (self.directory / "inventory").mkdir()
        self.inventory = self.directory / "inventory" / "hosts"
        self.inventory.write_text(f"[mons]\nmon1 {here}\n\n[osds]\n{LIKE} {here}\n")
        # the site's login is of the like host's server; the new one's is said of the whole site
        (like, new) = (one.host() for one in self.servers)
        self.site = self.directory / "site.yaml"
        storage = {"name": "main", "kind": "ceph", "monitors": ["mon1"], "osds": [LIKE], "deployed_by": "ceph-ansible"}
        content = {
            **{"naru_site": 1, "name": "one", "login": new["login"], "groups": {"osds": [LIKE]}},
            **{"hosts": [{**like, "name": "mon1"}, like], "storage": [storage]},
        }
        self.site.write_text(yaml.safe_dump(content, sort_keys=False))

    def options(self) -> list[str]:
        """Those of naru scale osd."""
        disks = [word for one in self.loops for word in ("--disk", one)]
        return [
            *(f"{self.name}=127.0.0.1", "--like", LIKE, *disks, "--site", str(self.site), "--every", "1"),
            *("--ceph-ansible", str(self.directory / "ceph-ansible"), "--inventory", str(self.inventory)),
        ]

    def osds(self) -> dict[int, float]:
        """Weights by OSD, of those on the new host."""
        nodes = self("osd", "tree")["nodes"]
        there: list[int] = next((one["children"] for one in nodes if one["name"] == self.name), [])
        return {one["id"]: float(one["crush_weight"]) for one in nodes if one["id"] in there}

    def settings(self) -> dict[str, Any]:
        """All that is switched off while data moves."""
        dump = self("osd", "dump")
        config = {one["name"]: one["value"] for one in self("config", "dump") if one["section"] == "osd"}
        scaled = {one["pool_name"]: one["pg_autoscale_mode"] for one in self("osd", "pool", "ls", "detail")}
        flags = sorted(dump["flags"].split(","))
        balancer = bool(self("balancer", "status")["active"])
        return {"flags": flags, "config": config, "scaled": scaled, "balancer": balancer}

    def balances(self) -> bool:
        """Whether the balancer answers, and is on."""
        done = subprocess.run(["ceph", "balancer", "status"], capture_output=True, text=True, timeout=60, env=self.env)
        return done.returncode == 0 and bool(json.loads(done.stdout)["active"])

    def groups(self) -> dict[int, int]:
        """Placement groups by OSD."""
        return {one["id"]: one["pgs"] for one in self("osd", "df")["nodes"]}

    def wait_clean(self, seconds: float = 60) -> None:
        """Waits until all placement groups are active and clean."""
        end = time.monotonic() + seconds
        while any(one["state_name"] != "active+clean" for one in self("status")["pgmap"]["pgs_by_state"]):
            assert time.monotonic() < end
            time.sleep(0.3)

    def stop(self) -> None:
        """Ends all of it."""
        self._ended.set()
        self._starter.join()
        for daemon in self._daemons:
            daemon.kill()
            daemon.wait(30)
        for server in self.servers:
            server.stop()
        self.ceph.stop()
        time.sleep(0.5)
        for loop in self.loops:
            subprocess.run(["losetup", "--detach", loop], timeout=30)
        assert self.ceph.processes.tree() == {}

"""Three real MariaDB servers as a Galera cluster, in a network of their own, each reached by an SSH server as if it
were on a host: `python -m tests.operate.cluster.three DIRECTORY SCENARIO`, within
`unshare` (see `test_clusters_of_three`).

The hosts are addresses of one machine, so what manages the servers are command lines; a loss of power is SIGKILL.
"""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncssh
import pymysql
import yaml

from ...processes import started

MEMBERS = (1, 2, 3)
SSH, PASSWORD = 2222, "a-password"
NOTHING = "00000000-0000-0000-0000-000000000000"
SCRIPT = """#!/bin/bash
# member.sh start|first|stop|status|recover: the server of the host that $MEMBER is
data={directory}/data$MEMBER
at=127.0.0.$MEMBER
pid=$(cat $data/pid 2>/dev/null)
lives() {{ [ -n "$pid" ] && [ "$(cat /proc/$pid/comm 2>/dev/null)" = mariadbd ]; }}
server="mariadbd --no-defaults --user=mysql --datadir=$data --socket=$data/sock --pid-file=$data/pid --port=3306
  --bind-address=$at --skip-name-resolve --skip-log-bin --innodb-flush-log-at-trx-commit=2
  --innodb-buffer-pool-size=16M --innodb-log-file-size=8M --performance-schema=OFF --binlog-format=ROW
  --innodb-autoinc-lock-mode=2 --wsrep-on=ON --wsrep-provider=/usr/lib/galera/libgalera_smm.so
  --wsrep-cluster-name=three --wsrep-cluster-address=gcomm://127.0.0.1,127.0.0.2,127.0.0.3 --wsrep-node-address=$at
  --wsrep-node-name=db$MEMBER --wsrep-sst-method=rsync
  --wsrep-provider-options=gmcast.listen_addr=tcp://$at:4567;ist.recv_addr=$at;gcache.size=16M"
position() {{
  grep -q '^seqno: *-1' $data/grastate.dat 2>/dev/null || return 0
  found=$($server --wsrep-recover 2>&1 | sed -n 's/.*WSREP: Recovered position: *//p' | tail -n 1)
  [ -z "$found" ] || echo "--wsrep-start-position=$found"
}}
case $1 in
start) lives || setsid $server $(position) >>$data.log 2>&1 </dev/null 9>&- & ;;
first) lives || setsid $server $(position) --wsrep-new-cluster >>$data.log 2>&1 </dev/null 9>&- & ;;
stop) if lives; then kill $pid; while lives; do sleep 0.1; done; fi ;;
status) lives ;;
recover) $server --wsrep-recover 2>&1 ;;
esac
exit
"""


class Cluster:
    """The three of them, with what is kept of them in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.script = directory / "member.sh"
        self.site = directory / "site.yaml"
        self.work = directory / "work"
        directory.chmod(0o711)

    def data(self, member: int) -> Path:
        return self.directory / f"data{member}"

    def make(self) -> None:
        """Makes the cluster: the first member's data is copied, so that the others need but what they missed."""
        self.script.write_text(SCRIPT.format(directory=self.directory))
        self.script.chmod(0o755)
        data = self.data(1)
        data.mkdir()
        shutil.chown(data, "mysql", "mysql")
        argv = ["mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={data}", "--skip-test-db"]
        subprocess.run([*argv, "--skip-name-resolve"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.run(1, "first")
        until(lambda: (data / "sock").exists(), "the first server")
        sql = (
            f"CREATE USER naru@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO naru@'%' WITH GRANT OPTION;"
            "CREATE DATABASE shop; CREATE TABLE shop.sold (id INT PRIMARY KEY AUTO_INCREMENT, what INT) ENGINE=InnoDB"
        )
        argv = ["mariadb", "--no-defaults", f"--socket={data}/sock", "--user=root", "-e", sql]
        until(lambda: subprocess.run(argv, capture_output=True, check=False).returncode == 0, "the user")
        self.run(1, "stop")
        for member in MEMBERS[1:]:
            shutil.copytree(data, self.data(member))
            subprocess.run(["chown", "-R", "mysql:", self.data(member)], check=True)
        self.run(1, "first")
        until(lambda: self.synced() == [1], "the first member")
        for member in MEMBERS[1:]:
            self.run(member, "start")
            until(lambda member=member: member in self.synced(), f"member {member}")

    def run(self, member: int, verb: str) -> None:
        subprocess.run([self.script, verb], check=True, timeout=120, env=os.environ | {"MEMBER": str(member)})

    def cut(self, *members: int) -> None:
        """All at once, as when power is lost."""
        for member in members:
            file = self.data(member) / "pid"
            pid = int(file.read_text()) if file.exists() else 0
            if pid and Path(f"/proc/{pid}/comm").exists() and Path(f"/proc/{pid}/comm").read_text() == "mariadbd\n":
                os.kill(pid, signal.SIGKILL)

    def sql(self, member: int, text: str) -> Any:
        where: dict[str, Any] = {"host": f"127.0.0.{member}", "user": "naru", "password": PASSWORD}
        where |= {"connect_timeout": 5, "read_timeout": 30, "autocommit": True}
        with pymysql.connect(**where) as connection, connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall()

    def synced(self) -> list[int]:
        return [one for one in MEMBERS if self.state(one) == "Synced"]

    def state(self, member: int) -> str:
        try:
            return str(self.sql(member, "SHOW STATUS LIKE 'wsrep_local_state_comment'")[0][1])
        except (pymysql.err.MySQLError, IndexError):
            return ""

    def sold(self) -> list[int]:
        """How many rows each member has."""
        return [int(self.sql(one, "SELECT COUNT(*) FROM shop.sold")[0][0]) for one in MEMBERS]

    def position(self, member: int, **fields: object) -> str:
        """Writes fields of its grastate.dat; the file as it was."""
        file = self.data(member) / "grastate.dat"
        before = file.read_text()
        lines = [line.partition(":")[0] for line in before.splitlines()]
        values = dict(line.split(":", 1) for line in before.splitlines() if ":" in line) | fields
        text = [f"{key}: {str(values[key]).strip()}" if key in values else key for key in lines]
        file.write_text("\n".join([*text, ""]))
        return before

    def naru(self, *words: str, code: int | None = 0, seconds: float = 240.0) -> str:
        """What `naru cluster` says; killed after so many seconds where no code is wanted."""
        argv = [Path(sys.executable).with_name("naru"), "cluster", *words]
        with started(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                said, _ = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                said, _ = process.communicate()
                assert code is None, said
        assert code is None or process.returncode == code, (words, process.returncode, said)
        return said

    def plan(self) -> str:
        """A work directory of a way down that is planned."""
        shutil.rmtree(self.work, ignore_errors=True)
        words = ("--site", str(self.site), "--work", str(self.work), "--backup", str(self.directory / "backup"))
        self.naru("plan", "down", *words)
        return str(self.work)


def until(happened: Callable[[], Any], what: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, what
        time.sleep(0.2)


class Hosts(threading.Thread):
    """An SSH server at each member's address, which runs commands with $MEMBER and connects to ports."""

    def __init__(self, directory: Path) -> None:
        super().__init__(daemon=True)
        self._directory = directory
        self.ready = threading.Event()

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        key, mine = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
        mine.write_private_key(self._directory / "key")
        mine.write_public_key(self._directory / "key.pub")
        public = key.export_public_key().decode()
        lines = [f"[127.0.0.{one}]:{SSH} {public}" for one in MEMBERS]
        (self._directory / "known_hosts").write_text("".join(lines))
        for one in MEMBERS:
            await asyncssh.listen(
                f"127.0.0.{one}",
                SSH,
                server_factory=Server,
                server_host_keys=[key],
                authorized_client_keys=str(self._directory / "key.pub"),
                process_factory=_run,
                encoding=None,
            )
        self.ready.set()
        await asyncio.Event().wait()


class Server(asyncssh.SSHServer):
    def connection_requested(self, *_: Any) -> bool:
        return True


async def _run(process: "asyncssh.SSHServerProcess[bytes]") -> None:
    member = process.get_extra_info("sockname")[0].rpartition(".")[2]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.PIPE)
    started = await asyncio.create_subprocess_shell(
        str(process.command), env=os.environ | {"MEMBER": member}, start_new_session=True, **pipes
    )
    out, errors = await started.communicate(await process.stdin.read())
    process.stdout.write(out)
    process.stderr.write(errors)
    process.exit(started.returncode or 0)


def site(cluster: Cluster) -> None:
    """The site of the three."""
    (cluster.directory / "password").write_text(PASSWORD)
    (cluster.directory / "password").chmod(0o600)
    script, names = str(cluster.script), [f"db{one}" for one in MEMBERS]
    managed = {verb: f"{script} {verb}" for verb in ("start", "stop", "status")}
    login = {"user": "root", "port": SSH, "key": "key", "known_hosts": "known_hosts"}
    content = {
        "naru_site": 1,
        "name": "three",
        "login": login,
        "hosts": [{"name": f"db{one}", "address": f"127.0.0.{one}"} for one in MEMBERS],
        "services": [{"name": "mariadb", "release": "", "hosts": names, "managed": managed}],
        "databases": [
            {
                "name": "main",
                "kind": "galera",
                "hosts": names,
                "user": "naru",
                "password": {"file": "password"},
                "schemas": ["shop"],
                "bootstrap": f"{script} first",
                "recover": f"{script} recover",
            }
        ],
    }
    cluster.site.write_text(yaml.safe_dump(content))


def down_and_up(cluster: Cluster) -> None:
    """There and back; then the same again changes nothing."""
    work = cluster.plan()
    cluster.naru("down", work)
    assert cluster.synced() == []
    cluster.naru("up", work)
    assert cluster.synced() == [1, 2, 3]
    began = time.monotonic()
    assert "done" in cluster.naru("up", work)
    print("nothing to do:", round(time.monotonic() - began, 1), "s")
    assert "is up again" in cluster.naru("down", work, code=2)


def newest(cluster: Cluster) -> None:
    """A member that says that it is safe to begin with is not the newest one; an empty one says so, too."""
    work = cluster.plan()
    cluster.naru("down", work)
    state = (cluster.data(1) / "grastate.dat").read_text()
    seqno = int(next(line for line in state.splitlines() if line.startswith("seqno")).split()[1])
    cluster.position(2, seqno=seqno - 2, safe_to_bootstrap=1)
    cluster.position(1, safe_to_bootstrap=0)
    kept = cluster.position(3, uuid="11111111-8a4f-11ee-9c7b-3f1d2a5b6c7d")
    assert "not of one cluster" in cluster.naru("up", work, code=1)
    assert cluster.synced() == []
    (cluster.data(3) / "grastate.dat").write_text(kept)
    cluster.naru("up", work)
    assert cluster.synced() == [1, 2, 3]


def power_lost(cluster: Cluster) -> None:
    """Power is lost after the way down has begun, when one member was behind: what was written last is there."""
    work = cluster.plan()
    cluster.naru("down", work)
    cluster.naru("up", work)
    work = cluster.plan()
    cluster.naru("down", work, code=None, seconds=6.0)  # killed, some time after its record
    cluster.naru("down", work)
    for member in (3, 2, 1):  # somebody begins it by hand, and it is used
        cluster.position(member, safe_to_bootstrap=int(member == 1))
    cluster.run(1, "first")
    until(lambda: cluster.synced() == [1], "begun by hand")
    cluster.run(2, "start")
    cluster.run(3, "start")
    until(lambda: len(cluster.synced()) == 3, "joined by hand")
    before = cluster.sold()[0]
    cluster.cut(3)
    until(lambda: cluster.sql(1, "SHOW STATUS LIKE 'wsrep_cluster_size'")[0][1] == "2", "the third is gone")
    for number in range(20):
        cluster.sql(1, f"INSERT INTO shop.sold (what) VALUES ({number})")
    cluster.cut(1, 2)
    cluster.naru("up", work)
    assert cluster.sold() == [before + 20] * 3


def killed(cluster: Cluster) -> None:
    """The command is killed, and members lose their power, at random; what was written is there in the end."""
    chance = random.Random(7)
    for _ in range(3):
        cluster.sql(1, "INSERT INTO shop.sold (what) VALUES (1)")
        before = cluster.sold()[0]
        work = cluster.plan()
        for way in ("down", "up"):
            for number in range(4):
                cluster.naru(way, work, code=None, seconds=chance.uniform(1.5, 9.0))
                if number % 2 and (cluster.work / "way").exists():
                    cluster.cut(*(MEMBERS if chance.random() < 0.5 else [chance.choice(MEMBERS)]))
            for _ in range(5):
                said = cluster.naru(way, work, code=None, seconds=200.0)
                if "done" in said or "is up again" in said:
                    break
                print(said, flush=True)
                for member in MEMBERS:  # its host boots, and starts what is not held
                    if way == "down" and not (cluster.work / "way").exists():
                        cluster.run(member, "start")
            assert cluster.synced() == ([] if way == "down" else [1, 2, 3]), said
        assert cluster.sold() == [before] * 3


def lost(cluster: Cluster) -> None:
    """One host does not come back: told, and given up by the operator alone. An empty disk is no proof of anything."""
    work = cluster.plan()
    cluster.naru("down", work)
    kept = cluster.data(1).with_name("kept")
    cluster.data(1).rename(kept)
    assert "it is not known how far db1 had come" in cluster.naru("up", work, code=1)
    cluster.data(1).mkdir()
    shutil.chown(cluster.data(1), "mysql", "mysql")
    text = f"# GALERA saved state\nversion: 2.1\nuuid:    {NOTHING}\nseqno:   -1\nsafe_to_bootstrap: 1\n"
    (cluster.data(1) / "grastate.dat").write_text(text)
    said = cluster.naru("up", work, "--lost", "db1", code=1)
    assert "was at" in said and "--behind" in said
    shutil.rmtree(cluster.data(1))
    kept.rename(cluster.data(1))
    cluster.naru("up", work)
    assert cluster.synced() == [1, 2, 3]


def running(cluster: Cluster) -> None:
    """A cluster that runs is never stopped by the way up: neither while its only member gives its data away, nor when
    it does not take the password any more."""
    work = cluster.plan()
    cluster.naru("down", work)
    cluster.naru("up", work)
    pid = (cluster.data(1) / "pid").read_text()
    cluster.run(2, "stop")
    cluster.run(3, "stop")
    cluster.sql(1, "SET GLOBAL wsrep_desync=ON")
    assert cluster.state(1) == "Donor/Desynced"
    back = threading.Timer(40.0, cluster.sql, (1, "SET GLOBAL wsrep_desync=OFF"))
    back.start()
    cluster.naru("up", work)
    back.join()
    assert cluster.synced() == [1, 2, 3] and (cluster.data(1) / "pid").read_text() == pid
    (cluster.directory / "password").write_text("another")
    assert "does not let Naru in" in cluster.naru("up", work, code=1)
    assert cluster.synced() == [1, 2, 3] and (cluster.data(1) / "pid").read_text() == pid
    (cluster.directory / "password").write_text(PASSWORD)
    cluster.naru("up", work)


SCENARIOS = {one.__name__: one for one in (down_and_up, newest, power_lost, lost, running, killed)}


def main(directory: Path, names: list[str]) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    Path("/var/lib/naru").mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", "/var/lib/naru"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    cluster = Cluster(directory)
    hosts = Hosts(directory)
    hosts.start()
    assert hosts.ready.wait(10)
    site(cluster)
    cluster.make()
    for name in names:
        began = time.monotonic()
        SCENARIOS[name](cluster)
        print(name, round(time.monotonic() - began, 1), "s", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])

"""MariaDB on the hosts of the role `database`: one server, or a Galera cluster of all."""

import dataclasses
import re
import shlex
from pathlib import Path

from naru.lab.hosted.cloud import HostedCloud, address
from naru.lab.infra import mariadb
from naru.lab.ports import LOOPBACK, At
from naru.lab.process import Command

FIRST = "naru-first"
"""The file in the data directory of the member that begins the cluster at its next start: see scripts/galera-start."""
SOCKET = "mysqld.sock"
# what was committed survives a power cut of its host: the kernel below goes on
DURABLE = ("--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=1")
OWNER = "mysql"
"""The user it runs as: what sends a whole data directory to a new member of a cluster refuses to do it as root."""


def directory(cloud: HostedCloud) -> Path:
    """The data directory."""
    return cloud.state / "mariadb"


def command(cloud: HostedCloud) -> Command:
    """The server, as the host sees the cloud."""
    members = cloud.roles["database"]
    at = At(cloud.here, cloud.ports["mariadb"])
    if len(members) == 1:
        return mariadb.command(directory(cloud), at, DURABLE, OWNER)
    found = mariadb.command(directory(cloud), at, (*DURABLE, *_galera(cloud)), OWNER)
    return dataclasses.replace(found, argv=(str(cloud.directory / "scripts" / "galera-start"), *found.argv))


def _galera(cloud: HostedCloud) -> tuple[str, ...]:
    members = ",".join(address(host) for host in cloud.roles["database"])
    return (
        "--wsrep-on=ON",
        "--wsrep-provider=/usr/lib/galera/libgalera_smm.so",
        f"--wsrep-cluster-name={cloud.name}",
        f"--wsrep-cluster-address=gcomm://{members}",
        f"--wsrep-node-name={cloud.host}",
        f"--wsrep-node-address={cloud.here}",
        "--wsrep-provider-options=gcache.size=64M",
        "--wsrep-sst-method=rsync",
        "--binlog-format=ROW",
        "--innodb-autoinc-lock-mode=2",
    )


def creation(cloud: HostedCloud) -> str:
    """The shell script that makes the data directory on a host. root@localhost is whoever is root on the host."""
    data = directory(cloud)
    return (
        f"cd {cloud.directory} && TMPDIR={cloud.state}/mariadb-tmp mariadb-install-db --no-defaults --user={OWNER} "
        f"--datadir={data} --auth-root-authentication-method=socket --auth-root-socket-user=root "
        "--skip-test-db --skip-name-resolve"
    )


def first(cloud: HostedCloud) -> str:
    """The shell script that lets this member begin the cluster when it starts; nothing where there is one server."""
    return f"touch {directory(cloud)}/{FIRST}" if len(cloud.roles["database"]) > 1 else "true"


def recovery(cloud: HostedCloud) -> str:
    """The shell script that says how far a member that is off had come."""
    at = At(LOOPBACK, cloud.ports["mariadb"])  # the same line for all hosts
    server = mariadb.command(directory(cloud), at, (*DURABLE, *_galera(cloud)), OWNER)
    return f"cd {directory(cloud)} && {shlex.join(server.argv)} --wsrep-recover 2>&1"


def grant(cloud: HostedCloud) -> str:
    """The shell script that gives the services their user. It holds the password: to be sent, not to be an argument."""
    user = f"'{mariadb.USER}'@'%'"
    return f"""until mariadb --no-defaults --socket={directory(cloud)}/{SOCKET} 2>/dev/null <<'SQL'
CREATE OR REPLACE USER {user} IDENTIFIED BY '{cloud.secret}';
GRANT ALL ON *.* TO {user} WITH GRANT OPTION;
DELETE FROM mysql.global_priv WHERE User = '';
FLUSH PRIVILEGES;
SQL
do sleep 0.2; done"""


def check_units(cloud: HostedCloud) -> dict[str, str]:
    """The units that tell a load balancer whether this member can be used, by name: one process for each question."""
    script = cloud.directory / "scripts" / "galera-check"
    at = At(cloud.here, cloud.ports["galera-check"])
    return {
        "galera-check.socket": f"""[Unit]
Description=whether MariaDB of {cloud.name} can be used

[Socket]
ListenStream={at}
FreeBind=true
Accept=true
MaxConnections=20

[Install]
WantedBy=multi-user.target
""",
        "galera-check@.service": f"""[Unit]
Description=whether MariaDB of {cloud.name} can be used
CollectMode=inactive-or-failed

[Service]
ExecStart=-{script} {directory(cloud)}/{SOCKET}
StandardInput=socket
StandardOutput=socket
StandardError=null
LogLevelMax=warning
""",
    }


def elect(directories: list[Path]) -> None:
    """Says on the disks of a cluster that is off which member begins it: the one that ended last.

    Members that were cut off all at once form it again by themselves, each with the file gvwstate.dat.
    """
    for found in directories:
        (found / FIRST).unlink(missing_ok=True)
    if len(directories) == 1 or all((found / "gvwstate.dat").exists() for found in directories):
        return
    best = max(directories, key=_progress)
    state = best / "grastate.dat"
    if state.exists():
        state.write_text(re.sub(r"safe_to_bootstrap: \d", "safe_to_bootstrap: 1", state.read_text()))
    (best / FIRST).touch()


def _progress(found: Path) -> tuple[bool, bool, int]:
    """How far a member had come: the last one to leave in order knows it; one that was cut off outlived those that
    left in order; of these the one with the highest number."""
    try:
        state = dict(line.split(":", 1) for line in (found / "grastate.dat").read_text().splitlines() if ":" in line)
    except FileNotFoundError:
        return False, False, -1
    return state["safe_to_bootstrap"].strip() == "1", (found / "gvwstate.dat").exists(), int(state["seqno"])

"""Three real RabbitMQ nodes as a cluster, in a network of their own, on hosts as `three` has them:
`python -m tests.operate.cluster.brokers DIRECTORY`, within `unshare` (see `test_clusters_of_three`)."""

import json
import os
import shlex
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import yaml

from naru.lab.infra import rabbitmq

from .three import MEMBERS, PASSWORD, SSH, Cluster, Hosts, until

SCRIPT = """#!/bin/bash
# broker.sh start|stop|status: the node of the host that $MEMBER is
pid=$(cat {directory}/broker$MEMBER/mnesia/rabbit$MEMBER@db$MEMBER.pid 2>/dev/null)
lives() {{ [ -n "$pid" ] && [ "$(cat /proc/$pid/comm 2>/dev/null)" = beam.smp ]; }}
case $1 in
start) lives || {{ . {directory}/env$MEMBER; setsid {server} >>{directory}/log$MEMBER 2>&1 </dev/null 9>&- & }} ;;
stop) ! lives || kill $pid; for n in $(seq 300); do lives || break; sleep 0.2; done; ! lives ;;
status) lives ;;
esac
exit
"""


def make(directory: Path) -> Path:
    """The files of the three nodes, and the script that manages them."""
    names = [f"rabbit{one}@db{one}" for one in MEMBERS]
    for one in MEMBERS:
        home, at = directory / f"broker{one}", f"127.0.0.{one}"
        (home / "etc").mkdir(parents=True)
        lines = [
            f"listeners.tcp.default = {at}:5672",
            f"default_user = naru\ndefault_pass = {PASSWORD}\nloopback_users = none",
            f"management.tcp.ip = {at}\nmanagement.tcp.port = 15672",
            "cluster_formation.peer_discovery_backend = classic_config",
            *(f"cluster_formation.classic_config.nodes.{number} = {name}" for number, name in enumerate(names, 1)),
        ]
        (home / "etc" / "rabbitmq.conf").write_text("\n".join([*lines, ""]))
        (home / "etc" / "enabled_plugins").write_text("[rabbitmq_management].\n")
        (home / ".erlang.cookie").write_text("three")
        (home / ".erlang.cookie").chmod(0o400)
        ports = {"rabbitmq-dist": 25670 + one, "epmd": 4369}
        given = rabbitmq.environment(home, ports, f"rabbit{one}@db{one}", at)  # type: ignore[arg-type]
        del given["ERL_EPMD_ADDRESS"]  # one for all three
        text = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in given.items())
        (directory / f"env{one}").write_text(text)
    script = directory / "broker.sh"
    script.write_text(SCRIPT.format(directory=directory, server=rabbitmq.server()))
    script.chmod(0o755)
    return script


def running(member: int) -> list[str]:
    """The nodes that run, as one of them says."""
    manager = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    url = f"http://127.0.0.{member}:15672/api/nodes"
    manager.add_password(None, url, "naru", PASSWORD)
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(manager))
    try:
        with opener.open(url, timeout=10) as answer:
            return sorted(one["name"] for one in json.load(answer) if one["running"])
    except OSError:
        return []


def main(directory: Path) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    Path("/var/lib/naru").mkdir(parents=True, exist_ok=True)
    for place in ("/var/lib/naru", "/run"):
        subprocess.run(["mount", "-t", "tmpfs", "none", place], check=True)
    known = directory / "hosts"
    known.write_text("127.0.0.1 localhost\n" + "".join(f"127.0.0.{one} db{one}\n" for one in MEMBERS))
    subprocess.run(["mount", "--bind", known, "/etc/hosts"], check=True)
    hosts, script = Hosts(directory), make(directory)
    hosts.start()
    assert hosts.ready.wait(10)
    cluster, names = Cluster(directory), [f"db{one}" for one in MEMBERS]
    (directory / "password").write_text(PASSWORD)
    (directory / "password").chmod(0o600)
    managed = {verb: f"{script} {verb}" for verb in ("start", "stop", "status")}
    content = {
        "naru_site": 1,
        "name": "three",
        "login": {"user": "root", "port": SSH, "key": "key", "known_hosts": "known_hosts"},
        "hosts": [{"name": f"db{one}", "address": f"127.0.0.{one}"} for one in MEMBERS],
        "services": [{"name": "rabbitmq", "release": "", "hosts": names, "managed": managed}],
        "queues": [{"name": "main", "hosts": names, "management": {"user": "naru", "password": {"file": "password"}}}],
    }
    cluster.site.write_text(yaml.safe_dump(content))
    for one in MEMBERS:
        subprocess.run([script, "start"], check=True, env=os.environ | {"MEMBER": str(one)})
        until(lambda one=one: len(running(one)) == one, f"node {one}", 150)
    began = time.monotonic()
    work = cluster.plan()
    cluster.naru("down", work)
    assert [running(one) for one in MEMBERS] == [[], [], []]
    print("down", round(time.monotonic() - began, 1), "s", flush=True)
    cluster.naru("up", work, code=None, seconds=8.0)  # killed, while nodes wait for each other
    cluster.naru("up", work, seconds=400)
    assert all(running(one) == [f"rabbit{n}@db{n}" for n in MEMBERS] for one in MEMBERS)
    print("up", round(time.monotonic() - began, 1), "s", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

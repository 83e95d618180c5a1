"""How long a cloud of thousands of servers takes to be read, and what it costs; `make bench-inventory`.

A cloud of the newest release boots some servers on many fake compute hosts and then has them multiplied in its
database, so that its own API answers for all of them. The last line is a JSON object:

    servers, things   how many servers, and things of all kinds
    seconds           until all of it was in the archive
    ratio             seconds over the limit of this run: the answers to the same lists of servers, fetched one after
                      the other and thrown away
    requests          how many were made
    mib               the most memory that the reading process took
    archive_mib       size of the archive
    peer_seconds      openstacksdk listing the same servers alone, into objects, from the same microversion's answers
    load              the machine's load average over the minute before
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import openstack
import pymysql
from lab import PORT_BASE, all_servers, quiet, ready  # the benchmark beside this one

from naru.cloud.client import Cloud
from naru.inventory.archive import Archive
from naru.inventory.kinds import BY_NAME
from naru.inventory.read import read
from naru.lab import spec
from naru.lab.api import Api
from naru.lab.cloud import Cloud as LabCloud
from naru.lab.infra import mariadb
from naru.lab.lab import Lab
from naru.releases import release

# table: the columns that name the server
TABLES = {
    "nova": {
        "instances": "uuid",
        "instance_info_caches": "instance_uuid",
        "instance_extra": "instance_uuid",
        "instance_system_metadata": "instance_uuid",
        "block_device_mapping": "instance_uuid",
    },
    "nova_api": {"instance_mappings": "instance_uuid", "request_specs": "instance_uuid"},
}


def boot(api: Api, servers: int) -> None:
    body = ready(api, servers)
    for begun in range(0, servers, body["min_count"]):
        api("nova", "POST", "/servers", {"server": body | {"min_count": min(body["min_count"], servers - begun)}})
    while any(server["status"] != "ACTIVE" for server in all_servers(api)):
        time.sleep(2)


def multiply(cloud: LabCloud, servers: int) -> None:
    """Copies the rows of the servers that are there, each time with new ids, until there are as many as wanted."""
    with (
        pymysql.connect(
            host="127.0.0.1", port=cloud.ports["mariadb"], user=mariadb.USER, password=cloud.secret, autocommit=True
        ) as database,
        database.cursor() as cursor,
    ):
        cursor.execute("CREATE TABLE nova.original AS SELECT uuid FROM nova.instances WHERE deleted = 0")
        cursor.execute("SELECT count(*) FROM nova.original")
        ((have,),) = cursor.fetchall()
        for copy in range(1, servers // have):
            for schema, tables in TABLES.items():
                for table, column in tables.items():
                    cursor.execute(
                        "SELECT column_name FROM information_schema.columns "
                        "WHERE table_schema = %s AND table_name = %s AND column_name != 'id'",
                        (schema, table),
                    )
                    names = [name for (name,) in cursor.fetchall()]
                    cursor.execute(statement(f"{schema}.{table}", column, names, copy))


def statement(table: str, column: str, names: list[str], copy: int) -> str:
    """Copies a table's rows; a server's new id is its old one hashed with the copy's number, the same in all tables."""
    new = f"MD5(CONCAT(`{column}`, {copy}))"
    for place in (9, 14, 19, 24):
        new = f"INSERT({new}, {place}, 0, '-')"
    values = [new if name == column else "UUID()" if name == "uuid" else f"`{name}`" for name in names]
    columns = ", ".join(f"`{name}`" for name in names)
    return (
        f"INSERT INTO {table} ({columns}) SELECT {', '.join(values)} "
        f"FROM {table} WHERE `{column}` IN (SELECT uuid FROM nova.original)"
    )


def measure_reading(directory: Path, name: str) -> dict[str, float]:
    """In a process of its own, whose memory is the reading's alone."""
    requests = 0

    def count(*_: Any, **__: Any) -> None:
        nonlocal requests
        requests += 1

    began = time.monotonic()
    with Cloud(name) as cloud, Archive(directory / "archive.db") as archive:
        cloud._http.hooks["response"].append(count)
        number = archive.begin(name)
        readings = read(cloud, lambda rows: archive.add(number, rows))
        archive.end(number, readings)
    return {
        "seconds": round(time.monotonic() - began, 2),
        "servers": next(reading.count for reading in readings if reading.kind == "server"),
        "things": sum(reading.count for reading in readings),
        "requests": requests,
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
        "archive_mib": (directory / "archive.db").stat().st_size >> 20,
    }


def measure_limit(name: str) -> dict[str, float]:
    kind = BY_NAME["server"]
    began = time.monotonic()
    with Cloud(name) as cloud:
        for version in (next(one for one in kind.versions if cloud.supports("compute", one)), "2.46"):
            for _ in cloud.items("compute", kind.path, kind.collection, version):
                pass
    return {"limit": time.monotonic() - began}


def measure_peer(name: str) -> dict[str, float]:
    began = time.monotonic()
    list(openstack.connect(cloud=name).compute.servers(all_projects=True))
    return {"peer_seconds": round(time.monotonic() - began, 2)}


def apart(lab: Lab, *arguments: str) -> dict[str, Any]:
    env = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(lab.clouds_yaml)}
    done = subprocess.run(
        [sys.executable, __file__, *arguments], env=env, stdout=subprocess.PIPE, text=True, check=True
    )
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=5000)
    parser.add_argument("--booted", type=int, default=250, help="how many of them are really booted")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing of the lab is to be left
    if arguments.measure:
        what, where = arguments.measure
        with tempfile.TemporaryDirectory(prefix="naru-bench-") as name:
            measures = {
                "reading": lambda: measure_reading(Path(name), where),
                "limit": lambda: measure_limit(where),
                "peer": lambda: measure_peer(where),
            }
            print(json.dumps(measures[what]()))
        return
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="naru-bench-") as name:
        lab = Lab(Path(name) / "many")
        try:
            lab.up(spec.build([f"many={release.names()[-1]}"], None, 20, PORT_BASE + 800), quiet, quiet)
            cloud = lab.cloud("many")
            boot(Api(cloud), arguments.booted)
            multiply(cloud, arguments.servers)
            answer = {what: apart(lab, "--measure", what, "many") for what in ("limit", "reading", "peer")}
        finally:
            lab.down()
    found = answer["reading"] | answer["peer"]
    found |= {"ratio": round(found["seconds"] / answer["limit"]["limit"], 2), "load": round(load, 2)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()

"""How long an upgrade's window takes beside its migrations alone, and how well it is foretold; `make bench-upgrade`.

A Pike cloud on hosts, with the wanted release's services built beside, gets rows of many servers, as if they had been
booted: one server and one volume are made by the API, and their rows copied by SQL, on hosts that have records and
nothing else. Then the upgrade is rehearsed three times: with one step at a time, every row by the releases' own code
(`--row-by-row`); with one step at a time, as Naru does it; as usual. And its window is run: services stopped, dumped,
all hops, services of the wanted release started. The last line is a JSON object:

    servers, mib   how many servers the databases have, and their size
    migrations_s   what the releases' own schema steps and online data migrations take one after the other, nothing
                   beside them, in the first rehearsal: the sum of their own times
    filled_s       the same of the second rehearsal: with what statements fill at once
    window_s       seconds from the first service that was stopped to the last that answered
    ratio          window_s over migrations_s
    ratio_filled   window_s over filled_s
    parts_s        of the window: until all is stopped, dump, hops, until all answer
    forecast_s     what the third rehearsal says of dump and hops together
    measured_s     what they took in the window
    off            measured_s over forecast_s
    starts         what `upgrade_agents.py` says of fake agents that are started all at once, in batches, under the law
    load           the machine's load average over the minute before: numbers taken on a busy machine are worse
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import openstack
import upgrade_agents  # the benchmark beside this one

from naru.lab import spec
from naru.lab.hosts import layout
from naru.lab.lab import Lab
from naru.plan import control
from naru.plan.journal import Journal
from naru.plan.queries import StepRow, reading
from naru.upgrade import rehearsal
from naru.upgrade.window import hops, window
from naru.upgrade.work import Work

CLOUD, DATABASE = "cloud", "db1"
NETWORK = "10.95."
HOSTS = 1000
"""Compute hosts that have the servers: of each the records, and nothing else."""
ID = "CONCAT('{kind}-0000-4000-8000-', LPAD(HEX(s.seq), 12, '0'))"
"""The id of a copy, of its kind's first eight digits."""


def quiet(*_: object) -> None:
    """The lab's progress is not wanted here."""


class Databases:
    """The cloud's databases, as their host reaches them."""

    def __init__(self, lab: Lab) -> None:
        client = "mariadb --no-defaults --socket=/srv/naru/state/mariadb/mysqld.sock -BN"
        self._argv = lab.hosts().ssh(DATABASE, client)

    def __call__(self, text: str) -> list[list[str]]:
        """The rows that statements give. Raises SystemExit."""
        done = subprocess.run(self._argv, input=text, capture_output=True, text=True, timeout=1800)
        if done.returncode:
            raise SystemExit(f"{text[:300]}\n{done.stderr}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def copy(self, table: str, where: str, number: int, **columns: str) -> None:
        """Copies a row, or several that belong together, so often: `columns` are what differs, by what it is, where
        s.seq counts. Columns that count by themselves go on counting."""
        schema, _, name = table.partition(".")
        known = self(
            "SELECT COLUMN_NAME, EXTRA FROM information_schema.COLUMNS "
            f"WHERE TABLE_SCHEMA = '{schema}' AND TABLE_NAME = '{name}'"
        )
        names = [column for column, extra in known if "auto_increment" not in extra or column in columns]
        if missing := set(columns) - {column for column, _ in known}:
            raise SystemExit(f"{table} has no {', '.join(missing)}")
        into = ", ".join(f"`{column}`" for column in names)
        out = ", ".join(columns.get(column, f"t.`{column}`") for column in names)
        (found,) = self(f"SELECT COUNT(*) FROM {table} t WHERE {where}")
        if found == ["0"]:
            raise SystemExit(f"{table} has no row with {where}")
        self(f"INSERT INTO {table} ({into}) SELECT {out} FROM {table} t JOIN nova.seq_1_to_{number} s WHERE {where}")


def a_server(lab: Lab) -> tuple[str, str, str]:
    """A server that runs on a network, its port, and a volume, by their ids."""
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(lab.clouds_yaml)
    with openstack.connect(cloud=f"{CLOUD}-user") as cloud:
        net = cloud.network.create_network(name="bench")
        cloud.network.create_subnet(network_id=net.id, name="bench", ip_version=4, cidr="192.168.77.0/24")
        image = cloud.image.create_image(name="bench", container_format="bare", disk_format="raw", data=b"\0" * 512)
        flavor = cloud.compute.find_flavor("m1.nano", ignore_missing=False)
        made = cloud.compute.create_server(
            name="bench", flavor_id=flavor.id, image_id=image.id, networks=[{"uuid": net.id}]
        )
        cloud.compute.wait_for_server(made, wait=120)
        volume = cloud.block_storage.create_volume(name="bench", size=1)
        cloud.block_storage.wait_for_status(volume, status="available", wait=120)
        (port,) = cloud.network.ports(device_id=made.id)
        return made.id, port.id, volume.id


def fill(sql: Databases, number: int, server: str, port: str, volume: str) -> None:
    """Copies a server so often, with its port and a volume, onto so many hosts."""
    host = f"CONCAT('host', LPAD(s.seq % {HOSTS}, 4, '0'))"
    sql.copy("nova.services", "t.`binary` = 'nova-compute'", HOSTS, host=host, uuid=ID.format(kind="5e5e5e5e"))
    sql.copy(
        "nova.compute_nodes",
        "t.deleted = 0",
        HOSTS,
        host=host,
        hypervisor_hostname=host,
        uuid=ID.format(kind="c0c0c0c0"),
    )
    sql.copy("nova_api.host_mappings", "t.host = 'compute1'", HOSTS, host=host)
    own = f"t.instance_uuid = '{server}'"
    uuid = ID.format(kind="00000000")
    sql.copy("nova.instances", f"t.uuid = '{server}'", number, uuid=uuid, host=host, node=host)
    for table in ("instance_extra", "instance_info_caches", "instance_system_metadata", "block_device_mapping"):
        sql.copy(f"nova.{table}", own, number, instance_uuid=uuid)
    sql.copy("nova_api.instance_mappings", own, number, instance_uuid=uuid)
    spec_ = f"REPLACE(t.spec, '{server}', {uuid})"
    sql.copy("nova_api.request_specs", own, number, instance_uuid=uuid, spec=spec_)
    # ports: the numbers of standard attributes are their own
    ((first,),) = sql("SELECT MAX(id) FROM neutron.standardattributes")
    attribute, new_port = f"{first} + s.seq", ID.format(kind="90909090")
    mine = f"t.id = (SELECT standard_attr_id FROM neutron.ports WHERE id = '{port}')"
    sql.copy("neutron.standardattributes", mine, number, id=attribute)
    mac = "CONCAT('fa:17:', INSERT(INSERT(INSERT(LPAD(HEX(s.seq), 8, '0'), 7, 0, ':'), 5, 0, ':'), 3, 0, ':'))"
    sql.copy(
        "neutron.ports",
        f"t.id = '{port}'",
        number,
        id=new_port,
        device_id=uuid,
        mac_address=f"LOWER({mac})",
        standard_attr_id=attribute,
    )
    address = "CONCAT('10.', s.seq DIV 65536, '.', s.seq DIV 256 % 256, '.', s.seq % 256)"
    bound = f"t.port_id = '{port}'"
    sql.copy("neutron.ipallocations", bound, number, port_id=new_port, ip_address=address)
    sql.copy("neutron.ml2_port_bindings", bound, number, port_id=new_port, host=host)
    sql.copy("neutron.ml2_port_binding_levels", bound, number, port_id=new_port, host=host)
    sql.copy("neutron.securitygroupportbindings", bound, number, port_id=new_port)
    sql.copy("cinder.volumes", f"t.id = '{volume}'", number, id=ID.format(kind="70707070"))


def naru(*words: object) -> None:
    """A command of the upgrade. Raises SystemExit when it does not end well."""
    began = time.monotonic()
    argv = [sys.executable, "-m", "naru.cli.main", "-q", "upgrade", *map(str, words)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    print(f"{words[0]}: {time.monotonic() - began:.1f} s", flush=True)
    if done.returncode:
        raise SystemExit(f"naru upgrade {words[0]} ended with {done.returncode}")


def one_at_a_time(work: Path) -> None:
    """The first rehearsal of a plan, with one step at a time on the host that does the work."""
    upgrade = Work(work)
    command = [sys.executable, "-m", "naru.cli.main", "-q", "upgrade", "rehearse", str(work)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while not upgrade.rehearsals.numbers() or not Journal.exists(upgrade.rehearsals.path(1)):
            if process.poll() is not None:
                raise SystemExit("the rehearsal has not begun")
            time.sleep(0.1)
        with Journal.open(upgrade.rehearsals.path(1)) as journal:
            control.limit(journal, upgrade.settings.host, 1)
        if process.wait():
            raise SystemExit("the rehearsal has failed")


def span(steps: Iterable[StepRow]) -> tuple[float, float]:
    """From the beginning of the first to the end of the last."""
    found = list(steps)
    return min(step.started for step in found if step.started), max(step.ended for step in found if step.ended)


def own(one: rehearsal.Rehearsed) -> float:
    """The sum of the migrations' own times."""
    return sum(seconds for name, seconds in one.steps.items() if name.endswith((f"/{hops.SYNC}", f"/{hops.ONLINE}")))


def measured(by_row: Path, work: Path) -> dict[str, Any]:
    """What the rehearsals and the window took."""
    upgrade = Work(work)
    (alone,) = rehearsal.rehearsed(Work(by_row))
    first, second = rehearsal.rehearsed(upgrade)
    migrations, filled = own(alone), own(first)
    with Journal.open(work) as journal, reading(journal) as now:
        steps = now.steps(unit=window.CLOUD)

    def of(*purposes: str) -> tuple[float, float]:
        return span(step for step in steps if step.purpose in purposes)

    stop, point = of(window.STOP_API, window.STOP), of(window.POINT)
    all_hops, answer = of(*rehearsal.FORWARD), of(window.ANSWER)
    forecast, took = second.dump + second.hops, (point[1] - point[0]) + (all_hops[1] - all_hops[0])
    seconds = answer[1] - stop[0]
    parts = (stop[1] - stop[0], point[1] - point[0], all_hops[1] - all_hops[0], answer[1] - all_hops[1])
    return {
        "migrations_s": round(migrations, 1),
        "filled_s": round(filled, 1),
        "window_s": round(seconds, 1),
        "ratio": round(seconds / migrations, 2),
        "ratio_filled": round(seconds / filled, 2),
        "parts_s": dict(zip(("stop", "dump", "hops", "start"), (round(one, 1) for one in parts), strict=True)),
        "forecast_s": round(forecast, 1),
        "measured_s": round(took, 1),
        "off": round(took / forecast, 2),
    }


def run(lab: Lab, directory: Path, goal: str, servers: int) -> dict[str, Any]:
    sql = Databases(lab)
    if servers:
        began = time.monotonic()
        fill(sql, servers, *a_server(lab))
        print(f"rows: {time.monotonic() - began:.1f} s", flush=True)
    ((count,),) = sql("SELECT COUNT(*) FROM nova.instances WHERE deleted = 0")
    ((size,),) = sql("SELECT ROUND(SUM(DATA_LENGTH + INDEX_LENGTH) / 1048576) FROM information_schema.TABLES")
    by_row, work = directory / "by-row", directory / "work"
    for where, more in ((by_row, ["--row-by-row"]), (work, [])):
        plan = ("--site", lab.site_yaml, "--to", goal, "--work", where, "--rehearsals", "2", "--memory", "1024", *more)
        naru("plan", *plan)
        naru("prepare", where)
        one_at_a_time(where)
    naru("rehearse", work)
    naru("run", work, "--without-freeze", "a benchmark")
    return {"servers": int(count), "mib": int(size), **measured(by_row, work)}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=100_000, metavar="N", help="rows of so many servers (100000)")
    parser.add_argument("--to", default="queens", metavar="RELEASE", help="where the upgrade goes (queens)")
    parser.add_argument("--agents", type=int, default=300, metavar="N", help="so many fake agents; 0: none (300)")
    arguments = parser.parse_args(argv)
    load = os.getloadavg()[0]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing of the lab is to be left
    with tempfile.TemporaryDirectory(prefix="naru-bench-") as name:
        directory = Path(name)
        text = (layout.LAYOUTS / "upgrade.yaml").read_text().replace("10.77.", NETWORK)
        file = directory / "layout.yaml"
        file.write_text(text.replace("next: queens", f'next: "{arguments.to}"'))
        lab = Lab(directory / "lab")
        try:
            lab.up(spec.build_hosts(str(file), [f"{CLOUD}=pike"]), quiet, quiet)
            answer = run(lab, directory, arguments.to, arguments.servers)
        finally:
            lab.down()
    if arguments.agents:
        answer["starts"] = upgrade_agents.run(arguments.agents)
    print(json.dumps(answer | {"load": round(load, 2)}))


if __name__ == "__main__":
    main()

"""A twin of a cloud on hosts: its databases are dumped where they are and brought here, nothing in it leads there, and
it has the load that the hosts' logs tell of."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from naru.lab.lab import Lab
from naru.twin import restore, rows
from naru.twin.clean import Copy
from naru.twin.twin import Twin

from ..lab.scenario import Rest, connect, image, network
from ..twin.test_twin import a_server, connected, naru, of_users
from .cloud import CLOUD

pytestmark = [pytest.mark.hosts, pytest.mark.releases]

PORT_BASE = "23000"
DUMPS = "ls /var/lib/naru 2>/dev/null | grep twin || true"


def test_a_twin_leads_nowhere(pike: Lab, site: Path, on_database: Callable[[str], str], tmp_path: Path) -> None:
    rest = Rest(connect(pike, CLOUD))
    twin, directory = Twin(tmp_path / "twin"), str(tmp_path / "twin")
    with image(rest) as made, network(rest) as networks, a_server(rest, made, networks["network"]) as server:
        try:
            naru("up", directory, "--site", str(site), "--port-base", PORT_BASE)
            assert on_database(DUMPS) == ""
            assert not (tmp_path / "twin" / "dump").exists()
            facts, cloud = twin.facts(), twin.cloud()
            assert facts is not None and facts.left == {} and len(facts.addresses) >= 3
            assert [one.host for one in facts.hosts] == ["compute1"]
            found = connected(twin)("compute", "GET", f"/servers/{server['id']}")["server"]
            assert of_users(found) == of_users(server)
            with rows.connected(cloud, "keystone") as connection:
                copy = Copy(connection, restore.wanted(cloud), ["nova", "nova_cell0"])
                network_of_hosts = facts.addresses[0].rpartition(".")[0]
                for schema, table, columns in copy.texts():
                    for column in columns:
                        told = f"SELECT COUNT(*) FROM `{schema}`.`{table}` WHERE `{column}` LIKE %s"
                        assert copy.ask(told, (f"%{network_of_hosts}.%",)) == ((0,),), (schema, table, column)
                assert copy.left({pike.cloud(CLOUD).secret}) == []
            naru("load", directory, "--rate", "5", "--seconds", "10", "--days", "1")
            calls = json.loads((tmp_path / "twin" / "mix.json").read_text())["calls"]
            assert any(one["service"] == "nova" and one["path"].endswith("/servers/{id}") for one in calls)
            assert peers(twin) == {"127.0.0.1"}
        finally:
            naru("down", directory)
        assert not (tmp_path / "twin").exists()


def peers(twin: Twin) -> set[str]:
    """With whom its processes are connected."""
    ours = {str(process.pid) for all_of in twin.cloud().processes.tree().values() for process in all_of}
    said = subprocess.run(["ss", "-Htnp"], capture_output=True, text=True, check=True, timeout=60).stdout
    found = set()
    for line in said.splitlines():
        pids = {part.partition(",")[0] for part in line.split("pid=")[1:]}
        if pids & ours:
            found.add(line.split()[4].rpartition(":")[0].removeprefix("[::ffff:").rstrip("]"))
    return found

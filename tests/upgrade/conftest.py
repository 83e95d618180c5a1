"""A small Pike cloud on hosts, with Queens' services built beside: its databases are dumped, copied and taken through
releases, and it is upgraded, and back."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from naru.lab import spec
from naru.lab.hosts import layout
from naru.lab.lab import Lab

from ..lab.hosts.machine import left_of, of_the_machine
from ..lab.scenario import ignore

NETWORK = "10.89."
DATABASE_HOST = "db1"


@pytest.fixture(scope="session")
def pike(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab; nothing of it is left at the end."""
    before = of_the_machine()
    directory = tmp_path_factory.mktemp("upgrade")
    file = directory / "pike.yaml"
    file.write_text((layout.LAYOUTS / "cloud3.yaml").read_text().replace("10.77.", NETWORK) + "next: queens\n")
    lab = Lab(directory / "lab")
    lab.up(spec.build_hosts(str(file), ["cloud=pike"]), ignore, ignore)
    yield lab
    hosts = lab.hosts()
    lab.down()
    assert left_of(hosts) == []
    assert of_the_machine() == before


@pytest.fixture
def site(pike: Lab) -> Path:
    return pike.site_yaml


@pytest.fixture
def on_database(pike: Lab) -> Callable[[str], str]:
    """What a command says on the database's host; it has to end well."""

    def asked(command: str) -> str:
        argv = pike.hosts().ssh(DATABASE_HOST, command)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout.strip()

    return asked


@pytest.fixture
def live(pike: Lab, on_database: Callable[[str], str]) -> Callable[[str], str]:
    """What the cloud's own database answers."""

    def sql(text: str) -> str:
        return on_database(f'mariadb --no-defaults --socket=/srv/naru/state/mariadb/mysqld.sock -BN -e "{text}"')

    return sql

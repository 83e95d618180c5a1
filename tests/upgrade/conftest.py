"""A small Pike cloud on hosts, with Queens' services built beside: its databases are dumped, copied and taken through
releases, and it is upgraded, and back."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.lab.lab import Lab

from ..lab.hosted.scenario import until
from ..lab.scenario import Rest, connect, image, network
from .cloud import CLOUD, a_lab, seen
from .orders import begin, naru

NETWORK = "10.89."
DATABASE_HOST = "db1"


@pytest.fixture(scope="session")
def pike(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab; nothing of it is left at the end. NARU_TEST_UPGRADE=DIRECTORY uses and keeps one there, for a quick
    loop."""
    kept = os.environ.get("NARU_TEST_UPGRADE")
    with a_lab(tmp_path_factory.mktemp("upgrade"), "upgrade", NETWORK, kept) as lab:
        yield lab


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


@pytest.fixture
def planned(pike: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """A work directory of an upgrade that is prepared, for which no rehearsal is wanted unless words say so. What a
    test that fails has left is taken back, for the next one."""
    work = str(tmp_path / "work")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(pike.clouds_yaml))

    def made(*words: str, site: Path = pike.site_yaml) -> str:
        words = words or ("--rehearsals", "0")
        naru("plan", "--site", str(site), "--to", "queens", "--work", work, *words)
        naru("prepare", work)
        return work

    yield made
    for words in (("rollback", work, "--lose-writes"), ("thaw", work)):
        with begin(*words) as process:
            process.communicate(timeout=600)


@pytest.fixture(scope="session")
def server(pike: Lab) -> Iterator[dict[str, Any]]:
    """A member's server that runs, with what it is now by the API."""
    rest = Rest(connect(pike, f"{CLOUD}-user"))
    with network(rest) as net, image(rest) as picture:
        flavor = next(one["id"] for one in rest("compute", "GET", "/flavors")["flavors"] if one["name"] == "m1.nano")
        body = {"name": "kept", "flavorRef": flavor, "imageRef": picture, "networks": [{"uuid": net["network"]}]}
        made = rest("compute", "POST", "/servers", {"server": body})["server"]["id"]
        rest.wait_server(made, "ACTIVE")
        until(lambda: seen(pike, made)["addresses"], "its address")
        yield seen(pike, made)
        rest = Rest(connect(pike, f"{CLOUD}-user"))
        rest("compute", "DELETE", f"/servers/{made}")
        rest.gone("compute", f"/servers/{made}")

"""Between real Swifts, Pike's and the newest: everything there is, by an oracle of plain HTTP; what changed; kills."""

import json
import multiprocessing
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from naru.objects.engine.copy import PassResult, copy
from naru.objects.mapping import load
from naru.objects.where import open_account, parse
from naru.objects.wire import Account

from .company import OTHER, OTHER_NEW, STRANGER, USER, USER_NEW, Plain, fill, manifest, nest
from .swift import PROJECT, pair

pytestmark = [pytest.mark.lab, pytest.mark.releases]
BASE = 30000
KILLS = 50
MANY = 40
FORK = multiprocessing.get_context("fork")  # to start a program fifty times takes longer than all it does
MAP = f"projects: {{'{OTHER}': '{OTHER_NEW}'}}\nusers: {{'{USER}': '{USER_NEW}'}}\n"


class Clouds(NamedTuple):
    old: Plain
    new: Plain
    directory: Path
    environment: dict[str, str]

    def naru(self, *words: str, code: int = 0) -> Any:
        """What a command says in JSON."""
        argv = [sys.executable, "-m", "naru.cli.main", *words, "-f", "json"]
        done = subprocess.run(
            argv, env=self.environment, cwd=self.directory, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == code, done.stderr + done.stdout
        return json.loads(done.stdout) if done.stdout else done.stderr

    def copy(self, *words: str, code: int = 0) -> Any:
        return self.naru("object", "copy", "old", "new", "--map", "map.yaml", "--work", "work", *words, code=code)


@pytest.fixture(scope="module", params=[("pike", ""), ("", "pike")], ids=["to the newest", "and back"])
def clouds(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    """NARU_TEST_SWIFT=DIRECTORY keeps what takes long to make there, for a quick loop."""
    kept = os.environ.get("NARU_TEST_SWIFT")
    directory = Path(kept) if kept else tmp_path_factory.mktemp("swift")
    with pair(directory, BASE, request.param) as (old, new, file):
        environment = os.environ | {"OS_CLIENT_CONFIG_FILE": str(file), "PYTHONPATH": str(Path(__file__).parents[2])}
        (directory / "map.yaml").write_text(MAP)
        yield Clouds(Plain(old.url), Plain(new.url), directory, environment)


def mapped(found: dict[str, Any]) -> dict[str, Any]:
    """What the new cloud has to have: the oracle's own mapping of ids."""
    text = json.dumps(found).replace(f",{STRANGER}:{STRANGER}", "").replace(OTHER, OTHER_NEW).replace(USER, USER_NEW)
    changed: dict[str, Any] = json.loads(text)
    return changed


def settled(plain: Plain) -> dict[str, Any]:
    """The account once its listings say all: they are some seconds late on a busy machine."""
    before, found = None, plain.everything()
    while found != before:
        time.sleep(1)
        before, found = found, plain.everything()
    return found


def test_everything_is_carried_and_then_only_what_changed(clouds: Clouds) -> None:
    fill(clouds.old)
    before = settled(clouds.old)
    done = clouds.copy("--rate", "500M")
    assert done["problems"] == [] and done["copied"] == sum(
        len(one["objects"]) for one in before["containers"].values()
    )
    assert any(STRANGER in told for told in done["told"])
    assert not any("key-of-temp-urls" in told for told in done["told"])
    assert settled(clouds.new) == mapped(before)
    again = clouds.copy()
    assert (again["copied"], again["metadata"], again["deleted"], again["bytes"]) == (0, 0, 0, 0)

    clouds.old.put("names", "plain", b"another content")
    assert clouds.old("POST", "web", "index.html", headers={"X-Object-Meta-New": "1", "Content-Type": "text/plain"}).ok
    assert clouds.old("DELETE", "names", "a/../b").ok
    bodies = [("/large_segments/video/0002", b"C" * (1 << 20)), ("/names/plain", b"another content")]
    clouds.old.put("large", "static", manifest(*bodies), "multipart-manifest=put", X_Object_Meta_Title="film 2")
    nest(clouds.old)
    clouds.old.put("versioned", "file", b"four")
    clouds.old("POST", "web", headers={"X-Remove-Container-Read": "x", "X-Container-Meta-Color": "green"})
    clouds.old("DELETE", "nothing")
    clouds.old.put("added")
    clouds.old.put("added", "object", b"x")
    clouds.new.put("web", "of others", b"stays")
    changed = settled(clouds.old)
    done = clouds.copy()
    assert done["problems"] == [] and done["deleted"] == 1 and done["others"] == 1
    after = settled(clouds.new)
    assert after["containers"]["web"]["objects"].pop("of others")["status"] == 200
    assert after == mapped(changed)
    found = clouds.naru(
        "object", "verify", "old", "new", "--map", "map.yaml", "--work", "work", "--metadata", "--content", code=1
    )
    assert found["different"] == ["web/of others: is not on old"]
    assert clouds.copy("--delete-others")["deleted"] == 1
    assert clouds.naru("object", "verify", "old", "new", "--map", "map.yaml", "--work", "work", "--content")["equal"]


def test_names_of_metadata_may_have_any_bytes(clouds: Clouds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", clouds.environment["OS_CLIENT_CONFIG_FILE"])
    accounts = [open_account(parse(name)) for name in ("old", "new")]
    name = "x-object-meta-é나".encode().decode("latin-1")

    def told(account: Account) -> dict[str, str]:
        found = account.request("HEAD", "names", "odd").headers
        return {key: value for key, value in found.items() if key.startswith("x-object-meta-")}

    accounts[0].request("PUT", "names", "odd", headers={name: "v", "x-object-meta-a": "b"}, body=b"odd")
    clouds.copy("--container", "names")
    assert len(told(accounts[0])) == 2
    assert told(accounts[1]) == told(accounts[0])
    for account in accounts:
        account.close()


def test_another_project_is_named_by_id_or_name(clouds: Clouds) -> None:
    for name in (PROJECT, "shop"):
        assert clouds.naru("object", "verify", f"old/{name}", "new", "--map", "map.yaml", "--container", "web")["equal"]
    said = clouds.naru("object", "copy", "old/none", "new", code=2)
    assert "old/none: there is no such project" in said


def carry(directory: Path) -> PassResult:
    """A pass, with a state of its own."""
    accounts = [open_account(parse(name)) for name in ("old", "new")]
    return copy(accounts[0], accounts[1], directory / "killed", mapping=load(directory / "map.yaml"))


@pytest.mark.kill
def test_killed_at_any_instant_it_goes_on(clouds: Clouds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", clouds.environment["OS_CLIENT_CONFIG_FILE"])
    chance = random.Random(18)
    for container in ("many", "parts"):
        clouds.old.put(container, X_Container_Meta_Quota_Count="1000")
    for number in range(MANY):
        clouds.old.put("many", f"{number:04}", b"%d" % number * 100, X_Object_Meta_Number=str(number))
    database = clouds.directory / "killed" / "objects.db-shm"
    under_way = 0
    for kill in range(KILLS):
        if kill % 5 == 0:
            for number in (chance.randrange(MANY) for _ in range(4)):
                clouds.old.put("many", f"{number:04}", chance.randbytes(2000), X_Object_Meta_Number="again")
            clouds.old("DELETE", "many", f"{chance.randrange(MANY):04}")
            body = chance.randbytes(1 << 20)
            clouds.old.put("parts", "one", body)
            clouds.old.put("many", "static", manifest(("/parts/one", body)), "multipart-manifest=put")
        database.unlink(missing_ok=True)
        process = FORK.Process(target=carry, args=(clouds.directory,))
        process.start()
        while not database.exists() and process.is_alive():
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 1.5))
        under_way += process.is_alive()
        process.kill()
        process.join()
    print(f"{under_way} of {KILLS} were under way")
    assert under_way > KILLS / 2, "most ended before they were killed"
    before = settled(clouds.old)
    assert carry(clouds.directory).problems == []
    assert settled(clouds.new) == mapped(before)
    assert carry(clouds.directory).copied == 0

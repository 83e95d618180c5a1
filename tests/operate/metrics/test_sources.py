"""What sources make of what services answer: of a tiny cloud on loopback, and of files."""

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from naru.cloud.client import Cloud
from naru.operate.metrics.families import Labels, NothingThere, Samples
from naru.operate.metrics.since import Since
from naru.operate.metrics.sources import files, migrations, placement, plans, servers
from naru.operate.metrics.sources.known import Known, seconds
from naru.operate.metrics.sources.servers import fault_class
from naru.operate.metrics.sources.services import reason_class
from naru.plan.journal import Journal
from naru.plan.model import Plan, Step
from naru.site import site as sites
from naru.work.directory import WorkDirectory

from ...cloud.service import Handler, Service, clouds_yaml, serving, usual

pytestmark = pytest.mark.unit


class World:
    """A cloud whose lists a test writes, by path; each page of servers has two."""

    def __init__(self, service: Service, known: Known) -> None:
        self.service, self.known = service, known
        self.servers: list[dict[str, Any]] = []
        self.lists: dict[str, Any] = {}
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        service.further = {"placement": "placement"}
        service.usual = self.answer

    def answer(self, request: Handler) -> None:
        parts = urlsplit(request.path)
        path, query = parts.path.removeprefix("/compute/v2.1"), parse_qs(parts.query)
        if path.rstrip("/") == "/placement":
            link = [{"rel": "self", "href": f"{self.service.url}/placement"}]
            version = {"id": "v1.0", "max_version": "1.39", "min_version": "1.0", "status": "CURRENT", "links": link}
            return request.answer(200, {"versions": [version]})
        if path == "/servers/detail":
            self.asked.append((path, query))
            return request.answer(200, self.page(query))
        if path in self.lists:
            self.asked.append((path, query))
            found = self.lists[path]
            return request.answer(200, found(query) if callable(found) else found)
        if path.startswith(("/servers/", "/placement/")):
            self.asked.append((path, query))
            return request.answer(404, {"itemNotFound": {"message": "no such thing"}})
        return usual(request)

    def page(self, query: dict[str, list[str]]) -> dict[str, Any]:
        since = query.get("changes-since", [""])[0]
        found = [one for one in self.servers if one["updated"] >= since and (since or one["status"] != "DELETED")]
        begin = int(query.get("marker", ["0"])[0])
        link = f"http://elsewhere/servers/detail?all_tenants=1&changes-since={since}&marker={begin + 2}"
        links = [{"rel": "next", "href": link if since else link.replace("changes-since=&", "")}]
        return {"servers": found[begin : begin + 2], **({"servers_links": links} if found[begin + 2 :] else {})}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    file = tmp_path / "site.yaml"
    file.write_text("naru_site: 1\nname: lab\ncloud: c\nhosts: [{name: c1, rack: r1}]\n")
    with serving() as service, Cloud("c", config_files=[clouds_yaml(tmp_path, service)]) as cloud:
        yield World(service, Known(cloud, sites.load(file), None, Since(None)))


def server(name: str, status: str = "ACTIVE", task: str | None = None, **more: Any) -> dict[str, Any]:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        **{"id": name, "status": status, "tenant_id": "p1", "updated": now, "OS-EXT-STS:task_state": task},
        **{"OS-EXT-SRV-ATTR:host": "c1.example", **more},
    }


def read(reading: Any) -> dict[str, dict[Labels, float]]:
    samples = Samples()
    reading(samples)
    return samples.values


def test_servers_are_read_whole_once_and_then_only_what_changed(world: World) -> None:
    old = "2020-01-01T00:00:00Z"
    fault = {"message": "No valid host was found. There are not enough hosts available."}
    world.servers = [server(f"s{number}", updated=old) for number in range(5)]
    world.servers.append(server("bad", "ERROR", updated=old, fault=fault))
    reading = servers.Reading(world.known)
    found = read(reading)
    assert found["naru_servers"] == {("ACTIVE",): 5, ("ERROR",): 1}
    assert found["naru_servers_failed"] == {(one,): float(one == "no_valid_host") for one in servers.REASONS}
    assert found["naru_host_servers"] == {("c1.example",): 6}
    assert len(world.asked) == 3, "three pages"
    world.servers[0] |= server("s0", "DELETED")
    world.servers[1] |= server("s1", "ACTIVE", "migrating")
    found = read(reading)
    assert found["naru_servers"] == {("ACTIVE",): 4, ("ERROR",): 1}
    assert found["naru_servers_by_task"] == {("migrating",): 1}
    assert time.time() - found["naru_server_task_since_timestamp_seconds"]["migrating",] < 60
    assert len(world.asked) == 4, "one page, of the two that changed"
    assert "changes-since" in world.asked[-1][1]
    assert world.known.servers == {"s1", "s2", "s3", "s4", "bad"}


def test_allocations_without_a_server_are_counted_when_nova_does_not_have_it(world: World) -> None:
    world.known.nodes, world.known.open = {"n1": "c1"}, frozenset({"c1"})
    world.known.zones = {"c1": "nova"}
    memory = {"total": 1000, "reserved": 100, "allocation_ratio": 2.0}
    consumers = {name: {"resources": {"MEMORY_MB": size}} for name, size in (("s1", 256), ("new", 512), ("gone", 128))}
    consumers["moving"] = {"resources": {"MEMORY_MB": 64}}
    world.lists = {
        "/placement/resource_providers/n1/inventories": {"inventories": {"MEMORY_MB": memory}},
        "/placement/resource_providers/n1/allocations": {"allocations": consumers},
        "/servers/new": {"server": {"id": "new"}},
        "/flavors/detail": {"flavors": [{"name": "m1", "vcpus": 0, "ram": 300, "disk": 0}]},
    }
    reading = placement.Reading(world.known)
    assert "naru_placement_allocations_without_server" not in read(reading), "servers have not been read yet"
    world.known.servers, world.known.moving = frozenset({"s1"}), frozenset({"moving"})
    found = read(reading)
    assert found["naru_placement_allocations_without_server"] == {("c1",): 1}
    assert found["naru_placement_consumers"] == {("c1",): 3}
    assert found["naru_placement_capacity"] == {("c1", "nova", "r1", "MEMORY_MB"): 1800}
    assert found["naru_placement_used"] == {("c1", "nova", "r1", "MEMORY_MB"): 960}
    assert found["naru_placement_largest"] == {("c1", "nova", "r1", "MEMORY_MB"): 512}
    assert found["naru_zone_used"] == {("nova", "MEMORY_MB"): 960}
    assert found["naru_flavor_room"] == {("m1", "nova"): 2}
    world.known.open = frozenset()
    assert read(reading)["naru_flavor_room"] == {("m1", "nova"): 0}, "a host that takes none has no room"


def test_placement_is_gone_round_in_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "HOSTS", 2)
    world.known.nodes = {f"n{number}": f"c{number}" for number in range(3)}
    inventory = {"inventories": {"VCPU": {"total": 4, "reserved": 0, "allocation_ratio": 1.0}}}
    for node in world.known.nodes:
        world.lists[f"/placement/resource_providers/{node}/inventories"] = inventory
        world.lists[f"/placement/resource_providers/{node}/allocations"] = {"allocations": {}}
    world.lists["/flavors/detail"] = {"flavors": []}
    reading = placement.Reading(world.known)
    first = read(reading)
    assert "naru_placement_capacity" not in first, "of a part of the hosts nothing follows"
    assert first["naru_placement_consumers"] == {("c0",): 0, ("c1",): 0}
    found = read(reading)
    assert len(found["naru_placement_capacity"]) == 3
    assert found["naru_zone_capacity"] == {("", "VCPU"): 0}, "closed hosts, with nothing on them"
    assert found["naru_placement_nodes_without_provider"] == {(): 0}


def test_a_hypervisor_that_goes_while_placement_is_read_is_no_fault(world: World) -> None:
    world.known.nodes = {"n1": "c1", "n2": "c2"}
    inventory = {"inventories": {"VCPU": {"total": 4, "reserved": 0, "allocation_ratio": 1.0}}}

    def gone(_: Any) -> Any:
        world.known.nodes = {"n1": "c1"}  # as the other source's thread writes it
        return {"allocations": {}}

    for node in ("n1", "n2"):
        world.lists[f"/placement/resource_providers/{node}/inventories"] = inventory
        world.lists[f"/placement/resource_providers/{node}/allocations"] = gone
    world.lists["/flavors/detail"] = {"flavors": []}
    reading = placement.Reading(world.known)
    assert read(reading)["naru_placement_consumers"] == {("c1",): 0, ("c2",): 0}
    assert read(reading)["naru_placement_consumers"] == {("c1",): 0}


def test_a_hypervisor_without_a_provider_keeps_nothing_of_the_others_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "HOSTS", 2)
    world.known.nodes = {f"n{number}": f"c{number}" for number in range(3)}
    world.known.open = frozenset({"c0", "c1", "c2"})
    inventory = {"inventories": {"VCPU": {"total": 4, "reserved": 0, "allocation_ratio": 1.0}}}
    for node in ("n1", "n2"):
        world.lists[f"/placement/resource_providers/{node}/inventories"] = inventory
        world.lists[f"/placement/resource_providers/{node}/allocations"] = {"allocations": {}}
    world.lists["/flavors/detail"] = {"flavors": []}
    reading = placement.Reading(world.known)
    read(reading)
    found = read(reading)
    assert found["naru_zone_capacity"] == {("", "VCPU"): 8}
    assert found["naru_placement_nodes_without_provider"] == {(): 1}
    # one that loses its provider is in no sum any more
    del world.lists["/placement/resource_providers/n1/inventories"]
    read(reading)
    found = read(reading)
    assert found["naru_zone_capacity"] == {("", "VCPU"): 4}
    assert found["naru_placement_nodes_without_provider"] == {(): 2}
    world.known.nodes = {**world.known.nodes, "n3": "c3", "n4": "c4", "n5": "c5"}
    assert "naru_zone_capacity" not in read(reading), "new ones have not been asked for yet"


def migration(number: int, kind: str, status: str, server: str = "s1", **more: Any) -> dict[str, Any]:
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000000", time.gmtime())
    return {
        **{"id": number, "uuid": f"u{number}", "migration_type": kind, "status": status, "instance_uuid": server},
        **{"source_compute": "c1", "created_at": now, "updated_at": now, **more},
    }


def test_migrations_that_go_on_and_records_of_evacuations(world: World) -> None:
    old = "2020-01-01T00:00:00.000000"
    world.lists["/os-migrations"] = {
        "migrations": [
            migration(1, "live-migration", "running"),
            migration(2, "live-migration", "running", "deleted-server"),
            migration(3, "live-migration", "completed"),
            migration(4, "evacuation", "done", created_at=old, updated_at=old),
            migration(5, "migration", "error", created_at=old, updated_at=old),
        ]
    }
    world.known.servers = frozenset({"s1"})
    found = read(migrations.Reading(world.known))
    assert found["naru_migrations"] == {("live-migration", "running"): 1}
    assert found["naru_migrations_ended"] == {("live-migration", "completed"): 1}
    assert found["naru_evacuation_records"] == {("c1", "done"): 1}
    assert world.known.moving == {"u1"}


def test_migrations_are_read_by_novas_clock_and_those_that_go_on_each_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ["Mon, 30 Nov 2026 12:00:00 GMT"]
    monkeypatch.setattr(Handler, "date_time_string", lambda *_: clock[0])
    at = {"created_at": "2026-11-30T10:00:00.000000", "updated_at": "2026-11-30T10:00:00.000000"}
    rows = [migration(1, "live-migration", "running", **at), migration(2, "live-migration", "completed", **at)]

    def listed(query: dict[str, list[str]]) -> dict[str, Any]:
        if since := query.get("changes-since", [""])[0]:
            return {"migrations": [one for one in rows if (one["updated_at"] or "") >= since]}
        return {"migrations": [one for one in rows if one["status"] == query["status"][0]]}

    world.lists["/os-migrations"] = listed
    reading = migrations.Reading(world.known)
    found = read(reading)
    assert found["naru_migrations"] == {("live-migration", "running"): 1}
    assert found["naru_migrations_ended"] == {("live-migration", "completed"): 1}
    assert world.asked[-1][1]["changes-since"] == ["2026-11-29T11:58:00Z"]
    # one is only begun: Nova has no time of its change; the other one is deleted from the database
    rows[:] = [migration(3, "evacuation", "accepted", created_at="2026-11-30T12:00:30", updated_at=None)]
    clock[0] = "Mon, 30 Nov 2026 12:01:00 GMT"
    found = read(reading)
    assert found["naru_migrations"] == {("evacuation", "accepted"): 1}
    assert world.asked[-1][1]["changes-since"] == ["2026-11-30T11:58:00Z"]
    assert found["naru_migrations_ended"] == {("live-migration", "completed"): 1}
    reading._whole -= migrations.WHOLE + 1
    assert "naru_migrations_ended" not in read(reading), "what was deleted goes with the next whole reading"


def test_plans_of_work_directories_with_their_rounds(tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path / "drain7", "drain", "naru host plan")
    work.prepare()
    work.create(Plan(steps=[Step("one", "noop"), Step("two", "noop")]))
    work.rounds("return").begin(1, Plan(steps=[Step("one", "noop")])).close()
    Journal.create(tmp_path / "other", Plan(steps=[Step("one", "noop")])).close()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "journal.db").write_text("no database, but long enough to be taken for one" * 100)
    found = read(plans.Reading([tmp_path]))
    assert found["naru_plan"] == {
        ("drain", "drain7", "new"): 1,
        ("drain", "drain7/return/1", "new"): 1,
        ("plan", "other", "new"): 1,
    }
    assert found["naru_plan_steps"]["drain", "drain7", "waiting"] == 2
    assert found["naru_plans_unreadable"] == {(): 1}


def test_a_journal_of_an_older_naru_is_not_made_into_a_newer_one(tmp_path: Path) -> None:
    old = Path(__file__).parents[2] / "plan" / "golden" / "journal-1.sql"
    with closing(sqlite3.connect(tmp_path / "journal.db")) as database:
        database.executescript(old.read_text())
        before = list(database.iterdump())
        found = read(plans.Reading([tmp_path]))
        assert "naru_plan" not in found and found["naru_plans_unreadable"] == {(): 1}
        assert list(database.iterdump()) == before
    assert not (tmp_path / "executor.lock").exists()


def test_a_directory_that_may_not_be_entered_is_one_of_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "closed"):
        Journal.create(tmp_path / name, Plan(steps=[Step("one", "noop")])).close()
    plain = os.stat

    def stat(path: Any, *more: Any, **options: Any) -> os.stat_result:  # the user who runs tests may enter any
        if "closed/" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return plain(path, *more, **options)

    monkeypatch.setattr(os, "stat", stat)
    found = read(plans.Reading([tmp_path]))
    assert found["naru_plan"] == {("plan", "a", "new"): 1}
    assert found["naru_plans_unreadable"] == {(): 1}


def test_looking_at_a_plan_leaves_no_file_behind(tmp_path: Path) -> None:
    Journal.create(tmp_path / "work", Plan(steps=[Step("one", "noop")])).close()
    before = {path.name for path in (tmp_path / "work").iterdir()}
    read(plans.Reading([tmp_path]))
    assert {path.name for path in (tmp_path / "work").iterdir()} <= {*before, "journal.db-wal", "journal.db-shm"}


def test_the_newest_file_of_a_pattern(tmp_path: Path) -> None:
    for name, age in (("a.gz", 500), ("b.gz", 100)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    (tmp_path / "newest.gz").symlink_to("gone")
    patterns = [("backup", f"{tmp_path}/*.gz"), ("drill", f"{tmp_path}/drill-*")]
    assert read(files.Reading(patterns))["naru_newest_file_timestamp_seconds"] == {
        ("backup",): 1e9 - 100,
        ("drill",): 0,
    }
    with pytest.raises(NothingThere):
        read(files.Reading([]))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (None, "unsaid"),
        ("naru drain 7: kernel", "naru"),
        ("AUTO: Connection to libvirt lost", "nova"),
        ("x", "operator"),
    ],
)
def test_who_disabled_a_host(text: str | None, word: str) -> None:
    assert reason_class(text) == word


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("No valid host was found. There are not enough hosts available.", "no_valid_host"),
        ("Failed to allocate the network(s), not rescheduling.", "network"),
        ("Block Device Mapping is Invalid.", "volume"),
        ("", "unsaid"),
        ("KeyError: 'x' of 3b0f", "other"),
    ],
)
def test_faults_in_a_few_words(text: str, word: str) -> None:
    assert fault_class(text) == word


def test_times_of_openstack() -> None:
    assert seconds("1970-01-02T00:00:00Z") == seconds("1970-01-02T00:00:00.123456") == 86400
    assert json.dumps(seconds("2026-07-01T00:00:00+00:00")) == "1782864000.0"

"""Samples: what their files may say, how they are expanded, and what running them twice, or half, leaves."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from naru.errors import InputError, NaruError
from naru.lab.seed import content, seeder
from naru.lab.seed.load import Key, expand, load
from naru.lab.seed.manifest import Entry, Manifest
from naru.lab.seed.work import Task, Until, run

pytestmark = pytest.mark.unit

MINIMAL = """
users: [{name: ann}]
projects:
  - name: p
    user: ann
"""


@pytest.fixture
def sample(tmp_path: Path) -> Callable[[str], str]:
    """Writes a sample and returns its path."""

    def write(text: str) -> str:
        file = tmp_path / "s.yaml"
        file.write_text(text)
        return str(file)

    return write


def refused(path: str, **settings: int) -> str:
    with pytest.raises(InputError) as caught:
        load(path, settings)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_backend_that_the_cloud_has_not_is_refused(sample: Callable[[str], str]) -> None:
    of_types = "volume_types: [{name: gold, extra_specs: {volume_backend_name: ceph}}]\n"
    volumes = "    volumes: [{name: v, size: 1, type: nfs}]\n"
    seeder.check_backends(load(sample(MINIMAL + volumes)), "c", ("nfs",))
    seeder.check_backends(load(sample(of_types + MINIMAL + volumes)), "c", ("ceph", "nfs"))
    for text in (MINIMAL + volumes.replace("nfs", "ceph"), of_types + MINIMAL + volumes):
        with pytest.raises(InputError, match="is on the backend ceph, and the cloud c has nfs"):
            seeder.check_backends(load(sample(text)), "c", ("nfs",))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("    volumes: [{name: v, type: ceph}]", ["projects[p].volumes[v].size", "is missing"]),
        (
            "    volumes: [{name: v, size: 0, type: ceph}]",
            ["projects[p].volumes[v].size", "greater than or equal to 1"],
        ),
        ('    volumes: [{name: v, size: "1", type: ceph}]', ["projects[p].volumes[v].size", "integer"]),
        ("    volumes: [{name: v, size: 1, type: gold}]", ["volume p/v", "type", "no volume type 'gold'"]),
        ("    volums: []", ["projects[p].volums", "no such field"]),
        ("    servers: [{name: s, flavor: m1.nano}]", ["projects[p].servers[s]", "boot_index 0"]),
        ("    networks: [{name: n}, {name: n}]", ["network p/n", "declared twice", "key"]),
        ("    ports: [{name: a, network: nowhere}]", ["port p/a", "network", "'nowhere'"]),
        ("    ports: [{name: a, network: q/n}]", ["port p/a", "'q/n'"]),
        ("    parent: q", ["project p", "parent", "'q'"]),
        ("    images: [{repeat: {i: many}, name: x}]", ["repeat", "NUMBER"]),
        ("    images: [{repeat: {i: -1}, name: x}]", ["repeat", "0 to"]),
    ],
)
def test_errors_name_file_field_and_fix(sample: Callable[[str], str], line: str, words: list[str]) -> None:
    path = sample(MINIMAL + line)
    message = refused(path)
    assert all(word in message for word in [path, *words]), message


@pytest.mark.parametrize("text", ["", "[]", "1", "projects: [", "projects: []", "parameters: {a: x}\nprojects: []"])
def test_what_is_no_sample_is_refused(sample: Callable[[str], str], text: str) -> None:
    assert "s.yaml" in refused(sample(text))


def test_unknown_sample_and_parameter_name_the_known_ones() -> None:
    assert "demo, large" in refused("nonsense")
    assert "projects, servers" in refused("large", rabbits=3)
    assert "cannot be read" in refused("/")


def test_repetitions_count_from_one_and_fill_numbers_and_words() -> None:
    raw = {"a": [{"repeat": {"i": "n"}, "name": "x{i:03}", "size": "{i}", "other": "{j} {n}"}, "y"]}
    assert expand(raw, {"n": 2}, Path("f")) == {
        "a": [
            {"name": "x001", "size": 1, "other": "{j} 2"},
            {"name": "x002", "size": 2, "other": "{j} 2"},
            "y",
        ]
    }
    assert expand([{"repeat": {"i": 0}, "name": "x"}], {}, Path("f")) == []


def test_large_has_as_many_as_asked() -> None:
    things = load("large", {"projects": 3, "servers": 5, "volumes": 0}).things
    assert sum(key.kind == "server" for key in things) == 15
    assert Key("server", "team003", "server005") in things


def test_wide_is_one_project_of_fifty_servers_and_some_six_hundred_things() -> None:
    declared = load("wide")
    kinds = Counter(key.kind for key in declared.things)
    rules = sum(len(group.rules) + 2 for group in declared.sample.projects[0].security_groups)
    pairs = sum(len(user.key_pairs) for user in declared.sample.users)
    assert (kinds["project"], kinds["server"], kinds["volume"], kinds["port"]) == (1, 50, 70, 120)
    assert 580 <= kinds.total() + rules + pairs <= 620


def test_written_values_are_kept_apart_from_unwritten_ones() -> None:
    things = load("demo").things
    assert things[Key("subnet", "hanok", "back-v4")].given("gateway_ip", "enable_dhcp", "cidr") == {
        "gateway_ip": None,
        "enable_dhcp": False,
        "cidr": "192.168.7.0/24",
    }
    assert things[Key("subnet", "hanok", "office-v4")].given("gateway_ip", "enable_dhcp") == {}
    network = things[Key("network", "hanok", "vlan1200")]
    assert network.given("network_type", "segmentation_id")["provider:segmentation_id"] == 1200


def test_pieces_are_the_same_each_time_and_lie_inside() -> None:
    size = 1 << 30
    first, second = content.pieces("v", size, 9, 0), content.pieces("v", size, 9, 1)
    assert first == content.pieces("v", size, 9, 0) != second
    assert {0, size - content.BLOCK} <= {piece.offset for piece in first}
    assert all(piece.offset % 512 == 0 and piece.offset + len(piece.data) <= size for piece in first + second)
    assert first[0].data != second[0].data
    assert content.pieces("v", size, 0, 0) == []


def test_digest_of_a_sparse_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "sparse"
    with file.open("wb") as output:
        for offset, data in ((4096, b"x" * 5000), (9 << 20, b"y")):
            output.seek(offset)
            output.write(data)
        output.truncate(11 << 20)
    assert content.digest_file(file) == (11 << 20, hashlib.sha256(file.read_bytes()).hexdigest())
    file.write_bytes(b"")
    assert content.digest_file(file) == (0, hashlib.sha256().hexdigest())


def test_manifest_is_private_and_survives(tmp_path: Path) -> None:
    path = tmp_path / "manifest-demo.json"
    manifest = Manifest(path)
    manifest.add(Entry("volume", "v1", "", "p", "nfs", 1, "00", [[0, 1]]))
    manifest.mark("v1", [[0, 1]])
    assert path.stat().st_mode & 0o777 == 0o600
    again = Manifest(path)
    assert (again.entries, again.written) == (manifest.entries, manifest.written)
    again.forget({"v1"})
    assert json.loads(path.read_text()) == {"entries": [], "written": {}}


def test_tasks_run_after_what_they_need_and_wait_without_a_thread() -> None:
    order: list[str] = []
    polls = 0

    def body(name: str, *waits: Until):  # type: ignore[no-untyped-def]
        order.append(name)
        yield from waits
        order.append(f"{name}.")

    def lister(kind: str, status: str) -> set[str]:
        nonlocal polls
        polls += 1
        return set() if status == "error" else {"1"}

    first = [
        Task(number, frozenset(), partial(body, str(number), Until("server", "1", "ACTIVE"))) for number in range(50)
    ]
    seen: list[tuple[int, int, str]] = []
    needs = frozenset(range(50))
    run([Task("last", needs, partial(body, "last")), *first], lister, lambda *said: seen.append(said), threads=2)
    assert order[-2:] == ["last", "last."]
    assert seen[-1] == (51, 51, "last")
    assert polls <= 10  # one list for all fifty, and one of those in error, a second


def test_an_error_names_its_task_and_nothing_new_begins() -> None:
    def fail():  # type: ignore[no-untyped-def]
        raise NaruError("no", hint="do")
        yield

    begun = []
    tasks = [Task("bad", frozenset(), fail), Task("after", frozenset({"bad"}), lambda: begun.append(1) or iter(()))]
    with pytest.raises(NaruError, match="bad: no") as caught:
        run(tasks, lambda kind, status: set(), lambda *said: None, threads=2)
    assert caught.value.hint == "do" and not begun


def test_what_is_in_error_ends_the_wait() -> None:
    task = Task("v", frozenset(), lambda: iter([Until("volume", "1", "available")]))
    with pytest.raises(NaruError, match="in error"):
        run([task], lambda kind, status: {"1"} if status == "error" else set(), lambda *said: None, threads=1)


def test_needs_in_a_circle_are_told() -> None:
    tasks = [Task("a", frozenset("b"), lambda: iter(())), Task("b", frozenset("a"), lambda: iter(()))]
    with pytest.raises(NaruError, match="wait for each other: a, b"):
        run(tasks, lambda kind, status: set(), lambda *said: None, threads=1)

"""The ladder of a live migration, and what Nova is asked in which release."""

import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from naru.cloud.client import Cloud, parse
from naru.errors import NaruError
from naru.operate import compute
from naru.operate.drain import guests, mover
from naru.operate.drain.convergence import Convergence, Silence, left
from naru.plan.context import Context

pytestmark = pytest.mark.unit


def verdicts(ladder: Convergence, samples: list[float | None]) -> list[str]:
    return [ladder.look(left, 10.0 * number) for number, left in enumerate(samples)]


def test_a_migration_that_comes_nearer_is_waited_for() -> None:
    assert set(verdicts(Convergence(15, may_complete=True), [None, None, 900, 800, 790, 795, 780, 0])) == {"wait"}


def test_one_that_does_not_is_ended() -> None:
    found = verdicts(Convergence(15, may_complete=False), [900, 500, 700, 600, 500])
    assert found == ["wait", "wait", "wait", "abort", "abort"]


def test_one_that_may_be_forced_is_forced_first_and_once() -> None:
    found = verdicts(Convergence(15, may_complete=True), [500, 600, 600, 600, 600])
    assert found == ["wait", "wait", "complete", "wait", "abort"]


def test_a_move_of_which_nothing_new_is_seen_is_not_waited_for_for_ever() -> None:
    silence = Silence(100)
    seen = [("migrating", 1), ("migrating", 1), ("migrating", 2), ("migrating", 2), ("migrating", 2)]
    assert [silence.is_over(one, 60.0 * number) for number, one in enumerate(seen)] == [False] * 4 + [True]


class Silent:
    """A server whose live migration is accepted, and never begins."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        row = {"id": "id", "status": "ACTIVE", compute.TASK: "migrating", compute.HOST: "compute1"}
        monkeypatch.setattr(compute, "server", lambda *_: row)
        monkeypatch.setattr(compute, "running_migration", lambda *_: {"id": 1, "status": "preparing"})

    def __call__(self, service: str, method: str, path: str, *_: Any, **__: Any) -> None:
        self.asked.append(method)

    def supports(self, *_: str) -> bool:
        return True


def test_its_server_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mover, "EVERY", 0.01)
    nova: Any = Silent(monkeypatch)
    args = {"server": "id", "host": "compute1", "status": "ACTIVE", "to": "compute2", "ways": {"ACTIVE": "live"}}
    context = Context(
        **{"n": 1, "id": "s", "kind": "k", "unit": "u", "args": args | {"silent": 0.05}, "attempt": 1},
        earlier=None,
        reader=lambda _: {},
    )
    with pytest.raises(NaruError, match="nothing new was seen of its move"):
        mover.Mover(context, nova, context.args).move()
    assert nova.asked == []


@pytest.mark.parametrize(("attempt", "asked"), [(1, []), (2, ["POST", "DELETE"])])
def test_a_live_migration_that_somebody_else_has_begun_is_not_forced(
    attempt: int, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that does not come nearer, and is away at last; of a killed attempt of ours it is forced, then ended."""
    monkeypatch.setattr(mover, "EVERY", 0.0)
    monkeypatch.setattr(mover, "SETTLE", 0.0)
    nova: Any = Silent(monkeypatch)
    sizes = {"memory_total_bytes": 100, "memory_remaining_bytes": 50}
    monkeypatch.setattr(compute, "running_migration", lambda *_: {"id": 1, "status": "running", **sizes})
    row = {"id": "id", "status": "ACTIVE", compute.TASK: "migrating", compute.HOST: "compute1"}
    rows = [row, row, row, row, {**row, compute.TASK: None, compute.HOST: "compute3"}]
    monkeypatch.setattr(compute, "server", lambda *_: rows.pop(0) if len(rows) > 1 else rows[0])
    args = {"server": "id", "host": "compute1", "status": "ACTIVE", "to": "compute2", "ways": {"ACTIVE": "live"}}
    context: Any = SimpleNamespace(
        args={**args, "stuck": 0.0, "complete": True},
        **{"attempt": attempt, "earlier": None, "sleep": lambda _: None, "progress": lambda *_: None},
    )
    found = mover.Mover(context, nova, context.args).move()
    assert found and found.to == "compute3"
    assert nova.asked == asked


def test_what_is_left_counts_memory_and_disks_of_one_that_runs() -> None:
    sizes = {"memory_remaining_bytes": 10, "disk_remaining_bytes": 5}
    assert left({"status": "running", **sizes}) == 15
    assert left({"status": "preparing", **sizes}) is None
    assert left({"status": "running", "memory_remaining_bytes": None}) is None
    assert left(None) is None


class Nova:
    """A cloud of which nothing is known but its newest microversion."""

    def __init__(self, newest: str) -> None:
        self.newest = parse(newest)

    def supports(self, service: str, version: str) -> bool:
        return self.newest >= parse(version)


AUTO = {"block_migration": "auto"}


@pytest.mark.parametrize(
    ("newest", "forms"),
    [
        ("2.104", [("2.33", {"host": "c2", **AUTO})]),
        ("2.53", [("2.33", {"host": "c2", **AUTO})]),
        ("2.31", [("2.30", {"host": "c2", **AUTO})]),
        ("2.25", [("2.25", {"host": None, **AUTO})]),
        (
            "2.12",
            [("", {"host": None, "block_migration": copied, "disk_over_commit": False}) for copied in (False, True)],
        ),
    ],
)
def test_a_live_migration_is_asked_for_in_the_form_of_the_release(newest: str, forms: list[tuple[str, Any]]) -> None:
    found = compute.live_forms(cast(Cloud, Nova(newest)), "c2")
    assert [(one.version, one.body["os-migrateLive"]) for one in found] == forms


@pytest.mark.parametrize(
    ("newest", "host", "form"),
    [
        ("2.60", "c2", ("2.56", {"migrate": {"host": "c2"}})),
        ("2.60", "", ("", {"migrate": None})),
        ("2.53", "c2", ("", {"migrate": None})),
    ],
)
def test_a_cold_migration_names_a_host_from_queens_on(newest: str, host: str, form: tuple[str, Any]) -> None:
    assert compute.cold_form(cast(Cloud, Nova(newest)), host) == form


PROGRAMS = {
    "virsh": 'echo "$*" >> "$0.called"; printf "id-one\\n\\nid-two\\n"',
    "docker": '[ "$1 $2" = "inspect nova_libvirt" ] && exit; [ "$1" = exec ] && shift 2 && exec "$@"; exit 1',
    "podman": "exit 1",
}


@pytest.mark.parametrize("has", [["virsh"], ["docker", "virsh"], ["podman"], []])
def test_a_host_is_asked_for_its_guests_wherever_its_libvirt_is(has: list[str], tmp_path: Path) -> None:
    on_host, inside = tmp_path / "bin", tmp_path / "inside"
    for directory in (on_host, inside):
        directory.mkdir()
    for name in has:
        # of a container engine, virsh is in the container alone
        file = (inside if name == "virsh" and "docker" in has else on_host) / name
        text = PROGRAMS[name].replace('exec "$@"', f'PATH={inside}:/usr/bin:/bin exec "$@"')
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
    for program in ("sh", "env"):
        (on_host / program).symlink_to(shutil.which(program) or program)
    done = subprocess.run(["sh", "-c", guests.LINE], env={"PATH": str(on_host)}, capture_output=True, text=True)
    if "virsh" not in has:
        assert done.returncode == guests.ABSENT
        return
    assert (done.returncode, done.stdout.split()) == (0, ["id-one", "id-two"])
    (called,) = tmp_path.rglob("virsh.called")
    assert called.read_text() == "-r -c qemu:///system list --uuid\n"  # read-only: nothing can be changed by it


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("c1", "c1"),
        ("c1.example", "c1"),
        ("c2", "c2.example"),  # Nova knows it without its domain
        ("c3.a", "c3.a"),
        ("c3", ""),  # one of two: neither is asked, nor booted
        ("c3.c", ""),
        ("c4", ""),
    ],
)
def test_a_host_is_the_sites_whoever_of_both_has_its_domain(host: str, name: str, tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("naru_site: 1\nname: x\nhosts: [{name: c1}, {name: c2.example}, {name: c3.a}, {name: c3.b}]\n")
    assert guests.site_name(str(file), host) == name

"""Thousands of random runs of guards on a cloud that fails: nothing unsafe is ever done, and what should be done is."""

import dataclasses

import pytest

from naru.operate.evacuate.word import Word
from naru.operate.guard import verdict
from naru.operate.guard.gates import GATES

from .executors import paper
from .simulator import PLAIN, Disk, Guard, simulate
from .world import Machine, World

FAST, ALL = 200, 10_000
ENOUGH = 400
"""Runs within which a gate that is taken away is missed."""


def run(seeds: range) -> None:
    """Runs the seeds. None is unsafe, and hosts are evacuated in many: it is no guard that does nothing."""
    unsafe = {}
    evacuated = fenced = 0
    for seed in seeds:
        world = simulate(seed)
        evacuated += len(world.evacuated)
        fenced += len(world.fenced)
        if world.unsafe:
            unsafe[seed] = world.unsafe
    assert unsafe == {}
    assert evacuated > len(seeds) // 10 and fenced > 0


@pytest.mark.unit
def test_some_hundred_runs_without_anything_unsafe() -> None:
    run(range(FAST))


@pytest.mark.releases
def test_ten_thousand_runs_without_anything_unsafe() -> None:
    run(range(ALL))


@pytest.mark.releases
@pytest.mark.parametrize("names", [("life",), ("cliff", "share", "budget", "pace")])
def test_without_a_gate_the_simulator_finds_what_is_unsafe(
    names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not the simulator that lets all pass. Most gates stand behind others, and are not missed alone."""
    found = tuple(dataclasses.replace(one, stops=lambda *_: None) if one.name in names else one for one in GATES)
    monkeypatch.setattr(verdict, "GATES", found)
    assert any(simulate(seed).unsafe for seed in range(ENOUGH))


def cut_off(fault: float, *, returns: float) -> World:
    """A host that hangs, whose power controller lies (it says off, and does nothing), and that is back on its tenant
    network alone at that time: SSH does not find it."""
    names = [f"c{at}" for at in range(8)]
    world = World({name: Machine(name, f"r{name}", "z", "cell") for name in names})
    world.servers_on = {name: [f"{name}-vm"] for name in names}
    world.machines["c0"].controller = "liar"
    world.machines["c0"].management = False
    world.events = [(fault, "c0", "hung"), (returns, "c0", "no-hung")]
    return world


def run_world(world: World) -> list[str]:
    disk = Disk(world)
    disk.seen = {("c0", "heartbeat"), ("c0", "peers")}
    guard = Guard("one", world, disk, PLAIN, ("heartbeat", "peers"))
    with paper(world, disk):
        while world.now < 400 and not world.unsafe:
            world.step()
            guard.round()
            for job in disk.jobs.values():
                assert job.process
                job.process.go()
        for job in disk.jobs.values():
            assert job.process
            job.process.kill()
    return [job.name for job in disk.jobs.values()]


@pytest.mark.unit
def test_life_that_the_guard_alone_hears_stops_a_begun_evacuation(monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins at 140 s, is proved at 180 s, and asks Nova at 240 s. (A host that hangs, and goes on only after its
    servers are up elsewhere, no one sees.)"""
    world = cut_off(100.0, returns=900.0)
    assert run_world(world) == ["c0-1"] and world.evacuated == ["c0"]
    for returns in (140.0, 160.0, 180.0, 200.0, 220.0):
        world = cut_off(100.0, returns=returns)
        run_world(world)
        assert world.evacuated == [] and world.unsafe == []
    monkeypatch.setattr(Word, "alive", lambda self: [])
    monkeypatch.setattr(Word, "check", lambda self: None)
    world = cut_off(100.0, returns=200.0)
    run_world(world)
    assert "the guests of c0 run there and elsewhere" in world.unsafe[0]

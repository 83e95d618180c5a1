"""Thousands of random runs of guards on a cloud that fails: nothing unsafe is ever done, and what should be done is."""

import dataclasses

import pytest

from naru.operate.guard import verdict
from naru.operate.guard.gates import GATES

from .simulator import simulate

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

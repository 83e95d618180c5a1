"""What a schedule has done when: on projects that are prepared, cut over and fail at random."""

import datetime
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naru.move.windows import PHASES, WORDS
from naru.plan.windows.conductor import Conductor, GateChange
from naru.plan.windows.needs import together
from naru.plan.windows.phases import ROLLED_BACK, UnitProgress
from naru.plan.windows.schedule import form
from naru.plan.windows.waves import waves

from .test_waves import reachable

pytestmark = pytest.mark.unit

NOON = datetime.datetime(2030, 1, 1, 12, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)


def conductor(ids: list[list[str]], needs: dict[str, set[str]], at_once: int = 1, until: str = "finalize") -> Conductor:
    """Wave n has its window from n days after noon on, for three hours, and is finalized twelve hours after that."""
    schedule = {
        "naru_schedule": 1,
        "waves": [
            {
                "name": f"w{number}",
                "projects": wave,
                "cutover": {
                    "start": (NOON + 24 * number * HOUR).isoformat(),
                    "latest": (NOON + (24 * number + 3) * HOUR).isoformat(),
                },
                "finalize": (NOON + (24 * number + 15) * HOUR).isoformat(),
                "at_once": at_once,
            }
            for number, wave in enumerate(ids)
        ],
    }
    names = {project: project for wave in ids for project in wave}
    return Conductor(WORDS, form(WORDS).model_validate(schedule), ids, needs, names, until)


PREPARED = UnitProgress(reached=1)
GOING = UnitProgress(reached=1, begun=True, open=frozenset({"cutover"}))
STUCK = UnitProgress(reached=1, begun=True, stuck=True, open=frozenset({"cutover"}))
CUT = UnitProgress(reached=2, begun=True, open=frozenset({"cutover"}))
WAITING = UnitProgress(reached=1, open=frozenset({"cutover"}))


def release(*projects: str) -> list[GateChange]:
    return [GateChange("cutover", project, True) for project in projects]


def test_as_many_at_a_time_as_are_allowed() -> None:
    of = conductor([["a", "b", "c"]], {}, at_once=2)
    everything = dict.fromkeys("abc", PREPARED)
    assert of.due(everything, NOON - HOUR) == []
    assert of.due(everything, NOON) == release("a", "b")
    assert of.due({**everything, "a": GOING, "b": WAITING}, NOON) == []
    assert of.due({**everything, "a": STUCK, "b": CUT}, NOON) == release("c")
    assert of.due({**everything, "a": UnitProgress()}, NOON) == release("b", "c")


def test_who_goes_together_goes_at_once_and_alone_when_that_is_over_the_bound() -> None:
    needs = {"a": {"b"}, "b": {"a"}}
    of = conductor([["a", "b", "c"]], needs)
    everything = dict.fromkeys("abc", PREPARED)
    assert of.due(everything, NOON) == release("a", "b")
    assert of.due({**everything, "c": GOING}, NOON) == []
    assert of.due({**everything, "b": UnitProgress()}, NOON) == release("c")
    # a run that was killed between the two gates
    assert of.due({**everything, "a": GOING, "c": CUT}, NOON + 5 * HOUR) == release("b")


def test_who_has_not_begun_in_time_is_held() -> None:
    of = conductor([["a", "b"]], {}, at_once=2)
    late = NOON + 4 * HOUR
    assert of.due({"a": WAITING, "b": GOING}, late) == [GateChange("cutover", "a", False)]
    assert of.due({"a": PREPARED, "b": GOING}, late) == []
    a, b = of.states({"a": PREPARED, "b": CUT}, late)
    assert (a.state, a.why) == ("held", "its window closed at 2030-01-01T15:00:00+00:00")
    assert b.state == "held" and of.states({"a": PREPARED, "b": UnitProgress(reached=3)}, late)[1].state == "done"


def test_who_needs_a_project_that_failed_is_held_and_nobody_else() -> None:
    of = conductor([["a", "b", "c"], ["d"]], {"b": {"a"}, "d": {"b"}}, at_once=3)
    standings = {"a": STUCK, "b": PREPARED, "c": PREPARED, "d": PREPARED}
    assert of.due(standings, NOON) == release("c")
    assert of.due(standings, NOON + 24 * HOUR) == []
    told = {state.unit: (state.state, state.why) for state in of.states(standings, NOON)}
    assert told["a"][0] == "failed" and told["b"] == ("held", "needs a, not cut over yet")
    assert told["d"] == ("held", "needs b, not cut over yet")


def test_who_was_rolled_back_is_told_and_holds_nobody() -> None:
    of = conductor([["a", "b"], ["c"]], {"c": {"a"}})
    standings = {"a": UnitProgress(rolled_back=True), "b": PREPARED, "c": PREPARED}
    assert of.due(standings, NOON) == release("b")
    assert all("a" not in row[3].split(", ") for row in of.agenda(standings))
    told = {state.unit: (state.state, state.why) for state in of.states(standings, NOON + 25 * HOUR)}
    assert told["a"][0] == ROLLED_BACK and told["c"] == ("held", "needs a, rolled back")
    following = of.next({**standings, "b": CUT}, NOON)
    assert following and "a" not in following.what.rpartition(":")[2].split(", ")


def test_no_phase_after_the_last_one_is_run() -> None:
    cut = {"a": CUT}
    assert conductor([["a"]], {}, until="prepare").due({"a": PREPARED}, NOON) == []
    assert conductor([["a"]], {}, until="cutover").due(cut, NOON + 20 * HOUR) == []
    assert conductor([["a"]], {}, until="cutover").states(cut, NOON)[0].state == "done"
    assert conductor([["a"]], {}).due(cut, NOON + 20 * HOUR) == [GateChange("finalize", "a", True)]


def test_what_is_next_and_when() -> None:
    of = conductor([["a"], ["b"]], {})
    standings = {"a": PREPARED, "b": PREPARED}
    moments = []
    now = NOON - HOUR
    while following := of.next(standings, now):
        now = following.at
        moments.append(((now - NOON) // HOUR, following.what))
        if now == NOON:
            standings["a"] = CUT
        if now == NOON + 15 * HOUR:
            standings["a"] = UnitProgress(reached=3, begun=True)
    assert moments == [
        (0, "cut-over of wave w0 begins: a"),
        (15, "wave w0 is finalized: a"),
        (24, "cut-over of wave w1 begins: b"),
        (27, "the window of wave w1 closes for b"),
        (39, "wave w1 is finalized: b"),
    ]


def test_the_agenda_has_what_is_to_come_in_order() -> None:
    of = conductor([["a", "b"], ["c"]], {"a": {"b"}, "b": {"a"}})
    assert of.agenda({"a": PREPARED, "b": UnitProgress(), "c": CUT}) == [
        ("at once", "prepare", "w0", "b", None),
        ("2030-01-01T12:00:00+00:00", "cutover", "w0", "a+b", 1),
        ("2030-01-02T03:00:00+00:00", "finalize", "w0", "a, b", None),
        ("2030-01-03T03:00:00+00:00", "finalize", "w1", "c", None),
    ]


@dataclass
class World:
    """Projects whose phases take hours, or fail: `prepared` and `takes` in hours, `fails` the phase that does."""

    prepared: dict[str, int]
    takes: dict[str, int]
    fails: dict[str, str]
    began: dict[str, datetime.datetime] = field(default_factory=dict)
    open: dict[str, set[str]] = field(default_factory=dict)
    final: set[str] = field(default_factory=set)

    def standing(self, project: str, now: datetime.datetime) -> UnitProgress:
        released = frozenset(self.open.get(project, set()))
        ready = now >= NOON + (self.prepared[project] - 12) * HOUR and self.fails.get(project) != "prepare"
        if project in self.final:
            return UnitProgress(3, True, False, released)
        if project in self.began:
            over = now >= self.began[project] + self.takes[project] * HOUR
            broken = self.fails.get(project) == "cutover"
            return UnitProgress(2 if over and not broken else 1, True, over and broken, released)
        return UnitProgress(1 if ready else 0, False, self.fails.get(project) == "prepare", released)

    def standings(self, now: datetime.datetime) -> dict[str, UnitProgress]:
        return {project: self.standing(project, now) for project in self.prepared}


@st.composite
def moves(draw: st.DrawFn) -> tuple[list[list[str]], dict[str, set[str]], int, World]:
    projects = [str(number) for number in range(draw(st.integers(1, 7)))]
    one = st.sampled_from(projects)
    needs = draw(st.dictionaries(one, st.sets(one, max_size=2)))
    needs = {project: others - {project} for project, others in needs.items()}
    world = World(
        {project: draw(st.integers(0, 20)) for project in projects},
        {project: draw(st.integers(0, 4)) for project in projects},
        draw(st.dictionaries(one, st.sampled_from(("prepare", "cutover")), max_size=2)),
    )
    found = waves(projects, needs, {}, most_units=draw(st.none() | st.integers(1, 3)))
    return found, needs, draw(st.integers(1, 3)), world


@settings(max_examples=150)
@given(moves())
def test_whatever_fails_the_rules_hold(move: tuple[list[list[str]], dict[str, set[str]], int, World]) -> None:
    ids, needs, at_once, world = move
    of = conductor(ids, needs, at_once)
    groups = {project: group for group in together(world.prepared, needs) for project in group}
    now = NOON - 12 * HOUR
    end = NOON + (24 * len(ids) + 24) * HOUR
    while now < end:
        # a second look at the same moment, after what the first one opened has begun, may open more
        for change in of.due(world.standings(now), now):
            (world.open.setdefault(change.unit, set()).add if change.release else world.open[change.unit].discard)(
                change.phase
            )
        for project, standing in world.standings(now).items():
            if "cutover" in standing.open and not standing.begun:
                place = next(number for number, wave in enumerate(ids) if project in wave)
                window = of.schedule.waves[place].window
                assert window.start <= now <= window.latest and standing.reached == 1
                outside = needs.get(project, set()) - set(groups[project])
                assert all(PHASES.done(world.standing(other, now), "cutover") for other in outside)
                world.began[project] = now
            if "finalize" in standing.open:
                assert standing.reached >= 2
                world.final.add(project)
        for wave in ids:
            going = [name for name in wave if name in world.began and world.standing(name, now).reached < 2]
            going = [name for name in going if not world.standing(name, now).stuck]
            assert len(going) <= at_once or len({groups[name] for name in going}) == 1
        now += HOUR / 2
    assert of.next(world.standings(now), now) is None
    for state in of.states(world.standings(now), now):
        if state.unit in world.began:
            assert all(other in world.began for other in groups[state.unit])
        touched = reachable(state.unit, needs) | {state.unit}
        if state.state == "failed":
            assert state.unit in world.fails
        elif touched & world.fails.keys():
            broken = {name for name in touched if world.fails.get(name) == "prepare"}
            assert state.state == "held" or not broken
        else:
            assert state.state == "done" or "window closed" in state.why

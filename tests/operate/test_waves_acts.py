"""A host's command and boot are begun only while it is as it was when it was emptied."""

from pathlib import Path
from typing import Any

import pytest

from naru.actions.hosts import detached
from naru.actions.hosts.detached import Detached, Look
from naru.errors import NaruError
from naru.operate import ceph, compute, osds
from naru.operate.drain import emptiness, steps
from naru.operate.drain.rules import Options
from naru.operate.waves import acts, planner, world
from naru.operate.waves.work import Settings, Upkeep
from naru.plan.context import Context

from .readings import server
from .test_waves import DRAIN, cloud, made, site_file

pytestmark = pytest.mark.unit

TASK = compute.TASK


def on_it(name: str, status: str, **more: Any) -> dict[str, Any]:
    return {"id": f"id-{name}", "name": name, "status": status, TASK: None, **more}


class Nova:
    """What Nova says of a host, and Placement, in place of those that are asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.servers: list[dict[str, Any]] = []
        self.migrations: list[dict[str, Any]] = []
        self.service: dict[str, Any] | None = {"status": "disabled"}
        self.guests: list[str] = []
        self.borne = True
        monkeypatch.setattr(compute, "servers_on", lambda *_: self.servers)
        monkeypatch.setattr(compute, "migrations", lambda *_: self.migrations)
        monkeypatch.setattr(compute, "is_under_way", lambda *_: True)
        monkeypatch.setattr(compute, "service", lambda *_: self.service)
        monkeypatch.setattr(emptiness, "get", lambda *_: {})
        monkeypatch.setattr(acts.Guests, "_running", lambda *_: self.guests)
        monkeypatch.setattr(osds, "cluster", lambda *_: self)
        for module in (acts, steps):
            monkeypatch.setattr(module, "cloud", lambda *_: None)

    def verdict(self, hosts: Any) -> ceph.Verdict:
        return ceph.Verdict(self.borne, "2 placement groups would not be available")


@pytest.fixture
def nova(monkeypatch: pytest.MonkeyPatch) -> Nova:
    return Nova(monkeypatch)


def context(args: dict[str, Any], **results: Any) -> Context:
    return Context(n=1, id="s", kind="k", unit="u", args=args, attempt=1, earlier=None, reader=lambda _: results)


ARGS = {
    **{"host": "compute1", "site": "", "cloud": "one", "compute": "compute1", "storage": ["ceph"]},
    **{"together": ["compute1"], "left": {"id-off": "SHUTOFF", "id-old": ""}},
}


def test_a_host_that_is_still_empty_and_disabled_may_go_down(nova: Nova) -> None:
    nova.servers = [on_it("off", "SHUTOFF")]
    nova.migrations = [{"instance_uuid": "id-old", "status": "finished"}]
    acts.check_still(context(ARGS))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"service": {"status": "enabled"}}, "somebody has enabled it"),
        ({"service": None}, "it has no nova-compute"),
        ({"servers": [on_it("new", "ACTIVE")]}, "server new (id-new) is on it, and came after it was planned"),
        ({"servers": [on_it("off", "ACTIVE")]}, "is ACTIVE by now, and was SHUTOFF when it was left on it"),
        ({"servers": [on_it("off", "SHUTOFF", **{TASK: "powering-on"})]}, "is being done to it: powering-on"),
        ({"servers": [on_it("old", "ACTIVE")]}, "is on it again: its resize was reverted"),
        ({"migrations": [{"instance_uuid": "id-x", "status": "running"}]}, "a migration of server id-x is running"),
        ({"guests": ["id-new"]}, "id-new"),
        ({"borne": False}, "2 placement groups would not be available"),
    ],
)
def test_one_that_is_not_is_not_touched(
    change: dict[str, Any], said: str, nova: Nova, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acts, "BEAR", 0.0)
    vars(nova).update(change)
    with pytest.raises(NaruError) as raised:
        acts.check_still(context(ARGS))
    assert said in raised.value.detail


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("naru drain id: kernel", "naru drain id: kernel", ""),
        ("bad memory", "bad memory", ""),  # it was so before, and the plan has warned of that
        ("naru drain id", "Kim changes its disk", "somebody has disabled it meanwhile (Kim changes its disk)"),
        ("naru drain id", None, "somebody has disabled it meanwhile (no reason is given)"),
        (None, "Kim changes its disk", ""),  # the step was skipped
    ],
)
def test_a_host_that_somebody_works_on_meanwhile_is_not_touched(
    was: str | None, now: str | None, said: str, nova: Nova
) -> None:
    nova.service = {"status": "disabled", "disabled_reason": now}
    results = {"compute1/disable": None if was is None else {"ours": True, "reason": was}}
    there = context({**ARGS, "left": {}, "disabled": "compute1/disable"}, **results)
    if not said:
        acts.check_still(there)
        return
    with pytest.raises(NaruError) as raised:
        acts.check_still(there)
    assert said in raised.value.detail


def test_what_stays_has_to_be_as_it_was_when_the_host_is_proved_empty(
    nova: Nova, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "ARRIVE", 0.0)
    args = {"cloud": "one", "host": "compute1", "left": {"id-off": "SHUTOFF"}, "known": ["id-off"], "nodes": []}
    nova.servers = [on_it("off", "SHUTOFF")]
    assert steps.empty(context(args))["left"] == ["id-off"]
    nova.servers = [on_it("off", "ACTIVE")]
    with pytest.raises(NaruError) as raised:
        steps.empty(context(args))
    assert raised.value.detail == "server off (id-off) is ACTIVE by now, and was SHUTOFF when it was left on it"


def test_an_answer_counts_only_for_the_status_that_it_was_given_for() -> None:
    planned = cloud(compute1=[server("one", "SUSPENDED")], compute2=[server("two", "SHUTOFF")])
    options = Options({"id-one": "leave", "id-two": "leave"})
    given = world.statuses(planned, options)
    assert given == {"id-one": "SUSPENDED", "id-two": "SHUTOFF"}
    later = cloud(compute1=[server("one")], compute2=[server("two", "SHUTOFF")])
    meant = world.still_meant(later, options, given)
    decided = later.decide(["compute1", "compute2"], meant)
    # the first was resumed by its owner: it is moved, not switched off with the host
    assert [decided[host][0].action for host in ("compute1", "compute2")] == ["live", "leave"]


# -- when it is asked


class Fake(Detached):
    """A command in place of one on a host: it is what `states` says, one after the other."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)
        self.place, self.program, self._said, self._at, self._command = self, "sh", "sh", ("do", "u"), "true"  # type: ignore[assignment]
        self._env, self.host, self.context, self.did = b"", "compute1", self, []
        self.attempt = 2

    def look(self) -> Look:
        return Look(self.states.pop(0), False, 1.0, 2.0, 0, 0, "")  # type: ignore[arg-type]

    def log(self, text: str) -> None:
        pass

    def sleep(self, seconds: float) -> None:
        pass

    def change(self, *words: Any, **_: Any) -> None:
        self.did.append("start")


def test_only_a_command_that_is_not_begun_yet_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detached, "script_text", lambda *_: "")
    asked = []
    Fake("running", "ended").finish(repeat=False, begins=lambda: asked.append(1))
    assert asked == []
    fresh = Fake("none", "ended")
    fresh.finish(repeat=False, begins=lambda: asked.append(1))
    assert asked == [1] and fresh.did == ["start"]

    def refuse() -> None:
        raise NaruError("enabled")

    refused = Fake("none")
    with pytest.raises(NaruError, match="enabled"):
        refused.finish(repeat=False, begins=refuse)
    assert refused.did == []


class Hosted:
    """A host whose boots come one after the other."""

    def __init__(self, *boots: str | None) -> None:
        self.boots, self.why, self.told = list(boots), "", 0

    def boot(self) -> str | None:
        return self.boots.pop(0) if len(self.boots) > 1 else self.boots[0]

    def tell(self, place: Any) -> str:
        self.told += 1
        return ""


def booted(hosted: Hosted, monkeypatch: pytest.MonkeyPatch, **ran: Any) -> tuple[str, int]:
    monkeypatch.setattr(acts, "EVERY", 0.0)
    monkeypatch.setattr(acts, "Place", lambda *_: None)
    monkeypatch.setattr(acts, "Host", lambda _: hosted)
    monkeypatch.setattr(acts, "_tell_to_boot", hosted.tell)
    args = {**ARGS, "before": "noted", "after": "ran", "seconds": 5.0}
    found = acts.reboot(context(args, noted={"boot": "one"}, ran=ran or None))
    return found["boot"], hosted.told


def test_a_power_cut_during_the_command_is_not_the_boot_after_it(nova: Nova, monkeypatch: pytest.MonkeyPatch) -> None:
    # it was cut off in boot one, and done in boot two: that one is to end
    assert booted(Hosted("two", None, "three"), monkeypatch, boot="two") == ("three", 1)
    assert booted(Hosted("two"), monkeypatch, boot="one") == ("two", 0)
    assert booted(Hosted("one", None, "two"), monkeypatch) == ("two", 1)  # the command was skipped
    assert booted(Hosted("two"), monkeypatch, boot=None) == ("two", 0)  # it went down by itself


def test_a_host_that_was_enabled_is_not_told_to_boot(nova: Nova, monkeypatch: pytest.MonkeyPatch) -> None:
    nova.service = {"status": "enabled"}
    hosted = Hosted("one")
    with pytest.raises(NaruError):
        booted(hosted, monkeypatch, boot="one")
    assert hosted.told == 0


def test_a_boot_after_a_command_knows_both_boots(tmp_path: Path) -> None:
    plan = made(site_file(tmp_path), Settings(DRAIN, Upkeep("true", reboot=True, boots=True)))
    (boot,) = plan.find(unit="compute1", purpose=planner.REBOOT)
    # a step is given the results of those alone that it waits for
    assert {boot.args["before"], boot.args["after"], boot.args["disabled"]} <= set(plan.befores()[boot.id])
    (ran,) = plan.find(unit="compute1", purpose=planner.RUN)
    assert ran.args["disabled"] in plan.befores()[ran.id]
    assert boot.args["left"] == {} and boot.args["storage"] == []

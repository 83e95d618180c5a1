"""What an evacuation does when something happens meanwhile: the steps themselves, with a Nova, a Placement and a power
controller of paper. Which scenario each shows: docs/reference/operate-scenarios.md."""

from types import SimpleNamespace
from typing import Any

import pytest

from naru.errors import NaruError
from naru.operate import compute
from naru.operate.evacuate import fencing, steps, way_back
from naru.plan.errors import Transient
from naru.site import power
from naru.site import site as sites

from .readings import HOST, facts, server
from .test_evacuate_rules import down, fenced, plan
from .test_evacuate_rules import site as site  # the fixture

pytestmark = pytest.mark.unit

OURS = "naru evacuate plan-1"
TOLD = {"status": "disabled", "forced_down": True, "disabled_reason": OURS}
"""A compute service once Nova was told."""
ARGS = {
    **{"cloud": "x", "host": HOST, "server": "a", "status": "ACTIVE", "earlier": [], "plan": "plan-1", "off": ""},
    **{"reason": "", "evacuated": "first", "ports": [], "volumes": [], "locked": False},
}


class Nova:
    """A cloud with the server `a` on a host that was proved off. Each look at the server goes one further in `turns`:
    what has changed by then of it and of the record of its evacuation; None where it is deleted."""

    name = "x"

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *turns: dict[str, Any] | None) -> None:
        self.row: dict[str, Any] | None = {"id": "a", "name": "a", "status": "ACTIVE", "locked": False}
        self.row |= {compute.HOST: HOST, compute.NODE: HOST, compute.TASK: None, compute.VOLUMES: []}
        self.records: list[dict[str, Any]] = []
        self.turns = list(turns)
        self.asked: list[Any] = []
        self.found: dict[str, Any] = {"host": HOST, "state": "down", **TOLD}
        self.volume: dict[str, Any] = {}
        for module in (steps, way_back):
            monkeypatch.setattr(module, "cloud", lambda *_: self)
        monkeypatch.setattr(steps, "polling", lambda *_: range(20))
        monkeypatch.setattr(steps, "Fencing", lambda *_: SimpleNamespace(word=self, check_off=lambda: None))
        monkeypatch.setattr(compute, "server", self.look)
        monkeypatch.setattr(compute, "evacuations", lambda *_: list(reversed(self.records)))
        monkeypatch.setattr(compute, "services", lambda *_: [self.found])
        monkeypatch.setattr(compute, "why", lambda *_: "no valid host was found")
        monkeypatch.setattr(compute, "force_down", self.force_down)

    def check_off(self, *_: Any, **__: Any) -> None:
        """Of the guard's word: nobody has taken theirs back."""

    def look(self, *_: Any) -> dict[str, Any] | None:
        if self.asked and self.turns:
            now = self.turns.pop(0)
            if now is None or self.row is None:
                self.row = None
            else:
                self.records[-1]["status"] = now.pop("record", self.records[-1]["status"])
                self.row |= now
        return self.row

    def force_down(self, _: Any, found: dict[str, Any], reason: str | None) -> None:
        self.asked.append(reason)
        found["forced_down"] = True
        if reason is not None:
            found |= {"status": "disabled", "disabled_reason": reason}

    def supports(self, *_: Any) -> bool:
        return True

    def has(self, service: str) -> bool:
        return service == "placement"

    def items(self, *_: Any) -> list[dict[str, Any]]:
        return []

    def __call__(self, service: str, method: str, path: str, body: Any = None, **_: Any) -> Any:
        if service == "compute" and method == "POST":
            self.asked.append(next(iter(body)))
            self.records.append({"id": len(self.records) + 1, "instance_uuid": "a", "status": "accepted"})
        if path.startswith("/resource_providers?"):
            return {"resource_providers": [{"uuid": "node"}]}
        if path.startswith("/allocations/"):
            return {"allocations": {"node": {}}}
        if path.startswith("/volumes/"):
            return {"volume": self.volume}
        return {}


class Context(SimpleNamespace):
    """In the place of a step's; what it saved is what it finds at its next attempt."""

    def __init__(self, **args: Any) -> None:
        super().__init__(args={**ARGS, **args}, attempt=1, earlier=None, slept=0.0)

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    def save(self, what: dict[str, Any]) -> None:
        self.earlier = what

    def results(self) -> dict[str, Any]:
        return {"first": self.result}


def test_one_that_nova_could_not_bring_up_is_told_why_and_asked_for_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """No room, or the host where it was to come up has died as well: its record is over, its host still the old one."""
    elsewhere = {compute.HOST: "compute3", "status": "ACTIVE", "record": "done"}
    nova = Nova(monkeypatch, {"status": "ERROR", "record": "error"})
    context: Any = Context()
    with pytest.raises(NaruError, match="did not bring it up elsewhere: error") as raised:
        steps.evacuate(context)
    assert raised.value.detail == "no valid host was found"
    assert nova.asked == ["evacuate"] and context.earlier == {"over": [1]}
    # given again: the record that is over is not waited for; a killed attempt's request has a record by then
    context.attempt = 2
    nova.turns = [{}, elsewhere]
    assert steps.evacuate(context)["to"] == "compute3"
    assert nova.asked == ["evacuate", "evacuate"] and context.slept > 0
    # and once more: it is there
    assert steps.evacuate(context)["how"] == "evacuated" and nova.asked == ["evacuate", "evacuate"]


def test_one_that_is_under_way_is_waited_for_and_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command was killed after its request."""
    nova = Nova(monkeypatch)
    nova.asked.append("by the killed attempt")
    nova.records.append({"id": 1, "instance_uuid": "a", "status": "pre-migrating"})
    nova.turns = [{}, {compute.TASK: "rebuilding"}, {compute.HOST: "compute3", compute.TASK: None, "record": "done"}]
    context: Any = Context()
    context.attempt = 2
    assert steps.evacuate(context)["to"] == "compute3"
    assert nova.asked == ["by the killed attempt"]


def test_one_that_its_user_deletes_meanwhile_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    nova = Nova(monkeypatch, {compute.TASK: "rebuilding"}, None)
    context: Any = Context()
    context.result = steps.evacuate(context)
    assert context.result["to"] == "" and nova.asked == ["evacuate"]
    assert steps.proof(context) == {"gone": True}
    assert steps.evacuate(context) == {"gone": True}


def test_a_volume_that_does_not_come_along_is_told_and_not_called_right(monkeypatch: pytest.MonkeyPatch) -> None:
    nova = Nova(monkeypatch)
    assert nova.row is not None
    nova.row |= {compute.HOST: "compute3", compute.NODE: "compute3", compute.VOLUMES: [{"id": "v"}]}
    nova.volume = {"id": "v", "status": "attaching", "attachments": [{"server_id": "a"}]}
    monkeypatch.setattr(steps, "ARRIVE", -1.0)
    context: Any = Context(volumes=["v"])
    context.result = {"to": "compute3"}
    with pytest.raises(NaruError) as raised:
        steps.proof(context)
    assert raised.value.detail == "volume v is attaching, attached to a"
    nova.volume["status"] = "in-use"
    assert steps.proof(context) == {"host": "compute3", "cured": []}


@pytest.mark.parametrize(
    "before",
    [
        {},
        {"forced_down": True},
        {"status": "disabled", "disabled_reason": OURS},
        TOLD,
    ],
)
def test_nova_is_told_whichever_half_of_it_was_done(before: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Queens these are two requests, and a kill may come between."""
    nova = Nova(monkeypatch)
    nova.found = {"host": HOST, "state": "down", "status": "enabled", "forced_down": False, **before}
    context: Any = Context()
    assert steps.record(context) == {"ours": True, "reason": OURS}
    assert nova.found == {"host": HOST, "state": "down", **TOLD}
    assert nova.asked == ([] if before == TOLD else [OURS])


def test_an_executor_that_finds_another_plans_mark_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    nova = Nova(monkeypatch)
    nova.found |= {"disabled_reason": "naru evacuate plan-2: x"}
    context: Any = Context()
    for step in (steps.record, steps.evacuate):
        with pytest.raises(NaruError, match="evacuated by another plan"):
            step(context)
    assert nova.asked == []


def test_servers_of_a_group_that_are_to_be_apart_come_one_after_the_other() -> None:
    """From Queens on Nova fails the second of two that come at once."""
    group = {"id": "g", "name": "apart", "policies": ["anti-affinity"], "members": ["id-a", "id-b"]}
    made = plan(facts(server("a"), server("b"), server("c"), groups=[group], services=down()))
    assert made.limits["group apart"] == 1
    groups = {one.id: "group apart" in one.limits for one in made.steps if one.kind == "evacuate.server"}
    assert groups == {"id-a/evacuate": True, "id-b/evacuate": True, "id-c/evacuate": False}


@pytest.mark.parametrize("status", ["409", "400"])
def test_an_order_that_is_answered_with_an_error_counts_by_what_is_read_back(
    status: str, site: sites.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dell answers 409, HPE 400, to an order to switch off what is off."""

    def order(*_: Any) -> None:
        raise power.NoAnswer(f"HTTP {status}")

    monkeypatch.setattr(power, "order", order)
    monkeypatch.setattr(fencing, "WAIT", 0.05)
    found = fenced(site, monkeypatch, [("on", True), ("off", True)])
    found.order_off()
    assert f"power off compute1: HTTP {status}" in found.context.logged  # type: ignore[attr-defined]
    with pytest.raises(NaruError, match="does not say off"):
        fenced(site, monkeypatch, [("on", True)]).order_off()


def test_allocations_that_are_left_on_a_host_that_is_back_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """`left` is elsewhere and has an allocation there still, `here` is there, `gone` is deleted."""
    now = [0.0]
    monkeypatch.setattr(way_back, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(compute, "servers_on", lambda *_: [{"id": "here"}])
    monkeypatch.setattr(compute, "server", lambda _, name: None if name == "gone" else {"id": name})
    held: dict[str, Any] = {"here": {}, "gone": {}, "left": {}}

    class Placement:
        def has(self, _: str) -> bool:
            return True

        def supports(self, *_: Any) -> bool:
            return True

        def items(self, *_: Any) -> list[dict[str, Any]]:
            return [{"id": "node", "service": {"host": HOST}}, {"id": "other", "service": {"host": "compute2"}}]

        def __call__(self, _: str, __: str, path: str, **___: Any) -> dict[str, Any]:
            assert path == "/resource_providers/node/allocations"
            return {"allocations": held}

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if now[0] > 20 and frees:
            held.pop("left", None)

    context: Any = SimpleNamespace(sleep=sleep)
    client: Any = Placement()
    frees = False
    with pytest.raises(NaruError, match="of 1 servers that are elsewhere") as raised:
        way_back._foreign(context, client, HOST)
    assert raised.value.detail == "left" and now[0] > 180
    frees, now[0] = True, 0.0
    assert way_back._foreign(context, client, HOST) == 0


def test_while_something_is_being_done_to_it_it_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    nova = Nova(monkeypatch)
    assert nova.row is not None
    nova.row[compute.TASK] = "powering-off"
    context: Any = Context()
    with pytest.raises(Transient, match="powering-off"):
        steps.evacuate(context)
    assert nova.asked == []

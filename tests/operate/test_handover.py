"""Routers and DHCP handed over from the agents of a host: none is left with no agent."""

from typing import Any

import pytest

from naru.cloud.client import CloudError
from naru.errors import NaruError
from naru.operate import agents, handover
from naru.plan.context import Context

from .test_waves import agent

pytestmark = pytest.mark.unit


class Neutron:
    """Agents, and who has which router or network. `refuses` are agents that take nothing."""

    def __init__(self) -> None:
        self.agents = [agent("mine", host="compute1"), agent("a"), agent("b"), agent("c")]
        self.has: dict[str, set[str]] = {"router": {"mine"}}
        self.ha: set[str] = set()
        self.refuses: set[str] = set()
        self.gone: set[str] = set()
        self.asked: list[str] = []

    def __call__(self, service: str, method: str, path: str, body: Any = None, version: str = "") -> Any:
        words = path.strip("/").split("/")
        if method == "GET":
            return self._get(words)
        self.asked.append(f"{method} {path}")
        if method == "PUT":
            next(one for one in self.agents if one["id"] == words[1]).update(body["agent"])
            return {}
        identity = words[3] if method == "DELETE" else body["router_id"]
        if method == "DELETE":
            self.has[identity].discard(words[1])
            return {}
        if words[1] in self.gone or identity not in self.has:
            raise self._error(404)
        if words[1] in self.refuses or (self.has[identity] and identity not in self.ha):
            raise self._error(409)
        self.has[identity].add(words[1])
        return {}

    def _get(self, words: list[str]) -> Any:
        if words[0] == "agents":
            return {"routers": [{"id": one, "ha": one in self.ha} for one, who in self.has.items() if words[1] in who]}
        if len(words) == 2:
            if words[1] not in self.has:
                raise self._error(404)
            return {"router": {"id": words[1]}}
        return {"agents": [{"id": one} for one in sorted(self.has.get(words[1], ()))]}

    def _error(self, status: int) -> CloudError:
        return CloudError(f"status {status}", detail="refused", status=status)


@pytest.fixture
def neutron(monkeypatch: pytest.MonkeyPatch) -> Neutron:
    found = Neutron()
    monkeypatch.setattr(agents, "cloud", lambda *_: found)
    monkeypatch.setattr(agents, "every_agent", lambda _, host="": [x for x in found.agents if host in ("", x["host"])])
    monkeypatch.setattr(handover, "SAVED", 0.0)
    return found


ARGS = {"cloud": "one", "compute": "compute1", "plan": "id", "before": "chosen"}


def step(kind: Any, results: Any = None, earlier: Any = None, **args: Any) -> Any:
    context = Context(
        **{"n": 1, "id": "s", "kind": "k", "unit": "u", "args": ARGS | args, "attempt": 2, "earlier": earlier},
        reader=lambda _: {"chosen": results},
    )
    return kind(context)


def test_who_takes_it_is_chosen_before_anything_is_changed(neutron: Neutron) -> None:
    chosen = step(agents.choose)
    assert chosen["routers"] == {"router": ["mine", "a"]} and neutron.asked == []
    done = step(agents.off, chosen)
    assert neutron.has == {"router": {"a"}} and done["routers"] == {"router": ["mine", "a"]}
    assert neutron.agents[0]["admin_state_up"] is False


def test_a_router_whose_move_was_cut_off_is_found_again(neutron: Neutron) -> None:
    chosen = step(agents.choose)
    neutron.has = {"router": set()}  # taken, given to nobody, and of that nothing in the journal
    step(agents.off, chosen)
    assert neutron.has == {"router": {"a"}}
    neutron.has = {"router": {"b"}}  # somebody has given it elsewhere: it stays there
    step(agents.off, chosen)
    assert neutron.has == {"router": {"b"}}


def test_the_next_agent_is_asked_where_one_refuses(neutron: Neutron) -> None:
    chosen = step(agents.choose)
    neutron.refuses, neutron.gone = {"a"}, {"b"}
    assert step(agents.off, chosen)["routers"] == {"router": ["mine", "c"]}
    assert neutron.has == {"router": {"c"}}


def test_where_nobody_takes_it_its_own_agent_has_it_back(neutron: Neutron) -> None:
    chosen = step(agents.choose)
    neutron.refuses = {"a", "b", "c"}
    with pytest.raises(NaruError, match="router router: no other L3 agent") as raised:
        step(agents.off, chosen)
    assert neutron.has == {"router": {"mine"}} and neutron.agents[0]["admin_state_up"]
    assert "agent a: refused" in raised.value.detail
    neutron.refuses.add("mine")
    with pytest.raises(NaruError) as raised:
        step(agents.off, chosen)
    assert "no agent has it now: openstack network agent add router" in raised.value.detail
    neutron.refuses.clear()  # cured: the same command goes on
    step(agents.off, chosen)
    assert neutron.has == {"router": {"a"}}


def test_a_router_that_is_gone_is_no_error(neutron: Neutron) -> None:
    chosen = step(agents.choose)
    neutron.has = {}
    step(agents.off, chosen)
    assert step(agents.back, before="", was=chosen)["rescued"] == []


def test_one_that_came_since_is_written_down_before_it_is_taken(
    neutron: Neutron, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept = []
    monkeypatch.setattr(Context, "sleep", lambda self, seconds: slept.append(set(neutron.has["new"])))
    neutron.has = {"new": {"mine"}}
    step(agents.off, {"routers": {}, "networks": {}, "added": {}})
    assert slept == [{"mine"}]
    assert neutron.has == {"new": {"a"}}


def test_a_router_of_a_host_that_is_left_gets_an_agent(neutron: Neutron) -> None:
    chosen = step(agents.choose)
    was = {"routers": chosen["routers"]}
    assert step(agents.back, before="", was=was)["rescued"] == []  # its own agent has it
    neutron.has = {"router": set()}
    assert step(agents.back, before="", was=was)["rescued"] == ["router"]
    assert neutron.has == {"router": {"a"}}
    neutron.has, neutron.refuses = {"router": set()}, {"a"}
    step(agents.back, before="", was=was)
    assert neutron.has == {"router": {"mine"}}


def test_one_that_is_highly_available_gets_one_more_and_goes_back(neutron: Neutron) -> None:
    neutron.ha = {"router"}
    chosen = step(agents.choose)
    assert chosen["added"] == {"router": ["mine", "a"]} and not chosen["routers"]
    done = step(agents.off, chosen)
    assert neutron.has == {"router": {"mine", "a"}}
    step(agents.back, done, before="chosen")
    assert neutron.has == {"router": {"mine"}} and neutron.agents[0]["admin_state_up"]

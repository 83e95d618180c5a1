"""What the agents of Neutron on a host have, handed over to agents elsewhere.

A router that is not highly available is with no agent between being taken from one and given to the next: who takes it
is known before, where it is refused the next one is asked, and where nobody takes it its own agent has it back.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from naru.actions.clouds import get
from naru.cloud.client import Cloud, CloudError, Unavailable
from naru.errors import NaruError
from naru.plan.context import Context

L3, DHCP = "L3 agent", "DHCP agent"
ON_HOST = ("dvr", "dvr_no_external")
"""The modes of L3 agents that have routers for the servers of their own host alone."""
ROUTERS, NETWORKS = "l3-routers", "dhcp-networks"
"""What agents have, as it is called in the paths of Neutron's API."""
MARK = "naru waves"
LONGEST = 255
"""Characters that Neutron keeps of a description."""
SAVED = 2.0
"""Seconds after which what a step has saved is surely on the disk."""
HINT = "Start one elsewhere, and give the command again; or leave the host behind: naru host waves leave."

Agent = Mapping[str, Any]
Pairs = dict[str, list[str]]
"""By the id of a router or network, the agent that has it and the one that takes it."""


def mark(plan: str) -> str:
    """What the description of an agent begins with that these waves have switched off."""
    return f"{MARK} {plan}"


def marked(plan: str, description: str) -> str:
    """A description with the mark, which keeps what it was."""
    return f"{mark(plan)}: {description}"[:LONGEST] if description else mark(plan)


def unmarked(plan: str, description: str) -> str | None:
    """What the description was before the mark; None for one that has no mark of this plan."""
    before, found, rest = description.partition(mark(plan))
    return rest.removeprefix(": ") if found and not before else None


def chosen(agent: Agent, others: Sequence[Agent], taken: Mapping[str, int], without: Collection[str] = ()) -> str:
    """Who is to do what the agent does: of those that are alive and on, in the same zone and of the same mode if there
    is one, the one that has least; "" for none. `taken` is how much each has, `without` those that have it already."""

    def mode(one: Agent) -> str:
        return str((one.get("configurations") or {}).get("agent_mode", ""))

    open_to = [
        one
        for one in others
        if one["agent_type"] == agent["agent_type"] and one["host"] != agent["host"]
        if one["alive"] and one["admin_state_up"] and one["id"] not in without and mode(one) not in ON_HOST
    ]
    near = [one for one in open_to if one.get("availability_zone") == agent.get("availability_zone")]
    like = [one for one in near or open_to if mode(one) == mode(agent)]
    best = sorted(like, key=lambda one: (taken.get(one["id"], 0), one["host"]))
    return str(best[0]["id"]) if best else ""


class Handover:
    """What the agents on the host that the step's arguments name have, and who of `every` agent takes it. `known` is
    what was chosen, or done, before: `routers`, `networks`, and `added` for routers that are highly available."""

    def __init__(self, context: Context, client: Cloud, every: Sequence[Agent], known: Mapping[str, Any]) -> None:
        args = context.args
        self._context, self._client = context, client
        away = {args["compute"], *(args.get("together") or [])}
        here = [one for one in every if one["host"] == args["compute"] and one["agent_type"] in (L3, DHCP)]
        self.mine = [one for one in here if is_ours(one, args["plan"]) or (one["alive"] and one["admin_state_up"])]
        self._others = [one for one in every if one["host"] not in away]
        self._open = {one["id"] for one in self._others if one["alive"] and one["admin_state_up"]}
        self._chosen = set(known.get("routers", {}))
        self.done: dict[str, Pairs] = {name: dict(known.get(name, {})) for name in ("routers", "networks", "added")}

    def choose(self, agent: Agent) -> None:
        """Chooses who takes what the agent has, and changes nothing."""
        for name, identity in self._needed(agent):
            self.done[name][identity] = [agent["id"], self._other(agent, f"{_word(name)} {identity}")]

    def move(self, agent: Agent) -> None:
        """Hands over what it has, and what an attempt before has taken from it and given to nobody."""
        needed = list(self._needed(agent))
        begun = [("routers", one) for one, (mine, _) in self.done["routers"].items() if mine == agent["id"]]
        for name, identity in dict.fromkeys([*needed, *begun]):
            is_here = (name, identity) in needed
            if is_here or not serving(self._client, ROUTERS, identity):
                self._hand_over(agent, name, identity, is_here=is_here)

    def _needed(self, agent: Agent) -> Iterator[tuple[str, str]]:
        """What the agent has that another one has to do in its place, by the name of its list in `done`."""
        if agent["agent_type"] == DHCP:
            for network in self._has(agent, NETWORKS, "networks"):
                if not self._is_served(NETWORKS, network["id"]):
                    yield "networks", str(network["id"])
            return
        if (agent.get("configurations") or {}).get("agent_mode") in ON_HOST:
            return
        for router in self._has(agent, ROUTERS, "routers"):
            if not router.get("ha"):
                yield "routers", str(router["id"])
            elif not self._is_served(ROUTERS, router["id"]):
                yield "added", str(router["id"])

    def _hand_over(self, agent: Agent, name: str, identity: str, *, is_here: bool) -> None:
        """Raises NaruError when nobody takes it; then its own agent has it again."""
        kind, what = NETWORKS if name == "networks" else ROUTERS, f"{_word(name)} {identity}"
        refused: dict[str, str] = {}
        while True:
            other = self.done[name].get(identity, ["", ""])[1]
            if other in refused or other not in self._open:
                try:
                    other = self._other(agent, what, refused)
                except NaruError as error:
                    said = [f"agent {one}: {why}" for one, why in refused.items()]
                    if name == "routers" and (refused or not is_here):
                        said += self._give_back(agent, identity)
                    raise NaruError(error.summary, detail="\n".join(said), hint=error.hint) from error
            self._note(agent, name, identity, other)
            if name == "routers" and is_here and not refused:
                take(self._client, agent["id"], kind, identity)
            try:
                give(self._client, other, kind, identity)
                return
            except Unavailable:
                raise
            except CloudError as error:
                refused[other] = error.detail or error.summary

    def _give_back(self, agent: Agent, router: str) -> Iterator[str]:
        """Gives a router back to its own agent; what is to be said where that does not take it, either."""
        try:
            give(self._client, agent["id"], ROUTERS, router)
        except CloudError as error:
            yield f"agent {agent['id']}, which had it: {error.detail or error.summary}"
            yield "no agent has it now: openstack network agent add router --l3 AGENT ROUTER"

    def _note(self, agent: Agent, name: str, identity: str, other: str) -> None:
        """Writes down who takes it before anything is changed: a killed attempt may leave a router with nobody."""
        self.done[name][identity] = [agent["id"], other]
        self._context.save(self.done)
        self._context.log(f"{_word(name)} {identity}: to agent {other}")
        if name == "routers" and identity not in self._chosen:  # it came since, and is in no step's result
            self._context.sleep(SAVED)
            self._chosen.add(identity)

    def _other(self, agent: Agent, what: str, refused: Collection[str] = ()) -> str:
        taken: dict[str, int] = {}
        for pairs in self.done.values():
            for _, other in pairs.values():
                taken[other] = taken.get(other, 0) + 1
        for one in self._others:
            counted = one.get("configurations") or {}
            taken[one["id"]] = taken.get(one["id"], 0) + int(counted.get("routers") or counted.get("networks") or 0)
        found = chosen(agent, self._others, taken, refused)
        if not found:
            raise NaruError(f"{what}: no other {agent['agent_type']} is alive and on, and takes it", hint=HINT)
        return found

    def _is_served(self, kind: str, identity: str) -> bool:
        """Whether one of those elsewhere does it that live, and are on."""
        return any(one["id"] in self._open for one in serving(self._client, kind, identity))

    def _has(self, agent: Agent, kind: str, wrap: str) -> Iterator[Mapping[str, Any]]:
        yield from get(self._client, "network", f"/agents/{agent['id']}/{kind}", wrap) or []


def _word(name: str) -> str:
    return "network" if name == "networks" else "router"


def is_ours(agent: Agent, plan: str) -> bool:
    """Whether the agent bears the mark of this plan."""
    return unmarked(plan, str(agent.get("description") or "")) is not None


def every_agent(client: Cloud, host: str = "") -> list[Agent]:
    """All agents of Neutron, or those on a host; none where it has no such extension."""
    if not client.has("network") or "agent" not in client.extensions("network"):
        return []
    return list(client.items("network", f"/agents?host={host}" if host else "/agents", "agents"))


def exists(client: Cloud, kind: str, identity: str) -> bool:
    """Whether it is still there: what is gone has no agents, either, and Neutron does not say which of both it is."""
    path, wrap = (f"/networks/{identity}", "network") if kind == NETWORKS else (f"/routers/{identity}", "router")
    return get(client, "network", path, wrap) is not None


def serving(client: Cloud, kind: str, identity: str) -> list[Agent]:
    """The agents that have it."""
    path = f"/networks/{identity}/dhcp-agents" if kind == NETWORKS else f"/routers/{identity}/l3-agents"
    return get(client, "network", path, "agents") or []


def give(client: Cloud, agent: str, kind: str, identity: str) -> None:
    """Gives it to the agent, unless that has it; what is gone is left. Raises CloudError where it is refused, as when
    the agent is gone."""
    body = {"network_id" if kind == NETWORKS else "router_id": identity}
    try:
        client("network", "POST", f"/agents/{agent}/{kind}", body)
    except CloudError as error:
        if error.status == 404 and not exists(client, kind, identity):
            return
        if error.status != 409 or agent not in {one["id"] for one in serving(client, kind, identity)}:
            raise


def take(client: Cloud, agent: str, kind: str, identity: str) -> None:
    """Takes it from the agent, unless that does not have it."""
    try:
        client("network", "DELETE", f"/agents/{agent}/{kind}/{identity}")
    except CloudError as error:
        if error.status not in (404, 409):
            raise

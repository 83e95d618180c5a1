"""What Neutron's agents of a host do for networks, routers and DHCP: moved to agents on other hosts before it goes
down. The agents are switched off in Neutron meanwhile, with a mark of ours.

An agent that is switched off drops its routers at once, so they are moved before; those that are highly available go
on elsewhere, as soon as one of the others is their master.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from naru.actions.clouds import cloud, get
from naru.cloud.client import Cloud, CloudError, Unavailable
from naru.errors import NaruError
from naru.plan.arguments import Arguments
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.plan.kinds import Retry, step

L3, DHCP = "L3 agent", "DHCP agent"
ON_HOST = ("dvr", "dvr_no_external")
"""The modes of L3 agents that have routers for the servers of their own host alone."""
MARK = "naru waves"
LONGEST = 255
"""Characters that Neutron keeps of a description."""
RETRY = (
    Retry(on=(Unavailable,), tries=8, pause=2.0, longest=30.0),
    Retry(on=(Transient,), tries=12, pause=1.0, longest=10.0),
)

Agent = Mapping[str, Any]


class Agents(Arguments):
    """The agents on the host that Nova and Neutron call `compute`, of `cloud`; `plan` is the id that marks what is
    switched off. Agents on the hosts `together`, which are down at the same time, take nothing."""

    cloud: str
    compute: str
    plan: str
    together: list[str] = []


class AgentsBack(Agents):
    """The same; `before` is the step that has switched them off, or `was` its result. Without both, agents alone are
    switched on."""

    before: str = ""
    was: dict[str, Any] = {}


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


@step("agents.off", args=Agents, no_undo="agents.back takes it back", retry=RETRY, deadline=3600)
def off(context: Context) -> dict[str, Any]:
    """Moves the routers and the DHCP of networks that the agents on the host have to agents elsewhere, and switches
    these agents off in Neutron. Agents that somebody else has switched off, and those that are dead, are left alone."""
    args = context.args
    client = cloud(context, args["cloud"])
    earlier = context.earlier or {}
    done: dict[str, Any] = {name: dict(earlier.get(name, {})) for name in ("routers", "networks", "added")}
    away = {args["compute"], *(args.get("together") or [])}
    every = _agents(client)
    ours = [one for one in every if one["host"] == args["compute"] and one["agent_type"] in (L3, DHCP)]
    ours = [one for one in ours if _is_ours(one, args["plan"]) or (one["alive"] and one["admin_state_up"])]
    every = [one for one in every if one["host"] not in away]
    for again in (False, True):  # once more when they are off: something may have been given to them meanwhile
        for agent in ours:
            if agent["agent_type"] == DHCP:
                _move_networks(context, client, agent, every, done)
            elif (agent.get("configurations") or {}).get("agent_mode") not in ON_HOST:
                _move_routers(context, client, agent, every, done)
            if not again and not _is_ours(agent, args["plan"]):
                context.log(f"agent {agent['id']}: off")
                text = marked(args["plan"], str(agent.get("description") or ""))
                body = {"agent": {"admin_state_up": False, "description": text}}
                client("network", "PUT", f"/agents/{agent['id']}", body)
    return {**done, "agents": [one["id"] for one in ours]}


@step("agents.back", args=AgentsBack, no_undo="it only takes back", retry=RETRY, deadline=3600)
def back(context: Context) -> dict[str, Any]:
    """Switches on the agents that bear the mark, and gives them back the DHCP of networks, and the routers that are
    highly available. Others stay with the agents that they were moved to: each move interrupts them."""
    args = context.args
    client = cloud(context, args["cloud"])
    was = context.results()[args["before"]] if args.get("before") else args.get("was") or {}
    on = []
    for agent in _agents(client, args["compute"]):
        before = unmarked(args["plan"], str(agent.get("description") or ""))
        if before is not None:
            body = {"agent": {"admin_state_up": True, "description": before}}
            client("network", "PUT", f"/agents/{agent['id']}", body)
            on.append(agent["id"])
    for network, (mine, other) in was.get("networks", {}).items():
        _give(client, mine, "dhcp-networks", {"network_id": network})
        _take(client, other, "dhcp-networks", network)
    for router, (mine, other) in was.get("added", {}).items():
        _give(client, mine, "l3-routers", {"router_id": router})
        _take(client, other, "l3-routers", router)
    return {"on": on, "stay": sorted(was.get("routers", {}))}


def _move_networks(context: Context, client: Cloud, agent: Agent, every: Sequence[Agent], done: dict[str, Any]) -> None:
    """The networks that no other living agent serves get one; they are taken from this one when it is switched off."""
    for network in _of(client, agent, "dhcp-networks", "networks"):
        identity = str(network["id"])
        serving = get(client, "network", f"/networks/{identity}/dhcp-agents", "agents") or []
        if not _serves(serving, every):
            other = done["networks"].get(identity, ["", ""])[1] or _other(agent, every, done, f"network {identity}")
            done["networks"][identity] = [agent["id"], other]
            context.save(done)
            context.log(f"network {identity}: DHCP by agent {other}")
            _give(client, other, "dhcp-networks", {"network_id": identity})


def _move_routers(context: Context, client: Cloud, agent: Agent, every: Sequence[Agent], done: dict[str, Any]) -> None:
    """Routers go to another agent; one that is highly available gets one more, where it has no other that lives."""
    here = {str(one["id"]): one for one in _of(client, agent, "l3-routers", "routers")}
    begun: dict[str, Mapping[str, Any]] = {
        router: {} for router, (mine, _) in done["routers"].items() if mine == agent["id"]
    }
    for identity, router in {**begun, **here}.items():
        if router.get("ha"):
            serving = get(client, "network", f"/routers/{identity}/l3-agents", "agents") or []
            if not _serves(serving, every):
                other = done["added"].get(identity, ["", ""])[1] or _other(agent, every, done, f"router {identity}")
                done["added"][identity] = [agent["id"], other]
                context.save(done)
                _give(client, other, "l3-routers", {"router_id": identity})
            continue
        other = done["routers"].get(identity, ["", ""])[1] or _other(agent, every, done, f"router {identity}")
        done["routers"][identity] = [agent["id"], other]
        context.save(done)  # before it is taken: a killed attempt leaves it with nobody
        context.log(f"router {identity}: by agent {other}")
        _take(client, agent["id"], "l3-routers", identity)
        _give(client, other, "l3-routers", {"router_id": identity})


def _other(agent: Agent, every: Sequence[Agent], done: Mapping[str, Any], what: str) -> str:
    taken: dict[str, int] = {}
    for name in ("routers", "networks", "added"):
        for _, other in done[name].values():
            taken[other] = taken.get(other, 0) + 1
    for one in every:
        counted = one.get("configurations") or {}
        taken[one["id"]] = taken.get(one["id"], 0) + int(counted.get("routers") or counted.get("networks") or 0)
    found = chosen(agent, every, taken)
    if not found:
        raise NaruError(
            f"{what}: no other {agent['agent_type']} is alive and on",
            hint="Start one elsewhere, and give the command again; or leave the host behind: naru host waves leave.",
        )
    return found


def _serves(serving: Sequence[Agent], every: Sequence[Agent]) -> bool:
    """Whether one of those elsewhere does that live, and are on."""
    known = {one["id"] for one in every if one["alive"] and one["admin_state_up"]}
    return any(one["id"] in known for one in serving)


def _is_ours(agent: Agent, plan: str) -> bool:
    return unmarked(plan, str(agent.get("description") or "")) is not None


def _agents(client: Cloud, host: str = "") -> list[Agent]:
    if not client.has("network") or "agent" not in client.extensions("network"):
        return []
    return list(client.items("network", f"/agents?host={host}" if host else "/agents", "agents"))


def _of(client: Cloud, agent: Agent, what: str, wrap: str) -> Iterator[Mapping[str, Any]]:
    yield from get(client, "network", f"/agents/{agent['id']}/{what}", wrap) or []


def _give(client: Cloud, agent: str, what: str, body: Mapping[str, str]) -> None:
    """Gives it to the agent, unless that has it; what is gone is left."""
    try:
        client("network", "POST", f"/agents/{agent}/{what}", dict(body))
    except CloudError as error:
        if error.status == 404:
            return
        (identity,) = body.values()
        there = get(client, "network", f"/agents/{agent}/{what}", what.partition("-")[2]) or []
        if error.status != 409 or identity not in {one["id"] for one in there}:
            raise


def _take(client: Cloud, agent: str, what: str, identity: str) -> None:
    try:
        client("network", "DELETE", f"/agents/{agent}/{what}/{identity}")
    except CloudError as error:
        if error.status not in (404, 409):  # it does not have it
            raise

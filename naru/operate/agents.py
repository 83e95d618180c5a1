"""What Neutron's agents of a host do for networks, routers and DHCP: moved to agents on other hosts before it goes
down. The agents are switched off in Neutron meanwhile, with a mark of ours.

An agent that is switched off drops its routers at once, so they are moved before; those that are highly available go
on elsewhere, as soon as one of the others is their master. A router that is moved is for a moment with no agent, so who
takes it is in the journal before, as the result of a step of its own.
"""

from collections.abc import Sequence
from typing import Any

from naru.actions.clouds import cloud
from naru.cloud.client import Cloud, CloudError, Unavailable
from naru.operate.handover import (
    NETWORKS,
    ROUTERS,
    Handover,
    every_agent,
    exists,
    give,
    is_ours,
    marked,
    serving,
    take,
    unmarked,
)
from naru.plan.arguments import Arguments
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.plan.kinds import Retry, step

RETRY = (
    Retry(on=(Unavailable,), tries=8, pause=2.0, longest=30.0),
    Retry(on=(Transient,), tries=12, pause=1.0, longest=10.0),
)


class Agents(Arguments):
    """The agents on the host that Nova and Neutron call `compute`, of `cloud`; `plan` is the id that marks what is
    switched off. Agents on the hosts `together`, which are down at the same time, take nothing."""

    cloud: str
    compute: str
    plan: str
    together: list[str] = []


class AgentsOff(Agents):
    """The same; `before` is the step that has chosen who takes what."""

    before: str


class AgentsBack(Agents):
    """The same; `before` is the step that has switched them off, or `was` its result, or as much of it as counts. What
    neither has stays as it is."""

    before: str = ""
    was: dict[str, Any] = {}


@step("agents.choose", args=Agents, no_undo="it changes nothing", retry=RETRY, deadline=600)
def choose(context: Context) -> dict[str, Any]:
    """Chooses which agents elsewhere take the routers and the DHCP of networks that the agents on the host have.
    Nothing is changed: where nobody can take something, nothing has been switched off."""
    args = context.args
    client = cloud(context, args["cloud"])
    handover = Handover(context, client, every_agent(client), {})
    for agent in handover.mine:
        handover.choose(agent)
    return handover.done


@step("agents.off", args=AgentsOff, no_undo="agents.back takes it back", retry=RETRY, deadline=3600)
def off(context: Context) -> dict[str, Any]:
    """Moves the routers and the DHCP of networks that the agents on the host have to the agents that were chosen, and
    switches its own off in Neutron. Agents that somebody else has switched off, and those that are dead, are left
    alone."""
    args = context.args
    client = cloud(context, args["cloud"])
    known = {**(context.results().get(args["before"]) or {}), **(context.earlier or {})}
    handover = Handover(context, client, every_agent(client), known)
    for again in (False, True):  # once more when they are off: something may have been given to them meanwhile
        for agent in handover.mine:
            handover.move(agent)
            if not again and not is_ours(agent, args["plan"]):
                context.log(f"agent {agent['id']}: off")
                text = marked(args["plan"], str(agent.get("description") or ""))
                body = {"agent": {"admin_state_up": False, "description": text}}
                client("network", "PUT", f"/agents/{agent['id']}", body)
    return {**handover.done, "agents": [one["id"] for one in handover.mine]}


@step("agents.back", args=AgentsBack, no_undo="it only takes back", retry=RETRY, deadline=3600)
def back(context: Context) -> dict[str, Any]:
    """Switches on the agents that bear the mark, and gives them back the DHCP of networks, and the routers that are
    highly available. Others stay with the agents that they were moved to: each move interrupts them. A router that no
    agent has, because its move was cut off, gets one."""
    args = context.args
    client = cloud(context, args["cloud"])
    was = (context.results()[args["before"]] if args.get("before") else args.get("was")) or {}
    on = []
    for agent in every_agent(client, args["compute"]):
        before = unmarked(args["plan"], str(agent.get("description") or ""))
        if before is not None:
            body = {"agent": {"admin_state_up": True, "description": before}}
            client("network", "PUT", f"/agents/{agent['id']}", body)
            on.append(agent["id"])
    for network, (mine, other) in was.get("networks", {}).items():
        give(client, mine, NETWORKS, network)
        take(client, other, NETWORKS, network)
    for router, (mine, other) in was.get("added", {}).items():
        give(client, mine, ROUTERS, router)
        take(client, other, ROUTERS, router)
    rescued = [router for router, pair in was.get("routers", {}).items() if _rescued(client, router, pair)]
    return {"on": on, "stay": sorted(was.get("routers", {})), "rescued": rescued}


def _rescued(client: Cloud, router: str, pair: Sequence[str]) -> bool:
    """Whether the router was with no agent, and has one now: of the two, the one that it was to go to first."""
    if serving(client, ROUTERS, router) or not exists(client, ROUTERS, router):
        return False
    mine, other = pair
    try:
        give(client, other, ROUTERS, router)
    except Unavailable:
        raise
    except CloudError:
        give(client, mine, ROUTERS, router)
    return True

"""What a compute host may be beside that, as steps of a plan: its agents of Neutron, and its OSDs.

They are seen to when the host is empty, and taken back when it is returned.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from naru.messages import Message, message
from naru.operate import agents, ceph, osds
from naru.operate.drain.guests import site_name
from naru.plan.model import About, Plan, Step
from naru.plan.queries import StepRow
from naru.site import site as sites

MODULES = [agents.__name__, osds.__name__]
AGENTS_BEFORE, AGENTS, AGENTS_BACK = "agents-before", "agents", "agents-back"
OSDS_BEFORE, OSDS, OSDS_BACK = "osds-before", "osds", "osds-back"
"""What steps are for, and their ids, after a prefix; those of a second Ceph cluster have its name after them."""
PURPOSES = (AGENTS_BEFORE, AGENTS, AGENTS_BACK, OSDS_BEFORE, OSDS, OSDS_BACK)

_AGENTS_BEFORE = message(
    "drain.title.agents_before", en="who does what of {host}'s agents", ko="{host} 에이전트를 대신할 에이전트 선택"
)
_OSDS_BEFORE = message(
    "drain.title.osds_before", en="whether noout holds for {host} is noted", ko="{host}의 noout 상태 기록"
)
_AGENTS = message(
    "drain.title.agents", en="routers and DHCP of {host} elsewhere", ko="{host}의 라우터와 DHCP를 다른 에이전트로 이동"
)
_AGENTS_BACK = message("drain.title.agents_back", en="Neutron's agents of {host} on again", ko="{host} 에이전트 재개")
_OSDS = message(
    "drain.title.osds", en="Ceph bears that {host} goes down", ko="{host} 중단을 Ceph가 감당하는지 확인하고 noout 설정"
)
_OSDS_BACK = message("drain.title.osds_back", en="Ceph has {host} back", ko="{host}의 OSD 복귀 확인")


class Beside:
    """The steps of one host, as Nova calls it, in a plan. `site` is the site's file; `storage` the clusters that it has
    OSDs or a monitor of. Steps count against the limit `group`, and their ids begin with `prefix`."""

    def __init__(
        self, plan: Plan, cloud: str, host: str, site: str, storage: Sequence[str], group: str, prefix: str = ""
    ) -> None:
        self._plan, self._host = plan, host
        self._group, self._prefix = group, prefix
        self._of_agents = {"cloud": cloud, "compute": host}
        self._site, self._storage = site, storage

    def off(self, plan_id: str, together: Sequence[str], after: str) -> str:
        """Adds the steps before the host goes down, as may all hosts `together`; the id of the last."""
        host = self._host
        args: dict[str, Any] = {**self._of_agents, "plan": plan_id, "together": list(together)}
        first = self._add(AGENTS_BEFORE, "agents.choose", args, _AGENTS_BEFORE(host=host), [after])
        last = self._add(AGENTS, "agents.off", {**args, "before": first}, _AGENTS(host=host), [first])
        for name, more in self._clusters():
            args = self._of_osds(name)
            first = self._add(OSDS_BEFORE, "osds.look", args, _OSDS_BEFORE(host=host), [last], more)
            args = {**args, "before": first, "together": [site_name(self._site, one) for one in together]}
            last = self._add(OSDS, "osds.hold", args, _OSDS(host=host), [first], more)
        return last

    def back(self, plan_id: str, after: str) -> str:
        """Adds the steps when the host is back, of the same plan; the id of the last."""
        before = self._prefix + AGENTS
        args = {**self._of_agents, "plan": plan_id, "before": before}
        last = self._add(AGENTS_BACK, "agents.back", args, _AGENTS_BACK(host=self._host), [after, before])
        for name, more in self._clusters():
            before = self._prefix + OSDS + more
            args = {**self._of_osds(name), "before": before}
            last = self._add(OSDS_BACK, "osds.back", args, _OSDS_BACK(host=self._host), [last, before], more)
        return last

    def _clusters(self) -> list[tuple[str, str]]:
        """The names of the clusters, with what the ids of their steps end in."""
        return [(name, f"-{name}" if number else "") for number, name in enumerate(self._storage)]

    def _of_osds(self, storage: str) -> dict[str, Any]:
        return {"host": site_name(self._site, self._host), "site": self._site, "storage": storage}

    def _add(
        self, purpose: str, kind: str, args: Mapping[str, Any], title: Message, after: Sequence[str], more: str = ""
    ) -> str:
        step = _step(self._prefix + purpose + more, kind, args, self._host, self._group, title, purpose)
        return self._plan.add(step, after=dict.fromkeys(after)).id


def storages_of(site: str, host: str) -> list[str]:
    """The names of the Ceph clusters that the host has a part of, by the site in this file."""
    name = site_name(site, host)
    return [one.name for one in ceph.storages_of(sites.load(Path(site)), name)] if name else []


def add_take_back(
    plan: Plan, host: str, begun: Sequence[StepRow], group: str, after: Sequence[str], *, wait: bool
) -> None:
    """Adds to another plan the steps that take back what those `begun` of plans before have done, unless one of them
    has taken that back already: what somebody else has set since is not ours. With `wait` Ceph has to be as it was, and
    networks go back to the agents; without, which is for a host that may be down, only what was switched is, and what
    was left with no agent gets one."""
    agents_off = next((one for one in begun if one.purpose == AGENTS), None)
    if agents_off and not any(one.purpose == AGENTS_BACK and one.state == "done" for one in begun):
        was = agents_off.result or _result(begun, AGENTS_BEFORE, agents_off.args) or {}
        was = was if wait else {"routers": was.get("routers", {})}
        args = {**_named(agents_off, "cloud", "compute", "plan"), "was": was}
        plan.add(
            _step(AGENTS_BACK, "agents.back", args, host, group, _AGENTS_BACK(host=host), AGENTS_BACK), after=after
        )
    for number, one in enumerate(one for one in begun if one.purpose == OSDS):
        mine = [other for other in begun if other.args.get("storage") == one.args["storage"]]
        backs = [other for other in mine if other.purpose == OSDS_BACK]
        was = dict(one.result or {})
        if "ours" not in was:  # killed before it said so
            noted = _result(mine, OSDS_BEFORE, one.args)
            was["ours"] = noted is not None and not noted["held"]
        if any((other.result or {}).get("freed") for other in backs):
            was["ours"] = False
        if any(other.state == "done" for other in backs) or not (was["ours"] or (wait and was.get("up"))):
            continue
        args = {**_named(one, "host", "site", "storage"), "was": was if wait else {"ours": True}}
        identity = f"{OSDS_BACK}-{one.args['storage']}" if number else OSDS_BACK
        plan.add(_step(identity, "osds.back", args, host, group, _OSDS_BACK(host=host), OSDS_BACK), after=after)


def _result(begun: Sequence[StepRow], purpose: str, args: Mapping[str, Any]) -> dict[str, Any] | None:
    """The result of the step before, which one with these arguments goes by."""
    return next((one.result for one in begun if one.purpose == purpose and one.id == args.get("before")), None)


def _named(step: StepRow, *names: str) -> dict[str, Any]:
    return {name: step.args[name] for name in names}


def _step(
    identity: str, kind: str, args: Mapping[str, Any], host: str, group: str, title: Message, purpose: str
) -> Step:
    return Step(identity, kind, args, host, (group,), title=title, about=About("host", host, host), purpose=purpose)

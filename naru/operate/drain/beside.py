"""What a compute host may be beside that, as steps of a plan: its agents of Neutron, and its OSDs.

They are seen to when the host is empty, and taken back when it is returned.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from naru.messages import Message, message
from naru.operate import agents, osds
from naru.operate.drain.guests import site_name
from naru.plan.model import About, Plan, Step
from naru.plan.queries import StepRow
from naru.site import site as sites

MODULES = [agents.__name__, osds.__name__]
AGENTS, OSDS, AGENTS_BACK, OSDS_BACK = "agents", "osds", "agents-back", "osds-back"
"""What steps are for, and their ids, after a prefix."""

_AGENTS = message(
    "drain.title.agents", en="routers and DHCP of {host} elsewhere", ko="{host}의 라우터와 DHCP를 다른 에이전트로 이동"
)
_AGENTS_BACK = message("drain.title.agents_back", en="Neutron's agents of {host} on again", ko="{host} 에이전트 재개")
_OSDS = message(
    "drain.title.osds", en="Ceph bears that {host} goes down", ko="{host} 중단을 Ceph가 감당하는지 확인하고 noout 설정"
)
_OSDS_BACK = message("drain.title.osds_back", en="Ceph has {host} back", ko="{host}의 OSD 복귀 확인")


class Beside:
    """The steps of one host, as Nova calls it, in a plan. `site` is the site's file; `storage` the cluster that it has
    OSDs or a monitor of, "" for none. Steps count against the limit `group`, and their ids begin with `prefix`."""

    def __init__(
        self, plan: Plan, cloud: str, host: str, site: str, storage: str, group: str, prefix: str = ""
    ) -> None:
        self._plan, self._host = plan, host
        self._group, self._prefix = group, prefix
        self._of_agents = {"cloud": cloud, "compute": host}
        self._site, self._storage = site, storage

    def off(self, plan_id: str, together: Sequence[str], after: str) -> str:
        """Adds the steps before the host goes down, as may all hosts `together`; the id of the last."""
        args: dict[str, Any] = {**self._of_agents, "plan": plan_id, "together": list(together)}
        last = self._add(AGENTS, "agents.off", args, _AGENTS(host=self._host), [after])
        if self._storage:
            args = {**self._of_osds(), "together": [site_name(self._site, host) for host in together]}
            last = self._add(OSDS, "osds.hold", args, _OSDS(host=self._host), [last])
        return last

    def back(self, plan_id: str, after: str) -> str:
        """Adds the steps when the host is back, of the same plan; the id of the last."""
        before = self._prefix + AGENTS
        args = {**self._of_agents, "plan": plan_id, "before": before}
        last = self._add(AGENTS_BACK, "agents.back", args, _AGENTS_BACK(host=self._host), [after, before])
        if self._storage:
            before = self._prefix + OSDS
            args = {**self._of_osds(), "before": before}
            last = self._add(OSDS_BACK, "osds.back", args, _OSDS_BACK(host=self._host), [last, before])
        return last

    def _of_osds(self) -> dict[str, Any]:
        return {"host": site_name(self._site, self._host), "site": self._site, "storage": self._storage}

    def _add(self, purpose: str, kind: str, args: Mapping[str, Any], title: Message, after: Sequence[str]) -> str:
        step = _step(self._prefix + purpose, kind, args, self._host, self._group, title, purpose)
        return self._plan.add(step, after=dict.fromkeys(after)).id


def storage_of(site: str, host: str) -> str:
    """The name of the Ceph cluster that the host has a part of, by the site in this file; "" for none."""
    name = site_name(site, host)
    found = osds.storage_of(sites.load(Path(site)), name) if name else None
    return found.name if found else ""


def add_take_back(
    plan: Plan, host: str, begun: Sequence[StepRow], group: str, after: Sequence[str], *, wait: bool
) -> None:
    """Adds to another plan the steps that take back what those `begun` of a plan before have done, unless that was
    taken back already. With `wait` Ceph has to be as it was, and networks go back to the agents; without, which is for
    a host that may be down, only what was switched is."""
    over = {one.purpose for one in begun if one.state == "done"}
    for one in begun:
        was = one.result or {}
        if one.purpose == AGENTS and AGENTS_BACK not in over:
            args = {**_named(one, "cloud", "compute", "plan"), "was": was if wait else {}}
            title = _AGENTS_BACK(host=host)
            plan.add(_step(AGENTS_BACK, "agents.back", args, host, group, title, AGENTS_BACK), after=after)
        elif one.purpose == OSDS and OSDS_BACK not in over and (was.get("ours") or (wait and was.get("up"))):
            args = {**_named(one, "host", "site", "storage"), "was": was if wait else {"ours": True}}
            title = _OSDS_BACK(host=host)
            plan.add(_step(OSDS_BACK, "osds.back", args, host, group, title, OSDS_BACK), after=after)


def _named(step: StepRow, *names: str) -> dict[str, Any]:
    return {name: step.args[name] for name in names}


def _step(
    identity: str, kind: str, args: Mapping[str, Any], host: str, group: str, title: Message, purpose: str
) -> Step:
    return Step(identity, kind, args, host, (group,), title=title, about=About("host", host, host), purpose=purpose)

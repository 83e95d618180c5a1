"""A load balancer with all that is in it, made by one request. Nothing in it bears a mark: a listener is known by its
protocol and port, a pool by its name, a member by address and port, a policy by its place, a rule by what it says. What
Octavia does later (the names of pools, the owner of the VIP's port) is done one after the other, for it takes one
request of a load balancer at a time."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from naru.actions.arguments import Id, resolve
from naru.actions.clouds import RETRY, cloud, deadline, get, polling
from naru.actions.create import Create, make
from naru.actions.request import Part
from naru.cloud.client import Cloud, CloudError
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.kinds import step

SERVICE, PATH, WRAP = "load-balancer", "/lbaas/loadbalancers", "loadbalancer"
MORE = 0.05
"""Seconds that Octavia may take for each thing in it to answer, while a killed request goes on."""


class Vip(Part):
    """The port of its VIP: `owner` is what it says to be of when the load balancer is there; `named` whether it has the
    name that Octavia gives it."""

    port: Id
    owner: str
    named: bool


class InsidePool(Part):
    """A pool: its old `id`, its `name` in the request, and what it is `called`; the old ids of its members, by address
    and port, and of its monitor."""

    id: str
    name: str
    called: str
    members: dict[str, str]
    monitor: str


class Rule(Part):
    """A rule: its old `id`, and the `fields` by which it is known."""

    id: str
    fields: dict[str, Any]


class Policy(Part):
    """An L7 policy: its old `id`, that of the `pool` that it leads to, and its rules."""

    id: str
    pool: str
    rules: list[Rule]


class InsideListener(Part):
    """A listener: its old `id`, its protocol and port, the old id of its `pool`, and its policies in their order."""

    id: str
    protocol: str
    port: int
    pool: str
    policies: list[Policy]


class Inside(Part):
    """What is in a load balancer."""

    pools: list[InsidePool]
    listeners: list[InsideListener]


class LoadBalancer(Create):
    """A load balancer as `Create` makes it; `inside` is what is in it, `vip` the port of its VIP where that is
    Octavia's own."""

    step_kind: ClassVar[str] = "move.load_balancer"

    inside: Inside
    vip: Vip | None = None


@step("move.load_balancer", args=LoadBalancer, undo="cloud.delete", retry=RETRY, deadline=deadline)
def load_balancer(context: Context) -> dict[str, Any]:
    """Makes a load balancer with all that is in it as `cloud.create` does, or finds it. Then it gives pools their
    names, and Octavia the port of the VIP. `parts` of the result has the new id of everything in it, by the old one.
    `inside`: how what is in it is known; `vip`: that port, and whose it is to be."""
    if context.attempt > 1:
        context.sleep(MORE * _count(context.args["inside"]))
    made = make(context)
    args = resolve(context.args, context.results(), context)
    admin, inside = cloud(context, args["cloud"]), args["inside"]
    there = _There(admin, str(made["id"]), args["body"]["project_id"])
    pools = there.pools(inside)
    parts = {**pools, **there.in_pools(inside["pools"], pools), **there.in_listeners(inside["listeners"])}
    if vip := args.get("vip"):
        body = {"device_owner": vip["owner"], "device_id": f"lb-{made['id']}"}
        body |= {"name": f"octavia-lb-{made['id']}"} if vip["named"] else {}
        admin("network", "PUT", f"/ports/{vip['port']}", {"port": body})
    for one in inside["pools"]:
        if one["called"] != one["name"]:
            _rename(context, admin, there.id, pools[one["id"]], one["called"])
    return {**made, "parts": parts}


def _count(inside: Mapping[str, Any]) -> int:
    policies = [one for row in inside["listeners"] for one in row["policies"]]
    rows = [*inside["pools"], *inside["listeners"], *policies]
    return len(rows) + sum(len(row.get("members") or row.get("rules") or ()) for row in rows)


def _rename(context: Context, admin: Cloud, balancer: str, pool: str, name: str) -> None:
    """Gives a pool its name, and waits until Octavia has done so."""
    for _ in polling(context):
        try:
            admin(SERVICE, "PUT", f"/lbaas/pools/{pool}", {"pool": {"name": name}})
        except CloudError as error:
            if error.status != 409:  # it is still at work
                raise
        else:
            break
    for _ in polling(context):
        now = get(admin, SERVICE, f"{PATH}/{balancer}", WRAP)
        if now is None or now["provisioning_status"] in ("ACTIVE", "ERROR"):
            return


class _There:
    """What is in a load balancer of the new cloud."""

    def __init__(self, admin: Cloud, identity: str, project: str) -> None:
        self._admin = admin
        self.id = identity
        self._project = project
        self._listeners = {(row["protocol"], row["protocol_port"]): row for row in self._mine("listeners")}
        mine = {row["id"] for row in self._listeners.values()}
        self._monitors: dict[str, str] = {}
        self._policies: dict[str, list[dict[str, Any]]] = {}
        # Octavia's first releases filter no list by what it is in
        for row in sorted(self._all("l7policies"), key=lambda row: int(row["position"])) if mine else ():
            if row["listener_id"] in mine:
                self._policies.setdefault(row["listener_id"], []).append(row)

    def _all(self, collection: str) -> Iterator[dict[str, Any]]:
        return self._admin.items(SERVICE, f"/lbaas/{collection}?project_id={self._project}", collection)

    def _mine(self, collection: str) -> list[dict[str, Any]]:
        return [
            row for row in self._all(collection) if self.id in [one["id"] for one in row.get("loadbalancers") or []]
        ]

    # -- pools

    def pools(self, inside: Mapping[str, Any]) -> dict[str, str]:
        """The new ids of its pools, by the old ones."""
        there, found = {row["id"]: row for row in self._mine("pools")}, {}
        for one in inside["pools"]:
            named = [row for row in there.values() if row["name"] == one["name"]]
            # of those that an attempt before has given one name: the one with the same users and members
            named = named or [row for row in there.values() if row["name"] == one["called"]]
            if len(named) > 1:
                users = _users(inside["listeners"], one["id"])
                named = [row for row in named if self._used(row["id"]) == users] or named
            if len(named) > 1:
                named = [row for row in named if self._members(row["id"]).keys() == one["members"].keys()] or named
            if not named:
                raise _lacking("pool", one["called"] or one["id"], self.id)
            found[one["id"]] = str(there.pop(named[0]["id"])["id"])
            self._monitors[found[one["id"]]] = str(named[0].get("healthmonitor_id") or "")
        return found

    def _used(self, pool: str) -> set[tuple[Any, ...]]:
        """Whose the pool is: listeners by protocol and port, policies by their place."""
        used: set[tuple[Any, ...]] = {key for key, row in self._listeners.items() if row.get("default_pool_id") == pool}
        for key, row in self._listeners.items():
            for place, policy in enumerate(self._policies.get(row["id"], ())):
                if policy.get("redirect_pool_id") == pool:
                    used.add((*key, place))
        return used

    def _members(self, pool: str) -> dict[str, str]:
        items = self._admin.items(SERVICE, f"/lbaas/pools/{pool}/members", "members")
        return {f"{row['address']} {row['protocol_port']}".lower(): str(row["id"]) for row in items}

    def in_pools(self, pools: list[dict[str, Any]], new: Mapping[str, str]) -> dict[str, str]:
        """The new ids of members and monitors, by the old ones. `new` are those of the pools."""
        parts = {}
        for one in pools:
            here = new[one["id"]]
            if one["monitor"] and self._monitors[here]:
                parts[one["monitor"]] = self._monitors[here]
            there = self._members(here) if one["members"] else {}
            parts |= {old: there[key] for key, old in one["members"].items() if key in there}
        return parts

    # -- listeners

    def in_listeners(self, listeners: list[dict[str, Any]]) -> dict[str, str]:
        """The new ids of the listeners, and of all that is in them, by the old ones."""
        parts = {}
        for one in listeners:
            here = self._listeners.get((one["protocol"], one["port"]))
            if here is None:
                raise _lacking("listener", f"{one['protocol']}:{one['port']}", self.id)
            parts[one["id"]] = str(here["id"])
            there = self._policies.get(here["id"], [])
            if len(there) < len(one["policies"]):
                raise _lacking("L7 policy", one["policies"][len(there)]["id"], self.id)
            for policy, row in zip(one["policies"], there, strict=False):
                parts[policy["id"]] = str(row["id"])
                if policy["rules"]:
                    parts |= self._rules(row["id"], policy["rules"])
        return parts

    def _rules(self, policy: str, rules: list[dict[str, Any]]) -> dict[str, str]:
        there, parts = list(self._admin.items(SERVICE, f"/lbaas/l7policies/{policy}/rules", "rules")), {}
        for one in rules:
            found = next((row for row in there if one["fields"].items() <= row.items()), None)
            if found is None:
                raise _lacking("L7 rule", one["id"], self.id)
            there.remove(found)  # another one may say the same
            parts[one["id"]] = str(found["id"])
        return parts


def _users(listeners: list[dict[str, Any]], pool: str) -> set[tuple[Any, ...]]:
    """As `_There._used`, of the pool with that old id."""
    used: set[tuple[Any, ...]] = {(one["protocol"], one["port"]) for one in listeners if one["pool"] == pool}
    for one in listeners:
        for place, policy in enumerate(one["policies"]):
            if policy["pool"] == pool:
                used.add((one["protocol"], one["port"], place))
    return used


def _lacking(kind: str, name: str, balancer: str) -> PlanError:
    return PlanError(
        f"load balancer {balancer} was made without its {kind} {name}",
        hint="Somebody may have deleted it: delete the load balancer on the new cloud, then: naru plan retry.",
    )

"""What is left behind with a thing: everything that exists only for it, and everything that cannot be without it.

It follows from what the plan's steps refer to, and from what belongs together on the old cloud. A step that refers to
what is left goes with it, and so does the thing that it makes; but for what steps can do without: a port is made
without a security group that is left (`Kind.dispensable`), and a step of several requests without those that name it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from naru.errors import InputError
from naru.inventory.rows import Row
from naru.messages import say
from naru.move.decisions import Decision
from naru.move.facts import Side, boots_from_volume, disks
from naru.move.kinds import BY_NAME, load_balancer
from naru.move.kinds.flavor import flavor_id
from naru.move.kinds.port import INTERFACES
from naru.move.left import Key
from naru.plan.arguments import REF, references
from naru.plan.model import Plan, Step

CALLS = ("cloud.call", "cloud.final")
FINAL = "cloud.final"
KEPT = "move.content.kept"
SWEEP = "move.sweep"
"""It passes over what was not made by itself."""


@dataclass
class Leaving:
    """What is left: `things`, each with the one that it goes with (itself for what was asked for), and `steps`, each
    with the thing that it is of; the `args` of steps that stay but are asked for less, and of the things that these are
    about, what each is made `without`, by the field. `users` are the steps that would use what is left if it were
    there: where they did, it cannot be taken away."""

    things: dict[Key, Key] = field(default_factory=dict)
    steps: dict[str, Key] = field(default_factory=dict)
    args: dict[str, dict[str, Any]] = field(default_factory=dict)
    without: dict[Key, dict[str, Key]] = field(default_factory=dict)
    users: dict[str, set[Key]] = field(default_factory=dict)

    def along(self) -> dict[Key, Key]:
        """What was not asked for, with what was."""
        return {key: root for key, root in self.things.items() if key != root}


def leaving(plan: Plan, decisions: Collection[Decision], old: Side, asked: Iterable[Key]) -> Leaving:
    """What is left of the plan (whole, without rollbacks) with the things `asked` for. Raises InputError when a whole
    project would be."""
    return _Closure(plan, decisions, old).of(asked)


class _Closure:
    def __init__(self, plan: Plan, decisions: Collection[Decision], old: Side) -> None:
        self._old = old
        self._steps = {step.id: step for step in plan.steps}
        self._befores = plan.befores()
        self._names = {Key(one.kind, one.id): one.name or one.id for one in decisions}
        made = [one for one in decisions if one.decision == "create" and one.step]
        self._moved = {Key(one.kind, one.id) for one in made}
        self._maker: dict[str, Key] = {}
        for one in made:  # a step that makes several is that of the first
            self._maker.setdefault(one.step, Key(one.kind, one.id))
        self._of: dict[Key, list[str]] = {}
        self._referrers: dict[str, list[str]] = {}
        for step in plan.steps:
            if step.about:
                self._of.setdefault(Key(step.about.kind, step.about.id), []).append(step.id)
            for name in dict.fromkeys(references(step.args)):
                self._referrers.setdefault(name, []).append(step.id)
        for id, key in self._maker.items():
            self._of.setdefault(key, []).append(id)
        self._found = Leaving()
        self._queue: list[Key] = []
        self._touched: dict[str, None] = {}

    def of(self, asked: Iterable[Key]) -> Leaving:
        # one that was asked for is told as such, also when it goes with another
        for key in asked:
            self._leave(key, key)
        while self._queue or self._touched:
            while self._queue:
                key = self._queue.pop(0)
                for step in self._of.get(key, ()):
                    self._drop(step, key)
                for other in _companions(self._old, key):
                    if other in self._moved:
                        self._leave(other, self._found.things[key])
                self._unname(key)
                for step in self._made_as(key):
                    self._drop(step, key)
            touched, self._touched = self._touched, {}
            for id in touched:
                if id not in self._found.steps:
                    self._lessen(self._steps[id])
        return self._found

    def _leave(self, key: Key, root: Key) -> None:
        if key in self._found.things:
            return
        if key.kind == "project":
            name = self._names.get(key, key.id)
            raise InputError(
                f"the whole project {name} would be left with that",
                detail=f"{root.kind} {self._names.get(root, root.id)}" if root != key else "",
                hint=f"A project is left by rolling it back: naru move rollback DIR --project {name}",
            )
        self._found.things[key] = root
        self._queue.append(key)

    def _drop(self, id: str, key: Key) -> None:
        """The step is left, as one of the thing."""
        if id in self._found.steps:
            return
        self._found.steps[id] = key
        self._found.args.pop(id, None)
        if id in self._maker:
            self._leave(self._maker[id], self._found.things[key])
        self._touched |= dict.fromkeys(self._referrers.get(id, ()))

    def _lessen(self, step: Step) -> None:
        """What becomes of a step that refers to what is left."""
        gone = self._found.steps
        lost = [gone[name] for name in references(step.args) if name in gone]
        if not lost or step.kind == SWEEP:
            return
        lesser = _Lesser(gone, BY_NAME[step.about.kind].dispensable if step.about else ())
        args = lesser.args(step)
        if args is None or any(name in gone for name in references(_needed(args))):
            if step.about and step.id not in self._maker:
                self._lose(step, say(step.title), lost[0])
            self._drop(step.id, lost[0])
            self._without_interface(step)
            return
        if args != step.args:
            self._found.args[step.id] = args
        if lesser.lost:
            self._found.users.setdefault(step.id, set()).update(lesser.lost.values())
            for name, key in lesser.lost.items():
                self._lose(step, name, key)

    def _lose(self, step: Step, name: str, key: Key) -> None:
        if step.about:
            about = Key(step.about.kind, step.about.id)
            if about not in self._found.things:
                self._found.without.setdefault(about, {})[name] = key

    # -- what no reference says

    def _made_as(self, key: Key) -> Iterator[str]:
        """The steps that make things as a user who may do so by the role assignment `key` alone."""
        if key.kind == "role assignment":
            own = set(self._of.get(key, ()))
            for id in self._maker:
                if self._steps[id].args.get("actor") and own & set(self._befores.get(id, ())):
                    yield id

    def _unname(self, key: Key) -> None:
        """Servers name their key pair by its name."""
        row = self._old.all(key.kind).get(key.id) if key.kind == "key pair" else None
        if row is None:
            return
        for server in self._old.by("server", "key_name", row.name):
            step = self._steps.get(f"server/{server.id}")
            if server.body.get("user_id") == row.body.get("user_id") and step and step.id not in self._found.steps:
                args = self._found.args.get(step.id, step.args)
                body = {name: value for name, value in args["body"].items() if name != "key_name"}
                self._found.args[step.id] = {**args, "body": body}
                self._lose(step, "key_name", key)

    def _without_interface(self, step: Step) -> None:
        """A router has no route over an interface that it does not get."""
        if not step.about or step.about.kind != "router" or Key("router", step.about.id) in self._found.things:
            return
        for name in references(step.args):
            port = self._maker.get(name)
            row = self._old.all("port").get(port.id) if port and port.kind == "port" else None
            if port is None or row is None:
                continue
            nets = [self._old.all("subnet")[one["subnet_id"]].body["cidr"] for one in row.body.get("fixed_ips", [])]
            for id in self._of[Key("router", step.about.id)]:
                if id not in self._found.steps and (
                    args := _less_routes(self._found.args.get(id) or self._steps[id].args, nets)
                ):
                    self._found.args[id] = args
                    self._lose(self._steps[id], "routes", port)


def _less_routes(args: Mapping[str, Any], nets: Collection[str]) -> dict[str, Any] | None:
    """The arguments of a call without routes whose next hop is on one of the networks; None where there is none."""
    changed = False
    requests = []
    for request in args.get("requests", ()):
        routes = ((request.get("body") or {}).get("router") or {}).get("routes")
        if routes:
            left = [hop for hop in routes if not any(ip_address(hop["nexthop"]) in ip_network(net) for net in nets)]
            changed = changed or left != routes
            request = {**request, "body": {"router": {**request["body"]["router"], "routes": left}}}
        requests.append(request)
    return {**args, "requests": requests} if changed else None


def _needed(args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments without requests that are left out by themselves when what they refer to was skipped."""
    requests = [one for one in args.get("requests", ()) if not one.get("optional")]
    return {**args, "requests": requests}


class _Lesser:
    """Makes arguments without what is `gone` (steps, with their things); `lost` has, by field, what was taken out that
    would be used."""

    def __init__(self, gone: Mapping[str, Key], dispensable: Iterable[str]) -> None:
        self._gone = gone
        self._dispensable = dispensable
        self.lost: dict[str, Key] = {}

    def args(self, step: Step) -> dict[str, Any] | None:
        """The step's; None when there is nothing left to be done."""
        args: dict[str, Any] = self._with_old_images(step.args)
        for path in self._dispensable:
            steps = path.split(".")
            args = self._less(args, steps, [step for step in steps if step != "*"][-1] if steps[0] != "find" else "")
        if step.kind in CALLS:
            for name in ("requests", "undo"):
                if name in args:
                    args[name] = [one for one in args[name] if one.get("optional") or not self._names_gone(one)]
            if not args["requests"] and step.kind != FINAL:
                return None
        if step.kind == KEPT:
            args["volumes"] = [one for one in args["volumes"] if not self._names_gone(one)]
        return args

    def _names_gone(self, value: Any) -> Key | None:
        return next((self._gone[name] for name in references(value) if name in self._gone), None)

    def _less(self, value: Any, path: list[str], called: str) -> Any:
        """The value without what is at the path and names something that is gone: the field `called` so, "" for what
        nobody misses. A mapping that holds nothing else goes as well."""
        first, rest = path[0], path[1:]
        if first == "*" and isinstance(value, list):
            if rest:
                return [self._less(one, rest, called) for one in value]
            left = []
            for one in value:
                if key := self._names_gone(one):
                    self._lose(called, key)
                else:
                    left.append(one)
            return left
        if not isinstance(value, Mapping) or first not in value:
            return value
        found = dict(value)
        if rest:
            found[first] = self._less(found[first], rest, called)
            if found[first] == {} and value[first] != {}:
                del found[first]
        elif key := self._names_gone(found[first]):
            self._lose(called, key)
            del found[first]
        return found

    def _lose(self, called: str, key: Key) -> None:
        if called:
            self.lost[called] = key

    def _with_old_images(self, value: Any, path: tuple[str, ...] = ()) -> Any:
        """What an image has left with a volume names that of the old cloud, as of an image that is not moved."""
        if isinstance(value, Mapping):
            if path[-2:] == ("metadata", "image_id") and value.get(REF) in self._gone:
                return self._gone[value[REF]].id
            return {name: self._with_old_images(one, (*path, name)) for name, one in value.items()}
        if isinstance(value, list):
            return [self._with_old_images(one, path) for one in value]
        return value


# -- what belongs together on the old cloud


def _companions(old: Side, key: Key) -> Iterator[Key]:
    """What is left with a thing although no step says so: what exists only for it, and what it has in use there."""
    row = old.all(key.kind).get(key.id)
    if row is not None and (found := _COMPANIONS.get(key.kind)):
        for other in found(old, row):
            yield Key(other.kind, other.id)


def _of_server(old: Side, row: Row) -> Iterator[Row]:
    """Its ports, and its volumes: the server on the old cloud goes on writing to them."""
    yield from (port for port in old.attached(row.id) if str(port.body.get("device_owner")).startswith("compute:"))
    yield from (volume for volume, _ in disks(old, row))
    yield from old.by("volume", "attachments.*.server_id", row.id)


def _of_port(old: Side, row: Row) -> Iterator[Row]:
    """The addresses that lead to it; of a router's interface, those that lead through it."""
    yield from old.by("floating IP", "port_id", row.id)
    if row.body.get("device_owner") in INTERFACES:
        for address in old.by("floating IP", "router_id", str(row.body.get("device_id"))):
            port = old.all("port").get(str(address.body.get("port_id")))
            if port and port.body["network_id"] == row.body["network_id"]:
                yield address


def _of_router(old: Side, row: Row) -> Iterator[Row]:
    """Its interfaces, and the addresses behind it."""
    yield from (port for port in old.attached(row.id) if port.body.get("device_owner") in INTERFACES)
    yield from old.by("floating IP", "router_id", row.id)


def _of_trunk(old: Side, row: Row) -> Iterator[Row]:
    """Its subports."""
    known = old.all("port")
    yield from (known[sub["port_id"]] for sub in row.body.get("sub_ports", []) if sub["port_id"] in known)


def _of_image_member(old: Side, row: Row) -> Iterator[Row]:
    """The servers of the project that were booted from the image."""
    for server in old.by("server", "image.id", row.body["image_id"]):
        if server.project == row.body["member_id"] and not boots_from_volume(old, server):
            yield server


def _of_flavor_access(old: Side, row: Row) -> Iterator[Row]:
    """The servers of the project that have the flavor."""
    for server in old.of("server", row.body["tenant_id"]):
        if flavor_id(old, server) == row.body["flavor_id"]:
            yield server


def _of_rbac_policy(old: Side, row: Row) -> Iterator[Row]:
    """The ports that others have on the network that it shares with them."""
    for port in old.by("port", "network_id", row.body["object_id"]):
        if port.project != row.project and row.body["target_tenant"] in ("*", port.project):
            yield port


def _of_load_balancer(old: Side, row: Row) -> Iterator[Row]:
    """All that is made with it."""
    yield from load_balancer.parts(old, row)


def _whole_load_balancer(old: Side, row: Row) -> Iterator[Row]:
    """The load balancer that it is made with: nothing of one is made alone."""
    yield from load_balancer.whole(old, row)


_COMPANIONS: Mapping[str, Callable[[Side, Row], Iterator[Row]]] = {
    "server": _of_server,
    "port": _of_port,
    "router": _of_router,
    "trunk": _of_trunk,
    "image member": _of_image_member,
    "flavor access": _of_flavor_access,
    "RBAC policy": _of_rbac_policy,
    "load balancer": _of_load_balancer,
    **dict.fromkeys(load_balancer.PARTS, _whole_load_balancer),
}

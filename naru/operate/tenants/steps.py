"""Step kinds that only declared tenants have: passwords of new users, rules of security groups, interfaces."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from naru.actions.arguments import Id, resolve
from naru.actions.clouds import RETRY, SETTLE, cloud, remove
from naru.actions.create import Create, delete, there_now
from naru.actions.create import make as make_or_find
from naru.actions.request import Action
from naru.cloud.client import Cloud, CloudError, Unavailable
from naru.errors import NaruError
from naru.inventory.security_group_rules import same_rule
from naru.operate.tenants.contents import delete_unfilled
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.kinds import step
from naru.site.secret import Secret

DEADLINE = 600.0
NETWORK = "network"
ADOPTED, REFUSED = "adopted", "refused"
"""In a result: that somebody else made the thing; that the service would not make it."""
FORGOTTEN = 1.0
"""Seconds after which what a step has saved is on disk."""


# -- things, found by their names


class Make(Create):
    """As `Create`; what is found by is a name, and not a mark of ours."""

    step_kind: ClassVar[str] = "tenant.create"


@step("tenant.create", args=Make, undo="tenant.delete", retry=RETRY, deadline=DEADLINE)
def make(context: Context) -> dict[str, Any]:
    """As `cloud.create`. What somebody else has made by this name since the cloud was read is taken as it is, and is
    not deleted by a rollback; nor is what somebody makes after the service has refused it to us."""
    if context.earlier:  # refused before: that is no longer known, since the next request may be granted
        context.save(None)
        context.sleep(FORGOTTEN)
    if context.attempt == 1 and (found := there_now(context)):
        return {**found, ADOPTED: True}
    try:
        return make_or_find(context)
    except CloudError as error:
        refused = not isinstance(error, Unavailable) and 400 <= error.status < 500
        if refused and context.attempt == 1 and error.status == 409 and (found := there_now(context)):
            return {**found, ADOPTED: True}
        if refused:
            context.save({REFUSED: True})
        raise


@step("tenant.delete", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=DEADLINE, here=True)
def unmake(context: Context) -> dict[str, Any]:
    """Deletes what a `tenant.create` made."""
    done, args = context.undone.result, context.undone.args
    if done is None and "ids" in args["find"]:
        return {"deleted": delete_unfilled(context, args, args["find"]["ids"])}
    return {"deleted": 0} if done and (done.get(ADOPTED) or done.get(REFUSED)) else delete(context)


# -- passwords


class SetPassword(Action):
    """The password of the new `user`, called `name`: the content of `file`, or what `command` prints, both from
    `directory` on."""

    step_kind: ClassVar[str] = "tenant.password"

    user: Id
    name: str
    directory: str
    file: str = ""
    command: str = ""


@step("tenant.password", args=SetPassword, no_undo="it goes with its user", retry=RETRY, deadline=DEADLINE)
def set_password(context: Context) -> None:
    """Gives a new user the password that the file names."""
    args = resolve(context.args, context.results(), context)
    secret = Secret(**{name: args[name] for name in ("file", "command") if args.get(name)})
    found = secret.read(Path(args["directory"]), f"the password of user {args['name']}")
    context.hide(found)
    cloud(context, args["cloud"])("identity", "PATCH", f"/users/{args['user']}", {"user": {"password": found}})


# -- security groups


class DefaultGroup(Action):
    """The security group `default` of a `project` that has none yet."""

    step_kind: ClassVar[str] = "tenant.default_group"

    project: Id


@step("tenant.default_group", args=DefaultGroup, undo="tenant.default_group.delete", retry=RETRY, deadline=DEADLINE)
def default_group(context: Context) -> dict[str, Any]:
    """Finds the security group `default` of a project; Neutron makes it when it is asked for that project's groups."""
    args = resolve(context.args, context.results(), context)
    found = _default(cloud(context, args["cloud"]), args["project"])
    if not found:
        raise NaruError("Neutron has made no security group default for the project", hint="Retry the step.")
    return {"id": found[0]}


@step(
    "tenant.default_group.delete", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=DEADLINE, here=True
)
def default_group_delete(context: Context) -> None:
    """Deletes the default group, which only an administrator may; Neutron makes it anew when it is needed."""
    if context.undone.result:
        found = context.undone.result["id"]
        remove(context, cloud(context, context.undone.args["cloud"]), NETWORK, f"/security-groups/{found}")


def _default(client: Cloud, project: str) -> list[str]:
    # older Neutrons make it for who is asked for as tenant_id; asked by project_id they make that of who asks
    listed = client.items(NETWORK, f"/security-groups?tenant_id={project}", "security_groups")
    return [group["id"] for group in listed if group["name"] == "default"]


class Rules(Action):
    """Rules that the security group `group` of `project` gets, and those it loses, in Neutron's form. With `whole` all
    others go, too: those that Neutron puts into a new group."""

    step_kind: ClassVar[str] = "tenant.rules"

    group: Id
    project: Id
    add: list[dict[str, Any]]
    drop: list[dict[str, Any]] = []
    whole: bool = False


@step("tenant.rules", args=Rules, undo="tenant.rules.undo", retry=RETRY, deadline=DEADLINE)
def rules(context: Context) -> dict[str, Any]:
    """Adds rules to a security group, and takes rules away."""
    args = resolve(context.args, context.results(), context)
    _make(context, args, args["add"], args.get("drop", []), whole=args.get("whole", False))
    return {name: args.get(name) for name in ("group", "project", "add", "drop")}


@step("tenant.rules.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=DEADLINE, here=True)
def rules_undo(context: Context) -> None:
    """Takes added rules away again, and puts back what was taken."""
    args = context.undone.args
    if args.get("whole"):
        return  # they go with the group
    done = context.undone.result or resolve(args, context.undone.results, context)
    _make(context, {**done, "cloud": args["cloud"]}, done.get("drop") or [], done["add"])


def _make(
    context: Context,
    args: Mapping[str, Any],
    add: Iterable[Mapping[str, Any]],
    drop: Iterable[Mapping[str, Any]],
    *,
    whole: bool = False,
) -> None:
    client, group = cloud(context, args["cloud"]), args["group"]
    wanted: dict[tuple[Any, ...], Mapping[str, Any]] = {_key(rule): rule for rule in add}
    unwanted = {_key(rule) for rule in drop}
    for rule in client.items(NETWORK, f"/security-group-rules?security_group_id={group}", "security_group_rules"):
        key = _key(rule)
        if key in wanted:
            del wanted[key]
        elif whole or key in unwanted:
            remove(context, client, NETWORK, f"/security-group-rules/{rule['id']}")
    for missing in wanted.values():
        body = {**missing, "security_group_id": group, "project_id": args["project"]}
        try:
            client(NETWORK, "POST", "/security-group-rules", {"security_group_rule": body}, again=True)
        except CloudError as error:
            if error.status != 409 or "quota" in (error.detail or "").lower():
                raise


def _key(rule: Mapping[str, Any]) -> tuple[Any, ...]:
    return (*same_rule(rule), rule.get("description") or "")


# -- routers


class Interface(Action):
    """An interface of `router` on `subnet` of `network`: with the subnet's gateway address, or with `address`.
    `project` owns the router."""

    step_kind: ClassVar[str] = "tenant.interface"

    router: Id
    subnet: Id
    network: Id
    project: Id
    address: str = ""


class NoInterface(Interface):
    """The same taken away."""

    step_kind: ClassVar[str] = "tenant.no_interface"


@step("tenant.interface", args=Interface, undo="tenant.interface.undo", retry=RETRY, deadline=DEADLINE)
def interface(context: Context) -> dict[str, Any]:
    """Adds an interface to a router."""
    args = resolve(context.args, context.results(), context)
    if context.attempt > 1:  # the request of a process that was killed goes on
        context.sleep(SETTLE)
    _add(cloud(context, args["cloud"]), args)
    return dict(args)


@step("tenant.no_interface", args=NoInterface, undo="tenant.no_interface.undo", retry=RETRY, deadline=DEADLINE)
def no_interface(context: Context) -> dict[str, Any]:
    """Takes an interface from a router."""
    args = resolve(context.args, context.results(), context)
    _take(cloud(context, args["cloud"]), args)
    return dict(args)


@step("tenant.interface.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=DEADLINE, here=True)
def interface_undo(context: Context) -> None:
    """Takes the interface from the router again."""
    args = context.undone.result or resolve(context.undone.args, context.undone.results, context)
    if not context.undone.result:
        context.sleep(SETTLE)
    _take(cloud(context, args["cloud"]), args)


@step("tenant.no_interface.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=DEADLINE, here=True)
def no_interface_undo(context: Context) -> None:
    """Gives the router its interface again."""
    args = context.undone.result or resolve(context.undone.args, context.undone.results, context)
    _add(cloud(context, args["cloud"]), args)


def _add(client: Cloud, args: Mapping[str, Any]) -> None:
    if _interface(client, args):
        return
    path = f"/routers/{args['router']}/add_router_interface"
    if not args.get("address"):
        client(NETWORK, "PUT", path, {"subnet_id": args["subnet"]})
        return
    free = _free(client, args)
    if not free:
        body = {
            "network_id": args["network"],
            "project_id": args["project"],
            "fixed_ips": [{"subnet_id": args["subnet"], "ip_address": args["address"]}],
            "name": _mark(args),
        }
        free = client(NETWORK, "POST", "/ports", {"port": body})["port"]
    client(NETWORK, "PUT", path, {"port_id": free["id"]})
    client(NETWORK, "PUT", f"/ports/{free['id']}", {"port": {"name": ""}})


def _take(client: Cloud, args: Mapping[str, Any]) -> None:
    if port := _interface(client, args):
        path = f"/routers/{args['router']}/remove_router_interface"
        # a port with an address of its own may have others by itself; one of IPv6 may be of several subnets
        which = {"port_id": port["id"]} if args.get("address") else {"subnet_id": args["subnet"]}
        client(NETWORK, "PUT", path, which)
    if args.get("address") and (free := _free(client, args)):
        client(NETWORK, "DELETE", f"/ports/{free['id']}")


def _interface(client: Cloud, args: Mapping[str, Any]) -> Mapping[str, Any] | None:
    ports = client.items(NETWORK, f"/ports?device_id={args['router']}", "ports")
    return next((port for port in ports for ip in port["fixed_ips"] if ip["subnet_id"] == args["subnet"]), None)


def _free(client: Cloud, args: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The port that was made for the interface and is none yet."""
    ports = client.items(NETWORK, f"/ports?network_id={args['network']}", "ports")
    return next((port for port in ports if port["name"] == _mark(args) and not port["device_id"]), None)


def _mark(args: Mapping[str, Any]) -> str:
    """By which the port is found again; it goes when the port is an interface."""
    return f"naru interface {args['router']} {args['address']}"

"""The step kind that puts addresses into an address group, and takes some out."""

from collections.abc import Sequence
from typing import Any, ClassVar

from naru.actions.arguments import Id, resolve
from naru.actions.clouds import DEADLINE, RETRY, cloud, get
from naru.actions.request import Action
from naru.errors import NaruError
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.kinds import step


class Addresses(Action):
    """Addresses, as networks in CIDR, that the address group `group` gets, and those that it loses."""

    step_kind: ClassVar[str] = "tenant.addresses"

    group: Id
    add: list[str]
    drop: list[str] = []


@step("tenant.addresses", args=Addresses, undo="tenant.addresses.undo", retry=RETRY, deadline=DEADLINE)
def addresses(context: Context) -> dict[str, Any]:
    """Puts addresses into an address group, and takes others out; what is so already is left."""
    args = resolve(context.args, context.results(), context)
    _change(context, args["cloud"], args["group"], args["add"], args.get("drop", []))
    return {"group": args["group"]}


@step("tenant.addresses.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=DEADLINE, here=True)
def addresses_undo(context: Context) -> None:
    """Takes out what was put in, and puts back what was taken out."""
    args = context.undone.args
    _change(context, args["cloud"], args["group"], args.get("drop", []), args["add"])


def _change(context: Context, name: str, group: str, add: Sequence[str], drop: Sequence[str]) -> None:
    client = cloud(context, name)
    path = f"/address-groups/{group}"
    found = get(client, "network", path, "address_group")
    if found is None:
        raise NaruError(f"address group {group} is gone from {name}", hint="Apply the file again.")
    there = found["addresses"]
    # Neutron refuses those that are there already, and those that are not
    for verb, some in (
        ("add_addresses", [one for one in add if one not in there]),
        ("remove_addresses", [one for one in drop if one in there]),
    ):
        if some:
            client("network", "PUT", f"{path}/{verb}", {"address_group": {"addresses": some}}, again=True)

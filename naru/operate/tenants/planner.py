"""Facts and the file to differences and a plan: the ordered list of rules."""

from collections.abc import Callable
from pathlib import Path

from naru.errors import InputError
from naru.messages import message
from naru.operate.tenants import contents
from naru.operate.tenants.draft import Draft
from naru.operate.tenants.facts import Facts
from naru.operate.tenants.kinds import (
    address_group,
    identity,
    image,
    key_pair,
    members,
    network,
    neutron,
    offers,
    quota,
    router,
    security_group,
)
from naru.operate.tenants.model import Tenants
from naru.operate.tenants.names import Names
from naru.plan.kinds import KINDS, load
from naru.plan.model import COMMANDS, Plan

MODULES = [
    "naru.actions.call",
    "naru.actions.create",
    "naru.operate.tenants.addresses",
    "naru.operate.tenants.contents",
    "naru.operate.tenants.steps",
]
TITLE = message("tenant.title", en="Declared tenants of {cloud}", ko="{cloud} 클라우드의 선언된 테넌트")

DECLARE: tuple[Callable[[Draft], None], ...] = (
    # all names of the file are known before anything is planned: each thing may name any other, also a later one
    *(identity.declare, offers.declare),
    # subnets and default groups are declared with what they belong to
    *(address_group.declare, security_group.declare, network.declare, router.declare, image.declare),
)
RULES: tuple[Callable[[Draft], None], ...] = (
    # who there is: projects may be below each other, users have default projects; steps wait for what they name
    *(identity.domains, identity.roles, identity.projects, identity.users, identity.groups),
    *(members.members, key_pair.key_pairs),
    # before anything is made in a project: what is asked for may need more than the cloud's default
    quota.quotas,
    *(offers.flavors, offers.volume_types),
    # all groups, and then all rules: rules name groups, each other's too
    *(address_group.address_groups, security_group.groups, security_group.rules),
    # a router's interfaces and routes come after the subnets that they are on
    *(network.networks, network.subnets, router.routers),
    neutron.undeclared,
    # content may take long: nothing waits for it
    image.images,
)
SHOWN = 20
"""So many mistakes are told at a time."""


def make(facts: Facts, tenants: Tenants, file: Path) -> Draft:
    """What the cloud has in another way than the file, and the plan that makes it so. Raises InputError that lists
    every name in the file that means nothing, or several things."""
    directory = file if file.is_dir() else file.parent
    plan = Plan(
        title=TITLE(cloud=facts.cloud),
        modules=list(MODULES),
        limits={},
        settings={COMMANDS: "naru tenant", "cloud": facts.cloud},
    )
    draft = Draft(facts, tenants, directory.absolute(), Names(facts), plan)
    for rule in (*DECLARE, *RULES):
        rule(draft)
    if problems := draft.names.problems:
        more = [f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        raise InputError(
            f"{file} cannot be made on {facts.cloud}",
            detail="\n".join(problems[:SHOWN] + more),
            hint="Correct these fields.",
        )
    load(plan.modules)
    plan.check()
    KINDS.check_arguments(plan)
    return draft


def check_files(draft: Draft) -> None:
    """Raises InputError or NaruError where the password of a user that is to be made cannot be had, or the file with
    the content of an image."""
    for thing, user, _ in draft.things.get("user", ()):
        if thing.row is None and user.password:
            user.password.read(draft.directory, f"the password of user {thing.label}")
    for thing, written, _ in draft.things.get("image", ()):
        is_filled = thing.row is None or thing.row.body["status"] == "queued"
        if is_filled and written.data and written.data.file:
            contents.check(draft.directory, thing.label, written.data.file)


def refuse(draft: Draft, file: Path) -> None:
    """Raises InputError for what the file says of things that cannot be changed once they are made."""
    refused = [one for one in draft.differences if one.what == "refused"]
    if refused:
        lines = [f"{one.kind} {one.name}: {one.field}: {one.cloud}, in the file {one.file}" for one in refused[:SHOWN]]
        more = [f"and {len(refused) - SHOWN} more"] if len(refused) > SHOWN else []
        raise InputError(
            f"{file} says what cannot be changed on {draft.cloud}",
            detail="\n".join(lines + more),
            hint="Write the cloud's values. Or delete the things there, if nothing needs them: they are made anew.",
        )

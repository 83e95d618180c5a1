"""The plan of a move: an ordered list of rules, each a few lines of what and why."""

from collections.abc import Mapping, Sequence
from typing import Any

from naru.errors import InputError
from naru.inventory.kinds import BY_NAME
from naru.move import check, downtime
from naru.move.draft import Draft
from naru.move.facts import Facts
from naru.move.kinds import (
    backup,
    compute,
    cutover,
    identity,
    image,
    network,
    quota,
    router,
    security,
    server,
    snapshot,
    volume,
)
from naru.move.mapping import Choice
from naru.plan import timings
from naru.plan.kinds import KINDS, load
from naru.plan.model import Plan

MODULES = (
    "naru.move.steps",
    "naru.move.groups",
    "naru.move.power",
    "naru.move.content",
    "naru.move.storage",
    "naru.move.backup",
    "naru.move.ec2",
)
# what Naru gives somebody in a project to act there
ROLE = "member"

RULES = (
    check.undecided,
    check.places,
    identity.domains,
    identity.projects,
    quota.quotas,
    identity.roles,
    identity.users,
    quota.user_quotas,
    identity.groups,
    identity.assignments,
    identity.domain_assignments,
    identity.credentials,
    identity.application_credentials,
    compute.flavors,
    compute.key_pairs,
    image.images,
    network.mapped,
    network.pools,
    network.qos,
    security.groups,
    security.rules,
    network.networks,
    network.subnets,
    network.ports,
    network.trunks,
    network.sharing,
    router.routers,
    router.floating_ips,
    volume.types,
    volume.volumes,
    volume.left,
    compute.server_groups,
    server.servers,
    server.stranded,
    snapshot.snapshots,
    backup.backups,
    cutover.prepared,
    identity.switched_off,
    cutover.cut_over,
    cutover.finalize,
    check.addresses,
    check.attachments,
    check.bound,
    check.capacity,
    check.disabled,
    check.forgotten,
)


def build(
    facts: Facts,
    choices: list[Choice],
    *,
    key: str,
    settings: Mapping[str, Any],
    storage: tuple[str, str] | None = None,
    directory: str = "",
    rehearsals: Sequence[timings.Timings] = (),
) -> Draft:
    """The plan and its decisions: from the same facts always the same. `key` is the file that new users' passwords come
    from, `storage` the files that describe the storage of the old cloud and the new, `directory` the work directory;
    what a step took in `rehearsals` is its estimate. Raises InputError for a new cloud without the role that lets
    somebody act in a project."""
    roles = [row for row in facts.new.named("role", ROLE) if not row.body.get("domain_id")]
    if not roles:
        raise InputError(f"{facts.new.cloud} has no role {ROLE}", hint=f"openstack role create {ROLE}")
    names = ", ".join(row.name for row in facts.projects.values())
    plan = Plan(
        title=f"Move {names} from {facts.old.cloud} to {facts.new.cloud}",
        modules=list(MODULES),
        settings=dict(settings),
    )
    chosen = {
        (choice.need.section, choice.need.row.id if choice.need.row else choice.need.key): choice for choice in choices
    }
    draft = Draft(facts, chosen, plan, key, facts.new.user_id, roles[0].id, storage, directory)
    for rule in RULES:
        rule(draft)
    _drop_idle(draft)
    plan.check()
    load(plan.modules)
    draft.plan = timings.with_estimates(plan, KINDS, rehearsals)
    downtime.tell(draft)
    return draft


def _drop_idle(draft: Draft) -> None:
    """Limits of groups that no step is in."""
    used = {step.limit for step in draft.plan.steps}
    draft.plan.limits = {name: value for name, value in draft.plan.limits.items() if name in used}


def counts(draft: Draft) -> list[tuple[str, int, int, int]]:
    """(kind, created, matched, left) of every kind with a decision, in the order of the kinds."""
    found: dict[str, list[int]] = {}
    for decision in draft.decisions.values():
        place = ("create", "match", "leave").index(decision.decision)
        found.setdefault(decision.kind, [0, 0, 0])[place] += 1
    order = list(BY_NAME)
    return [(kind, *found[kind]) for kind in sorted(found, key=order.index)]  # type: ignore[misc]

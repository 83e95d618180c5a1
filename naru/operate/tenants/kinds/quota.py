"""Quotas of projects, by service. What the file does not name is left as it is."""

from typing import Any

from naru.inventory.rows import Row
from naru.messages import message
from naru.operate.tenants.draft import Difference, Draft
from naru.operate.tenants.exporter import Exporter
from naru.operate.tenants.names import Thing
from naru.plan.arguments import REF

SET = message("tenant.title.quota", en="{kind:kind} of {name}", ko="{name}의 {kind:kind} 설정")
# by the file's name: the kind, service, path and wrapping of it
SERVICES = {
    "compute": ("compute quota", "compute", "/os-quota-sets/", "quota_set"),
    "volume": ("volume quota", "block-storage", "/os-quota-sets/", "quota_set"),
    "network": ("network quota", "network", "/quotas/", "quota"),
}
WRITTEN = {
    "compute": ("instances", "cores", "ram", "key_pairs", "metadata_items", "server_groups", "server_group_members"),
    "volume": ("volumes", "gigabytes", "snapshots", "backups", "backup_gigabytes", "per_volume_gigabytes", "groups"),
    "network": (
        *("network", "subnet", "port", "router", "floatingip", "security_group", "security_group_rule"),
        *("rbac_policy", "subnetpool", "trunk"),
    ),
}
"""Those that an export writes: what clouds of all releases have. Of volume types those with a limit are, too."""
OF_TYPES = ("volumes_", "gigabytes_", "snapshots_")


def quotas(draft: Draft) -> None:
    """What of each project's quotas differs; that is set before anything is made in the project."""
    for project in draft.projects:
        for name, (kind, service, path, wrap) in SERVICES.items():
            wanted = dict(getattr(project.written.quotas, name))
            if wanted:
                draft.needs(kind, project.thing.label, service)
            if not wanted or not _known(draft, project.thing, name, kind, wanted):
                continue
            row = draft.facts.all(kind).get(project.thing.id) if project.thing.row else None
            there = _values(row)
            changed = {key: value for key, value in wanted.items() if there.get(key) != value}
            if not changed:
                continue
            for key, value in changed.items():
                draft.differences.append(
                    Difference("change", kind, project.thing.label, key, there.get(key) if row else None, value)
                )
            place = [path, project.thing.target]
            types = [thing for key in changed for thing in draft.names.all("volume type", "", _type(key))]
            back: dict[str, Any] = {"method": "DELETE", "path": place, "ok": [404]}
            if row:
                # a type that is made has no limit before
                before = {key: there.get(key, -1) for key in changed}
                back = {"method": "PUT", "path": place, "body": {wrap: before}}
            identity = draft.call(
                f"{kind}/{project.thing.label}",
                service,
                [{"method": "PUT", "path": place, "body": {wrap: changed}}],
                [back],
                SET(kind=kind, name=project.thing.label),
                project.thing,
                unit=project.unit,
                after=[thing.target[REF] for thing in types if thing.row is None],
            )
            draft.before.setdefault(project.thing.label, []).append(identity)


def _known(draft: Draft, project: Thing, name: str, kind: str, wanted: dict[str, int]) -> bool:
    """Whether the cloud has all of these quotas; those it does not are told."""
    known = {key for row in draft.facts.all(kind).values() for key in _values(row)}
    made = {key for key in wanted if draft.names.all("volume type", "", _type(key))}
    strange = sorted(set(wanted) - known - made) if known else []
    for key in strange:
        place = f"projects: {project.label}: quotas: {name}: {key}"
        draft.names.problem(place, f"{draft.cloud} has no such quota; it has: {', '.join(sorted(known))}")
    return not strange


def _type(quota: str) -> str:
    """The volume type that a quota is of, as in `gigabytes_fast`; "" for others."""
    return next((quota.removeprefix(begin) for begin in OF_TYPES if quota.startswith(begin)), "")


def _values(row: Row | None) -> dict[str, int]:
    """The quotas in the answer."""
    body = row.body if row else {}
    return {key: value for key, value in body.items() if type(value) is int}


def export(out: Exporter) -> None:
    """The quotas that clouds of every release have."""
    for project in out.projects:
        written = {}
        for name, (kind, *_) in SERVICES.items():
            row = out.facts.all(kind).get(project.id)
            there = _values(row)
            of_types = sorted(key for key in there if key.startswith(OF_TYPES) and there[key] != -1)
            chosen = {key: there[key] for key in (*WRITTEN[name], *of_types) if key in there}
            if chosen:
                written[name] = chosen
        out.more(project, "quotas", written)

"""The steps that take a cloud's databases through releases: on the site's servers, or on a copy.

Each service goes its own way, one hop after the other, beside the others: what waits for another service is said here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from naru.messages import message
from naru.plan.model import About, Plan, Step
from naru.releases import path, portable, release
from naru.releases.path import Way
from naru.upgrade.facts import Facts

DUMP, CHECK, SYNC, ONLINE, EXTRACT = "before", "check", "sync", "online", "extract"
"""What steps are for."""
CHAINS = 4
"""Services that go on at a time, where nothing is said: their databases are on one server."""

_DUMP = message("upgrade.title.hop_dump", en="dump of {service} before {release}", ko="{release} 전 {service} 덤프")
_CHECK = message(
    "upgrade.title.check",
    en="upgrade checks of {service} {release} of its own",
    ko="{service} {release} 자체 업그레이드 점검",
)
_SYNC = message("upgrade.title.sync", en="schema steps of {service} {release}", ko="{service} {release} 스키마 단계")
_ONLINE = message(
    "upgrade.title.online",
    en="online data migrations of {service} {release}",
    ko="{service} {release} 온라인 데이터 마이그레이션",
)
_EXTRACT = message(
    "upgrade.title.extract", en="Placement's tables out of nova_api", ko="nova_api에서 Placement 테이블 분리"
)


@dataclass(frozen=True)
class Where:
    """Where the steps work: on `host`, on the server that `server` gives for a database of the site (arguments of a
    step), with dumps in `directory`. The steps are of one `unit`, or each of its service. `checked`: each release's own
    upgrade checks are run when its hop is done."""

    facts: Facts
    common: Mapping[str, Any]
    directory: str
    server: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unit: str = ""
    checked: bool = False

    def of(self, way: Way) -> dict[str, Any]:
        """The arguments of all steps of a service."""
        return {**self.common, **self.server[self.facts.home(way)]}


def add(plan: Plan, where: Where, *, after: Sequence[str]) -> list[str]:
    """Adds the hops of all services, which wait for the steps `after`; gives the last steps of all. Before each hop is
    a dump of the service's schemas, which it begins from when it is given again."""
    ends: dict[tuple[str, str], str] = {}
    last = [id for way in where.facts.ways for id in _way(plan, where, way, after, ends)]
    _extraction(plan, where, ends)
    return last


def _way(plan: Plan, where: Where, way: Way, after: Sequence[str], ends: dict[tuple[str, str], str]) -> list[str]:
    service, before = way.service, list(after)
    checked: list[str] = []
    args = where.of(way)
    about = About("service", service.name, service.name)
    common: dict[str, Any] = {"unit": where.unit or service.name, "about": about, "limits": (where.facts.host,)}

    def add(purpose: str, kind: str, name: str, title: Any, more: Mapping[str, Any]) -> None:
        before[:] = [beside(purpose, kind, name, title, more)]

    def beside(purpose: str, kind: str, name: str, title: Any, more: Mapping[str, Any]) -> str:
        said = {"title": title, "purpose": purpose, **common}
        step = Step(_id(service.name, name, purpose), kind, {**args, **more}, **said)
        return plan.add(step, after=before).id

    schemas, cells = where.facts.schemas(way), where.facts.cells(way)
    for number, hop in enumerate(way.hops):
        name = hop.release
        words = {"service": service.name, "release": name}
        if number == 0 and _is_extracted(where.facts, way):
            add(EXTRACT, "upgrade.extract", name, _EXTRACT(), {})  # before the dump: there is nothing to dump yet
        manage = {
            "service": service.name,
            "release": name,
            "environment": str(portable.place(release.load(name))),
            **({"cells": cells} if cells else {}),
        }
        dump = f"{where.directory}/{service.name}-{name}"
        add(DUMP, "database.dump", name, _DUMP(**words), {"schemas": schemas, "directory": dump})
        before += checked
        add(SYNC, "upgrade.sync", name, _SYNC(**words), {**manage, "dump": dump})
        if service.online:
            more = {**manage, **({"row_by_row": True} if where.facts.row_by_row else {})}
            add(ONLINE, "upgrade.online", name, _ONLINE(**words), more)
        ends[service.name, name] = before[0]
        # where upstream has them, with the new schema and before services start; and beside the next dump: both read
        status = service.checks(name) if where.checked else None
        runs = status is not None and not status.unseen
        checked = [beside(CHECK, "upgrade.check", name, _CHECK(**words), manage)] if runs else []
    return [*before, *checked]


def _id(service: str, name: str, purpose: str) -> str:
    return f"{service}/{name}/{purpose}"


def _is_extracted(facts: Facts, way: Way) -> bool:
    """Whether the service's schema is made on the way, out of Nova's."""
    return way.service.begins is not None and facts.database(way.service.schemas[0]) is None


def _extraction(plan: Plan, where: Where, ends: Mapping[tuple[str, str], str]) -> None:
    """Placement's tables are copied when Nova has gone all its hops before Placement's first one, and Nova goes on past
    that when they are."""
    for way in where.facts.ways:
        begins = way.service.begins
        if not begins or not _is_extracted(where.facts, way):
            continue
        extract = _id(way.service.name, way.hops[0].release, EXTRACT)
        names = release.names()
        for (service, name), end in ends.items():
            if service != "nova":
                continue
            if names.index(name) < names.index(begins.release):
                plan.order(end, extract)
            elif names.index(name) > names.index(begins.release):
                plan.order(extract, _id("nova", name, DUMP))


def passed_over(facts: Facts) -> list[tuple[str, str, path.PassedOver]]:
    """Online data migrations that are left out on the way, with service and release."""
    return [
        (way.service.name, hop.release, one)
        for way in facts.ways
        for hop in way.hops
        for one in path.passed_over(way.service, hop.release)
    ]


def filled(facts: Facts) -> list[tuple[str, str, path.Filled]]:
    """What is filled at once on the way, with service and release."""
    if facts.row_by_row:
        return []
    return [
        (way.service.name, hop.release, one)
        for way in facts.ways
        for hop in way.hops
        for one in path.filled(way.service, hop.release)
    ]

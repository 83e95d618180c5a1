"""What is in the way of an upgrade of a running cloud. Nothing is changed anywhere."""

from collections.abc import Sequence

from naru.errors import InputError
from naru.releases import path
from naru.site.site import Site
from naru.site.ssh import Fleet
from naru.upgrade.check import (
    addresses,
    balancers,
    broker,
    catalogue,
    clocks,
    configuration,
    environment,
    helpers,
    keys,
    programs,
    queues,
    records,
    room,
    rows,
    write_gates,
)
from naru.upgrade.finding import Finding, Span


def check(site: Site, span: Span, wanted: Sequence[str], progress: rows.Progress) -> list[Finding]:
    """All that is known of the services `wanted` by name, else of all, in their order. Raises InputError for a site
    without databases, and for a way that does not lead forward; NaruError when a database cannot be asked."""
    services = [one.service for one in path.ways(span.start, span.goal, wanted)]
    if not site.part.databases:
        raise InputError(f"{site.file}: databases: there are none", hint="Add them: docs/reference/site.md")
    with Fleet(site) as fleet:
        found = programs.check(site, fleet, span, services)
        found += clocks.check(site, fleet, span, services)
        found += broker.check(site, fleet, span, services)
        found += environment.check(site, fleet, span, services)
        found += helpers.check(site, fleet, span, services)
        found += configuration.check(site, fleet, span, services)
        found += queues.check(site, fleet, span, services)
        found += room.check(site, fleet, span, services)
        found += keys.check(site, fleet, span, services)
        found += balancers.check(site, fleet, span, services)
        found += addresses.check(site, fleet, span)
        found += catalogue.check(site, fleet, span, services)
        found += records.check(site, fleet, span, services)
        found += write_gates.check(site, fleet, span, services)
        found += rows.check(site, fleet, span, services, progress)
    order = {service.name: service.order for service in services}
    return sorted(found, key=lambda one: order.get(one.service, 0))  # first what all of them need

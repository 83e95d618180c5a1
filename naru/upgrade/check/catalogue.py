"""Endpoints in Keystone's catalogue that are controllers' own addresses: where others take the place of these, users
would call who is off. The window gives them the address of who is there then, and the way back brings the old one back
with Keystone's database."""

import urllib.parse
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import NaruError
from naru.releases.path import Service
from naru.site.database import asked_anywhere
from naru.site.site import Site
from naru.site.ssh import Fleet
from naru.upgrade.check.balancers import Change, changes
from naru.upgrade.check.rows import GRACE, tables
from naru.upgrade.finding import Finding, Span

SECONDS = 60.0
KEYSTONE = "keystone"
PROOF = "openstack endpoint list"
_URLS = "SELECT url FROM keystone.endpoint WHERE enabled = 1"


class Address(NamedTuple):
    """Endpoints whose URL begins with `old`, which is SCHEME://HOST:PORT, begin with `new` afterwards; "" where it is
    not known with what."""

    service: str
    old: str
    new: str
    number: int


def check(site: Site, fleet: Fleet, span: Span, services: Sequence[Service]) -> Iterator[Finding]:
    """What of the catalogue is changed in the window, or has to be before it."""
    wanted = [service.name for service in services]
    try:
        found = look(site, fleet, span, wanted)
    except NaruError as error:
        what = f"endpoints of controllers whose place others take: {error.summary}"
        yield Finding("unknown", KEYSTONE, span.goal, KEYSTONE, what, 0, (), "See: naru site check", _URLS)
        return
    for one in found:
        common = (one.service.partition("-")[0], span.goal, KEYSTONE)
        if one.new and KEYSTONE in wanted:
            what = f"endpoints of {one.service} at {one.old} get {one.new}"
            yield Finding("on the way", *common, what, one.number, (one.old,), "", PROOF)
        else:
            what = f"endpoints of {one.service} are at {one.old}, where nobody is afterwards"
            cure = "Give them a virtual address, or a name that is pointed to the next controllers in the window."
            yield Finding("blocks", *common, what, one.number, (one.old,), cure, PROOF)


def look(site: Site, fleet: Fleet, span: Span, wanted: Collection[str]) -> list[Address]:
    """The endpoints that are of controllers whose place others take. Raises NaruError."""
    found = [one for one in changes(site, span.goal, wanted) if one.old]
    if not found:
        return []

    def work(connection: "Connection[Cursor]") -> list[str] | None:
        table = tables(connection, SECONDS)
        if KEYSTONE not in {str(name) for (name,) in table("SHOW DATABASES")}:
            return None
        return [str(url) for (url,) in table(_URLS)]

    for database in site.part.databases:
        urls = asked_anywhere(site, fleet, database, work, seconds=SECONDS + GRACE)
        if urls is not None:
            return addresses(site, found, urls)
    raise NaruError("no database of the site shows keystone")


def addresses(site: Site, found: Sequence[Change], urls: Sequence[str]) -> list[Address]:
    """Which of these URLs are of places that are left, and what takes their place: the virtual address that comes
    newly, else the only host that comes."""
    now, later = Site(site.content, site.file), Site(site.content, site.file, next_part=True)
    known = {one.address for one in site.content.virtual_addresses}
    fronts = [one.address for one in later.part.virtual_addresses if one.address not in known]
    told: list[Address] = []
    for change in found:
        for place in change.old:
            name, _, port = place.rpartition(":")
            host = now.hosts[name]
            for old in dict.fromkeys((host.address, host.name)):
                starts = [
                    f"{parts.scheme}://{parts.netloc}"
                    for parts in map(urllib.parse.urlsplit, urls)
                    if parts.hostname == old.lower() and _port(parts) in (int(port), None)
                ]
                for start in dict.fromkeys(starts):
                    new = ""
                    is_known = _port(urllib.parse.urlsplit(start)) is not None
                    if not is_known and any(one.old == start for one in told):
                        continue  # once is enough
                    if is_known and (len(fronts) == 1 or len(change.new) == 1):
                        coming, _, at = change.new[0].rpartition(":") if change.new else ("", "", port)
                        to = str(fronts[0]) if len(fronts) == 1 else _name(later, coming, old == host.address)
                        to = f"[{to}]" if ":" in to else to
                        new = f"{urllib.parse.urlsplit(start).scheme}://{to}:{port if len(fronts) == 1 else at}"
                    told.append(Address(change.service, start, new, starts.count(start)))
    return told


def _port(parts: urllib.parse.SplitResult) -> int | None:
    """The port of a URL; None where Keystone puts in which it is, as http://HOST:$(public_port)s."""
    try:
        return parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None


def _name(site: Site, host: str, by_address: bool) -> str:
    return site.hosts[host].address if by_address else host

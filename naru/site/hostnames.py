"""Hosts by their names: a site has `compute1` where Nova has `compute1.example.org`, or the other way round."""

from collections.abc import Iterable

from naru.site.site import Host, Site


def short(name: str) -> str:
    """The first part of a host's name."""
    return name.partition(".")[0].lower()


def is_same(one: str, other: str) -> bool:
    """Whether two names may be of one host: the same, or the same but that one has no domain. Two in different domains
    are two hosts."""
    if "." in one and "." in other:
        return one.lower() == other.lower()
    return short(one) == short(other)


def named(name: str, hosts: Iterable[str]) -> str:
    """The one of `hosts` that a name is of, "" for none."""
    return next((host for host in hosts if is_same(name, host)), "") if name else ""


def host_of(site: Site, name: str) -> Host | None:
    """The site's host that Nova calls `name`; None where the site has none, or two that it may be."""
    if name in site.hosts:
        return site.hosts[name]
    found = [one for one in site.hosts.values() if is_same(one.name, name)]
    return found[0] if len(found) == 1 else None

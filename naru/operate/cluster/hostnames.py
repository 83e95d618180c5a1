"""Hosts by their names: a site has `compute1` where Nova has `compute1.example.org`, or the other way round."""

from collections.abc import Iterable


def is_same(one: str, other: str) -> bool:
    """Whether two names are of one host: equal, or one of them is the other's without its domain."""
    if one == other:
        return True
    return one.partition(".")[0] == other.partition(".")[0] and ("." not in one or "." not in other)


def named(name: str, hosts: Iterable[str]) -> str:
    """The one of `hosts` that a name is of, "" for none."""
    return next((host for host in hosts if is_same(name, host)), "") if name else ""

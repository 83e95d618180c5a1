"""The forms that a write gate has, by the kind of load balancer: modules that make what its configuration and its
directory have, and let a network through."""

from collections.abc import Sequence
from typing import Protocol

from naru.site.model import BalancerKind
from naru.site.write_gate import apache, haproxy, nginx


class Form(Protocol):
    """What each of the modules has. `directory` is as the load balancer has it."""

    def configuration(self, services: Sequence[str], directory: str) -> str:
        """All lines for the configuration, with where they belong."""

    def files(self, services: Sequence[str], allowed: Sequence[str], directory: str) -> dict[str, str]:
        """The files of a directory, by name, with all gates open."""

    def allowed_line(self, network: str) -> str:
        """The line of the list that lets an address or a network through."""


_FORMS: dict[BalancerKind, Form] = {"haproxy": haproxy, "nginx": nginx, "apache": apache}
PROGRAMS: dict[BalancerKind, tuple[str, ...]] = {
    "haproxy": ("haproxy",),
    "nginx": nginx.PROGRAMS,
    "apache": apache.PROGRAMS,
}
"""How the processes of a kind are called."""


def form(kind: BalancerKind) -> Form:
    """The form of a kind of load balancer."""
    return _FORMS[kind]

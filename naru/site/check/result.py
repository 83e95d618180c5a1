"""What a check found: a line of the site that is as written, one that is not, one of which it is not known."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from naru.site.discover.ranges import fold_names

State = Literal["right", "wrong", "unknown"]


class Result(NamedTuple):
    """One line of the file on one host, "" where it is of no one host. `field` is as in the file, with names in place
    of numbers. `what` says what is wrong, or was found. One that `follows` is not known only because its host was not
    looked at, which is told of the host."""

    state: State
    field: str
    host: str
    what: str
    what_to_do: str = ""
    follows: bool = False


class Results(list[Result]):
    """All that a check found."""

    def right(self, field: str, host: str, what: str) -> None:
        """As written."""
        self.append(Result("right", field, host, what))

    def wrong(self, field: str, host: str, what: str, what_to_do: str) -> None:
        """Not as written."""
        self.append(Result("wrong", field, host, what, what_to_do))

    def unknown(self, field: str, host: str, what: str, what_to_do: str = "") -> None:
        """Could not be found out."""
        self.append(Result("unknown", field, host, what, what_to_do))

    def unseen(self, field: str, host: str) -> None:
        """Could not be found out, since its host was not looked at."""
        self.append(Result("unknown", field, host, "its host could not be looked at", follows=True))

    def number(self, state: State) -> int:
        """How many lines are so."""
        return sum(one.state == state for one in self)


def together(results: Iterable[Result]) -> list[tuple[Result, list[str]]]:
    """Results that say the same of several hosts as one, with the hosts as names and ranges."""
    found: dict[Result, list[str]] = {}
    for one in results:
        found.setdefault(one._replace(host=""), []).append(one.host)
    return [(one, _folded(hosts)) for one, hosts in found.items()]


def _folded(hosts: Sequence[str]) -> list[str]:
    return fold_names(name for name in hosts if name)

"""All releases in a table: what each is and needs, and what of it this machine has."""

import datetime
from collections.abc import Sequence
from typing import NamedTuple

from naru.errors import InputError
from naru.releases import install, python
from naru.releases.release import load, names


class Row(NamedTuple):
    """One release. `interpreter` is the path of the Python found for it, empty when there is none."""

    name: str
    released: datetime.date
    python: str
    interpreter: str
    installed: bool
    services: list[str]


def rows() -> list[Row]:
    """Every release, oldest first."""
    return [_row(name) for name in names()]


def choose(wanted: Sequence[str], *, everything: bool = False) -> list[str]:
    """The names of the releases to install: those wanted, every one, or else the oldest and the newest.

    Raises InputError for names beside `everything`.
    """
    if everything and wanted:
        raise InputError("either --all or releases by name")
    known = names()
    if everything:
        return known
    return list(wanted) or [known[0], known[-1]]


def _row(name: str) -> Row:
    release = load(name)
    interpreter = str(python.find(release.python)) if python.available(release.python) else ""
    return Row(
        release.name,
        release.released,
        release.python,
        interpreter,
        install.installed(release),
        release.services,
    )

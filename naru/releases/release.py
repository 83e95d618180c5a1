"""OpenStack releases as data: `data/<name>.yaml`, `locks/<name>.txt` and the files of `data/etc/<name>/`.

No code branches on a release's name: what differs between releases is in these files, and templates ask
`release.has("trait")`.
"""

import datetime
import functools
import re
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from naru.errors import InputError, NaruError

DATA = Path(__file__).parent / "data"
LOCKS = Path(__file__).parent / "locks"

# "module:attribute" or "module:factory()"
WsgiTarget = Annotated[str, StringConstraints(pattern=r"^[\w.]+:\w+(\(\))?$")]
Version = Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)*$")]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Api(_Data):
    """How a service's API is served: by a console script of the release, or as a WSGI application."""

    script: str | None = None
    wsgi: WsgiTarget | None = None

    @model_validator(mode="after")
    def _one(self) -> "Api":
        if (self.script is None) == (self.wsgi is None):
            raise ValueError("exactly one of script and wsgi")
        return self


class Edit(_Data):
    """A change of an installed file: `find`, which occurs exactly once in it, becomes `replace`.

    `file` is relative to site-packages.
    """

    file: str
    find: str
    replace: str
    why: str


class Release(_Data):
    """One OpenStack release.

    `slurp` says that upstream tests the way to it from the one before that is so, past the release between (Skip Level
    Upgrade Release Process). `python` is the interpreter's minor version ("2.7"). `packages` are the distributions that
    are asked for, with their exact versions; what they need in turn is in the lock. `build` pins what source
    distributions are built with. `api` says for each service that can be installed how its API is served; a service
    that is not in it does not exist in this release or was never published. `settings` are values for configuration
    templates, and `peculiarities` traits by name, with a line of explanation each.
    """

    name: str
    released: datetime.date
    slurp: bool = False
    python: Annotated[str, StringConstraints(pattern=r"^[23]\.\d+$")]
    packages: dict[str, Version]
    build: list[str] = Field(default_factory=list)
    api: dict[str, Api]
    settings: dict[str, Any] = Field(default_factory=dict)
    peculiarities: dict[str, str] = Field(default_factory=dict)
    edits: list[Edit] = Field(default_factory=list)

    def has(self, trait: str) -> bool:
        """Whether the release has this peculiarity."""
        return trait in self.peculiarities

    @property
    def has_guests(self) -> bool:
        """Whether real guests are known to work: the setting says with which version of libvirt's Python binding."""
        return "libvirt_python" in self.settings

    @property
    def services(self) -> list[str]:
        """The services that a cloud of this release can have: those whose API can be served, in the order of the data
        file, and `ldap` where the setting says which packages make Keystone able to use a directory."""
        return [*self.api, *(["ldap"] if "ldap_packages" in self.settings else [])]

    @property
    def lock(self) -> dict[str, str]:
        """Every distribution of the virtual environment (names normalized) with its exact version."""
        return parse_lock(lock_path(self.name).read_text())

    @property
    def etc(self) -> Path:
        """Files of the source distributions' etc/ which the wheels lack, laid out as under `<venv>/etc`.

        The directory need not exist.
        """
        return DATA / "etc" / self.name


def normalize(distribution: str) -> str:
    """A distribution's name as PEP 503 compares it: lower case, one - for each run of -, _ and dots."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def parse_lock(text: str) -> dict[str, str]:
    """Reads `name==version` lines; empty lines and comments are skipped."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {normalize(name): version for name, _, version in (line.partition("==") for line in lines)}


def lock_path(name: str) -> Path:
    """Where the lock of the release `name` is or will be."""
    return LOCKS / f"{name}.txt"


def names() -> list[str]:
    """The name of every known release, oldest first: the ones with words for names came before the years."""
    return sorted((file.stem for file in DATA.glob("*.yaml")), key=lambda name: (name[0].isdigit(), name))


@functools.cache
def load(name: str) -> Release:
    """Reads one release. Raises InputError for an unknown name, NaruError for a data file that is not valid."""
    if name not in names():
        raise InputError(f"unknown OpenStack release {name!r}", hint=f"Known: {', '.join(names())}.")
    file = DATA / f"{name}.yaml"
    try:
        return Release.model_validate(yaml.safe_load(file.read_text()))
    except (ValidationError, yaml.YAMLError) as error:
        raise NaruError(f"{file} is not a valid release", detail=str(error)) from error

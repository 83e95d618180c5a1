"""What a twin consists of, as it is kept in its directory: `twin.json`, what was asked for, and `copy.json`, what was
found in the copy of the databases."""

import re
import secrets
from collections import Counter
from pathlib import Path
from typing import Literal, TypeVar

import pydantic

from naru.errors import InputError
from naru.files import write_whole
from naru.lab import services
from naru.lab.ports import PER_CLOUD
from naru.releases import release
from naru.site.site import Site

MAX_COMPUTES, MAX_AGENTS = 500, 2000
COMPUTES, AGENTS = 20, 50
"""How many there are at most when nobody says it."""
PORT_BASE = 23000
NAME = "twin"
SPEC, COPY = "twin.json", "copy.json"

T = TypeVar("T", bound=pydantic.BaseModel)
Kind = Literal["ovs", "l3", "dhcp"]


class _Kept(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class TwinSpec(_Kept):
    """What was asked for. `id` marks its processes, `secret` is the password of everything in it; `site` is the file,
    `dump` the directory of a dump that was given, "" for one that is taken; `region` as it was given, "" for the only
    one."""

    id: str
    secret: str
    site: str
    release: str
    dump: str = ""
    computes: int
    agents: int
    region: str = ""
    port_base: int


class Host(_Kept):
    """A compute host of the site: its node's name, identity and size."""

    host: str
    node: str
    uuid: str
    vcpus: int
    memory_mb: int
    local_gb: int


class FakeAgent(_Kept):
    """A network agent that is played, on a host of the site."""

    kind: Kind
    host: str


class Facts(_Kept):
    """What the copy has: `every_host` and `every_agent` are how many the site has of them, `addresses` where it is
    reached, `left` what of these was found in the copy after it was cleaned, as SCHEMA.TABLE.COLUMN and rows."""

    region: str
    controller: str
    hosts: tuple[Host, ...]
    agents: tuple[FakeAgent, ...]
    every_host: int
    every_agent: int
    addresses: tuple[str, ...]
    left: dict[str, int]


def build(site: Site, dump: Path | None, computes: int, agents: int, region: str, port_base: int) -> TwinSpec:
    """What a new twin is made of. Raises InputError."""
    if not site.content.release:
        raise InputError(f"{site.file}: release: is missing", hint="Say what the site's services are of, as pike.")
    found = release.load(site.content.release)
    missing = [name for name in services.CORE if name not in found.services]
    if missing:
        raise InputError(f"{found.name} has no {', '.join(missing)} that could be installed")
    for option, number, most in (("--computes", computes, MAX_COMPUTES), ("--agents", agents, MAX_AGENTS)):
        if not 0 <= number <= most:
            raise InputError(f"{option} {number}: give a number from 0 to {most}")
    if not 1024 <= port_base <= 32767 - PER_CLOUD:
        raise InputError(f"--port-base {port_base}: give a number from 1024 to {32767 - PER_CLOUD}")
    if region and not re.fullmatch(r"[\w.-]+", region):
        raise InputError(f"--region {region!r}: give its name, as RegionOne")
    return TwinSpec(
        id=secrets.token_hex(8),
        secret=secrets.token_hex(12),
        site=str(site.file.absolute()),
        release=found.name,
        dump=str(dump.absolute()) if dump else "",
        computes=computes,
        agents=agents,
        region=region,
        port_base=port_base,
    )


def same(one: TwinSpec, other: TwinSpec) -> bool:
    """Whether both ask for the same."""
    of_its_own = {"id", "secret"}
    return one.model_dump(exclude=of_its_own) == other.model_dump(exclude=of_its_own)


def save(what: pydantic.BaseModel, file: Path) -> None:
    """Writes it, readable by its owner alone."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(file, what.model_dump_json(indent=2) + "\n")


def load(kind: type[T], file: Path) -> T | None:
    """What is in the file, None when it is not there. Raises InputError."""
    try:
        return kind.model_validate_json(file.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InputError(
            f"{file} cannot be read", detail=str(error), hint="Remove the twin with: naru twin down"
        ) from error


def describe(asked: TwinSpec) -> str:
    """What was asked for in the words of the command's options."""
    said = {"--site": asked.site, "--dump": asked.dump, "--region": asked.region}
    numbers = {"--computes": asked.computes, "--agents": asked.agents, "--port-base": asked.port_base}
    options = [f"{name} {value}" for name, value in said.items() if value]
    return " ".join([*options, *(f"{name} {value}" for name, value in numbers.items())])


def summary(facts: Facts) -> dict[str, int]:
    """How many of the site's hosts and agents there are here, by words."""
    kinds = Counter(one.kind for one in facts.agents)
    return {"compute hosts": len(facts.hosts), **{f"{kind} agents": number for kind, number in sorted(kinds.items())}}

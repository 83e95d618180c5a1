"""A site as the rest of Naru asks it: names resolved to hosts, what is said once given to each, secrets read when asked
for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic

from naru import yamlfile
from naru.errors import InputError
from naru.site.model import HostLine, Login, Part, Power, PowerLine, Service, SiteFile
from naru.site.names import expand
from naru.site.secret import Secret

HINT = "What a site holds: docs/reference/site.md"
FILE = "site.yaml"
"""Where a site is, when nobody says it."""
ALL = "all"
"""The group of all hosts."""


@dataclass(frozen=True)
class Host:
    """One host of a site."""

    name: str
    address: str
    rack: str
    zone: str
    login: Login
    power: Power | None
    time_zone: str = ""


class Site:
    """What `content` says, read from `file`: InputError with the first thing that is wrong.

    With `next_part` it is the site as it will be: hosts, groups and all else of `next` in the place of, or beside, what
    has the same name.
    """

    def __init__(self, content: SiteFile, file: Path, *, next_part: bool = False) -> None:
        self.content = content
        self.file = file
        self.directory = file.parent
        self.part = _merged(content, content.next) if next_part and content.next else content
        self.hosts: dict[str, Host] = {}
        for index, line in enumerate(self.part.hosts):
            for host in self._each(line, f"hosts.{index}"):
                if host.name in self.hosts:
                    raise self.wrong(f"hosts.{index}.name", f"the host {host.name} is there twice")
                self.hosts[host.name] = host
        self.groups = self._groups()
        for where, names in _named(self.part):
            self.named(names, where)

    @property
    def cloud(self) -> str:
        """What the cloud is called in clouds.yaml. Raises InputError for a site that does not say it."""
        if not self.content.cloud:
            raise InputError(f"{self.file}: cloud: is missing", hint="Add the cloud's name in clouds.yaml.")
        return self.content.cloud

    def _each(self, line: HostLine, where: str) -> Iterator[Host]:
        names = expand(line.name)
        addresses = expand(line.address) if line.address else names
        powers = self._powers(line.power, where) if line.power else [None] * len(names)
        login = line.login.over(self.content.login)
        for name, address, power in zip(names, addresses, powers, strict=True):
            yield Host(name, address, line.rack or "", line.zone or "", login, power, line.time_zone or "")

    def _powers(self, line: PowerLine, where: str) -> Iterable[Power | None]:
        said = {**self.content.power.model_dump(exclude_none=True), **line.model_dump(exclude_none=True)}
        try:
            return [Power.model_validate({**said, "address": address}) for address in expand(line.address)]
        except pydantic.ValidationError as error:
            field = error.errors()[0]["loc"][0]
            raise self.wrong(f"{where}.power.{field}", "is missing, here and in the site's own power") from error

    def _groups(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {ALL: list(self.hosts)}
        for name in self.part.groups:
            if name in self.hosts:
                raise self.wrong(f"groups.{name}", "a host has this name; give the group another")
            if name == ALL:
                raise self.wrong(f"groups.{name}", "this group is always all hosts; give it another name")

        def resolve(name: str, within: tuple[str, ...]) -> list[str]:
            if name in within:
                raise self.wrong(f"groups.{name}", f"it holds itself: {' -> '.join((*within, name))}")
            if name not in found:
                members: list[str] = []
                for one in self._expanded(self.part.groups[name], f"groups.{name}"):
                    members += resolve(one, (*within, name)) if one in self.part.groups else [one]
                unknown = [one for one in members if one not in self.hosts]
                if unknown:
                    raise self.wrong(f"groups.{name}", f"there is no host and no group {unknown[0]!r}")
                found[name] = list(dict.fromkeys(members))
            return found[name]

        for name in self.part.groups:
            resolve(name, ())
        return found

    def _expanded(self, names: Iterable[str], where: str) -> list[str]:
        try:
            return [one for name in names for one in expand(name)]
        except ValueError as error:
            raise self.wrong(where, str(error)) from error

    def named(self, names: Iterable[str], where: str = "") -> list[Host]:
        """The hosts that names, ranges and groups stand for, each once. Raises InputError for one that is neither;
        `where` is the field that names it, "" when the user gave it."""
        hosts: dict[str, Host] = {}
        for one in self._expanded(names, where):
            members = self.groups.get(one) or ([one] if one in self.hosts else None)
            if members is None and one not in self.groups:
                known = ", ".join([*self.groups, *self.hosts][:20])
                message = f"there is no host and no group {one!r}"
                if where:
                    raise self.wrong(where, message)
                raise InputError(f"{self.file}: {message}", hint=f"It has: {known}.")
            hosts |= {name: self.hosts[name] for name in members or ()}
        return list(hosts.values())

    def coming(self, release: str) -> list[Service]:
        """The services under `next:` that are of a release."""
        later = self.content.next.services if self.content.next else ()
        return [one for one in later if (one.release or self.content.release) == release]

    def groups_of(self, host: str) -> list[str]:
        """The groups that a host is in, without the group of all."""
        return [name for name, members in self.groups.items() if name != ALL and host in members]

    def secret(self, secret: Secret, what: str) -> str:
        """A secret that the site names; `what` begins the message when it cannot be had."""
        return secret.read(self.directory, f"{self.file}: {what}")

    def path(self, text: str) -> Path:
        """A file that the site names: from the directory of site.yaml on."""
        return self.directory / Path(text).expanduser()

    def wrong(self, where: str, message: str) -> InputError:
        """The error for what a field says."""
        return InputError(f"{self.file}: {where}: {message}", hint=HINT)


def load(file: Path, *, next_part: bool = False) -> Site:
    """The site in the file. Raises InputError that names file, field and fix."""
    if not file.exists():
        hint = "Write one with: naru site discover --cloud CLOUD; --site names another."
        raise InputError(f"there is no {file}", hint=hint)
    return parse(yamlfile.load(file), file, next_part=next_part)


def parse(content: Any, file: Path, *, next_part: bool = False) -> Site:
    """The site of a file's content. Raises InputError with the first thing that is wrong."""
    try:
        parsed = SiteFile.model_validate(content)
    except pydantic.ValidationError as error:
        first, *rest = error.errors(include_input=False, include_url=False)
        # which of several forms something has is no field of it
        field = ".".join(
            str(part) for at, part in enumerate(first["loc"]) if not at or first["loc"][at - 1] != "managed"
        )
        message = first["msg"].removeprefix("Value error, ")
        more = f" (and {len(rest)} more)" if rest else ""
        raise InputError(f"{file}: {field}: {message}{more}" if field else f"{file}: {message}", hint=HINT) from error
    site = Site(parsed, file, next_part=False)
    return Site(parsed, file, next_part=True) if parsed.next and next_part else site


def _named(part: Part) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each field that names hosts, with what it names."""
    for kind in ("services", "databases", "queues", "load_balancers", "virtual_addresses", "storage"):
        for index, one in enumerate(getattr(part, kind)):
            for field in ("hosts", "monitors", "osds"):
                if names := getattr(one, field, ()):
                    yield f"{kind}.{index}.{field}", names


def _merged(content: Part, later: Part) -> Part:
    """What is there now with what comes: a name that both have is the later one's."""
    fields: dict[str, Any] = {"groups": {**content.groups, **later.groups}}
    for kind in ("hosts", "services", "databases", "queues", "load_balancers", "storage"):
        ours = getattr(later, kind)
        names = {one.name for one in ours}
        fields[kind] = (*(one for one in getattr(content, kind) if one.name not in names), *ours)
    addresses = {one.address for one in later.virtual_addresses}
    kept = tuple(one for one in content.virtual_addresses if one.address not in addresses)
    fields["virtual_addresses"] = (*kept, *later.virtual_addresses)
    return Part(**fields)

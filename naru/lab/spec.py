"""What a lab consists of, as it is kept in the lab's directory: `lab.json`."""

import ipaddress
import json
import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

import pydantic

from naru.errors import InputError
from naru.files import state_directory, write_whole
from naru.lab import bootstrap, ports, services
from naru.lab.hosts import layout
from naru.releases import install, release

MAX_CLOUDS = 4
MAX_GUEST_HOSTS = 8
DEFAULT_CLOUDS = ("old=pike",)
DEFAULT_NAME = "default"
DEFAULT_HOSTED = "cloud"


class CloudSpec(pydantic.BaseModel):
    """One cloud: its release by name, its services, how many fake compute hosts and how many real guest hosts. One on
    the lab's own hosts has no `port_base`: they have the standard ports."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    name: str
    release: str
    services: tuple[str, ...]
    computes: int = 1
    guests: int = 0
    notifications: bool = False
    log_lines: bool = False
    port_base: int | None
    index: int

    @property
    def addresses(self) -> tuple[str, str]:
        """First and last address of this cloud's own allocation pool on the shared external network."""
        pool = list(ipaddress.IPv4Network(bootstrap.EXTERNAL_CIDR).subnets(prefixlen_diff=2))[self.index]
        return str(pool[10]), str(pool[-6])


class LabSpec(pydantic.BaseModel):
    """The whole lab. `id` marks its processes; `secret` is the password of everything in it, readable by the owner.
    `hosts` are its own hosts, if it has any."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    id: str
    secret: str
    clouds: tuple[CloudSpec, ...]
    hosts: layout.Layout | None = None


def cache_directory() -> Path:
    """Where labs share what can be made again: $XDG_CACHE_HOME/naru, with the releases' virtual environments."""
    return install.venvs_directory().parent


def lab_directory(name: str = DEFAULT_NAME) -> Path:
    """A lab's own directory: $XDG_STATE_HOME/naru/labs/NAME, or under $NARU_LABS when that is set."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", name):
        raise InputError(f"--name {name!r}: a lab's name is of a-z, 0-9 and -, at most 31 of them")
    root = os.environ.get("NARU_LABS")
    if root:
        return Path(root) / name
    return state_directory() / "labs" / name


def shared_secret() -> str:
    """The password of this user's labs: one, since prepared states are shared and hold it."""
    file = cache_directory() / "lab-secret"
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text().strip()
    with os.fdopen(descriptor, "w") as output:
        output.write(secrets.token_hex(12))
    return file.read_text().strip()


def build(
    clouds: list[str] | None,
    wanted: list[str] | None,
    computes: int,
    port_base: int = ports.DEFAULT_BASE,
    guests: int = 0,
    notifications: bool = False,
    log_lines: bool = False,
) -> LabSpec:
    """The specification that `naru lab up`'s options ask for.

    Each of `clouds` is NAME=RELEASE; each of `wanted` is SERVICE,... for all clouds, or NAME:SERVICE,... for one.
    `guests` is the number of hosts with real guests in each cloud whose release supports them. With `notifications`
    the services of all clouds send theirs; with `log_lines` each record of their logs says its statement.
    Raises InputError for a malformed or repeated name, an unknown release or service, a service that a release which
    is asked for it does not have, or a bad number.
    """
    chosen = clouds or [*DEFAULT_CLOUDS, f"new={release.names()[-1]}"]
    if len(chosen) > MAX_CLOUDS:
        raise InputError(f"--cloud is given {len(chosen)} times: a lab holds at most {MAX_CLOUDS} clouds")
    if not 0 <= computes <= 200:
        raise InputError(f"--computes {computes}: give a number from 0 to 200")
    if not 1024 <= port_base <= 32767 - MAX_CLOUDS * ports.PER_CLOUD:
        raise InputError(f"--port-base {port_base}: give a number from 1024 to {32767 - MAX_CLOUDS * ports.PER_CLOUD}")
    if not 0 <= guests <= MAX_GUEST_HOSTS:
        raise InputError(f"--guests {guests}: give a number from 0 to {MAX_GUEST_HOSTS}")
    specs: list[CloudSpec] = []
    for index, text in enumerate(chosen):
        name, release_name = _named(text)
        if name in {spec.name for spec in specs}:
            raise InputError(f"--cloud {name} is given twice")
        specs.append(
            CloudSpec(
                name=name,
                release=release_name,
                services=_services(name, release.load(release_name), wanted or ()),
                computes=computes,
                guests=guests if release.load(release_name).has_guests else 0,
                notifications=notifications,
                log_lines=log_lines,
                port_base=port_base + index * ports.PER_CLOUD,
                index=index,
            )
        )
    if guests and not any(spec.guests for spec in specs):
        able = [name for name in release.names() if release.load(name).has_guests]
        raise InputError("none of these releases has real guests", hint=f"--guests works with {', '.join(able)}.")
    _check_names(wanted or (), [spec.name for spec in specs])
    return LabSpec(id=secrets.token_hex(8), secret=shared_secret(), clouds=tuple(specs))


def build_hosts(name: str, clouds: list[str] | None = None, notifications: bool = False) -> LabSpec:
    """A lab of hosts by the layout of that name or in that file, with a cloud on them when the layout has roles for
    one; `clouds` is NAME=RELEASE of it. Raises InputError."""
    found = layout.load(name)
    roles = layout.by_role(found)
    if (clouds or notifications) and not roles:
        option = "--cloud" if clouds else "--notifications"
        raise InputError(f"{option}: the layout {name} has no cloud: none of its hosts has a role")
    if clouds and len(clouds) > 1:
        raise InputError(f"--cloud is given {len(clouds)} times: hosts have one cloud")
    specs: tuple[CloudSpec, ...] = ()
    if roles:
        cloud, release_name = _named((clouds or [f"{DEFAULT_HOSTED}={release.names()[-1]}"])[0])
        wanted = release.load(release_name)
        if found.agents == "linuxbridge" and not wanted.has("neutron-linuxbridge"):
            raise InputError(
                f"{name}: agents: {release_name} has no Linux bridge agent",
                hint="Releases up to 2024.2 have it: --cloud NAME=RELEASE. Or let the layout say openvswitch.",
            )
        if found.guests and not wanted.has_guests:
            able = [name for name in release.names() if release.load(name).has_guests]
            raise InputError(
                f"{name}: guests: {release_name} has no real ones", hint=f"It works with {', '.join(able)}."
            )
        if found.next:
            order = release.names()
            if order.index(release.load(found.next).name) <= order.index(release_name):
                raise InputError(f"{name}: next: {found.next} is not later than {release_name}")
        served = _services(cloud, wanted, ())
        computes = len(roles["compute"])
        made = CloudSpec(
            name=cloud,
            release=release_name,
            services=served,
            computes=computes,
            notifications=notifications,
            port_base=None,
            index=0,
        )
        specs = (made,)
    return LabSpec(id=secrets.token_hex(8), secret=shared_secret(), clouds=specs, hosts=found)


def _named(text: str) -> tuple[str, str]:
    name, _, release_name = text.partition("=")
    if not re.fullmatch(r"[a-z][a-z0-9]{0,15}", name) or not release_name:
        raise InputError(f"--cloud {text!r}: give NAME=RELEASE, the name of a-z and 0-9, as in old=pike")
    return name, release_name


def _check_names(wanted: Sequence[str], clouds: list[str]) -> None:
    for option in wanted:
        name, colon, _ = option.partition(":")
        if colon and name not in clouds:
            raise InputError(f"--services {option!r}: there is no cloud {name!r}", hint=f"It is {' or '.join(clouds)}.")


def _services(cloud: str, release: release.Release, wanted: Sequence[str]) -> tuple[str, ...]:
    """The services of one cloud: the core, and what is asked for by all clouds or by this one."""
    names = set(services.CORE)
    for option in wanted:
        only, colon, words = option.rpartition(":")
        if colon and only != cloud:
            continue
        for word in filter(None, words.split(",")):
            if word != "core" and word not in services.EXTRA and word not in services.CORE:
                known = ", ".join(("core", *services.EXTRA))
                raise InputError(f"--services {word!r} is not known", hint=f"Choose from: {known}.")
            if word in services.EXTRA:
                names.add(word)
    missing = sorted(name for name in names if name not in release.services)
    if missing:
        raise InputError(
            f"{release.name} has no {', '.join(missing)} that could be installed",
            hint="`naru lab releases` lists what each release has; --services CLOUD:SERVICE asks for one cloud only.",
        )
    return tuple(name for name in (*services.CORE, *services.EXTRA) if name in names)


def save(spec: LabSpec, directory: Path) -> None:
    """Writes `lab.json`, readable by its owner alone."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(directory / "lab.json", spec.model_dump_json(indent=2) + "\n")


def load(directory: Path) -> LabSpec | None:
    """The lab in `directory`, None when there is none. Raises InputError naming the field that is wrong."""
    file = directory / "lab.json"
    try:
        return LabSpec.model_validate(json.loads(file.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, pydantic.ValidationError) as error:
        raise InputError(
            f"{file} cannot be read", detail=str(error), hint="Remove the lab with: naru lab down"
        ) from error

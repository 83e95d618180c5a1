"""Ansible inventories: hosts, groups and variables, as Ansible itself understands them.

`ansible-inventory` is asked, a program, and not Ansible's library: its output has one form since 2.4 where the library
changes, an operator's own one with its ansible.cfg and plugins is used as it is, and its license concerns programs that
load it. Its output, or that of a dynamic inventory, can be given as a file too.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from naru.errors import InputError, NaruError
from naru.site.discover import kolla, openstack_ansible
from naru.site.discover.found import HOST, Gap, HostSeen, Source
from naru.site.discover.vars import Variables, is_secret
from naru.site.secrets_file import VAULT

SECONDS = 300.0
"""How long an inventory may take: a dynamic one asks others."""
BMC = ("bmc_address", "ipmi_address", "redfish_address", "idrac_address", "ilo_address")
_NO_GROUP = ("_meta", "all", "ungrouped")


@dataclass
class Inventory:
    """One that was read: its groups' members, its hosts' variables, and what was told meanwhile."""

    path: Path
    groups: dict[str, list[str]]
    direct: set[str]
    hosts: dict[str, Mapping[str, Any]]
    gaps: list[Gap] = field(default_factory=list)


def read(path: Path, globals_file: Path | None) -> Source:
    """What an inventory says. Raises InputError when it is none, NaruError when Ansible cannot be asked."""
    if not path.exists():
        raise InputError(f"--inventory {path}: there is no such file")
    if openstack_ansible.is_user_config(path):
        return openstack_ansible.of_user_config(path)
    found = _parsed(path, _listing(path) or _asked(path))
    source = Source(f"the inventory {path.name}", groups=found.groups, direct=found.direct, gaps=found.gaps)
    if openstack_ansible.is_one(found.hosts):
        containers = openstack_ansible.containers(found.hosts)
        source.groups = {
            name: kept
            for name, members in found.groups.items()
            if (kept := list(dict.fromkeys(containers.get(one, one) for one in members)))
            and not name.endswith(("_container", "_containers", "-host_containers"))
        }
        hosts = {name: said for name, said in found.hosts.items() if name not in containers}
        openstack_ansible.read(source, found.hosts, containers, found.groups, path)
    else:
        hosts = dict(found.hosts)
        if kolla.is_one(found.groups):
            kolla.read(source, found.hosts, found.groups, path, globals_file)
    for name, said in hosts.items():
        if seen := _host(name, Variables(said, source, f"hosts.{HOST}", name), found.groups):
            source.hosts.append(seen)
        else:
            source.groups = {group: [one for one in members if one != name] for group, members in source.groups.items()}
            source.services = [one for one in source.services if one.host != name]
    source.groups = {group: members for group, members in source.groups.items() if members}
    return source


# -- asking Ansible


def _listing(path: Path) -> Any:
    """What the file has when it is the output of `ansible-inventory --list`, or OpenStack-Ansible's inventory."""
    if path.is_dir() or os.access(path, os.X_OK):
        return None
    try:
        text = path.read_text()
        found = json.loads(text) if text.lstrip().startswith("{") else None
    except (UnicodeDecodeError, ValueError):
        return None
    except OSError as error:
        raise InputError(f"--inventory {path}: {error.strerror}") from error
    return found if isinstance(found, dict) and "_meta" in found else None


def _program() -> str:
    """ansible-inventory: beside this Python, else the first in the path."""
    beside = Path(sys.executable).with_name("ansible-inventory")
    found = str(beside) if beside.exists() else shutil.which("ansible-inventory")
    if not found:
        raise InputError(
            "ansible-inventory is not installed, which reads inventories as Ansible does",
            hint="pip install 'naru-openstack[ansible]', or give the output of: ansible-inventory -i FILE --list",
        )
    return found


def _asked(path: Path) -> Any:
    """The inventory as Ansible lists it. Files of variables that are encrypted as a whole are left out, and told of,
    when Ansible has no password for them."""
    done = _run(path)
    left: list[str] = []
    if done.returncode and "vault" in done.stderr.lower():
        with tempfile.TemporaryDirectory(prefix="naru-inventory-") as directory:
            done = _run(_without_vaults(path, Path(directory), left.append))
    if done.returncode:
        raise InputError(f"--inventory {path}: Ansible cannot read it", detail=_last(done.stderr))
    try:
        found = json.loads(done.stdout)
    except ValueError as error:
        raise NaruError(f"ansible-inventory -i {path}: its output is not JSON", detail=_last(done.stderr)) from error
    if "Failed to parse" in done.stderr or "Unable to parse" in done.stderr:
        # it goes on with an empty one
        raise InputError(f"--inventory {path}: Ansible cannot read it", detail=_last(done.stderr))
    found["_vaults"] = left
    return found


def _run(path: Path) -> "subprocess.CompletedProcess[str]":
    words = [_program(), "-i", str(path.absolute()), "--list"]
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS": "ignore"}
    try:
        return subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, env=environment
        )
    except subprocess.TimeoutExpired as error:
        raise NaruError(f"ansible-inventory -i {path}: no end within {SECONDS:g} s") from error
    except OSError as error:
        raise NaruError(f"{words[0]}: {error.strerror}") from error


def _without_vaults(path: Path, directory: Path, left: Callable[[str], None]) -> Path:
    """The same inventory in another directory, of links, without the files that are encrypted."""
    inside = path.is_dir()
    for name in ("group_vars", "host_vars"):
        variables = (path if inside else path.parent) / name
        for file in _files(variables):
            if _is_vault(file):
                left(str(file))
                continue
            link = directory / name / file.relative_to(variables)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file.absolute())
    others = path.iterdir() if inside else [path]
    for file in others:
        if file.name not in ("group_vars", "host_vars"):
            (directory / file.name).symlink_to(file.absolute())
    return directory if inside else directory / path.name


def _files(directory: Path) -> Iterator[Path]:
    for root, _, names in os.walk(directory, followlinks=True):
        yield from (Path(root) / name for name in sorted(names))


def _is_vault(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(VAULT)) == VAULT.encode()


def _last(errors: str) -> str:
    lines = [line for line in errors.splitlines() if line.strip()]
    return "\n".join(lines[-5:])[-1000:]


# -- understanding it


def _parsed(path: Path, listing: Any) -> Inventory:
    """Groups with all that they hold, hosts with their variables."""
    if not isinstance(listing.get("_meta"), dict) or not isinstance(listing["_meta"].get("hostvars", {}), dict):
        raise InputError(f"--inventory {path}: _meta.hostvars: not a mapping of hosts to variables")
    hosts: dict[str, Any] = {name: said or {} for name, said in listing["_meta"].get("hostvars", {}).items()}
    entries: dict[str, Any] = {
        name: entry if isinstance(entry, dict) else {"hosts": entry}
        for name, entry in listing.items()
        if name not in ("_meta", "_vaults")
    }
    members: dict[str, list[str]] = {}

    def resolve(name: str, within: tuple[str, ...]) -> list[str]:
        if name in within:
            return []  # Ansible refuses those itself, a file may hold anything
        if name not in members:
            entry = entries.get(name, {})
            found = list(entry.get("hosts") or [])
            for child in entry.get("children") or []:
                found += resolve(child, (*within, name))
            members[name] = list(dict.fromkeys(found))
        return members[name]

    for name in entries:
        resolve(name, ())
        for one in entries[name].get("hosts") or []:
            hosts.setdefault(one, {})
    inventory = Inventory(
        path,
        {name: members[name] for name in entries if name not in _NO_GROUP and members[name]},
        {name for name, entry in entries.items() if entry.get("hosts")},
        hosts,
    )
    for file in listing.get("_vaults", []):
        inventory.gaps.append(Gap("login", f"{file} is encrypted: what it says of hosts is not known", _VAULT_HINT))
    return inventory


_VAULT_HINT = "Run it again with ANSIBLE_VAULT_PASSWORD_FILE set, or add what is missing."


def _host(name: str, said: Variables, groups: Mapping[str, list[str]]) -> HostSeen | None:
    """The host; None for the one that Ansible runs on, when nothing of the cloud runs there."""
    if said.text("ansible_connection") == "local":
        mine = [group for group, members in groups.items() if name in members]
        if not set(mine) - {"deployment", "bifrost", "localhost", "local", "bastion"}:
            return None
        said.tell("address", "it is the machine on which Ansible runs", "Give its address, as others reach it.")
    login: dict[str, Any] = {}
    if user := said.text("ansible_user", "ansible_ssh_user"):
        login["user"] = user
    if (port := said.number("ansible_port", "ansible_ssh_port")) not in (None, 22):
        login["port"] = port
    if key := said.text("ansible_ssh_private_key_file", "ansible_private_key_file"):
        login["key"] = _key(key)
    if (become := said.flag("ansible_become", "ansible_sudo")) is not None:
        login["sudo"] = become
    if jump := _jump(said):
        login["jump"] = jump
    for field_, *names in (
        ("password", "ansible_password", "ansible_ssh_pass", "ansible_ssh_password"),
        ("sudo_password", "ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"),
    ):
        for one in names:
            if said.has(one):
                said.tell(
                    f"login.{field_}",
                    f"the inventory has it in {one}{', encrypted' if is_secret(said.raw(one)) else ''}",
                    f"Give it as login: {{{field_}: {{file: PATH}}}}.",
                )
    return HostSeen(
        name,
        address=said.text("ansible_host", "ansible_ssh_host"),
        login=login,
        rack=said.text("rack"),
        power=said.text(*BMC),
    )


def _key(text: str) -> str:
    """A path that is from where Ansible runs on, as a path from anywhere."""
    return text if text.startswith(("~", "/")) else str(Path(text).absolute())


def _jump(said: Variables) -> str:
    """The host that ssh goes through, from the arguments that Ansible gives it."""
    for name in ("ansible_ssh_common_args", "ansible_ssh_extra_args"):
        words = said.text(name).replace("=", " ").replace("-J", "-J ").split()
        for at, word in enumerate(words[:-1]):
            if word.removeprefix("-o").lower() in ("proxyjump", "-j"):
                return words[at + 1].strip("\"'")
        if any("proxycommand" in word.lower() for word in words):
            said.tell("login.jump", f"{name} has a ProxyCommand", "Give login.jump as USER@HOST, or login.ssh_config.")
    return ""

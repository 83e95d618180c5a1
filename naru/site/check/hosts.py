"""Hosts: each reached under its own name, as root where `sudo` is said, its clock as the others', its disks with
room."""

import statistics
from collections.abc import Iterable, Mapping

from naru.site.check.look import Clock, Look, Missed
from naru.site.check.result import Results
from naru.site.discover.found import listed
from naru.site.names import is_address
from naru.site.site import Site
from naru.text import size

APART = 1.0
"""Seconds that clocks may be apart."""
FULL, ENOUGH = 0.9, 20 << 20
"""A file system is nearly full when so much of it is used, unless so many KiB are free."""
FULL_INODES, ENOUGH_INODES = 0.9, 1_000_000
_QUIET = ("/run", "/dev", "/sys", "/proc", "/snap")


def judge(site: Site, looks: Mapping[str, Look], missed: Mapping[str, Missed], results: Results) -> None:
    """All hosts of a site."""
    for name, why in missed.items():
        field = f"hosts.{name}.{why.field}" if why.field else f"hosts.{name}"
        (results.wrong if why.certain else results.unknown)(field, name, why.what, why.what_to_do)
    for name, look in looks.items():
        host = site.hosts[name]
        if look.sudo:
            do = "Allow it in sudoers (NOPASSWD), or give login.sudo_password."
            results.wrong(f"hosts.{name}.login.sudo", name, f"sudo does not make {look.user} root: {look.sudo}", do)
        elif host.login.sudo:
            results.right(f"hosts.{name}.login.sudo", name, f"{look.user} becomes root")
        elif not look.root:
            what = f"{look.user} is not root: what only root sees is hidden"
            results.unknown(f"hosts.{name}.login", name, what, "Set login.sudo, or log in as root.")
        _disks(name, look, results)
    _names(site, looks, results)
    _clocks({name: look.clock for name, look in looks.items()}, results)


def _names(site: Site, looks: Mapping[str, Look], results: Results) -> None:
    """Whether each is the host that its line means."""
    short = {name.partition(".")[0].lower(): name for name in site.hosts if not is_address(name)}
    boots: dict[str, list[str]] = {}
    for name, look in looks.items():
        if look.boot:
            boots.setdefault(look.boot, []).append(name)
    for name, look in looks.items():
        field = f"hosts.{name}.address"
        own = look.name.partition(".")[0].lower()
        address = site.hosts[name].address
        if is_address(name) or own == name.partition(".")[0].lower():
            results.right(field, name, f"{address} is {look.name or name}")
        elif own in short:
            what = f"{address} is the host {short[own]}: it calls itself {look.name}"
            results.wrong(field, name, what, "Correct address, or the name of the one that is wrong.")
        elif same := [other for other in boots.get(look.boot, ()) if other != name]:
            what = f"{address} is the same machine as {listed(same)}, and calls itself {look.name}"
            results.wrong(field, name, what, "Correct the address of the one that is wrong.")
        else:
            what = f"{address} calls itself {look.name or 'nothing'}: whether it is {name} is not known"
            results.unknown(field, name, what, f"Correct address, or call it {look.name or 'as it calls itself'}.")


def clock_of_most(clocks: Iterable[Clock]) -> float:
    """How far most hosts' clocks are ahead of this machine's: 0 unless they are otherwise."""
    middles = [(one.least + one.most) / 2 for one in clocks]
    if sum(abs(one) <= APART for one in middles) * 2 >= len(middles):
        return 0.0
    return statistics.median_low(sorted(middles))


def _clocks(clocks: Mapping[str, Clock | None], results: Results) -> None:
    """Against this machine's clock; where most of the hosts are otherwise, against theirs."""
    base = clock_of_most(one for one in clocks.values() if one)
    if base:
        where = "ahead of" if base > 0 else "behind"
        what = f"most hosts' clocks are {abs(base):.1f} s {where} this machine's"
        results.wrong("hosts", "", what, "Set this machine's clock, or theirs (chrony, ntpd).")
    against = "this machine's" if base == 0 else "the other hosts'"
    for name, clock in clocks.items():
        field = f"hosts.{name}"
        if clock is None:
            results.unknown(field, name, "its clock could not be read", "Run there: date +%s.%N")
            continue
        least, most = clock.least - base, clock.most - base
        if least > APART or most < -APART:
            off = f"{abs(least + most) / 2:.1f} s {'ahead of' if least > 0 else 'behind'}"
            do = "Set it, and see that chrony or ntpd keeps it."
            results.wrong(field, name, f"its clock is {off} {against}", do)
        elif least >= -APART and most <= APART:
            results.right(field, name, f"its clock is within {max(abs(least), abs(most)):.2f} s of {against}")
        elif most - least > APART:
            what = f"its clock is between {least:+.1f} and {most:+.1f} s of {against}: it answers too slowly to tell"
            results.unknown(field, name, what, "Run it again.")
        else:
            do = "Set it, and see that chrony or ntpd keeps it."
            results.wrong(field, name, f"its clock is about {(least + most) / 2:+.1f} s off {against}", do)


def _disks(name: str, look: Look, results: Results) -> None:
    field = f"hosts.{name}"
    disks = [one for one in look.disks if not _quiet(one.mount)]
    if not any(one.kind == "disk" for one in disks):
        results.unknown(field, name, "its disks could not be seen", "Run there: df -Pkl")
        return
    full: dict[str, str] = {}
    for one in disks:
        used = 1 - one.free / one.size
        if one.kind == "disk" and used >= FULL and one.free < ENOUGH:
            full[one.mount] = f"{used:.0%} full ({size(one.free * 1024)} free)"
        elif one.kind == "inodes" and used >= FULL_INODES and one.free < ENOUGH_INODES:
            full[one.mount] = f"at {used:.0%} of its inodes"
    for mount, how in full.items():
        results.wrong(field, name, f"{mount} is {how}", "Make room there.")
    if not full:
        results.right(field, name, f"its disks have room ({listed(_mounts(one.mount for one in disks))})")


def _mounts(mounts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(mounts))


def _quiet(mount: str) -> bool:
    """Whether a file system is the kernel's, or a container's own."""
    inner = any(part in mount for part in ("/overlay2/", "/overlay/", "/containers/storage/", "/docker/containers/"))
    return inner or any(mount == one or mount.startswith(f"{one}/") for one in _QUIET)

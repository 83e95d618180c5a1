"""Whether the environment of the wanted release, as it was built on this machine, can run on the hosts of a site: it
brings its Python, unless that is the distribution's, and everything else but the C library.

Not asked are hosts whose service is in a container, which has its own, or is built already under `next:`: of compute
services and agents on the same host, of all else anywhere, since new controllers may be other hosts, with services of
other names. But those are asked to which `naru upgrade prepare` ships it (`environment`), and there it blocks. The host
that does the work of an upgrade is tried with every release on the way (`naru upgrade prepare`).
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence

from naru.errors import InputError, NaruError
from naru.releases import portable
from naru.releases.path import Service
from naru.releases.portable import Requirements
from naru.releases.programs import ALL
from naru.site.discover.ranges import fold_names
from naru.site.model import Container
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.upgrade.check.programs import numbers, version_of
from naru.upgrade.finding import Finding, Span, State
from naru.upgrade.window.placed import Placed

SECONDS = 60.0
WHERE = "hosts of services"
GLIBC = "getconf GNU_LIBC_VERSION"


def check(site: Site, fleet: Fleet, span: Span, services: Sequence[Service]) -> list[Finding]:
    """What is found on the hosts on which these services are to run."""
    names = {service.name for service in services}
    shipped = _shipped(site, span.goal, names)
    hosts = [name for name in _hosts(site, span.goal, names) if name not in shipped]
    if not hosts and not shipped:
        return []
    try:
        needs = portable.requirements(span.goal)
    except InputError as error:
        what = f"whether it runs there: {error.summary} on this machine"
        every = [*hosts, *shipped]
        rest = (len(every), tuple(fold_names(every)), error.hint, GLIBC)
        return [Finding("unknown", ALL, span.goal, WHERE, what, *rest)]

    async def look(remote: Remote) -> str:
        line = f"{GLIBC} 2>/dev/null; ! test -x {shlex.quote(needs.python)} || echo python"
        return await remote.checked(line, seconds=SECONDS)

    found = list(judged(span.goal, needs, fleet.each(hosts, look)))
    return [*found, *judged(span.goal, needs, fleet.later.each(shipped, look), "blocks")]


def _shipped(site: Site, goal: str, names: set[str]) -> list[str]:
    """Those to which it is shipped for a service of these projects."""
    later = Site(site.content, site.file, next_part=True)
    lines = [line for line in site.coming(goal) if line.environment and line.project in names]
    return list(dict.fromkeys(host.name for line in lines for host in later.named(line.hosts)))


def _hosts(site: Site, goal: str, names: set[str]) -> list[str]:
    """Those with a service of these projects for which nothing is built yet."""
    coming = site.coming(goal)
    later = Site(site.content, site.file, next_part=True)
    built = {(line.name, host.name) for line in coming for host in later.named(line.hosts)}
    projects = {line.project for line in coming if not Placed(line, "").of_computes}
    found = {
        host.name: None
        for line in site.content.services
        if line.project in names and line.release != "" and not isinstance(line.managed, Container)
        for host in site.named(line.hosts)
        if (line.name, host.name) not in built and (Placed(line, host.name).of_computes or line.project not in projects)
    }
    return list(found)


def judged(
    goal: str, needs: Requirements, said: Mapping[str, str | NaruError], state: State = "on the way"
) -> Iterator[Finding]:
    """What the hosts' answers mean: those that say the same are one finding; `state` is that of hosts where it cannot
    run."""
    hosts: dict[tuple[str, bool], list[str]] = {}
    for name, text in said.items():
        version = "" if isinstance(text, NaruError) else version_of(text)
        has_python = not needs.python or (not isinstance(text, NaruError) and "python" in text.split())
        hosts.setdefault((version, has_python), []).append(name)
    for (version, has_python), names in sorted(hosts.items()):
        rest = (len(names), tuple(fold_names(names)))
        at_least = f"its environment needs glibc {needs.glibc}"
        if not version:
            what = f"{at_least}: they do not say which they have"
            yield Finding("unknown", ALL, goal, WHERE, what, *rest, "See: naru site check", GLIBC)
        elif numbers(version) < numbers(needs.glibc):
            cure = "Build it on a system as old as theirs, run the services in containers, or upgrade the system there."
            yield Finding(state, ALL, goal, WHERE, f"glibc {version}: {at_least}", *rest, cure, GLIBC)
        elif not has_python:
            what = f"its environment stands on the distribution's Python: there is no {needs.python}"
            cure = "Install it there, or run the services in containers."
            yield Finding(state, ALL, goal, WHERE, what, *rest, cure, f"ls {needs.python}")
        else:
            what = f"glibc {version}: {at_least}" + (f", and {needs.python} is there" if needs.python else "")
            yield Finding("right", ALL, goal, WHERE, what, *rest, "", GLIBC)

"""The end of the way back: what the guests are, and what Nova has of them since the dump; then compute services that
look after guests again.

Until then those that were started on the way back leave guests as they are (`naru.upgrade.back.quiet`).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import InputError, NaruError
from naru.messages import message
from naru.plan.journal import Journal
from naru.plan.model import OVER, About, Plan, Step
from naru.plan.queries import reading
from naru.plan.run import Terminal
from naru.plan.status import Status
from naru.site import site as sites
from naru.site.database import asked_anywhere
from naru.site.model import Commands, Container, Managed, Unit
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.upgrade import claim, gates
from naru.upgrade.agents.load import governed
from naru.upgrade.back import quiet
from naru.upgrade.check.rows import CELLS, GRACE, in_schemas, tables
from naru.upgrade.freeze import freeze
from naru.upgrade.planner import MODULES
from naru.upgrade.window.placed import COMPUTE
from naru.upgrade.window.window import COMPUTE_PATIENCE, COMPUTES, HOSTS, LIMITS, LOAD, NEW, OLD, START, STOP
from naru.upgrade.work import Work

SECONDS = 60.0
LIFT = "lift"
"""What the steps that bring back the configuration are for."""
RUNNING, OFF, OTHERWISE, NONE = "running", "off", "paused", "none"
# each domain that there is, each that runs, each that is off; of libvirt in a container, too
_DOMAINS = """virsh=virsh
command -v virsh >/dev/null || for one in podman docker; do
  command -v $one >/dev/null && $one exec nova_libvirt true 2>/dev/null && virsh="$one exec nova_libvirt virsh" && break
done
virsh="$virsh -c qemu:///system list --uuid"
$virsh --all && echo - && $virsh --state-running && echo - && $virsh --state-shutoff"""
_SERVERS = "SELECT host, uuid, display_name, vm_state FROM instances WHERE deleted = 0 AND host IS NOT NULL"
_DELETED = "SELECT uuid FROM instances WHERE deleted <> 0 AND uuid IN ({})"
_THEN = {
    (RUNNING, "stopped"): "Nova stops it",
    (RUNNING, "deleted"): "Nova destroys it",
    (RUNNING, "unknown"): "it is left, and has addresses that others may get",
    (OFF, "active"): "Nova records it as stopped",
    (OFF, "unknown"): "it is left",
    (OTHERWISE, "active"): "Nova leaves it",
    (NONE, "active"): "Nova leaves it; it is to be started anew (reboot --hard) or deleted",
    (NONE, "stopped"): "Nova leaves it; it is to be started anew (reboot --hard) or deleted",
}
"""What becomes of a guest when compute services look after it again, by what it is and what Nova has of it."""

TITLE = message("upgrade.settle.title", en="Settling {number} of {cloud}", ko="{cloud} 안정화 {number}회차")
_LIFT = message(
    "upgrade.title.lift", en="nova-compute on {host} may look after guests", ko="{host}의 nova-compute 설정 복원"
)
_RESTART = message("upgrade.title.restart", en="start {service} on {host} anew", ko="{host}의 {service} 다시 시작")


class Differing(NamedTuple):
    """A guest that is otherwise than Nova has it: `guest` is `running`, `off`, `paused` or `none` (no domain), `nova`
    its state there, `deleted`, or `unknown` where there is no record of it; `then` says what becomes of it. Of a host
    that does not say it there is no server, and `then` says why."""

    host: str
    server: str
    name: str
    guest: str
    nova: str
    then: str


def differing(upgrade: Work) -> list[Differing]:
    """The guests that are otherwise than Nova has them, on the hosts whose compute service leaves them as they are.
    Nothing is changed. Raises NaruError when Nova's databases cannot be asked, InputError while the way back is not
    over."""
    site = sites.load(Path(upgrade.settings.site))
    with upgrade.journal() as journal:
        hosts = [host for host, _ in _left(upgrade, journal)]

    async def look(remote: Remote) -> dict[str, str]:
        return parsed(await remote.checked(_DOMAINS, seconds=SECONDS))

    with Fleet(site) as fleet:
        domains = fleet.each(hosts, look)
        return list(judged(domains, *_servers(site, fleet, domains)))


def parsed(said: str) -> dict[str, str]:
    """What each guest is, by what a host's libvirt says."""
    parts: list[list[str]] = [[]]
    for word in said.split():
        if word == "-":
            parts.append([])
        else:
            parts[-1].append(word)
    every, running, off = (*parts, [], [])[:3]
    return {one: RUNNING if one in running else OFF if one in off else OTHERWISE for one in every}


def judged(
    domains: "Mapping[str, dict[str, str] | NaruError]", servers: Mapping[str, tuple[str, str, str]], deleted: set[str]
) -> Iterator[Differing]:
    """What differs between domains by host and UUID, and servers by UUID: host, name, state."""
    for host, found in domains.items():
        if isinstance(found, NaruError):
            yield Differing(host, "", "", "", "", f"not known: {found.summary}")
            continue
        here = {uuid: (name, state) for uuid, (of, name, state) in servers.items() if of == host}
        for uuid in sorted({*found, *here}):
            guest = found.get(uuid, NONE)
            name, state = here.get(uuid, ("", "deleted" if uuid in deleted else "unknown"))
            if uuid not in here and uuid in servers:
                yield Differing(
                    host, uuid, servers[uuid][1], guest, servers[uuid][2], f"Nova has it on {servers[uuid][0]}"
                )
            elif then := _THEN.get((guest, state)):
                yield Differing(host, uuid, name, guest, state, then)


def _servers(
    site: Site, fleet: Fleet, domains: "Mapping[str, dict[str, str] | NaruError]"
) -> tuple[dict[str, tuple[str, str, str]], set[str]]:
    """All servers that are on a host, and which of the domains are of servers that Nova has deleted."""
    servers: dict[str, tuple[str, str, str]] = {}
    deleted: set[str] = set()
    every = [uuid for found in domains.values() if not isinstance(found, NaruError) for uuid in found]

    def work(connection: "Connection[Cursor]") -> None:
        table = tables(connection, SECONDS)

        def look() -> None:
            servers.update(
                (str(uuid), (str(host), str(name), str(state))) for host, uuid, name, state in table(_SERVERS)
            )
            for at in range(0, len(every), 500):
                quoted = ", ".join(f"'{one}'" for one in every[at : at + 500] if one.replace("-", "").isalnum())
                deleted.update(str(uuid) for (uuid,) in table(_DELETED.format(quoted or "''")))

        in_schemas(table, {CELLS: look})

    for database in site.part.databases:
        asked_anywhere(site, fleet, database, work, seconds=SECONDS + GRACE)
    return servers, deleted


def restart(upgrade: Work, terminal: Terminal, given: Mapping[str, float]) -> Status:
    """Brings back what compute services are to read, and starts these anew, so many at a time as the load allows, by
    the limits `given`, of what runs now. One that was interrupted goes on. Raises InputError while the way back is not
    over, and while another upgrade has the cloud: it has stopped these, or is about to."""
    file, directory = Path(upgrade.settings.site), upgrade.settlings.path(1)
    site = sites.load(file)
    with upgrade.journal() as journal:
        hosts = _left(upgrade, journal)
    claim.take(upgrade, site)
    with _round(upgrade, site, hosts) as journal:
        found = governed(journal, directory, file, terminal, given, next_part=False)
        if not journal.is_running():  # in another terminal, which has these limits now
            freeze.give_up(upgrade, terminal)
    return found


def _left(upgrade: Work, journal: Journal) -> list[tuple[str, str]]:
    """The hosts whose old compute service was told to leave guests as they are, each with the file that says so. Raises
    InputError while the way back is not over; what failed of it on a host holds up no other."""
    with reading(journal) as now:
        stops = {step.n for step in now.steps(unit=OLD, purpose=STOP)}
        back = [step for step in now.steps(unit=OLD, rollbacks=True) if step.undoes in stops]
    goes_on = any(step.state not in (*OVER, "failed") for step in back)
    if not gates.is_back(journal) or gates.has_begun_of(journal, OLD) or goes_on:
        raise InputError(
            f"{upgrade.directory}: it was not rolled back, or not to its end",
            hint=f"It is for after: naru upgrade rollback {upgrade.directory}",
        )
    with reading(journal) as now:
        steps = [step for step in now.steps(unit=OLD, purpose=quiet.QUIET, args=True) if step.attempt]
    return [(str(step.args["host"]), str(step.args["file"])) for step in steps]


def _round(upgrade: Work, site: Site, hosts: Sequence[tuple[str, str]]) -> Journal:
    """The round that is there, else a new one."""
    there = upgrade.settlings.last()
    return there or upgrade.settlings.begin(1, plan(site, hosts))


def plan(site: Site, hosts: Sequence[tuple[str, str]]) -> Plan:
    """The plan by which compute services look after guests again: on each host the file, then the service."""
    made = Plan(title=TITLE(number=1, cloud=site.content.name), modules=MODULES, limits=dict(LIMITS))
    common = {"site": str(site.file.absolute()), "patience": COMPUTE_PATIENCE}
    managed = {
        host.name: one.managed for one in site.content.services if one.name == COMPUTE for host in site.named(one.hosts)
    }
    for host, file in hosts:
        if host not in managed:
            continue  # it has none any more
        about = About("service", f"{COMPUTE}@{host}", COMPUTE)
        args = {**common, "host": host, "file": file}
        title, limits = _LIFT(host=host), (HOSTS, COMPUTES)
        lift = Step(f"{LIFT}/{host}", "upgrade.loud", args, NEW, limits, title=title, about=about, purpose=LIFT)
        before = [made.add(lift).id]
        for number, (kind, more) in enumerate(_anew(managed[host])):
            name, title = f"start/{COMPUTE}@{host}/{number}", _RESTART(service=COMPUTE, host=host)
            args = {**common, "host": host, **more}
            step = Step(name, kind, args, NEW, (*limits, LOAD), title=title, about=about, purpose=START)
            before = [made.add(step, after=before).id]
    return made


def _anew(managed: Managed) -> list[tuple[str, dict[str, Any]]]:
    """The steps that start a service anew."""
    match managed:
        case Unit(unit=unit):
            return [("host.unit", {"unit": unit, "do": "restart"})]
        case Container(container=container, engine=engine):
            return [("host.container", {"container": container, "do": "restart", "engine": engine})]
        case Commands(start=start, stop=stop):
            argv = ["sh", "-c", f"{stop}\n{start}"]
            return [("host.command", {"argv": argv, "repeat": True})]

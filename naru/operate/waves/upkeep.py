"""Step kinds around the command that a host is emptied for: what the host was before it, and the proof that it is back.

The command itself (`acts`) is a `host.command`: it runs on without the executor, and is never begun twice by itself. A
line that boots its host ends with that boot; `shell_line` has it leave a mark before, so that a command that has come
to its reboot is told from one that a power cut has ended.
"""

import shlex
import time
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from naru.actions.clouds import cloud
from naru.actions.durations import DAY
from naru.actions.hosts.place import HostAction, Place, plan_directory
from naru.cloud.client import Cloud, Unavailable
from naru.errors import NaruError
from naru.operate import compute
from naru.operate.drain.guests import Guests
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.plan.kinds import Retry, step
from naru.site.check import services
from naru.site.check.look import Look, look
from naru.site.check.result import Results
from naru.site.check.wanted import Wanted, text
from naru.site.site import Site
from naru.site.ssh import Lost, Unreachable

RETRY = (
    Retry(on=(Unavailable,), tries=8, pause=2.0, longest=30.0),
    Retry(on=(Transient,), tries=12, pause=1.0, longest=10.0),
)
EVERY = 3.0
"""Seconds between two looks at a host that is to come back."""
TOLD = 90.0
"""Seconds after which a service that Nova or Neutron still calls up has reported since, whatever its time says: longer
than both by default believe one that is silent."""
LOOK = """
cat /proc/sys/kernel/random/boot_id
if [ -d /run/systemd/system ]; then systemctl is-system-running; else echo running; fi
test ! -e /run/systemd/shutdown/scheduled || echo scheduled
exit 0
"""
HINT = "See to it, and give the command again; or leave the host behind: naru host waves leave."
GOES_DOWN = ("stopping", "offline", "initializing", "starting", "unknown", "")


def mark(plan: str) -> str:
    """The file on a host by which a command of this plan says that it boots the host."""
    return f"{plan_directory(plan)}/boots"


def shell_line(line: str, plan: str) -> list[str]:
    """A line as a program and its words: before it boots its host by reboot, shutdown or systemctl it leaves the
    mark."""
    file = shlex.quote(mark(plan))
    before = (
        f'naru_boots() {{ : >{file} && sync {file}; command "$@" || {{ set -- $?; rm -f {file}; return "$1"; }}; }}; '
        'reboot() { naru_boots reboot "$@"; }; '
        'shutdown() { case " $* " in *" -c "*) command shutdown "$@" ;; *) naru_boots shutdown "$@" ;; esac; }; '
        'systemctl() { case " $* " in *" reboot "*|*" kexec "*) naru_boots systemctl "$@" ;; '
        '*) command systemctl "$@" ;; esac; }'
    )
    return ["sh", "-c", f"{before}\n{line}"]


class Upkept(HostAction):
    """`host` of the site is what Nova calls `compute` on `cloud`."""

    step_kind: ClassVar[str] = ""

    cloud: str
    compute: str


class Back(Upkept):
    """`before` is the step that has noted what the host was. `boots`: it has to have another boot by now, also where
    the file `mark` is there. `left` are the servers (ids) that are on it. It may take `seconds`."""

    before: str
    boots: bool = False
    mark: str = ""
    left: list[str] = []
    seconds: float = 1200.0


@step("waves.before", args=Upkept, no_undo="it changes nothing", retry=RETRY, deadline=1800)
def before(context: Context) -> dict[str, Any]:
    """Notes what `host` is before its command: its boot, the site's services that run on it, and the agents of Neutron
    on it that are alive."""
    args = context.args
    place = Place(context, args, context.id)
    host = Host(place)
    now = host.boot()
    if now is None:
        raise Transient(f"{args['host']} {host.why}")
    client = cloud(context, args["cloud"])
    alive = [one["id"] for one in _agents(client, args["compute"]) if one["alive"]]
    return {"boot": now, "services": sorted(_running(place)), "agents": sorted(alive)}


def boots_within(args: Mapping[str, Any]) -> float:
    """How long a step may take that waits for a boot: somewhat longer than the host, so that it can say what is
    missing."""
    return float(args["seconds"]) + 600 if "seconds" in args else DAY


@step("waves.back", args=Back, no_undo="it changes nothing", retry=RETRY, deadline=boots_within)
def back(context: Context) -> dict[str, Any]:
    """Proves that `host` is back after its command: another boot where there has to be one, and no further one to come;
    Nova's compute service, the agents of Neutron and the site's services that were there before, each having reported
    since; Nova's hypervisor; and libvirt, which runs nothing but what stays."""
    args = context.args
    place = Place(context, args, context.id)
    was = context.results()[args["before"]]
    end = time.monotonic() + float(args["seconds"])
    boot = _booted(context, place, was["boot"], end)
    client = cloud(context, args["cloud"])
    reports = _Reports()
    while True:
        found = [*_problems(client, args, was, reports), *_missing(place, was["services"])]
        if not found:
            if Host(place).boot() == boot:
                break
            boot = _booted(context, place, was["boot"], end)  # it went down once more
            reports = _Reports()
            continue
        if time.monotonic() > end:
            raise NaruError(
                f"{args['compute']} is not back: {len(found)} things are not as they should be",
                detail="\n".join(found),
                hint=HINT,
            )
        context.sleep(EVERY)
    told = Guests(args.get("site", ""), context).none_but(args["compute"], args.get("left") or [])
    return {"boot": boot, "booted": boot != was["boot"], "services": was["services"], "libvirt": told}


def _booted(context: Context, place: Place, was: str, end: float) -> str:
    """The boot of a host that is up and stays up, another one than it `was` where it has to be."""
    args, host = context.args, Host(place)
    while True:
        now = host.boot()
        if now is not None and (now != was or not (args.get("boots") or host.is_marked(args.get("mark", "")))):
            return now
        if time.monotonic() > end:
            raise late(args["compute"], args, host.why if now is None else "has not booted")
        context.sleep(EVERY)


def late(host: str, args: Mapping[str, Any], what: str) -> NaruError:
    """The error of a host that is not back in its time."""
    return NaruError(f"{host} {what}, after {args['seconds']:.0f} s", hint=HINT)


class Host:
    """A host that may be down, or on its way down or up: then it is not known what it says, and `why`. `answers` is
    whether it did when it was last asked, `is_scheduled` whether a shutdown was scheduled there."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.why = ""
        self.answers = False
        self.is_scheduled = False

    def boot(self) -> str | None:
        """Its boot; None while it does not answer, boots, goes down, or is about to."""
        lines = (self._said(LOOK) or "").split("\n")
        self.is_scheduled = len(lines) > 2
        if len(lines) == 2 and lines[1] not in GOES_DOWN:
            return lines[0]
        if lines[0]:
            self.why = "is about to go down" if len(lines) > 2 else f"is on its way down or up ({lines[-1]})"
        return None

    def is_marked(self, file: str) -> bool:
        """Whether the file is there."""
        return bool(file) and self._said(f"test ! -e {shlex.quote(file)} || echo there") == "there"

    def _said(self, line: str) -> str | None:
        try:
            ran = self._place.ask(lambda remote: remote.run(line, seconds=60.0))
        except (Unreachable, Lost) as error:  # also one that lets nobody log in: so do hosts that boot
            self.why = f"does not answer ({error.summary}{': ' if error.detail else ''}{error.detail})"
            self.answers = False
            return None
        self.answers = True
        self.why = "" if ran.code == 0 else f"answers with {ran.code}: {ran.errors.strip()[-300:]}"
        return ran.out.strip() if ran.code == 0 else None


class _Reports:
    """Whether services have reported since one began to look: by the time of their report, which has to change, or by
    being called up long enough."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._first: dict[str, str] = {}

    def has(self, name: str, at: str) -> bool:
        """Whether the service has; `at` is the time of its last report."""
        return self._first.setdefault(name, at) != at or time.monotonic() - self._since > TOLD


def _problems(client: Cloud, args: Mapping[str, Any], was: Mapping[str, Any], reports: _Reports) -> Iterator[str]:
    """What Nova and Neutron do not have as it should be. All are looked at each time: each report is to be seen."""
    host = args["compute"]
    service = compute.service(client, host)
    if service is None:
        yield f"Nova has no compute service on {host}"
    elif service.get("forced_down"):
        yield "its compute service is forced down"
    elif service["state"] != "up":
        yield f"its compute service is {service['state']}"
    elif not reports.has("compute", str(service.get("updated_at"))):
        yield "its compute service has not reported since"
    agents = {one["id"]: one for one in _agents(client, host)}
    for identity in was["agents"]:
        agent = agents.get(identity)
        if agent is None or not agent["alive"]:
            yield f"agent {agent['binary'] if agent else identity} is not alive"
        elif not reports.has(identity, str(agent.get("heartbeat_timestamp"))):
            yield f"agent {agent['binary']} has not reported since"
    version = compute.newest(client, "2.53")
    found = client.items("compute", "/os-hypervisors/detail", "hypervisors", version)
    mine = [one for one in found if one["service"]["host"] == host]
    if not mine or any(one["state"] != "up" for one in mine):
        yield "its hypervisor is " + (", ".join(str(one["state"]) for one in mine) or "gone")


def _agents(client: Cloud, host: str) -> list[Mapping[str, Any]]:
    if not client.has("network") or "agent" not in client.extensions("network"):
        return []
    return list(client.items("network", f"/agents?host={host}", "agents"))


def _missing(place: Place, names: list[str]) -> list[str]:
    """The services that ran before and do not run now."""
    if not names:
        return []
    try:
        running = _running(place)
    except Transient as error:
        return [error.summary]
    return [f"{name} does not run on it" for name in names if name not in running]


def _running(place: Place) -> set[str]:
    """The site's services that run on the host. Raises Transient when it cannot be looked at."""
    managed = _managed(place.site, place.host)
    wanted = Wanted()
    for one in managed.values():
        wanted.manager(one)
    if not managed:
        return set()
    found = place.ask(lambda remote: look(remote, text(wanted)))
    if not isinstance(found, Look):
        raise Transient(f"{place.host}: {found.what}")
    results = Results()
    return {name for name, how in managed.items() if services.runs(name, how, place.host, found, results)}


def _managed(site: Site, host: str) -> dict[str, Any]:
    return {
        one.name: one.managed for one in site.part.services if host in {other.name for other in site.named(one.hosts)}
    }

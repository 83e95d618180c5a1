"""The step kinds of databases: how far members had come, the first one started, others joined."""

import time
from collections.abc import Mapping
from typing import Any

from naru.actions.hosts.container import ContainerAt
from naru.actions.hosts.place import HostAction, Place
from naru.actions.hosts.unit import UNIT_SECONDS, UnitAt
from naru.errors import NaruError
from naru.operate.cluster import members
from naru.operate.cluster.galera import Position, choose
from naru.operate.cluster.order import DATABASE, Placed, placed
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.kinds import step
from naru.site.model import Commands, Container, Database, Unit

PACKAGE = "naru.operate.cluster"
BOOTSTRAP, RECOVER = "galera_new_cluster", "galera_recovery"
"""The command lines of distributions' packages, where the site has none."""
SETTLE = 20.0
"""Seconds that a member which runs is given to find its cluster, before it is stopped so that its disk can be asked."""
STUCK = 60.0
"""Seconds after which one that runs, and is in no cluster though there is one, is started again."""
START = 900.0
"""Seconds that the first member may take until it is Synced."""
JOIN = 4 * 3600.0
"""Seconds that a further one may take: it may need all of another one's data."""
POLL = 1.0


class Left(HostAction):
    """See `left`."""

    database: str
    directory: str


class Begin(HostAction):
    """See `begin`. `members` are hosts with the directories of their data, `uuid` the cluster's id when it ran, `floor`
    the highest number that was seen of it, `last` the member that stopped last, `lost` members that are given up."""

    database: str
    members: dict[str, str]
    uuid: str = ""
    floor: int = -1
    last: str = ""
    lost: list[str] = []


class Join(HostAction):
    """See `join`."""

    database: str
    galera: bool


@step("cluster.left", args=Left, no_undo="it changes nothing", deadline=1800, retry=())
def left(context: Context) -> dict[str, Any]:
    """Says how far the member of `database` on `host`, which is off, has come, by its own disk."""
    args = context.args
    member = Member(context, args["host"], args["directory"])
    at = member.position()
    return {"uuid": at.uuid, "seqno": at.seqno, "safe": at.safe, "by": at.by}


@step("cluster.begin", args=Begin, no_undo="another way down stops it", deadline=START + 3600, retry=())
def begin(context: Context) -> dict[str, Any]:
    """Sees to it that the Galera cluster `database` runs. If a member is in its Primary component, whatever its state
    there (a donor, one that gets its data), nothing is done. Else every member is stopped and asked how far it had
    come; the one that is proved to have all is started as the first. Refused where that is not proved, where a server
    runs and lets nobody in, and where a member that was given up as lost runs in the cluster."""
    args = context.args
    every = {host: Member(context, host, directory) for host, directory in args["members"].items()}
    mine = {host: one for host, one in every.items() if host not in args["lost"]}
    first = found(context, mine)
    if first:
        return {"first": first, "how": "it ran"}
    check_lost({host: every[host].look() for host in args["lost"]})
    positions: dict[str, Position | str] = dict.fromkeys(args["lost"], "given up as lost")
    for host, one in mine.items():
        try:
            one.stop()
            positions[host] = one.position()
        except NaruError as error:
            context.check()  # it may be that the step is to stop
            positions[host] = error.summary if not error.detail else f"{error.summary}: {error.detail[-300:]}"
    words = {"uuid": args["uuid"], "floor": args["floor"], "last": args["last"], "lost": args["lost"]}
    first = choose({host: positions[host] for host in every}, **words)
    told = {host: vars(one) if isinstance(one, Position) else one for host, one in positions.items()}
    context.log(f"{first} begins {args['database']}: {told}")
    every[first].begin()
    every[first].wait(START)
    uuid = str(every[first].look().get("uuid", ""))
    if args["uuid"] and uuid != args["uuid"]:
        raise PlanError(f"{args['database']} has begun as {uuid}, and was {args['uuid']}", hint="Stop, and look at it.")
    return {"first": first, "how": "begun", "positions": told}


def found(context: Context, every: "Mapping[str, Member]", seconds: float = SETTLE) -> str:
    """A member of a cluster that runs, "" for none. One that runs outside of it is given a while to find it. Raises
    PlanError for a server that runs and lets nobody in: it may be the cluster, and nothing of it is stopped."""
    end = time.monotonic() + seconds
    while True:
        seen = {host: one.look() for host, one in every.items()}
        primary = [host for host, now in seen.items() if members.is_primary(now)]
        if primary:
            return next((host for host in primary if members.is_synced(seen[host])), primary[0])
        refused = {host: now for host, now in seen.items() if "refused" in now}
        if not refused and all("error" in now for now in seen.values()):
            return ""
        if time.monotonic() > end:
            if refused:
                raise locked_out(refused)
            return ""
        context.sleep(POLL)


def locked_out(refused: Mapping[str, Mapping[str, Any]]) -> PlanError:
    """The error of servers, by host, that run and do not let Naru in."""
    return PlanError(
        f"the database runs on {', '.join(refused)} and does not let Naru in: nothing was stopped",
        detail="\n".join(f"{host}: {now['error']}" for host, now in refused.items()),
        hint="Correct user and password of the database in the site, or free connections; then give the command again.",
    )


def check_lost(seen: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises PlanError for a member that was given up as lost and runs in the cluster, or runs and lets nobody in: a
    second cluster would be begun beside it."""
    runs = {host: now for host, now in seen.items() if members.is_primary(now) or "refused" in now}
    if runs:
        raise PlanError(
            f"{', '.join(runs)} was given as lost, and its database runs: nothing was stopped",
            detail="\n".join(f"{host}: {now.get('error', now.get('state', 'Primary'))}" for host, now in runs.items()),
            hint="Give naru cluster up without --lost for it, or switch that host off.",
        )


@step("cluster.join", args=Join, no_undo="another way down stops it", deadline=JOIN, retry=())
def join(context: Context) -> dict[str, Any]:
    """Starts the server of `database` on `host`, unless it runs, and waits until it answers; of a Galera cluster until
    it is Synced."""
    args = context.args
    member = Member(context, args["host"], "")
    now = member.look()
    if not (members.is_synced(now) if args["galera"] else "error" not in now):
        member.start(JOIN)
        now = member.wait(JOIN, galera=args["galera"])
    return {name: now[name] for name in ("uuid", "seqno", "size") if name in now}


class Member:
    """The server of a step's database on one of its hosts, with its data in `directory`."""

    def __init__(self, context: Context, host: str, directory: str) -> None:
        self._context = context
        self._args = {**context.args, "host": host}
        self._step = f"{context.id}/{host}"
        self._place = Place(context, self._args, self._step)
        self._directory = directory
        self.host = host
        every = self._place.site.content.databases
        self._database: Database = next(one for one in every if one.name == context.args["database"])
        these = [one for one in placed(self._place.site)["databases"] if (one.name, one.host) == (DATABASE, host)]
        if not these:
            raise PlanError(f"{self._place.site.file}: nothing manages {DATABASE} on {host}")
        self.service: Placed = these[0]

    def look(self) -> dict[str, Any]:
        """What the server says; `error` when it says nothing."""
        return members.member(self._place.site, self._place.fleet, self._database, self.host, seconds=5.0)

    def position(self) -> Position:
        """How far it had come, by its disk."""
        line = self._database.recover or RECOVER
        said = self._change("position", line)
        pairs = dict(one.split("=", 1) for one in said.splitlines() if "=" in one)
        return Position(pairs["uuid"], int(pairs["seqno"]), pairs["safe"] == "1", pairs["by"])

    def begin(self) -> None:
        """Starts it as the first of its cluster."""
        line = self._database.bootstrap or BOOTSTRAP
        self._change("safe")
        self._context.log(f"{self.host}: {line}")
        if isinstance(self.service.managed, Unit):
            self._unit(self.service.managed).release()
            self._change("begin", line, self.service.managed.unit)
        else:
            self._change("begin", line)

    def stop(self) -> None:
        """Brings it to rest, so that no boot starts it either."""
        match self.service.managed:
            case Unit() as unit:
                self._unit(unit).hold()
            case Container():
                box = ContainerAt(self._context, self._args | vars(self.service.managed), self._step)
                box.stop(box.record()[1])
            case Commands(stop=line):
                self._run(line)

    def start(self, seconds: float) -> None:
        """Starts it, unless it runs, or is about to: its unit may be starting for so long, since it gets its data
        meanwhile."""
        match self.service.managed:
            case Unit() as unit:
                at = self._unit(unit, seconds)
                before, _ = at.record("before")
                at.release()
                at.start(before)
            case Container():
                one = ContainerAt(self._context, self._args | vars(self.service.managed), self._step)
                one.start(one.record()[1], None)
            case Commands(start=line):
                self._run(line)

    def wait(self, seconds: float, *, galera: bool = True) -> dict[str, Any]:
        """What it says once it answers, and is Synced. Raises PlanError when that takes too long, and for one that does
        not take the password, which no waiting mends. One that runs in no cluster is started again, now and then: it
        asks for others when it starts."""
        end = time.monotonic() + seconds
        alone = time.monotonic()
        while True:
            seen = self.look()
            if members.is_synced(seen) if galera else "error" not in seen:
                return seen
            if seen.get("refused") == "password":
                raise locked_out({self.host: seen})
            self._check_runs()
            now = time.monotonic()
            if now > end:
                told = seen.get("error") or f"{seen.get('state')}, {seen.get('component')}"
                raise PlanError(f"{self.host}: {self._database.name} is not there after {seconds:g} s: {told}")
            if galera and seen.get("component") not in ("non-Primary", "Disconnected"):
                alone = now
            elif galera and now - alone > STUCK and self._context.kind == "cluster.join":
                self.stop()
                self.start(seconds)
                alone = now
            self._context.sleep(POLL)

    def _run(self, line: str) -> None:
        # a server that it leaves in the background would hold the connection open
        self._context.log(f"{self.host}: {line}")
        self._place.ask(lambda remote: remote.checked(f"({line}) </dev/null >/dev/null 2>&1", seconds=300))

    def _check_runs(self) -> None:
        """Raises PlanError for a unit that has given up."""
        if isinstance(self.service.managed, Unit):
            _, now = self._unit(self.service.managed).look(lines=20)
            if now["ActiveState"] in ("failed", "inactive"):
                told = f"{self.host}: {self.service.managed.unit} has ended: it is {now['ActiveState']}"
                raise PlanError(
                    told, detail=now["log"], hint="See its own log there. Given again, it is started again."
                )

    def _unit(self, unit: Unit, seconds: float = UNIT_SECONDS) -> UnitAt:
        return UnitAt(self._context, {**self._args, "unit": unit.unit, "seconds": seconds}, self._step)

    def _change(self, verb: str, *words: str) -> str:
        return self._place.change("galera", verb, self._directory, *words, package=PACKAGE)

"""Step kinds that upgrades alone have: a release's own manage commands, run on a host on a service's schemas."""

import http.client
import json
import shlex
import time
from collections.abc import Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

from pydantic import Field

from naru.actions import durations
from naru.actions.databases.restore import BESIDE, back
from naru.actions.databases.server import OnServer, environment, forget, run
from naru.actions.databases.server import script as database_script
from naru.actions.hosts.detached import Detached
from naru.actions.hosts.file import AbsolutePath
from naru.actions.hosts.place import HostAction, Place, script_text
from naru.errors import NaruError
from naru.plan.arguments import Arguments, Undo
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.kinds import step
from naru.releases import install, path, portable
from naru.site import haproxy
from naru.site.ssh import Remote
from naru.site.threads import in_thread
from naru.site.tunnel import Closed, open_socket

PATIENCE = 300.0
"""Seconds until an API answers that was started; the first that are started wait for others."""
PAUSE = 0.5
LOCAL = 3
"""The column of an own address in what ss says."""
CHECKED = 180
"""Seconds that a service's own checks have."""
TURNS = 100
"""How often online data migrations are run that say there is more to do; each turn goes on until it finds nothing."""


class Pack(Arguments):
    """See `pack`."""

    release: str


class Manage(OnServer):
    """What a service's manage commands of a release need: its `environment` on `host`, and `cells`, those of Nova's
    schemas that are cells."""

    service: str
    release: str
    environment: AbsolutePath
    cells: list[str] = Field(default_factory=list)


class Sync(Manage):
    """See `sync`."""

    step_kind: ClassVar[str] = "upgrade.sync"

    dump: AbsolutePath


class Online(Manage):
    """See `online`."""

    step_kind: ClassVar[str] = "upgrade.online"

    row_by_row: bool = False


class Check(Manage):
    """See `check`."""

    step_kind: ClassVar[str] = "upgrade.check"


class Extract(OnServer):
    """See `extract`."""

    step_kind: ClassVar[str] = "upgrade.extract"


class Cells(OnServer):
    """See `cells`."""

    step_kind: ClassVar[str] = "upgrade.cells"


class Answers(HostAction):
    """See `answers`."""

    step_kind: ClassVar[str] = "upgrade.answers"

    port: int
    seconds: float = PATIENCE


@step("upgrade.pack", args=Pack, no_undo="an archive here is in nobody's way", deadline=2 * 3600, retry=(), here=True)
def pack(context: Context) -> dict[str, Any]:
    """Installs a release's environment on this machine, and packs it for hosts, unless both was done."""
    name = context.args["release"]
    install.install([name], lambda _, phase, done, total: context.progress(done, total or None, "count"))
    context.log(f"pack the environment of {name}")
    archive = portable.pack(name)
    return {"archive": str(archive), "bytes": archive.stat().st_size}


@step("upgrade.sync", args=Sync, undo="upgrade.manage.undo", deadline=durations.own, retry=())
def sync(context: Context) -> dict[str, Any]:
    """Runs the schema steps of a `release` for a `service`, by its own code.

    What was done of one that failed or was cut off is not known: a change of a table commits itself before the version
    is written, and to run it again finds half of it there. So the step fails, and when it is given again it first puts
    `dump`, which was made just before it, in the place of the service's schemas."""
    args = context.args
    place = Place(context, args, context.id)
    before = Detached(place, "do", [], {})
    now = before.look()
    if now.state in ("ended", "cut") and now.code != 0 and context.failed(now.told):
        back(place, args, args["dump"], BESIDE)
        before.clear()
    forget(place, "restore")  # after the other: as long as that is there, it is known to be restored
    service = path.services()[args["service"]]
    return _manage(context, [(argv, "@cell@" in service.config and argv[1] == "db") for argv in service.sync], turns=0)


@step("upgrade.online", args=Online, undo="upgrade.manage.undo", deadline=durations.own, retry=())
def online(context: Context) -> dict[str, Any]:
    """Runs the online data migrations of a `release` for a `service`, by its own code, until they find nothing more.
    They may be repeated. What they would fill row by row a statement fills before, unless `row_by_row` is wanted: with
    100,000 servers that is some seconds in place of a quarter of an hour."""
    service = path.services()[context.args["service"]]
    filled = [] if context.args.get("row_by_row") else path.filled(service, context.args["release"])
    # an exit code of 1 would say that there is more to do
    ahead = [f'cell:sql "$cell" -e {shlex.quote(one.statement)} || (exit 2)' for one in filled]
    return _manage(context, [(service.online, "@cell@" in service.config)], turns=TURNS, ahead=ahead)


@step("upgrade.check", args=Check, undo="upgrade.manage.undo", deadline=2 * CHECKED, retry=())
def check(context: Context) -> dict[str, Any]:
    """Runs a service's own upgrade checks, by the code of the `release` that its databases are of. They read.

    The result has `checks`, of each its name (`check`), and of those that were run `seconds` and either `code` (0
    success, 1 warning, 2 failure) with `details`, or `error` for one that raised; or it has `error`, when the program
    did not come to its end. Neither fails the step: what a check cannot tell holds up nothing."""
    args = context.args
    place, service = Place(context, args, context.id), path.services()[args["service"]]
    status = service.checks(args["release"])
    assert status is not None  # no other release has the step
    left_out = [name for one in status.of(args["release"]) if one.state == "unseen" for name in one.checks]
    cell = next(iter(args.get("cells", ())), "")
    words = [args["environment"], cell, str(CHECKED), status.program, status.module, "\n".join(left_out)]
    scripts = [database_script("client"), script("configuration"), script("status")]
    env = {**environment(place, args), "NARU_CONFIG": service.config}
    said = run(place, "do", scripts, words, env, f"{status.program} upgrade check of {args['release']}")
    if "error" in said:
        return {"error": said["error"]}
    return {"checks": json.loads(said["checks"])}


@step("upgrade.extract", args=Extract, undo="upgrade.manage.undo", deadline=durations.own, retry=())
def extract(context: Context) -> dict[str, Any]:
    """Copies Placement's tables out of nova_api into a schema of their own, unless there is one. They are taken as the
    schema steps of Rocky or Stein have left them; the old ones stay."""
    return _database(context, "extract", "copy Placement's tables out of nova_api")


@step("upgrade.cells", args=Cells, undo="upgrade.manage.undo", deadline=600, retry=())
def cells(context: Context) -> dict[str, Any]:
    """In a copy of Nova's databases: lets the cells be the copy's own, and their message queue nobody's. Else the code
    that works on the copy would work on the cells that it is a copy of."""
    return _database(context, "cells", "point the copy's cells at the copy")


@step("upgrade.answers", args=Answers, no_undo="it only asks", deadline=2 * PATIENCE + 600, retry=())
def answers(context: Context) -> dict[str, Any]:
    """Waits until an HTTP server answers at `port` of `host`, as the host reaches itself, with anything but an error of
    its own (5xx), and until every HAProxy of the site that gives it requests has found that, too; `seconds` at most."""
    args = context.args
    place = Place(context, args, context.id)
    end = time.monotonic() + float(args.get("seconds", PATIENCE))
    while True:
        try:
            status = place.ask(lambda remote: _status(remote, args["port"]))
            said = f"it answers {status}"
            if status < HTTPStatus.INTERNAL_SERVER_ERROR:
                said = _without(place, args["port"])
                if not said:
                    return {"status": status}
        except NaruError as error:
            said = error.summary
        if time.monotonic() > end:
            raise PlanError(f"{place.host}: port {args['port']} is not served: {said}", hint="See the service's log.")
        context.sleep(PAUSE)


def _without(place: Place, port: int) -> str:
    """Which load balancer takes a service for down that listens at the host's port; "" for none. One that does not
    answer gives nobody requests."""
    address = place.site.hosts[place.host].address
    for balancer in place.site.part.load_balancers:
        if not balancer.socket:
            continue
        for host in place.site.named(balancer.hosts):
            try:
                gates = place.ask(partial(haproxy.gates, socket=balancer.socket), host.name)
            except NaruError as error:
                place.context.log(f"{host.name} is not asked: {error.summary}")
                continue
            for gate in gates:
                if (gate.address, gate.port) == (address, port) and gate.status.startswith("DOWN"):
                    return f"{host.name} has {gate.backend}/{gate.server} as {gate.status}"
    return ""


async def _status(remote: Remote, port: int) -> int:
    """The status of what answers there, at whichever address it listens. Raises Closed."""
    listening = (await remote.run(f"ss -Hltn 'sport = :{port}'", seconds=PATIENCE)).out.split()
    if len(listening) < LOCAL + 1:
        raise Closed(f"{remote.name}: nobody listens at port {port}")
    address = listening[LOCAL].rpartition(":")[0].strip("[]")
    address = "127.0.0.1" if address in ("*", "0.0.0.0", "::") else address
    async with open_socket(remote, address, port) as sock:

        def ask() -> int:
            connection = http.client.HTTPConnection(address, port)
            connection.sock = sock
            try:
                connection.request("GET", "/", headers={"Connection": "close"})
                return connection.getresponse().status
            except (OSError, http.client.HTTPException) as error:
                raise Closed(f"{address}:{port}: {error!r}") from error

        return await in_thread(ask)


@step("upgrade.manage.undo", args=Undo, no_undo="it is an undo itself", deadline=600, retry=(), here=True)
def undo(context: Context) -> None:
    """Ends what still runs, and forgets that it was done. What it has done to the schemas is undone by the point before
    it."""
    forget(Place(context, context.undone.args, context.undone.step), "do", "restore")


def _manage(
    context: Context, commands: Sequence[tuple[Sequence[str], bool]], *, turns: int, ahead: Sequence[str] = ()
) -> dict[str, Any]:
    args = context.args
    place = Place(context, args, context.id)
    service = path.services()[args["service"]]
    lines = [*ahead, *(("cell:" if each else "") + _line(service, args, argv) for argv, each in commands)]
    said = f"{' and '.join(' '.join(argv) for argv, _ in commands)} of {args['release']}"
    env = {**environment(place, args), "NARU_CONFIG": service.config}
    words = [args["environment"], str(turns), " ".join(args.get("cells", ())), "\n".join(lines)]
    scripts = [database_script("client"), script("configuration"), script("manage")]
    run(place, "do", scripts, words, env, said, repeat=bool(turns))
    return {}


def _line(service: path.Service, args: Mapping[str, Any], argv: Sequence[str]) -> str:
    """A command with its configuration, as a shell's line; without the migrations that are passed over."""
    program, *words = argv
    names = [one.name for one in path.passed_over(service, args["release"])] if tuple(argv) == service.online else []
    option = ["--config-file", "service.conf"]
    if not names:
        return shlex.join([program, *option, *words])
    code = (
        f"import sys, {service.manage} as manage\n"
        "commands = manage.DbCommands; every = commands.online_migrations\n"
        f"commands.online_migrations = tuple(one for one in every if one.__name__ not in {names!r})\n"
        f"sys.argv[0] = {program!r}; manage.main()"
    )
    return shlex.join(["python", "-c", code.replace("\n", "; "), *option, *words])


def _database(context: Context, name: str, said: str) -> dict[str, Any]:
    place = Place(context, context.args, context.id)
    done = run(place, "do", [database_script("client"), script(name)], [], environment(place, context.args), said)
    return dict(done)


def script(name: str) -> str:
    """A script's text."""
    return script_text(name, "naru.upgrade")

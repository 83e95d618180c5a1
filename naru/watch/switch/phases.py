"""Notifications of a site's services planned, switched on, and off: the verbs that commands call.

Each may be interrupted, or killed, and given again: it goes on where it was.
"""

import difflib
import json
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from naru.errors import InputError, NaruError
from naru.files import write_whole
from naru.plan import control, rollback
from naru.plan.findings import refuse_errors
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.model import Plan
from naru.plan.run import Terminal, run
from naru.plan.status import Status, status
from naru.site import site as sites
from naru.site.ssh import Fleet, Remote
from naru.watch.switch import planner
from naru.watch.switch.reading import Config, digest, read
from naru.watch.switch.work import CONTENT, FILES, Changed, Settings, Work, source, work_directory

_SECONDS = 60.0
_SECRET = re.compile(r"(://)[^/\s]*@|(?i:((?:password|secret|token)[\w-]*\s*[=:]\s*)\S.*)")


def plan(settings: Settings, directory: Path) -> tuple[Plan, list[str]]:
    """Reads the configuration of services on their hosts, and writes the plan and the files as they will be into the
    work directory. Nothing is changed anywhere. Returns what differs as well, without passwords. Raises InputError."""
    load(planner.MODULES)
    site = sites.load(Path(settings.site))
    work = work_directory(directory)
    work.prepare(settings.dump().keys())
    with Fleet(site) as fleet:
        seen = read(site, fleet, settings.services, settings.format)
    made = planner.whole(seen, settings, site.content.name, directory)
    shutil.rmtree(directory / CONTENT, ignore_errors=True)
    for one in seen.configs:
        file = source(directory, one.host, one.path)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (directory / CONTENT).chmod(0o700)
        write_whole(file, one.after)
    changed = [Changed(one.host, one.path, digest(one.before), digest(one.after)) for one in seen.configs]
    write_whole(directory / FILES, json.dumps([asdict(one) for one in changed], indent=1) + "\n")
    work.create(made)
    return made, [line for one in seen.configs for line in difference(one)]


def difference(config: Config) -> list[str]:
    """What of a file changes, with nothing around it and without passwords."""
    before, after = config.before.splitlines(), config.after.splitlines()
    lines = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
    told = [line for line in lines if not line.startswith("@@")]
    return [f"{config.host}: {config.path}", *(_SECRET.sub(_blotted, line) for line in told)]


def _blotted(found: "re.Match[str]") -> str:
    return f"{found[1]}***@" if found[1] else f"{found[2]}***"


def on(work: Work, terminal: Terminal) -> Status:
    """Files put in place and services started anew, as it was planned. Refused where a file is not any more as it was
    planned. Raises InputError."""
    with work.journal() as journal:
        refuse_errors(journal)
        if status(journal).counts["undone"]:
            raise InputError(
                f"{work.directory}: they were switched off, or that has begun",
                hint="Plan again, into another directory: naru watch notifications plan",
            )
        _check(work, "on")
        return _run(journal, terminal)


def off(work: Work, terminal: Terminal, *, anyway: bool = False) -> Status:
    """The files as they were, and the services started anew. Refused where somebody has changed a file meanwhile, who
    would lose that, but for `anyway`: what they wrote is then kept on the host, and the step's result says where.
    Raises InputError."""
    with work.journal() as journal:
        if not anyway:
            _check(work, "off")
        load(journal.modules())
        rollback.start(journal)
        return run(journal, terminal)


def _check(work: Work, way: str) -> None:
    """Raises InputError for files that are neither as they were planned from nor as they were planned."""
    files = work.files()
    found = _digests(work, files)
    wrong = []
    for one in files:
        now = found[one.host, one.path]
        if now not in (one.before, one.after):
            wrong.append(f"{one.host}: {one.path}")
    if not wrong:
        return
    if way == "on":
        hint = f"Plan again: naru watch notifications plan --work {work.directory} ..."
        told = f"{len(wrong)} files are not any more as they were planned"
    else:
        hint = "Take the options out by hand, or give --anyway: what was written since is then kept on the host."
        told = f"{len(wrong)} files were changed since"
    raise InputError(f"{work.directory}: {told}", detail="\n".join(wrong), hint=hint)


def _digests(work: Work, files: list[Changed]) -> Mapping[tuple[str, str], str]:
    paths: dict[str, list[str]] = {}
    for one in files:
        paths.setdefault(one.host, []).append(one.path)
    site = sites.load(Path(work.settings.site))

    async def look(remote: Remote) -> list[str]:
        line = f"sha256sum -- {shlex.join(paths[remote.name])}"
        return [row[:64] for row in (await remote.checked(line, seconds=_SECONDS)).splitlines()]

    with Fleet(site) as fleet:
        found = fleet.each(paths, look)
    known = {}
    for host, rows in found.items():
        if isinstance(rows, NaruError):
            raise rows
        known.update({(host, path): row for path, row in zip(paths[host], rows, strict=True)})
    return known


def _run(journal: Journal, terminal: Terminal) -> Status:
    load(journal.modules())
    control.retry_any_failed(journal)
    return run(journal, terminal)

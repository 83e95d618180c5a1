"""A consistent dump of a site's databases, brought here; or one that was made before."""

import datetime
import hashlib
import shlex
import shutil
import time
import urllib.parse
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from naru.actions.databases.dump import SCRIPTS
from naru.actions.databases.server import script
from naru.errors import InputError, NaruError
from naru.site.model import Database
from naru.site.site import Host, Site
from naru.site.ssh import Fleet, Remote
from naru.site.threads import in_thread
from naru.twin.remains import Remain, Remains, gone

SECONDS = 86400.0
"""How long a dump may take."""
OLD = 86400.0
"""Seconds after which a dump that an attempt before has left is not gone on with."""
ROOT = "/var/lib/naru"
COMPLETE = "complete"
"""The file that a whole dump has, which says what it is of."""

Progress = Callable[[str], None]


def take(site: Site, wanted: Collection[str], target: Path, mark: str, tell: Progress, remains: Remains) -> list[Path]:
    """Dumps the `wanted` schemas of all the site's databases, each at one instant, and brings them into `target`, a
    directory for each. On the database's host a dump is in a directory of its own, named by `mark`, until it is here;
    `remains` has it as long, and what it has is removed when this is interrupted. One that is here already, and is not
    old, is not taken again. Raises NaruError."""
    try:
        return _take_all(site, wanted, target, mark, tell, remains)
    finally:
        for told in remains.remove():  # by connections of its own: others have ended with what is interrupted
            tell(told)


def _take_all(
    site: Site, wanted: Collection[str], target: Path, mark: str, tell: Progress, remains: Remains
) -> list[Path]:
    taken = []
    with Fleet(site) as fleet:
        for database in site.part.databases:
            schemas = [name for name in wanted if not database.schemas or name in database.schemas]
            if schemas:
                here = target / database.name
                if not _good(here, tell):
                    tell(f"dumping {', '.join(schemas)} of the database {database.name}")
                    host = _host(site, database)
                    remain = Remain(site=str(site.file), host=host.name, path=f"{ROOT}/twin-{mark}-{database.name}")
                    remains.add(remain)
                    _take(fleet, database, host, schemas, here, remain.path, tell)
                    remains.drop(remain)
                taken.append(here)
    if not taken:
        raise InputError(f"{site.file}: databases: none has a schema of OpenStack's services")
    return taken


def _good(here: Path, tell: Progress) -> bool:
    """Whether a whole dump of an attempt before is here, which is not too old to be gone on with; such a one is
    removed."""
    if not (here / COMPLETE).exists():
        return False
    when = began(here)
    if time.time() - when < OLD:
        tell(f"going on with the dump of {moment(when)}")
        return True
    tell(f"the dump of {moment(when)} is older than a day: it is taken anew")
    shutil.rmtree(here)
    return False


def began(here: Path) -> float:
    """When a dump was taken, in seconds since the epoch; 0 where it does not say."""
    said = _said(here).get("began", "")
    return float(said) if said.isdigit() else 0.0


def moment(when: float) -> str:
    """An instant for a person."""
    if not when:
        return "nobody knows when"
    return datetime.datetime.fromtimestamp(when, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _said(dump: Path) -> dict[str, str]:
    """What is known of a dump."""
    lines = (line.partition("=") for line in (dump / COMPLETE).read_text().splitlines())
    return {key: value for key, _, value in lines}


def _host(site: Site, database: Database) -> Host:
    """Where a database is dumped."""
    if hosts := site.named(database.hosts):
        return hosts[0]
    raise InputError(f"{site.file}: databases: {database.name} has no host")


_HELD = """given=$(head -c "$1"; echo .)
dump=$2 code=$3 old=$4
shift 4
eval "${given%.}"
umask 077
find "$dump" -maxdepth 0 -mmin +"$old" -exec rm -rf {} + 2>/dev/null
[ ! -e "$dump/complete" ] || echo reused
exec 3<&0
setsid sh -c "$code" naru "$dump" "$@" </dev/null 3<&- &
work=$!
(
  cat >/dev/null
  trap '' TERM
  kill -s TERM -- "-$work"
  sleep 1
  kill -s KILL -- "-$work"
  rm -rf -- "$dump" "$dump.part" "$dump.own"
) <&3 >/dev/null 2>&1 &
watch=$!
exec 3<&-
wait "$work"
ended=$?
kill "$watch" 2>/dev/null
exit "$ended"
"""
"""Dumps by the script CODE, with an environment of BYTES bytes on the standard input, and ends it, leaving nothing,
when the rest of the standard input ends: when nobody is there any more for whom it is. A dump of an attempt before that
is older than OLD minutes is taken anew. BYTES DUMP CODE OLD STEP SCHEMA..."""


def _take(
    fleet: Fleet,
    database: Database,
    host: Host,
    schemas: Collection[str],
    here: Path,
    there: str,
    tell: Progress,
) -> None:
    remote = fleet.remote(host.name)
    code = "".join(map(script, SCRIPTS))

    async def dumped() -> None:
        password = await fleet.secrets.read(database.password, f"databases.{database.name}.password")
        # the password comes on the standard input: no list of processes has it
        given = _environment(fleet.site, database, host.address, password, there).encode()
        words = [str(len(given)), there, code, f"{OLD / 60:.0f}", "naru-twin", *schemas]
        done = await remote.run(["sh", "-c", _HELD, "naru", *words], given=given, seconds=SECONDS, held=True)
        if done.code:
            raise NaruError(f"{remote.name}: {database.name} cannot be dumped", detail=done.errors.strip()[-2000:])
        again = "the dump of an attempt before" if done.out.startswith("reused\n") else "the dump"
        tell(f"bringing {again} here")
        await fetch(remote, there, here)
        tell(f"the dump is of {moment(began(here))}")
        await gone(remote, there)

    fleet.call(dumped())


def _environment(site: Site, database: Database, address: str, password: str, there: str) -> str:
    said = {
        "NARU_OWN": f"{there}.own",
        "NARU_DB_HOST": database.address or address,
        "NARU_DB_PORT": str(database.port),
        "NARU_DB_USER": database.user,
        "NARU_DB_LOGIN": f"{urllib.parse.quote(database.user, safe='')}:{urllib.parse.quote(password, safe='')}",
        "MYSQL_PWD": password,
    }
    if database.certificate:
        said["NARU_DB_CA"] = site.path(database.certificate).read_text()
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in said.items())


async def fetch(remote: Remote, there: str, here: Path) -> None:
    """Brings a dump's files here, each compared by its digest, the one that says that it is whole last. Raises
    NaruError."""
    here.mkdir(parents=True, exist_ok=True, mode=0o700)
    names = (await remote.checked(["ls", there])).split()
    for name in sorted(names, key=lambda one: one == COMPLETE):
        part = here / f".{name}.part"
        await remote.fetched(f"{there}/{name}", part)
        digest = (await remote.checked(["sha256sum", f"{there}/{name}"])).split()[0]
        if digest != await in_thread(partial(_digest, part)):
            raise NaruError(f"{remote.name}: {name} has arrived damaged", hint="Give the command again.")
        part.replace(here / name)


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def given(directory: Path) -> list[Path]:
    """The dumps in a directory: itself, or its directories that are one. Raises InputError."""
    found = [one for one in (directory, *sorted(directory.glob("*"))) if (one / COMPLETE).is_file()]
    if not found:
        raise InputError(
            f"{directory}: there is no dump in it: no file {COMPLETE}",
            hint="Give the directory of a step database.dump, or of several: docs/reference/database-steps.md",
        )
    return found


def schemas(dumps: Collection[Path]) -> list[str]:
    """The schemas that the dumps have. Raises InputError where two have the same."""
    found: dict[str, Path] = {}
    for dump in dumps:
        for name in _said(dump).get("schemas", "").split():
            if name in found:
                raise InputError(f"{dump} and {found[name]} both have the schema {name}")
            found[name] = dump
    return list(found)

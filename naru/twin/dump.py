"""A consistent dump of a site's databases, brought here; or one that was made before."""

import hashlib
import shlex
import urllib.parse
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from naru.actions.databases.dump import SCRIPTS
from naru.actions.databases.server import script
from naru.errors import InputError, NaruError
from naru.site.model import Database
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.site.threads import in_thread

SECONDS = 86400.0
"""How long a dump may take."""
ROOT = "/var/lib/naru"
COMPLETE = "complete"
"""The file that a whole dump has, which says what it is of."""
OPTIONAL = ("tables",)
"""Of a dump's files those that it may lack."""

Progress = Callable[[str], None]


def take(site: Site, wanted: Collection[str], target: Path, mark: str, tell: Progress) -> list[Path]:
    """Dumps the `wanted` schemas of all the site's databases, each at one instant, and brings them into `target`, a
    directory for each. On the database's host a dump is in a directory of its own, named by `mark`, until it is here.
    One that is here already is not taken again. Raises NaruError."""
    taken = []
    with Fleet(site) as fleet:
        for database in site.part.databases:
            schemas = [name for name in wanted if not database.schemas or name in database.schemas]
            if schemas:
                here = target / database.name
                if not (here / COMPLETE).exists():
                    tell(f"dumping {', '.join(schemas)} of the database {database.name}")
                    _take(site, fleet, database, schemas, here, f"{ROOT}/twin-{mark}-{database.name}", tell)
                taken.append(here)
    if not taken:
        raise InputError(f"{site.file}: databases: none has a schema of OpenStack's services")
    return taken


def _take(
    site: Site, fleet: Fleet, database: Database, schemas: Collection[str], here: Path, there: str, tell: Progress
) -> None:
    hosts = site.named(database.hosts)
    if not hosts:
        raise InputError(f"{site.file}: databases: {database.name} has no host")
    [host, *_] = hosts
    remote = fleet.remote(host.name)
    words = [there, "naru-twin", *schemas]
    code = "".join(map(script, SCRIPTS))

    async def dumped() -> None:
        password = await fleet.secrets.read(database.password, f"databases.{database.name}.password")
        given = _environment(site, database, host.address, password, there)
        # the password comes on the standard input: no list of processes has it
        line = shlex.join(["sh", "-c", f'eval "$(cat)"\n{code}', "naru", *words])
        try:
            done = await remote.run(line, given=given.encode(), seconds=SECONDS)
            if done.code:
                raise NaruError(f"{remote.name}: {database.name} cannot be dumped", detail=done.errors.strip()[-2000:])
            tell("bringing the dump here")
            await fetch(remote, there, here)
        finally:
            await remote.run(["rm", "-rf", there, f"{there}.part"])

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
        lines = (line.partition("=") for line in (dump / COMPLETE).read_text().splitlines())
        for name in {key: value for key, _, value in lines}.get("schemas", "").split():
            if name in found:
                raise InputError(f"{dump} and {found[name]} both have the schema {name}")
            found[name] = dump
    return list(found)

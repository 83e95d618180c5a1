"""One upgrade at a time has a cloud, from its freeze or window until it is thawed, taken back or finalized.

A work directory's own lock keeps two terminals apart that use the same one. Of two directories, which may be on two
machines, neither knows of the other: so each leaves its name in a file on the hosts of the cloud's databases, which all
of them change. It says who has it, and a person can remove it when that directory is gone.
"""

import getpass
import shlex
import socket
import time

from naru.errors import InputError, NaruError
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.text import utc
from naru.upgrade.work import Work

FILE = "/var/lib/naru/upgrade/claim"
"""On hosts of databases: the plan's id in its first line, who that is in the second."""
SECONDS = 30.0
# made whole under another name, on the disk (an empty one would be nobody's, and refuse all), and then linked, which
# one alone can do
TAKE = (
    'mkdir -p "${0%/*}" && new=$(mktemp "$0.XXXXXX") && chmod 644 "$new" && printf "%s\\n" "$1" "$2" >"$new" && '
    'sync "$new" && { ln "$new" "$0" 2>/dev/null || true; } && rm -f "$new" && cat "$0"'
)
GIVE_UP = '[ ! -e "$0" ] || [ "$(head -n 1 "$0")" != "$1" ] || rm -f "$0"'


def take(upgrade: Work, site: Site) -> None:
    """Lets this upgrade have the cloud, if it does not yet. Raises InputError when another one has it, NaruError when
    no host of a database can be asked."""
    who = f"{getpass.getuser()}@{socket.gethostname()} {upgrade.directory.absolute()}, since {utc(time.time())} UTC"
    failed: list[NaruError] = []
    with Fleet(site) as fleet:
        names = _hosts(site)
        for name in names:  # in one order, so that of two that begin at once one gets all
            try:
                said = fleet.call(_said(fleet.remote(name), TAKE, upgrade.plan_id, who))
            except NaruError as error:
                failed.append(error)
                continue
            owner, _, other = said.partition("\n")
            if owner != upgrade.plan_id:
                _give_up(fleet, names[: names.index(name)], upgrade.plan_id)
                raise InputError(
                    f"{upgrade.directory}: another upgrade has this cloud: {other.strip() or owner}",
                    hint="Thaw it, take it back or finalize it first. If its directory is gone, and its window was not "
                    f"begun: rm {FILE} on {name}",
                )
    if len(failed) == len(names):
        raise failed[0]


def give_up(upgrade: Work, site: Site) -> list[str]:
    """Lets others have the cloud; gives what could not be done, and how to do it."""
    with Fleet(site) as fleet:
        return _give_up(fleet, _hosts(site), upgrade.plan_id)


def _give_up(fleet: Fleet, hosts: list[str], plan_id: str) -> list[str]:
    found = fleet.each(hosts, lambda remote: _said(remote, GIVE_UP, plan_id))
    return [
        f"{name}: {error.summary}: others are refused until somebody does: rm {FILE}"
        for name, error in found.items()
        if isinstance(error, NaruError)
    ]


async def _said(remote: Remote, script: str, *words: str) -> str:
    return await remote.checked(shlex.join(["sh", "-c", script, FILE, *words]), seconds=SECONDS)


def _hosts(site: Site) -> list[str]:
    return sorted({host.name for database in site.part.databases for host in site.named(database.hosts)})

"""From a dump to a state that a twin can be started from: restored, cleaned, with users of its own."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from naru.lab import render, running
from naru.lab.infra import mariadb, memcached
from naru.lab.running import READY, Progress
from naru.site import site as sites
from naru.twin import dump, logins, restore, rows, spec
from naru.twin.clean import Copy
from naru.twin.cloud import TwinCloud
from naru.twin.remains import Remains
from naru.twin.spec import COPY, NAME, Facts, TwinSpec

DUMP = "dump"
"""Where a dump that was taken is until the copy is clean."""


def prepare(directory: Path, cloud_now: Callable[[], TwinCloud], asked: TwinSpec, progress: Progress) -> None:
    """Makes the state anew; `cloud_now` gives the cloud by what is known of the copy then. What ends it leaves no
    process and nothing of the copy; the dump stays only where another attempt can begin with it."""

    def tell(what: str) -> None:
        progress(NAME, what)

    (directory / COPY).unlink(missing_ok=True)
    cloud = cloud_now()
    running.stop(cloud)  # a killed attempt may have left processes on a half-made state
    running.check_ports(cloud)
    running.remove(cloud.state)
    try:
        facts = _copy(directory, cloud, asked, tell)
        spec.save(facts, directory / COPY)
        tell("giving its services their users")
        _give_users(cloud_now())
    except BaseException as error:
        running.stop(cloud)  # the copy may have all secrets of the site still
        running.remove(cloud.state)
        (directory / COPY).unlink(missing_ok=True)
        settle_dump(directory, error, tell)
        raise


def settle_dump(directory: Path, error: BaseException, tell: Callable[[str], None]) -> None:
    """Removes what was taken, unless it is whole and another attempt can begin with it: that is told."""
    taken = directory / DUMP
    if not taken.exists():
        return
    dumps = list(taken.iterdir())
    if isinstance(error, restore.Unfit) or not dumps or not all((one / dump.COMPLETE).exists() for one in dumps):
        shutil.rmtree(taken)
    else:
        tell(f"the dump, which has the site's secrets, is kept in {taken} for another attempt: naru twin up")
        tell("it is removed when that has come so far, and by: naru twin down")


def _copy(directory: Path, cloud: TwinCloud, asked: TwinSpec, tell: Callable[[str], None]) -> Facts:
    """The databases in a server of the twin's own, cleaned."""
    site = sites.load(Path(asked.site))
    needed, taken = restore.wanted(cloud), directory / DUMP
    if asked.dump:
        dumps = dump.given(Path(asked.dump))
    else:
        dumps = dump.take(site, needed, taken, asked.id, tell, Remains(directory))
    restore.check_schemas(dump.schemas(dumps), needed)
    tell(f"restoring the databases as they were: {', '.join(dump.moment(dump.began(one)) for one in dumps)}")
    render.render(cloud)
    running.directories(cloud)
    mariadb.create(cloud.state / "mariadb", cloud.processes.log_file("mariadb-create"))
    running.launch(cloud, [mariadb.command(cloud.state / "mariadb", cloud.at("mariadb"))])
    mariadb.secure(cloud.at("mariadb"), cloud.secret)
    for one in dumps:
        restore.restore(cloud, one)
    with rows.connected(cloud, "information_schema") as connection:
        others = restore.drop_others(connection, needed)
    if others:
        tell(f"left out of the copy, since no service of a twin has them: {', '.join(others)}")
    tell("replacing secrets and addresses")
    facts = clean(cloud, site, asked, needed)
    if taken.exists():
        shutil.rmtree(taken)  # it has the site's secrets
    return facts


def _give_users(cloud: TwinCloud) -> None:
    render.render(cloud)
    running.launch(cloud, [memcached.command(cloud.at("memcached"))])
    running.migrate(cloud, "keystone")
    running.start_services(cloud, ["keystone"])
    logins.settle(cloud)
    (cloud.state / READY).touch()


def clean(cloud: TwinCloud, site: sites.Site, asked: TwinSpec, schemas: Sequence[str]) -> Facts:
    """Takes from the copy what may not stay in it, has it lead to the twin alone, and gives what it has. Once: after
    that nothing in it says where the site is. Whether a twin can be made of it is seen before anything is changed."""
    with rows.connected(cloud, "information_schema") as connection:
        copy = Copy(connection, schemas, [name for name in ("nova", "nova_cell0") if name in schemas])
        restore.check(copy)
        region = restore.region(copy, asked.region)
        addresses, names = restore.addresses(site, copy), restore.names(site)
        meta = "{}" if cloud.release.has("glance-single-store") else '{"store": "file"}'
        copy.apply({"images": str(cloud.state / "glance" / "images"), "meta": meta})
        if unknown := copy.suspects():
            raise restore.Unfit(
                f"may be secrets, which no rule takes away: {', '.join(unknown)}",
                hint="The copy is removed. Report the columns: a rule, or a word that they are harmless, belongs to "
                "naru/twin/rules.py. A dump in which they are empty makes a twin.",
            )
        copy.point_cells(cloud.transport_url, cloud.database_url)
        copy.point_endpoints(region, {kind: url for kind, (_, url) in logins.urls(cloud).items()})
        copy.point_agents(addresses, names)
        left = copy.left(addresses, names)
        if dialled := copy.dialled(left):
            raise restore.Unfit(
                f"addresses of the site are still where services connect to: {', '.join(dialled)}",
                hint="The copy is removed: a service of the twin could have reached the site. Report the columns.",
            )
        hosts, (agents, every_agent) = restore.hosts(copy), restore.agents(copy)
        return Facts(
            region=region,
            controller=restore.controller(copy),
            hosts=tuple(hosts[: asked.computes]),
            agents=tuple(agents[: asked.agents]),
            every_host=len(hosts),
            every_agent=every_agent,
            addresses=tuple(sorted(addresses)),
            left={one.column: one.rows for one in left},
        )

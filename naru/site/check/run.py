"""All that a site says, looked up and judged."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from naru.site import rabbitmq
from naru.site.check import addresses, balancers, databases, hosts, power, queues, services, storage, write_gates
from naru.site.check.look import Look, Missed, look
from naru.site.check.result import Results
from naru.site.check.wanted import of_site, text
from naru.site.model import Database
from naru.site.secrets import Secrets
from naru.site.site import Site
from naru.site.ssh import Fleet

T = TypeVar("T")

# receives what is being done: how many, of how many, what
Progress = Callable[[int, int, str], None]

AT_ONCE = 300
"""Hosts that are looked at, at a time."""
ASKED = 64
"""Power controllers, databases and so on that are asked at a time: each holds a thread meanwhile."""


def check(site: Site, releases_of: services.ReleasesOf, progress: Progress) -> Results:
    """Whether all is as the file says. Nothing is changed anywhere."""
    with Fleet(site) as fleet:
        return fleet.call(_Check(site, fleet, releases_of, progress).all())


class _Check:
    def __init__(self, site: Site, fleet: Fleet, releases_of: services.ReleasesOf, progress: Progress) -> None:
        self.site = site
        self.fleet = fleet
        self.releases_of = releases_of
        self.progress = progress
        self.looks: dict[str, Look] = {}
        self.missed: dict[str, Missed] = {}
        self.done = 0
        self.total = 0
        self.asking = asyncio.Semaphore(ASKED)

    async def all(self) -> Results:
        site = self.site
        secrets = self.fleet.secrets
        controlled = {name: power.ask(site, secrets, host) for name, host in site.hosts.items() if host.power}
        self.total = len(site.hosts) + len(controlled)
        self._tell(0)
        controllers, _ = await asyncio.gather(self._asked(controlled), self._look())
        of_databases, of_queues, of_balancers, of_gates = await asyncio.gather(
            self._in_groups(self._databases(secrets)),
            self._in_groups(self._queues(secrets)),
            self._in_groups(self._balancers()),
            self._in_groups(self._gates()),
        )
        results = Results()
        hosts.judge(site, self.looks, self.missed, results)
        power.judge(site, self.looks, self.missed, controllers, results)
        services.judge(site, self.looks, self.releases_of, results)
        for database in site.part.databases:
            databases.judge(site, database, self.looks, of_databases.get(database.name, {}), results)
        for queue in site.part.queues:
            queues.judge(site, queue, self.looks, of_queues.get(queue.name, {}), results)
        for balancer in site.part.load_balancers:
            balancers.judge(site, balancer, self.looks, of_balancers.get(balancer.name, {}), results)
            write_gates.judge(balancer, of_gates.get(balancer.name, {}), results)
        addresses.judge(site, self.looks, results)
        storage.judge(site, self.looks, results)
        return results

    def _tell(self, more: int) -> None:
        self.done += more
        self.progress(self.done, self.total, "checking")

    async def _look(self) -> None:
        """All hosts. One that cannot be looked at holds up nobody."""
        wanted = {name: text(one) for name, one in of_site(self.site).items()}
        room = asyncio.Semaphore(AT_ONCE)

        async def one(name: str) -> None:
            async with room:
                found = await look(self.fleet.remote(name), wanted[name])
            if isinstance(found, Look):
                self.looks[name] = found
            else:
                self.missed[name] = found
            self._tell(1)

        await asyncio.gather(*(one(name) for name in self.site.hosts))
        # in the file's order, whoever was first
        self.looks = {name: self.looks[name] for name in self.site.hosts if name in self.looks}
        self.missed = {name: self.missed[name] for name in self.site.hosts if name in self.missed}

    async def _asked(self, several: Mapping[str, Coroutine[Any, Any, T]]) -> dict[str, T]:
        async def one(work: Coroutine[Any, Any, T]) -> T:
            async with self.asking:
                result = await work
            self._tell(1)
            return result

        return dict(zip(several, await asyncio.gather(*map(one, several.values())), strict=True))

    async def _in_groups(self, groups: Mapping[str, Mapping[str, Coroutine[Any, Any, T]]]) -> dict[str, dict[str, T]]:
        self.total += sum(map(len, groups.values()))
        answers = await asyncio.gather(*(self._asked(one) for one in groups.values()))
        return dict(zip(groups, answers, strict=True))

    def _databases(self, secrets: Secrets) -> dict[str, dict[str, Coroutine[Any, Any, databases.Answer]]]:
        found = {}
        for database in self.site.part.databases:
            found[database.name] = {
                place: databases.ask(self.site, secrets, database, self.fleet.remote(through), address)
                for place, (through, address) in self._servers(database).items()
            }
        return found

    def _servers(self, database: Database) -> dict[str, tuple[str, str]]:
        """Where a database is asked: by the host whose server it is, "" for its address, through which host, at which
        address."""
        own = [host for host in self.site.named(database.hosts) if host.name in self.looks]
        found: dict[str, tuple[str, str]] = {}
        if database.address and own:
            found[""] = (own[0].name, database.address)
        if not database.address or database.kind == "galera":
            for host in own:
                found[host.name] = (host.name, databases.where(database, host, self.looks[host.name]))
        return found

    def _queues(self, secrets: Secrets) -> dict[str, dict[str, Coroutine[Any, Any, queues.Answer]]]:
        found = {}
        for queue in self.site.part.queues:
            if queue.management is None:
                continue
            own = [host.name for host in self.site.named(queue.hosts) if host.name in self.looks]
            through = {where: where or (own[0] if own else "") for where in rabbitmq.urls(self.site, queue)}
            found[queue.name] = {
                where: queues.ask(self.site, secrets, queue, self.fleet.remote(through[where]), url)
                for where, url in rabbitmq.urls(self.site, queue).items()
                if through[where] in self.looks
            }
        return found

    def _balancers(self) -> dict[str, dict[str, Coroutine[Any, Any, balancers.Answer]]]:
        found = {}
        for balancer in self.site.part.load_balancers:
            if balancer.socket:
                found[balancer.name] = {
                    host.name: balancers.ask(self.fleet.remote(host.name), balancer.socket)
                    for host in self.site.named(balancer.hosts)
                    if host.name in self.looks and self.looks[host.name].files.get(balancer.socket) == "socket"
                }
        return found

    def _gates(self) -> dict[str, dict[str, Coroutine[Any, Any, write_gates.Answer]]]:
        found = {}
        for balancer in self.site.part.load_balancers:
            if balancer.write_gate:
                found[balancer.name] = {
                    host.name: write_gates.ask(self.fleet.remote(host.name), balancer)
                    for host in self.site.named(balancer.hosts)
                    if host.name in self.looks
                }
        return found

"""Power controllers: whether each answers, and when it last did. One that does not is found out before it is needed."""

import asyncio
import time

from naru.errors import InputError, NaruError
from naru.operate.metrics.families import NothingThere, Samples
from naru.operate.metrics.sources.known import Known
from naru.site.check.power import Answer, ask
from naru.site.site import Host
from naru.site.ssh import Fleet

AT_ONCE = 32


class Reading:
    def __init__(self, known: Known) -> None:
        self._known = known
        self._answered: dict[str, float] = {}

    def __call__(self, samples: Samples) -> None:
        site, fleet = self._known.site, self._known.fleet
        hosts = [host for host in site.hosts.values() if host.power]
        if fleet is None or not hosts:
            raise NothingThere("the site has no power controllers")
        for host, answer in zip(hosts, fleet.call(_all(fleet, hosts), self._known.check), strict=True):
            if isinstance(answer, InputError):
                raise answer
            samples.add("naru_power_answers", float(not isinstance(answer, NaruError)), host.name)
            if not isinstance(answer, NaruError):
                self._answered[host.name] = time.time()
                if len(answer) == 1 and answer[0].on is not None:  # a chassis is of several hosts
                    samples.add("naru_power_on", float(answer[0].on), host.name)
            if host.name in self._answered:
                samples.add("naru_power_answered_timestamp_seconds", self._answered[host.name], host.name)


async def _all(fleet: Fleet, hosts: list[Host]) -> list[Answer]:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(host: Host) -> Answer:
        async with room:
            return await ask(fleet.site, fleet.secrets, host)

    return list(await asyncio.gather(*map(one, hosts)))

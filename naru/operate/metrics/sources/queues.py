"""Message queues: whether each member runs, and from which others it is parted, as each of them sees it."""

from functools import partial
from typing import Any

from naru.errors import InputError, NaruError
from naru.operate.metrics.families import NothingThere, Samples
from naru.operate.metrics.sources.known import Known
from naru.site import rabbitmq
from naru.site.model import Queue
from naru.site.rabbitmq import Get
from naru.site.ssh import Fleet, Remote

Answer = tuple[list[dict[str, Any]], dict[str, Any]]


class Reading:
    """Only the queues that have a management."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def __call__(self, samples: Samples) -> None:
        site, fleet = self._known.site, self._known.fleet
        queues = [one for one in site.part.queues if one.management]
        if fleet is None or not queues:
            raise NothingThere("the site has no queue with a management")
        for queue in queues:
            urls = {where or rabbitmq.first_host(site, queue): url for where, url in rabbitmq.urls(site, queue).items()}
            answers = fleet.each(urls, partial(_ask, fleet, queue, urls), check=self._known.check)
            seen: list[Answer] = []
            for host, answer in answers.items():
                if isinstance(answer, InputError):
                    raise answer
                samples.add("naru_rabbitmq_answers", float(not isinstance(answer, NaruError)), queue.name, host)
                if not isinstance(answer, NaruError):
                    seen.append(answer)
            _tell(samples, queue.name, seen)


async def _ask(fleet: Fleet, queue: Queue, urls: dict[str, str], remote: Remote) -> Answer:
    return await rabbitmq.asked(fleet.site, fleet.secrets, queue, remote, urls[remote.name], _read)


def _read(get: Get) -> Answer:
    return get("nodes"), get("overview")


def _tell(samples: Samples, queue: str, seen: list[Answer]) -> None:
    """A node runs if one of them sees it run, and is parted from as many as the one that sees most."""
    running: dict[str, bool] = {}
    parted: dict[str, int] = {}
    alarms: dict[str, int] = {}
    for nodes, _ in seen:
        for node in nodes:
            name = str(node["name"])
            running[name] = running.get(name, False) or bool(node.get("running"))
            parted[name] = max(parted.get(name, 0), len(node.get("partitions") or ()))
            raised = bool(node.get("mem_alarm")) + bool(node.get("disk_free_alarm"))
            alarms[name] = max(alarms.get(name, 0), raised)
    for name in running:
        samples.add("naru_rabbitmq_running", float(running[name]), queue, name)
        samples.add("naru_rabbitmq_partitions", parted[name], queue, name)
        samples.add("naru_rabbitmq_alarms", alarms[name], queue, name)
    if seen:
        overview = seen[0][1]
        samples.add("naru_rabbitmq_messages", (overview.get("queue_totals") or {}).get("messages", 0), queue)
        samples.add("naru_rabbitmq_connections", (overview.get("object_totals") or {}).get("connections", 0), queue)

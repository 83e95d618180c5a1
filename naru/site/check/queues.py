"""Message queues: each answers on its hosts, its management lets the user in who may change it, its cluster is whole
and without an alarm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from naru.errors import InputError, NaruError
from naru.site.check.look import Look
from naru.site.check.result import Results
from naru.site.discover.found import listed
from naru.site.model import Management, Queue
from naru.site.rabbitmq import Get, Refused, asked
from naru.site.secrets import Secrets
from naru.site.site import Host, Site
from naru.site.ssh import Remote
from naru.site.tunnel import Closed


@dataclass
class Broker:
    """What RabbitMQ's management says."""

    tags: list[str]
    nodes: list[dict[str, Any]]
    vhosts: list[str]


Answer = Broker | NaruError


async def ask(site: Site, secrets: Secrets, queue: Queue, remote: Remote, url: str) -> Answer:
    """The management at a URL as a host reaches it, or why it could not be asked."""
    try:
        return await asked(site, secrets, queue, remote, url, _read)
    except NaruError as error:
        return error


def _read(get: Get) -> Broker:
    tags = get("whoami").get("tags", [])
    tags = [tag.strip() for tag in (tags.split(",") if isinstance(tags, str) else tags) if tag.strip()]
    nodes = get("nodes") if {"administrator", "monitoring"} & set(tags) else []
    return Broker(tags, nodes, [str(one["name"]) for one in get("vhosts")])


def judge(site: Site, queue: Queue, looks: Mapping[str, Look], answers: Mapping[str, Answer], results: Results) -> None:
    """One queue by what its management answered, by host; "" is its URL."""
    name = f"queues.{queue.name}"
    hosts = site.named(queue.hosts)
    for host in hosts:
        if look := looks.get(host.name):
            if any(port == queue.port for _, port in look.listening):
                results.right(f"{name}.port", host.name, f"it listens at {queue.port}")
            else:
                do = "Start RabbitMQ there, or correct port or hosts."
                results.wrong(f"{name}.port", host.name, f"nothing listens at {queue.port}", do)
        else:
            results.unseen(f"{name}.port", host.name)
    if not queue.management:
        if "vhosts" in queue.model_fields_set:
            results.unknown(f"{name}.vhosts", "", "it has no management that could be asked", "Give management.")
        return
    brokers: list[tuple[str, Broker]] = []
    for where, answer in answers.items():
        if isinstance(answer, Broker):
            brokers.append((where, answer))
            results.right(f"{name}.management", where, f"it lets {queue.management.user} in")
        else:
            _not_asked(name, queue.management, where, answer, results)
    if not answers:
        results.unseen(f"{name}.management", "")
    if brokers:
        _broker(name, queue, hosts, *brokers[0], results)


def _not_asked(name: str, management: Management, host: str, answer: NaruError, results: Results) -> None:
    match answer:
        case Refused(code=401):
            what = f"it does not let {management.user} in with this password"
            results.wrong(f"{name}.management.password", host, what, "Correct user or password.")
        case Refused(code=403):
            what = f"{management.user} may not ask its management"
            results.wrong(
                f"{name}.management.user", host, what, f"rabbitmqctl set_user_tags {management.user} administrator"
            )
        case Refused():
            results.wrong(f"{name}.management.url", host, answer.summary, "Correct url, or certificate.")
        case Closed():
            do = "Enable rabbitmq_management there, or correct url."
            results.wrong(f"{name}.management.url", host, f"nothing answers: {answer.summary}", do)
        case InputError():
            results.wrong(f"{name}.management.password", host, answer.summary, answer.hint or "Correct password.")
        case _:
            what = ": ".join(filter(None, (answer.summary, answer.detail)))
            results.unknown(f"{name}.management.password", host, what, answer.hint or "Correct password.")


def _broker(name: str, queue: Queue, hosts: Sequence[Host], where: str, broker: Broker, results: Results) -> None:
    """Its rights, its virtual hosts, and its cluster: the same whichever member is asked."""
    user = queue.management.user if queue.management else ""
    if "administrator" in broker.tags:
        results.right(f"{name}.management.user", where, f"{user} is administrator")
    else:
        told = f"{user} is {', '.join(broker.tags) or 'without a tag'}, not administrator"
        do = f"rabbitmqctl set_user_tags {user} administrator"
        results.wrong(f"{name}.management.user", where, told, do)
    for vhost in queue.vhosts:
        if vhost in broker.vhosts:
            results.right(f"{name}.vhosts", where, f"{vhost} is there")
        elif "administrator" in broker.tags:
            told = f"there is no virtual host {vhost}; there is {listed(broker.vhosts) or 'none'}"
            results.wrong(f"{name}.vhosts", where, told, "Correct vhosts.")
        else:
            results.unknown(f"{name}.vhosts", where, f"{user} does not see {vhost}", f"Give {user} the right to it.")
    if not broker.nodes:
        results.unknown(name, where, f"{user} may not see the nodes of its cluster", "Make it administrator.")
        return
    running = [str(node.get("name")) for node in broker.nodes if node.get("running")]
    bad = False
    for node in broker.nodes:
        node_name = str(node.get("name"))
        if not node.get("running"):
            bad = True
            results.wrong(f"{name}.hosts", where, f"the node {node_name} of its cluster does not run", "Start it.")
            continue
        for key, what in (("mem_alarm", "memory"), ("disk_free_alarm", "disk")):
            if node.get(key):
                bad = True
                results.wrong(name, where, f"{node_name} has an alarm for {what}: publishers are blocked", "Make room.")
        if parts := node.get("partitions"):
            bad = True
            told = f"{node_name} is parted from {listed([str(one) for one in parts])}"
            results.wrong(name, where, told, "Restart the nodes of the smaller part, one by one.")
    if len(running) != len(hosts) and not any(not node.get("running") for node in broker.nodes):
        bad = True
        told = f"its cluster has {len(broker.nodes)} nodes ({listed(running)}), and the site {len(hosts)} hosts"
        results.wrong(f"{name}.hosts", where, told, "Correct hosts, or join those that are missing.")
    if not bad:
        results.right(name, where, f"its cluster is whole: {listed(running)}")

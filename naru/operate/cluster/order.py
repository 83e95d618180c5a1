"""Which service is stopped and started when.

The documents of distributions agree on most of it and not on all; where they differ, `Profile` has a choice. Each group
has two lines of why: the list is the documentation.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from naru.messages import Message, message
from naru.site.model import Managed
from naru.site.site import Site

DATABASE, QUEUE, MEMCACHED = "mariadb", "rabbitmq", "memcached"
"""What the services are called in a site that its databases and queues are, and that caches for Keystone."""
REPAIR = "repair"
"""What acts on servers by itself; it stops before any of these does, and starts when all run."""
COMPUTES, AGENTS, WORKERS, SERVICES, KEYSTONE = "computes", "agents", "workers", "services", "keystone"
FRONT, QUEUES, DATABASES, STORAGE = "front", "queues", "databases", "storage"

WHY: Mapping[str, Message] = {
    REPAIR: message(
        "cluster.why.repair",
        en="what acts by itself would start, replace or report servers that stop",
        ko="스스로 동작하는 것이 정지되는 서버를 다시 시작하거나 교체하거나 경보를 내지 않게 합니다",
    )(),
    COMPUTES: message(
        "cluster.why.computes",
        en="nothing is built any more, and Nova takes no guest that ends with its host for one that was stopped",
        ko="더는 서버를 만들지 않고, 호스트와 함께 꺼지는 게스트를 정지된 것으로 보지 않게 합니다",
    )(),
    AGENTS: message(
        "cluster.why.agents",
        en="they wire nothing any more; without their server they would only log errors",
        ko="더는 네트워크를 바꾸지 않습니다. 서버 없이 남으면 오류만 남깁니다",
    )(),
    WORKERS: message(
        "cluster.why.workers",
        en="what calls the APIs by itself would see them fail, and repair what is not broken",
        ko="스스로 API를 호출하는 것이 API 장애를 보고 멀쩡한 것을 고치려 하지 않게 합니다",
    )(),
    SERVICES: message(
        "cluster.why.services",
        en="nobody writes to databases and queues any more",
        ko="데이터베이스와 메시지 큐에 더는 쓰지 않게 합니다",
    )(),
    KEYSTONE: message(
        "cluster.why.keystone", en="the others ask it to the end", ko="다른 서비스가 끝까지 인증을 요청합니다"
    )(),
    QUEUES: message(
        "cluster.why.queues",
        en="node by node, when nobody is connected; the one that stops last starts first",
        ko="연결이 모두 끊긴 뒤 한 노드씩 멈춥니다. 마지막에 멈춘 노드가 먼저 시작합니다",
    )(),
    DATABASES: message(
        "cluster.why.databases",
        en="member by member: the last one has all that was written, and begins the cluster",
        ko="한 멤버씩 멈춥니다. 마지막 멤버가 모든 내용을 가지고 클러스터를 시작합니다",
    )(),
    FRONT: message(
        "cluster.why.front",
        en="databases and APIs are reached through it",
        ko="데이터베이스와 API를 이것을 거쳐 찾아갑니다",
    )(),
    STORAGE: message(
        "cluster.why.storage",
        en="its clients are gone: nothing waits for it",
        ko="클라이언트가 없어 기다리는 것이 없습니다",
    )(),
}
"""The groups in the order in which they stop, and why there; servers stop after the first one."""
UP = (STORAGE, DATABASES, QUEUES, FRONT, KEYSTONE, SERVICES, WORKERS, AGENTS, COMPUTES)
"""The order in which they start: what others need is there before them. `REPAIR` starts after servers do."""
REPAIRERS = ("octavia-health-manager", "octavia-housekeeping", "heat-engine", "masakari", "aodh", "senlin", "watcher")
"""Services, or projects with all of theirs, that act on servers by themselves."""
CALLERS = ("heat", "octavia", "magnum", "senlin", "mistral", "masakari", "watcher", "aodh", "sahara", "trove", "manila")
FLAGS: Mapping[str, tuple[str, ...]] = {
    "noout": ("noout",),
    "recovery": ("noout", "nobackfill", "norecover"),
    "all": ("noout", "norecover", "norebalance", "nobackfill", "nodown", "pause"),
}
"""Ceph's flags by profile, in the order in which they are set. `noout` alone: croit, Canonical, Fuel, StackHPC since
2025; with recovery: SUSE; all six: Red Hat. `pause` and `nodown` have cost people their cluster, see
docs/reference/cluster.md."""
LAST_UNSET = ("nodown", "pause", "norecover", "nobackfill", "norebalance", "noout")
"""The order in which flags are taken away, whatever the profile: `noout` last, when every OSD is back."""


@dataclass(frozen=True)
class Profile:
    """What documents do not agree on: which `flags` Ceph gets (a key of `FLAGS`, "" for none), whether compute services
    stop `first` (most) or `last` (Mirantis), and whether guests are stopped (`stop`) or left to their hosts
    (`leave`)."""

    flags: str = "noout"
    computes: Literal["first", "last"] = "first"
    guests: Literal["stop", "leave"] = "stop"

    @property
    def down(self) -> tuple[str, ...]:
        """The groups in the order in which they stop."""
        names = tuple(WHY)
        if self.computes == "first":
            return names
        others = [name for name in names if name != COMPUTES]
        at = others.index(KEYSTONE) + 1
        return (*others[:at], COMPUTES, *others[at:])


class Placed(NamedTuple):
    """A service on one of its hosts."""

    name: str
    host: str
    managed: Managed
    port: int | None = None

    @property
    def id(self) -> str:
        return f"{self.name}@{self.host}"


def group_of(name: str, *, is_openstack: bool) -> str:
    """The group of a service by its name; "" for one that is left as it is: it ends with its host, as libvirt and Open
    vSwitch, which guests need as long as they run."""
    project = name.partition("-")[0]
    if not is_openstack:
        return {DATABASE: DATABASES, QUEUE: QUEUES, MEMCACHED: FRONT}.get(name, "")
    if name in REPAIRERS or project in REPAIRERS:
        return REPAIR
    if name.endswith("-compute"):
        return COMPUTES
    if name.endswith("-agent"):
        return AGENTS
    if project == "keystone":
        return KEYSTONE
    return WORKERS if project in CALLERS else SERVICES


def placed(site: Site) -> dict[str, list[Placed]]:
    """What the site has in each group, in the site's order; under "" what is left as it is."""
    found: dict[str, list[Placed]] = {name: [] for name in (*WHY, "")}
    for group, one in _each(site):
        if one not in found[group]:
            found[group].append(one)
    return found


def _each(site: Site) -> Iterator[tuple[str, Placed]]:
    for service in site.content.services:
        group = group_of(service.name, is_openstack=service.release != "")
        for host in site.named(service.hosts):
            yield group, Placed(service.name, host.name, service.managed, service.port)
    for balancer in site.content.load_balancers:
        for host in site.named(balancer.hosts):
            yield FRONT, Placed(balancer.name, host.name, balancer.managed)
    for address in site.content.virtual_addresses:
        for host in site.named(address.hosts) if address.managed else ():
            assert address.managed
            yield FRONT, Placed(str(address.address), host.name, address.managed)

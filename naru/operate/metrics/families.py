"""Every metric of the exporter: its source, labels and meaning. No label has a value for each server or volume."""

from typing import Literal, NamedTuple

from naru.errors import NaruError


class Family(NamedTuple):
    """A metric. `kept` is what is kept of it for trends: every value over time, the latest alone, or nothing."""

    name: str
    source: str
    labels: tuple[str, ...]
    help: str
    kept: Literal["", "trend", "latest"] = ""


_HOST = ("host", "zone", "rack")

_FAMILIES = (
    Family("naru_service_up", "services", ("service", "binary", "host"), "1: its heartbeat is fresh, 0: it is not"),
    Family("naru_service_enabled", "services", ("service", "binary", "host"), "1: it is given work, 0: disabled"),
    Family("naru_service_forced_down", "services", ("host",), "1: somebody has told Nova that the host is down"),
    Family(
        "naru_service_disabled_reason",
        "services",
        ("host", "reason"),
        "1 for a disabled nova-compute: by whom, as far as the reason says: naru, nova, operator, unsaid",
    ),
    Family("naru_host_vcpus", "hypervisors", _HOST, "Virtual CPUs of the host's hypervisors, without overcommitment"),
    Family("naru_host_vcpus_used", "hypervisors", _HOST, "Virtual CPUs of the servers there, as Nova counts"),
    Family("naru_host_memory_bytes", "hypervisors", _HOST, "Memory of the host's hypervisors, without overcommitment"),
    Family("naru_host_memory_used_bytes", "hypervisors", _HOST, "Memory used, as Nova counts, with what is reserved"),
    Family("naru_host_disk_bytes", "hypervisors", _HOST, "Disk for servers on the host"),
    Family("naru_host_disk_used_bytes", "hypervisors", _HOST, "Disk used, as Nova counts"),
    Family("naru_host_open", "hypervisors", _HOST, "1: up, enabled and not forced down: it takes servers", "latest"),
    Family("naru_servers", "servers", ("status",), "Servers by status", "trend"),
    Family("naru_servers_by_task", "servers", ("task",), "Servers that something is being done to, by task"),
    Family(
        "naru_server_task_since_timestamp_seconds",
        "servers",
        ("task",),
        "When the server that has had this task longest was last changed",
    ),
    Family("naru_servers_failed", "servers", ("reason",), "Servers in ERROR by the class of the fault that Nova noted"),
    Family("naru_host_servers", "servers", ("host",), "Servers that Nova has on the host"),
    Family("naru_project_servers", "servers", ("project",), "Servers of the projects that have most", "trend"),
    Family("naru_migrations", "migrations", ("type", "status"), "Migrations that have not ended"),
    Family(
        "naru_migration_since_timestamp_seconds",
        "migrations",
        ("type", "status"),
        "When the oldest of them was begun",
    ),
    Family("naru_migrations_ended", "migrations", ("type", "status"), "Migrations that ended in the last 24 hours"),
    Family(
        "naru_evacuation_records",
        "migrations",
        ("host", "status"),
        "Evacuation records of a source host: its nova-compute removes the guests of all of them when it returns",
    ),
    Family(
        "naru_placement_capacity",
        "placement",
        (*_HOST, "resource"),
        "What may be allocated of the host: total without reserved, times allocation ratio",
        "latest",
    ),
    Family("naru_placement_used", "placement", (*_HOST, "resource"), "What is allocated of the host", "latest"),
    Family(
        "naru_placement_largest",
        "placement",
        (*_HOST, "resource"),
        "The most that one consumer has of the host",
        "latest",
    ),
    Family("naru_placement_consumers", "placement", ("host",), "Consumers on the host that are no migration's"),
    Family(
        "naru_placement_allocations_without_server",
        "placement",
        ("host",),
        "Allocations on the host whose server Nova does not have, each asked for by its id",
    ),
    Family(
        "naru_placement_nodes_without_provider",
        "placement",
        (),
        "Hypervisors of which Placement has no resource provider: what is on them is in no sum",
        "latest",
    ),
    Family("naru_placement_oldest_timestamp_seconds", "placement", (), "When the host was read that was read first"),
    Family("naru_zone_capacity", "placement", ("zone", "resource"), "What may be allocated of a zone's hosts", "trend"),
    Family("naru_zone_used", "placement", ("zone", "resource"), "What is allocated of a zone's hosts", "trend"),
    Family(
        "naru_flavor_room",
        "placement",
        ("flavor", "zone"),
        "How many more servers of a public flavor fit on a zone's open hosts, by CPUs, memory and disk alone",
        "trend",
    ),
    Family("naru_pool_bytes", "pools", ("pool",), "Size of a storage pool of Cinder", "trend"),
    Family("naru_pool_used_bytes", "pools", ("pool",), "What is not free of it", "trend"),
    Family(
        "naru_network_addresses", "networks", ("network",), "Addresses of an external network, or a full one", "trend"
    ),
    Family("naru_network_addresses_used", "networks", ("network",), "Those that are used", "trend"),
    Family(
        "naru_certificate_ends_timestamp_seconds",
        "certificates",
        ("service",),
        "Until when the certificate of the service's endpoint is valid",
    ),
    Family("naru_certificate_answers", "certificates", ("service",), "1: the service's endpoint shows its certificate"),
    Family("naru_database_answers", "databases", ("database", "host"), "1: the server lets its user in"),
    Family("naru_galera_info", "databases", ("database", "host", "uuid"), "1; the uuid is that of the member's state"),
    Family("naru_galera_seqno", "databases", ("database", "host"), "The last write set that the member committed"),
    Family("naru_galera_primary", "databases", ("database", "host"), "1: in the Primary component and Synced"),
    Family("naru_galera_members", "databases", ("database", "host"), "Members of the cluster, as this one sees it"),
    Family("naru_galera_hosts", "databases", ("database",), "Members that the cluster should have, by the site"),
    Family("naru_rabbitmq_answers", "queues", ("queue", "host"), "1: the management there answers"),
    Family("naru_rabbitmq_running", "queues", ("queue", "node"), "1: the node runs, as the others see it"),
    Family("naru_rabbitmq_partitions", "queues", ("queue", "node"), "Nodes that this one is parted from"),
    Family("naru_rabbitmq_alarms", "queues", ("queue", "node"), "Alarms of memory and disk: publishers are blocked"),
    Family("naru_rabbitmq_messages", "queues", ("queue",), "Messages in all queues"),
    Family("naru_rabbitmq_connections", "queues", ("queue",), "Connections"),
    Family("naru_ceph_answers", "ceph", ("cluster",), "1: a monitor answered"),
    Family(
        "naru_ceph_flags", "ceph", ("cluster",), "Flags that somebody has set and that change what the cluster does"
    ),
    Family(
        "naru_ceph_flag_since_timestamp_seconds",
        "ceph",
        ("cluster", "flag"),
        "When the exporter first saw the flag, which is still set",
    ),
    Family("naru_power_answers", "power", ("host",), "1: the host's power controller answers and lets its user in"),
    Family("naru_power_on", "power", ("host",), "1: the controller says that the host is on"),
    Family("naru_power_answered_timestamp_seconds", "power", ("host",), "When it last answered"),
    Family("naru_plan", "plans", ("capability", "plan", "state"), "1: the plan of a work directory is in this state"),
    Family("naru_plan_steps", "plans", ("capability", "plan", "state"), "The plan's steps by state"),
    Family("naru_plan_seen_timestamp_seconds", "plans", ("capability", "plan"), "When its executor was last there"),
    Family("naru_plans_unreadable", "plans", (), "Work directories whose journal cannot be read"),
    Family(
        "naru_newest_file_timestamp_seconds",
        "files",
        ("name",),
        "When the newest file of a pattern was written, as of backups and drills; 0: there is none",
    ),
)

FAMILIES = {family.name: family for family in _FAMILIES}

MOST = 20_000
"""The series that a family may have; what is beyond is dropped, and counted."""

Labels = tuple[str, ...]


class Samples:
    """What one reading of a source gives: the value of each series."""

    def __init__(self) -> None:
        self.values: dict[str, dict[Labels, float]] = {}
        self.dropped = 0

    def add(self, name: str, value: float, *labels: str) -> None:
        """The value of a series, instead of one that was given before."""
        family = FAMILIES[name]
        if len(labels) != len(family.labels):
            raise ValueError(f"{name} has the labels {family.labels}, not {labels}")
        series = self.values.setdefault(name, {})
        if labels not in series and len(series) >= MOST:
            self.dropped += 1
            return
        series[labels] = float(value)


class NothingThere(NaruError):
    """The cloud or the site has nothing that a source could read: no service of this kind, no database."""

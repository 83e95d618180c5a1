"""Grafana's dashboards: what each shows, as tables; `all_of_them` makes the files that Grafana imports."""

from typing import Any, Literal, NamedTuple

Kind = Literal["timeseries", "stat", "table"]


class Panel(NamedTuple):
    """A picture: expressions of PromQL with their legends. `unit` is Grafana's."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: Kind = "timeseries"


def _one(title: str, expression: str, legend: str = "", unit: str = "short", kind: Kind = "timeseries") -> Panel:
    return Panel(title, ((expression, legend),), unit, kind)


BOARDS: dict[str, tuple[str, tuple[Panel, ...]]] = {
    "hypervisors": (
        "Hypervisors",
        (
            _one("Hosts that take servers", "sum(naru_host_open)", kind="stat"),
            _one("Hosts that do not", "count(naru_host_open == 0) or vector(0)", kind="stat"),
            _one("Servers", "sum(naru_servers)", kind="stat"),
            _one("Servers by status", "naru_servers", "{{status}}"),
            _one(
                "CPU used, by the kernel",
                '1 - avg by (host) (rate(node_cpu_seconds_total{mode="idle"}[5m]))',
                "{{host}}",
                "percentunit",
            ),
            _one(
                "Memory used, by the kernel",
                "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
                "{{host}}",
                "percentunit",
            ),
            _one("CPUs of servers for each CPU", "naru_host_vcpus_used / naru_host_vcpus", "{{host}}", "percentunit"),
            _one(
                "Memory used, as Nova counts",
                "naru_host_memory_used_bytes / naru_host_memory_bytes",
                "{{host}}",
                "percentunit",
            ),
            _one(
                "Allocated of what may be",
                'naru_placement_used{resource="MEMORY_MB"} / naru_placement_capacity{resource="MEMORY_MB"}',
                "{{host}}",
                "percentunit",
            ),
            _one("Room for flavors", "naru_flavor_room", "{{flavor}} in {{zone}}"),
            _one("Migrations under way", "naru_migrations", "{{type}} {{status}}"),
            _one("Migrations that ended in 24 hours", "naru_migrations_ended", "{{type}} {{status}}"),
            _one("Servers in ERROR by reason", "naru_servers_failed", "{{reason}}"),
            _one("A task has lasted", "time() - naru_server_task_since_timestamp_seconds", "{{task}}", "s"),
            _one(
                "Network errors",
                "rate(node_network_receive_errs_total[5m]) + rate(node_network_transmit_errs_total[5m])",
                "{{host}} {{device}}",
            ),
        ),
    ),
    "services": (
        "Services",
        (
            _one("Services down", "count(naru_service_up == 0) or vector(0)", kind="stat"),
            _one("Hosts forced down", "sum(naru_service_forced_down)", kind="stat"),
            _one("Readings that fail", "count(naru_source_up == 0) or vector(0)", kind="stat"),
            _one("Down now", "naru_service_up == 0", "{{service}} {{binary}} {{host}}", kind="table"),
            _one("Disabled compute services", "naru_service_disabled_reason", "{{host}} {{reason}}", kind="table"),
            _one("Up, by service", "avg by (service, binary) (naru_service_up)", "{{binary}}", "percentunit"),
            _one("Changes of state in an hour", "changes(naru_service_up[1h]) > 0", "{{binary}} {{host}}"),
            _one(
                "Requests by code, at HAProxy",
                "sum by (proxy, code) (rate(haproxy_server_http_responses_total[5m]))",
                "{{proxy}} {{code}}",
                "reqps",
            ),
            _one(
                "Certificates end in", "naru_certificate_ends_timestamp_seconds - time()", "{{service}}", "s", "table"
            ),
            _one("How old each reading is", "time() - naru_source_read_timestamp_seconds", "{{source}}", "s"),
            _one("How long each reading takes", "naru_source_duration_seconds", "{{source}}", "s"),
        ),
    ),
    "rabbitmq": (
        "RabbitMQ",
        (
            _one("Nodes that run", "sum(naru_rabbitmq_running)", kind="stat"),
            _one("Partitions", "sum(naru_rabbitmq_partitions)", kind="stat"),
            _one("Alarms", "sum(naru_rabbitmq_alarms)", kind="stat"),
            Panel(
                "Messages",
                (("naru_rabbitmq_messages", "{{queue}}"), ("sum(rabbitmq_queue_messages_unacked)", "not acknowledged")),
            ),
            _one("Connections", "naru_rabbitmq_connections", "{{queue}}"),
            _one(
                "Memory",
                "rabbitmq_process_resident_memory_bytes / rabbitmq_resident_memory_limit_bytes",
                "{{host}}",
                "percentunit",
            ),
            _one(
                "Messages that nobody takes", "rate(rabbitmq_channel_messages_unroutable_dropped_total[5m])", "{{host}}"
            ),
        ),
    ),
    "mariadb": (
        "MariaDB",
        (
            _one("Servers that answer", "sum(naru_database_answers)", kind="stat"),
            _one("Members in the Primary component", "sum(naru_galera_primary)", kind="stat"),
            _one("States of members", "naru_galera_info", "{{database}} {{host}} {{uuid}}", kind="table"),
            _one(
                "Write sets behind the first",
                "max by (database) (naru_galera_seqno) - on (database) group_right naru_galera_seqno",
                "{{host}}",
            ),
            _one("Paused by flow control", "mysql_global_status_wsrep_flow_control_paused", "{{host}}", "percentunit"),
            _one(
                "Connections",
                "mysql_global_status_threads_connected / mysql_global_variables_max_connections",
                "{{host}}",
                "percentunit",
            ),
            _one("Slow queries", "rate(mysql_global_status_slow_queries[5m])", "{{host}}"),
            _one("Queries", "rate(mysql_global_status_queries[5m])", "{{host}}", "ops"),
        ),
    ),
    "ceph": (
        "Ceph",
        (
            _one("Health (0: OK, 1: warning, 2: error)", "ceph_health_status", kind="stat"),
            _one("Flags that are set", "sum(naru_ceph_flags)", kind="stat"),
            _one("OSDs that are down", "count(ceph_osd_up == 0) or vector(0)", kind="stat"),
            _one(
                "Flags, set for",
                "time() - naru_ceph_flag_since_timestamp_seconds",
                "{{cluster}} {{flag}}",
                "s",
                "table",
            ),
            _one("Used", "ceph_cluster_total_used_bytes / ceph_cluster_total_bytes", "", "percentunit"),
            _one("Pools", "ceph_pool_percent_used", "{{pool_id}}", "percentunit"),
            _one("PGs that are not clean", "ceph_pg_total - ceph_pg_clean", "{{pool_id}}"),
            _one("Latency of OSDs", "ceph_osd_commit_latency_ms", "{{ceph_daemon}}", "ms"),
            _one("Pools of Cinder", "naru_pool_used_bytes / naru_pool_bytes", "{{pool}}", "percentunit"),
        ),
    ),
    "plans": (
        "Plans under way",
        (
            _one("Failed", 'count(naru_plan{state="failed"}) or vector(0)', kind="stat"),
            _one("Running", 'count(naru_plan{state="running"}) or vector(0)', kind="stat"),
            _one("Plans", "naru_plan", "{{capability}} {{plan}} {{state}}", kind="table"),
            _one("Steps done", 'naru_plan_steps{state="done"}', "{{plan}}"),
            _one("Steps that failed", 'naru_plan_steps{state="failed"}', "{{plan}}"),
            _one("Executor last seen", "time() - naru_plan_seen_timestamp_seconds", "{{plan}}", "s"),
        ),
    ),
    "guard": (
        "Failed hosts",
        (
            _one(
                "Compute services down", 'count(naru_service_up{binary="nova-compute"} == 0) or vector(0)', kind="stat"
            ),
            _one("Forced down", "sum(naru_service_forced_down)", kind="stat"),
            _one("Evacuations under way", 'sum(naru_migrations{type="evacuation"}) or vector(0)', kind="stat"),
            _one("Evacuation records of hosts", "naru_evacuation_records", "{{host}} {{status}}", kind="table"),
            _one("Evacuations that ended in 24 hours", 'naru_migrations_ended{type="evacuation"}', "{{status}}"),
            _one("Power controllers that do not answer", "naru_power_answers == 0", "{{host}}", kind="table"),
            _one("Power controllers, last answer", "time() - naru_power_answered_timestamp_seconds", "{{host}}", "s"),
            _one("Hosts that are off", "naru_power_on == 0", "{{host}}", kind="table"),
            _one("Backups and drills, age", "time() - naru_newest_file_timestamp_seconds", "{{name}}", "s"),
            _one(
                "Allocations without a server",
                "naru_placement_allocations_without_server > 0",
                "{{host}}",
                kind="table",
            ),
        ),
    ),
}
"""By the file's name: the title and the panels. `node_`, `mysql_`, `rabbitmq_`, `ceph_` and `haproxy_` are of exporters
that others have written."""

_WIDTHS: dict[Kind, tuple[int, int]] = {"stat": (8, 4), "timeseries": (12, 8), "table": (12, 8)}
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def all_of_them() -> dict[str, dict[str, Any]]:
    """Each dashboard in Grafana's form, by its file's name."""
    return {name: _board(name, title, panels) for name, (title, panels) in BOARDS.items()}


def _board(name: str, title: str, panels: tuple[Panel, ...]) -> dict[str, Any]:
    made = []
    x = y = height = 0
    for number, panel in enumerate(panels, 1):
        width, tall = _WIDTHS[panel.kind]
        if x + width > 24 or (x and tall != height):
            x, y = 0, y + height
        height = tall
        made.append(_panel(number, panel, {"x": x, "y": y, "w": width, "h": tall}))
        x += width
    return {
        "uid": f"naru-{name}",
        "title": f"Naru: {title}",
        "tags": ["naru", "openstack"],
        "schemaVersion": 36,
        "version": 1,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "panels": made,
    }


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    is_table = panel.kind == "table"
    return {
        "id": number,
        "title": panel.title,
        "type": panel.kind,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": {},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": _SOURCE,
                "expr": expression,
                "legendFormat": legend or "__auto",
                **({"format": "table", "instant": True} if is_table else {}),
            }
            for index, (expression, legend) in enumerate(panel.queries)
        ],
    }

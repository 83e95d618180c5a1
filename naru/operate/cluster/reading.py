"""What runs of a cloud, and how: asked of its hosts, databases, queues, Ceph, and of the cloud itself.

The same is asked when the way down is planned, when it begins (which is the record that the way up restores), and when
all is up again. What cannot be asked stands there with why.
"""

import json
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from naru.cloud.client import Cloud
from naru.errors import NaruError
from naru.operate import compute
from naru.operate.cluster import members
from naru.operate.cluster.order import Placed, placed
from naru.site import rabbitmq
from naru.site.hostnames import named
from naru.site.model import Ceph, Commands, Container, Managed, Unit
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote

FORMAT = 1
SECONDS = 60.0
"""How long a host may take to say what runs on it."""
CEPH_SECONDS = 20.0
KEEP = ("id", "name", "status", "tenant_id", "locked", compute.HOST, compute.TASK)
"""What is kept of a server; of its metadata the two keys by which owners say in which order servers start."""
PRIORITY, GROUP = "instanceha:restart_priority", "instanceha:restart_group"

Reading = dict[str, Any]
Progress = Callable[[str], None]


def read(site: Site, fleet: Fleet, say: Progress) -> Reading:
    """All that the ways down and up are made of."""
    say("what runs on hosts")
    hosts, states = services(site, fleet)
    say("databases and queues")
    found: Reading = {"naru_cluster_reading": FORMAT, "site": site.content.name, "hosts": hosts, "services": states}
    found["databases"] = {one.name: members.databases(site, fleet, one) for one in site.content.databases}
    found["queues"] = {one.name: queue_nodes(site, fleet, one.name) for one in site.content.queues}
    storage = [one for one in site.content.storage if isinstance(one, Ceph)]
    found["ceph"] = {one.name: ceph(site, fleet, one) for one in storage}
    found["cloud"] = None
    if site.content.cloud:
        say("the cloud's services and servers")
        with Cloud(site.content.cloud) as cloud:
            try:
                found["cloud"] = of_cloud(cloud)
            except NaruError as error:
                found["cloud"] = {"error": error.summary}
    return found


def services(site: Site, fleet: Fleet) -> tuple[dict[str, Any], dict[str, Any]]:
    """By host whether it answers, and by `SERVICE@HOST` what each service is."""
    every = [one for group, these in placed(site).items() if group for one in these]
    mine: dict[str, list[Placed]] = {}
    for one in every:
        mine.setdefault(one.host, []).append(one)

    async def look(remote: Remote) -> str:
        return await remote.checked(_line(mine[remote.name]), seconds=SECONDS)

    hosts: dict[str, Any] = {}
    states: dict[str, Any] = {}
    for name, said in fleet.each(mine, look).items():
        if isinstance(said, NaruError):
            hosts[name] = {"error": said.summary}
            states |= {one.id: {"error": said.summary} for one in mine[name]}
            continue
        lines = dict(line.split("\t", 1) for line in said.splitlines() if "\t" in line)
        hosts[name] = {"boot": lines.pop("boot", ""), "power": site.hosts[name].power is not None}
        for one, text in zip(mine[name], lines.values(), strict=True):
            states[one.id] = dict(pair.split("=", 1) for pair in text.split() if "=" in pair)
    return hosts, states


def _line(these: Sequence[Placed]) -> str:
    """The shell's line that says, numbered, what each service of a host is."""
    lines = ['printf "boot\\t%s\\n" "$(cat /proc/sys/kernel/random/boot_id)"']
    # on one line: an engine prints an empty one before it says that it has no such container
    looks = [f'{{ {_look(one.managed)}; }} | tr "\\n" " "' for one in these]
    lines += [f'printf "{number}\\t%s\\n" "$({one})"' for number, one in enumerate(looks)]
    return "\n".join(lines)


def _look(managed: Managed) -> str:
    """What says, as KEY=VALUE, how a service is."""
    match managed:
        case Unit(unit=unit):
            properties = "-p LoadState -p ActiveState -p UnitFileState"
            return f"systemctl show {properties} {shlex.quote(unit)}"
        case Container(container=name, engine=engine):
            form = "'Status={{.State.Status}} Restart={{.HostConfig.RestartPolicy.Name}}'"
            asks = [
                f"{one} container inspect --format {form} {shlex.quote(name)} 2>/dev/null"
                for one in ([engine] if engine else ["podman", "docker"])
            ]
            return " || ".join([*asks, "echo Status=none"])
        case Commands(status=status):
            return f"if ({status}) >/dev/null 2>&1; then echo Status=running; else echo Status=exited; fi"


def is_on(state: Mapping[str, str]) -> bool:
    """Whether a service runs, or is about to."""
    return state.get("ActiveState") in ("active", "activating", "reloading") or state.get("Status") in (
        "running",
        "restarting",
        "paused",
    )


def is_there(state: Mapping[str, str]) -> bool:
    """Whether its unit or container is there at all."""
    return state.get("LoadState") != "not-found" and state.get("Status") != "none"


def queue_nodes(site: Site, fleet: Fleet, name: str) -> dict[str, Any]:
    """The nodes of a queue, by name whether each runs."""
    queue = next(one for one in site.content.queues if one.name == name)
    try:
        nodes = rabbitmq.anywhere(site, fleet, queue, lambda get: get("nodes"))
    except NaruError as error:
        return {"error": error.detail or error.summary}
    split = [one["name"] for one in nodes if one.get("partitions")]
    return {"nodes": {one["name"]: bool(one["running"]) for one in nodes}, "split": split}


def ceph(site: Site, fleet: Fleet, storage: Ceph) -> dict[str, Any]:
    """The cluster's health, flags, OSDs and placement groups, by the first monitor's host that answers."""
    last = "it has no monitors"
    for host in site.named(storage.monitors):
        try:
            status = told(fleet, host.name, storage, "status")
            flags = told(fleet, host.name, storage, "osd", "dump")["flags"]
        except NaruError as error:
            last = error.summary if not error.detail else f"{error.summary}: {error.detail}"
            continue
        osds = status["osdmap"].get("osdmap", status["osdmap"])
        states = {one["state_name"]: one["count"] for one in status["pgmap"].get("pgs_by_state", [])}
        return {
            "host": host.name,
            "health": status["health"]["status"],
            "checks": sorted(status["health"].get("checks", {})),
            "flags": sorted(str(flags).split(",")),
            "osds": osds["num_osds"],
            "up": osds["num_up_osds"],
            "pgs": states,
        }
    return {"error": last}


def osds_gone(fleet: Fleet, storage: Ceph, asked: str, lost: Collection[str]) -> int:
    """How many OSDs are down on hosts that are lost, as the monitor on the host `asked` has them."""
    if not lost:
        return 0
    nodes = told(fleet, asked, storage, "osd", "tree")["nodes"]
    hosts = [one for one in nodes if one["type"] == "host" and named(one["name"], lost)]
    mine = {id for one in hosts for id in one.get("children", [])}
    return len([one for one in nodes if one["id"] in mine and one.get("status") != "up"])


def told(fleet: Fleet, host: str, storage: Ceph, *words: str) -> Any:
    """What a Ceph cluster answers, as JSON."""
    said = fleet.call(fleet.remote(host).checked(ceph_argv(storage, *words, "-f", "json"), seconds=CEPH_SECONDS + 10))
    try:
        return json.loads(said[said.index("{") :])  # libraries may say something before it
    except ValueError as error:
        raise NaruError(f"{host}: ceph {' '.join(words)} answers no JSON", detail=said[-200:]) from error


def ceph_argv(storage: Ceph, *words: str) -> list[str]:
    """A command to a Ceph cluster, for one of its monitors' hosts."""
    common = ["--cluster", storage.cluster, "--name", f"client.{storage.client}"]
    return ["ceph", *common, "--connect-timeout", f"{CEPH_SECONDS:g}", *words]


def of_cloud(cloud: Cloud) -> dict[str, Any]:
    """The services' records, and the servers of all projects."""
    return {"services": records(cloud), "servers": servers(cloud)}


def servers(cloud: Cloud) -> list[dict[str, Any]]:
    """The servers of all projects, as far as they matter here."""
    version = compute.newest(cloud, *compute.SERVER)
    return [_kept(one) for one in cloud.items("compute", "/servers/detail?all_tenants=1", "servers", version)]


def records(cloud: Cloud) -> dict[str, dict[str, Any]]:
    """Of Nova's, Cinder's and Neutron's services, by `BINARY@HOST`, whether they are up, and disabled and why."""
    found: dict[str, dict[str, Any]] = {}
    for service, version in (("compute", compute.newest(cloud, "2.53")), ("block-storage", "")):
        if not cloud.has(service):
            continue
        for one in cloud.items(service, "/os-services", "services", version):
            if one.get("zone") == "internal" and one["binary"] in ("nova-osapi_compute", "nova-metadata"):
                continue  # those two report nothing that could be seen
            state = {"up": one["state"] == "up", "status": one["status"], "reason": one.get("disabled_reason") or ""}
            found[f"{one['binary']}@{one['host']}"] = state
    if cloud.has("network"):
        for one in cloud.items("network", "/agents", "agents"):
            state = {"up": bool(one["alive"]), "status": "enabled" if one["admin_state_up"] else "disabled"}
            found[f"{one['binary']}@{one['host']}"] = {**state, "reason": ""}
    return found


def _kept(server: Mapping[str, Any]) -> dict[str, Any]:
    metadata = server.get("metadata") or {}
    return {
        **{name: server[name] for name in KEEP if name in server},
        "order": {name: metadata[name] for name in (PRIORITY, GROUP) if name in metadata},
    }


def differences(before: Reading, now: Reading) -> list[str]:
    """What of services, databases, queues, Ceph, records and servers is otherwise than it was, for people."""
    return list(_different(before, now))


def unhealthier(before: Reading, now: Reading) -> list[str]:
    """What is broken now that was whole, for people: Ceph's health, and queues that are split."""
    told = []
    for name, one in now["ceph"].items():
        was = before["ceph"].get(name, {})
        more = sorted(set(one.get("checks", [])) - set(was.get("checks", [])))
        if "health" in one and (more or (was.get("health") == "HEALTH_OK" != one["health"])):
            told.append(f"Ceph {name} is {one['health']} {' '.join(more)}".strip())
    for name, queue in now["queues"].items():
        if queue.get("split"):
            told.append(f"queue {name}: {', '.join(queue['split'])} see a partition")
    return told


def _different(before: Reading, now: Reading) -> Iterable[str]:
    for id, was in before["services"].items():
        is_now = now["services"].get(id, {})
        if "error" in was:
            continue
        if "error" in is_now:
            yield f"{id}: {is_now['error']}"
        elif is_on(was) != is_on(is_now):
            yield f"{id}: it {'runs' if is_on(is_now) else 'does not run'}, and did{' not' if not is_on(was) else ''}"
        elif was.get("UnitFileState") != is_now.get("UnitFileState"):
            yield f"{id}: its unit is {is_now.get('UnitFileState')}, and was {was.get('UnitFileState')}"
    for name, one in before["databases"].items():
        yield from members.differences(name, one, now["databases"].get(name, {}))
    for name, one in before["queues"].items():
        queue = now["queues"].get(name, {})
        # one that a record leaves out, since its host is lost, is still known to the others
        nodes = {node: runs for node, runs in queue.get("nodes", {}).items() if runs or node in one.get("nodes", {})}
        if one.get("nodes", {}) != nodes:
            yield f"queue {name}: its nodes are {nodes or queue.get('error')}, and were {one.get('nodes')}"
    for name, one in before["ceph"].items():
        other = now["ceph"].get(name, {})
        for field in ("flags", "osds", "up"):
            if field in one and one[field] != other.get(field):
                yield f"Ceph {name}: {field} {other.get(field, other.get('error'))}, and was {one.get(field)}"
    yield from _of_cloud(before.get("cloud") or {}, now.get("cloud") or {})


def _of_cloud(before: dict[str, Any], now: dict[str, Any]) -> Iterable[str]:
    if "error" in now:
        yield f"the cloud: {now['error']}"
        return
    for id, one in before.get("services", {}).items():
        yield from _record(id, one, now.get("services", {}).get(id))
    there = {one["id"]: one for one in now.get("servers", [])}
    for one in before.get("servers", []):
        found = there.get(one["id"])
        if found is None:
            yield f"server {one['name']} ({one['id']}) is gone"
        elif found["status"] != one["status"]:
            yield f"server {one['name']} ({one['id']}) is {found['status']}, and was {one['status']}"


def _record(id: str, was: dict[str, Any], found: dict[str, Any] | None) -> Iterable[str]:
    if found is None:
        yield f"{id} has no record any more"
    elif was["up"] and not found["up"]:
        yield f"{id} is down"
    elif (was["status"], was["reason"]) != (found["status"], found["reason"]):
        reasons = [f" ({one['reason']})" if one["reason"] else "" for one in (found, was)]
        yield f"{id} is {found['status']}{reasons[0]}, and was {was['status']}{reasons[1]}"


def missing_records(before: Reading, cloud: Cloud) -> list[str]:
    """What of the services' records is not as it was."""
    now = records(cloud)
    return [one for id, was in before["cloud"]["services"].items() for one in _record(id, was, now.get(id))]

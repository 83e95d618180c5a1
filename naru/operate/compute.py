"""Nova's API for compute hosts and the moves of servers between them, in the form that each release takes.

Every function asks in a microversion of its own: the newest form is not always the best one. See
docs/reference/host.md for what is asked in which.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from naru.actions.clouds import get
from naru.cloud.client import Cloud

Item = Mapping[str, Any]

BINARY = "nova-compute"
HOST = "OS-EXT-SRV-ATTR:host"
NODE = "OS-EXT-SRV-ATTR:hypervisor_hostname"
TASK = "OS-EXT-STS:task_state"
VOLUMES = "os-extended-volumes:volumes_attached"

SERVER = ("2.96", "2.73", "2.53", "2.26", "2.9")
"""Of servers: the pinned zone is shown from 2.96 on, the reason of a lock from 2.73, the flavor itself from 2.47, the
lock from 2.9. Never a later one: it would be another answer than was tried."""
UNDER_WAY = ("accepted", "queued", "preparing", "pre-migrating", "running", "post-migrating", "migrating", "finished")
"""What migrations are that have not ended; one that is `finished` is a resize that nobody has confirmed."""


class Form(NamedTuple):
    """A request's microversion ("" for none) and body."""

    version: str
    body: dict[str, Any]


def newest(cloud: Cloud, *versions: str) -> str:
    """The first of the microversions that the cloud has; "" for none."""
    return next((one for one in versions if cloud.supports("compute", one)), "")


def live_forms(cloud: Cloud, host: str) -> list[Form]:
    """How a live migration is asked for, to `host`, "" for one of the scheduler's choice. Where there are several, each
    next one is for when the one before is refused.

    From 2.34 on a refusal of the checks before is in no answer any more, so that it is asked in 2.33 at most. A host
    that is named is checked by the scheduler from 2.30 on, and before that it is not, so that none is named.
    """
    version = newest(cloud, "2.33", "2.30", "2.25")
    named = host if version in ("2.33", "2.30") and host else None
    if version:
        return [Form(version, {"os-migrateLive": {"host": named, "block_migration": "auto"}})]
    # whether disks are shared was for the caller to know
    return [
        Form("", {"os-migrateLive": {"host": None, "block_migration": copied, "disk_over_commit": False}})
        for copied in (False, True)
    ]


def cold_form(cloud: Cloud, host: str) -> Form:
    """How a cold migration is asked for; before 2.56 the scheduler alone chooses where to."""
    if host and can_name(cloud, "cold"):
        return Form("2.56", {"migrate": {"host": host}})
    return Form("", {"migrate": None})


def can_name(cloud: Cloud, way: str) -> bool:
    """Whether a host can be named, with the scheduler's checks, for a move in this way: `live` or `cold`."""
    return cloud.supports("compute", "2.30" if way == "live" else "2.56")


def server(cloud: Cloud, identity: str) -> Item | None:
    """The server as administrators see it, None when there is none."""
    found: Item | None = get(cloud, "compute", f"/servers/{identity}", "server", newest(cloud, *SERVER))
    return None if found is not None and found["status"] == "DELETED" else found


def servers_on(cloud: Cloud, host: str) -> list[Item]:
    """The servers that Nova has on a host, of all projects."""
    path = f"/servers/detail?all_tenants=1&host={host}"
    return list(cloud.items("compute", path, "servers", newest(cloud, *SERVER)))


def services(cloud: Cloud) -> list[Item]:
    """All compute services; from 2.53 on their id is a UUID."""
    return list(cloud.items("compute", f"/os-services?binary={BINARY}", "services", newest(cloud, "2.53")))


def services_reached(cloud: Cloud) -> tuple[list[Item], list[str]]:
    """All compute services, and the hosts of those of which Nova says that it does not reach their cell's database. It
    says so from 2.69 on (Stein); before, it leaves them out."""
    version = newest(cloud, "2.69", "2.53")
    rows = list(cloud.items("compute", f"/os-services?binary={BINARY}", "services", version))
    away = [str(one["host"]) for one in rows if one["status"] == "UNKNOWN"]
    return [one for one in rows if one["status"] != "UNKNOWN"], away


def service(cloud: Cloud, host: str) -> Item | None:
    """The compute service of a host."""
    path = f"/os-services?binary={BINARY}&host={host}"
    return next(cloud.items("compute", path, "services", newest(cloud, "2.53")), None)


def disable(cloud: Cloud, found: Item, reason: str) -> None:
    """No server is scheduled to the host of this compute service any more."""
    if cloud.supports("compute", "2.53"):
        body = {"status": "disabled", "disabled_reason": reason}
        cloud("compute", "PUT", f"/os-services/{found['id']}", body, version="2.53")
    else:
        body = {"host": found["host"], "binary": BINARY, "disabled_reason": reason}
        cloud("compute", "PUT", "/os-services/disable-log-reason", body)


def enable(cloud: Cloud, found: Item) -> None:
    """Servers are scheduled to it again; its reason is gone."""
    if cloud.supports("compute", "2.53"):
        cloud("compute", "PUT", f"/os-services/{found['id']}", {"status": "enabled"}, version="2.53")
    else:
        cloud("compute", "PUT", "/os-services/enable", {"host": found["host"], "binary": BINARY})


def force_down(cloud: Cloud, found: Item, reason: str | None) -> None:
    """Nova takes the host of this compute service for down, at once, and schedules nothing to it; without a `reason`
    the one that it is disabled for stays."""
    if cloud.supports("compute", "2.53"):
        body: dict[str, Any] = {"forced_down": True}
        if reason is not None:
            body |= {"status": "disabled", "disabled_reason": reason}
        cloud("compute", "PUT", f"/os-services/{found['id']}", body, version="2.53")
        return
    _force(cloud, found, down=True)
    if reason is not None:
        disable(cloud, found, reason)


def unforce_down(cloud: Cloud, found: Item) -> None:
    """Nova judges the host by its reports again. Raises CloudError with status 400, from Xena on, while there are
    records of evacuations that its nova-compute has not seen."""
    if cloud.supports("compute", "2.53"):
        cloud("compute", "PUT", f"/os-services/{found['id']}", {"forced_down": False}, version="2.53")
    else:
        _force(cloud, found, down=False)


def _force(cloud: Cloud, found: Item, *, down: bool) -> None:
    body = {"host": found["host"], "binary": BINARY, "forced_down": down}
    cloud("compute", "PUT", "/os-services/force-down", body, version="2.11")


def evacuate_form(cloud: Cloud, host: str) -> Form:
    """How an evacuation is asked for, to `host` ("" for one of the scheduler's choice). From 2.14 on Nova looks by
    itself whether disks are shared; a host that is named is checked by the scheduler from 2.29 on, and before that it
    is not, so that none is named. Never in 2.95 or later, by which all would land switched off."""
    version = newest(cloud, "2.29", "2.14")
    if not version:
        return Form("", {"evacuate": {"onSharedStorage": True}})
    return Form(version, {"evacuate": {"host": host} if host and version == "2.29" else {}})


def evacuations(cloud: Cloud, host: str) -> list[Item]:
    """The records of evacuations from a host, newest first."""
    found = [one for one in migrations(cloud, host) if one["source_compute"] == host]
    return [one for one in found if one.get("migration_type", "evacuation") == "evacuation"]


def migrations(cloud: Cloud, host: str) -> list[Item]:
    """The migrations from and to a host, newest first; their type is known from 2.23 on."""
    path = f"/os-migrations?host={host}"
    found = list(cloud.items("compute", path, "migrations", newest(cloud, "2.59", "2.23")))
    return sorted(found, key=lambda one: int(one["id"]), reverse=True)


def is_under_way(cloud: Cloud, migration: Item) -> bool:
    """Whether a migration has not ended, by its server as well: those of servers that were deleted, and of conductors
    that died, stay in the list for ever as they were."""
    if migration["status"] not in UNDER_WAY:
        return False
    found = server(cloud, migration["instance_uuid"])
    return found is not None and (bool(found[TASK]) or found["status"] == "VERIFY_RESIZE")


def running_migration(cloud: Cloud, identity: str) -> Item | None:
    """The live migration of a server that is under way, with how far it is; None also where Nova does not say."""
    if not cloud.supports("compute", "2.23"):
        return None
    found = get(cloud, "compute", f"/servers/{identity}/migrations", "migrations", "2.23") or []
    return max(found, key=lambda one: int(one["id"]), default=None)


def force_complete(cloud: Cloud, identity: str, migration: Any) -> None:
    """The guest is paused, or made to run on the other side at once, until its live migration is over."""
    path = f"/servers/{identity}/migrations/{migration}/action"
    cloud("compute", "POST", path, {"force_complete": None}, version="2.22")


def abort(cloud: Cloud, identity: str, migration: Any) -> None:
    """Ends a live migration that runs; one that waits for others only from 2.65 on. Raises CloudError with status 400
    for one that cannot be ended (any more)."""
    version = newest(cloud, "2.65", "2.24")
    cloud("compute", "DELETE", f"/servers/{identity}/migrations/{migration}", version=version)


def why(cloud: Cloud, identity: str) -> str:
    """What Nova noted of the newest thing done to a server: the errors of its events; "" for none."""
    version = newest(cloud, "2.84", "2.62", "2.51")
    path = f"/servers/{identity}/os-instance-actions"
    actions = get(cloud, "compute", path, "instanceActions", version) or []
    if not actions:
        return ""
    last = max(actions, key=lambda one: str(one["start_time"]))
    found = get(cloud, "compute", f"{path}/{last['request_id']}", "instanceAction", version) or {}
    said = []
    for event in found.get("events") or []:
        if event.get("result") == "Error":
            trace = (event.get("traceback") or "").strip().splitlines()
            said.append(f"{event['event']}: {event.get('details') or (trace[-1].strip() if trace else 'Error')}")
    return "\n".join(said)

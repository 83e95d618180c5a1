"""Services and agents: which are up, which are given work, and why a compute service is not."""

from collections.abc import Iterator, Mapping
from typing import Any

from naru.cloud.client import Cloud
from naru.operate.compute import BINARY, newest
from naru.operate.metrics.families import NothingThere, Samples
from naru.operate.metrics.sources.known import Known

_STATES = {"up": 1.0, "down": 0.0, True: 1.0, False: 0.0}


class Reading:
    """Nova's services, Neutron's agents, Cinder's services: a list each."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def __call__(self, samples: Samples) -> None:
        cloud = self._known.cloud
        if cloud is None:
            raise NothingThere("the site names no cloud")
        for service, binary, host, up, enabled in (*self._nova(cloud, samples), *_neutron(cloud), *_cinder(cloud)):
            # Nova of several cells says UNKNOWN of those in a cell that does not answer: neither up nor down
            if up in _STATES:
                samples.add("naru_service_up", _STATES[up], service, binary, host)
            samples.add("naru_service_enabled", float(enabled), service, binary, host)

    def _nova(self, cloud: Cloud, samples: Samples) -> Iterator[tuple[str, str, str, Any, bool]]:
        zones = {}
        for one in cloud.items("compute", "/os-services", "services", newest(cloud, "2.69", "2.53", "2.11")):
            enabled = one.get("status") != "disabled"
            yield "nova", one["binary"], one["host"], one.get("state"), enabled
            if one["binary"] != BINARY:
                continue
            zones[str(one["host"])] = str(one.get("zone") or "")
            samples.add("naru_service_forced_down", float(bool(one.get("forced_down"))), one["host"])
            if not enabled:
                samples.add("naru_service_disabled_reason", 1.0, one["host"], reason_class(one.get("disabled_reason")))
        self._known.zones = zones


def reason_class(reason: str | None) -> str:
    """Who has disabled a compute service: `naru`, `nova` by itself, an `operator`, or nobody said (`unsaid`)."""
    text = (reason or "").strip()
    if not text:
        return "unsaid"
    return "naru" if text.startswith("naru ") else "nova" if text.startswith("AUTO:") else "operator"


def _neutron(cloud: Cloud) -> Iterator[tuple[str, str, str, Any, bool]]:
    if cloud.has("network") and "agent" in cloud.extensions("network"):
        for one in cloud.items("network", "/agents", "agents"):
            yield "neutron", one["binary"], one["host"], one.get("alive"), bool(one.get("admin_state_up"))


def _cinder(cloud: Cloud) -> Iterator[tuple[str, str, str, Any, bool]]:
    if cloud.has("block-storage"):
        found: Iterator[Mapping[str, Any]] = cloud.items("block-storage", "/os-services", "services")
        for one in found:
            yield "cinder", one["binary"], one["host"], one.get("state"), one.get("status") != "disabled"

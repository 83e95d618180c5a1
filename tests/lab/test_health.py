"""Which of a cloud's workers are not there yet, by what its services answer."""

from types import SimpleNamespace
from typing import Any

import pytest

from naru.lab.health import missing

pytestmark = pytest.mark.unit

SERVICES = {
    "nova": [("nova-compute", "compute1")],
    "cinder": [("cinder-scheduler", "ctl"), ("cinder-volume", "ctl@rbd"), ("cinder-volume", "ctl@nfs")],
}


def answers(pools: list[str], *, scheduler: str = "up") -> Any:
    def api(service: str, method: str, path: str) -> dict[str, Any]:
        if path == "/scheduler-stats/get_pools":
            assert scheduler == "up", "it would be waited for until it is late"
            return {"pools": [{"name": name} for name in pools]}
        return {
            "services": [
                {
                    "binary": binary,
                    "host": host,
                    "state": scheduler if binary == "cinder-scheduler" else "up",
                    "updated_at": "2026-12-01T00:00:00",
                }
                for binary, host in SERVICES[service]
            ]
        }

    return api


def cloud() -> Any:
    return SimpleNamespace(agents=(), workers={f"{one}@{host}" for its in SERVICES.values() for one, host in its})


def test_volumes_are_not_ready_before_the_scheduler_knows_their_pools() -> None:
    assert missing(cloud(), answers(["ctl@rbd#rbd"]), 0.0) == ["cinder-volume@ctl@nfs"]
    assert missing(cloud(), answers(["ctl@rbd#rbd", "ctl@nfs#nfs"]), 0.0) == []


def test_a_scheduler_that_is_down_is_not_asked() -> None:
    assert missing(cloud(), answers([], scheduler="down"), 0.0) == ["cinder-scheduler@ctl"]

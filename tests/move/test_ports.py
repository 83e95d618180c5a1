"""Ports: which of their fields are sent, and what is told of those that the new cloud does not take."""

from typing import Any

import pytest

from naru.messages import say

from .test_mapping import NEWEST, facts, planned
from .test_progress import OLD

pytestmark = pytest.mark.unit

(PORT,) = OLD["port"]


def asked(extension: str, **fields: Any) -> tuple[dict[str, Any], list[tuple[str, Any, str]]]:
    """What is sent to make the port with these fields on a cloud with the extension, and what of it is told."""
    itself = {"name": "new", **NEWEST, "extensions": {"network": [extension]}}
    draft = planned(facts({**OLD, "port": [PORT | fields]}, {"cloud": [itself]}, "shop", "other"))
    changes = draft.decisions["port", PORT["id"]].changes
    body: dict[str, Any] = draft.steps[f"port/{PORT['id']}"].args["body"]
    return body, [(change.field, change.old, say(change.why)) for change in changes]


def test_offloading_to_hardware_is_kept_where_the_new_cloud_can() -> None:
    body, told = asked("port-hardware-offload-type", hardware_offload_type="switchdev")
    assert (body["hardware_offload_type"], told) == ("switchdev", [])
    body, told = asked("port-hardware-offload-type", hardware_offload_type=None)
    assert "hardware_offload_type" not in body and told == []
    body, told = asked("", hardware_offload_type="switchdev")
    assert "hardware_offload_type" not in body
    assert told == [("hardware_offload_type", "switchdev", "new has no port-hardware-offload-type")]

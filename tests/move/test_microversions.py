"""A new cloud of any release between Pike and 2026.2: what is asked of its Nova is what its microversion has, by Nova's
published history (`nova/api/openstack/compute/rest_api_version_history.rst`)."""

from typing import Any

import pytest

from naru.messages import say
from naru.plan.model import Step

from .test_servers import MINA, SMALL, decision, drafted, machine, release, steps

pytestmark = pytest.mark.unit

EVERY = [f"2.{minor}" for minor in range(53, 105)]
"""Microversions that a Nova may go up to: Pike's 2.53, 2026.2's 2.104, and all between them."""
ALWAYS = frozenset(
    (
        *("name", "imageRef", "flavorRef", "metadata", "user_data", "config_drive", "availability_zone", "networks"),
        *("accessIPv4", "accessIPv6", "OS-DCF:diskConfig", "block_device_mapping_v2", "key_name"),
    )
)
SINCE = {"description": 19, "tags": 52, "trusted_image_certificates": 63, "host": 74, "hostname": 90}
"""Fields of a request for a server that came later, and when."""
GONE = {"personality": 57}
"""Those that were taken out, and when."""
DISK = {"uuid", "source_type", "destination_type", "boot_index", "delete_on_termination"}
"""What a block device has had since before Pike (`volume_type` came with 2.67, a `tag` that works with 2.42)."""

RULES = {"policies": ["anti-affinity"], "policy": "anti-affinity", "rules": {"max_server_per_host": 2}}
GROUP = {"id": "g", "name": "apart", "project_id": "p", "user_id": MINA, "members": ["v"], **RULES}
ATTACHMENT = {"server_id": "v", "device": "/dev/vdb"}
VOLUME = {"id": "w", "name": "w", "os-vol-tenant-attr:tenant_id": "p", "attachments": [ATTACHMENT]}
SERVER = machine(
    "v",
    **{
        **{"description": "d", "tags": ["t"], "config_drive": "True", "accessIPv4": "192.0.2.1", "accessIPv6": "::1"},
        **{"OS-EXT-SRV-ATTR:user_data": "eA==", "OS-EXT-SRV-ATTR:hostname": "web", "OS-DCF:diskConfig": "MANUAL"},
        **{"OS-EXT-AZ:availability_zone": "nova", "locked": True, "locked_reason": "do not touch", "name": "v"},
        **{"trusted_image_certificates": ["c"], "os-extended-volumes:volumes_attached": [{"id": "w"}]},
    },
)


def minor(version: str) -> int:
    return int(version.removeprefix("2."))


def asked(newest: str) -> tuple[dict[str, Step], dict[str, str]]:
    """The steps of a move to a Nova that goes up to `newest`; what is told of the server, and why."""
    flavor = {**SMALL, "description": "a small one"}
    zone = {"compute availability zone": [{"zoneName": "nova"}]}
    old = {"flavor": [flavor], "server group": [GROUP], "volume": [VOLUME]}
    draft = drafted([SERVER], old, {**release(newest), **zone, "flavor": []})
    told = [*decision(draft, "server", "v").changes, *decision(draft, "flavor", "f").changes]
    told += decision(draft, "server group", "g").changes
    return steps(draft), {change.field: say(change.why) for change in told}


@pytest.mark.parametrize("newest", EVERY)
def test_a_server_is_asked_for_with_what_the_microversion_has(newest: str) -> None:
    made, told = asked(newest)
    args: dict[str, Any] = made["server/v"].args
    body, version = args["body"], minor(args["version"])
    assert version <= minor(newest)
    assert body.keys() <= {*ALWAYS, *SINCE} and not body.keys() & GONE.keys()
    for name in ("description", "tags", "hostname"):
        assert (name in body) == (SINCE[name] <= minor(newest)), name
        assert name not in body or version >= SINCE[name]
    assert ("OS-EXT-SRV-ATTR:hostname" in told) == (minor(newest) < SINCE["hostname"])
    assert all({*disk} <= DISK for disk in body["block_device_mapping_v2"])
    # certificates are not to be had, whatever the release: told, and never sent
    assert "trusted_image_certificates" in told and "trusted_image_certificates" not in body
    assert body["networks"] == "none" and version >= 37
    assert args["beside"] == {"os:scheduler_hints": {"group": {"$ref": "server group/g", "field": "id"}}}


@pytest.mark.parametrize("newest", EVERY)
def test_what_goes_with_a_server_is_asked_for_so_too(newest: str) -> None:
    made, told = asked(newest)
    # server groups: a policy with rules since 2.64, a list of policies before
    group: dict[str, Any] = made["server group/g"].args
    since = minor(newest) >= 64
    assert minor(group["version"]) <= minor(newest) and (minor(group["version"]) >= 64) == since
    rules = {"policy": "anti-affinity", "rules": {"max_server_per_host": 2}} if since else {"policies": [APART]}
    assert group["body"] == {"name": "apart", **rules}
    assert ("rules" in told) != since
    # why a server is locked: since 2.73
    (lock,) = made["server/v locked"].args["requests"]
    reason = {"locked_reason": "do not touch"} if minor(newest) >= 73 else None
    assert lock["body"] == {"lock": reason} and minor(lock.get("version") or "2.1") <= minor(newest)
    # a flavor's description: since 2.55; any extra spec: until 2.85; a disk's and a network's factor: until 2.101
    flavor: dict[str, Any] = made["flavor/f"].args
    version = minor(flavor["version"])
    assert ("description" in flavor["body"]) == (minor(newest) >= 55) and ("description" in told) != (
        minor(newest) >= 55
    )
    assert version <= min(minor(newest), 85) and ("description" not in flavor["body"] or version >= 55)


APART = "anti-affinity"


@pytest.mark.parametrize(("newest", "sent"), [("2.89", False), ("2.93", False), ("2.94", True), ("2.104", True)])
def test_a_full_domain_name_is_sent_since_2_94(newest: str, sent: bool) -> None:
    named = machine("v", **{"OS-EXT-SRV-ATTR:hostname": "web.example.com"})
    assert ("hostname" in steps(drafted([named], new=release(newest)))["server/v"].args["body"]) == sent

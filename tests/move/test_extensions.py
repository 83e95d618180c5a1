"""Fields that an extension of the new cloud's Neutron takes: kept where it has that, told where it has not."""

from typing import Any

import pytest

from naru.messages import say
from naru.move.kinds import floating_ip

from .test_mapping import NEWEST, facts, planned
from .test_progress import OLD

pytestmark = pytest.mark.unit

KEPT = [
    ("network", "qinq", "qinq", True),
    ("router", "enable-default-route-bfd", "enable_default_route_bfd", True),
    ("router", "enable-default-route-ecmp", "enable_default_route_ecmp", True),
    ("port", "dns-domain-ports", "dns_domain", "shop.example."),
]


def sent(kind: str, extension: str, **fields: Any) -> tuple[dict[str, Any], dict[str, tuple[Any, str]]]:
    """What is sent to make the last thing of the kind with these fields; what of it is told, and why."""
    *others, last = OLD[kind]
    itself = {"name": "new", **NEWEST, "extensions": {"network": [extension]}}
    draft = planned(facts({**OLD, kind: [*others, last | fields]}, {"cloud": [itself]}, "shop", "other"))
    body: dict[str, Any] = draft.steps[f"{kind}/{last['id']}"].args["body"]
    changes = draft.decisions[kind, last["id"]].changes
    return body, {change.field: (change.old, say(change.why)) for change in changes}


@pytest.mark.parametrize(("kind", "extension", "field", "value"), KEPT, ids=[row[2] for row in KEPT])
def test_a_field_is_kept_where_the_new_cloud_has_its_extension(
    kind: str, extension: str, field: str, value: Any
) -> None:
    body, told = sent(kind, extension, **{field: value})
    assert body[field] == value and field not in told
    body, told = sent(kind, "dns-integration", **{field: value})
    assert field not in body and told[field] == (value, f"new has no {extension}")
    for nothing in (None, False):
        body, told = sent(kind, "dns-integration", **{field: nothing if value is True else None})
        assert field not in body and field not in told


def test_further_gateways_of_a_router_are_told() -> None:
    first, second = ({"network_id": name, "external_fixed_ips": []} for name in ("one", "two"))
    _, told = sent("router", "external-gateway-multihoming", external_gateways=[first])
    assert "external_gateways" not in told
    _, told = sent("router", "external-gateway-multihoming", external_gateways=[first, second])
    assert told["external_gateways"][0] == [second]


def test_a_floating_ips_qos_policy_needs_an_extension_of_its_own() -> None:
    assert floating_ip.KIND.extensions["qos_policy_id"] == "qos-fip"

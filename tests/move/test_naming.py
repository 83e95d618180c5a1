"""What things are called in findings: names, also of those that have none of their own."""

from pathlib import Path
from typing import Any

import pytest

from naru.inventory.archive import Archive
from naru.inventory.kinds import BY_NAME
from naru.inventory.rows import Row
from naru.move.facts import Side
from naru.move.naming import called, name_of

pytestmark = pytest.mark.unit

PROJECT, GUEST = "5dd122", "39983f"
THINGS: list[tuple[str, dict[str, Any]]] = [
    ("project", {"id": PROJECT, "name": "shop"}),
    ("project", {"id": GUEST, "name": "guests"}),
    ("user", {"id": "u", "name": "sora"}),
    ("role", {"id": "r", "name": "member"}),
    ("group", {"id": "g", "name": "staff"}),
    ("image", {"id": "i", "name": "golden"}),
    ("network", {"id": "n", "name": "inner", "project_id": PROJECT}),
    ("volume", {"id": "v", "name": "data"}),
]
ASSIGNMENT = {"role": {"id": "r"}, "user": {"id": "u"}, "scope": {"project": {"id": PROJECT}}}


@pytest.mark.parametrize(
    ("kind", "body", "name"),
    [
        ("server", {"id": "s", "name": "web", "tenant_id": PROJECT}, "web"),
        ("image member", {"image_id": "i", "member_id": GUEST}, "golden / guests"),
        ("image member", {"image_id": "i", "member_id": "gone"}, "golden"),
        ("role assignment", ASSIGNMENT, "member / sora / shop"),
        ("group membership", {"group_id": "g", "id": "u", "name": "sora"}, "staff / sora"),
        ("RBAC policy", {"id": "x", "object_id": "n", "target_tenant": GUEST, "project_id": PROJECT}, "inner / guests"),
        ("RBAC policy", {"id": "x", "object_id": "n", "target_tenant": "*", "project_id": PROJECT}, "inner"),
        ("compute quota", {"project_id": PROJECT}, "shop"),
        ("snapshot", {"id": "t", "name": "before", "volume_id": "v"}, "before (data)"),
        ("snapshot", {"id": "t", "name": "before", "volume_id": "gone"}, "before"),
        (
            "port",
            {"id": "p", "name": "", "network_id": "n", "fixed_ips": [{"ip_address": "10.0.0.5"}], "project_id": GUEST},
            "inner / 10.0.0.5",
        ),
        ("port", {"id": "p", "name": "", "network_id": "gone", "project_id": PROJECT}, "p"),
    ],
)
def test_name(tmp_path: Path, kind: str, body: dict[str, Any], name: str) -> None:
    with Archive(tmp_path / "archive.db") as archive:
        number = archive.begin("old")
        archive.add(number, [Row.of(BY_NAME[kind], body) for kind, body in THINGS])
        archive.end(number, [])
        side = Side(archive, number, "old")
        assert called(side, Row.of(BY_NAME[kind], body)) == name
        assert (name_of(side, "project", GUEST), name_of(side, "project", "gone")) == ("guests", "gone")

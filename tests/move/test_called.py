"""What has no name is called by what people know it by, in titles, failures and commands."""

import re
from pathlib import Path
from typing import Any

import pytest

from naru.inventory.archive import Archive
from naru.inventory.kinds import BY_NAME
from naru.inventory.rows import Row
from naru.messages import say
from naru.move.called import called, name_of
from naru.move.draft import thing
from naru.move.facts import Side
from naru.plan.queries import in_one_line

from .test_golden import CASES, planned, sides

__all__ = ["sides"]
pytestmark = pytest.mark.unit

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-|[0-9a-f]{32}")


def test_what_people_know_things_by(sides: tuple[Side, Side]) -> None:
    old, _ = sides

    def called(kind: str, **fields: object) -> set[str]:
        rows = [row for row in old.all(kind).values() if fields.items() <= row.body.items()]
        return {row.called for row in rows}

    assert "10.40.0.6" in called("port", name="")
    assert called("port", name="web-1") == {""}
    assert "198.18.0.29" in called("floating IP")
    assert {"hanok", "carpenters"} <= called("compute quota") & called("volume quota") & called("network quota")
    assert "hanok/jun" in called("user compute quota")
    assert "network/partners" in called("RBAC policy", object_type="network")
    assert {"auditor/sora/Default", "member/mina/hanok"} <= called("role assignment")
    assert {"developers/jun", "developers/sora"} <= called("group membership")
    assert "golden/hanok-lab" in called("image member")
    assert "hanok.private/hanok" in called("flavor access")
    assert "fresh:/dev/sda" in called("volume", name="")
    assert called("volume", name="db-wal") == {""} == called("server")


def test_no_title_has_an_id_where_there_is_a_name(sides: tuple[Side, Side], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("tests/move/golden")
    plan = planned(sides, next(case for case in CASES if case.name == "demo")).plan
    named = {step.about.id for step in plan.steps if step.about and not step.about.name}
    titles = [say(step.title) for step in plan.steps if step.about and step.about.id not in named]
    assert not [title for title in titles if not title or ID.search(title)]
    # an attached disk of a server has a name; one that nobody has named, and no server has, has its id
    assert {step.about.kind for step in plan.steps if step.about and step.about.id in named} == {"volume"}


def test_a_failure_in_one_line_has_what_the_service_said() -> None:
    refused = "new: block-storage refused POST /volumes (400)"
    assert (
        in_one_line(refused, "Invalid input for field metadata\nmore") == f"{refused}: Invalid input for field metadata"
    )
    assert in_one_line("it is full", "") == "it is full"
    assert in_one_line("ValueError: x", "Traceback (most recent call last):\n...") == "ValueError: x"


THINGS: list[tuple[str, dict[str, Any]]] = [
    ("project", {"id": "5dd122", "name": "shop"}),
    ("project", {"id": "39983f", "name": "guests"}),
    ("image", {"id": "i", "name": "golden"}),
    ("volume", {"id": "v", "name": "data"}),
    ("snapshot", {"id": "t1", "name": "before", "volume_id": "v"}),
    ("snapshot", {"id": "t2", "name": "", "volume_id": "v"}),
    ("snapshot", {"id": "t3", "name": "before", "volume_id": "gone"}),
    ("backup", {"id": "b", "name": "weekly", "volume_id": "v"}),
    ("image member", {"image_id": "i", "member_id": "39983f"}),
    ("image member", {"image_id": "i", "member_id": "gone"}),
    ("port", {"id": "p", "name": "", "network_id": "gone", "project_id": "5dd122"}),
]


def test_where_what_joins_them_is_gone_or_a_name_is_not_enough(tmp_path: Path) -> None:
    with Archive(tmp_path / "archive.db") as archive:
        number = archive.begin("old")
        archive.add(number, [Row.of(BY_NAME[kind], body) for kind, body in THINGS])
        archive.end(number, [])
        side = Side(archive, number, "old")
        every = {row.id: say(thing(row)) for kind, _ in THINGS for row in side.all(kind).values()}
        assert every == {
            "5dd122": "project shop",
            "39983f": "project guests",
            "i": "image golden",
            "v": "volume data",
            "t1": "snapshot data:before",
            "t2": "snapshot data:t2",
            "t3": "snapshot before",
            "b": "backup data:weekly",
            "i/39983f": "image member golden/guests",
            "i/gone": "image member golden/gone",
            "p": "port p",
        }
        assert (name_of(side, "project", "39983f"), name_of(side, "project", "gone")) == ("guests", "gone")
        assert called(side, side.all("volume")["v"]) == ""

"""What has no name is called by what people know it by, in titles, failures and commands."""

import re

import pytest

from naru.messages import say
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

"""What a plan says of what is kept, mapped, not kept and left."""

import pytest

from naru.cli.move_plan import how_many_are_kept, print_reasons
from naru.move import kept
from naru.move.decisions import Decided, Decision, FieldChange
from naru.move.kept import Reason, Tally

pytestmark = pytest.mark.unit


def decision(name: str, what: Decided, *changes: FieldChange, kind: str = "volume") -> Decision:
    return Decision(kind, f"id of {name}", name, "p", what, "", changes=changes)


TYPE = FieldChange("volume_type", "fast", "ceph", "as written")
SINCE = FieldChange("created_at", "2017", None, "made anew")
FALSE = FieldChange("multiattach", True, False, "its type says so")
ZERO = FieldChange("limit", 5, 0, "as large as it can be")
GIVEN = FieldChange("user_id", None, "the administrator", "nobody else")
EMPTY = FieldChange("metadata", {"a": "b"}, {}, "this release has none")
DECISIONS = [
    decision("as it was", "create"),
    decision("there", "match"),
    decision("mapped", "create", TYPE),
    decision("given", "create", GIVEN),
    decision("both", "create", TYPE, SINCE),
    decision("", "create", SINCE),
    decision("false", "create", FALSE, ZERO),
    decision("group", "match", EMPTY, kind="server group"),
    decision("left", "leave"),
]


def test_each_thing_is_counted_once() -> None:
    assert kept.tally(DECISIONS) == Tally(kept=2, mapped=3, not_kept=3, left=1)
    assert kept.tally([]) == Tally(0, 0, 0, 0)


def test_each_reason_is_told_once_and_what_is_lost_first() -> None:
    assert kept.reasons(DECISIONS) == [
        Reason(True, "volume", "created_at", "made anew", ["both", "id of "]),
        Reason(True, "server group", "metadata", "this release has none", ["group"]),
        Reason(False, "volume", "volume_type", "as written", ["mapped", "both"]),
        Reason(False, "volume", "user_id", "nobody else", ["given"]),
        Reason(False, "volume", "multiattach", "its type says so", ["false"]),
        Reason(False, "volume", "limit", "as large as it can be", ["false"]),
    ]


def test_the_plan_says_whose_when_it_is_asked_to(capsys: pytest.CaptureFixture[str]) -> None:
    print_reasons(DECISIONS, every=False)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "not kept: volume created_at: made anew (2 times)" and len(said) == 6
    print_reasons(DECISIONS, every=True)
    said = capsys.readouterr().err.splitlines()
    assert said[:3] == ["not kept: volume created_at: made anew (2 times)", "      - both", "      - id of "]
    last = "kept 2, mapped 3, not kept 3{}, left 1"
    assert how_many_are_kept(DECISIONS, every=False) == last.format(" (-v names them)")
    assert how_many_are_kept(DECISIONS, every=True) == last.format("")

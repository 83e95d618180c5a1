"""Volumes that several servers may have attached: what the new cloud's volume type makes of that is told."""

from pathlib import Path
from typing import Any

import pytest

from naru.inventory.rows import Row
from naru.messages import say
from naru.move.decisions import Decision
from naru.move.kinds.server import sharing

from .test_snapshots import disk, drafted

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("was", "may", "servers", "error", "rule"),
    [
        (True, True, 2, False, None),
        (True, False, 2, True, (True, False)),
        (True, False, 1, False, (True, False)),
        (False, True, 1, False, (False, True)),
        (False, False, 1, False, None),
        (None, False, 0, False, None),
    ],
)
def test_the_type_there_says_how_many_servers(
    tmp_path: Path, was: bool | None, may: bool, servers: int, error: bool, rule: Any
) -> None:
    attachments = [{"server_id": str(number)} for number in range(servers)]
    shared = disk("v", attachments=attachments, **({} if was is None else {"multiattach": was}))
    draft = drafted(tmp_path, [shared], [], specs={"multiattach": "<is> True"} if may else {})
    errors = [say(found.summary) for found in draft.plan.findings if found.severity == "error"]
    assert any("2 servers have it attached" in text for text in errors) == error
    [decision] = [one for one in draft.decisions.values() if one.kind == "volume"]
    found = [(one.old, one.new) for one in decision.changes if one.field == "multiattach"]
    assert found == ([rule] if rule else [])


def test_its_servers_get_it_one_after_the_other(tmp_path: Path) -> None:
    shared = disk("v", attachments=[{"server_id": name} for name in ("one", "left", "two")], multiattach=True)
    draft = drafted(tmp_path, [shared], [], specs={"multiattach": "<is> True"})
    volume = Row("volume", "v", "V", "p", "in-use", shared)
    assert sharing(draft, volume) == []
    for name, what in (("one", "create"), ("left", "leave")):
        step = f"server/{name}" if what == "create" else ""
        draft.decisions["server", name] = Decision("server", name, name, "p", what, "", step=step)  # type: ignore[arg-type]
    assert sharing(draft, volume) == ["server/one"]

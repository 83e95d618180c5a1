"""The step that evacuates one server, with a Nova on paper."""

from types import SimpleNamespace
from typing import Any

import pytest

from naru.operate import compute
from naru.operate.evacuate import steps

pytestmark = pytest.mark.unit

ARGS = {"cloud": "x", "host": "compute1", "server": "a", "status": "SHUTOFF", "earlier": [1], "plan": "p"}


class Nova:
    """A cloud whose server `a` was evacuated to compute2, and runs there."""

    name = "x"

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[Any] = []
        self.row = {"id": "a", "status": "ACTIVE", compute.HOST: "compute2", compute.TASK: None}
        record = {"id": 3, "instance_uuid": "a", "status": "done"}
        monkeypatch.setattr(steps, "cloud", lambda *_: self)
        monkeypatch.setattr(compute, "server", lambda *_: self.row)
        monkeypatch.setattr(compute, "evacuations", lambda *_: [record])

    def __call__(self, service: str, method: str, path: str, body: Any = None, **_: Any) -> None:
        self.asked.append(body)
        self.row["status"] = "SHUTOFF"


@pytest.mark.parametrize(("over", "asked"), [([], []), ([1], []), ([2], [{"os-stop": None}])])
def test_a_server_that_its_owner_has_started_since_is_not_switched_off(
    over: list[int], asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was off is off when it has arrived, unless a try of ours has left it in ERROR: Nova starts that."""
    nova = Nova(monkeypatch)
    context: Any = SimpleNamespace(args=ARGS, attempt=2, earlier={"over": over}, sleep=lambda _: None)
    assert steps.evacuate(context)["how"] == "evacuated"
    assert nova.asked == asked

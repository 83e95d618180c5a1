"""The cap on what all copies of a move carry, as a file that people may also write."""

from pathlib import Path
from typing import Any

import pytest

from naru.errors import InputError
from naru.move import copies
from naru.move.steps.rate import COPYING, controlled
from naru.plan.kinds import KINDS, load
from naru.work.rate import RATE, rate, set_rate

pytestmark = pytest.mark.unit


class Log:
    """As much of a step's context as a copy's control needs."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.log = self.lines.append

    def check(self) -> None:
        pass

    def running(self, kinds: Any) -> int:
        return 2


@pytest.mark.parametrize(
    ("text", "value"), [("80M", 80 << 20), ("1048576", 1 << 20), (" 500K\n", 500 << 10), ("1.5G\n", 3 << 29)]
)
def test_as_people_write_it(tmp_path: Path, text: str, value: float) -> None:
    (tmp_path / RATE).write_text(text)
    assert rate(tmp_path) == value


@pytest.mark.parametrize("text", [b"", b"0", b"-1", b"fast", b"80 M", b"\xff\xfe", b"nan"])
def test_no_rate(tmp_path: Path, text: bytes) -> None:
    (tmp_path / RATE).write_bytes(text)
    with pytest.raises(InputError, match="is not a rate"):
        rate(tmp_path)


def test_written_and_removed(tmp_path: Path) -> None:
    assert rate(tmp_path) is None
    for value in (80 << 20, 0.4, 1.6):
        set_rate(tmp_path, value)
        assert rate(tmp_path) == max(1, round(value))
    set_rate(tmp_path, None)
    assert rate(tmp_path) is None


def test_a_running_copy_goes_on_with_the_cap_of_before(tmp_path: Path) -> None:
    context = Log()
    control = controlled(context, Path(copies.of_volume(str(tmp_path), "v")))  # type: ignore[arg-type]
    assert control.rate() is None
    set_rate(tmp_path, 1000)
    assert control.rate() == 500
    (tmp_path / RATE).write_text("much")
    assert control.rate() == control.rate() == 500
    assert len(context.lines) == 1 and "the cap stays as it was" in context.lines[0]
    (tmp_path / RATE).write_text("4K")
    assert control.rate() == 2048


def test_what_shares_the_cap_are_kinds_of_steps() -> None:
    load(["naru.move.steps"])
    assert set(COPYING) <= KINDS.by_name.keys()

"""What of users' writes is wrong, beside what they were before; what is given wrongly."""

from contextlib import nullcontext
from typing import Any

import pytest

from naru.cloud.client import CloudError, Unavailable
from naru.errors import InputError, NaruError
from naru.upgrade.compare import writes
from naru.upgrade.compare.verified import WRITING, WROTE
from naru.upgrade.compare.writes import Tried, judge
from naru.upgrade.work import Work

from .test_report import upgrade as upgrade

pytestmark = pytest.mark.unit

WORKS, REFUSED, FAILED = (Tried("volume", how, how) for how in ("works", "refused", "failed"))  # type: ignore[arg-type]
NOT_THERE = Tried("volume", "not there", "no service")


@pytest.mark.parametrize(
    ("was", "now", "judged"),
    [
        (None, WORKS, None),
        (None, REFUSED, ("not compared", "refused, and was not tried before")),
        (None, FAILED, ("wrong", "does not work")),
        (WORKS, WORKS, None),
        (WORKS, REFUSED, ("wrong", "worked, and is refused now")),
        (WORKS, FAILED, ("wrong", "worked, and does not")),
        (WORKS, NOT_THERE, ("wrong", "worked, and is not there now")),
        (REFUSED, WORKS, ("wrong", "was refused, and works")),
        (REFUSED, REFUSED, None),
        (REFUSED, FAILED, ("wrong", "fails")),
        (FAILED, FAILED, ("not compared", "failed before, too")),
        (FAILED, WORKS, None),
        (NOT_THERE, WORKS, ("new", "was not there, and works")),
    ],
)
def test_a_write_is_judged_beside_what_it_was(
    upgrade: Work, was: Tried | None, now: Tried, judged: tuple[str, str] | None
) -> None:
    with upgrade.journal() as journal:
        journal.remember(WROTE, {"member": [was]} if was else {})
    found = [(one.judged, one.change) for one in judge(upgrade, {"member": [now]})]
    assert found == ([judged] if judged else [])


def test_users_of_whom_something_may_be_left_are_told(upgrade: Work) -> None:
    with upgrade.journal() as journal:
        journal.remember(WRITING, ["member"])
    (found,) = judge(upgrade, {})
    assert (found.judged, found.kind) == ("not known", "writes of member")
    assert found.examples == (f"naru upgrade verify {upgrade.directory} --write-as member",)


def test_a_user_who_is_gone_keeps_nobody_else_from_trying(upgrade: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    def cloud(name: str) -> Any:
        if name == "gone":
            raise NaruError("clouds.yaml has no gone")
        return nullcontext()

    monkeypatch.setattr(writes, "Cloud", cloud)
    monkeypatch.setattr(writes, "_clear", lambda *_: [])
    monkeypatch.setattr(writes, "_tried", lambda *_: [WORKS])
    with upgrade.journal() as journal:
        journal.remember(WRITING, ["gone"])
    found = writes.try_all(upgrade, ["member"], "", "", lambda _: None)
    assert found == {"member": [WORKS]}
    assert [one.kind for one in judge(upgrade, found)] == ["writes of gone"]
    with pytest.raises(NaruError, match="has no gone"):
        writes.try_all(upgrade, ["gone"], "", "", lambda _: None)


def test_a_refusal_is_another_thing_than_a_failure() -> None:
    errors: list[NaruError] = [
        *(CloudError("x", status=403), CloudError("x", status=413), Unavailable("x", status=503)),
        *(Unavailable("x", status=429), NaruError("volume v is error")),
    ]
    assert [writes._how(error) for error in errors] == ["refused", "refused", "failed", "failed", "failed"]


def test_half_of_a_server_is_refused() -> None:
    for users, flavor, image in ((["c"], "m1", ""), (["c"], "", "cirros"), ([], "m1", "cirros")):
        with pytest.raises(InputError, match="--flavor and --image go together"):
            writes.check(users, flavor, image)

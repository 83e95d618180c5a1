"""Whether a Galera cluster runs is seen before anything of it is stopped: by members that are in it, whatever their
state there, and by servers that run and let nobody in."""

from typing import Any

import pytest

from naru.operate.cluster import galera_steps, members
from naru.operate.cluster.galera_steps import JOIN, Member, check_lost, found
from naru.operate.cluster.order import placed
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.site.database import Refused
from naru.site.model import Unit
from naru.site.ssh import Fleet

from . import small

pytestmark = pytest.mark.unit

OFF = {"error": "no answer"}
ALONE = {"component": "non-Primary", "state": "Initialized"}


def primary(state: str) -> dict[str, Any]:
    return {"component": "Primary", "state": state}


def context(kind: str = "cluster.begin") -> Context:
    return Context(n=1, id="s", kind=kind, unit="", args={}, attempt=1, earlier=None, reader=lambda n: {})


class Seen:
    """A member that says what it is given."""

    def __init__(self, says: dict[str, Any]) -> None:
        self.look = lambda: says


def of(*says: dict[str, Any]) -> dict[str, Any]:
    return {host: Seen(one) for host, one in zip(small.DBS, says, strict=True)}


@pytest.mark.parametrize(
    ("says", "first"),
    [
        ((OFF, primary("Synced"), OFF), "db2"),
        ((primary("Donor/Desynced"), OFF, OFF), "db1"),
        ((OFF, primary("Joining: receiving State Transfer"), primary("Donor/Desynced")), "db2"),
        ((primary("Donor/Desynced"), OFF, primary("Synced")), "db3"),
        ((OFF, OFF, OFF), ""),
        ((ALONE, ALONE, OFF), ""),
        ((primary("Synced"), {"error": "Access denied", "refused": "password"}, OFF), "db1"),
    ],
)
def test_a_cluster_runs_as_long_as_a_member_is_in_its_primary_component(says: Any, first: str) -> None:
    assert found(context(), of(*says), seconds=0.0) == first


def test_a_server_that_lets_nobody_in_is_not_taken_as_off() -> None:
    says = ({"error": "Access denied for user 'naru'", "refused": "password"}, OFF, OFF)
    with pytest.raises(PlanError, match="runs on db1 and does not let Naru in: nothing was stopped") as told:
        found(context(), of(*says), seconds=0.0)
    assert "Access denied" in told.value.detail and "password" in told.value.hint


@pytest.mark.parametrize(("of_password", "refused"), [(True, "password"), (False, "other")])
def test_what_a_server_refuses_is_seen(of_password: bool, refused: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuses(*_: Any, **__: Any) -> None:
        raise Refused("Too many connections", of_password=of_password)

    monkeypatch.setattr(members, "asked", refuses)
    site = small.site()
    with Fleet(site) as fleet:
        seen = members.member(site, fleet, site.content.databases[0], "db1")
    assert seen == {"error": "Too many connections", "refused": refused}


def test_a_member_given_as_lost_that_runs_in_the_cluster_is_told() -> None:
    check_lost({"db3": OFF, "db2": ALONE})
    with pytest.raises(PlanError, match="db3 was given as lost, and its database runs"):
        check_lost({"db3": primary("Synced")})


def test_a_unit_that_gets_its_data_may_be_starting_as_long_as_a_join_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []

    class At:
        def __init__(self, _: Context, args: dict[str, Any], __: str) -> None:
            given.append(args["seconds"])

        def record(self, _: str) -> tuple[dict[str, str], dict[str, str]]:
            return {}, {}

        def release(self) -> None: ...

        def start(self, _: dict[str, str]) -> None: ...

    monkeypatch.setattr(galera_steps, "UnitAt", At)
    member = object.__new__(Member)
    member._context, member._args, member._step = context("cluster.join"), {}, "s"
    member.service = next(one for one in placed(small.site())["databases"] if isinstance(one.managed, Unit))
    member.start(JOIN)
    assert given == [4 * 3600.0]

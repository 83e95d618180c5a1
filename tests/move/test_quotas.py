"""Nova's quotas of single users on a move: set when it ends, after the project's, and told when they cannot be."""

from typing import Any

import pytest

from naru.messages import say
from naru.move import mapfile, planner
from naru.move.draft import Draft, Options
from naru.move.verify import Verifier

from .test_mapping import MINA, Given, facts, planned
from .test_progress import OLD

pytestmark = pytest.mark.unit

GENERAL = {"instances": 10, "cores": 20, "ram": 4096, "key_pairs": 7, "injected_files": 5, "server_groups": -1}
DEFAULT = {"instances": 100, "cores": 100, "ram": 100, "key_pairs": 100, "server_groups": 100}


def project(identity: str, **quotas: int) -> dict[str, Any]:
    return {"id": identity, "project_id": identity, **quotas}


def user(project: str, user: str, **quotas: int) -> dict[str, Any]:
    return {"id": project, "project_id": project, "user_id": user, **quotas}


MINAS = user("p", MINA, **{**GENERAL, "cores": 0, "ram": -1})


def plan(*users: dict[str, Any], new: dict[str, Any] | None = None, **old: Any) -> Draft:
    things = OLD | {"compute quota": [project("p", **GENERAL)], "user compute quota": list(users)} | old
    found = facts(things, {"compute quota": [project("x", **DEFAULT)]} | (new or {}))
    return planned(found)


def requests(draft: Draft, step: str) -> list[tuple[str, Any, Any]]:
    (args,) = [found.args for found in draft.plan.steps if found.id == step]
    return [(one["method"], one["path"], one.get("body", {}).get("quota_set")) for one in args["requests"]]


def undo(draft: Draft, step: str) -> list[tuple[str, Any, Any]]:
    (args,) = [found.args for found in draft.plan.steps if found.id == step]
    return [(one["method"], one["path"], one.get("body", {}).get("quota_set")) for one in args["undo"]]


def before(draft: Draft, step: str) -> set[str]:
    """All that comes before the step."""
    found: set[str] = set()
    todo = [step]
    while todo:
        here = todo.pop()
        new = {edge.before for edge in draft.plan.edges if edge.after == here} - found
        found |= new
        todo += new
    return found


SHOP = {"$ref": "project/p", "field": "id"}
HER = {"$ref": f"user/{MINA}", "field": "id"}
EXACT = f"user compute quota/p/{MINA} exact"


def test_what_is_the_users_own_is_set_at_the_end_after_the_projects() -> None:
    draft = plan(MINAS)
    decision = draft.decisions["user compute quota", f"p/{MINA}"]
    assert (decision.decision, decision.name, decision.project) == ("create", "mina", "p")
    path = ["/os-quota-sets/", SHOP, "?user_id=", HER]
    # what follows the project's goes on following it; 0 and -1 are values
    assert requests(draft, EXACT) == [("PUT", path, {"cores": 0, "ram": -1, "force": True})]
    assert undo(draft, EXACT) == [("DELETE", path, None)]
    assert {"compute quota/p exact", "finalize p", f"user/{MINA}"} <= before(draft, EXACT)
    assert EXACT in before(draft, "no way back p")
    # a new user has no quota of his own that could refuse anything on the way
    assert not [step.id for step in draft.plan.steps if "user compute quota" in step.id and step.id != EXACT]


def test_more_than_the_project_may_have_is_told() -> None:
    (told,) = [found for found in plan(MINAS).plan.findings if found.about == f"p/{MINA}"]
    assert (told.severity, say(told.summary)) == (
        "info",
        "user compute quota of mina in shop: more ram than the whole project may have",
    )
    fewer = plan(user("p", MINA, **{**GENERAL, "server_groups": 5}))
    assert not [found for found in fewer.plan.findings if found.about == f"p/{MINA}"]


def test_what_the_new_cloud_does_not_have_is_told_as_a_rule() -> None:
    quotas = {**GENERAL, "parking": 3}
    old = {"compute quota": [project("p", **quotas)]}
    draft = plan(user("p", MINA, **{**quotas, "cores": 1, "parking": 0}), **old)
    rules = draft.decisions["user compute quota", f"p/{MINA}"].changes
    assert [(rule.field, rule.old, say(rule.why)) for rule in rules] == [("parking", 0, "new has no such quota")]
    assert requests(draft, EXACT)[0][2] == {"cores": 1, "force": True}
    draft = plan(user("p", MINA, **{**quotas, "parking": 0}), **old)
    decision = draft.decisions["user compute quota", f"p/{MINA}"]
    assert (decision.decision, say(decision.why)) == ("leave", "new has no such quotas: parking")


def test_a_user_who_is_not_moved_has_none_and_it_is_told() -> None:
    draft = plan(user("p", "gone", **{**GENERAL, "cores": 1}))
    decision = draft.decisions["user compute quota", "p/gone"]
    assert (decision.decision, say(decision.why)) == ("leave", "its user is not moved")
    (told,) = [found for found in draft.plan.findings if found.about == "p/gone"]
    assert told.severity == "warning" and "is not moved" in say(told.summary)


NEW = {
    "project": [{"id": "np", "name": "shop", "domain_id": "default"}],
    "user": [{"id": "nu", "name": "mina", "domain_id": "default"}],
    "compute quota": [project("np", **DEFAULT), project("x", **DEFAULT)],
    "user compute quota": [
        user("np", "nu", **{**DEFAULT, "instances": 1, "cores": 2}),
        user("np", "theirs", **{**DEFAULT, "ram": 0}),
        user("x", "theirs", **{**DEFAULT, "ram": 1}),
    ],
}


def test_what_the_new_cloud_has_of_a_users_own_counts_neither_meanwhile_nor_is_it_lost() -> None:
    draft = plan(MINAS, new=NEW)
    minas, others = (["/os-quota-sets/", "np", "?user_id=", name] for name in ("nu", "theirs"))
    for path, step, was in (
        (minas, "user compute quota/np/nu lifted", {"instances": 1, "cores": 2, "force": True}),
        (others, "user compute quota/np/theirs lifted", {"ram": 0, "force": True}),
    ):
        assert requests(draft, step) == [("DELETE", path, None)]
        assert undo(draft, step) == [("PUT", path, was)]
        assert "compute quota/p lifted" in before(draft, step) and step in before(draft, "prepared p")
    assert requests(draft, EXACT) == [("PUT", minas, {"cores": 0, "ram": -1, "force": True})]
    back = "user compute quota/np/theirs back"
    assert requests(draft, back) == [("PUT", others, {"ram": 0, "force": True})]
    assert "compute quota/p exact" in before(draft, back) and back in before(draft, "no way back p")
    assert not [step.id for step in draft.plan.steps if "compute quota/x" in step.id]


@pytest.mark.parametrize(
    ("there", "differing"),
    [
        ({**GENERAL, "cores": 0, "ram": -1}, {}),
        ({**GENERAL, "cores": 0}, {"ram": (-1, 4096)}),
        ({**GENERAL, "cores": False, "ram": -1}, {"cores": (0, False)}),
        (None, {"": (MINA, None)}),
    ],
)
def test_it_is_compared_field_by_field_once_the_project_is_final(
    there: dict[str, int] | None, differing: dict[str, Any]
) -> None:
    draft = plan(MINAS)
    new = Given("new", {"user compute quota": [user("np", "nu", **there)] if there else []})
    made = {"project p": "np", f"user {MINA}": "nu"}
    decision = draft.decisions["user compute quota", f"p/{MINA}"]
    assert list(Verifier(draft.facts.old, new, made, {"p"}, set()).differences(decision)) == []
    found = Verifier(draft.facts.old, new, made, {"p"}, {"p"}).differences(decision)
    assert {one.field: (one.old, one.new) for one in found} == differing


TYPES = [{"id": name, "name": name} for name in ("fast", "swift", "slow", "unused")]
PER_TYPE = {
    **{"volumes": 10, "gigabytes": -1, "volumes_fast": 3, "volumes_swift": 4, "gigabytes_fast": -1},
    **{"gigabytes_swift": 50, "volumes_slow": 0, "volumes_unused": -1},
}
ON_NEW = {"volumes": 1, "gigabytes": 1, "volumes_nfs": -1, "gigabytes_nfs": -1}


def of_types(target: str | None = "nfs") -> Draft:
    """A plan in which both quick types become one, and nothing is of the slow one."""
    old = {"volume type": TYPES, "volume quota": [project("p", **PER_TYPE)], "volume": []}
    new = {"volume quota": [project("x", **ON_NEW)], "volume type": [{"id": "n", "name": "nfs"}]}
    found = facts(OLD | old, new)
    written = mapfile.EMPTY.model_copy(update={"volume_types": {"fast": target, "swift": "nfs"}})
    return planner.make(found, mapfile.choose(found, written), Options(key="/key"), settings={})


def test_quotas_of_volume_types_follow_the_map_and_are_added_up() -> None:
    draft = of_types()
    (_, _, exact), *_ = requests(draft, "volume quota/p exact")
    assert exact == {"volumes": 10, "gigabytes": -1, "volumes_nfs": 7, "gigabytes_nfs": -1}
    changes = {change.field: change.new for change in draft.decisions["volume quota", "p"].changes}
    # no limit on a type that nobody uses is nothing that could be lost
    assert changes == {
        "volumes_fast": {"volumes_nfs": 7},
        "volumes_swift": {"volumes_nfs": 7},
        "gigabytes_swift": {"gigabytes_nfs": -1},
        "volumes_slow": None,
    }
    (told,) = [found for found in draft.plan.findings if found.about == "p" and "cannot be kept" in say(found.summary)]
    assert "volumes_slow" in say(told.summary) and "unused" not in say(told.summary)
    assert draft.choices["volume_types", "slow"].target == "leave"


def test_no_limit_of_a_type_that_the_new_cloud_does_not_have_is_no_difference() -> None:
    draft = of_types()
    new = Given(
        "new", {"volume quota": [project("np", **{**ON_NEW, "volumes": 10, "gigabytes": -1, "volumes_nfs": 7})]}
    )
    verifier = Verifier(draft.facts.old, new, {"project p": "np"}, {"p"}, {"p"})
    found = list(verifier.differences(draft.decisions["volume quota", "p"]))
    assert {one.field: bool(one.why) for one in found} == dict.fromkeys(
        ("volumes_fast", "volumes_swift", "gigabytes_swift", "volumes_slow"), True
    )


def test_a_type_that_volumes_have_cannot_be_left() -> None:
    volume = {"id": "w", "name": "w", "os-vol-tenant-attr:tenant_id": "p", "volume_type": "fast", "size": 1}
    found = facts(OLD | {"volume type": TYPES, "volume": [{**volume, "status": "available"}]})
    written = mapfile.EMPTY.model_copy(update={"volume_types": {"fast": "leave"}})
    draft = planner.make(found, mapfile.choose(found, written), Options(key="/key"), settings={})
    assert any("cannot be left" in say(one.summary) for one in draft.plan.findings if one.severity == "error")

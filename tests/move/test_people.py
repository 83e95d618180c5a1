"""Users and groups of a directory (LDAP): matched where the new cloud has them, never made."""

from typing import Any

import pytest

from naru.messages import say
from naru.move import mapfile, planner
from naru.move.draft import Draft, Options

from .test_mapping import MINA, OPS, facts, planned
from .test_progress import OLD

pytestmark = pytest.mark.unit

SORA, CREW = "5" * 64, "6" * 64  # hashes, as Keystone calls who is in a directory
HERE = {"domain_id": "default", "password_expires_at": None}
PEOPLE: dict[str, Any] = {
    "user": [*OLD["user"], {"id": SORA, "name": "sora", **HERE}, {"id": "jisu", "name": "jisu", **HERE}],
    "group": [{"id": OPS, "name": "ops", "domain_id": "default"}, {"id": CREW, "name": "crew", "domain_id": "default"}],
    "group membership": [{"group_id": CREW, "id": SORA, "name": "sora"}],
    "role assignment": [
        {"role": {"id": "r"}, "user": {"id": "jisu"}, "scope": {"project": {"id": "p"}}},
        {"role": {"id": "r"}, "group": {"id": OPS}, "scope": {"project": {"id": "p"}}},
        {"role": {"id": "r"}, "group": {"id": CREW}, "scope": {"project": {"id": "p"}}},
    ],
}


def plan(**new: Any) -> Draft:
    found = facts(OLD | PEOPLE, new)
    return planned(found)


def test_who_is_in_the_directory_of_the_new_cloud_too_is_matched() -> None:
    users = [{"id": "7" * 64, "name": "sora", **HERE}, {"id": "8" * 64, "name": "jisu", **HERE}]
    draft = plan(user=users, group=[{"id": "9" * 64, "name": "crew", "domain_id": "default"}])
    made = {key: found.decision for key, found in draft.decisions.items() if key[0] in ("user", "group")}
    assert made["user", SORA] == made["user", "jisu"] == made["group", CREW] == "match"
    assert made["group", OPS] == "create"
    assert not [found for found in draft.plan.findings if "directory" in say(found.summary)]


def test_who_is_not_there_yet_is_an_error_with_what_to_do() -> None:
    draft = plan()
    reported = [found for found in draft.plan.findings if "comes from a directory" in say(found.summary)]
    assert {found.about for found in reported} == {SORA, CREW, "jisu"}
    assert {found.severity for found in reported} == {"error"}
    assert not {f"user/{SORA}", "user/jisu", f"group/{CREW}"} & {step.id for step in draft.plan.steps}


ROLES = [{"id": "r", "name": "_member_"}, {"id": "r2", "name": "auditor"}, {"id": "r3", "name": "reader"}]
IMPLIES = {"prior_role": {"id": "r2", "name": "auditor"}, "implies": [{"id": "r3", "name": "reader"}]}
HERS = {"role": {"id": "r2"}, "user": {"id": MINA}, "scope": {"project": {"id": "p"}}}


def test_what_a_role_implies_is_made_with_it() -> None:
    old = {"role": ROLES, "role inference": [IMPLIES], "role assignment": [HERS]}
    draft = planned(facts(OLD | old, {"role": [{"id": "x", "name": "member"}]}))
    assert draft.decisions["role", "r3"].decision == "create"
    (args,) = [step.args for step in draft.plan.steps if step.id == "role inference/r2 r3"]
    path = ["/roles/", {"$ref": "role/r2", "field": "id"}, "/implies/", {"$ref": "role/r3", "field": "id"}]
    assert (args["requests"][0]["method"], args["requests"][0]["path"]) == ("PUT", path)
    assert args["undo"][0]["method"] == "DELETE"


@pytest.mark.parametrize("there", [True, False])
def test_who_would_lose_what_a_role_implies_is_told(there: bool) -> None:
    old = {"role": ROLES, "role inference": [IMPLIES], "role assignment": [HERS]}
    new = [{"id": "x", "name": "member"}, {"id": "n2", "name": "Auditor"}, {"id": "n3", "name": "reader"}]
    inference = {"prior_role": {"id": "n2", "name": "Auditor"}, "implies": [{"id": "n3"}]}
    draft = planned(facts(OLD | old, {"role": new, "role inference": [inference] if there else []}))
    told = [say(found.summary) for found in draft.plan.findings if "implies" in say(found.summary)]
    expected = "role auditor implies reader on the old cloud, and not on new: mina would lose that"
    assert told == ([] if there else [expected])
    # of a name that differs in case alone: taken, and told
    assert draft.decisions["role", "r2"].new == "n2"
    assert [found for found in draft.plan.findings if "auditor is taken for Auditor of new" in say(found.summary)]


def test_a_role_that_is_there_does_not_imply_one_that_the_move_makes() -> None:
    old = {"role": ROLES, "role inference": [IMPLIES], "role assignment": [HERS]}
    draft = planned(facts(OLD | old, {"role": [{"id": "x", "name": "member"}, {"id": "n2", "name": "auditor"}]}))
    assert draft.decisions["role", "r3"].decision == "create"
    told = [say(found.summary) for found in draft.plan.findings if "implies" in say(found.summary)]
    assert told == ["role auditor implies reader on the old cloud, and not on new: mina would lose that"]


def test_a_role_of_a_single_domain_is_made_in_it() -> None:
    own = {"id": "r9", "name": "auditor", "domain_id": "default"}
    old = {"role": [*ROLES, own], "role assignment": [{**HERS, "role": {"id": "r9"}}]}
    there = [{"id": "x", "name": "member"}, {"id": "n2", "name": "auditor"}]  # of all domains: another one
    draft = planned(facts(OLD | old, {"role": there}))
    (args,) = [step.args for step in draft.plan.steps if step.id == "role/r9"]
    assert args["body"]["domain_id"] == "default" and args["find"]["path"] == ["/roles?domain_id=", "default"]
    gone = planned(facts(OLD | old | {"role": ROLES}, {"role": there}))  # deleted since
    assert [found for found in gone.plan.findings if "role is not on the new cloud" in say(found.summary)]


ABOVE = {
    "project": [
        {"id": "top", "name": "top", "domain_id": "default", "parent_id": "default"},
        {"id": "p", "name": "shop", "domain_id": "default", "parent_id": "top"},
    ]
}


@pytest.mark.parametrize(("holder", "kept"), [(MINA, True), ("d" * 32, False)])
@pytest.mark.parametrize("scope", [{"project": {"id": "top"}}, {"domain": {"id": "default"}}])
def test_access_from_above_is_given_on_the_project_or_told(holder: str, kept: bool, scope: dict[str, Any]) -> None:
    chief = {"id": "d" * 32, "name": "chief", "domain_id": "default"}
    inherited = {
        "role": {"id": "r2"},
        "user": {"id": holder},
        "scope": {**scope, "OS-INHERIT:inherited_to": "projects"},
    }
    old = {**ABOVE, "role": ROLES, "user": [*OLD["user"], chief], "role assignment": [HERS, inherited]}
    draft = planned(facts(OLD | old))
    (decision,) = [one for key, one in draft.decisions.items() if key[0] == "role assignment" and "projects" in key[1]]
    assert decision.decision == ("create" if kept else "leave")
    (told,) = [say(found.summary) for found in draft.plan.findings if "by what is above them" in say(found.summary)]
    assert ("mina is auditor on shop" if kept else "chief is auditor on shop") in told
    if kept:
        assert [step for step in draft.plan.steps if step.id == decision.step and step.kind == "cloud.call"]


def test_a_password_is_enough_until_everything_is_made_as_the_user() -> None:
    options = {
        "multi_factor_auth_enabled": True,
        "multi_factor_auth_rules": [["password", "totp"]],
        "lock_password": True,
    }
    users = [{"id": MINA, "name": "mina", "domain_id": "default", "options": options}, *OLD["user"][1:]]
    group = {"id": "g", "name": "g", "project_id": "p", "user_id": MINA, "policies": ["affinity"]}
    draft = planned(facts(OLD | {"user": users, "role assignment": [HERS], "server group": [group]}))
    args = {step.id: step.args for step in draft.plan.steps}
    first_use = "ignore_change_password_upon_first_use"
    assert args[f"user/{MINA}"]["body"]["options"] == {"lock_password": True, first_use: True}
    (request,) = args[f"user/{MINA} options"]["requests"]
    assert request["body"]["user"]["options"] == {first_use: None, **options}
    assert request["body"]["user"]["password"] == args[f"user/{MINA}"]["body"]["password"]
    after = {edge.before for edge in draft.plan.edges if edge.after == f"made as {MINA}"}
    assert "prepared p" in after  # and so all that is made in the project
    assert any("needs more than a password" in say(found.summary) for found in draft.plan.findings)


@pytest.mark.parametrize("password", [True, False])
def test_who_needs_a_second_factor_is_told_though_nothing_is_made_as_them(password: bool) -> None:
    users = [{"id": MINA, "name": "mina", "domain_id": "default", "options": {"multi_factor_auth_enabled": password}}]
    draft = planned(facts(OLD | {"user": [*users, *OLD["user"][1:]], "role assignment": [HERS]}))
    args = {step.id: step.args for step in draft.plan.steps}
    assert args[f"user/{MINA}"]["body"]["options"] == {"multi_factor_auth_enabled": password}
    assert f"user/{MINA} options" not in args
    told = [one for one in draft.plan.findings if "more than a password" in say(one.summary)]
    assert [(one.severity, one.about) for one in told] == ([("warning", MINA)] if password else [])


# -- names that differ in upper and lower case alone


CORP = {"id": "corp", "name": "corp"}
DEFAULT = {"id": "default", "name": "Default"}
CORPS = {"domain": [DEFAULT, CORP]}


@pytest.mark.parametrize("kind", ["project", "user", "group", "role"])
@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_name_that_differs_in_case_alone_is_matched_in_its_own_domain(kind: str, elsewhere: bool) -> None:
    mine = {"id": "a" * 32 if kind == "user" else "c" * 32, "name": "shop", "domain_id": "corp"}
    shop = {"id": "p", "name": "shop", "domain_id": "corp"}
    scope = {"scope": {"project": {"id": "p"}}, "role": {"id": mine["id"] if kind == "role" else "r2"}}
    holder = {kind: {"id": mine["id"]}} if kind in ("user", "group") else {"user": {"id": MINA}}
    old = {**CORPS, "project": [shop], "role": ROLES, "role assignment": [scope | holder]}
    if kind != "project":
        old[kind] = [*(ROLES if kind == "role" else []), mine]
    here = [{"id": "other", "name": "shop", "domain_id": "default"}] if elsewhere else []
    new = {**CORPS, kind: [*here, {"id": "same", "name": "SHOP", "domain_id": "corp"}]}
    if kind == "role":
        new[kind].append({"id": "x", "name": "member"})
    draft = planned(facts(OLD | old, new))
    decision = draft.decisions[kind, "p" if kind == "project" else mine["id"]]
    assert (decision.decision, decision.new) == ("match", "same")
    told = [say(one.summary) for one in draft.plan.findings]
    assert [one for one in told if "upper and lower case differ" in one and "SHOP" in one]


@pytest.mark.parametrize(
    ("there", "severity"), [([], "warning"), ([{"id": "n", "name": "MINA", "domain_id": "default"}], "error")]
)
def test_two_that_become_one_are_told(there: list[dict[str, Any]], severity: str) -> None:
    two = [{"id": one * 32, "name": name, "domain_id": "default"} for one, name in (("1", "mina"), ("2", "Mina"))]
    theirs = [{**HERS, "user": {"id": one["id"]}} for one in two]
    draft = planned(facts(OLD | {"user": two, "role assignment": theirs}, {"user": there}))
    (told,) = [one for one in draft.plan.findings if "have one name in one domain" in say(one.summary)]
    assert (told.severity, told.about) == (severity, "2" * 32)
    assert say(told.summary).startswith("user mina and user Mina have one name")


def test_users_of_two_domains_that_become_one_are_told() -> None:
    two = [{"id": one * 32, "name": "mina", "domain_id": domain} for one, domain in (("1", "default"), ("2", "d2"))]
    found = facts(OLD | {"user": two, "role assignment": [{**HERS, "user": {"id": one["id"]}} for one in two]})
    merged = mapfile.EMPTY.model_copy(update={"domains": {"corp": "Default"}})
    draft = planner.make(found, mapfile.choose(found, merged), Options(key="/key"), settings={})
    assert [one for one in draft.plan.findings if "have one name in one domain" in say(one.summary)]


def test_a_domain_or_role_that_another_in_other_case_is_made_beside_is_told() -> None:
    both = {"role": [*ROLES, {"id": "r4", "name": "Auditor"}]}
    both |= {"role assignment": [HERS, {**HERS, "role": {"id": "r4"}}]}
    draft = planned(facts(OLD | both, {"role": [{"id": "x", "name": "member"}]}))
    assert [one.about for one in draft.plan.findings if "have one name" in say(one.summary)] == ["r4"]


def test_a_domains_role_is_found_in_the_domain_that_the_map_names() -> None:
    own = {"id": "r9", "name": "auditor", "domain_id": "d2"}
    hers = {"role": [*ROLES, own], "role assignment": [{**HERS, "role": {"id": "r9"}}]}
    found = facts(
        OLD | hers | {"user": [{"id": MINA, "name": "mina", "domain_id": "d2"}]},
        {
            "domain": [DEFAULT, {"id": "n2", "name": "company"}],
            "role": [{"id": "x", "name": "member"}, {"id": "n9", "name": "auditor", "domain_id": "n2"}],
        },
    )
    written = mapfile.EMPTY.model_copy(update={"domains": {"corp": "company"}})
    draft = planner.make(found, mapfile.choose(found, written), Options(key="/key"), settings={})
    assert (draft.decisions["role", "r9"].decision, draft.decisions["role", "r9"].new) == ("match", "n9")


# -- who would lose what a role implies


ADMIN, EDITOR = {"id": "r5", "name": "chief"}, {"id": "r2", "name": "auditor"}


def lost(old: list[dict[str, Any]], new: list[dict[str, Any]], *given: dict[str, Any]) -> list[str]:
    """What is told of implied roles, where mina is chief."""
    roles = [*ROLES, ADMIN]
    there = [{"id": f"n{one['id']}", "name": one["name"]} for one in roles[1:]]
    there.append({"id": "x", "name": "member"})
    things = {**ABOVE, "role": roles, "role inference": old, "role assignment": list(given)}
    draft = planned(facts(OLD | things, {"role": there, "role inference": new}))
    return [say(one.summary) for one in draft.plan.findings if " implies " in say(one.summary)]


def inference(prior: str, *implied: str) -> dict[str, Any]:
    return {"prior_role": {"id": prior}, "implies": [{"id": one} for one in implied]}


def test_who_has_a_role_by_another_one_is_named() -> None:
    hers = {**HERS, "role": {"id": "r5"}}
    old = [inference("r5", "r2"), inference("r2", "r3")]
    assert lost(old, [inference("nr5", "nr2")], hers) == [
        "role auditor implies reader on the old cloud, and not on new: mina would lose that"
    ]
    # nothing is lost where the new cloud gives it by another way
    assert not lost([inference("r5", "r3", "r2"), old[1]], [inference("nr5", "nr2"), inference("nr2", "nr3")], hers)


def test_what_a_role_from_above_implies_is_told_too() -> None:
    above = {**HERS, "role": {"id": "r5"}}
    above["scope"] = {"project": {"id": "top"}, "OS-INHERIT:inherited_to": "projects"}
    old = [inference("r5", "r2"), inference("r2", "r3")]
    member = {**HERS, "role": {"id": "r"}}
    assert lost(old, [inference("nr5", "nr2")], member, above) == [
        "role chief implies reader on the old cloud, and not on new: mina would lose that"
    ]

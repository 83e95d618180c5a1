"""Users and groups of a directory (LDAP): matched where the new cloud has them, never made."""

from typing import Any

import pytest

from naru.messages import say
from naru.move.draft import Draft

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

"""Users and groups of a directory (LDAP): matched where the new cloud has them, never made."""

from typing import Any

import pytest

from naru.messages import say
from naru.move.draft import Draft

from .test_mapping import OPS, facts, planned
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

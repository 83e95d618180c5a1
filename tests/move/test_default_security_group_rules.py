"""Default security group rules: what new groups get on both clouds, and what is told where that differs."""

from typing import Any

import pytest

from naru.messages import say
from naru.move.decisions import Decision
from naru.move.draft import Draft, Options
from naru.move.facts import Facts
from naru.move.kinds import BY_NAME
from naru.move.kinds.default_security_group_rule import EXTENSION, KIND, differences
from naru.plan.model import Plan

from .test_mapping import NEWEST, OLD, Given

pytestmark = pytest.mark.unit

EVERY = {"used_in_default_sg": True, "used_in_non_default_sg": True}
NONE = dict.fromkeys(
    ("protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id", "remote_address_group_id")
)


def rule(identity: str, direction: str = "egress", ethertype: str = "IPv4", **more: Any) -> dict[str, Any]:
    return {"id": identity, "direction": direction, "ethertype": ethertype, "description": "", **NONE, **EVERY, **more}


def inner(identity: str, ethertype: str) -> dict[str, Any]:
    return rule(identity, "ingress", ethertype, remote_group_id="PARENT", used_in_non_default_sg=False)


# as the newest Neutron has them when nobody has changed anything
FIRST = [rule("a"), rule("b", ethertype="IPv6"), inner("c", "IPv4"), inner("d", "IPv6")]
SSH = rule("s", "ingress", protocol="tcp", port_range_min=22, port_range_max=22, used_in_default_sg=False)


def drafted(old: list[dict[str, Any]] | None, new: list[dict[str, Any]] | None) -> Draft:
    """What the rule makes of clouds with these templates; None: a release before there were any."""

    def side(cloud: str, rules: list[dict[str, Any]] | None) -> Given:
        extensions = {"network": [] if rules is None else [EXTENSION]}
        itself = {"name": cloud, **NEWEST, "extensions": extensions}
        return Given(cloud, {"project": OLD["project"], "cloud": [itself], KIND.name: rules or []})

    draft = Draft(Facts(side("old", old), side("new", new), ["shop"]), {}, Plan(title=""), Options(key="/key"), BY_NAME)
    offices = Decision("address group", "offices", "", "p", "match", "", new="offices there")
    draft.decisions["address group", "offices"] = offices
    differences(draft)
    return draft


def told(draft: Draft) -> list[tuple[str, str, str]]:
    return [(say(one.summary), say(one.detail), one.about) for one in draft.plan.findings]


MORE = "new security groups on new get a rule that they do not get on old"
FEWER = "new security groups on new do not get a rule that they get on old"
SSH_TEXT = "direction ingress, ethertype IPv4, protocol tcp, port_range_min 22, port_range_max 22"
SSH_TEXT += ", used_in_non_default_sg True"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (None, None, []),
        (None, FIRST, []),
        (FIRST, None, []),
        (None, [*FIRST, SSH], [(MORE, SSH_TEXT, "")]),
        (
            None,
            FIRST[1:],
            [(FEWER, "direction egress, ethertype IPv4, used_in_default_sg True, used_in_non_default_sg True", "")],
        ),
        # one template for all groups, or one for each sort of them
        (FIRST, [*FIRST[1:], *({**FIRST[0], "id": use, use: False} for use in EVERY)], []),
    ],
)
def test_what_new_groups_get_on_one_cloud_alone_is_told(old: Any, new: Any, said: list[tuple[str, str, str]]) -> None:
    assert told(drafted(old, new)) == said


def test_an_operators_rule_is_matched_or_told() -> None:
    draft = drafted([*FIRST, SSH], [*FIRST, {**SSH, "id": "z", "description": "for all", "protocol": "6"}])
    assert (draft.decisions[KIND.name, "s"].new, draft.plan.findings) == ("z", [])
    draft = drafted([*FIRST, SSH], FIRST)
    assert draft.decisions[KIND.name, "s"].decision == "leave"
    ((summary, _, about),) = told(draft)
    assert about == "s" and f"new security groups on new do not get it ({SSH_TEXT})" in summary


@pytest.mark.parametrize(("named", "count"), [("offices there", 0), ("others", 2)])
def test_a_rule_for_an_address_group_is_compared_by_its_counterpart(named: str, count: int) -> None:
    ours, theirs = ({**SSH, "remote_address_group_id": group} for group in ("offices", named))
    assert len(told(drafted([*FIRST, ours], [*FIRST, {**theirs, "id": "z"}]))) == count

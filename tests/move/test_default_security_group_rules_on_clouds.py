"""What new security groups get, from Pike to the newest release, which lets an operator choose it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from naru.cloud.client import Cloud
from naru.inventory.archive import Archive
from naru.inventory.kinds import BY_NAME
from naru.inventory.read import read
from naru.lab.lab import Lab
from naru.messages import say
from naru.move.draft import Draft, Options
from naru.move.facts import Facts, Side
from naru.move.kinds import BY_NAME as OF_MOVE
from naru.move.kinds.default_security_group_rule import KIND, differences
from naru.plan.model import Plan

from ..lab.scenario import Rest

pytestmark = pytest.mark.lab

PATH = "/v2.0/default-security-group-rules"
SSH = {"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22, "description": "all"}


@contextmanager
def template(new: Rest) -> Iterator[str]:
    """A rule of the operator's own, for all groups that are made."""
    body = {**SSH, "used_in_default_sg": False, "used_in_non_default_sg": True}
    made = new("network", "POST", PATH, {"default_security_group_rule": body})["default_security_group_rule"]["id"]
    try:
        yield made
    finally:
        new("network", "DELETE", f"{PATH}/{made}")


def drafted(archive: Archive, old: str, new: str) -> Draft:
    def side(name: str) -> Side:
        snapshot = archive.begin(name)
        with Cloud(name) as cloud:
            kinds = [BY_NAME[kind] for kind in ("cloud", "project", "address group", KIND.name)]
            assert not [found for found in read(cloud, lambda rows: archive.add(snapshot, rows), kinds) if found.failed]
        return Side(archive, snapshot, name)

    draft = Draft(Facts(side(old), side(new), ["admin"]), {}, Plan(title=""), Options(key="/key"), OF_MOVE)
    differences(draft)
    return draft


def told(draft: Draft) -> list[tuple[str, str]]:
    return [(say(found.summary), say(found.detail)) for found in draft.plan.findings]


def test_what_new_groups_get_is_compared(
    pair: Lab, clouds: dict[str, Rest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(pair.clouds_yaml))
    with Archive(tmp_path / "archive.db") as archive:
        # what Pike has built in is what the newest release begins with
        draft = drafted(archive, "old", "new")
        assert told(draft) == [] and len(draft.facts.new.all(KIND.name)) == 4
        with template(clouds["new"]) as made:
            ((summary, detail),) = told(drafted(archive, "old", "new"))
            assert "get a rule that they do not get on old" in summary and "port_range_min 22" in detail
            # an operator's own rule, from a cloud that has it to one that cannot
            draft = drafted(archive, "new", "old")
            ((summary, _),) = told(draft)
            assert draft.decisions[KIND.name, made].decision == "leave" and "port_range_min 22" in summary
        assert told(drafted(archive, "new", "new")) == []

"""What Cinder and Glance of the new cloud would refuse or spoil: told while planning."""

from pathlib import Path
from typing import Any

import pytest

from naru.messages import say
from naru.move.draft import Draft
from naru.move.facts import Facts

from .test_mapping import NEW, Given, facts, planned
from .test_progress import OLD
from .test_snapshots import disk, drafted, taken

pytestmark = pytest.mark.unit


def errors(draft: Draft) -> list[str]:
    return [say(one.summary) for one in draft.plan.findings if one.severity == "error"]


@pytest.mark.parametrize(
    ("storage", "encrypted", "refused"), [(True, True, True), (False, True, False), (True, False, False)]
)
def test_a_type_with_encryption_takes_no_content_past_cinder(
    tmp_path: Path, storage: bool, encrypted: bool, refused: bool
) -> None:
    there = {"volume type encryption": [{"volume_type_id": "t2", "provider": "luks"}]} if encrypted else {}
    draft = drafted(tmp_path, [disk("v")], [], storage=storage, there=there)
    assert (
        any("is encrypted, and content that goes from storage to storage is not" in one for one in errors(draft))
        == refused
    )


@pytest.mark.parametrize(("version", "description"), [("3.43", "a\nb"), ("3.71", "a b")])
def test_a_line_break_in_the_description_of_a_snapshot_becomes_a_blank(
    tmp_path: Path, version: str, description: str
) -> None:
    cloud = {"name": "new", "user_id": "a", "versions": {"block-storage": version}, "extensions": {}}
    draft = drafted(tmp_path, [disk("v")], [taken("s", "v", description="a\nb")], there={"cloud": [cloud]})
    (args,) = [step.args for step in draft.plan.steps if step.id == "snapshot/s"]
    assert args["body"]["description"] == description
    told = [one for one in draft.plan.findings if one.about == "s"]
    assert len(told) == (version == "3.71")


VOLUME = {
    **{"id": "w", "name": "data", "os-vol-tenant-attr:tenant_id": "p", "status": "available", "size": 1},
    **{"attachments": [], "user_id": "", "metadata": {}},
}


@pytest.mark.parametrize(("version", "refused"), [("3.59", True), ("3.68", False)])
def test_content_by_images_needs_a_cinder_that_writes_them_into_volumes(version: str, refused: bool) -> None:
    versions = {"compute": "2.103", "block-storage": version}
    cloud = {"name": "new", "user_id": "a", "versions": versions, "extensions": {}}
    draft = planned(facts({**OLD, "volume": [VOLUME, {**VOLUME, "id": "x"}]}, {"cloud": [cloud]}))
    assert len([one for one in errors(draft) if "cannot write an image into a volume" in one]) == refused


def test_images_of_deleted_projects_are_told_when_all_is_moved() -> None:
    image = {"id": "i9", "name": "lost", "owner": "deleted", "status": "active", "size": 1, "checksum": "c"}
    old: dict[str, Any] = {**OLD, "image": [image]}
    some = planned(facts(old))
    assert not [one for one in some.plan.findings if "deleted are not moved" in say(one.summary)]
    every = planned(Facts(Given("old", old), Given("new", NEW), None))
    (told,) = [say(one.summary) for one in every.plan.findings if "deleted are not moved" in say(one.summary)]
    assert "lost" in told

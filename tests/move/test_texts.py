"""Names, descriptions and metadata that the new cloud would refuse: what becomes of them, and that it is told."""

from typing import Any

import pytest

from naru.messages import say
from naru.move import mapfile, planner
from naru.move.accepts import block_storage, compute
from naru.move.draft import Draft, Options

from .test_mapping import Given, facts
from .test_progress import OLD

pytestmark = pytest.mark.unit

VOLUME = {
    **{"id": "w", "name": "data", "os-vol-tenant-attr:tenant_id": "p", "status": "available", "size": 1},
    **{"metadata": {"색상": "red", "a/b": "kept", "long": "x" * 256}, "attachments": [], "user_id": ""},
    "volume_image_metadata": {"ünï": "code", "os_type": "linux"},
}


def plan(*, metadata_keys: dict[str, str] | None = None, old: dict[str, Any] | None = None, **new: Any) -> Draft:
    found = facts({**OLD, "server": [], "volume": [VOLUME], **(old or {})}, new)
    written = mapfile.EMPTY.model_copy(update={"metadata_keys": metadata_keys or {}})
    return planner.make(found, mapfile.choose(found, written), Options(key="/key"), settings={})


def body(draft: Draft, step: str) -> dict[str, Any]:
    (args,) = [found.args for found in draft.plan.steps if found.id == step]
    return dict(args["body"])


def said(draft: Draft, about: str) -> list[tuple[str, str]]:
    return [(found.severity, say(found.summary)) for found in draft.plan.findings if found.about == about]


def test_a_key_that_cinder_refuses_is_left_and_told() -> None:
    draft = plan()
    assert body(draft, "volume/w")["metadata"] == {"a/b": "kept", "naru": "naru:w"}
    (sent,) = [found.args["requests"] for found in draft.plan.steps if found.id == "volume/w properties"]
    assert {"os-set_image_metadata": {"metadata": {"os_type": "linux"}}} in [one["body"] for one in sent]
    told = said(draft, "w")
    assert ("warning", "volume data: the new cloud refuses the key 색상 of its metadata, and it is left behind") in told
    assert len([text for _, text in told if "ünï" in text]) == 1  # though the properties are sent again in the window
    assert any("the value of long in its metadata is longer" in text for _, text in told)
    changes = {change.field: change.new for change in draft.decisions["volume", "w"].changes}
    assert changes["metadata"] == {"a/b": "kept"} and changes["volume_image_metadata"] == {"os_type": "linux"}


def test_the_map_gives_a_key_another_name() -> None:
    draft = plan(metadata_keys={"색상": "colour"})
    assert body(draft, "volume/w")["metadata"]["colour"] == "red"
    assert ("info", "volume data: the key 색상 of its metadata becomes colour") in said(draft, "w")


@pytest.mark.parametrize("name", ["색", "a/b"])
def test_a_name_that_is_refused_as_well_or_taken_is_an_error(name: str) -> None:
    draft = plan(metadata_keys={"색상": name})
    assert any(severity == "error" and "cannot become" in text for severity, text in said(draft, "w"))


def test_a_cinder_without_schemas_takes_any_key() -> None:
    pike = {"name": "new", "user_id": "a", "versions": {"compute": "2.53", "block-storage": "3.43"}, "extensions": {}}
    draft = plan(cloud=[pike])
    assert body(draft, "volume/w")["metadata"]["색상"] == "red"


@pytest.mark.parametrize(
    ("rule", "text", "mended"),
    [
        (compute.NAME, " web\t", "web"),
        (compute.NAME, "shop \U0001f6d2 1", "shop   1"),
        (compute.NAME, "가게", "가게"),
        (compute.DESCRIPTION, "one\ntwo ", "one two "),
        (block_storage.DESCRIPTION, "x" * 300, "x" * 255),
    ],
)
def test_texts_become_what_the_service_takes(rule: Any, text: str, mended: str) -> None:
    assert rule.mended(text) == mended and rule.takes(mended) and rule.takes(text) == (text == mended)


def of_version(compute: str) -> Given:
    return Given(
        "new", {"cloud": [{"name": "new", "user_id": "a", "versions": {"compute": compute}, "extensions": {}}]}
    )


@pytest.mark.parametrize(
    ("version", "name", "taken"),
    [
        ("2.79", "web", False),
        ("2.90", "web", True),
        ("2.90", "a", False),  # two characters at least, until there are full names
        ("2.93", "web.example.com", False),
        ("2.94", "web.example.com", True),
        ("2.94", "a", True),
    ],
)
def test_a_host_name_is_sent_where_nova_takes_it(version: str, name: str, taken: bool) -> None:
    side = Given(
        "new", {"cloud": [{"name": "new", "user_id": "a", "versions": {"compute": version}, "extensions": {}}]}
    )
    assert compute.takes_hostname(side, name) == taken


@pytest.mark.parametrize(("version", "taken"), [("2.53", False), ("2.92", True)])
def test_a_key_pair_may_have_dots_since_2_92(version: str, taken: bool) -> None:
    side = Given(
        "new", {"cloud": [{"name": "new", "user_id": "a", "versions": {"compute": version}, "extensions": {}}]}
    )
    assert compute.takes_key_pair(side, "mina@desk.1") == taken
    assert compute.takes_key_pair(side, "mina desk_1-2") and not compute.takes_key_pair(side, "mina/desk")

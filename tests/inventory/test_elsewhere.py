"""Heat, Manila, Magnum and Trove as their documentation says that they answer: what is read of them, what never, and
what the plan says of it. None of them was run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.cloud.client import Cloud
from naru.inventory.archive import Archive
from naru.inventory.elsewhere import read_elsewhere
from naru.inventory.kinds import BY_NAME as KINDS
from naru.inventory.kinds import SECRET
from naru.inventory.rows import Row
from naru.messages import say
from naru.move.draft import Draft, Options
from naru.move.facts import Facts, Side
from naru.move.kinds import BY_NAME, further
from naru.plan.model import Plan

from ..move.fake_barbican import Barbican, two

pytestmark = pytest.mark.unit

HEAT = "/heat/v1/p"
TEMPLATE = {
    "heat_template_version": "2016-10-14",
    "parameters": {
        "flavor": {"type": "string", "default": "m1.small"},
        "password": {"type": "string", "hidden": True, "default": "in-the-template"},
    },
    "resources": {"web": {"type": "OS::Nova::Server"}},
}
STACK = {"id": "s", "stack_name": "shop", "stack_status": "CREATE_COMPLETE", "description": "", "links": []}
WHOLE = {
    **STACK,
    "parameters": {"flavor": "m1.tiny", "password": "******", "OS::stack_id": "s"},
    "outputs": [{"output_key": "url", "output_value": "http://user:in-an-output@x"}],
}
RESOURCES = [
    {
        **{"resource_name": "web", "logical_resource_id": "web", "resource_status": "CREATE_COMPLETE"},
        **{"physical_resource_id": "v", "resource_type": "OS::Nova::Server", "links": [], "required_by": []},
    },
    {
        **{"resource_name": "key", "logical_resource_id": "key", "resource_status": "CREATE_COMPLETE"},
        **{"physical_resource_id": "", "resource_type": "OS::Heat::RandomString", "links": [], "required_by": []},
    },
]


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Barbican]:
    """A cloud with these services, of whose project `p` the administrator is a member."""
    with two(tmp_path) as (cloud, _, file):
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", file)
        cloud.members |= {("admin", "p")}
        cloud.server.further |= {
            "orchestration": "heat/v1/PROJECT",
            "cloudformation": "heat-cfn/v1",
            "sharev2": "manila/v2",
            "share": "manila/v1/PROJECT",
            "container-infra": "magnum/v1",
            "database": "trove/v1.0/PROJECT",
            "alarming": "aodh",
            "something": "else",
        }
        link = [{"rel": "self", "href": f"{cloud.server.url}/manila/v2/"}]
        manila = {"id": "v2.0", "status": "CURRENT", "version": "2.42", "min_version": "2.0", "links": link}
        cloud.further = {
            f"{HEAT}/stacks": {"stacks": [STACK]},
            f"{HEAT}/stacks/shop/s": {"stack": WHOLE},
            f"{HEAT}/stacks/shop/s/template": TEMPLATE,
            f"{HEAT}/stacks/shop/s/resources": {"resources": RESOURCES},
            "/manila/v2": {"versions": [manila]},
            "/manila/v2/shares/detail": {
                "shares": [
                    {"id": "h", "name": "home", "project_id": "p", "size": 10},
                    {"id": "x", "name": "another's", "project_id": "q", "size": 10},
                ]
            },
            "/magnum/v1/clusters": 403,
            "/trove/v1.0/admin/mgmt/instances": {"instances": [{"id": "d", "name": "db", "tenant_id": "p"}]},
        }
        yield cloud


def read() -> dict[str, list[dict[str, Any]]]:
    """What is read of the project `p`, by kind."""
    found: dict[str, list[dict[str, Any]]] = {}

    def keep(rows: list[Row]) -> None:
        for row in rows:
            found.setdefault(row.kind, []).append(row.body)

    with Cloud("old") as cloud:
        read_elsewhere(cloud, keep, {"p"})
    return found


def drafted(directory: Path, catalogue: list[dict[str, str]] | None = None) -> Draft:
    """What the plan says of them."""
    itself = {"auth_url": "", "region": "", "user_id": "admin", "versions": {}, "extensions": {}}
    with Archive(directory / "archive.db") as archive:
        with Cloud("old") as cloud:
            ours = catalogue if catalogue is not None else cloud.catalogue()
            number = archive.begin("old")
            bodies = {
                "cloud": [{**itself, "name": "old", "catalogue": ours}],
                "project": [{"id": "p", "name": "shop"}],
                "server": [{"id": "v", "name": "web-1", "tenant_id": "p"}],
            }
            for kind, rows in bodies.items():
                archive.add(number, [Row.of(KINDS[kind], body) for body in rows])
            archive.end(number, read_elsewhere(cloud, lambda rows: archive.add(number, rows), {"p"}))
        other = archive.begin("new")
        there = [{"type": "identity", "name": "keystone"}, {"type": "orchestration", "name": "heat"}]
        archive.add(other, [Row.of(KINDS["cloud"], {**itself, "name": "new", "catalogue": there})])
        archive.end(other, [])
        facts = Facts(Side(archive, number, "old"), Side(archive, other, "new"), ["shop"])
        draft = Draft(facts, {}, Plan(title=""), Options(key="/key"), BY_NAME)
        further.services(draft)
    return draft


def test_a_stack_is_kept_without_what_is_hidden(old: Barbican) -> None:
    (stack,) = read()["stack"]
    assert stack["parameters"] == {"flavor": "m1.tiny", "OS::stack_id": "s"}
    assert stack["template"]["parameters"]["password"] == {"type": "string", "hidden": True, "default": SECRET}
    assert stack["template"]["parameters"]["flavor"]["default"] == "m1.small"
    assert [(one["resource_name"], one["physical_resource_id"]) for one in stack["resources"]] == [
        ("web", "v"),
        ("key", ""),
    ]
    assert not [said for said in ("in-the-template", "in-an-output") if said in str(stack)]


def test_a_template_of_cloudformation_hides_by_another_word(old: Barbican) -> None:
    parameters = {"Key": {"Type": "String", "NoEcho": "true", "Default": "in-the-template"}, "Other": {"Default": "a"}}
    old.further[f"{HEAT}/stacks/shop/s/template"] = {"Parameters": parameters}
    old.further[f"{HEAT}/stacks/shop/s"] = {"stack": {**WHOLE, "parameters": {"Key": "shown", "Other": "b"}}}
    (stack,) = read()["stack"]
    assert stack["parameters"] == {"Other": "b"} and stack["template"]["Parameters"]["Key"]["Default"] == SECRET


def test_what_is_refused_is_told_and_keeps_nobody_from_reading_the_rest(old: Barbican) -> None:
    old.further[f"{HEAT}/stacks/shop/s/resources"] = 403
    old.members.remove(("jun", "p"))
    found = read()
    assert [one["id"] for one in found["share"]] == ["h"] and [one["id"] for one in found["database instance"]] == ["d"]
    assert found["stack"][0]["not_read"] == ["resources"] and found["stack"][0]["template"]
    unread = {(one["list"], one["project_id"]): one["problem"] for one in found["unread list"]}
    assert unread == {("container cluster", ""): "the identity may not list it"}


def test_a_service_that_does_not_answer_is_told(old: Barbican) -> None:
    old.further["/manila/v2"] = 404
    old.further["/manila/v2/shares/detail"] = lambda request: 404
    found = read()
    assert "share" not in found
    assert [one["list"] for one in found["unread list"]] == ["share", "container cluster"]


def test_an_administrator_who_is_not_in_the_project_sees_no_stacks_and_that_is_told(old: Barbican) -> None:
    old.members.remove(("admin", "p"))
    found = read()
    assert "stack" not in found
    problems = {one["problem"] for one in found["unread list"] if one["list"] in ("stack", "secret")}
    assert problems == {"the identity has no role in the project"}


def test_each_service_of_the_catalogue_is_one_finding_with_what_to_do(old: Barbican, tmp_path: Path) -> None:
    draft = drafted(tmp_path)
    said = {
        one.about: (say(one.summary), say(one.detail), say(one.hint))
        for one in draft.plan.findings
        if one.about.startswith("service ")
    }
    assert set(said) == {
        "service orchestration",
        "service shared-file-system",
        "service container-infrastructure-management",
        "service database",
        "service alarm",
        "service something",
    }
    summary, detail, hint = said["service orchestration"]
    assert summary == "old has a service that is not moved: orchestration (Heat)"
    assert detail == "of the projects: 1 stack" and "Never delete a stack of the old cloud" in hint
    assert said["service shared-file-system"][1] == "of the projects: 1 share; new does not have the service"
    assert said["service container-infrastructure-management"][1] == (
        "whether the projects have any cannot be read: the identity may not list it; new does not have the service"
    )
    assert said["service alarm"][1].startswith("whether the projects have something in it is not asked")
    assert said["service something"][0] == "old has a service that is not moved: something (something)"
    assert all(hint for _, _, hint in said.values())
    assert all(say(one.summary, "ko") != say(one.summary) for one in draft.plan.findings)


def test_what_a_stack_made_is_named_and_each_thing_is_left(old: Barbican, tmp_path: Path) -> None:
    draft = drafted(tmp_path)
    left = {(one.kind, one.id): one.decision for one in draft.decisions.values()}
    assert left == {("stack", "s"): "leave", ("share", "h"): "leave", ("database instance", "d"): "leave"}
    said = [say(one.summary) for one in draft.plan.findings if one.about == "s"]
    assert "stack shop made: server web-1" in said


def test_a_cloud_without_such_services_is_told_nothing(old: Barbican, tmp_path: Path) -> None:
    for name in list(old.server.further):
        del old.server.further[name]
    core = [{"type": kind, "name": kind} for kind in ("identity", "compute", "volumev3", "network", "load-balancer")]
    draft = drafted(tmp_path, core)
    assert draft.plan.findings == [] and draft.decisions == {}

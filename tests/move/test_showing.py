"""In whose report things stand that belong to no project: nobody is told of another project's people and things."""

from collections.abc import Iterator

import pytest

from naru.inventory.archive import Archive
from naru.move.facts import Side
from naru.move.kind import Kind
from naru.move.kinds import BY_NAME
from naru.move.showing import Users

from . import readings

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Users]:
    """The users of the demo company's cloud, as it was read."""
    with Archive(tmp_path_factory.mktemp("showing") / "archive.db") as archive:
        old = Side(archive, *readings.load(archive, readings.GOLDEN / "old.jsonl.xz"))
        names = {row.name: row.id for row in old.all("project").values()}
        yield Users.of(old, [names[name] for name in readings.PROJECTS])


def shown(users: Users, kind: str) -> dict[str, set[str]]:
    """By name of a thing: the names of the projects in whose report it stands."""
    projects = users.old.all("project")
    return {
        row.name or identity: {
            projects[one].name for one in users.projects.intersection(BY_NAME[kind].used_by(users, row))
        }
        for identity, row in users.old.all(kind).items()
    }


def test_people_are_shown_to_their_own_projects(users: Users) -> None:
    people = shown(users, "user")
    assert people["ferry"] == {"crossing"} and "crossing" not in people["sora"]
    for kind in ("key pair", "application credential", "credential"):
        for identity, row in users.old.all(kind).items():
            mine = users.projects.intersection(BY_NAME[kind].used_by(users, row))
            assert mine == users.of_user.get(str(row.body.get("user_id")), frozenset()), identity


def test_groups_and_their_members_are_shown_to_the_groups_projects(users: Users) -> None:
    assert users.of_group
    for kind, path in (("group", "id"), ("group membership", "group_id")):
        for row in users.old.all(kind).values():
            mine = users.projects.intersection(BY_NAME[kind].used_by(users, row))
            assert mine == users.of_group.get(row.body[path], frozenset()) < users.projects


def test_a_role_on_a_domain_is_shown_to_who_has_it(users: Users) -> None:
    rows = [
        row for row in users.old.all("role assignment").values() if not row.project and "domain" in row.body["scope"]
    ]
    assert rows
    for row in rows:
        mine = users.projects.intersection(BY_NAME["role assignment"].used_by(users, row))
        holder = (users.of_user, row.body["user"]) if "user" in row.body else (users.of_group, row.body["group"])
        assert mine == holder[0].get(holder[1]["id"], frozenset())


def test_what_the_cloud_offers_is_shown_to_who_uses_it(users: Users) -> None:
    assert shown(users, "network")["public"] == shown(users, "subnet")["public-v4"] == set(readings.PROJECTS)
    assert "wide" not in shown(users, "volume type")["ceph-gold"]
    for row in users.old.all("flavor").values():
        servers = users.old.all("server").values()
        mine = {one.project for one in servers if one.body["flavor_link"]["id"] == row.id} & users.projects
        assert users.projects.intersection(BY_NAME["flavor"].used_by(users, row)) == mine


def test_a_kind_that_does_not_say_is_shown_to_nobody(users: Users) -> None:
    row = next(iter(users.old.all("flavor").values()))
    assert not list(Kind("flavor").used_by(users, row))

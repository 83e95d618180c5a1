"""Nova's quotas of single users: who is asked for, what is kept, and what is told where they cannot be had."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naru.cloud.client import Cloud
from naru.inventory.archive import Archive
from naru.inventory.kinds import BY_NAME
from naru.inventory.rows import Row
from naru.inventory.user_quotas import KIND, PROJECT_KIND, members, own, read_user_quotas

from ..cloud.service import Handler, Service, clouds_yaml, serving

pytestmark = pytest.mark.unit

GENERAL = {"id": "p", "instances": 10, "cores": 20, "ram": -1, "key_pairs": 0}
ROLE = {"role": {"id": "r"}}
THINGS: dict[str, list[dict[str, Any]]] = {
    "role assignment": [
        {**ROLE, "user": {"id": "mina"}, "scope": {"project": {"id": "p"}}},
        {"role": {"id": "r2"}, "user": {"id": "mina"}, "scope": {"project": {"id": "p"}}},
        {**ROLE, "group": {"id": "g"}, "scope": {"project": {"id": "p"}}},
        {**ROLE, "group": {"id": "empty"}, "scope": {"project": {"id": "p"}}},
        {**ROLE, "user": {"id": "domain"}, "scope": {"domain": {"id": "d"}}},
        {**ROLE, "user": {"id": "other"}, "scope": {"project": {"id": "q"}}},
    ],
    "group membership": [
        {"group_id": "g", "id": "jun"},
        {"group_id": "g", "id": "sora han"},
        {"group_id": "h", "id": "no role"},
    ],
    PROJECT_KIND: [{**GENERAL, "project_id": "p"}, {**GENERAL, "id": "q", "project_id": "q"}],
}
QUOTAS = {"mina": {"cores": 0}, "jun": {"ram": 4096, "key_pairs": -1}, "sora han": {}}


@pytest.fixture
def server() -> Iterator[Service]:
    with serving() as service:
        yield service


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "archive.db") as archive:
        number = archive.begin("c")
        archive.add(number, [Row.of(BY_NAME[kind], body) for kind, bodies in THINGS.items() for body in bodies])
        yield archive


def answer(request: Handler) -> None:
    user = parse_qs(urlsplit(request.path).query)["user_id"][0]
    request.answer(200, {"quota_set": {**GENERAL, **QUOTAS[user]}})


def test_each_with_a_role_is_asked_once_and_what_differs_is_kept(
    server: Service, archive: Archive, tmp_path: Path
) -> None:
    path = "/compute/v2.1/os-quota-sets/p"
    server.deeds["GET", path] = [answer] * 9
    with Cloud("c", config_files=[clouds_yaml(tmp_path, server)]) as cloud:
        reading = read_user_quotas(cloud, archive, 1, {"p"})
    assert (reading.kind, reading.count, reading.problem) == (KIND.name, 2, "")
    assert server.count("GET", path) == 3 and not server.count("GET", path.replace("/p", "/q"))
    rows = {row.id: row for row in archive.rows(1, kind=KIND.name, project="p")}
    assert rows.keys() == {"p/mina", "p/jun"}
    assert rows["p/mina"].body == {**GENERAL, "cores": 0, "project_id": "p", "user_id": "mina"}
    assert own(rows["p/jun"], Row.of(BY_NAME[PROJECT_KIND], THINGS[PROJECT_KIND][0])) == QUOTAS["jun"]
    assert {kind for kind, *_ in archive.users_of(1, "jun")} >= {KIND.name}


def test_nobody_is_asked_for_without_a_project(server: Service, archive: Archive, tmp_path: Path) -> None:
    with Cloud("c", config_files=[clouds_yaml(tmp_path, server)]) as cloud:
        assert read_user_quotas(cloud, archive, 1, set()).count == 0
    assert not [path for _, path in server.asked if "os-quota-sets" in path]


@pytest.mark.parametrize(("status", "failed"), [(403, True), (404, False)])
def test_a_refusal_is_told_and_a_project_that_went_is_not(
    server: Service, archive: Archive, tmp_path: Path, status: int, failed: bool
) -> None:
    server.deeds["GET", "/compute/v2.1/os-quota-sets/p"] = [lambda request: request.answer(status)] * 3
    with Cloud("c", config_files=[clouds_yaml(tmp_path, server)]) as cloud:
        reading = read_user_quotas(cloud, archive, 1, {"p"})
    assert reading.failed is failed
    assert reading.problem == ("the identity may not list it" if failed else "")


def test_an_inherited_role_of_a_domain_makes_no_member() -> None:
    rows = {kind: [Row.of(BY_NAME[kind], body) for body in bodies] for kind, bodies in THINGS.items()}
    found = members(rows["role assignment"], rows["group membership"])
    assert found == {("p", "mina"), ("p", "jun"), ("p", "sora han"), ("q", "other")}


VALUES = st.dictionaries(st.sampled_from(("instances", "cores", "ram")), st.integers(-1, 2))


@given(user=VALUES, project=VALUES)
def test_what_follows_the_project_and_what_is_the_users_make_the_whole(
    user: dict[str, int], project: dict[str, int]
) -> None:
    one = Row(KIND.name, "p/u", "u", "p", "", {"id": "p", "project_id": "p", "user_id": "u", **project, **user})
    assert own(one, Row(PROJECT_KIND, "p", "p", "p", "", project)).items() <= user.items()
    assert project | own(one, Row(PROJECT_KIND, "p", "p", "p", "", project)) == project | user
    assert own(one, None) == project | user

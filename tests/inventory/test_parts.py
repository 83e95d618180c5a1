"""Lists that leave something out without a word: those of one domain, those that are cut off."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from naru.cloud.client import Cloud
from naru.inventory.kinds import BY_NAME
from naru.inventory.read import Reading, read
from naru.inventory.rows import Row

from ..cloud.service import Handler, Service, clouds_yaml, serving, usual

pytestmark = pytest.mark.unit

DOMAINS = [{"id": "default", "name": "Default"}, {"id": "a b", "name": "directory"}, {"id": "none", "name": "Empty"}]
USERS = [{"id": "1", "name": "dana", "domain_id": "default"}, {"id": "2", "name": "sora", "domain_id": "a b"}]


@pytest.fixture
def server() -> Iterator[Service]:
    with serving() as service:
        yield service


def rows(server: Service, tmp_path: Path) -> tuple[list[str], Reading]:
    found: list[Row] = []
    with Cloud("c", config_files=[str(clouds_yaml(tmp_path, server))]) as cloud:
        (reading,) = read(cloud, found.extend, [BY_NAME["user"]])
    assert reading.count == len(found)
    return sorted(row.name for row in found), reading


def keystone(whole: bool, asked: list[str], broken: tuple[str, ...] = (), truncated: bool = False) -> Any:
    """Lists all users, or without a domain those of the default one; `broken` are domains whose backend fails."""

    def answer(request: Handler) -> None:
        path = urlsplit(request.path)
        if path.path.endswith("/domains"):
            request.answer(200, {"domains": DOMAINS})
        elif path.path.endswith("/users"):
            domain = parse_qs(path.query).get("domain_id", [""])[0]
            asked.append(domain)
            if domain in broken:
                request.answer(403, {"error": {"message": "no"}})
                return
            wanted = domain or ("" if whole else "default")
            users = [user for user in USERS if wanted in ("", user["domain_id"])]
            request.answer(200, {"users": users, "truncated": True} if truncated else {"users": users})
        else:
            usual(request)

    return answer


def test_users_of_a_domain_with_a_backend_of_its_own_are_read(server: Service, tmp_path: Path) -> None:
    asked: list[str] = []
    server.usual = keystone(False, asked)
    names, reading = rows(server, tmp_path)
    assert names == ["dana", "sora"] and not reading.failed
    assert sorted(asked) == ["", "a b", "none"]


def test_what_one_list_tells_is_not_asked_for_again(server: Service, tmp_path: Path) -> None:
    asked: list[str] = []
    server.usual = keystone(True, asked)
    assert rows(server, tmp_path)[0] == ["dana", "sora"]
    assert asked == ["", "none"]


def test_a_directory_that_cannot_be_read_is_named_and_leaves_the_others(server: Service, tmp_path: Path) -> None:
    server.usual = keystone(False, [], broken=("a b", "none"))
    names, reading = rows(server, tmp_path)
    assert names == ["dana"]
    assert reading.failed and set(reading.problem.split("; ")) == {
        *("domain directory: the identity may not list it", "domain Empty: the identity may not list it")
    }


def test_a_list_that_is_cut_off_is_told(server: Service, tmp_path: Path) -> None:
    server.usual = keystone(True, [], truncated=True)
    _, reading = rows(server, tmp_path)
    assert reading.failed and reading.problem == "c: Keystone cuts /users off after 2: raise its list_limit"

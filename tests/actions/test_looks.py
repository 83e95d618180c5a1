"""Servers that are waited for are looked at together, and whoever waits is answered whatever happens to the others."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import unquote

import pytest

from naru.actions import looks as module
from naru.actions.looks import Looks
from naru.cloud.client import Cloud, CloudError, Unavailable

pytestmark = pytest.mark.unit

NAMES = [f"s{number}" for number in range(8)]


class Nova:
    """A Nova that does one thing at a time: what it was asked, and what its servers are like."""

    def __init__(self) -> None:
        self.servers = {name: {"id": name, "status": "ACTIVE"} for name in NAMES}
        self.asked: list[str] = []
        self.takes = 0.05
        self.hang = threading.Event()
        self.fails = 0
        self._one = threading.Lock()

    def __call__(self, service: str, method: str, path: str, **_: Any) -> Any:
        with self._one:
            self.asked.append(path)
            time.sleep(self.takes)
            name = path.rpartition("/")[2]
            if name not in self.servers or self.servers[name]["status"] == "DELETED":
                raise CloudError("not found", status=404)
            return {"server": dict(self.servers[name])}

    def items(self, service: str, path: str, collection: str) -> Iterator[dict[str, Any]]:
        with self._one:
            self.asked.append(path)
            if self.fails:
                self.fails -= 1
                raise Unavailable("no answer")
            time.sleep(self.takes)
            found = [dict(server) for server in self.servers.values()]
        if self.hang.is_set():
            time.sleep(1.0)
        yield from found


@pytest.fixture
def nova() -> Nova:
    return Nova()


def look_at_all(nova: Nova, own: Looks, names: list[str]) -> list[Any]:
    """What each is told when all wait and look at once: the server, or the error."""

    def look(name: str) -> Any:
        try:
            return own.look(cast(Cloud, nova), name)
        except CloudError as error:
            return error

    with ExitStack() as stack, ThreadPoolExecutor(len(names)) as pool:
        for name in names:
            stack.enter_context(own.waiting(name))
        return list(pool.map(look, names))


def test_one_list_answers_all_who_came_before_it_began(nova: Nova) -> None:
    found = look_at_all(nova, Looks("p"), NAMES)
    assert [server["id"] for server in found] == NAMES
    # whoever comes while one is read waits for the next
    (asked,) = set(nova.asked)
    path, _, since = asked.partition("&changes-since=")
    assert path == "/servers/detail?all_tenants=1&project_id=p"
    ago = datetime.now(UTC) - datetime.fromisoformat(unquote(since))
    assert timedelta(minutes=10) <= ago < timedelta(minutes=11)  # not all that was ever deleted
    assert len(nova.asked) <= 3


def test_a_list_that_was_begun_before_is_not_believed(nova: Nova) -> None:
    own = Looks("p")
    nova.takes = 0.3
    with ThreadPoolExecutor(2) as pool, own.waiting("s1"), own.waiting("s2"):
        first = pool.submit(own.look, cast(Cloud, nova), "s1")
        time.sleep(0.1)
        # read already by the first: what it changes to now is seen by the second
        nova.servers["s2"] = {**nova.servers["s2"], "status": "SHUTOFF"}
        second = pool.submit(own.look, cast(Cloud, nova), "s2").result()
        assert second and second["status"] == "SHUTOFF" and first.result()


def test_who_waits_alone_is_answered_by_a_call_of_its_own(nova: Nova) -> None:
    assert [server["id"] for server in look_at_all(nova, Looks("p"), ["s3"])] == ["s3"]
    assert nova.asked == ["/servers/s3"]


def test_what_the_list_does_not_have_is_asked_for_itself(nova: Nova) -> None:
    nova.servers["s1"]["status"] = "DELETED"
    del nova.servers["s2"]
    found = look_at_all(nova, Looks("p"), ["s1", "s2", "s3"])
    assert found[:2] == [None, None] and found[2]["id"] == "s3"
    assert nova.asked.count("/servers/s1") == nova.asked.count("/servers/s2") == 1


def test_a_list_that_fails_fails_for_who_read_it_alone(nova: Nova) -> None:
    nova.fails = 1
    found = look_at_all(nova, Looks("p"), NAMES)
    assert sum(isinstance(one, Unavailable) for one in found) == 1
    assert sum(isinstance(one, dict) for one in found) == len(NAMES) - 1


def test_a_list_that_hangs_holds_up_nobody_else(nova: Nova, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    own = Looks("p")
    nova.hang.set()
    with ThreadPoolExecutor(1) as pool, own.waiting("s1"), own.waiting("s2"):
        hanging = pool.submit(own.look, cast(Cloud, nova), "s1")
        while not nova.asked:
            time.sleep(0.01)
        assert own.look(cast(Cloud, nova), "s2") == nova.servers["s2"]
        assert not hanging.done() and nova.asked[-1] == "/servers/s2"
        assert hanging.result() == nova.servers["s1"]


def test_all_steps_share_the_looks_of_a_project() -> None:
    class Client:
        pass

    first, second = cast(Cloud, Client()), cast(Cloud, Client())
    assert module.looks(first, "p") is module.looks(first, "p")
    assert module.looks(first, "p") is not module.looks(first, "q")
    assert module.looks(first, "p") is not module.looks(second, "p")

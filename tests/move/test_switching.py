"""Old servers are stopped, and new ones started, by what the old ones are when the window begins."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.actions import clouds
from naru.cloud import transport
from naru.errors import NaruError
from naru.move import switching
from naru.plan.context import Context

from ..cloud.service import Handler, Service, serving
from .test_back import stage

pytestmark = pytest.mark.unit


class Servers:
    """The servers of a cloud, by id: their states, and what was asked of them."""

    def __init__(self, service: Service) -> None:
        self.states: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []
        usual = service.usual

        def answer(request: Handler) -> None:
            path = request.path.partition("?")[0]
            if path == "/compute/v2.1/servers/detail":
                request.answer(200, {"servers": [{"id": one, "status": state} for one, state in self.states.items()]})
            elif path.startswith("/compute/v2.1/servers/"):
                server = path.split("/")[4]
                if request.command == "POST":
                    action = next(iter(json.loads(request.body)))
                    self.asked.append((server, action))
                    self.states[server] = {"os-stop": "SHUTOFF", "os-start": "ACTIVE"}[action]
                    request.answer(202, None)
                elif server in self.states:
                    request.answer(200, {"server": {"id": server, "tenant_id": "p", "status": self.states[server]}})
                else:
                    request.answer(404, {"itemNotFound": {"message": "gone"}})
            else:
                usual(request)

        service.usual = answer


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    monkeypatch.setattr(transport, "PAUSE", 0.01)
    monkeypatch.setattr(clouds, "_clouds", {})
    with serving() as service:
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", stage(tmp_path, service))
        service.deeds.clear()
        yield Servers(service)


def context(args: dict[str, Any], results: dict[str, Any] | None = None, earlier: Any = None) -> Context:
    found = results or {}
    return Context(n=1, id="s", kind="k", unit="", args=args, attempt=1, earlier=earlier, reader=lambda _: found)


def stopping(ran: bool | None, runs: bool = True, earlier: Any = None) -> Context:
    args = {"cloud": "old", "service": "compute", "server": "s", "runs": runs}
    args["ran"] = {"$ref": "servers p", "field": "ran.s"}
    return context(args, {} if ran is None else {"servers p": {"ran": {"s": ran}}}, earlier)


def starting(ran: bool | None, runs: bool = True) -> Context:
    args = {"cloud": "new", "service": "compute", "server": "s", "runs": runs}
    args["ran"] = {"$ref": "stop server/s", "field": "ran"}
    return context(args, {} if ran is None else {"stop server/s": {"ran": ran}})


def test_which_run_is_read_at_once(servers: Servers) -> None:
    servers.states = {
        "a": "ACTIVE",
        "b": "SHUTOFF",
        "c": "PAUSED",
        "d": "REBOOT",
        "e": "SHELVED_OFFLOADED",
        "x": "ACTIVE",
    }
    args = {"cloud": "old", "service": "compute", "project": "p", "servers": ["a", "b", "c", "d", "e", "gone"]}
    assert switching.servers(context(args)) == {
        "ran": {"a": True, "b": False, "c": False, "d": True, "e": False, "gone": False}
    }


@pytest.mark.parametrize("runs", [True, False])
def test_what_counts_is_what_it_is_and_not_what_was_planned(servers: Servers, runs: bool) -> None:
    servers.states["s"] = "ACTIVE"
    assert switching.stop(stopping(True, runs))["ran"] is True and servers.asked == [("s", "os-stop")]
    servers.states["s"], servers.asked = "SHUTOFF", []
    assert switching.stop(stopping(False, runs))["ran"] is False and servers.asked == []
    servers.states["s"] = "PAUSED"
    assert switching.stop(stopping(False, runs))["ran"] is False and servers.asked == []
    servers.states["s"] = "SHUTOFF"
    assert switching.start(starting(False, runs))["ran"] is False and servers.asked == []
    assert switching.start(starting(True, runs))["ran"] is True and servers.asked == [("s", "os-start")]


def test_killed_after_it_was_stopped_it_ran_all_the_same(servers: Servers) -> None:
    servers.states["s"] = "SHUTOFF"
    assert switching.stop(stopping(True))["ran"] is True
    assert switching.stop(stopping(False, earlier={"ran": True}))["ran"] is True


def test_started_after_it_was_looked_at_it_is_stopped_too(servers: Servers) -> None:
    servers.states["s"] = "ACTIVE"
    assert switching.stop(stopping(False, False))["ran"] is True and servers.states["s"] == "SHUTOFF"


def test_a_stop_that_was_skipped_leaves_the_start_to_the_plan(servers: Servers) -> None:
    servers.states["s"] = "SHUTOFF"
    assert switching.start(starting(None, runs=False))["ran"] is False and servers.asked == []
    assert switching.start(starting(None, runs=True))["ran"] is True


def test_what_is_gone_is_an_error(servers: Servers) -> None:
    with pytest.raises(NaruError, match="is gone from old"):
        switching.stop(stopping(True))


@pytest.mark.parametrize(("result", "asked"), [({"ran": True}, 1), ({"ran": False}, 0), (None, 1)])
def test_a_rollback_starts_what_ran(servers: Servers, result: Any, asked: int) -> None:
    """Also where the stop was killed, by what was looked at before."""
    servers.states["s"] = "SHUTOFF"
    undone = {"step": "stop server/s", "kind": "move.server.stop", "args": dict(stopping(True).args), "result": result}
    undone["results"] = {"servers p": {"ran": {"s": True}}}
    switching.undo_stop(context(undone))
    assert servers.asked == [("s", "os-start")] * asked


def test_a_rollback_leaves_a_new_server_alone_that_was_never_started(servers: Servers) -> None:
    servers.states["s"] = "ACTIVE"
    undone = {"step": "start server/s", "kind": "move.server.start", "args": dict(starting(False).args)}
    switching.undo_start(context({**undone, "result": {"server": "s", "ran": False}}))
    assert servers.asked == []
    switching.undo_start(context({**undone, "result": {"server": "s", "ran": True}}))
    assert servers.asked == [("s", "os-stop")]


def test_a_worker_loads_the_step_kinds_that_carry_content_alone() -> None:
    subprocess.run([sys.executable, "-c", "import naru.move.steps"], check=True)

"""What a freeze does and waits for."""

from pathlib import Path
from typing import Any

import pytest

from naru.errors import InputError, NaruError
from naru.plan.kinds import KINDS, load
from naru.plan.model import Plan
from naru.site import site as sites
from naru.site.write_gate.state import State
from naru.upgrade import planner
from naru.upgrade.freeze import busy, freeze
from naru.upgrade.freeze.busy import How, Thing

pytestmark = pytest.mark.unit

load(planner.MODULES)


def site(**more: Any) -> sites.Site:
    def unit(name: str, host: str, **words: Any) -> dict[str, Any]:
        return {"name": name, "hosts": [host], "managed": {"unit": f"{name}.service"}, **words}

    apis = [unit(name, "ctl1", port=1) for name in ("nova-api", "heat-api", "glance-api")]
    content = {
        "naru_site": 1,
        "name": "seoul",
        "hosts": [{"name": "ctl1", "address": "10.0.0.1"}, {"name": "lb[1:2]", "address": "10.0.0.[2:3]"}],
        "services": [
            *apis,
            unit("heat-engine", "ctl1"),
            unit("nova-conductor", "ctl1"),
            unit("octavia-worker", "ctl1"),
        ],
        "load_balancers": [
            {
                **{"name": "api", "kind": "haproxy", "hosts": ["lb[1:2]"], "managed": {"unit": "haproxy"}},
                **{"socket": "/run/h.sock", "write_gate": {"directory": "/etc/haproxy/naru"}},
            }
        ],
        **more,
    }
    return sites.parse(content, Path("site.yaml"))


def states(*services: str, hosts: tuple[str, ...] = ("lb1", "lb2")) -> list[State]:
    return [State("api", host, name, "open", "open", "", "", "nowhere", "") for host in hosts for name in services]


def planned(*wanted: str, of: list[State], allow: tuple[str, ...] = ()) -> Plan:
    made = freeze.plan(site(), wanted, 1, allow, of)
    made.check()
    KINDS.check_arguments(made)
    return made


def test_gates_are_closed_first_and_then_what_calls_by_itself_is_stopped() -> None:
    made = planned(of=states("nova", "glance", "heat"), allow=("192.0.2.1",))
    steps = {step.id: step for step in made.steps}
    assert list(steps) == [
        *("close/api@lb1", "close/api@lb2", "stop/heat-engine@ctl1", "stop/octavia-worker@ctl1"),
    ]
    args = steps["close/api@lb1"].args
    assert args["services"] == ["nova", "glance", "heat"] and args["allow"] == ["10.0.0.1", "10.0.0.2/31", "192.0.2.1"]
    assert {edge.before for edge in made.edges if edge.after == "stop/heat-engine@ctl1"} == set(list(steps)[:2])


def test_of_some_services_no_others_are_touched() -> None:
    made = planned("nova", of=states("nova", "glance", "heat"))
    assert [step.args["services"] for step in made.steps] == [["nova"], ["nova"]]


def test_a_host_that_does_not_answer_is_tried_all_the_same() -> None:
    silent = State("api", "lb2", "", "", "", "", "", "not known", "no answer")
    made = planned(of=[*states("nova", "glance", "heat", hosts=("lb1",)), silent])
    assert made.steps[1].args["services"] == ["nova", "glance", "heat"]


def test_a_service_without_a_gate_is_one_clear_error() -> None:
    with pytest.raises(InputError, match="no load balancer has a write gate of glance"):
        planned(of=states("nova", "heat"))


def test_the_dashboard_needs_a_gate_too() -> None:
    more = [{"name": "horizon", "hosts": ["ctl1"], "port": 443, "managed": {"unit": "apache2.service"}}]
    with pytest.raises(InputError, match="no load balancer has a write gate of horizon"):
        freeze.plan(site(services=more), (), 1, (), states("nova"))


def test_a_site_without_gates_is_one_clear_error() -> None:
    with pytest.raises(InputError, match="no load balancer has a write gate"):
        freeze.plan(site(services=[], load_balancers=[]), (), 1, (), [])


def thing(how: How, id: str = "1", state: str = "building") -> Thing:
    return Thing(how, "nova", "server", id, "p", "c1", state, 7.0)


def test_what_comes_to_its_end_is_waited_for_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy, "PAUSE", (0.0, 0.0))
    looks = iter(
        [[thing("wait"), thing("abort", "2")], [thing("abort", "2")], [thing("park", "3"), thing("stuck", "4")]]
    )
    said: list[str] = []
    left = busy.settle(lambda: next(looks), said.append, seconds=60)
    assert [one.id for one in left] == ["3", "4"]
    assert said == ["waiting for 2: server 1 on c1: building for 7.0 s; server 2 on c1: building for 7.0 s"]
    assert busy.settle(lambda: [thing("wait")], said.append, seconds=60, leave=["1"]) == [thing("wait")]
    with pytest.raises(NaruError, match=r"1 things have not come to their end within 0\.0 s") as error:
        busy.settle(lambda: [thing("abort")], said.append, seconds=0)
    assert "live-migration-abort" in error.value.hint and "--leave ID" in error.value.hint

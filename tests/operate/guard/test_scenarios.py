"""The scenarios of a failed host that are decided by what is known alone: each with the right verdict."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from naru.operate.guard import gates
from naru.operate.guard.engine import Engine, Seen
from naru.operate.guard.evidence import Host, Sign, Witness, around
from naru.operate.guard.gates import GATES, NEEDED
from naru.operate.guard.ledger import Entry
from naru.operate.guard.memory import Memory, Reading
from naru.operate.guard.policy import Policy
from naru.operate.guard.verdict import Verdict, again, judge, written

pytestmark = pytest.mark.unit

POLICY = Policy(expects=("heartbeat", "peers", "storage"))
WITNESSES = (Witness("w1", "rack-a", True), Witness("w2", "rack-b", True), Witness("w3", "rack-c", True))
LONG = 300.0
SOURCES = ("heartbeat", "ping", "peers", "storage")


def signs(seconds: float = LONG, /, **said: str) -> tuple[Sign, ...]:
    """What all witnesses say, by source."""
    found = []
    for source, one in said.items():
        single = source in ("storage", "power")
        for name, domain, _ in (("one", "x", True),) if single else WITNESSES:
            found.append(Sign(source, name, domain, one, seconds))  # type: ignore[arg-type]
    return tuple(found)


ALIVE = signs(LONG, **dict.fromkeys(SOURCES, "alive"))
SILENT = signs(LONG, **dict.fromkeys(SOURCES, "silent"))


def well(count: int = 20, racks: int = 10, cells: int = 1) -> list[Host]:
    """A cloud in which nothing is wrong: two hosts in a rack."""
    return [
        Host(
            f"c{at}",
            f"id{at}",
            "up",
            *(f"r{at % racks}", f"z{at % 2}", f"cell{at % cells}"),
            signs=ALIVE,
            servers=(f"vm{at}",),
            power="on",
            identified=True,
        )
        for at in range(count)
    ]


DEAD: dict[str, Any] = {"nova": "down", "signs": SILENT}


def cloud(changes: dict[int, dict[str, Any]], hosts: list[Host] | None = None) -> list[Host]:
    """A cloud with some hosts changed."""
    found = well() if hosts is None else hosts
    return [dataclasses.replace(one, **changes.get(at, {})) for at, one in enumerate(found)]


def verdicts(
    hosts: Iterable[Host], policy: Policy = POLICY, approved: dict[str, tuple[str, ...]] | None = None, **known: Any
) -> dict[str, Verdict]:
    """Of a round in which all else is well."""
    given: dict[str, Any] = {
        **{"witnesses": WITNESSES, "listening": 3600.0, "moved": 9, "health": dict.fromkeys(NEEDED, True)},
        **known,
    }
    hosts = list(hosts)
    found = judge(hosts, around(hosts, policy, **given), policy, approved)
    for one in found:
        # whatever is decided is decided so again from its record
        assert again(written(one)) == one
    return {one.host: one for one in found}


def first(hosts: Iterable[Host], **known: Any) -> tuple[str, str]:
    """What becomes of c0, and which gate stopped it."""
    one = verdicts(hosts, **known)["c0"]
    return one.outcome, one.gate


def changed(**fields: Any) -> list[Host]:
    """A cloud in which c0 is dead, but for this."""
    return cloud({0: {**DEAD, **fields}})


def said(**by: str) -> tuple[Sign, ...]:
    """Silent, but for this."""
    return signs(LONG, **{**dict.fromkeys(SOURCES, "silent"), **by})


def rack(number: int = 10) -> list[Host]:
    """40 hosts, of which one rack of so many is dead."""
    hosts = [dataclasses.replace(one, rack=f"r{at // 10}") for at, one in enumerate(well(40))]
    return cloud(dict.fromkeys(range(number), DEAD), hosts)


def all_down(**fields: Any) -> list[Host]:
    """Nova has all down, and they live."""
    return cloud({key: {"nova": "down", **fields} for key in range(20)})


SCENARIOS: dict[str, tuple[Callable[[], tuple[str, str]], str, str]] = {
    "1 one host loses power, its controller lives": (lambda: first(changed(power="off")), "evacuate", ""),
    "2 kernel panic, power on": (lambda: first(changed()), "evacuate", ""),
    "3 a dump is being written": (lambda: first(changed(dump=60.0)), "hold", "dump"),
    "3b a dump that never ends": (lambda: first(changed(dump=4000.0)), "ask", "dump"),
    "4 hard hung, and it answers a ping": (lambda: first(changed(signs=said(ping="alive"))), "evacuate", ""),
    "5 host and controller without power": (lambda: first(changed(power="unreachable")), "ask", "fence"),
    "5b the same, and a human says that it is off": (
        lambda: first(changed(power="unreachable"), approved={"c0": ("off",)}),
        *("evacuate", ""),
    ),
    "6 controller dead, host alive, nova-compute dead": (
        lambda: first(changed(power="unreachable", signs=ALIVE)),
        *("alarm", "life"),
    ),
    "7 controller dead, no other evidence": (lambda: first(changed(power="unreachable", signs=())), "hold", "life"),
    "7b the same for long": (
        lambda: first(changed(power="unreachable", signs=(), held_for=2000.0)),
        *("ask", "life"),
    ),
    "8 the controller says off, and it writes": (
        lambda: first(changed(power="off", signs=said(storage="alive", power="silent"))),
        *("alarm", "life"),
    ),
    "11 the controller of another host": (lambda: first(changed(identified=False)), "ask", "fence"),
    "11b whose controller it is is not known": (lambda: first(changed(identified=None)), "ask", "fence"),
    "12 the controller's password has expired": (lambda: first(changed(power="denied")), "ask", "fence"),
    "13 nova-compute crashed, guests live": (lambda: first(changed(signs=ALIVE)), "alarm", "life"),
    "14 libvirtd dead, guests live": (
        lambda: first(changed(signs=(*ALIVE, *signs(libvirt="silent")))),
        *("alarm", "life"),
    ),
    "15 its management network dead, storage alive": (
        lambda: first(changed(signs=said(storage="alive", peers="alive"))),
        *("alarm", "life"),
    ),
    "16 its tenant network dead, the rest alive": (
        lambda: first(cloud({0: {"signs": signs(heartbeat="alive", peers="silent", storage="alive")}})),
        *("alarm", "candidate"),
    ),
    "17 its storage dead, the host alive": (
        lambda: first(cloud({0: {"signs": signs(heartbeat="alive", peers="alive", storage="silent")}})),
        *("ask", "candidate"),
    ),
    "18 storage dead for all": (
        lambda: first(
            cloud(
                {
                    0: DEAD,
                    **{at: {"signs": signs(heartbeat="alive", storage="silent", peers="alive")} for at in range(1, 20)},
                }
            )
        ),
        *("hold", "cliff"),
    ),
    "19 the queue is parted, all services down": (lambda: first(all_down()), "alarm", "life"),
    "19b the same, and one of them is dead": (
        lambda: first(cloud({0: DEAD, **{at: {"nova": "down"} for at in range(1, 20)}})),
        *("hold", "stale"),
    ),
    "20 one cell's database is down, and one host of it": (
        lambda: first(cloud({0: DEAD, **{at: {"nova": "down"} for at in range(2, 20, 2)}}, well(20, cells=2))),
        *("hold", "stale"),
    ),
    "20b a cell that Nova does not reach": (lambda: first(changed(), unknown_cells=("cell1",)), "hold", "readable"),
    "21 old rows": (lambda: first(changed(), moved=0), "hold", "readable"),
    "22 keystone is down": (lambda: first(changed(), readable=False), "hold", "readable"),
    "23 the observer is cut off": (
        lambda: first(changed(), witnesses=tuple(one._replace(sees=False) for one in WITNESSES)),
        *("hold", "viewpoint"),
    ),
    "23b one witness left, of three": (
        lambda: first(changed(), witnesses=(WITNESSES[0], *(one._replace(sees=False) for one in WITNESSES[1:]))),
        *("hold", "viewpoint"),
    ),
    "24 the listener was restarted": (lambda: first(changed(), listening=30.0), "hold", "viewpoint"),
    "24b what it heard before is not known": (
        lambda: first(changed(signs=said(heartbeat="unknown"))),
        *("hold", "life"),
    ),
    "27 the observer's clock leaps": (lambda: first(changed(), clock=300.0), "hold", "viewpoint"),
    "28 the controllers' clocks differ": (lambda: first(all_down()), "alarm", "life"),
    "29 a heartbeat that was rejected": (lambda: first(changed(signs=said(heartbeat="unknown"))), "hold", "life"),
    "30 a rack of ten of forty loses power": (lambda: first(rack()), "ask", "cliff"),
    "31 a switch restarts within 90 s": (
        lambda: first(changed(signs=signs(90.0, **dict.fromkeys(SOURCES, "silent")))),
        *("hold", "life"),
    ),
    "32 a rack's switch is dead, its hosts' power on": (
        lambda: first(cloud({key: {**DEAD, "signs": said(storage="alive")} for key in (0, 10)})),
        *("ask", "cliff"),
    ),
    "33 a slow cascade": (lambda: first(changed(), spent={"cloud": 3}), "ask", "budget"),
    "33b the second of its rack": (lambda: first(changed(), spent={"rack r0": 1}), "ask", "budget"),
    "33c a server that was on a host that died": (lambda: first(changed(), repeated=("vm0",)), "ask", "budget"),
    "34 it is back before it was fenced": (lambda: first(well()), "none", "candidate"),
    "36 its evacuation is under way": (lambda: first(changed(ours=True, forced_down=True)), "none", "flight"),
    "36b it was proved off, and is heard": (
        lambda: first(changed(in_flight=True, signs=said(storage="alive"))),
        *("alarm", "flight"),
    ),
    "36c Nova was told that it is down, and its peers reach it": (
        lambda: first(changed(ours=True, forced_down=True, signs=said(peers="alive"))),
        *("alarm", "flight"),
    ),
    "36d it was proved off, and Nova has its reports": (
        lambda: first(changed(in_flight=True, nova="up")),
        *("alarm", "flight"),
    ),
    "36e it is back, and not enabled yet": (
        lambda: first(changed(ours=True, nova="up", signs=ALIVE)),
        *("none", "flight"),
    ),
    "36f its evacuation has failed three times": (
        lambda: first(changed(in_flight=True, given_up="evacuations/c0-1")),
        *("ask", "flight"),
    ),
    "36g the same, and it was never proved off": (lambda: first(changed(given_up="x")), "ask", "flight"),
    "39 two hosts of one name": (lambda: first(changed(is_clear=False)), "hold", "flight"),
    "53 maintenance by a human": (lambda: first(changed(enabled=False)), "alarm", "candidate"),
    "53b forced down by a human": (lambda: first(changed(forced_down=True)), "alarm", "candidate"),
    "54 a monitor is on it as well": (lambda: first(changed(roles=("mon",))), "ask", "fence"),
    "54b a monitor on a host that somebody has seen to be off": (
        lambda: first(changed(roles=("mon",)), approved={"c0": ("off",)}),
        *("evacuate", ""),
    ),
    "no server on it": (lambda: first(changed(servers=())), "alarm", "servers"),
    "its servers cannot be read": (lambda: first(changed(servers=None)), "hold", "servers"),
    "no scheduler": (
        lambda: first(changed(), health={**dict.fromkeys(NEEDED, True), "scheduler": False}),
        "hold",
        "health",
    ),
    "of Placement nothing is known": (
        lambda: first(changed(), health={**dict.fromkeys(NEEDED, True), "placement": None}),
        *("hold", "health"),
    ),
    "held by a human": (lambda: first(changed(), held="work on the switches"), "hold", "switch"),
    "another one just before": (lambda: first(changed(), last=100.0), "hold", "pace"),
    "Kilo": (lambda: first(changed(), force_down=False), "ask", "record"),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str) -> None:
    look, outcome, gate = SCENARIOS[name]
    assert look() == (outcome, gate)


def test_every_gate_is_seen_to_stop_something() -> None:
    assert {gate for _, _, gate in SCENARIOS.values()} == {"", *(one.name for one in GATES)} - {"share"}
    # what the heartbeats do not show, Nova's own count does
    hosts = cloud({key: {**DEAD, "signs": signs(peers="silent", storage="silent")} for key in range(0, 20, 5)})
    found = verdicts(hosts, Policy(expects=("peers", "storage")))
    assert {(one.outcome, one.gate) for one in found.values()} == {("none", "candidate"), ("ask", "share")}
    assert [one.number for one in GATES] == list(range(1, 17))


def test_a_human_opens_limits_and_never_what_lives() -> None:
    go: dict[str, tuple[str, ...]] = {f"c{at}": ("go",) for at in range(40)}
    found = verdicts(rack(), approved=go)
    # approved, and still one a round
    assert [one.host for one in found.values() if one.outcome == "evacuate"] == ["c0"]
    alive = verdicts(changed(signs=said(storage="alive")), approved={"c0": ("go", "off")})["c0"]
    assert alive.outcome == "alarm"
    confirmed = verdicts(changed(power="unreachable", signs=()), approved={"c0": ("off",)})["c0"]
    assert confirmed.outcome == "evacuate"
    isolated = verdicts(changed(), witnesses=(), approved={"c0": ("go", "off")})["c0"]
    assert isolated.gate == "viewpoint"


def test_two_that_die_at_once_go_one_after_the_other() -> None:
    policy = POLICY.model_copy(update={"share": 0.5, "cliff": 0.5})
    found = verdicts(cloud({0: DEAD, 5: DEAD}), policy)
    assert (found["c0"].outcome, found["c5"].outcome, found["c5"].gate) == ("evacuate", "hold", "pace")


@pytest.mark.parametrize("source", POLICY.expects)
@pytest.mark.parametrize("at", ["alive", "unknown"])
def test_one_expected_source_that_is_not_silent_is_enough_to_do_nothing(source: str, at: str) -> None:
    assert first(changed(signs=said(**{source: at})))[0] in ("alarm", "hold")


def test_silence_of_one_witness_or_of_one_rack_is_none() -> None:
    one = tuple(found for found in SILENT if found.witness in ("w1", "one"))
    assert first(changed(signs=one)) == ("hold", "life")
    same = tuple(found._replace(domain="rack-a") for found in SILENT)
    assert first(changed(signs=same)) == ("hold", "life")
    assert gates.NEEDED == NEEDED


def test_its_own_evacuation_takes_nothing_from_a_host_and_all_from_others() -> None:
    """As long as it is not proved off it is judged by every gate, as if it had not been begun; by no other limit."""
    now, wall = 1000.0, 1_000_000.0
    hosts = cloud({0: DEAD})
    own = Entry("c0", ("cloud", "rack r0", "zone z0", "cell cell0"), wall - 60, ("vm0",))
    readings = [
        Reading(f"c{at}", source, witness, domain, "alive" if at else "silent")
        for at in range(20)
        for source in POLICY.expects
        for witness, domain, _ in WITNESSES
    ]

    def judged(entries: list[Entry], begun: dict[str, Entry], **more: Any) -> tuple[str, str]:
        memory = Memory((f"c{at}", source) for at in range(20) for source in POLICY.expects)
        time = [now]
        engine = Engine(POLICY, memory, lambda: time[0], lambda: wall + time[0] - now)
        found: list[Verdict] = []
        while time[0] < now + 200:
            time[0] += 20.0
            reports = {"c1": str(time[0])}
            seen = Seen(hosts, readings, WITNESSES, reports, health=dict.fromkeys(NEEDED, True), **more)
            found = engine.round(seen, entries, begun)
        one = next(one for one in found if one.host == "c0")
        return one.outcome, one.gate

    assert judged([own], {"c0": own}) == ("evacuate", "")
    assert judged([own], {}) == ("ask", "budget")
    # what stands behind budget and pace is asked again
    assert judged([own], {"c0": own}, held="work") == ("hold", "switch")
    other = Entry("c10", ("cloud", "rack r0"), wall - 3600, ("vm10",))
    assert judged([other, own], {"c0": own}) == ("ask", "budget")
    later = Entry("c10", ("cloud", "rack r0"), wall - 10, ("vm10",))
    assert judged([own, later], {"c0": own}) == ("evacuate", "")

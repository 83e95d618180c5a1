"""What becomes of a server whose host has failed, in what order, and what the plan of it is; whose a power controller
is."""

import errno
import time
from pathlib import Path
from typing import Any

import pytest

from naru.errors import InputError, NaruError
from naru.messages import say
from naru.operate.drain.facts import Facts
from naru.operate.evacuate import fencing, planner
from naru.operate.evacuate.fencing import Fencing, has_answered, power_of
from naru.operate.evacuate.rules import GROUP, PRIORITY, decide
from naru.operate.evacuate.word import Word
from naru.operate.evacuate.work import Settings
from naru.operate.guard.proof import Look, by_power
from naru.operate.guard.state import Directory, Kept
from naru.plan.errors import Transient
from naru.plan.kinds import load
from naru.site import power
from naru.site import site as sites
from naru.site.hostnames import host_of, is_same
from naru.site.power import Status
from naru.site.ssh import Unreachable

from .readings import HOST, facts, server, service, with_specs

pytestmark = pytest.mark.unit

UUID, OTHER = "12345678-9abc-def0-1122-334455667788", "aaaaaaaa-9abc-def0-1122-334455667788"


def of(found: Facts, shared: bool = False, **answers: str) -> dict[str, tuple[str, str]]:
    return {one.server.name: (one.action, say(one.why)) for one in decide(found, answers, shared)}


@pytest.mark.parametrize(
    ("row", "action", "said"),
    [
        (server("a"), "evacuate", "its disks are elsewhere"),
        (server("a", "SHUTOFF"), "evacuate", "its disks are elsewhere"),
        (server("a", "ERROR"), "ask", "would come up running"),
        (server("a", "PAUSED"), "ask", "no server that is PAUSED"),
        (server("a", "SUSPENDED"), "ask", "SUSPENDED"),
        (server("a", "RESCUE"), "ask", "RESCUE"),
        (server("a", "VERIFY_RESIZE"), "ask", "VERIFY_RESIZE"),
        (server("a", "SHELVED"), "ask", "SHELVED"),
        (server("a", "BUILD"), "ask", "BUILD"),
        (server("a", "SOFT_DELETED"), "leave", "deleted"),
        (server("a", **{"OS-EXT-STS:task_state": "deleting"}), "leave", "deleted"),
        (server("a", "MIGRATING", **{"OS-EXT-STS:task_state": "migrating"}), "ask", "(migrating)"),
        (server("a", **{"OS-EXT-STS:task_state": "powering-off"}), "ask", "(powering-off)"),
        (server("amphora-1"), "leave", "Octavia"),
        (with_specs("a", hw__tpm_version="2.0"), "ask", "hw:tpm_version=2.0"),
        (with_specs("a", accel__device_profile="x"), "ask", "tied to its host"),
        (server("a", image={"id": "i"}), "ask", "it would lose all that was written"),
    ],
)
def test_each_server(row: dict[str, Any], action: str, said: str) -> None:
    ((found, why),) = of(facts(row)).values()
    assert found == action and said in why


def test_disks_on_shared_storage_are_not_lost() -> None:
    assert of(facts(server("a", image={"id": "i"})), shared=True)["a"][0] == "evacuate"


def test_a_hard_group_is_not_tried_and_one_apart_is() -> None:
    for policy, action in (("affinity", "ask"), ("anti-affinity", "evacuate")):
        group = {"id": "g", "name": "g", "policies": [policy], "members": ["id-a"]}
        assert of(facts(server("a"), groups=[group]))["a"][0] == action


def test_what_fits_nowhere_is_tried_and_said() -> None:
    rows = [server(f"s{at:02}") for at in range(20)]
    found = of(facts(*rows))
    assert {action for action, _ in found.values()} == {"evacuate"}
    assert sum("fits nowhere" in why for _, why in found.values()) == 4


def test_the_order_is_by_priority_and_a_group_comes_with_its_first() -> None:
    found = facts(
        server("late", evacuate={PRIORITY: "10"}),
        server("usual"),
        server("first", evacuate={PRIORITY: "900", GROUP: "db"}),
        server("with-it", evacuate={PRIORITY: "1", GROUP: "db"}),
        server("nonsense", evacuate={PRIORITY: "9000"}),
    )
    order = [(one.server.name, one.priority) for one in decide(found, {}, False)]
    assert order == [("first", 900), ("with-it", 900), ("nonsense", 500), ("usual", 500), ("late", 10)]


@pytest.mark.parametrize(
    ("answer", "message"),
    [("x=evacuate", "no server"), ("a=live", "give evacuate or leave"), ("b=evacuate", "it is PAUSED")],
)
def test_answers_that_cannot_be(answer: str, message: str) -> None:
    name, _, what = answer.partition("=")
    with pytest.raises(InputError, match=message):
        decide(facts(server("a"), server("b", "PAUSED")), {name: what}, False)


def test_an_answer_is_taken() -> None:
    found = of(facts(server("a", "ERROR"), server("b")), a="evacuate", b="leave")
    assert (found["a"][0], found["b"][0]) == ("evacuate", "leave")


def plan(found: Facts, *, has_power: bool = True, **more: Any) -> Any:
    load(planner.MODULES)
    settings = Settings("site.yaml", "old", HOST, **more)
    decisions = decide(found, {}, False)
    return planner.whole(found, decisions, settings, "plan-1", earlier=[7], has_power=has_power)


def down(**more: Any) -> list[dict[str, Any]]:
    return [service(HOST, state="down") | more, service("compute2"), service("compute3")]


def test_nothing_is_evacuated_before_the_host_is_proved_off_and_nova_told() -> None:
    made = plan(facts(server("a"), server("b", "PAUSED"), services=down()))
    befores = made.befores()
    assert befores["record"] == ["fence"] and befores["id-a/evacuate"] == ["record"]
    assert befores["id-a/prove"] == ["id-a/evacuate"] and befores["end"] == ["id-a/prove", "record"]
    assert [one.kind for one in made.steps] == [
        *("evacuate.fence", "evacuate.record", "evacuate.server", "evacuate.proof", "evacuate.end")
    ]
    assert [one.severity for one in made.findings] == ["warning"]  # b stays, and nothing waits for it
    assert made.steps[-1].args["left"] == ["id-b"]


@pytest.mark.parametrize(
    ("services", "more", "said"),
    [
        ([service(HOST), service("compute2")], {}, "is up"),
        (down(), {"has_power": False}, "cannot be proved off"),
        (down(status="disabled", disabled_reason="naru evacuate plan-2: x"), {}, "by another plan"),
    ],
)
def test_what_is_in_the_way(services: Any, more: dict[str, Any], said: str) -> None:
    errors = [say(one.summary) for one in plan(facts(server("a"), services=services), **more).findings]
    assert said in errors[0]


def test_a_human_who_has_seen_it_off_is_enough_and_what_others_disabled_stays_theirs() -> None:
    found = facts(services=down(status="disabled", disabled_reason="bad disk"))
    made = plan(found, has_power=False, off="kim")
    assert [one.severity for one in made.findings] == ["warning"] and "bad disk" in say(made.findings[0].summary)


# whose a power controller is


@pytest.fixture
def site(tmp_path: Path) -> sites.Site:
    (tmp_path / "password").write_text("x")
    (tmp_path / "password").chmod(0o600)
    file = tmp_path / "site.yaml"
    file.write_text(
        "naru_site: 1\nname: x\npower: {user: a, password: {file: password}}\nhosts:\n"
        "  - {name: compute1, power: {address: 192.0.2.1}}\n  - {name: other}\n"
        "  - {name: twin.a, power: {address: 192.0.2.2}}\n  - {name: twin.b}\n"
    )
    return sites.load(file)


def test_hosts_are_told_by_name_and_never_guessed(site: sites.Site) -> None:
    assert host_of(site, "compute1.example.org") is site.hosts["compute1"]
    assert host_of(site, "twin.a") is site.hosts["twin.a"]
    assert host_of(site, "twin") is None and host_of(site, "compute") is None


@pytest.mark.parametrize(
    ("said", "own", "trust", "found"),
    [
        ([Status(False, name="compute1.x")], "", False, ("off", True)),
        ([Status(True, name="compute1")], "", False, ("on", True)),
        ([Status(None, name="compute1")], "", False, ("on", True)),  # switching is not off
        ([Status(False, name="other")], "", False, ("off", False)),
        ([Status(False, name="other")], "", True, ("off", False)),  # trusted, and it says otherwise
        ([Status(False)], "", False, ("off", False)),
        ([Status(False)], "", True, ("off", True)),
        ([Status(False, uuid=UUID)], UUID, False, ("off", True)),
        ([Status(False, uuid=OTHER, name="compute1")], UUID, True, ("off", False)),
        ([Status(False, uuid=OTHER), Status(True, uuid=UUID)], UUID, False, ("on", True)),
        ([Status(False), Status(True)], "", True, ("unreachable", False)),
        ([], "", True, ("unreachable", False)),
        (power.Denied("no"), "", True, ("denied", False)),
        (power.NoAnswer("no"), "", True, ("unreachable", False)),
    ],
)
def test_whose_controller_it_is(
    said: Any, own: str, trust: bool, found: Any, site: sites.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(*_: object) -> list[Status]:
        if isinstance(said, Exception):
            raise said
        return list(said)

    monkeypatch.setattr(power, "statuses", answer)
    assert power_of(site, site.hosts["compute1"], own, trust)[:2] == found


class Paper:
    """In the place of a step's context."""

    def __init__(self) -> None:
        self.logged: list[str] = []

    def log(self, text: str) -> None:
        self.logged.append(text)

    def hide(self, value: str) -> None:
        return

    def check(self) -> None:
        return

    def sleep(self, seconds: float) -> None:
        return


def fenced(
    site: sites.Site, monkeypatch: pytest.MonkeyPatch, powers: list[Any], *, alive: bool = False, **args: Any
) -> Fencing:
    """A host whose controller says these, one after the other, the last for ever."""
    context: Any = Paper()
    given = {"host": "compute1", "site": str(site.file), "trust": False, "off": "", "settle": 5.0, "guard": "", **args}
    found = Fencing(context, given)
    left = list(powers)
    monkeypatch.setattr(found, "says", lambda: left.pop(0) if len(left) > 1 else left[0])
    monkeypatch.setattr(found, "answers", lambda: alive)
    return found


def test_it_is_off_as_long_as_its_own_controller_says_so(site: sites.Site, monkeypatch: pytest.MonkeyPatch) -> None:
    fenced(site, monkeypatch, [("off", True)]).check_off()
    fenced(site, monkeypatch, [("none", False)], off="kim").check_off()
    fenced(site, monkeypatch, [("unreachable", False)], off="kim").check_off()
    for said in (("off", False), ("unreachable", False), ("denied", False), ("none", False), ("on", False)):
        with pytest.raises(Transient):
            fenced(site, monkeypatch, [said]).check_off()
    for powers, alive, off in (
        ([("on", True)], False, "kim"),
        ([("off", True)], True, "kim"),
        ([("off", True)], True, ""),
    ):
        with pytest.raises(NaruError, match="not off any more"):
            fenced(site, monkeypatch, powers, alive=alive, off=off).check_off()


def test_an_order_is_believed_when_it_is_read_back(site: sites.Site, monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[str] = []
    monkeypatch.setattr(power, "order", lambda *args: orders.append(args[3]))
    monkeypatch.setattr(fencing, "WAIT", 0.05)
    fenced(site, monkeypatch, [("on", True), ("on", True), ("off", True)]).order_off()
    assert orders == ["off"]
    with pytest.raises(NaruError, match="told 3 times"):
        fenced(site, monkeypatch, [("on", True)]).order_off()
    assert orders == ["off"] * 4
    with pytest.raises(NaruError, match="not proved off"):
        fenced(site, monkeypatch, [("off", True), ("off", True), ("on", True)]).prove()


@pytest.mark.parametrize(
    ("looks", "state"),
    [
        ([Look(0, "off", True), Look(20, "off", True)], "off"),
        ([Look(0, "on", True), Look(5, "off", True), Look(25, "off", True)], "off"),
        ([Look(0, "off", True)], "wait"),
        ([Look(0, "off", True), Look(19, "off", True)], "wait"),
        ([Look(0, "on", True), Look(30, "on", True)], "wait"),
        # no answer is no word: neither off nor on, and it is looked at anew
        ([Look(0, "off", True), Look(20, "unreachable", False)], "wait"),
        ([Look(0, "off", True), Look(5, "unreachable", False), Look(20, "off", True)], "wait"),
        ([Look(0, "off", True), Look(5, "unreachable", False), Look(10, "off", True), Look(30, "off", True)], "off"),
        ([Look(0, "off", True), Look(20, "unreachable", False, ["login"])], "refused"),
        ([Look(0, "off", True), Look(20, "denied", False)], "refused"),
        ([Look(0, "off", True), Look(10, "on", True), Look(20, "off", True)], "refused"),
        ([Look(0, "off", True), Look(20, "off", False)], "refused"),
        ([Look(0, "off", True), Look(20, "off", True, ["login"])], "refused"),
        ([], "wait"),
    ],
)
def test_the_proof(looks: list[Look], state: str) -> None:
    assert by_power(looks, 20.0).state == state


def guards(path: Path, **now: Any) -> str:
    """The directory of a guard whose newest round said this of compute1."""
    directory = Directory(path / "guard", make=True)
    directory.write_now({"compute1": now} if now else {}, {})
    return str(directory.path)


@pytest.mark.parametrize(
    ("now", "error", "message"),
    [
        ({"outcome": "alarm", "gate": "life", "why": "it lives"}, NaruError, "alarm: it lives"),
        ({}, NaruError, "none: it is up"),
        # its own evacuation takes nothing of its limits: what a gate says is so
        ({"outcome": "ask", "gate": "budget", "why": "spent"}, NaruError, "ask: spent"),
        ({"outcome": "hold", "gate": "pace", "why": "later"}, Transient, "hold: later"),
        ({"outcome": "hold", "gate": "health", "why": "network"}, Transient, "hold: network"),
        ({"outcome": "evacuate", "gate": "", "why": ""}, None, ""),
    ],
)
def test_the_guards_newest_word_counts(now: dict[str, Any], error: Any, message: str, tmp_path: Path) -> None:
    word = Word(guards(tmp_path, **now), "compute1")
    if error is None:
        word.check()
        return
    with pytest.raises(error, match=message) as raised:
        word.check()
    assert isinstance(raised.value, Transient) == (error is Transient)


def test_an_old_word_of_the_guards_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = guards(tmp_path, outcome="evacuate", gate="", why="", alive=[])
    word = Word(directory, "compute1")
    assert word.alive() == []
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    for ask in (word.check, word.alive):
        with pytest.raises(Transient, match="61 s old"):
            ask()
    monkeypatch.undo()
    Path(directory, "now.json").write_text("{")
    with pytest.raises(NaruError, match="cannot be read"):
        word.check()


def test_a_round_that_could_not_read_nova_says_nothing(tmp_path: Path) -> None:
    """It has no hosts: that is not that all are well."""
    path = guards(tmp_path)
    Directory(Path(path)).write_now({}, {"readable": False})
    for ask in (Word(path, "compute1").alive, Word(path, "compute1").check):
        with pytest.raises(Transient, match="could not read Nova"):
            ask()


def test_a_guard_in_shadow_decides_nothing(tmp_path: Path) -> None:
    """Begun again without --act: what it would do is not done by those that it began before."""
    path = guards(tmp_path)
    now = {"compute1": {"outcome": "evacuate", "gate": "", "why": ""}}
    Directory(Path(path)).write_now(now, {"acts": True})
    Word(path, "compute1").check()
    Directory(Path(path)).write_now(now, {"acts": False})
    with pytest.raises(NaruError, match="in shadow now"):
        Word(path, "compute1").check()


def test_what_the_guard_hears_stops_an_evacuation(
    site: sites.Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the fence as well: a heartbeat, or a file that goes on being written, and nothing more is evacuated."""
    given = {"outcome": "none", "gate": "flight", "why": "under way"}
    directory = guards(tmp_path, **given, alive=[])
    found = fenced(site, monkeypatch, [("off", True)], guard=directory)
    found.check_off()
    guards(tmp_path, **given, alive=["storage"])
    with pytest.raises(NaruError, match=r"not off any more: it lives \(the guard: storage\)"):
        found.check_off()
    guards(tmp_path)  # it is up, and nothing is said of it
    with pytest.raises(NaruError, match="the guard: it is up"):
        found.check_off()
    guards(tmp_path, outcome="hold", gate="viewpoint", why="listens for 5 s", alive=[])
    with pytest.raises(Transient, match="sees too little"):
        found.check_off()


def test_a_word_that_was_taken_back_counts_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = guards(tmp_path, outcome="evacuate", gate="", why="")
    directory, word = Directory(Path(path)), Word(path, "compute1")
    with pytest.raises(NaruError, match="is not kim's word any more"):
        word.check_off("kim", live=False)
    directory.approve("compute1", "off", "kim")
    word.check_off("kim", live=True)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1900)
    word.check_off("kim", live=False)  # proved off by it in time: it goes on
    with pytest.raises(NaruError):
        word.check_off("kim", live=True)
    monkeypatch.undo()
    directory.revoke("compute1")
    for live in (True, False):
        with pytest.raises(NaruError):
            word.check_off("kim", live=live)
    word.check_off("", live=True)  # nobody's: its controller says so
    Word("", "compute1").check_off("kim", live=True)  # no guard's evacuation


def test_a_controller_that_has_lied_is_not_its_own(
    site: sites.Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(power, "statuses", lambda *_: [Status(False, name="compute1")])
    path = guards(tmp_path, outcome="evacuate", gate="", why="", alive=[])
    context: Any = Paper()
    given = {"host": "compute1", "site": str(site.file), "trust": True, "off": "", "settle": 5.0, "guard": path}
    found = Fencing(context, given)
    assert found.says() == ("off", True)
    directory = Directory(Path(path))
    directory.save(Kept(liars={"compute1"}))
    assert found.says() == ("off", False)


def test_who_goes_on_by_hand_is_told_what_the_guard_knows_and_need_not_be_asked(
    site: sites.Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard has given it up, or does not run; that the controller has lied, and any sign of life, count."""
    monkeypatch.setattr(power, "statuses", lambda *_: [Status(False, name="compute1")])
    path = guards(tmp_path, outcome="ask", gate="flight", why="failed too often", alive=[])
    context: Any = Paper()
    given = {"host": "compute1", "site": str(site.file), "trust": False, "off": "", "settle": 5.0}
    found = Fencing(context, {**given, "guard": path, "by_hand": True})
    monkeypatch.setattr(found, "answers", lambda: False)
    found.check_dead()
    Word(path, "compute1", by_hand=True).check_off("kim", live=True)
    now = time.time()
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda: now + 90)  # nothing is known to the guard any more
        found.check_dead()
    guards(tmp_path, outcome="alarm", gate="life", why="x", alive=["storage"])
    with pytest.raises(NaruError, match=r"compute1 lives: it is seen by the guard: storage"):
        found.check_dead()
    guards(tmp_path, outcome="ask", gate="flight", why="failed too often", alive=[])
    Directory(Path(path)).save(Kept(liars={"compute1"}))
    with pytest.raises(NaruError, match="is not known to be its own"):
        found.check_dead()


def test_before_each_order_all_is_asked_again(
    site: sites.Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that comes back between two orders is not switched off by the second."""
    orders: list[str] = []
    monkeypatch.setattr(power, "order", lambda *args: orders.append(args[3]))
    monkeypatch.setattr(fencing, "WAIT", 0.05)
    host = fenced(site, monkeypatch, [("on", True)])
    monkeypatch.setattr(host, "answers", lambda: bool(orders))
    with pytest.raises(NaruError, match="compute1 lives: it is seen by SSH"):
        host.order_off()
    assert orders == ["off"]
    told = guards(tmp_path, outcome="evacuate", gate="", why="", alive=[])
    host = fenced(site, monkeypatch, [("on", True)], guard=told)

    def order(*args: Any) -> None:
        orders.append(args[3])
        guards(tmp_path, outcome="ask", gate="budget", why="spent", alive=[])

    monkeypatch.setattr(power, "order", order)
    with pytest.raises(NaruError, match="does not decide so any more: ask: spent"):
        host.order_off()
    assert orders == ["off"] * 2
    with pytest.raises(NaruError, match="not known to be its own"):
        fenced(site, monkeypatch, [("on", False)]).order_off()
    assert orders == ["off"] * 2


@pytest.mark.parametrize(
    ("cause", "lives"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), True),
        (ConnectionResetError(errno.ECONNRESET, "reset"), True),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 22)"), True),
        (OSError(errno.EHOSTUNREACH, "no route"), False),
        (TimeoutError(), False),
        (None, False),
    ],
)
def test_a_kernel_that_refuses_lives(cause: Any, lives: bool) -> None:
    error = Unreachable("compute1: x")
    error.__cause__ = cause
    assert has_answered(error) is lives


def test_names_in_two_domains_are_two_hosts(site: sites.Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_same("c1", "C1") and is_same("c1.a", "c1") and is_same("c1", "c1.a") and is_same("c1.a", "C1.A")
    assert not is_same("c1.a", "c1.b") and not is_same("c1.a", "c2.a")
    assert host_of(site, "twin.c") is None
    monkeypatch.setattr(power, "statuses", lambda *_: [Status(False, name="twin.b")])
    assert power_of(site, site.hosts["twin.a"], "", True)[:2] == ("off", False)

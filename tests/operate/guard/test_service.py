"""The guard's rounds, directory and review, with a cloud on paper: what it begins, and what outlives it."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest

from naru.cli.main import main
from naru.errors import InputError, NaruError
from naru.operate.evacuate.fencing import identity
from naru.operate.guard import beat, review, service
from naru.operate.guard.evidence import Host, Witness
from naru.operate.guard.gates import NEEDED
from naru.operate.guard.memory import Reading
from naru.operate.guard.policy import Policy, parse
from naru.operate.guard.seeing import CloudSeen, Patience, Seeing, StorageBeats
from naru.operate.guard.service import Guard, Settings
from naru.operate.guard.state import Directory, Kept
from naru.operate.guard.witness import is_seen
from naru.site import site as sites

pytestmark = pytest.mark.unit

KEY = b"k" * 32
SOURCES = ("heartbeat", "peers")
DEAD = "c0"


class Paper:
    """What is seen, in the place of the cloud and of the listener."""

    def __init__(self, count: int = 20) -> None:
        self.count = count
        self.dead: set[str] = set()
        self.reports = 0

    def services(self) -> CloudSeen:
        self.reports += 1
        return CloudSeen([], True, {"c1": str(self.reports)}, True)

    def hosts(self, services: Any, in_flight: Any) -> list[Host]:
        return [
            Host(
                f"c{at}",
                f"id{at}",
                "down" if f"c{at}" in self.dead else "up",
                rack=f"r{at}",
                servers=(f"vm{at}",),
                power="on",
                identified=True,
                in_flight=f"c{at}" in in_flight,
            )
            for at in range(self.count)
        ]

    def powers(self, hosts: Any, every: float) -> dict[str, Any]:
        return {}

    def health(self) -> dict[str, bool | None]:
        return dict.fromkeys(NEEDED, True)

    def readings(self, *_: Any) -> Iterator[Reading]:
        for at in range(self.count):
            for source in SOURCES:
                for witness, domain in (("w1", "a"), ("w2", "b")):
                    said: Any = "silent" if f"c{at}" in self.dead else "alive"
                    yield Reading(f"c{at}", source, witness, domain, said)

    def witnesses(self, now: float) -> tuple[Witness, ...]:
        return (Witness("w1", "a", True), Witness("w2", "b", True))


class Rounds:
    """A guard whose clock the test turns, and whose evacuations are written down and not run."""

    def __init__(self, path: Path, paper: Paper, monkeypatch: pytest.MonkeyPatch, *, act: bool) -> None:
        site = path / "site.yaml"
        path.mkdir(exist_ok=True)
        site.write_text("naru_site: 1\nname: x\ncloud: x\n")
        self.directory = Directory(path / "guard", make=True)
        self.said: list[str] = []
        settings = Settings(act=act, listen=("127.0.0.1", 0), domain="a")
        cloud: Any = None
        self.guard = Guard(
            self.directory, sites.load(site), cloud, Policy(), settings, [KEY], self.said.append, Patience(1)
        )
        self.started: list[str] = []
        seeing: Any = paper
        self.guard.seeing = seeing
        monkeypatch.setattr(self.guard.listener, "readings", paper.readings)
        monkeypatch.setattr(self.guard.listener, "witnesses", paper.witnesses)
        monkeypatch.setattr(self.guard.evacuations, "start", self.start)
        self.clock = 0.0
        self.guard.engine._steady = lambda: self.clock
        self.guard.engine._began = self.guard.engine._last = 0.0

    def start(self, host: str, path: Path, off: str) -> None:
        """In the place of the process of an evacuation."""
        self.started.append(path.name)
        self.guard.evacuations._started[path.name] = time.monotonic()

    def run(self, seconds: float) -> dict[str, tuple[str, str]]:
        """Rounds for so long; the last verdicts."""
        found: dict[str, tuple[str, str]] = {}
        end = self.clock + seconds
        while self.clock < end:
            self.clock += 15.0
            found = {one.host: (one.outcome, one.gate) for one in self.guard.round()}
        return found


def test_in_shadow_it_says_so_and_begins_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = Paper()
    rounds = Rounds(tmp_path, paper, monkeypatch, act=False)
    assert set(rounds.run(300).values()) == {("none", "candidate")}
    paper.dead = {DEAD}
    assert rounds.run(300)[DEAD] == ("evacuate", "")
    assert rounds.started == [] and rounds.directory.entries() == []
    (line,) = [one for one in rounds.said if "evacuate" in one]
    # at the start all are held, which is said once; then this one for lack of evidence
    assert "shadow" in line and len(rounds.said) == 3
    assert [row[-1] for row in review.replayed(rounds.directory)] == [review.SAME] * 3
    # it is well again: that verdict counts as wrong, until somebody says otherwise
    paper.dead = set()
    rounds.run(60)
    assert [row[1:5] for row in review.precision(rounds.directory)] == [(1, 0, 1, 0)]
    verdict = next(row[0] for row in review.listed(rounds.directory) if row[3] == "evacuate")
    review.label(rounds.directory, verdict, "right", "kim")
    assert [row[1:] for row in review.precision(rounds.directory)] == [(1, 1, 0, 0, 1.0)]
    assert len(review.evidence_of(rounds.directory, verdict)) == 4


def test_it_begins_one_and_never_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = Paper()
    rounds = Rounds(tmp_path, paper, monkeypatch, act=True)
    rounds.run(300)
    paper.dead = {DEAD}
    assert rounds.run(600)[DEAD] == ("evacuate", "")  # its own entry takes nothing from it
    assert rounds.started == ["c0-1"]
    assert [one.host for one in rounds.directory.entries()] == [DEAD]
    # a guard that begins anew finds it, and goes on with it; another host has to wait
    paper.dead = {DEAD, "c5"}
    again = Rounds(tmp_path, paper, monkeypatch, act=True)
    found = again.run(600)
    assert again.started == ["c0-1"] and again.directory.entries() == rounds.directory.entries()
    assert found["c5"] == ("hold", "pace")


def test_a_kill_between_any_two_files_begins_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = Directory(tmp_path / "guard", make=True)
    from naru.operate.guard.ledger import Entry

    # killed before begun.json: the directory is used, and nothing is counted
    directory.following("c1").mkdir()
    assert directory.entries() == [] and directory.following("c1").name == "c1-1"
    path = directory.begin(Entry("c1", ("cloud",), 5.0, ("vm",)), "kim")
    assert path.name == "c1-1" and directory.begun() == [path]
    assert directory.following("c1").name == "c1-2" and directory.entries()[0].servers == ("vm",)
    # a verdict whose line was cut off
    directory.record({"id": "a"})
    file = directory.path / "verdicts.jsonl"
    file.write_bytes(file.read_bytes() + b'{"id": "b", "ho')
    directory.record({"id": "c"})
    assert [one["id"] for one in directory.records()] == ["a", "c"]
    (path / "begun.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        directory.entries()


def test_a_kill_within_a_round_forgets_nothing_that_a_drill_has_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Directory(tmp_path / "guard", make=True).save(Kept(liars={"c1", "c2"}))
    rounds = Rounds(tmp_path, Paper(), monkeypatch, act=False)
    rounds.directory.believe("c1")

    def killed(_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as once, pytest.raises(KeyboardInterrupt):
        once.setattr(rounds.guard.directory, "save", killed)
        rounds.guard.round()
    again = Rounds(tmp_path, Paper(), monkeypatch, act=False)
    again.run(15)
    assert again.directory.load().liars == {"c2"} and again.directory.believed() == set()


def test_two_drills_at_once_both_keep_what_they_found(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "guard", make=True)
    names = [f"c{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: Directory(directory.path).identify(name, f"uuid-{name}"), names))
    assert [identity(str(directory.path), name) for name in names] == [f"uuid-{name}" for name in names]


def test_two_guards_never_act_together(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "guard", make=True)
    with directory.lock(), pytest.raises(InputError, match="another guard runs"):
        Directory(tmp_path / "guard").lock()
    with Directory(tmp_path / "guard").lock():
        pass


def test_what_people_say_ends_and_what_cannot_be_read_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = Directory(tmp_path / "guard", make=True)
    directory.approve("c1", "go", "kim")
    directory.approve("c1", "off", "kim")
    assert set(directory.approved()["c1"]) == {"go", "off"}
    directory.revoke("c1")
    assert directory.approved() == {}
    directory.approve("c1", "go", "kim")
    file = directory.path / "approvals.json"
    file.write_text(json.dumps([[host, what, by, at - 3600] for host, what, by, at in json.loads(file.read_text())]))
    assert directory.approved() == {}
    assert directory.held() == ""
    directory.hold("kim", "switches")
    assert "switches" in directory.held()
    (directory.path / "hold.json").write_text("{")
    assert "cannot be read" in directory.held()
    directory.release()
    assert directory.held() == ""


def test_files_on_the_storage(tmp_path: Path) -> None:
    beats = StorageBeats(tmp_path, [KEY])

    def said(now: float) -> str:
        (found,) = beats.readings(["c1"], now)
        return found.said

    def write(number: int, name: str = "c1", key: bytes = KEY) -> None:
        beat.write(str(tmp_path / "c1.beat"), beat.pack(key, "file", name, 1, number, {}))

    assert said(0.0) == "unknown"
    write(1)
    assert said(10.0) == "silent"  # nobody knows how old it is
    write(2)
    assert said(20.0) == "alive" and said(54.0) == "alive" and said(56.0) == "silent"
    write(1)
    assert said(60.0) == "silent"  # an older one that somebody has put there
    write(9, key=b"o" * 32)
    assert said(70.0) == "unknown"
    write(9, name="c2")
    assert said(80.0) == "silent"
    write(10)
    assert said(90.0) == "alive"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"budget": {"cloud": -1}}, "budget.cloud"),
        ({"share": "ten"}, "share"),
        ({"silence": 5}, "silence"),
        ({"expects": ["heartbeat"]}, "expects: give at least two"),
        ({"expects": ["heartbeat", "peers", "libvirt"]}, "expects: give at least two of heartbeat, peers, storage"),
        ({"shares": 0.5}, "shares"),
    ],
)
def test_a_limit_that_cannot_be_read_is_no_limit(content: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        parse(content, tmp_path / "guard.yaml")


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = tmp_path / "guard"

    def naru(*words: object) -> int:
        return main(["-q", "guard", *map(str, words), "--work", str(work)])

    assert naru("status") == 2
    assert "is not the directory of a guard" in capsys.readouterr().err
    directory = Directory(work, make=True)
    assert naru("status", "-f", "json") == 1
    assert json.loads(capsys.readouterr().out)["runs"] is False
    assert naru("approve", "c1", "go") == 2
    assert "has nothing to ask" in capsys.readouterr().err
    directory.write_now({"c1": {"outcome": "ask", "gate": "share", "why": "x"}}, {})
    assert naru("approve", "c1", "go") == 0 and set(directory.approved()["c1"]) == {"go"}
    assert naru("approve", "c1", "go", "--revoke") == 2
    assert naru("approve", "c1", "--revoke") == 0 and directory.approved() == {}
    # what the messages of evacuations ask for: one whose controller does not obey, and one whose word was taken back
    for outcome, gate, what, code in (
        ("evacuate", "", "off", 0),
        ("none", "flight", "off", 0),
        ("evacuate", "", "go", 2),
        ("alarm", "flight", "off", 2),
        ("alarm", "life", "off", 2),
    ):
        directory.write_now({"c1": {"outcome": outcome, "gate": gate, "why": "x"}}, {})
        assert naru("approve", "c1", what) == code and ("c1" in directory.approved()) == (code == 0)
        directory.revoke("c1")
    assert naru("hold", "work") == 0 and "work" in directory.held()
    assert naru("hold", "--release") == 0 and directory.held() == ""
    assert naru("verdicts", "--evidence", "x") == 2
    assert naru("verdicts", "--label", "x=right") == 2
    assert naru("verdicts", "--precision") == 0
    key = tmp_path / "key"
    key.write_text("short")
    (tmp_path / "site.yaml").write_text("naru_site: 1\nname: x\ncloud: x\n")
    assert naru("run", "--site", tmp_path / "site.yaml", "--key", key, "--domain", "a") == 2
    assert "chmod 600" in capsys.readouterr().err


def test_storage_that_is_stuck_is_unknown_and_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beats, goes = StorageBeats(tmp_path, [KEY], seconds=0.05), threading.Event()
    beat.write(str(tmp_path / "c1.beat"), beat.pack(KEY, "file", "c1", 1, 1, {}))
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (goes.wait(10), read(path))[1])
    for now in (0.0, 10.0):
        assert [one.said for one in beats.readings(["c1", "c2"], now)] == ["unknown"] * 2
    goes.set()
    assert beats._reader
    beats._reader.join(10)
    beats.seconds = 10.0
    assert [one.said for one in beats.readings(["c1", "c2"], 20.0)] == ["silent", "unknown"]


class Little:
    """A cloud with these services alone."""

    def __init__(self, *has: str, answers: bool = True) -> None:
        self._has, self._answers = has, answers

    def has(self, service: str) -> bool:
        return service in self._has

    def items(self, *_: str) -> Iterator[dict[str, str]]:
        yield from ({"binary": f"nova-{name}", "state": "up"} for name in ("scheduler", "conductor"))

    def __call__(self, service: str, *_: str) -> dict[str, Any]:
        if service not in self._has or not self._answers:
            raise NaruError("no answer")
        return {"services": [{"binary": "cinder-volume", "state": "down"}]}


@pytest.mark.parametrize(
    ("cloud", "storage"),
    [
        (Little("network", "placement"), True),  # it has no Cinder: nothing of that is needed
        (Little("network", "placement", "block-storage"), False),
        (Little("network", "placement", "block-storage", answers=False), None),
    ],
)
def test_what_a_cloud_does_not_have_is_not_ill(cloud: Any, storage: bool | None, tmp_path: Path) -> None:
    site: Any = None
    found = Seeing(cloud, site, tmp_path, shared=False).health()
    well = True if storage is not None else None
    assert found == {**dict.fromkeys(NEEDED, True), "network": well, "placement": well, "storage": storage}


def test_a_guard_goes_on_listening_after_an_error_of_its_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = Rounds(tmp_path, Paper(), monkeypatch, act=False)
    packet = beat.pack(KEY, "beat", "c1", 1, 1, {"hears": [], "peers": []})

    class Listening:
        said: ClassVar[list[Any]] = [OSError("down"), packet]

        def recvfrom(self, _: int) -> tuple[bytes, tuple[str, int]]:
            found = self.said.pop(0) if self.said else TimeoutError()
            if isinstance(found, Exception):
                raise found
            return bytes(found), ("127.0.0.1", 1)

        def close(self) -> None: ...

    monkeypatch.setattr(service, "bound", lambda *_: Listening())
    end = time.monotonic() + 20
    with rounds.guard._listening():
        while "c1" not in rounds.guard.listener.newest and time.monotonic() < end:
            time.sleep(0.01)
    assert rounds.guard.listener.newest == {"c1": (1, 1)}


def test_one_that_is_told_to_stop_begins_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = Paper()
    rounds = Rounds(tmp_path, paper, monkeypatch, act=True)
    rounds.run(300)
    paper.dead = {DEAD}
    look = rounds.guard._look

    def stopped_meanwhile() -> Any:
        rounds.guard._stop.set()
        return look()

    monkeypatch.setattr(rounds.guard, "_look", stopped_meanwhile)
    assert rounds.run(300)[DEAD] == ("evacuate", "")
    assert rounds.started == [] and rounds.directory.entries() == []


def test_a_witness_whose_look_is_stuck_sees_nothing() -> None:
    assert is_seen(True, 100.0, 140.0) and not is_seen(True, 100.0, 150.0)
    assert not is_seen(False, 100.0, 100.0)

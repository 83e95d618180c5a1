"""The guard beside hosts that lose their power, their cable, their compute service; whose power controllers are gone or
lie; and a message queue that stops. What is called dead is evacuated, once, whoever is killed; nothing else is touched.

Hosts have systemd, heartbeats and power controllers of their own; the hypervisor is Nova's fake one. The guard runs in
the network of the hosts, its witness on the controller. NARU_TEST_GUARDED=DIRECTORY uses and keeps a lab there.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from naru.errors import NaruError
from naru.lab import spec
from naru.lab.hosts import able
from naru.lab.lab import Lab
from naru.operate.evacuate.work import Work
from naru.operate.guard import beat
from naru.operate.guard.state import Directory
from naru.plan.queries import reading
from naru.plan.status import status
from naru.releases import release

from ...lab import scenario
from ...lab.hosted.scenario import on
from ...lab.hosts.machine import left_of, of_the_machine
from ...lab.scenario import Rest, come_up, connect, ignore, wait

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(1200)]

CLOUD, NETWORK = "cloud", "10.74."
HOSTS = ("compute1", "compute2", "compute3", "compute4")
GUARD = f"{NETWORK}0.3"
KEY, BEATS = "/root/guard.key", "/srv/naru/state/nfs/beats"
SERVERS = 30
POLICY = {"silence": 60, "settle": 5, "quiet": 0, "expects": ["heartbeat", "storage"], "budget": {"rack": 9, "zone": 9}}
UNIT = """[Service]
ExecStart={python} /root/beat.py --name {host} --key {key} --to {to} --every 5 --file {beats}/{host}.beat
Restart=always
[Install]
WantedBy=multi-user.target
"""


class Guarded:
    """The cloud, its hosts, and the guard."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab, self.directory = lab, directory
        self.hosts = lab.hosts()
        self.cloud = lab.cloud(CLOUD)
        self.rest = Rest(connect(lab, CLOUD))
        self.servers: list[str] = []
        self.key = directory / "guard.key"
        self.key.write_text("k" * 64)
        self.key.chmod(0o600)
        self.beats = self.cloud.state / "nfs" / "beats"

    def prepare(self) -> None:
        """An address for the guard in the hosts' network, and heartbeats on all hosts."""
        self._inside(None, "ip", "addr", "replace", f"{GUARD}/24", "dev", self._bridge())
        self.beats.mkdir(exist_ok=True)
        witness = next(row.address for row in self.hosts.rows() if row.name == "ctl1")
        for host in HOSTS:
            unit = UNIT.format(
                python=self.cloud.program("python"), host=host, key=KEY, beats=BEATS, to=f"{GUARD},{witness}"
            )
            for path, text in ((KEY, self.key.read_text()), ("/root/beat.py", Path(beat.__file__).read_text())):
                self.put(host, path, text)
            self.put(host, "/etc/systemd/system/naru-beat.service", unit)
            on(self.hosts, host, f"chmod 600 {KEY}; systemctl daemon-reload; systemctl enable --now naru-beat 2>&1")

    def put(self, host: str, path: str, text: str) -> None:
        argv = self.hosts.ssh(host, f"cat > {path}")
        subprocess.run(argv, input=text, text=True, check=True, timeout=60)

    def _bridge(self) -> str:
        found = json.loads(self._inside(None, "ip", "-json", "-4", "addr"))
        return next(
            str(one["ifname"]) for one in found if any(a["local"].startswith(NETWORK) for a in one["addr_info"])
        )

    def _inside(self, host: str | None, *argv: str) -> str:
        done = subprocess.run(
            [*self.network(host), *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def network(self, host: str | None) -> list[str]:
        """What a command begins with that runs in the network of a host; without one, where power controllers are."""
        if host is None:
            holder = self.hosts.holder()
            assert holder is not None
            pid: int = holder.pid
        else:
            pid = min(self.hosts.pids(self.hosts.host(host), "init.scope"))
        return ["nsenter", f"--net=/proc/{pid}/ns/net", "--"]

    @contextlib.contextmanager
    def beside(self, host: str | None, *words: object) -> Iterator["subprocess.Popen[bytes]"]:
        """A command of naru in the network of a host, which is killed at the end if it still runs."""
        command = [*self.network(host), sys.executable, "-m", "naru.cli.main", "-q", *map(str, words)]
        with (
            (self.directory / "said").open("ab") as said,
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said) as process,
        ):
            try:
                yield process
            finally:
                process.kill()

    def naru(self, *words: object) -> int:
        """The exit code of a command in the hosts' network."""
        command = [*self.network(None), sys.executable, "-m", "naru.cli.main", "-q", *map(str, words)]
        with (self.directory / "said").open("ab") as said:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, timeout=600)
        return done.returncode

    def boot(self, host: str, count: int, image: str, network: str) -> None:
        """So many servers on a host."""
        unlimited = {"quota_set": dict.fromkeys(("instances", "cores", "ram"), -1)}
        self.rest("compute", "PUT", f"/os-quota-sets/{self.rest.project}", unlimited)
        fields = {
            **{"name": "s", "flavorRef": scenario.flavor(self.rest), "imageRef": image, "min_count": count},
            **{"networks": [{"uuid": network}], "availability_zone": f"nova:{host}", "return_reservation_id": True},
        }
        self.rest("compute", "POST", "/servers", {"server": fields})
        wait("servers are listed", lambda: len(self._listed()) == count)
        self.servers = sorted(one["id"] for one in self._listed())
        wait("servers run", lambda: list(self.where().values()) == [(host, "ACTIVE")] * count)

    def _listed(self) -> list[dict[str, Any]]:
        return list(self.rest("compute", "GET", "/servers/detail")["servers"])

    def where(self) -> dict[str, tuple[str, str]]:
        """By server its host and status, of those that nothing is done with."""
        return {
            one["id"]: (one["OS-EXT-SRV-ATTR:host"], one["status"])
            for one in self._listed()
            if not one["OS-EXT-STS:task_state"]
        }

    def evacuations(self) -> list[tuple[str, str, str]]:
        """Of all migrations of that kind the server, where from and where to."""
        answer = self.rest.session.get(
            "/os-migrations?migration_type=evacuation",
            endpoint_filter={"service_type": "compute", "interface": "public"},
            microversion="2.53",
        )
        found = answer.json()["migrations"]
        return sorted((one["instance_uuid"], one["source_compute"], one["dest_compute"]) for one in found)

    def service(self, host: str) -> dict[str, Any]:
        answer = self.rest.session.get(
            f"/os-services?binary=nova-compute&host={host}",
            endpoint_filter={"service_type": "compute", "interface": "public"},
            microversion="2.53",
        )
        (found,) = answer.json()["services"]
        return dict(found)

    def set(self, host: str, **fields: Any) -> None:
        """What an administrator sets of a compute service. It is not taken for up again (400) before it has seen the
        evacuations of its servers, which it looks for when it starts."""

        def is_set() -> bool:
            answer = self.rest.session.put(
                f"/os-services/{self.service(host)['id']}",
                json=fields,
                endpoint_filter={"service_type": "compute", "interface": "public"},
                microversion="2.53",
                raise_exc=False,
            )
            assert answer.status_code in (200, 400), answer.text
            return answer.status_code == 200

        wait(f"{host}: {fields}", is_set)

    def is_down(self, host: str) -> bool:
        return bool(self.service(host)["state"] == "down")

    def untouched(self, hosts: Sequence[str] = HOSTS) -> bool:
        """Nothing is disabled, forced down or off."""
        found = [self.service(host) for host in hosts]
        powered = {row.name for row in self.hosts.rows() if row.power == "on"}
        return set(hosts) <= powered and all(
            (one["status"], one["forced_down"], one["disabled_reason"]) == ("enabled", False, None) for one in found
        )


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    try:
        able.check()
    except NaruError as error:
        pytest.skip(f"{error.summary}: {error.detail}")
    before, kept = of_the_machine(), os.environ.get("NARU_TEST_GUARDED")
    directory = tmp_path_factory.mktemp("guarded")
    file = directory / "guarded.yaml"
    file.write_text((Path(__file__).parents[1] / "guarded.yaml").read_text().replace("10.77.", NETWORK))
    lab = Lab(Path(kept) if kept else directory / "lab")
    come_up(lab, spec.build_hosts(str(file), [f"{CLOUD}={release.names()[-1]}"]))
    found = Guarded(lab, directory)
    try:
        found.prepare()
        yield found
    finally:
        if not kept:
            hosts = lab.hosts()
            lab.down()
            assert left_of(hosts) == []
            assert of_the_machine() == before


class Guard:
    """A guard that runs, with its witness."""

    def __init__(self, guarded: Guarded, directory: Path, *, act: bool, policy: dict[str, Any]) -> None:
        self.guarded = guarded
        self.work, self._policy = directory / "guard", directory / "policy.yaml"
        self._policy.write_text(json.dumps(policy))
        self.directory = Directory(self.work, make=True)
        self._act = ["--act"] * act

    @property
    def run(self) -> list[object]:
        site, beats = self.guarded.lab.site_yaml, self.guarded.beats
        return [
            *("guard", "run", "--site", site, "--work", self.work, "--key", self.guarded.key, "--domain", "guard"),
            *("--listen", f"{GUARD}:{beat.PORT}", "--storage", beats, "--shared", "--every", "5s"),
            *("--policy", self._policy, *self._act),
        ]

    @contextlib.contextmanager
    def watching(self) -> Iterator["subprocess.Popen[bytes]"]:
        """It has heard all hosts, has looked at the power controllers, and may decide."""
        witness = ("guard", "witness", "--name", "w", "--domain", "r0", "--cloud", CLOUD, "--key", self.guarded.key)
        with (
            self.guarded.beside("ctl1", *witness, "--to", f"{GUARD}:{beat.PORT}"),
            self.guarded.beside(None, *self.run) as process,
        ):
            wait("it hears all", lambda: len({one for one, _ in self.directory.load().seen}) == len(HOSTS))
            for host in HOSTS:
                drill = ("guard", "drill", "--site", self.guarded.lab.site_yaml, "--work", self.work, host, "--shared")
                assert self.guarded.naru(*drill) == 0
            wait("it looks everywhere", lambda: {self.says(host)[0] for host in HOSTS} == {"none"}, 300)
            yield process

    def says(self, host: str) -> tuple[str, str]:
        """What it says of a host now, and by which gate; of one that is well nothing is kept."""
        now = self.directory.now()
        if not now.get("readable"):
            return "", ""
        found = now["verdicts"].get(host, {"outcome": "none", "gate": ""})
        return str(found["outcome"]), str(found["gate"])

    def calls_all_well(self) -> None:
        """Waits until it has a verdict of no host."""
        try:
            wait("all are well", lambda: {self.says(host)[0] for host in HOSTS} == {"none"})
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.directory.now()}") from None

    def proved(self, host: str) -> bool:
        """Whether the evacuation of a host has come to its end."""
        paths = self.directory.evacuations(host)
        if not paths:
            return False
        with Work(paths[-1]).journal() as journal:
            return status(journal).state == "done"


@pytest.fixture(autouse=True)
def config(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(guarded.lab.clouds_yaml))


@pytest.fixture
def healthy(guarded: Guarded) -> Iterator[Guarded]:
    """All hosts are on, up and enabled, before and after."""
    begin_again(guarded)
    yield guarded
    begin_again(guarded)


def begin_again(guarded: Guarded) -> None:
    for host in HOSTS:
        for kind in ("unreachable", "says-off", "refuses"):
            guarded.hosts.fault(host, kind, None)
        guarded.hosts.link(host, "management", True)
    guarded.hosts.up(ignore)
    on(guarded.hosts, "ctl1", "systemctl start rabbitmq")
    for host in HOSTS:
        on(guarded.hosts, host, "systemctl start nova-compute naru-beat")
        guarded.set(host, forced_down=False, status="enabled")
    wait("all are up", lambda: not any(map(guarded.is_down, HOSTS)))


def stays_so(guard: Guard, host: str, outcome: str, gate: str) -> None:
    """The guard comes to that verdict of a host, and begins nothing."""
    wait(f"{host}: {outcome} by {gate}", lambda: guard.says(host) == (outcome, gate))
    assert guard.directory.entries() == []


@pytest.fixture
def servers(healthy: Guarded) -> Iterator[Guarded]:
    with scenario.network(healthy.rest) as network, scenario.image(healthy.rest) as image:
        healthy.servers = []
        try:
            healthy.boot("compute1", SERVERS, image, network["network"])
            yield healthy
        finally:
            begin_again(healthy)
            for one in healthy.servers:
                healthy.rest("compute", "DELETE", f"/servers/{one}")
            for one in healthy.servers:
                healthy.rest.gone("compute", f"/servers/{one}")


def test_what_is_no_death_moves_nothing(healthy: Guarded, tmp_path: Path) -> None:
    """A compute service that is stopped, a cable that is out, a controller that lies, a queue that stops, a host that
    somebody has disabled, a rack without power: none of them is evacuated."""
    guard = Guard(healthy, tmp_path, act=True, policy=POLICY)
    hosts = healthy.hosts
    with guard.watching():
        # its compute service is down and the host lives
        on(hosts, "compute1", "systemctl stop nova-compute")
        stays_so(guard, "compute1", "alarm", "life")
        # its cable is out, and it goes on writing to the guests' storage; its power controller says that it is off
        hosts.link("compute2", "management", False)
        hosts.fault("compute2", "says-off", 1)
        stays_so(guard, "compute2", "alarm", "life")
        on(hosts, "compute1", "systemctl start nova-compute")
        hosts.link("compute2", "management", True)
        guard.calls_all_well()
        # somebody's own: disabled, and then without power
        healthy.set("compute3", status="disabled", disabled_reason="a human's")
        hosts.power("compute3", "cut")
        stays_so(guard, "compute3", "alarm", "candidate")
        hosts.up(ignore)
        healthy.set("compute3", status="enabled")
        guard.calls_all_well()
        # nobody reports any more: not the hosts have failed
        on(hosts, "ctl1", "systemctl stop rabbitmq")
        wait("Nova takes all for down", lambda: all(map(healthy.is_down, HOSTS)))
        time.sleep(10)
        assert {guard.says(host)[0] for host in HOSTS} <= {"hold", "alarm"}
        on(hosts, "ctl1", "systemctl start rabbitmq")
        guard.calls_all_well()
        # a rack without power is more than one host
        for host in ("compute3", "compute4"):
            hosts.power(host, "cut")
        stays_so(guard, "compute3", "ask", "cliff")
        stays_so(guard, "compute4", "ask", "cliff")
    assert healthy.untouched(("compute1", "compute2"))


def test_a_host_without_power_is_evacuated_once_whoever_is_killed(servers: Guarded, tmp_path: Path) -> None:
    guard = Guard(servers, tmp_path, act=True, policy=POLICY)
    with guard.watching() as process, contextlib.ExitStack() as stack:
        servers.hosts.power("compute1", "cut")
        cut = time.time()
        wait("it has begun", guard.directory.entries)
        begun = time.time()
        process.kill()
        process.wait()
        stack.enter_context(servers.beside(None, *guard.run))
        first = wait("one is elsewhere", lambda: elsewhere(servers) and time.time(), 300)
        last = wait("all are elsewhere", lambda: elsewhere(servers) == SERVERS and time.time(), 300)
        wait("it is proved", lambda: guard.proved("compute1"), 300)
        told(cut, begun, first, last, guard)
        assert sorted(server for server, *_ in servers.evacuations()) == servers.servers
        found = servers.service("compute1")
        assert (found["status"], found["forced_down"]) == ("disabled", True)
        assert servers.untouched(HOSTS[1:])
        # somebody gives it power: it is heard, and nothing of it is used
        servers.hosts.power("compute1", "on")
        wait("it is told", lambda: guard.says("compute1")[0] == "alarm")
        assert elsewhere(servers) == SERVERS
        assert servers.naru("guard", "verdicts", "--work", guard.work, "--replay") == 0


def test_how_long_it_takes(servers: Guarded, tmp_path: Path) -> None:
    """From the cut to the last server, with nobody killed."""
    guard = Guard(servers, tmp_path, act=True, policy=POLICY)
    before = len(servers.evacuations())
    with guard.watching():
        servers.hosts.power("compute1", "cut")
        cut = time.time()
        wait("it has begun", guard.directory.entries)
        begun = time.time()
        first = wait("one is elsewhere", lambda: elsewhere(servers) and time.time(), 300)
        last = wait("all are elsewhere", lambda: elsewhere(servers) == SERVERS and time.time(), 300)
        wait("it is proved", lambda: guard.proved("compute1"), 300)
    told(cut, begun, first, last, guard)
    assert len(servers.evacuations()) == before + SERVERS


def elsewhere(guarded: Guarded) -> int:
    """How many servers run on other hosts."""
    return sum(host != "compute1" and state == "ACTIVE" for host, state in guarded.where().values())


def told(cut: float, begun: float, first: float, last: float, guard: Guard) -> None:
    """The figures, for docs/reference/guard.md."""
    (path,) = guard.directory.evacuations("compute1")[-1:]
    print(json.dumps({"begun": begun - cut, "first": first - cut, "last": last - cut}))
    with Work(path).journal() as journal, reading(journal) as now:
        for one in now.steps():
            if one.ended and one.started:
                print(one.purpose, round(one.started - cut, 1), round(one.ended - cut, 1))


def test_a_controller_that_is_gone_is_asked_about(servers: Guarded, tmp_path: Path) -> None:
    """Its power controller has no power, either: a human says that it is off, and then it is evacuated."""
    guard = Guard(servers, tmp_path, act=True, policy=POLICY)
    before = len(servers.evacuations())
    with guard.watching():
        servers.hosts.power("compute1", "cut")
        servers.hosts.fault("compute1", "unreachable", 1)
        wait("it asks", lambda: guard.says("compute1") == ("ask", "fence"))
        assert guard.directory.entries() == [] and len(servers.evacuations()) == before
        approve = ("guard", "approve", "--work", guard.work, "compute1", "off", "--by", "the test, which has cut it")
        assert servers.naru(*approve) == 0
        wait("all are elsewhere", lambda: elsewhere(servers) == SERVERS, 300)
        wait("it is proved", lambda: guard.proved("compute1"), 300)
    assert len(servers.evacuations()) == before + SERVERS


def test_in_shadow_nothing_is_touched(servers: Guarded, tmp_path: Path) -> None:
    guard = Guard(servers, tmp_path, act=False, policy=POLICY)
    before = len(servers.evacuations())
    with guard.watching():
        servers.hosts.power("compute1", "cut")
        wait("it would", lambda: guard.says("compute1")[0] == "evacuate")
        time.sleep(10)
    assert guard.directory.entries() == [] and len(servers.evacuations()) == before
    found = servers.service("compute1")
    assert (found["status"], found["forced_down"]) == ("enabled", False)

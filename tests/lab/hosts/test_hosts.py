"""Hosts of a lab: booted, cut off, unplugged, asked by Redfish and IPMI; and nothing of them stays."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
import sushy
import sushy.exceptions
from sushy.auth import AuthBase, BasicAuth, SessionAuth
from sushy.resources.system.system import System

from naru.cli.main import main
from naru.errors import InputError, NaruError
from naru.lab import spec
from naru.lab.hosts import cgroups, layout
from naru.lab.hosts.hosts import Hosts, answers
from naru.lab.hosts.layout import MANAGEMENT
from naru.lab.lab import Lab
from naru.site.model import Power
from naru.site.power import Denied, same_uuid, statuses

from ..scenario import come_up, ignore
from .machine import left_of

pytestmark = pytest.mark.hosts

# seconds that anything here may take on a busy machine
PATIENCE = 60.0


def until(happened: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, f"{what}: not after {PATIENCE:g} s"
        time.sleep(0.05)


def run(hosts: Hosts, name: str, command: str, check: bool = True) -> str:
    """What a command says on a host."""
    done = subprocess.run(
        hosts.ssh(name, command), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE
    )
    assert not check or done.returncode == 0, (name, command, done.stdout, done.stderr)
    return done.stdout.strip()


def boot_id(hosts: Hosts, name: str) -> str:
    return run(hosts, name, "cat /proc/sys/kernel/random/boot_id")


def reboots(hosts: Hosts, name: str, before: str) -> None:
    """Waits until the host has another boot id, and one can log in to it."""

    def another() -> bool:
        return run(hosts, name, "cat /proc/sys/kernel/random/boot_id", check=False) not in ("", before)

    until(another, f"{name} has rebooted")


def power(hosts: Hosts, name: str) -> str:
    return next(row.power for row in hosts.rows() if row.name == name)


def test_a_host_is_a_machine_of_its_own(hosts: Hosts) -> None:
    assert run(hosts, "node1", "systemctl is-system-running --wait; systemctl --failed --no-legend") == "running"
    assert run(hosts, "node1", "tr '\\0' ' ' < /proc/2/comm || echo none") != "kthreadd"  # its processes are its own
    assert run(hosts, "node1", "hostname; cat /proc/1/comm").split() == ["node1", "systemd"]
    ids = [boot_id(hosts, name) for name in ("node1", "node2")]
    assert len({*ids, Path("/proc/sys/kernel/random/boot_id").read_text().strip()}) == 3
    booted = next(row.seconds for row in hosts.rows() if row.name == "node1")
    uptime = float(run(hosts, "node1", "cut -d' ' -f1 /proc/uptime"))
    assert booted is not None and abs(uptime - booted) < 5  # not the machine's
    assert ids[0].replace("-", "") in run(hosts, "node1", "journalctl --list-boots")
    # the kernel's settings are the machine's, those of the network its own
    assert run(hosts, "node1", "echo 0 > /proc/sys/vm/swappiness || echo refused").splitlines()[-1] == "refused"
    run(hosts, "node1", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    assert run(hosts, "node2", "cat /proc/sys/net/ipv4/ip_forward") == "0"
    # units are each host's own: the same name ends on one and goes on on the other
    for name in ("node1", "node2"):
        run(hosts, name, "systemd-run --unit=same sleep 1000")
    run(hosts, "node1", "systemctl stop same")
    assert run(hosts, "node2", "systemctl is-active same") == "active"


def test_hosts_have_their_part_of_a_busy_machine(hosts: Hosts) -> None:
    """A cgroup counts as one process beside others, whatever is in it."""
    weights = [
        (int((root / file).read_text()), one)
        for root in cgroups.roots(hosts.cgroup)
        for file, one, _ in cgroups.SHARES
        if (root / file).exists()
    ]
    assert weights and all(weight == one * cgroups.PROCESSES * len(hosts.names()) for weight, one in weights)


def test_hosts_see_each_other_and_not_the_machine(hosts: Hosts) -> None:
    tenant = hosts.host("node2").address("tenant").ip
    run(hosts, "node1", f"ping -c 1 -W 5 {tenant} && ping -c 1 -W 5 node2")
    with socket.create_server(("0.0.0.0", 0)) as listening:
        port = listening.getsockname()[1]
        mine = layout.machine_address(hosts.layout).ip
        socket.create_connection((str(mine), port), 5).close()
        answer = run(hosts, "node1", f"timeout 2 bash -c '</dev/tcp/{mine}/{port}' || echo no way")
        assert answer == "no way"
    assert run(hosts, "node1", "ip route show default") == ""


def test_poweroff_and_reboot_inside(hosts: Hosts) -> None:
    before = boot_id(hosts, "node1")
    run(hosts, "node1", "echo kept > /root/file; ip link add stays type bridge; ip addr add 10.200.0.1/24 dev stays")
    run(hosts, "node1", "systemctl reboot", check=False)
    reboots(hosts, "node1", before)
    after = boot_id(hosts, "node1")
    assert after != before
    assert run(hosts, "node1", "cat /root/file; ls /sys/class/net").split() == ["kept", "eth0", "eth1", "lo"]
    assert run(hosts, "node1", "journalctl -q --list-boots | wc -l") == "2"
    run(hosts, "node1", "poweroff", check=False)
    until(lambda: power(hosts, "node1") == "off", "off")
    assert run(hosts, "node2", "hostname") == "node2"
    hosts.power("node1", "on", wait=True)
    assert boot_id(hosts, "node1") not in (before, after)
    hosts.power("node1", "off", wait=True)
    hosts.power("node1", "on", wait=True)
    third = boot_id(hosts, "node1")
    hosts.power("node1", "reboot", wait=True)
    assert boot_id(hosts, "node1") != third


def test_a_power_cut_kills_all_at_once_and_the_disk_stays(hosts: Hosts) -> None:
    writes = "while :; do date +%%s%%N > /var/number; sleep 0.05; done"  # systemd's own sign is doubled
    begin = f"systemd-run --unit=writes sh -c '{writes}'; setsid -f sleep 12345 <&- >&- 2>&-"
    run(hosts, "node3", f"{begin}; echo disk > /root/file; sync")
    until(lambda: run(hosts, "node3", "cat /var/number", check=False), "it writes")
    root = next(root for root in cgroups.roots(hosts.cgroup) if (root / "node3" / "init.scope").is_dir())
    pids = cgroups.members(root / "node3")
    assert len(pids) > 4
    hosts.power("node3", "cut")
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert [root for root in cgroups.roots(hosts.cgroup) if (root / "node3").exists()] == []
    assert power(hosts, "node3") == "off" and not answers(str(hosts.host("node3").address(MANAGEMENT).ip))
    hosts.power("node3", "cut")  # is off already
    assert run(hosts, "node4", "hostname") == "node4"
    hosts.power("node3", "on", wait=True)
    assert run(hosts, "node3", "cat /root/file; pgrep -c sleep", check=False).split() == ["disk", "0"]
    before = boot_id(hosts, "node3")
    hosts.power("node3", "reset", wait=True)
    assert boot_id(hosts, "node3") != before


def test_a_host_that_cannot_boot_says_why(hosts: Hosts) -> None:
    hosts.power("node5", "cut")
    work = hosts.place(hosts.host("node5")) / "work"
    work.rename(work.with_name("gone"))
    with pytest.raises(NaruError, match="node5 does not boot") as caught:
        hosts.power("node5", "on")
    assert "firmware: [Errno 2] mount overlay" in caught.value.detail
    assert power(hosts, "node5") == "off"
    work.with_name("gone").rename(work)
    hosts.power("node5", "on", wait=True)


def test_cables(hosts: Hosts) -> None:
    tenant = hosts.host("node5").address("tenant").ip
    hosts.link("node5", "tenant", False)
    until(lambda: run(hosts, "node5", "cat /sys/class/net/eth1/carrier") == "0", "no carrier")
    assert run(hosts, "node1", f"ping -c 1 -W 1 {tenant} >&2 || echo lost") == "lost"
    assert [row.links_down for row in hosts.rows()][4] == ["tenant"]
    hosts.power("node5", "reset", wait=True)  # a cable stays out
    assert run(hosts, "node5", "cat /sys/class/net/eth1/carrier") == "0"
    hosts.link("node5", "tenant", True)
    until(lambda: run(hosts, "node1", f"ping -c 1 -W 1 {tenant} >&2 && echo here", check=False) == "here", "it is back")
    with pytest.raises(InputError, match="node5 has no cable to a network 'storage'"):
        hosts.link("node5", "storage", False)


def controller(hosts: Hosts, name: str, auth: AuthBase | None = None, **options: float) -> System:
    """The system that the host's power controller shows, by sushy."""
    root = sushy.Sushy(
        f"https://{hosts.host(name).controller.ip}/redfish/v1",
        auth=auth or BasicAuth("admin", hosts.password.read_text()),
        verify=str(hosts.certificate),
        server_side_retries=0,
        **options,
    )
    (system,) = root.get_system_collection().get_members()
    return system


def shown(system: System) -> str:
    system.refresh(force=True)
    return str(system.power_state.value)


def test_a_power_controller(hosts: Hosts) -> None:
    system = controller(hosts, "node4")
    assert (system.name, shown(system)) == ("node4", "On")
    system.reset_system(sushy.RESET_TYPE_FORCE_OFF)
    assert (shown(system), power(hosts, "node4")) == ("Off", "off")
    system.reset_system(sushy.RESET_TYPE_ON)
    assert shown(system) == "On"
    hosts.wait(["node4"])
    before = boot_id(hosts, "node4")
    system.reset_system(sushy.RESET_TYPE_GRACEFUL_RESTART)
    reboots(hosts, "node4", before)
    system.reset_system(sushy.RESET_TYPE_GRACEFUL_SHUTDOWN)
    until(lambda: shown(system) == "Off", "it has shut down")
    system.reset_system(sushy.RESET_TYPE_FORCE_RESTART)
    hosts.wait(["node4"])
    system.set_system_boot_options(sushy.BOOT_SOURCE_TARGET_HDD)


def test_a_power_controller_lets_only_its_administrator_in(hosts: Hosts) -> None:
    with pytest.raises(sushy.exceptions.AccessError):
        controller(hosts, "node4", BasicAuth("admin", "wrong"))
    session = SessionAuth("admin", hosts.password.read_text())
    assert controller(hosts, "node4", session).name == "node4"
    assert session.get_session_key()
    session.close()
    url = f"https://{hosts.host('node4').controller.ip}"
    known = ("admin", hosts.password.read_text())

    def ask(verb: str, path: str, **more: object) -> requests.Response:
        return requests.request(verb, url + path, verify=str(hosts.certificate), timeout=PATIENCE, **more)  # type: ignore[arg-type]

    systems, sessions = "/redfish/v1/Systems", "/redfish/v1/SessionService/Sessions"
    assert ask("GET", "/redfish/v1/").status_code == 200
    assert [ask("GET", systems, auth=auth).status_code for auth in (None, ("admin", "x"), ("root", known[1]))] == [
        401
    ] * 3
    assert ask("GET", systems, auth=known).json()["Members@odata.count"] == 1
    wrong = ask("POST", sessions, json={"UserName": "admin", "Password": "x"})
    made = ask("POST", sessions, json={"UserName": "admin", "Password": known[1]})
    assert (wrong.status_code, made.status_code) == (401, 201)
    token = {"X-Auth-Token": made.headers["X-Auth-Token"]}
    assert ask("GET", systems, headers=token).status_code == 200
    other = f"https://{hosts.host('node3').controller.ip}"  # a session of one controller is none of another
    assert (
        requests.get(other + systems, verify=str(hosts.certificate), headers=token, timeout=PATIENCE).status_code == 401
    )
    assert ask("DELETE", made.headers["Location"], headers=token).status_code == 204
    assert ask("GET", systems, headers=token).status_code == 401
    path = ask("GET", systems, auth=known).json()["Members"][0]["@odata.id"] + "/Actions/ComputerSystem.Reset"
    assert ask("POST", path, auth=known, json={"ResetType": "Explode"}).status_code == 400
    assert ask("GET", systems + "/nothing", auth=known).status_code == 404


def ipmi(hosts: Hosts, name: str, *words: str) -> str:
    """What ipmitool says to the host's power controller, or the reason for which it failed."""
    address = str(hosts.host(name).controller.ip)
    # with the cipher suite given it need not ask for those that there are, which the simulator does not answer
    argv = ["ipmitool", "-I", "lanplus", "-C", "3", "-H", address, "-U", "admin", "-f", str(hosts.password)]
    argv += ["chassis", "power"]
    done = subprocess.run([*argv, *words], capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    return (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()[-1]


def test_a_power_controller_by_ipmi(hosts: Hosts) -> None:
    """Beside Redfish: they say the same, of the same host."""
    given = {"address": str(hosts.host("node4").controller.ip), "protocol": "ipmi", "user": "admin"}
    line = Power.model_validate({**given, "password": {"file": "x"}})
    (found,) = statuses(line, hosts.password.read_text(), None)
    assert found.on is True and same_uuid(found.uuid, controller(hosts, "node4").uuid)
    with pytest.raises(Denied):
        statuses(line, "wrong", None)
    before = boot_id(hosts, "node4")
    assert ipmi(hosts, "node4", "off").endswith("Down/Off")
    assert (ipmi(hosts, "node4", "status"), power(hosts, "node4")) == ("Chassis Power is off", "off")
    assert ipmi(hosts, "node4", "on").endswith("Up/On")
    assert ipmi(hosts, "node4", "status") == "Chassis Power is on"
    reboots(hosts, "node4", before)
    before = boot_id(hosts, "node4")
    assert ipmi(hosts, "node4", "reset").endswith("Reset")
    reboots(hosts, "node4", before)
    assert ipmi(hosts, "node4", "soft").endswith("Soft")
    until(lambda: ipmi(hosts, "node4", "status") == "Chassis Power is off", "it has shut down")
    hosts.power("node4", "on")
    until(lambda: ipmi(hosts, "node4", "status") == "Chassis Power is on", "its controller has seen it")
    assert ipmi(hosts, "node3", "status") == "Chassis Power is on"


@pytest.fixture
def faulty(hosts: Hosts) -> Iterator[Hosts]:
    yield hosts
    for kind in ("unreachable", "slow", "refuses", "says-off", "says-on"):
        for name in ("node1", "node2"):
            hosts.fault(name, kind, None)
    assert [row.faults for row in hosts.rows()] == [[]] * 5


def test_an_unreachable_power_controller(faulty: Hosts) -> None:
    faulty.fault("node1", "unreachable", 1)  # the first address on its bridge: no other goes with it
    faulty.fault("node1", "unreachable", 1)  # is on already
    with pytest.raises(sushy.exceptions.ConnectionError):
        controller(faulty, "node1", connect_timeout=1)
    assert controller(faulty, "node3").name == "node3"
    faulty.fault("node1", "unreachable", None)
    assert controller(faulty, "node1").name == "node1"


def test_a_slow_power_controller(faulty: Hosts) -> None:
    system = controller(faulty, "node2")
    faulty.fault("node2", "slow", 1.5)
    assert faulty.rows()[1].faults == ["slow=1.5"]
    began = time.monotonic()
    assert shown(system) == "On"
    assert time.monotonic() - began >= 1.5


def test_a_power_controller_that_refuses(faulty: Hosts) -> None:
    system = controller(faulty, "node2")
    faulty.fault("node2", "refuses", 1)
    with pytest.raises(sushy.exceptions.ServerSideError, match="busy"):
        system.reset_system(sushy.RESET_TYPE_FORCE_OFF)
    assert (shown(system), power(faulty, "node2")) == ("On", "on")


def test_a_power_controller_that_says_off_while_the_host_runs(faulty: Hosts) -> None:
    system, before = controller(faulty, "node2"), boot_id(faulty, "node2")
    faulty.fault("node2", "says-off", 1)
    system.reset_system(sushy.RESET_TYPE_FORCE_OFF)
    assert (shown(system), power(faulty, "node2"), boot_id(faulty, "node2")) == ("Off", "on", before)


def test_a_power_controller_that_says_on_for_ever(faulty: Hosts) -> None:
    system = controller(faulty, "node2")
    faulty.fault("node2", "says-on", 1)
    system.reset_system(sushy.RESET_TYPE_FORCE_OFF)
    assert (shown(system), power(faulty, "node2")) == ("On", "off")


def test_the_command_line(
    five: Lab, hosts: Hosts, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NARU_LABS", str(five.directory.parent))
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the test run's own handlers stay

    def naru(words: str, *more: str) -> int:
        verb, _, rest = words.partition(" ")
        return main(["lab", "host", verb, "--name", five.directory.name, *rest.split(), *more])

    for words in ("link node1 tenant down", "fault node1 slow --seconds 2", "power node5 off --wait"):
        assert naru(words) == 0
    assert naru("ssh node1", "--", "hostname; exit 7") == 7
    assert capfd.readouterr().out == "node1\n"
    for words in ("power node6 on", "fault node1", "fault node1 says-on --seconds 3", "link node1 x up"):
        assert naru(words) == 2
        said = capfd.readouterr().err
        assert said.startswith("naru: ") and "Traceback" not in said
    assert naru("power node1 cut --wait") == 2


def test_a_killed_holder_leaves_nothing_but_the_disks(five: Lab, hosts: Hosts) -> None:
    run(hosts, "node1", "echo kept > /root/holder; ip link add br-x type bridge; sync")
    holder = hosts.holder()
    assert holder
    os.kill(holder.pid, 9)
    until(lambda: left_of(hosts) == [], f"nothing is left: {left_of(hosts)}")
    with pytest.raises(NaruError, match="the lab's hosts are not up"):
        hosts.power("node1", "on")
    assert {row.power for row in hosts.rows()} == {"off"}
    five.start(ignore)
    assert run(hosts, "node1", "cat /root/holder") == "kept"
    five.stop()
    assert left_of(hosts) == []
    five.start(ignore)


def test_two_labs_cannot_have_the_same_network(hosts: Hosts, tmp_path: Path) -> None:
    other = Lab(tmp_path / "other")
    with pytest.raises(
        NaruError, match=r"10\.77\.0\.0/24 cannot be the lab's: the machine has a network 10\.77\.0\.0/24"
    ):
        other.up(spec.build_hosts("bare5"), ignore, ignore)
    other.down()


@pytest.mark.releases
def test_thirty_hosts(five: Lab, tmp_path: Path) -> None:
    five.stop()  # a kernel as it comes has inotify instances for 32 hosts
    file = tmp_path / "thirty.yaml"
    file.write_text((layout.LAYOUTS / "bare30.yaml").read_text().replace("10.77.", "10.78."))
    thirty = Lab(tmp_path / "thirty")
    come_up(thirty, spec.build_hosts(str(file)))
    hosts = thirty.hosts()
    try:
        hosts.all("cut", hosts.names())
        assert {row.power for row in hosts.rows()} == {"off"}
        began = time.monotonic()
        hosts.up(ignore)
        seconds = time.monotonic() - began
        memory = [row.memory or 0 for row in hosts.rows()]
        print(f"30 hosts on in {seconds:.1f} s, {sum(memory) / len(memory) / (1 << 20):.1f} MiB each")
        assert len({boot_id(hosts, name) for name in hosts.names()}) == 30
        assert 0 < max(memory) < 15 << 20
    finally:
        thirty.down()
    assert left_of(hosts) == []


def test_power_controllers_have_the_same_faults_by_ipmi(faulty: Hosts) -> None:
    faulty.fault("node2", "refuses", 1)
    assert "failed" in ipmi(faulty, "node2", "off") and power(faulty, "node2") == "on"
    faulty.fault("node2", "refuses", None)
    faulty.fault("node2", "says-off", 1)
    assert ipmi(faulty, "node2", "off").endswith("Down/Off")
    assert (ipmi(faulty, "node2", "status"), power(faulty, "node2")) == ("Chassis Power is off", "on")
    faulty.fault("node2", "says-off", None)
    faulty.fault("node2", "slow", 1.5)
    began = time.monotonic()
    assert ipmi(faulty, "node2", "status") == "Chassis Power is on" and time.monotonic() - began >= 1.5
    faulty.fault("node2", "slow", None)
    faulty.fault("node2", "says-on", 1)
    assert ipmi(faulty, "node2", "off").endswith("Down/Off")
    assert (ipmi(faulty, "node2", "status"), power(faulty, "node2")) == ("Chassis Power is on", "off")
    faulty.fault("node2", "unreachable", 1)
    assert "Unable to establish" in ipmi(faulty, "node2", "status")

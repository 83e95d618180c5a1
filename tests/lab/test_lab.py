"""The lab as a whole: its status, stop and start, what it leaves behind, and what it says when something is wrong."""

import os
import random
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.errors import InputError, NaruError
from naru.lab import deps, spec, status
from naru.lab.lab import Lab
from naru.releases import release

from .scenario import Rest, connect, ignore, processes_of

NARU = (sys.executable, "-m", "naru.cli.main")
NEWEST = release.names()[-1]


def naru(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*NARU, *arguments], capture_output=True, text=True, env={**os.environ, **environment}, timeout=600
    )


@pytest.mark.lab
def test_everything_is_healthy_and_fits(pair: Lab) -> None:
    rows = status.rows(pair)
    assert [row.service for row in rows if not row.healthy] == []
    assert {row.cloud for row in rows} == {"old", "new"}
    assert all(row.pid and row.memory for row in rows)
    assert sum(row.memory for row in rows) < 6 << 30


@pytest.mark.lab
def test_everything_listens_on_loopback_only(pair: Lab) -> None:
    pids = {pid for found in processes_of(pair).values() for pid in found}
    listening = subprocess.run(["ss", "-Hltnp"], check=True, capture_output=True, text=True).stdout.splitlines()
    ours = [line for line in listening if any(f"pid={pid}," in line for pid in pids)]
    assert len(ours) > 30
    assert [line for line in ours if not line.split()[3].startswith(("127.", "[::1]"))] == []


@pytest.mark.lab
def test_secrets_are_readable_by_the_owner_alone(pair: Lab) -> None:
    assert stat.S_IMODE(pair.directory.stat().st_mode) == 0o700
    for file in (pair.clouds_yaml, pair.directory / "lab.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secret = pair.spec().secret
    for cloud in pair.clouds():
        for found in cloud.processes.tree().values():
            for process in found:
                assert secret not in Path(f"/proc/{process.pid}/cmdline").read_text()


@pytest.mark.lab
def test_state_survives_stop_and_start(pair: Lab) -> None:
    made = {}
    for name in ("old", "new"):
        rest = Rest(connect(pair, f"{name}-user"))
        made[name] = rest.volume(name="keep", size=1, volume_type="ceph")
    pair.stop()
    assert processes_of(pair) == {"old": [], "new": []}
    assert not any(row.healthy for row in status.rows(pair))
    pair.start(ignore)
    assert all(row.healthy for row in status.rows(pair))
    for name, volume in made.items():
        rest = Rest(connect(pair, f"{name}-user"))
        assert rest("volumev3", "GET", f"/volumes/{volume}")["volume"]["status"] == "available"
        rest("volumev3", "DELETE", f"/volumes/{volume}")
        rest.gone("volumev3", f"/volumes/{volume}")


@pytest.mark.lab
def test_a_killed_service_is_seen_and_started_again(pair: Lab) -> None:
    cloud = pair.cloud("old")
    victim = cloud.processes.find("glance-api")
    assert victim
    os.kill(victim.pid, signal.SIGKILL)
    while victim.alive():
        time.sleep(0.02)
    assert [row.service for row in status.rows(pair) if not row.healthy] == ["glance-api"]
    others = {name: found[0].pid for name, found in cloud.processes.tree().items() if name != "glance-api"}
    pair.start(ignore)
    assert all(row.healthy for row in status.rows(pair))
    again = {name: found[0].pid for name, found in cloud.processes.tree().items() if name != "glance-api"}
    assert again == others


@pytest.mark.lab
def test_commands_on_the_pair(pair: Lab) -> None:
    where = {"NARU_LABS": str(pair.directory.parent)}
    name = ("--name", pair.directory.name)
    shown = naru("lab", "status", *name, "-f", "csv", "--quote", "none", **where)
    assert shown.returncode == 0, shown.stderr
    assert "old,pike,keystone-api" in shown.stdout
    assert naru("lab", "logs", *name, "old/nova-api", "-n", "3", **where).stdout.count("\n") == 3
    wrong = naru("lab", "logs", *name, "old/nonsense", **where)
    assert wrong.returncode == 2 and "it has: " in wrong.stderr.lower()
    printed = naru("lab", "shell", *name, "new-user", "--print", **where).stdout
    assert f"export OS_CLIENT_CONFIG_FILE={pair.clouds_yaml}" in printed
    shell = {**where, "SHELL": "/bin/sh"}
    spoken = subprocess.run(
        [*NARU, "lab", "shell", *name, "old"],
        input="openstack project list -f value -c Name",
        capture_output=True,
        text=True,
        env={**os.environ, **shell},
    )
    assert "service" in spoken.stdout.split(), spoken.stderr
    other = naru("lab", "up", *name, "--cloud", "old=queens", **where)
    assert other.returncode == 2 and "made of something else" in other.stderr


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[Path]:
    """A place for labs that fail; whatever happened, nothing of them is left."""
    yield tmp_path
    for directory in tmp_path.iterdir():
        if (directory / "lab.json").exists():
            lab = Lab(directory)
            clouds = lab.clouds()
            lab.down()
            assert not any(cloud.processes.tree() for cloud in clouds)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cloud", "old=essex"], "unknown OpenStack release 'essex'"),
        (["--cloud", "pike"], "give NAME=RELEASE"),
        (["--cloud", "a=pike", "--cloud", "a=pike"], "given twice"),
        (["--services", "core,heat"], "'heat'"),
        (["--computes", "-1"], "--computes -1"),
        (["--port-base", "80"], "--port-base 80"),
        (["--name", "../x"], "--name"),
    ],
)
def test_bad_options_get_one_clear_message(arguments: list[str], message: str, labs: Path) -> None:
    done = naru("lab", "up", *arguments, NARU_LABS=str(labs))
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(labs.iterdir()) == []


@pytest.mark.unit
@pytest.mark.parametrize("command", ["start", "stop", "status", "shell old", "logs old/nova-api"])
def test_without_a_lab_the_way_to_one_is_told(command: str, labs: Path) -> None:
    done = naru("lab", *command.split(), NARU_LABS=str(labs))
    assert done.returncode == 2
    assert "Make one with: naru lab up" in done.stderr
    assert list(labs.iterdir()) == []


@pytest.mark.unit
def test_missing_packages_are_named_with_the_command_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deps, "PATH", "/nonexistent")
    with pytest.raises(NaruError) as caught:
        deps.check(set())
    assert "mariadb-server" in caught.value.summary
    assert "naru lab deps --install" in caught.value.hint


@pytest.mark.unit
def test_a_damaged_specification_is_named_and_can_be_removed(labs: Path) -> None:
    lab = Lab(labs / "damaged")
    lab.directory.mkdir()
    (lab.directory / "lab.json").write_text('{"id": 5')
    with pytest.raises(InputError, match=r"lab\.json"):
        lab.spec()
    lab.down()
    assert not lab.directory.exists()


@pytest.mark.lab
def test_a_taken_port_is_named_and_nothing_is_left(labs: Path) -> None:
    base = 20600
    with socket.create_server(("127.0.0.1", base + 2)):
        lab = Lab(labs / "taken")
        with pytest.raises(NaruError, match=rf"ports in use on 127\.0\.0\.1: nova {base + 2}"):
            lab.up(spec.build(["old=pike"], ["core"], 1, base), ignore, ignore)
    assert processes_of(lab) == {"old": []}


@pytest.mark.lab
def test_a_full_disk_is_told(labs: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(labs)], check=True)
    try:
        lab = Lab(labs / "full")
        with pytest.raises(NaruError, match="MiB free, a lab needs"):
            lab.up(spec.build(["old=pike"], ["core"], 1, 20600), ignore, ignore)
    finally:
        subprocess.run(["umount", str(labs)], check=True)


@pytest.mark.lab
def test_killed_at_any_instant_it_comes_up_or_goes_down(labs: Path) -> None:
    where = {"NARU_LABS": str(labs)}
    up = ["lab", "up", "--name", "killed", "--cloud", f"new={NEWEST}", "--port-base", "20600"]
    instants = random.Random(7)
    for _ in range(3):
        starter = subprocess.Popen(
            [*NARU, *up], env={**os.environ, **where}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(instants.uniform(0.5, 25))
        starter.kill()
        starter.wait()
    done = naru(*up, **where)
    assert done.returncode == 0, done.stderr
    lab = Lab(labs / "killed")
    assert all(row.healthy for row in status.rows(lab))
    starter = subprocess.Popen([*NARU, "lab", "down", "--name", "killed"], env={**os.environ, **where})
    time.sleep(1)
    starter.kill()
    starter.wait()
    assert naru("lab", "down", "--name", "killed", **where).returncode == 0
    assert not lab.directory.exists()


@pytest.mark.lab
def test_an_interrupt_leaves_nothing_running(labs: Path) -> None:
    up = [*NARU, "lab", "up", "--name", "stopped", "--cloud", f"new={NEWEST}", "--port-base", "20600"]
    starter = subprocess.Popen(
        up,
        env={**os.environ, "NARU_LABS": str(labs)},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )
    time.sleep(12)
    starter.send_signal(signal.SIGINT)
    _, said = starter.communicate(timeout=300)
    assert starter.returncode == 130, said
    assert "Traceback" not in said
    assert processes_of(Lab(labs / "stopped")) == {"new": []}

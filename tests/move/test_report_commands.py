"""The commands in a report, as a real shell takes them apart."""

import dataclasses
import json
import os
import subprocess
from pathlib import Path

import pytest

from naru.errors import NaruError
from naru.move.outcome import Downtime, Task
from naru.move.pages import tasks
from tests.move import outcomes
from tests.move.outcomes import NASTY, SHOP, uuid

pytestmark = pytest.mark.unit


def _argv(block: str) -> list[list[str]]:
    """The arguments of each call of `openstack` in a block, as a real shell makes them. Other programs do nothing."""
    functions = "openstack() { printf '%s\\0' \"$@\" >&3; printf '\\1\\0' >&3; }; shred() { :; }; openssl() { :; }; "
    functions += "python3() { echo KEY; }; exec 3>&1 >/dev/null; "
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(["bash", "-c", functions + block], capture_output=True, check=True, env=environment)
    assert done.stderr == b""
    calls = done.stdout.decode().split("\x01\0")
    return [call.split("\0")[:-1] for call in calls[:-1]]


def _commands(*given_tasks: Task) -> list[list[str]]:
    outcome = dataclasses.replace(outcomes.company(), tasks=given_tasks)
    blocks = tasks.blocks(outcome, given_tasks)
    return [call for block in blocks if block.type == "code" for call in _argv(block.text)]  # type: ignore[union-attr]


def test_command_of_an_application_credential() -> None:
    robot, expired = (task for task in outcomes.company().tasks if task.kind == "application credential")
    [call] = _commands(robot, expired)
    rules = call.pop(call.index("--access-rules") + 1)
    assert json.loads(rules) == [{"service": "compute", "method": "GET", "path": "/v2.1/servers"}]
    assert call == [
        *("--os-cloud", "new", "application", "credential", "create"),
        *("--role", "member", "--role", "load-balancer_member", "--expiration", "2027-01-31T12:00:00"),
        *("--description", "it's the robot", "--unrestricted", "--access-rules", "deploy robot"),
    ]


def test_commands_of_secrets() -> None:
    text, blob = (task for task in outcomes.company().tasks if task.kind == "secret")
    get, store = _commands(text)
    file = f"secret-{uuid(34)}"
    assert get[2:] == ["secret", "get", "--payload_content_type", "text/plain", "--file", file, uuid(34)]
    assert store[:8] == ["--os-cloud", "new", "secret", "store", "--name", "db password", "--file", file]
    assert store[8:] == ["--payload-content-type", "text/plain", "--secret-type", "passphrase"]
    get, store = _commands(blob)
    assert "application/octet-stream" in get and "--payload-content-type" not in store and "--name" not in store
    assert store[-6:] == ["--algorithm", "aes", "--bit-length", "256", "--mode", "cbc"]


def test_secret_stays_on_disk_when_it_could_not_be_stored(tmp_path: Path) -> None:
    task = Task(SHOP, "secret", "x", uuid(1))
    [block] = [b for b in tasks.blocks(outcomes.company(), [task]) if b.type == "code"]
    functions = "openstack() { touch kept; [ $4 = get ]; }; shred() { rm kept; }; "
    done = subprocess.run(["bash", "-c", functions + block.text], cwd=tmp_path, check=False)  # type: ignore[union-attr]
    assert done.returncode != 0 and (tmp_path / "kept").exists()


@pytest.mark.parametrize("name", [name for name in NASTY if "\0" not in name and "\ud800" not in name])
def test_names_reach_the_program_as_they_are(name: str) -> None:
    named = _commands(
        Task(SHOP, "application credential", name, uuid(1), {"roles": [name], "description": name}),
        Task(SHOP, "trust", "", uuid(1), {"trustor": name, "trustee": "robot", "roles": [name]}),
        Task(SHOP, "certificate", name, uuid(1), {"listener": name}),
    )
    assert len(named) == 4
    for call in named[:1]:
        assert call[-1] == name
    options = [value for call in named for word in call for value in (word, word.partition("=")[2])]
    assert options.count(name) >= (5 if name else 2)


def test_time_that_is_none_is_an_error() -> None:
    with pytest.raises(NaruError, match=r"task secret 'x': expires_at 'soon' is not a time"):
        _commands(Task(SHOP, "secret", "x", uuid(1), {"expires_at": "soon"}))
    with pytest.raises(NaruError, match="cannot be compared"):
        _ = Downtime("s", "web", 1, "2026-01-01T00:00:00", "2026-01-01T00:00:00Z").measured_s

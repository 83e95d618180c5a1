"""The collection as an operator has it: built, put where Ansible looks, its modules run by Ansible itself."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
PROGRAMS = Path(sys.executable).parent


class Playbook:
    """Plays of one host, this one, in a directory of their own."""

    def __init__(self, directory: Path, **env: str) -> None:
        self.directory = directory
        collections = directory / "ansible_collections" / "naru"
        collections.mkdir(parents=True)
        shutil.copytree(ROOT / "ansible", collections / "openstack")
        self.collection = collections / "openstack"
        (directory / "hosts").write_text(
            f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}\n"
        )
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            **{"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "ANSIBLE_COLLECTIONS_PATH": str(directory)},
            **{"XDG_STATE_HOME": str(directory / "state"), "ANSIBLE_STDOUT_CALLBACK": "answers"},
            **{"ANSIBLE_LOCAL_TEMP": str(directory / "tmp"), "ANSIBLE_REMOTE_TEMP": str(directory / "tmp")},
            **{
                "LC_ALL": "C.UTF-8",
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "plugins"),
            },
            **env,
        }

    def program(self, *words: str | Path, code: int | None = 0, seconds: float = 300) -> str:
        """What one of Ansible's programs says."""
        found = subprocess.run(
            [PROGRAMS / words[0], *words[1:]],
            cwd=self.directory,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        assert code is None or found.returncode == code, f"{words}: {found.returncode}\n{found.stdout}\n{found.stderr}"
        return found.stdout

    def run(self, tasks: list[dict[str, Any]], *options: str, code: int = 0) -> list[dict[str, Any]]:
        """Runs the tasks, and returns what each has answered."""
        play = [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]
        (self.directory / "play.json").write_text(json.dumps(play))
        out = self.program("ansible-playbook", "-i", "hosts", "play.json", *options, code=code)
        return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def task(module: str, *, ignore: bool = False, register: str = "", **options: Any) -> dict[str, Any]:
    """A task with one of the collection's modules."""
    made: dict[str, Any] = {f"naru.openstack.{module}": options, "ignore_errors": ignore}
    return made | ({"register": register} if register else {})

"""Playbooks run by ansible-runner: how far a run is, and what failed in it."""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from naru.errors import InputError, NaruError
from naru.plan.context import Context
from naru.plan.program import run_program


class Failed(NaruError):
    """A playbook has ended, and not well."""


def runner() -> str:
    """The program ansible-runner: beside naru, or on the path."""
    beside = Path(sys.executable).parent / "ansible-runner"
    found = str(beside) if beside.exists() else shutil.which("ansible-runner")
    if found is None:
        raise InputError("ansible-runner is not installed", hint="pip install 'naru-openstack[ansible]'")
    return found


def argv(playbook: str, project: Path, inventory: Path, given: Sequence[str], directory: Path, ident: str) -> list[str]:
    """The program that runs a playbook of a project with these options; what it keeps of the run is in `directory`.
    Raises InputError where there is no ansible-runner."""
    line = " ".join(quoted(word) for word in given)
    return [
        *(runner(), "run", str(directory), "--project-dir", str(project), "-p", playbook),
        # what is in the environment, such as passwords, is not written down
        *("--inventory", str(inventory), "--ident", ident, "--omit-env-files", "--cmdline", line),
    ]


def play(
    context: Context,
    name: str,
    words: Sequence[str],
    environment: Mapping[str, str],
    directory: Path,
    ident: str,
    look: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Runs the program with these words (`argv`), which people know as `name`; how long it took, and where all of it is
    kept. `look` is called meanwhile. Raises Failed with what failed."""
    progress = Progress(directory, ident)
    context.log(" ".join(words))

    def check() -> None:
        context.check()
        look()
        context.progress(progress.look(), None, "count")

    began, kept = time.monotonic(), directory / "artifacts" / ident
    ended = run_program(words, check=check, env=environment)
    if ended.code != 0:
        said = progress.failures() or ended.output.splitlines()[-20:]
        raise Failed(
            f"{name} ended with {ended.code}",
            detail="\n".join(said),
            hint=f"All of it: {kept / 'stdout'}. Cure it and give the command again.",
        )
    return {"seconds": round(time.monotonic() - began, 1), "kept": str(kept)}


class Progress:
    """How far a run is, by the events that ansible-runner writes while it goes."""

    def __init__(self, directory: Path, ident: str) -> None:
        self._events = directory / "artifacts" / ident / "job_events"
        self._known = 0

    def look(self) -> int:
        """How many events there are by now."""
        if self._events.is_dir():
            self._known = sum(1 for one in os.scandir(self._events) if one.name.endswith(".json"))
        return self._known

    def failures(self) -> list[str]:
        """What failed: host, task and what its module said."""
        said = []
        files = self._events.glob("*.json") if self._events.is_dir() else ()
        for file in sorted(files, key=lambda one: int(one.name.partition("-")[0])):
            event = json.loads(file.read_text())
            data = event.get("event_data") or {}
            if event.get("event") in ("runner_on_failed", "runner_on_unreachable") and not data.get("ignore_errors"):
                found = data.get("res") or {}
                text = found.get("msg") or found.get("stderr") or found.get("censored") or event["event"]
                said.append(f"{data.get('host')}: {data.get('task')}: {str(text).strip()[:400]}")
        return said


def quoted(word: str) -> str:
    """A word as ansible-runner's --cmdline takes it: blanks are kept by quotes."""
    return f"'{word}'" if any(sign.isspace() for sign in word) else word

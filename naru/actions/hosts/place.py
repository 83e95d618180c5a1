"""What a step keeps on its host, and the scripts that it runs there.

A script may be sent again, whatever became of the one before: each looks first. So a host that does not answer for a
while, or whose connection ends in the middle, is asked again, and a step fails for that only when it goes on too long.
"""

import hashlib
import itertools
import os
import re
import shlex
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import Field

from naru.plan.arguments import Arguments
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.site import site as sites
from naru.site.secret import Secret
from naru.site.ssh import Fleet, Lost, Ran, Refused, Remote, Unreachable

T = TypeVar("T")
PACKAGE = "naru.actions.hosts"
ROOT = "/var/lib/naru"
"""Where all plans keep what they have to know on a host: a directory for each plan, in it one for each step."""
PATIENCE = 600.0
"""Seconds that a host may not answer; a large one takes some minutes to boot."""
PAUSE = (0.5, 5.0)
"""Seconds between two tries to reach a host that does not answer: at first, and at most."""
# exit codes of the scripts' own, see scripts/
STALE, NOT_ROOT, DAMAGED, GOES_DOWN = 75, 77, 65, 76

_sent = itertools.count(1)
_fleets: dict[tuple[int, str, bool, int], Fleet] = {}
_lock = threading.Lock()


class Damaged(PlanError):
    """What was sent to a host is not what has arrived there."""


class HostAction(Arguments):
    """What a step does on a host: on `host` of the file `site`, with `next` as that will be. For `patience` seconds the
    host may not answer, as when it boots. The host's name is a limit group that bounds the steps on it."""

    step_kind: ClassVar[str]

    host: str
    site: str = sites.FILE
    next: bool = False
    patience: float = Field(PATIENCE, ge=0)

    @property
    def limit_group(self) -> str:
        """The limit group that the step counts against."""
        return self.host

    def arguments(self) -> dict[str, Any]:
        """The step's arguments, as JSON."""
        return self.model_dump(exclude_unset=True)


RUN = 1_000_000_000
"""How many scripts a run of a plan may send: what a newer run sends has a higher number."""
AFTER = 500_000_000
"""What a plan that sees to the place of another one is later by than that one's newest executor, and earlier than its
next."""


class Place:
    """The place of `step` on the host that its arguments name: a directory of its own, which its undo has as well.

    A step of another plan has it with that plan's id as `plan`, and the number of its newest `run`."""

    def __init__(self, context: Context, args: Mapping[str, Any], step: str, *, plan: str = "", run: int = 0) -> None:
        if not context.run:
            raise PlanError(
                f"step {context.id}: steps on hosts run in the executor", hint="Give it no queue: hosts are its own."
            )
        self.context = context
        self.host: str = args["host"]
        self.key = _key(step)
        self.path = f"{plan_directory(plan or context.plan)}/{self.key}"
        self.unit = f"naru-{plan or context.plan}-{self.key}"
        self._fence = run * RUN + AFTER if plan else context.run * RUN
        self._patience = float(args.get("patience", PATIENCE))
        self._fleet = _fleet(args.get("site", sites.FILE), args.get("next", False))
        if self.host not in self._fleet.site.hosts:
            self._fleet.site.named([self.host])  # says what there is, when there is none
            raise PlanError(f"{self._fleet.site.file}: {self.host} is a group", hint="A step is on one host.")

    @property
    def site(self) -> sites.Site:
        """The site that the host is of."""
        return self._fleet.site

    @property
    def fleet(self) -> Fleet:
        """The connections to the site's hosts."""
        return self._fleet

    def secret(self, secret: Secret, what: str) -> str:
        """A secret of the site, blotted out of what the step records. `what` begins the message when it cannot be
        had."""
        found = self._fleet.call(self._fleet.secrets.read(secret, what), self.context.check)
        self.context.hide(found)
        return found

    def ask(self, work: "Callable[[Remote], Coroutine[Any, Any, T]]", host: str = "") -> T:
        """What a coroutine over the host gives, or over another one of the site. Raises what it raises."""
        return self._fleet.call(work(self._fleet.remote(host or self.host)), self.context.check)

    def look(self, script: str, *words: str) -> str:
        """The output of a script that only looks."""
        return self._checked(lambda: self._line(("common", script), words), b"")

    def change(
        self,
        script: str,
        *words: str,
        given: bytes = b"",
        functions: str = "",
        last: bool = False,
        package: str = PACKAGE,
    ) -> str:
        """The output of a script of a package that changes something for the step; `given` is its standard input,
        `functions` are those of the shell that it needs besides. With `last` it is sent although the step is to stop,
        and a host that does not answer is not waited for."""
        text = script_text(script, package)

        def line() -> str:
            return self._line(("common", "begin"), (self.path, str(self._fence + next(_sent)), *words), functions, text)

        return self._checked(line, given, last)

    def _line(self, scripts: tuple[str, ...], words: tuple[str, ...], functions: str = "", text: str = "") -> str:
        return shlex.join(["sh", "-c", functions + "".join(map(script_text, scripts)) + text, "naru", *words])

    def _checked(self, line: Any, given: bytes, last: bool = False) -> str:
        done = self._run(line, given, last)
        if done.code == STALE:
            raise PlanError(f"{self.host}: a newer executor works on step {self.context.id}")
        if done.code == DAMAGED:
            raise Damaged(f"{self.host}: what was sent has arrived damaged")
        if done.code == NOT_ROOT:
            raise PlanError(
                f"{self.host}: steps on hosts need root", hint="Set login.user: root, or login.sudo: true, in the site."
            )
        if done.code:
            first, _, rest = done.errors.strip().partition("\n")
            raise PlanError(f"{self.host}: {first or f'a script of Naru exited with {done.code}'}", detail=rest[-2000:])
        return done.out

    def _run(self, line: Any, given: bytes, last: bool = False) -> Ran:
        remote = self._fleet.remote(self.host)
        check = None if last else self.context.check
        silent: float | None = None
        pause = PAUSE[0]
        while True:
            if check:
                check()
            try:
                done = self._fleet.call(remote.run(line(), given=given), check)
                if done.code != GOES_DOWN:
                    return done
                raise Unreachable(f"{self.host}: it is going down")
            except Refused:
                raise
            except (Unreachable, Lost) as error:
                now = time.monotonic()
                silent = silent or now
                if last or now - silent > self._patience:
                    raise PlanError(
                        error.summary,
                        detail=error.detail,
                        hint="What was begun there is found again: when the host answers, naru plan retry.",
                    ) from error
            self.context.sleep(pause)
            pause = min(PAUSE[1], pause * 1.5)


def plan_directory(plan: str) -> str:
    """What a plan keeps on a host."""
    return f"{ROOT}/{plan}"


@cache
def script_text(name: str, package: str = PACKAGE) -> str:
    """The text of a script that a package has."""
    return (files(package) / "scripts" / f"{name}.sh").read_text()


def _key(step: str) -> str:
    """A name for a step's directory and unit: readable, and no other step's."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", step).strip("-")[:40]
    return f"{words}-{hashlib.sha256(step.encode()).hexdigest()[:12]}"


def _fleet(file: str, next_part: bool) -> Fleet:
    """The hosts of a site, connected to once for the whole process; anew when the file has changed."""
    path = Path(file).expanduser().absolute()
    changed = path.stat().st_mtime_ns if path.exists() else 0
    key = (os.getpid(), str(path), next_part, changed)
    with _lock:
        if key not in _fleets:
            _fleets[key] = Fleet(sites.load(path, next_part=next_part))
        return _fleets[key]

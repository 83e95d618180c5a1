"""Commands on a host that go on when whoever began them is gone.

Each runs as a transient unit of systemd, or, where there is no systemd, as a process in a session of its own. What is
known of it stands on the host, in the place of its step: that it began and in which boot, what it says, how it ended.
It is begun once: a second executor finds it there, running or ended, and a host that was started again meanwhile is
known by its boot.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from naru.actions.hosts.place import Place, script_text
from naru.plan.errors import DeadlineExceeded, PlanError
from naru.plan.program import OUTPUT
from naru.text import utc

POLL = (0.1, 2.0)
"""Seconds between two looks at a command that runs: at first, and at most."""
STARTS = 3
"""How often one is started that leaves no trace of having begun."""
REPEATS = 3
"""How often one that may be repeated is begun again in one attempt of its step."""


@dataclass(frozen=True)
class Look:
    """What is known of a command. `code` is its exit code, `told` the attempt of the step that told its failure."""

    state: Literal["none", "running", "ended", "cut"]
    rebooted: bool
    started: float
    ended: float
    code: int
    told: int
    output: str


class Detached:
    """A command at a step's place; `name` tells it from others there. `env` goes to it and stands nowhere for long.
    `said` is how it is told, where that is not the whole command: its first word is what it is called."""

    def __init__(
        self, place: Place, name: str, argv: Sequence[str], env: Mapping[str, str], cwd: str = "", said: str = ""
    ) -> None:
        self.place = place
        self.program = said.partition(" ")[0] or "".join(argv[:1])
        self._said = said or shlex.join(argv)
        self._at = (name, f"{place.unit}-{name}")
        self._command = f"cd {shlex.quote(cwd or '/')} && exec {shlex.join(argv)}"
        exports = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in env.items())
        self._env = f"{exports}# whole\n".encode()

    def look(self) -> Look:
        """How it is now."""
        head, _, output = self.place.look("look", self.place.path, *self._at, str(OUTPUT)).partition("\n\n")
        said = dict(line.split("=", 1) for line in head.splitlines())
        return Look(
            said["state"],  # type: ignore[arg-type]
            said.get("boot") != said.get("now"),
            float(said.get("started", 0)),
            float(said.get("ended", 0)),
            int(said.get("code", -1)),
            int(said.get("told", 0)),
            output.strip(),
        )

    def finish(
        self, *, repeat: bool, there: Callable[[], bool] | None = None, begins: Callable[[], None] | None = None
    ) -> Look | None:
        """Begins it unless it was begun, and waits for its end; None when `there` says, of one that was cut off, that
        its effect is there. `begins` is called each time before it is begun. Raises PlanError for one that failed, and
        for one that was cut off and may not be repeated: once, so that the next attempt, which somebody wanted, begins
        it anew."""
        context = self.place.context
        starts = repeats = 0
        pause = POLL[0]
        while True:
            now = self.look()
            if now.state == "none":
                if starts == STARTS:
                    raise PlanError(
                        f"{self.place.host}: {self.program} does not start",
                        hint=f"See there: journalctl -u {self._at[1]}",
                    )
                if begins:
                    begins()
                starts += 1
                context.log(f"{self.place.host}: {self._said}")
                words = ("start", *self._at, self._command, script_text("run"))
                self.place.change("detached", *words, given=self._env)
            elif now.state == "running":
                context.sleep(pause)
                pause = min(POLL[1], pause * 1.3)
            elif now.state == "ended" and now.code == 0:
                return now
            elif now.told and context.failed(now.told):
                self.clear()
            elif now.state == "cut" and there is not None and there():
                return None
            elif now.state == "cut" and repeat and repeats < REPEATS:
                repeats += 1
                context.log(f"{self.place.host}: {self.program} was cut off, and is repeated")
                self.clear()
            else:
                raise self._failure(now)

    def _failure(self, now: Look) -> PlanError:
        """Tells how it ended, as this attempt."""
        self.tell()
        host, program = self.place.host, self.program
        if now.state == "ended":
            hint = "naru plan retry runs it again."
            return PlanError(f"{host}: {program} exited with {now.code}", detail=now.output, hint=hint)
        why = "the host was started again" if now.rebooted else "it was killed"
        return PlanError(
            f"{host}: {program} was cut off: {why} while it ran",
            detail=f"It began at {utc(now.started)} UTC; its end is not known. It last said:\n{now.output or '-'}",
            hint="Look there what it has done. naru plan retry runs it again, naru plan skip takes it as done; with "
            "repeat: true in its arguments it is repeated in such a case.",
        )

    def tell(self, last: bool = False) -> None:
        """Leaves on the host that this attempt tells how it ended."""
        self.place.change("detached", "tell", *self._at, str(self.place.context.attempt), last=last)

    def stop(self, last: bool = False) -> None:
        """Ends it and all that it started, if it runs."""
        self.place.change("detached", "stop", *self._at, last=last)

    def clear(self) -> None:
        """Ends it, and leaves nothing of it."""
        self.place.change("detached", "clear", *self._at)

    def overdue(self, error: DeadlineExceeded) -> PlanError:
        """The error of one whose deadline has passed, and which is ended for that."""
        begun = self.program
        try:
            self.stop(last=True)
            self.tell(last=True)
        except PlanError as reason:
            return PlanError(
                f"{self.place.host}: {begun} has not ended: {error}",
                detail=f"It could not be ended: {reason.summary}",
                hint="It may go on there; naru plan retry finds it again.",
            )
        hint = "naru plan retry runs it again."
        return PlanError(f"{self.place.host}: {begun} was ended: {error}", hint=hint)

"""Containers on hosts: started, stopped, restarted, and brought back to what they were."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from naru.actions.hosts.place import HostAction, Place
from naru.actions.hosts.unit import POLL, STEADY
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.kinds import step

SECONDS = 300.0
# podman and docker have it that a container is one of these when nothing of it runs
AT_REST = ("created", "configured", "exited", "stopped", "dead", "initialized")

Look = Mapping[str, str]


class Container(HostAction):
    """See `container`."""

    step_kind: ClassVar[str] = "host.container"

    container: str = Field(min_length=1, pattern=r"^[^-]")
    do: Literal["start", "stop", "restart"]
    engine: Literal["podman", "docker"] | None = None


@step("host.container", args=Container, undo="host.container.undo", deadline=2 * SECONDS + 600, retry=())
def container(context: Context) -> dict[str, Any]:
    """Brings the container `container` on `host` to where `do` says: start, stop, restart. `engine` is podman or
    docker; without it the one that has the container.

    What it was before is remembered on the host, and the undo brings it back to that. One that was started after the
    step began, also by a boot, is not restarted again.
    """
    found = ContainerAt(context, context.args, context.id)
    before, now = found.record()
    match context.args["do"]:
        case "stop":
            found.stop(now)
        case "start":
            found.start(now, None)
        case "restart":
            found.start(now, before)
    return {"before": before["status"], "engine": before["engine"]}


@step("host.container.undo", args=Undo, no_undo="it is an undo itself", deadline=2 * SECONDS + 600, retry=(), here=True)
def undo(context: Context) -> dict[str, Any]:
    """Brings the container of a `host.container` back to what it was before."""
    found = ContainerAt(context, context.undone.args, context.undone.step)
    before, now = found.record()  # of a step that came to nothing, what it is
    if before["status"] in AT_REST:
        found.stop(now)
    else:
        found.start(now, None)
    found.change("clear")
    return {"back": before["status"]}


class ContainerAt:
    """The container that a step's arguments name."""

    def __init__(self, context: Context, args: Mapping[str, Any], step: str) -> None:
        self._context = context
        self._place = Place(context, args, step)
        self._words = (args.get("engine") or "", args["container"])

    def change(self, verb: str, *words: str) -> str:
        """The output of the script."""
        return self._place.change("container", verb, *self._words, *words)

    def record(self) -> tuple[Look, Look]:
        """What it was when this was first asked for, and what it is."""
        before, _, now = self.change("record").partition("\n\n")
        return tuple(dict(line.split("=", 1) for line in one.splitlines()) for one in (before, now))  # type: ignore[return-value]

    def start(self, now: Look, before: Look | None) -> None:
        """Brings it to run; with `before` it has started since then. Raises PlanError with its last words when it does
        not, or ends again."""
        anew = before is not None and _start_of(now) == _start_of(before)
        if now["status"] in AT_REST or anew:
            told = now["boot"]
            self._tell("restart" if before is not None else "start", now)
            now = self.record()[1]
            if now["boot"] != told:
                return self.start(now, before)  # the host went down with it
        elif before is None:
            return
        steady = now
        self._context.sleep(STEADY)
        now = self.record()[1]
        if now["boot"] != steady["boot"]:
            return self.start(now, before)
        if now["status"] in AT_REST or _start_of(now) != _start_of(steady):
            raise PlanError(
                f"{self._place.host}: the container {self._words[1]} starts and ends again: it is {now['status']}"
                f" ({now['code']})",
                detail=self.change("logs")[-2000:],
                hint="Mend it there, then: naru plan retry.",
            )

    def stop(self, now: Look) -> None:
        """Brings it to rest. Raises PlanError."""
        if now["status"] not in AT_REST:
            self._tell("stop", now)
            # one that was being stopped when it was asked is there a moment later
            self._context.sleep(POLL[0])
            now = self.record()[1]
        if now["status"] not in AT_REST:
            raise PlanError(
                f"{self._place.host}: the container {self._words[1]} does not stop: it is {now['status']}",
                hint="Where a systemd unit starts it, as kolla's of podman, name that in a host.unit.",
            )

    def _tell(self, verb: str, now: Look) -> None:
        self._context.log(f"{self._place.host}: {self._words[0] or 'container'} {verb} {self._words[1]}")
        self.change(verb, *_start_of(now))


def _start_of(now: Look) -> tuple[str, str]:
    """Which start of the container it is."""
    return now["boot"], now["started"]

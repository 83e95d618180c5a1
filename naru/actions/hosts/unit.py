"""Units of systemd on hosts: started, stopped, restarted, masked, and brought back to what they were."""

import time
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from naru.actions.hosts.place import HostAction, Place
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.kinds import step

UNIT_SECONDS = 300.0
"""Seconds that a unit may take to start or stop, where nothing else is said."""
STEADY = 1.0
"""Seconds that a unit has to run on, to be taken as started."""
POLL = (0.1, 1.0)
LINES = 20
"""Lines of its journal that are told of a unit that fails."""
TRIES = 3
"""How often a unit is told to stop that somebody starts again."""
SUFFIXES = (".service", ".socket", ".timer", ".target", ".mount", ".path", ".slice", ".automount", ".swap")
# as systemctl show names them
ON = ("active", "reloading", "activating")
BETWEEN = ("activating", "deactivating", "reloading")
# what is remembered of the unit: before the step, and before its undo restarts it
BEFORE, AGAIN = "before", "again"

Look = Mapping[str, str]


class Unit(HostAction):
    """See `unit`."""

    step_kind: ClassVar[str] = "host.unit"

    unit: str
    do: Literal["start", "stop", "restart", "mask", "keep", "hold", "release", "resume"]
    restart_back: bool = False
    seconds: float = Field(UNIT_SECONDS, gt=0)


def _deadline(args: Mapping[str, Any]) -> float:
    """A unit's own time, a second time for stopping and starting, and the time that its host may be away."""
    own = args.get("args", args)
    return 2 * float(own.get("seconds", UNIT_SECONDS)) + float(own.get("patience", 600.0)) + 60.0


@step("host.unit", args=Unit, undo="host.unit.undo", deadline=_deadline, retry=())
def unit(context: Context) -> dict[str, Any]:
    """Brings the systemd unit `unit` on `host` to where `do` says: start, stop, restart, mask (stopped, and nobody can
    start it, also not a boot), or keep, which leaves it as it is. Held (hold) it is stopped, and neither a boot nor
    anybody starts it until it is released, by any later step; its own files and whether it is enabled stay as they
    are. To release does not start it, to resume does both.

    What it was before is remembered on the host, and the undo brings it back to that; with `restart_back` the undo
    restarts one that ran before. A unit that was restarted after the step began, also by a boot, is not restarted
    again. `seconds` is how long it may take (300).
    """
    args = context.args
    found = UnitAt(context, args, context.id)
    before, now = found.record(BEFORE)
    if now["LoadState"] == "not-found" and args["do"] != "mask":
        raise PlanError(f"{found.host}: there is no unit {found.name}")
    match args["do"]:
        case "start":
            found.start(before)
        case "restart":
            found.start(before, anew=True)
        case "stop":
            found.stop()
        case "mask":
            found.stop()
            found.mask()
        case "hold":
            found.hold()
        case "release":
            found.release()
        case "resume":
            found.release()
            found.start(before)
    return {"before": before["ActiveState"], "enabled": before["UnitFileState"]}


@step("host.unit.undo", args=Undo, no_undo="it is an undo itself", deadline=_deadline, retry=(), here=True)
def undo(context: Context) -> dict[str, Any] | None:
    """Brings the unit of a `host.unit` back to what it was before."""
    args = context.undone.args
    found = UnitAt(context, args, context.undone.step)
    before, now = found.look(BEFORE)
    if not before:
        return None
    if before["LoadState"] == "not-found" and now["LoadState"] == "not-found":
        found.clear()
        return None
    if before["LoadState"] != "masked":
        found.unmask()
    if args["do"] == "hold":
        found.release()
    if before["ActiveState"] in ON:
        if args.get("restart_back", False):
            again, _ = found.record(AGAIN)
            found.start(again, anew=True)
        else:
            found.start(before)
    else:
        found.stop()
    found.clear()
    return {"back": before["ActiveState"]}


class UnitAt:
    """The unit that a step's arguments name."""

    def __init__(self, context: Context, args: Mapping[str, Any], step: str) -> None:
        self.context = context
        self.place = Place(context, args, step)
        self.host = self.place.host
        name: str = args["unit"]
        self.name = name if name.endswith(SUFFIXES) else f"{name}.service"
        self._seconds = float(args.get("seconds", UNIT_SECONDS))

    def record(self, what: str) -> tuple[Look, Look]:
        """What it was when this was first asked for, and what it is."""
        return _parsed(self.place.change("unit", "record", self.name, what))

    def look(self, what: str = BEFORE, lines: int = 0) -> tuple[Look, Look]:
        """What was recorded of it, if anything was, and what it is; of that `log` is the end of its journal."""
        return _parsed(self.place.look("unit-look", self.place.path, self.name, what, str(lines)))

    def clear(self) -> None:
        """Forgets what it was."""
        self.place.change("unit", "clear", self.name)

    def start(self, before: Look, anew: bool = False) -> None:
        """Brings it to run, and waits until it does so steadily; with `anew` it has started since `before`. A unit that
        does one thing and ends (oneshot) has done it. Raises PlanError with the end of its journal."""

        def began(now: Look) -> bool:
            return _start_of(now) != _start_of(before) and now["InactiveExitTimestampMonotonic"] != "0"

        def there(now: Look) -> bool:
            if now["ActiveState"] == "active":
                return not anew or began(now)
            return now["Type"] == "oneshot" and now["ActiveState"] == "inactive" and began(now) and _well(now)

        if there(now := self._settled()) and not anew:
            return
        told: Look | None = None
        while not there(now):
            if now["LoadState"] == "masked":
                raise PlanError(f"{self.host}: {self.name} is masked", hint=f"There: systemctl unmask {self.name}")
            if told is not None and now["Boot"] == told["Boot"]:
                self._fail(f"{self.name} does not start: it is {now['ActiveState']} ({now['Result']})")
            told = now
            self._tell("restart" if anew else "start", *_start_of(now))
            now = self._settled()
        steady = now
        self.context.sleep(STEADY)
        now = self._settled()
        if now["Boot"] != steady["Boot"]:
            self.start(before, anew)  # the host went down with it
        elif not there(now) or _start_of(now) != _start_of(steady):
            self._fail(f"{self.name} starts and ends again: it is {now['ActiveState']} ({now['Result']})")

    def stop(self) -> None:
        """Brings it to rest. Raises PlanError."""
        for _ in range(TRIES):
            now = self._settled()
            if now["ActiveState"] in ("inactive", "failed"):
                return
            self._tell("stop")
        if self._settled()["ActiveState"] not in ("inactive", "failed"):
            self._fail(f"{self.name} is started again by somebody")

    def mask(self) -> None:
        """Lets nobody start it."""
        self._tell("mask")
        if (now := self._settled())["LoadState"] != "masked" or now["ActiveState"] not in ("inactive", "failed"):
            self._fail(f"{self.name} cannot be masked: it is {now['LoadState']}, {now['ActiveState']}")

    def unmask(self) -> None:
        """Takes back what `mask` has done, if it has."""
        self.place.change("unit", "unmask", self.name)

    def hold(self) -> None:
        """Brings it to rest, until it is released. Raises PlanError."""
        self._tell("hold")
        self._tell("stop")  # one that waits for others while it starts would be waited for
        self.stop()

    def release(self) -> None:
        """Takes back what `hold` has done, if it has."""
        self.place.change("unit", "release", self.name)

    def _tell(self, verb: str, *words: str) -> None:
        self.context.log(f"{self.host}: systemctl {verb} {self.name}")
        self.place.change("unit", verb, self.name, *words)

    def _settled(self) -> Look:
        """What it is when nothing is under way any more. Raises PlanError when that takes too long."""
        end = time.monotonic() + self._seconds
        pause = POLL[0]
        while True:
            _, now = self.look()
            waits = now["SubState"] == "auto-restart"  # it ended by itself, and will do so again
            if waits or (now["ActiveState"] not in BETWEEN and now.get("Job", "0") in ("", "0")):
                return now
            if time.monotonic() > end:
                self._fail(f"{self.name} is still {now['ActiveState']} ({now['SubState']}) after {self._seconds:g} s")
            self.context.sleep(pause)
            pause = min(POLL[1], pause * 1.3)

    def _fail(self, what: str) -> None:
        _, now = self.look(lines=LINES)
        raise PlanError(f"{self.host}: {what}", detail=now["log"], hint="Mend it there, then: naru plan retry.")


def _start_of(now: Look) -> tuple[str, str]:
    """Which start of the unit it is: the boot, and when in that."""
    return now["Boot"], now["InactiveExitTimestampMonotonic"]


def _well(now: Look) -> bool:
    return now["Result"] == "success"


def _parsed(text: str) -> tuple[Look, Look]:
    before, _, rest = text.partition("\n\n") if not text.startswith("\n") else ("", "", text[1:])
    now, _, log = rest.partition("\n\n")
    return _pairs(before), {**_pairs(now), "log": log.strip()}


def _pairs(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

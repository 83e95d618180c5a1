"""The processes of evacuations on a cloud on paper: the real steps, with a power controller, SSH, Nova and a clock of
paper. They stand still wherever a step sleeps, and go on when the world's clock has come so far; they may be killed
there."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

from naru.errors import NaruError
from naru.operate.evacuate import fencing, steps, word
from naru.operate.evacuate.fencing import Fencing, Said
from naru.operate.evacuate.word import Word
from naru.operate.evacuate.work import mark
from naru.operate.guard import begun, evacuations
from naru.plan.errors import Transient

from .world import World

TRIES, LONGEST = 30, 10.0
"""As the executor has them for steps that say Transient."""


class Killed(BaseException):
    """The process ends here."""


class Executor:
    """One process, which does `work`, given itself as the context of its steps."""

    def __init__(self, world: World, work: "Callable[[Executor], None]") -> None:
        self.world, self._work = world, work
        self.wake, self.code, self.is_killed = 0.0, -1, False
        self.attempt = 1
        self.args: Any = {}
        self._mine, self._theirs = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def go(self) -> None:
        """It goes on until it sleeps again, or ends."""
        if not self.is_over and (self.is_killed or self.world.now >= self.wake):
            self._mine.release()
            self._theirs.acquire()
            if self.code >= 0 or self.is_killed:
                self._thread.join()

    def kill(self) -> None:
        self.is_killed = True
        self.go()

    def _run(self) -> None:
        self._mine.acquire()
        try:
            if not self.is_killed:
                self._work(self)
                self.code = 0
        except NaruError:
            self.code = 1
        except Killed:
            pass
        finally:
            self._theirs.release()

    def step(self, function: Callable[[Any], Any]) -> None:
        """One step, tried again as the executor does."""
        for number in range(TRIES):
            try:
                function(self)
                return
            except Transient:
                self.sleep(min(LONGEST, 2.0**number))
        raise NaruError("it goes on saying so")

    # what a step has of its context

    def sleep(self, seconds: float) -> None:
        self.wake = self.world.now + seconds
        self._theirs.release()
        self._mine.acquire()
        if self.is_killed:
            raise Killed

    def check(self) -> None:
        if self.is_killed:
            raise Killed

    def log(self, text: str) -> None:
        return

    hide = save = log


class PaperWord(Word):
    """The guard's word, from its disk."""

    def __init__(self, host: str, disk: Any) -> None:
        super().__init__("guard", host)
        self.disk = disk

    def read(self) -> Any:
        return self.disk.now

    def liars(self) -> set[str]:
        return set(self.disk.liars)

    def off(self, *, live: bool) -> set[str]:
        return {host for host, said in self.disk.approvals.items() if "off" in said}


class PaperFencing(Fencing):
    """The host's power controller and SSH, as the world has them: all else is the real one."""

    disk: Any

    def __init__(self, context: Any, args: Any) -> None:
        self.context, self.args, self.uuid = context, args, ""
        self.world: World = context.world
        self.word = PaperWord(args["host"], self.disk)

    def asked(self) -> Said:
        name = self.args["host"]
        state: Any = self.world.power_says(name)
        return Said(state, state in ("on", "off") and self.world.machines[name].controller != "wrong")

    def answers(self) -> bool:
        return self.world.answers(self.args["host"])

    def order(self, what: Any) -> None:
        assert what == "off"
        self.world.order_off(self.args["host"], self.world.now)


class PaperNova:
    """Nova's compute services, and what it is asked."""

    TASK = "task"
    Item = dict

    def __init__(self, world: World) -> None:
        self.world, self.name = world, "paper"

    def services(self, client: Any) -> list[dict[str, Any]]:
        return [
            {
                "host": one.name,
                "state": "up" if self.world.is_up(one) else "down",
                "status": "disabled" if one.disabled or one.ours else "enabled",
                "forced_down": one.forced_down,
                "disabled_reason": one.reason,
            }
            for one in self.world.machines.values()
        ]

    def force_down(self, client: Any, service: Any, reason: str | None) -> None:
        one = self.world.machines[service["host"]]
        one.forced_down = True
        if reason is not None:
            one.ours, one.reason = True, reason

    def evacuate_form(self, client: Any, host: str) -> Any:
        return SimpleNamespace(body={}, version="")

    def __call__(self, service: str, method: str, path: str, *_: Any, **__: Any) -> None:
        """The request for the evacuation of a server."""
        self.world.evacuate(path.split("/")[2])


@contextmanager
def paper(world: World, disk: Any) -> Iterator[None]:
    """The steps on this world."""
    nova = PaperNova(world)
    clock = SimpleNamespace(monotonic=lambda: world.now, time=lambda: world.now + world.leap)
    PaperFencing.disk = disk
    with (
        mock.patch.multiple(steps, Fencing=PaperFencing, cloud=lambda *_: nova, compute=nova, time=clock),
        mock.patch.multiple(fencing, time=clock),
        mock.patch.multiple(word, time=clock),
        mock.patch.multiple(evacuations, time=clock),
        mock.patch.multiple(begun, AGAIN=60.0),
    ):
        yield


def evacuation(job: Any, settle: float) -> "Callable[[Executor], None]":
    """What the process of an evacuation does, from where its journal says that it is."""
    args = {
        **{"host": job.host, "plan": job.name, "cloud": "", "guard": "guard", "trust": False, "reason": ""},
        **{"off": job.off, "settle": settle, "server": job.host},
    }

    def ask(context: Any) -> None:
        if job.host in context.world.evacuated:
            return  # Nova's record says so
        steps._ask(context, PaperNova(context.world), context.args, {"task": None})  # type: ignore[arg-type]

    def work(context: Executor) -> None:
        context.args = SimpleArgs(args)
        for name, function in (("fence", steps.fence), ("record", steps.record), ("asked", ask)):
            if name not in job.done:
                context.step(function)
                job.done.add(name)
                context.sleep(0.0)

    assert mark(job.name)
    return work


class SimpleArgs(dict[str, Any]):
    """The arguments of a step."""

"""The context of a running step, which is all that its function is given: what it knows, what it can report."""

import json
import os
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, Protocol

from naru.plan.arguments import Undo
from naru.plan.errors import DeadlineExceeded, PlanInputError, StepCancelled
from naru.plan.redaction import SHORTEST, Redaction


class Request(NamedTuple):
    """A literal request or command of a step; `at` is seconds since 1970, `request_id` the other side's name of it."""

    at: float
    text: str
    request_id: str


class StepProgress(NamedTuple):
    """How far a step is. `unit` is `bytes` or `count`; a `total` of None is not known."""

    done: float
    total: float | None
    unit: str


class Lease(Protocol):
    """The right to write to the step's destination, which a worker given up for dead loses."""

    fence: int
    """Grows with every holder of this destination: a storage that knows fencing tokens may be given it."""

    def check(self) -> None:
        """Raises `LeaseLost` when the right has ended: to be called before every write."""


class NoLease:
    """A step inside the executor needs none: it dies with it."""

    fence = 0

    def check(self) -> None:
        return


NO_LEASE = NoLease()


class Context:
    """The step as its function sees it.

    `id`, `kind`, `unit`, `args` are the plan's; `attempt` counts from 1; `earlier` is the result an earlier attempt of
    this step recorded, or None; `given` what the kind's `before` returned. `plan` is the plan's id; `run` the number of
    the run, which grows with each executor of this plan, 0 at a worker. Methods may be called from the step's own
    threads.
    """

    __slots__ = (
        "_cancel",
        "_counter",
        "_failures",
        "_progress",
        "_reader",
        "_redaction",
        "_requests",
        "_saved",
        "args",
        "attempt",
        "deadline",
        "earlier",
        "given",
        "id",
        "kind",
        "lease",
        "n",
        "plan",
        "run",
        "started",
        "unit",
    )

    def __init__(
        self,
        *,
        n: int,
        id: str,
        kind: str,
        unit: str,
        args: Mapping[str, Any],
        attempt: int,
        earlier: Any,
        reader: Callable[[int], dict[str, Any]],
        counter: Callable[[Collection[str]], int] = lambda kinds: 1,
        failures: Callable[[int, int], bool] = lambda n, attempt: False,
        lease: Lease = NO_LEASE,
        plan: str = "",
        run: int = 0,
    ) -> None:
        self.n = n
        self.id = id
        self.kind = kind
        self.unit = unit
        self.args = args
        self.attempt = attempt
        self.earlier = earlier
        self.lease = lease
        self.plan = plan
        self.run = run
        self.given: Any = None
        # seconds from `started`, which is set again when the function begins
        self.deadline: float | None = None
        self.started = time.monotonic()
        self._reader = reader
        self._counter = counter
        self._failures = failures
        self._progress: StepProgress | None = None
        self._requests: list[Request] = []
        self._saved: str | None = None
        self._redaction = Redaction()
        self._cancel = ""

    @property
    def undone(self) -> Undo:
        """In the undo of a step: that step's id, arguments and result, without what its kind takes beside those."""
        return Undo(**{name: self.args[name] for name in Undo.model_fields if name in self.args})

    def results(self) -> dict[str, Any]:
        """The results of the steps this one waited for, by their ids. Read from the journal at every call."""
        return self._reader(self.n)

    def running(self, kinds: Collection[str]) -> int:
        """How many steps of these kinds are under way now, this one included, in the executor and at all workers. Read
        from the journal at every call."""
        return self._counter(kinds)

    def failed(self, attempt: int) -> bool:
        """Whether the journal has it that this attempt of the step failed: if so, somebody wanted a further one."""
        return self._failures(self.n, attempt)

    def progress(self, done: float, total: float | None = None, unit: str = "bytes") -> None:
        """Says how far the step is, in `bytes` or as a `count`; written to the journal about twice a second."""
        self._progress = StepProgress(done, total, unit)

    def log(self, text: str, request_id: str = "") -> None:
        """Records a literal request or command, and the id the other side gave it, without secrets."""
        self._requests.append(Request(time.time(), self._redaction.text(text), request_id))

    def save(self, result: Any) -> None:
        """Records a result before the step has ended, for `earlier` of the next attempt.

        It reaches the disk within a moment, not before this returns: a step still has to find by its own mark.
        """
        self._saved = json.dumps(self.redact(result))

    def secret(self, name: str) -> str:
        """The value of an environment variable, which from now on is blotted out of what this step records.

        The way for arguments to refer to a secret is to hold the variable's name. Raises PlanInputError for a variable
        that is not set, and for a value so short that it would be found where it is none.
        """
        value = os.environ.get(name)
        if value is None:
            raise PlanInputError(f"step {self.id}: the environment variable {name} is not set")
        if 0 < len(value) < SHORTEST:
            raise PlanInputError(
                f"step {self.id}: the secret in the environment variable {name} is too short",
                detail=f"With fewer than {SHORTEST} characters it cannot be told from other words, and so not be kept"
                " out of what is written down.",
                hint="Set a longer one where it belongs, and then here.",
            )
        self.hide(value)
        return value

    def hide(self, value: str) -> None:
        """From now on blots the secret out of what this step records; a short one only where it stands alone (see
        `Redaction`)."""
        self._redaction.hide(value)

    def redact(self, value: Any) -> Any:
        """The value, which is JSON, without the secrets of this step."""
        return self._redaction.value(value)

    @property
    def cancelled(self) -> bool:
        """Whether the step is to stop: cancelled by the operator, interrupted twice, or past its deadline."""
        if self.deadline is not None and time.monotonic() - self.started > self.deadline:
            self.cancel("deadline")
        return bool(self._cancel)

    def check(self) -> None:
        """Raises the error that ends the step when it is to stop or may not write any more: call it between writes."""
        self.lease.check()
        if self.cancelled:
            raise self.stop_error()

    def sleep(self, seconds: float) -> None:
        """Waits, and raises as `check` does when the step is to stop. For sync steps."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, 0.1))
        self.check()

    def cancel(self, why: str) -> None:
        """Asks the step to stop; `why` is `deadline` or who asked. For the executor."""
        self._cancel = self._cancel or why

    def stop_error(self) -> Exception:
        """The error to raise when the step is to stop, by the reason for that."""
        if self._cancel == "deadline":
            return DeadlineExceeded(f"the deadline of {self.deadline:.0f} s has passed")
        return StepCancelled(self._cancel)

    @property
    def has_spoken(self) -> bool:
        """Whether there is something to write to the journal. For the executor, as are the next three."""
        return bool(self._requests) or self._saved is not None or self._progress is not None

    def take_progress(self) -> StepProgress | None:
        """The progress reported since the last call."""
        progress, self._progress = self._progress, None
        return progress

    def take_requests(self) -> list[Request]:
        """The requests logged since the last call."""
        taken = self._requests[:]
        # the step may be appending: only what was copied goes
        del self._requests[: len(taken)]
        return taken

    def take_saved(self) -> str | None:
        """The JSON of what `save` was last given since the last call."""
        saved, self._saved = self._saved, None
        return saved

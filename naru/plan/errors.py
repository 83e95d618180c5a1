"""Errors of plans. All but the signals between a step and the executor have the shape a person reads."""

from naru.errors import InputError, NaruError


class PlanError(NaruError):
    """What went wrong with a plan, its journal or one of its steps."""


class PlanInputError(PlanError, InputError):
    """The caller asked for something that cannot be: a bad plan file, an unknown step, wrong arguments."""


class HasDependents(PlanError):
    """Steps of other units depend on what is to be rolled back. `dependents`: their titles by unit, in order."""

    def __init__(self, dependents: dict[str, list[str]], *, detail: str, hint: str) -> None:
        super().__init__("steps of other units depend on what is to be rolled back", detail=detail, hint=hint)
        self.dependents = dependents


class Transient(PlanError):
    """Raised by a step when trying again may help (busy, throttled). `after`: seconds the other side asked to wait."""

    def __init__(self, summary: str, *, detail: str = "", hint: str = "", after: float = 0.0) -> None:
        super().__init__(summary, detail=detail, hint=hint)
        self.after = after


class VerifyError(PlanError):
    """A step returned, but its own check says that it is not done."""


class LeaseLost(PlanError):
    """The lease on what a step writes to has expired or went to another worker: this one must not write on."""


class DeadlineExceeded(TimeoutError):
    """A step used up its deadline."""


class StepCancelled(Exception):
    """Raised inside a step that was asked to stop: the step goes back to waiting and runs again later."""

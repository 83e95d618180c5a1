"""Step kinds: plain functions registered under a name, with how to undo, check, retry and bound them."""

import importlib
import inspect
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from naru.plan.arguments import Checker, references
from naru.plan.context import Context
from naru.plan.errors import LeaseLost, PlanInputError, Transient
from naru.plan.model import Plan

Run = Callable[[Context], Any]
OfArgs = Callable[[Mapping[str, Any]], float]


@dataclass(frozen=True, slots=True)
class Retry:
    """Errors of the classes `on` are tried again up to `tries` times in a row, with growing pauses.

    The pause before try n+1 is `pause * factor ** (n - 1)` seconds, at most `longest`, less a random part of up to
    `jitter` of it, so that many steps refused at once do not come back at once; never less than the other side asked.
    """

    on: tuple[type[BaseException], ...] = (Transient, ConnectionError, TimeoutError)
    tries: int = 5
    pause: float = 1.0
    factor: float = 2.0
    longest: float = 60.0
    jitter: float = 0.5

    def seconds(self, failures: int, asked: float = 0.0) -> float | None:
        """How long to wait after the given number of failures in a row; None: give up."""
        if failures >= self.tries:
            return None
        pause = min(self.longest, self.pause * self.factor ** (failures - 1))
        # random spreads load here and guards nothing
        return max(asked, pause * (1 - self.jitter * random.random()))


LOST_WORKER = Retry(on=(LeaseLost,), tries=5, pause=0.0)


@dataclass(frozen=True, slots=True)
class StepKind:
    """A registered step function and what the executor and the reader of a plan have to know about it.

    Either `undo` names the kind that undoes the effect, or `no_undo` says why there is nothing to undo, or `commit`
    says why it cannot be undone once it has begun: then a rollback past it is refused. `verify` is called after
    the function and answers whether the effect is there. `deadline` and `estimate` are seconds, or a function of the
    arguments that gives them. `writes` names what the step writes to, from its arguments: a worker holds a lease on it.

    `before` and `after` are called in the executor, around the function, wherever that runs: what needs what a worker
    is not given, such as the credentials of a cloud. What `before` returns, as JSON, is the context's `given`, so it
    holds no secret; `after` takes the function's result and returns the step's. Both may be called again, as the
    function. With `here` a kind runs in the executor, even as the undo of a step that has a queue.

    `arguments` checks a step's arguments when a plan is made.
    """

    name: str
    run: Run
    arguments: Checker
    undo: str = ""
    no_undo: str = ""
    commit: str = ""
    verify: Callable[[Context], Any] | None = None
    retry: tuple[Retry, ...] = (Retry(),)
    deadline: float | OfArgs | None = None
    estimate: float | OfArgs = 0.0
    writes: Callable[[Mapping[str, Any]], str] | None = None
    before: Run | None = None
    after: Callable[[Context, Any], Any] | None = None
    here: bool = False

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.run)

    @property
    def doc(self) -> str:
        """The first paragraph of the function's docstring, on one line."""
        return " ".join((inspect.getdoc(self.run) or "").split("\n\n")[0].split())

    def policy(self, error: BaseException) -> int | None:
        """The index in `retry` of the first policy for this class of error; None: not tried again."""
        return next((index for index, retry in enumerate(self.retry) if isinstance(error, retry.on)), None)

    def deadline_for(self, args: Mapping[str, Any]) -> float | None:
        return self.deadline(args) if callable(self.deadline) else self.deadline

    def estimate_for(self, args: Mapping[str, Any]) -> float:
        return self.estimate(args) if callable(self.estimate) else self.estimate


@dataclass
class Kinds:
    """The kinds by name. There is one for the process, `KINDS`; another one is for tests.

    `renamed` has the names that kinds had before, with those they have now: journals keep the old ones.
    """

    by_name: dict[str, StepKind] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)

    def alias(self, old: str, new: str) -> None:
        """Lets `old` stand for the kind that is called `new` now. Raises ValueError when it stands for another one."""
        if old in self.by_name or self.renamed.setdefault(old, new) != new:
            raise ValueError(
                f"step kind {old} is registered as {self.renamed.get(old, old)} already, and cannot be {new} as well"
            )

    def names(self, kinds: Iterable[str]) -> set[str]:
        """The names under which steps of these kinds may stand in a journal: their own and those they had before."""
        wanted = set(kinds)
        return wanted | {old for old, new in self.renamed.items() if new in wanted}

    def step(
        self,
        name: str,
        *,
        args: type,
        undo: str = "",
        no_undo: str = "",
        commit: str = "",
        verify: Callable[[Context], Any] | None = None,
        retry: Retry | tuple[Retry, ...] = (Retry(),),
        deadline: float | OfArgs | None = None,
        estimate: float | OfArgs = 0.0,
        writes: Callable[[Mapping[str, Any]], str] | None = None,
        before: Run | None = None,
        after: Callable[[Context, Any], Any] | None = None,
        here: bool = False,
        was: Iterable[str] = (),
    ) -> Callable[[Run], Run]:
        """Registers the decorated function, sync (run in a thread) or async, as the step kind `name`; see `StepKind`.

        The function takes the step's `Context` and returns its result, as JSON. It may be called again after a crash
        at any point, so it finds before it creates. `args` is the model of the arguments; see `naru.plan.arguments`:
        that of an undo is `Undo`. Exactly one of undo, no_undo and commit is given. Only sync ones have a `before` or
        an `after`. `was` are names that the kind had before.
        """
        if sum(map(bool, (undo, no_undo, commit))) != 1:
            raise ValueError(f"step kind {name}: give exactly one of undo, no_undo and commit")
        checker = Checker(args)

        def register(run: Run) -> Run:
            known = self.by_name.get(name)
            if known is not None and (known.run.__module__, known.run.__qualname__) != (
                run.__module__,
                run.__qualname__,
            ):
                raise ValueError(f"step kind {name} is registered by {known.run.__module__} and by {run.__module__}")
            policies = retry if isinstance(retry, tuple) else (retry,)
            more = (policies, deadline, estimate, writes, before, after, here)
            kind = StepKind(name, run, checker, undo, no_undo, commit, verify, *more)
            if kind.is_async and (before or after):
                raise ValueError(f"step kind {name}: only sync kinds have a before or an after")
            self.by_name[name] = kind
            for old in was:
                self.alias(old, name)
            return run

        return register

    def get(self, name: str) -> StepKind:
        """The kind of this name, or that had it before. Raises `PlanInputError` for an unknown one."""
        try:
            return self.by_name[self.renamed.get(name, name)]
        except KeyError:
            raise self.unknown([name]) from None

    def check(self, names: Iterable[str]) -> None:
        """Raises `PlanInputError` that lists every kind, or undo kind of one, that is not registered."""
        wanted = {self.renamed.get(name, name) for name in names}
        wanted |= {self.by_name[name].undo for name in wanted if name in self.by_name and self.by_name[name].undo}
        missing = sorted(wanted - set(self.by_name))
        if missing:
            raise self.unknown(missing)

    def check_arguments(self, plan: Plan) -> None:
        """Checks the arguments of a plan that is about to be put into a journal: by their kinds' models, and that every
        reference is to a step that the step waits for. Raises `PlanInputError` that lists every bad field of every
        step, and for a kind that is not registered."""
        befores = plan.befores()
        problems = []
        for step in plan.steps:
            problems += [f"{step.id}: {problem}" for problem in self.problems(step.kind, step.args)]
            for name in dict.fromkeys(references(step.args)):
                if name not in befores.get(step.id, ()):
                    problems.append(f"{step.id}: refers to the step {name}, for which it does not wait")
        if problems:
            raise bad_arguments(problems)

    def problems(self, kind: str, args: Mapping[str, Any]) -> list[str]:
        """The problems of the arguments of a step of this kind, field by field."""
        return [f"{kind}: {problem}" for problem in self.get(kind).arguments.problems(args)]

    def unknown(self, names: Iterable[str]) -> PlanInputError:
        return PlanInputError(
            f"no module registers the step kind {', '.join(names)}",
            detail="known: " + ", ".join(sorted(self.by_name)),
            hint="name the module that registers it under modules in the plan",
        )


def bad_arguments(problems: Sequence[str]) -> PlanInputError:
    """The error that lists them."""
    return PlanInputError(
        f"the arguments of the plan's steps have {len(problems)} problem{'s' if len(problems) > 1 else ''}",
        detail="\n".join(problems),
        hint="the rule or file that made the plan has to be corrected",
    )


KINDS = Kinds()
step = KINDS.step


def load(modules: Iterable[str]) -> None:
    """Imports the built-in kinds and the modules a plan names, which register theirs in `KINDS`.

    A package says by `FORMER_MODULES` which of its modules have another name now: plans that were made before name the
    old one.
    """
    for name in ("naru.plan.builtin", *modules):
        try:
            importlib.import_module(_present(name))
        except ImportError as error:
            raise PlanInputError(
                f"module {name}, which the plan names, cannot be imported",
                detail=str(error),
                hint="install it, or set PYTHONPATH to the directory that holds it",
            ) from error


def _present(name: str) -> str:
    """The name that a module has now."""
    package, _, last = name.rpartition(".")
    former: Mapping[str, str] = getattr(importlib.import_module(package), "FORMER_MODULES", {}) if package else {}
    return f"{package}.{former[last]}" if last in former else name

"""The steps of a real move's plan on clouds that are a set of names: what is made refers to what is there, nothing is
deleted that something else still refers to, and a step asks for nothing that was skipped."""

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from naru.actions.arguments import available, resolve
from naru.move import planner
from naru.plan.arguments import PASSWORD, references
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.kinds import KINDS, load

USES = ("body", "beside", "actor", "group", "to")
"""The arguments in which a step names what it goes on using."""


class World:
    """What is there, each with what it refers to; the steps in the order in which they were run; and what fails."""

    def __init__(self) -> None:
        self.there: dict[str, set[str]] = {}
        self.ran: list[str] = []
        self.fail: set[str] = set()
        self.now: Callable[[Context], Any] = self.run
        self._lock = threading.Lock()

    def run(self, context: Context) -> dict[str, Any]:
        """Any step that makes something or asks for something."""
        results = context.results()
        args = {name: value for name, value in context.args.items() if name != "undo"}
        if "requests" in args:
            args["requests"] = [one for one in args["requests"] if not one.get("optional") or available(one, results)]
        if "made" in args:
            args["made"] = {mark: value for mark, value in args["made"].items() if available(value, results)}
        _resolved(args, results)
        with self._lock:
            self.ran.append(context.id)
            if context.id in self.fail:
                raise PlanError(f"block-storage refused {context.id} (400)", detail="Invalid input for field metadata")
            uses = set(references({name: args[name] for name in USES if name in args}))
            if missing := {one for one in uses if one in results} - self.there.keys() - {context.id}:
                raise PlanError(f"{context.id} names what is not there: {missing}")
            self.there[context.id] = uses
        ran = dict.fromkeys(context.args["servers"], True) if "servers" in context.args else True
        return {"id": context.id, "path": context.id, "undo": [], "ran": ran}

    def undo(self, context: Context) -> None:
        """The undo of any."""
        step = context.args["step"]
        with self._lock:
            self.ran.append(context.id)
            if context.id in self.fail:
                raise PlanError(f"{context.id} cannot be undone")
            if users := [one for one, uses in self.there.items() if step in uses and _holds(one)]:
                raise PlanError(f"{step} is in use by {users}")
            self.there.pop(step, None)


def _holds(step: str) -> bool:
    """Whether a service refuses to delete what the step's thing refers to."""
    return step.startswith(("port/", "server/", "subnet/", "snapshot/")) and " " not in step


def _resolved(value: Any, results: Any) -> None:
    if isinstance(value, dict) and PASSWORD not in value:
        if "$ref" in value:
            resolve(value, results, None)
        else:
            for one in value.values():
                _resolved(one, results)
    elif isinstance(value, list):
        for one in value:
            _resolved(one, results)


@contextmanager
def fake_clouds() -> Iterator[World]:
    """All step kinds of a move act in the world, and no cloud is asked."""
    world = World()
    load(planner.MODULES)
    undos = {kind.undo for kind in KINDS.by_name.values() if kind.undo}
    with pytest.MonkeyPatch.context() as patch:
        for name, kind in list(KINDS.by_name.items()):
            if not name.startswith(("cloud.", "move.")):
                continue
            run = world.undo if name in undos else lambda context: world.now(context)
            fake = dataclasses.replace(kind, run=run, before=None, after=None, verify=None, retry=(), deadline=60.0)
            patch.setitem(KINDS.by_name, name, fake)
        yield world

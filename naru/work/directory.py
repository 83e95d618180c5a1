"""One work directory: whose it is, its permissions, its journal, and its rounds.

    DIRECTORY/work.json         the capability that it belongs to
    DIRECTORY/journal.db        the journal, or journal.url when that is on PostgreSQL
    DIRECTORY/KIND/NUMBER/      a round: a small plan of its own, with a journal like any other

Every file in it is its owner's alone (mode 0600): readings hold addresses and names, and a journal holds literal
requests. A directory that is made is so, too (0700); one that is there keeps its mode.
"""

import json
import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from naru.errors import InputError
from naru.files import FileLock, write_whole
from naru.plan.engine import in_schema
from naru.plan.errors import PlanError
from naru.plan.journal import DATABASE, POINTER, Journal, address
from naru.plan.model import Plan
from naru.plan.queries import reading

T = TypeVar("T")
OWNER = "work.json"
FORMAT = 1
TRIES = 20
"""How often a lock is tried to take: a command that was killed may hold it for a moment."""
HINT_ANOTHER = "Name another directory."
HINT_DAMAGED = "Restore the work directory from a copy, or make a new plan in another directory."


class WorkDirectory:
    """The work directory of one plan of `capability`, such as `move`. `first` is the command that begins such a plan.
    Nothing is read before it is asked for."""

    def __init__(self, path: Path, capability: str, first: str) -> None:
        self.path = path
        self.capability = capability
        self.first = first

    def prepare(self, settings: Collection[str] = ()) -> None:
        """Makes the directory. Raises InputError where there can be none, where one of another capability
        is, and where a plan is that has begun, or that lacks settings which plans of this capability have."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            hint = "Name a directory that can be made."
            raise InputError(f"--work {self.path} cannot be made", detail=str(error), hint=hint) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise InputError(f"--work {self.path} cannot be written", hint="Name a directory of your own.")
        owner = self._owner()
        if owner not in (None, self.capability):
            raise InputError(f"--work {self.path} belongs to naru {owner}", hint=HINT_ANOTHER)
        if Journal.exists(self.path):
            with Journal.open(self.path) as journal:
                ours = set(settings) <= journal.settings().keys()
            if not ours:
                summary = f"--work {self.path} holds a plan that naru {self.capability} did not make"
                raise InputError(summary, hint=HINT_ANOTHER)
            self.check_unbegun()

    def check_unbegun(self) -> None:
        """Raises InputError when something of the plan was done."""
        with Journal.open(self.path) as journal, reading(journal) as now:
            begun = now.has_begun()
        if begun:
            raise InputError(
                f"{self.path}: this {self.capability} has begun",
                hint=f"Go on with it ({self.first}), roll it back, or plan into another directory.",
            )

    def create(self, plan: Plan, database: str = "", plan_id: str = "") -> None:
        """Writes the plan's journal, in place of one of which nothing was done yet; into the PostgreSQL `database` (a
        URL), if one is given, and with a `plan_id` if the caller chose one. Raises InputError when something was done
        of one that is there. Killed at any instant it leaves one plan or the other, whole."""
        if Journal.exists(self.path):
            # nobody begins with it meanwhile
            with Journal(self.path) as before, before.exclusive():
                self.check_unbegun()
                Journal.replace(self.path, plan, database, plan_id).close()
        else:
            Journal.create(self.path, plan, database, plan_id).close()
        self.own()

    def planned(self, what: str, command: str, load: Callable[[dict[str, Any]], T]) -> tuple[T, str]:
        """What its plan was made from, which `load` makes of the plan's settings, and the plan's id. `what` it belongs
        to, as "an upgrade", and the `command` that makes one are for the message. Raises InputError for a directory of
        something else: `load` raises KeyError then."""
        hint = f"{command} makes one."
        if not Journal.exists(self.path):
            raise InputError(f"{self.path} is not the work directory of {what}", hint=hint)
        with self.journal() as journal:
            try:
                return load(journal.settings()), journal.plan_id
            except KeyError as error:
                raise InputError(f"{self.path} holds the plan of something else", hint=hint) from error

    def own(self) -> None:
        """Writes down whose the directory is: of one that has rounds alone, by itself."""
        write_whole(self.path / OWNER, json.dumps({"naru_work": FORMAT, "tenant": self.capability}) + "\n")

    @contextmanager
    def alone(self, does: str, hint: str) -> Iterator[None]:
        """Keeps every other command of the capability from doing the like here until it ends: what is looked at before
        is so until it is done. Raises PlanError when another command `does` it, with the `hint`; the system frees it
        when the process dies."""
        with FileLock(self.path / f"{self.capability}.lock") as lock:
            for _ in range(TRIES):
                if lock.take():
                    break
                time.sleep(0.05)
            else:
                raise PlanError(f"{self.path}: another command {does}", hint=hint)
            yield

    def journal(self) -> Journal:
        """The plan with what has become of it. Raises InputError when the directory has none."""
        if not any((self.path / name).is_file() for name in (DATABASE, POINTER)):
            raise InputError(f"{self.path / DATABASE} is missing", hint=HINT_DAMAGED)
        return Journal.open(self.path)

    def database(self) -> str:
        """The URL of the PostgreSQL database that has its journals; "" when they are files."""
        url = address(self.path)
        return in_schema(url, "").render_as_string() if url else ""

    def rounds(self, kind: str) -> "Rounds":
        """The rounds of a kind."""
        return Rounds(self, kind)

    @property
    def owner(self) -> str:
        """The capability that the directory belongs to, "" for none. Raises InputError where that cannot be read."""
        return self._owner() or ""

    def _owner(self) -> str | None:
        """Whose it is, as far as it says."""
        file = self.path / OWNER
        try:
            raw = json.loads(file.read_text())
            return str(raw["tenant"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{file} cannot be read", detail=repr(error), hint=HINT_DAMAGED) from error


class Rounds:
    """The rounds of a kind in a work directory, numbered from 1 on: child plans, one after the other, that do over and
    over what is done ahead of the plan itself. Each has a journal of its own, where the plan has its own: it can be
    watched, limited and resumed like any other."""

    def __init__(self, work: WorkDirectory, kind: str) -> None:
        self._work = work
        self._directory = work.path / kind

    def numbers(self) -> list[int]:
        """The numbers of the rounds that were begun, in order; one whose making was killed does not count."""
        found = [path for path in self._directory.glob("*") if path.name.isdigit()]
        return sorted(int(path.name) for path in found if Journal.exists(path))

    def path(self, number: int) -> Path:
        return self._directory / str(number)

    def last(self) -> Journal | None:
        """The newest round."""
        numbers = self.numbers()
        return Journal.open(self.path(numbers[-1])) if numbers else None

    def following(self) -> int:
        """The number of the next one."""
        return max(self.numbers(), default=0) + 1

    def begin(self, number: int, plan: Plan, plan_id: str = "") -> Journal:
        """A new round, with a `plan_id` if the caller chose one."""
        return Journal.create(self.path(number), plan, self._work.database(), plan_id)

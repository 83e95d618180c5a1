"""The work directory of a move: the journal, the archive of both clouds, the map and the decisions of its plan.

Decisions and map are files beside the journal, and belong to the one plan whose id the decisions name. When a plan is
made they are written into a directory of their own before the journal, and moved to their places after it, which
whoever opens the work directory next completes: so those in place are the journal's, whenever the planner was killed.
"""

import contextlib
import json
import shlex
import uuid
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from naru.errors import InputError, NaruError
from naru.files import sync_directory, write_whole
from naru.inventory.archive import Archive
from naru.inventory.kinds import values
from naru.move.decisions import Decision
from naru.move.draft import ARCHIVE as ARCHIVE
from naru.move.draft import Draft
from naru.move.facts import names
from naru.move.left import Left
from naru.plan.errors import PlanError
from naru.plan.journal import DATABASE, POINTER, Journal, address
from naru.plan.queries import reading
from naru.plan.run import workers
from naru.volumes import where
from naru.work.directory import HINT_DAMAGED, WorkDirectory
from naru.work.keys import fingerprint

CAPABILITY = "move"
DECISIONS = "decisions.json"
MAP = "map.yaml"
ROUNDS = "sync"
"""The rounds of copying ahead, called like their command."""
NEXT = "next"
"""The directory with map and decisions of a plan that is being made."""
FORMAT = 1
IDENTITY = "identity"
"""The setting with the plan's identity, which its passwords and hand-over are derived with; older plans have none."""
NEEDED = 2
"""The oldest schema version of a journal with all that is asked of a move's."""
_FIELDS = {"from": str, "to": str, "snapshots": dict, "projects": dict, "decisions": list}


def work_directory(path: Path) -> WorkDirectory:
    """The directory as any capability's; see `Work`."""
    return WorkDirectory(path, CAPABILITY, "naru move prepare")


class Work:
    """The work directory of a move that was planned. Raises InputError for one that is something else."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.work = work_directory(directory)
        settle(directory)
        file = directory / DECISIONS
        try:
            raw = json.loads(file.read_text())
        except (FileNotFoundError, NotADirectoryError) as error:
            hint = "naru move plan --from OLD --to NEW --project P --work DIR makes one."
            raise InputError(f"{directory} is not the work directory of a move", hint=hint) from error
        except (OSError, ValueError) as error:
            raise InputError(f"{file} cannot be read", detail=str(error), hint=HINT_DAMAGED) from error
        if not isinstance(raw, dict) or type(raw.get("naru_decisions")) is not int:
            raise InputError(
                f"{file} holds no decisions of a move", detail="naru_decisions is missing", hint=HINT_DAMAGED
            )
        if raw["naru_decisions"] > FORMAT:
            raise InputError(f"{directory} was written by a newer Naru", hint="Use that one, or a newer one.")
        wrong = [name for name, kind in _FIELDS.items() if not isinstance(raw.get(name), kind)]
        if wrong or not {"old", "new"} <= raw["snapshots"].keys():
            fields = ", ".join(wrong) or "snapshots"
            raise InputError(
                f"{file} is damaged", detail=f"missing, or not what they should be: {fields}", hint=HINT_DAMAGED
            )
        self.old: str = raw["from"]
        self.new: str = raw["to"]
        # "" in a directory that was planned before this was written
        self.plan_id = str(raw.get("plan", ""))
        # the snapshots in the archive that the plan was made from
        self.snapshots: dict[str, int] = raw["snapshots"]
        self.projects: dict[str, str] = raw["projects"]
        try:
            self.planned = [Decision.load(item) for item in raw["decisions"]]
        except (KeyError, TypeError) as error:
            raise InputError(f"{file} is damaged", detail=f"decisions: {error!r}", hint=HINT_DAMAGED) from error

    @property
    def decisions(self) -> list[Decision]:
        """What becomes of every thing: as planned, but for what was left since."""
        with self.journal() as journal:
            return Left.of(journal).applied(self.planned)

    @cached_property
    def called(self) -> dict[str, str]:
        """What each project (id) is called."""
        return names(self.projects)

    def chosen(self, texts: Iterable[str]) -> list[str]:
        """The ids of the projects that are meant by name or id, each once. Raises InputError for what is none of the
        move's, with those there are."""
        known = {name: identity for identity, name in self.called.items()} | {name: name for name in self.projects}
        asked = list(dict.fromkeys(texts))
        if unknown := [text for text in asked if text not in known]:
            twins = [text for text in unknown if text in self.projects.values()]
            raise InputError(
                f"--project {', '.join(unknown)}: {self.directory} does not move "
                + ("it" if len(unknown) == 1 else "them"),
                detail="Several projects have this name: give the id." if twins else "",
                hint=f"Projects: {self.listed(self.projects)}",
            )
        return list(dict.fromkeys(known[text] for text in asked))

    def listed(self, projects: Iterable[str]) -> str:
        """What the projects (ids) are called, in one line."""
        return ", ".join(sorted(self.called[project] for project in projects))

    def arguments(self, projects: Iterable[str]) -> str:
        """The arguments of a command about these projects (ids), as a shell takes them."""
        words = [f"--project {shlex.quote(name)}" for name in sorted(self.called[project] for project in projects)]
        return " ".join([shlex.quote(str(self.directory)), *words])

    def journal(self) -> Journal:
        """The plan with what has become of it. Raises InputError when it is another move's than the decisions."""
        journal = self.work.journal()
        settings = journal.settings()
        ours = {"from": self.old, "to": self.new, "projects": sorted(self.projects)}
        differing = [
            f"{name}: {settings.get(name)}, not {value}" for name, value in ours.items() if settings.get(name) != value
        ]
        if self.plan_id not in ("", journal.plan_id):
            differing.append(f"plan: {journal.plan_id}, not {self.plan_id}")
        if differing:
            journal.close()
            raise InputError(
                f"{self.directory}: {DATABASE if journal.directory else POINTER} is of another move than {DECISIONS}",
                detail="\n".join(differing),
                hint="Each move has a directory of its own: bring back the files that belong together. One that was not"
                " begun is planned again: naru move plan.",
            )
        if journal.made_with < NEEDED:
            journal.close()
            raise InputError(
                f"{self.directory}: this move was planned by an older version of Naru",
                detail="Its plan does not say which steps belong to which project, server and volume.",
                hint="Finish it or roll it back with the version that planned it. One that was not begun is planned"
                " again with this one: naru move plan.",
            )
        return journal

    def database(self) -> str:
        """The URL of the PostgreSQL database that has the move's journals; "" when they are files."""
        return self.work.database()

    def archive(self) -> Archive:
        """Both clouds as they were. Raises InputError for an archive without the readings that the plan stands on."""
        file = self.directory / ARCHIVE
        if not file.exists():
            raise InputError(f"{file} is missing", hint=HINT_DAMAGED)
        archive = Archive(file, create=False)
        known = {snapshot.number: snapshot.cloud for snapshot in archive.snapshots() if snapshot.ended}
        lacking = [
            name for side, name in (("old", self.old), ("new", self.new)) if known.get(self.snapshots[side]) != name
        ]
        if lacking:
            archive.close()
            detail = f"no whole reading of {' and '.join(lacking)} from when it was planned"
            raise InputError(f"{file} is not the archive of this move", detail=detail, hint=HINT_DAMAGED)
        return archive

    def check_key(self, file: Path) -> None:
        """Raises InputError when the key is not the one that the move was planned with."""
        with self.journal() as journal:
            planned = journal.settings()["key"]
        if fingerprint(file) != planned:
            hint = "Give the key that this move was planned with; with another key every new password would be wrong."
            raise InputError(f"the key {file} is another one", hint=hint)

    def identity(self) -> str:
        """The identity that its passwords and its hand-over are derived with; "" for those of before."""
        with self.journal() as journal:
            return str(journal.settings().get(IDENTITY, ""))

    def made(self) -> dict[str, str]:
        """By decision's kind and id joined by a blank: the id on the new cloud, of what was matched or made so far."""
        results = self.results()
        found = {}
        for decision in self.decisions:
            new = decision.new or next(values(results.get(decision.step), decision.result), "")
            if new:
                found[f"{decision.kind} {decision.id}"] = new
        return found

    def results(self) -> dict[str, dict[str, Any]]:
        """The results of all steps that are done, by id."""
        with self.journal() as journal, reading(journal) as now:
            return now.results()


def check_database(url: str, old: str, storage: tuple[str, str] | None) -> None:
    """Raises InputError for a URL ("" for none) of the journals' database where workers could not reach the journal:
    `storage`, the files of the old cloud's storage and of the new one's, says whether there are any."""
    backends = where.load(Path(storage[0])).backends if storage else {}
    placed = [f"{name}: {backend.place}" for name, backend in sorted(backends.items()) if backend.place]
    if not url:
        if placed and storage:
            raise InputError(
                f"--storage {old}={storage[0]} has places, and workers need a journal on PostgreSQL",
                detail="\n".join(placed),
                hint="Name its database: --journal postgresql://HOST/DATABASE. Or remove `place` from the file.",
            )
        return
    parts = address(url) if "://" in url else None
    if parts is None or parts.get_backend_name() != "postgresql":
        raise InputError("--journal is no URL of a PostgreSQL database", hint="--journal postgresql://HOST/DATABASE")
    if parts.password:
        hint = "Put it into ~/.pgpass, here and where workers are; the URL is written into the work directory."
        raise InputError("--journal holds a password", hint=hint)
    if placed:
        workers()
    with Journal(url) as journal, journal.read():
        pass


def prepare(directory: Path) -> None:
    """Makes the work directory, for its owner alone. Raises InputError where there can be none, or another plan is."""
    # before both clouds are read for nothing
    work_directory(directory).prepare(settings=("from", "to", "map"))


def settle(directory: Path) -> None:
    """Completes the making of a plan that was killed when its journal was there already. Raises InputError when what
    is there cannot be read or moved."""
    written = directory / NEXT / DECISIONS
    try:
        if not written.is_file():
            return
        plan_id = json.loads(written.read_text())["plan"]
        if not Journal.exists(directory):
            return
        with Journal.open(directory) as journal:
            if journal.plan_id != plan_id:
                return
        # the decisions last: while they are there, this is not complete
        for name in (MAP, DECISIONS):
            with contextlib.suppress(FileNotFoundError):  # moved already, or by another process at this moment
                (directory / NEXT / name).replace(directory / name)
                sync_directory(directory)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{written} cannot be read or moved", detail=repr(error), hint=HINT_DAMAGED) from error


def create(
    directory: Path,
    draft: Draft,
    snapshots: Mapping[str, int],
    written_map: str,
    database: str = "",
    plan_id: str = "",
) -> None:
    """Writes a plan, made by `naru.move.planner` and so checked, into the work directory, in place of one that nothing
    was done of yet; its journal into the PostgreSQL `database` (a URL), if one is given. `plan_id` is the plan's
    identity, if the caller chose one. Killed at any instant it leaves one plan or the other, whole.

    Raises InputError when a plan is there of which something was done.
    """
    plan_id = plan_id or str(uuid.uuid4())
    fields = {
        "naru_decisions": FORMAT,
        "plan": plan_id,
        "from": draft.old,
        "to": draft.new,
        "snapshots": dict(snapshots),
        "projects": {row.id: row.name for row in draft.facts.projects.values()},
        "decisions": [decision.dump() for decision in draft.decisions.values()],
    }
    settle(directory)
    try:
        (directory / NEXT).mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(directory / NEXT / MAP, written_map)
        write_whole(directory / NEXT / DECISIONS, json.dumps(fields, ensure_ascii=False))
        work_directory(directory).create(draft.plan, database, plan_id)
    except (OSError, PlanError) as error:
        raise NaruError(f"the plan cannot be written to {directory}", detail=str(error)) from error
    settle(directory)

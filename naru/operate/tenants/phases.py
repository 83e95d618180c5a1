"""Declared tenants, the verbs that commands call: compared, planned, applied, taken back, written from a cloud.

A cloud is read anew each time; the file is all that is wanted. What is done is in the work directory, a round for each
`apply` that had something to do.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from naru.cloud.client import Cloud
from naru.errors import InputError, NaruError
from naru.files import write_whole
from naru.inventory.read import Sink
from naru.operate.tenants import contents, planner
from naru.operate.tenants import export as exports
from naru.operate.tenants import facts as reading
from naru.operate.tenants import file as files
from naru.operate.tenants.draft import Draft
from naru.operate.tenants.exporter import Exporter
from naru.operate.tenants.facts import Facts
from naru.operate.tenants.model import Tenants
from naru.operate.tenants.names import Names
from naru.plan import control, rollback
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.model import Finding
from naru.plan.queries import reading as view
from naru.plan.run import Terminal, run
from naru.plan.status import Status
from naru.work.directory import Rounds, WorkDirectory

CAPABILITY = "tenant"
ROUNDS = "apply"
FILE = "file"
"""The setting with the fingerprint of what was applied."""


def compare(file: Path, cloud: str, progress: Sink) -> Draft:
    """What the cloud has in another way than the file (or a directory of files), and what would be done. Nothing is
    changed."""
    tenants = files.load(file)
    return planner.make(look(cloud, tenants, progress), tenants, file)


def look(cloud: str, tenants: Tenants, progress: Sink) -> Facts:
    """The cloud, as far as the file is about it."""
    with Cloud(cloud) as client:
        facts, rows = reading.look(client, progress)
        names = Names(facts)
        wanted: dict[str, set[str]] = {"project": {client.project_id} - {""}, "user": set()}
        for kind, declared in (("project", tenants.projects), ("user", tenants.users)):
            for one in declared:
                found = names.all(kind, names.domain_label(one.domain), one.name)
                wanted[kind] |= {thing.id for thing in found}
        return reading.more(client, rows, projects=wanted["project"], users=wanted["user"], progress=progress)


def planned(file: Path, cloud: str, progress: Sink) -> Draft:
    """What `apply` would do. Raises InputError for what cannot be changed."""
    draft = compare(file, cloud, progress)
    planner.refuse(draft, file)
    return draft


@dataclass
class Ready:
    """What is about to be done: a round that was begun before, or a new one of the draft."""

    rounds: Rounds
    begun: int = 0
    draft: Draft | None = None
    again: Callable[[], "Ready"] | None = None

    @property
    def findings(self) -> list[Finding]:
        """What its reader has to know."""
        return self.draft.plan.findings if self.draft else []

    def run(self, terminal: Terminal) -> Status | None:
        """Does it; how that ended, None where nothing was to be done."""
        if self.begun:
            with Journal.open(self.rounds.path(self.begun)) as journal:
                state = run(journal, terminal)
            if self.again is None or state.exit_code not in (0, 1):
                return state
            following = self.again().run(terminal)
            return following or (None if state.exit_code else state)
        assert self.draft
        if not self.draft.plan.steps:
            return None
        with self.rounds.begin(self.rounds.following(), self.draft.plan) as journal:
            return run(journal, terminal)


def ready(file: Path, cloud: str, directory: Path, terminal: Terminal, progress: Sink) -> Ready:
    """Reads the cloud for an `apply`. What an earlier one of the same file began comes to its end first, and then the
    cloud is read anew."""
    tenants = files.load(file)
    digest = fingerprint(tenants)
    work = _work(directory)
    work.prepare()
    work.own()
    rounds = work.rounds(ROUNDS)
    _check_no_rollback(rounds, directory)

    def anew() -> Ready:
        draft = planner.make(look(cloud, tenants, progress), tenants, file)
        planner.refuse(draft, file)
        planner.check_files(draft)
        draft.plan.settings[FILE] = digest
        return Ready(rounds, draft=draft)

    if (numbers := rounds.numbers()) and _goes_on(rounds.path(numbers[-1]), cloud, directory, digest):
        terminal.say("going on with what was begun before")
        return Ready(rounds, begun=numbers[-1], again=anew)
    return anew()


def _goes_on(path: Path, cloud: str, directory: Path, digest: str) -> bool:
    """Whether the last round is of the same file, and was killed or interrupted. Raises InputError where the directory
    is another cloud's."""
    with Journal.open(path) as journal:
        before = journal.settings()
        if before.get("cloud") != cloud:
            summary = f"--work {directory} is of the cloud {before.get('cloud')}"
            raise InputError(summary, hint="Name a directory of its own.")
        return before.get(FILE) == digest and _interrupted(journal)


def _check_no_rollback(rounds: Rounds, directory: Path) -> None:
    """Raises InputError while something is being taken back, of the last round or of one before it."""
    for number in rounds.numbers():
        with Journal.open(rounds.path(number)) as journal:
            if _rolling_back(journal):
                hint = f"First: naru tenant rollback {directory}"
                raise InputError(f"--work {directory}: a rollback is not at its end", hint=hint)


def roll_back(directory: Path, terminal: Terminal) -> Status:
    """Takes back what the last `apply` did that was not taken back yet."""
    work = _work(directory)
    rounds = work.rounds(ROUNDS)
    for number in reversed(rounds.numbers()):
        with Journal.open(rounds.path(number)) as journal:
            if not _has_done(journal):
                continue
            load(journal.modules())
            with journal.exclusive():
                pass  # what another terminal applies is not to be told anything
            if _rolling_back(journal):
                control.retry_any_failed(journal)
            rollback.start(journal)
            return run(journal, terminal, undoing=True)
    raise InputError(
        f"{directory}: there is nothing to take back", hint="naru tenant apply has done nothing from here."
    )


def export(
    file: Path,
    cloud: str,
    projects: Sequence[str],
    progress: Sink,
    *,
    replace: bool = False,
    images: Path | None = None,
) -> list[str]:
    """Writes the file of these projects of a cloud, or of all, and the content of images into the directory `images`,
    if one is given; what of them is not in it."""
    if file.exists() and not replace:
        raise InputError(f"{file} is there already", hint="Name another file, or give --replace.")
    with Cloud(cloud) as client:
        facts, rows = reading.look(client, progress)
        chosen = exports.chosen(facts, projects)
        users = [row.id for row in Exporter(facts, chosen, whole=not projects).rows("user")]
        ids = [row.id for row in chosen]
        facts = reading.more(client, rows, projects=ids, users=users, progress=progress)
        beside = os.path.relpath(images, file.parent) if images else ""
        written = exports.text(facts, exports.chosen(facts, projects), whole=not projects, images=beside)
        if images:
            contents.fetch(client, images, written.contents)
    try:
        write_whole(file, written.text, private=False)
    except OSError as error:
        raise NaruError(f"{file} cannot be written", detail=str(error)) from error
    return written.left


def fingerprint(tenants: Tenants) -> str:
    """By which what was applied is known again."""
    return hashlib.sha256(tenants.model_dump_json(exclude_unset=True).encode()).hexdigest()


def _work(directory: Path) -> WorkDirectory:
    return WorkDirectory(directory, CAPABILITY, "naru tenant apply")


def _interrupted(journal: Journal) -> bool:
    """Whether steps were under way, or are left where none has failed; what failed is planned anew."""
    with view(journal) as now:
        left = {step.state for step in now.steps(states=["waiting", "running", "failed", "held"])}
    return "running" in left or bool(left and "failed" not in left)


def _rolling_back(journal: Journal) -> bool:
    with view(journal) as now:
        return now.is_rolling_back()


def _has_done(journal: Journal) -> bool:
    """Whether something of the round was begun, and is not taken back."""
    with view(journal) as now:
        begun = [step for step in now.steps() if step.attempt > 0 and step.state not in ("undone", "skipped")]
        return bool(begun) or now.is_rolling_back()

"""The journal: one database that holds a plan and what has become of it, where operator and executor meet.

A SQLite database (WAL, synchronous FULL) in a work directory, or a PostgreSQL database: by its URL, or by a work
directory with a file that holds the URL. There each journal has a schema of its own, so that one database has room for
many. Its files are their owner's alone (mode 0600), and so is a work directory that is made for it (0700).
"""

import json
import os
import sqlite3
import time
import uuid
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, RowMapping, and_, func, or_, select
from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.schema import CreateSchema, DropSchema

from naru.files import sync_directory, write_whole
from naru.messages import load
from naru.plan import locks, schema
from naru.plan.engine import SCHEMA, in_schema, make_engine, parse_url, schema_of
from naru.plan.errors import PlanError, PlanInputError
from naru.plan.events import Event
from naru.plan.model import LIVE, Edge, Finding, Plan
from naru.plan.plan_rows import CHUNK, STEP_COLUMNS, chunks, finding_of, insert_plan, pairs, step_of, to_json

DATABASE = "journal.db"
POINTER = "journal.url"
"""The file in a work directory whose journal is on PostgreSQL: its URL, with the schema and without a password."""
STILL = 10.0
"""Seconds that a transaction which writes may do nothing on a database server."""


class Journal:
    """An open journal. Made by `create` or `open`; `close` it, or use it in a `with`.

    `read` and `write` give transactions; nothing is cached here, so any number of processes may have it open.
    """

    def __init__(self, where: str | Path) -> None:
        self.where = str(where)
        url = address(where)
        # of a journal that is a file in it
        self.directory = Path(where) if url is None else None
        self.engine = make_engine(url or URL.create("sqlite", database=str(Path(where) / DATABASE)))
        self._writing = self.engine.execution_options(naru_write=True)

    @classmethod
    def create(cls, where: str | Path, plan: Plan, database: str = "", plan_id: str = "") -> "Journal":
        """Writes a plan into a new journal: `where` is a work directory, made if need be, or a database URL. With the
        URL of a `database`, the work directory's journal is there, in a schema of its own. `plan_id` is a UUID, where
        the caller has to know it before.

        Raises `PlanInputError` when the plan does not hold together or a journal is there already.
        """
        plan.check()
        if database:
            if cls.exists(Path(where)):
                raise cls(Path(where))._present()
            return cls._create_elsewhere(Path(where), plan, database, plan_id)
        journal = cls(where)
        if journal.directory is not None:
            journal._make_file()
        with journal.write() as connection:
            if schema.version(connection):
                raise journal._present()
            schema.create(connection)
            insert_plan(connection, plan, plan_id)
        return journal

    @classmethod
    def replace(cls, directory: Path, plan: Plan, database: str = "", plan_id: str = "") -> "Journal":
        """As `create` in a work directory, in place of the journal that is there. Killed at any instant it leaves the
        one or the other, each whole."""
        plan.check()
        before = cls(directory)
        try:
            if database or before.directory is None:
                # which of both counts, the file journal.url says: it is written, or removed, when all else is done
                made = cls._create_elsewhere(directory, plan, database, plan_id) if database else None
                if made is None:
                    made = cls._create_beside(directory, plan, plan_id)
                before._drop()
                return made
            with before.write() as connection:
                schema.drop(connection)
                schema.create(connection)
                insert_plan(connection, plan, plan_id)
        finally:
            before.close()
        return cls(directory)

    def _make_file(self) -> None:
        assert self.directory is not None
        # one that is there keeps its mode: it may be somebody's home, or the current one
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # made before SQLite does it, which would let others read it; its WAL takes the same mode
        os.close(os.open(self.directory / DATABASE, os.O_CREAT | os.O_RDWR, 0o600))

    @classmethod
    def _create_elsewhere(cls, directory: Path, plan: Plan, database: str, plan_id: str) -> "Journal":
        name = f"{SCHEMA}{uuid.uuid4().hex[:12]}"
        url = in_schema(parse_url(database), name)
        with cls(url.render_as_string(hide_password=False)) as journal, journal.write() as connection:
            connection.execute(CreateSchema(name))
            schema.create(connection)
            insert_plan(connection, plan, plan_id)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # last, and as a whole: what has the file has a journal
        write_whole(directory / POINTER, url.set(password=None).render_as_string() + "\n")
        return cls(directory)

    @classmethod
    def _create_beside(cls, directory: Path, plan: Plan, plan_id: str) -> "Journal":
        """A journal that is a file, in a work directory whose journal is on PostgreSQL."""
        cls._unlink(directory)
        os.close(os.open(directory / DATABASE, os.O_CREAT | os.O_RDWR, 0o600))
        url = URL.create("sqlite", database=str(directory.absolute() / DATABASE))
        with cls(url.render_as_string()) as journal, journal.write() as connection:
            schema.create(connection)
            insert_plan(connection, plan, plan_id)
        (directory / POINTER).unlink()
        sync_directory(directory)
        return cls(directory)

    def _drop(self) -> None:
        """Removes what the journal was in, when another one is in its place."""
        if self.directory is not None:
            self.close()
            self._unlink(self.directory)
            return
        with self.write() as connection:
            connection.execute(DropSchema(schema_of(self.engine.url), cascade=True))

    @classmethod
    def open(cls, where: str | Path, *, as_it_is: bool = False) -> "Journal":
        """Opens an existing journal. One of an older schema version is made into one of this: see `made_with`. Not
        with `as_it_is`, for whoever only looks at journals of others: an older Naru may still need it as it made it.

        Raises `PlanInputError` for one that is absent, damaged, or of a newer version, and for an older one that an
        executor has at the moment, or that is to stay as it is.
        """
        journal = cls(where)
        if journal.directory is not None and not (journal.directory / DATABASE).is_file():
            raise journal._absent()
        try:
            with journal.read() as connection:
                found = schema.version(connection)
            if not found:
                raise journal._absent()
            if found != schema.VERSION:
                if as_it_is:
                    raise journal._of_another_version(found)
                journal._migrate(found)
            journal.setup()
        except BaseException:
            journal.close()
            raise
        return journal

    @classmethod
    def exists(cls, directory: Path) -> bool:
        """Whether the work directory has a journal. One whose making was killed does not count."""
        if (directory / POINTER).is_file():
            return True
        if not (directory / DATABASE).is_file():
            return False
        with cls(directory) as journal, journal.read() as connection:
            return schema.version(connection) > 0

    @classmethod
    def remove(cls, directory: Path) -> None:
        """Removes the work directory's journal."""
        with cls(directory) as journal:
            if journal.directory is None:
                with journal.write() as connection:
                    connection.execute(DropSchema(schema_of(journal.engine.url), cascade=True))
                    (directory / POINTER).unlink()
                return
        cls._unlink(directory)

    @staticmethod
    def _unlink(directory: Path) -> None:
        for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):
            (directory / name).unlink(missing_ok=True)

    def _present(self) -> PlanInputError:
        return PlanInputError(f"{self.name}: there is a journal already", hint="run it, or take another work directory")

    def _absent(self) -> PlanInputError:
        return PlanInputError(f"{self.name}: no journal there", hint="naru plan create FILE --work DIR makes one")

    def _of_another_version(self, found: int) -> PlanInputError:
        return PlanInputError(
            f"{self.name}: the journal has schema version {found}, this version of Naru reads {schema.VERSION}",
            hint="look at it with the version that wrote it; a naru plan status of this one brings it up to date",
        )

    def _migrate(self, found: int) -> None:
        # an executor of the version that made it would find its tables changed beneath it
        if found < schema.VERSION and self._is_running_unmigrated():
            raise PlanInputError(
                f"{self.name}: an executor of an older Naru is running this plan",
                hint="let it end, or end it with that version; then this one goes on with it",
            )
        with self.write() as connection:
            schema.migrate(connection, self.name)

    def _is_running_unmigrated(self) -> bool:
        if self.directory is not None:
            return self.is_running()
        with self.read() as connection:
            plan_id = str(connection.execute(select(schema.setup.c.plan_id)).scalar_one())
        return self._is_locked(plan_id)

    @property
    def name(self) -> str:
        """Where the journal is, without a password."""
        return self.engine.url.render_as_string(hide_password=True) if "://" in self.where else self.where

    def close(self) -> None:
        self.engine.dispose()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the journal and holds up nobody."""
        with self._explained("read"), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes, durable when it has ended well. Waits up to 30 s for another writer.

        On a server it may not stand still for longer than `STILL`: a process that was stopped, or whose machine is
        suspended, would hold up everybody by the rows that it has locked."""
        with self._explained("written"), self._writing.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = {int(STILL * 1000)}")
            yield connection

    @contextmanager
    def _explained(self, verb: str) -> Iterator[None]:
        try:
            yield
        except NoResultFound as error:
            raise self._damaged("a row is missing that every journal has") from error
        except DBAPIError as error:
            if type(error.orig) is sqlite3.DatabaseError:  # its kin are for locks, full disks and the like
                raise self._damaged(str(error.orig)) from error
            hint = "what was committed is safe: when the cause is fixed, give the command again"
            if self.directory is not None and not os.access(self.directory, os.W_OK):
                hint = f"{self.directory} cannot be written, which a journal needs also to be read"
            raise PlanError(
                f"{self.name}: the journal cannot be {verb}", detail=str(error.orig).strip(), hint=hint
            ) from error

    def _damaged(self, detail: str) -> PlanInputError:
        return PlanInputError(
            f"{self.name}: the journal is damaged",
            detail=detail,
            hint="restore the directory from a copy, or begin again in another one",
        )

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keeps every other executor off this journal until it ends; the system frees it when the process dies.

        Raises `PlanError` when another one has it, after a second: a killed executor's connection takes the server a
        moment to notice, and `is_running` holds the file for a moment.
        """
        lock = (
            locks.advisory_lock(self.engine, self.plan_id)
            if self.directory is None
            else locks.file_lock(self.directory)
        )
        with lock as try_lock:
            for attempt in range(20):
                if try_lock():
                    break
                if attempt == 19:
                    raise self._busy()
                time.sleep(0.05)
            yield

    def _busy(self) -> PlanError:
        with self.read() as connection:
            run = connection.execute(select(schema.runs).order_by(schema.runs.c.id.desc()).limit(1)).mappings().first()
        return PlanError(
            f"{self.name}: another executor is running this plan",
            detail=f"process {run['pid']} on {run['host']}" if run else "",
            hint="naru plan status --watch shows it; naru plan cancel ends it",
        )

    def is_running(self) -> bool:
        """Whether an executor has this journal at this moment."""
        if self.directory is not None:
            # who only looks leaves no file behind that the plan's own user could not open
            if not (self.directory / locks.LOCK).exists():
                return False
            with locks.file_lock(self.directory, shared=True) as try_lock:
                return not try_lock()
        return self._is_locked(self.plan_id)

    def _is_locked(self, plan_id: str) -> bool:
        with self.read() as connection:
            return locks.has_advisory_lock(connection, plan_id)

    def last_run(self) -> int:
        """The number of the newest run; 0 where there was none."""
        with self.read() as connection:
            return int(connection.execute(select(func.max(schema.runs.c.id))).scalar_one() or 0)

    def setup(self) -> RowMapping:
        """The row that says what the plan is, as it is in the database; see `schema.setup`."""
        with self.read() as connection:
            return connection.execute(select(schema.setup)).mappings().one()

    @property
    def plan_id(self) -> str:
        """A UUID that no other plan has."""
        return str(self.setup()["plan_id"])

    @property
    def made_with(self) -> int:
        """The schema version that the journal was made with. One of version 1 has no `about` and no `purpose`: a
        capability that needs them refuses it."""
        return int(self.setup()["made_with"])

    def settings(self) -> dict[str, Any]:
        """The settings that the plan was made with; a later command must agree with them."""
        settings: dict[str, Any] = json.loads(self.setup()["settings"])
        return settings

    def modules(self) -> list[str]:
        """The Python modules that register the plan's step kinds."""
        modules: list[str] = json.loads(self.setup()["modules"])
        return modules

    def findings(self) -> list[Finding]:
        return [finding_of(row) for row in json.loads(self.setup()["findings"])]

    def remember(self, key: str, value: Any) -> None:
        """Keeps a value (JSON) under a capability's own key, in place of what it had; an event says when."""
        with self.write() as connection:
            self._remember(connection, key, to_json(value))

    def remember_more(self, key: str, texts: Collection[str]) -> None:
        """Adds texts to those, in order, that are remembered under the key. Of two who do so at once neither is
        lost."""
        if not texts:
            return
        with self.write() as connection:
            # PostgreSQL lets writers go side by side
            connection.execute(select(schema.control.c.owner).with_for_update())
            known = connection.execute(select(schema.notes.c.value).where(schema.notes.c.key == key)).scalar()
            before = set(json.loads(known or "[]"))
            if more := set(texts) - before:
                self._remember(connection, key, to_json(sorted(before | more)))

    def _remember(self, connection: Connection, key: str, value: str) -> None:
        known = connection.execute(schema.notes.update().where(schema.notes.c.key == key).values(value=value))
        if not known.rowcount:
            connection.execute(schema.notes.insert().values(key=key, value=value))
        row = {"at": time.time(), "step": None, "attempt": None, "what": key, "detail": value}
        connection.execute(schema.events.insert().values(row))

    def recall(self, key: str) -> Any:
        """The value that was remembered last under this key; None for none."""
        with self.read() as connection:
            query = select(schema.notes.c.value).where(schema.notes.c.key == key)
            found = connection.execute(query).scalar_one_or_none()
        return None if found is None else json.loads(found)

    def recall_all(self, prefix: str) -> dict[str, Any]:
        """The values that were remembered last under the keys that begin so, by key."""
        with self.read() as connection:
            query = select(schema.notes.c.key, schema.notes.c.value).where(
                schema.notes.c.key.startswith(prefix, autoescape=True)
            )
            return {row.key: json.loads(row.value) for row in connection.execute(query)}

    def kinds(self) -> list[str]:
        """The names of the step kinds in use."""
        with self.read() as connection:
            return list(connection.execute(select(schema.steps.c.kind).distinct()).scalars())

    def queues(self, *, ever: bool = False) -> list[str]:
        """The worker queues from which steps are still to run; `ever`, also those of steps that are over: an operator
        may have them tried again, or rolled back, while an executor is at work."""
        query = select(schema.steps.c.queue).where(schema.steps.c.queue != "")
        if not ever:
            query = query.where(schema.steps.c.state.in_(LIVE))
        with self.read() as connection:
            return sorted(connection.execute(query.distinct()).scalars())

    def running(self, kinds: Iterable[str]) -> int:
        """How many steps of these kinds are under way: in the executor, or at a worker that holds a lease."""
        steps, leases = schema.steps.c, schema.leases.c
        held = select(leases.step).where(leases.step == steps.n, leases.holder != "", leases.outcome.is_(None))
        query = select(func.count()).where(
            and_(steps.state == "running", steps.kind.in_(list(kinds)), or_(steps.queue == "", held.exists()))
        )
        with self.read() as connection:
            return int(connection.execute(query).scalar_one())

    def plan(self, *, rollbacks: bool = True) -> Plan:
        """The plan as it stands: with the operator's limits and changed arguments, and the steps of rollbacks."""
        setup = self.setup()
        with self.read() as connection:
            query = select(*STEP_COLUMNS).order_by(schema.steps.c.n)
            if not rollbacks:
                query = query.where(schema.steps.c.undoes.is_(None))
            steps = [step_of(row) for row in connection.execute(query)]
            return Plan(
                title=load(json.loads(setup["title"])),
                steps=steps,
                edges=[
                    Edge(steps[before - 1].id, steps[after - 1].id)
                    for after, before in connection.execute(select(schema.edges))
                    # the steps of rollbacks come after all others
                    if max(after, before) <= len(steps)
                ],
                findings=[finding_of(row) for row in json.loads(setup["findings"])],
                limits=dict(pairs(connection.execute(select(schema.limits).order_by(schema.limits.c.name)))),
                gates=list(connection.execute(select(schema.gates.c.name).order_by(schema.gates.c.name)).scalars()),
                modules=json.loads(setup["modules"]),
                settings=json.loads(setup["settings"]),
            )

    def numbers(self, ids: Iterable[str]) -> dict[str, int]:
        """The `n` of each step id. Raises `PlanInputError` that names the unknown ones."""
        wanted = list(ids)
        found: dict[str, int] = {}
        with self.read() as connection:
            for part in chunks(wanted, CHUNK):
                query = select(schema.steps.c.id, schema.steps.c.n).where(schema.steps.c.id.in_(part))
                found |= dict(pairs(connection.execute(query)))
        missing = [step for step in wanted if step not in found]
        if missing:
            raise PlanInputError(f"{self.name}: no step {', '.join(missing)}", hint="naru plan show lists the steps")
        return found

    def results_before(self, n: int) -> dict[str, Any]:
        """The results of the steps that step `n` waited for, by id."""
        query = (
            select(schema.steps.c.id, schema.steps.c.result)
            .join(schema.edges, schema.edges.c.before == schema.steps.c.n)
            .where(schema.edges.c.after == n)
        )
        with self.read() as connection:
            return {id: None if result is None else json.loads(result) for id, result in connection.execute(query)}

    def has_failed(self, n: int, attempt: int) -> bool:
        """Whether it is recorded that this attempt of step `n` failed."""
        events = schema.events.c
        query = select(events.id).where(
            events.step == n, events.attempt == attempt, events.what.in_((Event.FAILED, Event.RETRY))
        )
        with self.read() as connection:
            return connection.execute(query.limit(1)).first() is not None


def address(where: str | Path) -> URL | None:
    """The URL that `where` is, or that the work directory's journal is at; None when that is a file in it."""
    said = str(where)
    if "://" not in said:
        try:
            said = (Path(where) / POINTER).read_text().strip()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise PlanInputError(f"{Path(where) / POINTER} cannot be read", detail=str(error)) from error
    return parse_url(said)

"""The journal: one database that holds a plan and what has become of it, where operator and executor meet.

A SQLite database (WAL, synchronous FULL) in a work directory of mode 0700, or a PostgreSQL database: by its URL, or by
a work directory with a file that holds the URL. There each journal has a schema of its own, so that one database has
room for many.
"""

import fcntl
import json
import os
import re
import sqlite3
import time
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    RowMapping,
    and_,
    create_engine,
    event,
    func,
    make_url,
    or_,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoResultFound, NoSuchModuleError
from sqlalchemy.schema import CreateSchema, DropSchema

from naru.files import write_whole
from naru.plan import schema
from naru.plan.errors import PlanError, PlanInputError
from naru.plan.model import Edge, Finding, Plan, Step

DATABASE = "journal.db"
POINTER = "journal.url"
"""The file in a work directory whose journal is on PostgreSQL: its URL, with the schema and without a password."""
LOCK = "executor.lock"
CHUNK = 5000
SCHEMA = "naru_"
"""What the schemas of journals on PostgreSQL begin with."""
_SEARCH = re.compile(rf"-csearch_path=({SCHEMA}\w+)")


class Journal:
    """An open journal. Made by `create` or `open`; `close` it, or use it in a `with`.

    `read` and `write` give transactions; nothing is cached here, so any number of processes may have it open.
    """

    def __init__(self, where: str | Path) -> None:
        self.where = str(where)
        url = address(where)
        # of a journal that is a file in it
        self.directory = Path(where) if url is None else None
        self.engine = _engine(url or URL.create("sqlite", database=str(Path(where) / DATABASE)))
        self._writing = self.engine.execution_options(naru_write=True)

    @classmethod
    def create(cls, where: str | Path, plan: Plan, database: str = "") -> "Journal":
        """Writes a plan into a new journal: `where` is a work directory, made if need be, or a database URL. With the
        URL of a `database`, the work directory's journal is there, in a schema of its own.

        Raises `PlanInputError` when the plan does not hold together or a journal is there already.
        """
        plan.check()
        if database:
            return cls._create_elsewhere(Path(where), plan, database)
        journal = cls(where)
        if journal.directory is not None:
            journal.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            journal.directory.chmod(0o700)
            # made before SQLite does it, which would let others read it; its WAL takes the same mode
            os.close(os.open(journal.directory / DATABASE, os.O_CREAT | os.O_RDWR, 0o600))
        with journal.write() as connection:
            if schema.version(connection):
                raise journal._present()
            schema.migrate(connection, journal.name)
            _insert_plan(connection, plan)
        return journal

    @classmethod
    def _create_elsewhere(cls, directory: Path, plan: Plan, database: str) -> "Journal":
        if cls.exists(directory):
            raise cls(directory)._present()
        name = f"{SCHEMA}{uuid.uuid4().hex[:12]}"
        url = in_schema(_url(database), name)
        with cls(url.render_as_string(hide_password=False)) as journal, journal.write() as connection:
            connection.execute(CreateSchema(name))
            schema.migrate(connection, journal.name)
            _insert_plan(connection, plan)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        # last, and as a whole: what has the file has a journal
        write_whole(directory / POINTER, url.set(password=None).render_as_string() + "\n")
        return cls(directory)

    @classmethod
    def open(cls, where: str | Path, settings: Mapping[str, Any] | None = None) -> "Journal":
        """Opens a journal that is there, of this or an older schema version.

        With `settings`, they must be those it was created with: `PlanInputError` names every one that differs. So it
        does a journal that is absent, damaged, or of a newer version.
        """
        journal = cls(where)
        if journal.directory is not None and not (journal.directory / DATABASE).is_file():
            raise journal._absent()
        try:
            with journal.read() as connection:
                found = schema.version(connection)
            if not found:
                raise journal._absent()
            if found != len(schema.MIGRATIONS):
                with journal.write() as connection:
                    schema.migrate(connection, journal.name)
            journal.setup()
            if settings is not None:
                journal._guard(settings)
        except BaseException:
            journal.close()
            raise
        return journal

    @classmethod
    def exists(cls, directory: Path) -> bool:
        """Whether the work directory has a journal. One whose making was killed is none."""
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
        for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):
            (directory / name).unlink(missing_ok=True)

    def _present(self) -> PlanInputError:
        return PlanInputError(f"{self.name}: there is a journal already", hint="run it, or take another work directory")

    def _absent(self) -> PlanInputError:
        return PlanInputError(f"{self.name}: no journal there", hint="naru plan create FILE --work DIR makes one")

    def _guard(self, settings: Mapping[str, Any]) -> None:
        recorded = json.loads(self.setup()["settings"])
        differing = [
            f"{key}: the journal has {json.dumps(recorded.get(key))}, given is {json.dumps(settings.get(key))}"
            for key in sorted({*recorded, *settings})
            if recorded.get(key) != settings.get(key)
        ]
        if differing:
            raise PlanInputError(
                f"{self.name}: the plan was made with other settings",
                detail="\n".join(differing),
                hint="take another work directory, or the settings it was made with",
            )

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
        """A transaction that writes, durable when it has ended well. Waits up to 30 s for another writer."""
        with self._explained("written"), self._writing.begin() as connection:
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
            raise PlanError(
                f"{self.name}: the journal cannot be {verb}",
                detail=str(error.orig).strip(),
                hint="what was committed is safe: when the cause is mended, run the plan again",
            ) from error

    def _damaged(self, detail: str) -> PlanInputError:
        return PlanInputError(
            f"{self.name}: the journal is damaged",
            detail=detail,
            hint="bring the directory back from a copy; without it, begin anew in another one",
        )

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keeps every other executor off this journal until it ends; the system frees it when the process dies.

        Raises `PlanError` when another one has it, after a second: a killed executor's connection takes the server a
        moment to notice, and `is_running` holds the file for a moment.
        """
        with self._file_lock() if self.directory is not None else self._advisory_lock() as try_lock:
            for attempt in range(20):
                if try_lock():
                    break
                if attempt == 19:
                    raise self._busy()
                time.sleep(0.05)
            yield

    @contextmanager
    def _file_lock(self, how: int = fcntl.LOCK_EX) -> Iterator[Callable[[], bool]]:
        assert self.directory is not None
        handle = os.open(self.directory / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

        def try_lock() -> bool:
            try:
                fcntl.flock(handle, how | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        try:
            yield try_lock
        finally:
            os.close(handle)

    @contextmanager
    def _advisory_lock(self) -> Iterator[Callable[[], bool]]:
        key = self._lock_key()
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            try:
                yield lambda: bool(connection.execute(select(func.pg_try_advisory_lock(key))).scalar_one())
            finally:
                # the connection goes back to a pool, which does not free it; one that is lost has freed it
                with suppress(DBAPIError):
                    connection.execute(select(func.pg_advisory_unlock_all()))

    def _lock_key(self) -> int:
        return zlib.crc32(self.setup()["plan_id"].encode())

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
            with self._file_lock(fcntl.LOCK_SH) as try_lock:
                return not try_lock()
        locks = text(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = CAST(:key AS oid) "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        with self.read() as connection:
            return connection.execute(locks, {"key": self._lock_key()}).first() is not None

    def setup(self) -> RowMapping:
        """The row that says what the plan is: plan_id, title, modules, settings, findings (JSON), created."""
        with self.read() as connection:
            return connection.execute(select(schema.setup)).mappings().one()

    def modules(self) -> list[str]:
        """The Python modules that register the plan's step kinds."""
        modules: list[str] = json.loads(self.setup()["modules"])
        return modules

    def findings(self) -> list[Finding]:
        return [Finding(**row) for row in json.loads(self.setup()["findings"])]

    def kinds(self) -> list[str]:
        """The names of the step kinds in use."""
        with self.read() as connection:
            return list(connection.execute(select(schema.steps.c.kind).distinct()).scalars())

    def places(self) -> list[str]:
        """The places, other than the executor, where steps are still to run."""
        query = select(schema.steps.c.place).where(
            schema.steps.c.place != "", schema.steps.c.state.in_(("waiting", "running", "held"))
        )
        with self.read() as connection:
            return sorted(connection.execute(query.distinct()).scalars())

    def running(self, kinds: Iterable[str]) -> int:
        """How many steps of these kinds are under way: in the executor, or at a worker that holds a lease."""
        steps, leases = schema.steps.c, schema.leases.c
        held = select(leases.step).where(leases.step == steps.n, leases.holder != "", leases.outcome.is_(None))
        query = select(func.count()).where(
            and_(steps.state == "running", steps.kind.in_(list(kinds)), or_(steps.place == "", held.exists()))
        )
        with self.read() as connection:
            return int(connection.execute(query).scalar_one())

    def plan(self, *, rollbacks: bool = True) -> Plan:
        """The plan as it stands: with the operator's limits and changed arguments, and the steps of rollbacks."""
        setup = self.setup()
        with self.read() as connection:
            columns = [schema.steps.c[name] for name in Step.__dataclass_fields__]
            query = select(*columns).order_by(schema.steps.c.n)
            if not rollbacks:
                query = query.where(schema.steps.c.undoes.is_(None))
            rows = connection.execute(query).mappings()
            steps = [Step(**{**row, "args": json.loads(row["args"])}) for row in rows]
            return Plan(
                title=setup["title"],
                steps=steps,
                edges=[
                    Edge(steps[before - 1].id, steps[after - 1].id)
                    for after, before in connection.execute(select(schema.edges))
                    # the steps of rollbacks come after all others
                    if max(after, before) <= len(steps)
                ],
                findings=[Finding(**row) for row in json.loads(setup["findings"])],
                limits=dict(_pairs(connection.execute(select(schema.limits).order_by(schema.limits.c.name)))),
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
                found |= dict(_pairs(connection.execute(query)))
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


def insert_steps(connection: Connection, first: int, steps: Iterable[tuple[Step, int | None]]) -> None:
    """Adds steps, numbered from `first`; the second of each pair is the n of the step it undoes, or None."""
    rows = (
        {**{name: getattr(step, name) for name in Step.__dataclass_fields__}, "args": to_json(step.args), "n": n}
        | {"undoes": undoes}
        for n, (step, undoes) in enumerate(steps, first)
    )
    for part in chunks(rows, CHUNK):
        connection.execute(schema.steps.insert(), part)


def insert_edges(connection: Connection, edges: Iterable[tuple[int, int]]) -> None:
    """Adds edges as pairs of (after, before), each pair once."""
    rows = ({"after": after, "before": before} for after, before in edges)
    for part in chunks(rows, CHUNK):
        connection.execute(schema.edges.insert(), part)


def _insert_plan(connection: Connection, plan: Plan) -> None:
    connection.execute(
        schema.setup.insert().values(
            plan_id=str(uuid.uuid4()),
            title=plan.title,
            modules=to_json(plan.modules),
            settings=to_json(plan.settings),
            findings=to_json([asdict(finding) for finding in plan.findings]),
            created=time.time(),
        )
    )
    connection.execute(schema.control.insert().values(id=1, mode="run", revision=0, owner=0))
    insert_steps(connection, 1, ((step, None) for step in plan.steps))
    number = {step.id: n for n, step in enumerate(plan.steps, 1)}
    insert_edges(connection, sorted({(number[after], number[before]) for before, after in plan.edges}))
    for part in chunks(({"name": name, "value": value} for name, value in plan.limits.items()), CHUNK):
        connection.execute(schema.limits.insert(), part)
    for part in chunks(({"name": name, "held": True} for name in plan.gates), CHUNK):
        connection.execute(schema.gates.insert(), part)


def to_json(value: Any) -> str:
    """JSON as the journal keeps it: compact, keys sorted. Raises TypeError for what is not JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def chunks(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """The rows in lists of at most `size`, none empty."""
    iterator = iter(rows)
    while part := list(islice(iterator, size)):
        yield part


def _pairs(rows: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    return ((row[0], row[1]) for row in rows)


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
    return _url(said)


def in_schema(url: URL, name: str) -> URL:
    """The same database's URL with that schema; "" for none, the one that the database's user has by itself."""
    words = [_SEARCH.sub("", _options(url)).strip(), f"-csearch_path={name}" if name else ""]
    url = url.difference_update_query(["options"])
    return url.update_query_dict({"options": " ".join(filter(None, words))}) if any(words) else url


def schema_of(url: URL) -> str:
    """The schema of a journal that a URL names, "" for none."""
    found = _SEARCH.search(_options(url))
    return found[1] if found else ""


def _options(url: URL) -> str:
    """What the server is told at the beginning of a connection."""
    said = url.query.get("options", "")
    return said if isinstance(said, str) else " ".join(said)


def _url(said: str) -> URL:
    try:
        return make_url(said)
    except ArgumentError as error:
        raise _no_database(error) from None


def _no_database(error: Exception) -> PlanInputError:
    return PlanInputError(
        "the journal's URL is not one of a database that is installed",
        detail=str(error),
        hint="postgresql://HOST/DATABASE needs the extra: pip install naru-openstack[workers]",
    )


def _engine(url: URL) -> Engine:
    try:
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        engine = create_engine(url, pool_pre_ping=url.drivername != "sqlite")
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise _no_database(error) from None
    if engine.dialect.name == "sqlite":
        _configure_sqlite(engine)
    return engine


def _configure_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: Any, _: object) -> None:
        # BEGIN is ours to say, below
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # a writer takes the lock at once: one that first reads and then wants to write could not wait for it
        write = connection.get_execution_options().get("naru_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

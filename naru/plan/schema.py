"""The journal's tables, and how an older journal becomes a newer one.

Times are seconds since 1970 (UTC) as floating point numbers, JSON is text. `n` numbers the steps from 1 without gaps.
What people read (titles, findings) is JSON as `naru.messages.dump` writes it.
"""

import json
from collections.abc import Callable, Mapping

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    inspect,
    select,
    text,
)

from naru.plan.errors import PlanInputError

metadata = MetaData()

# SQLite numbers rows by itself only in a column of type INTEGER
_Serial = BigInteger().with_variant(Integer, "sqlite")

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

setup = Table(
    "setup",
    metadata,
    Column("plan_id", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("modules", Text, nullable=False),
    Column("settings", Text, nullable=False),
    Column("findings", Text, nullable=False),
    Column("created", Float, nullable=False),
    # the schema version that the journal was made with; what an older one did not record is empty
    Column("made_with", Integer, nullable=False),
)

steps = Table(
    "steps",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("args", Text, nullable=False),
    Column("unit", Text, nullable=False, index=True),
    Column("about_kind", Text, nullable=False),
    Column("about_id", Text, nullable=False, index=True),
    Column("about_name", Text, nullable=False),
    Column("purpose", Text, nullable=False, index=True),
    # a JSON list. There are few different ones, so the groups' counts come from one grouping by this text
    Column("limits", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("gate", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("estimate", Float, nullable=False),
    # of an undo step: the n of the step whose effect it undoes
    Column("undoes", Integer),
    Column("state", Text, nullable=False, default="waiting"),
    Column("attempt", Integer, nullable=False, default=0),
    Column("started", Float),
    Column("ended", Float),
    Column("result", Text),
    Column("error", Text),
)

edges = Table(
    "edges",
    metadata,
    Column("after", Integer, nullable=False),
    Column("before", Integer, nullable=False),
    PrimaryKeyConstraint("after", "before"),
    sqlite_with_rowid=False,
)
Index("edges_before", edges.c.before)

limits = Table("limits", metadata, Column("name", Text, primary_key=True), Column("value", Integer, nullable=False))
gates = Table(
    "gates",
    metadata,
    Column("name", Text, primary_key=True),
    Column("held", Boolean, nullable=False),
    # the run that passes it although it is held: with the run, that is over
    Column("run", Integer),
)

# what a capability wants to be remembered of a plan: JSON by a key of its own
notes = Table("notes", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

control = Table(
    "control",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # run, paused or cancelled
    Column("mode", Text, nullable=False),
    # grows with every change by an operator, so that the executor sees with one small read that there is one
    Column("revision", Integer, nullable=False),
    # the number of the newest run: the only one that may write
    Column("owner", Integer, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", Float, nullable=False),
    # the last sign of life; a run that was killed ended then
    Column("seen", Float, nullable=False),
    # the expected end, as far as it can be told
    Column("eta", Float),
    Column("outcome", Text),
)

events = Table(
    "events",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("step", Integer),
    Column("attempt", Integer),
    Column("what", Text, nullable=False),
    Column("detail", Text, nullable=False),
)

requests = Table(
    "requests",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("step", Integer, nullable=False, index=True),
    Column("attempt", Integer, nullable=False),
    Column("at", Float, nullable=False),
    Column("text", Text, nullable=False),
    Column("request_id", Text, nullable=False),
)

progress = Table(
    "progress",
    metadata,
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("done", Float, nullable=False),
    Column("total", Float),
    Column("unit", Text, nullable=False),
    Column("at", Float, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("target", Text, primary_key=True),
    Column("step", Integer, nullable=False, index=True),
    Column("attempt", Integer, nullable=False),
    Column("holder", Text, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("expires", Float, nullable=False),
    # what the worker's step ended with, until the executor has taken it over
    Column("outcome", Text),
)


def _append_only(connection: Connection) -> None:
    """Lets the database itself refuse to change or delete events."""
    if connection.dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER events_no_{verb.lower()} BEFORE {verb} ON events "
                "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
            )
    else:
        connection.exec_driver_sql(
            "CREATE FUNCTION events_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'events are append-only'; END $$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE ON events "
            "FOR EACH ROW EXECUTE FUNCTION events_append_only()"
        )


def _to_2(connection: Connection) -> None:
    """Several limit groups a step, what a step is about and for, texts as messages, notes."""
    run = connection.exec_driver_sql
    run('ALTER TABLE steps RENAME COLUMN "limit" TO limits')
    run("ALTER TABLE steps RENAME COLUMN place TO queue")
    for name in ("about_kind", "about_id", "about_name", "purpose"):
        run(f"ALTER TABLE steps ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")
    run("CREATE INDEX ix_steps_about_id ON steps (about_id)")
    run("CREATE INDEX ix_steps_purpose ON steps (purpose)")
    run("ALTER TABLE setup ADD COLUMN made_with INTEGER NOT NULL DEFAULT 1")
    notes.create(connection)
    for group in connection.execute(select(steps.c.limits).distinct()).scalars().all():
        change = steps.update().where(steps.c.limits == group)
        connection.execute(change.values(limits=json.dumps([group], ensure_ascii=False)))
    for table, key in ((steps, steps.c.n), (setup, setup.c.plan_id)):
        rows = connection.execute(select(key, table.c.title)).all()
        change = table.update().where(key == text(":key")).values(title=text(":words"))
        if rows:
            words: list[Mapping[str, object]] = [
                {"key": row[0], "words": json.dumps(row[1], ensure_ascii=False)} for row in rows
            ]
            connection.execute(change, words)
    # the one thing that was remembered, as an event of this name
    last = select(events.c.detail).where(events.c.what == "schedule").order_by(events.c.id.desc()).limit(1)
    if (schedule := connection.execute(last).scalar_one_or_none()) is not None:
        connection.execute(notes.insert().values(key="schedule", value=schedule))


def _to_3(connection: Connection) -> None:
    """Gates that are open for one run."""
    connection.exec_driver_sql("ALTER TABLE gates ADD COLUMN run INTEGER")


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_to_2, _to_3)
"""The functions that bring a journal from one version to the next, from version 1 on."""
VERSION = 1 + len(MIGRATIONS)
"""The version of new journals."""


def create(connection: Connection) -> None:
    """Makes the tables of a new journal."""
    metadata.create_all(connection, checkfirst=False)
    _append_only(connection)
    connection.execute(schema_version.insert().values(version=VERSION))


def drop(connection: Connection) -> None:
    """Removes the tables of a journal."""
    metadata.drop_all(connection)


def version(connection: Connection) -> int:
    """The schema version found; 0 when there is no journal."""
    if not inspect(connection).has_table("schema_version"):
        return 0
    return int(connection.execute(select(schema_version.c.version)).scalar_one())


def migrate(connection: Connection, where: str) -> None:
    """Brings the tables to this version. Raises `PlanInputError` when they are of a newer one."""
    found = version(connection)
    if found > VERSION:
        raise PlanInputError(
            f"{where}: the journal has schema version {found}, this version of Naru knows up to {VERSION}",
            hint="use the version of Naru that wrote it, or a newer one",
        )
    if found == VERSION:
        return
    for change in MIGRATIONS[found - 1 :]:
        change(connection)
    connection.execute(schema_version.delete())
    connection.execute(schema_version.insert().values(version=VERSION))

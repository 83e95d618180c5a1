"""The way of a service's database from one release to another: which releases' code has to run on it, and why.

What is known of each service is in `services/NAME.yaml`, read in the code of its releases: from which release's
database the schema steps of a release go on (`floors`), and which changes of rows only some releases' code makes
(`ended`). A release may be passed over when the next one takes the database as it is, and no change is lost by it.
"""

import functools
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import pydantic

from naru import yamlfile
from naru.errors import InputError
from naru.releases import release

DATA = Path(__file__).parent / "services"
TESTED = "upstream tests the way from each release to the next, and from one SLURP release to the next; no other"


class _Data(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Floor(_Data):
    """From the release `since` on a database has to be of the release `takes` or later."""

    since: str
    takes: str
    why: str


class Rows(_Data):
    """Rows that are looked for: what they are, and the statement that lists them, one column that names each. It is
    for MariaDB and MySQL, in that `schema` of a cloud, where {NAME} stands for another of its schemas. None: rows that
    no statement finds."""

    what: str
    schema_: str | None = pydantic.Field(default=None, alias="schema")
    rows: str | None = None


class Ended(Rows):
    """A change of rows, or a schema step, that the code of the releases from `first` to `last` makes, and no other.
    `cure` is what takes away those that a cloud's own code of these releases leaves."""

    first: str
    last: str
    name: str
    cure: str = ""


class Refused(Rows):
    """Rows at which the code of the `release` ends, and what takes them away before. With the `state` warns it goes on,
    and users notice."""

    release: str
    cure: str
    state: Literal["blocks", "warns"] = "blocks"


class Changes(_Data):
    """`fields` of a `kind` of thing, as readings of a cloud call it, that the API gives otherwise from the release
    `since` on, and why: no change of what users have."""

    since: str
    kind: str
    fields: tuple[str, ...]
    why: str


class Needs(_Data):
    """What a release needs of a `program` (`naru.releases.programs`) that is under OpenStack: from the release `since`
    on the service does not work with an older one. With `setting` only where its configuration has that; `published`:
    no code refuses an older one, it is only what is said to work."""

    since: str
    program: str
    at_least: str
    setting: str = ""
    published: bool = False


class Begins(_Data):
    """The first release with a database of its own."""

    release: str
    why: str


class Users(_Data):
    """A table with what users make, which has created_at and updated_at: `id` and `name` are its columns that tell a
    row, `host` the one that says which host has something of it. One that `marks_deleted` has deleted_at; of another it
    is not known what was deleted."""

    what: str
    schema_: str = pydantic.Field(alias="schema")
    table: str
    id: str
    name: str
    host: str = ""
    marks_deleted: bool = True


class Busy(_Data):
    """What a service is at: `rows` is a statement in `schema` that gives, a row each, the id, the project's id, the
    host, the state, and the seconds since it has that, for which {age} may stand where the table has the usual columns.
    Everything in it comes to its end, but what is in a state of
    `park`, which waits for its user; what is in one of `abort` can be ended by an operator."""

    what: str
    schema_: str = pydantic.Field(alias="schema")
    rows: str
    park: tuple[str, ...] = ()
    abort: tuple[str, ...] = ()


class Gone(_Data):
    """A part of the API that the `release` has no more: requests by one of the `methods`, or by any, to a path that is
    as the pattern `path` and to all below it, but those of `but`. {NAME} stands for one part of a path; patterns are
    what Python and every awk have in common. `answer` is the status code that the release answers with."""

    release: str
    path: str
    methods: tuple[str, ...] = ()
    but: tuple[str, ...] = ()
    answer: int
    instead: str


class PassedOver(_Data):
    """An online data migration, a function of the module with the manage commands, that is left out while the service's
    programs are stopped, from the release `first` to `last`."""

    first: str
    last: str
    name: str
    why: str


class Filled(_Data):
    """A column that an online data migration, the function `name`, fills row by row, from the release `first` to `last`
    ("" as long as there is): `statement` of SQL, in a schema of the service, gives all rows the same values at once.
    `what` it fills, for people."""

    first: str
    last: str = ""
    name: str
    what: str
    statement: str


class Process(_Data):
    """A program that has to run beside the API from the release `since` on, and `why`: a part of another one before."""

    since: str
    name: str
    why: str


class Corrected(_Data):
    """What is right about some of a service's own `checks`, from the release `first` to `last` (where one is not said,
    without end), and why. `unseen`: they cannot find out what they are for, and are not run. Any other `state` is that
    of what they warn of, or fail at."""

    checks: tuple[str, ...]
    first: str = ""
    last: str = ""
    state: Literal["unseen", "right", "warns"]
    why: str
    cure: str = ""


class Status(_Data):
    """A service's own upgrade checks, which releases `since` one have: the `program`, its Python `module`, and what is
    known of them that is otherwise than it says. `unseen` is why none finds out anything on a copy of the databases,
    where that is so: it is not run."""

    program: str
    module: str
    since: str
    unseen: str = ""
    corrected: tuple[Corrected, ...] = ()

    def of(self, name: str) -> list[Corrected]:
        """What is known of the program of a release."""
        number = _numbers()
        since = (one for one in self.corrected if not one.first or number[one.first] <= number[name])
        return [one for one in since if not one.last or number[name] <= number[one.last]]


class Service(_Data):
    """What is known of a service; `order` is its place among those that are upgraded to the same release, and `why`
    it has that.

    `schemas` are those of its databases, and `config` what its manage commands have to know, where @NAME@ stands for
    the URL of a schema, and @cell@ for that of each of Nova's cells in turn. `manage` is the Python module of these
    commands, `sync` are its schema steps, `online` its online data migrations, both as a release of it has them on the
    command line, without the option of the configuration; what is `filled` at once they find done. `users` are the
    tables with what users make, `busy` what it may be at, `processes` the programs that are new in some release,
    `status` its own upgrade checks. `gone` are the parts of its API that a release has no more; their paths begin with
    the pattern `api`. `changes` is what the API gives otherwise."""

    name: str
    order: int
    why: str
    schemas: tuple[str, ...]
    config: str
    manage: str
    sync: tuple[tuple[str, ...], ...]
    online: tuple[str, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    filled: tuple[Filled, ...] = ()
    users: tuple[Users, ...] = ()
    busy: tuple[Busy, ...] = ()
    begins: Begins | None = None
    floors: tuple[Floor, ...] = ()
    ended: tuple[Ended, ...] = ()
    refuses: tuple[Refused, ...] = ()
    needs: tuple[Needs, ...] = ()
    changes: tuple[Changes, ...] = ()
    processes: tuple[Process, ...] = ()
    api: str = ""
    gone: tuple[Gone, ...] = ()
    status: Status | None = None

    def checks(self, name: str) -> Status | None:
        """Its own upgrade checks, if a release has some."""
        number = _numbers()
        return self.status if self.status and number[self.status.since] <= number[name] else None


class Hop(NamedTuple):
    """A release whose code runs on the database, and why the next one's could not go on without it; () where it could,
    or where there is none."""

    release: str
    why: tuple[str, ...]


class Way(NamedTuple):
    """A service's way: `hops` as upstream tests it, `shortest` as far as each release's code takes what it finds."""

    service: Service
    hops: list[Hop]
    shortest: list[Hop]


@functools.cache
def services() -> dict[str, Service]:
    """All services of which the way is known, in the order in which they are upgraded."""
    found = [Service.model_validate(yamlfile.load(file)) for file in DATA.glob("*.yaml")]
    return {one.name: one for one in sorted(found, key=lambda one: one.order)}


def chosen(names: Sequence[str]) -> list[Service]:
    """The services of these names; without any, all of which the way is known."""
    known = services()
    return [known[name] for name in names or known]


def ways(start: str, goal: str, wanted: Sequence[str] = ()) -> list[Way]:
    """The ways of the services `wanted` by name, else of all, from a release to a later one. Raises InputError for
    what is not known, or no way forward."""
    known = services()
    if unknown := [name for name in wanted if name not in known]:
        raise InputError(f"the way of {unknown[0]!r} is not known", hint=f"Known: {', '.join(known)}.")
    between = _between(start, goal)
    return [_way(known[name], between) for name in known if name in wanted or not wanted]


def _between(start: str, goal: str) -> list[str]:
    order = release.names()
    for name in (start, goal):
        if name not in order:
            hint = (
                f"Known: {', '.join(order)}. A cloud that is older than {order[0]} is brought there by its own means."
            )
            raise InputError(f"unknown OpenStack release {name!r}", hint=hint)
    first, last = order.index(start), order.index(goal)
    if first >= last:
        hint = "No release's code takes a database back: the way back is its dump."
        raise InputError(f"{goal} is not later than {start}", hint=hint)
    return order[first : last + 1]


def _way(service: Service, between: list[str]) -> Way:
    return Way(service, _hops(service, _tested(service, between)), _hops(service, _shortest(service, between)))


def _hops(service: Service, stops: list[str]) -> list[Hop]:
    hops = []
    for before, name, after in itertools.zip_longest(stops[:-1], stops[1:], stops[2:]):
        hops.append(Hop(name, tuple(refusals(service, before, after)) if after else ()))
    return hops


def refusals(service: Service, before: str, after: str) -> list[str]:
    """Why the code of the release `after` cannot go on from a database of the release `before`; empty when it can."""
    number = _numbers().__getitem__
    found = []
    if (begins := service.begins) and number(before) < number(begins.release) < number(after):
        found.append(begins.why)
    for floor in service.floors:
        if number(before) < number(floor.takes) and number(after) >= number(floor.since):
            found.append(f"{after} takes no database before {floor.takes}: {floor.why}")
    for one in service.ended:
        if number(before) < number(one.first) and number(one.last) < number(after):
            these = f"{one.first} has" if one.first == one.last else f"{one.first} to {one.last} have"
            found.append(f"only {these} {one.name}: {one.what}")
    return found


def passed_over(service: Service, name: str) -> list[PassedOver]:
    """The online data migrations of a release that are left out while the service's programs are stopped."""
    number = _numbers()
    return [one for one in service.passed_over if number[one.first] <= number[name] <= number[one.last]]


def filled(service: Service, name: str) -> list[Filled]:
    """What the online data migrations of a release would fill row by row, and a statement fills at once."""
    number = _numbers()
    newest = release.names()[-1]
    return [one for one in service.filled if number[one.first] <= number[name] <= number[one.last or newest]]


@functools.cache
def _numbers() -> dict[str, int]:
    return {name: number for number, name in enumerate(release.names())}


def _tested(service: Service, between: list[str]) -> list[str]:
    """All releases, but those between two SLURP ones."""
    stops, at = [between[0]], 0
    while at < len(between) - 1:
        later = [number for number in range(at + 1, len(between)) if release.load(between[number]).slurp]
        slurp = release.load(between[at]).slurp and bool(later)
        at = later[0] if slurp else at + 1
        stops.append(between[at])
    return _own(service, stops)


def _shortest(service: Service, between: list[str]) -> list[str]:
    """With as few stops as can be; of several such ways the one whose stops are latest."""
    best: dict[str, list[str]] = {between[-1]: [between[-1]]}
    for at in range(len(between) - 2, -1, -1):
        name = between[at]
        further = [best[after] for after in reversed(between[at + 1 :]) if not refusals(service, name, after)]
        best[name] = [name, *min(further, key=len)]
    return _own(service, best[between[0]])


def _own(service: Service, stops: list[str]) -> list[str]:
    """Without those at which the service has no database of its own yet, but for the first."""
    if service.begins is None:
        return stops
    number = _numbers()
    own = number[service.begins.release]
    return [stops[0], *(name for name in stops[1:] if number[name] >= own)]

"""Reading a whole cloud, or what some of its projects own: every list at once, page by page, straight to a sink."""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from naru.cloud.client import Cloud, CloudError
from naru.inventory.database import Database
from naru.inventory.kinds import BY_NAME, DATA, ELSEWHERE, ITSELF, KINDS, MEMBER, RESOURCES, SECRET, Kind
from naru.inventory.rows import Row

# lists and single things asked at a time; the client holds as many connections
WORKERS = 8
BATCH = 500
KEY_PAIR = "key pair"
OF_USERS = frozenset(kind.name for kind in KINDS if kind.each == "user")
"""The kinds that are asked for user by user: of a whole cloud many times as many requests as of a few projects."""

NOT_ASKED = "read of single projects alone: --project"
"""Why the users of a whole cloud's projects are not asked for: they are many times as many as the projects."""

NO_FLAVOR = "read for given flavors alone"
NO_IMAGE = "read for given images alone"
_LATER = {MEMBER: NOT_ASKED, ELSEWHERE: NOT_ASKED, RESOURCES: NO_FLAVOR, DATA: NO_IMAGE}

# those whose versions are read. Not Placement's: an old cloud may have none, or one that nobody looks after; nor those
# without which a cloud is read all the same
SERVICES = tuple(dict.fromkeys(kind.service for kind in KINDS if kind.each not in (RESOURCES, ELSEWHERE)))
# those that can be asked what they have beyond their core
EXTENDED = ("identity", "network")

# receives some rows of one kind; called by one thread at a time
Sink = Callable[[list[Row]], None]


@dataclass
class Reading:
    """How one kind was read: how many rows, or why none could be. `problem` of a kind that the cloud does not have is
    what it lacks; that is another thing than none. `source` is where the rows came from, when that is not the API."""

    kind: str
    count: int = 0
    problem: str = ""
    failed: bool = False
    source: str = ""


class Reader:
    """Reads `cloud` as an administrator into `sink`; key pairs from `database`, if one is given."""

    def __init__(
        self, cloud: Cloud, sink: Sink, kinds: Iterable[Kind] = KINDS, database: Database | None = None
    ) -> None:
        self.cloud = cloud
        self.readings = {kind.name: Reading(kind.name, problem=_LATER.get(kind.each, "")) for kind in kinds}
        self._kinds = list(kinds)
        self._database = database
        self._sink = sink
        self._lock = threading.Lock()
        self._parents: dict[str, list[str]] = {}

    def run(self) -> list[Reading]:
        """Reads all kinds. Raises CloudError when the cloud does not answer or refuses its administrator everything;
        a kind that only is refused has that as its problem."""
        self.cloud.endpoint("identity")
        children: dict[str, list[Kind]] = {}
        for kind in self._kinds:
            children.setdefault(kind.each, []).append(kind)
        with ThreadPoolExecutor(WORKERS) as pool:
            running: dict[Future[None], Kind] = {pool.submit(self._list, kind): kind for kind in children.get("", ())}
            running |= {pool.submit(self._itself, kind): kind for kind in children.get(ITSELF, ())}
            try:
                while running:
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        kind = running.pop(future)
                        future.result()
                        for child in children.get(kind.name, ()):
                            if child.name in self.readings and not kind.each:
                                running |= self._begin(pool, child)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return list(self.readings.values())

    def run_of(self, parents: Collection[str]) -> list[Reading]:
        """Reads the kinds that are asked thing by thing, of these things (ids) alone: see `Kind.each`."""
        with ThreadPoolExecutor(WORKERS) as pool:
            for kind in self._kinds:
                self._parents[kind.name] = sorted(parents)
            for future in [future for kind in self._kinds for future in self._begin(pool, kind)]:
                future.result()
        return list(self.readings.values())

    def _begin(self, pool: ThreadPoolExecutor, kind: Kind) -> dict[Future[None], Kind]:
        if lacks := self._lacks(kind):
            self.readings[kind.name].problem = lacks
            return {}
        if kind.name == KEY_PAIR and self._database:
            return {pool.submit(self._key_pairs, kind, self._database): kind}
        if kind.least and not self.cloud.supports(kind.service, kind.least):
            _fail(self.readings[kind.name], kind, f"its {kind.service} service has no microversion {kind.least}")
            return {}
        return {pool.submit(self._one, kind, parent): kind for parent in self._parents.get(kind.name, [])}

    def _lacks(self, kind: Kind) -> str:
        """What the cloud does not have that the kind needs, in words; empty when nothing."""
        if not self.cloud.has(kind.service):
            return f"no {kind.service} service"
        if kind.extension and kind.extension not in self.cloud.extensions(kind.service):
            return f"no {kind.extension} in its {kind.service} service"
        return ""

    def _version(self, kind: Kind) -> str:
        return next((version for version in kind.versions if self.cloud.supports(kind.service, version)), "")

    def _itself(self, kind: Kind) -> None:
        """What the cloud is and can do. A service that it does not have has neither version nor extensions."""
        cloud = self.cloud
        versions = {name: ".".join(map(str, cloud.newest(name))) for name in SERVICES if cloud.has(name)}
        body = {
            **{"name": cloud.name, "auth_url": cloud.auth_url, "region": cloud.region, "user_id": cloud.user_id},
            "versions": versions,
            "extensions": {name: sorted(cloud.extensions(name)) for name in EXTENDED if name in versions},
            "catalogue": cloud.catalogue(),
        }
        self._take(kind, [Row.of(kind, body)])

    def _list(self, kind: Kind) -> None:
        reading = self.readings[kind.name]
        if lacks := self._lacks(kind):
            reading.problem = lacks
            return
        more = [path for path, version in kind.more if self.cloud.supports(kind.service, version)]
        seen: set[str] = set()
        parts: set[str] = set()
        try:
            older = self._older(kind)
            for path in [kind.path, *more]:
                items = self.cloud.items(kind.service, path, kind.collection, self._version(kind))
                for batch in _batches(items):
                    rows = [Row.of(kind, self._whole(kind, item, older)) for item in batch]
                    self._take(kind, [row for row in rows if row.id not in seen])
                    seen |= {row.id for row in rows}
                    if kind.parts:
                        parts |= {row.body.get(kind.parts, "") for row in rows}
            if kind.parts:
                self._other_parts(kind, parts)
        except CloudError as error:
            explain(reading, kind, error)

    def _other_parts(self, kind: Kind, known: set[str]) -> None:
        """Asks for each part (a domain) that nothing was listed of, by itself. One that fails leaves the others."""
        whole = BY_NAME[kind.references[kind.parts]]
        things = self.cloud.items(whole.service, whole.path, whole.collection)
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(lambda thing: self._part(kind, thing), [item for item in things if item["id"] not in known]))

    def _part(self, kind: Kind, thing: dict[str, Any]) -> None:
        query = urlencode({kind.parts: thing["id"]})
        try:
            for batch in _batches(self.cloud.items(kind.service, f"{kind.path}?{query}", kind.collection)):
                self._take(kind, [Row.of(kind, self._whole(kind, item, {})) for item in batch])
        except CloudError as error:
            if error.status != 404:  # it was deleted meanwhile
                with self._lock:
                    reading = self.readings[kind.name]
                    before = reading.problem
                    explain(reading, kind, error)
                    problem = f"{kind.references[kind.parts]} {thing['name']}: {reading.problem}"
                    reading.problem = f"{before}; {problem}" if before else problem

    def _older(self, kind: Kind) -> dict[str, dict[str, Any]]:
        """The fields that only older versions have, by the thing's id."""
        found: dict[str, dict[str, Any]] = {}
        for version, field, name in kind.older:
            if self._version(kind) and self.cloud.supports(kind.service, version):
                for item in self.cloud.items(kind.service, kind.path, kind.collection, version):
                    if field in item:
                        found.setdefault(item["id"], {})[name] = item[field]
        return found

    def _one(self, kind: Kind, parent: str) -> None:
        reading = self.readings[kind.name]
        try:
            path = kind.path.format(id=parent)
            items = self.cloud.items(kind.service, path, kind.collection, self._version(kind))
            self._take(kind, [Row.of(kind, self._whole(kind, {**item, kind.parent: parent}, {})) for item in items])
        except CloudError as error:
            if error.status != 404:  # the parent was deleted meanwhile
                with self._lock:
                    explain(reading, kind, error)

    def _key_pairs(self, kind: Kind, database: Database) -> None:
        with self._lock:
            users = self._parents.get(kind.name, [])
        version = self.cloud.newest(kind.service)
        for batch in _batches(database.key_pairs(users, version)):
            self._take(kind, [Row.of(kind, item) for item in batch])
        self.readings[kind.name].source = "from Nova's database"

    def _whole(self, kind: Kind, item: dict[str, Any], older: dict[str, dict[str, Any]]) -> dict[str, Any]:
        hidden = {path: SECRET for path in kind.secret if item.get(path)}
        return {**item, **older.get(str(item.get("id")), {}), **hidden}

    def _take(self, kind: Kind, rows: list[Row]) -> None:
        with self._lock:
            self.readings[kind.name].count += len(rows)
            for child in self._kinds:
                if child.each == kind.name:
                    wanted = [row.id for row in rows if _matches(row.body, child.only)]
                    self._parents.setdefault(child.name, []).extend(wanted)
            if rows:
                self._sink(rows)


def read(cloud: Cloud, sink: Sink, kinds: Iterable[Kind] = KINDS, database: Database | None = None) -> list[Reading]:
    """Reads every one of `kinds` in `cloud` into `sink`, several lists at a time; see `Reader.run`. Not what is asked
    of some projects and flavors alone: see `naru.inventory.cloud_reading`."""
    return Reader(cloud, sink, list(kinds), database).run()


def read_of_users(
    cloud: Cloud, sink: Sink, users: Collection[str], kinds: Collection[str], database: Database | None = None
) -> list[Reading]:
    """Reads into `sink` what clouds are asked for user by user, of these `users` (ids) alone: the `kinds` of those
    (`OF_USERS`)."""
    return Reader(cloud, sink, [kind for kind in KINDS if kind.name in kinds], database).run_of(users)


def _matches(body: dict[str, Any], only: Mapping[str, Any]) -> bool:
    return all(body.get(name) == value for name, value in only.items())


def _batches(items: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    yield batch


def explain(reading: Reading, kind: Kind, error: CloudError) -> None:
    """Says in the reading why the kind could not be read."""
    if error.status in (404, 405):
        reading.problem = "its release does not have this list"
    elif error.status in (401, 403):
        _fail(reading, kind, "the identity may not list it")
    else:
        _fail(reading, kind, str(error).splitlines()[0])


def _fail(reading: Reading, kind: Kind, problem: str) -> None:
    reading.problem, reading.failed = f"{problem}; {kind.instead}" if kind.instead else problem, True

"""The step kinds that make, link and change things on a cloud: plain requests that find before they create.

Arguments hold the literal request. In paths (lists of parts that are joined) and bodies, {"$ref": step, "field": name}
stands for a field of another step's result, {"$password": of, "key": file} for the password of a new user.

A first attempt needs no look: its intent was on disk before anything was asked, so nothing can be there. Every further
one looks, and when it finds nothing looks again a moment later, for the request of a process that was killed goes on
in the service. What a service made twice all the same is found by `move.sweep`.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from naru.cloud.client import Call, Cloud, CloudError, Unavailable
from naru.errors import NaruError
from naru.inventory.kinds import values
from naru.move import secrets
from naru.move.draft import REF, references
from naru.plan.context import Context
from naru.plan.errors import PlanError, Transient
from naru.plan.kinds import Retry, step

SETTLE = 3.0
"""Seconds after which the request of a killed process has surely left its trace."""
POLL = (0.3, 2.0)
"""Seconds between two looks at what is under way: at first, and at most."""
RETRY = (
    Retry(on=(Unavailable,), tries=5, pause=2.0),
    Retry(on=(Transient,), tries=12, pause=0.5, longest=5.0),
)
DEADLINE = 1800.0
PASSWORD = "$password"

_clouds: dict[str, Cloud] = {}
# as users: a token and the endpoints serve many steps
_acting: dict[tuple[str, str, str], Cloud] = {}
_lock = threading.Lock()
_running = threading.local()


def cloud(context: Context, name: str) -> Cloud:
    """The cloud of clouds.yaml, one client of it for all steps; what it is asked is logged with the calling step."""
    _running.context = context
    with _lock:
        if name not in _clouds:
            _clouds[name] = Cloud(name, record=_record)
        return _clouds[name]


def _record(call: Call) -> None:
    context: Context | None = getattr(_running, "context", None)
    if context is not None:
        context.log(f"{call.method} {call.service} {call.url} {call.status}", call.request_id)


# -- arguments


def resolve(value: Any, results: Mapping[str, Any], context: Context | None) -> Any:
    """The value with the results of other steps, and passwords, in their places; these only for a step's context."""
    if isinstance(value, Mapping):
        if REF in value:
            return _result(results, value[REF], value.get("field", "id"))
        if PASSWORD in value:
            assert context
            found = secrets.password(Path(value["key"]), value[PASSWORD])
            context.hide(found)
            return found
        return {key: resolve(inner, results, context) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolve(inner, results, context) for inner in value]
    return value


def _result(results: Mapping[str, Any], name: str, field: str) -> Any:
    result = results.get(name)
    if result is None:
        raise PlanError(
            f"the step {name} has no result that could be used here", hint="It was skipped: skip this one, too."
        )
    found = next(values(result, field), None)
    if found is None:
        raise PlanError(f"the result of the step {name} has no {field}")
    return found


def _made(value: Any, results: Mapping[str, Any]) -> bool:
    """Whether all steps that the value refers to have a result: none was skipped."""
    return all(results.get(step) is not None for step in references(value))


def url(parts: Any) -> str:
    """A path from its parts."""
    return parts if isinstance(parts, str) else "".join(map(str, parts))


def client(context: Context, args: Mapping[str, Any]) -> Cloud:
    """The cloud that the (resolved) arguments name, as whom they name: `actor` has project, and user and password when
    it is not the administrator who acts in the project."""
    found = cloud(context, args["cloud"])
    who = args.get("actor")
    if not who:
        return found
    key = (found.name, who["project"], who.get("user", ""))
    with _lock:
        if key not in _acting:
            _acting[key] = found.acting(who["project"], who.get("user", ""), who.get("password", ""))
        return _acting[key]


# -- making things


class _Thing:
    """What a `move.create` makes, found by its natural key or mark."""

    def __init__(self, context: Context, args: Mapping[str, Any], results: Mapping[str, Any]) -> None:
        self.context = context
        self.args = resolve(args, results, context)
        self.admin = cloud(context, self.args["cloud"])
        self.service = self.args["service"]
        self.path = url(self.args["path"]).partition("?")[0]
        self.version = self.args.get("version", "")

    def search(self) -> list[dict[str, Any]]:
        """Those that an earlier attempt made."""
        find = self.args["find"]
        if "ids" in find:
            return [there for identity in find["ids"] if (there := self.item(identity))]
        items = self.admin.items(self.service, url(find["path"]), find["collection"], self.version)
        ignored = find.get("ignore", ())
        return [item for item in items if item.get("id") not in ignored and matches(item, find["where"])]

    def settle(self) -> list[dict[str, Any]]:
        """`search`, until it finds something or nothing can appear any more."""
        found = self.search()
        if not found:
            self.context.sleep(SETTLE)
            found = self.search()
        return found

    def there(self) -> dict[str, Any] | None:
        """What an earlier attempt made; what came to nothing is removed."""
        found = self.settle() if self.context.attempt > 1 else []
        for item in found:
            if self.failed(item):
                self.remove(f"{self.args.get('item', self.path + '/')}{self.key(item)}")
        return next((item for item in found if not self.failed(item)), None)

    def post(self) -> dict[str, Any]:
        """Makes it; with the first of its `ids` that is free, where it is to have one of some."""
        ids = self.args["find"].get("ids", [])
        for identity in ids[:-1]:
            try:
                return self._post({**self.args["body"], "id": identity})
            except CloudError as error:
                if error.status != 409:
                    raise
        return self._post({**self.args["body"], "id": ids[-1]} if ids else self.args["body"])

    def _post(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        args = self.args
        body = {args["wrap"]: fields, **args.get("beside", {})} if args["wrap"] else fields
        made = client(self.context, args)(self.service, "POST", url(args["path"]), body, version=self.version)
        found = made.get(args["wrap"]) if args["wrap"] and isinstance(made, dict) else made
        if not isinstance(found, dict):
            raise Transient(f"{self.service} answered POST {self.path} without what it made", detail=str(made)[:500])
        return found

    def key(self, item: Mapping[str, Any]) -> str:
        """What names the item in its path."""
        return str(item[self.args.get("key", "id")])

    def item(self, key: str) -> Any:
        """The thing as it is now, None when it is gone."""
        path = self.args.get("item", f"{self.path}/")
        return get(self.admin, self.service, f"{path}{key}", self.args["wrap"], self.version)

    def failed(self, item: Mapping[str, Any]) -> bool:
        """Whether it came to nothing."""
        wait = self.args.get("wait")
        return bool(wait) and item.get(wait["field"]) in wait["fail"]

    def ready(self, made: Mapping[str, Any]) -> dict[str, Any]:
        """Waits until it can be used; the step's result."""
        wait, item, key = self.args.get("wait"), made, self.key(made)
        if wait:
            for found in looks(self.context):
                item = self.item(key)
                if item is None:
                    raise PlanError(f"{self.args['wrap']} {key} is gone while it was waited for")
                if item.get(wait["field"]) in wait["until"]:
                    break
                if self.failed(item):
                    why = (item.get("fault") or {}).get("message") or item.get("fail_reason") or item[wait["field"]]
                    raise PlanError(
                        f"{self.args['wrap']} {key} came to nothing",
                        detail=str(why),
                        hint="When the cause is mended: naru plan retry; the failed one is deleted first.",
                    )
                found()
        kept = {name: item.get(name) for name in self.args.get("keep", ())}
        return {"id": key, "path": f"{self.args.get('item', self.path + '/')}{key}", **kept}

    def remove(self, path: str) -> None:
        """Deletes what is at the path, and waits until it is gone where it takes its time."""
        if closing := self.args.get("closing"):
            send(self.admin, self.service, {"ok": [404], **closing, "path": path + closing.get("path", "")})
        remove(self.context, self.admin, self.service, path, self.args["wrap"], self.version, self.args.get("gone"))


def matches(item: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Whether the item has each wanted value at its path. Addresses are compared in any case of letters."""
    return all(
        wanted in found or (isinstance(wanted, str) and wanted.lower() in [str(value).lower() for value in found])
        for path, wanted in where.items()
        for found in [list(values(item, path))]
    )


def get(client: Cloud, service: str, path: str, wrap: str, version: str = "") -> Any:
    """The thing at the path, None when there is none."""
    try:
        found = client(service, "GET", path, version=version)
    except CloudError as error:
        if error.status == 404:
            return None
        raise
    return found[wrap] if wrap and wrap in found else found


def looks(context: Context) -> Iterator[Any]:
    """Looks at what is under way: each turn gives a function that waits for the next."""
    pause = POLL[0]
    while True:
        yield lambda pause=pause: context.sleep(pause)
        pause = min(POLL[1], pause * 1.4)


def remove(
    context: Context, client: Cloud, service: str, path: str, wrap: str = "", version: str = "", gone: Any = False
) -> None:
    """Deletes what is at the path, if it is there. With `gone`, waits until it is not. Raises Transient while
    something else still holds it."""
    try:
        client(service, "DELETE", path, version=version)
    except CloudError as error:
        if error.status in (400, 409):
            raise Transient(error.summary, detail=error.detail) from error
        if error.status != 404:
            raise
    if gone:
        for wait in looks(context):
            item = get(client, service, path, wrap, version)
            if item is None:
                return
            if str(item.get("status", "")).startswith("error"):
                raise Transient(f"{path} could not be deleted: {item['status']}")
            wait()


def _deadline(args: Mapping[str, Any]) -> float:
    return float(args.get("deadline", DEADLINE))


@step("move.create", undo="move.delete", retry=RETRY, deadline=_deadline)
def create(context: Context) -> dict[str, Any]:
    """Makes a thing by POST of `body` under `wrap` to `path` of `service` on `cloud`, or finds what an earlier attempt
    made.

    `find`: `path` and `collection` of a list, `where` with the values (by path) that mark the thing and `ignore` with
    ids of others; or `ids`, of which it gets the first that is free. `wait`: `field`, `until` and `fail` (its values).
    `keep` are fields of the answer that other steps need. `actor`: who makes it. `beside` is what the request has
    beside `wrap`; `item` what the thing's path begins with, if it is not `path`. For its deletion: `gone`, it takes a
    while; `closing`, a request to the thing's path that has to come before.
    """
    return make(context)


def make(
    context: Context, before: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda args: {}
) -> dict[str, Any]:
    """As `move.create`; `before` is called with the resolved arguments whenever it is about to be made, and gives what
    is added to `body`."""
    thing = _Thing(context, context.args, context.results())
    found = thing.there()
    try:
        if found is None:
            thing.args["body"] |= before(thing.args)
        return thing.ready(found or thing.post())
    except CloudError as error:
        # an earlier attempt's request that went on while this one looked
        # (of a port forwarding Neutron says that it is a bad request)
        late = thing.search() if error.status in (400, 409) and context.attempt > 1 else []
        if not late:
            raise
        return thing.ready(late[0])


def is_made(context: Context) -> bool:
    """Whether an earlier attempt of a step that makes as `move.create` has done so."""
    return _Thing(context, context.args, context.results()).there() is not None


@step("move.delete", no_undo="it is an undo itself", retry=RETRY, deadline=DEADLINE, here=True)
def delete(context: Context) -> dict[str, Any]:
    """Deletes what a `move.create` made; where that did not come to an end, what it left."""
    done, args = context.args["result"], context.args["args"]
    thing = _Thing(context, args if done is None else _without_references(args), context.args.get("results") or {})
    if done is not None:
        thing.remove(done["path"])
        return {"deleted": 1}
    found = thing.settle()
    for item in found:
        thing.remove(f"{thing.args.get('item', thing.path + '/')}{thing.key(item)}")
    return {"deleted": len(found)}


def _without_references(args: Mapping[str, Any]) -> dict[str, Any]:
    """What deleting by the path needs; the steps referred to may be undone long since."""
    wanted = ("cloud", "service", "wrap", "version", "gone", "closing")
    return {"path": "", **{name: args[name] for name in wanted if name in args}}


# -- requests that may be repeated


@step("move.call", undo="move.uncall", retry=RETRY, deadline=_deadline)
def call(context: Context) -> dict[str, Any]:
    """Sends the `requests` one after the other: each has `method`, `path`, `body`, `version`, and in `ok` the statuses
    that say it was done before, or in `there` (collection, where) what the list at its path then holds. `undo` are the
    requests that take them back; without them they go with the thing. A request that is `optional` is left out when a
    step that it refers to was skipped."""
    results = context.results()
    requests = [one for one in context.args["requests"] if not one.get("optional") or _made(one, results)]
    args = resolve({**context.args, "requests": requests}, results, context)
    for request in args["requests"]:
        send(client(context, args), args["service"], request)
    return {"undo": args.get("undo", [])}


@step("move.uncall", no_undo="it is an undo itself", retry=RETRY, deadline=DEADLINE)
def uncall(context: Context) -> None:
    """Sends the requests that take back a `move.call`."""
    args, done = context.args["args"], context.args["result"]
    undo = done["undo"] if done else resolve(args.get("undo", []), context.args.get("results") or {}, context)
    for request in undo:
        send(cloud(context, args["cloud"]), args["service"], request)


def send(client: Cloud, service: str, request: Mapping[str, Any]) -> Any:
    """The answer to a request of a `move.call`; None when it says that it was done before."""
    try:
        return client(
            *(service, request["method"], url(request["path"]), request.get("body")),
            version=request.get("version", ""),
            headers=request.get("headers"),
            again=True,
        )
    except CloudError as error:
        if error.status in request.get("ok", ()) or _there(client, service, request, error):
            return None
        if error.status == 409 and request.get("busy"):
            raise Transient(error.summary, detail=error.detail) from error
        raise


def _there(client: Cloud, service: str, request: Mapping[str, Any], error: CloudError) -> bool:
    """Whether a request was refused because what it makes is there already, where the status alone does not say so."""
    there = request.get("there")
    if not there or isinstance(error, Unavailable):
        return False
    items = client.items(service, url(request["path"]), there["collection"])
    return any(matches(item, there["where"]) for item in items)


@step("move.final", commit="what was held for a rollback is given up", retry=RETRY, deadline=600)
def final(context: Context) -> None:
    """Sends `requests` after which there is no way back."""
    args = resolve(context.args, context.results(), context)
    for request in args["requests"]:
        send(client(context, args), args["service"], request)


# -- what a service made twice


@step("move.sweep", no_undo="what it deletes was never wanted", retry=RETRY, deadline=DEADLINE)
def sweep(context: Context) -> dict[str, Any]:
    """Deletes what has one of the move's marks and is not what its step made: a process was killed while it asked, and
    asked again. `lists`: service, path, collection, item, wrap, field; `made`: the id of each mark; those of steps that
    were skipped are left alone."""
    results = context.results()
    made = {mark: identity for mark, identity in context.args["made"].items() if _made(identity, results)}
    args = resolve({**context.args, "made": made}, results, context)
    admin = cloud(context, args["cloud"])
    deleted = []
    for listing in args["lists"]:
        version = listing.get("version", "")
        for item in admin.items(listing["service"], url(listing["path"]), listing["collection"], version):
            for mark in values(item, listing["field"]):
                wanted = args["made"].get(mark)
                if wanted and item["id"] != wanted:
                    path = f"{listing['item']}{item['id']}"
                    remove(context, admin, listing["service"], path, listing["wrap"], version, gone=True)
                    deleted.append(item["id"])
    return {"deleted": deleted}


def wait_for(context: Context, look: Any, done: Any, what: str, limit: float) -> Any:
    """What `look` gives as soon as `done` says so of it. Raises NaruError after `limit` seconds."""
    end = time.monotonic() + limit
    for wait in looks(context):
        found = look()
        if done(found):
            return found
        if time.monotonic() > end:
            raise NaruError(f"{what} after {limit:.0f} s", hint="See the cloud's own logs; then: naru plan retry.")
        wait()

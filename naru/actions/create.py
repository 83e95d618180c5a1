"""Things that are made by POST, and found again when they were made before; and their deletion.

A first attempt needs no look: its intent was on disk before anything was asked, so nothing can be there. Every further
one looks, and when it finds nothing looks again a moment later, for the request of a process that was killed goes on
in the service.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from naru.actions.arguments import Id, UrlPath, resolve, url
from naru.actions.clouds import DEADLINE, RETRY, SETTLE, client, cloud, deadline, get, matches, polling, remove, send
from naru.actions.request import Action, Actor, Part, Request
from naru.cloud.client import CloudError
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.errors import PlanError, Transient
from naru.plan.kinds import step


class Find(Part):
    """How the thing is found again: in the list at `path`, under `collection`, the item that has each value of `where`
    at its path and none of the ids `ignore`. Or it has one of `ids`, of which it gets the first that is free."""

    path: UrlPath = ""
    collection: str = ""
    where: dict[str, Any] = {}
    ignore: list[Id] = []
    ids: list[str] = []


class Wait(Part):
    """What is waited for when the thing was made: that `field` is one of `until`; one of `fail` ends the wait."""

    field: str
    until: list[str]
    fail: list[str]


class Create(Action):
    """A thing that is made by POST of `body` under `wrap` to `path` of `service` on `cloud`.

    `beside` is what the request has in addition to `wrap`; `actor` who makes it. `keep` are fields of the answer that
    other steps need. `item` is what the thing's path begins with, if that is not `path`, and `key` the field that names
    it there. For its deletion: with `gone` it takes a while, `closing` is a request to the thing's path that has to
    come before, `query` what stands after its path: `?cascade=true`. `deadline` is seconds.
    """

    step_kind: ClassVar[str] = "cloud.create"

    path: UrlPath
    wrap: str
    body: dict[str, Any]
    find: Find
    beside: dict[str, Any] = {}
    actor: Actor | None = None
    version: str = ""
    wait: Wait | None = None
    keep: list[str] = []
    item: str = ""
    key: str = "id"
    gone: bool = False
    closing: Request | None = None
    query: str = ""
    deadline: float = DEADLINE


class _Thing:
    """The thing that a `cloud.create` makes, found by its natural key or mark."""

    def __init__(self, context: Context, args: Mapping[str, Any], results: Mapping[str, Any]) -> None:
        self.context = context
        self.args = resolve(args, results, context)
        self.admin = cloud(context, self.args["cloud"])
        self.service = self.args["service"]
        self.path = url(self.args["path"]).partition("?")[0]
        self.version = self.args.get("version", "")

    def search(self) -> list[dict[str, Any]]:
        """The things that an earlier attempt made."""
        find = self.args["find"]
        if "ids" in find:
            return [there for identity in find["ids"] if (there := self.item(identity))]
        items = self.admin.items(self.service, url(find["path"]), find["collection"], self.version)
        ignored = find.get("ignore", ())
        return [item for item in items if item.get("id") not in ignored and matches(item, find["where"])]

    def settle(self) -> list[dict[str, Any]]:
        """`search`, until it finds something or nothing can appear anymore."""
        found = self.search()
        if not found:
            self.context.sleep(SETTLE)
            found = self.search()
        return found

    def there(self) -> dict[str, Any] | None:
        """The thing that an earlier attempt made; a failed one is removed."""
        found = self.settle() if self.context.attempt > 1 else []
        for item in found:
            if self.failed(item):
                self.remove(self.path_of(self.key(item)))
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
            told = ", ".join(made) if isinstance(made, dict) else type(made).__name__
            raise Transient(f"{self.service} answered POST {self.path} without what it made", detail=told[:500])
        return found

    def key(self, item: Mapping[str, Any]) -> str:
        """The name of the item in its path."""
        return str(item[self.args.get("key", "id")])

    def path_of(self, key: str) -> str:
        """The path of the thing that is named so."""
        return f"{self.args.get('item', f'{self.path}/')}{key}"

    def item(self, key: str) -> Any:
        """The thing as it is now, None when it is gone."""
        return get(self.admin, self.service, self.path_of(key), self.args["wrap"], self.version)

    def failed(self, item: Mapping[str, Any]) -> bool:
        """Whether the service failed to make it."""
        wait = self.args.get("wait")
        return bool(wait) and item.get(wait["field"]) in wait["fail"]

    def ready(self, made: Mapping[str, Any]) -> dict[str, Any]:
        """Waits until it can be used; the step's result."""
        wait, item, key = self.args.get("wait"), made, self.key(made)
        if wait:
            for _ in polling(self.context):
                item = self.item(key)
                if item is None:
                    raise PlanError(f"{self.args['wrap']} {key} is gone while it was waited for")
                if item.get(wait["field"]) in wait["until"]:
                    break
                if self.failed(item):
                    why = (item.get("fault") or {}).get("message") or item.get("fail_reason") or item[wait["field"]]
                    raise PlanError(
                        f"{self.args['wrap']} {key} failed",
                        detail=str(why),
                        hint="Once the cause is fixed: naru plan retry; the failed one is deleted first.",
                    )
        kept = {name: item.get(name) for name in self.args.get("keep", ())}
        return {"id": key, "path": self.path_of(key), **kept}

    def remove(self, path: str) -> None:
        """Deletes what is at the path, and waits until it is gone where it takes its time."""
        if closing := self.args.get("closing"):
            send(self.admin, self.service, {"ok": [404], **closing, "path": path + closing.get("path", "")})
        remove(
            *(self.context, self.admin, self.service, path, self.args["wrap"], self.version),
            gone=bool(self.args.get("gone")),
            query=self.args.get("query", ""),
        )


@step("cloud.create", args=Create, undo="cloud.delete", retry=RETRY, deadline=deadline)
def create(context: Context) -> dict[str, Any]:
    """Makes a thing by POST of `body` under `wrap` to `path` of `service` on `cloud`, or finds what an earlier attempt
    made.

    `find`: `path` and `collection` of a list, `where` with the values (by path) that mark the thing and `ignore` with
    ids of others; or `ids`, of which it gets the first that is free. `wait`: `field`, `until` and `fail` (its values).
    `keep` are fields of the answer that other steps need. `actor`: who makes it. `beside` is what the request has
    in addition to `wrap`; `item` what the thing's path begins with, if it is not `path`. For its deletion: `gone`, it
    takes a while; `closing`, a request to the thing's path that has to come before; `query` after the path.
    """
    return make(context)


def make(
    context: Context, before: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda args: {}
) -> dict[str, Any]:
    """As `cloud.create`; `before` is called with the resolved arguments whenever it is about to be made, and gives what
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


def there_now(context: Context) -> dict[str, Any] | None:
    """The result for the thing of a step that makes as `cloud.create`, when it is there, whoever made it; else None."""
    thing = _Thing(context, context.args, context.results())
    found = [item for item in thing.search() if not thing.failed(item)]
    return thing.ready(found[0]) if found else None


def is_made(context: Context) -> bool:
    """Whether an earlier attempt of a step that makes as `cloud.create` has done so."""
    return _Thing(context, context.args, context.results()).there() is not None


@step("cloud.delete", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=DEADLINE, here=True)
def delete(context: Context) -> dict[str, Any]:
    """Deletes what a `cloud.create` made; where that did not come to an end, what it left."""
    done, args = context.undone.result, context.undone.args
    # what it was made of is not needed to find it, and may be gone from where it is kept
    known = {**args, "body": {}} if done is None else _without_references(args)
    thing = _Thing(context, known, context.undone.results)
    if done is not None:
        thing.remove(done["path"])
        return {"deleted": 1}
    found = thing.settle()
    for item in found:
        thing.remove(thing.path_of(thing.key(item)))
    return {"deleted": len(found)}


def _without_references(args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that deleting by the path needs; steps that others refer to may be undone long since."""
    wanted = ("cloud", "service", "wrap", "version", "gone", "closing", "query")
    return {"path": "", **{name: args[name] for name in wanted if name in args}}

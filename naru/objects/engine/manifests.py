"""What names other objects, and is put when those are there: static large objects, and symbolic links.

A static large object's manifest is read and put again: the target checks each segment by size and ETag, and the whole
has the ETag that it had. One may name another as a segment, a link may lead to a link: what is refused for what it
names is tried again when more is there.
"""

import json
from typing import Any, NamedTuple
from urllib.parse import quote

from naru.cloud.client import CloudError
from naru.objects import headers
from naru.objects.engine.carry import COPIED, LATER, MISSING, SAME, Carrier, Outcome
from naru.objects.engine.state import LINK, STATIC
from naru.objects.engine.transfer import Again
from naru.objects.listing import Entry
from naru.objects.wire import Account, Headers

_NOT_THERE = (400, 409)
"""How a manifest or link is refused whose segments or target are not (yet) as it says."""


class Segment(NamedTuple):
    """A part of a static large object: `path` is /CONTAINER/NAME, `span` the range of it that counts; or `data` that
    stands in the manifest, in Base64."""

    path: str
    etag: str
    bytes: int
    span: str
    data: str

    def put(self) -> dict[str, Any]:
        """As a manifest that is put has it."""
        if self.data:
            return {"data": self.data}
        found = {"path": self.path, "etag": self.etag, "size_bytes": self.bytes}
        return found | ({"range": self.span} if self.span else {})


def segments(text: bytes) -> list[Segment]:
    """The parts of a manifest as the service gives it. Raises ValueError."""
    found = json.loads(text)
    if not isinstance(found, list):
        raise ValueError("a manifest is a list")
    return [
        Segment(
            str(item.get("name", "")),
            str(item.get("hash", "")),
            int(item.get("bytes", 0)),
            str(item.get("range", "")),
            str(item.get("data", "")),
        )
        for item in found
    ]


def settle(carrier: Carrier, container: str, entry: Entry, last: bool) -> Outcome:
    """The object as on the source; `LATER` when what it names is not there yet, a refusal when it is the `last` try."""
    return carrier.guarded(container, entry, lambda: _settle(carrier, container, entry, last))


def _settle(carrier: Carrier, container: str, entry: Entry, last: bool) -> Outcome:
    source = carrier.source
    here = source.request("HEAD", container, entry.name, query=carrier.whole, accept=(404,))
    if here.status == 404:
        return Outcome(container, entry.name, entry, MISSING)
    try:
        if headers.LINK in here.headers:
            return _link(carrier, container, entry, here.headers)
        if headers.STATIC in here.headers:
            return _manifest(carrier, container, entry, here.headers)
    except CloudError as error:
        if error.status not in _NOT_THERE or last:
            raise
        return Outcome(container, entry.name, entry, LATER)
    raise Again(f"{source.label}: {container}/{entry.name}: was replaced meanwhile")


def _manifest(carrier: Carrier, container: str, entry: Entry, here: Headers) -> Outcome:
    wanted = carrier.wanted(here)
    named = parts(carrier.source, container, entry.name)
    found = carrier.target.request("HEAD", container, entry.name, query=carrier.whole, accept=(404,))
    if (
        headers.STATIC in found.headers
        and headers.etag(found.headers) == headers.etag(here)
        and parts(carrier.target, container, entry.name) == named
        and (outcome := carrier.fit(container, entry, wanted, found.headers, STATIC))
    ):
        return outcome
    body = json.dumps([part.put() for part in named]).encode()
    answer = carrier.target.request(
        "PUT", container, entry.name, query="multipart-manifest=put", headers=wanted, body=body
    )
    if headers.etag(answer.headers) != headers.etag(here):
        raise Again(
            f"{carrier.target.label}: {container}/{entry.name}: has another ETag than on {carrier.source.label}"
        )
    return carrier.done(container, entry, COPIED, STATIC, answer.headers)


def parts(account: Account, container: str, name: str) -> list[Segment]:
    """The parts of a static large object. Raises CloudError."""
    answer = account.request("GET", container, name, query="multipart-manifest=get")
    try:
        return segments(answer.body)
    except (ValueError, TypeError, AttributeError) as error:
        raise CloudError(f"{account.label}: the manifest cannot be read", detail=str(error)) from error


def _link(carrier: Carrier, container: str, entry: Entry, here: Headers) -> Outcome:
    wanted = carrier.wanted(here) | {name: here[name] for name in headers.OF_LINK if name in here}
    if other := wanted.get("x-symlink-target-account"):
        wanted["x-symlink-target-account"] = _account(carrier, other)
    found = carrier.target.request("HEAD", container, entry.name, query=carrier.whole, accept=(404,))
    have = carrier.has(found.headers) | {name: found.headers[name] for name in headers.OF_LINK if name in found.headers}
    if found.status == 200 and have == wanted:
        return carrier.done(container, entry, SAME, LINK, found.headers)
    if (tag := wanted.get("x-symlink-target-etag")) is not None:
        wanted["x-symlink-target-etag"] = tag.strip('"')
    answer = carrier.target.request("PUT", container, entry.name, query=carrier.whole, headers=wanted)
    return carrier.done(container, entry, COPIED, LINK, answer.headers)


def _account(carrier: Carrier, other: str) -> str:
    """The account on the target that has the place of one of the source."""
    if other == quote(carrier.source.name):
        return carrier.target.name
    prefix, underscore, project = other.rpartition("_")
    return f"{prefix}{underscore}{carrier.mapping.projects.get(project, project)}"

"""Both accounts compared: containers and their metadata, the number of objects and their bytes, the ETag of each.

Listings say it of most objects. An object is asked for on both sides where they do not: large objects, whose listings
have the ETag of the manifest, objects of 0 bytes, which may be such, and whatever differs, for a listing may be late.
"""

import hashlib
import time
from collections.abc import Collection
from typing import NamedTuple

from naru.cloud.client import CloudError, Unavailable
from naru.errors import InputError
from naru.objects import headers
from naru.objects.engine import PARALLEL
from naru.objects.engine.carry import Carrier
from naru.objects.engine.compared import Row, together
from naru.objects.engine.manifests import parts
from naru.objects.engine.transfer import CHUNK
from naru.objects.engine.workers import Workers
from naru.objects.listing import Listing, page_limit
from naru.objects.listing import containers as listed
from naru.objects.mapping import Mapping
from naru.objects.wire import FAULTS, Account, Headers, Stream
from naru.volumes.control import Control

TOLD = 100
"""How many differences are kept."""


class Found(NamedTuple):
    """What a comparison found: `objects` and `bytes` of the source, how many were `asked` for by themselves, and the
    sentences of what is `different`. `told` is what the map leaves out of access lists."""

    equal: bool
    containers: int
    objects: int
    bytes: int
    asked: int
    seconds: float
    different: list[str]
    told: list[str]


class _Compared(NamedTuple):
    size: int
    different: list[str]


def verify(
    source: Account,
    target: Account,
    *,
    mapping: Mapping | None = None,
    only: Collection[str] = (),
    parallel: int = PARALLEL,
    metadata: bool = False,
    content: bool = False,
    control: Control | None = None,
) -> Found:
    """Compares, changing nothing. With `metadata` the headers of each object, too, with `content` the bytes of each.
    Raises what `control.check` raises, CloudError when a cloud does not answer."""
    return _Verification(source, target, mapping or Mapping(), control or Control(), metadata, content).run(
        only, parallel
    )


class _Verification:
    def __init__(
        self, source: Account, target: Account, mapping: Mapping, control: Control, metadata: bool, content: bool
    ) -> None:
        self._sides = (source, target)
        self._mapping = mapping
        self._control = control
        self._metadata = metadata
        self._content = content
        self._objects = self._bytes = self._asked = self._number = 0
        self._different: list[str] = []
        self._told: list[str] = []

    def run(self, only: Collection[str], parallel: int) -> Found:
        began = time.monotonic()
        source, target = self._sides
        infos = (source.info(), target.info())
        here, there = ({one.name: one for one in listed(side, page_limit(info, "account"))}
                       for side, info in zip(self._sides, infos, strict=True))  # fmt: skip
        if missing := sorted(set(only) - here.keys() - there.keys()):
            raise InputError(f"neither {source.label} nor {target.label} has a container {missing[0]!r}")
        chosen = [name for name in sorted(here.keys() | there.keys()) if not only or name in only]
        total = sum(one.bytes for one in here.values() if not only or one.name in only)
        with Workers[_Compared](parallel, self._control, lambda done: self._done(done, total)) as workers:
            source.tick = target.tick = workers.tick
            links = "symlink" in infos[0] and "symlink" in infos[1]
            self._carrier = Carrier(source, target, workers, self._mapping, links=links, keep_modified=False)
            self._workers = workers
            try:
                if not only:
                    self._account()
                for name in chosen:
                    self._container(name, [page_limit(info, "container") for info in infos])
                workers.drain()
            finally:
                source.tick = target.tick = lambda: None
        different = self._different
        if self._number > len(different):
            different.append(f"and {self._number - len(different)} more")
        seconds = time.monotonic() - began
        amounts = (len(chosen), self._objects, self._bytes, self._asked, seconds)
        return Found(not different, *amounts, different, self._told)

    def _differ(self, text: str) -> None:
        self._number += 1
        if len(self._different) < TOLD:
            self._different.append(text)

    def _done(self, found: _Compared, total: int) -> None:
        self._bytes += found.size
        for text in found.different:
            self._differ(text)
        self._control.progress(self._bytes, total)

    def _account(self) -> None:
        here, there = (headers.of_account(side.request("HEAD", accept=(404,)).headers) for side in self._sides)
        for name, value in here.items():
            if there.get(name) != value:
                self._differ(f"the account: {name}")  # its value may be a key

    def _container(self, name: str, limits: list[int]) -> None:
        here, there = (
            Listing(side, name, limit, self._workers.lists) for side, limit in zip(self._sides, limits, strict=True)
        )
        self._workers.look()
        for listing, side in ((here, self._sides[0]), (there, self._sides[1])):
            if not listing.headers:
                self._differ(f"container {name}: is not on {side.label}")
                return
        wanted, lost = self._mapping.container(here.headers)
        self._told += [f"container {name}: {item}" for item in lost]
        have = headers.of_container(there.headers)
        for key in sorted(wanted.keys() | have.keys()):
            if wanted.get(key) != have.get(key):
                self._differ(f"container {name}: {key}")
        counts = [0, 0]
        for row in together(here, there, ()):
            counts[0] += row.here is not None
            counts[1] += row.there is not None
            self._row(name, row)
        if counts[0] != counts[1]:
            self._told.append(f"container {name}: {counts[0]} objects are listed, and {counts[1]} on the target")
        self._objects += counts[0]

    def _row(self, container: str, row: Row) -> None:
        here, there = row.here, row.there
        alike = here and there and (here.etag, here.bytes) == (there.etag, there.bytes) and here.bytes
        if alike and here and not self._metadata and not self._content:
            self._done(_Compared(here.bytes, []), self._bytes + here.bytes)
            return
        self._asked += 1
        size = here.bytes if here else 0
        self._workers.submit(lambda: self._guarded(container, row.name, size))

    def _guarded(self, container: str, name: str, size: int) -> _Compared:
        try:
            return _Compared(size, [f"{container}/{name}: {what}" for what in self._look(container, name)])
        except Unavailable:
            raise
        except CloudError as error:
            return _Compared(size, [f"{container}/{name}: {error.summary}"])

    def _look(self, container: str, name: str) -> list[str]:
        """What differs of an object, in words."""
        query = self._carrier.whole
        here, there = (side.request("HEAD", container, name, query=query, accept=(404,)) for side in self._sides)
        if 404 in (here.status, there.status):
            sides = [side.label for side, found in zip(self._sides, (here, there), strict=True) if found.status == 404]
            return [f"is not on {sides[0]}"] if len(sides) == 1 else []
        found = self._kinds(here.headers, there.headers)
        if not found and headers.STATIC in here.headers:
            named = [parts(side, container, name) for side in self._sides]
            found += ["the segments of its manifest"] if named[0] != named[1] else []
        if self._metadata or headers.MANIFEST in here.headers or headers.STATIC in here.headers:
            wanted, have = self._carrier.wanted(here.headers), self._carrier.has(there.headers)
            found += [key for key in sorted(wanted.keys() | have.keys()) if wanted.get(key) != have.get(key)]
        if self._content and not found and headers.LINK not in here.headers:
            digests = [self._digest(side, container, name) for side in self._sides]
            if digests[0] != digests[1]:
                found.append("the content")
        return found

    def _kinds(self, here: Headers, there: Headers) -> list[str]:
        for kind, what in ((headers.STATIC, "a static large object"), (headers.LINK, "a symbolic link")):
            if (kind in here) != (kind in there):
                return [f"is {what} on one side only"]
        if here.get(headers.MANIFEST) != there.get(headers.MANIFEST):
            return [headers.MANIFEST]
        tags = (headers.etag(here), headers.etag(there))
        if here.get("content-length") != there.get("content-length"):
            return [f"has {here.get('content-length')} and {there.get('content-length')} bytes"]
        # a dynamic large object that is long has no ETag; one that came in parts through S3 has one of its own kind
        if tags[0] != tags[1] and (headers.MANIFEST not in here or all(tags)):
            return [f"has the ETags {tags[0]} and {tags[1]}"]
        return []

    def _digest(self, side: Account, container: str, name: str) -> str:
        """The SHA-256 of the content, as users get it."""
        stream = side.get(container, name)
        try:
            if stream.status >= 400:
                return f"{side.label} refuses it ({stream.status})"
            return self._read(side, stream)
        finally:
            stream.close()

    def _read(self, side: Account, stream: Stream) -> str:
        digest, count = hashlib.sha256(), 0
        try:
            while piece := stream.read(CHUNK):
                self._workers.pass_by(len(piece))
                digest.update(piece)
                count += len(piece)
        except FAULTS as error:
            raise Unavailable(f"{side.label}: the content broke off", detail=str(error)) from error
        if (length := stream.headers.get("content-length")) is not None and count != int(length):
            raise Unavailable(f"{side.label}: the content broke off after {count} of {length} bytes")
        return digest.hexdigest()

"""One object made as it is on the source: found, compared, carried. In threads of their own: nothing here writes what
the copy remembers."""

import email.utils
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from naru.cloud.client import CloudError, Unavailable
from naru.objects import headers
from naru.objects.engine.state import DYNAMIC, PLAIN, Carried
from naru.objects.engine.transfer import Content, repeatedly, send
from naru.objects.engine.workers import Workers
from naru.objects.listing import Entry
from naru.objects.mapping import Mapping
from naru.objects.wire import Account, Headers

COPIED, SAME, METADATA, DELETED, LATER, MISSING, REFUSED = (
    *("copied", "same", "metadata", "deleted", "later", "missing", "refused"),
)
"""What became of an object: its content was carried; nothing was to do; its headers alone were sent; it was deleted; it
waits for what it names; the source lists it and does not give it; a cloud refused it."""


class Outcome(NamedTuple):
    """What became of an object of the source (`entry` None: of one that it has no more). `bytes` of content were
    carried. `carried` is what is to be remembered. `problem` is of what was refused; `faulty` says that a
    cloud did not answer."""

    container: str
    name: str
    entry: Entry | None
    what: str
    bytes: int = 0
    carried: Carried | None = None
    problem: str = ""
    faulty: bool = False


class Carrier:
    """Carries objects from one account to another; used by many threads."""

    def __init__(
        self,
        source: Account,
        target: Account,
        workers: Workers[Any],
        mapping: Mapping,
        *,
        links: bool,
        keep_modified: bool,
    ) -> None:
        """`links` says that the target knows symbolic links; else what they lead to is carried in their place."""
        self.source = source
        self.target = target
        self.mapping = mapping
        self.whole = "symlink=get" if links else ""
        self._itself = "multipart-manifest=get" + ("&symlink=get" if links else "")
        self._workers = workers
        self._keep_modified = keep_modified

    def carry(self, container: str, entry: Entry, there: Entry | None, look: bool) -> Outcome:
        """The object as on the source. With `look` it may be there already, and both sides are looked at before."""
        return self.guarded(container, entry, lambda: self._carry(container, entry, there, look))

    def delete(self, container: str, name: str) -> Outcome:
        """No such object on the target."""

        def deleted() -> Outcome:
            self.target.request("DELETE", container, name, accept=(404,))
            return Outcome(container, name, None, DELETED)

        return self.guarded(container, None, deleted, name)

    def guarded(self, container: str, entry: Entry | None, do: Callable[[], Outcome], name: str = "") -> Outcome:
        """What `do` gives; what a cloud refuses concerns this object alone."""
        name = entry.name if entry else name
        try:
            found: Outcome = repeatedly(self.source, self.target, do)
        except CloudError as error:
            told = " ".join(filter(None, (error.summary, error.detail)))
            return Outcome(
                container,
                name,
                entry,
                REFUSED,
                problem=f"{container}/{name}: {told}",
                faulty=isinstance(error, Unavailable),
            )
        return found

    def wanted(self, found: Headers) -> Headers:
        """The headers of an object as the target is to have them."""
        wanted = headers.of_object(found)
        if self._keep_modified and (stamp := found.get("x-timestamp")):
            wanted[headers.KEPT_MODIFIED] = stamp
        return wanted

    def has(self, found: Headers) -> Headers:
        """The headers of an object that the target has, to be compared with those."""
        have = headers.of_object(found)
        if not self._keep_modified:
            have.pop(headers.KEPT_MODIFIED, None)
        return have

    def fit(self, container: str, entry: Entry, wanted: Headers, found: Headers, kind: str) -> Outcome | None:
        """What becomes of an object whose content is there: its headers are sent if they differ. None where the target
        does not keep them so: then it has to be put as a whole."""
        what = SAME
        if self.has(found) != wanted:
            self.target.request("POST", container, entry.name, headers=wanted)
            found = self.target.request("HEAD", container, entry.name, query=self.whole).headers
            if self.has(found) != wanted:
                return None
            what = METADATA
        return self.done(container, entry, what, kind, found)

    def done(self, container: str, entry: Entry, what: str, kind: str, found: Headers, size: int = 0) -> Outcome:
        """An object is there; `found` are headers that the target told of it."""
        tag = headers.etag(found) if kind == PLAIN else ""
        return Outcome(container, entry.name, entry, what, size, Carried(entry, kind, tag, _moment(found)))

    def _carry(self, container: str, entry: Entry, there: Entry | None, look: bool) -> Outcome:
        if look and (found := self._looked(container, entry, there)):
            return found
        stream = self.source.get(container, entry.name, self._itself)
        content = Content(self.source, container, entry.name, self._itself, stream, self._workers)
        try:
            if stream.status == 404:
                return Outcome(container, entry.name, entry, MISSING)
            if stream.status >= 400:
                raise self.source.refused("GET", container, entry.name, stream.whole())
            if headers.STATIC in stream.headers or headers.LINK in stream.headers:
                return Outcome(container, entry.name, entry, LATER)
            if _expired(stream.headers):
                return Outcome(container, entry.name, entry, MISSING)
            wanted = self.wanted(stream.headers)
            tag = headers.etag(stream.headers)
            sent = wanted | ({"etag": tag} if headers.is_md5(tag) else {})
            answer = send(self.target, container, entry.name, sent, content)
        finally:
            content.close()
        kind = DYNAMIC if headers.MANIFEST in wanted else PLAIN
        return self.done(container, entry, COPIED, kind, answer.headers, content.length or 0)

    def _looked(self, container: str, entry: Entry, there: Entry | None) -> Outcome | None:
        """What is found without the content; None when it has to be carried."""
        here = self.source.request("HEAD", container, entry.name, query=self.whole, accept=(404,))
        if here.status == 404:
            return Outcome(container, entry.name, entry, MISSING)
        if headers.STATIC in here.headers or headers.LINK in here.headers:
            return Outcome(container, entry.name, entry, LATER)
        found = self.target.request("HEAD", container, entry.name, query=self.whole, accept=(404,))
        if found.status == 404 or not self._same_content(here.headers, found.headers, entry, there):
            return None
        kind = DYNAMIC if headers.MANIFEST in here.headers else PLAIN
        return self.fit(container, entry, self.wanted(here.headers), found.headers, kind)

    def _same_content(self, here: Headers, found: Headers, entry: Entry, there: Entry | None) -> bool:
        if headers.STATIC in found or headers.LINK in found:
            return False
        dynamic = headers.MANIFEST in here
        if dynamic != (headers.MANIFEST in found):
            return False
        if dynamic:  # the ETags are of all segments; what the object itself holds, listings say
            return there is not None and (there.etag, there.bytes) == (entry.etag, entry.bytes)
        tags = (headers.etag(here), headers.etag(found))
        lengths = (here.get("content-length"), found.get("content-length"))
        return tags[0] == tags[1] and headers.is_md5(tags[0]) and lengths[0] == lengths[1]


def _expired(found: Headers) -> bool:
    told = found.get("x-delete-at", "")
    return told.isdecimal() and int(told) <= time.time()


def _moment(found: Headers) -> int:
    """The seconds since 1970 of Last-Modified, 0 where it is not told."""
    try:
        return int(email.utils.parsedate_to_datetime(found.get("last-modified", "")).timestamp())
    except ValueError:
        return 0

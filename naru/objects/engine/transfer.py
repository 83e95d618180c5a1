"""The bytes of one object from cloud to cloud: read and sent piece by piece, nothing of it on a disk."""

import hashlib
from collections.abc import Iterator
from typing import Any

from naru.cloud.client import CloudError
from naru.objects import headers
from naru.objects.engine.workers import Workers
from naru.objects.wire import FAULTS, RETRIABLE, TRIES, Account, Answer, Headers, Stream

SMALL = 1 << 20
"""Up to this size an object is read whole before it is sent: so a request that fails can be asked again."""
CHUNK = 64 << 10
"""Small, so that with a low cap no object waits so long for its turn that a service gives it up."""


class Again(Exception):
    """The object has to be carried once more from the start. `status` is that of the answer, 0 without one."""

    def __init__(self, fault: str, status: int = 0) -> None:
        super().__init__(fault)
        self.fault = fault
        self.status = status


class Content:
    """An object's bytes from the source, once. A connection that breaks is made again, and goes on where it was."""

    def __init__(
        self, source: Account, container: str, name: str, query: str, stream: Stream, workers: Workers[Any]
    ) -> None:
        self._source = source
        self._place = (container, name, query)
        self._stream = stream
        self._workers = workers
        told = stream.headers.get("content-length")
        self.length = int(told) if told is not None else None
        tells = headers.is_md5(headers.etag(stream.headers))
        # the target compares what it has received with the ETag itself
        self._md5 = None if tells else hashlib.md5(usedforsecurity=False)

    @property
    def digest(self) -> str:
        """The MD5 of what was read, where the ETag is none; else empty."""
        return self._md5.hexdigest() if self._md5 else ""

    def __iter__(self) -> Iterator[bytes]:
        at, broken = 0, 0
        while self.length is None or at < self.length:
            self._workers.tick()
            try:
                piece = self._stream.read(CHUNK)
                fault = "" if piece or self.length is None else "the answer is not whole"
            except FAULTS as error:
                piece, fault = b"", str(error)
            if fault:
                if self.length is None:
                    raise Again(fault)
                self._reopen(at, fault, broken)
                broken += 1
                continue
            if not piece:
                return
            self._workers.pass_by(len(piece))
            if self._md5:
                self._md5.update(piece)
            at += len(piece)
            yield piece

    def _reopen(self, at: int, fault: str, broken: int) -> None:
        self._stream.close()
        if broken >= TRIES:
            raise Again(f"{self._source.label}: {fault}")
        tag = self._stream.headers.get("etag", "")
        container, name, query = self._place
        self._stream = self._source.get(
            container, name, query, {"Range": f"bytes={at}-"} | ({"If-Match": f'"{tag.strip(chr(34))}"'} if tag else {})
        )
        if self._stream.status != 206:
            self._stream.close()
            raise Again(f"{self._source.label}: the object was changed while it was read", self._stream.status)

    def close(self) -> None:
        """Gives the connection back."""
        self._stream.close()


def send(target: Account, container: str, name: str, wanted: Headers, content: Content) -> Answer:
    """Puts the object. Raises Again when it is worth to be carried once more, CloudError when it is refused."""
    if content.length is not None and content.length <= SMALL:
        body = b"".join(content)
        answer = target.request("PUT", container, name, headers=wanted, body=body, accept=(422,))
    else:
        sized = {"content-length": str(content.length)} if content.length is not None else {}
        try:
            answer = target.put(container, name, "", wanted | sized, iter(content))
        except FAULTS as error:
            raise Again(f"{target.label}: {error}") from error
        if answer.status in RETRIABLE or answer.status == 401:
            raise Again(f"{target.label}: {answer.status}", answer.status)
    if answer.status == 422:
        raise Again(f"{target.label}: {container}/{name}: what arrived is not what the ETag is of", 422)
    if answer.status >= 400:
        raise target.refused("PUT", container, name, answer)
    if content.digest:
        _compare(target, container, name, content.digest, headers.etag(answer.headers))
    return answer


def _compare(target: Account, container: str, name: str, sent: str, stored: str) -> None:
    """What was sent, where the source's ETag says nothing of it, is what is stored."""
    if headers.is_md5(stored) and stored != sent:
        raise Again(f"{target.label}: {container}/{name}: what is stored is not what was sent")


def repeatedly(source: Account, target: Account, carry: Any) -> Any:
    """What `carry` gives, called again when it raises Again, as often as a request is asked again. Raises
    Unavailable for an account that did not take it."""
    for attempt in range(TRIES):
        try:
            return carry()
        except Again as error:
            side = source if error.fault.startswith(f"{source.label}:") else target
            if attempt == TRIES - 1 and error.status == 422:
                raise CloudError(error.fault, status=422) from error
            side.rest(attempt, error.fault, error.status)
    raise AssertionError("the last rest raises")

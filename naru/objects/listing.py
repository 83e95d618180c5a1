"""Containers and objects in the order of their names (bytes of UTF-8), page after page: no more than two pages are
held, however many names there are. The next page is on its way while one is gone through."""

import json
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any, NamedTuple
from urllib.parse import quote

from naru.cloud.client import CloudError
from naru.objects.wire import Account, Headers


class Entry(NamedTuple):
    """An object as a listing has it: `etag` is of a large object its manifest's; `modified` is ISO 8601 without a zone,
    UTC."""

    name: str
    etag: str
    bytes: int
    modified: str
    type: str


class ContainerEntry(NamedTuple):
    """A container as the account's listing has it; the numbers are late by some seconds."""

    name: str
    objects: int
    bytes: int


def containers(account: Account, limit: int) -> Iterator[ContainerEntry]:
    """The account's containers; none for an account that does not exist yet. `limit` is the service's own limit of a
    page, 0 where it is not known. Raises CloudError."""
    marker = ""
    while True:
        answer = account.request("GET", query=_query(marker), accept=(404,))
        page = [] if answer.status in (204, 404) else _decoded(account, "the account", answer.body)
        for item in page:
            yield ContainerEntry(item["name"], int(item.get("count", 0)), int(item.get("bytes", 0)))
        if not page or len(page) < limit:
            return
        marker = page[-1]["name"]


class Listing:
    """The objects of a container. `headers` are the container's, empty when there is no such container: then there is
    nothing to go through either."""

    def __init__(self, account: Account, container: str, limit: int, executor: Executor) -> None:
        """Asks for the first page; `limit` as of `containers`."""
        self._account = account
        self._container = container
        self._limit = limit
        self._executor = executor
        self._first = executor.submit(self._page, "")

    @property
    def headers(self) -> Headers:
        """Those of the container. Raises CloudError."""
        return self._first.result()[0]

    def __iter__(self) -> Iterator[Entry]:
        page = self._first.result()[1]
        while page:
            last = len(page) < self._limit
            following = None if last else self._executor.submit(self._page, page[-1].name)
            yield from page
            page = following.result()[1] if following else []

    def _page(self, marker: str) -> tuple[Headers, list[Entry]]:
        answer = self._account.request("GET", self._container, query=_query(marker), accept=(404,))
        if answer.status == 404:
            return {}, []
        found = _decoded(self._account, self._container, answer.body) if answer.body else []
        return answer.headers, [
            Entry(item["name"], item["hash"], item["bytes"], item["last_modified"], item.get("content_type") or "")
            for item in found
            if "name" in item
        ]


def page_limit(info: dict[str, Any], what: str) -> int:
    """How many a page has at most (`account_listing_limit`, `container_listing_limit`), 0 where it is not said."""
    found = info.get("swift", {}).get(f"{what}_listing_limit", 0) if isinstance(info.get("swift"), dict) else 0
    return found if isinstance(found, int) else 0


def _query(marker: str) -> str:
    return f"format=json&marker={quote(marker, safe='')}" if marker else "format=json"


def _decoded(account: Account, what: str, body: bytes) -> list[dict[str, Any]]:
    try:
        found = json.loads(body) if body else []
    except ValueError as error:
        raise CloudError(f"{account.label}: the listing of {what!r} is not whole", detail=str(error)) from error
    if not isinstance(found, list):
        raise CloudError(f"{account.label}: the listing of {what!r} is no list", detail=str(found)[:200])
    return found

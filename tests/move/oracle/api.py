"""GET requests to a cloud's services as its administrator, whole pages of them."""

from typing import Any, Protocol
from urllib.parse import urlsplit

Item = dict[str, Any]
_VERSIONED = {"compute": "compute", "volumev3": "volume"}
_NOT_FOUND, _NOT_ACCEPTABLE = 404, 406


class Rest(Protocol):
    """What is needed of `tests.lab.scenario.Rest`: a keystoneauth session of an administrator."""

    session: Any


class Unreadable(Exception):
    """A service refused to tell what it has: nothing can be said of a cloud that was not read whole."""


class Api:
    """Reads one cloud. Microversions are the newest of the service, or those that a caller names, capped by it."""

    def __init__(self, rest: Rest) -> None:
        self._session = rest.session

    def get(self, service: str, path: str, version: str = "latest") -> Item | None:
        """The answer's JSON; None where the service has no such thing (404). `version` is that of Nova and Cinder;
        a service that does not go so far answers with the newest it has."""
        headers = {"Accept": "application/json"}
        if service in _VERSIONED:
            headers["OpenStack-API-Version"] = f"{_VERSIONED[service]} {version}"
        where = {"service_type": service, "interface": "public"}
        answer = self._session.request(path, "GET", endpoint_filter=where, headers=headers, raise_exc=False)
        if answer.status_code == _NOT_FOUND:
            return None
        if answer.status_code == _NOT_ACCEPTABLE and version != "latest":
            return self.get(service, path)
        if answer.status_code >= 300:
            raise Unreadable(f"GET {service} {path}: {answer.status_code} {answer.text[:500]}")
        found: Item = answer.json()
        if found.get("truncated"):
            raise Unreadable(f"GET {service} {path}: the answer is cut off, and Keystone has no pages")
        return found

    def items(self, service: str, path: str, collection: str, version: str = "latest") -> list[Item] | None:
        """All items of a collection, over all pages; None where the service does not have the collection."""
        found: list[Item] = []
        following: str | None = path
        while following:
            answer = self.get(service, following, version)
            if answer is None:
                if following != path:
                    raise Unreadable(f"GET {service} {following}: a page went while it was read")
                return None
            found += answer[collection]
            following = self._next(path, answer, collection)
        return found

    def by_offset(self, service: str, path: str, collection: str) -> list[Item] | None:
        """The same of a collection that has pages but no links to the next."""
        found: list[Item] = []
        while True:
            answer = self.get(service, f"{path}{'&' if '?' in path else '?'}limit=1000&offset={len(found)}")
            if answer is None:
                return None
            if not answer[collection]:
                return found
            found += answer[collection]

    @staticmethod
    def _next(path: str, answer: Item, collection: str) -> str | None:
        links = answer.get(f"{collection}_links") or []
        reference = next((link["href"] for link in links if link["rel"] == "next"), None)
        reference = reference or answer.get("next")
        if reference is None and isinstance(answer.get("links"), dict):
            reference = answer["links"].get("next")
        if reference is None:
            return None
        return f"{path.partition('?')[0]}?{urlsplit(reference).query}"

"""Servers that are waited for, looked at by one list for all that wait at the same time instead of a call for each:
looking at each would take a Nova that does one thing at a time longer than stopping them.
"""

import threading
import urllib.parse
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from naru.actions.clouds import get
from naru.cloud.client import Cloud

PATIENCE = 3.0
"""Seconds that one waits for the list of another: a call that hangs holds up nobody but who made it."""

AHEAD = timedelta(minutes=10)
"""How far this machine's clock may be ahead of the cloud's: lists have what has changed in so much time before, and
what they lack is asked for by itself."""

Server = Mapping[str, Any]


def find(client: Cloud, server: str) -> Server | None:
    """The server, None when there is none."""
    found: Server | None = get(client, "compute", f"/servers/{server}", "server")
    return found


class Looks:
    """The servers of one project of a cloud that are waited for now."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._turn = threading.Condition()
        # by the id of a server: how many wait for it, and since when
        self._waiting: dict[str, tuple[int, datetime]] = {}
        self._reading = False
        # lists that were begun, the last that came, and what it had
        self._begun = 0
        self._came = 0
        self._found: dict[str, Server] = {}

    @contextmanager
    def waiting(self, identity: str) -> Iterator[None]:
        """While the server (id) is waited for, from before it is changed."""
        with self._turn:
            count, since = self._waiting.get(identity, (0, datetime.now(UTC)))
            self._waiting[identity] = count + 1, since
        try:
            yield
        finally:
            with self._turn:
                count, since = self._waiting.pop(identity)
                if count > 1:
                    self._waiting[identity] = count - 1, since

    def look(self, client: Cloud, identity: str) -> Server | None:
        """The server as it is at a moment after the call; None when there is none. Raises CloudError."""
        found = self._from_list(client, identity)
        # one that is not in the list may have been deleted, or be one of whose change another database knows
        return find(client, identity) if found is None or found["status"] == "DELETED" else found

    def _from_list(self, client: Cloud, identity: str) -> Server | None:
        """The server as a list had it that was begun after the call: that of another who waits, or an own one."""
        with self._turn:
            if len(self._waiting) < 2:
                return None
            wanted = self._begun + 1
            mine = self._turn.wait_for(lambda: self._came >= wanted or not self._reading, PATIENCE)
            if self._came >= wanted:
                return self._found.get(identity)
            if not mine:
                return None
            self._reading = True
            self._begun = wanted = self._begun + 1
            since = min(begun for _, begun in self._waiting.values()) - AHEAD
        found: dict[str, Server] | None = None
        try:
            found = self._list(client, since)
            return found.get(identity)
        finally:
            with self._turn:
                self._reading = False
                if found is not None:
                    self._came, self._found = wanted, found
                self._turn.notify_all()

    def _list(self, client: Cloud, since: datetime) -> dict[str, Server]:
        changed = since.strftime("%Y-%m-%dT%H:%M:%SZ")
        query = urllib.parse.urlencode({"all_tenants": 1, "project_id": self._project, "changes-since": changed})
        return {item["id"]: item for item in client.items("compute", f"/servers/detail?{query}", "servers")}


_looks: weakref.WeakKeyDictionary[Cloud, dict[str, Looks]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def looks(client: Cloud, project: str) -> Looks:
    """Those of a project of a cloud, the same ones for all steps."""
    with _lock:
        own = _looks.setdefault(client, {})
        if project not in own:
            own[project] = Looks(project)
        return own[project]

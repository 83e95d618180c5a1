"""Notifications into the database as they come, each once, in threads of their own: one for each message queue.

What was read goes to disk, then it is acknowledged. Killed in between it comes again, and is known by its id.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from naru.text import utc
from naru.watch.match import Matcher
from naru.watch.notifications import events
from naru.watch.notifications.address import Address
from naru.watch.notifications.bus import LENGTH, TTL, Away, Bus, Message
from naru.watch.notifications.events import Event
from naru.watch.notifications.grouping import counted
from naru.watch.notifications.message import Notification, Unread, read
from naru.watch.store import Store
from naru.watch.times import passed

HELD = 2.0
"""Seconds that a failure of Nova waits for the same in the other format."""
BATCH, WAIT = 500, 0.5
"""Messages that are read at a time, and how long they are waited for, in seconds."""
AGAIN = (1.0, 5.0)
"""Seconds until a message queue is tried again: at first, and at most."""
WRITTEN = 5.0
"""Seconds after which it is written down that it is still read."""
_GAPS = 20
_FORGET = 600.0
Came = Callable[[Store, list[str]], None]


class Listener(threading.Thread):
    """Reads one message queue until it is told to stop, or `once` until it is empty. `came` is told of groups that are
    new or have come back, with this thread's own store."""

    def __init__(self, directory: Path, address: Address, matcher: Matcher, came: Came, *, once: bool = False) -> None:
        super().__init__(name=f"notifications of {address}", daemon=True)
        self._directory, self._address, self._matcher, self._came, self._once = directory, address, matcher, came, once
        self._name = str(address)
        self._stop_asked = threading.Event()
        self._written = self._forgotten = float("-inf")
        self._state: dict[str, Any] = {}
        self._failed: BaseException | None = None

    def end(self) -> None:
        """Has it stop, and waits for it."""
        self._stop_asked.set()
        self.join()

    def check(self) -> None:
        """Raises what it ended by, if anything."""
        if self._failed is not None:
            raise self._failed

    def run(self) -> None:
        try:
            with Store(self._directory, make=True) as store:
                self._state = events.state(store.connection, self._name)
                self._go(store)
        except BaseException as error:  # noqa: BLE001 -- it is raised where the thread is waited for
            self._failed = error

    def _go(self, store: Store) -> None:
        pause = AGAIN[0]
        while not self._stop_asked.is_set():
            try:
                with Bus(self._address) as bus:
                    self._reached(store, bus)
                    pause = AGAIN[0]
                    self._listen(store, bus)
                return
            except Away as error:
                self._note(store, away=error.summary, hint=error.hint)
                self._settle(store, time.time())
                if self._once:
                    return
                self._stop_asked.wait(pause)
                pause = min(pause * 2, AGAIN[1])

    def _listen(self, store: Store, bus: Bus) -> None:
        while not self._stop_asked.is_set():
            got = bus.read(BATCH, WAIT)
            now = time.time()
            if got:
                self._keep(store, got, now)
                bus.done()
            elif self._once:
                self._settle(store, float("inf"))
                self._note(store, read=now)
                return
            if bus.look():
                if bus.went_on is False and (gaps := self._state.get("gaps")):
                    gaps[-1][1] = now  # until then the exchange was not bound again
                self._note(store, bound=bus.bound)
            self._settle(store, now)
            if (late := passed(self._written, now, WRITTEN)) or got:
                self._note(store, read=now, write=late)
            if passed(self._forgotten, now, _FORGET):
                self._forgotten = now
                events.forget(store.connection, now - events.KEPT)

    def _keep(self, store: Store, got: Sequence[Message], now: float) -> None:
        """Puts messages on disk. One that is no notification is counted, and not asked for again."""
        notifications: list[Notification] = []
        for message in got:
            try:
                notifications.append(read(message.body, message.exchange, now))
            except Unread as error:
                self._state["unread"] = int(self._state.get("unread", 0)) + 1
                self._state["unread_why"] = f"{message.exchange}: {error}"
        with store.transaction():
            events.add(store.connection, self._name, notifications, now)

    def _settle(self, store: Store, now: float) -> None:
        """Puts failures into groups, those of Nova when the other format had time to come."""
        due = [
            one
            for one in events.waiting(store.connection, self._name)
            if one.sent.exchange != "nova" or passed(one.received, now, HELD)
        ]
        if not due:
            return
        with store.transaction():
            firsts: dict[int, Event] = {}
            twins: dict[int, int] = {}  # the other format's row, by the row that it belongs to
            for one in due:
                if one.id in twins or one.id in firsts:
                    continue
                other = events.same(store.connection, one)
                if other is not None and other.grp is not None:
                    events.put(store.connection, one.id, other.grp, other.id)
                    continue
                first, second = (other, one) if other is not None and other.sent.versioned else (one, other)
                firsts[first.id] = _both(first, second)
                if second is not None:
                    twins[second.id] = first.id
                    events.put(store.connection, second.id, "", first.id)  # so that no other one has it, too
            added, keys = counted(firsts.values(), self._matcher)
            news = store.add(added, time.time())
            for event, key in keys.items():
                events.put(store.connection, event, key)
            for event, first_id in twins.items():
                events.put(store.connection, event, keys[first_id], first_id)
        if news:
            self._came(store, news)

    # what is told of the message queue

    def _reached(self, store: Store, bus: Bus) -> None:
        now, before = time.time(), self._state.get("read")
        gaps = [*self._state.get("gaps", []), *([_gap(before, now, bus)] if before else [])]
        gaps = [one for one in gaps if one is not None][-_GAPS:]
        full = now if bus.waiting >= LENGTH else self._state.get("full")
        self._note(store, away="", hint="", bound=bus.bound, gaps=gaps, full=full, read=before or now)

    def _note(self, store: Store, *, write: bool = True, **known: Any) -> None:
        self._state.update(known)
        if write:
            self._written = time.time()
            events.set_state(store.connection, self._name, self._state)


@contextmanager
def listening(
    directory: Path, addresses: Sequence[Address], matcher: Matcher, came: Came, *, once: bool = False
) -> Iterator[list[Listener]]:
    """Message queues read meanwhile, `once` until they are empty: then the end waits for that. Raises what a listener
    ended by."""
    listeners = [Listener(directory, one, matcher, came, once=once) for one in addresses]
    for one in listeners:
        one.start()
    try:
        yield listeners
        if once:
            for one in listeners:
                one.join()
    finally:
        for one in listeners:
            one.end()
    for one in listeners:
        one.check()


def _both(first: Event, second: Event | None) -> Event:
    """An event with what the other format alone says: which server it is about, and the exception's code."""
    if second is None:
        return first
    one, two = first.sent, second.sent
    message, status = one.failure.message or two.failure.message, one.failure.status or two.failure.status
    failed = replace(one.failure, message=message, status=status)
    return replace(first, sent=replace(one, object=one.object or two.object, failure=failed))


def _gap(before: float, now: float, bus: Bus) -> list[Any] | None:
    """From when to when notifications may be missing, why, and when that was seen; None where the queue kept all."""
    if not bus.was_there:
        return [before, now, "the queue was gone", now]
    if bus.went_on is False:
        return [before, now, "the broker was restarted: exchanges that are not durable were not bound until then", now]
    if now - before > TTL:
        return [before, now - TTL, f"the queue keeps them for {TTL / 3600:.0f} hours", now]
    if bus.went_on is None and now - before > 60:
        return [before, now, "only if the broker was restarted meanwhile", now]
    return None


def doubts(store: Store, now: float) -> list[str]:
    """What is to be said of message queues: one that is away, gaps of the last day, messages that were not read."""
    found = []
    for name, known in events.states(store.connection).items():
        if known.get("away"):
            hint = f" ({known['hint']})" if known.get("hint") else ""
            since = f", read up to {utc(known['read'])}" if known.get("read") else ""
            found.append(f"notifications: not read{since}: {known['away']}{hint}")
        for begin, end, why, seen in known.get("gaps", []):
            if now - seen < 86400:
                found.append(f"notifications of {utc(begin)} to {utc(end)} may be missing ({name}): {why}")
        if known.get("full") and now - known["full"] < 86400:
            found.append(f"notifications: the queue was full at {utc(known['full'])} ({name}): the oldest are lost")
        if known.get("unread"):
            found.append(f"notifications: {known['unread']} messages could not be read ({known['unread_why']})")
        if "read" in known and not known.get("away") and not known.get("bound"):
            found.append(f"notifications: no service sends any yet ({name}): naru watch notifications plan")
    return found

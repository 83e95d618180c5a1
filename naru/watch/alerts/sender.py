"""Alerts are sent, in a thread of their own: a sink that is away does not hold up the watch, and other sinks for no
longer than it may take to answer.

What waits is in the database. It is marked before it is sent and after: a kill in between leaves it marked as under
way, and it is sent again as one that may have arrived. A sink that was away gets what waited for it, one by one as far
as the budget goes, else in one digest.
"""

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from naru.text import count, utc
from naru.watch.alerts import budget, content
from naru.watch.alerts.outbox import (
    DIGEST,
    DROPPED,
    GATHERED,
    OVERED,
    REFUSED,
    SENDING,
    SENT,
    WAITING,
    Alert,
    Outbox,
    Trouble,
)
from naru.watch.alerts.sinks import Away, Refused, Sink
from naru.watch.store import MUTED, RESOLVED, Store
from naru.watch.times import passed

EVERY = 1.0
"""Seconds between two looks for what is to be sent."""
KEEP = 60.0
"""Seconds between two words to a sink that keeps alerts."""
AGAIN, LONGEST = 5.0, 300.0
"""Seconds until a sink that is away is tried again: at first, and at most."""
MOST = 200
"""Alerts that wait for a sink one by one; what is more goes into a digest, in which the most frequent are named."""


class Sending:
    """Sends what waits in a store. `tell` is told of a sink that is away, and of one that is back."""

    def __init__(
        self,
        store: Store,
        sinks: Sequence[Sink],
        tell: Callable[[str], None] = lambda text: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._outbox, self._sinks, self._tell, self._now = store, Outbox(store), sinks, tell, now
        self._kept: dict[str, float] = {}

    def round(self, *, at_once: bool = False) -> None:
        """Sends what there is to the sinks that are there, or may be again; `at_once`: to all."""
        for sink in self._sinks:
            trouble = self._outbox.trouble(sink.name)
            if trouble is not None and 0 < trouble.next - self._now() <= LONGEST and not at_once:
                continue
            try:
                self._send(sink)
                self._keep(sink, at_once)
            except Away as error:
                self._away(sink.name, str(error))
            else:
                if trouble is not None:  # nothing waits for it any more
                    self._outbox.set_trouble(sink.name, None)

    def _answered(self, name: str) -> None:
        """A sink took something, or refused it: it is there."""
        if self._outbox.trouble(name) is not None:
            self._outbox.set_trouble(name, None)
            self._tell(f"alerts: {name} is back")

    def _away(self, name: str, reason: str) -> None:
        now, before = self._now(), self._outbox.trouble(name)
        tries = before.tries + 1 if before else 1
        after = min(AGAIN * 2 ** min(tries - 1, 10), LONGEST)
        self._outbox.set_trouble(name, Trouble(before.since if before else now, tries, now + after, reason[:500]))
        if before is None:
            self._tell(f"alerts: {name}: {reason}; what waits is sent when it is back")

    def _send(self, sink: Sink) -> None:
        """Sends what waits for a sink. Raises Away."""
        waiting = [(one, state) for one, state in self._outbox.waiting(sink.name) if not self._dropped(one, sink)]
        for alert, state in self._within_budget(sink, waiting):
            self._outbox.set_delivery(alert, sink.name, SENDING)
            try:
                answer = sink.send(alert, again=state == SENDING)
            except Refused as error:
                self._outbox.set_delivery(alert, sink.name, REFUSED, answer=str(error))
                self._tell(f"alerts: {sink.name} refused an alert: {error}")
            except Away as error:
                if not error.arrived and state != SENDING:
                    self._outbox.set_delivery(alert, sink.name, WAITING, answer=str(error))
                raise
            else:
                self._outbox.set_delivery(alert, sink.name, SENT, self._now(), answer)
            self._answered(sink.name)

    def _dropped(self, alert: Alert, sink: Sink) -> bool:
        """Whether an alert needs not be sent any more: somebody has muted or resolved its group."""
        if not alert.root:
            return False
        group = self._outbox.groups([alert.root]).get(alert.root)
        if group is not None and group["state"] not in (MUTED, RESOLVED):
            return False
        self._outbox.set_delivery(alert, sink.name, DROPPED)
        return True

    def _within_budget(self, sink: Sink, waiting: Sequence[tuple[Alert, str]]) -> Sequence[tuple[Alert, str]]:
        """What is sent now: what waits, or one digest of it, or nothing yet."""
        digests = [one for one in waiting if one[0].why == DIGEST]
        news = [one for one in waiting if one[0].why != DIGEST]
        now = self._now()
        alerts, digest = self._outbox.sent(sink.name, now - budget.HOUR, now)
        how = budget.way(len(news), alerts, digest, now)
        if how == budget.EACH and len(digests) < 2:
            return waiting
        if how == budget.WAIT and len(waiting) <= MOST:
            return digests[:1] if now - digest >= budget.HOUR else []
        gathered = [alert for alert, _ in waiting]
        keys = self._outbox.keys(gathered)
        since = utc(min(one.moment for one in gathered))
        with self._store.transaction():
            for alert in gathered:
                self._outbox.set_delivery(alert, sink.name, GATHERED)
            because = f"not sent one by one since {since}"
            body = content.of_many(self._outbox, because, keys, now)
            made = self._outbox.add(DIGEST, "", keys, body, [sink.name], now)
        return [(made, WAITING)] if how != budget.WAIT else []

    def _keep(self, sink: Sink, at_once: bool) -> None:
        """Says to a sink that keeps alerts which are still so. Raises Away."""
        now = self._now()
        if not sink.lasts() or (not passed(self._kept.get(sink.name, 0.0), now, KEEP) and not at_once):
            return
        lasting = self._outbox.lasting(sink.name, now)
        still, over = ([alert for alert, is_still in lasting if is_still == which] for which in (True, False))
        if not still and not over:
            return
        rates = self._outbox.rates([one.root for one in still], now)
        for one in still:
            five, hour, day = rates.get(one.root, (0, 0, 0))
            one.body["how_often"].update(five_minutes=five, hour=hour, day=day)
        try:
            sink.keep(still, over, now)
        except Refused as error:
            self._tell(f"alerts: {sink.name} refused what it was sent again: {error}")
        self._answered(sink.name)
        self._kept[sink.name] = now
        with self._store.transaction():
            for one in over:
                self._outbox.set_delivery(one, sink.name, OVERED)


def attempt(sink: Sink, now: float) -> tuple[bool, str]:
    """Sends a sink an alert that says that it is one to try it; whether that went well, and what was answered."""
    body = {
        **{"id": str(uuid.uuid4()), "why": DIGEST, "moment": utc(now), "because": "this is a trial, nothing happened"},
        **{"count": 0, "classes": {}, "groups": []},
    }
    try:
        return True, sink.send(Alert(0, str(body["id"]), now, DIGEST, "", body), again=False)
    except (Away, Refused) as error:
        return False, str(error)


class Sender:
    """Sends in a thread, from entering to leaving; on leaving what is under way is ended. `failed` is what ended the
    thread when it should not have ended."""

    def __init__(self, directory: Path, sinks: Sequence[Sink], tell: Callable[[str], None]) -> None:
        self._directory, self._sinks, self._tell = directory, sinks, tell
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="naru-alerts", daemon=True)
        self.failed: Exception | None = None

    def __enter__(self) -> "Sender":
        if self._sinks:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._sinks:
            self._thread.join(15.0)

    def check(self) -> None:
        """Raises what ended the thread."""
        if self.failed is not None:
            raise self.failed

    def _run(self) -> None:
        try:
            with Store(self._directory) as store:
                sending = Sending(store, self._sinks, self._tell)
                while not self._stop.wait(EVERY):
                    sending.round()
        except Exception as error:  # noqa: BLE001 - whatever it is, the main thread says it
            self.failed = error


def doubts(store: Store) -> list[str]:
    """What is wrong with sinks: away since when and why, with what waits; alerts that were refused."""
    outbox = Outbox(store)
    found = []
    for name in outbox.sinks():
        counts = outbox.counts(name)
        waiting = counts.get(WAITING, 0) + counts.get(SENDING, 0)
        if (trouble := outbox.trouble(name)) is not None:
            since = f"since {utc(trouble.since)} (tried {count(trouble.tries, 'time')})"
            found.append(f"alerts: {name} is away {since}: {trouble.error}; {count(waiting, 'alert')} to be sent yet")
        if refused := outbox.refused(name, time.time() - 86400):
            found.append(f"alerts: {name} refused {count(refused, 'alert')} within a day; naru watch alerts says why")
    return found

"""What is told, and when: each group that is new, has come back or escalates, once, with the others of its incident.

A group waits some seconds until the other records of its request are there. Mistakes of callers and deprecations are
told only when they escalate. What was there when alerts were begun, and what came while nobody watched, is told in one
digest; so is what is more than the budget allows. What is told is known by the database alone (`outbox`): whenever the
process is killed, no group is told twice and none is forgotten.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from naru.watch import states
from naru.watch.alerts import budget, content
from naru.watch.alerts.incidents import Requests, incidents, recent
from naru.watch.alerts.known import Known
from naru.watch.alerts.outbox import DIGEST, ESCALATING, NEW, OVER, Alert, Outbox
from naru.watch.group import CLIENT, DEPRECATION
from naru.watch.request import Reader
from naru.watch.store import OPEN, REGRESSED, Example, Store
from naru.watch.times import passed

WAITS = 10.0
"""Seconds from a group's first record to its alert, for the others of its request."""
AWAY = 300.0
"""Seconds without a watch, or since a record was written, from which on what is found is a backlog."""
QUIET = (CLIENT, DEPRECATION)
"""Classes that are told only when they escalate."""
FIRST_DAY = 100
"""Records within an hour from which on a group of such a class escalates that was not there the day before."""
_LOOKED = 10.0
"""Seconds between two looks for groups that escalate."""
_CALM = 3600.0
"""Seconds after which a group that escalated, and does not any more, may do so again."""
_JOINED = 100
"""Groups that are looked at for their requests at a time."""
_MANY = 1000
"""Groups that wait for a digest from which on they are not looked at in each round."""
BEGUN = "alerts begun"
"""Setting: since when alerts are made."""


Due = tuple[str, str, str, float, float]
"""A group of which there is something to tell: key, state, class, when it came, its last record."""


@dataclass
class News:
    """Something to tell: why, the group that it is named after, all groups of its incident, and their examples."""

    why: str
    root: str
    keys: list[str]
    examples: Mapping[str, Sequence[Example]] = field(default_factory=dict)


class Alerting:
    """Makes alerts for sinks, by their names (none: none are made, and nothing is taken as told). `reader` makes what
    reads requests in files. `away` is how long nobody had watched before, in seconds."""

    def __init__(
        self,
        store: Store,
        sinks: Sequence[str],
        *,
        known: Known,
        reader: Callable[[], Reader] | None = None,
        away: float = 0.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._outbox, self._sinks = store, Outbox(store), sinks
        self._known, self._reader, self._now = known, reader, now
        self._catching_up = away > AWAY
        self._seen: dict[tuple[str, float], float] = {}  # since when it is known here what is due: clocks differ
        self._looked = self._held = 0.0

    def round(self, *, at_once: bool = False) -> list[Alert]:
        """After each round over all files: the alerts that were made. `at_once`: nothing is waited for."""
        now = self._now()
        at_once = at_once or self._catching_up
        looks = at_once or passed(self._looked, now, _LOOKED)
        if looks:
            self._looked = now
            self._outbox.muted_no_more(now)
        over = self._outbox.over(now)
        if not self._sinks:
            with self._store.transaction():
                for key in over:
                    self._outbox.unmute(key, now)
            return []
        if self._store.setting(BEGUN) is None:
            return self._begin(now)
        due = self._outbox.due() if passed(self._held, now, _LOOKED) else []
        self._seen = {(key, came): self._seen.get((key, came), now) for key, *_, came, _ in due}
        ripe = {
            key
            for key, *_, came, _ in due
            if at_once or now - came >= WAITS or passed(self._seen[key, came], now, WAITS)
        }
        escalating: list[str] = []
        if looks:
            self._calm(now)
            escalating = self._escalating(now)
        made = self._tell(due if ripe else [], ripe, over, escalating, now) if ripe or over or escalating else []
        self._catching_up = False
        return made

    def _begin(self, now: float) -> list[Alert]:
        """All that is there is told at once, and nothing of it again."""
        due = self._outbox.due()
        escalating = self._escalating(now)
        with self._store.transaction():
            self._store.set(BEGUN, now)
            self._outbox.escalate(escalating, now)
            self._outbox.told(key for key, *_ in due)
            counts = [key for key, state, *_ in due if state in (OPEN, REGRESSED)]
            return [self._digest("all that there are, at the first run", counts, now)] if counts else []

    def _escalating(self, now: float) -> list[str]:
        found = []
        for key, group in self._outbox.groups(self._outbox.frequent(now, states.LEAST)).items():
            quiet = group["class"] in QUIET
            came = max(group["first"], group["changed"] if group["state"] == REGRESSED else 0.0)
            young = now - came < states.DAY
            told = self._outbox.alert_of(key)
            if (young and not quiet) or (told and told[1] != DIGEST and now - told[0] < budget.HOUR):
                continue  # it was told just now
            minutes = self._store.minutes(key, now - 8 * states.DAY)
            if states.escalating(minutes, now, FIRST_DAY if young else states.LEAST):
                found.append(key)
        return found

    def _calm(self, now: float) -> None:
        """What escalated, and does not any more, may do so again."""
        calm = [
            key
            for key, since in self._outbox.escalated()
            if now - since >= _CALM and not states.escalating(self._store.minutes(key, now - 8 * states.DAY), now)
        ]
        if calm:
            with self._store.transaction():
                self._outbox.escalate(calm, 0.0)

    def _tell(
        self, due: Sequence[Due], ripe: set[str], over: Sequence[str], escalating: Sequence[str], now: float
    ) -> list[Alert]:
        """Tells what is due: what is old in a digest, the rest one by one as far as the budget goes. Mistakes of
        callers, and what somebody muted or resolved before it could be told, are taken as told."""
        counts = {key: kind for key, state, kind, *_ in due if state in (OPEN, REGRESSED)}
        loud = {key for key, kind in counts.items() if kind not in QUIET}
        old = {key for key, *_, last in due if key in loud and (self._catching_up or now - last > AWAY)}
        fresh = [one for one in due if one[0] in counts and one[0] not in old]
        # the digest of the first run is none of the budget's
        alerts, digest = self._outbox.made(max(now - budget.HOUR, float(self._store.setting(BEGUN))), now)
        room = budget.way(1, alerts, digest, now) == budget.EACH
        requests = Requests(self._reader if room else None)
        news = self._news(fresh, loud, ripe, requests)
        told = {key for one in news for key in one.keys}
        waits = {key for key in counts if key not in told and key not in old and key not in ripe}
        news += [News(OVER, key, [key]) for key in over] + [News(ESCALATING, key, [key]) for key in escalating]
        how = budget.way(len(news), alerts, digest, now)
        late = budget.way(budget.ALERTS + 1, alerts, digest, now) if old else budget.EACH
        bodies = [self._body(one, requests, now) for one in news] if how == budget.EACH else []
        together = [key for key, *_ in due if key in old] if late == budget.TOGETHER else []
        held = set(old) if late == budget.WAIT else set()
        made = []
        with self._store.transaction():
            if how == budget.EACH:
                made = [
                    self._outbox.add(one.why, one.root, one.keys, body, self._sinks, now)
                    for one, body in zip(news, bodies, strict=True)
                ]
            elif how == budget.TOGETHER:
                together = [*together, *(key for one in news for key in one.keys)]
            if how == budget.WAIT:
                held |= {key for one in news for key in one.keys if key in loud}
            else:
                for key in over:
                    self._outbox.unmute(key, now)
                self._outbox.escalate(escalating, now)
            self._outbox.told(key for key, *_ in due if key not in held and key not in waits)
            if together:
                because = "a backlog" if len(together) == len(old) else f"more than {budget.ALERTS} an hour"
                made.append(self._digest(because, list(dict.fromkeys(together)), now))
        if how == budget.WAIT or len(held) > _MANY:
            self._held = now
        return made

    def _news(self, fresh: Sequence[Due], loud: set[str], ripe: set[str], requests: Requests) -> list[News]:
        """The incidents of groups, those that are not all quiet and that have waited."""
        states_of = {key: REGRESSED if state == REGRESSED else NEW for key, state, *_ in fresh}
        wanted = loud & ripe
        if len(fresh) > _JOINED:
            return [News(states_of[key], key, [key]) for key in states_of if key in wanted]
        examples = {key: recent(self._store.examples(key)) for key in states_of}
        return [
            News(states_of[one.root], one.root, one.keys, {key: examples[key] for key in one.keys})
            for one in incidents(examples, requests.trusted)
            if loud & set(one.keys) and ripe & set(one.keys)
        ]

    def _body(self, news: News, requests: Requests, now: float) -> dict[str, Any]:
        examples = news.examples or {key: recent(self._store.examples(key)) for key in news.keys}
        groups = self._outbox.groups(news.keys)
        known = {one["bug"]: one for key in news.keys for one in self._known.of(groups[key]["binary"], examples[key])}
        own = next((one for one in examples[news.root] if requests.trusted(one)), None)
        return content.of_incident(
            self._outbox,
            news.why,
            news.root,
            news.keys,
            examples=examples,
            trusted=requests.trusted,
            joined=(requests.joined(str(own.body["request"])) or []) if own else [],
            known=list(known.values()),
            now=now,
        )

    def _digest(self, because: str, keys: Sequence[str], now: float) -> Alert:
        return self._outbox.add(DIGEST, "", keys, content.of_many(self._outbox, because, keys, now), self._sinks, now)

"""The watch for Prometheus: groups by state and class, records, alerts, and how the watch itself is."""

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from naru.watch import states, streams
from naru.watch.alerts.outbox import OVERED, SENDING, SENT, WAITING, Outbox
from naru.watch.store import Store


class _Watch:
    """What is kept of a watch, as Prometheus' library asks for it."""

    def __init__(self, store: Store, now: float) -> None:
        self._store, self._now = store, now

    def collect(self) -> Iterable[Metric]:
        yield from self._groups()
        yield from self._reading()
        yield from self._alerts()

    def _groups(self) -> Iterable[Metric]:
        store, now = self._store, self._now
        outbox = Outbox(store)
        numbers, records, hours = Counter[tuple[str, str]](), Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        groups = store.groups()
        recent = outbox.rates((one["key"] for one in groups if now - one["last"] < states.DAY), now)
        for one in groups:
            key, hour = one["key"], recent.get(one["key"], (0, 0, 0))[1]
            # only what is frequent can escalate: the week before is read of few
            minutes = store.minutes(key, now - 8 * states.DAY) if hour >= states.LEAST else {}
            name = states.state(one, minutes, now), one["class"]
            numbers[name] += 1
            hours[name] += hour
            records[one["class"], one["level"]] += one["count"]
        by_state = GaugeMetricFamily("naru_watch_groups", "Groups of errors", labels=("state", "class"))
        within = GaugeMetricFamily(
            "naru_watch_records_last_hour", "Warnings and errors within an hour", labels=("state", "class")
        )
        total = CounterMetricFamily(
            "naru_watch_records", "Warnings and errors that were read", labels=("class", "level")
        )
        for name, n in sorted(numbers.items()):
            by_state.add_metric(name, n)
            within.add_metric(name, hours[name])
        for name, n in sorted(records.items()):
            total.add_metric(name, n)
        yield from (by_state, within, total)

    def _reading(self) -> Iterable[Metric]:
        files, every = self._store.files(), [one for _, one in streams.every(self._store)]
        counters = {
            "lines": ("Lines that were read", sum(one.lines for one in every)),
            "lines_not_understood": ("Lines of no known format", sum(one.unread for one in every)),
            "records_judged": ("Warnings and errors of Python code", sum(one.judged for one in every)),
            "records_without_statement": (
                "Those of them that no known statement prints",
                sum(one.unmatched for one in every),
            ),
            "losses": ("Times that lines were gone before they were read", int(self._store.setting("lost") or 0)),
        }
        for name, (told, value) in counters.items():
            yield CounterMetricFamily(f"naru_watch_{name}", told, value=value)
        yield GaugeMetricFamily("naru_watch_files", "Files that are followed", value=len(files))
        read = float(self._store.setting("read") or 0.0)
        yield GaugeMetricFamily(
            "naru_watch_read_timestamp_seconds", "When all files were last read to their end", value=read
        )
        away = GaugeMetricFamily("naru_watch_host_unreachable", "1: a host's files could not be read", labels=("host",))
        for host in sorted(self._store.setting("unreachable") or {}):
            away.add_metric((host,), 1)
        yield away

    def _alerts(self) -> Iterable[Metric]:
        outbox = Outbox(self._store)
        sent = CounterMetricFamily("naru_watch_alerts_sent", "Alerts that a sink was sent", labels=("sink",))
        waiting = GaugeMetricFamily("naru_watch_alerts_waiting", "Alerts that wait for a sink", labels=("sink",))
        there = GaugeMetricFamily("naru_watch_sink_up", "1: the sink took what it was sent last", labels=("sink",))
        for name in outbox.sinks():
            counts = outbox.counts(name)
            sent.add_metric((name,), counts.get(SENT, 0) + counts.get(OVERED, 0))
            waiting.add_metric((name,), counts.get(WAITING, 0) + counts.get(SENDING, 0))
            there.add_metric((name,), float(outbox.trouble(name) is None))
        yield from (sent, waiting, there)


def text(directory: Path) -> bytes:
    """The metrics of the watch in a directory, in Prometheus' text format. Raises InputError."""
    registry = CollectorRegistry(auto_describe=False)
    with Store(directory) as store:
        registry.register(_Watch(store, time.time()))
        return generate_latest(registry)

"""What sources read, each at its own pace in its own thread, kept as the text that a scrape is answered with.

A scrape therefore costs the same whatever the cloud's size and whatever its services are at. What a source read last
stays when it cannot read, so that nobody takes a fault of the API for a fault of hosts; how old it is is told beside
it, and after `KEPT` it goes.
"""

import gzip
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from prometheus_client import Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from naru.errors import NaruError
from naru.operate.metrics.families import FAMILIES, NothingThere, Samples

KEPT = 3600.0
"""Seconds for which what was read last is told when nothing newer can be read."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """Something that is read: its name, the seconds from one reading to the next, and the reading, which raises
    NaruError when it cannot be had, NothingThere when there is nothing to read."""

    name: str
    every: float
    read: Callable[[Samples], None]


class Stopped(NaruError):
    """The collector is being ended."""


class Patience:
    """How long a reading may go on, for whoever waits in it: asked in the reading's own thread (see
    `naru.cloud.transport`)."""

    def __init__(self) -> None:
        self._mine = threading.local()
        self.stopping = threading.Event()

    def begin(self, seconds: float) -> None:
        """The reading that begins in this thread may take so long."""
        self._mine.until = time.monotonic() + seconds

    def left(self) -> float:
        """The seconds that are left. Raises Stopped, and NaruError when there are none."""
        if self.stopping.is_set():
            raise Stopped("the exporter ends")
        left = float(getattr(self._mine, "until", time.monotonic() + 60.0) - time.monotonic())
        if left <= 0:
            raise NaruError("the reading took too long", hint="See which service of the cloud is slow.")
        return left

    def check(self) -> None:
        """Raises what `left` raises."""
        self.left()


@dataclass
class State:
    """How a source is: the text of what it read last, the same packed, and what became of its readings. `untold` is why
    what it read could not be given on."""

    text: bytes = b""
    packed: bytes = b""
    samples: Samples = field(default_factory=Samples)
    read: float = 0.0
    seconds: float = 0.0
    series: int = 0
    failures: int = 0
    failed: bool = False
    absent: bool = False
    said: str = ""
    untold: str = ""


class Collector:
    """Reads the sources until it is closed. `told` receives what was read, of each reading that went well."""

    def __init__(
        self,
        sources: Sequence[Source],
        patience: Patience,
        *,
        told: Callable[[str, Samples], None] | None = None,
        kept: float = KEPT,
        longest: float = 600.0,
    ) -> None:
        self.sources = sources
        self.states = {source.name: State() for source in sources}
        self._patience = patience
        self._told = told
        self._kept = kept
        self._longest = longest
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._go_on, args=(source,), name=f"naru-{source.name}", daemon=True)
            for source in sources
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Ends the readings: one that waits for an answer at its next look."""
        self._patience.stopping.set()
        for thread in self._threads:
            if thread.ident:
                thread.join(5.0)

    def _go_on(self, source: Source) -> None:
        while not self._patience.stopping.is_set():
            began = time.monotonic()
            self.read(source)
            # as long as it took at least: a slow service is not asked all the time
            took = time.monotonic() - began
            self._patience.stopping.wait(max(source.every - took, min(took, self._longest)))

    def read(self, source: Source) -> None:
        """One reading, in this thread. Raises nothing: what goes wrong is told in the metrics, and once in the log."""
        state = self.states[source.name]
        samples = Samples()
        began, said, absent = time.monotonic(), "", False
        self._patience.begin(self._longest)
        try:
            source.read(samples)
            text = rendered(samples)
            packed = gzip.compress(text, 5)
        except Stopped:
            return
        except NothingThere as error:
            said, absent = error.summary, True
        except NaruError as error:
            said = str(error)
        except Exception as error:  # noqa: BLE001 - a source that ended for ever would be taken for one that reads
            said = f"this is a bug of Naru: {type(error).__name__}: {error}\n{traceback.format_exc()}"
        with self._lock:
            state.seconds = time.monotonic() - began
            state.absent, state.failed = absent, bool(said) and not absent
            if state.failed:
                state.failures += 1
            elif absent:
                state.text = state.packed = b""
                state.series, state.read = 0, time.time()
            else:
                state.text, state.packed, state.samples, state.read = text, packed, samples, time.time()
                state.series = sum(map(len, samples.values.values()))
            changed, state.said = said != state.said, said
        if changed:
            level = logging.DEBUG if absent else logging.WARNING
            _log.log(level, "%s: %s", source.name, said or "it can be read again")
        if not said:
            self._tell(source.name, samples)

    def _tell(self, name: str, samples: Samples) -> None:
        """Gives on what was read. What goes wrong with that takes nothing from a scrape: it is in the log, once."""
        state, untold = self.states[name], ""
        try:
            if self._told:
                self._told(name, samples)
        except Exception as error:  # noqa: BLE001 - a full disk here is no fault of the cloud
            untold = f"{type(error).__name__}: {error}"
        if untold != state.untold:
            _log.warning("%s: its samples %s", name, f"cannot be kept: {untold}" if untold else "are kept again")
        state.untold = untold

    def answer(self, *, packed: bool) -> bytes:
        """What a scrape is answered with; `packed` by gzip, of which parts that are packed alone may be joined."""
        now = time.time()
        with self._lock:
            for state in self.states.values():
                if state.text and now - state.read > self._kept:
                    state.text = state.packed = b""
                    state.series = 0
            about = generate_latest(_Few(self._about()))
            parts = [state.packed if packed else state.text for state in self.states.values()]
        return b"".join([gzip.compress(about, 1) if packed else about, *parts])

    def _about(self) -> list[Metric]:
        """The collector's own metrics."""
        up = GaugeMetricFamily("naru_source_up", "1: the last reading went well, 0: it failed", labels=["source"])
        read = GaugeMetricFamily(
            "naru_source_read_timestamp_seconds", "When what is told was read; 0: never", labels=["source"]
        )
        took = GaugeMetricFamily("naru_source_duration_seconds", "How long the last reading took", labels=["source"])
        every = GaugeMetricFamily("naru_source_interval_seconds", "How often it is read", labels=["source"])
        series = GaugeMetricFamily("naru_source_series", "The series that are told", labels=["source"])
        dropped = GaugeMetricFamily(
            "naru_source_dropped", "Series that are not told, because a family has too many", labels=["source"]
        )
        failures = CounterMetricFamily("naru_source_failures", "Readings that failed", labels=["source"])
        for source in self.sources:
            name, state = [source.name], self.states[source.name]
            if state.absent:
                continue
            up.add_metric(name, 0.0 if state.failed or not state.read else 1.0)
            read.add_metric(name, state.read)
            took.add_metric(name, state.seconds)
            every.add_metric(name, source.every)
            series.add_metric(name, state.series)
            dropped.add_metric(name, state.samples.dropped)
            failures.add_metric(name, state.failures)
        return [up, read, took, every, series, dropped, failures]


class _Few:
    """Metrics as prometheus_client wants them."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def rendered(samples: Samples) -> bytes:
    """The samples in Prometheus' text format."""
    metrics = []
    for name, series in samples.values.items():
        metric = GaugeMetricFamily(name, FAMILIES[name].help, labels=FAMILIES[name].labels)
        for labels, value in series.items():
            metric.add_metric(labels, value)
        metrics.append(metric)
    return generate_latest(_Few(metrics))

"""What a scrape is answered with while sources can be read, cannot, and have nothing to say."""

import gzip
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from naru.cli.main import main
from naru.errors import InputError, NaruError
from naru.listen import Address, Tls
from naru.operate.metrics.collector import Collector, Patience, Source
from naru.operate.metrics.exporter import Exporter, Settings
from naru.operate.metrics.families import FAMILIES, NothingThere, Samples
from naru.operate.metrics.server import server
from naru.operate.metrics.since import Since
from naru.operate.metrics.sources.certificates import ends_at
from naru.site import site as sites

pytestmark = pytest.mark.unit


def values(text: bytes) -> dict[tuple[str, tuple[str, ...]], float]:
    """What the text says, as Prometheus' own library reads it: by name and the labels' values."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for one in family.samples:
            found[one.name, tuple(one.labels.values())] = one.value
    return found


class Said:
    """A source of the servers that says what a test wants."""

    def __init__(self) -> None:
        self.next: Callable[[Samples], None] = lambda samples: samples.add("naru_servers", 3, "ACTIVE")

    def __call__(self, samples: Samples) -> None:
        self.next(samples)


def refuse(error: Exception) -> Callable[[Samples], None]:
    def work(samples: Samples) -> None:
        samples.add("naru_servers", 0, "ACTIVE")
        raise error

    return work


def test_a_reading_that_fails_leaves_what_was_read_before_and_says_so() -> None:
    said = Said()
    collector = Collector([Source("servers", 60.0, said)], Patience(), kept=3600.0)
    collector.read(collector.sources[0])
    first = values(collector.answer(packed=False))
    assert first["naru_servers", ("ACTIVE",)] == 3
    assert first["naru_source_up", ("servers",)] == 1
    for error in (NaruError("Nova does not answer"), ZeroDivisionError()):
        said.next = refuse(error)
        collector.read(collector.sources[0])
    later = values(collector.answer(packed=False))
    assert later["naru_servers", ("ACTIVE",)] == 3, "an error of the API is no server that is gone"
    assert later["naru_source_up", ("servers",)] == 0
    assert later["naru_source_failures_total", ("servers",)] == 2
    read = ("naru_source_read_timestamp_seconds", ("servers",))
    assert later[read] == first[read] > time.time() - 60


def test_what_cannot_be_kept_is_told_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    def told(*_: object) -> None:
        raise OSError("No space left on device")

    collector = Collector([Source("servers", 60.0, Said())], Patience(), told=told)
    for _ in range(2):
        collector.read(collector.sources[0])
    found = values(collector.answer(packed=False))
    assert found["naru_servers", ("ACTIVE",)] == 3 and found["naru_source_up", ("servers",)] == 1
    said = [one.getMessage() for one in caplog.records if "kept" in one.getMessage()]
    assert said == ["servers: its samples cannot be kept: OSError: No space left on device"], "once"


def test_what_is_too_old_is_not_told_any_more() -> None:
    said = Said()
    collector = Collector([Source("servers", 60.0, said)], Patience(), kept=0.0)
    collector.read(collector.sources[0])
    found = values(collector.answer(packed=False))
    assert ("naru_servers", ("ACTIVE",)) not in found
    assert found["naru_source_series", ("servers",)] == 0
    assert found["naru_source_read_timestamp_seconds", ("servers",)] > 0


def test_a_source_with_nothing_to_read_is_not_told_at_all() -> None:
    collector = Collector([Source("servers", 60.0, refuse(NothingThere("no cloud")))], Patience())
    collector.read(collector.sources[0])
    assert values(collector.answer(packed=False)) == {}


def test_packed_it_is_the_same() -> None:
    collector = Collector([Source("servers", 60.0, Said())], Patience())
    collector.read(collector.sources[0])
    assert gzip.decompress(collector.answer(packed=True)) == collector.answer(packed=False)


def test_series_without_bound_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("naru.operate.metrics.families.MOST", 2)
    said = Said()
    said.next = lambda samples: [samples.add("naru_servers", 1, status) for status in "abcd"]  # type: ignore[assignment]
    collector = Collector([Source("servers", 60.0, said)], Patience())
    collector.read(collector.sources[0])
    found = values(collector.answer(packed=False))
    assert sum(name == "naru_servers" for name, _ in found) == 2
    assert found["naru_source_dropped", ("servers",)] == 2


def test_labels_are_those_that_are_declared_and_of_no_single_server() -> None:
    with pytest.raises(ValueError, match="has the labels"):
        Samples().add("naru_servers", 1)
    unbounded = {"server", "id", "volume", "port", "address", "instance", "user"}
    assert not any(unbounded & set(family.labels) for family in FAMILIES.values())


def test_a_reading_that_takes_too_long_is_ended_where_it_waits() -> None:
    patience = Patience()

    def wait(samples: Samples) -> None:
        while True:
            patience.check()
            time.sleep(0.01)

    collector = Collector([Source("servers", 60.0, wait)], patience, longest=0.1)
    collector.read(collector.sources[0])
    assert collector.states["servers"].said.startswith("the reading took too long")


def test_since_when_is_kept_over_restarts(tmp_path: Path) -> None:
    first = Since(tmp_path).of("ceph main", {"noout"})
    assert Since(tmp_path).of("ceph main", {"noout", "noin"})["noout"] == first["noout"]
    assert Since(tmp_path).of("ceph main", set()) == {}
    assert Since(tmp_path).of("ceph main", {"noout"})["noout"] > first["noout"]
    (tmp_path / "since.json").write_text("[")
    with pytest.raises(InputError, match=r"since\.json cannot be read"):
        Since(tmp_path)


def test_since_when_is_told_though_it_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    since = Since(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("naru.operate.metrics.since.write_whole", full)
        first = since.of("ceph main", {"noout"})
    assert since.of("ceph main", {"noout"}) == first
    assert Since(tmp_path).of("ceph main", {"noout"}) == first, "it was written when there was room"


# -- over HTTP


@contextmanager
def serving(tls: Tls | None = None) -> Iterator[str]:
    collector = Collector([Source("servers", 60.0, Said())], Patience())
    collector.read(collector.sources[0])
    made = server(collector, Address("127.0.0.1:0"), tls)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{made.server_port}"
    finally:
        made.shutdown()
        made.server_close()
        thread.join()


def get(url: str, context: ssl.SSLContext | None = None, **headers: str) -> tuple[Any, bytes]:
    request = urllib.request.Request(url, headers={name.replace("_", "-"): text for name, text in headers.items()})
    with closing(urllib.request.urlopen(request, timeout=10, context=context)) as answer:
        return answer.headers, answer.read()


def test_it_is_scraped_plain_and_packed() -> None:
    with serving() as url:
        headers, plain = get(f"{url}/metrics")
        assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        headers, packed = get(f"{url}/metrics", Accept_Encoding="gzip")
        assert headers["Content-Encoding"] == "gzip"
        assert values(gzip.decompress(packed)) == values(plain)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(f"{url}/other")


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    pem, key = directory / f"{name}.pem", directory / f"{name}.key"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run([*argv, "-keyout", key, "-out", pem], check=True, capture_output=True, timeout=30)
    return pem, key


def test_with_tls_only_clients_with_a_certificate_may_read(tmp_path: Path) -> None:
    own, client = certificate(tmp_path, "exporter"), certificate(tmp_path, "prometheus")
    with serving(Tls(*own, client[0])) as url:
        context = ssl.create_default_context(cafile=own[0])
        with pytest.raises(OSError):
            get(f"{url}/metrics", context)
        context.load_cert_chain(*client)
        assert b"naru_servers" in get(f"{url}/metrics", context)[1]
        # as the exporter sees the endpoints of a cloud, whoever has signed for them
        port = int(url.rpartition(":")[2])
        assert time.time() + 86400 < ends_at("127.0.0.1", port) < time.time() + 3 * 86400


# -- bad input


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.yaml"
    file.write_text("naru_site: 1\nname: lab\n")
    return file


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--listen", "here"], "--listen here: give HOST:PORT"),
        (["--listen", "192.0.2.1:9795"], "--listen 192.0.2.1:9795:"),
        (["--certificate", "a.pem"], "--certificate and --key go together"),
        (["--certificate", "a.pem", "--key", "a.key"], "--certificate, --key or --client-ca cannot be read"),
        (["--newest", "backup"], "--newest backup: give NAME=PATTERN"),
        (["--plans", "nowhere"], "--plans nowhere: there is no such directory"),
        (["--without", "nothing"], "--without nothing: there is services, hypervisors"),
        (["--state", "/dev/null/x"], "--state /dev/null/x cannot be made"),
    ],
)
def test_bad_input_is_one_clear_error(
    site: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["exporter", "--site", str(site), *words]) == 2
    assert says in capsys.readouterr().err


def test_two_exporters_do_not_keep_samples_in_one_directory(site: Path, tmp_path: Path) -> None:
    settings = Settings(Address("127.0.0.1:0"), state=tmp_path / "state")
    with closing(Exporter(sites.load(site), settings)), pytest.raises(InputError, match="another exporter uses it"):
        Exporter(sites.load(site), settings)
    with closing(Exporter(sites.load(site), settings)) as again:
        again.start()
        assert get(f"http://127.0.0.1:{again.port}/metrics")[1] is not None

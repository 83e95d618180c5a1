"""What shippers push over HTTP: in each form that they have, let in or not, answered when on disk, counted once."""

import base64
import gzip
import http.client
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.cli.main import main
from naru.errors import InputError
from naru.listen import Address
from naru.watch.formats import KNOWN
from naru.watch.match import Matcher
from naru.watch.sources import push
from naru.watch.sources.push import Access, Server
from naru.watch.sources.stream import Batch
from naru.watch.store import Store
from naru.watch.streams import Keeper
from naru.watch.times import Clock
from naru.watch.wrapped import TRIED

from ..processes import started
from .lines import FRAMES, REQUEST, line, traceback

pytestmark = pytest.mark.unit

TOKEN = "let-me-in-please"


@contextmanager
def serving(keep: push.Keep, access: Access = Access(token=TOKEN)) -> Iterator[Server]:  # noqa: B008 - frozen
    server = Server(Address("127.0.0.1:0"), None, access, KNOWN, keep)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def send(port: int, body: bytes, tls: ssl.SSLContext | None = None, **headers: str) -> tuple[int, dict[str, str]]:
    """The status and the headers of the answer."""
    there = (
        http.client.HTTPSConnection("localhost", port, timeout=20, context=tls)
        if tls
        else http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    )
    named = {"Authorization": f"Bearer {TOKEN}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        there.request("POST", "/", body, {name: value for name, value in named.items() if value})
        answer = there.getresponse()
        answer.read()
        return answer.status, dict(answer.getheaders())
    finally:
        there.close()


def lines(found: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in found).encode()


TEXT = "\n".join([line("no room on host 5"), *traceback(*FRAMES)])
FLUENT_BIT = [{"date": 1791211347.28, "log": TEXT, "path": "/var/log/nova/nova-compute.log", "hostname": "h1"}]
VECTOR = [
    {
        **{"file": "/var/log/nova/nova-compute.log", "host": "h1", "message": TEXT, "source_type": "file"},
        "timestamp": "2026-10-05T14:42:30.1Z",
    }
]
FLUENTD = [{"message": TEXT, "path": "/var/log/nova/nova-compute.log", "hostname": "h1"}]
DOCKER = [
    {"log": f"{one}\n", "stream": "stdout", "time": "2026-10-05T14:42:30.1Z", "container_name": "nova-compute"}
    | {"host": "h1"}
    for one in TEXT.split("\n")
]
JOURNALD = [
    {"host": "h1", "PRIORITY": "6", "_SYSTEMD_UNIT": "nova-compute.service", "_PID": "7", "message": one}
    | {"__REALTIME_TIMESTAMP": "1791211347282000"}
    for one in TEXT.split("\n")
]
KUBERNETES = [
    {"log": TEXT, "kubernetes": {"container_name": "nova-compute", "host": "h1", "pod_name": "nova-compute-x"}}
]


@pytest.mark.parametrize(
    ("body", "packed"),
    [
        (json.dumps(FLUENT_BIT).encode(), False),
        (lines(FLUENT_BIT), False),
        ("".join(json.dumps(one) for one in DOCKER).encode(), True),
        (json.dumps(VECTOR).encode(), False),
        (lines(VECTOR), True),
        (json.dumps(FLUENTD).encode(), False),
        (lines(FLUENTD), True),
        (lines(DOCKER), False),
        (json.dumps(JOURNALD).encode(), False),
        (json.dumps(KUBERNETES).encode(), False),
    ],
    ids=[
        *("Fluent Bit's json", "its json_lines", "its json_stream, gzip", "Vector's json", "its lines, gzip"),
        *("Fluentd's json_array", "its lines, gzip", "docker's lines", "journald's lines", "Kubernetes' pods"),
    ],
)
def test_each_form(body: bytes, packed: bool) -> None:
    """One record of one program on one host, with its traceback, whatever it comes in."""
    kept: list[Batch] = []
    with serving(lambda batch, digest: kept.append(batch)) as server:
        headers = {"Content_Encoding": "gzip"} if packed else {}
        status, _ = send(server.server_port, gzip.compress(body) if packed else body, **headers)
    assert status == 200
    ((one,),) = [batch.arrived for batch in kept]
    assert (one.host, one.program) == ("h1", "nova-compute")
    assert (one.record.message, one.record.level) == ("no room on host 5", "ERROR")
    assert (one.record.request_id, one.record.traceback[-1]) == (REQUEST, FRAMES[-1])


def test_who_is_let_in() -> None:
    kept: list[Batch] = []
    body = json.dumps(FLUENT_BIT).encode()
    secret = base64.b64encode(b"fluent:of-fluent").decode()
    with serving(lambda batch, digest: kept.append(batch), Access("", "fluent", "of-fluent")) as server:
        for wrong in ("", "Bearer ", f"Bearer {TOKEN}", "Basic ", "Basic !", f"Basic {secret[:-4]}", "basic"):
            status, headers = send(server.server_port, body, Authorization=wrong)
            assert (status, "WWW-Authenticate" in headers) == (401, True)
        assert kept == []
        assert send(server.server_port, body, Authorization=f"Basic {secret}")[0] == 200
    assert len(kept) == 1


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b'["text"]', {}, 400),
        (b"[" * 100_000, {}, 400),
        (b"{}", {"Content_Encoding": "gzip"}, 400),
        (gzip.compress(b"{}")[:-9], {"Content_Encoding": "gzip"}, 400),
        (b"{}", {"Content_Encoding": "zstd"}, 415),
        (b"{}", {"Content_Length": "99999999999"}, 413),
        (gzip.compress(b" " * (push.UNPACKED + 1)), {"Content_Encoding": "gzip"}, 413),
        (b"", {}, 200),
        (b"[]", {}, 200),
    ],
    ids=["half", "no object", "deep", "not packed", "half packed", "other", "large", "large inside", "none", "empty"],
)
def test_what_is_refused(body: bytes, headers: dict[str, str], status: int) -> None:
    kept: list[Batch] = []
    with serving(lambda batch, digest: kept.append(batch)) as server:
        assert send(server.server_port, body, **headers)[0] == status
        assert kept == []
        assert send(server.server_port, lines(FLUENT_BIT))[0] == 200


HALF = "\ud83d"
ODD: list[dict[str, Any]] = [
    {
        "levelname": "ERROR",
        "message": f"half a face {HALF}",
        "name": f"x{HALF}",
        "hostname": HALF,
        "lineno": "9" * 5000,
    },
    {"levelname": "ERROR", "message": 5, "created": 1e300, "traceback": [HALF, None], "context": [], "extra": "x"},
    {"levelname": "ERROR", "message": "in the year 1", "asctime": "0001-01-01 00:00:00,000"},
    {"log": line(f"half {HALF}"), "date": 10**400, "host": {"name": HALF}},
    {"log": line("then", time="0001-01-01 00:00:00.000"), "timestamp": "0001-01-01T00:00:00+23:59"},
    {"log": '{"a":' * 50_000, "level": "error", "service": HALF},
    {"LOGGER_NAME": "x", "MESSAGE": [1, 999], "CODE_LINE": "9" * 5000, "__REALTIME_TIMESTAMP": "9" * 5000},
    {"__REALTIME_TIMESTAMP": "9" * 19, "MESSAGE": HALF, "PRIORITY": "3", "_SYSTEMD_UNIT": HALF},
    {"Payload": HALF, "python_module": "x", "log_level": "ERROR", "Hostname": HALF},
    {"level": 50, "message": None},
    {},
]


@pytest.mark.parametrize("number", range(len(ODD)))
def test_what_is_odd_is_no_end(tmp_path: Path, number: int) -> None:
    """It is counted, or not, and the watch goes on."""
    with Store(tmp_path / "watch", make=True) as store:
        keeper = Keeper(store, Matcher([]), Clock(None), time.time)
        batch = push.batch_of(json.loads(json.dumps([ODD[number], *FLUENT_BIT])), TRIED, "192.0.2.1")
        assert keeper.keep("push", batch, b"1")
        groups = store.groups()
    assert "NovaException" in {one["exception"] for one in groups}
    assert len(groups) in (1, 2)


def test_too_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "AT_ONCE", 1)
    with serving(lambda batch, digest: None) as server:
        server.room.acquire()
        status, headers = send(server.server_port, lines(FLUENT_BIT))
        assert (status, headers["Retry-After"]) == (429, str(push.AGAIN))
        server.room.release()
        assert send(server.server_port, lines(FLUENT_BIT))[0] == 200


def test_what_is_not_on_disk_is_not_answered() -> None:
    def full(batch: Batch, digest: bytes) -> None:
        raise TimeoutError

    with serving(full) as server:
        status, headers = send(server.server_port, lines(FLUENT_BIT))
    assert (status, headers["Retry-After"]) == (503, str(push.AGAIN))


def test_others_are_not_listened_to_without_a_certificate() -> None:
    with pytest.raises(InputError, match="has no certificate"):
        Server(Address("0.0.0.0:0"), None, Access(TOKEN), KNOWN, lambda batch, digest: None)


class Watch:
    """A watch that others push to, as a process of its own."""

    def __init__(self, directory: Path, **more: Any) -> None:
        self.work, self.sources = directory / "watch", directory / "sources.yaml"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        token = directory / "token"
        token.write_text(f"{TOKEN}\n")
        token.chmod(0o600)
        said = {"listen": f"127.0.0.1:{self.port}", "token": {"file": "token"}, **more}
        self.sources.write_text(yaml.safe_dump({"naru_watch_sources": 1, "push": said}))

    @contextmanager
    def running(self) -> Iterator["subprocess.Popen[bytes]"]:
        words = ["-q", "watch", "run", str(self.work), "--sources", str(self.sources)]
        program = [sys.executable, "-c", "import sys; from naru.cli.main import main; sys.exit(main(sys.argv[1:]))"]
        with started([*program, *words], stdout=subprocess.DEVNULL) as watch:
            try:
                until = time.monotonic() + 60
                while time.monotonic() < until and watch.poll() is None:
                    with socket.socket() as there:
                        if not there.connect_ex(("127.0.0.1", self.port)):
                            break
                    time.sleep(0.05)
                yield watch
            finally:
                if watch.poll() is None:
                    watch.send_signal(signal.SIGINT)
                    watch.wait(20)

    def count(self) -> int:
        with Store(self.work) as store:
            return sum(one["count"] for one in store.groups())


def test_a_watch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a certificate; what is sent again is counted once; it ends when it is told to."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"]
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "certificate")]
    words = ["openssl", "req", "-x509", *key, "-addext", "subjectAltName=DNS:localhost", *files]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    watch = Watch(tmp_path, certificate="certificate", key="key")
    assert main(["watch", "sources", str(watch.sources), "-f", "json"]) == 0
    assert f"https on 127.0.0.1, port {watch.port}" in capsys.readouterr().out
    tls = ssl.create_default_context(cafile=str(tmp_path / "certificate"))
    with watch.running() as running:
        for _ in range(3):
            assert send(watch.port, lines(FLUENT_BIT), tls)[0] == 200
            assert watch.count() == 1
        assert send(watch.port, lines(FLUENT_BIT * 2), tls)[0] == 200
        assert watch.count() == 3
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 130


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"token": None}, "give token, or user and password"),
        ({"user": "u"}, ""),
        ({"token": None, "user": "u"}, "give token, or user and password"),
        ({"listen": "here"}, "push.listen here: give HOST:PORT"),
        ({"token": "secret-itself"}, "a secret is not written here"),
        ({"certificate": "c"}, "give certificate and key"),
        ({"certificate": "none", "key": "none"}, "push.certificate, push.key cannot be read"),
        ({"other": 1}, "push.other"),
    ],
)
def test_what_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str], said: dict[str, Any], told: str) -> None:
    watch = Watch(tmp_path, **said)
    assert main(["watch", "sources", str(watch.sources)]) == (2 if told else 0)
    error = capsys.readouterr().err
    assert told in error
    assert "secret-itself" not in error


def test_a_secret_that_others_may_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watch = Watch(tmp_path)
    (tmp_path / "token").chmod(0o644)
    assert main(["-q", "watch", "run", str(watch.work), "--sources", str(watch.sources)]) == 2
    assert "may be read by others than its owner" in capsys.readouterr().err


def killed(tmp_path: Path, kills: int) -> None:
    """Scenario 33, for what is pushed: killed at any instant, what was answered is there, and what was sent again since
    it was not answered is counted once."""
    chance = random.Random(kills)
    watch = Watch(tmp_path)
    number = again = 0
    body: bytes | None = None
    for _ in range(kills):
        with watch.running() as running:
            until = time.monotonic() + 0.3 + chance.random()
            while True:
                if body is None:
                    many = chance.randrange(1, 30)
                    body = lines([{"log": line(f"number {number + n} failed"), "path": "/x.log"} for n in range(many)])
                killer = None
                if time.monotonic() > until and chance.random() < 0.5:
                    # also while it is being kept
                    killer = threading.Timer(chance.random() * 0.02, os.kill, (running.pid, signal.SIGKILL))
                    killer.start()
                try:
                    status, _ = send(watch.port, body)
                except (OSError, http.client.HTTPException):
                    again += 1
                else:
                    assert status == 200
                    number, body = number + many, None
                if killer is not None:
                    break
            running.wait(20)
    with watch.running():
        if body is not None:
            assert send(watch.port, body)[0] == 200
            number += many
    print(f"{kills} kills, {again} requests without an answer, {number} lines")
    assert again <= kills
    assert watch.count() == number


@pytest.mark.kill
@pytest.mark.releases  # files are killed in make test
def test_killed(tmp_path: Path) -> None:
    killed(tmp_path, 6)


@pytest.mark.kill
@pytest.mark.releases
def test_killed_200_times(tmp_path: Path) -> None:
    killed(tmp_path, 200)

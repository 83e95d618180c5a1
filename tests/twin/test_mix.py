"""What users ask for, counted in logs, and made into calls of a twin."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest
import requests

from naru.cli.main import main
from naru.errors import InputError, NaruError
from naru.lab import health
from naru.lab.api import Api
from naru.lab.lab import Lab
from naru.lab.ports import LOOPBACK
from naru.releases import release
from naru.site import access_logs
from naru.site import site as sites
from naru.site.access_logs import Line, Source, Unread
from naru.twin import mix, replay, spec
from naru.twin.dump import given, schemas
from naru.twin.mix import Calls, Mix
from naru.twin.replay import Answer, Call

DEMO, SHOP = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
SERVER = "f0e1d2c3-b4a5-4697-8879-6a5b4c3d2e1f"


def line(second: int, project: str, request: str, status: int = 200) -> str:
    """A line of an API service's own log."""
    said = f"[req-1 user1 {project} - default default] 10.1.2.3"
    asked = f'"{request} HTTP/1.1" status: {status} len: 9 time: 0.1'
    return f"2026-11-30 08:00:{second:02d}.123 9 INFO nova.osapi_compute.wsgi.server {said} {asked}"


LOG = [
    line(0, DEMO, "GET /v2.1/servers/detail?limit=9"),
    line(1, DEMO, f"GET /v2.1/servers/{SERVER}"),
    line(2, SHOP, "GET /v2.1/servers/detail"),
    line(4, DEMO, "GET /v2.1/servers/detail"),
    line(5, DEMO, "GET /v2.1/servers/nothing", 404),
    line(6, DEMO, "POST /v2.1/servers", 202),
    line(3, DEMO, "GET @ctl1/v2.1/servers"),
]


@pytest.mark.unit
def test_reads_are_counted_by_path_and_project(tmp_path: Path) -> None:
    log = tmp_path / "nova-api.log"
    log.write_text("".join(f"{one}\n" for one in LOG))
    source = Source("nova-api", ("nova",), ("file", str(log)))
    rows = [f"{service}\t{at}\tGET\t^/\t" for at, service in enumerate(mix.SERVICES)]
    script = access_logs.counting([source], rows, {}, {}, 36500, by_project=True)
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    found = mix.counted(access_logs.parsed("ctl1", [source], done.stdout), 7, pytest.fail)
    assert found is not None
    assert (found.seconds, found.rate) == (4.0, 1.0)
    assert {(one.path, one.project): one.count for one in found.calls} == {
        ("/v2.1/servers/detail", DEMO): 2,
        ("/v2.1/servers/{id}", DEMO): 1,
        ("/v2.1/servers/detail", SHOP): 1,
    }
    assert mix.counted([], 7, pytest.fail) is None
    mix.save(found, tmp_path / "mix.json")
    assert mix.load(tmp_path / "mix.json") == found


SERVICES_OWN, BALANCERS = Source("api", ("nova", "glance"), ()), Source("lb", (), ())


def said(source: Source, service: str, count: int, project: str = "", when: str = "") -> Line:
    rest = ["200", "", "", "", "", project]
    return Line("h", source, "call", [str(count), when, when, service, "0", "GET", f"/{service}", *rest])


@pytest.mark.unit
def test_a_request_that_two_logs_have_is_one() -> None:
    first, last = "2026-11-30 08:00:00", "2026-11-30 08:00:10"
    lines = [
        said(SERVICES_OWN, "nova", 20, DEMO, first),
        said(BALANCERS, "nova", 20, when=last),  # on a host of its own
        said(BALANCERS, "cinder", 5),
    ]
    found = mix.counted(lines, 7, pytest.fail)
    assert found and [(one.service, one.project, one.count) for one in found.calls] == [
        ("nova", DEMO, 20),
        ("cinder", "", 5),
    ]
    assert found.rate == 2.5


@pytest.mark.unit
def test_where_no_log_says_when_the_rate_is_not_that_of_a_second() -> None:
    told: list[str] = []
    found = mix.counted([said(BALANCERS, "nova", 86400)], 2, told.append)
    assert found and found.rate == 0.5 and len(told) == 1


@pytest.mark.unit
def test_what_of_the_logs_could_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = sites.parse({"naru_site": 1, "name": "seoul"}, Path("site.yaml"))
    answers = access_logs.Answers([said(BALANCERS, "nova", 1), Unread("ctl1", "nova-api: /a", "no", "Mend it.", 3)], {})
    monkeypatch.setattr(access_logs, "ask", lambda *_, **__: answers)
    told: list[str] = []
    assert mix.read(site, 7, told.append).calls
    assert told[0] == "ctl1: nova-api: /a: no: 3. Mend it."
    monkeypatch.setattr(access_logs, "ask", lambda *_, **__: access_logs.Answers([], {"ctl2": NaruError("gone")}))
    with pytest.raises(NaruError, match="ctl2: its logs cannot be read"):
        mix.read(site, 7, told.append)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "Invalid JSON"),
        ('{"seconds": 1, "calls": []}', "calls"),
        ('{"seconds": 0, "calls": [{"service": "nova", "path": "/", "count": 1}]}', "seconds"),
        ('{"seconds": 1, "calls": [{"service": "nova", "path": "/", "count": 0}]}', "calls.0.count"),
        ('{"seconds": 1, "calls": [{"service": "nova", "path": "@db1/v2.1", "count": 1}]}', "calls.0.path"),
        ('{"seconds": 1, "calls": [{"service": "nova", "path": "x.example/v2.1", "count": 1}]}', "calls.0.path"),
        ('{"seconds": 1, "calls": [{"service": "nova", "path": "/v2.1@db1", "count": 1}]}', "calls.0.path"),
        ('{"seconds": 1, "calls": [{"service": "nova", "path": "/v2.1 x", "count": 1}]}', "calls.0.path"),
    ],
)
def test_a_file_that_is_no_mix_is_told(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "mix.json"
    file.write_text(content)
    with pytest.raises(InputError, match=told):
        mix.load(file)
    with pytest.raises(InputError, match="No such file"):
        mix.load(tmp_path / "none.json")


@pytest.mark.unit
@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/compute/v2.1/servers/{id}", ("/v2.1/servers/{id}", "servers")),
        ("/v3/{project}/volumes/detail", (f"/v3/{DEMO}/volumes/detail", "detail")),
        ("/resource_providers", ("/resource_providers", "resource_providers")),
    ],
)
def test_a_path_is_the_twin_s_own(path: str, wanted: tuple[str, str]) -> None:
    assert replay.path_of(Calls(service="nova", path=path, count=1), DEMO) == wanted


@pytest.mark.unit
def test_calls_are_summed_by_service() -> None:
    answers = [Answer("nova", 200, 0.1), Answer("nova", 404, 0.2), Answer("nova", 503, 0.4), Answer("cinder", 0, 60.0)]
    cinder, nova = replay.summaries(answers)
    assert tuple(cinder) == ("cinder", 1, 1, 0, 60.0, 60.0, 60.0)
    assert tuple(nova) == ("nova", 3, 1, 1, 0.2, 0.4, 0.4)


class Asked(BaseHTTPRequestHandler):
    """Remembers what it is asked; sends everybody to another server who asks for /away."""

    asked: ClassVar[list[tuple[int, str]]] = []
    away: ClassVar[str] = ""

    def do_GET(self) -> None:
        self.asked.append((cast(ThreadingHTTPServer, self.server).server_port, self.path))
        self.send_response(302 if self.path == "/away" else 200)
        self.send_header("Location", self.away)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def listening() -> Iterator[int]:
    with ThreadingHTTPServer((LOOPBACK, 0), Asked) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.unit
def test_tokens_go_to_no_proxy_and_to_no_other_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as api, listening() as other:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{LOOPBACK}:{other}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(Asked, "asked", [])
        monkeypatch.setattr(Asked, "away", f"http://{LOOPBACK}:{other}/")
        url = f"http://{LOOPBACK}:{api}"
        assert requests.get(f"{url}/x", timeout=60).status_code == 200
        assert Asked.asked.pop() == (other, f"{url}/x")  # so others do
        session = SimpleNamespace(get_token=lambda: "secret")
        calls = [Call("nova", f"{url}{path}", "", 1, ("",)) for path in ("/here", "/away")]
        answers = replay._asked(calls, {"": cast(Any, session)}, 100.0)
        assert sorted(one.status for one in answers) == [200, 302]
        assert health.answers(f"{url}/health") and health.answers(f"{url}/away")
        cloud = cast(Any, SimpleNamespace(url=lambda service, path: f"{url}{path}", secret="secret"))
        mine = Api(cloud).session
        assert mine.get(f"{url}/away", authenticated=False).status_code == 302
        assert {port for port, _ in Asked.asked} == {api}
        assert sorted(path for _, path in Asked.asked) == ["/away", "/away", "/away", "/health", "/here"]


@pytest.mark.unit
def test_a_twin_that_does_not_run_is_told_before_logs_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = sites.parse({"naru_site": 1, "name": "seoul", "release": release.names()[-1]}, Path("site.yaml"))
    spec.save(spec.build(site, None, 1, 1, "", 31999), tmp_path / spec.SPEC)
    monkeypatch.setattr(mix, "read", lambda *_: pytest.fail("the site was asked"))
    assert main(["twin", "load", str(tmp_path)]) == 1
    assert "the database of twin does not answer" in capsys.readouterr().err


@pytest.mark.unit
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"release": ""}, "release: is missing"),
        ({"computes": 501}, "--computes 501"),
        ({"agents": -1}, "--agents -1"),
        ({"port_base": 80}, "--port-base 80"),
        ({"region": "a b"}, "--region 'a b'"),
    ],
)
def test_what_a_twin_is_not_made_of(change: dict[str, Any], told: str) -> None:
    asked: dict[str, Any] = {
        "release": release.names()[-1],
        "computes": 1,
        "agents": 1,
        "port_base": 23000,
        "region": "",
    }
    asked |= change
    site = sites.parse({"naru_site": 1, "name": "seoul", "release": asked.pop("release")}, Path("site.yaml"))
    with pytest.raises(InputError, match=told):
        spec.build(site, None, **asked)


@pytest.mark.unit
def test_dumps_that_are_given(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no dump in it"):
        given(tmp_path)
    for name, content in (("main", "nova nova_api"), ("other", "keystone")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "complete").write_text(f"step=x\nschemas={content}\nwho=a=b\n")
    assert given(tmp_path) == [tmp_path / "main", tmp_path / "other"]
    assert given(tmp_path / "main") == [tmp_path / "main"]
    assert schemas(given(tmp_path)) == ["nova", "nova_api", "keystone"]
    (tmp_path / "other" / "complete").write_text("schemas=nova\n")
    with pytest.raises(InputError, match="both have the schema nova"):
        schemas(given(tmp_path))


@pytest.mark.lab
def test_a_mix_becomes_calls_with_a_project_s_own_things(pair: Lab) -> None:
    cloud = pair.cloud("old")
    calls = [
        Calls(service="neutron", path="/v2.0/networks", count=3),
        Calls(service="nova", path="/compute/v2.1/flavors/{id}", count=2),
        Calls(service="nova", path="/v2.1/os-keypairs/{id}", count=5),
        Calls(service="neutron", path="/v2.0/networks/{id}", project=SHOP, count=1),
    ]
    found, left_out = replay.prepared(cloud, Mix(seconds=1.0, calls=tuple(calls)))
    assert left_out == 6  # nobody knows which key pair it was, and a project that is not there has no network
    assert [one.url for one in found] == [
        cloud.url("neutron", "/v2.0/networks"),
        cloud.url("nova", "/v2.1/flavors/{id}"),
    ]
    done = replay.replay(cloud, Mix(seconds=1.0, calls=tuple(calls)), rate=10.0, seconds=2.0)
    assert sum(one.calls for one in done.services) == 20
    assert not any(one.failed or one.refused for one in done.services), json.dumps(done.services)

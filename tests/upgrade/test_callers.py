"""Calls of APIs that are gone, found in logs as programs write them: by the host's own shell and awk."""

import gzip
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from naru.releases import path, release
from naru.releases.path import Gone, Service
from naru.site import access_logs
from naru.site.access_logs import Source
from naru.upgrade.check import callers
from naru.upgrade.check.callers import Caller, Found, Seen
from naru.upgrade.finding import Span

pytestmark = pytest.mark.unit

NOW = datetime.now().replace(microsecond=0) - timedelta(hours=1)
DAY, ISO = NOW.strftime("%d/%b/%Y:%H:%M:%S"), NOW.strftime("%Y-%m-%d %H:%M:%S")
WHEN = {"DAY": DAY, "ISO": ISO, "BLANK": DAY.replace(":", " ", 1), "C": NOW.strftime("%a %b %d %H:%M:%S %Y")}
PROJECT, USER, SERVER = (
    "0c4ffd2d4678406a91b344f45bd90162",
    "65cef15af07d457b87c211c75487486d",
    "7d3a9e6c-1111-4222-8333-444455556666",
)
REQ = f"[req-6f514cfa-f95d-4e40-91a7-1163f3a77843 {USER} {PROJECT} - default default]"
HAPROXY = (
    "haproxy[12]: 203.0.113.9:51234 [DAY.583] FRONT~ BACK/ctl1 0/0/1/20/21 200 500 - - ---- 1/1/0/0/0 0/0 HEADERS "
    '"ASKED HTTP/1.1"'
)
AWKS = [name for name in ("gawk", "mawk") if shutil.which(name)] or ["awk"]


def on_the_way(start: str = "pike", goal: str = "2026.1") -> list[tuple[Service, Gone]]:
    span = Span(start, goal)
    return [(service, one) for service in path.services().values() for one in service.gone if span.passes(one.release)]


@pytest.fixture(params=AWKS)
def tools(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A directory in which the awk of the test is."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "awk").symlink_to(str(shutil.which(request.param)))
    return tmp_path / "bin"


def said(tools: Path, sources: Sequence[Source], gone: list[tuple[Service, Gone]], whose: dict[str, set[str]]) -> str:
    words = access_logs.mounts({service.name for service, _ in gone}, {"heat"})
    script = access_logs.counting(sources, callers.rows(gone), whose, words, 7)
    environment = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def read(
    tools: Path,
    text: str,
    service: str,
    *,
    gone: list[tuple[Service, Gone]] | None = None,
    whose: dict[str, set[str]] | None = None,
) -> tuple[list[Caller], Found]:
    """What is found in a log with these lines."""
    file = tools.parent / "a.log"
    for name, moment in WHEN.items():
        text = re.sub(rf"\b{name}\b", moment, text)
    file.write_text(text)
    source = Source("a", tuple(service.split()), ("file", str(file)))
    known = on_the_way() if gone is None else gone
    found = Found(requests={one.name: Seen() for one, _ in known})
    told = said(tools, [source], known, whose or {})
    callers.add(found, access_logs.parsed("ctl1", [source], told), known)
    return list(callers.judged(found, {PROJECT: "demo"})), found


def proxied(asked: str, *, front: str = "api", back: str = "nova", headers: str = "") -> str:
    line = HAPROXY.replace("FRONT", front).replace("BACK", back).replace("ASKED", asked)
    return line.replace("HEADERS ", f"{headers} " if headers else "") + "\n"


@pytest.mark.parametrize(
    ("service", "line", "seen"),
    [
        (
            "nova",
            f'ISO.072 15122 INFO nova.osapi_compute.wsgi.server {REQ} 10.0.0.14 "GET /v2.1/{PROJECT}/os-fping/{SERVER} '
            'HTTP/1.1" status: 200 len: 497 time: 0.0012541',
            ("GET /v2.1/{project}/os-fping/{id}", "200", "10.0.0.14", "", "", USER, PROJECT, "demo"),
        ),
        (
            "nova",  # by a proxy, in the release before a context begins with the global request's id
            f"ISO.072 15122 INFO nova.api.openstack.requestlog [None req-1 {USER} {PROJECT} - - default default] "
            '203.0.113.7,10.0.0.4 "DELETE /v2.1/os-agents/12" status: 200 len: 0 microversion: 2.1 time: 0.1',
            ("DELETE /v2.1/os-agents/{id}", "200", "10.0.0.4", "203.0.113.7", "", USER, PROJECT, "demo"),
        ),
        (
            "glance",
            "ISO.583 14811 INFO eventlet.wsgi.server [-] 10.0.0.14 - - [BLANK] "
            '"GET /v1/images/detail?limit=2 HTTP/1.1" 200 784 0.002425',
            ("GET /v1/images/detail", "200", "10.0.0.14", "", "", "", "", ""),
        ),
        (
            "cinder",
            f'10.0.0.14 - - [DAY +0000] "POST /v2/{PROJECT}/volumes HTTP/1.1" 202 12 "-" "python-cinderclient"',
            ("POST /v2/{project}/volumes", "202", "10.0.0.14", "", "python-cinderclient", "", PROJECT, "demo"),
        ),
        (
            "keystone",  # a token in the path does not leave the host
            f'ctl1:5000 10.0.0.14 - - [DAY +0000] "GET /identity/v2.0/tokens/gAAAAAB{"x9" * 90} HTTP/1.1" 200 12 '
            '"http://a/b" "curl/7.88" "203.0.113.7"',
            ("GET /identity/v2.0/tokens/{id}", "200", "10.0.0.14", "203.0.113.7", "curl/7.88", "", "", ""),
        ),
        (
            "keystone",
            f"ISO.875 14813 INFO keystone.common.wsgi {REQ} POST http://ctl1:5000/v2.0/tokens",
            ("POST /v2.0/tokens", "", "", "", "", USER, PROJECT, "demo"),
        ),
        (
            "keystone",
            "[pid: 9|app: 0|req: 3/7] 10.0.0.14 () {34 vars in 400 bytes} [C] GET /v2.0/tenants => generated 247 bytes "
            "in 2 msecs (HTTP/1.1 200) 4 headers in 100 bytes (1 switches on core 0)",
            ("GET /v2.0/tenants", "200", "10.0.0.14", "", "", "", "", ""),
        ),
    ],
)
def test_a_call_is_found_in_each_kind_of_line(tools: Path, service: str, line: str, seen: tuple[str, ...]) -> None:
    (one,), found = read(tools, f"{line}\n{line}\n", service)
    assert (one.what, one.status, one.client, one.forwarded_for, one.user_agent) == seen[:5]
    assert (one.user, one.project, one.project_name) == seen[5:]
    assert (one.state, one.service, one.number, one.hosts, one.log) == ("called", service, 2, ("ctl1",), "a")
    assert one.first == one.last == ISO and found.requests[service].count == 2


def test_a_load_balancer_says_whose_request_it_is(tools: Path) -> None:
    tag = "{203.0.113.5|gophercloud/1.0}"
    text = proxied("GET /v1/images", back="be1", headers=tag) + proxied(
        "GET https://x/v2.0/tenants HTTP/2.0", back="keystone_admin"
    )
    # /v1 of Heat, and of something that the site does not know
    text += (
        proxied("GET /v1/stacks", back="heat")
        + proxied("GET /v1/x", back="unheard")
        + proxied("GET /v1/", back="heat2")
    )
    listed, found = read(tools, text, "", whose={"be1": {"glance"}, "heat": {"-"}})
    unknown = [one for one in listed if one.state == "unknown"]
    calls = {one.service: one for one in listed if one.state == "called"}
    assert {(one.number, one.what) for one in unknown} == {
        (1, "requests that may be meant, of no known service (unheard)"),
        (1, "requests that may be meant, of no known service (heat2)"),
    }
    assert set(calls) == {"glance", "keystone"}
    glance = calls["glance"]
    assert (glance.client, glance.forwarded_for, glance.user_agent) == ("203.0.113.9", "203.0.113.5", "gophercloud/1.0")
    assert (glance.what, glance.status, glance.first) == ("GET /v1/images", "200", ISO)
    assert calls["keystone"].what == "GET /v2.0/tenants"
    assert {name for name, seen in found.requests.items() if seen.count} == {"glance", "keystone"}


def combined(asked: str, *, at: str = "") -> str:
    return f'{at} 10.0.0.14 - - [DAY +0000] "{asked} HTTP/1.1" 200 12 "-" "curl/7.88"\n'.lstrip()


SHARED = {":443": {"keystone", "cinder", "nova", "-"}, ":80": {"-"}, ":5000": {"keystone"}}


def test_at_one_port_of_several_services_the_path_or_the_host_says_whose_request_it_is(tools: Path) -> None:
    text = (
        combined("GET /volume/v2/x/volumes", at="api:443")
        + combined("POST /identity/v2.0/tokens", at="api:443")
        + combined("GET /v2.0/tenants", at="keystone.example.com:443")
        + combined("GET /v2.1/os-agents", at="compute-api.example.com:443")
        + combined("GET /v2.0/ports", at="network.example.com:443")
        + combined("GET /networking/v2.0/ports", at="api:443")  # which is like a path of Keystone's v2.0
        + combined("GET /heat-api/v1/x", at="api:443")
        + combined("GET /identity/users/v2", at="api:443")  # a page of the dashboard
        # a proxy's port may be another service's elsewhere
        + combined("GET /image/v1/images", at="api:5000")
        + combined("GET /v1/images", at="glance.example.com:80")
        + combined("GET /v1/images", at="api:80")
    )
    listed, found = read(tools, text, "", whose=SHARED)
    assert {(one.state, one.service, one.what) for one in listed} == {
        ("called", "cinder", "GET /volume/v2/x/volumes"),
        ("called", "keystone", "POST /identity/v2.0/tokens"),
        ("called", "keystone", "GET /v2.0/tenants"),
        ("called", "nova", "GET /v2.1/os-agents"),
        ("called", "glance", "GET /image/v1/images"),
        ("called", "glance", "GET /v1/images"),
    }
    assert {name: seen.count for name, seen in found.requests.items() if seen.count} == {
        "cinder": 1,
        "glance": 2,
        "keystone": 2,
        "nova": 1,
        "neutron": 2,
    }


def test_at_one_port_of_several_services_a_request_of_nobody_knows_whom_is_told(tools: Path) -> None:
    text = combined("GET /v2.0/ports", at="api:443") * 2 + combined("GET /v1/images", at="api:443")
    text += combined("GET /v3/projects", at="api:443") + combined("GET /v2.0/lbaas", at="api:5000")
    text += combined("GET /v2.0/tenants", at="cluster.example.com:443")  # a type, of a service that the site has not
    listed, found = read(tools, text, "", whose={":443": {"keystone", "nova"}, ":5000": {"keystone"}})
    assert {(one.state, one.number, one.what) for one in listed} == {
        ("unknown", 3, "requests that may be meant, of no known service (:443)"),
        ("called", 1, "GET /v2.0/lbaas"),
    }
    assert found.requests["keystone"].count == 1 and found.requests["nova"].count == 0


def test_behind_a_backend_of_several_services_the_path_or_its_name_says_whose_request_it_is(tools: Path) -> None:
    whose = {"web": {"cinder", "keystone"}, "keystone_admin": {"cinder", "keystone"}}
    text = proxied("GET /volume/v2/x/volumes", back="web") + proxied("GET /v2.0/tenants", back="keystone_admin")
    text += proxied("GET /v2.0/tenants", front="keystone", back="web") + proxied("GET /v2.0/tenants", back="web")
    listed, _ = read(tools, text, "", whose=whose)
    assert {(one.state, one.service, one.number, one.what) for one in listed} == {
        ("called", "cinder", 1, "GET /volume/v2/x/volumes"),
        ("called", "keystone", 2, "GET /v2.0/tenants"),
        ("unknown", "", 1, "requests that may be meant, of no known service (web)"),
    }


def test_in_a_log_of_several_services_a_request_is_not_taken_for_each_ones_own(tools: Path) -> None:
    url = f"ISO.875 1 INFO keystone.common.wsgi {REQ} POST http://ctl1:5000/v2.0/tokens\n"
    text = combined("GET /networking/v2.0/ports") + combined("GET /identity/v2.0/tenants") + url
    text += combined("GET /v2.0/ports", at="ctl1:9696") + combined("GET /v2.0/ports") + proxied("GET /v2.0/lbaas/x")
    whose = {":9696": {"neutron"}, ":5000": {"keystone"}, "nova": {"neutron"}}
    listed, found = read(tools, text, "keystone neutron", whose=whose)
    assert {(one.state, one.service, one.what) for one in listed} == {
        ("called", "keystone", "GET /identity/v2.0/tenants"),
        ("called", "neutron", "GET /v2.0/lbaas/x"),
        ("unknown", "", "requests that may be meant, of no known service"),
    }
    assert found.read == {("keystone", "ctl1"), ("neutron", "ctl1")}
    # of a service without a line of a request its URLs count, whatever others have
    listed, found = read(tools, url + combined("GET /v2.0/lbaas", at="ctl1:9696"), "keystone neutron", whose=whose)
    assert {(one.service, one.what) for one in listed} == {
        ("keystone", "POST /v2.0/tokens"),
        ("neutron", "GET /v2.0/lbaas"),
    }


def test_what_is_still_there_is_no_finding(tools: Path) -> None:
    asked = ["GET /", "GET /v2.1/os-networks", f"GET /v2.1/{PROJECT}/os-tenant-networks/{SERVER}", "GET /v2/servers"]
    asked += ["POST /v2.1/servers/{}/remote-consoles", "GET /v2.1/os-keypairs/os-fping", "GET /v2.1/os-cellsx"]
    log = "".join(f'10.0.0.1 - - [DAY +0000] "{one.format(SERVER)} HTTP/1.1" 200 1\n' for one in asked)
    listed, found = read(tools, log, "nova")
    assert listed == [] and found.requests["nova"].count == len(asked)
    assert read(tools, '10.0.0.1 - - [DAY +0000] "POST /v2.1/os-networks/add HTTP/1.1" 202 1\n', "nova")[0]
    # Queens has EC2's part of Keystone's v2.0 still
    log = '10.0.0.1 - - [DAY +0000] "POST /v2.0/ec2tokens HTTP/1.1" 200 1\n'
    assert read(tools, log, "keystone", gone=on_the_way("pike", "queens"))[0] == []
    assert [one.release for one in read(tools, log, "keystone")[0]] == ["rocky"]
    log = log.replace("ec2tokens", "tokens")
    assert [one.release for one in read(tools, log, "keystone")[0]] == ["queens"]
    assert read(tools, log, "keystone", gone=on_the_way("queens", "2026.1"))[0][0].release == "rocky"
    assert read(tools, log, "keystone", gone=on_the_way("rocky", "2026.1"))[0] == []


def test_what_a_service_asks_of_others_and_what_is_old_is_left_out_and_a_strange_line_is_counted(tools: Path) -> None:
    text = f"""\
ISO.1 1 DEBUG keystoneauth.session {REQ} REQ: curl -g -i -X GET http://10.0.0.5:8776/v2/{PROJECT}/volumes
ISO.1 1 DEBUG urllib3.connectionpool {REQ} http://10.0.0.5:8776 "GET /v2/{PROJECT}/volumes HTTP/1.1" 200 12
2001-01-01 00:00:00.1 1 INFO eventlet.wsgi.server {REQ} 10.0.0.9 "GET /v2/{PROJECT}/volumes HTTP/1.1" status: 200
ISO.1 1 INFO cinder.api.openstack.wsgi {REQ} GET http://10.0.0.5/v2/{PROJECT}/volumes
ISO.1 1 INFO eventlet.wsgi.server {REQ} 10.0.0.9 "GET /v2/{PROJECT}/volumes HTTP/1.1" status: 200 len: 1 time: 0.1
{{"request": "GET /v2/{PROJECT}/volumes"}}
GET /v1
ISO.1 1 INFO cinder.api.openstack.wsgi [-] GET http://10.0.0.5/v2
"""
    listed, found = read(tools, text, "cinder")
    assert [(one.state, one.number, one.what.split(" that")[0]) for one in listed] == [
        ("unknown", 2, "lines"),
        ("called", 1, "GET /v2/{project}/volumes"),
    ]
    assert found.requests["cinder"].count == 1


def test_rotated_files_are_read_and_what_cannot_be_read_is_said(tools: Path) -> None:
    directory = tools.parent
    line = f'10.0.0.1 - - [{DAY} +0000] "GET /v1/images HTTP/1.1" 200 1\n'
    log = directory / "glance.log"
    log.write_text(line)
    (directory / "glance.log.1").write_text(line)
    (directory / "glance.log-20261129.gz").write_bytes(gzip.compress(line.encode()))
    (directory / "glance.log.2.gz").write_text("damaged")
    (directory / "glance.log.9").write_text(line)
    os.utime(directory / "glance.log.9", (0, 0))
    gone = on_the_way()
    sources = [
        Source("files", ("glance",), ("file", str(log))),
        Source("missing", ("nova",), ("file", str(directory / "nova.log"))),
        Source("none", ("nova",), ("none", "nova-api")),
    ]
    found = Found(requests={service.name: Seen() for service, _ in gone})
    callers.add(found, access_logs.parsed("ctl1", sources, said(tools, sources, gone, {})), gone)
    assert [seen.count for seen in found.calls.values()] == [3]
    assert {(log, what) for log, what, _ in found.unknown} == {
        ("files", f"it cannot be read: {directory}/glance.log.2.gz"),
        ("missing", f"it cannot be read: {directory}/nova.log"),
        ("none", "the site names none"),
    }


def test_so_many_kinds_of_calls_are_told_apart_and_no_more(tools: Path) -> None:
    line = '10.{}.{}.1 - - [DAY +0000] "GET /v1/images HTTP/1.1" 200 1\n'
    listed, _ = read(tools, "".join(line.format(n // 200, n % 200) for n in range(5010)), "glance")
    assert len(listed) == 5001 and listed[0].state == "unknown" and listed[0].number == 10


def test_the_same_call_on_two_hosts_is_one_and_in_two_logs_it_is_two() -> None:
    gone = on_the_way()
    at = next(number for number, (service, _) in enumerate(gone) if service.name == "glance")
    sources = [Source("api: journal", (), ()), Source("glance-api: /a", ("glance",), ())]
    line = f"call\t2\t2026-01-01 00:00:00\t2026-01-02 00:00:00\tglance\t{at}\tGET\t/v1\t200\t10.0.0.1\t\t\t\t"
    found = Found(requests={"glance": Seen()})
    for host in ("ctl1", "ctl2"):
        callers.add(found, access_logs.parsed(host, sources, f"0\t{line}\n1\t{line}\n0\tbroken\n"), gone)
    unknown, *listed = callers.judged(found, {})
    assert [(one.log, one.number, one.hosts) for one in listed] == [
        ("api: journal", 4, ("ctl[1:2]",)),
        ("glance-api: /a", 4, ("ctl[1:2]",)),
    ]
    assert unknown.state == "unknown" and "cannot count" in unknown.what


def test_a_service_is_not_known_on_each_host_whose_logs_have_no_request_unless_a_load_balancer_has() -> None:
    here = {host: [Source("nova-api: /a", ("nova",), ())] for host in ("ctl1", "ctl2", "ctl3")}
    found = Found(requests={"nova": Seen(3), "glance": Seen()}, read={("nova", "ctl1")})
    found.not_known("nova-api: /a", "it cannot be read: /a", "", "ctl3")
    callers.silent(found, here, ["nova", "glance"])
    assert {(what, *seen.hosts) for (_, what, _), seen in found.unknown.items()} == {
        ("it cannot be read: /a", "ctl3"),
        ("no request of nova is in it", "ctl2"),
        ("glance: no log of the site has a request of it", ""),
    }
    found = Found(requests={"nova": Seen(3)}, read={("nova", "")})
    callers.silent(found, here, ["nova"])
    assert found.unknown == {}


def test_what_the_script_has_it_has_once() -> None:
    assert access_logs.counting([], callers.rows(on_the_way()), {}, {}, 7).count("\nsay() {") == 1


def test_what_is_known_is_of_releases_that_there_are_and_its_patterns_are_right() -> None:
    known = [(service, one) for service in path.services().values() for one in service.gone]
    assert {one.release for _, one in known} <= set(release.names())
    for service, one in known:
        for pattern in callers.patterns(service, one):
            re.compile(pattern)
            assert not re.search(r"\{|\[:|\\[^.]", pattern)  # what old awks do not know

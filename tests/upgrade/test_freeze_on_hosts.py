"""Users' writes refused at two load balancers before an upgrade, and let through again, whatever happens meanwhile."""

import contextlib
import json
import random
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from naru.lab.lab import Lab
from naru.site import site as sites
from naru.site.model import BalancerKind, WriteGate
from naru.site.write_gate import forms
from naru.site.write_gate.allowed import allowed

from ..lab.hosted.scenario import on, until
from ..lab.hosts.shipped import ship
from ..lab.scenario import Rest, connect
from .cloud import CLOUD, on_the_queue
from .orders import begin, naru

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1800)]

SEED = 20261130
DIRECTORY = "/srv/naru/etc/haproxy/naru"
MAP = f"{DIRECTORY}/gates.map"
BALANCERS = ("lb1", "lb2")
ENGINE = "heat-engine.service"
Sql = Callable[[str], str]


@pytest.fixture(scope="module")
def with_engine(pike: Lab) -> Iterator[Path]:
    """The site with a service that calls APIs by itself: a program of that name."""
    unit = "[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n"
    path = f"/etc/systemd/system/{ENGINE}"
    on(pike.hosts(), "ctl1", f"printf '{unit}' >{path} && systemctl daemon-reload && systemctl enable --now {ENGINE}")
    content = yaml.safe_load(pike.site_yaml.read_text())
    content["services"].append({"name": "heat-engine", "hosts": ["ctl1"], "managed": {"unit": ENGINE}})
    file = pike.site_yaml.with_name("with-engine.yaml")
    file.write_text(yaml.safe_dump(content))
    yield file
    file.unlink()
    on(pike.hosts(), "ctl1", f"systemctl disable --now {ENGINE}; rm {path}; systemctl daemon-reload")


def gates(lab: Lab) -> dict[str, Any]:
    """What each load balancer has: the files, and the running one's map and list."""
    return {
        host: (
            on(lab.hosts(), host, f"cat {MAP} {DIRECTORY}/allowed.list"),
            [line.split()[1:] for line in told(lab, host, f"show map {MAP}").splitlines()],
            [line.split()[1:] for line in told(lab, host, f"show acl {DIRECTORY}/allowed.list").splitlines()],
        )
        for host in BALANCERS
    }


def told(lab: Lab, host: str, line: str) -> str:
    talk = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect('/run/haproxy/admin.sock'); "
        f"s.sendall(b'{line}\\n'); print(s.makefile().read().strip())"
    )
    return on(lab.hosts(), host, f'python3 -c "{talk}"')


def engine(lab: Lab) -> str:
    return on(lab.hosts(), "ctl1", f"systemctl is-active {ENGINE} || true")


WEB: dict[BalancerKind, tuple[str, int, str]] = {
    "nginx": ("lb1", 19696, "nginx -c /srv/web/main.conf"),
    "apache": ("lb2", 29696, "apache2 -DFOREGROUND -f /srv/web/main.conf"),
}
"""Others that listen before Neutron: on which host, where, by which command."""
NGINX = """daemon off;
pid /srv/web/pid;
error_log /srv/web/log;
events {{ worker_connections 64; }}
http {{
  include /srv/web/naru/naru.conf;
  server {{ listen {at}; include /srv/web/naru/neutron.conf; location / {{ proxy_pass http://{to}; }} }}
}}
"""
APACHE = """ServerName web
ServerRoot /srv/web
DefaultRuntimeDir /srv/web
PidFile /srv/web/pid
ErrorLog /srv/web/log
User www-data
Group www-data
Listen {at}
Include /srv/web/naru/naru.conf
<VirtualHost {at}>
  Include "/srv/web/naru/neutron.conf"
  ProxyPass / http://{to}/
</VirtualHost>
"""
MODULES = ("mpm_event", "authz_core", "alias", "headers", "setenvif", "proxy", "proxy_http")


@pytest.fixture(scope="module")
def of_three_kinds(pike: Lab) -> Iterator[Path]:
    """The site with an nginx and an Apache before Neutron, each at a port of its own, which no endpoint has."""
    hosts, content = pike.hosts(), yaml.safe_load(pike.site_yaml.read_text())
    at = {one["name"]: one["address"] for one in content["hosts"]}
    every = allowed(sites.load(pike.site_yaml), WriteGate(directory="/srv/web/naru"))
    for kind, (host, port, command) in WEB.items():
        trees = [f"/usr/lib/apache2/modules/mod_{one}.so" for one in MODULES] if kind == "apache" else []
        ship(hosts, host, [f"/usr/sbin/{command.split()[0]}"], trees)
        loaded = "".join(f"LoadModule {one}_module /usr/lib/apache2/modules/mod_{one}.so\n" for one in MODULES)
        text = NGINX if kind == "nginx" else loaded + APACHE
        files = forms.form(kind).files(["neutron"], every, "/srv/web/naru")
        texts = {f"naru/{name}": one for name, one in files.items()}
        texts["main.conf"] = text.format(at=f"{at[host]}:{port}", to=f"{at['ctl1']}:9696")
        line = "mkdir -p /srv/web/naru /var/log/nginx /var/lib/nginx; chmod 755 /srv/web /srv/web/naru; "
        line += "; ".join(f"printf %s {shlex.quote(one)} >/srv/web/{name}" for name, one in texts.items())
        unit = f"[Service]\nExecStart=/usr/sbin/{command}\n"
        line += f"; printf %s {shlex.quote(unit)} >/etc/systemd/system/{kind}.service"
        line += f"; systemctl daemon-reload; systemctl start {kind}"
        on(hosts, host, line)
        reload = {"nginx": "nginx -s reload -c /srv/web/main.conf", "apache": "kill -USR1 $(cat /srv/web/pid)"}[kind]
        content["load_balancers"].append(
            {
                **{"name": kind, "kind": kind, "hosts": [host], "managed": {"unit": f"{kind}.service"}},
                **{"files": ["/srv/web/main.conf"], "reload": reload, "write_gate": {"directory": "/srv/web/naru"}},
            }
        )
    file = pike.site_yaml.with_name("of-three-kinds.yaml")
    file.write_text(yaml.safe_dump(content))
    yield file
    file.unlink()
    for kind, (host, _, _) in WEB.items():
        on(hosts, host, f"systemctl stop {kind}; rm -r /srv/web /etc/systemd/system/{kind}.service")


def create(lab: Lab) -> requests.Response:
    """A member's request that writes, from this machine, which is no host of the cloud."""
    session = connect(lab, f"{CLOUD}-user").session
    filters = {"service_type": "network", "interface": "public"}
    answer: requests.Response = session.post(
        "/v2.0/networks", json={"network": {"name": "n"}}, endpoint_filter=filters, raise_exc=False
    )
    if answer.status_code == 201:
        session.delete(f"/v2.0/networks/{answer.json()['network']['id']}", endpoint_filter=filters)
    return answer


def add_endpoint(live: Sql, id: str, url: str) -> None:
    """One more public address of Neutron."""
    live(
        "INSERT INTO keystone.endpoint (id, interface, service_id, url, extra, enabled, region_id) SELECT "
        f"'{id}', 'public', service_id, '{url}', extra, 1, region_id "
        "FROM keystone.endpoint WHERE url LIKE '%:9696%' LIMIT 1"
    )


def shown(site: Path) -> tuple[int, str]:
    program = Path(sys.executable).with_name("naru")
    words = [program, "site", "gate", "show", "--site", site, "-f", "json"]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_users_read_on_and_write_again_after_the_thaw(
    pike: Lab, planned: Callable[..., str], live: Sql, with_engine: Path
) -> None:
    work, before = planned(site=with_engine), gates(pike)
    assert shown(with_engine)[0] == 0 and engine(pike) == "active"
    assert create(pike).status_code == 201
    assert "it is not frozen" in naru("thaw", work, code=2)[1]
    naru("freeze", work)
    # another upgrade of the same cloud, which could open the gates
    other = str(Path(work).with_name("other"))
    naru("plan", "--site", str(with_engine), "--to", "queens", "--work", other)
    assert "another upgrade has this cloud: " in (errors := naru("freeze", other, code=2)[1]) and work in errors
    assert naru("thaw", other) and create(pike).status_code == 503
    refused = create(pike)
    assert refused.status_code == 503 and int(refused.headers["Retry-After"]) > 0
    assert refused.json()["NeutronError"]["type"] == "ServiceUnavailable"
    rest = Rest(connect(pike, f"{CLOUD}-user"))  # logs in anew
    assert "servers" in rest("compute", "GET", "/servers") and "volumes" in rest("volumev3", "GET", "/volumes")
    # the cloud's own services go on writing
    url = rest.session.get_endpoint(service_type="network", interface="public")
    address = url.removeprefix("http://").rstrip("/")
    talk = f"import http.client as h; c = h.HTTPConnection('{address}'); c.request('POST', '/v2.0/networks', '{{}}')"
    own = f'python3 -c "{talk}; print(c.getresponse().status)"'
    assert [on(pike.hosts(), host, own) for host in ("ctl1", "compute1")] == ["401", "401"]
    assert engine(pike) == "inactive"
    code, said = shown(with_engine)
    assert code == 0 and {one["probed"] for one in json.loads(said)} == {"closed"}
    assert json.loads(naru("status", work, "-f", "json")[0])["frozen since"]
    naru("freeze", work)  # once more does no harm
    assert "it is frozen, and lets through: -" in naru("freeze", work, "--allow", "192.0.2.0/24", code=2)[1]
    on(pike.hosts(), "lb1", "systemctl restart haproxy")
    until(lambda: shown(with_engine)[0] == 0, "the gate after a start of HAProxy")
    # what is opened by hand, and what goes past the load balancers, is noticed
    told(pike, "lb2", f"set map {MAP} nova open")
    assert "lb2: the gate of nova is open in what runs" in naru("run", work, code=2)[1]
    assert shown(with_engine)[0] == 1
    told(pike, "lb2", f"set map {MAP} nova closed")
    controller = next(one for one in pike.hosts().hosts if one.name == "ctl1").address("management").ip
    add_endpoint(live, "past", f"http://{controller}:9696")
    try:
        assert ":9696 of neutron goes past the load balancers" in naru("freeze", work, code=1)[1]
    finally:
        live("DELETE FROM keystone.endpoint WHERE id = 'past'")
    naru("thaw", work)
    naru("thaw", work)
    assert create(pike).status_code == 201 and gates(pike) == before and engine(pike) == "active"
    # another day, with operators' addresses: this machine's
    naru("freeze", work, "--allow", str(pike.hosts().layout.networks["management"].cidr))
    assert create(pike).status_code == 201
    naru("thaw", work)
    assert gates(pike) == before
    # all that is let through stands in the file already, as naru site gate rules writes it: nothing is taken out
    listed = "".join(f"{one}\\n" for one in allowed(sites.load(with_engine), WriteGate(directory=DIRECTORY)))
    for host in BALANCERS:
        on(pike.hosts(), host, f"printf '{listed}' >{DIRECTORY}/allowed.list && systemctl restart haproxy")
    before = gates(pike)
    naru("freeze", work)
    assert [on(pike.hosts(), host, own) for host in ("ctl1", "compute1")] == ["401", "401"]
    naru("thaw", work)
    assert gates(pike) == before


def test_what_is_under_way_is_waited_for(
    pike: Lab, planned: Callable[..., str], live: Sql, server: dict[str, Any]
) -> None:
    work, one = planned(), server["id"]
    live(f"UPDATE nova.instances SET task_state = 'rebuilding', updated_at = UTC_TIMESTAMP() WHERE uuid = '{one}'")
    try:
        _, errors = naru("freeze", work, "--wait", "2s", code=1)
        assert f"server {one} on compute1: rebuilding for" in errors and "--leave ID" in errors
        assert "it is not known that nothing is under way" in naru("run", work, code=2)[1]
        naru("freeze", work, "--wait", "30s", "--leave", one)
        live(f"UPDATE nova.instances SET task_state = NULL, vm_state = 'resized' WHERE uuid = '{one}'")
        (left,) = json.loads(naru("freeze", work, "-f", "json")[0])
        assert (left["how"], left["id"], left["state"]) == ("park", one, "resized")
        ago = "UTC_TIMESTAMP() - INTERVAL 2 DAY"
        live(f"UPDATE nova.instances SET task_state = 'deleting', updated_at = {ago} WHERE uuid = '{one}'")
        (left,) = json.loads(naru("busy", "--site", str(pike.site_yaml), "-f", "json")[0])
        assert (left["how"], left["state"]) == ("stuck", "deleting") and left["seconds"] > 86400
    finally:
        live(f"UPDATE nova.instances SET task_state = NULL, vm_state = 'active' WHERE uuid = '{one}'")
    with somebody_who_acknowledges_nothing(pike):
        _, errors = naru("freeze", work, "--wait", "2s", code=1)
        assert "queue never-empty: 1 messages, consumed by openstack from" in errors, errors
        assert "it is not known that nothing is under way" in naru("run", work, code=2)[1]
        naru("freeze", work, "--wait", "30s", "--leave", "never-empty")
    naru("thaw", work)


def somebody_who_acknowledges_nothing(pike: Lab) -> contextlib.AbstractContextManager[None]:
    """A program that is given a message, and never has done with it."""
    does = (
        "c = kombu.Connection(url); q = kombu.Queue('never-empty', auto_delete=True)(c.channel()); "
        "q.declare(); c.Producer().publish('x', routing_key='never-empty'); q.consume('t', callback=repr)"
    )
    return on_the_queue(pike, "holder", does, 7)  # its management counts every five seconds


@pytest.mark.releases  # a window is killed in make test, and everything of a freeze in its other tests
@pytest.mark.parametrize("kills", [20])
def test_whenever_it_is_killed_it_is_frozen_and_thawed(
    pike: Lab, planned: Callable[..., str], with_engine: Path, kills: int
) -> None:
    work, before, pick = planned(site=with_engine), gates(pike), random.Random(SEED)
    for _ in range(2):
        for words in (("freeze", work), ("thaw", work)):
            for _ in range(kills // 2):
                with begin(*words) as process:
                    time.sleep(pick.uniform(0.8, 4))
                    process.kill()
            naru(*words)
            closed = words[0] == "freeze"
            assert create(pike).status_code == (503 if closed else 201)
            assert engine(pike) == ("inactive" if closed else "active")
    assert gates(pike) == before


@pytest.mark.releases  # it is waited for over and over
def test_a_load_balancer_that_does_not_answer_can_be_left_as_it_is(pike: Lab, planned: Callable[..., str]) -> None:
    work, before = planned(), gates(pike)
    hosts = pike.hosts()
    hosts.link("lb2", "management", up=False)
    try:
        _, errors = naru("freeze", work, code=1)
        assert create(pike).status_code == 503
        leave = f"naru plan skip close/api@lb2 --reason TEXT --work {work}/freeze/1"
        assert leave in errors
        program, *words = leave.split()
        subprocess.run(
            [Path(sys.executable).with_name(program), *words],
            stdin=subprocess.DEVNULL,
            check=True,
            capture_output=True,
            timeout=60,
        )
        naru("freeze", work)
        naru("thaw", work, code=1)  # what was begun there is not known
        assert create(pike).status_code == 201
    finally:
        hosts.link("lb2", "management", up=True)
    hosts.wait(["lb2"])
    naru("thaw", work)
    assert gates(pike) == before


@pytest.mark.releases  # the rules of all three are tried on real servers in tests/site
def test_gates_of_nginx_and_apache_are_closed_with_haproxys(
    pike: Lab, planned: Callable[..., str], live: Sql, of_three_kinds: Path
) -> None:
    content = yaml.safe_load(of_three_kinds.read_text())
    at = {one["name"]: one["address"] for one in content["hosts"]}
    urls = {kind: f"http://{at[host]}:{port}" for kind, (host, port, _) in WEB.items()}

    def written() -> dict[str, int]:
        return {kind: requests.post(f"{url}/v2.0/networks", timeout=60).status_code for kind, url in urls.items()}

    def files() -> dict[str, str]:
        line = "cd /srv/web/naru && head -n 99 * | grep -v '^$'"
        return {kind: on(pike.hosts(), host, line) for kind, (host, _, _) in WEB.items()}

    work, before = planned(site=of_three_kinds), files()
    assert written() == {"nginx": 401, "apache": 401}
    code, said = shown(of_three_kinds)
    assert code == 0, said
    for kind, url in urls.items():
        add_endpoint(live, kind, url)
    try:
        naru("freeze", work, "--allow", "192.0.2.0/24")
        assert written() == {"nginx": 503, "apache": 503}
        for url in urls.values():
            assert requests.get(f"{url}/", timeout=60).status_code == 200
        code, said = shown(of_three_kinds)
        probed = {
            (one["balancer"], one["url"]): one["probed"] for one in json.loads(said) if one["service"] == "neutron"
        }
        assert code == 0 and {probed[kind, url] for kind, url in urls.items()} == {"closed"}
        for kind, (host, _, _) in WEB.items():
            on(pike.hosts(), host, f"systemctl restart {kind}")
        until(lambda: shown(of_three_kinds)[0] == 0, "the gates after a start")
        assert written() == {"nginx": 503, "apache": 503}
        # one that is opened by hand is noticed
        on(pike.hosts(), "lb1", "rm /srv/web/naru/neutron.closed")
        assert "lb1: the gate of neutron is open in its files" in naru("run", work, code=2)[1]
        assert shown(of_three_kinds)[0] == 1
        naru("thaw", work)
    finally:
        live("DELETE FROM keystone.endpoint WHERE id IN ('nginx', 'apache')")
    assert written() == {"nginx": 401, "apache": 401} and files() == before


@pytest.mark.releases  # two minutes; what is judged is tried without a cloud
def test_users_writes_are_tried_on_request_alone_and_leave_nothing(
    pike: Lab, planned: Callable[..., str], server: dict[str, Any]
) -> None:
    work, user = planned(), f"{CLOUD}-user"
    rest = Rest(connect(pike, user))

    def left() -> list[str]:
        """What there is by the name of what is tried."""
        lists = {"networks": ("network", "/v2.0/networks"), "volumes": ("volumev3", "/volumes")}
        lists |= {"images": ("image", "/v2/images"), "servers": ("compute", "/servers")}
        lists |= {"security_groups": ("network", "/v2.0/security-groups"), "subnets": ("network", "/v2.0/subnets")}
        found = [one["name"] for name, (service, path) in lists.items() for one in rest(service, "GET", path)[name]]
        found += [one["keypair"]["name"] for one in rest("compute", "GET", "/os-keypairs")["keypairs"]]
        return [name for name in found if name.startswith("naru-try-")]

    naru("verify", work, "--before")
    assert naru("verify", work, "-f", "json")[0].strip() == "[]" and not left()
    of = ("--flavor", "m1.nano", "--image", server["image"]["id"])
    with begin("verify", work, "--before", "--write-as", user, *of) as process:
        until(left, "something that was made")
        process.kill()
    assert left()
    found = json.loads(naru("verify", work, "-f", "json", code=1)[0])
    told = [one["change"] for one in found if one["judged"] != "new"]
    assert told == ["something may be left of a try that was cut off"]
    naru("verify", work, "--before", "--write-as", user, *of)
    assert not left()
    _, errors = naru("verify", work, "--write-as", user, *of)
    assert "make a server" in errors and "nothing wrong" in errors and not left()
    # through the gate only for who is allowed
    naru("freeze", work)
    found = json.loads(naru("verify", work, "--write-as", user, "-f", "json", code=1)[0])
    assert {(one["judged"], one["change"]) for one in found} == {("wrong", "worked, and does not")}
    assert {one["field"] for one in found} >= {"security group", "network", "volume", "key pair", "image"}
    assert all("freeze --allow" in one["examples"][-1] for one in found if one["field"] != "subnet")
    naru("thaw", work)
    naru("freeze", work, "--allow", str(pike.hosts().layout.networks["management"].cidr))
    naru("verify", work, "--write-as", user)
    assert not left()
    naru("thaw", work)

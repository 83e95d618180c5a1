"""Which logs of a site have requests, and whose they are. How they are read: tests/upgrade/test_callers.py."""

import asyncio
from pathlib import Path
from typing import cast

import pytest

from naru.errors import NaruError
from naru.site import access_logs
from naru.site import site as sites
from naru.site.access_logs import Source
from naru.site.site import Site
from naru.site.ssh import Ran, Remote

pytestmark = pytest.mark.unit


def test_the_logs_are_those_of_the_site_or_of_what_manages_its_services() -> None:
    content = {
        "naru_site": 1,
        "name": "one",
        "hosts": [{"name": "ctl[1:2]"}],
        "services": [
            {"name": "nova-api", "hosts": ["ctl1"], "managed": {"unit": "n.service"}, "port": 8774, "logs": ["/n.log"]},
            {"name": "nova-novncproxy", "hosts": ["ctl1"], "managed": {"unit": "v.service"}, "port": 6080},
            {"name": "nova-compute", "hosts": ["ctl1"], "managed": {"unit": "c.service"}},
            {"name": "keystone", "hosts": ["ctl1"], "managed": {"container": "k"}, "port": 5000},
            {"name": "heat-api", "hosts": ["ctl1"], "managed": {"unit": "h.service"}, "port": 8004},
        ],
        "load_balancers": [
            {"name": "api", "kind": "haproxy", "hosts": ["ctl2"], "managed": {"unit": "haproxy"}, "socket": "/s"}
        ],
    }
    found = access_logs.sources(sites.parse(content, Path("site.yaml")), ["nova", "keystone"])
    assert found == {
        "ctl1": [
            Source("nova-api: /n.log", ("nova",), ("file", "/n.log")),
            Source("keystone: container", ("keystone",), ("container", "k", "")),
        ],
        "ctl2": [Source("api: journal", (), ("journal", "haproxy"))],
    }


def test_a_log_that_several_have_is_read_once_and_is_nobodys_own() -> None:
    apache = {"hosts": ["ctl1"], "managed": {"unit": "apache2"}}
    content = {
        "naru_site": 1,
        "name": "one",
        "hosts": [{"name": "ctl1"}],
        "services": [
            {**apache, "name": "keystone", "port": 5000, "logs": ["/all.log", "/k.log"]},
            {**apache, "name": "keystone-admin", "port": 35357, "logs": ["/k.log"]},
            {**apache, "name": "neutron-server", "port": 9696, "logs": ["/all.log"]},
            {**apache, "name": "horizon", "port": 80},
            {**apache, "name": "nova-api", "port": 8774},
            {**apache, "name": "heat-api", "port": 8004, "logs": ["/heat.log", "/proxy.log"]},
        ],
        "load_balancers": [
            {**apache, "name": "api", "kind": "apache", "files": ["/a"], "reload": "true", "logs": ["/proxy.log"]}
        ],
    }
    assert access_logs.sources(sites.parse(content, Path("site.yaml")), ["keystone", "nova"]) == {
        "ctl1": [
            Source("keystone, neutron-server: /all.log", ("keystone", "neutron"), ("file", "/all.log")),
            Source("keystone, keystone-admin: /k.log", ("keystone",), ("file", "/k.log")),
            Source("horizon, nova-api: journal", ("horizon", "nova"), ("journal", "apache2")),
            Source("heat-api, api: /proxy.log", (), ("file", "/proxy.log")),
        ]
    }


class Balancers:
    """A host with two HAProxies, one of which hangs."""

    def __init__(self, site: Site) -> None:
        self.host = site.named(["lb1"])[0]

    async def run(self, command: str, *, seconds: float) -> Ran:
        if "/hangs" in command:
            raise NaruError(f"lb1: no end of it within {seconds:g} s")
        rows = ["web,ctl1,10.0.0.1:80", "web,ctl2,10.0.0.2:5000", "nova,ctl1,10.0.0.1:8774", "x,a,10.0.0.1:1"]
        return Ran(0, "\n".join(["# pxname,svname,addr", *rows]), "")


def test_a_port_has_all_its_services_and_a_socket_that_hangs_is_told_and_the_others_are_asked() -> None:
    managed = {"unit": "apache2"}
    names = {"keystone": 80, "placement-api": 80, "keystone-internal": 5000, "cinder-api": 80, "nova-api": 8774}
    content = {
        "naru_site": 1,
        "name": "one",
        "hosts": [{"name": "ctl1"}, {"name": "lb1"}],
        "services": [{"name": name, "hosts": ["ctl1"], "managed": managed, "port": names[name]} for name in names],
        "load_balancers": [
            {"name": name, "kind": "haproxy", "hosts": ["lb1"], "managed": managed, "socket": f"/{name}"}
            for name in ("hangs", "second")
        ],
    }
    site = sites.parse(content, Path("site.yaml"))
    remote = cast(Remote, Balancers(site))
    whose, unasked = asyncio.run(access_logs.owners(site, remote, {"keystone", "cinder", "nova"}))
    assert whose == {
        ":80": {"keystone", "cinder", "-"},
        ":5000": {"keystone"},
        ":8774": {"nova"},
        "web": {"keystone", "cinder", "-"},
        "nova": {"nova"},
    }
    assert list(unasked) == ["hangs: /hangs"] and "within 15 s" in str(unasked["hangs: /hangs"])

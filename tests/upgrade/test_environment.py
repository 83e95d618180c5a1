"""Whether the environment that is built here can run on a site's hosts."""

from pathlib import Path
from typing import Any

import pytest

from naru.errors import NaruError
from naru.releases.portable import Requirements
from naru.site import site as sites
from naru.upgrade.check.environment import _hosts, _shipped, judged

pytestmark = pytest.mark.unit
OWN = Requirements("2.28", "")
SYSTEM = Requirements("2.28", "/usr/bin/python3.11")


def told(needs: Requirements, **said: str | NaruError) -> list[tuple[str, str, str]]:
    return [(one.state, one.what, " ".join(one.examples)) for one in judged("2026.2", needs, said)]


def test_hosts_are_judged_by_their_c_library_first() -> None:
    assert told(OWN, c1="glibc 2.17\n", c2="glibc 2.17\n", c3="glibc 2.36\n", c4="", c5=NaruError("gone")) == [
        ("unknown", "its environment needs glibc 2.28: they do not say which they have", "c[4:5]"),
        ("on the way", "glibc 2.17: its environment needs glibc 2.28", "c[1:2]"),
        ("right", "glibc 2.36: its environment needs glibc 2.28", "c3"),
    ]
    assert told(OWN, c1="glibc 2.4\n")[0][0] == "on the way"  # 4 is less than 28


def test_the_distributions_python_is_needed_where_the_environment_stands_on_it() -> None:
    found = told(SYSTEM, c1="glibc 2.36\npython\n", c2="glibc 2.36\n", c3="glibc 2.17\n")
    assert [(state, hosts) for state, _, hosts in found] == [
        ("on the way", "c3"),
        ("on the way", "c2"),
        ("right", "c1"),
    ]
    assert "there is no /usr/bin/python3.11" in found[1][1] and "glibc 2.17" in found[0][1]


def test_containers_and_what_is_built_already_are_not_asked() -> None:
    def line(name: str, hosts: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "hosts": hosts, "managed": {"unit": f"{name}.service"}, **more}

    content = {
        "naru_site": 1,
        "name": "one",
        "release": "pike",
        "hosts": [{"name": "c[1:4]"}, {"name": "n[1:2]"}],
        "services": [
            line("nova-compute", "c[1:2]"),
            line("nova-compute", "c[3:3]", managed={"container": "nova_compute"}),
            line("nova-api", "n1"),
            line("cinder-api", "n2"),
            line("neutron-server", "n1"),
            line("neutron-openvswitch-agent", "c[1:2]"),
            line("nova-exporter", "c4", release=""),
        ],
        "next": {
            "hosts": [{"name": "m1"}],
            "services": [
                line("nova-compute", "c1", release="queens"),
                line("nova-api", "m1", release="queens"),
                line("neutron-rpc-server", "m1", release="queens"),
                line("neutron-openvswitch-agent", "c1", release="queens"),
            ],
        },
    }
    site = sites.parse(content, Path("site.yaml"))
    assert _shipped(site, "queens", {"nova", "neutron"}) == []
    assert _hosts(site, "queens", {"nova"}) == _hosts(site, "queens", {"neutron"}) == ["c2"]
    assert _hosts(site, "queens", {"cinder"}) == ["n2"]
    assert _hosts(site, "rocky", {"nova", "cinder"}) == ["c1", "c2", "n1", "n2"]
    # but where it is shipped to it is
    content["next"]["services"][0]["environment"] = "/opt/naru/nova-compute"
    site = sites.parse(content, Path("site.yaml"))
    assert _shipped(site, "queens", {"nova", "neutron"}) == ["c1"] and _shipped(site, "rocky", {"nova"}) == []


def test_where_it_is_shipped_to_it_blocks() -> None:
    found = list(judged("2026.2", OWN, {"c1": "glibc 2.17\n", "c2": "glibc 2.36\n"}, "blocks"))
    assert [(one.state, one.examples) for one in found] == [("blocks", ("c1",)), ("right", ("c2",))]

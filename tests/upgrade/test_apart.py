"""What is known before the next controllers on other hosts take the place of those that run: pure."""

from pathlib import Path
from typing import Any

import pytest

from naru.errors import NaruError
from naru.site import site as sites
from naru.site.haproxy import Gate
from naru.site.model import Service
from naru.site.site import Site
from naru.site.ssh import Fleet
from naru.upgrade.check import addresses, balancers, catalogue, keys, records
from naru.upgrade.check.addresses import Seen
from naru.upgrade.check.balancers import Change
from naru.upgrade.check.catalogue import Address
from naru.upgrade.check.keys import Keys
from naru.upgrade.check.records import Called, Known, Moved
from naru.upgrade.finding import Finding, Span

pytestmark = pytest.mark.unit

SPAN = Span("pike", "queens")
WHERE = {"ctl1": {"10.0.0.1"}, "ctl2": {"10.0.0.2", "10.1.0.2"}}
NOVA = Change("nova-api", ("ctl1:8774",), ("ctl2:8774",))


def site(**given: Any) -> Site:
    """A site with one controller that runs, and another one that is to come."""

    def api(host: str, **more: Any) -> list[dict[str, Any]]:
        return [{"name": "nova-api", "hosts": host, "managed": {"unit": "nova-api"}, "port": 8774, **more}]

    hosts = [{"name": "ctl1", "address": "10.0.0.1"}, {"name": "ctl2", "address": "10.0.0.2"}]
    later = {"services": api("ctl2", release="queens"), **given.pop("next", {})}
    content = {"naru_site": 1, "name": "c", "release": "pike", "hosts": hosts, "services": api("ctl1"), "next": later}
    return sites.parse({**content, **given}, Path("site.yaml"))


def gate(server: str, address: str, status: str) -> Gate:
    return Gate("nova", server, address, 8774, status, "")


def test_services_that_are_elsewhere_after_it_are_known_by_host_and_port() -> None:
    assert balancers.changes(site(), "queens", ["nova"]) == [NOVA]
    assert balancers.changes(site(), "queens", ["glance"]) == []
    same = {
        "services": [{"name": "nova-api", "hosts": "ctl1", "managed": {"unit": "n"}, "port": 8774, "release": "queens"}]
    }
    assert balancers.changes(site(next=same), "queens", ["nova"]) == []


@pytest.mark.parametrize(
    ("gates", "wrong", "found"),
    [
        ([gate("a", "10.0.0.1", "UP"), gate("b", "10.1.0.2", "DOWN")], "", ()),
        ([gate("a", "10.0.0.1", "UP")], "has no server", ("ctl2:8774",)),
        ([gate("a", "10.0.0.1", "UP"), gate("b", "10.0.0.2", "MAINT")], "is closed", ("ctl2:8774",)),
        ([gate("a", "10.0.0.1", "no check"), gate("b", "10.0.0.2", "DOWN")], "that are off", ("ctl1:8774",)),
        ([gate("other", "10.0.0.9", "UP")], "", ()),  # it is not behind this one
    ],
)
def test_what_a_load_balancer_lacks_blocks(gates: list[Gate], wrong: str, found: tuple[str, ...]) -> None:
    balancer = site(
        load_balancers=[
            {"name": "api", "kind": "haproxy", "hosts": "ctl1", "managed": {"unit": "haproxy"}, "socket": "/run/h.sock"}
        ]
    ).part.load_balancers[0]
    told = list(balancers.judged(balancer, "lb1", gates, NOVA, WHERE, SPAN))
    assert [one.examples for one in told] == ([found] if found else [])
    assert all(one.state == "blocks" and wrong in one.what for one in told)
    (unknown,) = balancers.judged(balancer, "lb1", NaruError("no way"), NOVA, WHERE, SPAN)
    assert unknown.state == "unknown"


@pytest.mark.parametrize(
    ("gates", "why"),
    [
        ([gate("a", "10.0.0.1", "DOWN"), gate("b", "10.0.0.2", "UP")], ""),
        ([gate("a", "10.0.0.1", "UP"), gate("b", "10.0.0.2", "UP")], "nova/a is UP: the old nova-api"),
        ([gate("a", "10.0.0.1", "DOWN"), gate("b", "10.0.0.2", "DOWN 1/2")], "nova/b is DOWN 1/2: the new nova-api"),
        ([gate("a", "10.0.0.1", "DOWN")], "the backend nova has no server of the new nova-api"),
    ],
)
def test_requests_go_to_the_new_ones_alone(gates: list[Gate], why: str) -> None:
    said = balancers.left(gates, [NOVA], WHERE)
    assert said.startswith(why) and bool(said) == bool(why)


def seen(has: bool = False, own: str = "aa", takes: str = "") -> Seen:
    return Seen(has, frozenset({own}), takes)


@pytest.mark.parametrize(
    ("hosts", "why"),
    [
        ({"lb1": seen(has=True), "lb2": seen(own="bb", takes="aa")}, ""),
        ({"lb1": seen(has=True), "lb2": seen(has=True, own="bb")}, "lb1 and lb2 have it at the same time"),
        ({"lb1": seen(), "lb2": seen(own="bb")}, "none of lb1 has it"),
        ({"lb1": seen(), "lb2": seen(has=True, own="bb")}, "lb2 has it"),
        ({"lb1": seen(has=True), "lb2": seen(own="bb", takes="bb")}, "lb2 takes another host for it"),
        ({"lb1": seen(has=True), "lb2": NaruError("no way")}, ""),
    ],
)
def test_a_virtual_address_is_on_one_host_and_all_know_it(hosts: dict[str, Any], why: str) -> None:
    assert addresses.wrong(hosts, ["lb1"], ["lb2"]) == why
    if "takes" in why:
        assert addresses.wrong(hosts, ["lb1"]) == ""  # it does not ask there


def test_what_a_host_says_of_an_address_is_read() -> None:
    said = "has eth0\nmac 52:54:00:00:00:03\nmac 00:00:00:00:00:00\ntakes 52:54:00:00:00:05\n"
    own = frozenset({"52:54:00:00:00:03", "00:00:00:00:00:00"})
    assert addresses.parsed(said) == Seen(True, own, "52:54:00:00:00:05")
    assert addresses.parsed("mac aa\n") == Seen(False, frozenset({"aa"}), "")


def test_which_addresses_go_is_what_next_says() -> None:
    now = [{"address": "10.0.0.5", "hosts": ["ctl1", "ctl2"], "managed": {"unit": "keepalived"}}]
    later = {"virtual_addresses": [{"address": "10.0.0.5", "hosts": "ctl2", "managed": {"unit": "keepalived"}}]}
    (going,) = addresses.going(site(virtual_addresses=now, next=later))
    assert (going.from_hosts, going.to_hosts) == (("ctl1",), ())
    assert addresses.going(site(virtual_addresses=now)) == []
    assert addresses.going(site(virtual_addresses=now, next={"virtual_addresses": now})) == []


@pytest.mark.parametrize(("unit", "stays"), [("keepalived", ("ctl1",)), ("another", ())])
def test_an_address_that_stays_where_its_program_is_stopped_for_another_one_blocks(
    unit: str, stays: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    front = {"address": "10.0.0.5", "managed": {"unit": "keepalived"}}
    now = [{**front, "hosts": "ctl1"}, {"address": "10.0.0.6", "hosts": "ctl1", "managed": {"unit": unit}}]
    both = site(virtual_addresses=now, next={"virtual_addresses": [{**front, "hosts": "ctl2"}]})
    monkeypatch.setattr(addresses, "look", lambda *_: {"ctl1": seen(has=True)})
    with Fleet(both) as fleet:
        found = [(one.state, one.where, one.examples) for one in addresses.check(both, fleet, SPAN)]
    assert found == ([("blocks", "10.0.0.6", stays)] if stays else [])


def test_endpoints_of_those_who_go_get_the_address_of_those_who_come() -> None:
    urls = [
        "http://10.0.0.1:8774/v2.1",
        "http://ctl1:8774/v2.1/%(project_id)s",
        "http://10.0.0.1:9292",
        "http://vip:8774",
    ]
    assert catalogue.addresses(site(), [NOVA], urls) == [
        Address("nova-api", "http://10.0.0.1:8774", "http://10.0.0.2:8774", 1),
        Address("nova-api", "http://ctl1:8774", "http://ctl2:8774", 1),
    ]
    two = NOVA._replace(new=("ctl2:8774", "ctl3:8774"))
    assert [one.new for one in catalogue.addresses(site(), [two], urls)] == ["", ""]
    front = {"virtual_addresses": [{"address": "10.0.0.5", "hosts": "ctl2"}]}
    assert {one.new for one in catalogue.addresses(site(next=front), [two], urls)} == {"http://10.0.0.5:8774"}


def test_endpoints_without_a_port_and_with_one_that_keystone_puts_in_are_known() -> None:
    urls = ["http://10.0.0.1/compute", "http://ctl1:$(public_port)s/v3", "http://10.0.0.1:$(compute_port)s"]
    plain = Change("nova-api", ("ctl1:80",), ("ctl2:80",))
    found = [(one.old, one.new) for one in catalogue.addresses(site(), [plain], urls[:1])]
    assert found == [("http://10.0.0.1", "http://10.0.0.2:80")]
    # which port that is, and so whose endpoint, is not known: nothing takes its place, so it blocks
    found = [(one.old, one.new) for one in catalogue.addresses(site(), [NOVA, plain], urls[1:])]
    assert found == [("http://10.0.0.1:$(compute_port)s", ""), ("http://ctl1:$(public_port)s", "")]


def paired(program: str, called: list[Called], **known: Any) -> tuple[list[Moved], list[Finding]]:
    names = {("cinder", program): known.pop("names")}
    return records.paired(program, called, Known(names, known.pop("volumes", {})), SPAN)


def test_records_go_to_those_that_have_the_same_backend() -> None:
    name = "cinder-volume"
    called = [Called(name, "ctl2@ceph"), Called(name, "ctl2@nfs"), Called(name, "rbd@shared")]
    moved, told = paired(
        name, called, names=["ctl1@nfs", "ctl1@ceph", "rbd@shared"], volumes={"ctl1@nfs": 3, "rbd@shared": 9}
    )
    assert sorted(moved) == [
        Moved("cinder", name, "ctl1@ceph", "ctl2@ceph"),
        Moved("cinder", name, "ctl1@nfs", "ctl2@nfs"),
    ]
    assert [(one.state, one.number) for one in told] == [("on the way", 1), ("on the way", 3)]
    moved, told = paired("cinder-scheduler", [Called("cinder-scheduler", "new")], names=["a", "b"])
    assert [one.new for one in moved] == ["new", "new"]


@pytest.mark.parametrize(
    ("called", "volumes", "why"),
    [
        ([Called("cinder-volume", "ctl2@ceph")], 2, "none that is to come has its backend"),
        (
            [Called("cinder-volume", "ctl2@lvm", "cinder.volume.drivers.lvm.LVMVolumeDriver")],
            2,
            "disks of its own host",
        ),
        ([Called("cinder-volume", "ctl2@ceph")], 0, ""),
    ],
)
def test_volumes_that_nobody_would_manage_block(called: list[Called], volumes: int, why: str) -> None:
    _, told = paired("cinder-volume", called, names=["ctl1@lvm"], volumes={"ctl1@lvm": volumes})
    assert [one.state for one in told] == (["blocks"] if why else [])
    assert all(why in one.what for one in told)


def test_keys_are_where_the_service_has_its_files() -> None:
    service = {"name": "keystone", "hosts": "c"}
    unit = Service.model_validate({**service, "managed": {"unit": "keystone"}})
    assert keys.within(unit, "ls") == "ls"
    container = Service.model_validate({**service, "managed": {"container": "key stone", "engine": "docker"}})
    assert keys.within(container, "ls") == "{ command -v docker >/dev/null && docker exec 'key stone' ls; }"


def test_the_next_keystone_has_all_keys_of_the_one_that_runs() -> None:
    def of(*fernet: str) -> dict[str, Keys]:
        return {"fernet_tokens": Keys("/f", frozenset(fernet)), "credential": Keys("/c", frozenset({"c"}))}

    assert keys.judged({"ctl1": of("a", "b")}, {"ctl2": of("a", "b", "more")}, SPAN) == []
    (lost,) = keys.judged({"ctl1": of("a", "b")}, {"ctl2": of("a")}, SPAN)
    assert (lost.state, lost.where, lost.number, lost.examples) == ("blocks", "ctl2", 1, ("/f",))
    (unknown,) = keys.judged({"ctl1": of("a")}, {"ctl2": NaruError("no way")}, SPAN)
    assert (unknown.state, unknown.where) == ("unknown", "ctl2")
    # where none is found nothing is lost, and nothing is known either
    (none,) = keys.judged({"ctl1": of()}, {"ctl2": of("a")}, SPAN)
    assert (none.state, none.where, none.examples) == ("unknown", "ctl1", ("/f",))

"""What becomes of a server on a host that is drained, and where it fits."""

from typing import Any

import pytest

from naru.errors import InputError
from naru.messages import say
from naru.operate.drain.facts import Facts
from naru.operate.drain.planner import whole
from naru.operate.drain.rules import Options, decide, ways
from naru.operate.drain.work import Settings

from . import readings
from .readings import facts, server, service, with_specs

pytestmark = pytest.mark.unit

NOTHING = Options({})


def of(found: Facts, options: Options = NOTHING) -> dict[str, tuple[str, str]]:
    return {one.server.name: (one.action, say(one.why)) for one in decide(found, options)}


@pytest.mark.parametrize(
    ("status", "action", "said"),
    [
        ("ACTIVE", "live", "it runs"),
        ("PAUSED", "live", "it runs"),
        ("SHUTOFF", "cold", "it is off"),
        ("SUSPENDED", "ask", "its memory lies on this host"),
        ("RESCUE", "ask", "in rescue"),
        ("ERROR", "ask", "a guest may still run well"),
        ("VERIFY_RESIZE", "ask", "not confirmed or reverted"),
        ("SHELVED", "ask", "offload it"),
        ("BUILD", "ask", "something is being done to it (BUILD)"),
        ("MIGRATING", "ask", "something is being done to it"),
        ("UNKNOWN", "ask", "something is being done to it (UNKNOWN)"),
        ("SOFT_DELETED", "leave", "may be restored"),
    ],
)
def test_a_status_decides(status: str, action: str, said: str) -> None:
    found = of(facts(server("one", status)))["one"]
    assert found[0] == action
    assert said in found[1]


def test_what_is_busy_is_asked_about_whatever_its_status() -> None:
    found = of(facts(server("one", **{"OS-EXT-STS:task_state": "image_uploading"})))
    assert found == {"one": ("ask", "something is being done to it (image_uploading)")}


@pytest.mark.parametrize(
    ("row", "compute", "action"),
    [
        (with_specs("one", hw__cpu_policy="dedicated"), "2.53", "ask"),
        (with_specs("one", hw__cpu_policy="dedicated"), "2.79", "live"),
        (with_specs("one", hw__cpu_policy="shared"), "2.53", "live"),
        (with_specs("one", "SHUTOFF", hw__cpu_policy="dedicated"), "2.53", "cold"),
        (with_specs("one", hw__mem_page_size="large"), "2.53", "ask"),
        (with_specs("one", pci_passthrough__alias="gpu:1"), "2.100", "ask"),
        (with_specs("one", "SHUTOFF", pci_passthrough__alias="gpu:1"), "2.100", "cold"),
        (with_specs("one", resources__VGPU="1"), "2.100", "ask"),
        (with_specs("one", hw__mem_encryption="true"), "2.100", "ask"),
        (with_specs("one", "SHUTOFF", hw__tpm_version="2.0"), "2.100", "ask"),
        (with_specs("one", accel__device_profile="fpga"), "2.100", "ask"),
        (server("amphora-6cdd"), "2.100", "ask"),
    ],
)
def test_what_ties_a_server_to_its_host_decides(row: dict[str, Any], compute: str, action: str) -> None:
    assert of(facts(row, compute=compute))["one" if row["name"] == "one" else row["name"]][0] == action


def test_an_image_says_the_same_as_a_flavor() -> None:
    row = server("one", image={"id": "image"})
    assert of(facts(row, images={"image": {"id": "image", "hw_cpu_policy": "dedicated"}}))["one"][0] == "ask"


@pytest.mark.parametrize(
    ("kind", "compute", "extensions", "action"),
    [
        ("normal", "2.53", [], "live"),
        ("direct", "2.53", [], "ask"),
        ("direct", "2.79", [], "ask"),
        ("direct", "2.79", ["binding-extended"], "live"),
        ("direct-physical", "2.79", ["binding-extended"], "ask"),
    ],
)
def test_ports_on_devices_move_live_from_train_on(kind: str, compute: str, extensions: list[str], action: str) -> None:
    ports = {"id-one": [{"id": "port", "status": "ACTIVE", "binding:vnic_type": kind}]}
    assert of(facts(server("one"), compute=compute, ports=ports, extensions=extensions))["one"][0] == action


def group(policy: str, *members: str) -> dict[str, Any]:
    return {"id": "group", "name": "db", "policies": [policy], "members": list(members)}


def test_a_group_on_one_host_is_asked_about_even_its_last_member() -> None:
    found = of(facts(server("one"), groups=[group("affinity", "id-one")]))
    assert found["one"] == ("ask", "its group db wants all its servers on one host: Nova moves none of them")
    assert of(facts(server("one"), groups=[group("soft-affinity", "id-one")]))["one"][0] == "live"


def test_servers_that_are_to_be_apart_go_to_different_hosts_or_are_asked_about() -> None:
    apart = [group("anti-affinity", "id-one", "id-two", "elsewhere")]
    here = [server("one"), server("two")]
    found = decide(facts(*here, groups=apart), NOTHING)
    assert sorted(one.to for one in found) == ["compute2", "compute3"]
    found = decide(facts(*here, groups=apart, members={"elsewhere": "compute3"}), NOTHING)
    assert sorted((one.action, one.to) for one in found) == [("ask", ""), ("live", "compute2")]
    (asked,) = [one for one in found if one.action == "ask"]
    assert "another server of its group db" in say(asked.why)


def test_hosts_fill_up_and_who_does_not_fit_is_told_what_lacks() -> None:
    many = [server(f"s{number:02}") for number in range(17)]
    found = decide(facts(*many), NOTHING)
    where = [one.to for one in found]
    assert (where.count("compute2"), where.count("compute3"), where.count("")) == (8, 8, 1)
    (left,) = [one for one in found if not one.to]
    assert left.action == "ask" and "compute2: MEMORY_MB 0 of 1024" in say(left.why)


def test_a_zone_that_was_asked_for_is_kept() -> None:
    services = [service("compute1", zone="a"), service("compute2", zone="b"), service("compute3", zone="a")]
    row = server("one", **{"OS-EXT-AZ:availability_zone": "a"})
    (found,) = decide(facts(row, services=services), NOTHING)
    assert found.to == "compute3"
    # from 2.96 on Nova says that nobody asked for it
    (found,) = decide(facts(row | {"pinned_availability_zone": None}, services=services[:2]), NOTHING)
    assert found.to == "compute2"
    (found,) = decide(facts(row, services=services[:2]), NOTHING)
    assert found.action == "ask" and "no other host in the zone a" in say(found.why)


def test_a_host_that_is_down_disabled_or_not_named_takes_nothing() -> None:
    for other in ({"state": "down"}, {"status": "disabled"}, {"forced_down": True}):
        services = [service("compute1"), service("compute2", **other), service("compute3")]
        (found,) = decide(facts(server("one"), services=services), NOTHING)
        assert found.to == "compute3"
    (found,) = decide(facts(server("one")), Options({}, only=["compute2"]))
    assert found.to == "compute2"
    (found,) = decide(facts(server("one")), Options({}, only=["compute9"]))
    assert (found.action, found.to) == ("ask", "")


def test_an_answer_decides_and_says_why_it_was_asked() -> None:
    found = of(facts(with_specs("one", hw__cpu_policy="dedicated")), Options({"one": "cold"}))["one"]
    assert found[0] == "cold" and found[1].startswith("the operator says so: this Nova moves no guest")
    assert of(facts(server("one", "SUSPENDED")), Options({"id-one": "leave"}))["one"][0] == "leave"


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"two": "live"}, "compute1 has no server 'two'"),
        ({"one": "live"}, "it is SUSPENDED"),
        ({"one": "ask"}, "give live, cold or leave"),
        ({"twin": "leave"}, "2 servers 'twin'"),
    ],
)
def test_an_answer_that_cannot_be_is_bad_input(answers: dict[str, str], said: str) -> None:
    twins = [server("twin") | {"id": identity} for identity in ("a", "b")]
    with pytest.raises(InputError, match=said):
        decide(facts(server("one", "SUSPENDED"), *twins), Options(answers))


def test_a_lock_is_told_and_changes_nothing() -> None:
    assert of(facts(server("one", locked=True)))["one"] == (
        "live",
        "it runs (its disks are volumes); locked, and stays so",
    )


def test_what_an_owner_switches_meanwhile_goes_in_the_other_way_unless_that_was_refused() -> None:
    rows = [server("run"), server("off", "SHUTOFF"), with_specs("gpu", "SHUTOFF", resources__VGPU="1"), server("say")]
    known, options = facts(*rows), Options({"say": "cold"})
    found = {one.server.name: ways(one, known, options) for one in decide(known, options)}
    live = {"ACTIVE": "live", "PAUSED": "live", "SHUTOFF": "cold"}
    assert found == {"run": live, "off": live, "gpu": {"SHUTOFF": "cold"}, "say": {**live, "ACTIVE": "cold"}}


def planned(known: Facts) -> list[tuple[str, str]]:
    settings = Settings("site.yaml", "old", readings.HOST)
    plan = whole(known, decide(known, NOTHING), settings, "plan")
    return [(one.severity, say(one.summary)) for one in plan.findings]


def test_a_plan_says_what_is_in_the_way() -> None:
    down = [service("compute1", state="down"), service("compute2"), service("compute3")]
    assert ("error", "the compute service of compute1 is down: Nova moves nothing away from it") in planned(
        facts(server("one"), services=down)
    )
    disabled = [service("compute1", status="disabled", disabled_reason="bad disk"), *down[1:]]
    ((level, said), *_) = planned(facts(services=disabled))
    assert level == "warning" and "disabled already (bad disk): it stays so" in said
    half = {"id": 1, "source_compute": "compute1", "instance_uuid": "id-away", "status": "finished"}
    ((level, said), *_) = planned(facts(migrations=[half]))
    assert level == "warning" and "its old disk is on compute1" in said
    known = readings.reading(server("one"))
    known["providers"]["node-1"]["allocations"] = {}
    assert ("warning", "server one has no allocation in Placement: its flavor's sizes are counted") in planned(
        Facts(known)
    )

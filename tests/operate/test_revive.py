"""What is in the way of bringing a hung server up elsewhere, and what its plan does in which order."""

from types import SimpleNamespace
from typing import Any

import pytest

from naru.errors import InputError, NaruError
from naru.messages import say
from naru.operate.drain.guests import Guests
from naru.operate.revive import steps
from naru.operate.revive.planner import Options, plan
from naru.operate.revive.reading import Disk, Found
from naru.plan.errors import Transient
from naru.plan.model import Plan
from naru.site.ssh import Unreachable

pytestmark = pytest.mark.unit


def snapshot(name: str, volume: str) -> dict[str, Any]:
    return {"id": f"id-{name}", "name": name, "volume_id": volume, "size": 1, "created_at": "2026-11-29T03:00:00"}


ROOT = Disk({"id": "root", "name": "web-root"}, "/dev/vda", (snapshot("new", "root"), snapshot("old", "root")))
DATA = Disk({"id": "data", "name": "web-data"}, "/dev/vdb", (snapshot("of-data", "data"),))
BARE = Disk({"id": "bare", "name": ""}, "/dev/vdc", ())
PORT = {"id": "port", "fixed_ips": [{"ip_address": "10.0.0.5"}], "binding:vnic_type": "normal"}
IMAGE = {"id": "image", "name": "nightly", "created_at": "2026-11-28T03:00:00"}


def found(**more: Any) -> Found:
    server = {
        **{"id": "hung", "name": "web-1", "status": "ACTIVE", "tenant_id": "project", "locked": False, "image": ""},
        **{"OS-EXT-SRV-ATTR:host": "compute1", "OS-EXT-STS:task_state": None, "flavor": {"id": "small"}},
        **{"OS-EXT-AZ:availability_zone": "nova", "metadata": {"role": "web"}, **more.pop("server", {})},
    }
    known: dict[str, Any] = {
        **{"host_state": "up", "ports": (PORT,), "root": ROOT, "data": (DATA,), "images": (), "group": ""},
        **{"user": "admin", "role": "member", "can_reason": True, "flavor": "small"},
    }
    return Found(server=server, **{**known, **more})


def made(known: Found, options: Options | None = None) -> Plan:
    result = plan("one", known, options or Options(), "plan")
    result.check()
    return result


def errors(known: Found, options: Options | None = None) -> list[str]:
    return [say(one.summary) for one in made(known, options).findings if one.severity == "error"]


def test_nothing_is_handed_over_before_the_hung_one_is_off() -> None:
    befores = made(found()).befores()
    assert befores["off"] == ["lock"]
    assert befores["ports"] == ["off"] and befores["free/data"] == ["off"]
    assert befores["server"] == ["enter", "free/data", "off", "ports", "root"]
    # the volume is made while it is being switched off
    assert befores["root"] == ["enter"] and befores["leave"] == ["prove"]


def test_the_new_server_is_what_the_hung_one_was() -> None:
    (step,) = made(found(group="apart")).find(purpose="server")
    body = step.args["body"]
    assert (body["name"], body["flavorRef"], body["networks"]) == ("web-1", "small", [{"port": "port"}])
    assert body["metadata"] == {"role": "web", "naru": "revive:plan"}
    disks = [(one["uuid"], one["boot_index"]) for one in body["block_device_mapping_v2"]]
    assert disks == [({"$ref": "root", "field": "id"}, 0), ("data", -1)]
    assert not any(one["delete_on_termination"] for one in body["block_device_mapping_v2"])
    assert step.args["beside"] == {"os:scheduler_hints": {"group": "apart"}}
    assert step.args["actor"] == {"project": "project"}


def test_one_that_does_not_boot_from_a_volume_comes_from_its_image() -> None:
    known = found(server={"image": {"id": "base"}}, root=None, images=(IMAGE,))
    (step,) = made(known, Options(data="leave")).find(purpose="server")
    assert step.args["body"]["imageRef"] == "image" and "block_device_mapping_v2" not in step.args["body"]
    (step,) = made(known).find(purpose="server")
    assert [one["source_type"] for one in step.args["body"]["block_device_mapping_v2"]] == ["image", "volume"]


def test_data_comes_along_or_from_its_snapshot_or_stays() -> None:
    ids = {data: [one.id for one in made(found(), Options(data=data)).steps] for data in ("move", "snapshot", "leave")}
    assert "free/data" in ids["move"] and "data/data" in ids["snapshot"]
    assert not [one for one in ids["leave"] if "data" in one]


def test_another_snapshot_than_the_newest_is_taken_where_that_is_said() -> None:
    (step,) = made(found()).find(purpose="root")
    assert step.args["body"]["snapshot_id"] == "id-new"
    (step,) = made(found(), Options(source="old")).find(purpose="root")
    assert step.args["body"]["snapshot_id"] == "id-old"
    with pytest.raises(InputError, match="no available snapshot of its root volume"):
        made(found(), Options(source="of-data"))


def test_a_server_that_is_locked_stays_so_and_a_role_that_is_there_is_not_taken() -> None:
    ids = [one.id for one in made(found(server={"locked": True}, role="")).steps]
    assert not {"lock", "enter", "leave"} & set(ids)


@pytest.mark.parametrize(
    ("known", "options", "said"),
    [
        (found(host_state="down"), Options(), "compute service of its host compute1 is down"),
        (found(root=Disk(ROOT.volume, ROOT.device, ())), Options(), "nothing to bring it up from"),
        (found(server={"status": "SUSPENDED"}), Options(), "is SUSPENDED"),
        (found(server={"OS-EXT-STS:task_state": "powering-off"}), Options(), "(powering-off)"),
        (found(server={"status": "ERROR"}), Options(), "is ERROR"),
        (found(data=(BARE,)), Options(data="snapshot"), "volume bare has no available snapshot"),
        (found(flavor=""), Options(), "flavor - is gone"),
        (found(ports=(PORT | {"trunk_details": {"x": 1}},)), Options(), "parent of a trunk"),
        (found(ports=(PORT | {"binding:vnic_type": "direct"},)), Options(), "of type direct"),
    ],
)
def test_what_is_in_the_way_is_said(known: Found, options: Options, said: str) -> None:
    (error,) = errors(known, options)
    assert said in error
    assert made(known, options).steps == []


def test_a_root_volume_that_is_not_known_is_not_taken_for_data() -> None:
    """An image that was made of it is no disk of its own, and its root volume would go over as one with data."""
    known = found(root=None, data=(ROOT, DATA), images=(IMAGE,))
    assert any("boots from a volume" in one for one in errors(known))


def test_an_operator_may_vouch_that_it_is_off() -> None:
    known = found(host_state="down", server={"status": "ERROR", "OS-EXT-STS:task_state": "powering-off"})
    assert errors(known, Options(is_off=True, data="leave")) == []
    (step,) = made(known, Options(is_off=True, data="leave")).find(purpose="off")
    assert step.args["is_off"]


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        ([], "as it should be"),
        ("not asked: it has no libvirt", "not asked: it has no libvirt"),
        (Unreachable("no answer"), "not asked: no answer"),
        (Transient("libvirt does not answer"), "not asked: libvirt does not answer"),
        (["other", "hung"], None),  # it lives: two with its addresses
    ],
)
def test_a_guest_that_is_seen_to_run_is_not_off_whoever_says_so(
    runs: Any, told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def running(*_: Any) -> Any:
        if isinstance(runs, Exception):
            raise runs
        return runs

    monkeypatch.setattr(Guests, "_running", running)
    monkeypatch.setattr(steps, "cloud", lambda *_: None)
    context: Any = SimpleNamespace(args={"cloud": "x", "server": "hung", "host": "compute1", "is_off": True})
    if told is None:
        with pytest.raises(NaruError, match="still runs server hung"):
            steps.off(context)
        return
    assert steps.off(context) == {"proof": steps.OPERATOR, "libvirt": told}

"""What `naru move verify` says at any time: what is right, differs, is not made yet, failed, was left."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import update

from naru.inventory.compare import comparable
from naru.move import reading, result
from naru.move.purposes import MAKE
from naru.move.verified import verified
from naru.move.work import Work
from naru.plan import control, schema
from naru.plan.journal import Journal
from naru.plan.model import About, Plan, Step

from ..plan.test_cli import naru, naru_json
from .described import described
from .test_mapping import Given
from .test_run import decided

pytestmark = pytest.mark.unit

SUBNET = {
    "network_id": "n",
    "name": "lan",
    "project_id": "p",
    "dns_nameservers": ["192.0.2.1", "192.0.2.2"],
    "host_routes": [
        {"destination": "10.1.0.0/16", "nexthop": "10.0.0.2"},
        {"destination": "10.2.0.0/16", "nexthop": "b"},
    ],
    "service_types": ["compute:nova", "network:dhcp"],
}
OLD: dict[str, list[dict[str, Any]]] = {
    "project": [{"id": "p", "name": "shop", "domain_id": "default"}],
    "network": [{"id": "n", "name": "lan", "project_id": "p"}, {"id": "x", "name": "public"}],
    "subnet": [{"id": "s", **SUBNET}],
    "port": [{"id": "o", "name": "web", "project_id": "p", "network_id": "n", "mac_address": "fa:16:3e:00:00:01"}],
    "volume": [{"id": "v", "name": "data", "size": 1, "os-vol-tenant-attr:tenant_id": "p"}],
    "user compute quota": [{"project_id": "p", "user_id": "u", "cores": 4}],
}
ABOUT = {"network/n": "n", "subnet/s": "s", "port/o": "o", "volume/v": "v"}


def plan() -> Plan:
    made = Plan(settings={"from": "old", "to": "new", "projects": ["p"]}, gates=["cutover shop", "finalize shop"])

    def add(step: str, *after: str, gate: str = "", purpose: str = "", about: About | None = None) -> None:
        made.add(Step(step, "noop", unit="shop", gate=gate, purpose=purpose, about=about), after=after)

    for step, identity in ABOUT.items():
        add(
            step,
            purpose=MAKE,
            about=About(step.partition("/")[0], identity, {"n": "lan", "o": "web"}.get(identity, "")),
        )
    add("port/o DHCP", "port/o", about=About("port", "o", "web"))
    add("cutover p", *ABOUT, "port/o DHCP", gate="cutover shop")
    add("content volume/v", "cutover p")
    add("finalize p", "cutover p", "content volume/v", gate="finalize shop")
    add("quota", "finalize p", purpose=MAKE, about=About("user compute quota", "p/u", ""))
    add("no way back p", "quota")
    return described(made)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    Journal.create(tmp_path, plan()).close()
    usual = {"project": "p"}
    decided(
        *(tmp_path, {"p": "shop"}, OLD),
        {**usual, "kind": "project", "id": "p", "name": "shop", "decision": "match", "new": "P"},
        {**usual, "kind": "network", "id": "n", "name": "lan", "step": "network/n"},
        {**usual, "kind": "network", "id": "x", "name": "public", "decision": "match", "new": "X", "project": ""},
        {**usual, "kind": "subnet", "id": "s", "name": "lan", "step": "subnet/s"},
        {**usual, "kind": "port", "id": "o", "name": "web", "step": "port/o"},
        {**usual, "kind": "volume", "id": "v", "name": "data", "step": "volume/v"},
        {**usual, "kind": "user compute quota", "id": "p/u", "name": "", "step": "quota"},
        {**usual, "kind": "port", "id": "q", "name": "dhcp", "decision": "leave", "why": "made by its service"},
    )
    return tmp_path


class Cloud:
    """The new cloud: what it has, to be changed by a test."""

    def __init__(self) -> None:
        self.things: dict[str, list[dict[str, Any]]] = {
            "project": [{"id": "P", "name": "shop", "domain_id": "default"}],
            "network": [{"id": "X", "name": "public"}],
        }

    def has(self, kind: str, identity: str, **more: Any) -> None:
        (old,) = [body for body in OLD[kind] if body["id"] == identity]
        names = {"project_id": "P", "network_id": "N"}
        body = {name: names.get(name, value) for name, value in old.items()} | {"id": identity.upper()} | more
        self.things.setdefault(kind, []).append(body)


@pytest.fixture
def new(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    cloud = Cloud()
    itself = SimpleNamespace(auth_url="", region="")

    def outcome(move: Work, *_: object) -> Any:
        return result.outcome(move, Given("old", OLD), Given("new", cloud.things), (itself, itself))  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "outcome", outcome)
    return cloud


def is_(work: Path, state: str, *steps: str, result: str = "", error: str = "") -> None:
    """Puts steps in a state, as a run would."""
    values: dict[str, Any] = {"state": state, "attempt": 1, "result": json.dumps({"id": result}) if result else None}
    values["error"] = json.dumps({"summary": error}) if error else None
    with Journal.open(work) as journal, journal.write() as connection:
        connection.execute(update(schema.steps).where(schema.steps.c.id.in_(steps)).values(**values))


def done(work: Path, new: Cloud, *things: str) -> None:
    for thing in things:
        kind, _, identity = thing.partition("/")
        is_(work, "done", thing, result=identity.upper())
        new.has(kind, identity)


def states(work: Path, code: int = 0) -> dict[tuple[str, str], str]:
    rows = json.loads(naru("move", "verify", work, "--all", "-f", "json", code=code).stdout)
    return {(row["old id"], row["field"]): row["state"] for row in rows}


def counts(work: Path, code: int = 0) -> dict[str, dict[str, int]]:
    rows = json.loads(naru("move", "verify", work, "--counts", "-f", "json", code=code).stdout)
    return {row["kind"]: {name: value for name, value in row.items() if name != "kind" and value} for row in rows}


def test_what_is_only_planned_is_for_later(work: Path, new: Cloud) -> None:
    assert naru_json("move", "verify", work) == []
    assert counts(work) == {
        "project": {"right": 1},
        "network": {"right": 1, "not yet": 1},
        "subnet": {"not yet": 1},
        "port": {"not yet": 1, "left": 1},
        "volume": {"not yet": 1},
        "user compute quota": {"not yet": 1},
    }
    told = naru("move", "verify", work).stderr
    assert "2 right" in told and "0 not made yet, 5 for later phases, 1 left" in told
    rows = json.loads(naru("move", "verify", work, "--all", "-f", "json").stdout)
    assert {row["old id"]: row["why"] for row in rows} == {
        **dict.fromkeys(("n", "s", "o", "v"), "not made yet: prepare"),
        "p/u": "not made yet: finalize",
        "q": "made by its service",
    }


def test_a_preparing_that_half_failed_is_not_right(work: Path, new: Cloud) -> None:
    done(work, new, "network/n")
    is_(work, "failed", "port/o", error="network refused POST /ports (400)")
    rows = json.loads(naru("move", "verify", work, "-f", "json", code=1).stdout)
    assert {(row["kind"], row["old id"], row["state"], row["why"]) for row in rows} == {
        ("port", "o", "failed", "network refused POST /ports (400)"),
        ("subnet", "s", "not yet", "not made yet: prepare"),
        ("volume", "v", "not yet", "not made yet: prepare"),
        (
            "project",
            "p",
            "not yet",
            "it was begun and is not at its end, 4 steps are left: naru move status, then give it again",
        ),
    }
    with Journal.open(work) as journal:
        assert verified(journal) == set()


def test_a_failed_step_that_makes_nothing_is_told(work: Path, new: Cloud) -> None:
    done(work, new, *ABOUT)
    is_(work, "failed", "port/o DHCP", error="refused")
    rows = json.loads(naru("move", "verify", work, "-f", "json", code=1).stdout)
    assert next((row["state"], row["kind"], row["name"], row["field"], row["why"]) for row in rows) == (
        *("failed", "port", "web", "port/o DHCP"),
        "refused",
    )


def test_what_is_not_wholly_made_is_not_compared(work: Path, new: Cloud) -> None:
    """Its description has a mark still, its DHCP is off: that is no difference."""
    done(work, new, "network/n")
    is_(work, "done", "subnet/s", result="S")
    new.has("subnet", "s", name="naru:s")
    assert states(work, code=1)["s", ""] == "not yet"
    done(work, new, "port/o", "volume/v")
    is_(work, "done", "port/o DHCP")
    assert states(work, code=1)["s", "name"] == "differs"


def test_order_is_compared_where_it_means_something(work: Path, new: Cloud) -> None:
    done(work, new, "network/n", "port/o", "volume/v")
    is_(work, "done", "subnet/s", result="S")
    is_(work, "done", "port/o DHCP")
    turned = {name: SUBNET[name][::-1] for name in ("host_routes", "service_types", "dns_nameservers")}
    new.has("subnet", "s", **turned)
    rows = json.loads(naru("move", "verify", work, "-f", "json", code=1).stdout)
    assert [(row["old id"], row["field"]) for row in rows] == [("s", "dns_nameservers")]
    new.things["subnet"][0]["dns_nameservers"] = SUBNET["dns_nameservers"]
    assert naru_json("move", "verify", work) == []


@pytest.mark.parametrize(
    ("field", "ordered"),
    [
        *((name, False) for name in ("host_routes", "service_types", "allocation_pools", "allowed_address_pairs")),
        *((name, False) for name in ("security_groups", "fixed_ips", "extra_dhcp_opts", "tags", "prefixes", "routes")),
        *((name, False) for name in ("availability_zone_hints", "external_fixed_ips", "multi_factor_auth_rules")),
        ("dns_nameservers", True),
        ("ports", True),
    ],
)
def test_whether_the_order_of_a_list_means_something(field: str, ordered: bool) -> None:
    assert (comparable(field, ["a", "b"]) != comparable(field, ["b", "a"])) == ordered


def test_the_order_of_disks_is_a_servers_own() -> None:
    assert comparable("volumes", ["a", "b"]) == comparable("volumes", ["b", "a"])
    assert comparable("volumes", ["a", "b"], {"volumes"}) != comparable("volumes", ["b", "a"], {"volumes"})


def test_what_the_operator_left_is_explained_by_the_reason(work: Path, new: Cloud) -> None:
    done(work, new, "network/n", "subnet/s", "port/o")
    is_(work, "done", "port/o DHCP")
    with Journal.open(work) as journal:
        control.skip(journal, "the customer deletes it", steps=["volume/v"])
    assert naru_json("move", "verify", work) == []
    assert states(work)["v", ""] == "left" and counts(work)["volume"] == {"left": 1}


def test_a_step_that_was_skipped_is_told_of_its_thing(work: Path, new: Cloud) -> None:
    done(work, new, *ABOUT)
    is_(work, "done", "port/o DHCP", "cutover p")
    with Journal.open(work) as journal:
        control.skip(journal, "its content is scratch", steps=["content volume/v"])
    rows = json.loads(naru("move", "verify", work, "--all", "-f", "json").stdout)
    (row,) = [row for row in rows if row["old id"] == "v"]
    assert row["field"] == "content" and row["why"] == "left by the operator: its content is scratch"


def test_a_window_that_is_not_at_its_end_is_not_right(work: Path, new: Cloud) -> None:
    done(work, new, *ABOUT)
    is_(work, "done", "port/o DHCP", "cutover p")
    rows = json.loads(naru("move", "verify", work, "-f", "json", code=1).stdout)
    assert [(row["state"], row["kind"], row["field"]) for row in rows] == [("not yet", "project", "cutover")]
    is_(work, "failed", "content volume/v", error="no room")
    rows = json.loads(naru("move", "verify", work, "-f", "json", code=1).stdout)
    assert [(row["state"], row["kind"], row["field"]) for row in rows] == [
        ("failed", "volume", "content volume/v"),
        ("not yet", "project", "cutover"),
    ]
    is_(work, "done", "content volume/v")
    assert naru_json("move", "verify", work) == []
    with Journal.open(work) as journal:
        assert verified(journal) == {"p"}


def test_what_was_matched_has_to_be_there_still(work: Path, new: Cloud) -> None:
    del new.things["network"]
    assert states(work, code=1)["x", ""] == "differs"


def test_the_report_says_the_same(work: Path, new: Cloud) -> None:
    done(work, new, "network/n", "subnet/s", "port/o")
    is_(work, "done", "port/o DHCP")
    with Journal.open(work) as journal:
        control.skip(journal, "the customer deletes it", steps=["volume/v"])
    naru("move", "report", work, "--to", work / "report")
    (file,) = [file for file in (work / "report").glob("*.json") if '"items"' in file.read_text()][:1]
    found = {item["old_id"]: (item["state"], item["reason"]) for item in json.loads(file.read_text())["items"]}
    assert found["v"] == ("left", "left by the operator: the customer deletes it")
    assert found["n"] == ("right", "")

"""How far projects are, by the journal of a plan as the rules make it; and what of it waits for what."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from naru.messages import say
from naru.move.draft import CLOUD
from naru.move.progress import ProgressReader
from naru.move.purposes import TELL_CUTOVER
from naru.plan import control, schema
from naru.plan.errors import PlanInputError
from naru.plan.journal import Journal
from naru.plan.model import BARRIER, Plan
from naru.plan.windows.phases import UnitProgress

from .test_mapping import JUN, MINA, facts, planned

pytestmark = pytest.mark.unit

USER = {"domain_id": "default", "password_expires_at": None}
# shop, which is switched off as one of its users is, has an address behind the router of the other project
OLD: dict[str, Any] = {
    "user": [
        {"id": MINA, "name": "mina", "enabled": False, "default_project_id": "p", **USER},
        {"id": JUN, "name": "jun", **USER},
    ],
    "project": [
        {"id": "p", "name": "shop", "domain_id": "default", "enabled": False},
        {"id": "q", "name": "other", "domain_id": "default"},
    ],
    "server": [],
    "volume": [],
    "image": [],
    "network": [
        {"id": "n", "name": "public", "project_id": "z", "router:external": True},
        {"id": "m", "name": "inner", "project_id": "q", "router:external": False},
    ],
    "subnet": [{"id": "sn", "name": "", "network_id": "n", "cidr": "198.18.0.0/20", "project_id": "z"}],
    "router": [
        {
            "id": "ro",
            "name": "edge",
            "project_id": "q",
            "external_gateway_info": {
                "network_id": "n",
                "external_fixed_ips": [{"subnet_id": "sn", "ip_address": "198.18.0.5"}],
            },
        }
    ],
    "port": [{"id": "po", "network_id": "m", "mac_address": "fa:16:3e:00:00:01", "project_id": "p", "fixed_ips": []}],
    "RBAC policy": [
        {"id": "rb", "project_id": "q", "object_type": "network", "object_id": "m", "target_tenant": "p", "action": "a"}
    ],
    "floating IP": [
        {
            "id": "f",
            "project_id": "p",
            "floating_network_id": "n",
            "floating_ip_address": "198.18.0.9",
            "port_id": "po",
            "fixed_ip_address": "10.0.0.9",
            "router_id": "ro",
        }
    ],
}


@pytest.fixture(scope="module")
def plan() -> Plan:
    return planned(facts(OLD, None, "shop", "other")).plan


@pytest.fixture
def journal(plan: Plan, tmp_path: Path) -> Iterator[Journal]:
    with Journal.create(tmp_path / "work", plan) as journal:
        yield journal


def become(journal: Journal, state: str, *steps: str) -> None:
    with journal.write() as connection:
        connection.execute(update(schema.steps).where(schema.steps.c.id.in_(steps)).values(state=state))


def before(plan: Plan, *steps: str) -> set[str]:
    """All that the steps wait for."""
    befores = plan.befores()
    found: set[str] = set()
    stack = list(steps)
    while stack:
        new = set(befores.get(stack.pop(), ())) - found
        found |= new
        stack += new
    return found


def test_addresses_change_over_in_the_order_that_neutron_wants(plan: Plan) -> None:
    assert "release floating IP/f" in before(plan, "release gateway/ro")
    assert "take gateway/ro" in before(plan, "take floating IP/f")
    assert any(say(finding.summary) == "projects shop, other need one another" for finding in plan.findings)


def test_no_cut_over_waits_for_what_is_another_projects_alone(plan: Plan) -> None:
    waits = before(plan, "cutover q")
    assert not {step for step in waits if step.endswith((" p", "/p", "/po", "/f"))}
    assert f"disable user/{MINA}" not in before(plan, "finalize p", "finalize q")
    assert "disable project/p" in before(plan, "cutover p")


def test_nobody_but_those_who_need_a_project_rests_on_it(plan: Plan) -> None:
    units = {step.id: step.unit for step in plan.steps}
    joining = "RBAC policy/rb"
    for step in plan.find(unit=CLOUD):
        if step.kind != BARRIER and step.id != joining:
            assert {units[before] for before in plan.befores().get(step.id, ())} <= {CLOUD}, step.id
    assert units[joining] == CLOUD and units[f"user/{MINA} default project"] == "project shop"
    # no port while the network is not shared, and so no sharing that ends before its ports
    assert joining in before(plan, "port/po") and joining not in before(plan, "cutover q")
    assert before(plan, f"disable user/{MINA}") >= {"prepared p", "prepared q", joining}


def test_dhcp_waits_for_the_ports_of_guests_and_does_not_rest_on_them() -> None:
    subnet = {"id": "sm", "name": "", "network_id": "m", "cidr": "10.0.0.0/24", "project_id": "q", "enable_dhcp": True}
    own = {"id": "pq", "network_id": "m", "mac_address": "fa:16:3e:00:00:02", "project_id": "q", "fixed_ips": []}
    old = {**OLD, "subnet": [*OLD["subnet"], subnet], "port": [*OLD["port"], own]}
    found = facts(old, None, "shop", "other")
    plan = planned(found).plan
    befores, steps = plan.befores(), {step.id: step for step in plan.steps}
    assert "port/po" not in befores["subnet/sm DHCP"] and "port/pq" in befores["subnet/sm DHCP"]
    assert steps["subnet/sm guests"].kind == BARRIER and befores["subnet/sm guests"] == ["port/po"]


def test_projects_of_one_name_have_units_of_their_own() -> None:
    old = {**OLD, "project": [{**project, "name": "twin", "domain_id": project["id"]} for project in OLD["project"]]}
    old["domain"] = [{"id": identity, "name": identity, "enabled": True} for identity in "pq"]
    found = facts(old, None, "p", "q")
    plan = planned(found).plan
    assert {"project p", "project q"} < {step.unit for step in plan.steps}
    (final,) = (step for step in plan.steps if step.id == "no way back p")
    assert final.args["requests"] == []


def test_a_project_stands_where_its_steps_do(plan: Plan, journal: Journal) -> None:
    progress = ProgressReader(journal, ["p", "q"])
    assert progress.gates["cutover", "p"] == "cutover shop" and progress.gates["finalize", "q"] == "finalize other"
    assert progress.read() == {"p": UnitProgress(), "q": UnitProgress()}
    become(journal, "done", *before(plan, "cutover q"))
    become(journal, "failed", "port/po")
    assert progress.read() == {"p": UnitProgress(stuck=True), "q": UnitProgress(reached=1)}
    become(journal, "done", *before(plan, "cutover p"))
    control.release(journal, "cutover *")
    released = frozenset({"cutover"})
    assert progress.read()["p"] == UnitProgress(reached=1, open=released)
    become(journal, "done", "cutover p", "cutover q")
    become(journal, "done", *(step.id for step in plan.find(purpose=TELL_CUTOVER)))
    assert progress.read()["p"] == UnitProgress(reached=1, begun=True, open=released)
    # what the other one waits for has failed: it waits for that, and for nothing that may still come
    become(journal, "failed", "release floating IP/f")
    assert all(standing.stuck for standing in progress.read().values())
    become(journal, "skipped", "release floating IP/f")
    assert not any(standing.stuck for standing in progress.read().values())
    become(journal, "done", *before(plan, "finalize p", "finalize q"))
    assert progress.read()["q"] == UnitProgress(reached=2, begun=True, open=released)
    become(journal, "failed", "no way back q")
    assert progress.read()["q"] == UnitProgress(reached=2, begun=True, stuck=True, open=released)
    become(journal, "done", "finalize p", "no way back p")
    assert progress.read()["p"].reached == 3
    become(journal, "undone", "release gateway/ro")
    assert progress.read()["q"].reached == 1 and progress.read()["q"].stuck


def test_the_revision_grows_with_what_an_operator_does(journal: Journal) -> None:
    progress = ProgressReader(journal, ["p"])
    first = progress.revision()
    control.hold(journal, "cutover *")
    assert progress.revision() > first
    with pytest.raises(PlanInputError, match="it has no cutover of project x"):
        ProgressReader(journal, ["x"])

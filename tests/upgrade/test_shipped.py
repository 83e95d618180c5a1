"""Environments on hosts of services that are to come: what is planned, what waits for what, what hosts say."""

import subprocess
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import update

from naru.errors import InputError
from naru.plan import control, schema
from naru.plan.executor import Executor
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.model import Plan, Step
from naru.plan.queries import reading
from naru.releases import portable, release
from naru.releases.portable import Requirements
from naru.site import site as sites
from naru.upgrade import gates, phases, planner
from naru.upgrade.window import shipped, window
from naru.upgrade.window.shipped import judged

from .test_plan import behind, facts, site, whole

pytestmark = pytest.mark.unit

LINK = "/opt/naru/nova-compute"
PLACE = str(portable.place(release.load("queens")))
load(planner.MODULES)


def built(**links: str) -> Plan:
    """The plan where these services, with _ for -, have their environment under a link."""
    content = site("queens").content.model_dump(mode="json", exclude_unset=True)
    for line in content["next"]["services"]:
        if link := links.get(line["name"].replace("-", "_")):
            line["environment"] = link
    return whole(facts("queens", of=sites.parse(content, Path("site.yaml"))))


def steps(plan: Plan) -> dict[str, Step]:
    return {step.id: step for step in plan.steps}


def test_nothing_waits_for_a_compute_host_but_its_own_services() -> None:
    plan = built(nova_compute=LINK)
    every = steps(plan)
    ship = every["queens/c1/ship"]
    assert (ship.unit, ship.gate, ship.limits) == (window.AHEAD, window.PREPARE, (shipped.SHIPPING,))
    assert ship.args["path"] == PLACE and Path(ship.args["work"]).is_absolute()
    waits = {"queens/c1/runs", f"link{LINK}@c1", "start/nova-compute@c1", "enable/nova-compute@c1"}
    assert behind(plan, "queens/c1/ship") == waits
    # nothing is switched before all of it that is upgraded has ended there
    assert f"link{LINK}@c1" in behind(plan, "stop/nova-compute@c1") & behind(plan, "agents")
    link = every[f"link{LINK}@c1"]
    assert (link.kind, link.unit, link.args["link"], link.args["path"]) == ("host.tree", window.NEW, LINK, PLACE)
    assert "archive" not in link.args  # what was packed here may be gone by then
    assert every["queens/c1/runs"].args["services"] == [["nova-compute", "nova-compute.service"]]


def test_a_controllers_environment_is_there_before_anything_begins() -> None:
    plan = built(keystone=LINK, nova_api=LINK)
    every = steps(plan)
    assert every["queens/ctl1/ship"].gate == "" and "window" in behind(plan, "queens/ctl1/runs")
    link = every[f"link{LINK}@ctl1"]
    assert link.unit == window.CLOUD and link.id in behind(plan, "nova/queens/online")
    assert {"start/keystone@ctl1", "start/nova-api@ctl1"} <= behind(plan, link.id)
    assert len([step for step in plan.find(purpose=window.LINK) if step.args["host"] == "ctl1"]) == 1


def test_a_controllers_link_is_not_switched_while_an_agent_of_before_finds_its_programs_there() -> None:
    content = site("queens").content.model_dump(mode="json", exclude_unset=True)
    agent = {"name": "neutron-dhcp-agent", "hosts": "ctl1", "managed": {"unit": "dhcp"}, "environment": LINK}
    content["services"].append(agent)
    for line in content["next"]["services"]:
        line.update({"environment": LINK} if line["name"] == "keystone" else {})
    plan = whole(facts("queens", of=sites.parse(content, Path("site.yaml"))))
    stop = "stop/neutron-dhcp-agent@ctl1"
    assert f"link{LINK}@ctl1" in behind(plan, stop) and f"link{LINK}@ctl2" not in behind(plan, stop)
    content["services"][-1]["environment"] = "/opt/naru/another"
    plan = whole(facts("queens", of=sites.parse(content, Path("site.yaml"))))
    assert f"link{LINK}@ctl1" not in behind(plan, stop)


def test_what_names_the_place_itself_is_shipped_and_not_switched() -> None:
    plan = built(nova_compute=PLACE)
    assert list(plan.find(purpose=window.LINK)) == []
    assert "start/nova-compute@c1" in behind(plan, "queens/c1/runs")
    assert list(built().find(purpose=shipped.PROVE)) == []  # who says nothing gets nothing


def test_what_could_not_be_shipped_keeps_nobody_from_going_on(tmp_path: Path) -> None:
    plan = built(nova_compute=LINK)
    ahead = [step.id for step in plan.steps if step.unit not in (*window.UNITS, window.AHEAD)]
    upgrade: Any = SimpleNamespace(directory=tmp_path)
    with Journal.create(tmp_path, plan) as journal:
        control.skip(journal, "a test", steps=ahead[1:])
        with pytest.raises(InputError, match="it is not prepared: 1 steps are left"):
            gates.check_prepared(upgrade, journal)
        control.skip(journal, "a test", steps=ahead[:1])
        gates.check_prepared(upgrade, journal)


def test_what_is_left_is_shipped_when_services_start_and_not_in_the_window(tmp_path: Path) -> None:
    plan = built(nova_compute=LINK)
    plan.steps = [replace(step, kind="noop", args={}) for step in plan.steps]
    left = {"queens/c1/ship", "queens/c1/runs", f"link{LINK}@c1", "start/nova-compute@c1", "enable/nova-compute@c1"}
    with Journal.create(tmp_path, plan) as journal:

        def done(command: str) -> set[str]:
            """What is done when a command has run."""
            Executor(journal, scope=phases.SCOPES[command]).run()
            with reading(journal) as now:
                return {step.id for step in now.steps(states=["done"])}

        ahead = {step.id for step in plan.find(unit=window.AHEAD)}
        assert ahead <= done(window.PREPARE)
        _take_back(journal, "queens/c1/ship", "queens/c1/runs")
        assert not done(window.WINDOW) & {*left, "agents"}
        assert done(window.AGENTS) >= {*left, "agents", *ahead}


def _take_back(journal: Journal, *ids: str) -> None:
    """As if these had failed, and were to be tried again."""
    with journal.write() as connection:
        connection.execute(update(schema.steps).where(schema.steps.c.id.in_(ids)).values(state="waiting"))


def test_what_a_host_says() -> None:
    needs = Requirements("2.28", "")
    said = judged("glibc\tglibc 2.36\nruns\tnova-compute\t 17.0.13 \n", needs)
    assert said == ("2.36", {"nova-compute": "17.0.13"}, [])
    assert judged("glibc\tglibc 2.4\n", needs).wrong == ["it needs glibc 2.28, and the host has 2.4"]
    said = judged("glibc\t\nwrong\tthere is no unit a\n", needs)
    assert said.wrong == [
        "it needs glibc 2.28, and the host has one that does not say its version",
        "there is no unit a",
    ]


def test_an_environment_is_tried_where_it_is(tmp_path: Path) -> None:
    program = tmp_path / "bin"
    program.mkdir()
    text = (files("naru.upgrade") / "scripts" / "runs.sh").read_text()

    def said(*calls: str) -> list[str]:
        lines = "\n".join([text, f"environment {tmp_path} ''", *calls])
        done = subprocess.run(["sh", "-c", lines], capture_output=True, text=True, timeout=60, check=True)
        return [line for line in done.stdout.splitlines() if not line.startswith("glibc")]

    def write(name: str, body: str) -> None:
        (program / name).write_text(f"#!/bin/sh\n{body}\n")
        (program / name).chmod(0o755)

    write("python", "echo no libssl >&2; exit 1")
    assert said() == ["wrong\tits Python does not begin: no libssl"]
    write("python", 'case $2 in *libvirt*) echo "$PYTHONPATH: no libvirt" >&2; exit 1;; esac')
    write("nova-compute", "echo one; echo 17.0.13")
    (tmp_path / "nova.conf").write_text("[DEFAULT]\ncompute_driver = libvirt.LibvirtDriver\n")
    (tmp_path / "fake.conf").write_text("[DEFAULT]\n#compute_driver = libvirt.LibvirtDriver\n")
    assert said(f"service nova-compute '' {tmp_path}/fake.conf") == ["runs\tnova-compute\tone 17.0.13"]
    assert said(f"service nova-compute '' {tmp_path}/nova.conf")[1].endswith(": no libvirt")
    write("nova-compute", "echo a; echo GLIBC_2.34 not found; exit 1")
    assert said("service nova-compute ''", "service other ''") == [
        "wrong\tnova-compute --version: a GLIBC_2.34 not found"
    ]
    (tmp_path / "link").symlink_to(program)
    assert said(f"link {tmp_path}/link", f"link {tmp_path}/none", f"link {program}") == [
        f"wrong\t{program} is there, and is no symbolic link"
    ]

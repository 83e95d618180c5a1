"""The way back's care: compute services that leave guests as they are, and messages of before: pure, and the script on
a file of this machine."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from naru.actions.hosts.place import script_text
from naru.errors import InputError, NaruError
from naru.plan import rollback
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.executor import Executor
from naru.plan.journal import Journal
from naru.plan.kinds import Kinds
from naru.plan.model import Plan, Step
from naru.plan.queries import reading
from naru.site.model import Service
from naru.upgrade.back import off, quiet, settle, stale
from naru.upgrade.back.off import Off
from naru.upgrade.back.settle import Differing
from naru.upgrade.window import window
from naru.upgrade.window.window import START

from ..plan import kit

pytestmark = pytest.mark.unit

NOVA_CONF = "[DEFAULT]\nsync_power_state_interval = 300\n[libvirt]\nvirt_type = kvm\n"
LAID = """# naru: guests are left as they are, until: naru upgrade settle
[DEFAULT]
sync_power_state_interval = -1
running_deleted_instance_action = noop
resume_guests_state_on_host_boot = false
# naru: end
"""


def change(verb: str, file: Path) -> str:
    settles = 'set -eu; settle() { mv -fT "$1" "$2"; }; '
    argv = ["sh", "-c", settles + script_text("quiet", "naru.upgrade"), "naru", verb, str(file)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout


def test_lines_come_and_go_and_what_is_around_them_stays(tmp_path: Path) -> None:
    file, link = tmp_path / "nova.conf", tmp_path / "link.conf"
    file.write_text(NOVA_CONF)
    file.chmod(0o640)
    link.symlink_to(file)
    assert change("lay", link) == ""
    assert file.read_text() == NOVA_CONF + LAID and link.is_symlink()
    change("lay", link)  # twice is once
    assert file.read_text() == NOVA_CONF + LAID
    file.write_text(file.read_text() + "[more]\n")  # somebody goes on there
    change("lift", link)
    assert file.read_text() == NOVA_CONF + "[more]\n"
    assert file.stat().st_mode & 0o777 == 0o640 and sorted(tmp_path.iterdir()) == [link, file]
    assert change("lay", tmp_path / "none") == "none\n"


def test_a_file_that_the_next_one_reads_gets_no_lines() -> None:
    def nova(*config: str) -> Service:
        return Service.model_validate(
            {"name": "nova-compute", "hosts": "c", "managed": {"unit": "n"}, "config": list(config)}
        )

    assert quiet.file_of(nova("/etc/nova.conf", "/etc/compute.conf"), [nova("/next/nova.conf")]) == "/etc/compute.conf"
    assert quiet.file_of(nova("/etc/nova.conf"), [nova("/etc/nova.conf")]) == ""
    assert quiet.file_of(nova(), []) == ""
    assert quiet.file_of(nova("/etc/nova.conf"), [nova()]) == ""  # it may read it: nobody has said what it reads


def test_compute_services_are_settled_when_the_way_back_is_over_and_not_beside_it(tmp_path: Path) -> None:
    steps = [
        Step("window", "noop", unit=window.CLOUD, limits=()),
        Step("quiet", "noop", {"host": "c1", "file": "/f"}, window.OLD, (), purpose=quiet.QUIET),
        Step("stop", "noop", unit=window.OLD, limits=(), purpose=window.STOP),
    ]
    upgrade: Any = SimpleNamespace(directory=tmp_path)
    plan = Plan(steps=steps)
    plan.order("quiet", "stop")
    with Journal.create(tmp_path, plan) as journal:

        def refused() -> None:
            with pytest.raises(InputError, match="not rolled back, or not to its end"):
                settle._left(upgrade, journal)

        Executor(journal).run()
        refused()
        rollback.start(journal, units=[window.CLOUD])
        Executor(journal).run()
        refused()
        rollback.start(journal, units=[window.OLD])
        refused()  # in another terminal, or killed: some would start without the lines that keep them from guests
        Executor(journal).run()
        assert settle._left(upgrade, journal) == [("c1", "/f")]


def test_guests_that_are_otherwise_than_nova_has_them_are_told() -> None:
    domains: dict[str, Any] = {
        "c1": {"same": "running", "off": "off", "on": "running", "gone": "running", "stray": "running", "moved": "off"},
        "c2": NaruError("no way"),
    }
    servers = {
        "same": ("c1", "same", "active"),
        "off": ("c1", "off", "active"),
        "on": ("c1", "on", "stopped"),
        "lost": ("c1", "lost", "active"),
        "moved": ("c2", "moved", "active"),
    }
    found = list(settle.judged(domains, servers, {"gone"}))
    assert [(one.server, one.guest, one.nova) for one in found if one.host == "c1"] == [
        ("gone", "running", "deleted"),
        ("lost", "none", "active"),
        ("moved", "off", "active"),
        ("off", "off", "active"),
        ("on", "running", "stopped"),
        ("stray", "running", "unknown"),
    ]
    assert found[0].then == "Nova destroys it" and found[2].then == "Nova has it on c2"
    assert found[-1] == Differing("c2", "", "", "", "", "not known: no way")


def test_what_libvirt_says_of_guests_is_read() -> None:
    assert settle.parsed("a\nb\nc\n\n-\na\n\n-\nb\n\n") == {"a": "running", "b": "off", "c": "paused"}
    assert settle.parsed("\n-\n\n-\n\n") == settle.parsed("-\n-\n") == {}
    assert settle.parsed("a\n-\n-\na\n") == {"a": "off"}


def test_messages_of_the_services_that_go_back_are_removed_and_no_others() -> None:
    bindings = [
        {"source": "nova", "destination": "conductor"},
        {"source": "conductor_fanout", "destination": "conductor_fanout_1"},
        {"source": "nova", "destination": "notifications.info"},
        {"source": "nova", "destination": "billing.info"},
        {"source": "openstack", "destination": "cinder-volume.a@ceph"},  # Cinder names no exchange of its own
        {"source": "openstack", "destination": "manila-share"},
        {"source": "heat", "destination": "engine"},
        {"source": "", "destination": "reply_1"},
    ]
    of_cinder = ("cinder-volume.a@ceph", "cinder-volume.a@ceph_fanout_1")
    names = (
        *("conductor", "conductor_fanout_1", "notifications.info", "billing.info", "engine", "reply_1"),
        *("engine_fanout_1", "manila-share", *of_cinder),
    )
    queues: list[dict[str, Any]] = [{"name": name, "messages_ready": 2} for name in names]
    assert stale.waiting(bindings, queues, ["nova"]) == {"conductor": 2, "conductor_fanout_1": 2}
    assert stale.waiting(bindings, queues, ["cinder"]) == dict.fromkeys(of_cinder, 2)
    # what was sent in the last seconds is not counted yet
    assert stale.waiting(bindings, [{"name": "conductor", "messages_ready": 0}], ["nova"]) == {"conductor": 0}
    assert stale.waiting(bindings, [{"name": "conductor"}], ["nova"]) == {"conductor": 0}


def test_a_next_controller_that_is_off_is_waited_for_until_somebody_says_so(tmp_path: Path) -> None:
    kinds = Kinds()

    @kinds.step("start", args=kit.Free, undo="stop")
    def start(context: Context) -> None: ...

    @kinds.step("stop", args=Undo, no_undo="it is one", retry=())
    def stop(context: Context) -> None:
        if context.undone.args["host"] == "ctl2":
            raise PlanError("ctl2 does not answer")

    steps = [
        Step("dump", "start", {"host": "db1"}, unit=window.CLOUD, limits=()),
        *(
            Step(f"start/n@{host}", "start", {"host": host, "next": True, "unit": "n"}, window.CLOUD, (), purpose=START)
            for host in ("ctl2", "ctl3")
        ),
    ]
    plan = Plan(steps=steps)
    plan.order("dump", "start/n@ctl2")
    plan.order("dump", "start/n@ctl3")

    def go_back(journal: Journal) -> list[str]:
        Executor(journal, kinds).run()
        with reading(journal) as now:
            return [step.id for step in now.steps(states=["undone"])]

    with Journal.create(tmp_path, plan) as journal:
        Executor(journal, kinds).run()
        rollback.start(journal, kinds=kinds)
        assert go_back(journal) == ["start/n@ctl3"]
        assert off.waiting(journal) == ["ctl2"]
        with pytest.raises(InputError, match="--off db1: nothing was to start") as error:
            off.check(journal, ["db1"])
        assert error.value.hint == "These are to come: ctl2, ctl3"
        off.check(journal, ["ctl2"])
        assert off.leave(journal, ["ctl2"]) == [Off("ctl2", 1, ["systemctl disable --now n"])]
        assert go_back(journal) == ["dump", "start/n@ctl2", "start/n@ctl3"]
        assert off.waiting(journal) == []
        assert off.leave(journal, ["ctl2"])[0].steps == 0  # said twice

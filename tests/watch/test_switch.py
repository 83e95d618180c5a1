"""Notifications of a site switched on and off: what is changed in which file, and that each is back as it was."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.actions.hosts import place
from naru.cli.main import main
from naru.errors import InputError
from naru.plan.journal import Journal
from naru.plan.status import status
from naru.site import site as sites
from naru.site.ssh import Fleet
from naru.watch.notifications import address
from naru.watch.switch.ini import changed, value_of, values_of
from naru.watch.switch.work import source

from .test_remote import Server

pytestmark = pytest.mark.unit
URL = "rabbit://openstack:s3cret@q1:5672,openstack:s3cret@q2:5672//openstack"
NOVA = f"""# nova
[DEFAULT]
transport_url = {URL}
debug=false

[oslo_messaging_notifications]
driver = noop
[database]
connection = mysql://nova:s3cret@db/nova
"""
KEYSTONE = "[DEFAULT]\npublic_endpoint = http://k\n  continued\n"
CINDER = f"[DEFAULT]\ntransport_url={URL}\n[oslo_messaging_notifications]\ndriver=log\ndriver=messagingv2\nretry=1\n"


def test_options_are_read_and_changed_and_all_else_stays() -> None:
    text = "x = 0\n[a]\n# k = 1\nk = 2\nk: 3\n  4\n[b]\nk = 5"
    assert values_of(text, "a", "k") == ["2", "3\n4"]
    assert (value_of(text, "b", "k"), value_of(text, "b", "none"), value_of("", "a", "k")) == ("5", "", "")
    assert changed(text, {("a", "k"): "9"}) == "x = 0\n[a]\n# k = 1\nk = 2\nk = 9\n[b]\nk = 5\n"
    assert changed(text, {("a", "new"): "9"}) == "x = 0\n[a]\n# k = 1\nk = 2\nk: 3\n  4\nnew = 9\n[b]\nk = 5\n"
    assert changed(text, {("c", "k"): "9"}).endswith("[b]\nk = 5\n\n[c]\nk = 9\n")
    assert changed(text, {}) == text
    assert changed("", {("c", "k"): "9"}) == "[c]\nk = 9\n"


class Hosts:
    """Two controllers that are this machine, with services that are lines in a file."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.started = directory / "started"
        self.etc = directory / "etc"
        self.etc.mkdir()
        self.files = {name: self.etc / f"{name}.conf" for name in ("nova", "keystone", "cinder")}
        for name, text in (("nova", NOVA), ("keystone", KEYSTONE), ("cinder", CINDER)):
            self.files[name].write_text(text)
            self.files[name].chmod(0o640)
        services = [
            self._service("nova-api", "nova"),
            self._service("nova-conductor", "nova"),
            self._service("keystone", "keystone"),
            self._service("cinder-scheduler", "cinder"),
            {"name": "neutron-server", "hosts": ["c1"], "managed": {"unit": "neutron-server"}},
        ]
        keys = {"key": str(directory / "key"), "known_hosts": str(directory / "known")}
        content = {
            **{"naru_site": 1, "name": "shop", "services": services},
            "login": {"user": "any", "port": port, **keys},
            "hosts": [{"name": "c1", "address": "127.0.0.1"}],
        }
        self.site = directory / "site.yaml"
        self.site.write_text(yaml.safe_dump(content))

    def _service(self, name: str, project: str) -> dict[str, Any]:
        lines = {"stop": "true", "start": f"echo {name} >>{self.started}", "status": "true"}
        return {"name": name, "hosts": ["c1"], "managed": lines, "config": [str(self.files[project])]}

    def look(self) -> dict[str, tuple[str, int]]:
        """Each file's content and mode."""
        return {name: (file.read_text(), file.stat().st_mode & 0o777) for name, file in self.files.items()}

    def restarts(self) -> list[str]:
        """What was started since it was last asked."""
        found = self.started.read_text().split() if self.started.exists() else []
        self.started.unlink(missing_ok=True)
        return found


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosts]:
    if os.getuid():
        pytest.skip("steps on hosts are root's")
    monkeypatch.setattr(place, "ROOT", str(tmp_path / "kept"))
    server = Server(tmp_path)
    yield Hosts(tmp_path, server.port)
    server.stop()


@pytest.fixture
def work(hosts: Hosts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    found = tmp_path / "work"
    assert main(["watch", "notifications", "plan", "--site", str(hosts.site), "--work", str(found)]) == 0
    return found


def test_the_plan_is_read_before_anything_happens(
    hosts: Hosts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = hosts.look()
    work = tmp_path / "work"
    words = ["watch", "notifications", "plan", "--site", str(hosts.site), "--work", str(work), "-f", "json"]
    assert main(words) == 0
    said = capsys.readouterr()
    steps = [one["step"] for one in json.loads(said.out)]
    assert [one for one in steps if one.endswith("restart")] == [
        *("c1/keystone/restart", "c1/nova-conductor/restart", "c1/nova-api/restart")
    ]
    assert "s3cret" not in said.out + said.err
    assert "+transport_url = rabbit://***@q2:5672//openstack" in said.err
    assert "+notification_format = both" in said.err and "-driver = noop" in said.err
    assert "neutron-server: the site does not say where its configuration is" in said.err
    assert "rabbitmqctl set_policy" in said.err
    assert hosts.look() == before and hosts.restarts() == []
    assert b"s3cret" not in (work / "journal.db").read_bytes()
    for file in (work, *work.rglob("*")):
        assert file.stat().st_mode & 0o077 == 0, file


def done(words: list[str], work: Path) -> None:
    """A command that does what was planned."""
    code = main(["-q", "watch", "notifications", *words])
    with Journal.open(work) as journal:
        assert code == 0, [(one.id, one.summary, one.detail) for one in status(journal).failed]


@pytest.mark.releases  # commands on hosts take their time
def test_on_and_off(hosts: Hosts, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = hosts.look()
    done(["on", str(work)], work)
    assert hosts.restarts() == ["keystone", "nova-conductor", "nova-api"]
    now = hosts.look()
    nova, keystone = now["nova"][0], now["keystone"][0]
    assert value_of(nova, address.SECTION, "driver") == "messagingv2"
    assert value_of(nova, address.SECTION, "retry") == "3"
    assert value_of(nova, address.SECTION, "transport_url") == ""  # it has one for all
    assert value_of(nova, "notifications", "notification_format") == "both"
    assert value_of(nova, "database", "connection") == "mysql://nova:s3cret@db/nova"
    assert value_of(keystone, address.SECTION, "transport_url") == URL
    assert keystone.startswith(KEYSTONE)
    assert now["cinder"] == before["cinder"]  # it sends already
    assert {mode for _, mode in now.values()} == {0o640}
    done(["on", str(work)], work)  # again: nothing to do
    assert hosts.restarts() == []
    done(["off", str(work)], work)
    assert hosts.look() == before
    assert sorted(hosts.restarts()) == ["keystone", "nova-api", "nova-conductor"]
    capsys.readouterr()
    assert main(["-q", "watch", "notifications", "on", str(work)]) == 2
    assert "Plan again" in capsys.readouterr().err


@pytest.mark.releases  # commands on hosts take their time
def test_on_when_it_is_on_has_nothing_to_do(hosts: Hosts, work: Path, tmp_path: Path) -> None:
    done(["on", str(work)], work)
    again = ["-q", "watch", "notifications", "plan", "--site", str(hosts.site), "--work", str(tmp_path / "again")]
    assert main(again) == 0
    assert json.loads((tmp_path / "again" / "files.json").read_text()) == []


@pytest.mark.releases  # commands on hosts take their time
def test_what_somebody_changed_since_is_not_overwritten(
    hosts: Hosts, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hosts.files["nova"].write_text(NOVA + "# mine\n")
    assert main(["-q", "watch", "notifications", "on", str(work)]) == 2
    assert "not any more as they were planned" in capsys.readouterr().err
    hosts.files["nova"].write_text(NOVA)
    done(["on", str(work)], work)
    mine = hosts.files["nova"].read_text() + "# mine\n"
    hosts.files["nova"].write_text(mine)
    assert main(["-q", "watch", "notifications", "off", str(work)]) == 2
    assert "changed since" in capsys.readouterr().err
    assert hosts.files["nova"].read_text() == mine
    done(["off", str(work), "--anyway"], work)
    assert hosts.files["nova"].read_text() == NOVA
    (kept,) = (hosts.directory / "kept").rglob("changed")
    assert kept.read_text() == mine


def test_the_source_is_where_the_step_looks(hosts: Hosts, work: Path) -> None:
    file = source(work, "c1", str(hosts.files["nova"]))
    assert "notification_format = both" in file.read_text()
    assert file.parent.name == "c1"


def test_services_that_send_none(hosts: Hosts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["watch", "notifications", "plan", "--site", str(hosts.site), "--work", str(tmp_path / "w")]
    assert main([*words, "--service", "placement"]) == 2
    assert "no such service that sends notifications" in capsys.readouterr().err
    hosts.files["nova"].unlink()
    assert main([*words, "--service", "nova-api"]) == 1
    assert "it is not there, or empty" in capsys.readouterr().err


def test_without_any_message_queue(hosts: Hosts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("nova", "cinder"):
        hosts.files[name].write_text(hosts.files[name].read_text().replace("transport_url", "#transport_url"))
    words = ["watch", "notifications", "plan", "--site", str(hosts.site), "--work", str(tmp_path / "w")]
    assert main([*words, "--service", "keystone"]) == 1
    assert "no service's configuration has a transport_url" in capsys.readouterr().err


def test_the_message_queue_of_a_site(hosts: Hosts) -> None:
    site = sites.load(hosts.site)
    with Fleet(site) as fleet:
        (found,) = address.of_site(site, fleet)
        assert str(found) == "q1:5672,q2:5672 /openstack"
        assert {one.password for one in found.servers} == {"s3cret"}
        for name in ("nova", "cinder"):
            hosts.files[name].write_text("[DEFAULT]\n")
        with pytest.raises(InputError, match="no service's configuration has a transport_url"):
            address.of_site(site, fleet)

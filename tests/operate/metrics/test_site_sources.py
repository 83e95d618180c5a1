"""What is made of what databases, queues, Ceph and power controllers answer; how they are reached is tested with the
site. Here their answers are given."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from naru.errors import InputError, NaruError
from naru.operate.metrics.families import Labels, NothingThere, Samples
from naru.operate.metrics.since import Since
from naru.operate.metrics.sources import ceph, certificates, databases, power, queues
from naru.operate.metrics.sources.known import Known
from naru.site import site as sites
from naru.site.power import Status

pytestmark = pytest.mark.unit
SITE = """
naru_site: 1
name: seoul
power: {user: admin, password: {file: p}}
hosts: [{name: "d[1:3]", power: {address: "10.0.0.[1:3]"}}]
databases: [{name: main, kind: galera, hosts: "d[1:3]", user: naru, password: {file: p}}]
queues: [{name: main, hosts: "d[1:2]", management: {user: naru, password: {file: p}}}]
storage: [{name: rbd, kind: ceph, monitors: "d[1:2]"}]
"""


class Fleet:
    """Hosts whose answers are given by name; an error is raised."""

    def __init__(self, site: Any, answers: dict[str, Any]) -> None:
        self.site, self.answers = site, answers

    def each(self, names: Iterable[str], work: object, check: Callable[[], None]) -> dict[str, Any]:
        check()
        return {name: self.answers[name] for name in names}

    def call(self, work: Coroutine[Any, Any, Any], check: Callable[[], None]) -> Any:
        check()
        return asyncio.run(work)

    def remote(self, name: str) -> Any:
        async def checked(line: str, seconds: float) -> str:
            assert "osd dump" in line
            if isinstance(self.answers[name], NaruError):
                raise self.answers[name]
            return str(self.answers[name])

        return SimpleNamespace(name=name, checked=checked)


def read(tmp_path: Path, source: Any, answers: dict[str, Any]) -> dict[str, dict[Labels, float]]:
    file = tmp_path / "site.yaml"
    file.write_text(SITE)
    site = sites.load(file)
    fleet: Any = Fleet(site, answers)
    samples = Samples()
    source(Known(None, site, fleet, Since(tmp_path)))(samples)
    return samples.values


def galera(**more: str) -> dict[str, str]:
    return {
        **{"wsrep_cluster_state_uuid": "u1", "wsrep_last_committed": "7", "wsrep_cluster_status": "Primary"},
        **{"wsrep_local_state_comment": "Synced", "wsrep_cluster_size": "2", **more},
    }


def test_members_of_galera(tmp_path: Path) -> None:
    answers = {"d1": galera(), "d2": galera(wsrep_local_state_comment="Donor/Desynced"), "d3": NaruError("down")}
    found = read(tmp_path, databases.Reading, answers)
    assert found["naru_database_answers"] == {("main", "d1"): 1, ("main", "d2"): 1, ("main", "d3"): 0}
    assert found["naru_galera_primary"] == {("main", "d1"): 1, ("main", "d2"): 0}
    assert found["naru_galera_info"] == {("main", "d1", "u1"): 1, ("main", "d2", "u1"): 1}
    assert found["naru_galera_seqno"]["main", "d1"] == 7
    assert found["naru_galera_hosts"] == {("main",): 3}


def test_a_password_that_cannot_be_read_says_nothing_of_servers(tmp_path: Path) -> None:
    for source in (databases.Reading, queues.Reading):
        with pytest.raises(InputError, match="no password"):
            read(tmp_path, source, dict.fromkeys(("d1", "d2", "d3"), InputError("no password")))


def test_members_of_a_queue_as_the_one_sees_them_that_sees_most(tmp_path: Path) -> None:
    nodes = [{"name": "rabbit@d1", "running": True, "partitions": []}, {"name": "rabbit@d2", "running": False}]
    parted = [{"name": "rabbit@d1", "running": True, "partitions": ["rabbit@d2"], "mem_alarm": True}]
    overview = {"queue_totals": {"messages": 12}, "object_totals": {"connections": 3}}
    found = read(tmp_path, queues.Reading, {"d1": (nodes, overview), "d2": (parted, {})})
    assert found["naru_rabbitmq_running"] == {("main", "rabbit@d1"): 1, ("main", "rabbit@d2"): 0}
    assert found["naru_rabbitmq_partitions"]["main", "rabbit@d1"] == 1
    assert found["naru_rabbitmq_alarms"]["main", "rabbit@d1"] == 1
    assert found["naru_rabbitmq_messages"] == {("main",): 12}
    found = read(tmp_path, queues.Reading, {"d1": NaruError("down"), "d2": NaruError("down")})
    assert found == {"naru_rabbitmq_answers": {("main", "d1"): 0, ("main", "d2"): 0}}


def test_flags_of_ceph_since_they_were_first_seen(tmp_path: Path) -> None:
    said = 'warning\n{"flags": "noout,sortbitwise,norebalance,purged_snapdirs"}'
    found = read(tmp_path, ceph.Reading, {"d1": NaruError("down"), "d2": said})
    assert found["naru_ceph_flags"] == {("rbd",): 2}
    since = found["naru_ceph_flag_since_timestamp_seconds"]
    assert set(since) == {("rbd", "noout"), ("rbd", "norebalance")}
    again = read(tmp_path, ceph.Reading, {"d1": '{"flags": "noout"}', "d2": ""})
    assert again["naru_ceph_flag_since_timestamp_seconds"] == {("rbd", "noout"): since["rbd", "noout"]}
    found = read(tmp_path, ceph.Reading, {"d1": NaruError("down"), "d2": NaruError("down")})
    assert found == {"naru_ceph_answers": {("rbd",): 0}}, "what does not answer has no flags that are known"
    with pytest.raises(InputError, match="no key"):  # that says nothing of the monitors
        read(tmp_path, ceph.Reading, {"d1": InputError("no key"), "d2": InputError("no key")})


def test_an_endpoint_that_shows_no_certificate_is_told_beside_those_that_do(monkeypatch: pytest.MonkeyPatch) -> None:
    urls = {"identity": "https://a.example:5000", "image": "https://b.example", "network": "http://c.example"}
    cloud: Any = SimpleNamespace(endpoint=lambda service: SimpleNamespace(url=urls.get(service, "")))
    known = Known(cloud, sites.parse({"naru_site": 1, "name": "lab"}, Path("site.yaml")), None, Since(None))

    def ends_at(host: str, port: int) -> float:
        if host.startswith("b"):
            raise OSError("refused")
        return 7.0

    monkeypatch.setattr(certificates, "ends_at", ends_at)
    samples = Samples()
    certificates.Reading(known)(samples)
    assert samples.values == {
        "naru_certificate_answers": {("identity",): 1, ("image",): 0},
        "naru_certificate_ends_timestamp_seconds": {("identity",): 7},
    }


def test_power_controllers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, Any] = {"d1": [Status(on=True)], "d2": NaruError("no answer"), "d3": [Status(on=None)]}

    async def ask(site: object, secrets: object, host: Any) -> Any:
        return answers[host.name]

    monkeypatch.setattr(power, "ask", ask)
    monkeypatch.setattr(Fleet, "secrets", None, raising=False)
    found = read(tmp_path, power.Reading, {})
    assert found["naru_power_answers"] == {("d1",): 1, ("d2",): 0, ("d3",): 1}
    assert found["naru_power_on"] == {("d1",): 1}
    assert set(found["naru_power_answered_timestamp_seconds"]) == {("d1",), ("d3",)}


def test_a_site_without_any_of_them(tmp_path: Path) -> None:
    (tmp_path / "lone.yaml").write_text("naru_site: 1\nname: lone\n")
    known = Known(None, sites.load(tmp_path / "lone.yaml"), None, Since(None))
    for source in (databases, queues, ceph, power):
        with pytest.raises(NothingThere):
            source.Reading(known)(Samples())

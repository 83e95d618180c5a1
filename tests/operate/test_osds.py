"""What Ceph is asked about a host, by whatever name it has it, and whose `noout` is taken away."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.errors import NaruError
from naru.operate import ceph, osds
from naru.operate.drain import beside
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.plan.model import Plan
from naru.plan.queries import StepRow
from naru.site import site as sites
from naru.site.ssh import Ran, Unreachable

pytestmark = pytest.mark.unit


class Ceph:
    """A cluster that answers in place of `ceph`, and the hosts of its monitors. `flags` are those of CRUSH's nodes."""

    def __init__(self) -> None:
        self.buckets = {"compute1": [0], "compute2": [1]}
        self.metadata = [{"id": 0, "hostname": "compute1"}, {"id": 1, "hostname": "compute2"}]
        self.monitors = [{"name": name, "addr": f"10.0.0.{n}:6789/0"} for n, name in enumerate(("a", "b", "c"), 1)]
        self.of_monitors: list[dict[str, Any]] = []
        self.flags: dict[str, list[str]] = {}
        self.whole = "sortbitwise"
        self.code, self.down, self.stuck = 0, False, False
        self.unclean = False
        self.asked: list[str] = []

    def remote(self, name: str) -> Any:
        return self

    def run(self, line: str, seconds: float) -> str:
        return line

    def call(self, line: str) -> Ran:
        if self.down:
            raise Unreachable("no answer")
        if self.stuck:
            raise NaruError("no end of ceph within 60 s")
        words = [*line.partition("-f json ")[2].split(), ""]
        self.asked.append(" ".join(words))
        if words[1] in ("set-group", "unset-group"):
            if self.code == 0:
                for name in words[3:-1]:
                    self.flags[name] = ["noout"] if words[1] == "set-group" else []
            return Ran(self.code, "", "no")
        return Ran(0, json.dumps(self._answer(words)), "")

    def _answer(self, words: list[str]) -> Any:
        hosts = [
            {"id": -n, "type": "host", "name": one, "children": x} for n, (one, x) in enumerate(self.buckets.items(), 2)
        ]
        leaves = [{"id": x, "type": "osd", "status": "up"} for found in self.buckets.values() for x in found]
        names = [one["name"] for one in self.monitors]
        states = [{"state_name": "active+undersized", "count": 2}] if self.unclean else []
        return {
            "osd tree": {"nodes": [*hosts, *leaves]},
            "osd metadata": self.metadata,
            "osd ok-to-stop": {"ok_to_stop": True},
            "osd dump": {"flags": self.whole, "crush_node_flags": self.flags},
            "mon metadata": self.of_monitors,
            "quorum_status": {
                "monmap": {"mons": self.monitors},
                "quorum_names": names,
            },
            "status": {"pgmap": {"pgs_by_state": states}},
        }[" ".join(words[:2]).strip()]


@pytest.fixture
def fake() -> Ceph:
    return Ceph()


@pytest.fixture
def site(tmp_path: Path) -> sites.Site:
    hosts = [{"name": "compute[1:3]", "address": "10.0.0.[1:3]"}]
    storage = [
        {"name": "main", "kind": "ceph", "monitors": ["compute1"], "osds": ["compute1", "compute2"]},
        {"name": "other", "kind": "ceph", "monitors": ["compute2"], "osds": ["compute2"]},
    ]
    file = tmp_path / "site.yaml"
    file.write_text(yaml.safe_dump({"naru_site": 1, "name": "one", "hosts": hosts, "storage": storage}))
    return sites.load(file)


@pytest.fixture
def cluster(fake: Ceph, site: sites.Site) -> ceph.Cluster:
    fleet: Any = fake
    return ceph.Cluster(site, fleet, ceph.storages_of(site, "compute1")[0])


def test_a_host_is_found_by_what_its_osds_say_where_crush_calls_it_otherwise(cluster: ceph.Cluster, fake: Ceph) -> None:
    fake.buckets = {"rack1-ssd": [0], "rack2-ssd": [1]}
    assert cluster.osds("compute1") == {0: True} and cluster.osds("compute2") == {1: True}
    assert cluster.osds("compute3") == {}
    cluster.hold("compute1", on=True)
    assert fake.flags == {"rack1-ssd": ["noout"]} and cluster.is_held("compute1") and not cluster.is_held("compute2")


def test_a_host_whose_osds_ceph_does_not_know_is_not_borne(cluster: ceph.Cluster, fake: Ceph) -> None:
    fake.buckets = {"compute2": [1]}
    fake.metadata = fake.metadata[1:]
    with pytest.raises(NaruError, match="the site has OSDs of main on compute1, and Ceph knows none there"):
        cluster.verdict(["compute1"])
    assert cluster.verdict(["compute2"]).is_right


def test_a_monitor_is_found_by_its_address_or_what_it_says(cluster: ceph.Cluster, fake: Ceph) -> None:
    assert cluster.monitors("compute1", fake.monitors) == {"a"}
    # one of three may go, two may not
    assert cluster.verdict(["compute1"]).is_right
    fake.monitors = fake.monitors[:2]
    assert cluster.verdict(["compute1"]) == (False, "1 of 2 monitors would be left")
    fake.monitors = [{"name": "x", "addr": "192.168.0.1:6789"}, {"name": "y", "addr": "110.0.0.1:6789"}]
    with pytest.raises(NaruError, match="the site has a monitor of main on compute1"):
        cluster.verdict(["compute1"])
    fake.of_monitors = [{"name": "x", "hostname": "compute1.example.org"}]
    assert cluster.verdict(["compute1"]) == (False, "1 of 2 monitors would be left")


@pytest.mark.parametrize(
    ("said", "there"),
    [
        ({"addr": "10.0.0.1:6789/0"}, True),
        ({"public_addrs": {"addrvec": [{"type": "v2", "addr": "10.0.0.1:3300"}]}}, True),
        ({"front_addr": "[v2:10.0.0.1:6800/12,v1:10.0.0.1:6801/12]"}, True),
        ({"addr": "10.0.0.11:6789/0"}, False),
        ({"addr": "110.0.0.1:6789/0"}, False),
        ({"hostname": "10.0.0.1:6789"}, False),
    ],
)
def test_addresses_are_compared_whole(said: dict[str, Any], there: bool) -> None:
    assert ceph.is_at(said, "10.0.0.1") == there
    assert ceph.is_at({"addr": "[v2:[fd00::1]:3300/0]"}, "fd00::1")


def test_all_clusters_of_a_host_are_asked(site: sites.Site) -> None:
    assert [one.name for one in ceph.storages_of(site, "compute2")] == ["main", "other"]
    plan = Plan()
    parts = beside.Beside(plan, "cloud", "compute2", str(site.file), ["main", "other"], "host")
    parts.back("id", parts.off("id", ["compute2"], ""))
    assert [(one.id, one.args["storage"]) for one in plan.steps if "storage" in one.args] == [
        *(("osds-before", "main"), ("osds", "main"), ("osds-before-other", "other"), ("osds-other", "other")),
        *(("osds-back", "main"), ("osds-back-other", "other")),
    ]


def test_where_a_cluster_does_not_answer_one_host_at_a_time_is_tried(
    fake: Ceph, site: sites.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fleet:
        def __init__(self, site: sites.Site) -> None:
            pass

        def __enter__(self) -> Ceph:
            return fake

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(ceph, "Fleet", Fleet)
    fake.monitors += [{"name": "d", "addr": ""}, {"name": "e", "addr": ""}]
    assert ceph.bearable(site, ["compute1", "compute2", "compute3"]) == ["compute1", "compute2", "compute3"]
    fake.down = True
    assert ceph.bearable(site, ["compute1", "compute2", "compute3"]) == ["compute1", "compute3"]


def test_only_what_is_not_known_is_final(cluster: ceph.Cluster, fake: Ceph) -> None:
    fake.code = 11
    with pytest.raises(Transient):
        cluster.hold("compute1", on=True)
    fake.code = ceph.EINVAL
    with pytest.raises(NaruError) as raised:
        cluster.hold("compute1", on=True)
    assert not isinstance(raised.value, Transient) and "Before Octopus" in raised.value.hint
    fake.stuck = True  # a monitor's host on which `ceph` does not end
    with pytest.raises(Transient, match="no host of a monitor"):
        cluster.ask("status")


# -- whose flag it is


ARGS = {"host": "compute1", "site": "", "storage": "main", "before": "before", "together": ["compute1"], "seconds": 0.0}


def step(kind: Any, cluster: ceph.Cluster, monkeypatch: pytest.MonkeyPatch, earlier: Any = None, **results: Any) -> Any:
    monkeypatch.setattr(osds, "cluster", lambda *_: cluster)
    context = Context(n=1, id="s", kind="k", unit="u", args=ARGS, attempt=2, earlier=earlier, reader=lambda _: results)
    return kind(context)


def test_a_flag_that_a_killed_attempt_has_set_is_ours(
    cluster: ceph.Cluster, fake: Ceph, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = step(osds.look, cluster, monkeypatch)
    assert noted == {"held": False}
    fake.flags = {"compute1": ["noout"]}  # and nothing of it came to the journal
    assert step(osds.hold, cluster, monkeypatch, before=noted)["ours"]
    assert not step(osds.hold, cluster, monkeypatch, before={"held": True})["ours"]


def test_a_flag_is_taken_away_once(cluster: ceph.Cluster, fake: Ceph, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.flags, fake.unclean = {"compute1": ["noout"]}, True
    was = {"ours": True, "up": [0], "was_clean": True}
    with pytest.raises(NaruError, match="Ceph is not as it was"):
        step(osds.back, cluster, monkeypatch, before=was)
    assert fake.flags == {"compute1": []}
    fake.flags, fake.unclean = {"compute1": ["noout"]}, False  # by an operator, meanwhile
    assert step(osds.back, cluster, monkeypatch, earlier={"freed": True}, before=was) == {"freed": True, "up": [0]}
    assert fake.flags == {"compute1": ["noout"]}


def row(purpose: str, state: str, args: dict[str, Any], result: Any, id: str = "") -> StepRow:
    raw = {"args": json.dumps(args), "result": None if result is None else json.dumps(result)}
    return StepRow(*(1, id or purpose, "kind", "compute1", None, purpose, "", "", 0.0, state, 1, None, None, None), raw)


@pytest.mark.parametrize(
    ("held", "hold", "back", "ours"),
    [
        (False, {"ours": True, "up": [0]}, None, True),
        (False, None, None, True),  # killed before it said so
        (True, None, None, None),
        (True, {"ours": False, "up": [0]}, None, None),
        (False, {"ours": True, "up": [0]}, ("failed", {"freed": True}), None),  # since then it is somebody else's
        (False, {"ours": True, "up": [0]}, ("failed", None), True),
        (False, {"ours": True, "up": [0]}, ("done", {"freed": True}), None),
    ],
)
def test_what_was_taken_away_is_not_taken_away_again(held: bool, hold: Any, back: Any, ours: Any) -> None:
    begun = [row("osds-before", "done", ARGS, {"held": held}, "before"), row("osds", "failed", ARGS, hold)]
    if back:
        begun.append(row("osds-back", back[0], ARGS, back[1]))
    plan = Plan()
    beside.add_take_back(plan, "compute1", begun, "host", [], wait=False)
    assert [one.args["was"]["ours"] for one in plan.steps] == ([ours] if ours else [])

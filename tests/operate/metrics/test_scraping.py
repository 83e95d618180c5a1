"""What Prometheus and Grafana are given, of a site: proved by promtool, and scraped and asked by a real Prometheus."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.cli.main import main
from naru.errors import NaruError
from naru.listen import Address
from naru.operate.metrics import boards, scraping
from naru.operate.metrics.exporter import Exporter, Settings
from naru.operate.metrics.families import FAMILIES
from naru.operate.metrics.prometheus import Prometheus
from naru.plan.journal import Journal
from naru.plan.model import Plan, Step
from naru.site import site as sites

SITE = """
naru_site: 1
name: seoul
hosts:
  - {name: ctl1, address: 10.0.0.1, rack: r1}
  - {name: "c[1:2]", address: "10.0.1.[1:2]", rack: r2, zone: nova}
services:
  - {name: nova-compute, hosts: "c[1:2]", managed: {unit: nova-compute}}
databases:
  - {name: main, kind: galera, hosts: ctl1, user: naru, password: {file: nowhere}}
queues:
  - {name: main, hosts: ctl1}
load_balancers:
  - {name: api, kind: haproxy, hosts: ctl1, managed: {unit: haproxy}, socket: /run/haproxy.sock}
storage:
  - {name: main, kind: ceph, monitors: ctl1}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.yaml"
    file.write_text(SITE)
    return file


def promtool(*words: object) -> None:
    if not shutil.which("promtool"):
        pytest.skip("promtool is not there: naru lab deps --install")
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.unit
def test_targets_of_a_site(site: Path) -> None:
    settings = scraping.Settings(
        "ops:9795", openstack="ops:9180", ports={"mysqld": 9105}, without=frozenset({"libvirt"})
    )
    found = scraping.targets(sites.load(site), settings)
    ctl1 = {"host": "ctl1", "rack": "r1"}
    assert list(found) == ["naru", "openstack", "node", "mysqld", "rabbitmq", "ceph", "haproxy"]
    assert found["naru"] == [{"targets": ["ops:9795"]}]
    assert found["mysqld"] == [{"targets": ["10.0.0.1:9105"], "labels": ctl1}]
    assert found["node"] == [
        {"targets": ["10.0.0.1:9100"], "labels": ctl1},
        {"targets": ["10.0.1.1:9100"], "labels": {"host": "c1", "rack": "r2", "zone": "nova"}},
        {"targets": ["10.0.1.2:9100"], "labels": {"host": "c2", "rack": "r2", "zone": "nova"}},
    ]


@pytest.mark.unit
def test_the_command_writes_the_same_files_again(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = site.parent / "out"
    words = ["exporter", "config", "--site", str(site), "--out", str(out), "-f", "json"]
    assert main(words) == 0
    rows = {Path(one["file"]).name: one["targets"] for one in json.loads(capsys.readouterr().out)}
    assert (rows["node.json"], rows["libvirt.json"], rows["prometheus.yml"]) == (3, 2, None)
    before = {path: path.read_bytes() for path in out.rglob("*.*")}
    assert main(words) == 0
    assert {path: path.read_bytes() for path in out.rglob("*.*")} == before
    for name in boards.BOARDS:
        assert json.loads((out / "dashboards" / f"{name}.json").read_text())["panels"]


@pytest.mark.unit
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--out", "/dev/null/x"], "/dev/null/x/prometheus.yml cannot be written"),
        (["--out", "x", "--port", "nothing=1"], "there is no job 'nothing'"),
        (["--out", "x", "--port", "node=high"], "--port node=high: give JOB=PORT"),
        (["--out", "x", "--interval", "0"], "--interval is at least 1"),
    ],
)
def test_bad_input(site: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exporter", "config", "--site", str(site), *words]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.unit
def test_panels_lie_side_by_side() -> None:
    for board in boards.all_of_them().values():
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            at = panel["gridPos"]
            cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
            assert not taken & cells, panel["title"]
            assert max(x for x, _ in cells) < 24
            taken |= cells


@pytest.mark.unit
def test_what_rules_and_dashboards_ask_of_us_is_there() -> None:
    """A metric that was renamed would leave an alert that never comes."""
    texts = [expression for _, panels in boards.BOARDS.values() for one in panels for expression, _ in one.queries]
    rules = yaml.safe_load((Path(scraping.__file__).parent / scraping.RULES).read_text())
    texts += [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    own = {f"naru_source_{name}" for name in ("up", "read_timestamp_seconds", "duration_seconds", "interval_seconds")}
    asked = {word for text in texts for word in _words(text) if word.startswith("naru_")}
    assert asked <= own | FAMILIES.keys()


@pytest.mark.unit
def test_every_metric_is_in_the_reference() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"
    told = set(_words(page.read_text()))
    assert told >= FAMILIES.keys()


def _words(text: str) -> list[str]:
    return "".join(sign if sign.isalnum() or sign == "_" else " " for sign in text).split()


def test_promtool_takes_all_of_it(site: Path) -> None:
    out = site.parent / "out"
    scraping.write(sites.load(site), scraping.Settings("127.0.0.1:9795"), out)
    promtool("check", "config", out / "prometheus.yml")
    promtool("test", "rules", Path(__file__).with_name("rules_test.yaml"))


@contextmanager
def prometheus(directory: Path) -> Iterator[Prometheus]:
    """A real one, with the configuration in the directory, on loopback."""
    if not shutil.which("prometheus"):
        pytest.skip("prometheus is not there: naru lab deps --install")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    argv = ["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data"]
    argv += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        with closing(Prometheus(f"http://127.0.0.1:{port}")) as made:
            yield made
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)


def within(seconds: float, ask: Any) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := ask():
                return found
        except NaruError:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.2)


def test_a_real_prometheus_scrapes_it_and_takes_every_expression(site: Path) -> None:
    """Every expression of the dashboards is asked, and what is of our metrics comes through."""
    out, work = site.parent / "out", site.parent / "work"
    Journal.create(work / "drain7", Plan(steps=[Step("one", "noop")])).close()
    (site.parent / "lone.yaml").write_text("naru_site: 1\nname: seoul\n")
    lone = sites.load(site.parent / "lone.yaml")
    settings = Settings(Address("127.0.0.1:0"), directories=[work], newest=[("backup", f"{site}")])
    with closing(Exporter(lone, settings)) as exporter:
        exporter.start()
        scraping.write(lone, scraping.Settings(f"127.0.0.1:{exporter.port}", interval=1), out)
        with prometheus(out) as asked:
            (plan,) = within(60, lambda: asked.query("naru_plan"))
            assert plan["metric"] | {"plan": "drain7", "state": "new", "job": "naru"} == plan["metric"]
            assert [one["metric"]["source"] for one in asked.query("naru_source_up == 1")] == ["files", "plans"]
            assert asked.latest("naru_plans_unreadable") == {(): 0}
            assert asked.trend("naru_plans_unreadable", time.time() - 3600)[()][-1][1] == 0
            for name, (_, panels) in boards.BOARDS.items():
                for panel in panels:
                    for expression, _ in panel.queries:
                        assert asked.query(expression) is not None, (name, panel.title)
            shown = asked.query({one.title: one.queries[0][0] for one in boards.BOARDS["plans"][1]}["Plans"])
            assert [one["metric"]["plan"] for one in shown] == ["drain7"]

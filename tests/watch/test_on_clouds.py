"""The logs of two real clouds, nine years apart: is each record's statement told rightly from its text, and what did
one request leave behind in all services?

The lab's records end with the file and line of their statements, which the matching is not shown and is compared with.
"""

import dataclasses
import json
import re
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.cli.main import main
from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.watch import statements
from naru.watch.formats import KNOWN, Configured, fitting
from naru.watch.group import HOLE
from naru.watch.match import Matcher, module_of
from naru.watch.records import Record, read
from naru.watch.statements import ANY

from ..lab import scenario
from ..lab.scenario import Rest, connect, wait
from .test_records import OWN

pytestmark = pytest.mark.lab
CLOUDS = ("old", "new")


class Logs:
    """A cloud's logs, its statements, and a request that failed: its ids as Nova answered and as it was sent."""

    def __init__(self, lab: Lab, cloud: Cloud) -> None:
        self.cloud = cloud
        self.files = sorted(cloud.processes.log.glob("*.log"))
        self.code = statements.of_environment(cloud.venv)
        self.matcher = Matcher(self.code.statements)
        self.sent = f"req-{uuid.uuid4()}"
        self.answered = _mistakes(Rest(connect(lab, cloud.name)), self.sent)

    def records(self) -> Iterator[Record]:
        """All that Python code printed."""
        formats = (Configured(OWN), *KNOWN)
        for file in self.files:
            lines = file.read_bytes().decode("latin-1").split("\n")
            form = fitting(lines[:400], formats)
            if form is not None and form.python:
                yield from read(lines, 0, form, last=True).records


def _mistakes(rest: Rest, sent: str) -> str:
    """What goes wrong in the services, and is removed again; the request id of a boot on a host that does not exist."""
    nova = {"service_type": "compute", "interface": "public"}
    call = {"endpoint_filter": nova, "raise_exc": False}
    with scenario.image(rest) as made:
        boot = {
            **{"name": "nowhere", "flavorRef": scenario.flavor(rest), "imageRef": made, "networks": "none"},
            "availability_zone": "nova:nohost",
        }
        answer = rest.session.request(
            *("/servers", "POST"),
            json={"server": boot},
            headers={"X-OpenStack-Request-ID": sent},
            microversion="2.37",
            **call,
        )
        server = answer.json()["server"]["id"]
        wait("the boot has failed", lambda: rest("compute", "GET", f"/servers/{server}")["server"]["status"] == "ERROR")
        rest("compute", "DELETE", f"/servers/{server}")
        rest.gone("compute", f"/servers/{server}")
    for host in rest("compute", "GET", "/os-hypervisors")["hypervisors"]:
        rest.session.request(f"/os-hypervisors/{host['id']}/uptime", "GET", **call)
    for service, path in (("compute", "/servers"), ("volumev3", "/volumes"), ("network", "/v2.0/networks")):
        rest.session.request(
            *(path, "GET"),
            headers={"X-Auth-Token": "gAAAAAnonsense"},
            authenticated=False,
            endpoint_filter={"service_type": service, "interface": "public"},
            endpoint_override=rest.session.get_endpoint(service_type=service, interface="public"),
            raise_exc=False,
        )
    time.sleep(1)
    return str(answer.headers["x-openstack-request-id"])


@pytest.fixture(scope="module", params=CLOUDS)
def logs(pair: Lab, request: pytest.FixtureRequest) -> Logs:
    return Logs(pair, pair.cloud(request.param))


def test_statements_are_told_from_texts(logs: Logs) -> None:
    """At most 0.5 % of warnings and errors are put on a statement that did not print them. Where a module prints by the
    logger of another one that has a statement of the same words, no text tells the two apart: at most 2 % are so."""
    judged, alike, how, wrong = 0, 0, Counter[str](), []
    for record in logs.records():
        if not record.pathname:
            continue
        module = module_of(record.pathname)
        found = logs.matcher.match(dataclasses.replace(record, pathname="", line=0, template=None))
        how[found.how] += 1
        # a deprecation is put to who reports it, not to oslo.log's code that prints it; so are Python's warnings
        if found.how == "warning" or module == "oslo_log.versionutils":
            continue
        judged += 1
        printed = {(one.module, one.text) for one in logs.matcher.at(module, record.line)}
        if found.statement is None or (found.module, found.text) in printed:
            continue
        if found.module == record.logger and found.text in {text for _, text in printed}:
            alike += 1
        else:
            wrong.append((record.logger, record.message[:100], found.how, found.text, module, record.line))
    print(logs.cloud.name, judged, alike, dict(how), wrong)
    assert judged >= 20
    assert len(wrong) <= judged * 0.005 and alike <= judged * 0.02, (wrong, alike)
    assert how["none"] == 0


def test_another_releases_code_is_told(pair: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Records of the new cloud, by the old cloud's code: the watch says that it is in doubt, and does not guess."""
    words = _words(pair.cloud("new"), tmp_path / "watch", pair.cloud("old").venv)
    assert main(words) == 1
    assert "printed by no known statement" in capsys.readouterr().err


def _words(cloud: Cloud, work: Path, venv: Path) -> list[str]:
    formats = [word for one in OWN for word in ("--log-format", one)]
    files = str(cloud.processes.log / "*.log")
    return ["-q", "watch", "run", str(work), "--files", files, "--venv", str(venv), *formats, "--once", "-f", "json"]


def test_a_request_is_read_in_all_services(logs: Logs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the id that Nova answered and by the one that it was sent: exactly the records in whose context they are."""
    work = tmp_path / "watch"
    assert main(_words(logs.cloud, work, logs.cloud.venv)) in (0, 1)
    read = json.loads(capsys.readouterr().out)
    assert read["share_without_statement"] < 0.05
    ways = []
    for identity in (logs.answered, logs.sent):
        assert main(["watch", "request", str(work), identity, "-f", "json"]) == 0
        ways.append(json.loads(capsys.readouterr().out))
    by_id = [
        {(one["time"], one["program"], one["message"]) for one in way if "server" not in one["reason"]} for way in ways
    ]
    assert by_id[0] == by_id[1]
    programs = {program for _, program, _ in by_id[0]}
    assert {"nova-api", "nova-conductor"} <= programs
    context = [
        (file.stem, line.split(" [")[0])
        for file in logs.files
        for line in file.read_text(errors="replace").splitlines()
        if logs.answered in line.partition("] ")[0] or logs.sent in line.partition("] ")[0]
    ]
    assert Counter(program for program, _ in context) == Counter(program for _, program, _ in by_id[0])
    assert main(["watch", "groups", str(work), "--state", "all", "-f", "json"]) == 0
    groups = json.loads(capsys.readouterr().out)
    uptime = [one for one in groups if "NotImplementedError" in one["what"]]
    assert uptime
    assert all(one["where"].startswith("nova/virt/driver.py:get_host_uptime") for one in uptime)
    assert "gAAAAA" not in (work / "watch.db").read_bytes().decode("latin-1")


def test_an_upgrade_does_not_make_everything_new(pair: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The old cloud's logs a day before, then those of the new one under the same names, with its code: what is muted
    stays muted under its new key, and what is told as new says whether its code is."""
    old, new = (Logs(pair, pair.cloud(name)) for name in CLOUDS)
    log, work = tmp_path / "log", str(tmp_path / "watch")
    log.mkdir()
    formats = [word for one in OWN for word in ("--log-format", one)]
    words = ["watch", "run", work, "--files", str(log / "*.log"), *formats, "--once", "-f", "json"]
    now = time.time()
    yesterday = time.strftime("%Y-%m-%d", time.localtime(now - 86400))
    for file in old.files:
        text = file.read_text(errors="replace")
        (log / file.name).write_text(re.sub(r"(?m)^\d{4}-\d\d-\d\d(?= \d\d:)", yesterday, text))
    assert main([*words, "--venv", str(old.cloud.venv)]) in (0, 1)

    def asked(*given: str) -> list[dict[str, Any]]:
        capsys.readouterr()
        assert main(["watch", given[0], work, *given[1:], "-f", "json"]) == 0
        return list(json.loads(capsys.readouterr().out))

    before = asked("groups", "--state", "all", "--since", "30d")
    uptime = next(one["group"] for one in before if "NotImplementedError" in one["what"])
    assert main(["watch", "mute", work, uptime, "--reason", "fake hosts have none"]) == 0
    midnight = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now - 43200))
    assert main(["watch", "change", "begin", work, "--what", "Pike to the newest", "--at", midnight]) == 0
    assert main(["watch", "change", "end", work, "--at", midnight, "--venv", str(new.cloud.venv)]) == 0
    for file in old.files:
        (log / file.name).rename(log / f"{file.name}.1")
    for file in new.files:
        (log / file.name).write_bytes(file.read_bytes())
    capsys.readouterr()
    assert main(words) in (0, 1)
    told = [one for one in capsys.readouterr().err.splitlines() if not one.startswith("naru:")]
    found = asked("changes", "--change", "1")
    kinds = Counter(one["kind"] for one in found)
    print(dict(kinds), *told, *(one for one in found if one["kind"] == "carried over"), sep="\n")
    carried = {one["mapped_from"]: one for one in found if one["kind"] == "carried over"}
    # under its key of before, or under that which the new code gives it
    after = [one for one in asked("groups", "--state", "all") if "NotImplementedError" in one["what"]]
    assert after and {one["state"] for one in after} == {"muted"}, (uptime, after)
    assert all(told)  # one line each, however many a statement has
    assert not [one for one in told if one.split()[0] in {each["group"] for each in carried.values()}]
    assert all("since Pike to the newest" in one for one in told)
    code = {(one.module, one.text) for one in old.code.statements}
    for one in asked("changes", "--change", "1", "--kind", "new code"):
        assert not [text for module, text in code if text.replace(ANY, HOLE) == one["what"] and module == one["where"]]

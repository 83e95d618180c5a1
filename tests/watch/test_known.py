"""Known bugs of hotsos' form: what is simple is read and found; versions decide; the rest is left alone."""

from pathlib import Path

import pytest

from naru.errors import InputError
from naru.watch.alerts.known import load, versions
from naru.watch.store import Example

pytestmark = pytest.mark.unit

HEAD = r"([\d-]+) [\d:]+\.\d{3} .+"
FILES = {
    "nova/lp1000001.yaml": rf"""
checks:
  lines:
    input:
      path: var/log/nova/nova-compute.log
    expr: '{HEAD}NotImplementedError: no vif type'
    hint: NotImplementedError
  deployed:
    apt:
      nova-common:
        - min: 2:20.0.0
          max: 2:20.6.0-0ubuntu0
        - min: 2:21.0.0
          lt: 2:21.1.2-0ubuntu1
conclusions:
  bug:
    decision: [lines, deployed]
    raises:
      type: LaunchpadBug
      bug-id: 1000001
      message: >-
        Known to occur with {{package}},
        cured by a newer one.
""",
    "oslo/lp1000002.yaml": """
vars: {said: '.*cannot switch to a different thread'}
checks:
  cured: {apt: {python3-oslo.messaging: [{min: 12.13.0-0ubuntu1.2}]}}
  nova: {input: var/log/nova/*.log, search: {expr: $said}}
conclusions:
  bug:
    decision: {and: [{not: cured}, nova]}
    raises: {type: LaunchpadBug, bug-id: 1000002, message: threads}
""",
    "other.yaml": """
checks:
  running: {systemd: neutron-server}
  lines: {input: var/log/neutron/neutron-server.log, expr: '.+ValueError'}
  code: {property: hotsos.core.Thing.value}
conclusions:
  one:
    decision: [running, lines]
    raises: {type: LaunchpadBug, bug-id: 1000003, message: needs systemd}
  two:
    decision: [code, lines]
    raises: {type: LaunchpadBug, bug-id: 1000004, message: needs code}
  three:
    decision: lines
    raises: {type: OpenstackWarning, message: no bug}
  four:
    decision: {or: [lines, running]}
    raises: {type: LaunchpadBug, bug-id: 1000005, message: either}
""",
    "broken.yaml": "checks: [",
}
TRACE = "Traceback (most recent call last):\nNotImplementedError: no vif type"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def example(message: str, traceback: str = "") -> Example:
    body = {"time": "2026-10-05 14:42:27.282", "pid": "7", "level": "ERROR", "logger": "nova.compute.manager"}
    return Example(0.0, "h1", 0, {**body, "message": message, "traceback": traceback})


def test_what_is_read(files: Path) -> None:
    known = load(files, {})
    assert [one.number for one in known.bugs] == [1000001, 1000002]
    assert known.others == 3
    assert len(known.refused) == 1 and "broken.yaml" in known.refused[0]


@pytest.mark.parametrize(
    ("nova", "found"),
    [
        ("20.0.0", True),
        ("20.6.0", True),
        ("20.6.1", False),
        ("21.1.1", True),
        ("21.1.2", True),  # the distribution's revision is what cures it
        ("21.2.0", False),
        ("19.9.9", False),
        ("nonsense", False),
    ],
)
def test_versions_decide(files: Path, nova: str, found: bool) -> None:
    """Scenario 46: with another version nothing is shown."""
    known = load(files, {"nova": nova})
    shown = known.of("nova-compute", [example("failed", TRACE)])
    assert [one["bug"] for one in shown] == ([1000001] if found else [])


def test_what_is_shown(files: Path) -> None:
    (bug,) = load(files, {}).of("nova-compute", [example("failed", TRACE)])
    assert bug == {
        "bug": 1000001,
        "url": "https://bugs.launchpad.net/bugs/1000001",
        "message": "Known to occur with …, cured by a newer one.",
        "versions": "which version is deployed is not known",
    }


def test_another_program_or_text(files: Path) -> None:
    known = load(files, {})
    assert known.of("nova-api", [example("failed", TRACE)]) == []
    assert known.of("nova-compute", [example("failed", TRACE.replace("vif", "VIF"))]) == []
    assert known.of("nova-compute", []) == []


def test_what_is_cured_and_any_file_of_a_service(files: Path) -> None:
    said = [example("greenlet.error: cannot switch to a different thread")]
    for version, found in (("12.12.0", True), ("12.13.0", True), ("12.13.1", False)):
        known = load(files, {"oslo-messaging": version})
        assert bool(known.of("nova-conductor", said)) == found
        assert known.of("neutron-server", said) == []


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such directory"):
        load(tmp_path / "none", {})
    with pytest.raises(InputError, match="no bug is in its 0 files"):
        load(tmp_path, {})


def test_the_deployed_versions(tmp_path: Path) -> None:
    for environment, nova in (("a", "20.0.0"), ("b", "21.0.0")):
        for name, version in (("nova", nova), ("oslo.messaging", "12.0.0")):
            about = tmp_path / environment / "lib/python3.11/site-packages" / f"{name}-{version}.dist-info" / "METADATA"
            about.parent.mkdir(parents=True)
            about.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    assert versions([str(tmp_path / "a")]) == {"nova": "20.0.0", "oslo-messaging": "12.0.0"}
    assert versions([str(tmp_path / "a"), str(tmp_path / "b")]) == {"oslo-messaging": "12.0.0"}

"""Findings as people read them: what says the same is said once, with what it is about."""

import pytest

from naru.cli.base import print_findings
from naru.messages import Message, message, say
from naru.plan.findings import grouped
from naru.plan.model import Finding

pytestmark = pytest.mark.unit

THING = message("test.findings.thing", en="{kind:kind} {name}", ko="{kind:kind} {name}")
LEFT = message("test.findings.left", en="{thing} is not moved: {why}", ko="{thing}: {why}")
GONE = message("test.findings.gone", en="project {project} is not there", ko="{project} 없음")
OLD = message("test.findings.old", en="it is too old", ko="오래됨")
SLOW = message("test.findings.slow", en="{name} takes {seconds:duration}", ko="{name}: {seconds:duration}")
MEND = message("test.findings.mend", en="mend {name}", ko="{name} 수정")


def left(kind: str, name: str, why: Message) -> Message:
    return LEFT(thing=THING(kind=kind, name=name), why=why)


def test_one_kind_is_one_sentence_and_what_differs_is_what_it_is_about() -> None:
    findings = [
        Finding("info", SLOW(name="a", seconds=90)),
        Finding("warning", left("image", "debian", GONE(project="p")), hint=MEND(name="debian")),
        Finding("warning", left("image", "fedora", GONE(project="q")), hint=MEND(name="fedora")),
        Finding("warning", left("image", "centos", OLD())),
        Finding("warning", left("flavor", "m1", GONE(project="p"))),
        Finding("error", "full"),
        Finding("info", SLOW(name="b", seconds=5)),
    ]
    groups = [
        (group.severity, say(group.summary), [say(name) for name in group.names], say(group.hint))
        for group in grouped(findings)
    ]
    assert groups == [
        ("error", "full", [], ""),
        ("warning", "image … is not moved: project … is not there", ["debian (p)", "fedora (q)"], "mend …"),
        ("warning", "image centos is not moved: it is too old", [], ""),
        ("warning", "flavor m1 is not moved: project p is not there", [], ""),
        ("info", "… takes …", ["a (1 min 30 s)", "b (5.0 s)"], ""),
    ]
    slow = grouped(findings)[-1]
    assert say(slow.summary, "ko") == "…: …" and say(slow.names[0], "ko") == "a (1분 30초)"


def test_sentences_that_name_nothing_have_the_names_of_what_they_are_about() -> None:
    findings = [Finding("info", "slow", about=f"id-{number}") for number in range(3)]
    (group,) = grouped(findings, {"id-0": "web", "id-2": "db"})
    assert group.names == ["web", "db"] and len(group.findings) == 3 and group.summary == "slow"


def test_what_each_says_beside_the_sentence_is_kept() -> None:
    findings = [Finding("info", SLOW(name="a", seconds=1), "busy", "wait"), Finding("info", SLOW(name="b", seconds=1))]
    (group,) = grouped(findings)
    assert (group.detail, group.hint) == ("", "")
    assert [(one.name, one.detail, one.hint) for one in group.findings] == [("a", "busy", "wait"), ("b", "", "")]


def test_a_message_of_another_version_is_what_was_written() -> None:
    gone = [Finding("info", Message("gone", {"a": number}, written="it was so")) for number in range(2)]
    (group,) = grouped(gone)
    assert say(group.summary) == "it was so" and len(group.findings) == 2


def test_printed_once_with_some_names_and_with_all(capsys: pytest.CaptureFixture[str]) -> None:
    findings = [
        Finding("warning", left("image", f"i{number}", OLD()), f"d{number}", "the hint") for number in range(20)
    ]
    print_findings(findings)
    assert capsys.readouterr().err.splitlines() == [
        "warning: image … is not moved: it is too old (20 times)",
        "      i0, i1, i2, i3, i4, and 15 more; -v says all of it",
        "      the hint",
    ]
    print_findings(findings, every=True)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 42 and told[1:3] == ["      - i0", "        d0"]
    print_findings(findings[:1])
    assert capsys.readouterr().err.splitlines() == [
        "warning: image i0 is not moved: it is too old",
        "      d0",
        "      the hint",
    ]

"""Lines to records: traces joined, other processes' lines between, what is no record, formats of sites and others."""

import json

import pytest

from naru.errors import InputError
from naru.watch.formats import FOREIGN, KNOWN, OSLO, Configured, fitting
from naru.watch.records import Chunk, read
from naru.watch.tracebacks import raised

from .lines import FRAMES, GLOBAL, REQUEST, TIME, line, traceback

pytestmark = pytest.mark.unit


def whole(lines: list[str], form=OSLO) -> Chunk:
    return read(lines, 0, form, last=True)


def test_a_traceback_is_part_of_its_record_whatever_its_length() -> None:
    lines = [line("spawn failed"), *traceback(*FRAMES * 30), line("fine", "INFO")]
    (record,) = whole(lines).records
    assert record.message == "spawn failed"
    assert len(record.traceback) == 1 + 5 * 30
    assert raised("\n".join(record.traceback)) == ("NovaException", "nova/compute/manager.py:spawn")


def test_traces_of_two_processes_between_each_other() -> None:
    one, other = traceback(*FRAMES, pid=1), traceback("ValueError: x", pid=2)
    mixed = [line("a", pid=1), line("b", pid=2), one[0], other[0], *one[1:3], other[1], *one[3:]]
    first, second = whole(mixed).records
    assert (len(first.traceback), len(second.traceback)) == (6, 2)


def test_levels_are_the_records_own() -> None:
    """The word ERROR before a traceback's lines says nothing of the record's level; one below WARNING is not kept."""
    lines = [line("hm", "WARNING"), *traceback(*FRAMES), line("well", "INFO")]
    lines += [line("well", "DEBUG", pid=9), *traceback(*FRAMES, pid=9)]
    chunk = whole(lines)
    assert [(one.level, len(one.traceback)) for one in chunk.records] == [("WARNING", 6)]


def test_lines_without_a_head_belong_to_the_record_before() -> None:
    lines = ["Starting up", line("one\ntwo").partition("\n")[0], "two", line("next")]
    chunk = whole(lines)
    assert [one.message for one in chunk.records] == ["one\ntwo", "next"]
    assert chunk.unread == 0


@pytest.mark.parametrize(
    ("context", "found"),
    [
        (f"{REQUEST} u1 p1 - - -", ("", REQUEST, "u1", "p1")),
        (f"{GLOBAL} {REQUEST} u1 p1 - - d d", (GLOBAL, REQUEST, "u1", "p1")),
        (f"None {REQUEST} - - - - - -", ("", REQUEST, "", "")),
        (f"{REQUEST[4:]} u1 p1 - - -", ("", REQUEST[4:], "u1", "p1")),
        ("-", ("", "", "", "")),
        ("None None - - - - - -", ("", "", "", "")),
    ],
)
def test_contexts_of_all_releases(context: str, found: tuple[str, ...]) -> None:
    (record,) = whole([line("[instance: i1] gone", context=context)]).records
    assert (record.global_id, record.request_id, record.user, record.project) == found
    assert (record.instance, record.message) == ("i1", "gone")


def test_what_may_go_on_is_held_back() -> None:
    lines = [line("a"), line("b"), *traceback("ValueError: x")]
    chunk = read(lines, 100, OSLO)
    assert [one.place for one in chunk.records] == [100]
    assert chunk.held == 100 + len(lines[0]) + 1
    assert chunk.heads == 1


def test_json() -> None:
    said = {
        **{"message": "no room on h1", "msg": "no room on %s", "asctime": TIME, "levelname": "ERROR", "process": 7},
        **{"name": "nova.compute.manager", "pathname": "/v/nova/compute/manager.py", "lineno": 10},
        **{"traceback": ["Traceback (most recent call last):\n", *(f"{one}\n" for one in FRAMES)]},
        **{"context": {"request_id": REQUEST, "user_id": "u1"}, "extra": {"instance_uuid": "i1"}},
    }
    (record,) = whole([json.dumps(said)]).records
    assert (record.message, record.template, record.line) == ("no room on h1", "no room on %s", 10)
    assert (record.request_id, record.user, record.instance) == (REQUEST, "u1", "i1")
    assert raised("\n".join(record.traceback)) == ("NovaException", "nova/compute/manager.py:spawn")


STRING = (
    "%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [{}] %(instance)s%(message)s @@%(pathname)s:%(lineno)d"
)
OWN = [STRING.format("%(global_request_id)s %(request_id)s %(user_identity)s"), STRING.format("-")]


def test_a_sites_own_format() -> None:
    """With its file and line, also behind a message of several lines, and before what oslo.log appends."""
    form = Configured(OWN)
    lines = [
        *line("two\nlines @@/v/nova/compute/manager.py:12", context=f"None {REQUEST} u p - - -").split("\n"),
        *traceback(*FRAMES),
        line("gone @@/v/nova/x.py:3: ValueError: 'a'", context="-"),
    ]
    first, second = whole(lines, form).records
    assert (first.message, first.pathname, first.line) == ("two\nlines", "/v/nova/compute/manager.py", 12)
    assert (first.request_id, first.global_id, len(first.traceback)) == (REQUEST, "", 6)
    assert (second.message, second.line, second.summary) == ("gone", 3, "ValueError: 'a'")


@pytest.mark.parametrize("text", ["%(asctime)s %(name)s", "%(name)s %(name)s %(message)s"])
def test_a_format_that_is_none(text: str) -> None:
    with pytest.raises(InputError, match="--log-format"):
        Configured([text])


@pytest.mark.parametrize(
    ("name", "text", "level"),
    [
        ("mariadb", "2026-11-30  8:42:23 95 [Warning] Aborted connection 95", "WARNING"),
        ("rabbitmq", "2026-11-30 14:41:32.529741+00:00 [error] <0.44.0> closing", "ERROR"),
        ("ceph", "2026-11-30T14:41:22.880+0000 7f8a59ffb6c0 -1 osd.0 down", "ERROR"),
        ("openvswitch", "2026-11-30T14:41:22.880Z|00012|bridge|WARN|no such port", "WARNING"),
        ("libvirt", "2026-11-30 14:41:22.880+0000: 123: error : virNetSocketReadWire:1832 : End of file", "ERROR"),
    ],
)
def test_other_programs(name: str, text: str, level: str) -> None:
    form = fitting([text], KNOWN)
    assert form in FOREIGN
    assert form.name == name
    (record,) = whole([text], form).records
    assert (record.level, record.python) == (level, False)


def test_a_changed_format_is_not_silence() -> None:
    lines = [line("a"), *[f"2026-11-30 14:42:27,282 [nova] ERROR b {number}" for number in range(9)]]
    assert whole(lines).unread == 9


def test_json_has_all_characters() -> None:
    """Lines are bytes as characters until a record is whole; what JSON escapes is none of them."""
    said = {"message": "오류: é", "levelname": "ERROR", "name": "nova.x", "traceback": "ValueError: 값"}
    for text in (json.dumps(said), json.dumps(said, ensure_ascii=False)):
        (record,) = whole([text.encode().decode("latin-1")]).records
        assert (record.message, record.traceback) == ("오류: é", ["ValueError: 값"])

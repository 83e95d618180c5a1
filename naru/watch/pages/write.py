"""The page, as blocks, written as HTML and Markdown in each language."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from naru.messages import LANGUAGES, Text
from naru.report import page
from naru.report.blocks import BAD, Block, Code, Figure, Figures, Heading, Paragraph, Said, Table, code
from naru.report.directory import write_directory
from naru.text import utc
from naru.watch.change.differences import Difference
from naru.watch.hide import hidden
from naru.watch.pages import words
from naru.watch.pages.facts import Detail, Facts, Request
from naru.watch.pages.rates import Row, picture
from naru.watch.phases import what
from naru.watch.request import Joined
from naru.watch.store import Example

STEM = "errors"
RECORDS = 40
"""Records of a request that are listed."""
LISTED = 200
"""Groups, and differences, that are listed."""
_LONGEST = 200


def write(facts: Facts, directory: Path, languages: Sequence[str] = LANGUAGES) -> list[Path]:
    """Writes the page into the directory, in place of an earlier one; gives its files. Raises InputError for a
    directory with something else in it, or a language that there are no texts in."""
    page.check_languages(languages)
    wanted = tuple(dict.fromkeys(languages))
    blocks = list(_page(facts))
    files = [file for one in wanted for file in page.files(STEM, one, wanted, blocks)]
    written = write_directory(files, directory, marker=f"{STEM}.{wanted[0]}.md")
    return sorted(written.iterdir())


def _page(facts: Facts) -> Iterator[Block]:
    yield Heading(1, words.TITLE(name=facts.name))
    yield _figures(facts)
    begin, end = facts.period
    yield Paragraph(words.PERIOD(begin=utc(begin), end=utc(end), read=utc(facts.read)))
    if facts.doubts:
        yield Paragraph(words.IN_DOUBT(), tone="bad")
    yield Heading(2, words.GROUPS())
    if not facts.groups:
        yield Paragraph(words.NONE())
    else:
        rows = [Row(_said(one), f"{one['key']} {_said(one)}", facts.minutes[one["key"]]) for one in facts.groups]
        moments = [one.begun for one in facts.every_change]
        yield picture(words.RATE_TITLE(), rows, facts.period, moments)
        yield _groups(facts)
    if facts.changes:
        yield Heading(2, words.CHANGES())
        for change, found in facts.changes:
            end_text = utc(change.ended) if change.ended is not None else words.GOES_ON()
            yield Heading(3, words.CHANGE(what=change.what, begin=utc(change.begun), end=end_text))
            yield _differences(found) if found else Paragraph(words.NO_CHANGE())
    if facts.details:
        yield Heading(2, words.EACH())
        if facts.wanted > len(facts.details):
            shown = len(facts.details)
            yield Paragraph(words.MORE_GROUPS(shown=shown, more=facts.wanted - shown))
        for one in facts.details:
            yield from _detail(one, facts, moments)
    yield Heading(2, words.ITSELF())
    yield _health(facts)


def _said(group: dict[str, Any]) -> str:
    return f"{group['binary']}: {_short(group['what'])}"


def _short(text: str) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _figures(facts: Facts) -> Figures:
    def of(state: str) -> int:
        return sum(one["state"] == state for one in facts.groups)

    numbers = {
        **{"groups": len(facts.groups), "new": of("new"), "escalating": of("escalating"), "regressed": of("regressed")},
        **{"muted": of("muted"), "records": sum(one["count"] for one in facts.groups)},
        **{"hour": sum(one["hour"] for one in facts.groups), "doubts": len(facts.doubts)},
    }
    bad = {"new", "escalating", "regressed", "doubts"}
    return Figures(
        tuple(Figure(words.FIGURES[name](), words.NUMBER(n=n), name in bad and n > 0) for name, n in numbers.items())
    )


def _table(heads: Sequence[str], rows: Sequence[tuple[Said, ...]]) -> Table:
    return Table(tuple(words.HEADS[one]() for one in heads), tuple(rows))


def _state(group: dict[str, Any]) -> Text:
    state = words.STATES[str(group["state"])]()
    until = group["muted_until"]
    if group["state"] == "muted" and isinstance(until, float):
        return words.UNTIL(state=state, until=utc(until))
    return state


def _kind(group: dict[str, Any]) -> Text:
    made = words.CLASSES.get(str(group["class"]))
    return made() if made else str(group["class"])


def _groups(facts: Facts) -> Table:
    heads = ("group", "what", "where", "state", "count", "hour", "last")
    rows: list[tuple[Said, ...]] = [
        (
            *(code(one["key"]), _said(one), code(one["where"]), words.OF(state=_state(one), kind=_kind(one))),
            *(words.NUMBER(n=one["count"]), words.NUMBER(n=one["hour"]), utc(one["last"])),
        )
        for one in facts.groups[:LISTED]
    ]
    return _table(heads, rows)


def _differences(found: Sequence[Difference]) -> Table:
    def rate(number: float | None) -> str:
        return "" if number is None else f"{number:,.1f}"

    rows: list[tuple[Said, ...]] = [
        (
            *(words.KINDS[one.kind](), code(one.group["key"]), _said({**one.group, "what": what(one.group)})),
            *(rate(one.before), rate(one.after)),
        )
        for one in found[:LISTED]
    ]
    return _table(("kind", "group", "what", "before", "after"), rows)


def _detail(one: Detail, facts: Facts, moments: Sequence[float]) -> Iterator[Block]:
    group = one.group
    yield Heading(3, _said(group))
    facts_of: list[tuple[Said, ...]] = [
        (words.HEADS["group"](), code(group["key"])),
        (words.HEADS["state"](), _state(group)),
        (words.HEADS["class"](), _kind(group)),
        (words.HEADS["level"](), group["level"]),
        (words.HEADS["where"](), code(group["where"])),
        (words.HEADS["count"](), words.NUMBER(n=group["count"])),
        (words.HEADS["first"](), utc(group["first"])),
        (words.HEADS["last"](), utc(group["last"])),
    ]
    if one.came_with is not None:
        kind, change = one.came_with
        facts_of.append((words.HEADS["since"](), words.CAME_WITH(kind=words.KINDS[kind](), what=change.what)))
    yield Table(("", ""), tuple(facts_of))
    rows = [Row(host, host, minutes) for host, minutes in one.hosts.items()]
    if rows:
        yield picture(words.HOSTS_TITLE(), rows[:5], facts.period, moments)
    last = one.examples[-1:]
    for example in [*one.examples[:1], *last] if one.examples[:1] != last else last:
        yield from _example(example)
    if one.request is not None:
        yield from _request(one.request)


def _example(one: Example) -> Iterator[Block]:
    names = ("request", "global_request", "user", "project", "instance")
    context = " ".join(f"{name}={one.body[name]}" for name in names if one.body.get(name))
    yield Paragraph(words.EXAMPLE(time=one.body.get("time", ""), host=one.host, context=code(context)))
    yield Code("text", "\n".join(filter(None, (one.body.get("message", ""), one.body.get("traceback", "")))))


def _request(one: Request) -> Iterator[Block]:
    if one.why:
        yield Paragraph(words.NOT_READ(why=one.why))
        return
    if len(one.records) < 2:  # the example itself, which is above
        return
    yield Paragraph(words.REQUEST(id=code(one.id), number=len(one.records)))
    yield _table(
        ("time", "host", "program", "level", "message", "reason"), [_record(each) for each in one.records[:RECORDS]]
    )
    if (more := len(one.records) - RECORDS) > 0:
        yield Paragraph(words.MORE_RECORDS(more=more, id=one.id))


def _record(one: Joined) -> tuple[Said, ...]:
    reason = words.REASONS.get(one.reason)
    return (
        *(one.record.time, one.host, one.program, one.record.level, _short(hidden(one.record.message))),
        reason() if reason else one.reason,
    )


def _health(facts: Facts) -> Table:
    rows: list[tuple[Said, ...]] = []
    for name in ("files", "lines", "records", "warnings and worse", "groups"):
        rows.append((words.HEALTH[name](), words.NUMBER(n=facts.health[name])))
    for name, share in (
        ("lines not understood", "share of lines not understood"),
        ("records without statement", "share without statement"),
    ):
        rows.append((words.HEALTH[name](), f"{facts.health[name]:,} ({facts.health[share]:.2%})"))
    lost = facts.health["times lines were lost"]
    rows.append((words.HEALTH["times lines were lost"](), f"{BAD if lost else ''}{lost:,}"))
    rows.append((words.HEALTH["read up to"](), utc(facts.read)))
    for name, found in facts.bad.items():
        if found:
            rows.append((words.HEALTH[name](), f"{BAD}{', '.join(found)}"))
    return Table(("", ""), tuple(rows))

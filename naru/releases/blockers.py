"""What the releases' code does not go on with, as a page of the documentation, made of the same data that
`naru upgrade check` reads: `make docs`."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from naru.releases import path
from naru.releases.path import Ended, Needs, Refused, Service
from naru.releases.programs import ALL, programs
from naru.releases.settings import required, settings

PAGE = Path("docs/reference/upgrade-blockers.md")
SETTINGS = "Settings in its configuration, `=` with a pattern of the value:"
CALLERS = "[`naru upgrade callers`](upgrade.md#naru-upgrade-callers) finds who calls them"
STATES = {"unseen": "not run", "right": "right", "warns": "a warning"}
HEAD = """# Upgrades: what is in the way

What [`naru upgrade check`](upgrade.md#naru-upgrade-check) knows, by service: made by `make docs` from the data that it
reads (`naru/releases/`). Each was read in the code of the release, or found by going there.

| how | |
|---|---|
| blocks | the code of that release ends at it, does not start with it, or something is lost |
| warns | the code goes on, and users notice |
| by itself | online data migrations of the releases that are named do it; it blocks where these are behind |
"""


def page() -> str:
    """The whole page."""
    everything = "\n\n".join(["## Of all services", *_everywhere()])
    return "\n".join([HEAD, everything, "", *(_service(one) for one in path.services().values())])


def _everywhere() -> Iterator[str]:
    yield SETTINGS
    yield _settings(ALL)
    yield "Programs under OpenStack, which are asked on hosts and servers:"
    rows = []
    for program in programs().values():
        for name, needs in [(ALL, program.needs), *((one.name, one.needs) for one in path.services().values())]:
            rows += [
                (
                    program.name,
                    need.since,
                    need.at_least,
                    "all" if name == ALL else name,
                    _older(need),
                )
                for need in needs
                if need.program == program.name
            ]
    yield _table(("program", "from", "at least", "of", "older"), rows)


def _older(need: Needs) -> str:
    if need.published:
        return "no code refuses it: not known"
    return f"not with `{need.setting}`" if need.setting else "blocks"


def _service(service: Service) -> str:
    tables = {
        "Releases whose schema steps do not take a database of any older one:": _table(
            ("from", "takes", "why"), [(one.since, one.takes, one.why) for one in service.floors]
        ),
        "Rows of its databases:": _table(
            ("release", "how", "what", "in", "cure"), [_row(one) for one in _known(service) if one.rows]
        ),
        "Not looked for, since no statement tells it:": _table(
            ("release", "how", "what"), [_row(one)[:3] for one in _known(service) if not one.rows]
        ),
        SETTINGS: _settings(service.name),
        "Settings without which it does not start:": _table(
            ("setting", "wanted", "why", "cure"),
            [
                (f"`[{one.group}] {one.option}`", name, one.what.format(oldest=oldest), one.cure)
                for one in required()
                if one.service == service.name
                for name, oldest in one.oldest.items()
            ],
        ),
        "Programs that have to run beside the others:": _table(
            ("from", "program", "why"), [(one.since, one.name, one.why) for one in service.processes]
        ),
        f"Parts of its API that are gone; {CALLERS}:": _table(
            ("from", "calls", "answer", "instead"),
            [
                (one.release, f"`{' '.join([*one.methods, one.path])}`", str(one.answer), one.instead)
                for one in service.gone
            ],
        ),
        "Its own upgrade checks, where they are otherwise than they say:": _table(
            ("checks", "releases", "is", "why"),
            [
                (", ".join(one.checks), _span(one.first, one.last), STATES[one.state], one.why)
                for one in (service.status.corrected if service.status else ())
            ],
        ),
    }
    parts = [f"{said}\n\n{table}" for said, table in tables.items() if table]
    return "\n\n".join([f"## {service.name.capitalize()}", *parts]) + "\n"


def _known(service: Service) -> list[Refused | Ended]:
    return [*service.refuses, *service.ended]


def _row(one: Refused | Ended) -> tuple[str, str, str, str, str]:
    schema = f"`{one.schema_}`" if one.schema_ else ""
    if isinstance(one, Refused):
        return one.release, one.state, one.what, schema, one.cure
    return f"after {one.last}", f"by itself: {_span(one.first, one.last)}", one.what, schema, one.cure


def _span(first: str, last: str) -> str:
    if not first and not last:
        return "all"
    return first if first == last else f"{first or 'the first'} to {last or 'the newest'}"


def _settings(service: str) -> str:
    rows = [
        (
            one.since,
            ", ".join(f"`{option}`" for option in one.options) + (f" = `{one.value}`" if one.value else ""),
            one.what,
            one.cure,
        )
        for one in settings()
        if one.service == service
    ]
    return _table(("from", "setting", "what", "cure"), rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """ "" without rows."""
    if not rows:
        return ""
    line, *lines = (f"| {' | '.join(_cell(one) for one in line)} |" for line in (heads, *rows))
    return "\n".join([line, "|---" * len(heads) + "|", *lines])


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else PAGE).write_text(page())

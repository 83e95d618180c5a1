"""What users may read and may not, before an upgrade and after it: the same requests, as each of them.

A policy that is not read any more says nothing: services go on, and answer everybody. So it is asked as users: lists of
their own, lists of administrators, and things of other projects by id (`naru.releases.reads`). All of it is GET.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

from naru.cloud.client import Cloud, CloudError
from naru.errors import InputError
from naru.inventory.archive import Archive
from naru.inventory.rows import Row, owner
from naru.releases.reads import reads
from naru.upgrade.check.configuration import POLICY, POLICY_SINCE
from naru.upgrade.compare.verified import EXAMPLES, Judged, Verified
from naru.upgrade.finding import Span

AT_A_TIME = 4
PAUSE = 5.0
"""Seconds before what was answered otherwise than before is asked once more."""
Of = Literal["own", "administrators", "another's"]
_SEEN_BY_ALL = {"visibility": ("public", "community"), "shared": (True,), "router:external": (True,)}
"""What makes a thing everybody's, by field: nobody is refused it."""


class Question(NamedTuple):
    """A GET of a service's path: a list of the user's `own` (or a thing that is), a list of `administrators`, or a
    thing that is `another's`."""

    service: str
    path: str
    of: Of


class Answer(NamedTuple):
    """What a user was answered: the HTTP status, 0 without any; and whether the list shows `more` than what is the
    user's project's: something of another, or in a list of administrators anything. `external`: what it shows
    besides is on external networks, which a release shows to everybody (`naru.releases.reads.Opened`)."""

    status: int
    more: bool
    external: bool = False


class Asked(NamedTuple):
    """What a user was asked for before, and answered; `missing` are the kinds of which no other project has one,
    `external` the ids of external networks."""

    questions: list[Question]
    answers: list[Answer]
    missing: list[str]
    external: Sequence[str] = ()

    @classmethod
    def load(cls, found: Sequence[Any]) -> "Asked":
        """As the journal remembers it."""
        questions, answers, *more = found
        return cls([Question(*one) for one in questions], [Answer(*one) for one in answers], *more)


def ask_before(cloud: Cloud, archive: Archive, snapshot: int) -> Asked:
    """Asks as the identity of `cloud`, of which everything was read into the snapshot. Raises InputError for one of
    another cloud, and CloudError for one that cannot log in."""
    project, user = cloud.project_id, cloud.user_id
    if project and archive.row(snapshot, "project", project) is None:
        hint = "Name users of the cloud that is upgraded (site.yaml has it under cloud:)."
        raise InputError(f"{cloud.name}: its project {project} is not in this cloud", hint=hint)
    found, missing = questions(archive, snapshot, project, user)
    external = _external(archive, snapshot)
    return Asked(found, ask(cloud, found, external), missing, external)


def _external(archive: Archive, snapshot: int) -> list[str]:
    return [row.id for row in archive.rows(snapshot, kind="network") if row.body.get("router:external") is True]


def questions(archive: Archive, snapshot: int, project: str, user: str) -> tuple[list[Question], list[str]]:
    """What a user of a project is asked for, and the kinds of which no other project has one that not everybody
    sees."""
    found: list[Question] = []
    missing = []
    picked: dict[str, tuple[str, str]] = {}
    external = _external(archive, snapshot)
    for one in reads().values():
        found += [Question(one.service, path, "own") for path in one.own]
        found += [Question(one.service, path, "administrators") for path in one.administrators]
        for kind, paths in one.things.items():
            if kind not in picked:
                picked[kind] = _picked(archive.rows(snapshot, kind=kind), project, user, external)
                missing += [] if picked[kind][1] else [kind]
            of: Of
            for id, of in zip(picked[kind], ("own", "another's"), strict=True):  # type: ignore[assignment]
                found += [Question(one.service, path.format(id=id), of) for path in paths if id]
    return found, missing


def _picked(rows: Iterator[Row], project: str, user: str, external: Sequence[str]) -> tuple[str, str]:
    """The ids of a thing that is the user's or its project's, and of another's that is not on an external network; ""
    where there is none."""
    own = others = ""
    for row in rows:
        if row.id == user if row.kind == "user" else row.project == project:
            own = own or row.id
        elif row.body.get("network_id") not in external and not any(
            row.body.get(name) in values for name, values in _SEEN_BY_ALL.items()
        ):
            others = others or row.id
        if own and others:
            break
    return own, others


def ask(cloud: Cloud, asked: Sequence[Question], external: Sequence[str] = ()) -> list[Answer]:
    """What the identity of `cloud` is answered, where `external` are the ids of external networks. Raises CloudError
    when it cannot log in."""
    project = cloud.project_id
    with ThreadPoolExecutor(AT_A_TIME) as threads:
        return list(threads.map(lambda question: _answer(cloud, question, project, external), asked))


def ask_after(cloud: Cloud, before: Asked) -> tuple[list[Answer], dict[int, Answer]]:
    """What it is answered now; and, by place, what it was answered first where that was something else than before.
    That is asked once more, one after the other: a Neutron that has just been started goes by the rules that it has
    read so far (`oslo_policy.policy.Enforcer.load_rules` fills them in while other threads ask), by which nobody is an
    administrator, and whoever belongs to a project may what no rule says yet. Raises as `ask`."""
    now = ask(cloud, before.questions, before.external)
    first = {place: now[place] for place, was in enumerate(before.answers) if _given(was) != _given(now[place])}
    if first:
        time.sleep(PAUSE)
    for place in first:
        now[place] = _answer(cloud, before.questions[place], cloud.project_id, before.external)
    return now, first


def _given(answer: Answer) -> tuple[bool, bool, bool]:
    return _allowed(answer), answer.more, answer.external


def _answer(cloud: Cloud, question: Question, project: str, external: Sequence[str]) -> Answer:
    try:
        answer = cloud.request(question.service, "GET", question.path)
    except CloudError as error:
        return Answer(error.status, False)
    body = answer.json() if "json" in answer.headers.get("Content-Type", "") else {}
    lists = [value for value in body.values() if isinstance(value, list)]
    usual = {project} if question.of == "administrators" else {project, ""}
    more = [item for value in lists for item in value if isinstance(item, dict) and owner(item) not in usual]
    if question.of == "another's":
        return Answer(answer.status_code, False)
    apart = [item for item in more if _is_opened(question) and item.get("network_id") in external]
    return Answer(answer.status_code, len(more) > len(apart), bool(apart))


def _is_opened(question: Question) -> bool:
    """Whether a release shows everybody what is on external networks there."""
    return any(one.external and one.path == question.path for one in reads()[question.service].opened)


def judge(
    name: str, before: Asked, after: Sequence[Answer], span: Span, first: Mapping[int, Answer] | None = None
) -> list[Verified]:
    """What differs for the user `name`: the worst first, which is what was refused and is answered. Of what it was
    answered `first` (`ask_after`) only what it had not been allowed, and is not now, is told."""
    groups: dict[tuple[Judged, str, str, str], list[str]] = {}
    for question, was, now in zip(before.questions, before.answers, after, strict=True):
        if found := _judged(question, was, now, span):
            groups.setdefault((*found, question.service), []).append(
                f"GET {question.path}: {_told(was)} -> {_told(now)}"
            )
    for place, answer in (first or {}).items():
        question, was, now = before.questions[place], before.answers[place], after[place]
        if _given(was) == _given(now) < _given(answer):
            line = f"GET {question.path}: {_told(was)} -> {_told(answer)} -> {_told(now)}"
            groups.setdefault(("passing", _AT_FIRST, "", question.service), []).append(line)
    if before.missing:
        groups["not compared", "no other project has one to ask for", "", ""] = before.missing
    order = [_WIDER, _MORE]
    return [
        Verified(judged, kind(name), change, service, len(lines), (*lines[:EXAMPLES], *([likely] if likely else [])))
        for (judged, change, likely, service), lines in sorted(groups.items(), key=lambda one: one[0][1] not in order)
    ]


def kind(name: str) -> str:
    """What differs for a user is of this kind."""
    return f"answers to {name}"


_WIDER, _MORE = "was refused, is answered", "shows now what is not the user's"
_AT_FIRST = "was answered at first, not when asked once more"


def _judged(question: Question, was: Answer, now: Answer, span: Span) -> tuple[Judged, str, str] | None:
    """How a difference is judged, what it is, and what it likely comes of; None for none."""
    service = reads()[question.service]
    if not (_allowed(was) or _refused(was)):
        return "not known", "no answer before", ""
    if not (_allowed(now) or _refused(now)):
        return "wrong", "no answer now", ""
    if _refused(was) and _allowed(now):
        for one in service.opened:
            if not one.external and one.path == question.path and span.passes(one.since) and not now.more:
                return "another release's", f"answered since {one.since}: {one.why}", ""
        if was.status in (404, 410) and question.of != "another's" and not now.more:
            return "new", "was not there, is answered", ""
        return "wrong", _WIDER, _vanished(span)
    if _allowed(was) and _refused(now):
        return "wrong", "was answered, is refused", _narrowed(service.new_defaults, now, span)
    if was.more != now.more:
        return ("wrong", _MORE, _vanished(span)) if now.more else ("wrong", "no longer shows what is others'", "")
    if now.external and not was.external:
        for one in service.opened:
            if one.external and one.path == question.path and span.passes(one.since):
                return "another release's", f"shows more since {one.since}: {one.why}", ""
        return "wrong", _MORE, _vanished(span)
    return None


def _allowed(answer: Answer) -> bool:
    return 200 <= answer.status < 300


def _refused(answer: Answer) -> bool:
    """429 is not meant for who asked."""
    return 400 <= answer.status < 500 and answer.status != 429


def _vanished(span: Span) -> str:
    why = f": {POLICY} is read no more since {POLICY_SINCE}" if span.passes(POLICY_SINCE) else ""
    return f"likely: a rule of the service's own policy file is not in force{why}"


def _narrowed(new_defaults: str, now: Answer, span: Span) -> str:
    if now.status != 403 or not span.passes(new_defaults):
        return ""
    return (
        f"likely: since {new_defaults} its default policies ask for the role member or reader in the project, and for "
        "its scope: give the user the role, or name the rule in policy.yaml"
    )


def _told(answer: Answer) -> str:
    return f"{answer.status or 'no answer'}{', not only its own' if answer.more else ''}"

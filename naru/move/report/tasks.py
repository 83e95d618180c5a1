"""What users have to do, as blocks: what it is, why nobody else can, and the exact commands.

The commands are python-openstackclient's, with the plugins of python-barbicanclient and python-octaviaclient. Whatever
users have named is quoted for a shell. No command has a secret among its arguments where the client takes it otherwise.
"""

import datetime
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from naru.errors import NaruError
from naru.move.outcome import Outcome, Task
from naru.move.report.blocks import Block, Code, Heading, Paragraph, Table, Words, code, plain
from naru.move.report.names import shell, visible
from naru.move.report.texts import Texts


@dataclass(frozen=True)
class Scene:
    """What all tasks are told with."""

    texts: Texts
    outcome: Outcome

    @property
    def old(self) -> str:
        return f"openstack --os-cloud {shell(self.outcome.old_cloud)}"

    @property
    def new(self) -> str:
        return f"openstack --os-cloud {shell(self.outcome.new_cloud)}"


def blocks(texts: Texts, outcome: Outcome, tasks: Iterable[Task]) -> Iterator[Block]:
    """All tasks, kind by kind in the order of KINDS, what is not known there last."""
    by_kind: dict[str, list[Task]] = {}
    for task in tasks:
        by_kind.setdefault(task.kind, []).append(task)
    scene = Scene(texts, outcome)
    for kind in [*KINDS, *sorted(set(by_kind) - set(KINDS))]:
        if kind not in by_kind:
            continue
        key = f"task.{kind.replace(' ', '_')}" if kind in KINDS else "task.other"
        yield Heading(3, texts.say(f"{key}.title", kind=kind))
        yield Paragraph(texts.say(f"{key}.why", section=texts.word("project.iac_title")))
        found = sorted(by_kind[kind], key=lambda task: (task.name, task.old_id))
        yield from KINDS.get(kind, _other)(scene, found)


def title(texts: Texts, kind: str) -> str:
    """What a kind of task is called."""
    return texts.word(f"task.{kind.replace(' ', '_')}.title") if kind in KINDS else kind


# -- one function for each kind


def _passwords(scene: Scene, tasks: list[Task]) -> Iterator[Block]:
    texts = scene.texts
    yield Paragraph(texts.say("task.password.do"))
    yield Code("sh", f"{scene.new} user password set")
    heads = (texts.word("columns.user"), texts.word("columns.domain"))
    yield Table(heads, tuple((_name(texts, task.name), plain(_get(task, "domain"))) for task in tasks))


def _application_credentials(scene: Scene, tasks: list[Task]) -> Iterator[Block]:
    for task in tasks:
        expires = _moment(task, "expires_at")
        said = {"name": _name(scene.texts, task.name), "user": _name(scene.texts, _get(task, "user"))}
        if expires and _past(expires, scene.outcome.made_at):
            yield Paragraph(scene.texts.say("task.application_credential.expired", expires=code(expires), **said))
            continue
        parts = [f"{scene.new} application credential create"]
        parts += [_option("role", role) for role in _roles(task)]
        parts += [_option("expiration", expires)] if expires else []
        parts += [_option("description", text) for text in [_get(task, "description")] if text]
        parts += ["--unrestricted"] if task.detail.get("unrestricted") else []
        if rules := task.detail.get("access_rules"):
            kept = [{key: rule[key] for key in ("service", "method", "path") if key in rule} for rule in rules]
            parts += [_option("access-rules", json.dumps(kept, ensure_ascii=False))]
        yield Paragraph(scene.texts.say("task.application_credential.do", **said))
        yield Code("sh", _command(*parts, _last(task.name)))


def _secrets(scene: Scene, tasks: list[Task]) -> Iterator[Block]:
    for task in tasks:
        expires = _moment(task, "expires_at")
        name, past = _name(scene.texts, task.name), expires and _past(expires, scene.outcome.made_at)
        if past:
            yield Paragraph(scene.texts.say("task.secret.expired", name=name, expires=code(expires)))
        else:
            yield Paragraph(scene.texts.say("task.secret.do", name=name))
        content_type = _get(task, "content_type") or "application/octet-stream"
        text = content_type.startswith("text/plain")
        file = shell("secret-" + re.sub(r"[^0-9A-Za-z-]+", "-", task.old_id.rstrip("/").rpartition("/")[2])[:40])
        get = _command(
            f"{scene.old} secret get",
            _option("payload_content_type", "text/plain" if text else content_type),
            f"--file {file}",
            _last(task.old_id),
        )
        # without a content type the client sends bytes as bytes; with one it takes them for text
        parts = [f"{scene.new} secret store", *_named(task), f"--file {file}"]
        parts += ["--payload-content-type text/plain"] if text else []
        for option, key in (("secret-type", "secret_type"), ("algorithm", "algorithm"), ("bit-length", "bit_length")):
            parts += [_option(option, _get(task, key))] if _get(task, key) else []
        parts += [_option("mode", _get(task, "mode"))] if _get(task, "mode") else []
        parts += [_option("expiration", expires)] if expires and not past else []
        yield Code("sh", _all("umask 077", get, _command(*parts), f"shred -u {file}"))


def _certificates(scene: Scene, tasks: list[Task]) -> Iterator[Block]:
    for task in tasks:
        said = {key: _name(scene.texts, _get(task, key)) for key in ("load_balancer", "listener")}
        yield Paragraph(scene.texts.say("task.certificate.do", name=_name(scene.texts, task.name), **said))
        store = " ".join((f"{scene.new} secret store", *_named(task), "--file server.p12"))
        listener = _last(_get(task, "listener") or "LISTENER")
        lines = (
            "umask 077",
            "openssl pkcs12 -export -inkey server.key -in server.crt -certfile ca-chain.crt \\\n"
            "    -passout pass: -out server.p12",
            f'reference=$({store} -f value -c "Secret href")',
            f'{scene.new} loadbalancer listener set --default-tls-container-ref "$reference" {listener}',
            "shred -u server.p12",
        )
        yield Code("sh", _all(*lines))
    yield Paragraph(scene.texts.say("task.certificate.acl"))


def _trusts(scene: Scene, tasks: list[Task]) -> Iterator[Block]:
    projects = {project.old_id: project for project in scene.outcome.projects}
    for task in tasks:
        project, expires = projects.get(task.project), _moment(task, "expires_at")
        parts = [f"{scene.new} trust create"]
        parts += [_option("project", (project.new_id or project.name) if project else "PROJECT")]
        parts += [_option("role", role) for role in _roles(task)]
        parts += ["--impersonate"] if task.detail.get("impersonation") else []
        parts += [_option("expiration", expires)] if expires else []
        for end in ("trustor", "trustee"):
            parts += [_option(f"{end}-domain", _get(task, f"{end}_domain"))] if _get(task, f"{end}_domain") else []
        parts += [_last(_get(task, "trustor") or "TRUSTOR", _get(task, "trustee") or "TRUSTEE")]
        user = _name(scene.texts, _get(task, "trustor"))
        yield Paragraph(scene.texts.say("task.trust.do", name=_name(scene.texts, task.name), user=user))
        yield Code("sh", _command(*parts))


def _totp(scene: Scene, tasks: list[Task]) -> Iterator[Block]:
    lines = (
        "key=$(python3 -c 'import base64, secrets; print(base64.b32encode(secrets.token_bytes(20)).decode())')",
        f'{scene.new} credential create --type totp "$({scene.new} token issue -f value -c user_id)" "$key"',
        'echo "$key"',
    )
    for task in tasks:
        user = _name(scene.texts, _get(task, "user") or task.name)
        yield Paragraph(scene.texts.say("task.totp.do", name=_name(scene.texts, task.name), user=user))
    yield Code("sh", "\n".join(lines))


def _addresses(scene: Scene, tasks: list[Task]) -> Iterator[Block]:
    heads = ("columns.name", "columns.old_url", "columns.new_url")
    rows = tuple(
        (_name(scene.texts, task.name), code(_get(task, "old_url")), code(_get(task, "new_url"))) for task in tasks
    )
    yield Table(tuple(map(scene.texts.word, heads)), rows)


def _iac(scene: Scene, tasks: list[Task]) -> Iterator[Block]:
    if named := [task for task in tasks if task.name or task.detail]:
        yield from _other(scene, named)


def _other(scene: Scene, tasks: list[Task]) -> Iterator[Block]:
    heads = tuple(map(scene.texts.word, ("columns.name", "columns.old_id", "columns.detail")))
    rows = []
    for task in tasks:
        told = "; ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in task.detail.items())
        rows.append((_name(scene.texts, task.name), code(task.old_id), plain(told)))
    yield Table(heads, tuple(rows))


KINDS: dict[str, Callable[[Scene, list[Task]], Iterator[Block]]] = {
    "password": _passwords,
    "application credential": _application_credentials,
    "secret": _secrets,
    "certificate": _certificates,
    "trust": _trusts,
    "totp": _totp,
    "object storage url": _addresses,
    "iac": _iac,
}


# -- parts of commands


def _command(*parts: str) -> str:
    """One command; on several lines when it is long."""
    line = " ".join(parts)
    return line if len(line) <= 110 else " \\\n    ".join(parts)


def _all(*commands: str) -> str:
    """Commands in a shell of their own, each only when those before it went well: the last one deletes a file."""
    return "(\n  " + " &&\n  ".join(command.replace("\n", "\n  ") for command in commands) + "\n)"


def _named(task: Task) -> list[str]:
    return [_option("name", task.name)] if task.name else []


def _option(name: str, value: str) -> str:
    return f"--{name} {shell(value)}" if not value.startswith("-") else shell(f"--{name}={value}")


def _last(*texts: str) -> str:
    """The last words of a command, that are no options whatever they begin with."""
    words = " ".join(map(shell, texts))
    return f"-- {words}" if any(text.startswith("-") for text in texts) else words


def _roles(task: Task) -> list[str]:
    """Their names; a role may be Keystone's own {"id": ..., "name": ...}."""
    roles: list[Any] = task.detail.get("roles") or []
    return [role["name"] if isinstance(role, dict) else str(role) for role in roles]


def _name(texts: Texts, name: str) -> Words:
    return code(name) or plain(texts.word("no_name"))


def _get(task: Task, key: str) -> str:
    value = task.detail.get(key)
    return "" if value is None else str(value)


def _moment(task: Task, key: str) -> str:
    """A time as the client takes it, in UTC as Keystone and Barbican mean it; empty when there is none."""
    text = _get(task, key)
    if not text:
        return ""
    try:
        return _utc(text).strftime("%Y-%m-%dT%H:%M:%S")
    except ValueError as error:
        about = f"task {task.kind} {visible(task.name)!r}"
        raise NaruError(f"{about}: {key} {text!r} is not a time", detail=str(error)) from error


def _past(moment: str, now: str) -> bool:
    try:
        return _utc(moment) < _utc(now)
    except ValueError as error:
        raise NaruError(f"the outcome's made_at {now!r} is not a time", detail=str(error)) from error


def _utc(text: str) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    zone = datetime.UTC
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)

"""What users have to do, as blocks: what it is, why nobody else can, and the exact commands.

No move makes the kinds `trust` and `object storage url` yet. Their pages are here already, for when they are.

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
from naru.messages import Text, message
from naru.move.outcome import Outcome, Task
from naru.move.pages import iac, listeners
from naru.move.pages.tables import name_of, table
from naru.report.blocks import Block, Code, Heading, Paragraph, code
from naru.report.commands import command, each_after, last, option
from naru.report.names import shell, visible


@dataclass(frozen=True)
class Scene:
    """What all tasks are described with."""

    outcome: Outcome

    @property
    def old(self) -> str:
        return f"openstack --os-cloud {shell(self.outcome.old_cloud)}"

    @property
    def new(self) -> str:
        return f"openstack --os-cloud {shell(self.outcome.new_cloud)}"


@dataclass(frozen=True)
class Kind:
    """A kind of task: what it is called, why only users can do it, and how it is done."""

    title: Text
    why: Text
    blocks: Callable[[Scene, list[Task]], Iterator[Block]]


def blocks(outcome: Outcome, tasks: Iterable[Task]) -> Iterator[Block]:
    """All tasks, kind by kind in the order of KINDS, what is not known there last."""
    by_kind: dict[str, list[Task]] = {}
    for task in tasks:
        by_kind.setdefault(task.kind, []).append(task)
    scene = Scene(outcome)
    for kind in [*KINDS, *sorted(set(by_kind) - set(KINDS))]:
        if kind not in by_kind:
            continue
        about = KINDS.get(kind, Kind(kind, OTHER_WHY(), _other))
        yield Heading(3, about.title)
        yield Paragraph(about.why)
        yield from about.blocks(scene, sorted(by_kind[kind], key=lambda task: (task.name, task.old_id)))


def title(kind: str) -> Text:
    """What a kind of task is called."""
    return KINDS[kind].title if kind in KINDS else kind


# -- each kind

PASSWORD_TITLE = message("move.pages.task.password.title", en="Your new password", ko="새 비밀번호")
PASSWORD_WHY = message(
    "move.pages.task.password.why",
    en=(
        "Passwords cannot be read from the old cloud, so every user below has a new, random one. Your operators "
        "give it to you in person or on another safe way, never by this report."
    ),
    ko=(
        "기존 클라우드의 비밀번호는 읽을 수 없으므로, 아래 사용자에게는 임의로 만든 새 비밀번호가 설정되어 "
        "있습니다. 새 비밀번호는 운영자가 직접 또는 안전한 별도의 경로로 알려 드리며, 이 보고서에는 적혀 있지 "
        "않습니다."
    ),
)
PASSWORD_DO = message(
    "move.pages.task.password.do",
    en="Log in with it and set your own at once, in the dashboard or with this command, which asks for the passwords:",
    ko=(
        "받으신 비밀번호로 로그인한 뒤 바로 본인의 비밀번호로 바꿔 주십시오. 대시보드나 다음 명령을 이용하시면 "
        "됩니다. 비밀번호는 실행할 때 물어봅니다."
    ),
)


def _passwords(scene: Scene, tasks: list[Task]) -> Iterator[Block]:
    yield Paragraph(PASSWORD_DO())
    yield Code("sh", f"{scene.new} user password set")
    yield table(("user", "domain"), ((name_of(task.name), _get(task, "domain")) for task in tasks))


APPLICATION_CREDENTIAL_TITLE = message(
    "move.pages.task.application_credential.title", en="Application credentials", ko="애플리케이션 자격 증명"
)
APPLICATION_CREDENTIAL_WHY = message(
    "move.pages.task.application_credential.why",
    en=(
        "The secret of an application credential cannot be read by anybody, and only its owner can make one. Make "
        "each again as the user who owns it. The id and the secret are new, and the secret is shown only once: put "
        "both where your programs read them. Log in with a password for this, not with an application credential."
    ),
    ko=(
        "애플리케이션 자격 증명의 시크릿은 아무도 읽을 수 없고, 자격 증명은 소유자만 만들 수 있습니다. 소유한 "
        "사용자로 로그인하여 하나씩 다시 만들어 주십시오. ID와 시크릿이 모두 바뀌며 시크릿은 만들 때 한 번만 "
        "표시되므로, 바로 프로그램이 읽는 위치에 저장해 주십시오. 이때 애플리케이션 자격 증명이 아니라 비밀번호로 "
        "로그인하셔야 합니다."
    ),
)
APPLICATION_CREDENTIAL_DO = message(
    "move.pages.task.application_credential.do", en="{name}, of user {user}:", ko="{name} (사용자 {user})"
)
APPLICATION_CREDENTIAL_EXPIRED = message(
    "move.pages.task.application_credential.expired",
    en="{name}, of user {user}, expired on {expires} and is not needed any more.",
    ko="{name} (사용자 {user}): {expires}에 이미 만료되어 다시 만드실 필요가 없습니다.",
)


def _application_credentials(scene: Scene, tasks: list[Task]) -> Iterator[Block]:
    for task in tasks:
        expires = _moment(task, "expires_at")
        values = {"name": name_of(task.name), "user": name_of(_get(task, "user"))}
        if expires and _past(expires, scene.outcome.made_at):
            yield Paragraph(APPLICATION_CREDENTIAL_EXPIRED(expires=code(expires), **values))
            continue
        parts = [f"{scene.new} application credential create"]
        parts += [option("role", role) for role in _roles(task)]
        parts += [option("expiration", expires)] if expires else []
        parts += [option("description", text) for text in [_get(task, "description")] if text]
        parts += ["--unrestricted"] if task.detail.get("unrestricted") else []
        if rules := task.detail.get("access_rules"):
            kept = [{key: rule[key] for key in ("service", "method", "path") if key in rule} for rule in rules]
            parts += [option("access-rules", json.dumps(kept, ensure_ascii=False))]
        yield Paragraph(APPLICATION_CREDENTIAL_DO(**values))
        yield Code("sh", command(*parts, last(task.name)))


SECRET_TITLE = message("move.pages.task.secret.title", en="Secrets (Barbican)", ko="시크릿 (Barbican)")
SECRET_WHY = message(
    "move.pages.task.secret.why",
    en=(
        "Administrators cannot read your secrets, which is as it should be. Copy each as a user who may read it. "
        "The reference (href) is new: put it wherever the old one is used."
    ),
    ko=(
        "관리자는 사용자의 시크릿을 읽을 수 없으며, 그래야 안전합니다. 읽기 권한이 있는 사용자로 로그인하여 하나씩 "
        "복사해 주십시오. 참조 주소(href)가 바뀌므로, 기존 참조를 쓰는 곳을 모두 새 참조로 바꿔 주십시오."
    ),
)
SECRET_DO = message("move.pages.task.secret.do", en="{name}:", ko="{name}")
SECRET_EXPIRED = message(
    "move.pages.task.secret.expired",
    en="{name} expired on {expires}; copy it only if you still need it:",
    ko="{name}: {expires}에 만료되었습니다. 아직 필요한 경우에만 복사해 주십시오.",
)


def _secrets(scene: Scene, tasks: list[Task]) -> Iterator[Block]:
    for task in tasks:
        expires = _moment(task, "expires_at")
        name, past = name_of(task.name), expires and _past(expires, scene.outcome.made_at)
        if past:
            yield Paragraph(SECRET_EXPIRED(name=name, expires=code(expires)))
        else:
            yield Paragraph(SECRET_DO(name=name))
        content_type = _get(task, "content_type") or "application/octet-stream"
        text = content_type.startswith("text/plain")
        file = shell("secret-" + re.sub(r"[^0-9A-Za-z-]+", "-", task.old_id.rstrip("/").rpartition("/")[2])[:40])
        get = command(
            f"{scene.old} secret get",
            option("payload_content_type", "text/plain" if text else content_type),
            f"--file {file}",
            last(task.old_id),
        )
        # without a content type the client sends bytes as bytes; with one it takes them for text
        parts = [f"{scene.new} secret store", *_named(task), f"--file {file}"]
        parts += ["--payload-content-type text/plain"] if text else []
        for flag, key in (("secret-type", "secret_type"), ("algorithm", "algorithm"), ("bit-length", "bit_length")):
            parts += [option(flag, _get(task, key))] if _get(task, key) else []
        parts += [option("mode", _get(task, "mode"))] if _get(task, "mode") else []
        parts += [option("expiration", expires)] if expires and not past else []
        # the file is deleted only when its content was stored
        yield Code("sh", each_after("umask 077", get, command(*parts), f"shred -u {file}"))
        yield from _acl(scene, task)


SECRET_ACL = message(
    "move.pages.task.secret.acl",
    en="Who may read it beside the members of the project was said by its ACL; REFERENCE is the new href:",
    ko="프로젝트 구성원 외에 읽을 수 있는 사용자는 ACL로 정해져 있었습니다. REFERENCE 자리에 새 참조 주소를 넣어 "
    "주십시오.",
)


def _acl(scene: Scene, task: Task) -> Iterator[Block]:
    """Who may read it, where that is more than whoever is in the project."""
    readers: list[str] = list(task.detail.get("readers") or [])
    if readers or task.detail.get("private"):
        parts = [f"{scene.new} acl submit", *(option("user", user) for user in readers)]
        parts += ["--no-project-access"] if task.detail.get("private") else []
        yield Paragraph(SECRET_ACL())
        yield Code("sh", command(*parts, "--operation-type read", "REFERENCE"))


CONTAINER_TITLE = message(
    "move.pages.task.secret_container.title", en="Containers of secrets (Barbican)", ko="시크릿 컨테이너 (Barbican)"
)
CONTAINER_WHY = message(
    "move.pages.task.secret_container.why",
    en=(
        "A container names secrets, so it is made again when those in it are on the new cloud. In place of a name in "
        "capitals put the new reference (href) of that secret."
    ),
    ko=(
        "컨테이너는 시크릿을 가리키므로, 안에 든 시크릿을 모두 새 클라우드에 옮긴 뒤 다시 만듭니다. 대문자로 적힌 "
        "자리에는 해당 시크릿의 새 참조 주소(href)를 넣어 주십시오."
    ),
)


def _containers(scene: Scene, tasks: list[Task]) -> Iterator[Block]:
    for task in tasks:
        parts = [f"{scene.new} secret container create", *_named(task), option("type", _get(task, "type") or "generic")]
        for name, new, old in task.detail.get("secrets") or []:
            stand_in = re.sub(r"[^0-9A-Z]+", "_", (name or old).upper())
            parts.append(option("secret", f"{name}={new or stand_in}" if name else new or stand_in))
        yield Paragraph(SECRET_DO(name=name_of(task.name)))
        yield Code("sh", command(*parts))
        yield from _acl(scene, task)


CERTIFICATE_TITLE = message(
    "move.pages.task.certificate.title", en="Certificates of load balancers", ko="로드 밸런서 인증서"
)
CERTIFICATE_WHY = message(
    "move.pages.task.certificate.why",
    en=(
        "A listener that ends TLS has its certificate and private key in Barbican, where only you can read them. "
        "The listener cannot be made without them: store them on the new cloud, and make it. You need the key, the "
        "certificate and the chain as files; where you have them no longer, read them from the old cloud with "
        "`openstack secret get`."
    ),
    ko=(
        "TLS를 종료하는 리스너의 인증서와 개인 키는 Barbican에 있으며 사용자만 읽을 수 있습니다. 인증서 없이는 "
        "리스너를 만들 수 없으므로 새 클라우드에 인증서를 등록하고 리스너를 만들어 주십시오. 개인 키, 인증서, 체인 "
        "인증서를 파일로 준비해 주십시오. "
        "파일이 없다면 기존 클라우드에서 `openstack secret get` 명령으로 읽으실 수 있습니다."
    ),
)
CERTIFICATE_DO = message(
    "move.pages.task.certificate.do",
    en="{name}, load balancer {load_balancer}, listener {listener}:",
    ko="{name} (로드 밸런서 {load_balancer}, 리스너 {listener})",
)
CERTIFICATE_MORE = message(
    "move.pages.task.certificate.more",
    en="It has further references to secrets. Copy those as well, and set them on the listener: {options}",
    ko="이 리스너에는 다른 시크릿 참조도 있습니다. 그 시크릿도 복사한 뒤 리스너에 설정해 주십시오: {options}",
)
CERTIFICATE_ACL = message(
    "move.pages.task.certificate.acl",
    en=(
        "If the listener is refused because the load balancer service may not read the secret, ask your operators "
        "for the id of that service's user, and allow it with `openstack acl user add --user ID REFERENCE`."
    ),
    ko=(
        "로드 밸런서 서비스가 시크릿을 읽을 권한이 없다는 이유로 거부되면, 운영자에게 그 서비스 사용자의 ID를 "
        "문의하신 뒤 `openstack acl user add --user ID REFERENCE` 명령으로 권한을 부여해 주십시오."
    ),
)


def _certificates(scene: Scene, tasks: list[Task]) -> Iterator[Block]:
    for task in tasks:
        values = {key: name_of(_get(task, key)) for key in ("load_balancer", "listener")}
        yield Paragraph(CERTIFICATE_DO(name=name_of(task.name), **values))
        store = " ".join((f"{scene.new} secret store", *_named(task), "--file server.p12"))
        lines = (
            "umask 077",
            "openssl pkcs12 -export -inkey server.key -in server.crt -certfile ca-chain.crt \\\n"
            "    -passout pass: -out server.p12",
            f'reference=$({store} -f value -c "Secret href")',
            *listeners.commands(scene.new, task.detail),
            "shred -u server.p12",
        )
        yield Code("sh", each_after(*lines))
        if more := task.detail.get("references"):
            yield Paragraph(CERTIFICATE_MORE(options=", ".join(f"--{name.replace('_', '-')}" for name in more)))
    yield Paragraph(CERTIFICATE_ACL())


TRUST_TITLE = message("move.pages.task.trust.title", en="Trusts", ko="트러스트(trust)")
TRUST_WHY = message(
    "move.pages.task.trust.why",
    en=(
        "Only the user who trusts can make a trust. Services such as Heat and Magnum make theirs by themselves, "
        "when the stack or cluster is made again; make those that are your own."
    ),
    ko=(
        "트러스트는 권한을 위임하는 사용자만 만들 수 있습니다. Heat나 Magnum 같은 서비스의 트러스트는 스택이나 "
        "클러스터를 다시 만들 때 자동으로 생성되므로, 직접 만드셨던 것만 다시 만들어 주십시오."
    ),
)
TRUST_DO = message("move.pages.task.trust.do", en="{name}, by user {user}:", ko="{name} (위임하는 사용자 {user})")


def _trusts(scene: Scene, tasks: list[Task]) -> Iterator[Block]:
    projects = {project.old_id: project for project in scene.outcome.projects}
    for task in tasks:
        project, expires = projects.get(task.project), _moment(task, "expires_at")
        parts = [f"{scene.new} trust create"]
        parts += [option("project", (project.new_id or project.name) if project else "PROJECT")]
        parts += [option("role", role) for role in _roles(task)]
        parts += ["--impersonate"] if task.detail.get("impersonation") else []
        parts += [option("expiration", expires)] if expires else []
        for end in ("trustor", "trustee"):
            parts += [option(f"{end}-domain", _get(task, f"{end}_domain"))] if _get(task, f"{end}_domain") else []
        parts += [last(_get(task, "trustor") or "TRUSTOR", _get(task, "trustee") or "TRUSTEE")]
        user = name_of(_get(task, "trustor"))
        yield Paragraph(TRUST_DO(name=name_of(task.name), user=user))
        yield Code("sh", command(*parts))


TOTP_TITLE = message(
    "move.pages.task.totp.title", en="One-time passwords (second factor)", ko="일회용 비밀번호 (2단계 인증)"
)
TOTP_WHY = message(
    "move.pages.task.totp.why",
    en=(
        "The key of a one-time password is a secret and was not moved. Register a new one and add it to your "
        "authenticator app."
    ),
    ko="일회용 비밀번호의 키는 비밀 정보이므로 옮기지 않았습니다. 새 키를 등록하고 인증 앱에 추가해 주십시오.",
)
TOTP_DO = message("move.pages.task.totp.do", en="{name}, of user {user}:", ko="{name} (사용자 {user})")


def _totp(scene: Scene, tasks: list[Task]) -> Iterator[Block]:
    lines = (
        "key=$(python3 -c 'import base64, secrets; print(base64.b32encode(secrets.token_bytes(20)).decode())')",
        f'{scene.new} credential create --type totp "$({scene.new} token issue -f value -c user_id)" "$key"',
        'echo "$key"',
    )
    for task in tasks:
        user = name_of(_get(task, "user") or task.name)
        yield Paragraph(TOTP_DO(name=name_of(task.name), user=user))
    yield Code("sh", "\n".join(lines))


OBJECT_STORAGE_URL_TITLE = message(
    "move.pages.task.object_storage_url.title", en="Addresses of object storage", ko="오브젝트 스토리지 주소"
)
OBJECT_STORAGE_URL_WHY = message(
    "move.pages.task.object_storage_url.why",
    en=(
        "The address of object storage contains the project's id, so it is new. Change bookmarks, web pages and "
        "programs that have the old one. Temporary URLs that were signed for the old address are no longer valid: "
        "sign new ones."
    ),
    ko=(
        "오브젝트 스토리지 주소에는 프로젝트 ID가 들어 있어 주소가 바뀝니다. 기존 주소가 적힌 북마크, 웹 페이지, "
        "프로그램을 고쳐 주십시오. 기존 주소로 서명한 임시 URL은 더 이상 유효하지 않으므로 다시 서명하셔야 합니다."
    ),
)


def _addresses(scene: Scene, tasks: list[Task]) -> Iterator[Block]:
    rows = ((name_of(task.name), code(_get(task, "old_url")), code(_get(task, "new_url"))) for task in tasks)
    yield table(("name", "old_url", "new_url"), rows)


IAC_TITLE = message("move.pages.task.iac.title", en="Infrastructure as code", ko="코드형 인프라(IaC)")
IAC_WHY = message(
    "move.pages.task.iac.why",
    en="State files and configurations that have ids of the old cloud are to be changed: see “{section}” below.",
    ko="기존 클라우드의 ID가 들어 있는 상태 파일과 설정을 바꾸셔야 합니다. 아래 ‘{section}’ 절을 참고해 주십시오.",
)


def _iac(scene: Scene, tasks: list[Task]) -> Iterator[Block]:
    if named := [task for task in tasks if task.name or task.detail]:
        yield from _other(scene, named)


OTHER_WHY = message(
    "move.pages.task.other.why", en="This cannot be done for you.", ko="운영자가 대신 해 드릴 수 없는 작업입니다."
)


def _other(scene: Scene, tasks: list[Task]) -> Iterator[Block]:
    rows = []
    for task in tasks:
        detail = "; ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in task.detail.items())
        rows.append((name_of(task.name), code(task.old_id), detail))
    yield table(("name", "old_id", "detail"), rows)


KINDS: dict[str, Kind] = {
    "password": Kind(PASSWORD_TITLE(), PASSWORD_WHY(), _passwords),
    "application credential": Kind(
        APPLICATION_CREDENTIAL_TITLE(), APPLICATION_CREDENTIAL_WHY(), _application_credentials
    ),
    "secret": Kind(SECRET_TITLE(), SECRET_WHY(), _secrets),
    "secret container": Kind(CONTAINER_TITLE(), CONTAINER_WHY(), _containers),
    "certificate": Kind(CERTIFICATE_TITLE(), CERTIFICATE_WHY(), _certificates),
    "trust": Kind(TRUST_TITLE(), TRUST_WHY(), _trusts),
    "totp": Kind(TOTP_TITLE(), TOTP_WHY(), _totp),
    "object storage url": Kind(OBJECT_STORAGE_URL_TITLE(), OBJECT_STORAGE_URL_WHY(), _addresses),
    "iac": Kind(IAC_TITLE(), IAC_WHY(section=iac.TITLE()), _iac),
}


# -- parts of commands


def _named(task: Task) -> list[str]:
    return [option("name", task.name)] if task.name else []


def _roles(task: Task) -> list[str]:
    """Their names; a role may be Keystone's own {"id": ..., "name": ...}."""
    roles: list[Any] = task.detail.get("roles") or []
    return [role["name"] if isinstance(role, dict) else str(role) for role in roles]


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

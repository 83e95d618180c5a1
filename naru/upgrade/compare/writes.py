"""Users' writes tried out, on request: a small thing of each kind is made as a user, and deleted again.

All of them have one name, that of the upgrade. So what is left of a try that was cut off is found by the next one,
which deletes it first; in the journal stand the users of whom something may be left.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import asyncssh

from naru.cloud.client import Cloud, CloudError
from naru.errors import InputError, NaruError
from naru.files import FileLock
from naru.plan import control
from naru.text import duration
from naru.upgrade.compare.verified import WRITING, WROTE, Judged, Verified
from naru.upgrade.freeze import freeze
from naru.upgrade.work import Work

SECONDS = 300.0
"""How long a thing may take to be made, or to be gone."""
PAUSE = (0.2, 3.0)
BYTES = b"naru" * 256
"""What the image holds."""
_LOCK = "writes"
_CLOSED = "the write gates are closed: naru upgrade freeze --allow ADDRESS lets this machine through"

How = Literal["works", "refused", "failed", "not there"]
"""It was made and deleted; the service refused it (4xx: a policy, a quota); it did not come about, or is not gone; the
cloud has no such service, or nobody said of what to make it."""


class Tried(NamedTuple):
    """How a kind of thing went, why not, and how many seconds it took."""

    kind: str
    how: How
    why: str = ""
    seconds: float = 0.0


class _Kind(NamedTuple):
    """A kind of thing: where it is listed, and the names of one and of several in bodies ("" where one has none).
    `ready` is its state when it is made ("" where it has none); `of` the kind that it is made in."""

    name: str
    service: str
    path: str
    one: str
    several: str
    ready: str = ""
    of: str = ""


_KINDS = (
    _Kind("security group", "network", "/security-groups", "security_group", "security_groups"),
    _Kind("network", "network", "/networks", "network", "networks"),
    _Kind("subnet", "network", "/subnets", "subnet", "subnets", of="network"),
    _Kind("volume", "block-storage", "/volumes", "volume", "volumes", "available"),
    _Kind("key pair", "compute", "/os-keypairs", "keypair", "keypairs"),
    _Kind("image", "image", "/images", "", "images", "active"),
    _Kind("server", "compute", "/servers", "server", "servers", "ACTIVE", of="subnet"),
)


def name_of(upgrade: Work) -> str:
    """What all things are called that an upgrade makes to try it."""
    return f"naru-try-{upgrade.plan_id}"


def check(users: Sequence[str], flavor: str, image: str) -> None:
    """Raises InputError for half of a server, or one that nobody is to make, and NaruError for users who cannot log
    in."""
    if bool(flavor) != bool(image) or (flavor and not users):
        raise InputError(
            "--flavor and --image go together, and with --write-as", hint="Without both no server is made."
        )
    for name in users:
        with Cloud(name) as cloud:
            cloud.user_id  # noqa: B018 (logs in)


def try_all(
    upgrade: Work, users: Sequence[str], flavor: str, image: str, say: Callable[[str], None]
) -> dict[str, list[Tried]]:
    """Makes and deletes a thing of each kind as each of the users, by their names in clouds.yaml; what is left of a try
    that was cut off is deleted first. It is recorded. Raises InputError while another process does it."""
    if not users:
        return {}
    name, found = name_of(upgrade), {}
    with FileLock(upgrade.directory / _LOCK) as lock:
        if not lock.take():
            raise InputError(f"{upgrade.directory}: writes are being tried already", hint="Wait for that command.")
        with upgrade.journal() as journal:
            left = [user for user in journal.recall(WRITING) or () if user not in users]
            journal.remember(WRITING, [*left, *users])
        for user in [*left, *users]:
            try:
                with Cloud(user) as cloud:
                    rest = _clear(cloud, name)
                    if user in users and not rest:
                        found[user] = _tried(cloud, name, flavor, image, partial(_said, say, user))
                        rest = _clear(cloud, name)
            except NaruError:
                if user in users:
                    raise
                continue  # who was tried earlier, and cannot log in any more: `judge` tells of that one
            if rest:
                found.setdefault(user, []).extend(Tried(kind, "failed", f"it is not gone: {why}") for kind, why in rest)
            with upgrade.journal() as journal:
                if not rest:
                    journal.remember(WRITING, [one for one in journal.recall(WRITING) or () if one != user])
                if user in found:
                    control.remark(journal, f"writes tried as {user}: {told(found[user])}")
    return found


def _said(say: Callable[[str], None], user: str, line: str) -> None:
    say(f"{user}: {line}")


def told(tried: Sequence[Tried]) -> str:
    """What became of a try, on one line."""
    return ", ".join(f"{one.kind} {one.how}" + f" ({duration(one.seconds)})" * (one.how == "works") for one in tried)


def _tried(cloud: Cloud, name: str, flavor: str, image: str, say: Callable[[str], None]) -> list[Tried]:
    made: dict[str, str] = {}
    found: dict[str, Tried] = {}
    for kind in _KINDS:
        if kind.name == "server" and not flavor:
            continue
        say(f"make a {kind.name}")
        began = time.monotonic()
        try:
            found[kind.name] = _made(cloud, kind, name, made, (flavor, image))
        except NaruError as error:
            found[kind.name] = Tried(kind.name, _how(error), _why(error))
        found[kind.name] = found[kind.name]._replace(seconds=time.monotonic() - began)
    for kind in reversed(_KINDS):
        if kind.name not in made:
            continue
        began = time.monotonic()
        one = found[kind.name]
        try:
            _delete(cloud, kind, made[kind.name])
        except NaruError as error:
            one = Tried(kind.name, "failed", f"it could not be deleted: {_why(error)}", one.seconds)
        found[kind.name] = one._replace(seconds=one.seconds + time.monotonic() - began)
    return list(found.values())


def _made(cloud: Cloud, kind: _Kind, name: str, made: dict[str, str], of: tuple[str, str]) -> Tried:
    """Makes one, and waits until it is ready; its id is in `made` as soon as it is there."""
    if not cloud.has(kind.service):
        return Tried(kind.name, "not there", f"the cloud has no {kind.service} service")
    if kind.of and kind.of not in made:
        return Tried(kind.name, "failed", f"there is no {kind.of} for it")
    body = _body(cloud, kind.name, name, made, of)
    said = cloud(kind.service, "POST", kind.path, {kind.one: body} if kind.one else body)
    answer = said[kind.one] if kind.one else said
    made[kind.name] = str(answer["name"] if kind.name == "key pair" else answer["id"])
    if kind.name == "image":
        headers = {"Content-Type": "application/octet-stream"}
        cloud.request(kind.service, "PUT", f"{kind.path}/{made[kind.name]}/file", data=BYTES, headers=headers)
    if kind.ready:
        _until(lambda: _is_ready(cloud, kind, made[kind.name]), f"{kind.name} {made[kind.name]} is not {kind.ready}")
    return Tried(kind.name, "works")


def _body(cloud: Cloud, kind: str, name: str, made: Mapping[str, str], of: tuple[str, str]) -> dict[str, Any]:
    match kind:
        case "subnet":
            return {"name": name, "network_id": made["network"], "ip_version": 4, "cidr": "192.0.2.0/28"}
        case "volume":
            return {"name": name, "size": 1}
        case "key pair":
            key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
            return {"name": name, "public_key": key.export_public_key().decode().strip()}
        case "image":
            return {"name": name, "disk_format": "raw", "container_format": "bare"}
        case "server":
            flavor, image = (_found(cloud, *one) for one in (("compute", "flavor", of[0]), ("image", "image", of[1])))
            return {"name": name, "flavorRef": flavor, "imageRef": image, "networks": [{"uuid": made["network"]}]}
    return {"name": name}


def _found(cloud: Cloud, service: str, kind: str, wanted: str) -> str:
    """The id of a flavor or an image by its id or its name. Raises CloudError where there is none."""
    for one in cloud.items(service, f"/{kind}s", f"{kind}s"):
        if wanted in (one["id"], one["name"]):
            return str(one["id"])
    raise CloudError(f"{cloud.name} has no {kind} {wanted!r} that it may use", status=404)


def _is_ready(cloud: Cloud, kind: _Kind, id: str) -> bool:
    said = cloud(kind.service, "GET", f"{kind.path}/{id}")
    one = said[kind.one] if kind.one else said
    state = str(one["status"])
    if state.lower().startswith("error") or state == "killed":
        why = one.get("fault", {}).get("message", "")
        raise NaruError(f"{kind.name} {id} is {state}", detail=why)
    return state == kind.ready


def _clear(cloud: Cloud, name: str) -> list[tuple[str, str]]:
    """Deletes all that has the name; gives what could not be deleted, by kind, and why."""
    left = []
    for kind in reversed(_KINDS):
        try:
            for id in _named(cloud, kind, name):
                _delete(cloud, kind, id)
        except NaruError as error:
            left.append((kind.name, _why(error)))
    return left


def _named(cloud: Cloud, kind: _Kind, name: str) -> list[str]:
    if not cloud.has(kind.service):
        return []
    if kind.name == "key pair":
        return [name] if _is_there(cloud, kind, name) else []
    listed = cloud.items(kind.service, f"{kind.path}?name={quote(name)}", kind.several)
    return [str(one["id"]) for one in listed if one["name"] == name]


def _is_there(cloud: Cloud, kind: _Kind, id: str) -> bool:
    try:
        cloud(kind.service, "GET", f"{kind.path}/{id}")
    except CloudError as error:
        if error.status != 404:
            raise
        return False
    return True


def _delete(cloud: Cloud, kind: _Kind, id: str) -> None:
    try:
        cloud(kind.service, "DELETE", f"{kind.path}/{id}")
    except CloudError as error:
        if error.status != 404:
            raise
    _until(lambda: not _is_there(cloud, kind, id), f"{kind.name} {id} is not gone")


def _until(done: Callable[[], bool], what: str) -> None:
    end, pause = time.monotonic() + SECONDS, PAUSE[0]
    while not done():
        if time.monotonic() > end:
            raise NaruError(f"{what} after {duration(SECONDS)}")
        time.sleep(pause)
        pause = min(PAUSE[1], pause * 1.5)


def _how(error: NaruError) -> How:
    refused = isinstance(error, CloudError) and 400 <= error.status < 500 and error.status != 429
    return "refused" if refused else "failed"


def _why(error: NaruError) -> str:
    return f"{error.summary}: {error.detail}" if error.detail else error.summary


def judge(upgrade: Work, after: Mapping[str, Sequence[Tried]]) -> Iterator[Verified]:
    """What is wrong with the writes of users, beside what they were before, where that is known."""
    with upgrade.journal() as journal:
        before, left = journal.recall(WROTE) or {}, journal.recall(WRITING) or []
    frozen = freeze.when_frozen(upgrade) is not None
    for user, tried in after.items():
        was = {one.kind: one for one in (Tried(*row) for row in before.get(user, ()))}
        for now in tried:
            if found := _judged(was.get(now.kind), now):
                gate = frozen and "(503)" in now.why
                closed = (_CLOSED,) if gate else ()
                examples = (f"{now.kind}: {now.why or now.how}", *closed)
                yield Verified(found[0], f"writes of {user}", found[1], now.kind, 1, examples)
    for user in left:
        change = "something may be left of a try that was cut off"
        hint = f"naru upgrade verify {upgrade.directory} --write-as {user}"
        yield Verified("not known", f"writes of {user}", change, "", 1, (hint,))


def _judged(was: Tried | None, now: Tried) -> tuple[Judged, str] | None:
    """None for what is as it was, or works and was not tried before."""
    if now.how == "failed":
        if was and was.how == "failed":
            return "not compared", "failed before, too"
        return "wrong", "does not work" if was is None else "worked, and does not" if was.how == "works" else "fails"
    if was is None:
        return ("not compared", f"{now.how}, and was not tried before") if now.how != "works" else None
    if was.how == now.how or was.how == "failed":
        return None
    if now.how == "works":
        return ("wrong", "was refused, and works") if was.how == "refused" else ("new", "was not there, and works")
    return "wrong", f"{'worked' if was.how == 'works' else f'was {was.how}'}, and is {now.how} now"

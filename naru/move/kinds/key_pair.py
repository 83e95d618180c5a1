"""Key pairs: all of the users'. A key pair has no id: it is known by its user and its name."""

from typing import Any
from urllib.parse import quote

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from naru.inventory.rows import Row
from naru.messages import Text, message
from naru.move import showing
from naru.move.accepts import compute
from naru.move.draft import Draft
from naru.move.facts import Side
from naru.move.kind import Kind, Mapped


def _compared(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    return {"keypair": {name: row.body["keypair"].get(name) for name in ("name", "public_key", "type", "fingerprint")}}


def _counterpart(row: Row, mapped: Mapped) -> str:
    return f"{mapped('user', row.body['user_id'])}/{row.name}"


KIND = Kind(
    "key pair",
    path="/os-keypairs",
    wrap="keypair",
    handled=frozenset(("user_id", "keypair")),
    compared=_compared,
    counterpart=_counterpart,
    terraform="openstack_compute_keypair_v2",
    used_by=showing.of_user,
)
NO_USER = message("move.key_pair.no_user", en="its user is not moved", ko="소유한 사용자를 이전하지 않습니다")
SAME_KEY = message("move.key_pair.same", en="same name and key", ko="이름과 키가 같습니다")
OTHER_KEY = message(
    "move.key_pair.other",
    en="the user has another key of this name on the new cloud",
    ko="사용자에게 이름이 같은 다른 키가 새 클라우드에 있습니다",
)
IN_DISK = message(
    "move.key_pair.in_disk",
    en="Servers keep the key in their disk.",
    ko="서버의 디스크에 있는 키는 그대로 유지됩니다.",
)
ADD_NEWER = message(
    "move.key_pair.add_newer",
    en="Servers keep the key in their disk; the user can add a newer one.",
    ko="서버의 디스크에 있는 키는 그대로 유지됩니다. 사용자가 최신 형식의 키를 추가할 수 있습니다.",
)
NAME_REFUSED = message(
    "move.key_pair.name_refused",
    en="the new Nova does not take its name",
    ko="새 Nova가 허용하지 않는 이름입니다",
)
KEY_REFUSED = message(
    "move.key_pair.key_refused",
    en="the new Nova does not take a key like this ({error})",
    ko="새 Nova가 허용하지 않는 키입니다({error})",
)
TITLE = message("move.title.key_pair", en="key pair {name} of {user}", ko="{user} 사용자의 키 페어 {name} 생성")


def key_pairs(draft: Draft) -> None:
    """All key pairs of the users. One that the new Nova would refuse is left, and the reader is told."""
    for row in draft.facts.old.all(KIND.name).values():
        user = row.body["user_id"]
        pair = row.body["keypair"]
        if user not in draft.facts.users:
            continue
        owner = draft.ref("user", user)
        if owner is None:
            draft.leave(row, NO_USER())
            continue
        if isinstance(owner, str) and (existing := draft.facts.new.all(KIND.name).get(f"{owner}/{row.name}")):
            if existing.body["keypair"]["public_key"].split()[:2] == pair["public_key"].split()[:2]:
                draft.match(row, existing.id, SAME_KEY())
            else:
                draft.leave(row, OTHER_KEY(), hint=IN_DISK())
            continue
        if why := _refused(draft.facts.new, pair):
            draft.leave(row, why, hint=ADD_NEWER())
            continue
        draft.made(row, _create(draft, row, owner))


def _create(draft: Draft, row: Row, owner: Any) -> str:
    """The step that makes it for its user, who it belongs to; a 409 says that an earlier attempt has done so."""
    pair = row.body["keypair"]
    body = {"name": row.name, "public_key": pair["public_key"], "type": pair.get("type", "ssh"), "user_id": owner}
    version = "2.92" if draft.facts.new.supports(KIND.service, "2.92") else "2.10"
    path = [f"{KIND.path}/{quote(row.name, safe='')}?user_id=", owner]
    return draft.call(
        f"{row.kind}/{row.id}",
        KIND.service,
        [{"method": "POST", "path": KIND.path, "body": {KIND.wrap: body}, "version": version, "ok": [409]}],
        TITLE(name=row.name, user=draft.facts.users[row.body["user_id"]].name),
        undo=[{"method": "DELETE", "path": path, "version": version, "ok": [404]}],
        about=row,
    )


def _refused(side: Side, pair: dict[str, Any]) -> Text:
    """Why the new Nova would not take the key pair; empty when it would."""
    if not compute.takes_key_pair(side, pair["name"]):
        return NAME_REFUSED()
    if pair.get("type", "ssh") == "ssh":
        try:
            load_ssh_public_key(pair["public_key"].encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            return KEY_REFUSED(error=str(error))
    return ""

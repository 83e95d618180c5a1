"""What the report says of secrets and containers: those that were moved, with their new ids; of all others the task for
their users."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from naru.inventory.rows import Row
from naru.messages import message
from naru.move.decisions import Decided
from naru.move.facts import Side
from naru.move.kinds import secret
from naru.move.outcome import Item, State, Task
from naru.move.secrets.record import Moved
from naru.move.work import Work

BY_USER = message(
    "move.secrets.by_user",
    en="moved as {user}, by naru move secrets",
    ko="naru move secrets 명령으로 {user} 사용자 권한으로 옮겼습니다",
)
FOUND = message(
    "move.secrets.found",
    en="it was on the new cloud already, as {user} found",
    ko="{user} 사용자 권한으로 확인한 결과 새 클라우드에 이미 있었습니다",
)
KINDS = (secret.KIND.name, secret.CONTAINER.name)


def items(planned: Iterable[Item], moved: Mapping[str, Moved]) -> tuple[Item, ...]:
    """The items, with what has become of secrets and containers since the plan left them."""
    return tuple(_item(one, moved.get(one.old_id)) if one.kind in KINDS else one for one in planned)


def _item(item: Item, moved: Moved | None) -> Item:
    if moved is None or not moved.done or item.state == "rolled back":
        return item
    why = BY_USER(user=moved.by) if moved.made else FOUND(user=moved.by)
    decision: Decided = "create" if moved.made else "match"
    state: State = "explained" if item.differences else "right"
    return replace(item, new_id=moved.new_id, decision=decision, why=why, state=state, reason="")


def tasks(work: Work, old: Side, made: Mapping[str, str], moved: Mapping[str, Moved]) -> Iterator[Task]:
    """What is left to users: each secret and container that was not moved, as it was when the move was planned."""
    refs = {one.old_id: one.new for one in moved.values() if one.done}
    for decision in work.planned:
        if decision.kind not in KINDS or decision.id in refs:
            continue
        row = old.all(decision.kind)[decision.id]
        detail = {"user": _user(old, row), "readers": _readers(row, made), "private": secret.is_private(row)}
        if row.kind == secret.CONTAINER.name:
            members = [
                (str(one.get("name") or ""), refs.get(one["secret_id"], ""), one["secret_id"])
                for one in row.body.get("secret_refs") or []
            ]
            yield Task(
                row.project, row.kind, row.name, row.body["container_ref"], {**detail, **_type(row), "secrets": members}
            )
        else:
            body = row.body
            about = {name: body.get(name) for name in ("secret_type", "algorithm", "bit_length", "mode")}
            about["content_type"] = (body.get("content_types") or {}).get("default")
            about["expires_at"] = body.get("expiration")
            yield Task(row.project, row.kind, row.name, body["secret_ref"], {**detail, **about})


def _type(row: Row) -> dict[str, str]:
    return {"type": str(row.body.get("type") or "generic")}


def _user(old: Side, row: Row) -> str:
    creator = str(row.body.get("creator_id") or "")
    known = old.all("user")
    return known[creator].name if creator in known else creator


def _readers(row: Row, made: Mapping[str, str]) -> list[str]:
    """The new ids of the users in its ACL, of those that are moved."""
    return [new for user in secret.readers(row) if (new := made.get(f"user {user}"))]

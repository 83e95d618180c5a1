"""Key pairs of users."""

from typing import Any
from urllib.parse import quote

from naru.operate.tenants.draft import Difference, Draft
from naru.operate.tenants.exporter import Exporter
from naru.operate.tenants.model import KeyPair
from naru.operate.tenants.names import Thing

KIND = "key pair"


def key_pairs(draft: Draft) -> None:
    """Key pairs that are missing. One of the same name with another key is not changed: servers were made with it."""
    for thing, user, _ in draft.things.get("user", ()):
        if "key_pairs" not in user.model_fields_set:
            continue
        rows = draft.facts.of(KIND, "user_id", thing.id) if thing.row else ()
        there = {row.name: row.body["keypair"] for row in rows}
        for pair in user.key_pairs:
            found = there.pop(pair.name, None)
            if found is None:
                _pair(draft, thing, _body(pair))
            elif _key(found["public_key"]) != _key(pair.public_key):
                name = f"{thing.label}/{pair.name}"
                cloud, file = (_short(text) for text in (found["public_key"], pair.public_key))
                draft.differences.append(Difference("refused", KIND, name, "public_key", cloud, file))
        for name, found in there.items():
            if draft.prunes("key_pairs"):
                kept = {key: found[key] for key in ("name", "public_key", "type") if found.get(key)}
                _pair(draft, thing, kept, remove=True)
            else:
                draft.undeclared(thing, "key_pairs", name)


def _body(pair: KeyPair) -> dict[str, Any]:
    return {"name": pair.name, "public_key": pair.public_key, "type": pair.type}


def _pair(draft: Draft, user: Thing, pair: dict[str, Any], *, remove: bool = False) -> None:
    version = "2.92" if draft.facts.supports("compute", "2.92") else "2.10"
    path = [f"/os-keypairs/{quote(pair['name'], safe='')}?user_id=", user.target]
    body = {"keypair": {**pair, "user_id": user.target}}
    post = {"method": "POST", "path": "/os-keypairs", "body": body, "version": version, "ok": [409]}
    delete = {"method": "DELETE", "path": path, "version": version, "ok": [404]}
    requests = (delete, post) if remove else (post, delete)
    draft.link(user, "key_pairs", pair["name"], "compute", requests[:1], requests[1:], remove=remove)


def _key(public: str) -> list[str]:
    """The key without its comment."""
    return public.split()[:2]


def _short(public: str) -> str:
    return f"{public.strip()[:24]}…{public.strip()[-16:]}"


def export(out: Exporter) -> None:
    """The key pairs of all users in the file."""
    for user in out.rows("user"):
        pairs = []
        for row in sorted(out.facts.of(KIND, "user_id", user.id), key=lambda row: row.name):
            pair = row.body["keypair"]
            kind = {"type": pair["type"]} if pair.get("type", "ssh") != "ssh" else {}
            pairs.append({"name": row.name, **kind, "public_key": pair["public_key"]})
        out.more(user, "key_pairs", pairs)

"""One secret or container, moved. Killed at any instant and begun again it is found: by its reference in the journal,
or by all that stands about it on the new cloud, where it holds the same or, having been begun, nothing yet."""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from naru.cloud.client import CloudError
from naru.errors import NaruError
from naru.move.secrets.barbican import BYTES, FIELDS, PLAIN, Barbican, content_type, path_of
from naru.move.secrets.record import Moved


@dataclass
class Carrier:
    """Moves what is in a project, from `old` to `new`; `keep` writes down what was reached, `users` are the new ids of
    users by their old ones, `there` what the new project has, `taken` the new references that are counterparts of
    something already."""

    old: Barbican
    new: Barbican
    keep: Callable[[Moved], None]
    users: Mapping[str, str]
    there: Mapping[str, list[dict[str, Any]]]
    taken: set[str]
    lost: dict[str, list[str]] = field(default_factory=dict)
    """By old reference: what could not be the same, in words."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def secret(self, secret: Mapping[str, Any], moved: Moved) -> Moved:
        """Moves a secret of the old cloud; `moved` is what is known of it so far. Raises CloudError where something is
        refused, NaruError where what arrived is not what was sent."""
        stored = content_type(secret)
        payload = self.old.payload(moved.old, stored) if stored else b""
        as_type = stored if stored in (*PLAIN, "application/pkcs8") else BYTES
        if stored and as_type != stored:
            self._tell(moved.old, f"its content type {stored} is {as_type} on the new cloud")
        if not moved.new:
            moved = self._found_secret(secret, payload, as_type, moved) or self._made_secret(
                secret, payload, as_type, moved
            )
        if stored and as_type in PLAIN:
            try:
                self.new.fill(moved.new, payload, as_type)
            except CloudError as error:
                if error.status != 409:  # it holds something already: compared below
                    raise
        if stored and self.new.payload(moved.new, as_type) != payload:
            raise NaruError(
                f"secret {moved.name or moved.old_id}: what arrived is not what was sent",
                hint=f"Delete {moved.new} on the new cloud, then give the command again.",
            )
        path, there = path_of("secret", moved.old), path_of("secret", moved.new)
        if metadata := self.old.metadata(path):
            self.new.set_metadata(there, metadata)
        return self._with_acl(moved)

    def container(self, container: Mapping[str, Any], refs: Mapping[str, str], moved: Moved) -> Moved:
        """Moves a container whose secrets all have a new reference (`refs`, by old one)."""
        wanted = _members(container, refs)
        if not moved.new:
            with self._lock:
                for one in self.there["secret container"]:
                    same = (one.get("name"), one["type"]) == (container.get("name"), container["type"])
                    if same and one["container_ref"] not in self.taken and _members(one, None) == wanted:
                        moved = replace(moved, new=one["container_ref"])
                        self.taken.add(moved.new)
                        break
        if not moved.new:
            members = [
                {**({"name": one["name"]} if one.get("name") else {}), "secret_ref": refs[one["secret_ref"]]}
                for one in container.get("secret_refs") or []
            ]
            body = {"type": container["type"], "secret_refs": members}
            if container.get("name"):
                body["name"] = container["name"]
            moved = replace(moved, made=True)
            self.keep(moved)
            moved = replace(moved, new=self.new.make_container(body))
        self.keep(moved)
        if container.get("consumers"):
            names = ", ".join(sorted({str(one.get("name")) for one in container["consumers"]}))
            self._tell(moved.old, f"its consumers register themselves again: {names}")
        return self._with_acl(moved)

    def _found_secret(self, secret: Mapping[str, Any], payload: bytes, as_type: str, moved: Moved) -> Moved | None:
        """A secret of the new cloud of which the same stands and that holds the same; or that holds nothing, where an
        earlier attempt had begun to make one."""
        # one at a time: what another thread only looks at is not taken
        with self._lock:
            for one in self.there["secret"]:
                if one["secret_ref"] in self.taken or _about(one) != _about(secret):
                    continue
                if self._is_same(one, payload, as_type, begun=moved.made):
                    self.taken.add(one["secret_ref"])
                    break
            else:
                return None
        found = replace(moved, new=one["secret_ref"])
        self.keep(found)
        return found

    def _is_same(self, there: Mapping[str, Any], payload: bytes, as_type: str, *, begun: bool) -> bool:
        stored = content_type(there)
        if not stored:
            mine = there.get("creator_id") in (None, self.new.user)
            return mine and (begun or not payload)
        if not payload or stored != as_type:
            return False
        try:
            return self.new.payload(there["secret_ref"], stored) == payload
        except CloudError as error:
            if error.status == 403:
                return False
            raise

    def _made_secret(self, secret: Mapping[str, Any], payload: bytes, as_type: str, moved: Moved) -> Moved:
        # whoever goes on after a kill then knows that one which holds nothing may be ours
        moved = replace(moved, made=True)
        self.keep(moved)
        body = {name: secret[name] for name in FIELDS if secret.get(name) not in (None, "")}
        if payload and as_type not in PLAIN:
            reference = self.new.make_whole(body, payload, as_type)
        else:
            reference = self.new.make(body)
        moved = replace(moved, new=reference)
        self.keep(moved)
        return moved

    def _with_acl(self, moved: Moved) -> Moved:
        path, there = path_of(moved.kind, moved.old), path_of(moved.kind, moved.new)
        acl = self.old.acl(path)
        wanted = {}
        for operation, one in acl.items():
            known = [self.users[user] for user in one.get("users") or [] if user in self.users]
            if gone := sorted(set(one.get("users") or []) - self.users.keys()):
                self._tell(moved.old, f"users that are not on the new cloud are not in its ACL: {', '.join(gone)}")
            wanted[operation] = {"project-access": one.get("project-access", True), "users": known}
        if wanted != {"read": {"project-access": True, "users": []}}:
            self.new.set_acl(there, wanted)
        done = replace(moved, done=True)
        self.keep(done)
        return done

    def _tell(self, reference: str, what: str) -> None:
        with self._lock:
            self.lost.setdefault(reference, []).append(what)


def _about(secret: Mapping[str, Any]) -> tuple[Any, ...]:
    """What stands about a secret, in a form in which both clouds' are compared."""
    return tuple(secret.get(name) or None for name in FIELDS)


def _members(container: Mapping[str, Any], refs: Mapping[str, str] | None) -> Collection[tuple[str, str]]:
    """The secrets in a container, by name; by their new references where `refs` says those."""
    return {
        (str(one.get("name") or ""), refs[one["secret_ref"]] if refs is not None else one["secret_ref"])
        for one in container.get("secret_refs") or []
    }

"""As whom both clouds are asked: a user of the old cloud and its counterpart, each with credentials of its own, which
come from clouds.yaml or the environment and never from a command line."""

import os
from dataclasses import dataclass
from pathlib import Path

from naru.cloud.client import Cloud, CloudError
from naru.errors import InputError
from naru.move.work import Work
from naru.text import shortened
from naru.work import keys

PASSWORDS = {"old": "NARU_OLD_PASSWORD", "new": "NARU_NEW_PASSWORD"}
"""The environment variables with the user's passwords on both clouds."""


@dataclass(frozen=True)
class Person:
    """A user by its ids on both clouds; `new` is "" while it is not there."""

    name: str
    old: str
    new: str


def person(move: Work, text: str) -> Person:
    """The user that is meant by name or id. Raises InputError for one that the move does not know, or knows twice."""
    users = {one.id: one.name for one in move.planned if one.kind == "user"}
    found = [text] if text in users else [identity for identity, name in users.items() if name == text]
    if not found:
        names = ", ".join(shortened(sorted(users.values()), 10)) or "nobody"
        raise InputError(f"--as {text!r}: no user of this move", hint=f"Its users: {names}.")
    if len(found) > 1:
        raise InputError(f"--as {text!r} is the name of several", hint=f"Give an id: {', '.join(found)}.")
    return Person(users[found[0]], found[0], move.made().get(f"user {found[0]}", ""))


@dataclass(frozen=True)
class Given:
    """What the operator gave: the entries of clouds.yaml that are the user's own, "" for none, and the move's key, of
    which the password is derived that the move gave to a new user."""

    old: str = ""
    new: str = ""
    key: Path | None = None


class Session:
    """One user on one cloud: `inside(project)` is the cloud as that user in a project there. Close it."""

    def __init__(self, cloud: Cloud, *, own: bool, user: str = "", password: str = "") -> None:
        self.cloud = cloud
        self._own = own
        self._user, self._password = user, password

    def inside(self, project: str) -> Cloud:
        """The cloud as the user in the project. Raises CloudError when something is asked that is refused."""
        if not self._own:
            return self.cloud.acting(project, self._user, self._password)
        # one of an application credential is in its project, and can be in no other
        return self.cloud if self.cloud.project_id == project else self.cloud.acting(project)

    def close(self) -> None:
        self.cloud.close()


def session(move: Work, who: Person, given: Given, side: str) -> Session:
    """The user on the `old` cloud or the `new` one. Raises InputError where there are no credentials of it, or they are
    another user's."""
    entry, name = (given.old, move.old) if side == "old" else (given.new, move.new)
    user = who.old if side == "old" else who.new
    if side == "new" and not user:
        raise InputError(
            f"user {who.name} is not on {move.new} yet", hint=f"naru move prepare {move.directory} makes it."
        )
    if entry:
        own = Cloud(entry)
        if own.user_id != user:
            identity = own.user_id
            own.close()
            raise InputError(
                f"--{side}-cloud {entry}: that is the user {identity}, not {who.name} ({user})",
                hint=f"Give the entry of clouds.yaml that is {who.name} on {name}.",
            )
        return Session(own, own=True)
    password = os.environ.get(PASSWORDS[side]) or (_derived(move, who, given) if side == "new" else "")
    if not password:
        raise InputError(
            f"no credentials of {who.name} on {name}",
            hint=f"Name the user's own entry of clouds.yaml, --{side}-cloud ENTRY, or put the password into the "
            f"environment: read -rs {PASSWORDS[side]}; export {PASSWORDS[side]}",
        )
    found = Session(Cloud(name), own=False, user=user, password=password)
    try:
        # in no project: whoever is refused there has another password, not just no role
        _ = found.inside("").token
    except CloudError as error:
        found.close()
        if error.status != 401:
            raise
        raise InputError(
            f"{name} refuses the password of {who.name}",
            hint=f"Give the one that is good now: read -rs {PASSWORDS[side]}; export {PASSWORDS[side]}",
        ) from error
    return found


def _derived(move: Work, who: Person, given: Given) -> str:
    """The password that the move has given to a user whom it made, "" where it made none or the key is not here."""
    made = any(one.kind == "user" and one.id == who.old and one.decision == "create" for one in move.planned)
    file = given.key or keys.default_key()
    if not made or not (given.key or file.exists()):
        return ""
    move.check_key(file)
    return keys.password(file, keys.of_user(move.old, who.old), move.identity())

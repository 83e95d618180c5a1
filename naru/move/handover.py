"""The hand-over of new passwords: one encrypted file, and its key somewhere else.

The file is a Fernet token (AES-128-CBC and HMAC-SHA256, as cryptography.io describes it) around JSON. Its key is
derived from the key file, for this plan's hand-over alone (see `naru.work.keys`): given to somebody, it opens nothing
else. Nothing here prints or logs a password.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from naru.errors import InputError, NaruError
from naru.files import sync_directory
from naru.move.outcome import Outcome
from naru.work import keys

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Password:
    """A user's new password. `project` and `domain` are names, of the project that the user was moved with and of the
    user's domain; `user_id` is the one on the new cloud. The password is not in its `repr`."""

    project: str
    domain: str
    user_name: str
    user_id: str
    password: str = field(repr=False)


def passwords(
    outcome: Outcome, old_cloud: str, key: Path, project: str | None = None, *, plan: str = ""
) -> list[Password]:
    """The new users' passwords, of all projects or of one (name or id); `plan` is the plan's identity. Raises
    InputError for a project that is not moved."""
    names = {item.old_id: item.name for item in outcome.projects}
    if project is not None and project not in names and project not in names.values():
        raise InputError(f"--project {project!r} is not moved here", hint=f"It is one of: {', '.join(names.values())}.")
    new = {item.old_id: item.new_id for item in outcome.items if item.kind == "user"}
    return [
        Password(
            names[task.project],
            str(task.detail.get("domain", "")),
            task.name,
            new[task.old_id],
            keys.password(key, keys.of_user(old_cloud, task.old_id), plan),
        )
        for task in outcome.tasks
        if task.kind == "password" and new[task.old_id] and project in (None, task.project, names[task.project])
    ]


def write(
    file: Path, key_file: Path, passwords: Iterable[Password], *, work: Path | None = None, plan: str = ""
) -> None:
    """Writes the passwords of the plan with the identity `plan` to `file`, in place of those that were in it. The key
    is derived from `key_file`, which is made with mode 0600 when there is neither a key nor a hand-over yet.

    Raises InputError for a key inside `work` (the directory of `file`, if not given), a key that others may read, and
    one that does not fit the file that is there already: its passwords would be lost. Raises NaruError when something
    cannot be written. Killed at any instant it leaves the file as it was or as it will be.
    """
    work = file.parent if work is None else work
    if key_file.resolve().is_relative_to(work.resolve()):
        raise InputError(
            f"the key {key_file} would lie in the work directory {work}",
            detail="Who has a copy of the work directory must not have the passwords with it.",
            hint="Name a file in another directory.",
        )
    if file.exists():
        read(file, key_file, plan=plan)
    elif not key_file.exists():
        _make_key(key_file)
    key = _key(key_file, plan)
    body = {"naru_handover": FORMAT, "passwords": [asdict(password) for password in passwords]}
    if (part := _part(key_file)).exists():  # of a run that was killed: it holds the key
        part.unlink()
    try:
        _put(file, key.encrypt(json.dumps(body).encode()))
    except OSError as error:
        raise NaruError(f"the hand-over {file} cannot be written", detail=str(error)) from error


def read(file: Path, key_file: Path, *, plan: str = "") -> list[Password]:
    """The passwords in `file`, of the plan with the identity `plan`. Raises InputError for a file or key that is
    missing, a wrong key, a damaged file."""
    key = _key(key_file, plan)
    try:
        token = file.read_bytes()
    except OSError as error:
        raise InputError(f"the hand-over {file} cannot be read", detail=str(error)) from error
    try:
        content = key.decrypt(token)
    except InvalidToken as error:
        raise InputError(
            f"the hand-over {file} does not open with the key {key_file}",
            detail="The key is another one's, or the file was changed since it was written.",
            hint="Give the key that was made with this file.",
        ) from error
    try:
        body = json.loads(content)
    except ValueError as error:
        raise InputError(f"{file} opens with the key, but is no hand-over", detail=str(error)) from error
    if not isinstance(body, dict) or "naru_handover" not in body:
        raise InputError(f"{file} opens with the key, but is no hand-over")
    if body["naru_handover"] > FORMAT:
        raise InputError(f"{file} was written by a newer Naru", hint="Read it with that one, or a newer one.")
    return [Password(**row) for row in body["passwords"]]


def _key(file: Path, plan: str) -> MultiFernet:
    """What encrypts with the plan's key. It opens what was encrypted with the key file itself, too, as it was."""
    try:
        if file.stat().st_mode & 0o077:
            raise InputError(
                f"the key {file} can be read by others than its owner",
                hint=f"If nobody has read it: chmod 600 {file}. Else make the passwords anew.",
            )
        content = file.read_bytes()
    except OSError as error:
        raise InputError(
            f"the key {file} cannot be read",
            detail=str(error),
            hint="It was made with the hand-over. Without it nobody can open that; the passwords have to be made anew.",
        ) from error
    try:
        itself = Fernet(content.strip())
    except ValueError as error:
        raise InputError(f"{file} is no key of a hand-over", detail=str(error)) from error
    return MultiFernet([Fernet(keys.handover_key(file, plan)), itself])


def _make_key(file: Path) -> None:
    key = Fernet.generate_key()
    try:
        _put(file, key + b"\n", new=True)
    except OSError as error:
        raise NaruError(f"the key {file} cannot be written", detail=str(error)) from error


def _part(file: Path) -> Path:
    return file.with_name(f".{file.name}.part")


def _put(file: Path, content: bytes, *, new: bool = False) -> None:
    """Writes a file whole or not at all, for its owner alone; a `new` one never over another."""
    part = _part(file)
    part.unlink(missing_ok=True)  # of one that was killed
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    if new:
        os.link(part, file)
        part.unlink()
    else:
        part.replace(file)
    sync_directory(file.parent)

"""Passwords of the users that a plan makes: derived from a key that lies outside of the work directory.

So no password has to be stored: whoever resumes a plan with the same key knows the same passwords, and whoever has the
work directory alone knows none. One key serves many plans: what is used is derived from it for one purpose and one plan
(HKDF, RFC 5869, with both as its info), so what is given away of one says nothing of any other.

Plans of before were made without an identity: their passwords are an HMAC of the key alone, and their hand-over is
encrypted with the key itself (32 bytes in base64, as Fernet wants it).
"""

import base64
import hashlib
import hmac
import json
import os
from pathlib import Path

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from naru.errors import InputError, NaruError


def default_key() -> Path:
    """Where an operator's key is, when none is named: naru/move.key under $XDG_CONFIG_HOME or ~/.config."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "naru" / "move.key"


def ensure_key(file: Path, work: Path) -> None:
    """Makes the key when it is not there. Raises InputError for one inside the work directory or one that others may
    read."""
    if file.resolve().is_relative_to(work.resolve()):
        raise InputError(
            f"--key {file} lies in the work directory", hint="Whoever gets that would get the passwords: keep it apart."
        )
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        hint = "Name a file in a directory that can be written."
        raise InputError(f"--key {file}: its directory cannot be made", detail=str(error), hint=hint) from error
    try:
        with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as opened:
            opened.write(Fernet.generate_key())
            os.fsync(opened.fileno())
    except FileExistsError:
        read_key(file)
    except OSError as error:
        raise NaruError(f"the key {file} cannot be made", detail=str(error)) from error


def read_key(file: Path) -> bytes:
    """The key. Raises InputError when it is not there, not whole, or open to others."""
    try:
        text = file.read_bytes()
        mode = file.stat().st_mode
    except OSError as error:
        raise InputError(
            f"the key {file} cannot be read", detail=str(error), hint="Bring back the key that this plan was made with."
        ) from error
    try:
        Fernet(text)
    except ValueError as error:
        raise InputError(f"{file} is not a key of Naru's", detail=str(error)) from error
    if mode & 0o077:
        raise InputError(f"the key {file} may be read by others", hint=f"chmod 600 {file}")
    return base64.urlsafe_b64decode(text)


def fingerprint(file: Path) -> str:
    """A fingerprint: it tells one key from another without giving it away."""
    return hashlib.sha256(b"naru fingerprint" + read_key(file)).hexdigest()[:16]


def of_user(cloud: str, user: str) -> str:
    """The name from which the password is derived of the user that is made for a user (id) of a cloud."""
    return f"{cloud}/{user}"


def password(file: Path, of: str, plan: str = "") -> str:
    """The password of the user whom `of` names, in the plan with that identity ("" for one of before): 32 characters
    with letters of both cases, digits and signs."""
    digest = _derived(file, "password", plan, of) if plan else hmac.digest(read_key(file), of.encode(), "sha256")
    # the ending suits what a cloud may ask of every password
    return base64.urlsafe_b64encode(digest[:21]).decode() + "aA1-"


def handover_key(file: Path, plan: str = "") -> str:
    """The key (Fernet's) of the hand-over of the plan with that identity ("" for one of before)."""
    return base64.urlsafe_b64encode(_derived(file, "hand-over", plan) if plan else read_key(file)).decode()


def _derived(file: Path, purpose: str, *of: str) -> bytes:
    """32 bytes for one purpose, and what it is of."""
    info = json.dumps(["naru", purpose, *of]).encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(read_key(file))

"""Passwords of the users that a plan makes: derived from a key that lies outside of the work directory.

The key is a Fernet key (32 bytes in base64), so that it also encrypts the hand-over file. So no password
has to be stored: whoever resumes a plan with the same key knows the same passwords, and whoever has the work directory
alone knows none.
"""

import base64
import hashlib
import hmac
import os
from pathlib import Path

from cryptography.fernet import Fernet

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


def password(file: Path, of: str) -> str:
    """The password of the user whom `of` names: 32 characters with letters of both cases, digits and signs."""
    digest = hmac.digest(read_key(file), of.encode(), "sha256")
    # the ending suits what a cloud may ask of every password
    return base64.urlsafe_b64encode(digest[:21]).decode() + "aA1-"

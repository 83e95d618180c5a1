"""Tokens that were issued before an upgrade: they are good after it, so long as they have not expired.

A token is as good as a password for so long. They stand in a file of the work directory that is its owner's alone, and
nowhere else; it is removed as soon as they were accepted, or have expired.
"""

import datetime
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from naru.cloud.client import Cloud, CloudError
from naru.files import write_whole
from naru.upgrade.compare.answers import kind
from naru.upgrade.compare.verified import Verified

FILE = "tokens.json"


class Token(NamedTuple):
    """A token, and when it expires, in seconds since 1970."""

    id: str
    expires: float


def issued(administrator: Cloud, user: Cloud) -> Token:
    """A token of a user. Raises CloudError."""
    return _seen(administrator, user.token)


def kept(directory: Path) -> dict[str, Token]:
    """Those that are kept, by the user's name."""
    file = directory / FILE
    return {name: Token(*one) for name, one in json.loads(file.read_text()).items()} if file.exists() else {}


def keep(directory: Path, tokens: Mapping[str, Token]) -> None:
    """Writes them into the work directory, in place of earlier ones; without any there is no file."""
    if tokens:
        write_whole(directory / FILE, json.dumps(tokens) + "\n")
    else:
        (directory / FILE).unlink(missing_ok=True)


def compare(directory: Path, administrator: Cloud) -> list[Verified]:
    """Asks Keystone for the tokens that are kept; what is wrong with them. Those that are refused are kept on, to be
    asked for again. Raises CloudError when Keystone does not answer."""
    refused, found = {}, []
    for name, token in kept(directory).items():
        if token.expires <= time.time():
            found.append(Verified("not compared", kind(name), "the token of before has expired", "identity", 1, ()))
            continue
        try:
            _seen(administrator, token.id)
        except CloudError as error:
            if not 400 <= error.status < 500:
                raise
            likely = "likely: Keystone has other keys: [fernet_tokens] key_repository, on all controllers"
            change = "the token of before is refused"
            found.append(Verified("wrong", kind(name), change, "identity", 1, (f"{error.status}", likely)))
            refused[name] = token
    keep(directory, refused)
    return found


def _seen(administrator: Cloud, token: str) -> Token:
    """What Keystone says of a token. Raises CloudError for one that it does not accept, with a status of 4xx."""
    said = administrator("identity", "GET", "/auth/tokens", headers={"X-Subject-Token": token})
    expires = datetime.datetime.fromisoformat(said["token"]["expires_at"])
    return Token(token, expires.timestamp())

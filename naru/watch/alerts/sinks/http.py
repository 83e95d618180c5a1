"""What sinks that are asked by HTTP have in common: where they are, the header that lets in, and what answers mean."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from naru.errors import InputError
from naru.files import read_private
from naru.watch.alerts.sinks import Away, Refused
from naru.watch.hide import hidden

SECONDS = 10.0
"""How long a sink may take to answer."""
_NEVER = {400, 406, 411, 413, 414, 415, 422}
"""Answers that mean: not this alert."""
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([!-~](?:[ -~]*[!-~])?)")


class Http:
    """A URL that alerts are posted to. `text` is URL[,header=FILE]; the file has one line, as
    `Authorization: Bearer …`, and is read at each request. Raises InputError."""

    def __init__(self, kind: str, text: str, path: str = "") -> None:
        url, _, header = text.partition(",header=")
        self.name = f"{kind}:{url}"
        told = f"--alert-to {kind}:"
        wrong = InputError(f"{told}{url}: this is no URL", hint=f"As in {kind}:https://host:9093 .")
        try:
            parts = urlsplit(url)
            parts.port  # noqa: B018 - raises where it is no number
        except ValueError as error:
            raise wrong from error
        if parts.username or parts.password:
            hint = f"Write a file of mode 0600, and give {kind}:URL,header=FILE."
            raise InputError(f"{told}…@{parts.hostname}: a password is in it, which others could read", hint=hint)
        if parts.scheme not in ("http", "https") or not parts.hostname or any(one.isspace() for one in url):
            raise wrong
        self._url = url.rstrip("/") + path if path else url
        self._file = Path(header).absolute() if header else None
        self._told = f"{told}{url},header={header}"
        self._header()

    def _header(self) -> dict[str, str]:
        if self._file is None:
            return {}
        found = _HEADER.fullmatch(read_private(self._file, self._told).strip())
        if found is None:
            hint = "One line, as in Authorization: Bearer 0123456789abcdef"
            raise InputError(f"{self._told}: no header is in it", hint=hint)
        return {found[1]: found[2]}

    def post(self, body: Any, headers: dict[str, str] | None = None) -> str:
        """Posts JSON; what was answered. Raises Away and Refused."""
        try:
            secret = self._header()
        except InputError as error:
            raise Away(error.summary) from error
        try:
            answer = requests.post(
                self._url,
                json=body,
                headers={**(headers or {}), **secret},
                timeout=SECONDS,
                allow_redirects=False,  # the header is for this host
                auth=lambda request: request,  # none of ~/.netrc
                stream=True,
            )
            with answer:
                said = answer.raw.read(2000, decode_content=True).decode("utf-8", "replace")
        except (requests.ConnectTimeout, requests.exceptions.SSLError) as error:
            raise Away(_reason(error)) from error
        except requests.ConnectionError as error:
            raise Away(_reason(error), arrived="Connection refused" not in str(error)) from error
        except (requests.RequestException, OSError) as error:
            raise Away(_reason(error), arrived=True) from error
        told = f"{answer.status_code} {answer.reason or ''}".strip()
        if answer.ok and answer.status_code < 300:
            return told
        detail = " ".join(hidden(said).split())[:200]
        told = f"{told}: {detail}" if detail else told
        if answer.status_code in _NEVER:
            raise Refused(told)
        raise Away(told)


def _reason(error: Exception) -> str:
    """Why a request failed, without the address that is told anyway."""
    text = str(error)
    for told in ("Connection refused", "Name or service not known", "No route to host", "certificate verify failed"):
        if told in text:
            return told.lower()
    if isinstance(error, requests.Timeout):
        return f"no answer within {SECONDS:.0f} s"
    return f"{type(error).__name__}: {text[:200]}"

"""Stores of logs asked by HTTP: who asks, whose certificate, and what is said where they do not answer."""

from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from naru.errors import InputError, NaruError

SECONDS = 60.0


class Bearer(AuthBase):
    """A token. As a header alone, requests would put a password of ~/.netrc in its place."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Nobody(AuthBase):
    """Nobody: nothing of ~/.netrc either."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class Web:
    """A server at a URL, asked as a user with a password, by a token, or as nobody; its certificate is checked by that
    in a file, else the system's. Raises InputError for what is no URL."""

    def __init__(
        self,
        url: str,
        what: str,
        *,
        user: str = "",
        password: str = "",
        token: str = "",
        certificate: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        try:
            parts = urlsplit(url)
            well = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
        except ValueError:
            well = False
        if not well:
            raise InputError(f"{what}.url: {url} is no URL", hint="As in https://192.0.2.1:9200")
        if parts.password:
            raise InputError(f"{what}.url: a password does not belong there", hint="Give password: {file: PATH}.")
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.verify = certificate or True
        self._session.headers.update(headers or {})
        self._session.auth = Bearer(token) if token else HTTPBasicAuth(user, password) if user else _Nobody()

    def ask(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        """A JSON object that it answers. Raises NaruError."""
        where = f"{self.url}/{path}"
        try:
            answer = self._session.request(method, where, timeout=SECONDS, allow_redirects=False, **given)
        except (requests.RequestException, OSError) as error:
            raise NaruError(f"{where}: no answer", detail=str(error)) from error
        if answer.status_code in (401, 403):
            hint = "Are user and password, or the token, right?"
            raise NaruError(f"{where}: it does not let one in ({answer.status_code})", hint=hint)
        if answer.status_code != 200:
            raise NaruError(f"{where}: it answers {answer.status_code}", detail=answer.text[:500])
        try:
            said = answer.json()
        except requests.exceptions.JSONDecodeError as error:
            raise NaruError(f"{where}: what it answers is no JSON", detail=answer.text[:200]) from error
        if not isinstance(said, dict):
            raise NaruError(f"{where}: what it answers is none of its own", detail=answer.text[:200])
        return said

"""The file that names sources which are no files: docs/reference/watch-sources.md has every field."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from naru import yamlfile
from naru.errors import InputError
from naru.listen import Address, Tls
from naru.site.secret import Secret
from naru.text import parse_duration
from naru.watch.sources.push import Access
from naru.watch.sources.stream import DAY
from naru.watch.sources.web import Web

HINT = "What it holds: docs/reference/watch-sources.md"


def _seconds(given: Any) -> float:
    return parse_duration(str(given))


Since = Annotated[float, pydantic.BeforeValidator(_seconds)]
"""How far back it is read when it is read for the first time, as in `12h`."""


class _Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class JournalOf(_Model):
    """A journal: of this machine, or in a directory. `units` are patterns of systemd's units; none: all entries."""

    units: tuple[str, ...] = ()
    directory: str = ""
    since: Since = DAY


class Push(_Model):
    """Where shippers push to: an address, who may, and the certificate."""

    listen: str = "127.0.0.1:9880"
    token: Secret | None = None
    user: str = ""
    password: Secret | None = None
    certificate: str = ""
    key: str = ""

    @pydantic.model_validator(mode="after")
    def _somebody(self) -> "Push":
        if self.token is None and not (self.user and self.password):
            raise ValueError("give token, or user and password: who may push")
        if bool(self.certificate) != bool(self.key):
            raise ValueError("give certificate and key, or neither")
        return self


class _Store(_Model):
    url: str
    user: str = ""
    password: Secret | None = None
    token: Secret | None = None
    certificate: str = ""
    since: Since = DAY

    @pydantic.model_validator(mode="after")
    def _whole(self) -> "_Store":
        if bool(self.user) != bool(self.password):
            raise ValueError("give user and password, or neither")
        return self


class OpenSearchAt(_Store):
    """An OpenSearch; `index` names its indices."""

    index: str = "flog-*"


class LokiAt(_Store):
    """A Loki; `query` selects the lines of the cloud's services, of a `tenant` where it has several."""

    query: str
    tenant: str = ""


class Given(_Model):
    """The whole file. With `site_journals` the journals of the site's hosts are read, of the units that run its
    services."""

    naru_watch_sources: Literal[1]
    journals: tuple[JournalOf, ...] = ()
    site_journals: bool = False
    push: Push | None = None
    opensearch: tuple[OpenSearchAt, ...] = ()
    loki: tuple[LokiAt, ...] = ()


class GivenFile:
    """What a file says, with the secrets that it names. Raises InputError with the first thing that is wrong."""

    def __init__(self, file: Path) -> None:
        self.file, self._directory = file, file.absolute().parent
        said = yamlfile.values(yamlfile.text_of(file), file)
        try:
            self.content = Given.model_validate(said)
        except pydantic.ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "it"
            raise InputError(f"{file}: {where}: {first['msg'].removeprefix('Value error, ')}", hint=HINT) from error

    def access(self, push: Push) -> Access:
        """Who may push. Raises InputError and NaruError."""
        return Access(self._secret(push.token, "push.token"), push.user, self._secret(push.password, "push.password"))

    def tls(self, push: Push) -> Tls | None:
        """What it listens with. Raises InputError."""
        if not push.certificate:
            return None
        return Tls(self._path(push.certificate), self._path(push.key), None, "push.certificate, push.key")

    def address(self, push: Push) -> Address:
        return Address(push.listen, "push.listen", "127.0.0.1:9880")

    def web(self, at: OpenSearchAt | LokiAt, what: str) -> Web:
        """A store that is asked. Raises InputError and NaruError."""
        tenant = at.tenant if isinstance(at, LokiAt) else ""
        return Web(
            at.url,
            what,
            user=at.user,
            password=self._secret(at.password, f"{what}.password"),
            token=self._secret(at.token, f"{what}.token"),
            certificate=str(self._path(at.certificate)) if at.certificate else "",
            headers={"X-Scope-OrgID": tenant} if tenant else {},
        )

    def _secret(self, secret: Secret | None, what: str) -> str:
        if secret is None:
            return ""
        found = secret.read(self._directory, f"{self.file}: {what}")
        if not found:
            raise InputError(f"{self.file}: {what}: it is empty", hint="Anybody would be let in.")
        return found

    def _path(self, text: str) -> Path:
        return self._directory / Path(text).expanduser()

"""REST calls to one cloud: its services, found in its catalogue and asked in versions that it has; complete lists."""

import copy
import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests
from keystoneauth1 import adapter, exceptions, identity
from keystoneauth1 import session as keystone_session
from keystoneauth1.access import AccessInfoV3
from keystoneauth1.discover import EndpointData
from keystoneauth1.identity.v3 import TokenMethod

from naru.cloud.config import region
from naru.cloud.locks import PatientLock, PatientLocks
from naru.cloud.transport import RETRIABLE, GaveUp, Transport, decoded, retry_after
from naru.errors import NaruError

# the API of each service that Naru speaks: a cloud of 2017 has these, and the newest ones still do
MAJORS = {
    "identity": "3",
    "compute": "2",
    "placement": "1",
    "image": "2",
    "block-storage": "3",
    "network": "2",
    "load-balancer": "2",
    "dns": "2",
    "key-manager": "1",
}
# of which it is only asked what there is
FURTHER = {"orchestration": "1", "shared-file-system": "2", "container-infrastructure-management": "1", "database": "1"}
_SPOKEN = MAJORS | FURTHER
# an eventlet server of 2017 serves a hundred connections, users' included, and leaves the next one waiting forever
CONNECTIONS = 16

# whatever keystoneauth, the transport or, in the middle of a stream, requests raise for a service that does not answer
FAILURES = (exceptions.ClientException, GaveUp, requests.RequestException)

Version = tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """A request that was answered, for whoever keeps a record: `request_id` is the service's own name for it."""

    service: str
    method: str
    url: str
    status: int
    request_id: str


class CloudError(NaruError):
    """A service refused a request, or did not answer. `status` is the HTTP status, 0 without an answer; `after` the
    seconds that the service asked to wait."""

    def __init__(
        self,
        summary: str,
        *,
        status: int = 0,
        request_id: str = "",
        detail: str = "",
        hint: str = "",
        after: float = 0.0,
    ) -> None:
        super().__init__(summary, detail=detail, hint=hint)
        self.status = status
        self.request_id = request_id
        self.after = after


class Unavailable(CloudError):
    """The service did not answer, or is overloaded: what was asked may or may not have been done, and asking again
    may help."""


class Cloud:
    """The cloud `name` of clouds.yaml, as the identity written there. May be used by many threads.

    `record` receives every call that may change something, after its answer; `patience` says how long its caller is
    ready to wait (see `Transport`). `at_most` are the microversions, by service, beyond which it is not asked, though
    it may have newer ones: so it answers as it did when these were its newest. Raises InputError for a name that
    clouds.yaml does not have, or for a clouds.yaml that is not valid.
    """

    def __init__(
        self,
        name: str,
        *,
        config_files: list[str] | None = None,
        connections: int = CONNECTIONS,
        record: Callable[[Call], None] | None = None,
        patience: Callable[[], float] | None = None,
        at_most: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._at_most = {service: parse(version) for service, version in (at_most or {}).items()}
        self._record = record
        self._http = Transport(patience, connections)
        self._region, self._session = region(name, config_files, self._http)
        self._authenticates(self._session)
        self._locks = PatientLocks(self._http.patience)
        self._endpoints: dict[str, EndpointData | None] = {}
        self._extensions: dict[str, frozenset[str]] = {}

    def close(self) -> None:
        """Gives the connections back."""
        self._http.close()

    def acting(self, project: str, user: str = "", password: str = "") -> "Cloud":
        """The same cloud as another identity, over the same connections; ids are given, not names. As `user` with the
        password; without, as the identity of clouds.yaml, which needs a role in the project."""
        auth: identity.V3Password | identity.V3Token
        if user:
            auth = identity.V3Password(self.auth_url, user_id=user, password=password, project_id=project)
        else:
            auth = _Rescoped(self.auth_url, self._session, project)
        other = copy.copy(self)
        mine = self._session
        other._session = keystone_session.Session(
            auth=auth, session=self._http, verify=mine.verify, cert=mine.cert, timeout=mine.timeout
        )
        other._authenticates(other._session)
        other._endpoints = {}  # some have the project in their path
        other._locks = PatientLocks(self._http.patience)
        return other

    def _authenticates(self, session: keystone_session.Session) -> None:
        """Whoever waits for a token that another thread is fetching does so with a patience of its own: keystoneauth
        has a lock for that, which waits for however long."""
        plugin: Any = session.auth
        plugin._lock = PatientLock(self._http.patience)

    def __enter__(self) -> "Cloud":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what the cloud is

    @property
    def region(self) -> str:
        """The region's name, empty when clouds.yaml names none."""
        return str(self._region.region_name or "")

    @property
    def auth_url(self) -> str:
        """Where Keystone is, as clouds.yaml has it."""
        return str(self._region.config["auth"]["auth_url"])

    def _adapter(self, service: str) -> adapter.Adapter:
        told = self._region
        return adapter.Adapter(
            self._session,
            service_type=told.get_service_type(service),
            service_name=told.get_service_name(service),
            interface=told.get_interface(service),
            region_name=told.get_region_name(service),
            endpoint_override=told.get_endpoint(service),
        )

    def endpoint(self, service: str) -> EndpointData | None:
        """The service's endpoint of the major version that Naru speaks, None when the cloud has no such service."""
        try:
            with self._locks.of(service):
                if service not in self._endpoints:
                    self._endpoints[service] = self._discover(service)
                return self._endpoints[service]
        except GaveUp as error:  # while another thread was asking
            raise unreachable(self.name, service, error) from error

    def _discover(self, service: str) -> EndpointData | None:
        major = _SPOKEN[service]
        client = self._adapter(service)
        client.min_version, client.max_version = f"{major}.0", f"{major}.latest"
        try:
            found = client.get_endpoint_data()
            if found is None and service == "placement":
                # Pike's and Queens' says of no version whether it is stable, and keystoneauth then passes over all
                found = self._adapter(service).get_endpoint_data()
            if found is None and service == "load-balancer":
                found = self._older_octavia()
        except exceptions.EndpointNotFound:
            return None
        except FAILURES as error:
            raise unreachable(self.name, service, error) from error
        if found is not None:
            self._http.connect_apart(str(found.url))
        return found

    def _older_octavia(self) -> EndpointData | None:
        """The endpoint of an Octavia that lists its versions without their paths, as Pike's does: keystoneauth then
        passes over all."""
        client = self._adapter("load-balancer")
        told = client.get_endpoint_data()
        if told is None:
            return None
        base = re.sub(r"/v2(\.0)?$", "", str(told.url).rstrip("/"))
        found = client.get(f"{base}/", headers={"Accept": "application/json"}).json()
        names = [str(one.get("id", "")) for one in found.get("versions", ())]
        known = [
            parse(name.removeprefix("v")) for name in names if re.fullmatch(rf"v{MAJORS['load-balancer']}\.\d+", name)
        ]
        return (
            EndpointData(catalog_url=told.catalog_url, service_url=f"{base}/v2.0", api_version=max(known))
            if known
            else None
        )

    def address(self, service: str) -> str:
        """The service's URL as the catalogue has it, "" without one; the service itself is not asked. Raises
        CloudError."""
        return self._told(self._adapter(service).get_endpoint).rstrip("/")

    @property
    def trust(self) -> "tuple[bool | str | None, str | tuple[str, str] | None]":
        """Whose certificates are believed (a file, or whether any are checked), and the client's own: as `requests`
        takes them."""
        return self._session.verify, self._session.cert

    def renew(self) -> None:
        """Gives up the token, which a service no longer takes: the next one is asked for anew."""
        self._session.invalidate()

    def has(self, service: str) -> bool:
        """Whether the catalogue has the service, in the version that Naru speaks."""
        return self.endpoint(service) is not None

    def newest(self, service: str) -> Version:
        """The newest microversion of the service; where there are none (image), its newest minor version; () without
        the service."""
        found = self.endpoint(service)
        if found is None:
            return ()
        return tuple(map(int, found.max_microversion or found.api_version or (int(_SPOKEN[service]), 0)))

    def supports(self, service: str, version: str) -> bool:
        """Whether the service goes up to the (micro)version, as in "2.73"."""
        asked = parse(version)
        return self.newest(service) >= asked and asked <= self._at_most.get(service, asked)

    def extensions(self, service: str) -> frozenset[str]:
        """What the service can beyond its core, by the names it has for it: Neutron's aliases of API extensions,
        Keystone's resources by their relation in its JSON home document. Empty for a service that has no such list."""
        try:
            with self._locks.of(f"extensions of {service}"):
                if service not in self._extensions:
                    self._extensions[service] = frozenset(self._read_extensions(service))
                return self._extensions[service]
        except GaveUp as error:  # as in `endpoint`
            raise unreachable(self.name, service, error) from error

    def _read_extensions(self, service: str) -> set[str]:
        if service == "network" and self.has(service):
            return {item["alias"] for item in self.items(service, "/extensions", "extensions")}
        if service == "identity":
            home = self(service, "GET", "", headers={"Accept": "application/json-home"})
            return {relation.rpartition("/rel/")[2] for relation in home["resources"]}
        return set()

    @property
    def project_id(self) -> str:
        """The project that the identity is scoped to, empty when it is none. Raises CloudError."""
        return self._told(self._session.get_project_id)

    @property
    def user_id(self) -> str:
        """The identity's user. Raises CloudError."""
        return self._told(self._session.get_user_id)

    @property
    def token(self) -> str:
        """The identity's token: a secret. Raises CloudError."""
        return self._told(self._session.get_token)

    def _told(self, ask: Callable[[], str | None]) -> str:
        """What Keystone says of the identity, empty when nothing."""
        try:
            return str(ask() or "")
        except FAILURES as error:
            raise unreachable(self.name, "identity", error) from error

    def catalogue(self) -> list[dict[str, str]]:
        """The services in its catalogue, in the identity's region: the `type` and `name` of each. Raises CloudError."""
        auth: Any = self._session.auth
        try:
            services = auth.get_access(self._session).service_catalog.catalog
        except FAILURES as error:
            raise unreachable(self.name, "identity", error) from error
        found = {
            (str(one["type"]), str(one.get("name") or ""))
            for one in services
            for endpoint in one.get("endpoints", ())
            if self.region in ("", endpoint.get("region_id") or endpoint.get("region"))
        }
        return [{"type": kind, "name": name} for kind, name in sorted(found)]

    # -- asking it

    def request(
        self,
        service: str,
        method: str,
        path: str,
        *,
        body: Any = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        version: str = "",
        stream: bool = False,
        again: bool = False,
        log: bool = True,
    ) -> requests.Response:
        """The answer to `method` on `path` under the service's versioned endpoint.

        `version` is a microversion. What fails for a while is asked again, unless it may have made something: a POST
        only with `again`, a `data` that is an iterator never (see `naru.cloud.transport`). Without `log`, what is sent
        and answered is not even in the log of HTTP. Raises CloudError; Unavailable when asking again later may help.
        """
        endpoint = self.endpoint(service)
        if endpoint is None:
            raise CloudError(f"{self.name} has no {service} service", status=404)
        sent = {"json": body} if body is not None else {"data": data} if data is not None else {}
        try:
            answer: requests.Response = self._adapter(service).request(
                str(endpoint.url).rstrip("/") + path,
                method,
                headers=dict(headers or {}),
                microversion=version or None,
                stream=stream,
                again=again,
                log=log,
                # a stream that was refused half-way has nothing left for a second request
                allow_reauth=data is None,
                **sent,
            )
        except exceptions.HttpError as error:
            self._note(service, method, path, error.http_status, error.request_id)
            if data is not None and error.http_status == 401 and self._session.invalidate():
                raise Unavailable(f"{self.name}: the token ended before {method} {path}", status=401) from error
            raise refused(self.name, service, method, path, error) from error
        except FAILURES as error:
            self._note(service, method, path, getattr(error, "status", 0), None)
            raise unreachable(self.name, service, error) from error
        self._note(service, method, path, answer.status_code, answer.headers.get("X-OpenStack-Request-ID"))
        return answer

    def _note(self, service: str, method: str, path: str, status: int, request_id: str | None) -> None:
        if self._record and method not in ("GET", "HEAD"):
            self._record(Call(service, method, path, status, request_id or ""))

    def __call__(self, service: str, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """The decoded JSON of `request`'s answer, None when it is empty. Raises Unavailable for one that is not whole:
        then what was asked was done."""
        answer = self.request(service, method, path, body=body, **options)
        try:
            return decoded(answer)
        except GaveUp as error:
            raise unreachable(self.name, service, error) from error

    def items(self, service: str, path: str, collection: str, version: str = "") -> Iterator[dict[str, Any]]:
        """Every item of a collection, page after page, whatever the service's own limit of a page is; a thing that
        stands alone (a project's quota) is its only item, and so is a whole answer with anything in it where
        `collection` is "". Raises CloudError where a service cuts the list off."""
        following: str | None = path
        while following:
            page = self(service, "GET", following, version=version)
            found = page[collection] if collection else page
            if found:
                yield from [found] if isinstance(found, dict) else found
            following = next_page(page, collection, path)
            if not following and page.get("truncated"):
                raise CloudError(
                    f"{self.name}: Keystone cuts {path.partition('?')[0]} off after {len(found)}: raise its list_limit",
                    hint="keystone.conf has it for all lists ([DEFAULT]) and by kind ([identity], [resource] ...).",
                )


def parse(version: str) -> Version:
    """ "2.73" as (2, 73)."""
    return tuple(int(part) for part in version.split("."))


def next_page(page: Mapping[str, Any], collection: str, path: str) -> str | None:
    """The path of the next page, by the link's query alone: an old cloud's links often name a host that only it knows.

    Glance has `next`, Nova, Cinder and Neutron `<collection>_links`, Keystone and Designate `links.next`.
    """
    link = page.get("next")
    for entry in page.get(f"{collection}_links") or []:
        link = entry["href"] if entry["rel"] == "next" else link
    if isinstance(page.get("links"), dict):
        link = page["links"].get("next")
    return f"{path.partition('?')[0]}?{link.partition('?')[2]}" if link else None


class _Rescoped(identity.V3Token):
    """The identity of another session, `mine`, in another project: by a token of its, renewed when that has ended."""

    def __init__(self, auth_url: str, mine: keystone_session.Session, project: str) -> None:
        super().__init__(auth_url, token="", project_id=project)
        self._mine = mine

    def get_auth_ref(self, session: keystone_session.Session) -> AccessInfoV3:
        self.auth_methods = [TokenMethod(token=str(self._mine.get_token()))]
        try:
            return super().get_auth_ref(session)
        except exceptions.Unauthorized:
            self._mine.invalidate()
            self.auth_methods = [TokenMethod(token=str(self._mine.get_token()))]
            return super().get_auth_ref(session)


def refused(cloud: str, service: str, method: str, path: str, error: exceptions.HttpError) -> CloudError:
    """What a service said to a request that it refused, as an error for people."""
    # keystoneauth loses the words of Neutron, whose errors are shaped differently
    told = error.response.text[:2000] if error.response is not None else str(error)
    kind = Unavailable if error.http_status in RETRIABLE else CloudError
    return kind(
        f"{cloud}: {service} refused {method} {path.partition('?')[0]} ({error.http_status})",
        status=error.http_status,
        request_id=error.request_id or "",
        detail=words(told.strip()),
        after=0.0 if error.response is None else retry_after(error.response),
    )


def words(answer: str) -> str:
    """What a service says in the body of a refusal, in whichever of OpenStack's forms: `{"badRequest": {"message":
    ...}}`, `{"error": {"message": ...}}`, Neutron's `{"NeutronError": {"message": ..., "detail": ...}}`, Placement's
    and Ironic's `{"errors": [{"detail": ...}]}`, or a page, as of Glance and of proxies. Anything else is given as it
    is."""
    if answer.startswith("<"):
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer)).split())
    try:
        body = json.loads(answer)
    except ValueError:
        return answer
    found = list(body.values()) if isinstance(body, dict) else []
    parts = [item for one in found for item in (one if isinstance(one, list) else [one]) if isinstance(item, dict)]
    texts = [str(part[name]) for part in parts for name in ("message", "detail") if part.get(name)]
    return "\n".join(texts) or answer


def unreachable(cloud: str, service: str, error: Exception) -> CloudError:
    """No answer of a service at all, as an error for people."""
    if isinstance(error, exceptions.Unauthorized):
        return CloudError(
            f"{cloud}: the identity in clouds.yaml is refused",
            status=401,
            detail=str(error),
            hint="Check its user, password and project.",
        )
    return Unavailable(
        f"{cloud}: {service} does not answer",
        status=getattr(error, "status", 0),
        after=getattr(error, "after", 0.0),
        detail=str(error),
        hint="Check that the cloud is up and that this machine reaches its endpoints.",
    )

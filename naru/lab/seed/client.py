"""REST calls to a cloud's services as any of its users, and what the cloud's release can do."""

import threading
import time
from collections.abc import Mapping
from typing import Any

import requests
from keystoneauth1 import adapter, exceptions
from keystoneauth1 import session as keystone_session
from keystoneauth1.identity import v3

from naru.cloud.client import next_page, refused, unreachable
from naru.errors import NaruError
from naru.files import FileLock
from naru.lab.api import direct
from naru.lab.cloud import Cloud
from naru.lab.ports import abandoned

# the API's version under its catalogue entry
ROOTS = {"network": "/v2.0", "image": "/v2", "load-balancer": "/v2.0", "dns": "/v2", "key-manager": "/v1"}
# Pike has these; whatever is newer is asked for by name
MICROVERSIONS = {"compute": "2.53", "volumev3": "3.43"}
_VERSION_HEADERS = {"compute": "compute", "volumev3": "volume"}


class Client:
    """Everybody's sessions with one cloud, over one bounded pool of connections.

    An eventlet server of 2017 serves a hundred connections and no more: a pool for each of fifty users would starve it.
    One process at a time has a client of a cloud. If the last was killed, what the services still make for it is
    waited for: looking earlier would not find it, and it would be made twice.
    """

    def __init__(self, cloud: Cloud, connections: int) -> None:
        self.cloud = cloud
        self._alone = FileLock(cloud.directory / ".seed.lock")
        if not self._alone.take():
            self._alone.close()
            raise NaruError(f"{cloud.name}: another `naru lab seed` is at work in this cloud")
        self._wait_for_abandoned()
        self._http = direct()
        self._http.mount("http://", requests.adapters.HTTPAdapter(16, connections, pool_block=True))
        self._sessions: dict[tuple[str, str], keystone_session.Session] = {}
        self._lock = threading.Lock()
        self._admin_auth = v3.Password(
            auth_url=cloud.url("keystone", "/v3"),
            username="admin",
            password=cloud.secret,
            project_name="admin",
            user_domain_id="default",
            project_domain_id="default",
        )
        self._admin = self._session(self._admin_auth)

    def close(self) -> None:
        """Gives the connections back."""
        self._http.close()
        self._alone.close()

    def _wait_for_abandoned(self, timeout: float = 120) -> None:
        deadline = time.monotonic() + timeout
        while left := abandoned(self.cloud.ports[service] for service in self.cloud.apis):
            if time.monotonic() > deadline:
                raise NaruError(
                    f"{self.cloud.name}: requests of a run that was killed do not end",
                    detail=f"CLOSE_WAIT on the ports {', '.join(map(str, sorted(left)))} for {timeout:.0f} s",
                    hint="Restart the lab: naru lab stop, naru lab start.",
                )
            time.sleep(0.1)

    def _session(self, auth: v3.Password) -> keystone_session.Session:
        return keystone_session.Session(auth=auth, session=self._http, timeout=600)

    def session(self, user: str = "", project: str = "") -> keystone_session.Session:
        """The session of a user in a project, both by id; the administrator's when none is given."""
        if not user:
            return self._admin
        with self._lock:
            if (user, project) not in self._sessions:
                auth = v3.Password(
                    auth_url=self.cloud.url("keystone", "/v3"),
                    user_id=user,
                    password=self.cloud.secret,
                    project_id=project,
                )
                self._sessions[user, project] = self._session(auth)
            return self._sessions[user, project]

    def has(self, service: str) -> bool:
        """Whether the catalogue has the service type."""
        catalog = self._admin_auth.get_access(self._admin).service_catalog
        return service in catalog.get_endpoints()

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
        actor: tuple[str, str] = ("", ""),
    ) -> requests.Response:
        """The answer of the service of that type. `actor`: user's and project's id, the administrator by default;
        `version`: the microversion. Raises CloudError."""
        client = adapter.Adapter(self.session(*actor), service_type=service, interface="public")
        sent = dict(headers or {})
        if version := version or MICROVERSIONS.get(service, ""):
            sent["OpenStack-API-Version"] = f"{_VERSION_HEADERS[service]} {version}"
        extra = {"json": body} if body is not None else {"data": data} if data is not None else {}
        try:
            response: requests.Response = client.request(
                ROOTS.get(service, "") + path, method, headers=sent, connect_retries=3, **extra
            )
        except exceptions.HttpError as error:
            raise refused(self.cloud.name, service, method, path, error) from error
        except exceptions.ClientException as error:
            raise unreachable(self.cloud.name, service, error) from error
        return response

    def __call__(self, service: str, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """The decoded JSON of `request`'s answer, None when it is empty."""
        response = self.request(service, method, path, body=body, **options)
        return response.json() if response.content else None

    def list(self, service: str, path: str, collection: str, **options: Any) -> list[dict[str, Any]]:
        """Every item of a collection, over all pages."""
        items: list[dict[str, Any]] = []
        following: str | None = path
        while following:
            page = self(service, "GET", following, **options)
            items += page[collection]
            following = next_page(page, collection, path)
        return items


class Features:
    """What the release of a cloud can do, asked from the cloud itself."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.extensions = {entry["alias"] for entry in client("network", "GET", "/extensions")["extensions"]}
        self._versions = {
            "compute": self._newest(client.cloud.url("nova", "/")),
            "volumev3": self._newest(client.cloud.url("cinder", "/")),
            "image": self._newest(client.cloud.url("glance", "/versions")),
        }
        home = (
            direct()
            .get(client.cloud.url("keystone", "/v3"), headers={"Accept": "application/json-home"}, timeout=60)
            .json()
        )
        self._identity = {relation.rpartition("/rel/")[2] for relation in home["resources"]}
        pools = client("volumev3", "GET", "/scheduler-stats/get_pools?detail=True")["pools"]
        self.multiattach = {
            pool["capabilities"]["volume_backend_name"] for pool in pools if pool["capabilities"].get("multiattach")
        }

    @staticmethod
    def _newest(url: str) -> tuple[int, ...]:
        """The newest (micro)version in a version document."""
        entries = direct().get(url, timeout=60).json()["versions"]
        texts = [entry.get("version") or entry["id"].removeprefix("v") for entry in entries]
        return max(tuple(int(part) for part in text.split(".")) for text in texts)

    def version(self, service: str, wanted: str) -> bool:
        """Whether the service's API goes up to the (micro)version `wanted`, as in "2.73"."""
        return self._versions[service] >= tuple(int(part) for part in wanted.split("."))

    def extension(self, alias: str) -> bool:
        """Whether Neutron has the API extension."""
        return alias in self.extensions

    def identity(self, relation: str) -> bool:
        """Whether Keystone has the resource, by its name in the JSON home document."""
        return relation in self._identity

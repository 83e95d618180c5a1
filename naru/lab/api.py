"""Plain REST calls to a lab cloud's services as its administrator, for bootstrap, health and seeding's gaps."""

from typing import Any

import requests
from keystoneauth1 import adapter, exceptions
from keystoneauth1 import session as keystone_session
from keystoneauth1.identity import v3

from naru.errors import NaruError
from naru.lab.cloud import Cloud

# the API roots by service; asked directly, since the catalogue is what bootstrap makes
PATHS = {
    "keystone": "/v3",
    "nova": "/v2.1",
    "cinder": "/v3/{project}",
    "neutron": "/v2.0",
    "glance": "/v2",
    "designate": "/v2",
}


def direct() -> requests.Session:
    """HTTP to a cloud on this machine: without a proxy that the caller's environment may name, which would
    get its tokens and passwords."""
    session = requests.Session()
    session.trust_env = False
    return session


class Api:
    """The administrator's session in project `admin` (or another identity's)."""

    def __init__(self, cloud: Cloud, username: str = "admin", project: str = "admin") -> None:
        self.cloud = cloud
        auth = v3.Password(
            auth_url=cloud.url("keystone", "/v3"),
            username=username,
            password=cloud.secret,
            project_name=project,
            user_domain_id="default",
            project_domain_id="default",
        )
        self.session = keystone_session.Session(auth=auth, session=direct(), timeout=120, redirect=False)

    def __call__(self, service: str, method: str, path: str, body: Any = None) -> Any:
        """The decoded JSON answer (None when empty) of `method` on `path` under the service's API root."""
        project = self.session.get_project_id() if service == "cinder" else ""
        root = self.cloud.url(service, PATHS[service].format(project=project))
        client = adapter.Adapter(self.session, endpoint_override=root)
        try:
            answer = client.request(path, method, json=body, connect_retries=2)
        except exceptions.ClientException as error:
            raise NaruError(f"{self.cloud.name}: {service} refused {method} {path}", detail=str(error)) from error
        return answer.json() if answer.content else None

    def ensure(self, service: str, path: str, kind: str, body: dict[str, Any], **query: str) -> dict[str, Any]:
        """Finds the one thing of `kind` under `path` with the name (or other `query`) in `body`, or creates it."""
        wanted = query or {"name": str(body["name"])}
        for found in self(service, "GET", path)[f"{kind}s"]:
            if all(found.get(key) == value for key, value in wanted.items()):
                return dict(found)
        return dict(self(service, "POST", path, {kind: body})[kind])

"""Barbican of one cloud, as one user in one project (https://docs.openstack.org/barbican/latest/api/). What a secret
holds is bytes in memory; requests with it are in no log, and errors are told without it."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from naru.cloud.client import Cloud, CloudError
from naru.inventory.elsewhere import last_part
from naru.plan.redaction import Redaction

SERVICE = "key-manager"
FIELDS = ("name", "secret_type", "algorithm", "bit_length", "mode", "expiration")
"""What stands about a secret, and is sent as it was."""
PLAIN = ("text/plain", "application/octet-stream")
"""The content types that a payload may be put with as it is. Given with the rest of a secret, in JSON, Barbican takes
white space off its ends."""
BYTES = "application/octet-stream"


class Barbican:
    """What a user sees in a project."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    @property
    def user(self) -> str:
        """The user's id."""
        return self._cloud.user_id

    def secrets(self) -> Iterator[dict[str, Any]]:
        """All secrets of the project that have not expired, also those that the user may not read."""
        return self._cloud.items(SERVICE, "/secrets?limit=100", "secrets")

    def containers(self) -> Iterator[dict[str, Any]]:
        """All containers of the project."""
        return self._cloud.items(SERVICE, "/containers?limit=100", "containers")

    def payload(self, reference: str, content_type: str) -> bytes:
        """What the secret holds. Raises CloudError, with status 403 where the user may not read it."""
        accepted = content_type if content_type in (*PLAIN, "application/pkcs8") else BYTES
        path = f"/secrets/{last_part(reference)}/payload"
        answer = self._cloud.request(SERVICE, "GET", path, headers={"Accept": accepted}, log=False)
        return answer.content

    def make(self, body: Mapping[str, Any]) -> str:
        """Makes a secret that holds nothing yet; its reference."""
        answer = self._cloud(SERVICE, "POST", "/secrets", dict(body))
        return str(answer["secret_ref"])

    def make_whole(self, body: Mapping[str, Any], payload: bytes, content_type: str) -> str:
        """Makes a secret of a content type that can only be given with the rest; its reference."""
        whole = {
            **body,
            "payload": base64.b64encode(payload).decode(),
            "payload_content_type": content_type,
            "payload_content_encoding": "base64",
        }
        with _silent(payload):
            answer = self._cloud(SERVICE, "POST", "/secrets", whole, log=False)
        return str(answer["secret_ref"])

    def fill(self, reference: str, payload: bytes, content_type: str) -> None:
        """Puts a payload into a secret that holds nothing. Raises CloudError, with status 409 for one that does."""
        headers = {"Content-Type": content_type}
        with _silent(payload):
            self._cloud.request(
                SERVICE, "PUT", f"/secrets/{last_part(reference)}", data=payload, headers=headers, log=False
            )

    def make_container(self, body: Mapping[str, Any]) -> str:
        """Makes a container; its reference."""
        return str(self._cloud(SERVICE, "POST", "/containers", dict(body))["container_ref"])

    def acl(self, path: str) -> dict[str, Any]:
        """Who may do what with it beside its project, by operation."""
        found: dict[str, Any] = self._cloud(SERVICE, "GET", f"{path}/acl")
        return found

    def set_acl(self, path: str, acl: Mapping[str, Any]) -> None:
        """Sets that."""
        self._cloud(SERVICE, "PUT", f"{path}/acl", dict(acl))

    def metadata(self, path: str) -> dict[str, Any]:
        """What users have written to a secret, by key; empty for a Barbican without."""
        try:
            return dict(self._cloud(SERVICE, "GET", f"{path}/metadata").get("metadata") or {})
        except CloudError as error:
            if error.status in (404, 405):
                return {}
            raise

    def set_metadata(self, path: str, metadata: Mapping[str, Any]) -> None:
        """Sets that."""
        self._cloud(SERVICE, "PUT", f"{path}/metadata", {"metadata": dict(metadata)})

    def remove(self, path: str) -> None:
        """Deletes it, unless it is gone."""
        try:
            self._cloud.request(SERVICE, "DELETE", path)
        except CloudError as error:
            if error.status != 404:
                raise


class _silent:
    """What is refused inside is told without the payload, whatever the service says of it."""

    def __init__(self, payload: bytes) -> None:
        self._redaction = Redaction([payload.decode("utf-8", "replace"), base64.b64encode(payload).decode()])

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, CloudError):
            raise CloudError(
                self._redaction.text(error.summary),
                status=error.status,
                request_id=error.request_id,
                detail=self._redaction.text(error.detail),
                hint=error.hint,
            ) from None


def content_type(secret: Mapping[str, Any]) -> str:
    """As what its payload was stored, "" for a secret that holds nothing."""
    return str((secret.get("content_types") or {}).get("default") or "")


def path_of(kind: str, reference: str) -> str:
    """The path of a secret or container."""
    collection = "containers" if kind == "secret container" else "secrets"
    return f"/{collection}/{last_part(reference)}"

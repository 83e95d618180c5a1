"""Two clouds of Keystone, Barbican, Glance, Heat and Manila on loopback, as far as secrets, stacks and shares are
concerned: what they answer is what the services' documentation and source say."""

import base64
import datetime
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ..cloud.service import Handler, Service, serving

PEOPLE = {"admin": "admin", "sora": "sora-password", "jun": "jun-password"}


class Barbican:
    """What a cloud has: `members` are (user, project) of those who may ask in a project."""

    def __init__(self, server: Service, cloud: str) -> None:
        self.server, self.cloud = server, cloud
        self.secrets: dict[str, dict[str, Any]] = {}
        self.payloads: dict[str, bytes] = {}
        self.containers: dict[str, dict[str, Any]] = {}
        self.acls: dict[str, dict[str, Any]] = {}
        self.metadata: dict[str, dict[str, str]] = {}
        self.members = {("admin", "admin"), ("sora", "p"), ("jun", "p"), ("sora", "p2"), ("jun", "p2")}
        self.further: dict[str, dict[str, Any]] = {}
        """Answers to GET of other services, by path; a number is a status."""
        self.images: dict[str, dict[str, Any]] = {}
        server.usual = self.answer
        server.further = {"key-manager": "key-manager", "image": "image"}

    def reference(self, kind: str, identity: str) -> str:
        return f"{self.server.url}/key-manager/v1/{kind}/{identity}"

    def store(self, project: str, user: str, payload: bytes = b"", content_type: str = "", **fields: Any) -> str:
        """A secret that somebody has stored; its id."""
        identity = str(uuid.uuid4())
        about = dict.fromkeys(("name", "algorithm", "bit_length", "mode", "expiration"))
        body = {**about, "secret_type": "opaque", **fields, "creator_id": user, "status": "ACTIVE"}
        self.secrets[identity] = {**body, "project": project}
        if payload:
            self.payloads[identity] = payload
            self.secrets[identity]["content_types"] = {"default": content_type or "application/octet-stream"}
        return identity

    def contain(self, project: str, user: str, secrets: dict[str, str], **fields: Any) -> str:
        identity = str(uuid.uuid4())
        refs = [{"name": name, "secret_ref": self.reference("secrets", one)} for name, one in secrets.items()]
        body = {"name": None, "type": "generic", "consumers": [], **fields, "creator_id": user, "secret_refs": refs}
        self.containers[identity] = {**body, "project": project}
        return identity

    # -- answering

    def answer(self, request: Handler) -> None:
        path = urlsplit(request.path).path.rstrip("/")
        if path == "/identity/v3/auth/tokens":
            self._token(request)
        elif path == "/identity/v3/auth/projects":
            user = request.headers["X-Auth-Token"].partition(":")[0]
            mine = [{"id": project, "name": project} for one, project in sorted(self.members) if one == user]
            request.answer(200, {"projects": mine, "links": {"next": None}})
        elif path == "/identity/v3":
            link = [{"rel": "self", "href": f"{self.server.url}/identity/v3/"}]
            request.answer(200, {"version": {"id": "v3.14", "status": "stable", "links": link}})
        elif path in ("/key-manager", "/key-manager/v1"):
            link = [{"rel": "self", "href": f"{self.server.url}/key-manager/v1/"}]
            request.answer(200, {"versions": {"values": [{"id": "v1", "status": "stable", "links": link}]}})
        elif path in ("/image", "/image/v2"):
            link = [{"rel": "self", "href": f"{self.server.url}/image/v2/"}]
            request.answer(200, {"versions": [{"id": "v2.9", "status": "CURRENT", "links": link}]})
        elif path.startswith("/image/v2/images/"):
            self._image(request, path.rpartition("/")[2])
        elif path.startswith("/key-manager/v1/"):
            user, _, project = request.headers["X-Auth-Token"].partition(":")
            self._barbican(request, path.removeprefix("/key-manager/v1/").split("/"), user, project)
        else:
            found = self.further.get(path, 404)
            if callable(found):
                found = found(request)
            request.answer(found, {"error": {"message": "no"}}) if isinstance(found, int) else request.answer(
                200, found
            )

    def _token(self, request: Handler) -> None:
        auth = json.loads(request.body)["auth"]
        if "password" in auth["identity"]["methods"]:
            given = auth["identity"]["password"]["user"]
            user = given.get("id") or given["name"]
            if PEOPLE.get(user) != given["password"]:
                return request.answer(401, {"error": {"message": "The request you have made requires authentication."}})
        else:
            user = auth["identity"]["token"]["id"].partition(":")[0]
        scope = auth.get("scope", {}).get("project", {})
        project = scope.get("id") or scope.get("name") or ""
        if project and (user, project) not in self.members:
            return request.answer(401, {"error": {"message": "not a member"}})
        paths = {"identity": "identity/v3", **self.server.further}
        catalog = [
            {
                **{"type": kind, "name": kind, "id": kind},
                "endpoints": [
                    {
                        **{"interface": "public", "region": "r", "region_id": "r"},
                        "url": f"{self.server.url}/{path}".replace("PROJECT", project),
                    }
                ],
            }
            for kind, path in paths.items()
        ]
        domain = {"id": "default", "name": "Default"}
        body = {
            **{"methods": ["password"], "catalog": catalog},
            **{"user": {"id": user, "name": user, "domain": domain}},
            **{"project": {"id": project, "name": project, "domain": domain}},
            **{"issued_at": "2026-01-01T00:00:00.000000Z", "expires_at": "2099-01-01T00:00:00.000000Z"},
        }
        return request.answer(201, {"token": body}, X_Subject_Token=f"{user}:{project}")

    def _image(self, request: Handler, identity: str) -> None:
        if request.command == "PATCH":
            for one in json.loads(request.body):
                self.images[identity][one["path"].lstrip("/")] = one["value"]
        request.answer(200, self.images[identity])

    def _barbican(self, request: Handler, path: list[str], user: str, project: str) -> None:
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None).isoformat()
        collection, *rest = path
        known = self.secrets if collection == "secrets" else self.containers
        if request.command in ("POST", "PUT") and request.headers.get("Content-Type") == "application/json":
            body = json.loads(request.body)
        if not rest and request.command == "GET":
            if collection not in ("secrets", "containers"):
                return request.answer(200, {collection.replace("-", "_"): [], "total": 0})
            query = parse_qs(urlsplit(request.path).query)
            limit, offset = int(query.get("limit", ["10"])[0]), int(query.get("offset", ["0"])[0])
            mine = [
                self._shown(collection, one)
                for one, body in known.items()
                if body["project"] == project and (body.get("expiration") or "9999") > now
            ]
            page = {collection: mine[offset : offset + min(limit, 2)], "total": len(mine)}
            if offset + 2 < len(mine):
                page["next"] = f"{self.server.url}/key-manager/v1/{collection}?limit={limit}&offset={offset + 2}"
            return request.answer(200, page)
        if not rest:
            if collection == "secrets":
                text = (body.pop("payload", None) or "").strip()
                kind = body.pop("payload_content_type", "")
                assert body.pop("payload_content_encoding", "base64") == "base64"
                assert all(value is not None for value in body.values())
                identity = self.store(project, user, base64.b64decode(text), kind, **body)
                return request.answer(201, {"secret_ref": self.reference("secrets", identity)})
            refs = [one["secret_ref"] for one in body["secret_refs"]]
            if any(ref.rpartition("/")[2] not in self.secrets for ref in refs):
                return request.answer(404, {"title": "Secret does not exist"})
            identity = str(uuid.uuid4())
            self.containers[identity] = {"name": None, **body, "consumers": [], "creator_id": user, "project": project}
            return request.answer(201, {"container_ref": self.reference("containers", identity)})
        identity = rest[0]
        if identity not in known:
            return request.answer(404, {"title": "not found"})
        what = rest[1] if len(rest) > 1 else ""
        if what == "acl":
            if request.command == "PUT":
                self.acls[identity] = body
                return request.answer(200, {"acl_ref": "..."})
            return request.answer(200, self.acls.get(identity, {"read": {"project-access": True}}))
        if what == "metadata":
            if request.command == "PUT":
                self.metadata[identity] = body["metadata"]
                return request.answer(201, {"metadata_ref": "..."})
            return request.answer(200, {"metadata": self.metadata.get(identity, {})})
        if what == "payload":
            read = self.acls.get(identity, {}).get("read", {})
            allowed = user in (known[identity]["creator_id"], *read.get("users", ()))
            if not allowed and not read.get("project-access", True):
                return request.answer(403, {"title": "Forbidden"})
            stored = known[identity]["content_types"]["default"]
            assert request.headers["Accept"] == stored
            return request.answer(200, self.payloads[identity], Content_Type=stored)
        if request.command == "PUT":
            if identity in self.payloads:
                return request.answer(409, {"title": "Secret already has data, cannot modify it."})
            self.payloads[identity] = request.body
            self.secrets[identity]["content_types"] = {"default": request.headers["Content-Type"]}
            return request.answer(204)
        assert request.command == "DELETE"
        del known[identity]
        return request.answer(204)

    def _shown(self, collection: str, identity: str) -> dict[str, Any]:
        known = self.secrets if collection == "secrets" else self.containers
        word = "secret_ref" if collection == "secrets" else "container_ref"
        body = {name: value for name, value in known[identity].items() if name != "project"}
        return {**body, word: self.reference(collection, identity)}


@contextmanager
def two(directory: Path) -> Iterator[tuple[Barbican, Barbican, str]]:
    """The old cloud, the new one, and the path of a clouds.yaml: both as their administrator (`old`, `new`) and as the
    user sora (`sora-old`, `sora-new`)."""
    with serving() as one, serving() as other:
        found = Barbican(one, "old"), Barbican(other, "new")
        names = {"user_domain_id": "default", "project_domain_id": "default"}
        clouds = {
            f"{prefix}{which.cloud}": {
                "auth": {
                    **{"auth_url": f"{which.server.url}/identity/v3", "username": user, "password": PEOPLE[user]},
                    **{"project_name": project, **names},
                },
                "region_name": "r",
            }
            for which in found
            for prefix, user, project in (
                ("", "admin", "admin"),
                ("sora-", "sora", "p" if which.cloud == "old" else "p2"),
            )
        }
        file = directory / "clouds.yaml"
        file.write_text(json.dumps({"clouds": clouds}))
        yield (*found, str(file))

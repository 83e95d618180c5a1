"""Power controllers that speak Redfish (DSP0266), each at an address of its own: what sushy, Ironic and others use.

One HTTPS server on all addresses; which host is meant is told by the address that was called. Log in with a session or
with every request (basic). Each controller has the faults of its `Machine`.
"""

import base64
import hmac
import json
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from naru.errors import NaruError
from naru.lab.hosts.machine import CONTROLS, Busy, Machine

PORT = 443
ROOT = "/redfish/v1"
USER = "admin"
SESSIONS = f"{ROOT}/SessionService/Sessions"
BOOT_TARGETS = ["None", "Hdd"]


class Refused(Exception):
    """What the controller answers with an error."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Server(ThreadingHTTPServer):
    """All power controllers of a lab. The handshake of TLS is the thread's of each connection, so that a client that
    says nothing keeps nobody else waiting."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, machines: Mapping[str, Machine], context: ssl.SSLContext, password: str) -> None:
        self.by_address = {machine.controller.partition("/")[0]: machine for machine in machines.values()}
        self.context = context
        self.password = password
        self.sessions: dict[str, tuple[str, str]] = {}  # token: the controller's host, the session's id
        self.lock = threading.Lock()
        super().__init__(("", PORT), Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(60)
        with self.context.wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or speaks no TLS, is no error of ours."""


class Handler(BaseHTTPRequestHandler):
    """One connection to one controller."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "naru-lab", ""

    def log_message(self, format: str, *args: Any) -> None:
        """Not logged."""

    @property
    def machine(self) -> Machine:
        """The host whose controller was called."""
        address = self.connection.getsockname()[0]
        if address not in self.server.by_address:
            raise Refused(HTTPStatus.NOT_FOUND, "there is no power controller at this address")
        return self.server.by_address[address]

    def do_GET(self) -> None:
        self._handle(self._get)

    def do_POST(self) -> None:
        self._handle(self._post)

    def do_PATCH(self) -> None:
        self._handle(self._patch)

    def do_DELETE(self) -> None:
        self._handle(self._delete)

    def _handle(self, what: Callable[[str, dict[str, Any]], None]) -> None:
        path = self.path.partition("?")[0].rstrip("/")
        try:
            body = self._body()
            time.sleep(self.machine.faults.get("slow", 0.0))
            if path not in ("/redfish", ROOT) and (self.command, path) != ("POST", SESSIONS):
                self._authenticate()
            what(path, body)
        except Refused as refused:
            self._error(refused.status, str(refused))
        except NaruError as error:
            self._error(HTTPStatus.INTERNAL_SERVER_ERROR, error.summary)

    def _body(self) -> dict[str, Any]:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Refused(HTTPStatus.BAD_REQUEST, "the body is not a JSON object")
        return body

    def _authenticate(self) -> None:
        token = self.headers.get("X-Auth-Token")
        if token is not None:
            with self.server.lock:
                session = self.server.sessions.get(token)
            if session and session[0] == self.machine.name:
                return
        kind, _, encoded = (self.headers.get("Authorization") or "").partition(" ")
        if kind.lower() == "basic":
            try:
                user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
            except ValueError:
                user, password = "", ""
            if self._known(user, password):
                return
        raise Refused(HTTPStatus.UNAUTHORIZED, "log in with a session, or with user and password")

    def _known(self, user: str, password: str) -> bool:
        return user == USER and hmac.compare_digest(password.encode(), self.server.password.encode())

    def _get(self, path: str, _: dict[str, Any]) -> None:
        system = f"{ROOT}/Systems/{self.machine.uuid}"
        if path == "/redfish":
            self._send(HTTPStatus.OK, {"v1": f"{ROOT}/"})
        elif path == ROOT:
            self._send(HTTPStatus.OK, self._root())
        elif path == f"{ROOT}/Systems":
            self._send(HTTPStatus.OK, _collection(path, "ComputerSystemCollection.ComputerSystemCollection", [system]))
        elif path == system:
            self._send(HTTPStatus.OK, self._system(path))
        elif path == f"{ROOT}/SessionService":
            self._send(HTTPStatus.OK, _session_service(path))
        elif path == SESSIONS:
            with self.server.lock:
                own = [session for host, session in self.server.sessions.values() if host == self.machine.name]
            links = [f"{SESSIONS}/{session}" for session in own]
            self._send(HTTPStatus.OK, _collection(path, "SessionCollection.SessionCollection", links))
        else:
            raise Refused(HTTPStatus.NOT_FOUND, f"there is no {path}")

    def _post(self, path: str, body: dict[str, Any]) -> None:
        if path == SESSIONS:
            self._log_in(body)
        elif path == f"{ROOT}/Systems/{self.machine.uuid}/Actions/ComputerSystem.Reset":
            self._reset(body.get("ResetType"))
        else:
            raise Refused(HTTPStatus.NOT_FOUND, f"there is no {path}")

    def _patch(self, path: str, body: dict[str, Any]) -> None:
        """The boot device may be set to the disk, from which each host boots anyway."""
        if path != f"{ROOT}/Systems/{self.machine.uuid}":
            raise Refused(HTTPStatus.NOT_FOUND, f"there is no {path}")
        boot = body.get("Boot")
        if set(body) != {"Boot"} or not isinstance(boot, dict):
            raise Refused(HTTPStatus.BAD_REQUEST, "only Boot can be set")
        if boot.get("BootSourceOverrideTarget", "None") not in BOOT_TARGETS:
            raise Refused(HTTPStatus.BAD_REQUEST, f"BootSourceOverrideTarget is one of {', '.join(BOOT_TARGETS)}")
        self._send(HTTPStatus.NO_CONTENT, None)

    def _delete(self, path: str, _: dict[str, Any]) -> None:
        with self.server.lock:
            for token, (host, session) in list(self.server.sessions.items()):
                if host == self.machine.name and path == f"{SESSIONS}/{session}":
                    del self.server.sessions[token]
                    break
            else:
                raise Refused(HTTPStatus.NOT_FOUND, f"there is no {path}")
        self._send(HTTPStatus.NO_CONTENT, None)

    def _log_in(self, body: dict[str, Any]) -> None:
        user, password = body.get("UserName"), body.get("Password")
        if not (isinstance(user, str) and isinstance(password, str) and self._known(user, password)):
            raise Refused(HTTPStatus.UNAUTHORIZED, "the user or the password is wrong")
        token, session = secrets.token_hex(16), secrets.token_hex(4)
        with self.server.lock:
            self.server.sessions[token] = (self.machine.name, session)
        location = f"{SESSIONS}/{session}"
        content = {"@odata.id": location, "@odata.type": "#Session.v1_3_0.Session", "Id": session, "Name": "Session"}
        self._send(HTTPStatus.CREATED, {**content, "UserName": user}, {"X-Auth-Token": token, "Location": location})

    def _reset(self, kind: Any) -> None:
        machine = self.machine
        if kind not in CONTROLS:
            raise Refused(HTTPStatus.BAD_REQUEST, f"ResetType is one of {', '.join(CONTROLS)}")
        try:
            machine.control(kind)
        except Busy as busy:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, busy.summary) from busy
        self._send(HTTPStatus.NO_CONTENT, None)

    def _root(self) -> dict[str, Any]:
        return {
            "@odata.id": f"{ROOT}/",
            "@odata.type": "#ServiceRoot.v1_5_0.ServiceRoot",
            "Id": "RootService",
            "Name": "Root Service",
            "RedfishVersion": "1.6.0",
            "UUID": self.machine.uuid,
            "Systems": {"@odata.id": f"{ROOT}/Systems"},
            "SessionService": {"@odata.id": f"{ROOT}/SessionService"},
            "Links": {"Sessions": {"@odata.id": SESSIONS}},
        }

    def _system(self, path: str) -> dict[str, Any]:
        machine = self.machine
        state = "On" if machine.shown else "Off"
        return {
            "@odata.id": path,
            "@odata.type": "#ComputerSystem.v1_5_0.ComputerSystem",
            "Id": machine.uuid,
            "Name": machine.name,
            "UUID": machine.uuid,
            "HostName": machine.name,
            "Manufacturer": "Naru",
            "Model": "lab host",
            "SystemType": "Physical",
            "PowerState": state,
            "Status": {"State": "Enabled" if state == "On" else "Disabled", "Health": "OK"},
            "Boot": {
                "BootSourceOverrideEnabled": "Disabled",
                "BootSourceOverrideTarget": "None",
                "BootSourceOverrideTarget@Redfish.AllowableValues": BOOT_TARGETS,
            },
            "Actions": {
                "#ComputerSystem.Reset": {
                    "target": f"{path}/Actions/ComputerSystem.Reset",
                    "ResetType@Redfish.AllowableValues": list(CONTROLS),
                }
            },
        }

    def _error(self, status: HTTPStatus, message: str) -> None:
        info = [{"@odata.type": "#Message.v1_0_8.Message", "MessageId": "Base.1.0.GeneralError", "Message": message}]
        content = {"error": {"code": "Base.1.0.GeneralError", "message": message, "@Message.ExtendedInfo": info}}
        extra = {"WWW-Authenticate": 'Basic realm="redfish"'} if status is HTTPStatus.UNAUTHORIZED else {}
        self._send(status, content, extra)

    def _send(self, status: HTTPStatus, content: Any, headers: Mapping[str, str] | None = None) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("OData-Version", "4.0")
        if content is not None:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _collection(path: str, kind: str, members: list[str]) -> dict[str, Any]:
    return {
        "@odata.id": path,
        "@odata.type": f"#{kind}",
        "Name": kind.partition(".")[0],
        "Members": [{"@odata.id": member} for member in members],
        "Members@odata.count": len(members),
    }


def _session_service(path: str) -> dict[str, Any]:
    return {
        "@odata.id": path,
        "@odata.type": "#SessionService.v1_1_6.SessionService",
        "Id": "SessionService",
        "Name": "Session Service",
        "ServiceEnabled": True,
        "Sessions": {"@odata.id": SESSIONS},
    }


def server(machines: Mapping[str, Machine], directory: Path) -> Server:
    """The controllers, listening. DIRECTORY has their certificate, its key, and the password."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "controllers.crt", directory / "controllers.key")
    return Server(machines, context, (directory / "controllers.password").read_text())

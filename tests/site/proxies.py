"""A load balancer of each kind on this machine, with the write gate's rules, before a service that says yes to
everything."""

import http.client
import http.server
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from naru.site.model import BalancerKind
from naru.site.write_gate import forms, haproxy

SERVICES = ["keystone", "nova", "glance", "neutron", "horizon", "cinder"]
SILENT = "cinder"
"""Nobody answers behind that one."""
ALLOWED = ["10.1.0.0/24", "192.0.2.7", "fd00::/8"]
MODULES = ("mpm_event", "authz_core", "alias", "headers", "setenvif", "proxy", "proxy_http")


class _Service(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = do_GET
    protocol_version = "HTTP/1.1"

    def log_message(self, *words: Any) -> None:
        """Says nothing."""


class Server(http.server.ThreadingHTTPServer):
    """The service."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Service)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A proxy that ends is no error."""


class Proxy:
    """One of them. Workers of nginx and Apache are users of their own, who have to reach `directory`."""

    def __init__(self, kind: BalancerKind, directory: Path, service: int) -> None:
        self.kind, self.directory = kind, directory
        self.ports = {name: free() for name in SERVICES}
        self.behind = {name: free() if name == SILENT else service for name in SERVICES}
        self.main = directory / "main.cfg"
        self.gate_directory = directory / "naru"
        self.gate_directory.mkdir()
        self.restore()
        self.main.write_text(self._main())
        for one in (self.gate_directory, *self.gate_directory.parents):
            if one == Path(tempfile.gettempdir()):
                break
            one.chmod(0o755)

    def restore(self) -> None:
        """The directory of the gate, as it was at the beginning."""
        for file in self.gate_directory.iterdir():
            file.unlink()
        for name, text in forms.form(self.kind).files(SERVICES, ALLOWED, str(self.gate_directory)).items():
            (self.gate_directory / name).write_text(text, newline="")

    # -- its configuration

    def _main(self) -> str:
        lines = forms.form(self.kind).configuration(SERVICES, str(self.gate_directory)).splitlines()
        return "\n".join([*self._around(), *self._placed([line.strip() for line in lines])]) + "\n"

    def _around(self) -> list[str]:
        here = self.directory
        if self.kind == "haproxy":
            timeouts = [f"timeout {what} 5s" for what in ("connect", "client", "server")]
            return ["global", f"stats socket {here}/s mode 600 level admin", "defaults", "mode http", *timeouts]
        if self.kind == "nginx":
            paths = [f"{one}_temp_path {here}/{one};" for one in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
            head = [f"pid {here}/pid;", f"error_log {here}/log;", "events { worker_connections 64; }"]
            return ["daemon off;", "worker_processes 1;", *head, "http {", "access_log off;", *paths]
        modules = [f"LoadModule {one}_module /usr/lib/apache2/modules/mod_{one}.so" for one in MODULES]
        paths = [f"ServerRoot {here}", f"DefaultRuntimeDir {here}", f"PidFile {here}/pid", f"ErrorLog {here}/log"]
        users = ["User www-data", "Group www-data"] if os.getuid() == 0 else []
        listening = [f"Listen 127.0.0.1:{port}" for port in self.ports.values()]
        # few processes, so that one that ends does so soon
        small = ["ServerName gate", "StartServers 1", "MinSpareThreads 1", "MaxSpareThreads 64"]
        return [*modules, *paths, *users, *small, *listening]

    def _placed(self, lines: Sequence[str]) -> list[str]:
        """The lines that the rules say, each where its comment says that it belongs; what they have as a comment is
        put in."""
        first, *parts = self._parts(lines)
        found = list(first) if self.kind != "haproxy" else []
        for name, part in zip(SERVICES, [first, *parts] if self.kind == "haproxy" else parts, strict=False):
            at, to = f"127.0.0.1:{self.ports[name]}", f"127.0.0.1:{self.behind[name]}"
            found += {
                "haproxy": [f"listen {name}", f"bind {at}", *part, f"server one {to}{' disabled' * (name == SILENT)}"],
                # lines mean nothing to it
                "nginx": [" ".join([f"server {{ listen {at};", *part, f"location / {{ proxy_pass http://{to}; }} }}"])],
                "apache": [f"<VirtualHost {at}>", *part, f"ProxyPass / http://{to}/", "</VirtualHost>"],
            }[self.kind]
        rest = parts[-1] if self.kind == "haproxy" else ["}"] if self.kind == "nginx" else []
        return [*found, *rest]

    def _parts(self, lines: Sequence[str]) -> list[list[str]]:
        parts: list[list[str]] = []
        for line in lines:
            if line.startswith(("# in ", "# outside", "# beside")):
                parts.append([])
            elif line and not line.startswith("# and"):
                parts[-1].append(line.removeprefix("# "))
        return parts

    # -- its process

    def start(self) -> subprocess.Popen[bytes]:
        """Started, and listening."""
        argv = {
            "haproxy": ["haproxy", "-db", "-f", str(self.main)],
            "nginx": ["nginx", "-c", str(self.main)],
            "apache": ["apache2", "-DFOREGROUND", "-f", str(self.main)],
        }[self.kind]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(lambda: self._listens() or process.poll() is not None, "it listens")
            assert process.poll() is None, process.returncode
        except BaseException:
            process.kill()
            raise
        return process

    def _listens(self) -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.ports[SERVICES[-1]])) == 0

    @property
    def reload(self) -> str:
        """The line that has it read its files again, while it runs."""
        name = "USR1" if self.kind == "apache" else "HUP"
        return f"kill -{name} $(cat {self.directory}/pid)"

    # -- what is asked and told

    def tell(self, line: str) -> str:
        """What HAProxy says to a line at its socket."""
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(self.directory / "s"))
            asking.sendall(f"{line}\n".encode())
            return b"".join(iter(lambda: asking.recv(65536), b"")).decode()

    def gate(self, service: str, state: str) -> None:
        """Closed or open."""
        if self.kind == "haproxy":
            assert not self.tell(f"set map {self.gate_directory}/{haproxy.MAP} {service} {state}").strip()
        elif state == "closed":
            (self.gate_directory / f"{service}.closed").touch()
        else:
            (self.gate_directory / f"{service}.closed").unlink()

    def allow(self, network: str, allowed: bool) -> None:
        """Whether an address or network goes on writing."""
        if self.kind == "haproxy":
            self.tell(f"{'add' if allowed else 'del'} acl {self.gate_directory}/{haproxy.ALLOWED} {network}")
            return
        lines = [*ALLOWED, *([network] if allowed else [])]
        form = forms.form(self.kind)
        (self.gate_directory / "allowed.conf").write_text("".join(f"{form.allowed_line(one)}\n" for one in lines))
        self.read_again()

    def read_again(self) -> None:
        """Has it read its files again, and waits until its processes of before are gone: these go by the old ones."""
        pid = (self.directory / "pid").read_text().strip()
        children = Path(f"/proc/{pid}/task/{pid}/children")
        before = set(children.read_text().split())
        subprocess.run(["sh", "-c", self.reload], check=True, timeout=10)
        until(lambda: not before & set(children.read_text().split()), "its new processes")

    def ask(self, service: str, method: str, path: str = "/v2", **headers: str) -> http.client.HTTPResponse:
        """The answer to a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[service], timeout=5)
        connection.request(
            method, path, body=b"{}" if method == "POST" else None, headers={**headers, "Connection": "close"}
        )
        return connection.getresponse()


def free() -> int:
    """A port at which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def until(done: Callable[[], object], what: str, seconds: float = 20) -> None:
    """Waits for something."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, what
        time.sleep(0.02)

"""Where the message queue is: what services are given as transport_url, from a file of its owner's alone, or from the
configuration of a site's services on their hosts. It holds a password, so it is no command's argument."""

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from naru.errors import InputError, NaruError
from naru.files import read_private
from naru.site.site import Site
from naru.site.ssh import Fleet
from naru.watch.switch.ini import value_of

PORT, SECURE_PORT = 5672, 5671
OF_SITE = "site"
PROJECTS = ("nova", "cinder", "neutron", "glance", "keystone")
"""Whose services' notifications are read."""
SECTION = "oslo_messaging_notifications"
_TRUE = ("1", "true", "yes", "on")
_SCHEMES = ("rabbit", "rabbit+ssl", "amqp", "amqps", "kombu")


@dataclass(frozen=True)
class Server:
    """One of the hosts of a message queue, with how one logs in there."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Address:
    """A message queue: any of its servers, its virtual host, and what TLS needs: None without, else files by the names
    that `ssl` has for them."""

    servers: tuple[Server, ...]
    vhost: str
    files: dict[str, str] | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{','.join(map(str, self.servers))} {self.vhost}"

    def tls(self, server: Server) -> dict[str, Any] | bool:
        """How a connection to a server is secured: its certificate is always checked."""
        if self.files is None:
            return False
        return {**self.files, "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": server.host}


def parsed(url: str, what: str) -> Address:
    """The address that a transport_url says, as oslo.messaging reads it. `what` it is of is for messages, in which
    nothing of the URL stands. Raises InputError."""
    scheme, sign, rest = url.strip().partition("://")
    hint = "As in rabbit://USER:PASSWORD@HOST:5672,USER:PASSWORD@HOST2:5672/VHOST, with %-signs for special characters."
    if not sign or scheme not in _SCHEMES:
        raise InputError(f"{what}: this is no transport_url of RabbitMQ", hint=hint)
    rest, _, query = rest.partition("?")
    hosts, _, path = rest.partition("/")
    asked = dict(parse_qsl(query))
    secure = scheme in ("amqps", "rabbit+ssl") or asked.get("ssl", "").lower() in _TRUE
    names = {"ca_certs": "ssl_ca_file", "certfile": "ssl_cert_file", "keyfile": "ssl_key_file"}
    files = {name: asked[said] for name, said in names.items() if asked.get(said)} if secure else None
    servers: list[Server] = []
    for one in hosts.split(","):
        try:
            parts = urlsplit(f"rabbit://{one}")
            host, port = parts.hostname, parts.port or (SECURE_PORT if secure else PORT)
        except ValueError as error:
            raise InputError(f"{what}: a host of its transport_url cannot be read", hint=hint) from error
        if not host:
            raise InputError(f"{what}: its transport_url names no host", hint=hint)
        before = servers[-1] if servers else Server("", 0, "guest", "guest")
        user = unquote(parts.username) if parts.username else before.user
        password = unquote(parts.password) if parts.password is not None else before.password
        servers.append(Server(host, port, user, password))
    return Address(tuple(servers), unquote(path) or "/", files)


def of_file(file: Path) -> Address:
    """The address in a file, alone or after `transport_url =`. Raises InputError, also for a file that others can
    read."""
    text = read_private(file, "--notifications")
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("#", ";", "["))]
    if len(lines) != 1:
        raise InputError(f"--notifications {file}: it has {len(lines)} lines", hint="Give one: the transport_url.")
    return parsed(re.sub(r"^transport_url\s*=\s*", "", lines[0]), f"--notifications {file}")


def of_site(site: Site, fleet: Fleet) -> list[Address]:
    """The addresses that services' configuration names, each once: those of notifications, else of everything. Of each
    program the first host that can be reached is asked. Raises InputError when there is none, NaruError when nobody can
    be reached."""
    found: dict[str, Address] = {}
    failed: list[NaruError] = []
    read: set[str] = set()
    for program, host, files in _configured(site):
        if program in read:
            continue
        try:
            texts = [fleet.call(fleet.remote(host).checked(["cat", file])) for file in files]
        except NaruError as error:
            failed.append(error)
            continue
        read.add(program)
        if url := _url("\n".join(texts)):
            address = parsed(url, f"{host}: {files[-1]}")
            found.setdefault(str(address), address)
    if found:
        return list(found.values())
    if failed:
        raise failed[0]
    raise InputError(
        f"{site.file}: no service's configuration has a transport_url",
        hint="Give services[].config, or a file of your own: --notifications FILE.",
    )


def _configured(site: Site) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Programs with a host and the files of their configuration, a host after another."""
    for service in site.part.services:
        if service.project in PROJECTS and service.config:
            for host in site.named(service.hosts):
                yield service.name, host.name, service.config


def _url(text: str) -> str:
    return value_of(text, SECTION, "transport_url") or value_of(text, "DEFAULT", "transport_url")

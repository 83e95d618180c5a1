"""RabbitMQ by the HTTP API of its management plugin, asked as a host reaches it."""

import base64
import http.client
import json
import socket
import ssl
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from naru.errors import NaruError
from naru.site.model import Management, Queue
from naru.site.secrets import Secrets
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.site.threads import in_thread
from naru.site.tunnel import Closed, open_socket

SECONDS = 10.0
PORT = 15672

T = TypeVar("T")
Get = Callable[[str], Any]
"""What is at a path under /api, as `nodes`: JSON. Raises Refused."""
Put = Callable[[str, Any], None]
"""Makes what is at a path under /api as it is given, as JSON; None: removes it. Raises Refused."""


class Refused(NaruError):
    """It answers, and not with what was asked for; `code` is HTTP's, 0 for what is no HTTP."""

    def __init__(self, summary: str, *, code: int = 0) -> None:
        super().__init__(summary)
        self.code = code


async def asked(site: Site, secrets: Secrets, queue: Queue, remote: Remote, url: str, work: Callable[[Get], T]) -> T:
    """What `work` makes of the management of a queue that has one, at a URL as a host reaches it. Raises Refused,
    Closed, and NaruError for a password or certificate that cannot be read."""
    return await told(site, secrets, queue, remote, url, lambda get, _: work(get))


async def told(
    site: Site, secrets: Secrets, queue: Queue, remote: Remote, url: str, work: Callable[[Get, Put], T]
) -> T:
    """The same for work that also changes something."""
    management = queue.management
    assert management
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    try:
        password = await secrets.read(management.password, f"queues.{queue.name}.management.password")
        context: ssl.SSLContext | None = None
        if secure:
            ca = str(site.path(management.certificate)) if management.certificate else None
            context = ssl.create_default_context(cafile=ca)
        async with open_socket(remote, parts.hostname or "", port) as sock:
            return await in_thread(
                partial(_asked, sock, parts.hostname or "", port, parts.path, management, password, context, work)
            )
    except OSError as error:
        raise NaruError(f"queues.{queue.name}.management.certificate: {error.strerror or error}") from error


def _asked(
    sock: socket.socket,
    host: str,
    port: int,
    path: str,
    management: Management,
    password: str,
    context: ssl.SSLContext | None,
    work: Callable[[Get, Put], T],
) -> T:
    token = base64.b64encode(f"{management.user}:{password}".encode()).decode()
    connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
    connection.auto_open = 0  # by itself it would go past the tunnel, and past TLS

    def request(method: str, what: str, given: Any, right: Collection[int]) -> bytes:
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        body = None if given is None else json.dumps(given)
        connection.request(method, f"{path.rstrip('/')}/api/{what}", body, headers)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status not in right:
            summary = f"HTTP {answer.status} {answer.reason}"
            if given is not None:
                summary = f"{method} /api/{what}: {summary}: {said[:500].decode(errors='replace')}"
            raise Refused(summary, code=answer.status)
        return said

    def get(what: str) -> Any:
        try:
            return json.loads(request("GET", what, None, (HTTPStatus.OK,)))
        except ValueError as error:
            raise Refused("it answers, and is no management of RabbitMQ") from error

    def put(what: str, given: Any) -> None:
        method = "DELETE" if given is None else "PUT"
        request(method, what, given, (HTTPStatus.CREATED, HTTPStatus.NO_CONTENT))

    try:
        connection.sock = context.wrap_socket(sock, server_hostname=host) if context else sock
        return work(get, put)
    except ssl.SSLError as error:
        raise Refused(f"TLS: {error.reason or error}") from error
    except (OSError, http.client.NotConnected) as error:
        raise Closed(f"{host}:{port}: {error or 'no answer'}") from error
    except (http.client.HTTPException, AttributeError, TypeError, KeyError) as error:
        raise Refused("it answers, and is no management of RabbitMQ") from error
    finally:
        with suppress(OSError):
            connection.close()
            sock.close()


def anywhere(site: Site, fleet: Fleet, queue: Queue, work: Callable[[Get], T]) -> T:
    """What `work` makes of the management of a queue, by the first of its hosts that says it. Raises NaruError when
    none does."""
    return fleet.call(anywhere_of(site, fleet, queue, lambda get, _: work(get)))


async def anywhere_of(site: Site, fleet: Fleet, queue: Queue, work: Callable[[Get, Put], T]) -> T:
    """The same in the fleet's own thread, for work that may also change something."""
    last = NaruError(f"{site.file}: queues.{queue.name}.management: is missing", hint="docs/reference/site.md")
    for where, url in urls(site, queue).items():
        remote = fleet.remote(where or first_host(site, queue))
        try:
            return await told(site, fleet.secrets, queue, remote, url, work)
        except NaruError as error:
            last = error
    raise last


def urls(site: Site, queue: Queue) -> dict[str, str]:
    """Where the management is asked: the one URL under "", or one for each host."""
    if not queue.management:
        return {}
    if queue.management.url:
        return {"": queue.management.url}
    return {host.name: f"http://{bracketed(host.address)}:{PORT}" for host in site.named(queue.hosts)}


def first_host(site: Site, queue: Queue) -> str:
    """The first host of a queue, by which what is at a URL is asked."""
    return site.named(queue.hosts)[0].name


def quoted(name: str) -> str:
    """A name as a part of a path: a virtual host is called / often."""
    return quote(name, safe="")


def bracketed(address: str) -> str:
    """An address as a URL has it."""
    return f"[{address}]" if ":" in address else address

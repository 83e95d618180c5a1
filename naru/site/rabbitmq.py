"""RabbitMQ by the HTTP API of its management plugin, asked as a host reaches it."""

import base64
import http.client
import json
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from naru.errors import NaruError
from naru.site.model import Management, Queue
from naru.site.secrets import Secrets
from naru.site.site import Site
from naru.site.ssh import Remote
from naru.site.threads import in_thread
from naru.site.tunnel import Closed, open_socket

SECONDS = 10.0
PORT = 15672

T = TypeVar("T")
Get = Callable[[str], Any]
"""What is at a path under /api, as `nodes`: JSON. Raises Refused."""


class Refused(NaruError):
    """It answers, and not with what was asked for; `code` is HTTP's, 0 for what is no HTTP."""

    def __init__(self, summary: str, *, code: int = 0) -> None:
        super().__init__(summary)
        self.code = code


async def asked(site: Site, secrets: Secrets, queue: Queue, remote: Remote, url: str, work: Callable[[Get], T]) -> T:
    """What `work` makes of the management of a queue that has one, at a URL as a host reaches it. Raises Refused,
    Closed, and NaruError for a password or certificate that cannot be read."""
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
    work: Callable[[Get], T],
) -> T:
    token = base64.b64encode(f"{management.user}:{password}".encode()).decode()
    connection = http.client.HTTPConnection(host, port, timeout=SECONDS)

    def get(what: str) -> Any:
        connection.request("GET", f"{path.rstrip('/')}/api/{what}", headers={"Authorization": f"Basic {token}"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise Refused(f"HTTP {answer.status} {answer.reason}", code=answer.status)
        try:
            return json.loads(body)
        except ValueError as error:
            raise Refused("it answers, and is no management of RabbitMQ") from error

    try:
        connection.sock = context.wrap_socket(sock, server_hostname=host) if context else sock
        return work(get)
    except ssl.SSLError as error:
        raise Refused(f"TLS: {error.reason or error}") from error
    except OSError as error:
        raise Closed(f"{host}:{port}: {error or 'no answer'}") from error
    except (http.client.HTTPException, AttributeError, TypeError, KeyError) as error:
        raise Refused("it answers, and is no management of RabbitMQ") from error
    finally:
        with suppress(OSError):
            connection.close()
            sock.close()


def urls(site: Site, queue: Queue) -> dict[str, str]:
    """Where the management is asked: the one URL under "", or one for each host."""
    if not queue.management:
        return {}
    if queue.management.url:
        return {"": queue.management.url}
    return {host.name: f"http://{_bracketed(host.address)}:{PORT}" for host in site.named(queue.hosts)}


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address

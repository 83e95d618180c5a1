"""Requests that write, sent from a host to where users reach a service: a closed gate refuses them."""

import http.client
import json
import shlex
import socket
import ssl
import urllib.parse
from collections.abc import Container
from functools import partial
from typing import Literal, NamedTuple

from naru.errors import NaruError
from naru.site.ssh import Remote
from naru.site.threads import in_thread
from naru.site.tunnel import SECONDS, open_socket
from naru.site.write_gate.rules import HEADER, HORIZON, KEYSTONE, PROBE, SILENT

Probed = Literal["open", "closed", "open elsewhere", "not reached", "nowhere", "not known"]
"""What became of a request that writes: let through by this host, refused, let through by somebody else, not sent since
the address is not this host's and nobody is reached at it, not sent since the catalogue has no address, no answer."""


class Endpoint(NamedTuple):
    """Where users reach a service, by Keystone's catalogue: the path up to what is a project's own."""

    service: str
    url: str
    region: str


async def probe(remote: Remote, endpoint: Endpoint, ca: str | None, silent: Container[str]) -> tuple[Probed, str]:
    """What became of requests to an endpoint, and why. They go to the host's own listener where the address is its own;
    else to the address, wherever that is; and where that cannot be reached, as from within what is behind NAT, to the
    host's own listener at the same port. `silent` are services of which nobody is there to
    answer."""
    if not endpoint.url:
        return "nowhere", "Keystone's catalogue has no endpoint of it"
    parts = urllib.parse.urlsplit(endpoint.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    own, mine = await _listens(remote, parts.hostname or "", port)
    if own:
        return await _sent(remote, own, port, endpoint, ca, silent)
    probed, why = await _sent(remote, parts.hostname or "", port, endpoint, ca, silent)
    if probed == "not known":
        return await _sent(remote, mine, port, endpoint, ca, silent) if mine else ("not reached", why)
    return ("open elsewhere", why) if probed == "open" else (probed, why)


async def _sent(
    remote: Remote, address: str, port: int, endpoint: Endpoint, ca: str | None, silent: Container[str]
) -> tuple[Probed, str]:
    """What becomes of requests that a host sends to an address: one that writes, one that reads, a login."""
    url, name = endpoint.url, urllib.parse.urlsplit(endpoint.url).hostname or ""
    path, tls = urllib.parse.urlsplit(url).path.rstrip("/"), url.startswith("https:")
    requests = [("POST", f"{path}/", True)]
    if endpoint.service != HORIZON:
        requests.append(("GET", path or "/", False))
    if endpoint.service == KEYSTONE and "/v" in path:
        requests.append(("POST", f"{path}/auth/tokens", False))
    try:
        for method, asked, writes in requests:
            async with open_socket(remote, address, port) as sock:
                asking = partial(_asked, sock, name, port, tls, ca, method, asked)
                status, refused = await in_thread(asking)
            if writes and not refused:
                return "open", f"POST {url} is let through ({status})"
            if refused and not writes:
                if refused == SILENT or endpoint.service in silent:
                    return "closed", "nothing answers behind the gate"
                return "not known", f"{method} {asked} is refused, too, which only reads or logs in"
    except (NaruError, OSError, http.client.HTTPException) as error:
        return "not known", f"{url}: {error}"
    return "closed", ""


def _asked(
    sock: socket.socket, name: str, port: int, tls: bool, ca: str | None, method: str, path: str
) -> tuple[int, str]:
    """The status of a request, and what the gate says of itself that refused it, "" for one that did not."""
    connection = http.client.HTTPConnection(name, port)
    connection.sock = ssl.create_default_context(cafile=ca).wrap_socket(sock, server_hostname=name) if tls else sock
    body = json.dumps({}) if method == "POST" else None
    headers = {PROBE: "1", "Connection": "close", "Content-Type": "application/json"}
    connection.request(method, path, body=body, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.getheader(HEADER) or ""


async def _listens(remote: Remote, name: str, port: int) -> tuple[str, str]:
    """Where a host listens at a port: at an own address that the name has, and at any of its own; "" for none, as of a
    virtual address that is another host's now."""
    line = (
        f"ss -Hltn 'sport = :{port}' | awk '{{ print $4 }}'; echo -; "
        "ip -o addr | awk '{ print $4 }'; echo -; "
        f"getent ahosts {shlex.quote(name)} | awk '{{ print $1 }}'"
    )
    said = (await remote.run(line, seconds=SECONDS)).out
    listening, own, named = (part.split() for part in (*f"\n{said}".split("\n-\n"), "", "")[:3])
    mine = {one.partition("/")[0] for one in own}
    at = [one.rpartition(":")[0].strip("[]").partition("%")[0] for one in listening]
    anywhere = any(one in ("*", "0.0.0.0", "::") for one in at)
    possible = [one for one in mine if anywhere or one in at]
    wanted = [one for one in possible if one in named]
    return next(iter(wanted), ""), next(iter(sorted(possible)), "")

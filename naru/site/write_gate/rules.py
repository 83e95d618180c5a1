"""What HAProxy has to have for a write gate: lines in the frontends of the services, a backend for each that refuses,
and the files that these name.

    DIRECTORY/gates.map       SERVICE open, or SERVICE closed, a line each
    DIRECTORY/allowed.list    addresses and networks that go on writing: the cloud's own services', operators'
    DIRECTORY/SERVICE.http    the answer to what is refused

All of it is in HAProxy since 1.6 by its documentation.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import os_service_types

from naru.site.site import Site

MAP, ALLOWED = "gates.map", "allowed.list"
OPEN, CLOSED = "open", "closed"
HEADER = "X-Naru-Gate"
"""The header of an answer that is the gate's own."""
PROBE = "X-Naru-Probe"
"""The header of a request that a closed gate refuses wherever it comes from: so it is seen that it is closed."""
RETRY_AFTER = 120
"""Seconds after which one that was refused is to ask again."""
HORIZON = "horizon"
"""Of the dashboard nothing is let through: it calls the APIs from the controllers' addresses."""
KEYSTONE = "keystone"
LOGINS = (
    "^(/identity)?(/v3/auth/(tokens|OS-FEDERATION/.*)|/v3/OS-FEDERATION/identity_providers/[^/]+/protocols/[^/]+/auth"
    "|/v2.0/tokens|/v3/(ec2|s3)tokens)/?$"
)
"""Paths to which one logs in by POST: nothing is written to a database by it, but by tokens of the kind uuid and by the
first login of a user of a federation."""
NO_APIS = ("metadata", "proxy")
"""How names of services end that listen somewhere and are no API with a gate: metadata, consoles, object storage."""
_TEXT = "Maintenance: nothing can be changed for now. Please try again later."
_PAGE = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>Maintenance</title></head>
<body style="font-family: sans-serif; margin: 4em auto; max-width: 34em">
<h1>Maintenance</h1><p>The dashboard is closed for now. Servers go on. Please try again later.</p>
<h1>점검 중</h1><p>지금은 대시보드를 사용할 수 없습니다. 서버는 계속 동작합니다. 잠시 후 다시 시도해 주세요.</p>
</body></html>
"""


def services(site: Site) -> list[str]:
    """The services of a site that have a gate, as their projects are called: those that listen somewhere and are
    OpenStack's, but the metadata service, which servers ask, consoles, and object storage."""
    known = {one["project"] for one in os_service_types.ServiceTypes().services} - {"swift"} | {HORIZON}
    names = (one.project for one in site.part.services if one.port and not one.name.endswith(NO_APIS))
    return [name for name in dict.fromkeys(names) if name in known]


def configuration(services: Sequence[str], directory: str) -> str:
    """All lines for HAProxy's configuration, to be put where they belong."""
    parts = []
    for service in services:
        parts.append(f"# in the frontend, or the listen, of {service}, before every other use_backend")
        parts += [f"  {line}" for line in lines(service, directory)]
        parts.append("  # and while nothing answers behind it; in a frontend with the name of its backend, nbsrv(NAME)")
        parts += [f"  # {silent(service)}", ""]
    parts.append("# beside the other backends")
    for service in services:
        parts += backend(service, directory)
    return "\n".join(parts) + "\n"


def lines(service: str, directory: str) -> list[str]:
    """The lines for the frontend (or the `listen`) of a service, before all others that choose a backend."""
    found = [
        f"acl naru_closed str({service}),map_str({directory}/{MAP},{OPEN}) -m str {CLOSED}",
        f"acl naru_allowed src -f {directory}/{ALLOWED}",
        f"acl naru_probe req.hdr({PROBE}) -m found",
    ]
    refused = ["naru_closed"]
    if service != HORIZON:
        found.append("acl naru_reads method GET HEAD OPTIONS")
        refused = ["naru_closed !naru_reads"]
    if service == KEYSTONE:
        found += ["acl naru_posts method POST", f"acl naru_login path_reg {LOGINS}"]
        refused = [f"{refused[0]} {other}" for other in ("!naru_posts", "!naru_login")]
    backend = f"use_backend {_backend(service)} if"
    return [*found, *(f"{backend} {one} {whose}" for one in refused for whose in ("!naru_allowed", "naru_probe"))]


def silent(service: str) -> str:
    """The line for a `listen` that gives the gate's own answer to everything, while the gate is closed and nothing
    answers behind it, as in the window of an upgrade."""
    return f"use_backend {_backend(service)} if naru_closed {{ nbsrv lt 1 }}"


def backend(service: str, directory: str) -> list[str]:
    """The backend that refuses: it has no server, and a text for that."""
    return [f"backend {_backend(service)}", "  mode http", f"  errorfile 503 {directory}/{service}.http"]


def files(services: Sequence[str], allowed: Sequence[str]) -> dict[str, str]:
    """The files of a directory, by name, with all gates open."""
    found = {f"{service}.http": answer(service) for service in services}
    found[MAP] = "".join(f"{service} {OPEN}\n" for service in services)
    found[ALLOWED] = "".join(f"{one}\n" for one in allowed)
    return found


def answer(service: str) -> str:
    """The whole answer to what is refused, in the form of the service's own errors."""
    kind, body = _body(service)
    head = [
        "HTTP/1.1 503 Service Unavailable",
        f"Content-Type: {kind}; charset=utf-8",
        f"Content-Length: {len(body.encode())}",
        f"Retry-After: {RETRY_AFTER}",
        "Cache-Control: no-store",
        "Connection: close",
        f"{HEADER}: {CLOSED}",
    ]
    return "\r\n".join([*head, "", body])


def _backend(service: str) -> str:
    return f"naru_closed_{service}"


def _body(service: str) -> tuple[str, str]:
    if service == HORIZON:
        return "text/html", _PAGE
    if service == "glance":
        title = "503 Service Unavailable"
        return "text/html", f"<html><head><title>{title}</title></head><body><h1>{title}</h1>{_TEXT}</body></html>\n"
    return "application/json", json.dumps(_FORMS.get(service, _FORMS[KEYSTONE])) + "\n"


_FAULT = {"serviceUnavailable": {"code": 503, "message": _TEXT}}
_FORMS: Mapping[str, Any] = {
    KEYSTONE: {"error": {"code": 503, "title": "Service Unavailable", "message": _TEXT}},
    "nova": _FAULT,
    "cinder": _FAULT,
    "neutron": {"NeutronError": {"type": "ServiceUnavailable", "message": _TEXT, "detail": ""}},
    "placement": {"errors": [{"status": 503, "title": "Service Unavailable", "detail": _TEXT}]},
}
"""As each service's code makes an error of it (nova/api/openstack/wsgi.py, neutron/api/api_common.py, ...); of others
as Keystone does."""

"""What goes through a closed write gate, and what the rest is answered: the same at every kind of load balancer, each
of which has it in its own form (`forms`).
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import os_service_types

from naru.site.site import Site

OPEN, CLOSED = "open", "closed"
SILENT = "silent"
"""The gate is closed, and nothing answers behind it."""
HEADER = "X-Naru-Gate"
"""The header of an answer that is the gate's own: CLOSED, or SILENT."""
PROBE = "X-Naru-Probe"
"""The header of a request that a closed gate refuses wherever it comes from: so it is seen that it is closed."""
RETRY_AFTER = 120
"""Seconds after which one that was refused is to ask again."""
HORIZON = "horizon"
"""Of the dashboard nothing is let through: it calls the APIs from the controllers' addresses."""
KEYSTONE = "keystone"
READS = ("GET", "HEAD", "OPTIONS")
LOGINS = (
    "(/identity)?(/v3/auth/(tokens|OS-FEDERATION/.*)|/v3/OS-FEDERATION/identity_providers/[^/]+/protocols/[^/]+/auth"
    "|/v2.0/tokens|/v3/(ec2|s3)tokens)/?"
)
"""Paths, whole, to which one logs in by POST: nothing is written to a database by it, but by tokens of the kind uuid
and by the first login of a user of a federation."""
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


class Passing(NamedTuple):
    """What goes through a closed gate besides those who are allowed: methods, and paths of logins by POST ("" none)."""

    methods: tuple[str, ...]
    logins: str


def passing(service: str) -> Passing:
    """What goes through the closed gate of a service."""
    return Passing(() if service == HORIZON else READS, LOGINS if service == KEYSTONE else "")


def body(service: str) -> tuple[str, str]:
    """The answer to what is refused, in the form of the service's own errors: its media type, and its text, on one line
    but for the page of the dashboard."""
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

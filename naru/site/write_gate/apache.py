"""The write gate in Apache (httpd), before mod_proxy, mod_wsgi or whatever answers: a file for the server, one for the
`VirtualHost` of each service, and what these name.

    DIRECTORY/naru.conf       for the server: who is allowed
    DIRECTORY/SERVICE.conf    for the VirtualHost, or the Location, of the service: what is refused, and the answer
    DIRECTORY/allowed.conf    a line for each address and network that goes on writing; read when Apache is reloaded
    DIRECTORY/SERVICE.closed  is there while the gate is closed: looked for at each request

It needs mod_alias, mod_headers and mod_setenvif. All of it is in Apache since 2.4.10 by its documentation.
"""

from collections.abc import Sequence

from naru.site.write_gate.rules import CLOSED, HEADER, PROBE, RETRY_AFTER, SILENT, body, passing

ALLOWED, COMMON = "allowed.conf", "naru.conf"
PROGRAMS = ("apache2", "httpd")
INCLUDE = "Include {path}"
_FAILED = "expr=%{REQUEST_STATUS} in { '502', '503', '504' }"
"""Whether nothing has answered behind it."""


def configuration(services: Sequence[str], directory: str) -> str:
    """All lines for Apache's configuration, to be put where they belong."""
    parts = ["# outside of every VirtualHost", INCLUDE.format(path=f"{directory}/{COMMON}")]
    for service in services:
        where = f"# in the VirtualHost of {service}; where that has several services, in its Location"
        parts += ["", where, INCLUDE.format(path=f"{directory}/{service}.conf")]
    return "\n".join(parts) + "\n"


def files(services: Sequence[str], allowed: Sequence[str], directory: str) -> dict[str, str]:
    """The files of a directory, by name, with all gates open."""
    found = {f"{service}.conf": _host(service, directory) for service in services}
    found[COMMON] = f"# Naru's write gate: naru site gate rules\nInclude {directory}/{ALLOWED}\n"
    found[ALLOWED] = "".join(f"{allowed_line(one)}\n" for one in allowed)
    return found


def allowed_line(network: str) -> str:
    """The line of the list that lets an address or a network through."""
    return f"SetEnvIfExpr \"-R '{network}'\" naru_allowed"


def _host(service: str, directory: str) -> str:
    through = passing(service)
    closed = f"-f '{directory}/{service}.{CLOSED}'"
    refused = [closed, f"(-z reqenv('naru_allowed') || -n req('{PROBE}'))"]
    if through.methods:
        methods = ", ".join(f"'{one}'" for one in through.methods)
        refused.append(f"!(%{{REQUEST_METHOD}} in {{ {methods} }})")
    if through.logins:
        refused.append(f"!(%{{REQUEST_METHOD}} == 'POST' && %{{REQUEST_URI}} =~ m#^{through.logins}$#)")
    return f"""# Naru's write gate of {service}: naru site gate rules
<If "{closed}">
{_answer(service, SILENT, _FAILED)}
</If>
<If "{" && ".join(refused)}">
    Redirect 503 "/"
{_answer(service, CLOSED)}
</If>
"""


def _answer(service: str, state: str, when: str = "") -> str:
    kind, text = body(service)
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ").strip()
    codes = (503,) if state == CLOSED else (502, 503, 504)
    lines = [f'ErrorDocument {code} "{quoted}"' for code in codes]
    headers = {"Content-Type": f"{kind}; charset=utf-8", "Retry-After": RETRY_AFTER, "Cache-Control": "no-store"}
    condition = f' "{when}"' if when else ""
    lines += [f'Header always set {name} "{value}"{condition}' for name, value in {**headers, HEADER: state}.items()]
    return "\n".join(f"    {line}" for line in lines)

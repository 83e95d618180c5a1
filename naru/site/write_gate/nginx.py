"""The write gate in nginx: a file for `http`, one for the `server` of each service, and what these name.

    DIRECTORY/naru.conf       for http: who is allowed, what is a login
    DIRECTORY/SERVICE.conf    for the server of the service: what is refused, and the answer
    DIRECTORY/allowed.conf    a line for each address and network that goes on writing; read when nginx is reloaded
    DIRECTORY/SERVICE.closed  is there while the gate is closed: looked for at each request

All of it is in nginx since 1.7.5 by its documentation.
"""

from collections.abc import Sequence

from naru.site.write_gate.rules import CLOSED, HEADER, LOGINS, PROBE, READS, RETRY_AFTER, SILENT, body, passing

ALLOWED, COMMON = "allowed.conf", "naru.conf"
PROGRAMS = ("nginx",)
INCLUDE = "include {path};"


def configuration(services: Sequence[str], directory: str) -> str:
    """All lines for nginx's configuration, to be put where they belong."""
    parts = ["# in http", INCLUDE.format(path=f"{directory}/{COMMON}")]
    for service in services:
        parts += [
            "",
            f"# in the server of {service}, in no location",
            INCLUDE.format(path=f"{directory}/{service}.conf"),
        ]
        parts += ["# and while nothing answers behind it", f"# error_page 502 = @{_name(service, SILENT)};"]
    return "\n".join(parts) + "\n"


def files(services: Sequence[str], allowed: Sequence[str], directory: str) -> dict[str, str]:
    """The files of a directory, by name, with all gates open."""
    found = {f"{service}.conf": _server(service, directory) for service in services}
    found[COMMON] = _http(directory)
    found[ALLOWED] = "".join(f"{allowed_line(one)}\n" for one in allowed)
    return found


def allowed_line(network: str) -> str:
    """The line of the list that lets an address or a network through."""
    return f"{network} 1;"


def _http(directory: str) -> str:
    """Who is refused whatever he writes, and what a request is: `reads`, `login` or `writes`."""
    reads = "|".join(READS)
    return f"""# Naru's write gate: naru site gate rules
geo $naru_allowed {{
    default 0;
    include {directory}/{ALLOWED};
}}
map $http_{PROBE.lower().replace("-", "_")} $naru_probed {{
    default 1;
    "" 0;
}}
map "$naru_allowed$naru_probed" $naru_refused {{
    default 1;
    10 0;
}}
map "$request_method $request_uri" $naru_request {{
    default writes;
    "~^({reads}) " reads;
    "~^POST {LOGINS}(\\?|$)" login;
}}
"""


def _server(service: str, directory: str) -> str:
    through = passing(service)
    kinds = [*(["reads"] if through.methods else []), *(["login"] if through.logins else [])]
    pass_on = f"""if ($naru_request ~ ^({"|".join(kinds)})$) {{
    set $naru_gate 0;
}}
"""
    return f"""# Naru's write gate of {service}: naru site gate rules
set $naru_gate $naru_refused;
if (!-f {directory}/{service}.{CLOSED}) {{
    set $naru_gate 0;
}}
{pass_on if kinds else ""}if ($naru_gate) {{
    rewrite ^ /{_name(service, CLOSED)} last;
}}
location = /{_name(service, CLOSED)} {{
    internal;
{_answer(service, CLOSED)}
}}
location = /{_name(service, SILENT)} {{
    internal;
{_answer(service, SILENT)}
}}
location @{_name(service, SILENT)} {{
    if (-f {directory}/{service}.{CLOSED}) {{
        rewrite ^ /{_name(service, SILENT)} last;
    }}
    return 502;
}}
"""


def _answer(service: str, state: str) -> str:
    kind, text = body(service)
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"""    keepalive_timeout 0;
    default_type "{kind}; charset=utf-8";
    add_header Retry-After {RETRY_AFTER} always;
    add_header Cache-Control no-store always;
    add_header {HEADER} {state} always;
    return 503 '{quoted}';"""


def _name(service: str, state: str) -> str:
    return f"naru_{state}_{service}"

"""The write gate in HAProxy: lines in the frontends of the services, a backend for each that refuses, and the files
that these name.

    DIRECTORY/gates.map       SERVICE open, or SERVICE closed, a line each
    DIRECTORY/allowed.list    addresses and networks that go on writing: the cloud's own services', operators'
    DIRECTORY/SERVICE.http    the answer to what is refused

HAProxy asks the map and the list at each request, and both are changed while it runs. All of it is in HAProxy since 1.6
by its documentation.
"""

from collections.abc import Sequence

from naru.site.write_gate.rules import CLOSED, HEADER, OPEN, PROBE, RETRY_AFTER, body, passing

MAP, ALLOWED = "gates.map", "allowed.list"


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
    through, refused = passing(service), ["naru_closed"]
    if through.methods:
        found.append(f"acl naru_reads method {' '.join(through.methods)}")
        refused = ["naru_closed !naru_reads"]
    if through.logins:
        found += ["acl naru_posts method POST", f"acl naru_login path_reg ^{through.logins}$"]
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


def files(services: Sequence[str], allowed: Sequence[str], directory: str = "") -> dict[str, str]:
    """The files of a directory, by name, with all gates open."""
    found = {f"{service}.http": answer(service) for service in services}
    found[MAP] = "".join(f"{service} {OPEN}\n" for service in services)
    found[ALLOWED] = "".join(f"{allowed_line(one)}\n" for one in allowed)
    return found


def allowed_line(network: str) -> str:
    """The line of the list that lets an address or a network through."""
    return network


def answer(service: str) -> str:
    """The whole answer to what is refused."""
    kind, text = body(service)
    head = [
        "HTTP/1.1 503 Service Unavailable",
        f"Content-Type: {kind}; charset=utf-8",
        f"Content-Length: {len(text.encode())}",
        f"Retry-After: {RETRY_AFTER}",
        "Cache-Control: no-store",
        "Connection: close",
        f"{HEADER}: {CLOSED}",
    ]
    return "\r\n".join([*head, "", text])


def _backend(service: str) -> str:
    return f"naru_closed_{service}"

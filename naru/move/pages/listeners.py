"""The commands that make a listener whose certificate its users have: see `naru.move.kinds.listener.described`."""

from collections.abc import Iterator, Mapping
from typing import Any

from naru.report.commands import command, last, option

_EACH = {
    "allowed_cidrs": "allowed-cidr",
    "tls_versions": "tls-version",
    "alpn_protocols": "alpn-protocol",
    "tags": "tag",
}
"""Fields with lists, and the option that is given for each item."""
_LEFT = ("position", "admin_state_up", "invert")


def commands(openstack: str, detail: Mapping[str, Any]) -> Iterator[str]:
    """The commands, in their order; the certificate's reference is in the shell's variable `reference`."""
    balancer = str(detail.get("load_balancer") or "LOAD_BALANCER")
    fields = detail.get("fields") or {"name": detail.get("listener") or "LISTENER", "protocol": "TERMINATED_HTTPS"}
    pool = [option("default-pool", detail["pool"])] if detail.get("pool") else []
    yield command(
        f"{openstack} loadbalancer listener create --wait",
        *_options(fields),
        *pool,
        '--default-tls-container-ref "$reference"',
        last(balancer),
    )
    name = str(fields.get("name") or "LISTENER")
    for number, policy in enumerate(detail.get("policies") or (), 1):
        redirect = [option("redirect-pool", policy["pool"])] if policy.get("pool") else []
        place = ["--position", str(policy["fields"].get("position") or number)]
        create = (
            f"{openstack} loadbalancer l7policy create --wait -f value -c id",
            *_options(policy["fields"]),
            *redirect,
            " ".join(place),
            last(name),
        )
        yield f"policy=$({command(*create)})"
        for rule in policy.get("rules") or ():
            invert = ["--invert"] if rule.get("invert") else []
            yield command(f"{openstack} loadbalancer l7rule create --wait", *_options(rule), *invert, '"$policy"')


def _options(fields: Mapping[str, Any]) -> Iterator[str]:
    for name, value in fields.items():
        dashed = name.replace("_", "-")
        if name == "insert_headers":
            yield option(dashed, ",".join(f"{header}={wanted}" for header, wanted in value.items()))
        elif name in _EACH:
            yield from (option(_EACH[name], str(one)) for one in value)
        elif name.startswith("hsts_") and isinstance(value, bool):
            if value:
                yield f"--{dashed}"
        elif name not in _LEFT:
            yield option(dashed, str(value))
    if fields.get("admin_state_up") is False:
        yield "--disable"

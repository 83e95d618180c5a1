"""Whose requests go through a closed gate: those of the cloud's own services."""

import ipaddress
from collections.abc import Sequence

from naru.errors import InputError
from naru.site.model import WriteGate
from naru.site.site import Site


def allowed(site: Site, gate: WriteGate, more: Sequence[str] = ()) -> list[str]:
    """The addresses and networks: what the gate has under `allow`, else the addresses of all hosts of the site, in as
    few networks as hold them and no other; and `more`. Raises InputError for a host whose address is a name."""
    if gate.allow:
        return list(dict.fromkeys([*gate.allow, *more]))
    found: dict[int, list[ipaddress.IPv4Network | ipaddress.IPv6Network]] = {4: [], 6: []}
    for host in site.hosts.values():
        try:
            one = ipaddress.ip_network(host.address)
        except ValueError as error:
            hint = "Say from where the cloud's own services call: write_gate: {allow: [10.0.0.0/16]}"
            raise InputError(f"{site.file}: the address of {host.name} is a name: {host.address}", hint=hint) from error
        found[one.version].append(one)
    networks = [*ipaddress.collapse_addresses(found[4]), *ipaddress.collapse_addresses(found[6])]  # type: ignore[type-var]
    texts = [str(one.network_address) if one.num_addresses == 1 else str(one) for one in networks]
    return list(dict.fromkeys([*texts, *more]))

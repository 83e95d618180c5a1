"""Nova: `nova/api/validation/parameter_types.py` and `nova/api/openstack/compute/schemas` of 2026.2. Names and metadata
are checked so since API 2.1; what a server was called through the older API, or before it, may be otherwise."""

import re
from collections.abc import Mapping

from naru.move.accepts import PairsRule, TextRule, printable
from naru.move.facts import Side

SERVICE = "compute"
NAME = TextRule(255, printable, trimmed=True)
"""Of servers, server groups and flavors."""
DESCRIPTION = TextRule(255, printable)
FLAVOR_DESCRIPTION = TextRule(65535, printable)
METADATA = PairsRule(re.compile(r"[a-zA-Z0-9\-_:. ]{1,255}"), 255)
"""Of servers, and the extra specs of flavors."""
TAG = re.compile(r"[^,/]{1,60}")
TAGS = 50
"""So many tags a server may have."""
FLAVOR_ID = re.compile(r"(?! )[a-zA-Z0-9. _-]{1,255}(?<! )")

NEWEST = "2.96"
"""The newest microversion in which servers are made: later ones add nothing that a move sends."""
FIELDS: Mapping[str, str] = {"description": "2.19", "networks": "2.37", "tags": "2.52", "hostname": "2.90"}
"""The first microversion that has a field of a request for a server, where not all that Naru speaks have it."""
GROUP_POLICY = "2.64"
"""From here a server group has one `policy`, with rules; before, a list `policies` of one."""
FLAVOR_DESCRIPTIONS = "2.55"
LOCK_REASON = "2.73"
FQDN = "2.94"
"""From here a server's host name may be a full domain name."""
DASHES = "2.88"
"""A Nova that goes up to this makes no host name with dots."""
_HOSTNAME = re.compile(r"[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+")
_FQDN = re.compile(r"[a-zA-Z0-9\-._]{1,255}")
_KEY_PAIRS = ("2.92", re.compile(r"(?! )[\w\- .@]{1,255}(?<! )", re.ASCII))
_OLD_KEY_PAIRS = re.compile(r"(?! )[\w\- ]{1,255}(?<! )", re.ASCII)


def takes_hostname(side: Side, name: str) -> bool:
    """Whether a server of the cloud can be told its host name, and by this one."""
    if side.supports(SERVICE, FQDN):
        return _FQDN.fullmatch(name) is not None
    short = _HOSTNAME.fullmatch(name) is not None and len(name) <= 63
    return short and side.supports(SERVICE, FIELDS["hostname"])


def own_hostname(side: Side, name: str) -> str:
    """The host name that the cloud's Nova makes of a server's name (`nova.utils.sanitize_hostname`): since Victoria a
    dash stands in place of each dot."""
    made = name.encode("latin-1", "ignore").decode("latin-1")[:63]
    made = re.sub(r"[ _.]" if side.supports(SERVICE, DASHES) else r"[ _]", "-", made)
    return re.sub(r"[^\w.-]+", "", made).lower().strip(".-")


def takes_key_pair(side: Side, name: str) -> bool:
    """Whether a key pair may be called so."""
    since, newer = _KEY_PAIRS
    return (newer if side.supports(SERVICE, since) else _OLD_KEY_PAIRS).fullmatch(name) is not None

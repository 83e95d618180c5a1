"""The OpenStack services, a module each: its databases, its schema steps, its processes, its catalogue entries.

Every module has the same names: `DATABASES`, `CATALOG` (type, name, path) or `catalog(cloud)`, `migrate(cloud)`
(commands that make the schema from nothing) and `programs(cloud)`. What differs between releases is in the release's
data file: how an API is served, and the peculiarities that the templates under `naru/lab/templates/` ask for.

`ldap` stands beside them: it has no API and belongs to Keystone.

A module may have, where its service needs it:

- `USER_ROLES`: the roles, besides `member`, that an ordinary user of the service has
- `prepare(cloud)`: brings into etc/ what is no template, before the programs start
- `DOMAINS`: domains of Keystone that are made for it
- `register(cloud)`: commands that are run once, when the service runs for the first time
- `silent(cloud, api, since)`: those of its processes that have given no sign of life since then
"""

import importlib
from types import ModuleType

CORE = ("keystone", "glance", "placement", "nova", "neutron", "cinder")
EXTRA = ("swift", "octavia", "designate", "barbican", "ldap")


def module(service: str) -> ModuleType:
    """The module of a service by its OpenStack name."""
    return importlib.import_module(f"naru.lab.services.{service}")

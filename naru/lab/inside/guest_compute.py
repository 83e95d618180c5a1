"""guest_compute.py --config-file FILE...: nova-compute of a host with real guests.

libvirt refuses to migrate a guest whose disk is a file on what it does not know as a shared file system. The NFS share
is one for all hosts, but a bind mount does not look like it.
"""

import sys

from nova.cmd import compute

import libvirt

_migrate = libvirt.virDomain.migrateToURI3


def migrate(self, dconnuri, params, flags=0):
    return _migrate(self, dconnuri, params, flags=flags | libvirt.VIR_MIGRATE_UNSAFE)


if __name__ == "__main__":
    libvirt.virDomain.migrateToURI3 = migrate
    sys.exit(compute.main())

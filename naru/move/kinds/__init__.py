"""What becomes of each kind of thing: a module each, with all that a move has to know of it. This is the list of them.

A module declares its `KIND` (see `naru.move.kind`), what the map says of it (`SECTION`, see `naru.move.mapping`), and
the rules that make its decisions and steps; `naru.move.rules` has those in their order.
"""

from collections.abc import Mapping

from naru.move.kind import Kind
from naru.move.kinds import (
    address_group,
    address_scope,
    application_credential,
    backup,
    credential,
    domain,
    flavor,
    floating_ip,
    group,
    image,
    key_pair,
    network,
    port,
    project,
    qos_policy,
    quota,
    rbac_policy,
    role,
    router,
    security_group,
    segment,
    server,
    server_group,
    snapshot,
    subnet,
    subnet_pool,
    trunk,
    user,
    volume,
    volume_group,
    volume_transfer,
    volume_type,
)
from naru.move.mapping import Section

KINDS: tuple[Kind, ...] = (
    domain.KIND,
    project.KIND,
    *quota.KINDS,
    role.KIND,
    role.ASSIGNMENT,
    user.KIND,
    quota.USER,
    group.KIND,
    group.MEMBERSHIP,
    credential.KIND,
    application_credential.KIND,
    flavor.KIND,
    flavor.ACCESS,
    key_pair.KIND,
    image.KIND,
    image.MEMBER,
    address_scope.KIND,
    subnet_pool.KIND,
    address_group.KIND,
    qos_policy.KIND,
    security_group.KIND,
    network.KIND,
    segment.KIND,
    subnet.KIND,
    port.KIND,
    trunk.KIND,
    rbac_policy.KIND,
    router.KIND,
    floating_ip.KIND,
    floating_ip.FORWARDING,
    volume_type.KIND,
    volume.KIND,
    volume_group.KIND,
    volume_transfer.KIND,
    server_group.KIND,
    server.KIND,
    snapshot.KIND,
    backup.KIND,
)
BY_NAME: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}

SECTIONS: tuple[Section, ...] = (
    domain.SECTION,
    role.SECTION,
    flavor.SECTION,
    image.SECTION,
    volume_type.SECTION,
    server.ZONES,
    volume.ZONES,
    backup.CONTAINERS,
    network.SECTION,
    network.PHYSICAL,
)
"""The sections of the map, in the order in which the file has them."""

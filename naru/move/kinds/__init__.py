"""What becomes of each kind of thing: a module each, with all that a move has to know of it. This is the list of them.

A module declares its `KIND` (see `naru.move.kind`), what the map says of it (a `Section`, see `naru.move.mapping`), and
the rules that make its decisions and steps. All of these stand in `LIST`; whatever else knows the kinds takes them from
there.
"""

from collections.abc import Callable, Mapping

from naru.move.draft import Draft
from naru.move.kind import Kind
from naru.move.kinds import (
    address_group,
    address_scope,
    application_credential,
    backup,
    boot_image,
    cards,
    credential,
    default_security_group_rule,
    domain,
    flavor,
    floating_ip,
    further,
    group,
    image,
    image_format,
    key_pair,
    lb_places,
    lbaas,
    listener,
    load_balancer,
    network,
    operators,
    pool,
    port,
    project,
    public_addresses,
    qos_policy,
    quota,
    rbac_policy,
    role,
    router,
    secret,
    security_group,
    segment,
    server,
    server_group,
    snapshot,
    subnet,
    subnet_pool,
    texts,
    trunk,
    user,
    volume,
    volume_group,
    volume_transfer,
    volume_type,
)
from naru.move.mapping import Section

Rule = Callable[[Draft], None]
"""Makes decisions and steps of what is known, and of what the rules before it have decided. Its docstring says why."""

LIST: tuple[Kind | Section | Rule, ...] = (
    # whose things are: all else is made in a project, as a user
    *(domain.KIND, domain.SECTION, domain.domains),
    *(project.KIND, project.projects),
    *(*quota.KINDS, quota.quotas),  # first of a project's own: room for all that comes
    *(role.KIND, role.INFERENCE, role.ASSIGNMENT, role.SECTION, role.roles),
    *(user.KIND, user.users, quota.USER, quota.user_quotas),
    *(group.KIND, group.MEMBERSHIP, group.groups),
    *(role.assignments, role.domain_assignments, role.from_above),  # to users and groups
    *(credential.KIND, credential.credentials),
    *(application_credential.KIND, application_credential.application_credentials),
    # what servers are booted from
    *(flavor.KIND, flavor.ACCESS, flavor.SECTION, flavor.flavors),
    *(key_pair.KIND, key_pair.key_pairs),
    *(image.KIND, image.MEMBER, image.SECTION, image_format.SECTION, image.images, boot_image.of_servers),
    # networks, before what lies on them; networks of others, which are there, before all
    *(network.SECTION, network.PHYSICAL, public_addresses.SECTION, network.mapped),
    *(operators.SCOPES, operators.POOLS, operators.POLICIES, operators.mapped),
    *(address_scope.KIND, address_scope.address_scopes),
    *(subnet_pool.KIND, subnet_pool.subnet_pools),
    *(address_group.KIND, address_group.address_groups),
    *(qos_policy.KIND, qos_policy.qos_policies),
    *(security_group.KIND, security_group.groups, security_group.rules),
    *(default_security_group_rule.KIND, default_security_group_rule.differences),
    *(network.KIND, network.networks, segment.KIND),
    *(subnet.KIND, subnet.subnets),
    *(port.KIND, port.ports, subnet.dhcp),  # DHCP would take addresses of ports
    *(trunk.KIND, trunk.trunks),
    *(rbac_policy.KIND, rbac_policy.sharing, operators.sharing),
    *(router.KIND, router.routers),
    *(floating_ip.KIND, floating_ip.FORWARDING, floating_ip.floating_ips),
    *(lb_places.KIND, lb_places.FLAVORS, lb_places.ZONES, lb_places.PROVIDERS, lb_places.flavors, lbaas.KIND),
    *(load_balancer.KIND, listener.LISTENER, listener.POLICY, listener.RULE, pool.POOL, pool.MEMBER, pool.MONITOR),
    *(load_balancer.load_balancers, lbaas.load_balancers),
    # volumes before the servers that have them; snapshots and backups after both
    *(volume_type.KIND, volume_type.SECTION, volume_type.types),
    texts.KEYS,  # of volumes, and of what is made of them
    *(volume.KIND, volume.ZONES, volume.volumes),
    *(volume_group.KIND, volume_group.groups),
    *(volume_transfer.KIND, volume_transfer.transfers),
    *(server_group.KIND, server_group.SECTION, server_group.server_groups),
    *(server.KIND, server.ZONES, server.servers, server.stranded, volume.left_behind, cards.order),
    *(snapshot.KIND, snapshot.snapshots),
    *(image.of_servers_on_volumes, image.named_snapshots),  # they name snapshots
    *(backup.KIND, backup.CONTAINERS, backup.backups),
    *(secret.KIND, secret.CONTAINER, secret.ORDER, secret.QUOTA, secret.secrets),
    *(*further.KINDS, further.services),
)
"""All kinds, sections of the map and rules. The order is that in which the rules run, since each may look at what the
earlier ones have decided. Terraform's resources and the map's sections are in the same order; tables of reports go by
kinds' names."""

KINDS: tuple[Kind, ...] = tuple(item for item in LIST if isinstance(item, Kind))
BY_NAME: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}
SECTIONS: tuple[Section, ...] = tuple(item for item in LIST if isinstance(item, Section))
RULES: tuple[Rule, ...] = tuple(item for item in LIST if not isinstance(item, Kind | Section))

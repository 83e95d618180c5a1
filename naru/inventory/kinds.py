"""The kinds of things that clouds have, how each is listed, and which of its fields name other things.

A kind is listed whole, over all projects, with as few requests as its service allows. `versions` are microversions
from the newest to the oldest that are worth asking in; the newest that a cloud has is taken, and a cloud that has none
of them is asked without. Where a service lets nobody list the things of all (key pairs, members of an image), `each`
names the kind whose things are asked one by one, with `{id}` in the path. What is asked for each user of a project
(MEMBER) is read of those projects alone that are asked for: see `naru.inventory.user_quotas`; whether there is room for
resources (RESOURCES), of those alone that are asked for: see `naru.inventory.capacity`; how the data of images begins
(DATA), in the same way: see `naru.inventory.image_data`; what further services have (ELSEWHERE), of the
projects that are asked for: see `naru.inventory.elsewhere`. What the cloud is and can do
(ITSELF) is not a list of any service: see `naru.inventory.read`.

References are paths into the API's answer: `fixed_ips.*.subnet_id` is that field of every item of the list. A path
that leads nowhere refers to nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from naru.messages import word

# the newest microversions that were read and tested: a newer cloud is asked in these, since a field of a version that
# nobody has read might be lost without a word
COMPUTE = ("2.103", "2.100", "2.96", "2.90", "2.79", "2.73", "2.65", "2.60", "2.53")
VOLUME = ("3.71", "3.70", "3.68", "3.66", "3.62", "3.59", "3.50", "3.43", "3.27")


@dataclass(frozen=True)
class Kind:
    """A kind of thing. Of the fields:

    - `name`: OpenStack's word, such as `floating IP`; `ko`: the Korean one
    - `path`, `collection`: where its list is, and the key under which the answer has it: `/ports`, `ports`
    - `versions`: the microversions to ask in, newest first
    - `references`: the kinds that fields name, by path: `network_id: network`
    - `extension`: what the service must have among its extensions (`Cloud.extensions`): `trunk`
    - `more`: further paths for what the first leaves out, each with the version that has it
    - `older`: fields that only an older version has: version, field, and the name it is kept under. They are asked for
      once more
    - `each`: the kind whose things are asked one by one for theirs (`project`, for quotas), or a constant below
    - `only`: for an `each`, which parents are asked (field: value); `parent`: the field that gets the parent's id
    - `key`: the fields that make the row's id: `group_id`, `id`; `title`: the field that makes its name
    - `secret`: paths that are never written anywhere; SECRET takes their place when they are read
    - `least`: the microversion below which the answer is about something else
    - `instead`: what an operator can do where the list cannot be had
    - `parts`: the field by which a service may list a part alone without saying so: Keystone with an identity backend
      for each domain (`domain_specific_drivers_enabled`) lists users and groups of one domain, and roles of single
      domains never. Values of which nothing was listed are asked for one by one
    """

    name: str
    service: str
    path: str
    collection: str
    versions: tuple[str, ...] = ()
    references: Mapping[str, str] = field(default_factory=dict)
    extension: str = ""
    more: tuple[tuple[str, str], ...] = ()
    older: tuple[tuple[str, str, str], ...] = ()
    each: str = ""
    only: Mapping[str, Any] = field(default_factory=dict)
    parent: str = ""
    key: tuple[str, ...] = ("id",)
    title: str = "name"
    secret: tuple[str, ...] = ()
    least: str = ""
    instead: str = ""
    parts: str = ""
    ko: str = field(kw_only=True)


# the `each` of what no list of a service has
MEMBER = "member of a project"  # what is asked for every user with a role on a project
RESOURCES = "resources of a flavor"
DATA = "data of an image"
ITSELF = "the cloud itself"
ELSEWHERE = "further services"  # without which a cloud is read all the same
SECRET = "(not kept)"  # what stands in place of one
POLICY_KINDS = {
    "network": "network",
    "qos_policy": "QoS policy",
    "security_group": "security group",
    "address_scope": "address scope",
    "subnetpool": "subnet pool",
    "address_group": "address group",
}
"""The kinds of what RBAC policies share, by their `object_type`."""


def _network(name: str, path: str, extension: str = "", *, ko: str, **references: str) -> Kind:
    collection = path.strip("/").rpartition("/")[2].replace("-", "_")
    dotted = {key.replace("__", ".*."): kind for key, kind in references.items()}
    return Kind(name, "network", path, collection, extension=extension, references={**_OWNER, **dotted}, ko=ko)


def _quota(what: str, service: str, path: str, collection: str, *, ko: str) -> Kind:
    return Kind(
        f"{what} quota",
        service,
        path,
        collection,
        each="project",
        parent="project_id",
        key=("project_id",),
        title="project_id",
        references=_OWNER,
        ko=ko,
    )


def _zone(what: str, service: str, path: str, collection: str, name: str, *, ko: str) -> Kind:
    return Kind(f"{what} availability zone", service, path, collection, key=(name,), title=name, ko=ko)


def _elsewhere(
    name: str,
    service: str,
    path: str,
    collection: str,
    *,
    ko: str,
    key: tuple[str, ...] = ("id",),
    title: str = "name",
    secret: tuple[str, ...] = (),
    **references: str,
) -> Kind:
    named = {path.replace("__all", ".*").replace("__", "."): kind for path, kind in references.items()}
    return Kind(
        *(name, service, path, collection),
        each=ELSEWHERE,
        key=key,
        title=title,
        secret=secret,
        references={**_OWNER, **named},
        ko=ko,
    )


def _octavia(name: str, path: str, *, ko: str, **references: str) -> Kind:
    dotted = {key.replace("__", ".*."): kind for key, kind in references.items()}
    return Kind(name, "load-balancer", path, path.rpartition("/")[2], references={**_OWNER, **dotted}, ko=ko)


_OWNER = {"project_id": "project"}

KINDS: tuple[Kind, ...] = (
    # name, auth_url, region; user_id: of the identity that read it; versions and extensions by service
    Kind("cloud", "identity", "", "", each=ITSELF, key=("name",), ko="클라우드"),
    Kind("domain", "identity", "/domains", "domains", ko="도메인"),
    Kind(
        "project",
        "identity",
        "/projects",
        "projects",
        references={"domain_id": "domain", "parent_id": "project"},
        ko="프로젝트",
    ),
    Kind(
        "user",
        "identity",
        "/users",
        "users",
        references={"domain_id": "domain", "default_project_id": "project"},
        parts="domain_id",
        ko="사용자",
    ),
    Kind("group", "identity", "/groups", "groups", references={"domain_id": "domain"}, parts="domain_id", ko="그룹"),
    Kind(
        "group membership",
        "identity",
        "/groups/{id}/users",
        "users",
        each="group",
        parent="group_id",
        key=("group_id", "id"),
        references={"group_id": "group", "id": "user"},
        ko="그룹 구성원",
    ),
    # those of single domains are in no list of all
    Kind("role", "identity", "/roles", "roles", references={"domain_id": "domain"}, parts="domain_id", ko="역할"),
    Kind(
        "role inference",
        "identity",
        "/role_inferences",
        "role_inferences",
        key=("prior_role.id",),
        title="prior_role.name",
        references={"prior_role.id": "role", "implies.*.id": "role"},
        ko="역할 포함 관계",
    ),
    Kind(
        "role assignment",
        "identity",
        "/role_assignments",
        "role_assignments",
        key=(
            *("role.id", "user.id", "group.id"),
            *("scope.project.id", "scope.domain.id", "scope.system.all", "scope.OS-INHERIT:inherited_to"),
        ),
        references={
            "role.id": "role",
            "user.id": "user",
            "group.id": "group",
            "scope.project.id": "project",
            "scope.domain.id": "domain",
        },
        ko="역할 할당",
    ),
    Kind(
        "credential",
        "identity",
        "/credentials",
        "credentials",
        title="type",
        references={"user_id": "user", "project_id": "project"},
        secret=("blob",),
        ko="자격 증명",
    ),
    Kind(
        "application credential",
        "identity",
        "/users/{id}/application_credentials",
        "application_credentials",
        extension="application_credentials",
        each="user",
        parent="user_id",
        references={"user_id": "user", "project_id": "project", "roles.*.id": "role"},
        ko="애플리케이션 자격 증명",
    ),
    Kind(
        "flavor",
        "compute",
        "/flavors/detail?is_public=None",
        "flavors",
        versions=("2.100", "2.75", "2.61", "2.53"),  # versions after these have no rxtx_factor
        ko="Flavor",
    ),
    Kind(
        "flavor extra specs",  # only newer versions have them in the list of flavors
        "compute",
        "/flavors/{id}/os-extra_specs",
        "extra_specs",
        each="flavor",
        parent="flavor_id",
        key=("flavor_id",),
        title="flavor_id",
        references={"flavor_id": "flavor"},
        ko="Flavor 추가 사양",
    ),
    Kind(
        "flavor access",
        "compute",
        "/flavors/{id}/os-flavor-access",
        "flavor_access",
        each="flavor",
        parent="flavor_id",
        only={"os-flavor-access:is_public": False},
        key=("flavor_id", "tenant_id"),
        title="flavor_id",
        references={"flavor_id": "flavor", "tenant_id": "project"},
        ko="Flavor 접근 권한",
    ),
    Kind(
        "key pair",
        "compute",
        "/os-keypairs?user_id={id}",
        "keypairs",
        versions=("2.92", "2.35", "2.10"),
        each="user",
        parent="user_id",
        key=("user_id", "keypair.name"),
        title="keypair.name",
        references={"user_id": "user"},
        least="2.10",  # an older Nova gives the administrator's own, whoever is asked for
        instead="--nova-database reads them from Nova's database",
        ko="키 페어",
    ),
    Kind(
        "server group",
        "compute",
        "/os-server-groups?all_projects=1",
        "server_groups",
        versions=("2.64", "2.15"),
        references={**_OWNER, "user_id": "user", "members.*": "server"},
        ko="서버 그룹",
    ),
    Kind(
        "server",
        "compute",
        "/servers/detail?all_tenants=1",
        "servers",
        versions=COMPUTE,
        older=(("2.46", "flavor", "flavor_link"),),  # later ones have a copy of the flavor without its id
        references={
            "tenant_id": "project",
            "user_id": "user",
            "image.id": "image",
            "flavor_link.id": "flavor",
            "os-extended-volumes:volumes_attached.*.id": "volume",
        },
        ko="서버",
    ),
    Kind(  # Cinder has the devices of all others in its list of volumes
        "volume attachment",
        "compute",
        "/servers/{id}/os-volume_attachments",
        "volumeAttachments",
        each="server",
        parent="server_id",
        only={"status": "SHELVED_OFFLOADED"},
        key=("server_id", "volumeId"),
        title="device",
        references={"server_id": "server", "volumeId": "volume"},
        ko="볼륨 연결",
    ),
    Kind(
        "volume type",
        "block-storage",
        "/types?is_public=None",
        "volume_types",
        versions=VOLUME,
        references={"qos_specs_id": "QoS specification"},
        ko="볼륨 타입",
    ),
    Kind(  # an answer for itself, which says nothing of a type without
        "volume type encryption",
        "block-storage",
        "/types/{id}/encryption",
        "",
        each="volume type",
        parent="volume_type_id",
        key=("volume_type_id",),
        title="volume_type_id",
        references={"volume_type_id": "volume type"},
        ko="볼륨 타입 암호화",
    ),
    Kind(
        "volume type access",
        "block-storage",
        "/types/{id}/os-volume-type-access",
        "volume_type_access",
        each="volume type",
        parent="volume_type_id",
        only={"is_public": False},
        key=("volume_type_id", "project_id"),
        title="volume_type_id",
        references={"volume_type_id": "volume type", "project_id": "project"},
        ko="볼륨 타입 접근 권한",
    ),
    Kind("QoS specification", "block-storage", "/qos-specs", "qos_specs", ko="QoS 사양"),
    Kind(
        "volume",
        "block-storage",
        "/volumes/detail?all_tenants=1",
        "volumes",
        versions=VOLUME,
        references={
            "os-vol-tenant-attr:tenant_id": "project",
            "user_id": "user",
            "attachments.*.server_id": "server",
            "snapshot_id": "snapshot",
            "source_volid": "volume",
            "volume_image_metadata.image_id": "image",
            "group_id": "volume group",
        },
        ko="볼륨",
    ),
    Kind(
        "snapshot",
        "block-storage",
        "/snapshots/detail?all_tenants=1",
        "snapshots",
        versions=VOLUME,
        references={
            "os-extended-snapshot-attributes:project_id": "project",
            "user_id": "user",
            "volume_id": "volume",
        },
        ko="스냅샷",
    ),
    Kind(
        "backup",
        "block-storage",
        "/backups/detail?all_tenants=1",
        "backups",
        versions=VOLUME,
        references={
            "os-backup-project-attr:project_id": "project",
            "user_id": "user",
            "volume_id": "volume",
            "snapshot_id": "snapshot",
        },
        ko="백업",
    ),
    Kind(
        "volume group",
        "block-storage",
        "/groups/detail?all_tenants=1",
        "groups",
        versions=VOLUME,
        references={**_OWNER, "volumes.*": "volume", "volume_types.*": "volume type"},
        ko="볼륨 그룹",
    ),
    Kind(
        "volume transfer", "block-storage", "/os-volume-transfer/detail?all_tenants=1", "transfers", ko="볼륨 이전 요청"
    ),
    # where Cinder's scheduler may put a volume
    Kind(
        *("volume pool", "block-storage", "/scheduler-stats/get_pools?detail=true", "pools"),
        key=("name",),
        ko="볼륨 풀",
    ),
    Kind(
        "image",
        "image",
        "/images?limit=1000",
        "images",
        more=(("/images?limit=1000&visibility=community", "2.5"), ("/images?limit=1000&os_hidden=true", "2.7")),
        references={"owner": "project"},
        ko="이미지",
    ),
    Kind(
        "image member",
        "image",
        "/images/{id}/members",
        "members",
        each="image",
        parent="image_id",
        only={"visibility": "shared"},
        key=("image_id", "member_id"),
        title="image_id",
        references={"image_id": "image", "member_id": "project"},
        ko="이미지 공유 대상",
    ),
    Kind(  # as which `formats` it begins, and what newer Glance refuses of its partitions
        *("image data", "image", "/images/{image}/file", ""),
        each=DATA,
        key=("image_id",),
        title="image_id",
        references={"image_id": "image"},
        ko="이미지 데이터",
    ),
    _network("address scope", "/address-scopes", "address-scope", ko="주소 범위"),
    _network("address group", "/address-groups", "address-group", ko="주소 그룹"),
    _network("subnet pool", "/subnetpools", "subnet_allocation", address_scope_id="address scope", ko="서브넷 풀"),
    _network("QoS policy", "/qos/policies", "qos", ko="QoS 정책"),
    _network(
        "security group",
        "/security-groups",
        "security-group",
        security_group_rules__remote_group_id="security group",
        security_group_rules__remote_address_group_id="address group",
        ko="보안 그룹",
    ),
    _network(
        *("default security group rule", "/default-security-group-rules", "security-groups-default-rules"),
        remote_address_group_id="address group",  # a remote group is PARENT, whatever group it is in, but for a few
        ko="보안 그룹 기본 규칙",
    ),
    _network("network", "/networks", qos_policy_id="QoS policy", ko="네트워크"),
    _network("segment", "/segments", "segment", network_id="network", ko="세그먼트"),
    _network(
        "subnet",
        "/subnets",
        network_id="network",
        subnetpool_id="subnet pool",
        segment_id="segment",
        ko="서브넷",
    ),
    _network(
        "router",
        "/routers",
        "router",
        **{
            "external_gateway_info.network_id": "network",
            "external_gateway_info.external_fixed_ips.*.subnet_id": "subnet",
        },
        ko="라우터",
    ),
    Kind(
        "port",
        "network",
        "/ports",
        "ports",
        references={
            **_OWNER,
            "network_id": "network",
            "fixed_ips.*.subnet_id": "subnet",
            "security_groups.*": "security group",
            "qos_policy_id": "QoS policy",
            "device_id": "device",
        },
        ko="포트",
    ),
    _network("trunk", "/trunks", "trunk", port_id="port", sub_ports__port_id="port", ko="트렁크"),
    _network(
        "floating IP",
        "/floatingips",
        "router",
        floating_network_id="network",
        port_id="port",
        router_id="router",
        qos_policy_id="QoS policy",
        ko="유동 IP",
    ),
    Kind(
        "port forwarding",
        "network",
        "/floatingips/{id}/port_forwardings",
        "port_forwardings",
        extension="floating-ip-port-forwarding",
        each="floating IP",
        parent="floatingip_id",
        only={"port_id": None},
        title="external_port",
        references={"floatingip_id": "floating IP", "internal_port_id": "port"},
        ko="포트 포워딩",
    ),
    _network("RBAC policy", "/rbac-policies", "rbac-policies", target_tenant="project", ko="RBAC 정책"),
    _quota("compute", "compute", "/os-quota-sets/{id}", "quota_set", ko="컴퓨트 할당량"),
    Kind(
        "user compute quota",
        "compute",
        "/os-quota-sets/{project}?user_id={user}",
        "quota_set",
        each=MEMBER,
        key=("project_id", "user_id"),
        title="user_id",
        references={**_OWNER, "user_id": "user"},
        ko="사용자별 컴퓨트 할당량",
    ),
    _quota("volume", "block-storage", "/os-quota-sets/{id}", "quota_set", ko="볼륨 할당량"),
    _quota("network", "network", "/quotas/{id}", "quota", ko="네트워크 할당량"),
    _zone(
        "compute", "compute", "/os-availability-zone/detail", "availabilityZoneInfo", "zoneName", ko="컴퓨트 가용 영역"
    ),
    _zone("volume", "block-storage", "/os-availability-zone", "availabilityZoneInfo", "zoneName", ko="볼륨 가용 영역"),
    Kind(
        "network availability zone",
        "network",
        "/availability_zones",
        "availability_zones",
        extension="availability_zone",
        key=("resource", "name"),
        ko="네트워크 가용 영역",
    ),
    Kind("aggregate", "compute", "/os-aggregates", "aggregates", ko="호스트 집합"),
    Kind(
        "hypervisor", "compute", "/os-hypervisors/detail", "hypervisors", versions=("2.88", "2.53"), ko="하이퍼바이저"
    ),
    Kind(
        "compute service", "compute", "/os-services", "services", versions=("2.53",), title="binary", ko="컴퓨트 서비스"
    ),
    Kind(
        "volume service",
        "block-storage",
        "/os-services",
        "services",
        key=("binary", "host"),
        title="binary",
        ko="볼륨 서비스",
    ),
    Kind(
        "network agent", "network", "/agents", "agents", extension="agent", title="agent_type", ko="네트워크 에이전트"
    ),
    _octavia(
        *("load balancer", "/lbaas/loadbalancers"),
        vip_port_id="port",
        vip_subnet_id="subnet",
        vip_network_id="network",
        vip_qos_policy_id="QoS policy",
        flavor_id="load balancer flavor",
        additional_vips__subnet_id="subnet",
        additional_vips__port_id="port",
        **{"vip_sg_ids.*": "security group"},
        ko="로드 밸런서",
    ),
    _octavia(*("listener", "/lbaas/listeners"), loadbalancers__id="load balancer", default_pool_id="pool", ko="리스너"),
    _octavia("pool", "/lbaas/pools", loadbalancers__id="load balancer", ko="풀"),
    _octavia("health monitor", "/lbaas/healthmonitors", pools__id="pool", ko="상태 모니터"),
    _octavia("L7 policy", "/lbaas/l7policies", listener_id="listener", redirect_pool_id="pool", ko="L7 정책"),
    Kind(  # in no list of all, and neither are rules
        "pool member",
        "load-balancer",
        "/lbaas/pools/{id}/members",
        "members",
        each="pool",
        parent="pool_id",
        references={**_OWNER, "pool_id": "pool", "subnet_id": "subnet"},
        ko="풀 멤버",
    ),
    Kind(
        "L7 rule",
        "load-balancer",
        "/lbaas/l7policies/{id}/rules",
        "rules",
        each="L7 policy",
        parent="l7policy_id",
        references={**_OWNER, "l7policy_id": "L7 policy"},
        ko="L7 규칙",
    ),
    _octavia("load balancer flavor", "/lbaas/flavors", ko="로드 밸런서 Flavor"),
    _zone(
        *("load balancer", "load-balancer", "/lbaas/availabilityzones", "availability_zones", "name"),
        ko="로드 밸런서 가용 영역",
    ),
    Kind(
        *("load balancer provider", "load-balancer", "/lbaas/providers", "providers"),
        key=("name",),
        ko="로드 밸런서 제공자",
    ),
    _quota("load balancer", "load-balancer", "/lbaas/quotas/{id}", "quota", ko="로드 밸런서 할당량"),
    # of Neutron's own service for load balancers, which ended with Train
    _network("LBaaS load balancer", "/lbaas/loadbalancers", "lbaasv2", vip_port_id="port", ko="LBaaS 로드 밸런서"),
    Kind(  # resources, and as `candidates` how many hosts were found that have them free: 1 or 0
        "allocation candidates",
        "placement",
        "/allocation_candidates?resources={resources}&limit=1",
        "allocation_requests",
        versions=("1.16",),
        each=RESOURCES,
        key=("resources",),
        title="resources",
        ko="자원의 여유",
    ),
    # what further services have: of Barbican, never what a secret holds
    _elsewhere(  # `acl` is added to it; `id` is the last part of `secret_ref`
        *("secret", "key-manager", "/secrets?limit=100", "secrets"),
        creator_id="user",
        acl__read__users__all="user",
        ko="시크릿",
    ),
    _elsewhere(
        *("secret container", "key-manager", "/containers?limit=100", "containers"),
        creator_id="user",
        acl__read__users__all="user",
        secret_refs__all__secret_id="secret",
        ko="시크릿 컨테이너",
    ),
    # what was ordered may say a passphrase
    _elsewhere(*("secret order", "key-manager", "/orders?limit=100", "orders"), secret=("meta",), ko="시크릿 주문"),
    _elsewhere(
        *("secret quota", "key-manager", "/project-quotas?limit=100", "project_quotas"),
        key=("project_id",),
        title="project_id",
        ko="시크릿 할당량",
    ),
    _elsewhere(  # with `parameters`, `template` and `resources`
        *("stack", "orchestration", "/stacks", "stacks"),
        title="stack_name",
        resources__all__physical_resource_id="resource of a stack",
        ko="스택",
    ),
    _elsewhere(*("share", "shared-file-system", "/shares/detail?all_tenants=1", "shares"), ko="공유 파일 시스템"),
    _elsewhere(
        *("container cluster", "container-infrastructure-management", "/clusters", "clusters"),
        key=("uuid",),
        ko="컨테이너 클러스터",
    ),
    _elsewhere(
        *("database instance", "database", "/mgmt/instances?deleted=false", "instances"), ko="데이터베이스 인스턴스"
    ),
    # what of these could not be read, and why: `list` is the kind, `project_id` empty where it is of all projects
    _elsewhere(*("unread list", "identity", "", ""), key=("list", "project_id"), title="list", ko="읽지 못한 목록"),
)
BY_NAME = {kind.name: kind for kind in KINDS}
# every message may name a kind: this is what `{x:kind}` says
for _kind in KINDS:
    word("kind", _kind.name, ko=_kind.ko)


def values(body: Any, path: str) -> Iterator[Any]:
    """What is at `path` in an API's answer; `*` is every item of a list. Nothing for a path that leads nowhere.

    A key of OpenStack may have a dot in it nowhere but in a name that users chose, and those are no references.
    """
    step, _, rest = path.partition(".")
    if step == "*":
        found = list(body) if isinstance(body, list) else []
    else:
        found = [body[step]] if isinstance(body, dict) and step in body else []
    for item in found:
        if rest:
            yield from values(item, rest)
        else:
            yield item

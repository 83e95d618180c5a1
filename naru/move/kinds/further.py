"""What stands in the old cloud's catalogue and Naru does not move: each service is told, with what to do about it; of
Heat's stacks, Manila's shares, Magnum's clusters and Trove's instances, each that the projects have."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from naru.inventory.elsewhere import NO_ROLE
from naru.inventory.rows import Row
from naru.messages import Text, message
from naru.move.called import name_of
from naru.move.draft import Draft, thing
from naru.move.kind import Kind

STACK = Kind("stack", owned=True)
SHARE = Kind("share", owned=True)
CLUSTER = Kind("container cluster", owned=True)
INSTANCE = Kind("database instance", owned=True)
KINDS = (STACK, SHARE, CLUSTER, INSTANCE)

HANDLED = frozenset(
    (
        *("identity", "compute", "compute_legacy", "placement", "image", "network", "key-manager", "secret"),
        *("volume", "volumev2", "volumev3", "block-storage", "block-store", "event"),
        "load-balancer",
    )
)
"""The types in a catalogue of services that a move reads or moves, or that are but another door to one of them."""
OTHER_TYPES = {
    "object-store": ("s3",),
    "orchestration": ("cloudformation",),
    "shared-file-system": ("share", "sharev2", "shared-file-systems"),
    "container-infrastructure-management": ("container-infra", "container-infrastructure"),
    "workflow": ("workflowv2",),
    "baremetal": ("bare-metal",),
    "baremetal-introspection": ("bare-metal-introspection",),
    "data-processing": ("data_processing",),
    "alarm": ("alarming",),
    "metric": ("metering", "rating"),
    "application-container": ("container",),
    "function": ("faas", "function-engine"),
    "backup": ("data-protection", "data_protect"),
    "clustering": ("resource-cluster", "cluster"),
    "instance-ha": ("ha",),
}
"""By the type that is told: further ones that mean the same, such as of another API version."""

IN_CATALOGUE = message(
    "move.further.service",
    en="{cloud} has a service that is not moved: {service} ({called})",
    ko="{cloud} 클라우드에 옮기지 않는 서비스가 있습니다: {service} ({called})",
)
COUNTED = message(
    "move.further.counted", en="of the projects: {counts:counts}", ko="이전하는 프로젝트의 것: {counts:counts}"
)
NOT_READABLE = message(
    "move.further.not_readable",
    en="whether the projects have any cannot be read: {why}",
    ko="이전하는 프로젝트에 있는지 읽을 수 없습니다: {why}",
)
NOT_COUNTED = message(
    "move.further.not_counted",
    en="whether the projects have something in it is not asked",
    ko="이전하는 프로젝트가 쓰고 있는지는 조회하지 않습니다",
)
NOT_ON_NEW = message(
    "move.further.not_on_new", en="{cloud} does not have the service", ko="{cloud} 클라우드에는 이 서비스가 없습니다"
)
NO_ROLE_THERE = message(
    "move.further.no_role",
    en="the administrator has no role in {projects:list}",
    ko="관리자에게 프로젝트 역할이 없습니다({projects:list})",
)
ASK = message(
    "move.further.ask",
    en="Ask the users of the projects whether they use it, and have them set up anew what they need.",
    ko="프로젝트 사용자에게 사용 여부를 확인하고, 필요한 것은 새로 구성하도록 안내해 주십시오.",
)
STACKS_DO = message(
    "move.further.stacks",
    en="Stacks are not made anew: what they made is moved without them. Their templates, parameters and "
    "resources are kept in the work directory: naru archive show ID. Never delete a stack of the old cloud "
    "before the move is final; make a new one of the template for what is to be managed by Heat again.",
    ko="스택은 다시 만들지 않으며, 스택이 만든 리소스만 옮깁니다. 템플릿, 매개변수, 리소스 목록은 작업 "
    "디렉터리에 보관되며 naru archive show ID 명령으로 볼 수 있습니다. 이전이 최종 확정되기 전에는 기존 "
    "클라우드의 스택을 삭제하지 마십시오. Heat로 계속 관리하려면 템플릿으로 새 스택을 만들어 주십시오.",
)
SHARES_DO = message(
    "move.further.shares",
    en="Make shares of the same size on the new cloud and copy their files (rsync), last while nobody writes; "
    "then mount the new ones.",
    ko="새 클라우드에 같은 크기의 공유를 만들고 파일을 복사(rsync)해 주십시오. 마지막 복사는 쓰기를 멈춘 "
    "상태에서 한 뒤 새 공유를 마운트해 주십시오.",
)
CLUSTERS_DO = message(
    "move.further.clusters",
    en="The servers of a cluster are moved as servers, but Magnum does not know them there, and its "
    "certificates and trusts stay behind: make a new cluster and move the workloads, or leave its servers "
    "(naru move leave).",
    ko="클러스터의 서버는 일반 서버로 옮겨지지만 새 클라우드의 Magnum은 이를 알지 못하고 인증서와 트러스트도 "
    "남습니다. 새 클러스터를 만들어 작업을 옮기거나, 해당 서버를 남겨 두십시오(naru move leave).",
)
INSTANCES_DO = message(
    "move.further.instances",
    en="Make instances on the new cloud and restore a dump, or replicate and switch over. Servers and volumes "
    "of instances often are in a project of the service and are not moved.",
    ko="새 클라우드에 인스턴스를 만들고 덤프를 복원하거나, 복제한 뒤 전환해 주십시오. 인스턴스의 서버와 볼륨은 "
    "서비스 프로젝트에 있는 경우가 많아 옮겨지지 않습니다.",
)
HISTORY_DO = message(
    "move.further.history",
    en="Measurements and bills stay: export what has to be kept before the old cloud goes.",
    ko="측정값과 과금 기록은 옮겨지지 않습니다. 보관해야 할 것은 기존 클라우드를 없애기 전에 내보내 주십시오.",
)
ALARMS_DO = message(
    "move.further.alarms",
    en="Have alarms made anew; they name resources by their old ids and act by trusts, which are made again with them.",
    ko="알람은 새로 만들어야 합니다. 알람은 기존 ID로 리소스를 가리키고, 동작에 쓰는 트러스트도 새로 만들어야 합니다.",
)
WORKFLOWS_DO = message(
    "move.further.workflows",
    en="Have definitions read from the old cloud and made again; schedules act by trusts, which are made again "
    "with them.",
    ko="정의를 기존 클라우드에서 내려받아 다시 등록하도록 안내해 주십시오. 예약 실행은 트러스트로 동작하므로 "
    "함께 다시 만들어야 합니다.",
)
NODES_DO = message(
    "move.further.nodes",
    en="Machines belong to the cloud, not to a project: enrol them in the new cloud when they are free.",
    ko="물리 서버는 프로젝트가 아니라 클라우드에 속합니다. 사용이 끝나면 새 클라우드에 등록해 주십시오.",
)
PROCESSING_DO = message(
    "move.further.processing",
    en="Have templates and job definitions noted and made anew; the servers of its clusters are moved as "
    "servers, which the service does not know there.",
    ko="템플릿과 작업 정의를 적어 두었다가 새로 만들도록 안내해 주십시오. 클러스터의 서버는 일반 서버로 옮겨지며 새 "
    "클라우드의 서비스는 이를 알지 못합니다.",
)
GUARD_DO = message(
    "move.further.instance_ha",
    en="Segments and hosts of instance HA are the cloud's: set it up on the new cloud, so that servers are "
    "looked after.",
    ko="인스턴스 HA의 구성은 클라우드에 속합니다. 서버가 계속 보호되도록 새 클라우드에 설정해 주십시오.",
)
OBJECTS_DO = message(
    "move.further.objects",
    en="Carry accounts with `naru object copy`, while users write and once more in the window. URLs change with the "
    "project's id, so that those that users have signed end.",
    ko="`naru object copy`로 계정을 옮겨 주십시오. 사용자가 쓰는 동안 한 번, 전환할 때 한 번 더 실행합니다. URL은 "
    "프로젝트 ID에 따라 바뀌므로, 사용자가 서명한 URL은 더 이상 쓸 수 없습니다.",
)
ZONES_DO = message(
    "move.further.zones",
    en="Have zones exported from the old cloud and made on the new one, with the records of delegated children, and "
    "the name servers changed at the registrar.",
    ko="기존 클라우드에서 존을 내보내 새 클라우드에 만들고, 위임된 하위 존의 레코드도 함께 옮긴 뒤 등록 기관에서 네임 "
    "서버를 바꾸도록 안내해 주십시오.",
)
NOT_MOVED = message("move.further.not_moved", en="{service} is not moved", ko="{service}의 리소스는 옮기지 않습니다")
MADE = message(
    "move.further.made",
    en="{thing} made: {things:list}",
    ko="{thing}에서 만든 리소스: {things:list}",
)
MADE_MEANS = message(
    "move.further.made_means",
    en="They are moved as they are and belong to no stack on the new cloud. Deleting the old stack deletes "
    "those of the old cloud alone.",
    ko="그대로 옮겨지며 새 클라우드에서는 어떤 스택에도 속하지 않습니다. 기존 스택을 삭제하면 기존 클라우드의 "
    "리소스만 삭제됩니다.",
)
PARTS_UNREAD = message(
    "move.further.parts_unread",
    en="{thing}: Heat refused its {parts:list}, so that they are not kept",
    ko="{thing}: Heat가 조회를 거부하여 보관하지 못했습니다({parts:list})",
)


@dataclass(frozen=True)
class Service:
    """A service: what people call it, what to do about it, and the kind of which the things of projects are read."""

    called: str
    do: Text
    kind: Kind | None = None


SERVICES: Mapping[str, Service] = {
    "orchestration": Service("Heat", STACKS_DO(), STACK),
    "shared-file-system": Service("Manila", SHARES_DO(), SHARE),
    "container-infrastructure-management": Service("Magnum", CLUSTERS_DO(), CLUSTER),
    "database": Service("Trove", INSTANCES_DO(), INSTANCE),
    "object-store": Service("Swift", OBJECTS_DO()),
    "dns": Service("Designate", ZONES_DO()),
    "data-processing": Service("Sahara", PROCESSING_DO()),
    "workflow": Service("Mistral", WORKFLOWS_DO()),
    "alarm": Service("Aodh", ALARMS_DO()),
    "metric": Service("Gnocchi, Ceilometer, CloudKitty", HISTORY_DO()),
    "baremetal": Service("Ironic", NODES_DO()),
    "baremetal-introspection": Service("Ironic Inspector", NODES_DO()),
    "instance-ha": Service("Masakari", GUARD_DO()),
    "application-container": Service("Zun", ASK()),
    "function": Service("Qinling", ASK()),
    "clustering": Service("Senlin", ASK()),
    "messaging": Service("Zaqar", ASK()),
    "backup": Service("Karbor, Freezer", ASK()),
    "reservation": Service("Blazar", ASK()),
    "accelerator": Service("Cyborg", ASK()),
    "nfv-orchestration": Service("Tacker", ASK()),
    "application-catalog": Service("Murano", ASK()),
    "root-cause-analysis": Service("Vitrage", ASK()),
    "monitoring": Service("Monasca", HISTORY_DO()),
}
"""By the type in the catalogue. Of any other service that is there it is told that Naru does not know it."""


def services(draft: Draft) -> None:
    """Each service of the old cloud that is not moved, once, with what of it the projects have."""
    new = _types(draft.facts.new.itself.get("catalogue") or ())
    for kind, name in _types(draft.facts.old.itself.get("catalogue") or ()).items():
        known = SERVICES.get(kind, Service(name or kind, ASK()))
        details = [_counted(draft, known)]
        if kind not in new:
            details.append(NOT_ON_NEW(cloud=draft.new))
        said = IN_CATALOGUE(cloud=draft.old, service=kind, called=known.called)
        draft.report("warning", said, detail=CLAUSES(parts=details), about=f"service {kind}", hint=known.do)
    for kind_of in KINDS:
        for row in draft.facts.owned(kind_of.name):
            service = next(one for one in SERVICES.values() if one.kind is kind_of)
            draft.leave(row, NOT_MOVED(service=service.called), hint=service.do)
            if kind_of is STACK:
                _stack(draft, row)


CLAUSES = message("move.further.clauses", en="{parts:clauses}", ko="{parts:clauses}")


def _types(catalogue: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The services of a catalogue that are not moved: the type under which each is told, and its name."""
    same = {other: kind for kind, others in OTHER_TYPES.items() for other in others}
    found: dict[str, str] = {}
    for one in catalogue:
        kind = same.get(one["type"], one["type"])
        if kind not in HANDLED:
            found.setdefault(kind, one["name"])
    return found


def _counted(draft: Draft, service: Service) -> Text:
    """How many things of it the projects have, or why that is not known."""
    if service.kind is None:
        return NOT_COUNTED()
    unread = [row for row in draft.facts.old.all("unread list").values() if row.body["list"] == service.kind.name]
    counts = {service.kind.name: len(list(draft.facts.owned(service.kind.name)))}
    parts: list[Text] = [COUNTED(counts=counts)] if counts[service.kind.name] or not unread else []
    outside = [row for row in unread if row.body["problem"] == NO_ROLE and row.project in draft.facts.projects]
    if outside:
        names = sorted(draft.facts.projects[row.project].name for row in outside)
        parts.append(NOT_READABLE(why=NO_ROLE_THERE(projects=names)))
    for why in sorted({row.body["problem"] for row in unread if row not in outside}):
        parts.append(NOT_READABLE(why=why))
    return CLAUSES(parts=parts)


def _stack(draft: Draft, row: Row) -> None:
    """Which of the things that are moved it made: named, since their users know them by their stack."""
    if parts := row.body.get("not_read"):
        draft.report("warning", PARTS_UNREAD(thing=thing(row), parts=parts), about=row.id)
    made: list[Text] = []
    for one in row.body.get("resources") or []:
        identity = str(one.get("physical_resource_id") or "")
        for kind in RESOURCES.get(str(one.get("resource_type")), ()):
            if identity in draft.facts.old.all(kind):
                made.append(f"{kind} {name_of(draft.facts.old, kind, identity)}")
    if made:
        said = MADE(thing=thing(row), things=sorted(map(str, made)))
        draft.report("info", said, detail=MADE_MEANS(), about=row.id)


RESOURCES: Mapping[str, tuple[str, ...]] = {
    "OS::Nova::Server": ("server",),
    "OS::Nova::ServerGroup": ("server group",),
    "OS::Cinder::Volume": ("volume",),
    "OS::Neutron::Net": ("network",),
    "OS::Neutron::Subnet": ("subnet",),
    "OS::Neutron::Port": ("port",),
    "OS::Neutron::Router": ("router",),
    "OS::Neutron::FloatingIP": ("floating IP",),
    "OS::Neutron::SecurityGroup": ("security group",),
    "OS::Neutron::Trunk": ("trunk",),
    "OS::Neutron::QoSPolicy": ("QoS policy",),
    "OS::Glance::Image": ("image",),
    "OS::Glance::WebImage": ("image",),
    "OS::Barbican::Secret": ("secret",),
    "OS::Manila::Share": ("share",),
    "AWS::EC2::Instance": ("server",),
    "AWS::EC2::Volume": ("volume",),
}
"""By Heat's type of a resource: the kinds of things that are moved."""

"""What is said of what is in the way of new OSDs, in the languages of Naru."""

from naru.messages import message

FLAGS = message("scale.osd.flags", en="Ceph has flags set: {flags}", ko="Ceph에 플래그가 설정되어 있습니다: {flags}")
FLAGS_HINT = message(
    "scale.osd.flags.hint",
    en="Somebody else has set them, and with them no data comes to new OSDs. When that is over: ceph osd unset FLAG.",
    ko="다른 사람이 설정한 것이며 이 상태에서는 새 OSD로 데이터가 오지 않습니다. 작업이 끝나면 ceph osd unset FLAG.",
)
FLAGS_LEFT = message(
    "scale.osd.flags.left",
    en="Ceph has flags set, which stay as they are: {flags}",
    ko="Ceph에 플래그가 설정되어 있으며 그대로 둡니다: {flags}",
)
UNCLEAN = message(
    "scale.osd.unclean",
    en="placement groups are not active and clean: {states}",
    ko="배치 그룹이 active+clean이 아닙니다: {states}",
)
UNCLEAN_HINT = message(
    "scale.osd.unclean.hint",
    en="Wait until Ceph has recovered: what moves now would be moved twice.",
    ko="Ceph 복구가 끝날 때까지 기다리십시오. 지금 옮기면 두 번 옮기게 됩니다.",
)
HEALTH = message("scale.osd.health", en="Ceph says {name}: {said}", ko="Ceph 상태 {name}: {said}")
HEALTH_HINT = message("scale.osd.health.hint", en="See ceph health detail.", ko="ceph health detail을 확인하십시오.")
NEARFULL_HINT = message(
    "scale.osd.nearfull.hint",
    en="New OSDs take data from it. Once it is no longer so, it is not borne again: then nothing more is moved.",
    ko="새 OSD가 데이터를 넘겨받습니다. 해소된 뒤 다시 발생하면 이동을 멈춥니다.",
)
VERSIONS = message(
    "scale.osd.versions",
    en="Ceph's daemons are of several versions: {versions}",
    ko="Ceph 데몬의 버전이 여러 가지입니다: {versions}",
)
VERSIONS_HINT = message(
    "scale.osd.versions.hint",
    en="End the upgrade first: a new OSD may be newer than a monitor.",
    ko="업그레이드를 먼저 끝내십시오. 새 OSD가 모니터보다 새 버전일 수 있습니다.",
)
SILENT = message("scale.osd.silent", en="{host} cannot be looked at: {why}", ko="{host}을(를) 볼 수 없습니다: {why}")
NAME = message("scale.osd.name", en="{host} calls itself {name}", ko="{host}의 호스트 이름은 {name}입니다")
NAME_HINT = message(
    "scale.osd.name.hint",
    en="CRUSH has it under the name that `hostname` gives there (cephadm wants the whole of it). Set that, or name it "
    "so.",
    ko="CRUSH에는 `hostname`이 알려 주는 이름으로 들어갑니다(cephadm은 전체 이름). 호스트 이름을 바꾸거나 그 이름으로 "
    "지정하십시오.",
)
BUCKET = message(
    "scale.osd.bucket",
    en="CRUSH has a host {host} with OSDs already",
    ko="CRUSH에 {host}의 OSD가 이미 있습니다",
)
BUCKET_HINT = message(
    "scale.osd.bucket.hint",
    en="Is it one of the site? Then add it to site.yaml first. Is it one that is gone? Remove its OSDs first.",
    ko="사이트의 호스트면 먼저 site.yaml에 적고, 없어진 호스트면 먼저 OSD를 제거하십시오.",
)
PLACE = message("scale.osd.place", en="CRUSH has no {kind} {name}", ko="CRUSH에 {kind} {name}이(가) 없습니다")
PLACE_HINT = message(
    "scale.osd.place.hint",
    en="Make it where it belongs: ceph osd crush add-bucket, and move.",
    ko="제 위치에 먼저 만드십시오: ceph osd crush add-bucket, move.",
)
CLOCK = message(
    "scale.osd.clock",
    en="the clock of {host} is {seconds} s off the other hosts'",
    ko="{host}의 시계가 다른 호스트와 {seconds}초 다릅니다",
)
CLOCK_HINT = message(
    "scale.osd.clock.hint", en="Set it, and see that chrony keeps it.", ko="시계를 맞추고 chrony를 확인하십시오."
)
SYSTEM = message(
    "scale.osd.system",
    en="{host} has {system}, and {like} has {other}",
    ko="{host}은(는) {system}, {like}은(는) {other}입니다",
)
DISK = message("scale.osd.disk", en="{host}: {disk}: {why}", ko="{host}: {disk}: {why}")
DISK_HINT = message(
    "scale.osd.disk.hint",
    en="Naru erases nothing. If it is the right disk and its content is to go: wipefs -a there.",
    ko="Naru는 아무것도 지우지 않습니다. 맞는 디스크이고 내용이 필요 없으면 그 호스트에서 wipefs -a를 실행하십시오.",
)
PACKAGE = message(
    "scale.osd.package",
    en="{host} has the program ceph-osd, beside which cephadm's OSDs must not be",
    ko="{host}에 ceph-osd 프로그램이 있어 cephadm의 OSD와 함께 쓸 수 없습니다",
)
PACKAGE_HINT = message(
    "scale.osd.package.hint",
    en="Remove the package ceph-osd there.",
    ko="거기서 ceph-osd 패키지를 제거하십시오.",
)
PROGRAM = message("scale.osd.program", en="{host} lacks {program}", ko="{host}에 {program}이(가) 없습니다")
NETWORK = message(
    "scale.osd.network",
    en="{host} has no address in the {name} network {network}",
    ko="{host}에 {name} 네트워크 {network}의 주소가 없습니다",
)
NETWORK_HINT = message(
    "scale.osd.network.hint",
    en="Its OSDs could not be reached by the others.",
    ko="다른 OSD가 이 호스트의 OSD에 닿을 수 없습니다.",
)
UNKNOWN = message(
    "scale.osd.network.unknown",
    en="the {name} network is not known: {like} does not answer, or none of its addresses is its OSDs'. Whether new "
    "hosts are in it, and with which MTU, is not looked at",
    ko="{name} 네트워크를 알 수 없습니다. {like}이(가) 응답하지 않거나 그 주소가 OSD의 주소가 아닙니다. "
    "새 호스트의 네트워크와 MTU는 확인하지 않습니다",
)
MTU = message(
    "scale.osd.mtu",
    en="{host} has an MTU of {mtu:number} in the {name} network, and the others {other:number}",
    ko="{host}의 {name} 네트워크 MTU는 {mtu:number}이고 다른 호스트는 {other:number}입니다",
)
MTU_HINT = message(
    "scale.osd.mtu.hint",
    en="OSDs would come up, and hang with the first big write. Set it as the others', on the switch as well.",
    ko="OSD가 올라온 뒤 첫 큰 쓰기에서 멈춥니다. 스위치까지 다른 호스트와 같게 맞추십시오.",
)
PATH = message(
    "scale.osd.path",
    en="packets of {mtu:number} bytes do not go whole from {host} to {address} ({name} network)",
    ko="{host}에서 {address}({name} 네트워크)까지 {mtu:number}바이트 패킷이 나뉘지 않고 가지 못합니다",
)
SERVICE = message(
    "scale.osd.service",
    en="the orchestrator's service {name} takes disks of {host} by itself, also those that were not named",
    ko="오케스트레이터 서비스 {name}이(가) 지정하지 않은 디스크까지 {host}에서 스스로 사용합니다",
)
SERVICE_HINT = message(
    "scale.osd.service.hint",
    en="Set it to unmanaged first: ceph orch ls osd --export > FILE, `unmanaged: true`, ceph orch apply -i FILE.",
    ko="먼저 unmanaged로 바꾸십시오: ceph orch ls osd --export > FILE, `unmanaged: true`, ceph orch apply -i FILE.",
)
OFFLINE = message(
    "scale.osd.offline",
    en="the orchestrator has {host} as {status}",
    ko="오케스트레이터에서 {host}의 상태가 {status}입니다",
)
OFFLINE_HINT = message(
    "scale.osd.offline.hint",
    en="See ceph orch host ls, and ceph cephadm check-host HOST.",
    ko="ceph orch host ls와 ceph cephadm check-host HOST를 확인하십시오.",
)
LABEL = message(
    "scale.osd.label",
    en="with the label {label} the orchestrator brings {name} to the new hosts as well",
    ko="레이블 {label} 때문에 오케스트레이터가 새 호스트에 {name}도 배치합니다",
)
SERVICES = message(
    "scale.osd.services",
    en="in site.yaml the new hosts get the services of {like}: {names}",
    ko="site.yaml에서 새 호스트도 {like}의 서비스를 갖게 됩니다: {names}",
)
MEMBER = message(
    "scale.osd.member",
    en="{like} is more than a host of OSDs: its groups make it {names}, and the new hosts would become that as well",
    ko="{like}은(는) OSD 호스트 이상입니다. 그룹 때문에 {names}이기도 하며 새 호스트도 그렇게 됩니다",
)
MEMBER_HINT = message(
    "scale.osd.member.hint",
    en="Name a host that has OSDs alone: --like HOST.",
    ko="OSD만 있는 호스트를 --like HOST로 지정하십시오.",
)
BALANCED = message(
    "scale.osd.moved",
    en="about {size} of {used} come to the new OSDs, in {steps:number} steps",
    ko="{used} 중 약 {size}가 {steps:number}단계로 새 OSD에 옮겨집니다",
)
OLD = message(
    "scale.osd.old",
    en="this Ceph keeps no configuration of its own (before Mimic): the limits of backfill stay as they are",
    ko="이 Ceph(Mimic 이전)에는 중앙 설정이 없어 백필 한도를 바꾸지 않습니다",
)
PREVIEW = message("scale.osd.preview", en="the orchestrator's preview: {said}", ko="오케스트레이터 미리 보기: {said}")

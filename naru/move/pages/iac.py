"""The section about Terraform and other tools of a project's page."""

from collections.abc import Iterator

from naru.messages import message
from naru.move.pages.terraform import from_state
from naru.report.blocks import Block, Code, Heading, List, Paragraph
from naru.report.names import shell

TITLE = message(
    "move.pages.project.iac_title", en="Terraform and other tools", ko="Terraform 등 코드형 인프라(IaC) 도구"
)
ADVICE = message(
    "move.pages.iac.advice",
    en=(
        "Ids are new on the new cloud, unless the map shows the same one twice. Use names rather than ids wherever "
        "your code allows it: a name was kept, and will be kept the next time."
    ),
    ko=(
        "새 클라우드에서는 리소스의 ID가 바뀝니다(매핑에 같은 ID가 나란히 있는 리소스는 예외입니다). 코드에서는 "
        "가능한 한 ID 대신 이름을 사용해 주십시오. 이름은 그대로 유지되었고, 다음에 다시 이전하더라도 유지됩니다."
    ),
)
EXAMPLE = message(
    "move.pages.iac.example",
    en="For example, instead of an id of a network, an image or a flavor:",
    ko="예를 들어 네트워크, 이미지, Flavor는 ID 대신 다음과 같이 이름으로 지정하실 수 있습니다.",
)
STATE = message(
    "move.pages.iac.state",
    en=(
        "When you have a Terraform state of the old cloud, do not apply it to the new one as it is: Terraform "
        "would not find its things and would make all of them a second time. Do this instead, with `jq` installed "
        "and the map file of this report in the same directory:"
    ),
    ko=(
        "기존 클라우드의 Terraform 상태(state)가 있다면 그대로 새 클라우드에 적용하지 마십시오. Terraform이 "
        "리소스를 찾지 못해 모두 새로 하나씩 더 만들게 됩니다. `jq`를 설치하고 이 보고서의 매핑 파일을 같은 "
        "디렉터리에 둔 다음, 아래 순서대로 진행해 주십시오."
    ),
)
PULL = message(
    "move.pages.iac.pull",
    en="Keep a copy of the state, while the configuration still names the old cloud.",
    ko="설정이 아직 기존 클라우드를 가리키고 있을 때 상태의 사본을 만들어 둡니다.",
)
MAKE = message(
    "move.pages.iac.make",
    en=(
        "Make `import` blocks from it. Every id is looked up in the map; what the map does not have, or has under "
        "the same id, is left alone."
    ),
    ko=(
        "사본에서 `import` 블록을 만듭니다. 모든 ID를 매핑에서 찾아 바꾸며, 매핑에 없거나 ID가 그대로인 리소스는 "
        "건드리지 않습니다."
    ),
)
REMOVE = message(
    "move.pages.iac.remove",
    en=(
        "Change the configuration's provider to the new cloud, and ids in it to names or to the new ids. Then take "
        "the same things out of the state. This changes nothing in any cloud."
    ),
    ko=(
        "설정의 provider를 새 클라우드로 바꾸고, 설정에 적힌 ID를 이름이나 새 ID로 바꿉니다. 그런 다음 해당 "
        "리소스를 상태에서 제거합니다. 이 명령은 어느 클라우드의 리소스도 변경하지 않습니다."
    ),
)
PLAN = message(
    "move.pages.iac.plan",
    en=(
        "Look at the plan. It should import, and neither add nor destroy. Correct the configuration until that is "
        "so: what a plan wants to replace would be lost."
    ),
    ko=(
        "실행 계획을 확인합니다. import만 있고 추가나 삭제가 없어야 합니다. 그렇게 될 때까지 설정을 고쳐 주십시오. "
        "계획에 교체로 표시된 리소스를 그대로 적용하면 그 리소스를 잃게 됩니다."
    ),
)
APPLY = message(
    "move.pages.iac.apply",
    en="Import. Then remove `imports.tf`.",
    ko="적용하여 import를 마친 뒤 `imports.tf` 파일을 삭제합니다.",
)
FRESH = message(
    "move.pages.iac.fresh",
    en=(
        "Without a state, begin with the file of `import` blocks of this report; let Terraform write the "
        "configuration for them:"
    ),
    ko=(
        "상태가 없다면 이 보고서의 `import` 블록 파일로 시작하실 수 있습니다. 다음 명령을 실행하면 Terraform이 "
        "설정을 만들어 줍니다."
    ),
)
NOT_IMPORTABLE = message(
    "move.pages.iac.not_importable",
    en=(
        "The provider cannot import trunks and port forwardings. Take them out of the configuration, and manage "
        "them by hand."
    ),
    ko="트렁크와 포트 포워딩은 provider가 import를 지원하지 않습니다. 설정에서 빼고 직접 관리해 주십시오.",
)
OTHERS = message(
    "move.pages.iac.others",
    en=(
        "Heat stacks, Ansible, Pulumi, scripts, monitoring and CI variables: search them for the old ids with the "
        "map's `old_id` column, and for the old address of the identity service, the old region name and the old "
        "project id."
    ),
    ko=(
        "Heat 스택, Ansible, Pulumi, 스크립트, 모니터링, CI 변수도 확인해 주십시오. 매핑의 `old_id` 열에 있는 기존 "
        "ID와 기존 인증 서비스 주소, 기존 리전 이름, 기존 프로젝트 ID가 남아 있는지 검색해 보시면 됩니다."
    ),
)

_BY_NAME = """\
data "openstack_networking_network_v2" "public" {
  name = "public"
}

data "openstack_images_image_v2" "debian" {
  name        = "debian-12"
  most_recent = true
}

resource "openstack_compute_instance_v2" "web" {
  name        = "web"
  flavor_name = "m1.small"
  image_id    = data.openstack_images_image_v2.debian.id
  network {
    name = data.openstack_networking_network_v2.public.name
  }
}"""


def blocks(map_file: str) -> Iterator[Block]:
    """The section; `map_file` is the JSON map's name."""
    yield Heading(2, TITLE())
    yield Paragraph(ADVICE())
    yield Paragraph(EXAMPLE())
    yield Code("hcl", _BY_NAME)
    yield Paragraph(STATE())
    steps = zip((PULL, MAKE, REMOVE, PLAN, APPLY), from_state(shell(map_file)), strict=True)
    for number, (step, command) in enumerate(steps, start=1):
        yield List((step(),), first=number)
        yield Code("sh", command)
    yield Paragraph(NOT_IMPORTABLE())
    yield Paragraph(FRESH())
    yield Code("sh", "terraform plan -generate-config-out=generated.tf")
    yield Paragraph(OTHERS())

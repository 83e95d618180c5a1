"""Load balancers of neutron-lbaas, Neutron's own service of before Octavia: they are told. Where Neutron only passes
requests on to Octavia they are Octavia's, too, and moved as such."""

from naru.messages import message
from naru.move.draft import Draft
from naru.move.kind import Kind

KIND = Kind("LBaaS load balancer", owned=True)
NOT_OCTAVIA = message(
    "move.lbaas.not_octavia",
    en="it is of neutron-lbaas, which the new cloud does not have",
    ko="새 클라우드에 없는 neutron-lbaas의 로드 밸런서입니다",
)
MIGRATE = message(
    "move.lbaas.migrate",
    en="Bring it into Octavia on the old cloud (its tool nlbaas2octavia keeps the VIP), then plan again; or make it in"
    " Octavia on the new cloud.",
    ko="기존 클라우드에서 Octavia로 옮긴 뒤(nlbaas2octavia 도구는 VIP를 유지합니다) 계획을 다시 세우거나, 새"
    " 클라우드의 Octavia에 만들어 주십시오.",
)


def load_balancers(draft: Draft) -> None:
    """Those of neutron-lbaas stay, and are told."""
    known = draft.facts.old.all("load balancer")
    for row in draft.facts.owned(KIND.name):
        if row.id not in known:
            draft.leave(row, NOT_OCTAVIA(), hint=MIGRATE())
        else:
            draft.leave(row, SAME(), severity="info")


SAME = message(
    "move.lbaas.same",
    en="it is Octavia's, and moved as such",
    ko="Octavia의 로드 밸런서이며 그쪽에서 이전합니다",
)

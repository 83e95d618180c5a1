"""The order of a server's network cards, by which guests name them (eth0, ens3). Nova tells addresses by the name of
their network, in the order of the first card on each: what is told of that order is sometimes not all of it."""

from collections.abc import Mapping
from typing import Any

from naru.inventory.rows import Row
from naru.messages import Text, lines, message
from naru.move.draft import Draft, thing
from naru.move.facts import Side
from naru.move.kinds import server

NOT_KNOWN = message(
    "move.cards.not_known",
    en="{thing}: the order of its network cards is not known for certain: {why}",
    ko="{thing}: 네트워크 카드의 순서를 확실히 알 수 없습니다. {why}",
)
SAME_NAME = message(
    "move.cards.same_name",
    en="several are on networks of the same name ({name})",
    ko="여러 카드가 같은 이름의 네트워크에 있습니다({name})",
)
NOT_TOLD = message(
    "move.cards.not_told",
    en="Nova tells no address of port {port}",
    ko="Nova가 주소를 알려 주지 않는 포트가 있습니다(ID {port})",
)
CARD = message("move.cards.card", en="{n}: {network}, {mac}", ko="{n}: {network}, {mac}")
LOOK = message(
    "move.cards.look",
    en="It gets them in the order above. Compare with the guest (`ip link`). If that differs: give each of its networks"
    " a name of its own on the old cloud, wait until Nova has seen it (a minute), and plan again.",
    ko="위 순서대로 연결합니다. 게스트 안의 순서(`ip link`)와 비교해 주십시오. 다르면 기존 클라우드에서 네트워크마다"
    " 다른 이름을 붙이고, Nova에 반영될 때까지(약 1분) 기다린 뒤 계획을 다시 세워 주십시오.",
)


def order(draft: Draft) -> None:
    """Servers whose cards may come in another order than they have."""
    for row in draft.facts.owned(server.KIND.name):
        why = draft.ref(server.KIND.name, row.id) is not None and _doubt(draft.facts.old, row)
        if why:
            ports = server.nics(draft.facts.old, row)
            known = draft.facts.old.all("network")
            cards = [
                CARD(n=n, network=known[port.body["network_id"]].name, mac=port.body["mac_address"])
                for n, port in enumerate(ports)
                if port.body["network_id"] in known
            ]
            draft.report(
                "warning", NOT_KNOWN(thing=thing(row), why=why), detail=lines(cards), about=row.id, hint=LOOK()
            )


def _doubt(side: Side, row: Row) -> Text:
    """Why the order of the server's cards is not known, "" where it is. Of several cards on networks of one name, only
    the first one's place is told, unless no other name comes after; of a port that has no address, or that Nova has
    not seen, none is."""
    ports = server.nics(side, row)
    if len(ports) < 2:
        return ""
    networks = [(name, [_mac(one) for one in told]) for name, told in (row.body.get("addresses") or {}).items()]
    told = {mac for _, macs in networks for mac in macs}
    for port in ports:
        if port.body["mac_address"].lower() not in told:
            return NOT_TOLD(port=port.id)
    for name, macs in networks[:-1]:
        if len(set(macs)) > 1:
            return SAME_NAME(name=name)
    return ""


def _mac(address: Mapping[str, Any]) -> str:
    return str(address.get("OS-EXT-IPS-MAC:mac_addr")).lower()

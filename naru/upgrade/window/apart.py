"""The part of the window that is there when the next controllers are on other hosts than those that run: the steps of
`naru.upgrade.window.apart_steps`, where each of them is needed."""

from collections.abc import Sequence
from typing import Any

from naru.actions.hosts.switching import at_boot, switch
from naru.messages import Text, message
from naru.plan.model import About, Plan, Step
from naru.site.model import Managed, Unit
from naru.site.site import Site
from naru.upgrade.check import addresses, balancers
from naru.upgrade.window.hops import Where

RECORDS, ENDPOINTS, ADDRESS, BEHIND = "records", "endpoints", "address", "balancers"
"""What the steps are for."""

_RECORDS = message(
    "upgrade.title.records",
    en="records of {service} have the names of the next controllers",
    ko="{service} 기록을 다음 컨트롤러의 이름으로 변경",
)
_ENDPOINTS = message(
    "upgrade.title.endpoints", en="endpoints have the addresses of those that come", ko="엔드포인트 주소 변경"
)
_BEFORE = message("upgrade.title.address", en="{address} is on one host", ko="{address}이(가) 한 호스트에 있음")
_LEAVE = message("upgrade.title.address_off", en="{address} leaves {host}", ko="{host}에서 {address} 내림")
_COME = message("upgrade.title.address_on", en="{address} may come to {host}", ko="{host}에 {address} 올림")
_AFTER = message(
    "upgrade.title.address_moved", en="{address} is where it is to be", ko="{address}이(가) 옮겨졌음을 확인"
)
_ENABLE = message(
    "upgrade.title.address_boot",
    en="what has {address} on {host} starts at each boot",
    ko="{host} 부팅 시 {address} 자동 구성",
)
_BEHIND = message(
    "upgrade.title.behind",
    en="{balancer} on {host} gives requests to the new services alone",
    ko="{host}의 {balancer}이(가) 새 서비스에만 요청을 보냄",
)


def add_records(plan: Plan, where: Where, after: Sequence[str]) -> list[str]:
    """Adds the steps that give records and endpoints other names; gives the last steps."""
    facts, ends = where.facts, list(after)
    for way in facts.ways:
        name = way.service.name
        moved = [[one.binary, one.old, one.new] for one in facts.moved if one.project == name]
        if moved:
            schemas = facts.cells(way) or facts.schemas(way)
            args = {**where.of(way), "project": name, "schemas": schemas, "moved": moved}
            about, title = About("service", name, name), _RECORDS(service=name)
            ends = [_add(plan, where, f"records/{name}", "upgrade.records", args, title, RECORDS, ends, about)]
        endpoints = [[one.old, one.new] for one in facts.endpoints if one.new]
        if name == "keystone" and endpoints:
            args = {**where.of(way), "moved": endpoints}
            ends = [_add(plan, where, "endpoints", "upgrade.catalogue", args, _ENDPOINTS(), ENDPOINTS, ends)]
    return ends


def add_addresses(plan: Plan, where: Where, after: Sequence[str], asking: Sequence[str]) -> list[str]:
    """Adds the steps that bring virtual addresses to other hosts: `asking` are hosts that have to find them there.
    Gives the last steps. On the way back they are on the hosts of before, before anything else is asked there."""
    ends = list(after)
    site = {"site": where.common["site"], "next": True}
    boots: list[tuple[str, str, str]] = []
    every = [one for one in addresses.going(where.facts.site) if one.old.managed and one.new.managed]  # else it blocks
    for one in every:
        about = About("address", one.address, one.address)
        args = {**site, "address": one.address, "others": list(asking), "host": one.before[0], "on": list(one.before)}
        args |= {"off": list(one.to_hosts), "back": True}
        title = _BEFORE(address=one.address)
        ends = [_add(plan, where, f"address/{one.address}", "upgrade.address", args, title, ADDRESS, ends, about)]
    # what manages several has all of them leave and come at once
    for on in (False, True):
        done: set[tuple[Managed, str]] = set()
        moved = []
        for one in every:
            managed, hosts = (one.new.managed, one.to_hosts) if on else (one.old.managed, one.from_hosts)
            assert managed
            about, words = About("address", one.address, one.address), _COME if on else _LEAVE
            kind, args = switch(managed, on=on)
            for host in hosts:
                if (managed, host) in done:
                    continue
                done.add((managed, host))
                name = f"address/{one.address}/{'on' if on else 'off'}@{host}"
                said = words(address=one.address, host=host)
                moved.append(_add(plan, where, name, kind, {**site, "host": host, **args}, said, ADDRESS, ends, about))
                if on and isinstance(managed, Unit):
                    boots.append((one.address, host, managed.unit))
        ends = moved or ends
    for one in every:
        about = About("address", one.address, one.address)
        args = {**site, "address": one.address, "others": list(asking), "host": one.after[0], "on": list(one.after)}
        title, name = _AFTER(address=one.address), f"address/{one.address}/moved"
        args["off"] = list(one.from_hosts)
        ends = [_add(plan, where, name, "upgrade.address", args, title, ADDRESS, ends, about)]
    for address, host, unit in boots:
        title, name = _ENABLE(address=address, host=host), f"address/{address}/enable@{host}"
        args = {**site, "host": host, **at_boot(unit)}
        _add(plan, where, name, "host.command", args, title, ADDRESS, ends, About("address", address, address))
    return ends


def add_proofs(plan: Plan, where: Where, after: Sequence[str]) -> list[str]:
    """Adds the steps that see, when all services answer, that load balancers have followed, and that each virtual
    address is on one host."""
    facts, ids = where.facts, []
    later = Site(facts.site.content, facts.site.file, next_part=True)
    for one in later.part.virtual_addresses:
        on = [host.name for host in later.named(one.hosts)]
        args = {"site": where.common["site"], "next": True, "host": on[0], "address": str(one.address), "on": on}
        about, title = About("address", str(one.address), str(one.address)), _BEFORE(address=str(one.address))
        name = f"address/{one.address}/after"
        ids.append(_add(plan, where, name, "upgrade.address", {**args, "off": []}, title, ADDRESS, after, about))
    changes = balancers.changes(facts.site, facts.span.goal, [way.service.name for way in facts.ways])
    for balancer in later.part.load_balancers if changes else ():
        for host in later.named(balancer.hosts) if balancer.socket else ():
            args = {"site": where.common["site"], "next": True, "host": host.name, "balancer": balancer.name}
            args["changes"] = [{"service": one.service, "old": list(one.old), "new": list(one.new)} for one in changes]
            title, about = _BEHIND(balancer=balancer.name, host=host.name), About("host", host.name, host.name)
            name = f"behind/{balancer.name}@{host.name}"
            ids.append(_add(plan, where, name, "upgrade.behind", args, title, BEHIND, after, about))
    return ids


def _add(
    plan: Plan,
    where: Where,
    name: str,
    kind: str,
    args: dict[str, Any],
    title: Text,
    purpose: str,
    after: Sequence[str],
    about: About | None = None,
) -> str:
    limits = (where.facts.host,) if kind in ("upgrade.records", "upgrade.catalogue") else ()
    step = Step(name, kind, args, where.unit, limits, title=title, about=about, purpose=purpose)
    return plan.add(step, after=after).id

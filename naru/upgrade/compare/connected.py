"""Who is still connected to message queues that are left behind."""

from collections.abc import Collection
from functools import partial

from naru.errors import NaruError
from naru.site import rabbitmq
from naru.site.site import Site
from naru.site.ssh import Fleet
from naru.text import shortened
from naru.upgrade.compare.verified import Judged, Verified
from naru.upgrade.window.queues import coming, pairs

CLIENTS = "client of a message queue"
"""What verify calls those that are left."""
EXAMPLES = 10


def left_on_others(site: Site, services: Collection[str], *, back: bool) -> list[Verified]:
    """Who is connected to the queues that are left behind: the old ones, or the new ones after the way `back`. Of the
    site's services those that are not of the upgraded ones (projects, by name) may be."""
    now, seen = Site(site.content, site.file), coming(site)
    stay = {one.project for one in site.content.services} - set(services)
    found = []
    with Fleet(seen) as fleet:
        asked = {(pair.new if back else pair.old).name: pair for pair in pairs(seen) if pair.left}
        for name, pair in asked.items():
            left, of = (pair.new, seen) if back else (pair.old, now)
            try:
                every = rabbitmq.anywhere(of, fleet, left, partial(_clients, vhosts=pair.old.vhosts))
            except NaruError as error:
                why = f"the queue {name} does not say who is connected: {error.summary}"
                found.append(Verified("not known", CLIENTS, "not read", "", 0, (why,)))
                continue
            others = [one for one in every if one.partition(" ")[0].partition("-")[0] in stay]
            of_upgraded = [one for one in every if one not in others]
            judged: tuple[tuple[Judged, list[str]], ...] = (("wrong", of_upgraded), ("not compared", others))
            for how, clients in judged:
                if clients:
                    told = tuple(shortened(clients, EXAMPLES))
                    found.append(Verified(how, CLIENTS, f"left on {name}", "", len(clients), told))
    return found


def _clients(get: rabbitmq.Get, vhosts: Collection[str]) -> list[str]:
    """Who is connected to virtual hosts, once each: the program, by oslo.messaging NAME:PID:ID, else the user, and from
    where."""
    wanted = "user,vhost,peer_host,client_properties"
    found = set()
    for one in get(f"connections?columns={wanted}"):
        if one.get("vhost") in vhosts:
            name = str((one.get("client_properties") or {}).get("connection_name") or one.get("user"))
            found.add(f"{name.partition(':')[0]} from {one.get('peer_host')}")
    return sorted(found)

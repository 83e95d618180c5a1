"""Whether users reach the new services at the catalogue's own endpoints: the last thing of the window, while they are
still refused. What was not reached before it either, from where it is asked, counts for nothing."""

import asyncio
import http.client
import shlex
import socket
import ssl
import time
import urllib.parse
from collections.abc import Collection, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

from naru.actions.hosts.place import HostAction, Place
from naru.errors import NaruError
from naru.messages import message
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.kinds import step
from naru.plan.model import Plan, Step
from naru.site.site import Site
from naru.site.ssh import Lost, Remote, Unreachable
from naru.site.threads import in_thread
from naru.site.tunnel import SECONDS, open_socket
from naru.site.write_gate import state
from naru.text import shortened
from naru.upgrade.facts import Facts

REACHED, BEFORE = "reached", "reached/before"
"""What the steps are for, and the id of the one that asks before."""
DEADLINE = 900.0
PATIENCE = 60.0
"""Seconds that a load balancer has to find out that a service answers."""
PAUSE = 1.0
TITLE = message(
    "upgrade.title.reached", en="{host} reaches the services at their endpoints", ko="{host}에서 엔드포인트 접속 확인"
)


class Reached(HostAction):
    """See `reached`."""

    step_kind: ClassVar[str] = "upgrade.reached"

    projects: list[str]
    before: bool = False


@step("upgrade.reached", args=Reached, no_undo="it only asks", deadline=DEADLINE, retry=())
def reached(context: Context) -> dict[str, Any]:
    """Sends a request from `host` to each public endpoint of `projects` that is at one of the site's hosts or virtual
    addresses, until all are answered by no error of the server's own (5xx), with a certificate that has the endpoint's
    name. Others, as those of another region, are logged and not asked. With `before` it fails for none; those in its
    result (`lost`) fail no later step that waits for it."""
    args = context.args
    lost: list[str] = context.results().get(BEFORE, {}).get("lost", [])
    place = Place(context, args, context.id)
    site = place.site
    every = state.endpoints(Site(site.content, site.file), place.fleet)
    urls = list(dict.fromkeys(one.url for one in every if one.service in args["projects"]))
    own = {host.address for host in site.hosts.values()} | {str(one.address) for one in site.part.virtual_addresses}
    own |= set(site.hosts)
    ca = next((str(site.path(gate.certificate)) for _, gate in state.balancers(site) if gate.certificate), None)

    async def ask(remote: Remote) -> dict[str, str]:
        # at once: each that nobody answers takes its time, and users wait for all of them
        return dict(zip(urls, await asyncio.gather(*(asked(remote, url, ca, own) for url in urls)), strict=True))

    end = time.monotonic() + PATIENCE
    while True:
        said = place.ask(ask)
        wrong = {url: why for url, why in said.items() if why and why != ELSEWHERE and url not in lost}
        if not wrong or args.get("before") or time.monotonic() > end:
            break
        context.sleep(PAUSE)
    for url, why in said.items():
        context.log(f"{url}: {why or 'it answers'}")
    if wrong and not args.get("before"):
        raise PlanError(
            f"{place.host}: {len(wrong)} of {len(urls)} endpoints are not as users need them",
            detail="\n".join(shortened([f"{url}: {why}" for url, why in wrong.items()], 20)),
            hint="Mend it, and give the command again: users are refused as long.",
        )
    return {"asked": sum(why != ELSEWHERE for why in said.values()), "lost": list(wrong)}


ELSEWHERE = "it is at none of the site's hosts: it is not asked"


async def asked(remote: Remote, url: str, ca: str | None, own: Collection[str]) -> str:
    """Why an endpoint does not answer a host as it is to; "" when it does. Raises Unreachable and Lost."""
    parts = urllib.parse.urlsplit(url)
    name, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    line = f"getent ahosts {shlex.quote(name)} | awk '{{ print $1 }}'"
    try:
        at = (await remote.run(line, seconds=SECONDS)).out.split()
        if not {name, *at} & set(own):
            return ELSEWHERE
        async with open_socket(remote, name, port) as sock:
            status = await in_thread(partial(_get, sock, parts, port, ca))
    except ssl.SSLError as error:
        return f"TLS: {getattr(error, 'verify_message', '') or error.reason or error}"
    except (Unreachable, Lost):
        raise  # of the host that asks: nothing is said of the endpoint
    except (NaruError, OSError, http.client.HTTPException) as error:
        return str(error) or repr(error)
    return f"it answers {status}" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ""


def _get(sock: socket.socket, parts: urllib.parse.SplitResult, port: int, ca: str | None) -> int:
    name = parts.hostname or ""
    connection = http.client.HTTPConnection(name, port)
    tls = parts.scheme == "https"
    connection.sock = ssl.create_default_context(cafile=ca).wrap_socket(sock, server_hostname=name) if tls else sock
    connection.request("GET", parts.path.rstrip("/") + "/", headers={"Connection": "close"})
    return connection.getresponse().status


def add(plan: Plan, facts: Facts, common: dict[str, Any], unit: str, after: Sequence[str], *, before: bool) -> str:
    """Adds the step that asks, `before` the window or at its end; gives its id."""
    names = [way.service.name for way in facts.ways]
    # Placement is a part of Nova, as long as it has no way of its own
    projects = [*dict.fromkeys((*names, *(["placement"] if "nova" in names else [])))]
    args = {"site": common["site"], "next": True, "host": facts.host, "projects": projects, "before": before}
    title = TITLE(host=facts.host)
    made = Step(BEFORE if before else REACHED, "upgrade.reached", args, unit, (), title=title, purpose=REACHED)
    return plan.add(made, after=after).id

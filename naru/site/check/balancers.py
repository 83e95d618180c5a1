"""Load balancers: each runs on its hosts and can be told what to do, and the services behind it have their gates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from naru.errors import NaruError
from naru.site import haproxy
from naru.site.check import services
from naru.site.check.look import Look
from naru.site.check.result import Results
from naru.site.check.wanted import program_of
from naru.site.discover.found import listed
from naru.site.haproxy import Gate
from naru.site.model import LoadBalancer
from naru.site.site import Site
from naru.site.ssh import Remote

_WELL = ("UP", "no check")


@dataclass(frozen=True)
class Told:
    """What a HAProxy says of itself."""

    level: haproxy.Level
    gates: list[Gate] = field(default_factory=list)


Answer = Told | NaruError


async def ask(remote: Remote, socket: str) -> Answer:
    """What a HAProxy says, or why it could not be asked."""
    try:
        gates = await haproxy.gates(remote, socket)
        return Told(await haproxy.level(remote, socket), gates)
    except NaruError as error:
        return error


def judge(
    site: Site, balancer: LoadBalancer, looks: Mapping[str, Look], answers: Mapping[str, Answer], results: Results
) -> None:
    """One load balancer by what each of its hosts answered."""
    name = f"load_balancers.{balancer.name}"
    told: dict[str, Told] = {}
    for host in site.named(balancer.hosts):
        look = looks.get(host.name)
        if look is None:
            results.unseen(name, host.name)
            continue
        services.runs(name, balancer.managed, host.name, look, results)
        if balancer.socket:
            answer = answers.get(host.name)
            if isinstance(answer, Told):
                told[host.name] = answer
            _socket(name, balancer.socket, host.name, look, answer, results)
        _files(name, balancer, host.name, look, results)
    for host_name, one in told.items():
        _gates(site, name, host_name, one.gates, looks, results)


def _socket(name: str, path: str, host: str, look: Look, answer: Answer | None, results: Results) -> None:
    where = f"{name}.socket"
    match look.files.get(path):
        case "hidden":
            what = f"{path} is hidden from {look.user}"
            results.unknown(where, host, what, "Set login.sudo, or log in as root.")
            return
        case "none":
            do = "Correct socket, or add to haproxy.cfg: stats socket PATH level admin."
            results.wrong(where, host, f"there is no {path}", do)
            return
        case "there" | "directory":
            results.wrong(where, host, f"{path} is no socket", "Correct socket.")
            return
    if isinstance(answer, haproxy.Refused):
        what = answer.summary
        if look.root:
            results.wrong(
                where, host, f"{what}", "Start HAProxy, or correct socket. It is asked by socat, python or perl."
            )
        else:
            results.unknown(where, host, f"{what}", "Set login.sudo, or log in as root.")
    elif isinstance(answer, NaruError):
        results.unknown(where, host, answer.summary, "Run it again.")
    elif answer is None:
        results.unknown(where, host, "it was not asked", "Run it again.")
    elif answer.level != "admin":
        do = f"Write in haproxy.cfg: stats socket {path} level admin."
        results.wrong(where, host, f"{path} is not of level admin: no gate can be closed by it", do)
    else:
        results.right(where, host, f"{path} is of level admin, with {len(answer.gates)} gates")


def _files(name: str, balancer: LoadBalancer, host: str, look: Look, results: Results) -> None:
    for kind, path in [*(("files", path) for path in balancer.files), *(("logs", path) for path in balancer.logs)]:
        field = f"{name}.{kind}"
        match look.files.get(path):
            case "there" | "directory":
                results.right(field, host, f"{path} is there")
            case "none":
                results.wrong(field, host, f"there is no {path}", f"Correct {kind}.")
            case _:
                do = "Set login.sudo, or log in as root."
                results.unknown(field, host, f"{path} is hidden from {look.user}", do)
    if balancer.reload:
        program = program_of(balancer.reload)
        if program and program in look.programs:
            if look.programs[program]:
                results.right(f"{name}.reload", host, f"{program} is there; it was not run")
            else:
                results.wrong(f"{name}.reload", host, f"there is no {program}", "Correct reload.")
        else:
            what = f"what {balancer.reload} runs is not known without running it"
            results.unknown(f"{name}.reload", host, what, "Write it as a program and its arguments.")


def _gates(
    site: Site, name: str, host: str, gates: Sequence[Gate], looks: Mapping[str, Look], results: Results
) -> None:
    """Each service of which a host is behind it has all its hosts behind it, none of them closed."""
    by_address = _hosts_by_address(site, looks)
    placed = [(by_address.get(gate.address, ""), gate) for gate in gates]
    for service in site.part.services:
        if not service.port:
            continue
        own = [one.name for one in site.named(service.hosts)]
        ours = [(of, gate) for of, gate in placed if of in own and gate.port == service.port]
        backends = dict.fromkeys(gate.backend for _, gate in ours)
        for backend in backends:
            has = {of: gate for of, gate in ours if gate.backend == backend}
            missing = [one for one in own if one not in has]
            if missing:
                what = f"its backend {backend} on {host} has no server for {listed(missing)}"
                results.wrong(f"services.{service.name}.hosts", missing[0], what, "Add it there, or correct hosts.")
            for of, gate in has.items():
                where = f"{backend}/{gate.server}"
                if gate.status.startswith(_WELL):
                    results.right(name, host, f"{where} is {gate.status}: {service.name} on {of}")
                else:
                    why = f" ({gate.why})" if gate.why else ""
                    what = f"{where} is {gate.status}{why}: {service.name} on {of}"
                    do = "Open it: set server ... state ready." if "MAINT" in gate.status else "See why it is not up."
                    results.wrong(name, host, what, do)


def _hosts_by_address(site: Site, looks: Mapping[str, Look]) -> dict[str, str]:
    """Whose an address is. One that several have, as a virtual one, is nobody's."""
    found: dict[str, str] = {host.address: name for name, host in site.hosts.items()}
    virtual = {str(one.address) for one in site.part.virtual_addresses}
    for name, look in looks.items():
        for address in look.addresses or ():
            if address not in virtual and not address.startswith("127.") and address != "::1":
                found.setdefault(address, name)
    return found

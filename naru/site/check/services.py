"""Services: each runs on each of its hosts as it is managed, of the release it should have, at its port, with its
files."""

import difflib
from collections.abc import Callable, Mapping, Sequence

from naru.site.check.look import Look, Owner, key
from naru.site.check.result import Results
from naru.site.discover import services as names
from naru.site.discover.found import listed
from naru.site.model import Commands, Container, Managed, Service, Unit
from naru.site.site import Host, Site

ReleasesOf = Callable[[str, str], Sequence[str]]
"""The releases that a version of a distribution may be of; () when that is not known."""

_OF_PLACEMENT = ("openstack-placement", "nova")  # before it was a project of its own


def distributions(service: str) -> tuple[str, ...]:
    """The Python distributions that a service's release is told by, the first one that is there; () for what is of no
    release of OpenStack."""
    if not names.of_openstack(service):
        return ()
    project = service.partition("-")[0]
    return _OF_PLACEMENT if project == "placement" else (project, f"openstack-{project}")


def judge(site: Site, looks: Mapping[str, Look], releases_of: ReleasesOf, results: Results) -> None:
    """All services of a site."""
    for service in site.part.services:
        release = site.content.release if service.release is None else service.release
        for host in site.named(service.hosts):
            field = f"services.{service.name}"
            if look := looks.get(host.name):
                running = runs(field, service.managed, host.name, look, results)
                _release(service, release, host.name, look, running, releases_of, results)
                _port(field, service, host, look, running, results)
                _files(service, host.name, look, results)
            else:
                results.unseen(f"{field}.managed", host.name)
                if release and distributions(service.name):
                    results.unseen(f"{field}.release", host.name)
                if service.port:
                    results.unseen(f"{field}.port", host.name)
                for kind in ("config", "logs"):
                    for _ in getattr(service, kind):
                        results.unseen(f"{field}.{kind}", host.name)


def runs(field: str, managed: Managed, host: str, look: Look, results: Results) -> bool:
    """Whether what is managed so runs on the host; told under `FIELD.managed`."""
    match managed:
        case Unit(unit=name):
            return _unit(f"{field}.managed.unit", name, host, look, results)
        case Container(container=name, engine=engine):
            return _container(f"{field}.managed", name, engine, host, look, results)
        case Commands(status=line):
            return _status(f"{field}.managed.status", line, host, look, results)


def _unit(field: str, name: str, host: str, look: Look, results: Results) -> bool:
    properties = look.units.get(name, {})
    loaded, active, sub = (properties.get(one, "") for one in ("LoadState", "ActiveState", "SubState"))
    if not loaded:
        results.unknown(field, host, "systemd does not answer", f"Run there: systemctl status {name}")
    elif loaded == "not-found":
        like = _like(name, look.there.get("unit", ()))
        results.wrong(field, host, f"there is no unit {name}{_there('runs', like)}", "Correct unit, or hosts.")
    elif loaded == "masked":
        results.wrong(field, host, f"{name} is masked", f"systemctl unmask {name}, or correct hosts.")
    elif active == "active" and sub != "exited":
        results.right(field, host, f"{name} is {active} ({sub})")
        return True
    else:
        what = f"{name} is {active}" + (f" ({sub})" if sub not in ("dead", active) else "")
        results.wrong(field, host, what, f"See why: journalctl -u {name}. Start it, or correct hosts.")
    return False


def _container(field: str, name: str, engine: str | None, host: str, look: Look, results: Results) -> bool:
    engines = [engine] if engine else ["docker", "podman"]
    found = [look.containers[one, name] for one in engines if (one, name) in look.containers]
    said = {one: look.engines[one] for one in engines if one in look.engines}
    if found:
        best = next((one for one in found if one.state == "running"), found[0])
        if best.state == "running":
            results.right(f"{field}.container", host, f"{name} runs in {best.engine}, of {best.image}")
            return True
        do = f"See why: {best.engine} logs {name}. Start it, or correct hosts."
        results.wrong(f"{field}.container", host, f"the container {name} is {best.state}", do)
    elif said and all(text == "none" for text in said.values()):
        other = [one for one in ("docker", "podman") if one not in engines and look.engines.get(one, "none") != "none"]
        what = f"there is no {' and no '.join(engines)}"
        what += f", but {other[0]}" if other else ""
        results.wrong(f"{field}.{'engine' if engine else 'container'}", host, what, "Correct managed, or hosts.")
    elif refused := {one: text for one, text in said.items() if text not in ("", "none")}:
        told = "; ".join(f"{one}: {text.removeprefix('refused ')}" for one, text in refused.items())
        do = "Start it" if look.root else "Set login.sudo, or log in as root"
        results.unknown(f"{field}.container", host, f"containers cannot be listed: {told}", f"{do}.")
    elif not look.root and "podman" in said:
        do = "Set login.sudo, or log in as root."
        results.unknown(f"{field}.container", host, f"root's containers are hidden from {look.user}", do)
    elif said:
        like = _like(name, look.there.get("container", ()))
        do = "Correct container, or hosts."
        results.wrong(f"{field}.container", host, f"there is no container {name}{_there('has', like)}", do)
    else:
        results.unknown(f"{field}.container", host, "its containers could not be listed", "Run it again.")
    return False


def _status(field: str, line: str, host: str, look: Look, results: Results) -> bool:
    if key(line) not in look.status:
        results.unknown(field, host, "it was not run", "Run it again.")
        return False
    code, said = look.status[key(line)]
    if code == 0:
        results.right(field, host, f"{line} ends with 0")
        return True
    told = f": {said}" if said else ""
    if code in (126, 127):
        results.wrong(field, host, f"{line} cannot be run{told}", "Correct status.")
    elif code == 124:
        results.unknown(field, host, f"{line} has not ended after 20 s", "Run it there; it has to end.")
    else:
        results.wrong(field, host, f"it does not run: {line} ends with {code}{told}", "Start it, or correct hosts.")
    return False


def _release(
    service: Service,
    release: str,
    host: str,
    look: Look,
    running: bool,
    releases_of: ReleasesOf,
    results: Results,
) -> None:
    wanted = distributions(service.name)
    if not release or not wanted:
        return
    field = f"services.{service.name}.release"
    found = look.packages.get(service.name, [])
    of_one = next((mine for name in wanted if (mine := [one for one in found if one[0] == name])), [])
    if not of_one:
        seen = look.modules.get(service.name, [])
        if not running and not service.python:
            return  # what does not run has no interpreter to look beside
        if service.python and not seen:
            what = f"{service.python} has no modules beside it" if look.root else f"{service.python} is not to be seen"
            if look.root and not isinstance(service.managed, Commands):
                results.wrong(f"services.{service.name}.python", host, what, "Correct python.")
                return
        else:
            what = f"no {wanted[0]} beside {listed(seen)}" if seen else "its interpreter is not known"
        results.unknown(field, host, what, "Give python: the interpreter that it runs by.")
        return
    told = {f"{name} {version}": set(releases_of(name, version)) for name, version in of_one}
    text = listed(list(told))
    every: set[str] = set().union(*told.values())
    if all(release in of for of in told.values()):
        results.right(field, host, f"{release}: {text}")
    elif release in every:
        results.unknown(field, host, f"it has {text}, of several releases", "Give python: the interpreter it runs by.")
    elif every and all(told.values()):
        results.wrong(field, host, f"it is of {listed(sorted(every))} ({text}), not of {release}", "Correct release.")
    else:
        results.unknown(
            field, host, f"which release {text} is of is not known", 'Compare it; release: "" asks nothing.'
        )


def _port(field: str, service: Service, host: Host, look: Look, running: bool, results: Results) -> None:
    port = service.port
    if not port:
        return
    field = f"{field}.port"
    listens = any(one == port for _, one in look.listening)
    inside = isinstance(service.managed, Container) and port in look.inside.get(service.managed.container, ())
    owners = [one for one in look.owners if one.port == port]
    if inside:
        results.right(field, host.name, f"it listens at {port} inside its container")
    elif listens and owners and not any(_is_of(one, service.managed, look) for one in owners):
        other = listed([f"{one.name} ({one.group.rpartition('/')[2] or one.pid})" for one in owners])
        results.wrong(field, host.name, f"at {port} listens {other}, which is not {service.name}", "Correct port.")
    elif listens and owners:
        results.right(field, host.name, f"it listens at {port}")
    elif listens:
        do = "Install ss (iproute2) there." if look.root else "Set login.sudo, or log in as root."
        results.unknown(field, host.name, f"something listens at {port}; what it is could not be seen", do)
    elif isinstance(service.managed, Commands):
        what = f"nothing of the host itself listens at {port}; where its commands lead is not known"
        results.unknown(field, host.name, what, "See it by hand, or leave port out.")
    else:
        own = sorted({one.port for one in look.owners if _is_of(one, service.managed, look)})
        told = f"; it listens at {', '.join(map(str, own))}" if own else ""
        do = "Correct port." if running else "Start it, or correct port."
        results.wrong(field, host.name, f"nothing listens at {port}{told}", do)


def _is_of(owner: Owner, managed: Managed, look: Look) -> bool:
    """Whether who listens may be what is managed so. What systemd itself listens at, it does for its units."""
    if owner.pid == 1:
        return True
    match managed:
        case Unit(unit=name):
            own = look.units.get(name, {}).get("Id") or name
            # an instance, a container, a session under it: all have it in their path
            return f"/{own}" in f"{owner.group}/" or own.removesuffix(".service") in owner.group
        case Container(container=name):
            ids = [one.id for (_, other), one in look.containers.items() if other == name]
            return any(number and number in owner.group for number in ids) or owner.name in ("docker-proxy", "conmon")
        case _:
            return True


def _files(service: Service, host: str, look: Look, results: Results) -> None:
    for kind, noun in (("config", "configuration"), ("logs", "log")):
        field = f"services.{service.name}.{kind}"
        for path in getattr(service, kind):
            match look.files.get(path):
                case "there" | "directory":
                    results.right(field, host, f"{path} is there")
                case "hidden":
                    do = "Set login.sudo, or log in as root."
                    results.unknown(field, host, f"{path} is hidden from {look.user}", do)
                case None:
                    results.unknown(field, host, f"{path} was not looked up", "Run it again.")
                case _:
                    results.wrong(field, host, f"there is no {noun} {path}", f"Correct {kind}, or hosts.")


def _like(name: str, there: Sequence[str]) -> list[str]:
    """What is there that may be meant."""
    inner = name.removesuffix(".service")
    bare = {one.removesuffix(".service"): one for one in there}
    close = difflib.get_close_matches(inner, bare, n=3, cutoff=0.7)
    # nova-compute is a part of openstack-nova-compute, and the other way round
    part = [own for one, own in bare.items() if inner in one or (len(one) > 4 and one in inner)]
    return list(dict.fromkeys([*part, *(bare[one] for one in close)]))[:3]


def _there(verb: str, like: Sequence[str]) -> str:
    return f"; it {verb} {listed(like)}" if like else ""

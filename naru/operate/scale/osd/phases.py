"""New OSDs planned: what is read, what is in the way, what differs. Run, and taken back, they are as any growth is."""

import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from naru.errors import InputError
from naru.files import write_whole
from naru.operate.scale import growth, inventory
from naru.operate.scale.osd import cephadm, planner, playbooks, prechecks, quiet, state, steps
from naru.operate.scale.osd import says as msg
from naru.operate.scale.osd.hosts import Look
from naru.operate.scale.osd.work import Place, Settings
from naru.operate.scale.runner import runner
from naru.operate.scale.work import Texts, work_directory
from naru.plan.kinds import load
from naru.plan.model import Finding, Plan
from naru.site import site as sites
from naru.site.site import Site
from naru.text import size

KIB = 1024
SPEC = "spec.yaml"


class Made(NamedTuple):
    """The plan, the files that grow by their names in the work directory, and for cephadm what the orchestrator is
    told, with what it says of that."""

    plan: Plan
    texts: Mapping[str, Texts]
    spec: str
    preview: str


def plan(settings: Settings, directory: Path) -> Made:
    """Reads Ceph and the hosts, writes what grows beside what is there into the work directory, and the plan. Nothing
    is changed anywhere."""
    load(planner.MODULES)
    site = sites.load(Path(settings.site))
    new = [name for name in settings.hosts if name not in site.hosts]
    texts = _grown(site, settings, new)
    work = work_directory(directory)
    work.prepare(settings.dump().keys())
    directory = directory.absolute()
    plan_id = str(uuid.uuid4())
    _write(directory, texts, settings)
    disks = {name: list(paths) for name, paths in settings.disks.items()}
    grown = directory / "after" / Path(settings.site).name
    common = {"site": settings.site, "grown": str(grown), "storage": settings.storage, "hosts": list(settings.hosts)}
    place = Place({**common, "known": [], "disks": disks})
    known = place.every()
    looks = steps.looks(place, disks, settings.like)
    findings = list(steps.problems(place, looks, disks, new, settings.like, settings.deployed_by))
    findings += _of_site(site, settings, new)
    findings += _of_crush(place, settings)
    told = shown = ""
    if settings.deployed_by == "cephadm":
        specs = cephadm.osd_specs(plan_id, disks, settings.device_class, unmanaged=False)
        findings += _of_orchestrator(place, settings, new)
        told = cephadm.text(
            [
                *(
                    cephadm.host_spec(name, place.site.hosts[name].address, settings.labels, settings.location)
                    for name in new
                ),
                *specs,
            ]
        )
        write_whole(directory / "after" / SPEC, told, private=False)
        # of a host that it does not have yet the orchestrator has no preview
        known_to_it = settings.hosts.keys() <= cephadm.hosts(place.ceph).keys()
        shown = cephadm.preview(place.ceph, specs) if known_to_it else ""
    findings += _share(place, settings, looks, known)
    files = {name: str(one.file) for name, one in texts.items() if one.old != one.new}
    made = planner.whole(settings, new, known, plan_id, directory, files, findings)
    work.create(made, plan_id=plan_id)
    return Made(made, texts, told, shown)


def _grown(site: Site, settings: Settings, new: list[str]) -> dict[str, Texts]:
    texts = {}
    if new:
        if settings.like not in site.hosts:
            raise InputError(
                f"{', '.join(new)}: {site.file} does not have {'it' if len(new) == 1 else 'them'}",
                hint="--like names a host of OSDs that it has: the new ones are to be like that.",
            )
        _refuse_monitor(site, settings)
        hosts = {name: settings.hosts[name] for name in new}
        told = site.file.read_text()
        later = growth.grown(site, told, settings.like, hosts, settings.storage)
        texts[site.file.name] = Texts(site.file.absolute(), told, later)
    if settings.deployed_by == "ceph-ansible":
        texts |= _of_ansible(Path(settings.inventory), settings, new)
    return texts


def _refuse_monitor(site: Site, settings: Settings) -> None:
    storage = next(one for one in site.part.storage if one.name == settings.storage)
    if settings.like not in {one.name for one in site.named(getattr(storage, "osds", ()))}:
        raise InputError(
            f"--like {settings.like}: {site.file} has no OSDs of {settings.storage} on it",
            hint=f"Name a host of storage[].osds of {settings.storage}.",
        )
    if settings.like in {one.name for one in site.named(getattr(storage, "monitors", ()))}:
        raise InputError(
            f"--like {settings.like}: it has a monitor of {settings.storage} as well",
            hint="Name a host that has OSDs alone. Where there is none, write the new ones into site.yaml by hand, "
            "with OSDs alone, and give the command again without --like.",
        )


def _of_ansible(file: Path, settings: Settings, new: list[str]) -> dict[str, Texts]:
    runner()
    old = inventory.read(file)
    there = sorted(inventory.hosts(old) & set(new))
    if there:
        raise InputError(f"--inventory {file}: it has {', '.join(there)} already", hint="Write them into site.yaml.")
    hosts = {name: settings.hosts[name] for name in new}
    later = inventory.grown(old, settings.like, hosts) if new else old
    if lacking := sorted(set(settings.hosts) - inventory.hosts(later)):
        raise InputError(f"--inventory {file}: it does not have {', '.join(lacking)}", hint="Name ceph-ansible's own.")
    if file.name == Path(settings.site).name:
        raise InputError(f"{file} and {settings.site} have one name", hint="Give the inventory another name.")
    texts = {file.name: Texts(file, old, later)}
    for host, paths in settings.disks.items():
        of_host = playbooks.file_of(file, host)
        if host not in new and not of_host.exists():
            raise InputError(
                f"there is no {of_host}, so the disks that {host} has now are not known",
                hint="Write `devices` into it, with those that are there; then plan again.",
            )
        texts[f"host_vars/{of_host.name}"] = Texts(
            of_host, *playbooks.variables(of_host, host, paths, settings.device_class)
        )
    return texts


def _write(directory: Path, texts: Mapping[str, Texts], settings: Settings) -> None:
    for name, content in (("before", "old"), ("after", "new")):
        for part in (directory / name, directory / name / "host_vars"):
            part.mkdir(mode=0o700, exist_ok=True)
        for path, one in texts.items():
            write_whole(directory / name / path, getattr(one, content))
    if not settings.inventory:
        return
    # what is beside the inventory counts for the grown one as well
    beside = Path(settings.inventory).parent
    links = {Path("group_vars"): beside / "group_vars"}
    if (beside / "host_vars").is_dir():
        links |= {Path("host_vars") / one.name: one for one in (beside / "host_vars").iterdir()}
    for name_, target in links.items():
        link = directory / "after" / name_
        if str(name_) not in texts and target.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(target.absolute())


def _of_site(site: Site, settings: Settings, new: list[str]) -> Iterator[Finding]:
    if not new:
        return
    services = growth.services(site, settings.like)
    if services:
        yield Finding("warning", msg.SERVICES(like=settings.like, names=", ".join(services)), about=settings.like)
    if settings.inventory:
        groups = inventory.groups_of(Path(settings.inventory).read_text(), settings.like)
        if members := sorted(playbooks.MEMBERS & groups):
            told = msg.MEMBER(like=settings.like, names=", ".join(members))
            yield Finding("error", told, hint=msg.MEMBER_HINT(), about=settings.like)


def _of_crush(place: Place, settings: Settings) -> Iterator[Finding]:
    known = {(one["type"], one["name"]) for one in place.ceph.ask("osd", "tree")["nodes"]}
    for kind, name in settings.location.items():
        if (kind, name) not in known:
            yield Finding("error", msg.PLACE(kind=kind, name=name), hint=msg.PLACE_HINT(), about=name)


def _of_orchestrator(place: Place, settings: Settings, new: list[str]) -> Iterator[Finding]:
    services = cephadm.exported(place.ceph)
    there = cephadm.hosts(place.ceph)
    seen = set()
    for host in settings.hosts:
        labels = settings.labels if host in new else there.get(host, {}).get("labels", ())
        if host not in new and (status := "unknown" if host not in there else there[host].get("status")):
            yield Finding("error", msg.OFFLINE(host=host, status=status), hint=msg.OFFLINE_HINT(), about=host)
        for one in cephadm.in_the_way(services, [host], labels):
            if one.severity == "error" or (host in new and one.summary not in seen):
                yield one
            seen.add(one.summary)


def _share(place: Place, settings: Settings, looks: Mapping[str, object], known: list[int]) -> Iterator[Finding]:
    """What moves, and what cannot be bounded."""
    every = state.osds(place.ceph)
    old = sum(one.weight for one in every.values())
    bytes_ = sum(
        disk.size for name in settings.disks if isinstance(look := looks[name], Look) for disk in look.disks.values()
    )
    ratio = prechecks.middle([one.weight * state.TIB / one.size for one in every.values() if one.weight and one.size])
    used = sum(one.used for one in every.values())
    moved = prechecks.moved(used, old, bytes_ / KIB / state.TIB * (ratio or 1.0))
    told = msg.BALANCED(size=size(moved * KIB), used=size(used * KIB), steps=settings.steps)
    yield Finding("info", told)
    if quiet.read(place.ceph, settings.backfills)["config"] is None:
        yield Finding("warning", msg.OLD())

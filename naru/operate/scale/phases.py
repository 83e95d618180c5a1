"""Hosts added, from the plan to the last of them open: the verbs that commands call.

Each may be interrupted, or killed, and given again: it goes on where it was.
"""

import uuid
from pathlib import Path

from naru.cloud.client import Cloud
from naru.errors import InputError
from naru.files import write_whole
from naru.operate import compute
from naru.operate.scale import growth, inventory, planner
from naru.operate.scale.kolla import Kolla
from naru.operate.scale.runner import runner
from naru.operate.scale.work import Settings, Texts, Work, work_directory
from naru.plan import control, rollback
from naru.plan.findings import refuse_errors
from naru.plan.kinds import load
from naru.plan.model import Plan
from naru.plan.queries import reading
from naru.plan.run import Terminal, run
from naru.plan.status import Status
from naru.site import site as sites
from naru.site.site import Site


def plan(settings: Settings, directory: Path) -> tuple[Plan, list[Texts]]:
    """Reads the cloud, writes inventory and site.yaml with the new hosts beside what they are now into the work
    directory, and the plan. Nothing is changed anywhere. Returns what differs as well."""
    load(planner.MODULES)
    runner()
    site = sites.load(Path(settings.site))
    texts = _grown(site, settings)
    work = work_directory(directory)
    work.prepare(settings.dump().keys())
    directory = directory.absolute()
    kolla = Kolla(Path(settings.kolla), Path(settings.config))
    with Cloud(settings.cloud) as cloud:
        services = {one["host"]: one for one in compute.services(cloud)}
        settings = _by_id(cloud, settings)
    plan_id = str(uuid.uuid4())
    files = {one.file.name: str(one.file) for one in texts}
    _write(directory, texts, Path(settings.inventory).parent)
    member = inventory.groups_of(texts[0].old, settings.like)
    seen = planner.Seen(
        services,
        _lacking(kolla, texts[0].old),
        kolla.multinode,
        _variables(Path(settings.inventory), settings.like),
        member,
        _beyond(kolla, member),
    )
    made = planner.whole(seen, settings, plan_id, directory, files)
    work.create(made, plan_id=plan_id)
    return made, texts


def go(work: Work, terminal: Terminal) -> Status:
    """Runs what is left of the plan, with what failed. Raises InputError for one that was taken back."""
    with work.journal() as journal:
        refuse_errors(journal)
        with reading(journal) as now:
            back = now.is_rolling_back() or any(step.state == "undone" for step in now.steps())
        if back:
            raise InputError(
                f"{work.directory}: it was taken back, or that has begun",
                hint=f"naru scale rollback {work.directory} goes on with that. To add the hosts after all, plan again, "
                "into another directory.",
            )
        load(journal.modules())
        control.retry_any_failed(journal)
        return run(journal, terminal)


def roll_back(work: Work, terminal: Terminal) -> Status:
    """No more servers are scheduled to the new hosts, aggregates and files are as they were. What kolla-ansible has
    deployed stays. Given again it goes on, and tries again what could not be taken back."""
    with work.journal() as journal:
        load(journal.modules())
        with journal.exclusive():
            pass  # what another terminal runs is not to be told anything
        with reading(journal) as now:
            begun = now.is_rolling_back()
        if begun:
            control.retry_any_failed(journal)
        rollback.start(journal)
        return run(journal, terminal)


def _grown(site: Site, settings: Settings) -> list[Texts]:
    file = Path(settings.inventory)
    old = inventory.read(file)
    there = sorted(inventory.hosts(old) & settings.hosts.keys())
    if there:
        raise InputError(
            f"--inventory {file}: it has {', '.join(there)} already", hint="Leave them out of the command."
        )
    known = sorted(site.hosts.keys() & settings.hosts.keys())
    if known:
        raise InputError(f"{site.file}: it has {', '.join(known)} already", hint="Leave them out of the command.")
    if settings.like not in site.hosts:
        raise InputError(f"{site.file}: it has no host {settings.like}", hint="Name one that it has: --like HOST.")
    if settings.mtu and settings.mtu < 576:
        raise InputError(f"--mtu {settings.mtu}: give the bytes of a packet, as 1500 or 9000")
    if file.name == site.file.name:
        raise InputError(f"{file} and {site.file} have one name", hint="Give the inventory another name.")
    told = site.file.read_text()
    return [
        Texts(file, old, inventory.grown(old, settings.like, settings.hosts)),
        Texts(site.file.absolute(), told, growth.grown(site, told, settings.like, settings.hosts)),
    ]


def _by_id(cloud: Cloud, settings: Settings) -> Settings:
    """With flavor, image and network by their ids. Raises InputError for one that is not there, or is there twice."""
    if not settings.flavor:
        return settings
    asked = {
        "flavor": ("compute", "/flavors/detail?is_public=None", "flavors"),
        "image": ("image", "/images", "images"),
        "network": ("network", "/networks", "networks"),
    }
    found = dict(vars(settings))
    for field, (service, path, collection) in asked.items():
        name = found[field]
        if not name:
            continue
        listed = [one for one in cloud.items(service, path, collection) if name in (one["id"], one["name"])]
        if len(listed) != 1:
            number = "none" if not listed else str(len(listed))
            raise InputError(f"--{field} {name}: {cloud.name} has {number} of that name", hint="Give it by its id.")
        found[field] = listed[0]["id"]
    return Settings(**found)


def _lacking(kolla: Kolla, text: str) -> set[str]:
    """The groups that the release's own inventory has, and this one has not."""
    if not kolla.multinode.is_file():
        return set()
    return inventory.groups(kolla.multinode.read_text()) - inventory.groups(text)


def _beyond(kolla: Kolla, member: set[str]) -> set[str]:
    """Those of the groups that the release's own inventory knows, and that none of its compute hosts is in."""
    if not kolla.multinode.is_file():
        return set()
    text = kolla.multinode.read_text()
    return (member & inventory.groups(text)) - inventory.above(text, {"compute"})


def _variables(file: Path, like: str) -> list[Path]:
    directory = file.parent / "host_vars"
    return sorted(one for one in (directory / f"{like}{end}" for end in ("", ".yml", ".yaml")) if one.exists())


def _write(directory: Path, texts: list[Texts], beside: Path) -> None:
    for name, content in (("before", "old"), ("after", "new")):
        (directory / name).mkdir(mode=0o700, exist_ok=True)
        for one in texts:
            write_whole(directory / name / one.file.name, getattr(one, content))
    for name in ("group_vars", "host_vars"):
        link = directory / "after" / name
        link.unlink(missing_ok=True)
        if (beside / name).is_dir():
            link.symlink_to((beside / name).absolute())

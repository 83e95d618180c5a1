"""Discovery from its sources to the text of a site that loads."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from naru.cloud.client import Cloud, CloudError
from naru.errors import InputError, NaruError
from naru.files import write_whole
from naru.site import site as sites
from naru.site.discover import cloud as clouds
from naru.site.discover import inventory, write
from naru.site.discover.assemble import Draft, assemble
from naru.site.discover.found import HOST, Gap, Source, said_once
from naru.site.discover.join import Hosts
from naru.site.discover.look import Look, look
from naru.site.discover.seen import of_look
from naru.site.ssh import Fleet

# receives what is being done: how many, of how many (0: not known), what
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Wanted:
    """What to discover, and from what. `login` is what the user says of all hosts."""

    out: Path
    cloud: str = ""
    inventories: tuple[Path, ...] = ()
    globals_file: Path | None = None
    name: str = ""
    login: Mapping[str, Any] | None = None
    ssh: bool = True


def discover(wanted: Wanted, progress: Progress) -> tuple[Draft, str]:
    """The site, and its text. Raises InputError for what the user gave, NaruError when no host could be found."""
    if not wanted.cloud and not wanted.inventories:
        raise InputError("nothing to discover from", hint="Give --cloud CLOUD, --inventory FILE, or both.")
    sources: list[Source] = []
    for path in wanted.inventories:
        progress(0, 0, f"reading {path}")
        sources.append(inventory.read(path, wanted.globals_file))
    if wanted.cloud:
        progress(0, 0, f"asking {wanted.cloud}")
        sources.append(_of_cloud(wanted.cloud))
    hosts = Hosts(sources)
    if not hosts.hosts:
        told = [f"{gap.field}: {gap.why}" for source in sources for gap in source.gaps]
        raise NaruError("no host was found, and no site was written", detail="\n".join(told[:20]))
    login = wanted.login or {}
    name = wanted.name or wanted.cloud or wanted.inventories[0].absolute().stem or "site"
    from_ = [source.name for source in sources]
    if wanted.ssh:
        first = assemble(name, wanted.cloud, sources, hosts, login)
        looks = _look(first, wanted.out, progress)
        seen = [found for found in looks if found.looked]
        sources += looks
        hosts = Hosts(sources)
        from_.append(f"looking on {len(seen)} of {first.count} hosts")
    else:
        from_.append("nobody looked on the hosts")
    draft = assemble(name, wanted.cloud, sources, hosts, login)
    if not wanted.ssh:
        draft.gaps.append(Gap("services", "nobody looked on the hosts", "Run it again without --no-ssh."))
    draft.gaps = said_once(draft.gaps)
    text = write.text(draft, from_)
    sites.parse(yaml.safe_load(text), wanted.out)  # what is written loads
    return draft, text


def _of_cloud(name: str) -> Source:
    with Cloud(name) as cloud:
        try:
            return clouds.read(cloud)
        except CloudError as error:
            source = Source(f"the cloud {name}")
            told = " ".join(filter(None, (error.summary, error.detail)))
            source.gaps.append(Gap("cloud", told, error.hint or "Run it again when the cloud answers."))
            return source


def _look(draft: Draft, out: Path, progress: Progress) -> list[Source]:
    """What the hosts of a draft show. One that could not be looked at is told of."""
    content: dict[str, Any] = {
        "naru_site": 1,
        "name": draft.name,
        "login": draft.login,
        "hosts": [{key: value for key, value in entry.content.items() if key != "power"} for entry in draft.hosts],
    }
    site = sites.parse(content, out)
    ended = 0

    def count(_: str, __: "Look | NaruError") -> None:
        nonlocal ended
        ended += 1
        progress(ended, len(site.hosts), "looking on hosts")

    progress(0, len(site.hosts), "looking on hosts")
    with Fleet(site) as fleet:
        found = fleet.each(site.hosts, look, ended=count)
    sources = []
    for name, one in found.items():
        if isinstance(one, Look):
            sources.append(of_look(name, one))
            continue
        source = Source(f"looking on {name}")
        reason = one.summary.removeprefix(f"{name} ({site.hosts[name].address}): ").removeprefix(f"{name}: ")
        why = f"{HOST} could not be looked at: {': '.join(filter(None, (reason, one.detail)))}"
        source.gaps.append(Gap(f"hosts.{HOST}", why, one.hint or "Correct its login, or leave it out.", name))
        sources.append(source)
    return sources


def refuse_to_overwrite(out: Path, force: bool) -> None:
    """Raises InputError when the file is there, unless it may be replaced, or cannot be written where it is to be."""
    if out.exists() and not force:
        raise InputError(f"{out} is there already", hint="Give another name by --out, or --force to write over it.")
    if out.is_dir():
        raise InputError(f"--out {out}: it is a directory")
    if not out.absolute().parent.is_dir() or not os.access(out.absolute().parent, os.W_OK):
        raise InputError(f"--out {out}: there is no directory {out.absolute().parent} that can be written to")


def save(out: Path, text: str, force: bool) -> None:
    """Writes the file whole or not at all."""
    refuse_to_overwrite(out, force)  # it may have come meanwhile
    write_whole(out, text, private=False)


def absolute(path: Sequence[str] | str | None) -> str | None:
    """A path that a user gave, from where the site lies on: as a path from anywhere."""
    return None if path is None else str(Path(str(path)).expanduser().absolute())

"""Where the volumes are whose content a step carries: Cinder is asked in the executor, before the step's function,
which may run at a worker that knows no cloud. What the function is given is JSON, see `located`."""

import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from naru.actions.arguments import resolve
from naru.actions.clouds import cloud, get
from naru.errors import NaruError
from naru.move.copies import work_of
from naru.plan.context import Context
from naru.plan.journal import POINTER
from naru.volumes.cinder import NAME_ID
from naru.volumes.volume import Location
from naru.volumes.where import HOST, Backends, load, location

VolumeAt = tuple[str, str, str]
"""A volume: its cloud, its id there, and the file that describes the cloud's storage."""


def pair(args: Mapping[str, Any]) -> tuple[VolumeAt, VolumeAt]:
    """The old volume and the new one that a step's (resolved) arguments name."""
    return (args["old"], args["from"], args["storage"][0]), (args["cloud"], args["to"], args["storage"][1])


def located(context: Context, args: Mapping[str, Any], volumes: Iterable[VolumeAt]) -> dict[str, Any]:
    """What a function is given: its (resolved) arguments; of each side what Cinder says of where the volume is, None
    when it is gone, and the description of the storage; and what the move's work directory is known by."""
    told_of, backends = [], []
    for name, volume, described in volumes:
        told = get(cloud(context, name), "block-storage", f"/volumes/{volume}", "volume")
        told_of.append(None if told is None else {key: told.get(key) for key in ("id", "size", HOST, NAME_ID)})
        backends.append(load(Path(described)).model_dump())
    found = {"args": dict(args), "volumes": told_of, "backends": backends}
    return {**found, "work": _known_by(work_of(Path(args["directory"])))} if "directory" in args else found


def locate(context: Context) -> dict[str, Any]:
    """What the steps that carry content are given: see `located`."""
    args = resolve(context.args, context.results(), context)
    return located(context, args, pair(args))


def _known_by(work: Path) -> str:
    """What tells the work directory from that of another move, where workers may have mounted one: where its journal
    is. "" when that is a file in it, and there are no workers."""
    try:
        return (work / POINTER).read_text()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise NaruError(f"{work / POINTER} cannot be read", detail=f"{error.strerror} on {_host()}") from error


def _host() -> str:
    return socket.gethostname()


def arguments(context: Context) -> dict[str, Any]:
    """The arguments that the step was given. Raises NaruError when the move's work directory is not here: a worker's
    copy would begin anew, and leave nothing to those that go on with it."""
    args: dict[str, Any] = context.given["args"]
    if "directory" in args and _known_by(work_of(Path(args["directory"]))) != context.given["work"]:
        work = work_of(Path(args["directory"]))
        there = f"{work / POINTER} is another one there" if (work / POINTER).exists() else f"no {work / POINTER} there"
        raise NaruError(
            f"the work directory of this move is not on {_host()}",
            detail=there,
            hint=f"Mount the share that has it there, at {work}, then: naru plan retry.",
        )
    return args


def locations(context: Context) -> tuple[Location, Location]:
    """Where the old volume's content is, and where the new one's."""
    found = found_locations(context)
    for place, (name, volume, _) in zip(found, pair(context.given["args"]), strict=True):
        if place is None:
            raise NaruError(f"volume {volume} is gone from {name}", hint="Skip the step: naru plan skip.")
    source, target = found
    assert source and target
    return source, target


def found_locations(context: Context) -> list[Location | None]:
    """Where the volumes are that Cinder was asked for; None for one that is gone."""
    return [
        None if told is None else location(told, Backends.model_validate(described))
        for told, described in zip(context.given["volumes"], context.given["backends"], strict=True)
    ]

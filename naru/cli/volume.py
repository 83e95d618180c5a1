"""`naru volume where|points|diff|clean`: where a volume's content is and what is known of it."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Lister, ShowOne
from naru.errors import InputError
from naru.volumes.engine.points import clean
from naru.volumes.open import forms, open_volume, parse
from naru.volumes.volume import PREFIX, Location

POINT = f"the point's name, with or without {PREFIX}"


def add_location(parser: argparse.ArgumentParser, name: str = "location", what: str = "") -> None:
    """A positional argument that is a location."""
    parser.add_argument(name, metavar=name.upper(), help=what or forms())


def typed_point(text: str | None) -> str:
    """A point's name without PREFIX, as `naru.volumes` takes it."""
    return (text or "").removeprefix(PREFIX)


class Where(ShowOne):
    """Show where the content of a volume is, and what is found there.

    VOLUME is a location, or with --cloud the id of a volume of that cloud: then Cinder is asked, as an administrator,
    which backend has it and under which name, and --backends says what that backend is to this machine.
    """

    examples = """
naru volume where rbd:volumes/volume-5f1c7a52@conf=/etc/ceph/old.conf,id=cinder
naru volume where file:/mnt/nfs/volume-5f1c7a52 -f json
naru volume where 5f1c7a52-... --cloud old --backends old-backends.yaml -f value -c location
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_location(parser, "volume", f"{forms()}; or an id, with --cloud")
        parser.add_argument("--cloud", metavar="CLOUD", help="a name of clouds.yaml; an administrator of it")
        parser.add_argument(
            "--backends", type=Path, metavar="FILE", help="what the cloud's backends are to this machine"
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        found = self._find(arguments)
        with open_volume(found) as volume:
            points = [f"{PREFIX}{point.name}" for point in volume.points()]
            shown = {"location": str(found), "size": volume.size(), "identity": volume.identity(), "points": points}
            shown["later passes"] = "by differences" if volume.exact else "by hashes"
        return tuple(shown), tuple(shown.values())

    def _find(self, arguments: argparse.Namespace) -> Location:
        if (arguments.cloud is None) != (arguments.backends is None):
            raise InputError("--cloud and --backends belong together")
        if arguments.cloud is None:
            return parse(arguments.volume)
        # they take a second to load, and only this needs them
        from naru.cloud.client import Cloud
        from naru.volumes.where import load, location

        backends = load(arguments.backends)
        with Cloud(arguments.cloud) as cloud:
            answer = cloud("block-storage", "GET", f"/volumes/{arguments.volume}")["volume"]
        return location(answer, backends)


class Points(Lister):
    """List the stable points that Naru made on a volume, oldest first; with --make, make one unless it exists.

    Only Ceph's images have stable points: snapshots whose names begin with naru-.
    """

    examples = """
naru volume points rbd:volumes/volume-5f1c7a52
naru volume points rbd:volumes/volume-5f1c7a52 --make before-the-upgrade
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_location(parser)
        parser.add_argument("--make", metavar="NAME", help=POINT)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        name = typed_point(arguments.make)
        with open_volume(parse(arguments.location), write=bool(name)) as volume:
            if name and volume.point(name) is None:
                raise InputError(
                    f"{volume.location} can have no stable points",
                    hint="A file is stable when nobody writes it: stop its server, or take Cinder's snapshot.",
                )
            return ("point", "created", "size"), [
                (f"{PREFIX}{point.name}", point.created, point.size) for point in volume.points()
            ]


class Diff(Lister):
    """List the ranges of a volume that changed since a point, or all that may hold data. Offsets and lengths in bytes.

    `zero` says of a range that it holds nothing but zeroes, as after a discard.
    """

    examples = """
naru volume diff rbd:volumes/volume-5f1c7a52 --since naru-mig-1
naru volume diff qcow2:/mnt/nfs/volume-5f1c7a52.3c9e -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_location(parser)
        parser.add_argument("--since", metavar="POINT", help=POINT)
        parser.add_argument("--point", metavar="POINT", help="up to this point instead of now")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        with open_volume(parse(arguments.location), point=typed_point(arguments.point)) as volume:
            return ("offset", "length", "zero"), volume.ranges(0, volume.size(), typed_point(arguments.since))


class Clean(Lister):
    """Remove the points that Naru made on a volume, so that Cinder can delete it; others' snapshots stay.

    Without --job all of them: a copy that is in the middle of a pass then begins it anew.
    """

    examples = """
naru volume clean rbd:volumes/volume-5f1c7a52
naru volume clean rbd:volumes/volume-5f1c7a52 --job mig
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_location(parser)
        parser.add_argument("--job", metavar="NAME", default="", help="only those of this copy (naru-NAME-NUMBER)")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        removed = clean(parse(arguments.location), arguments.job)
        return ("removed",), [(f"{PREFIX}{name}",) for name in removed]

"""Cinder's NFS driver and its kin, as the operator describes them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pydantic

from naru.errors import InputError
from naru.volumes.cinder import NAME_ID, CinderBackend
from naru.volumes.files.location import File
from naru.volumes.volume import Location

QCOW2 = b"QFI\xfb"
"""What a qcow2 file begins with."""


class FileDriver(CinderBackend):
    """`root` is a share's mount point, or the directory of all mount points (nfs_mount_point_base); `format` that of a
    volume without snapshots (nfs_qcow2_volumes); `formats` that of single volumes (by id) where it is another."""

    kind: Literal["file"]
    root: str
    format: Literal["raw", "qcow2"] = "raw"
    formats: dict[str, Literal["raw", "qcow2"]] = pydantic.Field(default_factory=dict)

    def location(self, name: str) -> File:
        """The shares are searched, and what Cinder's `.info` file calls active is taken."""
        root = Path(self.root)
        # when its first snapshot was deleted while a server had it, the file of the volume's own name is gone
        shares = [root, *(path for path in root.glob("*") if path.is_dir())]
        found = [share / name for share in shares if (share / name).exists() or (share / f"{name}.info").exists()]
        if len(found) != 1:
            detail = "\n".join(map(str, found)) or f"neither {root} nor a directory in it has it"
            raise InputError(f"{name} is {'on several shares' if found else 'on no share'}", detail=detail)
        info = Path(f"{found[0]}.info")
        if not info.exists():
            return File(str(found[0]), self.format)
        # as Cinder's remotefs drivers write it when a volume has snapshots: the file that is written now is "active"
        try:
            active = Path(json.loads(info.read_text())["active"]).name
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{info} does not say which file is active", detail=str(error)) from error
        return File(str(found[0]), self.format) if active == name else File(str(found[0].with_name(active)), "qcow2")

    def confirmed(self, location: Location, volume: Mapping[str, Any], *, restored: bool = False) -> Location:
        """A backend may have files of both formats, from before and after nfs_qcow2_volumes was changed. Which one a
        file is of is said, never guessed; what is said has to fit: only a qcow2 file begins as one, and a raw one has
        exactly the volume's size (a guest may write the beginning of a qcow2 file into its disk). What a backup was
        `restored` into has the backup's bytes, whatever they are: of a volume with snapshots Cinder's NFS drivers (seen
        with Pike's) back up the newest of its files as it is, which is a qcow2 file."""
        assert isinstance(location, File)
        identity = str(volume.get("id"))
        path = Path(location.path)
        own = path.name == self.template.replace("%s", str(volume.get(NAME_ID) or identity))
        said = self.formats.get(identity, location.format) if own else location.format
        try:
            size = path.stat().st_size
            with path.open("rb") as file:
                begins = file.read(len(QCOW2)) == QCOW2
        except FileNotFoundError:  # whoever opens it says so
            return File(location.path, said)
        except OSError as error:
            raise InputError(f"volume {identity}: {path} cannot be read", detail=str(error.strerror)) from error
        whole = int(volume.get("size") or 0) << 30
        if said == "qcow2" and not begins:
            raise _misfit(identity, path, "is said to be qcow2 and does not begin as one", "raw")
        if said == "raw" and begins and whole and size != whole and not restored:
            problem = f"begins as qcow2, is said to be raw, and has {size} bytes, not the volume's {whole}"
            raise _misfit(identity, path, problem, "qcow2")
        return File(location.path, said)


def _misfit(identity: str, path: Path, problem: str, other: str) -> InputError:
    return InputError(
        f"volume {identity}: {path} {problem}",
        hint=f"If it is {other}, say so in the description of its backend: formats: {{{identity}: {other}}}.",
    )

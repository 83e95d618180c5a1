"""Cinder's NFS driver and its kin, as the operator describes them."""

import json
from pathlib import Path
from typing import Literal

from naru.errors import InputError
from naru.volumes.cinder import CinderBackend
from naru.volumes.files.location import File


class FileDriver(CinderBackend):
    """`root` is a share's mount point, or the directory of all mount points (nfs_mount_point_base); `format` that of a
    volume without snapshots (nfs_qcow2_volumes)."""

    kind: Literal["file"]
    root: str
    format: Literal["raw", "qcow2"] = "raw"

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

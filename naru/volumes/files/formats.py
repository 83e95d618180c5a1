"""Which class opens a file of which format."""

from naru.volumes.files.location import File
from naru.volumes.files.qcow2 import Qcow2Volume
from naru.volumes.files.raw import RawVolume
from naru.volumes.volume import Volume


def open_file(location: File, point: str, write: bool) -> Volume:
    """See `naru.volumes.open.open_volume`. Raises InputError for a point."""
    if location.format == "qcow2":
        return Qcow2Volume(location, point, write)
    return RawVolume(location, point, write)

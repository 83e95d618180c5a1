"""What files and block devices can do as volumes."""

from naru.volumes.control import Control
from naru.volumes.files import reflink
from naru.volumes.files.formats import open_file
from naru.volumes.files.location import FORMS, File, parse
from naru.volumes.volume import Backend, Clone, Volume


class Files(Backend[File]):
    """See `Backend`. No stable points; on one file system with reflinks a file becomes a reflink of another, which is
    independent of it at once: nothing is left to flatten."""

    location = File
    forms = FORMS
    clones_as = "reflink"

    def parse(self, scheme: str, rest: str) -> File:
        return parse(scheme, rest)

    def open(self, location: File, point: str, write: bool) -> Volume:
        return open_file(location, point, write)

    def shares_storage(self, source: File, target: File) -> bool:
        return reflink.one_file_system(source, target)

    def clone_obstacle(self, source: File, target: File) -> str:
        return reflink.obstacle(source, target)

    def clone(self, source: File, target: File, job: str, control: Control) -> Clone:
        return reflink.clone(source, target)

    def undo_clone(self, target: File, job: str, control: Control) -> None:
        reflink.undo(target)

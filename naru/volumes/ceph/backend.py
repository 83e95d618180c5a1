"""What a Ceph cluster can do with volumes."""

from naru.volumes.ceph import clone
from naru.volumes.ceph.image import RbdVolume
from naru.volumes.ceph.location import FORMS, Rbd, parse
from naru.volumes.control import Control
from naru.volumes.volume import Backend, Clone, Flattening, Volume


class Ceph(Backend[Rbd]):
    """See `Backend`. Volumes have snapshots, and on one cluster become clones of each other."""

    location = Rbd
    forms = FORMS
    keeps_history = True
    clones_as = "clone"

    def parse(self, scheme: str, rest: str) -> Rbd:
        return parse(rest)

    def open(self, location: Rbd, point: str, write: bool) -> Volume:
        return RbdVolume(location, point, write)

    def shares_storage(self, source: Rbd, target: Rbd) -> bool:
        return clone.one_cluster(source, target)

    def clone_obstacle(self, source: Rbd, target: Rbd) -> str:
        return clone.obstacle(source, target)

    def clone(self, source: Rbd, target: Rbd, job: str, control: Control) -> Clone:
        return clone.clone(source, target, job, control)

    def flatten(self, target: Rbd, job: str, control: Control) -> Flattening:
        return clone.flatten(target, job, control)

    def finish_clone(self, source: Rbd | None, target: Rbd, job: str, control: Control) -> None:
        clone.finish(source, target, job, control)

    def undo_clone(self, target: Rbd, job: str, control: Control) -> None:
        clone.undo(target, job, control)

    def release(self, source: Rbd, job: str) -> None:
        clone.release(source, job)

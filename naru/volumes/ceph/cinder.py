"""Cinder's RBD driver, as the operator describes it."""

from typing import ClassVar, Literal

from naru.volumes.ceph.backend import Ceph
from naru.volumes.ceph.location import CEPH_CONF, Rbd
from naru.volumes.cinder import CinderBackend


class RbdDriver(CinderBackend):
    """rbd_pool, rbd_ceph_conf, rbd_user as this machine has them."""

    keeps_history: ClassVar[bool] = Ceph.keeps_history

    kind: Literal["rbd"]
    pool: str
    conf: str = CEPH_CONF
    user: str = "cinder"
    keyring: str = ""
    namespace: str = ""

    def location(self, name: str) -> Rbd:
        return Rbd(self.pool, name, self.conf, self.user, self.keyring, self.namespace)

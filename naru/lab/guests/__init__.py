"""Real guests on request: compute hosts with libvirt and qemu in software emulation, beside the fake ones."""

from naru.lab.guests.hosts import computes, machines, names, start, stop
from naru.lab.guests.register import FLAVOR, IMAGE, bootable, register

__all__ = ["FLAVOR", "IMAGE", "bootable", "computes", "machines", "names", "register", "start", "stop"]

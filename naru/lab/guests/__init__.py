"""Real guests on request: compute hosts with libvirt and qemu in software emulation, beside the fake ones."""

from naru.lab.guests.hosts import computes, names, start, stop
from naru.lab.guests.register import FLAVOR, IMAGE, register

__all__ = ["FLAVOR", "IMAGE", "computes", "names", "register", "start", "stop"]

"""Real guests on the compute hosts of a cloud over hosts: libvirt and qemu in software emulation, with their network
interfaces on the bridges of the host's agent, as on real compute hosts.
"""

import dataclasses
from pathlib import Path

from naru.lab.hosted.cloud import HostedCloud
from naru.lab.process import Command

UNITS = ("libvirtd.service", "libvirtd-tcp.socket")
"""Units of the distribution that start at each boot. By TCP hosts send each other guests that move while they run."""
TCP = 16509

# the guests are root's, and the kernel of a lab's host keeps them apart no further
_QEMU = """user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
seccomp_sandbox = 0
stdio_handler = "file"
migration_address = "{address}"
"""
_LIBVIRTD = """auth_unix_ro = "none"
auth_unix_rw = "none"
auth_tcp = "none"
"""
# sockets are opened before the host has its address
_SOCKET = """[Socket]
FreeBind=yes
ListenStream=
ListenStream={address}:{port}
"""
_NOVA = """[DEFAULT]
host = {host}
# the same on all hosts: a guest that moves while it runs finds its disks where it had them
state_path = {state}
instances_path = {state}/instances
compute_driver = libvirt.LibvirtDriver
reserved_host_memory_mb = 0
# two cores carry more emulated guests than the default of 16 for each, as far as they idle
cpu_allocation_ratio = 64
force_config_drive = false
# guests that ran when the host's power was cut run again
resume_guests_state_on_host_boot = true
sync_power_state_interval = 600

[libvirt]
virt_type = qemu
cpu_mode = none
hw_machine_type = x86_64=pc
images_type = raw
inject_partition = -2
nfs_mount_point_base = {state}/mnt
live_migration_uri = qemu+tcp://%s/system
live_migration_inbound_addr = {address}
"""


def compute(cloud: HostedCloud, fake: Command) -> Command:
    """The compute service's process in place of that of fake hosts; `cloud` as the host sees it."""
    environment = cloud.environment()
    environment["PYTHONPATH"] += f":{cloud.libvirt_binding()}"
    environment["PATH"] = f"{cloud.inside}/guests-bin:{environment['PATH']}"
    configuration = (*cloud.config("nova", "nova-compute.conf"), "--config-file", str(file(cloud)))
    argv = (cloud.program("python"), str(cloud.inside / "guest_compute.py"), *configuration)
    return dataclasses.replace(fake, argv=argv, env=environment)


def file(cloud: HostedCloud) -> Path:
    """What of Nova's configuration is the host's own, by the same name on all: a site has one line for them."""
    return cloud.etc / "nova" / "guests.conf"


def directories(cloud: HostedCloud) -> list[Path]:
    """Where a compute host has its guests' disks, and the shares with their volumes."""
    return [cloud.state / "nova" / name for name in ("instances", "mnt")]


def files(cloud: HostedCloud) -> dict[Path, str]:
    """What a compute host has on its disk for its guests; `cloud` as the host sees it."""
    return {
        Path("/etc/libvirt/qemu.conf"): _QEMU.format(address=cloud.here),
        Path("/etc/libvirt/libvirtd.conf"): _LIBVIRTD,
        Path("/etc/systemd/system/libvirtd-tcp.socket.d/address.conf"): _SOCKET.format(address=cloud.here, port=TCP),
        file(cloud): _NOVA.format(host=cloud.host, state=cloud.state / "nova", address=cloud.here),
    }

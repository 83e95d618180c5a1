"""What every Ceph cluster of a lab has, on one machine or on hosts: clients, pools, and settings that keep it small."""

import base64
import os
import struct
import time
from collections.abc import Mapping

POOLS = ("volumes", "images", "vms", "backups")
PLACEMENT_GROUPS = 8
"""Of each pool."""
CLIENTS: Mapping[str, Mapping[str, str]] = {
    "admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *", "mds": "allow *"},
    "cinder": {
        "mon": "profile rbd",
        "osd": "profile rbd pool=volumes, profile rbd pool=vms, profile rbd pool=images, profile rbd pool=backups",
        "mgr": "profile rbd pool=volumes, profile rbd pool=vms",
    },
    "glance": {"mon": "profile rbd", "osd": "profile rbd pool=images", "mgr": "profile rbd pool=images"},
}
MANAGER: Mapping[str, str] = {"mon": "allow profile mgr", "osd": "allow *", "mds": "allow *"}
OSD: Mapping[str, str] = {"mon": "allow profile osd", "mgr": "allow profile osd", "osd": "allow *"}
MONITOR: Mapping[str, str] = {"mon": "allow *"}
"""What the daemons of each kind may do."""
SIZE = 200 << 30
"""Bytes of an OSD; nothing of it is allocated before it is written."""

AUTHENTICATION = """auth cluster required = cephx
auth service required = cephx
auth client required = cephx
"""
FOR_CLIENTS = """[client]
admin socket =
log file =
log to stderr = false
rbd default features = 61
rados mon op timeout = 60
client mount timeout = 30
"""
FOR_DAEMONS = f"""ms async op threads = 1
log max recent = 100
debug rocksdb = 0/0
debug bdev = 0/0
debug bluefs = 0/0
debug bluestore = 0/0
debug mon = 0/0
debug osd = 0/0
mon client hunt interval = 0.2
mgr connect retry interval = 0.2
mgr stats period = 2
osd pool default pg num = {PLACEMENT_GROUPS}
osd pool default pg autoscale mode = off
"""
FOR_MONITORS = """[mon]
auth allow insecure global id reclaim = false
mon allow pool delete = true
mon max pg per osd = 1000
mon data avail crit = 1
mon data avail warn = 2
paxos propose interval = 0.02
paxos min wait = 0.01
mon rocksdb options = write_buffer_size=4194304,compression=kNoCompression,level_compaction_dynamic_level_bytes=true
"""
# The OSD's metadata store with small buffers: by default they may grow to 1 GiB.
_ROCKSDB = (
    "compression=kNoCompression,max_write_buffer_number=2,min_write_buffer_number_to_merge=1,recycle_log_file_num=4,"
    "write_buffer_size=4194304,writable_file_max_buffer_size=0,compaction_readahead_size=1048576,"
    "max_background_compactions=1,max_total_wal_size=33554432"
)


def for_osds(size: int) -> str:
    """The part for OSDs of so many bytes, each in a file."""
    return f"""[osd]
osd objectstore = bluestore
osd class update on start = false
osd op num shards = 2
osd op num threads per shard = 1
osd fast shutdown notify mon = false
osd max pg log entries = 200
osd min pg log entries = 100
bluestore block create = true
bluestore block size = {size}
bluestore block wal create = false
bluestore block db create = false
bluestore fsck on mkfs = false
# Every close of the device waits for one poll, and a start opens and closes it seven times (250 ms each by default).
bdev aio poll ms = 25
# Fixed small caches instead of a memory target, whose least value is 896 MiB.
bluestore cache autotune = false
bluestore cache size = 33554432
bluestore rocksdb options = {_ROCKSDB}
"""


def entry(name: str, caps: Mapping[str, str]) -> str:
    """A keyring's entry with a new key."""
    lines = [f"[{name}]", f"\tkey = {_key()}", *(f'\tcaps {kind} = "{cap}"' for kind, cap in caps.items())]
    return "\n".join(lines) + "\n"


def _key() -> str:
    """A new cephx key as ceph-authtool makes it: type 1 (AES), when it was made, length and 16 random bytes."""
    now = time.time_ns()
    return base64.b64encode(struct.pack("<HIIH", 1, now // 10**9, now % 10**9, 16) + os.urandom(16)).decode()


def key_of(keyring: str) -> str:
    """The key of a keyring with one entry."""
    return next(line.split(" = ", 1)[1] for line in keyring.splitlines() if line.startswith("\tkey = "))


def secret(number: str, key: str) -> dict[str, str]:
    """A client's key under that name (a UUID) as libvirtd keeps it: the content of its files by their suffixes."""
    usage = "<usage type='ceph'><name>client.cinder secret</name></usage>"
    return {"xml": f"<secret ephemeral='no' private='no'><uuid>{number}</uuid>{usage}</secret>\n", "base64": key}

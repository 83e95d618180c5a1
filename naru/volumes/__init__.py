"""Volume content: where it is, its stable points, what changed, copied in place from one storage to another, verified.

`blocks`    the blocks of 64 KiB that all of them count in: zeroes, hashes; memory that C libraries may write into
`control`   how the caller of a long operation stops it, slows it down, and sees how far it is
`volume`    what a storage backend offers: `Backend`, `Volume`; locations, extents, points
`ceph/`     images of Ceph, over librbd's C interface
`files/`    raw files and block devices; qcow2 with its backing files, through qemu-nbd; reflinks
`open`      the list of backends, and a volume opened from its location
`engine/`   what works on any two volumes: passes, verification, proofs, clones
`where`     the location of a Cinder volume, from what Cinder says of it and the operator of its backends (`cinder`)

A module imports those above it here, never one below. To add a storage: docs/how-to/add-a-storage-backend.md. Nothing
here knows servers, clouds or plans.
"""

"""Volume content: where it lies, its stable points, what changed, copied in place from one storage to another, proved.

`locations` where content lies, and the text that spells it
`where`     the location of a Cinder volume, from what Cinder says of it and the operator of its backends
`backend`   the functions that every storage has, and `open_volume`
`rbd`       images of Ceph, over librbd's C interface (`librbd`)
`file`      raw files and block devices
`qcow2`     qcow2 with its backing files, through qemu-nbd (`nbd`)
`copy`      passes: the first one copies all, later ones what changed; killed at any instant they go on
`adopt`     no copy at all, where both sides are on one storage: by `clone` (Ceph) or `reflink` (files)
`verify`    both sides' checksums over the whole address space, and the repair of what differs
`blocks`    the blocks of 64 KiB that all of them count in: zeroes, hashes, what is known of a target (`manifest`)

Nothing here knows servers, clouds or plans.
"""

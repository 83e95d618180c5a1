"""Volumes in files: raw files and block devices, and qcow2 files with their backing files.

`backend`   what this storage can do
`location`  a path and a format
`formats`   which class opens which format
`raw`       a raw file or block device: holes, writes in place; and what every file has in common
`qcow2`     a qcow2 file, through a qemu-nbd of our own (`nbd`, a client of the protocol)
`reflink`   a file that shares its blocks with another one, on file systems that can
`cinder`    Cinder's NFS driver and its kin, as an operator describes them
"""

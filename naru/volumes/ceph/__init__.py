"""Volumes in Ceph: RBD images, through librbd's C interface.

`backend`   what this storage can do
`location`  a cluster, a pool, an image, and whose key is used
`image`     one image, open: exact differences between snapshots, asynchronous reads and writes
`clone`     the target's image made a clone of the source's, and later independent of it
`pool`      images of a pool by their names: renamed, cloned, removed
`cluster`   connections, which are shared, and operations that have been started
`librbd`    the C functions of librados and librbd
`cinder`    Cinder's RBD driver, as an operator describes it
"""

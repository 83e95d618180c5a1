"""OpenStack releases as data: which there are, on which Python they run, and their virtual environments.

`release`   one release: `data/<name>.yaml`, its lock `locks/<name>.txt`, the files of `data/etc/<name>/`
`python`    finds an interpreter of the version that a release runs on
`install`   builds a release's virtual environment from its lock, once for all who use it
`bindings`  Python bindings of system libraries, which are in no lock
`overview`  all releases in a table: what each needs and what of it this machine has
`lock`      makes new locks

Nothing here knows of running clouds: the lab, and whatever changes a real cloud's release, both build on it.
"""

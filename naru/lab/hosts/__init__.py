"""Hosts of a lab: each a set of namespaces with a disk, a systemd and an sshd of its own, and a power controller.

`layout`    which hosts and networks there are
`base`      the frozen system below all disks
`disk`      what is on a new disk
`hosts`     all of it from outside: made, brought up, asked, ended

and in the process on which everything hangs (`holder.sh`, `holder`):

`machine`   a host's power supply and cables
`firmware`  a host's boot, up to its systemd
`redfish`   the power controllers
`cgroups`   the cgroups of all that
"""

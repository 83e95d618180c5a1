"""A cloud in daily operation: its hosts, the whole of it, and the tenants that files declare.

A folder for each thing that an operator does, its verbs in `phases`:

`drain`     a compute host emptied and given back; `waves` many of them, with a command in between
`evacuate`  the servers of a dead host brought up elsewhere; `guard` decides whether it is dead
`revive`    a hung server brought up elsewhere
`cluster`   a whole cloud down and up
`scale`     compute hosts added
`tenants`   what projects have, as a file declares it
`metrics`   what Prometheus is told

What several of them need: `compute` (Nova's hosts and servers), `agents` and `handover` (Neutron's agents on a host),
`osds` and `ceph` (a host's OSDs and monitor).
"""

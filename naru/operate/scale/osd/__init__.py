"""OSDs added to a Ceph cluster, and its data moved to them in steps.

`work`        what such a growth was planned with
`state`       what Ceph says of itself: flags, health, placement groups, OSDs
`hosts`       what a host says of itself: name, clock, disks, networks
`prechecks`   what of both is in the way
`quiet`       what is switched off while data moves, read before and put back
`guard`       whether clients suffer from what is moved
`weights`     the share that new OSDs have, and the wait until data is there
`proof`       whether new OSDs are what they are to be
`cephadm`     what the orchestrator is told; `orchestrating` the step kinds of that
`playbooks`   ceph-ansible's; `playing` the step kind of that; `made` what both have in common
`steps`       all other step kinds; `planner` the plan of them; `phases` the verb that makes it
"""

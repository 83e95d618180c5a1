"""A whole cloud taken down in order, and brought up again as it was.

`order`     which service is stopped and started when
`reading`   what runs, and how: asked of hosts, databases, queues, Ceph and the cloud
`galera`    which member of a Galera cluster that is off may begin it
`rules`     what is in the way of going down
`planner`   the plan of the way down; `way_up` that of the way up
`steps`     step kinds of their own; `galera_steps` those of databases, `guest_steps` those of servers
`phases`    the verbs that commands call
"""

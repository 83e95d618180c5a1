"""Clouds whose services are systemd units on hosts of the lab, at their hosts' addresses.

`cloud`     where each service of such a cloud is
`database`  MariaDB on one host, or a Galera cluster
`queue`     RabbitMQ on one host, or a cluster
`balancer`  HAProxy and keepalived before all that there is several times
`units`     a service's process as a systemd unit
`programs`  which units are on which host
`disks`     what of the cloud is on each host's disk
`prepare`   the state made from nothing, by the hosts themselves
`remote`    what the lab itself runs on hosts
`running`   all of it brought up
"""

"""A first site.yaml, from what others already say of a cloud: Ansible inventories, the cloud's own APIs, and its hosts.

`found`       what a source says, and what nobody says
`inventory`   Ansible inventories; `kolla`, `openstack_ansible`: what their groups and variables mean
`cloud`       the cloud's APIs
`look`        what `look.sh` saw on a host; `seen` turns that into services, databases, queues ...
`services`    what services are called
`join`        which names and addresses are of one host
`ranges`      many names and addresses as few lines
`assemble`    all sources as one site; `write` its text
`run`         all of it, in order
"""

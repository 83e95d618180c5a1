"""Whether a site is as its file says: `naru site check`.

`run`        all of it: looks on the hosts, asks what is to be asked, judges
`wanted`     what is to be looked up on each host
`look`       looks it up, by one script (`check.sh`) over one connection a host
`hosts`      hosts reached, root's right, clocks, disks
`services`   services: running, their release, ports, files
`databases`, `queues`, `power`, `balancers`, `addresses`, `storage`   the other sections of the file
`tunnel`     a way to what only a host reaches, through its SSH connection
`threads`, `secrets`   libraries that wait and commands that print a password, kept off the loop
`result`     what is right, wrong, and not known

What is looked up and what is concluded of it are apart: all but `run`, `look` and what asks databases, queues, power
controllers and load balancers are functions of what was seen.
"""

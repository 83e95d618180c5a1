"""Naru carries OpenStack clouds through change: plans that are read first, rehearsed, run, verified, reversible.

The rooms, from the clouds to the report:

    cloud -> inventory -> rules -> plan -> executor -> journal -> report

`naru.cloud`      one OpenStack cloud: connection, releases, microversions
`naru.inventory`  what a project or cloud owns, as typed rows
`naru.plan`       steps as data, journal, executor, rollback; knows no OpenStack
`naru.volumes`    volume content: copied between storages, verified
`naru.releases`   OpenStack releases as data: locked packages, virtual environments
`naru.work`       work directories: whose they are, their journal, rounds, keys
`naru.lab`        real OpenStack clouds on one machine, to try and test on
`naru.cli`        the command line, the only place that prints and exits
"""

__version__ = "0.1.0"

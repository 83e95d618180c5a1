"""Naru carries OpenStack clouds through change: plans that are read first, rehearsed, run, verified, reversible.

Rooms, which are the packages here. Each imports only those below it (`docs/explanation/architecture.md`). What words
such as gate, unit or round mean: `docs/reference/words.md`.

`naru.cli`        the command line, the only place that prints and exits
`naru.move`       a project from one cloud to another: its kinds, rules, phases
`naru.lab`        real OpenStack clouds on one machine, to try and test on
`naru.report`     pages, tables and files for users and operators
`naru.actions`    steps that change a cloud, with typed arguments
`naru.work`       work directories: whose they are, their journal, rounds, keys
`naru.volumes`    volume content: copied between storages, verified
`naru.inventory`  what a project or cloud owns, as typed rows
`naru.releases`   OpenStack releases as data: locked packages, virtual environments
`naru.cloud`      one OpenStack cloud: connection, releases, microversions
`naru.plan`       steps as data, journal, executor, rollback; knows no OpenStack
`naru.messages`   what is said, by id and values, in English and Korean
"""

__version__ = "0.1.0"

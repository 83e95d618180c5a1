"""Step kinds on hosts, by SSH: no agent, nothing but a shell and the usual tools of a Linux system on the host.

`place`       what a step keeps on its host, and its scripts there
`detached`    commands that go on when whoever began them is gone, and are found again
`command`     `host.command`
`unit`        `host.unit`: systemd's units
`container`   `host.container`: podman's and docker's
`file`        `host.file`
`tree`        `host.tree`: directories shipped as archives, switched by a link
`write_gate`  `host.write_gate`: who may write through a load balancer
`shipping`    bytes to a host, going on where it ended
`forget`      `host.forget`: nothing of a plan is left on its hosts

docs/reference/host-steps.md says what they take and what lies on a host.
"""

from naru.actions.hosts import command, container, file, forget, tree, unit, write_gate

__all__ = ["command", "container", "file", "forget", "tree", "unit", "write_gate"]

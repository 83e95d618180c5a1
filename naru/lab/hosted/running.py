"""A cloud over hosts brought up: from the prepared state, after `naru lab stop`, after power cuts, or as it runs."""

import time

from naru.files import write_whole
from naru.lab import health
from naru.lab.api import Api
from naru.lab.guests import bootable
from naru.lab.hosted import ceph, disks, prepare, units
from naru.lab.hosted.cloud import SHARES, HostedCloud
from naru.lab.hosted.remote import run
from naru.lab.hosts.hosts import Hosts
from naru.lab.running import DIRECTORIES, READY, Progress
from naru.lab.services import nova

# until all is healthy after the last host's boot, on a machine with other things to do
SECONDS = 420.0


def up(cloud: HostedCloud, hosts: Hosts, progress: Progress) -> None:
    """Brings the hosts up with the cloud on them and waits until it is healthy. What is on disks that were made before
    is kept: units start at each boot by themselves."""

    def tell(what: str) -> None:
        progress(cloud.name, what)

    since = 0.0 if hosts.holder() else time.time()
    _directories(cloud)
    if "ceph" in cloud.roles:
        ceph.prepare(cloud)
    if not (cloud.state / READY).exists():
        tell("looking for a prepared state")
        state = prepare.ensure(cloud, hosts, tell)
        since = time.time()
        hosts.up(tell, furnish=lambda: disks.furnish(cloud, hosts, state))
        (cloud.state / READY).touch()
    else:
        hosts.up(tell, furnish=lambda: disks.elect(cloud, hosts))
    tell("waiting for the services' heartbeats")
    health.wait(cloud, since, SECONDS)
    _discover(cloud, hosts)
    if cloud.real_guests:
        tell("making the guests' image")
        bootable(Api(cloud))
    tell("healthy")


def _directories(cloud: HostedCloud) -> None:
    """The shares, and the password for whoever works on the cloud's databases and queues."""
    for name in DIRECTORIES:
        if name.split("/")[0] in SHARES:
            (cloud.state / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    (cloud.state / "tmp").mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(cloud.password, cloud.secret)


def _discover(cloud: HostedCloud, hosts: Hosts) -> None:
    """Maps the compute hosts to Nova's cell, unless that was done."""
    done, names = cloud.state / "discovered", "\n".join(cloud.hosts)
    if not done.exists() or done.read_text() != names:
        seen = cloud.on(cloud.first_controller)
        script = units.script(seen.environment(), nova.discover_hosts(seen), seen.directory)
        # once more when the scheduler's own task has mapped one in the same moment
        log = cloud.directory / "log" / "discover.log"
        run(hosts, cloud.first_controller.name, f"({script} || {script}) >&2", "nova-manage", log)
        done.write_text(names)

"""The shared lab's hosts, asked beside the executors that work on them."""

from collections.abc import Iterator

import pytest

from naru.lab.hosts.hosts import Hosts
from naru.lab.lab import Lab
from naru.site import site as sites
from naru.site.ssh import Fleet

from . import kit


@pytest.fixture(autouse=True)
def nobody_goes_on() -> Iterator[None]:
    """Executors of a test that failed do not work on the hosts of the next one."""
    yield
    while kit.ALIVE:
        kit.ALIVE.pop().kill()


@pytest.fixture
def site(five: Lab, hosts: Hosts) -> str:
    """The lab's site.yaml."""
    return str(five.site_yaml)


@pytest.fixture
def fleet(five: Lab, hosts: Hosts) -> Iterator[Fleet]:
    with Fleet(sites.load(five.site_yaml)) as found:
        yield found

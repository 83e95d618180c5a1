"""One memcached of one cloud."""

from naru.lab.ports import At
from naru.lab.process import Command


def command(at: At) -> Command:
    """The server: 64 MB, one thread."""
    return Command(
        "memcached",
        ("memcached", "-u", "root", "-l", at.address, "-p", str(at.port), "-m", "64", "-c", "2048", "-t", "1"),
        env={"PATH": "/usr/bin:/bin"},
        port=at.port,
        address=at.address,
    )

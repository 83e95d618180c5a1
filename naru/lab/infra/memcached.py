"""One memcached of one cloud."""

from naru.lab.process import Command


def command(port: int) -> Command:
    """The server: 64 MB, one thread."""
    return Command(
        "memcached",
        ("memcached", "-u", "root", "-l", "127.0.0.1", "-p", str(port), "-m", "64", "-c", "2048", "-t", "1"),
        env={"PATH": "/usr/bin:/bin"},
        port=port,
    )

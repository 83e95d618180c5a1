"""What the lab itself runs on its hosts: shell scripts by ssh, sent over standard input, since they hold passwords."""

import subprocess
from pathlib import Path

from naru.errors import NaruError
from naru.lab.hosts.hosts import Hosts


def run(hosts: Hosts, name: str, script: str, what: str, log: Path) -> str:
    """Runs a script on a host to its end and gives its standard output; error output is appended to the log.

    Raises NaruError saying `what` failed."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as errors:
        done = subprocess.run(
            hosts.ssh(name, "sh", "-es"), input=script.encode(), stdout=subprocess.PIPE, stderr=errors
        )
    if done.returncode:
        raise NaruError(
            f"{name}: {what} failed with exit code {done.returncode}",
            detail="\n".join(log.read_text(errors="replace").splitlines()[-12:]),
            hint=f"The whole output: {log}",
        )
    return done.stdout.decode(errors="replace")

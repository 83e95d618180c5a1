"""Programs of this machine on hosts that do not have them."""

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from naru.lab.hosts.hosts import Hosts


def ship(hosts: Hosts, name: str, programs: Iterable[str], trees: Sequence[str] = ()) -> None:
    """Puts programs with the libraries that they need, and whole directories, at the same places of a host."""
    wanted = dict.fromkeys(trees)
    for program in programs:
        wanted[program] = None
        said = subprocess.run(["ldd", program], capture_output=True, text=True, timeout=60).stdout
        wanted |= dict.fromkeys(word for word in said.split() if word.startswith("/"))
    # /lib is a link on hosts, too, and has to stay one
    real = [str(Path(path).parent.resolve() / Path(path).name) for path in wanted]
    argv = ["tar", "-chf", "-", "-C", "/", *[path.lstrip("/") for path in real]]
    packed = subprocess.run(argv, capture_output=True, timeout=300)
    assert packed.returncode == 0, packed.stderr
    line = hosts.ssh(name, "tar -xf - -C / --skip-old-files")
    done = subprocess.run(line, input=packed.stdout, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr

"""A service's process as a systemd unit on its host."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from naru.lab.ports import At
from naru.lab.process import Command

DIRECTORY = Path("/etc/systemd/system")


@dataclass(frozen=True)
class Unit:
    """A process on a host. It starts when of each of `gates` one server accepts connections, and `before` (commands)
    has ended; its output is appended to `log`. With the name of a `container` the unit makes and starts that one, which
    has the process. `part` is what its name begins with, beside the command's."""

    command: Command
    log: Path
    scripts: Path
    gates: tuple[tuple[At, ...], ...] = ()
    before: tuple[tuple[str, ...], ...] = ()
    container: str = ""
    part: str = ""

    @property
    def name(self) -> str:
        return f"container-{self.container}.service" if self.container else f"{self.part}{self.command.name}.service"

    def preparing(self) -> list[tuple[str, ...]]:
        """What has to end before the process starts."""
        gates = [",".join(map(str, gate)) for gate in self.gates]
        return [*([(str(self.scripts / "wait-for"), *gates)] if gates else []), *self.before]

    def text(self, description: str) -> str:
        """The unit's file."""
        command = self.command
        head = ["[Unit]", f"Description={description}", "After=network.target", "StartLimitIntervalSec=0"]
        head += ["", "[Service]"]
        foot = ["", "[Install]", "WantedBy=multi-user.target", ""]
        if self.container:
            # what it has started stays when it ends: that is podman's
            make = f"ExecStart=/bin/sh {self.scripts.with_name('containers') / self.container}"
            return "\n".join([*head, "Type=oneshot", "RemainAfterExit=yes", "KillMode=none", make, *foot])
        lines = [
            *(f"Environment={_quoted(f'{key}={value}')}" for key, value in command.env.items()),
            *([f"WorkingDirectory={command.cwd}"] if command.cwd else []),
            *(f"ExecStartPre={_line(argv)}" for argv in self.preparing()),
            f"ExecStart={_line(command.argv)}",
            f"StandardOutput=append:{self.log}",
            "StandardError=inherit",
            "Restart=always",
            "RestartSec=2",
            "TimeoutStartSec=infinity",
            f"TimeoutStopSec={command.grace:g}",
        ]
        return "\n".join([*head, *lines, *foot])


def _line(argv: tuple[str, ...]) -> str:
    # a $ would be a variable of systemd's
    return " ".join(_quoted(word).replace("$", "$$") for word in argv)


def _quoted(word: str) -> str:
    """A word as systemd reads it (systemd.syntax(7))."""
    word = word.replace("%", "%%")
    if re.fullmatch(r"[\w@%+=:,./-]+", word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def script(environment: dict[str, str], argv: tuple[str, ...], directory: Path) -> str:
    """The same as a line of shell, for what is run once."""
    exports = " ".join(shlex.quote(f"{key}={value}") for key, value in environment.items())
    return f"cd {directory} && env -i {exports} {shlex.join(argv)}"

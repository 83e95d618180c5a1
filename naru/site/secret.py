"""Passwords and keys that a site names and does not hold: the content of a file, or what a command prints."""

import os
import shlex
import subprocess
from pathlib import Path

import pydantic

from naru.errors import NaruError
from naru.files import read_private

SECONDS = 30.0
"""How long a command may take."""


class Secret(pydantic.BaseModel):
    """`{file: PATH}` or `{command: LINE}`. A path is from the directory of site.yaml on; the command runs there,
    without a shell. The last line end is not part of the secret."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    file: str = ""
    command: str = ""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _not_itself(cls, given: object) -> object:
        if not isinstance(given, dict):
            # the message may not repeat what was given
            raise ValueError("a secret is not written here; say where it is: {file: PATH} or {command: LINE}")
        return given

    @pydantic.model_validator(mode="after")
    def _one(self) -> "Secret":
        if bool(self.file) == bool(self.command):
            raise ValueError("either file or command")
        return self

    def read(self, directory: Path, what: str) -> str:
        """The secret. `what` begins the message when it cannot be had, which is an InputError for a file and a
        NaruError for a command."""
        text = (
            read_private(directory / Path(self.file).expanduser(), what)
            if self.file
            else self._command(directory, what)
        )
        return text.removesuffix("\n")

    def _command(self, directory: Path, what: str) -> str:
        try:
            done = subprocess.run(
                shlex.split(self.command),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                env={**os.environ},
            )
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            reason = error.strerror if isinstance(error, OSError) else f"no answer within {SECONDS:g} s"
            raise NaruError(f"{what}: {self.command}: {reason}") from error
        if done.returncode:
            raise NaruError(f"{what}: {self.command} exited with {done.returncode}", detail=done.stderr.strip()[-500:])
        return done.stdout

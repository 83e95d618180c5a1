"""qcow2 files, read through their backing files and written in place, by a qemu-nbd of our own.

The format of every file of a chain has to be written in the one above it, and no file may be elsewhere than beside
the first: what a guest wrote into its disk must not decide which files of this host are read.
"""

import json
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from naru.errors import InputError
from naru.volumes.blocks import Buffer
from naru.volumes.files.location import File
from naru.volumes.files.nbd import LONGEST, NbdClient
from naru.volumes.files.raw import OnFiles, confirm, identity_of, no_points, opened
from naru.volumes.volume import Extent, Pending, VolumeError

# $$ is the shell's own number, which stays when it becomes qemu-nbd: sd_listen_fds(3) wants to see it. Beside it one
# waits for the end of what only we hold open: qemu-nbd ends with its last client, but not if that came to no agreement
# with it, as when we were killed right then; it would keep the image locked for ever. It gets the signal again and
# again: one that comes while it starts is lost. What is held open comes as standard input, the socket as standard
# output: of other descriptors the number may have two digits, which dash does not take.
_ACTIVATED = """
exec 3<&1 4<&0 </dev/null >/dev/null
(
  exec 3<&-
  read -r _ <&4
  while read -r _ _ _ parent _ </proc/self/stat && test "$parent" = $$; do kill $$; sleep 0.1; done
) 2>/dev/null &
exec 4<&-
LISTEN_FDS=1 LISTEN_PID=$$ exec qemu-nbd "$@"
"""
LEFT = 10.0  # seconds within which the server of a process that was killed has surely written all, and ended


class Qcow2Volume(OnFiles):
    """See `Volume`. Raises InputError for a point, for a chain that is not safe, and without qemu-nbd."""

    def __init__(self, location: File, point: str, write: bool) -> None:
        self.location: File = location
        self._name = str(location)
        self._write = write
        if point:
            raise no_points(self._name)
        for path in reversed(chain(location)):
            fd = opened(path, False)
            self._identity = identity_of(fd)
            os.close(fd)
        until = time.monotonic() + LEFT
        while True:
            try:
                return self._serve()
            except VolumeError as error:
                if '" lock' not in error.detail or time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def _serve(self) -> None:
        """Starts qemu-nbd on a socket to which we are connected already: nobody else can connect. It ends when we do,
        however that happens."""
        with tempfile.TemporaryDirectory(prefix="naru-") as directory, socket.socket(socket.AF_UNIX) as listener:
            path = f"{directory}/nbd"
            listener.bind(path)
            listener.listen(1)
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(path)
            options = ["--format=qcow2", "--discard=unmap", *([] if self._write else ["--read-only"])]
            arguments = [*options, "--", str(Path(self.location.path).absolute())]
            life, ours = os.pipe()
            self._life = os.fdopen(ours, "wb", buffering=0)
            try:
                self._server = subprocess.Popen(
                    ["/bin/sh", "-c", _ACTIVATED, "qemu-nbd", *arguments],
                    stdin=life,
                    stdout=listener.fileno(),
                    stderr=subprocess.PIPE,
                    start_new_session=True,  # Ctrl-C is for us: what was written has to be flushed first
                )
            except OSError as error:
                connection.close()
                self._life.close()
                raise _missing("qemu-nbd", error) from error
            finally:
                os.close(life)
        try:
            self._client = NbdClient(connection, self._name)
        except VolumeError as error:
            connection.close()
            self._life.close()
            raise VolumeError(error.summary, detail=self._ended() or error.detail) from error

    def _ended(self) -> str:
        """Waits for the server, which ends when its last client has gone; its standard error."""
        try:
            output: bytes = self._server.communicate(timeout=60)[1]
        except subprocess.TimeoutExpired:
            self._server.kill()
            output = self._server.communicate()[1]
        return output.decode(errors="replace").strip()

    def close(self) -> None:
        if self._server.poll() is None:
            self._client.close()
            self._ended()
        self._client.close()
        self._life.close()
        if self._server.stderr:
            self._server.stderr.close()

    # -- what it is

    def identity(self) -> str:
        return self._identity

    def confirm(self) -> None:
        confirm(self.location, self._identity)

    def size(self) -> int:
        return self._client.size

    def resize(self, size: int) -> None:
        now = self.size()
        if size < now:
            raise InputError(f"{self._name} has {now} bytes and is not shrunk to {size}")
        if size > now:
            self.close()
            _qemu_img("resize", "-q", "-f", "qcow2", self.location.path, str(size))
            self._serve()

    # -- content

    def data(self, start: int, end: int, since: str = "") -> list[Extent]:
        if since:
            raise no_points(self._name)
        return self._client.data(start, min(end, self.size()))

    def read(self, buffer: Buffer, at: int, offset: int, length: int) -> Pending:
        return self._client.read(buffer, at, offset, length)

    def write(self, buffer: Buffer, at: int, offset: int, length: int) -> Pending:
        return self._client.write(buffer, at, offset, length)

    def zero(self, offset: int, length: int) -> Pending:
        while length > LONGEST:
            self._client.zero(offset, LONGEST).wait(lambda: None)
            offset, length = offset + LONGEST, length - LONGEST
        return self._client.zero(offset, length)

    def flush(self) -> None:
        self._client.flush()


def chain(location: File) -> list[Path]:
    """The file and its backing files, the lowest last. Raises InputError for a chain whose formats are not written
    down or that leads out of the file's directory."""
    path = Path(location.path)
    if not path.exists():
        raise InputError(f"{path} cannot be opened", detail="No such file or directory")
    directory = path.resolve().parent
    files: list[Path] = []
    kind = location.format
    while True:
        files.append(path)
        # one file at a time, each opened only after it was found to be where it may be
        answer = _qemu_img("info", "--force-share", "--output=json", "-f", kind, str(path))
        image: dict[str, Any] = json.loads(answer)
        if image.get("format-specific", {}).get("data", {}).get("data-file"):
            raise InputError(f"{path} keeps its data in another file", detail="an external data file is not supported")
        if "backing-filename" not in image:
            return files
        below, kind = Path(image["full-backing-filename"]), image.get("backing-filename-format", "")
        if below.resolve().parent != directory:
            raise InputError(f"{path} has a backing file in another directory", detail=str(below))
        if kind not in ("raw", "qcow2"):
            raise InputError(
                f"{path} does not say of which format its backing file is",
                detail=f"its backing file is {below.name}, its format {kind or 'not given'}",
                hint=f"When you know it: qemu-img rebase -u -b {below.name} -F raw|qcow2 {path}",
            )
        path = below


def _qemu_img(*arguments: str) -> str:
    try:
        done = subprocess.run(["qemu-img", *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise _missing("qemu-img", error) from error
    if done.returncode:
        raise InputError(f"{arguments[-1]}: qemu-img {arguments[0]} fails", detail=done.stderr.strip())
    return done.stdout


def _missing(program: str, error: OSError) -> InputError:
    return InputError(
        f"{program} cannot be run", detail=str(error), hint="Debian and Ubuntu: apt-get install qemu-utils"
    )

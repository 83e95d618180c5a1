"""Hosts by SSH: one connection to each, kept and shared, hundreds at a time, their keys always checked."""

import asyncio
import contextlib
import os
import shlex
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

import asyncssh

from naru.errors import NaruError
from naru.site.model import Login
from naru.site.secrets import Secrets
from naru.site.site import Host, Site

T = TypeVar("T")
# it would tell of each connection and each command, whole scripts among them
asyncssh.set_log_level("WARNING")

CONNECTING = 64
"""Connections that are being made at a time."""
SESSIONS = 8
"""Commands at a time on one host: its sshd allows ten on a connection."""
CONNECT_SECONDS = 10.0
ALIVE = 5.0
"""Seconds after which a host that says nothing is asked, three times, whether it is still there."""
LOOK = 0.2
"""Seconds between two looks at whether a caller wants to stop."""


class Unreachable(NaruError):
    """A host cannot be reached, or does not let one log in: nothing was done on it."""


class Refused(Unreachable):
    """It can be reached, and its key is not the one that is known, or it does not let one log in: to try again is of no
    use."""


class Lost(NaruError):
    """The connection ended while a command ran: what became of that is not known, and is to be looked up."""


class Ran(NamedTuple):
    """How a command ended: its exit code (negative: the signal's number), output and error output."""

    code: int
    out: str
    errors: str


class Remote:
    """One host. Its methods are for the fleet's own thread; see `Fleet.each` and `Fleet.call`."""

    def __init__(self, site: Site, host: Host, connecting: asyncio.Semaphore, secrets: Secrets) -> None:
        self.host = host
        self.name = host.name
        self._site = site
        self._connecting = connecting
        self._secrets = secrets
        self._sessions = asyncio.Semaphore(SESSIONS)
        self._lock = asyncio.Lock()
        self._connection: asyncssh.SSHClientConnection | None = None

    async def connection(self) -> asyncssh.SSHClientConnection:
        """The connection, made unless it is there. Raises Unreachable."""
        async with self._lock:
            if self._connection is None or self._connection.is_closed():
                async with self._connecting:
                    self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> asyncssh.SSHClientConnection:
        where = f"{self.name} ({self.host.address})" if self.host.address != self.name else self.name
        options = await self._options(self.host.login)
        try:
            return await asyncio.wait_for(asyncssh.connect(self.host.address, **options), CONNECT_SECONDS)
        except asyncssh.HostKeyNotVerifiable as error:
            raise Refused(
                f"{where}: its host key is not known, or is another one than is known",
                detail=error.reason,
                hint="Compare it with the host's own, then add it: ssh-keyscan HOST >> FILE (login.known_hosts).",
            ) from error
        except asyncssh.PermissionDenied as error:
            if self.host.login.password:
                self._secrets.forget(self.host.login.password)
            raise Refused(
                f"{where}: it does not let {options.get('username') or 'this user'} log in",
                detail=error.reason,
                hint="Set login.user and login.key, or login.password, of the site or of the host.",
            ) from error
        except TimeoutError as error:
            raise Unreachable(f"{where}: no answer by SSH within {CONNECT_SECONDS:g} s") from error
        except (OSError, asyncssh.Error) as error:
            reason = error.reason if isinstance(error, asyncssh.Error) else error.strerror or str(error)
            raise Unreachable(f"{where}: {reason}") from error
        except (ValueError, asyncssh.KeyImportError) as error:
            raise Unreachable(f"{where}: {error}") from error

    async def _options(self, login: Login) -> dict[str, Any]:
        path = self._site.path
        password = None
        if login.password:
            password = await self._secrets.read(login.password, f"login.password of {self.name}")
        given = {
            "username": login.user,
            "port": login.port,
            "client_keys": [str(path(login.key))] if login.key else None,
            "password": password,
            "known_hosts": str(path(login.known_hosts)) if login.known_hosts else None,
            "config": [str(path(login.ssh_config))] if login.ssh_config else None,
            "tunnel": login.jump,
        }
        # None would mean to check no host key, and to read no file
        said = {name: value for name, value in given.items() if value is not None}
        return {**said, "keepalive_interval": ALIVE, "login_timeout": CONNECT_SECONDS, "request_pty": False}

    async def run(
        self,
        command: str | Sequence[str],
        *,
        given: bytes = b"",
        seconds: float | None = None,
        root: bool = True,
        held: bool = False,
    ) -> Ran:
        """Runs a command: a line for the shell, or words. `given` is its standard input, which ends then; `held`, it
        ends only with the connection, or when nobody waits for the command any more, so that the command can end, too.
        With `root` by sudo, where the login says so. Raises Unreachable before it began, Lost when the connection ends
        meanwhile, NaruError when it takes longer than `seconds`; it may go on on the host then."""
        line = command if isinstance(command, str) else shlex.join(command)
        if root and self.host.login.sudo:
            line, given = await self._as_root(line, given)
        connection = await self.connection()
        async with self._sessions:
            try:
                done = await asyncio.wait_for(_run(connection, line, given, held), seconds)
            except TimeoutError as error:
                raise NaruError(f"{self.name}: no end of {_short(line)} within {seconds:g} s") from error
            except asyncssh.ChannelOpenError as error:
                raise Unreachable(f"{self.name}: {error.reason}") from error
            except (OSError, asyncssh.Error) as error:
                await self.close()
                raise Lost(f"{self.name}: the connection ended while {_short(line)} ran") from error
        if done.exit_status is None or done.returncode is None:
            await self.close()
            raise Lost(f"{self.name}: the connection ended while {_short(line)} ran")
        return Ran(done.returncode, _text(done.stdout), _text(done.stderr))

    async def follow(
        self, command: str, told: Callable[[str], None], *, given: bytes = b"", root: bool = True
    ) -> tuple[int, str]:
        """Runs a line for the shell that goes on, and calls `told` for each line that it says, as they come; its exit
        code, and the end of its error output. Cancelled, it ends there when it says something next. Raises Unreachable
        and Lost."""
        if root and self.host.login.sudo:
            command, given = await self._as_root(command, given)
        connection = await self.connection()
        async with self._sessions:
            try:
                async with connection.create_process(command, encoding="utf-8", errors="replace") as process:
                    process.stdin.write(given.decode())
                    process.stdin.write_eof()
                    errors = asyncio.ensure_future(process.stderr.read())
                    try:
                        async for line in process.stdout:
                            told(line.strip())
                        done = await process.wait(check=False)
                        return done.returncode if done.returncode is not None else -1, str(await errors)[-2000:]
                    finally:
                        errors.cancel()
                        process.close()
            except asyncssh.ChannelOpenError as error:
                raise Unreachable(f"{self.name}: {error.reason}") from error
            except (OSError, asyncssh.Error) as error:
                await self.close()
                raise Lost(f"{self.name}: the connection ended while {_short(command)} ran") from error

    async def _as_root(self, line: str, given: bytes) -> tuple[str, bytes]:
        secret = self.host.login.sudo_password
        if secret is None:
            return f"sudo -n -- sh -c {shlex.quote(line)}", given
        password = await self._secrets.read(secret, f"login.sudo_password of {self.name}")
        # the password comes first on the standard input, which the command then has the rest of
        return f"sudo -S -k -p '' -- sh -c {shlex.quote(line)}", password.encode() + b"\n" + given

    async def checked(self, command: str | Sequence[str], **options: Any) -> str:
        """The output of a command. Raises NaruError when its exit code is not 0."""
        done = await self.run(command, **options)
        if done.code:
            line = command if isinstance(command, str) else shlex.join(command)
            raise NaruError(f"{self.name}: {_short(line)} exited with {done.code}", detail=done.errors.strip()[-2000:])
        return done.out

    async def fetched(self, path: str, file: Path) -> None:
        """Brings a file of the host here, its bytes as they are. Raises as `checked`; what has come until then stays in
        `file`."""
        line, given = f"cat {shlex.quote(path)}", b""
        if self.host.login.sudo:
            line, given = await self._as_root(line, given)
        connection = await self.connection()
        async with self._sessions:
            try:
                process = await connection.create_process(line, encoding=None, stdout=str(file))
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    process.stdin.write(given)
                    process.stdin.write_eof()
                done = await process.wait(check=False)
            except asyncssh.ChannelOpenError as error:
                raise Unreachable(f"{self.name}: {error.reason}") from error
            except (OSError, asyncssh.Error) as error:
                await self.close()
                raise Lost(f"{self.name}: the connection ended while {path} was fetched") from error
        if done.exit_status is None:
            raise Lost(f"{self.name}: the connection ended while {path} was fetched")
        if done.exit_status:
            raise NaruError(f"{self.name}: {path} cannot be fetched", detail=_text(done.stderr).strip()[-2000:])

    async def close(self) -> None:
        """Ends the connection; the next command makes another one."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None


class Fleet:
    """All hosts of a site. Connections are made when they are needed, and ended with it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="naru-ssh", daemon=True)
        self._thread.start()
        self._connecting = asyncio.Semaphore(CONNECTING)
        self.secrets = Secrets(site)
        self._remotes: dict[str, Remote] = {}

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def later(self) -> "Fleet":
        """The hosts of the site as it will be, with `next`: made when first asked for, and ended with this one."""
        return Fleet(Site(self.site.content, self.site.file, next_part=True))

    def close(self) -> None:
        """Ends all connections."""
        if self._loop.is_closed():
            return
        if "later" in vars(self):
            self.later.close()

        async def end() -> None:
            for remote in self._remotes.values():
                await remote.close()
            running = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def remote(self, name: str) -> Remote:
        """One host of the site by its name."""
        if name not in self._remotes:
            self._remotes[name] = Remote(self.site, self.site.hosts[name], self._connecting, self.secrets)
        return self._remotes[name]

    def call(self, work: Coroutine[Any, Any, T], check: Callable[[], None] | None = None) -> T:
        """What a coroutine over remotes gives. `check` is called now and then: what it raises cancels the work and is
        raised."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            while True:
                try:
                    return future.result(LOOK if check else None)
                except NotYet:
                    if future.done():
                        raise  # the work's own
                    if check:
                        check()
        except BaseException:
            future.cancel()
            raise

    def run(self, host: str, command: str | Sequence[str], **options: Any) -> Ran:
        """A command on one host: see `Remote.run`."""
        return self.call(self.remote(host).run(command, **options))

    def each(
        self,
        hosts: Iterable[str],
        work: Callable[[Remote], Awaitable[T]],
        *,
        at_once: int = 300,
        ended: Callable[[str, "T | NaruError"], None] | None = None,
        check: Callable[[], None] | None = None,
    ) -> dict[str, "T | NaruError"]:
        """What `work` gives for each host, or the error it ended with, in the hosts' order; `ended` is told as they
        come, in another thread."""
        names = list(hosts)
        remotes = [self.remote(name) for name in names]

        async def one(remote: Remote, room: asyncio.Semaphore) -> "T | NaruError":
            async with room:
                try:
                    result: T | NaruError = await work(remote)
                except NaruError as error:
                    result = error
            if ended:
                ended(remote.name, result)
            return result

        async def all_of_them() -> "list[T | NaruError]":
            room = asyncio.Semaphore(at_once)
            return list(await asyncio.gather(*(one(remote, room) for remote in remotes)))

        return dict(zip(names, self.call(all_of_them(), check), strict=True))


async def _run(
    connection: asyncssh.SSHClientConnection, line: str, given: bytes, held: bool = False
) -> asyncssh.SSHCompletedProcess:
    """A command with what it is given, which ends: to one that reads an empty input as well. One that has ended
    without reading it, as sudo that refuses, has an exit code all the same."""
    process = await connection.create_process(line, encoding=None)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        if given:
            process.stdin.write(given)
        if not held:
            process.stdin.write_eof()
    try:
        return await process.wait(check=False)
    finally:
        if held:
            process.close()


def _short(line: str) -> str:
    return line if len(line) <= 80 else f"{line[:77]}..."


def _text(output: "bytes | str | None") -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def user_of(host: Host) -> str:
    """Whom the site logs in as, for a person."""
    return host.login.user or os.environ.get("USER", "")

"""What the operating system refuses, as errors that a person reads: what could not be done, and what to do about it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from naru.volumes.volume import VolumeError

GONE = (errno.EIO, errno.ESTALE, errno.ENOENT, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENODEV)


def failed(name: str, what: str, error: OSError) -> VolumeError:
    """The error of a volume: `what` cannot be done with it."""
    return VolumeError(f"{name} {what}: {error.strerror or error}", hint=hint_of(error.errno))


def hint_of(number: int | None) -> str:
    """What to do about an error of a file system, by its number."""
    if number in (errno.ENOSPC, errno.EDQUOT):
        return "Its file system is full: make space, then the same command goes on."
    if number in GONE:
        return "Is its share mounted, and its server and disk well? Then the same command goes on."
    return ""


@contextmanager
def reported(name: str, what: str) -> Iterator[None]:
    """What the operating system refuses within is raised as VolumeError."""
    try:
        yield
    except OSError as error:
        raise failed(name, what, error) from error

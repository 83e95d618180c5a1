"""The secrets that a site names, each read once for all that want it, and off the loop: its command may take long, and
ten thousand hosts may name the same one."""

import asyncio
import time

from naru.site.secret import Secret
from naru.site.site import Site
from naru.site.threads import in_thread

AGAIN = 10.0
"""Seconds after which one that could not be read is tried again; until then each that wants it has the same error."""


class Secrets:
    """The secrets of a site, for one event loop."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._reading: dict[Secret, tuple[asyncio.Task[str], float]] = {}

    async def read(self, secret: Secret, what: str) -> str:
        """The secret. `what` begins the message when it cannot be had. Raises InputError or NaruError."""
        task, begun = self._reading.get(secret, (None, 0.0))
        if task is None or (task.done() and task.exception() and time.monotonic() - begun > AGAIN):
            task = asyncio.create_task(in_thread(lambda: self._site.secret(secret, what)))
            self._reading[secret] = task, time.monotonic()
        return await asyncio.shield(task)

    def forget(self, secret: Secret) -> None:
        """It was refused: whoever wants it next reads it anew."""
        task, _ = self._reading.get(secret, (None, 0.0))
        if task is not None and task.done():
            del self._reading[secret]

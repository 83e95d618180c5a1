"""The secrets that a site names, each read once for all that want it, and off the loop: its command may take long."""

import asyncio

from naru.site.check.threads import in_thread
from naru.site.secret import Secret
from naru.site.site import Site


class Secrets:
    """The secrets of a site. One that cannot be read is not tried again: each that wants it has the same error."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._reading: dict[Secret, asyncio.Task[str]] = {}

    async def read(self, secret: Secret, what: str) -> str:
        """The secret. `what` begins the message when it cannot be had. Raises InputError or NaruError."""
        if secret not in self._reading:
            self._reading[secret] = asyncio.create_task(in_thread(lambda: self._site.secret(secret, what)))
        return await asyncio.shield(self._reading[secret])

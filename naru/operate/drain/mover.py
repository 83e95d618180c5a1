"""One server moved off a host: begun, watched, and found again by whoever comes after a killed attempt.

What the server itself shows decides, never a migration's word alone: Nova says `completed` of migrations whose server
is still where it was, and to reset the task of such a one would have the source end a guest that runs. A server is
never unlocked, its state never reset.
"""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from naru.actions.clouds import SETTLE
from naru.cloud.client import Cloud, CloudError, Unavailable
from naru.errors import NaruError
from naru.operate import compute
from naru.operate.drain.convergence import Convergence, Silence, left
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.text import duration

EVERY = 1.0
"""Seconds between two looks at a server that moves."""
SILENT = 3600.0
"""Seconds after which a move of which nothing new was seen has failed; a disk that is copied takes longer."""
_WHAT = ("memory", "disk")
RESIZING = ("resize_prep", "resize_migrating", "resize_migrated", "resize_finish", "resize_reverting")
HINT = "naru host status DIR; when the cause is gone give the command again. To leave it here: naru plan skip."


class Busy(Transient):
    """Something else is being done to the server."""


class Stuck(Transient):
    """Its live migration came to no end, and was ended: it is tried again after others."""


class Moved(NamedTuple):
    """How a server came away: where to, `how` (live, cold, or `already` when somebody else has done it), its status
    before, and the bytes that were copied as far as that was seen."""

    to: str
    how: str
    status: str
    bytes: float


class Mover:
    """`args` are those of a step `drain.move`."""

    def __init__(self, context: Context, client: Cloud, args: Mapping[str, Any]) -> None:
        self.context = context
        self.client = client
        self.args = args
        self.identity: str = args["server"]
        self.source: str = args["host"]
        self.before: str = (context.earlier or {}).get("status") or args["status"]
        self.how: str = (context.earlier or {}).get("how", "")
        self.copied = 0.0
        self._silence = Silence(self.args.get("silent", SILENT))

    def move(self) -> Moved | None:
        """Brings it away; None when it is deleted. Raises Busy, Stuck, or NaruError when it has to stay."""
        server = self.resume()
        if server is None or server[compute.HOST] != self.source:
            return self._moved(server)
        self._begins(server)
        said = []
        for target in dict.fromkeys([self.args["to"], *([] if self.args.get("exact") else [""])]):
            refused = self._ask(server, target)
            if not refused:
                server = self._watched(self._look())
                if server is None or server[compute.HOST] != self.source:
                    return self._moved(server)
                refused = self._failure(server)
            said.append(f"to {target or 'a host of the scheduler’s choice'}: {refused}")
        raise NaruError(f"server {self.identity} did not leave {self.source}", detail="\n".join(said), hint=HINT)

    def resume(self, *, is_ours: bool = False) -> compute.Item | None:
        """The server when nothing is being done to it, after what an earlier attempt has begun came to its end; None
        when it is gone. With `is_ours` an earlier step may have begun it as well."""
        is_ours = is_ours or self.context.attempt > 1
        server = self._look()
        if is_ours and server is not None and not server[compute.TASK]:
            self.context.sleep(SETTLE)  # a request of a process that was killed may still be on its way
            server = self._look()
        if server is None:
            return None
        task, status = server[compute.TASK], server["status"]
        if task == "migrating" or (is_ours and (task in RESIZING or status == "VERIFY_RESIZE")):
            server = self._watched(server, is_ours=is_ours)
        if server is not None and server[compute.TASK]:
            raise Busy(f"server {self.identity}: something else is being done to it: {server[compute.TASK]}")
        return server

    def _begins(self, server: compute.Item) -> None:
        """By what it is now, not when it was planned: users go on switching their servers on and off."""
        status = server["status"]
        self.how = self.args["ways"].get(status, "")
        if not self.how:
            raise NaruError(
                f"server {self.identity} is {status} by now, and was {self.args['status']} when it was planned",
                hint="Plan again, into another directory, for what is left on the host.",
            )
        self.before = status
        self.context.save({"status": status, "how": self.how})

    def _ask(self, server: compute.Item, target: str) -> str:
        """Asks for the move; why it is refused, "" when it is not."""
        live = self.how == "live"
        forms = compute.live_forms(self.client, target) if live else [compute.cold_form(self.client, target)]
        said = ""
        for form in forms:
            try:
                path = f"/servers/{self.identity}/action"
                self.client("compute", "POST", path, form.body, version=form.version)
                return ""
            except Unavailable:
                raise  # it may have been begun: the next attempt finds it
            except CloudError as error:
                now = self._look()
                if now is not None and now[compute.TASK]:
                    if error.status == 409:
                        raise Busy(f"server {self.identity}: {error.summary}", detail=error.detail) from error
                    return ""  # no answer in Nova's own time, while it goes on
                said = error.detail or error.summary
        return said

    def _watched(self, server: compute.Item | None, *, is_ours: bool = True) -> compute.Item | None:
        """The server when the move that is under way has ended, and was confirmed. One that somebody else has begun is
        neither forced nor ended."""
        ladder = Convergence(self.args.get("stuck", 120.0), self.args.get("complete", False))
        while server is not None:
            task, status = server[compute.TASK], server["status"]
            if status == "ERROR" and not task:
                return server
            if status == "VERIFY_RESIZE" and not task:
                self._confirm()
            elif not task:
                return server
            seen = self._climb(ladder, may_act=is_ours) if task == "migrating" else None
            self._check_silence((task, status, seen))
            self.context.sleep(EVERY)
            server = self._look()
        return None

    def _check_silence(self, seen: tuple[Any, ...]) -> None:
        """Raises NaruError for a move of which nothing new was seen for too long. The server is left as it is: what
        ends such a task from outside may have the source end a guest that runs."""
        if self._silence.is_over(seen, time.monotonic()):
            raise NaruError(
                f"server {self.identity}: nothing new was seen of its move for {duration(self._silence.patience)} "
                f"({seen[0] or seen[1]})",
                detail="It is left as it is.",
                hint="See the logs of nova-compute on both hosts. When it has ended give the command again: it is "
                "found. Others go on meanwhile.",
            )

    def _climb(self, ladder: Convergence, *, may_act: bool) -> tuple[Any, ...] | None:
        """Looks how far a live migration is, and does what the ladder says, if it may; what was seen of it."""
        migration = compute.running_migration(self.client, self.identity)
        if migration is None:
            return None
        sizes = (
            migration.get(f"{what}_{how}_bytes") for what in ("memory", "disk") for how in ("processed", "remaining")
        )
        seen = (migration["id"], migration.get("status"), *sizes)
        total = migration.get("memory_total_bytes")
        remains = left(migration)
        if total and remains is not None:
            self.copied = max(self.copied, float(migration.get("memory_processed_bytes") or 0))
            self.context.progress(max(0.0, total - remains), float(total))
        verdict = ladder.look(remains, time.monotonic())
        if verdict == "wait" or not may_act:
            return seen
        try:
            if verdict == "complete":
                compute.force_complete(self.client, self.identity, migration["id"])
                return seen
            compute.abort(self.client, self.identity, migration["id"])
        except CloudError as error:
            if error.status not in (400, 404, 409):
                raise
            return seen  # it has just ended, or is of a release that cannot
        self._until_free()
        return seen

    def _until_free(self) -> None:
        """Raises Stuck when the live migration that was ended has left the server where it was."""
        server = self._look()
        while server is not None and server[compute.TASK] == "migrating":
            self._check_silence(("migrating", "being ended"))
            self.context.sleep(EVERY)
            server = self._look()
        if server is not None and server[compute.HOST] == self.source:
            raise Stuck(
                f"server {self.identity}: it changes its memory faster than that is copied; its migration was ended",
                hint="--force-complete lets it pause for as long as that takes; --answer NAME=cold switches it off.",
            )

    def _confirm(self) -> None:
        """Confirms the cold migration that is ours. Raises NaruError for a resize of its owner's."""
        found = [one for one in compute.migrations(self.client, self.source) if one["instance_uuid"] == self.identity]
        newest = found[0] if found else {}
        ours = newest.get("source_compute") == self.source
        if not ours or newest.get("migration_type", "migration") != "migration":
            raise NaruError(
                f"server {self.identity} waits for its owner to confirm a resize",
                hint="Have it confirmed or reverted, then give the command again.",
            )
        if newest["status"] != "finished":
            return  # it is being confirmed, which the server does not show before its host has begun
        try:
            self.client("compute", "POST", f"/servers/{self.identity}/action", {"confirmResize": None})
        except CloudError as error:
            if error.status not in (400, 404, 409):  # confirmed meanwhile
                raise

    def _failure(self, server: compute.Item) -> str:
        """Why it is still here."""
        if server["status"] == "ERROR":
            fault = (server.get("fault") or {}).get("message", "")
            raise NaruError(
                f"server {self.identity} came to ERROR",
                detail=fault or compute.why(self.client, self.identity),
                hint="Look at it on both hosts before its state is reset; then give the command again.",
            )
        mine = [one for one in compute.migrations(self.client, self.source) if one["instance_uuid"] == self.identity]
        state = f"its migration is {mine[0]['status']}" if mine else "there is no migration"
        said = compute.why(self.client, self.identity)
        return f"{state}: {said}" if said else state

    def _look(self) -> compute.Item | None:
        return compute.server(self.client, self.identity)

    def _moved(self, server: compute.Item | None) -> Moved | None:
        if server is None:
            return None
        # what a killed attempt had begun may not have reached the journal
        how = self.how or (self.args["ways"].get(self.before, "live") if self.context.attempt > 1 else "already")
        return Moved(str(server[compute.HOST]), how, self.before, self.copied)

"""All that is watched, followed side by side: files of each host, sources that are no files, and what is pushed."""

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial

from naru.errors import InputError
from naru.watch.follow import QUIET, Follower
from naru.watch.match import Matcher
from naru.watch.place import Here
from naru.watch.sources import Settings, Source, Sources, push
from naru.watch.sources.entries import SETTLED
from naru.watch.store import Store
from naru.watch.streams import Keeper
from naru.watch.times import Clock, zone
from naru.watch.together import AT_ONCE, Steps, Together


@contextlib.contextmanager
def following(
    store: Store,
    settings: Settings,
    sources: Sources,
    matcher: Matcher,
    came: Callable[[list[str]], None],
    goes_on: Callable[[], bool],
    *,
    once: bool,
) -> Iterator[Together]:
    """Followers of all sources; with `once` nothing is listened to. `came` is told the keys of groups that are new, or
    have come back. What was read is not counted any more once `goes_on` says no. Raises InputError and NaruError."""
    formats, every, streams = settings.form, sources.all, sources.streams()
    together = Together(settings.at_once or AT_ONCE, goes_on)
    hosts = [place.host for place, _ in every]
    if twice := next((host for host in hosts if hosts.count(host) > 1), None):
        raise InputError(
            f"{twice} is both this machine and a host of the site",
            hint="Leave --files out, since the site's logs are read, or give this machine another name: --host.",
        )
    for place, patterns in every:
        clock = Clock(zone(sources.zone(place.host)))
        follower = Follower(store, place, patterns, formats, matcher, clock, came)
        together.add(place.host, partial(_round, follower, isinstance(place, Here)))
    keeper = Keeper(store, matcher, Clock(zone(settings.zone)), time.time, came)
    for stream in streams:
        together.add(stream.name, lambda stream=stream: keeper.steps(stream))  # type: ignore[misc]
    keep = push.keeping(together.post, lambda batch, digest: keeper.keep(push.NAME, batch, digest))
    server = None if once else sources.server(keep)
    if once:
        _let_settle(every, bool(streams))
    try:
        if server is not None:
            server.start()
        yield together
    finally:
        if server is not None:
            server.stop()
        together.close()


def _round(follower: Follower, named: bool) -> Steps[str]:
    """A round over the files of a host, and what of them could not be read. Of those that somebody has `named` there
    are some; a site's services may log elsewhere."""
    yield from follower.steps()
    return follower.refused() or (follower.missing() if named else "")


def _let_settle(sources: list[Source], streams: bool) -> None:
    """Waits until no file here, nor entry elsewhere, is of a record that may just be being written, as far as that
    takes no longer than it takes to be sure."""
    begun = time.monotonic()
    for place, patterns in sources:
        if isinstance(place, Here):
            youngest = max((one.modified for one in place.files(patterns)), default=0.0)
            time.sleep(min(max(QUIET - (place.now() - youngest), 0.0), QUIET))
    if streams:
        time.sleep(max(SETTLED - (time.monotonic() - begun), 0.0))

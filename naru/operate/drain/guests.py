"""The guests that hosts themselves have, by libvirt: asked over SSH where the site knows the host.

A host without libvirt (Nova's fake driver, another hypervisor), or one that the site does not have, says nothing, and
that is what is written down: a proof never says more than was seen.
"""

from collections.abc import Callable, Collection
from pathlib import Path

from naru.actions.hosts.place import Place
from naru.errors import NaruError
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.site import site as sites
from naru.site.hostnames import host_of
from naru.site.ssh import Lost, Refused, Unreachable

NOT_ASKED, NO_LIBVIRT = "not asked: the site has no such host", "not asked: it has no libvirt"
AS_IT_SHOULD = "as it should be"
SECONDS = 60.0
ABSENT = 69
_LINE = f"""
ask() {{ "$@" virsh -r -c qemu:///system list WHICH --uuid; exit; }}
command -v virsh >/dev/null 2>&1 && ask env
for engine in docker podman; do
  for name in nova_libvirt nova-libvirt libvirt; do
    $engine inspect "$name" >/dev/null 2>&1 && ask $engine exec "$name"
  done
done
exit {ABSENT}
"""
LINE = _LINE.replace("WHICH ", "")
"""Lists the guests that run."""
AUTOSTART = _LINE.replace("WHICH", "--all --autostart")
"""Lists those that libvirt starts by itself when the host boots."""


class Guests:
    """The running guests of the hosts in a site's file, "" for none."""

    def __init__(self, site: str, context: Context) -> None:
        self._site = site
        self._context = context

    def moved(self, server: str, source: str, target: str, *, is_running: bool) -> dict[str, str]:
        """By host whether it has the server as it should: the target when it runs, the source never. Raises NaruError
        where it does not."""
        return {
            source: self._judged(source, lambda found: server not in found, f"still runs server {server}"),
            target: self._judged(
                target, lambda found: (server in found) == is_running, f"{server} is not as Nova says"
            ),
        }

    def is_off(self, server: str, host: str) -> str:
        """Whether the host does not run the server. Raises NaruError where it does."""
        return self._judged(host, lambda found: server not in found, f"still runs server {server}")

    def none_but(self, host: str, kept: Collection[str]) -> str:
        """Whether the host runs none but these. Raises NaruError where it does."""
        return self._judged(host, lambda found: set(found) <= set(kept), "still runs guests")

    def _judged(self, host: str, is_right: Callable[[list[str]], bool], what: str) -> str:
        found = self._running(host)
        if isinstance(found, str):
            return found
        if not is_right(found):
            raise NaruError(
                f"libvirt on {host}: {what}",
                detail="\n".join(found),
                hint="Nova says otherwise: look at both hosts before anything is done to the guest.",
            )
        return AS_IT_SHOULD

    def _running(self, host: str) -> list[str] | str:
        """The ids of the running guests; in words why it was not asked."""
        name = site_name(self._site, host)
        if not name:
            return NOT_ASKED
        place = Place(self._context, {"host": name, "site": self._site}, self._context.id)
        try:
            ran = place.ask(lambda remote: remote.run(LINE, seconds=SECONDS))
        except Refused:
            raise
        except (Unreachable, Lost) as error:
            raise Transient(error.summary, detail=error.detail) from error
        if ran.code == ABSENT:
            return NO_LIBVIRT
        if ran.code:
            raise Transient(f"{host}: libvirt does not answer", detail=ran.errors)
        return ran.out.split()


def site_name(site: str, host: str) -> str:
    """What the site in this file calls a host that Nova calls so, be it that one of both has a domain and the other
    none; "" for none, or two that it may be."""
    if not site:
        return ""
    found = host_of(sites.load(Path(site)), host)
    return found.name if found else ""

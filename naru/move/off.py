"""When the old servers of a project are off: what others in the window wait for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from naru.inventory.rows import Row
from naru.move.facts import Side


@dataclass(frozen=True)
class Off:
    """`begun` are the steps that begin the cut-over; `stopped` has, by each server that is moved (old ids), the step
    after which it is off."""

    begun: Sequence[str]
    stopped: Mapping[str, str]

    @property
    def all(self) -> list[str]:
        """The steps after which all of them are off."""
        return list(dict.fromkeys((*self.begun, *self.stopped.values())))

    def of_port(self, old: Side, port: str) -> list[str]:
        """The steps after which nobody uses the address of a port: its server is off. An address that is no server's
        own may be that of any (VRRP): then all are."""
        row: Row | None = old.all("port").get(port)
        server = str(row.body.get("device_id") or "") if row else ""
        return list(dict.fromkeys((*self.begun, self.stopped[server]))) if server in self.stopped else self.all

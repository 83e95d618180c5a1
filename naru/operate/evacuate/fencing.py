"""A host's power controller asked and ordered, and signs that the host lives: what evacuations are allowed by.

Nothing here concludes from silence: a controller that does not answer proves nothing.
"""

import asyncio
import errno
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from naru.actions.hosts.place import Place
from naru.errors import NaruError
from naru.operate.evacuate.word import Word
from naru.operate.guard.evidence import PowerState
from naru.operate.guard.proof import Look, Proof, by_power
from naru.operate.guard.state import IDENTITIES
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.site import power
from naru.site import site as sites
from naru.site.hostnames import host_of, is_same
from naru.site.site import Host, Site
from naru.site.ssh import Lost, Refused, Unreachable

TRIES = 3
"""How often a controller is ordered to switch off."""
WAIT = 45.0
"""Seconds that it may take over each of them."""
LOGIN = 8.0
"""Seconds within which a host that lives answers by SSH."""
BETWEEN = 2.0


class Fencing:
    """One host, by the arguments of a step: `host` as Nova calls it, `site`, `trust`, `off`, `settle`, `guard`,
    `by_hand`."""

    def __init__(self, context: Context, args: Mapping[str, Any]) -> None:
        self.context = context
        self.args = args
        self.site: Site = sites.load(Path(args["site"]))
        self.uuid = ""
        self.host = host_of(self.site, args["host"])
        self.word = Word(args["guard"], args["host"], args.get("by_hand", False))

    def look(self) -> Look:
        """What the controller says now, and which signs of life there are, to us and to the guard."""
        alive = [*(["SSH"] if self.answers() else []), *self.word.alive()]
        state, identified = self.says()
        return Look(time.monotonic(), state, identified, alive)

    def says(self) -> tuple[PowerState, bool]:
        """What the controller says, and whether it is known to be the host's own. One that has lied is not."""
        found = self.asked()
        self.context.log(f"power of {self.args['host']}: {found.state}, its own: {found.identified}: {found.why}")
        self.uuid = found.uuid
        return found.state, found.identified and not self.word.has_lied()

    def asked(self) -> "Said":
        """What the controller itself says."""
        if self.host is None or self.host.power is None:
            return Said("none", False, why="the site has none")
        self.context.hide(self._password())
        return power_of(self.site, self.host, identity(self.args["guard"], self.host.name), self.args["trust"])

    def order_off(self) -> None:
        """Orders the power off, until it is read back as off, or it does not come to that. Before each order all is
        asked anew: between two of them the host may have been found to be well. Raises NaruError."""
        for _ in range(TRIES):
            self.context.check()
            self.check_dead()
            self.order("off")
            end = time.monotonic() + WAIT
            while time.monotonic() < end:
                if self.says()[0] == "off":
                    return
                self.context.sleep(BETWEEN)
        raise NaruError(
            f"{self.args['host']}: its power controller was told {TRIES} times to switch off, and does not say off",
            hint="Nothing was evacuated. Switch it off by hand, and see that it stays off; then give the command with "
            "--off and who has seen it, or, where the guard evacuates it, naru guard approve HOST off.",
        )

    def check_dead(self) -> None:
        """It may be switched off now: the guard decides so, nothing of it lives, its controller is its own. Raises
        NaruError."""
        self.word.check()
        found = self.look()
        if found.alive:
            raise NaruError(
                f"{self.args['host']} lives: it is seen by {', '.join(found.alive)}",
                hint="Its compute service alone is down: restart that. It is not switched off.",
            )
        if not found.identified:
            raise NaruError(
                f"{self.args['host']}: its power controller is {found.power}, or is not known to be its own",
                hint="Switch the host off by hand so that it stays off, and give --off WHO; or, when you know that "
                "the controller is its own, --trust-controller. Where the guard evacuates it: naru guard approve.",
            )

    def order(self, what: power.Order) -> None:
        """One order. That it fails is logged: what counts is what is read back. Raises Denied."""
        assert self.host and self.host.power
        self.context.log(f"power {what} {self.host.name} by {self.host.power.protocol}")
        try:
            power.order(self.host.power, self._password(), self._certificate(), what, self.uuid)
        except power.Denied:
            raise
        except NaruError as error:
            self.context.log(f"power {what} {self.host.name}: {error.summary}")

    def prove(self) -> Proof:
        """Waits until it is proved off. Raises NaruError where it is not."""
        looks: list[Look] = []
        end = time.monotonic() + self.args["settle"] + WAIT
        while True:
            looks.append(self.look())
            found = by_power(looks, self.args["settle"])
            if found.state == "off":
                return found
            if found.state == "refused" or time.monotonic() > end:
                raise NaruError(f"{self.args['host']} is not proved off: {found.why}", hint="Nothing was evacuated.")
            self.context.sleep(max(BETWEEN, self.args["settle"] / 5))

    def check_off(self) -> None:
        """It is still off. Raises NaruError where anything says otherwise, and Transient where nothing is said."""
        found = self.look()
        name = self.args["host"]
        if found.alive or (found.power == "on" and found.identified):
            what = f"it lives ({', '.join(found.alive)})" if found.alive else "its power is on"
            raise NaruError(
                f"{name} is not off any more: {what}",
                hint="Somebody has switched it on, or it never was off. Nothing more is evacuated: see first what runs "
                "there.",
            )
        if not self.args["off"] and (found.power != "off" or not found.identified):
            raise Transient(f"{name}: its power controller does not say off: {found.power}")

    def answers(self) -> bool:
        """Whether the host answers by SSH, be it that it lets nobody in, or that its kernel refuses the connection."""
        if self.host is None:
            return False
        place = Place(self.context, {"host": self.host.name, "site": str(self.site.file)}, self.context.id)
        try:
            place.ask(lambda remote: asyncio.wait_for(remote.run("true"), LOGIN))
        except Refused:
            return True
        except Unreachable as error:
            return has_answered(error)
        except (Lost, TimeoutError):
            return False
        return True

    def _password(self) -> str:
        assert self.host and self.host.power
        found = self.site.secret(self.host.power.password, f"hosts.{self.host.name}.power.password")
        self.context.hide(found)
        return found

    def _certificate(self) -> str | None:
        assert self.host and self.host.power
        return str(self.site.path(self.host.power.certificate)) if self.host.power.certificate else None


def has_answered(error: Unreachable) -> bool:
    """Whether a host that cannot be logged in to has said so itself: nobody but a kernel that lives refuses."""
    cause = error.__cause__
    # of an address of several the reasons come in one error, as text
    several = f"[Errno {errno.ECONNREFUSED}]" in str(cause)
    return isinstance(cause, ConnectionRefusedError | ConnectionResetError) or several


class Said(NamedTuple):
    """What a power controller says of a host, whether it is known to be the host's own, the UUID by which it knows it;
    `why` says more."""

    state: PowerState
    identified: bool
    uuid: str = ""
    why: str = ""


def power_of(site: Site, host: Host, own: str = "", trust: bool = False) -> Said:
    """Asks the power controller of a host. It is the host's own when the UUID that it says is `own`, or, where that is
    not known, when it calls its host by this name; with `trust` also when nothing says otherwise."""
    assert host.power
    try:
        password = site.secret(host.power.password, f"hosts.{host.name}.power.password")
        certificate = str(site.path(host.power.certificate)) if host.power.certificate else None
        found = power.statuses(host.power, password, certificate)
    except power.Denied as error:
        return Said("denied", False, why=error.summary)
    except NaruError as error:
        return Said("unreachable", False, why=error.summary)

    def is_own(one: power.Status) -> bool:
        if own and one.uuid:
            return power.same_uuid(own, one.uuid)
        return bool(one.name) and is_same(one.name, host.name)

    meant = found if len(found) == 1 else [one for one in found if is_own(one)]
    if len(meant) != 1:
        return Said("unreachable", False, why=f"it is of {len(found)} hosts, and which is meant is not known")
    (one,) = meant
    says_other = (bool(one.name) and not is_same(one.name, host.name)) or bool(own and one.uuid)
    identified = is_own(one) or (trust and not says_other)
    # neither on nor off (switching) is not off
    return Said("off" if one.on is False else "on", identified, one.uuid, f"name {one.name or '-'}")


def identity(directory: str, host: str) -> str:
    """The UUID that a guard has seen a host to have; "" for none."""
    file = Path(directory or ".") / IDENTITIES
    if not directory or not file.exists():
        return ""
    return str(json.loads(file.read_text()).get(host, ""))

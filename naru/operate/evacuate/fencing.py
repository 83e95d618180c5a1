"""A host's power controller asked and ordered, and signs that the host lives: what evacuations are allowed by.

Nothing here concludes from silence: a controller that does not answer proves nothing.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from naru.actions.hosts.place import Place
from naru.errors import NaruError
from naru.operate.guard.evidence import PowerState
from naru.operate.guard.proof import Look, Proof, by_power
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.site import power
from naru.site import site as sites
from naru.site.site import Host, Site
from naru.site.ssh import Lost, Refused, Unreachable

TRIES = 3
"""How often a controller is ordered to switch off."""
WAIT = 45.0
"""Seconds that it may take over each of them."""
LOGIN = 8.0
"""Seconds within which a host that lives answers by SSH."""
BETWEEN = 2.0
IDENTITIES = "identities.json"
"""In a guard's directory: by host the UUID that its controller had while the host lived and had the same."""
NOW = "now.json"
"""In a guard's directory: the verdicts of its newest round."""
TAKEN = ("pace", "budget")
"""Gates at limits of which this evacuation has itself taken."""
FRESH = 60.0
"""Seconds that a verdict of the guard's is one of now."""


class Fencing:
    """One host, by the arguments of a step: `host` as Nova calls it, `site`, `trust`, `off`, `settle`, `guard`."""

    def __init__(self, context: Context, args: Mapping[str, Any]) -> None:
        self.context = context
        self.args = args
        self.site: Site = sites.load(Path(args["site"]))
        self.uuid = ""
        self.host = host_of(self.site, args["host"])

    def check_verdict(self) -> None:
        """The guard that has decided it still does, if one has. Raises NaruError."""
        if not self.args["guard"]:
            return
        file = Path(self.args["guard"]) / NOW
        try:
            now = json.loads(file.read_text())
            age, found = time.time() - float(now["at"]), now["verdicts"].get(self.args["host"], {})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise NaruError(f"{file}: the guard's verdicts cannot be read", detail=repr(error)) from error
        if not -5.0 < age < FRESH:
            raise NaruError(f"the guard's newest verdicts are {age:.0f} s old: what was decided is not known any more")
        if found.get("outcome") != "evacuate" and found.get("gate") not in TAKEN:
            raise NaruError(
                f"the guard does not decide so any more: {found.get('outcome')}: {found.get('why')}",
                hint="Nothing more is done. See naru guard status.",
            )

    def look(self) -> Look:
        """What the controller says now, and which signs of life there are."""
        alive = ["login"] if self.answers() else []
        state, identified = self.says()
        return Look(time.monotonic(), state, identified, alive)

    def says(self) -> tuple[PowerState, bool]:
        """What the controller says, and whether it is known to be the host's own."""
        if self.host is None or self.host.power is None:
            return "none", False
        found = power_of(self.site, self.host, identity(self.args["guard"], self.host.name), self.args["trust"])
        self.context.hide(self._password())
        self.context.log(f"power of {self.host.name}: {found.state}, its own: {found.identified}: {found.why}")
        self.uuid = found.uuid
        return found.state, found.identified

    def order_off(self) -> None:
        """Orders the power off, until it is read back as off, or it does not come to that. Raises NaruError."""
        assert self.host
        for _ in range(TRIES):
            self.context.check()
            self.order("off")
            end = time.monotonic() + WAIT
            while time.monotonic() < end:
                if self.says()[0] == "off":
                    return
                self.context.sleep(BETWEEN)
        raise NaruError(
            f"{self.host.name}: its power controller was told {TRIES} times to switch off, and does not say off",
            hint="Nothing was evacuated. Switch it off by hand, and see that it stays off; then give the command with "
            "--off and who has seen it.",
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
                hint="Somebody has switched it on. Nothing more is evacuated: see first what runs there.",
            )
        if not self.args["off"] and (found.power != "off" or not found.identified):
            raise Transient(f"{name}: its power controller does not say off: {found.power}")

    def answers(self) -> bool:
        """Whether the host answers by SSH, be it that it lets nobody in."""
        if self.host is None:
            return False
        place = Place(self.context, {"host": self.host.name, "site": str(self.site.file)}, self.context.id)
        try:
            place.ask(lambda remote: asyncio.wait_for(remote.run("true"), LOGIN))
        except Refused:
            return True
        except (Unreachable, Lost, TimeoutError):
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
        return bool(one.name) and short(one.name) == short(host.name)

    meant = found if len(found) == 1 else [one for one in found if is_own(one)]
    if len(meant) != 1:
        return Said("unreachable", False, why=f"it is of {len(found)} hosts, and which is meant is not known")
    (one,) = meant
    says_other = (bool(one.name) and short(one.name) != short(host.name)) or bool(own and one.uuid)
    identified = is_own(one) or (trust and not says_other)
    # neither on nor off (switching) is not off
    return Said("off" if one.on is False else "on", identified, one.uuid, f"name {one.name or '-'}")


def identity(directory: str, host: str) -> str:
    """The UUID that a guard has seen a host to have; "" for none."""
    file = Path(directory or ".") / IDENTITIES
    if not directory or not file.exists():
        return ""
    return str(json.loads(file.read_text()).get(host, ""))


def short(name: str) -> str:
    """The first part of a host's name."""
    return name.partition(".")[0].lower()


def host_of(site: Site, name: str) -> Host | None:
    """The site's host that Nova calls `name`; None where the site has none, or two that it may be."""
    if name in site.hosts:
        return site.hosts[name]
    found = [one for one in site.hosts.values() if short(one.name) == short(name)]
    return found[0] if len(found) == 1 else None

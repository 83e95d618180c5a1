"""Power controllers: each answers soon, says of its host what is so, and is the controller of that host."""

from collections.abc import Mapping, Sequence

from naru.errors import InputError, NaruError
from naru.site import power
from naru.site.check.look import Look, Missed
from naru.site.check.result import Results
from naru.site.power import Status
from naru.site.secrets import Secrets
from naru.site.site import Host, Site
from naru.site.threads import in_thread

SLOW = 5.0
"""Seconds after which an answer is late: to fence a host many are asked, one after the other."""

Answer = list[Status] | NaruError


async def ask(site: Site, secrets: Secrets, host: Host) -> Answer:
    """What a host's power controller says, or why it could not be asked."""
    assert host.power
    own = host.power
    try:
        password = await secrets.read(own.password, "power.password")
        certificate = str(site.path(own.certificate)) if own.certificate else None
        return await in_thread(lambda: power.statuses(own, password, certificate))
    except NaruError as error:
        return error


def judge(
    site: Site,
    looks: Mapping[str, Look],
    missed: Mapping[str, Missed],
    answers: Mapping[str, Answer],
    results: Results,
) -> None:
    """All power controllers of a site."""
    names = {look.name.partition(".")[0].lower(): name for name, look in looks.items() if look.name}
    uuids = _own({name: look.uuid for name, look in looks.items()})
    serials = _own({name: look.serial for name, look in looks.items()})
    for name, answer in answers.items():
        host = site.hosts[name]
        field = f"hosts.{name}.power"
        if isinstance(answer, NaruError):
            _not_asked(field, host, answer, results)
            continue
        status = _meant(name, looks.get(name), answer, uuids, serials)
        if status is None:
            what = f"it is of {len(answer)} hosts, and none can be told to be {name}" if answer else "it is of no host"
            results.unknown(f"{field}.address", name, what, "See it by hand.")
            continue
        if status.seconds > SLOW:
            what = f"it took {status.seconds:.1f} s to answer; more than {SLOW:g} s is late"
            results.wrong(field, name, what, "Restart the controller; see its network.")
        _identity(field, name, looks.get(name), status, names, uuids, serials, results)
        _state(field, name, name in looks, name in missed, status, results)


def _not_asked(field: str, host: Host, answer: NaruError, results: Results) -> None:
    name = host.name
    address = host.power.address if host.power else ""
    match answer:
        case power.NoAnswer():
            do = "Correct power.address, port or protocol, or see to the controller."
            results.wrong(f"{field}.address", name, f"{address}: {answer.summary}", do)
        case power.Denied():
            results.wrong(f"{field}.password", name, f"{address}: {answer.summary}", "Correct power.user or password.")
        case power.Untrusted():
            do = "Set power.certificate to a file with it, or with who signed it."
            results.wrong(f"{field}.certificate", name, f"{address}: {answer.summary}", do)
        case InputError():
            results.wrong(f"{field}.password", name, answer.summary, answer.hint or "Correct power.password.")
        case _:
            what = ": ".join(filter(None, (answer.summary, answer.detail)))
            results.unknown(field, name, f"{address}: {what}", answer.hint or "See to the controller.")


def _own(numbers: Mapping[str, str]) -> dict[str, str]:
    """Those that tell hosts apart: what several have is of none."""
    several = list(numbers.values())
    return {name: one for name, one in numbers.items() if one and several.count(one) == 1}


def _meant(
    name: str,
    look: Look | None,
    several: Sequence[Status],
    uuids: Mapping[str, str],
    serials: Mapping[str, str],
) -> Status | None:
    """Of the hosts in a chassis, the one that is this host; None when that is not known."""
    if len(several) == 1:
        return several[0]
    for one in several:
        if _is_it(name, look, one, uuids, serials):
            return one
    return None


def _is_it(name: str, look: Look | None, status: Status, uuids: Mapping[str, str], serials: Mapping[str, str]) -> bool:
    own_names = {text.partition(".")[0].lower() for text in (name, look.name if look else "") if text}
    return (
        bool(status.uuid and name in uuids and power.same_uuid(status.uuid, uuids[name]))
        or bool(status.serial and status.serial == serials.get(name))
        or bool(status.name and status.name.partition(".")[0].lower() in own_names)
    )


def _identity(
    field: str,
    name: str,
    look: Look | None,
    status: Status,
    names: Mapping[str, str],
    uuids: Mapping[str, str],
    serials: Mapping[str, str],
    results: Results,
) -> None:
    if _is_it(name, look, status, uuids, serials):
        results.right(f"{field}.address", name, f"it is the controller of {name}")
        return
    said = status.name.partition(".")[0].lower()
    other = (
        names.get(said)
        or next((one for one, uuid in uuids.items() if status.uuid and power.same_uuid(status.uuid, uuid)), "")
        or next((one for one, serial in serials.items() if status.serial == serial), "")
    )
    if other:
        what = f"it is the controller of {other}"
        results.wrong(f"{field}.address", name, what, "Correct power.address: another host would be switched off.")
    elif status.uuid and name in uuids:
        what = f"it is of another machine: {status.uuid}, and {name} is {uuids[name]}"
        results.wrong(f"{field}.address", name, what, "Correct power.address: another host would be switched off.")
    elif status.serial and name in serials:
        what = f"it is of another machine: serial number {status.serial}, and {name} has {serials[name]}"
        results.wrong(f"{field}.address", name, what, "Correct power.address: another host would be switched off.")
    elif look is None:
        results.unseen(f"{field}.address", name)
    elif said:
        what = f"it calls its host {status.name}: whether that is {name} is not known"
        results.unknown(f"{field}.address", name, what, "Compare it by hand, or correct power.address.")
    else:
        what = "whose controller it is cannot be known: it says no name, UUID or serial number that the host has"
        results.unknown(f"{field}.address", name, what, "Compare it by hand.")


def _state(field: str, name: str, runs: bool, is_missed: bool, status: Status, results: Results) -> None:
    if status.on is None:
        results.unknown(field, name, "it says neither on nor off", "Run it again.")
    elif runs and not status.on:
        do = "Do not trust it to fence: it may not have switched off what it calls off. Restart the controller."
        results.wrong(field, name, "it says off, and the host runs: it answered by SSH", do)
    elif is_missed and not status.on:
        results.right(field, name, "it says off; the host does not answer")
    else:
        results.right(field, name, f"it says {'on' if status.on else 'off'}, in {status.seconds:.1f} s")

"""Power controllers: what one says of its host, and orders to it, by Redfish (sushy) or IPMI (the program ipmitool)."""

import logging
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from naru.errors import NaruError
from naru.site.model import Power

T = TypeVar("T")
Order = Literal["off", "on"]
SECONDS = 10.0
"""How long each answer may take."""


class NoAnswer(NaruError):
    """Nothing answers at its address."""


class Denied(NaruError):
    """It does not let the user in."""


class Untrusted(NaruError):
    """Its certificate is not the one that the site says."""


@dataclass(frozen=True)
class Status:
    """What a controller says: whether the host is on (None: something between), and what tells hosts apart, each ""
    where it does not say it. `seconds` is how long the answer took."""

    on: bool | None
    uuid: str = ""
    serial: str = ""
    name: str = ""
    seconds: float = 0.0


def statuses(power: Power, password: str, certificate: str | None) -> list[Status]:
    """What the controller says of each host that it is of: one, or those of a chassis. `certificate` is the file to
    check its own by; without, the system's. Raises NoAnswer, Denied, Untrusted, or another NaruError."""
    began = time.monotonic()
    if power.protocol == "ipmi":
        found = _ipmi(power, password)
    else:
        found = _redfish(power, password, certificate, lambda members: [_system(one) for one in members])
    seconds = time.monotonic() - began
    return [replace(one, seconds=one.seconds or seconds) for one in found]


def order(power: Power, password: str, certificate: str | None, what: Order, uuid: str = "") -> None:
    """Orders the host's power off, without asking its system, or on. That it is done is never said by the answer, but
    by what `statuses` reads back: hosts that are off already refuse to be switched off, in several ways. Of a chassis
    with several hosts the one with this `uuid` is meant. Raises as `statuses` does, and NaruError where it is not clear
    which host is meant."""
    if power.protocol == "ipmi":
        program = _program()
        _ipmitool(program, power, password, "chassis", "power", what)
    else:
        _redfish(power, password, certificate, lambda members: _reset(members, what, uuid))


def _reset(members: list[Any], what: Order, uuid: str) -> None:
    import sushy

    meant = [one for one in members if len(members) == 1 or (uuid and same_uuid(str(one.uuid or ""), uuid))]
    if len(meant) != 1:
        raise NaruError(f"it is of {len(members)} hosts, and which of them is meant is not known")
    try:
        meant[0].reset_system(sushy.RESET_TYPE_FORCE_OFF if what == "off" else sushy.RESET_TYPE_ON)
    except sushy.exceptions.AccessError:
        raise
    except sushy.exceptions.HTTPError as error:
        # 409 (Dell) and 400 (HPE) of one that is off already, 400 (Fujitsu) and 503 of one that is not ready
        if error.status_code not in (400, 409, 503):
            raise


def _redfish(power: Power, password: str, certificate: str | None, ask: Callable[[list[Any]], T]) -> T:
    # half a second to import, for commands that need none of it
    import requests
    import sushy
    from sushy.auth import BasicAuth
    from sushy.connector import Connector

    logging.getLogger("sushy").setLevel(logging.CRITICAL)
    host = f"[{power.address}]" if ":" in power.address else power.address
    url = f"https://{host}:{power.port}" if power.port else f"https://{host}"
    connector = Connector(url, verify=certificate or True, server_side_retries=0, default_request_timeout=SECONDS)
    try:
        root = sushy.Sushy(url, auth=BasicAuth(power.user, password), connector=connector)
        return ask(root.get_system_collection().get_members())
    except sushy.exceptions.AccessError as error:
        raise Denied(f"it does not let {power.user} in with this password") from error
    except sushy.exceptions.ConnectionError as error:
        if _has_cause(error, requests.exceptions.SSLError):
            raise Untrusted("its certificate cannot be checked", detail=_reason(error)) from error
        raise NoAnswer(f"no answer by Redfish: {_reason(error)}") from error
    except sushy.exceptions.SushyError as error:
        raise NaruError(f"it answers, and not as Redfish does: {_reason(error)}") from error
    except requests.exceptions.RequestException as error:
        raise NoAnswer(f"no answer by Redfish: {_reason(error)}") from error
    except OSError as error:  # the file of certificates
        raise NaruError(f"power.certificate: {error}") from error
    finally:
        connector.close()


def _system(system: Any) -> Status:
    said = getattr(system.power_state, "value", system.power_state)
    json = system.json
    return Status(
        on={"On": True, "Off": False}.get(str(said).capitalize()),
        uuid=str(system.uuid or ""),
        serial=str(json.get("SerialNumber") or ""),
        name=str(json.get("HostName") or ""),
    )


def _has_cause(error: BaseException | None, kind: type[BaseException]) -> bool:
    seen = 0
    while error is not None and seen < 10:
        if isinstance(error, kind):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def _reason(error: BaseException) -> str:
    """The last part of what libraries say in brackets within brackets."""
    text = " ".join(str(error).split())
    if "timed out" in text.lower():
        return f"nothing within {SECONDS:g} s"
    for known in ("No route to host", "Connection refused", "Name or service not known", "Network is unreachable"):
        if known in text:
            return known
    return text[-200:]


def _ipmi(power: Power, password: str) -> list[Status]:
    program = _program()
    began = time.monotonic()
    said = _ipmitool(program, power, password, "chassis", "power", "status")
    seconds = time.monotonic() - began
    on = True if said.endswith("is on") else False if said.endswith("is off") else None
    try:
        uuid = _guid(_ipmitool(program, power, password, "mc", "guid"))
    except NaruError:
        uuid = ""  # not all have one, and it only tells hosts apart
    return [Status(on=on, uuid=uuid, seconds=seconds)]


def _program() -> str:
    program = shutil.which("ipmitool")
    if not program:
        raise NaruError("ipmitool is not installed on this machine", hint="Install the package ipmitool.")
    return program


def _ipmitool(program: str, power: Power, password: str, *words: str) -> str:
    # without -v it does not say why no session is made
    argv = [program, "-v", "-I", "lanplus", "-H", power.address, "-U", power.user, "-E", "-N", "2", "-R", "2"]
    argv += ["-p", str(power.port)] if power.port else []
    try:
        done = subprocess.run(
            [*argv, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env={**os.environ, "IPMI_PASSWORD": password},
        )
    except subprocess.TimeoutExpired as error:
        raise NoAnswer(f"no answer by IPMI: nothing within {SECONDS:g} s") from error
    if done.returncode == 0:
        return done.stdout.strip()
    lines = [line.strip() for line in done.stderr.splitlines() if "IANA PEN" not in line]
    reason = " ".join(filter(None, lines))[-200:]
    if "RAKP 2" in reason:  # the answer to user and password
        raise Denied(f"it does not let {power.user} in with this password", detail=reason)
    raise NoAnswer(f"no answer by IPMI: {reason or f'ipmitool ended with {done.returncode}'}")


def _guid(said: str) -> str:
    """The UUID in what `ipmitool mc guid` prints."""
    for line in said.splitlines():
        label, _, value = line.partition(":")
        if "GUID" in label and value.strip():
            return value.split()[0]
    return ""


def same_uuid(one: str, other: str) -> bool:
    """Whether two texts are the same UUID. SMBIOS, Redfish and IPMI do not agree on the order of its bytes: those of
    the first three parts may be turned, and all of them."""
    first, second = (text.replace("-", "").lower() for text in (one, other))
    if len(first) != 32 or len(second) != 32:
        return first == second
    forms = {first, _turned(first), _reversed(first), _turned(_reversed(first)), _reversed(_turned(first))}
    return second in forms


def _turned(text: str) -> str:
    pairs = [text[at : at + 2] for at in range(0, 32, 2)]
    return "".join([*pairs[3::-1], *pairs[5:3:-1], *pairs[7:5:-1], *pairs[8:]])


def _reversed(text: str) -> str:
    pairs = [text[at : at + 2] for at in range(0, 32, 2)]
    return "".join(pairs[::-1])

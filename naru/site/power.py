"""Power controllers: what one says of its host, by Redfish (sushy) or IPMI (the program ipmitool)."""

import logging
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, replace
from typing import Any

from naru.errors import NaruError
from naru.site.model import Power

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
    found = _ipmi(power, password) if power.protocol == "ipmi" else _redfish(power, password, certificate)
    seconds = time.monotonic() - began
    return [replace(one, seconds=one.seconds or seconds) for one in found]


def _redfish(power: Power, password: str, certificate: str | None) -> list[Status]:
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
        members: list[Any] = root.get_system_collection().get_members()
        return [_system(one) for one in members]
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
    program = shutil.which("ipmitool")
    if not program:
        raise NaruError("ipmitool is not installed on this machine", hint="Install the package ipmitool.")
    began = time.monotonic()
    said = _ipmitool(program, power, password, "chassis", "power", "status")
    seconds = time.monotonic() - began
    on = True if said.endswith("is on") else False if said.endswith("is off") else None
    try:
        uuid = _guid(_ipmitool(program, power, password, "mc", "guid"))
    except NaruError:
        uuid = ""  # not all have one, and it only tells hosts apart
    return [Status(on=on, uuid=uuid, seconds=seconds)]


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

"""Documents as kolla's fluentd makes them, back to lines of a log.

It takes `req-` off identifiers and leaves a blank before the message. Lines of a traceback that name an instance are
documents of their own: they have the host, process, time and module of the record that they belong to, and come after
it.
"""

from collections.abc import Mapping
from typing import Any

from naru.watch.sources.documents import moment_of
from naru.watch.sources.entries import Entry, written

_NEEDED = {"Payload", "python_module", "log_level"}


class Pieces:
    """Documents in their order: those of a record, the one with its message first."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, str, str], bool] = {}

    def entry(self, document: Mapping[str, Any], identity: str, moment: float) -> Entry | None:
        """The lines that a document was made of; None for one that is no record of OpenStack."""
        if not document.keys() >= _NEEDED:
            return None
        said = {name: str(value) for name, value in document.items() if value is not None}
        moment = moment or moment_of(document.get("@timestamp"))
        time = said.get("Timestamp") or written(moment)[:23]
        key = said.get("Hostname", ""), said.get("Pid", "0"), time, said["python_module"]
        head = f"{time} {said.get('Pid') or 0} {said['log_level']} {said['python_module']}"
        payload = said["Payload"].lstrip()
        rest = payload.partition("] ")[2] if payload.startswith("[instance:") else ""
        if rest and not said.get("request_id") and (rest.startswith("Traceback (") or self._open.get(key)):
            self._open[key] = True
            text = f"{head} {payload}"
        else:
            if len(self._open) > 1000:
                self._open.clear()
            self._open[key] = False
            text = f"{head} [{_context(said)}] {payload}"
        return Entry(
            identity,
            moment,
            said.get("Hostname", ""),
            said.get("programname", ""),
            text=text,
            stream=said.get("Pid", ""),
        )


def _context(said: Mapping[str, str]) -> str:
    request = said.get("request_id", "")
    if not request or request == "-":
        return "-"
    sent = said.get("global_request_id", "")
    ways = [_request(sent) if sent not in ("", "-", "None") else "None", _request(request)]
    return " ".join([*ways, said.get("user_id", "-") or "-", said.get("tenant_id", "-") or "-", "- - -"])


def _request(identity: str) -> str:
    return identity if identity.startswith("req-") else f"req-{identity}"

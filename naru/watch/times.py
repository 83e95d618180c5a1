"""The times of records: as lines have them, without a zone, and as seconds since 1970."""

import datetime
import zoneinfo

from naru.errors import InputError

_AHEAD = 86400.0
"""Seconds that a clock, or a time zone that nobody told, may be ahead."""


def zone(name: str) -> datetime.tzinfo | None:
    """A time zone by its name; none for "" (this machine's). Raises InputError."""
    if not name:
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise InputError(f"--zone {name}: there is no such time zone", hint="As in Asia/Seoul, or UTC.") from error


class Clock:
    """Reads records' times of one zone."""

    def __init__(self, within: datetime.tzinfo | None) -> None:
        self._zone = within
        self._minute = ("", 0.0)

    def seconds(self, text: str) -> float | None:
        """Seconds since 1970; None for a text that is no time."""
        minute = text[:16]
        if len(text) in (19, 23) and text[13] == ":" == text[16] and minute[11] != " ":
            if self._minute[0] != minute:
                read = self._read(f"{minute}:00")
                if read is None:
                    return None
                self._minute = minute, read
            try:
                return self._minute[1] + float(text[17:].replace(",", "."))
            except ValueError:
                return None
        return self._read(text)

    def _read(self, text: str) -> float | None:
        text = text.replace(",", ".")
        if text[11:12] == " ":  # MariaDB's hours before ten
            text = f"{text[:11]}0{text[12:]}"
        try:
            read = datetime.datetime.fromisoformat(text)
            return (read if read.tzinfo else read.replace(tzinfo=self._zone)).timestamp()
        except (ValueError, OverflowError):  # a year 1 has no seconds
            return None


def passed(since: float, now: float, seconds: float) -> bool:
    """Whether so many seconds have passed since a moment; also where a clock was set back meanwhile, so that nobody
    knows."""
    return not 0 <= now - since < seconds


def dated(moment: float | None, now: float) -> float:
    """When something was written that says so itself: a moment that cannot be is `now`."""
    return moment if moment is not None and 0 < moment < now + _AHEAD else now

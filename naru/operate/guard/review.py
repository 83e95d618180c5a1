"""What the guard has said, looked at afterwards: listed, made once more, and how often it was right."""

import time
from collections.abc import Iterator
from typing import Any

from naru.errors import InputError
from naru.files import FileLock
from naru.operate.guard.service import FRESH
from naru.operate.guard.state import LOCK, Directory
from naru.operate.guard.verdict import again
from naru.text import utc

SAME = "the same"
LISTED = ("id", "at", "host", "outcome", "gate", "why", "acts", "turned out")
REPLAYED = ("id", "host", "outcome", "gate", "today")
PRECISION = ("week", "evacuations", "right", "wrong", "open", "precision")
EVIDENCE = ("source", "witness", "domain", "said", "seconds", "note")
WELL_WITHIN = 900.0
"""Seconds within which a host that is seen well, without an evacuation, was not dead."""


def status(directory: Directory) -> dict[str, Any]:
    """What the newest round said, and what people have said since."""
    now = directory.now()
    age = time.time() - now["at"] if now else None
    with FileLock(directory.path / LOCK) as lock:
        is_running = not lock.take()
    approved = {host: {what: one.by for what, one in said.items()} for host, said in directory.approved().items()}
    return {
        "runs": is_running and age is not None and age < FRESH,
        "acts": now.get("acts"),
        "age": None if age is None else round(age),
        "hosts": now.get("hosts"),
        "outcomes": now.get("outcomes"),
        "verdicts": now.get("verdicts"),
        "witnesses": now.get("witnesses"),
        "rejected": now.get("rejected"),
        "held": directory.held(),
        "approved": approved,
        "evacuations": [str(path) for path in directory.evacuations()],
    }


def listed(directory: Directory, host: str = "") -> list[tuple[Any, ...]]:
    """A row for each verdict that was kept, oldest first."""
    ends = dict(_ends(directory))
    return [
        (
            *(one["id"], utc(one["at"]), one["host"], one["outcome"], one["gate"], one["why"], one["acts"]),
            ends.get(one["id"], ""),
        )
        for one in directory.records()
        if host in ("", one["host"])
    ]


def replayed(directory: Directory, host: str = "") -> list[tuple[str, ...]]:
    """Each made once more from its evidence: `the same`, or what it is today."""
    rows: list[tuple[str, ...]] = []
    for one in directory.records():
        if host not in ("", one["host"]):
            continue
        now = again(one)
        is_same = (now.outcome, now.gate, now.why) == (one["outcome"], one["gate"], one["why"])
        today = SAME if is_same else f"{now.outcome} {now.gate}: {now.why}"
        rows.append((one["id"], one["host"], one["outcome"], one["gate"], today))
    return rows


def label(directory: Directory, verdict: str, what: str, by: str) -> None:
    """Writes down what a verdict turned out to be. Raises InputError for one that is not there."""
    if what not in ("right", "wrong"):
        raise InputError(f"--label {verdict}={what}: give ID=right or ID=wrong")
    _find(directory, verdict)
    directory.label(verdict, what, by)


def evidence_of(directory: Directory, verdict: str) -> list[tuple[Any, ...]]:
    """The signs that a verdict was made from."""
    signs = _find(directory, verdict)["case"]["host"]["signs"]
    return [(source, who, domain, said, round(seconds), note) for source, who, domain, said, seconds, note in signs]


def _find(directory: Directory, verdict: str) -> dict[str, Any]:
    found = next((one for one in directory.records() if one["id"] == verdict), None)
    if found is None:
        raise InputError(f"there is no verdict {verdict}", hint="naru guard verdicts lists them.")
    return found


def _ends(directory: Directory) -> Iterator[tuple[str, str]]:
    """What verdicts that were for an evacuation turned out to be: right, wrong, or open."""
    labels = directory.labels()
    records = list(directory.records())
    for at, one in enumerate(records):
        if one["outcome"] != "evacuate":
            continue
        later = (
            two
            for two in records[at + 1 :]
            if two["host"] == one["host"] and two["at"] - one["at"] < WELL_WITHIN and two["gate"] != "flight"
        )
        lives = any(two["outcome"] == "none" or (two["gate"] == "life" and two["outcome"] == "alarm") for two in later)
        yield one["id"], labels.get(one["id"], "wrong" if lives else "open")


def precision(directory: Directory) -> list[tuple[Any, ...]]:
    """By week, of the evacuations that were begun, or would have been: how many were right of those that are known."""
    weeks: dict[str, list[int]] = {}
    ends = dict(_ends(directory))
    for one in directory.records():
        if one["id"] not in ends:
            continue
        week = time.strftime("%G-W%V", time.gmtime(one["at"]))
        counts = weeks.setdefault(week, [0, 0, 0])
        counts[("right", "wrong", "open").index(ends[one["id"]])] += 1
    rows = []
    for week, (right, wrong, unknown) in sorted(weeks.items()):
        known = right + wrong
        rows.append((week, known + unknown, right, wrong, unknown, round(right / known, 3) if known else None))
    return rows

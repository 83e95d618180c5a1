"""Plans of work directories on this machine: moves, upgrades, drains and what else there is, with their rounds."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from naru.errors import NaruError
from naru.operate.metrics.families import NothingThere, Samples
from naru.plan.journal import DATABASE, POINTER, Journal
from naru.plan.status import status
from naru.work.directory import OWNER

DEPTH = 4
"""How deep below a directory that is named there are work directories: DIRECTORY/site/drain7/return/1."""
MOST = 200
WEEK = 7 * 86400.0
"""Seconds for which a plan that is done is told."""


class Reading:
    def __init__(self, directories: Sequence[Path]) -> None:
        self._directories = directories

    def __call__(self, samples: Samples) -> None:
        if not self._directories:
            raise NothingThere("no --plans is given")
        found = [(path, root) for root in self._directories for path in _plans(root, DEPTH)]
        newest = sorted(found, key=lambda one: _changed(one[0]), reverse=True)
        unreadable = 0
        for path, root in newest[:MOST]:
            try:
                # they are others': one that an older Naru wrote, and goes on with, is not made into one of this
                with Journal.open(path, as_it_is=True) as journal:
                    now = status(journal)
            except (NaruError, SQLAlchemyError, OSError):
                unreadable += 1
                continue
            if now.state == "done" and time.time() - _changed(path) > WEEK:
                continue
            name = str(path.relative_to(root)) if path != root else path.name
            plan = (_capability(path, root), name)
            samples.add("naru_plan", 1.0, *plan, now.state)
            for state, count in now.counts.items():
                samples.add("naru_plan_steps", count, *plan, state)
            if now.seen:
                samples.add("naru_plan_seen_timestamp_seconds", now.seen, *plan)
        samples.add("naru_plans_unreadable", unreadable)


def _plans(directory: Path, depth: int) -> Iterator[Path]:
    if any(_may_be(directory / name) for name in (DATABASE, POINTER)):
        yield directory
    if depth:
        try:
            below = [Path(one.path) for one in os.scandir(directory) if one.is_dir(follow_symlinks=False)]
        except OSError:  # somebody else's, or just removed
            return
        for one in sorted(below):
            yield from _plans(one, depth - 1)


def _may_be(file: Path) -> bool:
    """Whether the file is there, or cannot be seen: then it is told as one that is not readable."""
    try:
        return file.is_file()
    except OSError:
        return True


def _changed(path: Path) -> float:
    """When the journal was last written, as far as its files say."""
    times = [0.0]
    for name in (DATABASE, f"{DATABASE}-wal", POINTER):
        try:
            times.append((path / name).stat().st_mtime)
        except OSError:  # not there, or not to be seen
            continue
    return max(times)


def _capability(path: Path, root: Path) -> str:
    """Whose it is; rounds are their plan's."""
    for directory in (path, *path.parents):
        try:
            return str(json.loads((directory / OWNER).read_text())["tenant"])
        except (OSError, ValueError, KeyError, TypeError):
            if directory == root:
                break
    return "plan"

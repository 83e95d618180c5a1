"""What a copy has to remember between its passes, and to go on where it was killed: a directory with two files.

`state.json` is replaced as a whole and on disk before what it announces is done; `manifest` is what is known of the
target (see `manifest`). Without either nothing is lost but time: the next pass reads everything.
"""

import contextlib
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from naru.errors import InputError, NaruError
from naru.files import HELD, FileLock, held_directory, write_whole
from naru.volumes.engine.manifest import Manifest
from naru.volumes.oserrors import hint_of
from naru.volumes.volume import Location

FORMAT = 1


@dataclass
class RunningPass:
    """A pass that has begun: from `since` ("" for everything) to `point` ("" where the source has none). Everything
    below `position` is done; between it and `limit` something may have been written; nothing beyond. `mistaken` says
    that the list of what changed was found incomplete (see `changes`), `coarse` that therefore all that may have
    changed is being compared."""

    point: str
    since: str
    position: int = 0
    limit: int = 0
    mistaken: bool = False
    coarse: bool = False


@dataclass
class State:
    """See the fields of state.json: identities and texts of both sides, `at` the point of the last whole pass,
    `verified` the one at which the target was last found to be equal everywhere, `known` up to which size of the target
    the manifest is true, `passes` how many were whole; `early` by point the offsets and lengths of what changed
    right after it (see `changes`), None where that is much; `taken` the point that was made ahead of its pass (see
    `take` in `copy`)."""

    directory: Path
    manifest: Manifest
    source: str
    target: str
    job: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    source_id: str = ""
    target_id: str = ""
    at: str = ""
    verified: str = ""
    passes: int = 0
    known: int = 0
    early: dict[str, list[tuple[int, int]] | None] = field(default_factory=dict)
    taken: str = ""
    running: RunningPass | None = None

    def save(self, start: int = 0, records: bytes | bytearray = b"") -> None:
        """Returns when it survives a loss of power, with the manifest, whose `records` from `start` on are new."""
        content = {"naru_copy": FORMAT} | {name: getattr(self, name) for name in _FIELDS}
        content["running"] = asdict(self.running) if self.running else None
        self.manifest.store(start, records)
        self.manifest.sync()
        try:
            write_whole(self.directory / "state.json", json.dumps(content, indent=1))
        except OSError as error:
            raise NaruError(
                f"{self.directory} cannot be written", detail=error.strerror or "", hint=hint_of(error.errno)
            ) from error


_FIELDS = [item.name for item in fields(State) if item.name not in ("directory", "manifest", "running")]


@contextmanager
def opened(directory: Path, source: Location, target: Location, job: str = "") -> Iterator[State]:
    """The state in `directory`, made unless it exists; this process alone may use it until the end.

    Raises InputError when it is that of another copy, or damaged, and NaruError while another process has it.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(held_directory(directory))
        content = _read(directory / "state.json")
        fresh = not content or not (directory / "manifest").exists()
        manifest = Manifest(directory / "manifest")
        stack.callback(manifest.close)
        running = content.pop("running", None)
        known = {name: content[name] for name in _FIELDS if name in content}
        state = State(directory, manifest, **{"source": str(source), "target": str(target)} | known)
        state.running = RunningPass(**running) if running else None
        if (state.source, state.target) != (str(source), str(target)):
            raise InputError(
                f"{directory} is the state of another copy",
                detail=f"{state.source} -> {state.target}",
                hint="Give another directory.",
            )
        if fresh:
            state.known = 0
        if job and not content:
            state.job = job
        yield state


def wait_until_free(directory: Path, patience: float, tick: Callable[[], None]) -> None:
    """Waits until no process uses the state in `directory`, at most `patience` seconds. Calls `tick` meanwhile. Raises
    NaruError when it is used still."""
    end = time.monotonic() + patience
    while not is_free(directory):
        tick()
        if time.monotonic() > end:
            raise NaruError(
                f"{directory} is still used by another process, after {patience:.0f} s",
                hint="It was asked to give way, and does not answer: end it, then: naru plan retry.",
            )
        time.sleep(0.1)


def is_free(directory: Path) -> bool:
    """Whether no process uses the state in `directory` at this moment."""
    try:
        if not (directory / HELD).exists():
            return True
        with FileLock(directory / HELD) as lock:
            return lock.take()
    except OSError as error:
        raise InputError(f"{directory / HELD} cannot be opened", detail=error.strerror or "") from error


def exists(directory: Path) -> bool:
    """Whether a copy has been begun whose state is in `directory`."""
    return (directory / "state.json").exists()


def last_point(directory: Path) -> str:
    """The point of the last whole pass, "" when no pass was whole."""
    return str(_read(directory / "state.json").get("at", ""))


def reached(directory: Path) -> list[str]:
    """The points of the last whole pass and of one that has begun, as far as they exist."""
    content = _read(directory / "state.json")
    return [point for point in (content.get("at"), (content.get("running") or {}).get("point")) if point]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read", detail=str(error), hint="Remove it to start anew.") from error
    if not isinstance(content, dict) or content.get("naru_copy") != FORMAT:
        raise InputError(f"{path} is not the state of a copy that this Naru knows", hint="Remove it to start anew.")
    return content

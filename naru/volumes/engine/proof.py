"""What verifications found, kept beside the state of a copy: the record of every block, and when it was compared.

    records-POINT    the source's record (see `blocks`) of every block as it was at the point, in a sparse file
    proofs           a line of JSON for each verification that found both sides equal, the newest last

Where only changes are compared, the records of the point before are copied and those that were read are entered. A file
has its point's name only when it is whole, and the state names that point only afterwards: whoever is killed leaves the
earlier records as they were. Each line has a chain digest over itself and the chain of the line before.
"""

import datetime
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from blake3 import blake3

from naru.errors import InputError, NaruError
from naru.files import sync_directory
from naru.volumes.blocks import BLOCK, RECORD
from naru.volumes.engine.manifest import Manifest
from naru.volumes.engine.passes import WINDOW
from naru.volumes.engine.state import State

PROOFS = "proofs"
RECORDS = "records"


class Proof(NamedTuple):
    """A verification that found both sides equal. `at` is ISO 8601; `source` at `point` was compared with `target`: all
    of `size` bytes, or what changed since the proof of the point `since`; `compared` bytes were read. The digests are
    of the whole content. `repaired` are (offset, length) of ranges that had differed and were made equal, `more` how
    many there were besides. `chain` is BLAKE3 over the JSON of this proof with the chain of the one before."""

    at: str
    source: str
    target: str
    point: str
    since: str
    size: int
    compared: int
    source_digest: str
    target_digest: str
    repaired: tuple[tuple[int, int], ...] = ()
    more: int = 0
    chain: str = ""

    def chained(self, before: str) -> "Proof":
        """This proof after one whose chain is `before`, "" for the first."""
        text = json.dumps(self._asdict() | {"chain": before})
        return self._replace(chain=blake3(text.encode()).hexdigest())


def read(directory: Path) -> list[Proof]:
    """The proofs in a copy's directory, the oldest first. Raises InputError when they are no chain."""
    try:
        lines = (directory / PROOFS).read_text().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise InputError(f"{directory / PROOFS} cannot be read", detail=str(error)) from error
    found: list[Proof] = []
    for number, line in enumerate(lines, 1):
        if not line.endswith("\n"):  # of one that was killed while it wrote
            break
        try:
            proof = load(json.loads(line))
        except (ValueError, TypeError) as error:
            raise _broken(directory, number, str(error)) from error
        if proof.chained(found[-1].chain if found else "") != proof:
            raise _broken(directory, number, "its chain digest is another one")
        found.append(proof)
    return found


def load(raw: Mapping[str, Any]) -> Proof:
    """A proof from its JSON form. Raises TypeError for what is none."""
    return Proof(**{**raw, "repaired": tuple((start, length) for start, length in raw["repaired"])})


def _broken(directory: Path, number: int, detail: str) -> InputError:
    return InputError(
        f"{directory / PROOFS}: line {number} is not what was written",
        detail=detail,
        hint="Move the file away: what is compared from then on begins a new chain.",
    )


def records(directory: Path, point: str) -> Path:
    """The file with the records of a point, "" for a source that has none."""
    return directory / (f"{RECORDS}-{point}" if point else RECORDS)


def keep(state: State, fresh: Path, proof: Proof) -> Proof:
    """Keeps a proof and its records, which are in the file `fresh`; returns it with its chain."""
    directory = state.directory
    try:
        known = read(directory)
        chained = proof.chained(known[-1].chain if known else "")
        fresh.replace(records(directory, proof.point))
        _append(directory / PROOFS, f"{json.dumps(chained._asdict())}\n")
        if proof.point:
            state.verified = proof.point
            state.save()
        kept = {records(directory, proof.point), records(directory, state.verified)}
        for other in directory.glob(f"{RECORDS}*"):
            if other not in kept:
                other.unlink()
    except OSError as error:
        raise NaruError(f"{directory} cannot be written", detail=error.strerror or "") from error
    return chained


def _append(path: Path, line: str) -> None:
    """Writes a line after the last whole one; it survives a loss of power, and the names in the directory do."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        file.seek(file.read().rfind(b"\n") + 1)
        file.truncate()
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())
    sync_directory(path.parent)


@contextmanager
def writing(path: Path, base: Path | None = None) -> Iterator[Manifest]:
    """A new file for records, those in `base` to begin with; at the end it is on disk. For its owner alone."""
    path.unlink(missing_ok=True)
    with opened(path) as made:
        if base is not None:
            with opened(base, write=False) as before:
                span = WINDOW // BLOCK * RECORD
                for number in range(-(-base.stat().st_size // span)):
                    start = number * WINDOW
                    made.store(start, before.load(start, start + WINDOW))
        yield made
        made.sync()


@contextmanager
def opened(path: Path, *, write: bool = True) -> Iterator[Manifest]:
    """The records in a file."""
    manifest = Manifest(path, write=write)
    try:
        yield manifest
    finally:
        manifest.close()


def now() -> str:
    """The time, as proofs have it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")

"""What is kept of the comparisons of volumes' content: in the archive, and in what the report is made of."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from naru.inventory.archive import Archive
from naru.inventory.kinds import BY_NAME
from naru.inventory.rows import Row
from naru.move import result
from naru.move.decisions import Decision
from naru.move.steps import copying, volume_content
from naru.move.work import DECISIONS, Work
from naru.plan import schema
from naru.plan.context import Context
from naru.plan.journal import Journal
from naru.plan.model import Plan, Step
from naru.volumes.control import Control
from naru.volumes.engine import proof
from naru.volumes.files.location import File

from ..plan.test_cli import naru
from .described import described

pytestmark = pytest.mark.unit
MIB = 1 << 20


def carried(directory: Path, rounds: int = 2) -> list[proof.Proof]:
    """A small file that was copied ahead and then in the window; the proofs of it."""
    source, target = directory / "source", directory / "target"
    state = directory / "volumes" / "v"
    for number in range(rounds):
        source.write_bytes(bytes([number + 1]) * MIB)
        target.touch()
        with target.open("r+b") as file:
            file.truncate(MIB)
        copying.copy_and_compare(
            *(File(str(source)), File(str(target)), state),
            job="m",
            ahead=False,
            whole=False,
            control=Control(),
        )
    return proof.read(state)


def test_proofs_reach_the_archive_and_whoever_asks_it(tmp_path: Path) -> None:
    proofs = carried(tmp_path)
    with Archive(tmp_path / "archive.db") as archive:
        number = archive.begin("old")
        body = {"id": "v", "name": "data", "size": 1, "os-vol-tenant-attr:tenant_id": "p"}
        archive.add(number, [Row.of(BY_NAME["volume"], body)])
        archive.end(number, [])
    volumes = [
        {"from": name, "to": {"$ref": f"volume {name}"}, "directory": str(tmp_path / "volumes" / name)} for name in "vi"
    ]
    results = {"volume v": {"id": "w"}, "volume i": {"id": "j"}}
    args = {"cloud": "old", "archive": str(tmp_path / "archive.db"), "volumes": volumes}
    context = Context(n=1, id="s", kind="k", unit="", args=args, attempt=1, earlier=None, reader=lambda _: results)
    for _ in range(2):  # killed and repeated
        assert volume_content.content_kept(context) == {"volumes": 1}
    [told] = json.loads(naru("archive", "show", "v", "--work", tmp_path).stdout)
    assert [one["target"] for one in told["content"]] == ["w"]
    assert [proof.load(one) for one in told["content"][0]["proofs"]] == proofs
    assert len(proofs) == 2 and proofs[-1].source_digest == proofs[-1].target_digest


@pytest.fixture
def work(tmp_path: Path) -> Path:
    settings = {"from": "old", "to": "new", "projects": ["p"]}
    plan = Plan(settings=settings)
    for name, kind in (("a", "move.content"), ("b", "move.volume_image"), ("c", "move.content")):
        plan.add(Step(f"content volume/{name}", kind, {"from": name}))
    decisions = [Decision("volume", name, name.upper(), "p", "create", "") for name in "cba"]
    told: dict[str, Any] = {"naru_decisions": 1, "from": "old", "to": "new", "projects": {"p": "shop"}}
    told["snapshots"] = {"old": 1, "new": 2}
    directory = tmp_path / "work"
    Journal.create(directory, described(plan)).close()
    (directory / DECISIONS).write_text(json.dumps({**told, "decisions": [one.dump() for one in decisions]}))
    return directory


def test_the_report_is_told_of_what_is_cut_over(work: Path) -> None:
    carried = {"way": "copy", "size": 10, "compared": 3, "whole": False, "digest": "d", "repaired": 1}
    results = {"a": carried | {"at": "2026-11-21T01:00:00+00:00", "chain": "c"}, "b": {"size": 7, "checksum": "m"}}
    with Journal.open(work) as journal, journal.write() as connection:
        for name, found in results.items():
            values = {"state": "done", "result": json.dumps(found), "ended": 1_800_000_000.0}
            chosen = schema.steps.c.id == f"content volume/{name}"
            connection.execute(update(schema.steps).where(chosen).values(values))
    image, changes = result.contents(Work(work))
    assert (image.volume_old_id, image.way, image.compared, image.digest) == ("b", "image", 7, "m")
    assert image.at == "2027-01-15T08:00:00+00:00" and image.chain == ""
    assert (changes.volume_name, changes.way, changes.size, changes.compared) == ("A", "changes", 10, 3)
    assert (changes.at, changes.chain, changes.repaired) == ("2026-11-21T01:00:00+00:00", "c", 1)

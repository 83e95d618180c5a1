"""What the steps of a move do with volumes on one storage: real images, and no Cinder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from naru.move.steps import locate, snapshot_content, volume_content
from naru.plan.context import Context
from naru.plan.kinds import KINDS, load
from naru.volumes.ceph.location import Rbd
from naru.volumes.engine.checksum import checksum
from naru.volumes.open import open_volume
from naru.volumes.volume import Location

from .conftest import MIB, Clusters, Writer, identical, image

pytestmark = pytest.mark.ceph

SIZE = 32 * MIB
VOLUME = "4b1ce5b2-3a6c-4f6d-9f4e-0d1c2b3a4958"
Run = Callable[..., Any]


@pytest.fixture
def run(clusters: Clusters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a step kind on two images of one cluster; Cinder is not asked where they are, nor whose."""
    load(["naru.move.steps"])
    source, target = image(clusters.old, SIZE), image(clusters.old, SIZE)
    places: list[Location | None] = [source, target]
    for module in (locate, volume_content):
        monkeypatch.setattr(module, "found_locations", lambda context: places[: len(context.given["volumes"])])
    for module in (locate, volume_content, snapshot_content):
        monkeypatch.setattr(
            module, "located", lambda _, args, sides: {"args": args, "volumes": list(sides), "work": ""}
        )

    monkeypatch.setattr(volume_content, "check_still", lambda *_: None)

    def run(kind: str, **more: Any) -> Any:
        args = {**run.args, **more}  # type: ignore[attr-defined]
        context = Context(n=1, id="s", kind=kind, unit="", args=args, attempt=1, earlier=None, reader=lambda _: {})
        before = KINDS.get(kind).before
        assert before is not None
        context.given = before(context)
        return KINDS.get(kind).run(context)

    directory = tmp_path / "volumes" / VOLUME
    directory.mkdir(parents=True)
    args = {"old": "old", "cloud": "new", "from": VOLUME, "to": "n", "storage": ["", ""], "size": SIZE}
    run.places, run.args = places, {**args, "directory": str(directory)}  # type: ignore[attr-defined]
    return run


def points(where: Rbd) -> list[str]:
    with open_volume(where) as volume:
        return [point.name for point in volume.points()]


def test_nothing_is_copied(run: Any) -> None:
    source, target = run.places
    Writer(source, SIZE).change(20)
    assert run("move.content.access")["way"] == "clone"
    ahead = run("move.content", ahead=True, whole=True)
    assert ahead["way"] == "clone" and not (ahead["read"] or ahead["written"] or ahead["pass"])
    assert points(source) == [] and not checksum(target).read
    done = run("move.content")
    assert done["way"] == "clone" and done["read"] == done["written"] == 0 and done["shared"] == SIZE
    assert identical(source, target) and points(source) == [f"{done['point']}"] == ["move4b1ce5b2-final"]
    flattened = run("move.content.flatten")
    assert flattened["flattened"] and flattened["digest"] == checksum(source).digest
    assert points(source) == points(target) == []
    undo = {"step": "s", "args": run.args}
    run("move.content.undo", result=done, **undo)
    assert identical(source, target)


def test_rolled_back(run: Any) -> None:
    source, target = run.places
    Writer(source, SIZE).change(20)
    done = run("move.content")
    undo = {"step": "s", "args": run.args}
    for result in (done, None, {"way": "copy", "to": "n"}):
        run("move.content.undo", result=result, **undo)
        assert points(source) == points(target) == [] and not checksum(target).read
    run.places[1] = None  # Cinder has it no more
    run("move.content.undo", result=None, **undo)


def test_copied_where_it_cannot_be_a_clone(run: Any, clusters: Clusters) -> None:
    source, _ = run.places
    Writer(source, SIZE).change(20)
    target = run.places[1] = image(clusters.old, SIZE, "--image-feature", "layering,exclusive-lock")
    assert "deep-flatten" in run("move.content.access")["why"]
    done = run("move.content")
    assert done["way"] == "copy" and "deep-flatten" in done["why"] and done["written"]
    assert identical(source, target)
    assert run("move.content.flatten") == {"flattened": False, "compared": 0, "digest": ""}

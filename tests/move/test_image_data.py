"""Images whose data newer Glance refuses: what is told of them ahead, and what the map makes of it."""

from typing import Any

import pytest

from naru.inventory.image_data import BEGINNING, formats, label_fits, mbr_problem
from naru.messages import say
from naru.move import mapfile, planner
from naru.move.draft import Draft, Options

from .test_mapping import facts
from .test_progress import OLD

pytestmark = pytest.mark.unit


def sector(*entries: bytes, fat: bool = False) -> bytes:
    """A boot sector with these partitions."""
    table = b"".join(entries).ljust(64, b"\0")
    beginning = bytearray(446) + table + b"\x55\xaa"
    if fat:
        beginning[0x10], beginning[0x15] = 2, 0xF8
    return bytes(beginning)


LINUX = b"\x80\x20\x21\0\x83" + bytes(11)
PROTECTIVE = b"\0\0\x02\0\xee\xfe\xff\xff\x01\0\0\0" + bytes(4)


@pytest.mark.parametrize(
    ("beginning", "found"),
    [
        (b"", ["raw"]),
        (bytes(4096), ["raw"]),
        (b"QFI\xfb\0\0\0\x03", ["qcow2"]),
        (b"KDMV", ["vmdk"]),
        (b"vhdxfile", ["vhdx"]),
        (b"conectix", ["vhd"]),
        (bytes(0x40) + b"\x7f\x10\xda\xbe", ["vdi"]),
        (bytes(0x8001) + b"CD001", ["iso"]),
        (sector(LINUX), ["gpt"]),
        (sector(LINUX).ljust(0x8001, b"\0") + b"CD001", ["iso", "gpt"]),
        (sector(LINUX, fat=True), ["raw"]),
    ],
)
def test_the_beginning_says_what_it_is(beginning: bytes, found: list[str]) -> None:
    assert formats(beginning) == found and len(beginning) <= BEGINNING


@pytest.mark.parametrize(
    ("label", "found", "fits"),
    [
        ("qcow2", ["qcow2"], True),
        ("qcow2", ["raw"], False),
        ("raw", ["qcow2"], True),
        ("raw", ["gpt"], True),
        ("qcow2", ["gpt"], False),
        ("ami", ["raw"], True),
        ("ami", ["qcow2"], False),
        ("iso", ["iso", "gpt"], True),
        ("qcow2", ["qcow2", "gpt"], False),
    ],
)
def test_which_labels_glance_takes(label: str, found: list[str], fits: bool) -> None:
    assert label_fits(label, found) == fits


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ([LINUX], ""),
        ([PROTECTIVE], ""),
        ([b"\x01" + LINUX[1:]], "MBR PTE 0 has invalid boot flag"),
        ([PROTECTIVE, LINUX], "GPT MBR defines invalid extra partitions"),
        ([PROTECTIVE[:1] + b"\x01" + PROTECTIVE[2:]], "GPT MBR has invalid start CHS"),
        ([PROTECTIVE[:8] + b"\x02\0\0\0" + PROTECTIVE[12:]], "GPT MBR has invalid start LBA"),
        ([], "GPT MBR has no partitions defined"),
    ],
)
def test_which_partitions_glance_refuses(entries: list[bytes], problem: str) -> None:
    assert mbr_problem(sector(*entries)) == problem


UUID = "00000000-0000-4000-8000-000000000000"
IMAGE = {
    **{"id": UUID, "name": "golden", "owner": "p", "status": "active", "size": 9, "checksum": "c"},
    **{"disk_format": "qcow2", "container_format": "bare", "visibility": "private"},
}


def plan(found: list[str], problem: str, written: str | None, glance: str, **image: Any) -> Draft:
    data = {"image_id": UUID, "formats": found, "problem": problem}
    versions = {"compute": "2.103", "block-storage": "3.71", "image": glance}
    cloud = {"name": "new", "user_id": "a", "versions": versions, "extensions": {}}
    things = facts({**OLD, "server": [], "image": [{**IMAGE, **image}], "image data": [data]}, {"cloud": [cloud]})
    decided = mapfile.EMPTY.model_copy(update={"image_formats": {"golden": written} if written else {}})
    return planner.make(things, mapfile.choose(things, decided), Options(key="/key"), settings={})


def errors(draft: Draft) -> list[str]:
    return [say(one.summary) for one in draft.plan.findings if one.severity == "error" and "lance" in say(one.summary)]


@pytest.mark.parametrize(
    ("found", "problem", "written", "glance", "label", "said"),
    [
        (["qcow2"], "", None, "2.18", "qcow2", ""),
        (["raw"], "", None, "2.9", "qcow2", ""),  # which looks at nothing
        (["raw"], "", None, "2.18", "qcow2", "it says qcow2 and its data is raw, which Glance refuses"),
        (["raw"], "", "raw", "2.18", "raw", ""),
        (["raw"], "", "vmdk", "2.18", "vmdk", "Glance refuses it as vmdk"),
    ],
)
def test_a_label_that_does_not_fit_is_decided_by_the_map(
    found: list[str], problem: str, written: str | None, glance: str, label: str, said: str
) -> None:
    draft = plan(found, problem, written, glance)
    (args,) = [step.args for step in draft.plan.steps if step.id == f"image/{UUID}"]
    assert args["body"]["disk_format"] == label
    told = errors(draft)
    assert len(told) == bool(said) and all(said in text for text in told)
    changes = [one for one in draft.decisions["image", UUID].changes if one.field == "disk_format"]
    assert bool(changes) == (label != "qcow2")


def test_partitions_that_glance_refuses_are_left_or_taken_by_the_map() -> None:
    raw = {"disk_format": "raw"}
    assert "gpt_safety_checks_nonfatal" in errors(plan(["gpt"], "bad", None, "2.18", **raw))[0]
    assert not errors(plan(["gpt"], "bad", "raw", "2.18", **raw))
    left = plan(["gpt"], "bad", "leave", "2.18", **raw)
    assert left.decisions["image", UUID].decision == "leave" and not errors(left)

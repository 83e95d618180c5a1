"""The parts of real guests that need no cloud."""

from pathlib import Path

import pytest

from naru.errors import InputError
from naru.lab import spec
from naru.lab.guests import image
from naru.lab.guests.heartbeats import Heartbeats
from naru.releases import release

pytestmark = pytest.mark.unit

NEWEST = release.names()[-1]


def test_only_clouds_that_can_get_guest_hosts() -> None:
    built = spec.build(["old=pike", f"new={NEWEST}"], None, 1, guests=2)
    assert [cloud.guests for cloud in built.clouds] == [0, 2]


@pytest.mark.parametrize(("clouds", "guests"), [(["old=pike"], 1), (None, -1), (None, spec.MAX_GUEST_HOSTS + 1)])
def test_guests_that_cannot_be_are_refused(clouds: list[str] | None, guests: int) -> None:
    with pytest.raises(InputError):
        spec.build(clouds, None, 1, guests=guests)


def test_an_uninterrupted_marker_has_no_gaps() -> None:
    found = Heartbeats(("boot 1", "hb 1 1", "hb 1 2", "off 1", "boot 2", "hb 2 1"))
    assert (found.boots, found.of(1), found.of(2), found.gaps()) == ([1, 2], [1, 2], [1], [])


@pytest.mark.parametrize(
    "lines",
    [
        ("boot 1", "hb 1 1", "hb 1 3"),
        ("boot 1", "hb 1 2"),
        ("boot 1", "hb 1 1", "hb 1 1"),
        ("boot 2", "hb 2 1"),
        ("hb 1 1", "boot 2", "hb 2 1"),
    ],
)
def test_whatever_is_lost_or_doubled_is_a_gap(lines: tuple[str, ...]) -> None:
    assert len(Heartbeats(lines).gaps()) == 1


def test_a_module_comes_after_those_it_needs_and_built_in_ones_are_left_out(tmp_path: Path) -> None:
    needs = {"virtio": "", "virtio_ring": "", "virtio_pci": "virtio,virtio-ring", "virtio_blk": "virtio"}
    for name, others in needs.items():
        (tmp_path / name).write_bytes(b"\0license=GPL\0depends=" + others.encode() + b"\0")
    modules = {name: tmp_path / name for name in needs}
    order = image._with_dependencies(["virtio_blk", "virtio_pci", "ext4"], modules)
    assert order == ["virtio", "virtio_blk", "virtio_ring", "virtio_pci"]


def test_the_boot_record_names_both_partitions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mbr.bin").write_bytes(b"loader")
    monkeypatch.setattr(image, "MBR", (str(tmp_path / "mbr.bin"),))
    record = image._boot_record()
    assert len(record) == image.SECTOR
    assert record[-2:] == b"\x55\xaa"
    assert [record[446 + 4], record[462 + 4]] == [0x0E, 0x83]
    starts = [int.from_bytes(record[at + 8 : at + 12], "little") * image.SECTOR for at in (446, 462)]
    assert starts == [image.FAT_START, image.DATA_START]

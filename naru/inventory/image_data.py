"""What the data of images is, by its beginning: Glance takes an image only if its data is what its label says, and an
older one looked at nothing. The rules are those of `oslo_utils.imageutils.format_inspector`."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import requests

from naru.cloud.client import Cloud, CloudError
from naru.inventory.archive import Archive
from naru.inventory.kinds import BY_NAME
from naru.inventory.read import WORKERS, Reading, explain
from naru.inventory.rows import Row

KIND = BY_NAME["image data"]
BEGINNING = 36 << 10
"""So many bytes say what a file is: an ISO says it after 32 KiB."""
_MAGIC = {b"QFI\xfb": "qcow2", b"QED\0": "qed", b"conectix": "vhd", b"vhdxfile": "vhdx", b"KDMV": "vmdk"}
_MAGIC |= {b"# Disk DescriptorFile": "vmdk", b"LUKS\xba\xbe": "luks"}
KNOWN = frozenset(("raw", "iso", "vdi", "gpt", *_MAGIC.values()))
"""The formats that Glance can tell. Data with another label only has to be none of these but raw."""


def formats(beginning: bytes) -> list[str]:
    """What the data is by its beginning; several where it could be taken for more than one thing."""
    found = [name for magic, name in _MAGIC.items() if beginning.startswith(magic)]
    if beginning[0x40:0x44] == b"\x7f\x10\xda\xbe":
        found.append("vdi")
    if beginning[0x8001:0x8006] in (b"CD001", b"NSR02", b"NSR03"):
        found.append("iso")
    if _boot_sector(beginning):
        found.append("gpt")
    return found or ["raw"]


def _boot_sector(beginning: bytes) -> bool:
    """Whether it begins with a master boot record, and not with that of a FAT file system."""
    return beginning[510:512] == b"\x55\xaa" and not (beginning[0x10] == 2 and beginning[0x15] == 0xF8)


def mbr_problem(beginning: bytes) -> str:
    """What Glance refuses of the partitions in a master boot record, "" for nothing."""
    if not _boot_sector(beginning):
        return ""
    entries = [beginning[start : start + 16] for start in range(446, 510, 16)]
    for number, entry in enumerate(entries):
        if entry[0] not in (0x00, 0x80):
            return f"MBR PTE {number} has invalid boot flag"
    used = [number for number, entry in enumerate(entries) if entry[4]]
    protective = [entry for entry in entries if entry[4] == 0xEE]
    if any(entry[1:4] != b"\0\x02\0" for entry in protective):
        return "GPT MBR has invalid start CHS"
    if any(entry[8:12] != b"\x01\0\0\0" for entry in protective):
        return "GPT MBR has invalid start LBA"
    if protective and used != [0]:
        return "GPT MBR defines invalid extra partitions"
    return "" if used else "GPT MBR has no partitions defined"


def label_fits(label: str, found: Collection[str]) -> bool:
    """Whether Glance takes data that was found to be this under the label. As raw it takes anything that is one thing;
    an ISO may have a boot sector in front."""
    if set(found) == {"iso", "gpt"}:
        return label in ("iso", "raw")
    if len(found) > 1:
        return False
    (only,) = found
    return label in ("raw", only) or (only == "raw" and label not in KNOWN)


def beginning_of(cloud: Cloud, image: str) -> bytes:
    """The first bytes of an image's data. Raises CloudError."""
    headers = {"Range": f"bytes=0-{BEGINNING - 1}"}  # an old Glance sends all of it: the rest is not read
    answer = cloud.request("image", "GET", f"/images/{image}/file", headers=headers, stream=True)
    found = b""
    with closing(answer):
        try:
            for chunk in answer.iter_content(BEGINNING):
                found += chunk
                if len(found) >= BEGINNING:
                    break
        except requests.RequestException as error:
            raise CloudError(f"{cloud.name}: the data of image {image} cannot be read", detail=str(error)) from error
    return found[:BEGINNING]


def read_image_data(cloud: Cloud, archive: Archive, snapshot: int, images: Collection[str]) -> Reading:
    """Adds to a snapshot what the data of the images (ids) is, several at a time."""
    reading = Reading(KIND.name)

    def look(image: str) -> Row | CloudError:
        try:
            beginning = beginning_of(cloud, image)
        except CloudError as error:
            return error
        body = {"image_id": image, "formats": formats(beginning), "problem": mbr_problem(beginning)}
        return Row.of(KIND, body)

    kept: list[Row] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for answer in pool.map(look, sorted(images)):
            if isinstance(answer, Row):
                kept.append(answer)
            elif answer.status != 404:  # it was deleted meanwhile
                explain(reading, KIND, answer)
    archive.add(snapshot, kept)
    reading.count = len(kept)
    return reading

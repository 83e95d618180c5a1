"""Images of projects, written into a file: those with content that were not made of servers."""

from typing import Any

from naru.inventory.rows import Row
from naru.operate.tenants.contents import told
from naru.operate.tenants.exporter import Exporter
from naru.operate.tenants.kinds.image import IMAGE, properties
from naru.operate.tenants.kinds.images_there import WHOLE
from naru.text import size

NAMES_OTHERS = ("kernel_id", "ramdisk_id", "base_image_ref", "instance_uuid", "owner_id", "user_id")
"""Properties that name things by their ids."""
MADE_OF_SERVERS = ("snapshot", "backup")
DIGEST_NAMES = {32: "MD5", 64: "SHA-256", 128: "SHA-512"}


def export(out: Exporter) -> None:
    """Images with content that were not made of servers; where their content is, if it is written beside the file."""
    for project in out.projects:
        found = []
        rows = sorted(out.facts.owned(IMAGE.name, project.id), key=lambda row: (row.name, told(row)))
        keys = [(row.name, told(row)) for row in rows]
        for row in rows:
            if why := _not_written(row):
                out.leave(IMAGE.name, row, why)
            elif keys.count((row.name, told(row))) > 1:
                out.leave(IMAGE.name, row, "another one has the same name and content")
            else:
                found.append(_written(out, row))
        out.more(project, "images", found)


def _not_written(row: Row) -> str:
    """Why an image is not in the file, "" for one that is."""
    if not row.name:
        return "it has no name"
    if row.body.get("image_type") in MADE_OF_SERVERS or row.body.get("block_device_mapping"):
        return "it was made of a server"
    if row.body["status"] not in WHOLE or not row.body.get("size"):
        return f"it has no content ({row.body['status']})"
    if not told(row):
        # without one no file of its content could be named or checked, nor the image be known again
        return "the cloud tells no checksum of its content"
    return ""


def _written(out: Exporter, row: Row) -> dict[str, Any]:
    fields = {name: row.body[name] for name in ("disk_format",)} | out.fields(IMAGE, row)
    written: dict[str, Any] = {"name": row.name, **fields}
    if row.body["status"] == "deactivated":
        written["deactivated"] = True
    own = properties(row)
    for name in NAMES_OTHERS:
        if own.pop(name, None):
            out.leave(IMAGE.name, row, f"its property {name} names something by its id")
    if own:
        written["properties"] = own
    members = []
    for member in out.facts.of("image member", "image_id", row.id):
        if out.has("project", str(member.body["member_id"])):
            named = out.name(out.facts.all("project")[str(member.body["member_id"])])
            pending = {"status": member.body["status"]} if member.body["status"] != "accepted" else {}
            members.append({**named, **pending} if pending or "domain" in named else named["name"])
        else:
            out.leave(IMAGE.name, row, f"its member {member.body['member_id']} is not in the file")
    if members:
        written["members"] = sorted(members, key=str)
    written["checksum"] = checksum = told(row)
    file = f"{checksum}.{row.body['disk_format']}"
    if out.images:
        written["data"] = {"file": f"{out.images}/{file}"}
        out.contents[file] = row
    else:
        what = f"its content is not in the file ({size(row.body['size'])}, {DIGEST_NAMES[len(checksum)]} {checksum})"
        out.leave(IMAGE.name, row, f"{what}: give --images DIR, or write data: where it is")
    return written

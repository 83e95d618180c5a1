"""Cinder: `cinder/api/validation/parameter_types.py` and `cinder/api/schemas` of 2026.2. That of Pike checked lengths
alone; the schemas came with Queens."""

import re

from naru.move.accepts import PairsRule, TextRule, printable
from naru.move.facts import Side

SERVICE = "block-storage"
SCHEMAS = "3.44"
"""A Cinder that goes up to this microversion checks by schemas."""
METADATA = PairsRule(re.compile(r"[a-zA-Z0-9\-_:. /]{1,255}"), 255)
"""Of volumes, snapshots and backups."""
IMAGE_METADATA = PairsRule(METADATA.key, 65535 // 4)
"""What an image left with a volume: 65,535 bytes a value, which so many characters never exceed."""
DESCRIPTION = TextRule(255, printable)
"""Of snapshots and backups; a volume's may have line breaks."""

BACKUP_FIELDS = {"metadata": "3.43", "availability_zone": "3.51"}
"""The first microversion that has a field of a request for a backup, where not all that Naru speaks have it."""


def checks(side: Side) -> bool:
    """Whether the cloud's Cinder checks by these rules."""
    return side.supports(SERVICE, SCHEMAS)


def keeps_backups_zone(side: Side) -> bool:
    """Whether the cloud's Cinder keeps the zone that a backup is asked for in. Those of Ussuri to Zed, and the first of
    2023.1, do not (`cinder/backup/api.py` 16 to 22.0). Cinder's own microversion is the same in Zed and 2023.1, so the
    later one is told by Nova's."""
    return not side.supports(SERVICE, "3.60") or side.supports("compute", "2.95")


def keeps_formats(side: Side) -> bool:
    """Whether the cloud's Cinder goes by what it knows of a volume in a file. One before 2026.1 looks into the file,
    and refuses a raw volume whose bytes are a qcow2 file (`cinder/volume/drivers/nfs.py`). Cinder's own microversion is
    the same since 2024.1, so the release is told by Nova's."""
    return side.supports("compute", "2.101")

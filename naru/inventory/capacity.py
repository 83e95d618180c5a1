"""Whether a cloud has a host with room for a flavor: Placement's own answer, kept as rows.

Placement is asked for resources, not for flavors: two flavors of one size are one question.
"""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from naru.cloud.client import Cloud, CloudError
from naru.inventory.archive import Archive
from naru.inventory.kinds import BY_NAME
from naru.inventory.read import WORKERS, Reading, explain
from naru.inventory.rows import Row

KIND = BY_NAME["allocation candidates"]
_CLASSES = {"VCPU": "vcpus", "MEMORY_MB": "ram", "DISK_GB": "disk"}


def resources(flavor: Row) -> str:
    """The resources that a server of the flavor takes, as Placement writes them; the id of the row with the answer."""
    amounts = {name: flavor.body[field] for name, field in _CLASSES.items()}
    return ",".join(f"{name}:{amount}" for name, amount in amounts.items() if amount)


def read_room(cloud: Cloud, archive: Archive, snapshot: int, wanted: Collection[str]) -> Reading:
    """Adds to a snapshot whether the cloud has a host for each of `wanted` (see `resources`), several at a time."""
    reading = Reading(KIND.name)
    if not cloud.has(KIND.service):
        reading.problem = f"no {KIND.service} service"
        return reading

    def ask(one: str) -> Row | CloudError:
        try:
            found = list(cloud.items(KIND.service, KIND.path.format(resources=one), KIND.collection, KIND.versions[0]))
        except CloudError as error:
            return error
        return Row.of(KIND, {"resources": one, "candidates": len(found)})

    kept: list[Row] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for answer in pool.map(ask, sorted(wanted)):
            if isinstance(answer, CloudError):
                explain(reading, KIND, answer)
            else:
                kept.append(answer)
    archive.add(snapshot, kept)
    reading.count = len(kept)
    return reading

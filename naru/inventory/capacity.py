"""Whether a cloud has a host with room for a flavor: Placement's own answer, kept as rows.

Placement is asked for resources, not for flavors: two flavors of one size are one question.
"""

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from naru.cloud.client import Cloud, CloudError
from naru.inventory.archive import Archive
from naru.inventory.kinds import BY_NAME
from naru.inventory.read import WORKERS, Reading, explain
from naru.inventory.rows import Row

KIND = BY_NAME["allocation candidates"]
_OWN = "resources:"
"""What extra specs begin with that ask for resources in place of a flavor's own."""


def resources(flavor: Mapping[str, Any], specs: Mapping[str, Any], *, from_volume: bool) -> str:
    """The resources that a server of the flavor takes, as Nova asks Placement (`nova/scheduler/utils.py`); the id of
    the row with the answer. `flavor` has the flavor's fields, `specs` its extra specs; the root disk of a server that
    boots `from_volume` takes none of a host's.

    How many of which CPUs Nova asks for a flavor with dedicated ones follows from the hosts, so that none are asked
    for; neither are numbered groups, which may be had from different providers.
    """
    disk = _number(flavor.get("OS-FLV-EXT-DATA:ephemeral")) + -(-_number(flavor.get("swap")) // 1024)
    disk += 0 if from_volume else _number(flavor.get("disk"))
    amounts = {"VCPU": _number(flavor.get("vcpus")), "MEMORY_MB": _number(flavor.get("ram")), "DISK_GB": disk}
    own = {name.removeprefix(_OWN): _number(value) for name, value in specs.items() if name.startswith(_OWN)}
    if "PCPU" in own or specs.get("hw:cpu_policy") in ("dedicated", "mixed"):
        del amounts["VCPU"]
    return ",".join(f"{name}:{amount}" for name, amount in (amounts | own).items() if amount)


def _number(value: Any) -> int:
    """A size; Nova of 2017 writes no swap as an empty text, and extra specs are texts."""
    try:
        return int(value or 0)
    except ValueError:
        return 0


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

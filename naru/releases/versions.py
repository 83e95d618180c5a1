"""Which release a service is of, by the version of its Python distribution."""

from collections.abc import Mapping, Sequence

ORDER = (
    *("pike", "queens", "rocky", "stein", "train", "ussuri", "victoria", "wallaby", "xena", "yoga", "zed"),
    *("2023.1", "2023.2", "2024.1", "2024.2", "2025.1", "2025.2", "2026.1", "2026.2"),
)
"""Releases as they came: the table counts by them, those that Naru has no environment of included."""

MAJOR: Mapping[str, tuple[str, int]] = {
    "aodh": ("pike", 5),
    "barbican": ("pike", 5),
    "ceilometer": ("pike", 9),
    "cinder": ("pike", 11),
    "designate": ("pike", 5),
    "glance": ("pike", 15),
    "heat": ("pike", 9),
    "keystone": ("pike", 12),
    "magnum": ("pike", 5),
    "manila": ("pike", 5),
    "neutron": ("pike", 11),
    "nova": ("pike", 16),
    "octavia": ("pike", 1),
    "openstack-heat": ("pike", 9),
    "openstack-placement": ("stein", 1),
}
"""Distributions whose first number counts releases: the first one that is counted, and its number."""

MINOR: Mapping[str, Mapping[str, Sequence[str]]] = {
    "horizon": {
        **{"pike": ["12"], "queens": ["13"], "rocky": ["14"], "stein": ["15"], "train": ["16"]},
        **{"wallaby": ["19"], "xena": ["20"], "yoga": ["22"], "zed": ["23.0"], "2023.1": ["23.1"], "2023.2": ["23.3"]},
        **{"2024.1": ["24.0"], "2024.2": ["25.1"], "2025.1": ["25.3"], "2025.2": ["25.5"], "2026.1": ["25.7"]},
        **{"2026.2": ["26"]},
    },
    "swift": {
        **{"pike": ["2.15"], "queens": ["2.17"], "rocky": ["2.18", "2.19"], "stein": ["2.21"], "train": ["2.23"]},
        **{"ussuri": ["2.25"], "victoria": ["2.26"], "wallaby": ["2.27"], "xena": ["2.28"], "yoga": ["2.29"]},
        **{"zed": ["2.30"], "2023.1": ["2.31"], "2023.2": ["2.32"], "2024.1": ["2.33"], "2024.2": ["2.34"]},
        **{"2025.1": ["2.35"], "2025.2": ["2.36"], "2026.1": ["2.37"], "2026.2": ["2.38"]},
    },
}
"""Those whose first numbers do not count: by release, how their versions begin."""

TWICE: Mapping[tuple[str, int], str] = {("glance", 15): "queens"}
"""A number that is of one more release: Glance 16 was never published as a distribution."""


def releases_of(distribution: str, version: str) -> tuple[str, ...]:
    """The releases that this version of the distribution may be of, () when the table does not say. The name is
    normalized, as `openstack-placement`."""
    numbers = version.split(".")
    if distribution in MAJOR and numbers[0].isdigit():
        first, number = MAJOR[distribution]
        at = ORDER.index(first) + int(numbers[0]) - number
        own = (ORDER[at],) if ORDER.index(first) <= at < len(ORDER) else ()
        other = TWICE.get((distribution, int(numbers[0])))
        return (*own, other) if other else own
    return tuple(
        release
        for release, starts in MINOR.get(distribution, {}).items()
        if any(numbers[: len(start.split("."))] == start.split(".") for start in starts)
    )

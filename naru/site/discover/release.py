"""Which release a cloud is of, guessed from the newest versions that its services speak."""

RELEASES = (
    *("pike", "queens", "rocky", "stein", "train", "ussuri", "victoria", "wallaby", "xena", "yoga", "zed"),
    *("2023.1", "2023.2", "2024.1", "2024.2", "2025.1", "2025.2", "2026.1", "2026.2"),
)

# the newest microversion of Nova and of Cinder, as the releases' own histories of their APIs have them
VERSIONS: tuple[tuple[str, tuple[int, int], tuple[int, int]], ...] = (
    ("pike", (2, 53), (3, 43)),
    ("queens", (2, 60), (3, 50)),
    ("rocky", (2, 65), (3, 55)),
    ("stein", (2, 72), (3, 59)),
    ("train", (2, 79), (3, 59)),
    ("ussuri", (2, 87), (3, 60)),
    ("victoria", (2, 87), (3, 62)),
    ("wallaby", (2, 88), (3, 64)),
    ("xena", (2, 90), (3, 66)),
    ("yoga", (2, 90), (3, 68)),
    ("zed", (2, 93), (3, 70)),
    ("2023.1", (2, 95), (3, 70)),
    ("2023.2", (2, 95), (3, 71)),
    ("2024.1", (2, 96), (3, 71)),
    ("2024.2", (2, 96), (3, 71)),
)


def guessed(nova: tuple[int, ...], cinder: tuple[int, ...]) -> str:
    """The one release whose services speak up to these versions, () for a service that is not there; "" when it may be
    several or none."""
    found = [
        name
        for name, of_nova, of_cinder in VERSIONS
        if (not nova or nova == of_nova) and (not cinder or cinder == of_cinder)
    ]
    return found[0] if len(found) == 1 and nova else ""


def of_kolla(tag: str) -> str:
    """The release of a tag of Kolla's images: its name, or a version of Kolla, which counts releases; "" for others."""
    name = tag.strip().lower().removeprefix("stable-").partition("-")[0]
    if name in RELEASES:
        return name
    major, _, rest = name.partition(".")
    first = 5  # Kolla's version in the first of the releases
    if major.isdigit() and rest and first <= int(major) < first + len(RELEASES):
        return RELEASES[int(major) - first]
    return ""

"""What stands below Nova on compute hosts, and what that means for the way."""

import pytest

from naru.errors import NaruError
from naru.releases import path
from naru.upgrade import programs
from naru.upgrade.finding import Span
from naru.upgrade.programs import Seen

pytestmark = pytest.mark.unit
SAID = """compute_driver = libvirt.LibvirtDriver
libvirt libvirtd (libvirt) 4.5.0
qemu QEMU emulator version 2.12.0 (Debian 1:2.12)
"""


def judged(program: str, start: str, goal: str, **versions: str | NaruError | None) -> list[tuple[str, ...]]:
    nova = path.services()["nova"]
    needs = programs._needed(nova, Span(start, goal))[program]
    seen = {
        name: version
        if isinstance(version, NaruError)
        else Seen("libvirt.LibvirtDriver", {program: version} if version else {})
        for name, version in versions.items()
    }
    return [(one.state, one.release, one.what, " ".join(one.examples)) for one in programs.judged(nova, needs, seen)]


def test_what_hosts_say_is_read() -> None:
    assert programs.parsed(SAID) == Seen("libvirt.LibvirtDriver", {"libvirt": "4.5.0", "qemu": "2.12.0"})
    assert programs.parsed("libvirt \nqemu \n") == Seen()
    assert programs.parsed("compute_driver=fake.FakeDriver\nlibvirt \n").driver == "fake.FakeDriver"


def test_the_first_release_that_does_not_start_over_a_program_is_named() -> None:
    found = judged("libvirt", "pike", "2026.2", c1="4.5.0", c2="4.5.0", c3="9.0.0", c4=None, c5=NaruError("gone"))
    assert found == [
        ("blocks", "victoria", "libvirt 4.5.0: victoria needs 5.0.0, and 2025.1 8.0.0", "c[1:2]"),
        ("right", "2025.1", "libvirt 9.0.0: 8.0.0 is enough", "c3"),
        ("unknown", "2025.1", "libvirt has to be 8.0.0 or later: it is not found", "c4"),
        ("unknown", "2025.1", "libvirt has to be 8.0.0 or later: they could not be looked at", "c5"),
    ]
    assert judged("qemu", "zed", "2024.2", c1="5.1.0") == [("blocks", "2023.2", "qemu 5.1.0: 2023.2 needs 5.2.0", "c1")]
    # 10 is more than 9, and 2.11 more than 2.8
    assert (
        judged("qemu", "pike", "ussuri", c1="2.11.1")[0][0]
        == judged("libvirt", "yoga", "2025.1", c1="10.0.0")[0][0]
        == "right"
    )


def test_what_is_behind_is_not_asked_for_and_other_drivers_have_no_libvirt() -> None:
    nova = path.services()["nova"]
    assert programs._needed(nova, Span("2025.1", "2026.2")) == {}
    (needs,) = (one for name, one in programs._needed(nova, Span("pike", "rocky")).items() if name == "qemu")
    assert list(programs.judged(nova, needs, {"c1": Seen("fake.FakeDriver")})) == []

"""What is under OpenStack on hosts and servers, and what that means for the way."""

import shutil
import subprocess
from pathlib import Path

import pytest

from naru.errors import NaruError
from naru.releases import path, release
from naru.releases.programs import programs
from naru.site import site as sites
from naru.site.site import Site
from naru.upgrade.check.programs import (
    UNREAD,
    Seen,
    is_meant,
    judged,
    needed,
    numbers,
    oldest,
    parsed,
    script,
    server,
    version_of,
)
from naru.upgrade.finding import Finding, Span

pytestmark = pytest.mark.unit
SAID = """compute_driver = libvirt.LibvirtDriver
images_type=rbd
libvirt libvirtd (libvirt) 4.5.0
qemu QEMU emulator version 2.12.0 (Debian 1:2.12)
librados ceph version 10.2.11 (e4b061b47f07f583c92a050d9e84b1813a35671e)
ovn ovn-northd 22.03.3
"""
GONE = NaruError("gone")


def found(program: str, start: str, goal: str, **said: str | NaruError) -> list[Finding]:
    services, one = list(path.services().values()), programs()[program]
    ways = needed(one, Span(start, goal), services)
    return [finding for service, needs in ways for finding in judged(service, one, needs, said)]


def told(program: str, start: str, goal: str, **said: str | NaruError) -> list[tuple[str, ...]]:
    return [(one.state, one.release, one.what, " ".join(one.examples)) for one in found(program, start, goal, **said)]


def site(*services: dict[str, object]) -> Site:
    hosts = [{"name": name, "address": name} for name in ("c1", "n1")]
    content = {"naru_site": 1, "name": "one", "hosts": hosts, "services": services}
    return sites.parse(content, Path("site.yaml"))


def test_what_hosts_say_is_read() -> None:
    options = {"compute_driver": "libvirt.LibvirtDriver", "images_type": "rbd"}
    versions = {"libvirt": "4.5.0", "qemu": "2.12.0", "librados": "10.2.11", "ovn": "22.03.3"}
    assert parsed(SAID) == Seen(options, versions)
    assert parsed("libvirt \nqemu \n") == Seen()
    assert server("10.11.19-MariaDB-0+deb12u1") == "mariadb" and version_of("10.11.19-MariaDB-0+deb12u1") == "10.11.19"
    assert server("8.0.36-0ubuntu0.22.04.1") == "mysql" and version_of("") == ""
    assert (
        oldest('{"mon": {"ceph version 16.2.7 (a) pacific (stable)": 3}, "osd": {"ceph version 9.2.1 (b)": 1}}')
        == "9.2.1"
    )
    assert oldest("no answer") == ""


def test_who_is_meant_is_said_by_the_configuration() -> None:
    libvirt, librados, ovn = (programs()[name] for name in ("libvirt", "librados", "ovn"))
    assert is_meant(libvirt, Seen()) and is_meant(libvirt, Seen({"compute_driver": "nova.virt.libvirt.LibvirtDriver"}))
    assert not is_meant(libvirt, Seen({"compute_driver": "fake.FakeDriver"}))
    assert is_meant(librados, Seen({"images_type": "rbd"})) and is_meant(ovn, Seen())
    assert is_meant(librados, Seen(is_read=True)) is False is is_meant(librados, Seen({"images_type": "qcow2"}))
    # it may be said in what was not read; libvirt is what is usual
    assert is_meant(librados, Seen()) is None and is_meant(libvirt, Seen())
    assert told("librados", "pike", "2026.2", c1=UNREAD)[0][0] == "unknown"


def test_whether_all_files_were_read_is_said(tmp_path: Path) -> None:
    config, one = (
        tmp_path / "nova.conf",
        site({"name": "nova-compute", "hosts": "c1", "managed": {"unit": "u.service"}}),
    )
    config.write_text("[libvirt]\nimages_type = rbd\n")

    def seen(*files: str) -> Seen:
        line = script(one, one.hosts["c1"], [programs()["librados"]], files)
        return parsed(subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True, timeout=60).stdout)

    assert seen(str(config)).is_read and seen(str(config)).options == {"images_type": "rbd"}
    assert not seen(str(config), str(tmp_path / "more.conf")).is_read and not seen().is_read
    config.write_text("[libvirt]\nimages_type\t:rbd\n")  # as oslo.config takes it, too
    assert is_meant(programs()["librados"], seen(str(config)))


def test_a_host_is_asked_once_and_in_the_container_that_has_the_program(tmp_path: Path) -> None:
    """By the script itself, with programs that say a version."""
    config = tmp_path / "nova.conf"
    config.write_text(
        "[DEFAULT]\ncompute_driver = fake.FakeDriver\ncompute_driver = libvirt.LibvirtDriver\nsecret = x\n"
    )
    engine = tmp_path / "podman"
    engine.write_text('#!/bin/sh\n[ "$1 $2 $3" = "exec nova_libvirt libvirtd" ] && echo "libvirtd (libvirt) 6.0.0"\n')
    northd = tmp_path / "ovn-northd"
    northd.write_text("#!/bin/sh\necho ovn-northd 22.03.3\n")
    for file in (engine, northd):
        file.chmod(0o755)
    (tmp_path / "sh").symlink_to(shutil.which("sh") or "/bin/sh")
    for name in ("grep", "tail", "head"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    one = site(
        {"name": "nova_libvirt", "hosts": "c1", "managed": {"container": "nova_libvirt"}},
        {"name": "ovn-controller", "hosts": "c1", "managed": {"unit": "ovn.service"}},
    )
    wanted = [programs()[name] for name in ("libvirt", "qemu", "ovn")]
    line = script(one, one.hosts["c1"], wanted, [str(config), str(config)])
    said = subprocess.run([tmp_path / "sh", "-c", line], env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert said.returncode == 0 and "secret" not in said.stdout
    versions = {"libvirt": "6.0.0", "ovn": "22.03.3"}
    assert parsed(said.stdout) == Seen({"compute_driver": "libvirt.LibvirtDriver"}, versions, is_read=True)


def test_the_first_release_that_does_not_start_over_a_program_is_named() -> None:
    assert told("libvirt", "pike", "2026.2", c1="4.5.0", c2="4.5.0", c3="9.0.0", c4="", c5=GONE) == [
        ("blocks", "victoria", "libvirt 4.5.0: victoria needs 5.0.0, and 2025.1 8.0.0", "c[1:2]"),
        ("right", "2025.1", "libvirt 9.0.0: 8.0.0 is enough", "c3"),
        ("unknown", "2025.1", "libvirt has to be 8.0.0 or later: it is not found", "c4"),
        ("unknown", "2025.1", "libvirt has to be 8.0.0 or later: they could not be looked at", "c5"),
    ]
    assert told("qemu", "zed", "2024.2", c1="5.1.0") == [("blocks", "2023.2", "qemu 5.1.0: 2023.2 needs 5.2.0", "c1")]
    # 10 is more than 9, and 2.11 more than 2.8; 22.3 is less than 22.09
    right = [("qemu", "pike", "ussuri", "2.11.1"), ("libvirt", "yoga", "2025.1", "10.0.0")]
    assert {told(program, start, goal, c1=said)[0][0] for program, start, goal, said in right} == {"right"}
    assert told("ovn", "2025.2", "2026.1", n1="22.03.3")[0][:2] == ("blocks", "2026.1")
    assert told("librados", "pike", "2026.2", c1="10.2.11")[0][:2] == ("blocks", "ussuri")


def test_what_is_behind_is_not_asked_for() -> None:
    services = list(path.services().values())
    for program in programs().values():
        assert list(needed(program, Span("2026.1", "2026.2"), services)) == []


def test_what_no_code_refuses_is_not_known_and_a_setting_is_for_the_new_configuration() -> None:
    assert told("mariadb", "pike", "2026.2", main="5.5.68") == [
        ("unknown", "rocky", "mariadb 5.5.68: rocky is only said to work with 10.0, and 2024.1 10.4", "main")
    ]
    assert told("mariadb", "pike", "2023.1", main="5.5.68")[0][2].endswith("rocky is only said to work with 10.0")
    assert told("mariadb", "pike", "queens", main="5.5.68") == []
    # Cinder alone has no code for it any more
    assert [(one.service, one.state) for one in found("mysql", "yoga", "zed", main="5.5.62")] == [("cinder", "blocks")]
    assert told("ceph", "pike", "wallaby", rbd="12.2.13")[0][:2] == ("unknown", "wallaby")
    quorum, stream = found("rabbitmq", "pike", "2026.2", main="3.6.5")
    assert (quorum.state, quorum.release, stream.release) == ("on the way", "yoga", "2024.1")
    assert quorum.what == "rabbitmq 3.6.5: yoga needs 3.8.0 for rabbit_quorum_queue"
    assert quorum.cure.startswith("Leave rabbit_quorum_queue out of the new configuration")
    (only,) = told("rabbitmq", "yoga", "2024.1", main=NaruError("10.0.0.1: no answer"))
    assert only[:3] == (
        "unknown", "2024.1", "rabbitmq has to be 3.9.0 or later for rabbit_stream_fanout: 10.0.0.1: no answer"
    )  # fmt: skip


def test_the_data_name_releases_and_programs_that_there_are() -> None:
    needs = [*(one for service in path.services().values() for one in service.needs)]
    needs += [one for program in programs().values() for one in program.needs]
    assert {one.since for one in needs} <= set(release.names()) and {one.program for one in needs} == set(programs())
    assert all(numbers(one.at_least) for one in needs)
    # what is asked for is asked for in the order of the releases, each more than the one before
    for program in programs().values():
        for _, same in needed(program, Span("pike", release.names()[-1]), list(path.services().values())):
            assert [numbers(one.at_least) for one in same] == sorted({numbers(one.at_least) for one in same})

"""Parts of a cloud over hosts that need none: units' texts, who begins a Galera cluster, where services are."""

import shlex
from pathlib import Path

import pytest

from naru.errors import InputError
from naru.lab import spec
from naru.lab.hosted import database
from naru.lab.hosted.cloud import addresses
from naru.lab.hosted.units import Unit, script
from naru.lab.hosts import layout
from naru.lab.ports import At
from naru.lab.process import Command
from naru.releases import release

pytestmark = pytest.mark.unit


def test_a_units_words_are_systemds(tmp_path: Path) -> None:
    argv = ("sh", "-c", 'echo "$HOME" 100% && exec \\true', "plain-word")
    command = Command("some-api", argv, {"PATH": "/bin", "NOTE": "two words"}, port=1, grace=2)
    unit = Unit(command, Path("/log"), Path("/scripts"), ((At("10.0.0.1", 1), At("10.0.0.2", 1)),), (("true",),))
    lines = unit.text("one").splitlines()
    assert 'ExecStart=sh -c "echo \\"$$HOME\\" 100%% && exec \\\\true" plain-word' in lines
    assert 'Environment="NOTE=two words"' in lines and "Environment=PATH=/bin" in lines
    assert lines.index("ExecStartPre=/scripts/wait-for 10.0.0.1:1,10.0.0.2:1") < lines.index("ExecStartPre=true")
    assert unit.name == "some-api.service"


def test_a_script_has_the_environment_and_nothing_else() -> None:
    text = script({"A": "it's"}, ("prog", "a b"), Path("/srv"))
    assert shlex.split(text) == ["cd", "/srv", "&&", "env", "-i", "A=it's", "prog", "a b"]


def member(directory: Path, seqno: int, safe: int = 0, running: bool = False) -> Path:
    directory.mkdir()
    text = f"# GALERA saved state\nversion: 2.1\nuuid:    1-2\nseqno:   {seqno}\nsafe_to_bootstrap: {safe}\n"
    (directory / "grastate.dat").write_text(text)
    if running:
        (directory / "gvwstate.dat").touch()
    return directory


def chosen(members: list[Path]) -> list[str]:
    database.elect(members)
    return [found.name for found in members if (found / database.FIRST).exists()]


def test_the_member_that_ended_last_begins_the_cluster(tmp_path: Path) -> None:
    members = [member(tmp_path / "a", 10), member(tmp_path / "b", 12, safe=1), member(tmp_path / "c", 12)]
    assert chosen(members) == ["b"]
    assert chosen(members) == ["b"]
    assert "safe_to_bootstrap: 1" in (tmp_path / "b" / "grastate.dat").read_text()


def test_without_one_that_knows_it_the_highest_number_begins(tmp_path: Path) -> None:
    members = [member(tmp_path / "a", 10), member(tmp_path / "b", 12), member(tmp_path / "c", 11)]
    assert chosen(members) == ["b"]
    assert "safe_to_bootstrap: 1" in (tmp_path / "b" / "grastate.dat").read_text()


def test_one_that_was_cut_off_outlived_those_that_left_in_order(tmp_path: Path) -> None:
    members = [member(tmp_path / "a", 10), member(tmp_path / "b", -1, running=True), member(tmp_path / "c", 11)]
    assert chosen(members) == ["b"]


def test_members_that_were_cut_off_at_once_need_nobody(tmp_path: Path) -> None:
    assert chosen([member(tmp_path / name, -1, running=True) for name in "abc"]) == []


def test_one_server_is_no_cluster(tmp_path: Path) -> None:
    assert chosen([member(tmp_path / "a", 10)]) == []


def test_services_are_at_their_hosts() -> None:
    found = addresses(layout.load("cloud3"))
    assert found["nova"] == found["memcached"] == ("10.77.0.11",)
    assert found["mariadb"] == found["rabbitmq"] == ("10.77.0.12",)


def test_what_there_is_several_times_is_behind_the_virtual_address() -> None:
    found = addresses(layout.load("cloud8"))
    assert found["nova"] == found["mariadb"] == ("10.77.0.5",)
    assert found["memcached"] == ("10.77.0.11", "10.77.0.12")
    assert found["rabbitmq"] == ("10.77.0.13", "10.77.0.14", "10.77.0.15")


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        (["controller, database, queue"], "none has the role compute"),
        (["controller, database, queue, compute", "database"], "2 of the role database"),
        (["controller, database, queue, compute", "controller"], "none has the role balancer"),
        (["driver"], "roles"),
    ],
)
def test_a_cloud_that_cannot_be_is_refused(roles: list[str], message: str, tmp_path: Path) -> None:
    lines = [f"  - {{ name: n{number}, roles: [{found}] }}" for number, found in enumerate(roles)]
    file = tmp_path / "bad.yaml"
    file.write_text("\n".join(["naru_layout: 1", "networks: {management: {cidr: 10.1.0.0/24}}", "hosts:", *lines]))
    with pytest.raises(InputError, match=message):
        layout.load(str(file))


def test_a_layout_has_one_cloud() -> None:
    (cloud,) = spec.build_hosts("cloud3", ["old=pike"]).clouds
    assert (cloud.name, cloud.release, cloud.computes, cloud.port_base) == ("old", "pike", 1, None)
    with pytest.raises(InputError, match="hosts have one cloud"):
        spec.build_hosts("cloud3", ["old=pike", "new=2026.2"])
    with pytest.raises(InputError, match="no cloud"):
        spec.build_hosts("bare5", ["old=pike"])
    with pytest.raises(InputError, match="--notifications"):
        spec.build_hosts("bare5", notifications=True)
    assert spec.build_hosts("cloud3", notifications=True).clouds[0].notifications


def test_a_release_that_has_not_what_the_layout_wants_is_refused(tmp_path: Path) -> None:
    newest, file = release.names()[-1], tmp_path / "wants.yaml"
    cloud = (layout.LAYOUTS / "cloud3.yaml").read_text()
    file.write_text(f"{cloud}agents: linuxbridge\n")
    with pytest.raises(InputError, match=f"agents: {newest} has no Linux bridge agent"):
        spec.build_hosts(str(file), [f"cloud={newest}"])
    assert spec.build_hosts(str(file), ["cloud=2024.2"]).hosts
    file.write_text(f"{cloud}agents: openvswitch\nguests: true\n")
    with pytest.raises(InputError, match="guests: pike has no real ones"):
        spec.build_hosts(str(file), ["cloud=pike"])
    assert spec.build_hosts(str(file), [f"cloud={newest}"]).hosts

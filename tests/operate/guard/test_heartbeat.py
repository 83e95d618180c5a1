"""Heartbeats: forged, replayed and old packets are no sign of life, and no sign of death either; the program on hosts
sends such as are heard."""

import sys
import time
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket

import pytest

from naru.operate.guard import beat
from naru.operate.guard.beat import pack, unpack
from naru.operate.guard.evidence import Host, around, by_source
from naru.operate.guard.heartbeat import REJECTED, SILENT, Listener
from naru.operate.guard.memory import Memory
from naru.operate.guard.policy import Policy

from ...processes import started

pytestmark = pytest.mark.unit

KEY, OTHER = b"k" * 32, b"o" * 32


def packet(number: int, boot: int = 100, key: bytes = KEY, name: str = "c1", **said: object) -> bytes:
    found: bytes = pack(key, "beat", name, boot, number, said)
    return found


def test_a_beat_is_heard_once() -> None:
    listener = Listener([KEY])
    assert listener.says("c1", 0.0) == "unknown"
    assert listener.take(packet(1), 10.0) and listener.says("c1", 11.0) == "alive"
    assert listener.says("c1", 11.0 + SILENT) == "silent"
    # heard again it is no life, and while such arrive the host is not silent either
    late = 20.0 + SILENT
    assert not listener.take(packet(1), late)
    assert listener.says("c1", late) == "unknown" and listener.says("c1", late + REJECTED + 1) == "silent"
    assert listener.take(packet(2), late + 100)


@pytest.mark.parametrize(
    "forged",
    [
        packet(5, key=OTHER),
        packet(5)[:-2] + b"9]",
        b"",
        b"x" * 200,
        b"x" * 64 + b"[" * 50_000,
        pack(KEY, "beat", "c1", 100, 5, {}).replace(b'"c1"', b'"c2"'),
    ],
)
def test_what_is_not_signed_is_counted_and_proves_nothing(forged: bytes) -> None:
    listener = Listener([KEY])
    listener.take(packet(1), 0.0)
    assert not listener.take(forged, SILENT + 10)
    assert listener.rejected == 1 and listener.says("c1", SILENT + 10) in ("silent", "unknown")


def test_an_older_start_of_the_same_host_is_not_heard() -> None:
    listener = Listener([KEY])
    assert listener.take(packet(9, boot=100), 0.0)
    assert listener.take(packet(1, boot=200), 10.0)  # it was started anew
    assert not listener.take(packet(10, boot=100), 20.0)
    # nor after the listener was started anew
    again = Listener([KEY], listener.newest)
    assert not again.take(packet(1, boot=200), 30.0) and again.says("c1", 30.0) == "unknown"
    assert again.take(packet(2, boot=200), 31.0)


def test_two_keys_while_they_are_changed() -> None:
    listener = Listener([OTHER, KEY])
    assert listener.take(packet(1), 0.0) and listener.take(packet(2, key=OTHER), 1.0)
    with pytest.raises(ValueError, match="not signed"):
        unpack([OTHER], packet(3))


def test_witnesses_and_peers_come_together() -> None:
    one, two = Listener([KEY]), Listener([KEY])
    for name in ("c1", "c2", "c3"):
        hears = [other for other in ("c1", "c2", "c3") if other != name]
        one.take(packet(1, name=name, hears=hears, peers=hears), 0.0)
        two.take(packet(1, name=name), 0.0)
    racks = {"c1": "r1", "c2": "r2", "c3": "r3"}
    memory, number = Memory(), 1
    for now in range(0, 300, 10):
        number += 1
        for name in ("c2", "c3"):  # c1 is dead
            heard = [other for other in ("c2", "c3") if other != name]
            one.take(packet(number, name=name, hears=heard if now else ["c1", *heard], peers=["c1", *heard]), now)
            two.take(packet(number, name=name), now)
        for said in two.report("rack-b", sees=True, now=now):
            one.take(pack(KEY, "report", "w2", 1, number, said), now)
        memory.take(one.readings(racks, "guard", "rack-a", racks, now), now)
    host = Host("c1", "id", "down", signs=memory.signs("c1", 290.0))
    found = by_source(host, 2)
    assert found["heartbeat"].said == "silent" and found["heartbeat"].seconds > 200
    assert found["peers"].said == "silent"
    (witness,) = one.witnesses(290.0)
    assert witness.sees and one.witnesses(400.0)[0].sees is None
    other = by_source(Host("c2", "id", "up", signs=memory.signs("c2", 290.0)), 2)
    assert {other["heartbeat"].said, other["peers"].said} == {"alive"}
    assert around([host], Policy(), witnesses=(witness,)).lost["cloud"].some == 1


def test_the_program_on_hosts_is_heard(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(KEY + b"\n")
    key.chmod(0o600)
    with socket(AF_INET, SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(20)
        to = f"127.0.0.1:{listening.getsockname()[1]}"
        written = tmp_path / "c1.beat"
        argv = [sys.executable, beat.__file__, "--name", "c1", "--key", key, "--to", to, "--every", "0.2"]
        with started([*map(str, argv), "--file", str(written)]) as process:
            try:
                listener = Listener([KEY])
                assert listener.take(listening.recv(60000), time.monotonic())
                assert listener.take(listening.recv(60000), time.monotonic())
            finally:
                process.kill()
        assert unpack([KEY], written.read_bytes())[:2] == ("file", "c1")


@pytest.mark.parametrize(("listens", "peers"), [([], []), (["--listen", "127.0.0.1:0"], ["c2"])])
def test_who_does_not_listen_calls_no_peer_silent(listens: list[str], peers: list[str], tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(KEY + b"\n")
    key.chmod(0o600)
    with socket(AF_INET, SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(20)
        to = f"127.0.0.1:{listening.getsockname()[1]}"
        argv = [sys.executable, beat.__file__, "--name", "c1", "--key", str(key), "--to", to, "--peer", f"c2={to}"]
        with started([*argv, *listens]) as process:
            try:
                said = unpack([KEY], listening.recv(60000))[-1]
            finally:
                process.kill()
    assert said == {"hears": [], "peers": peers}


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--peer", "c2"], "--peer c2: give it as NAME=ADDRESS:PORT"), (["--listen", "192.0.2.1:7412"], "beat: ")],
)
def test_what_the_program_cannot_do_is_one_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key"
    key.write_bytes(KEY + b"\n")
    key.chmod(0o600)
    assert beat.main(["--name", "c1", "--key", str(key), "--to", "x", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_key_that_others_may_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = tmp_path / "key"
    key.write_bytes(KEY)
    key.chmod(0o644)
    assert beat.main(["--name", "c1", "--key", str(key), "--to", "x"]) == 2
    assert "chmod 600" in capsys.readouterr().err
    key.chmod(0o600)
    key.write_bytes(b"short")
    assert beat.main(["--name", "c1", "--key", str(key), "--to", "x"]) == 2

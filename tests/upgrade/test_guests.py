"""Guests are asked all the time: what is recorded, whoever kills the prober, and what of it is wrong."""

import contextlib
import json
import math
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.errors import InputError
from naru.upgrade.compare import asking, guests
from naru.upgrade.compare.asking import Guest
from naru.upgrade.compare.guests import Record, Seen, judge, listed, probe, record

pytestmark = pytest.mark.unit
AT = 1_700_000_000.0


def written(
    directory: Path,
    *rounds: tuple[float, list[str]],
    asked: tuple[str, ...] = ("a", "b"),
    every: float = 1.0,
    took: float = 1.0,
) -> None:
    """Rounds with those that were silent in each, for which it `took` so long."""
    with (directory / guests.FILE).open("a") as file:
        file.write(json.dumps({"at": AT, "guests": asked, "every": every}) + "\n")
        for at, silent in rounds:
            end = AT + at + (took if silent else 0.0)
            file.write(json.dumps({"at": AT + at, "end": end, "silent": silent}) + "\n")


@contextlib.contextmanager
def listening(port: int = 0) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", port)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("text", "guest"),
    [
        ("192.0.2.7", "192.0.2.7:22"),
        ("192.0.2.7:443", "192.0.2.7:443"),
        ("2001:db8::7", "[2001:db8::7]:22"),
        ("[2001:db8::7]:443", "[2001:db8::7]:443"),
        ("[2001:db8::7]", "[2001:db8::7]:22"),
        ("icmp:192.0.2.7", "icmp:192.0.2.7"),
        ("icmp:2001:db8::7", "icmp:2001:db8::7"),
        ("kept:192.0.2.7", "kept:192.0.2.7:22"),
        ("kept:[2001:db8::7]:80", "kept:[2001:db8::7]:80"),
        ("tcp:192.0.2.7:443", "192.0.2.7:443"),
    ],
)
def test_a_guest_is_an_address_with_a_port_or_without(text: str, guest: str) -> None:
    assert str(Guest.parse(text)) == guest
    assert str(Guest.parse(guest)) == guest


@pytest.mark.parametrize(
    "text", ["web", "192.0.2.7:0", "192.0.2.7:x", "192.0.2.7:65536", "", "icmp:192.0.2.7:22", "kept:"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Guest.parse(text)


def test_a_file_has_a_guest_a_line_and_comments(tmp_path: Path) -> None:
    file = tmp_path / "guests.txt"
    file.write_text("# web\n192.0.2.7 # the first\n\n192.0.2.8:80\n")
    assert [str(one) for one in listed(file)] == ["192.0.2.7:22", "192.0.2.8:80"]
    for text, why in (("web\n", "'web' does not appear to be"), ("# none\n", "it names no guest")):
        file.write_text(text)
        with pytest.raises(InputError, match=rf"guests.txt cannot be read\n{why}"):
            listed(file)


def test_the_longest_silence_is_from_the_first_question_without_an_answer_to_the_next_answer(tmp_path: Path) -> None:
    written(tmp_path, (0, []), (1, ["a"]), (2, []), (3, ["a"]), (4, ["a"]), (5, ["b"]))
    found = record(tmp_path)
    assert found == Record([Seen("a", 6, 3, 2.0, AT + 3, True), Seen("b", 6, 1, 1.0, AT + 5, False)], [])
    # the last silence goes on over another prober that begins at once
    written(tmp_path, (6.5, ["b"]), (8, []))
    found = record(tmp_path)
    assert found.guests[1] == Seen("b", 8, 2, 3.0, AT + 5, True) and found.unseen == []


@pytest.mark.parametrize("every", [1.0, 60.0])
def test_while_nobody_asks_nobody_is_silent(tmp_path: Path, every: float) -> None:
    written(tmp_path, (0, []), (1, ["a"]))
    # the pause counts as that of the rounds before it
    written(tmp_path, (3601, []), every=every)
    found = record(tmp_path)
    assert found == Record([Seen("a", 3, 1, 1.0, AT + 1, True), Seen("b", 3, 0, 0.0, None, True)], [(AT + 2, 3599.0)])
    assert [one.judged for one in judge(found)] == ["not compared"]


def test_a_silence_on_both_sides_of_a_pause_is_two(tmp_path: Path) -> None:
    written(tmp_path, (0, []), (1, ["a"]), (20, ["a"]), (21, ["a"]))
    assert record(tmp_path) == Record(
        [Seen("a", 4, 3, 2.0, AT + 20, False), Seen("b", 4, 0, 0.0, None, True)], [(AT + 2, 18.0)]
    )


def test_of_a_guest_that_is_left_out_what_was_seen_stays_and_no_more(tmp_path: Path) -> None:
    written(tmp_path, (0, ["c"]), (1, ["a", "c"]), asked=("a", "b", "c"))
    assert [one.answers for one in record(tmp_path).guests] == [False, True, False]
    written(tmp_path, (2, []), (3, []), asked=("b",))
    found = record(tmp_path)
    assert found.guests[0] == Seen("a", 2, 1, 1.0, AT + 1, None)
    assert [(one.judged, one.change, one.examples[0][0]) for one in judge(found)] == [
        ("not compared", "is asked no more, and did not answer last", "a"),
        ("not compared", "has never answered", "c"),
    ]
    assert not guests.is_wrong(found)
    # asked again it is one like the others
    written(tmp_path, (4, ["a"]), (5, []), asked=("a", "b"))
    assert record(tmp_path).guests[0] == Seen("a", 4, 2, 1.0, AT + 1, True)


def test_a_guest_that_is_left_out_was_silent_for_too_long_all_the_same(tmp_path: Path) -> None:
    written(tmp_path, (0, []), *((at, ["a"]) for at in range(1, 8)))
    written(tmp_path, (9, []), asked=("b",))
    assert [(one.judged, one.change) for one in judge(record(tmp_path))] == [
        ("wrong", "gave no answer for more than 5.0 s")
    ]


def test_a_round_that_takes_long_is_no_pause(tmp_path: Path) -> None:
    written(tmp_path, (0, []), (1, ["a"]), (6, ["a"]), (11, []), took=5.0)
    assert record(tmp_path) == Record([Seen("a", 4, 2, 10.0, AT + 1, True), Seen("b", 4, 0, 0.0, None, True)], [])


def test_a_guest_to_which_there_is_no_way_is_silent_since_then(tmp_path: Path) -> None:
    written(tmp_path, (0, []), (1, ["a"]), took=0.0)
    assert record(tmp_path).guests[0] == Seen("a", 2, 1, 0.0, AT + 1, False)


def test_without_a_record_nothing_is_known(tmp_path: Path) -> None:
    assert record(tmp_path) == Record([], [])


def test_what_is_wrong(tmp_path: Path) -> None:
    well, late = Seen("a", 100, 2, 3.0, AT, True), Seen("b", 100, 9, 9.0, AT, True)
    gone, never = Seen("c", 100, 1, 1.0, AT, False), Seen("d", 100, 100, 100.0, AT, False)
    found = judge(Record([well, late, gone, never], [(AT, 60.0)]))
    assert [(one.judged, one.change, one.examples) for one in found] == [
        (
            "wrong",
            "gave no answer for more than 5.0 s",
            ("b: 9 of 100 lost, longest 9.0 s from 2023-11-14 22:13:20 on",),
        ),
        ("wrong", "does not answer any more", ("c: 1 of 100 lost, longest 1.0 s from 2023-11-14 22:13:20 on",)),
        ("not known", "has never answered", ("d: 100 of 100 lost, longest 1 min 40 s from 2023-11-14 22:13:20 on",)),
        ("not compared", "nobody has asked", ("1 min 00 s from 2023-11-14 22:13:20 on",)),
    ]


def test_who_listens_and_who_refuses_answers_and_who_is_silent_does_not(tmp_path: Path) -> None:
    said: list[str] = []
    with listening() as port, socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        # a queue that is full: further connections are not answered
        clients = [socket.socket() for _ in range(3)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        time.sleep(0.1)
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            asked = [Guest("127.0.0.1", one) for one in (port, unused.getsockname()[1], full.getsockname()[1])]
            probe(tmp_path, asked, 1, 2.5, said.append)
        for client in clients:
            client.close()
    found = record(tmp_path).guests
    assert [(one.sent, one.lost) for one in found] == [(3, 0), (3, 0), (3, 3)]
    assert said == [f"{asked[2]} does not answer"]


def test_a_prober_that_is_killed_leaves_its_record_and_another_goes_on(tmp_path: Path) -> None:
    code = (
        "import math, pathlib, sys; from naru.upgrade.compare.guests import probe; "
        "from naru.upgrade.compare.asking import Guest; "
        "probe(pathlib.Path(sys.argv[1]), [Guest('127.0.0.1', int(sys.argv[2]))], 1, math.inf, print)"
    )
    with listening() as port:
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(port)], stdin=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 60
            while not (found := record(tmp_path).guests) or found[0].sent < 3:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            with pytest.raises(InputError, match="are probed already"):
                probe(tmp_path, [], 1, math.inf, print)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait(60)
        before = record(tmp_path).guests[0].sent
        with (tmp_path / guests.FILE).open("a") as file:
            file.write('{"at": 17')  # it was killed over a line
        assert record(tmp_path).guests[0].sent == before
        probe(tmp_path, [Guest("127.0.0.1", port)], 1, 0.02, print)
    assert (record(tmp_path).guests[0].sent, record(tmp_path).guests[0].lost) == (before + 1, 0)


def test_an_echo_request_is_answered_by_who_is_there(tmp_path: Path) -> None:
    asked = [Guest.parse("icmp:127.0.0.1"), Guest.parse("icmp:240.0.0.1")]
    try:
        asking.check(asked)
    except InputError:
        pytest.skip("neither root, nor is net.ipv4.ping_group_range set")
    probe(tmp_path, asked, 1, 1.5, print)
    assert [(one.guest, one.sent, one.lost) for one in record(tmp_path).guests] == [
        ("icmp:127.0.0.1", 2, 0),
        ("icmp:240.0.0.1", 2, 2),
    ]


def test_who_may_not_send_echo_requests_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> socket.socket:
        raise PermissionError("Operation not permitted")

    with monkeypatch.context() as patched:
        patched.setattr(socket, "socket", refused)
        with pytest.raises(InputError, match="does not let this user send echo requests") as error:
            probe(tmp_path, [Guest.parse("icmp:192.0.2.7")], 1, 1, print)
    assert "ping_group_range" in error.value.hint


def test_a_connection_that_is_kept_is_cut_by_a_reset_and_not_by_its_end(tmp_path: Path) -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        guest = Guest("127.0.0.1", server.getsockname()[1], "kept")

        def serve() -> None:
            # one that ends in order after a word, one that is reset, one that lasts
            first, _ = server.accept()
            first.sendall(b"SSH-2.0-x")
            time.sleep(0.3)
            first.close()
            second, _ = server.accept()
            time.sleep(0.3)
            second.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            second.close()
            lasting.append(server.accept()[0])

        lasting: list[socket.socket] = []
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        probe(tmp_path, [guest], 0.2, 2.5, said.append)
        thread.join(10)
        for one in lasting:
            one.close()
    (found,) = record(tmp_path).guests
    assert (found.lost, found.cut, found.answers) == (0, 1, True) and said == [f"{guest}: the connection was cut"]
    (wrong,) = judge(record(tmp_path))
    assert (wrong.judged, wrong.change) == (
        "wrong",
        "a connection with it was cut",
    ) and "cut 1 times" in wrong.examples[0]


def test_nobody_to_keep_a_connection_with_is_no_answer(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        probe(tmp_path, [Guest("127.0.0.1", unused.getsockname()[1], "kept")], 1, 0.5, print)
    assert [(one.sent, one.lost, one.cut) for one in record(tmp_path).guests] == [(1, 1, 0)]

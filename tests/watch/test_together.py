"""Followers side by side: one that does not answer, or fails, holds up no other; one thread does what they decide."""

import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from naru.errors import NaruError
from naru.watch.together import Steps, Together, alone

pytestmark = pytest.mark.unit


def steps(name: str, ask: Callable[[], object], said: list[tuple[str, object, str]], times: int = 1) -> Steps[None]:
    for _ in range(times):
        answer = yield ask
        said.append((name, answer, threading.current_thread().name))


def test_side_by_side() -> None:
    together = Together(at_once=4)
    said: list[tuple[str, object, str]] = []
    meet = threading.Barrier(4, timeout=20)
    for name in "abcd":
        together.add(name, partial(steps, name, meet.wait, said, 3))
    assert together.go(None, 1.0) == {}
    assert sorted(name for name, _, _ in said) == sorted("abcd" * 3)
    assert {thread for _, _, thread in said} == {threading.current_thread().name}


def test_no_more_at_a_time_than_are_wanted() -> None:
    together = Together(at_once=2)
    running, most, lock = 0, 0, threading.Lock()

    def ask() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1

    for number in range(8):
        together.add(str(number), partial(steps, "", ask, []))
    together.go(None, 1.0)
    assert most == 2


def test_one_that_hangs_or_fails_holds_up_no_other() -> None:
    together = Together(at_once=3)
    said: list[tuple[str, object, str]] = []
    free = threading.Event()
    failures = []

    def fail() -> None:
        failures.append(time.monotonic())
        raise NaruError("c2: no answer")

    together.add("hangs", partial(steps, "hangs", free.wait, said))
    together.add("fails", partial(steps, "fails", fail, said))
    together.add("works", partial(steps, "works", int, said))
    assert together.go(1.5, 0.1) == {"fails": "c2: no answer"}
    works = [name for name, _, _ in said]
    assert set(works) == {"works"}
    assert 5 < len(works) <= 16
    # at once, then after a while that grows: 0.2, 0.4, and 0.8 s
    assert len(failures) in (3, 4)
    free.set()
    together.go(0.3, 0.1)
    assert "hangs" in {name for name, _, _ in said}


def test_what_others_want_to_have_done() -> None:
    together = Together()
    done = []
    timer = threading.Timer(0.1, lambda: together.post(lambda: done.append(threading.current_thread().name)))
    timer.start()
    begun = time.monotonic()
    together.go(0.5, 1.0)
    assert done == [threading.current_thread().name]
    assert time.monotonic() - begun < 2


def test_what_was_read_when_it_goes_on_no_more_is_not_counted() -> None:
    """Records that are read after a change of the code has ended are of the new code, whoever asked for them."""
    current = threading.Event()
    current.set()
    together = Together(at_once=1, goes_on=current.is_set)
    said: list[tuple[str, object, str]] = []

    def ask() -> str:
        current.clear()
        return "new"

    together.add("a", partial(steps, "a", ask, said))
    assert together.go(None, 1.0) == {}
    assert not current.is_set() and said == []
    together.close()


def test_alone() -> None:
    def asks() -> Steps[list[object]]:
        found = []
        found.append((yield lambda: 1))
        try:
            yield lambda: {}["none"]
        except KeyError as error:
            found.append(error.args[0])
        return found

    assert alone(asks()) == [1, "none"]
    with pytest.raises(ZeroDivisionError):
        alone(steps("", lambda: 1 / 0, []))

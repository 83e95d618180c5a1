"""What the executor does with one plan: retries, deadlines, changes while it runs, interrupts, secrets."""

import asyncio
import contextlib
import fcntl
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from naru.plan import control, schema
from naru.plan.context import Context
from naru.plan.errors import PlanError, PlanInputError, Transient
from naru.plan.executor import Executor, RunOutcome
from naru.plan.journal import Journal
from naru.plan.kinds import Kinds, Retry
from naru.plan.model import Finding, Plan, Step
from naru.plan.ready import Scope
from naru.plan.status import status

from . import kit

pytestmark = pytest.mark.unit


@pytest.fixture
def kinds() -> Kinds:
    return Kinds()


@pytest.fixture
def journal_of(tmp_path: Path) -> Callable[..., Journal]:
    def create(*steps: Step, after: dict[str, list[str]] | None = None, **fields: Any) -> Journal:
        plan = Plan(steps=list(steps), **fields)
        for id, befores in (after or {}).items():
            for before in befores:
                plan.order(before, id)
        return Journal.create(tmp_path / "work", plan)

    return create


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.005)


@contextmanager
def running(journal: Journal, kinds: Kinds, **options: Any) -> Any:
    """An executor at work in another thread; afterwards its outcome is in the list."""
    outcomes: list[RunOutcome] = []
    executor = Executor(journal, kinds, **options)
    thread = threading.Thread(target=lambda: outcomes.append(executor.run()))
    thread.start()
    try:
        yield executor, outcomes
    finally:
        thread.join(20)
        assert not thread.is_alive()


def error_of(journal: Journal, id: str) -> dict[str, Any]:
    with journal.read() as connection:
        text = connection.execute(select(schema.steps.c.error).where(schema.steps.c.id == id)).scalar_one()
    error: dict[str, Any] = json.loads(text)
    return error


Create = Callable[..., Journal]


def test_step_knows_arguments_results_before_and_its_earlier_result(journal_of: Create, kinds: Kinds) -> None:
    seen: list[Any] = []

    @kinds.step("first", args=kit.Free, no_undo="a test's")
    def first(context: Context) -> dict[str, int]:
        return {"id": 7}

    @kinds.step("second", args=kit.Free, no_undo="a test's", retry=Retry(pause=0))
    async def second(context: Context) -> None:
        seen.append((context.attempt, context.args, context.unit, context.results(), context.earlier))
        context.save({"half": "done"})
        if context.attempt == 1:
            raise Transient("not yet")

    with journal_of(Step("a", "first"), Step("b", "second", {"x": [1]}, unit="u"), after={"b": ["a"]}) as journal:
        assert Executor(journal, kinds).run() is RunOutcome.DONE
    assert seen == [
        (1, {"x": [1]}, "u", {"a": {"id": 7}}, None),
        (2, {"x": [1]}, "u", {"a": {"id": 7}}, {"half": "done"}),
    ]


def test_errors_are_retried_by_class(journal_of: Create, kinds: Kinds) -> None:
    policies = (Retry(on=(ConnectionError,), tries=3, pause=0.001), Retry(on=(Transient,), tries=2, pause=0))
    for name, error in (("refused", ConnectionError("x")), ("busy", Transient("x")), ("wrong", ValueError("x"))):

        @kinds.step(name, args=kit.Free, no_undo="a test's", retry=policies)
        def fail(context: Context, error: Exception = error) -> None:
            raise error

    with journal_of(Step("refused", "refused"), Step("busy", "busy"), Step("wrong", "wrong")) as journal:
        assert Executor(journal, kinds).run() is RunOutcome.FAILED
        attempts = {id: kit.events(journal, id).count("started") for id in ("refused", "busy", "wrong")}
        assert attempts == {"refused": 3, "busy": 2, "wrong": 1}
        assert error_of(journal, "wrong")["type"] == "ValueError"
        assert "ValueError: x" in error_of(journal, "wrong")["detail"]


def test_pauses_between_tries_grow_to_a_bound_and_respect_what_was_asked() -> None:
    retry = Retry(tries=5, pause=1.0, factor=3.0, longest=5.0, jitter=0.0)
    assert [retry.seconds(failures) for failures in range(1, 6)] == [1.0, 3.0, 5.0, 5.0, None]
    assert retry.seconds(1, asked=30.0) == 30.0
    jittered = [Retry(pause=1.0, jitter=0.5).seconds(1) for _ in range(50)]
    assert all(seconds is not None and 0.5 <= seconds <= 1.0 for seconds in jittered)


def test_step_waiting_for_its_next_try_takes_no_place_in_its_group(journal_of: Create, kinds: Kinds) -> None:
    order: list[str] = []

    @kinds.step("t", args=kit.Free, no_undo="a test's", retry=Retry(pause=0.2, jitter=0))
    def t(context: Context) -> None:
        order.append(context.id)
        if context.id == "a" and context.attempt == 1:
            raise Transient("later")

    with journal_of(Step("a", "t", estimate=9), Step("b", "t"), limits={"default": 1}) as journal:
        Executor(journal, kinds).run()
    assert order == ["a", "b", "a"]


@pytest.mark.parametrize("form", ["sync", "async"])
def test_deadline_by_size_ends_a_step(journal_of: Create, kinds: Kinds, form: str) -> None:
    def deadline(args: Any) -> float:
        return float(args["bytes"]) / 1000

    if form == "sync":

        @kinds.step("slow", args=kit.Free, no_undo="a test's", deadline=deadline, retry=())
        def slow(context: Context) -> None:
            context.sleep(30)
    else:

        @kinds.step("slow", args=kit.Free, no_undo="a test's", deadline=deadline, retry=())
        async def slow_async(context: Context) -> None:
            await asyncio.sleep(30)

    with journal_of(Step("a", "slow", {"bytes": 100})) as journal:
        begun = time.monotonic()
        assert Executor(journal, kinds).run() is RunOutcome.FAILED
        assert time.monotonic() - begun < 5
        assert error_of(journal, "a")["type"] == "DeadlineExceeded"


def test_kind_that_cannot_read_its_arguments_fails_its_step_alone(journal_of: Create, kinds: Kinds) -> None:
    kinds.step("t", args=kit.Free, no_undo="a test's", deadline=lambda args: float(args["seconds"]))(
        lambda context: None
    )
    with journal_of(Step("a", "t"), Step("b", "t", {"seconds": 9})) as journal:
        assert Executor(journal, kinds).run() is RunOutcome.FAILED
        assert kit.states(journal) == {"a": "failed", "b": "done"}
        assert error_of(journal, "a")["type"] == "KeyError"


def test_verify_decides_whether_a_step_is_done(journal_of: Create, kinds: Kinds) -> None:
    async def absent(context: Context) -> bool:
        return False

    kinds.step("sync", args=kit.Free, no_undo="a test's", verify=lambda context: False)(lambda context: None)

    @kinds.step("async", args=kit.Free, no_undo="a test's", verify=absent)
    async def nothing(context: Context) -> None:
        return

    with journal_of(Step("a", "sync"), Step("b", "async")) as journal:
        assert Executor(journal, kinds).run() is RunOutcome.FAILED
        assert {error_of(journal, id)["type"] for id in "ab"} == {"VerifyError"}


def test_result_that_is_not_json_fails_the_step(journal_of: Create, kinds: Kinds) -> None:
    kinds.step("t", args=kit.Free, no_undo="a test's")(lambda context: {1, 2})
    with journal_of(Step("a", "t")) as journal:
        assert Executor(journal, kinds).run() is RunOutcome.FAILED
        assert "what is not JSON" in error_of(journal, "a")["summary"]


def test_step_that_exits_or_interrupts_fails_alone(journal_of: Create, kinds: Kinds) -> None:
    @kinds.step("exit", args=kit.Free, no_undo="a test's")
    def leave(context: Context) -> None:
        raise SystemExit(3)

    kinds.step("fine", args=kit.Free, no_undo="a test's")(lambda context: None)
    with journal_of(Step("a", "exit"), Step("b", "fine")) as journal:
        assert Executor(journal, kinds).run() is RunOutcome.FAILED
        assert kit.states(journal) == {"a": "failed", "b": "done"}


def test_a_thousand_short_steps_share_few_threads_and_long_ones_run_together(journal_of: Create, kinds: Kinds) -> None:
    names: set[str] = set()

    @kinds.step("short", args=kit.Free, no_undo="a test's")
    def short(context: Context) -> None:
        names.add(threading.current_thread().name)

    together = threading.Barrier(20)

    @kinds.step("long", args=kit.Free, no_undo="a test's")
    def long(context: Context) -> None:
        together.wait(timeout=10)

    steps = [Step(f"s{i}", "short") for i in range(1000)]
    with journal_of(*steps, limits={"default": 100}) as journal:
        assert Executor(journal, kinds).run() is RunOutcome.DONE
    assert len(names) < 30
    with Journal.create(
        Path(journal.where).parent / "long", Plan(steps=[Step(f"l{i}", "long") for i in range(20)])
    ) as at:
        control.limit(at, "default", 20)
        assert Executor(at, kinds).run() is RunOutcome.DONE


def test_limit_can_be_raised_and_lowered_while_it_runs(journal_of: Create, kinds: Kinds) -> None:
    free = threading.Semaphore(0)
    under_way: set[str] = set()

    @kinds.step("t", args=kit.Free, no_undo="a test's")
    def t(context: Context) -> None:
        under_way.add(context.id)
        free.acquire()
        under_way.remove(context.id)

    with journal_of(*(Step(f"s{i}", "t") for i in range(60)), limits={"default": 1, "g": 1}) as journal:
        with running(journal, kinds):
            until(lambda: len(under_way) == 1)
            control.limit(journal, "default", 5)
            until(lambda: len(under_way) == 5)
            control.limit(journal, "default", 2)
            for _ in range(50):  # until the executor has seen it, each that ends is followed by another
                if len(under_way) <= 2:
                    break
                free.release()
                time.sleep(0.2)
            free.release()
            time.sleep(0.5)
            until(lambda: len(under_way) == 2)
            time.sleep(0.1)
            assert len(under_way) == 2
            control.limit(journal, "default", 60)
            free.release(100)
        with pytest.raises(PlanInputError, match="no limit group nope"):
            control.limit(journal, "nope", 1)


def test_a_limit_of_0_ends_the_run_unless_it_waits(journal_of: Create, kinds: Kinds) -> None:
    @kinds.step("t", args=kit.Free, no_undo="a test's")
    def t(context: Context) -> None:
        pass

    with journal_of(Step("a", "t"), Step("b", "t"), after={"b": ["a"]}, limits={"default": 0}) as journal:
        assert Executor(journal, kinds).run() is RunOutcome.HELD
        with running(journal, kinds, wait=True) as (_, outcomes):
            time.sleep(0.6)
            assert not outcomes and kit.states(journal)["a"] == "waiting"
            control.limit(journal, "default", 1)
        assert outcomes == [RunOutcome.DONE]


def test_one_may_wait_for_limits_alone(journal_of: Create, kinds: Kinds) -> None:
    kinds.step("t", args=kit.Free, no_undo="a test's")(lambda context: None)
    steps = (Step("a", "t", gate="open"), Step("b", "t", gate="other"))
    with journal_of(*steps, after={"b": ["a"]}, limits={"default": 0}, gates=["open", "other"]) as journal:
        with running(journal, kinds, wait_for_limits=True, scope=Scope({"open"}, {"open"})) as (_, outcomes):
            time.sleep(0.6)
            assert not outcomes
            control.limit(journal, "default", 1)
        assert outcomes == [RunOutcome.HELD] and kit.states(journal)["a"] == "done"


def test_it_may_wait_for_limits_until_it_is_told_not_to(journal_of: Create, kinds: Kinds) -> None:
    kinds.step("t", args=kit.Free, no_undo="a test's")(lambda context: None)
    over = threading.Event()
    with journal_of(Step("a", "t"), limits={"default": 0}) as journal:
        with running(journal, kinds, wait_for_limits=lambda: not over.is_set()) as (_, outcomes):
            time.sleep(0.6)
            assert not outcomes
            over.set()
        assert outcomes == [RunOutcome.HELD] and kit.states(journal)["a"] == "waiting"


def test_pause_ends_the_run_unless_it_waits(journal_of: Create, kinds: Kinds) -> None:
    go = threading.Event()

    @kinds.step("t", args=kit.Free, no_undo="a test's")
    def t(context: Context) -> None:
        go.wait(10)

    with journal_of(Step("a", "t"), Step("b", "t"), after={"b": ["a"]}) as journal:
        with running(journal, kinds) as (_, outcomes):
            until(lambda: kit.states(journal)["a"] == "running")
            control.pause(journal)
            time.sleep(0.4)
            go.set()
        assert outcomes == [RunOutcome.PAUSED]
        assert kit.states(journal) == {"a": "done", "b": "waiting"}
        assert Executor(journal, kinds).run() is RunOutcome.PAUSED
        assert (status(journal).state, status(journal).exit_code) == ("paused", 3)
        with running(journal, kinds, wait=True) as (_, outcomes):
            until(journal.is_running)
            time.sleep(0.3)
            assert kit.states(journal)["b"] == "waiting"
            control.resume(journal)
        assert outcomes == [RunOutcome.DONE]


def test_gate_holds_until_released(journal_of: Create, kinds: Kinds) -> None:
    kinds.step("t", args=kit.Free, no_undo="a test's")(lambda context: None)
    steps = (Step("a", "t"), Step("b", "t", gate="cutover/1"), Step("c", "t"), Step("d", "t", gate="cutover/2"))
    with journal_of(*steps, after={"b": ["a"], "c": ["b"]}, gates=["cutover/1", "cutover/2"]) as journal:
        assert Executor(journal, kinds).run() is RunOutcome.HELD
        assert kit.states(journal) == {"a": "done", "b": "held", "c": "waiting", "d": "held"}
        assert status(journal).state == "held"
        with running(journal, kinds, wait=True) as (_, outcomes):
            until(journal.is_running)
            assert control.release(journal, "cutover/1") == ["cutover/1"]
            until(lambda: kit.states(journal)["c"] == "done")
            assert kit.states(journal)["d"] == "held"
            assert control.release(journal, "cut*") == ["cutover/1", "cutover/2"]
        assert outcomes == [RunOutcome.DONE]
        with pytest.raises(PlanInputError, match="no gate x"):
            control.hold(journal, "x")


def test_failure_can_be_retried_with_other_arguments_or_skipped_while_it_runs(journal_of: Create, kinds: Kinds) -> None:
    go = threading.Event()

    @kinds.step("t", args=kit.Free, no_undo="a test's")
    def t(context: Context) -> int:
        if not context.args["good"]:
            raise ValueError("bad")
        return int(context.args["more"])

    @kinds.step("wait", args=kit.Free, no_undo="a test's")
    def wait(context: Context) -> None:
        go.wait(10)

    bad = {"good": False, "more": 1}
    steps = (Step("a", "t", bad, unit="u"), Step("b", "t", bad, unit="v"), Step("c", "wait"), Step("after-b", "wait"))
    with journal_of(*steps, after={"after-b": ["b"]}) as journal:
        with running(journal, kinds) as (_, outcomes):
            until(lambda: list(kit.states(journal).values()).count("failed") == 2)
            assert status(journal).blocked == 1
            assert control.retry(journal, steps=["a"], args={"good": True}) == ["a"]
            assert control.skip(journal, "made by hand", unit="v") == ["b"]
            until(lambda: kit.states(journal)["a"] == "done")
            go.set()
        assert outcomes == [RunOutcome.DONE]
        assert kit.states(journal) == {"a": "done", "b": "skipped", "c": "done", "after-b": "done"}
        assert kit.events(journal, "a") == ["started", "failed", "retried", "started", "done"]
        with pytest.raises(PlanInputError, match="can be retried") as caught:
            control.retry(journal, steps=["a"])
        assert caught.value.detail == "a is done"
        with pytest.raises(PlanInputError, match="needs a reason"):
            control.skip(journal, " ", steps=["a"])
        with pytest.raises(PlanInputError, match="no step nope"):
            control.retry(journal, steps=["nope"])


def test_cancel_stops_steps_that_look_and_they_wait_again(journal_of: Create, kinds: Kinds) -> None:
    @kinds.step("sync", args=kit.Free, no_undo="a test's")
    def sync(context: Context) -> None:
        context.sleep(30)

    @kinds.step("async", args=kit.Free, no_undo="a test's")
    async def later(context: Context) -> None:
        await asyncio.sleep(30)

    with journal_of(Step("a", "sync"), Step("b", "async")) as journal:
        with running(journal, kinds) as (_, outcomes):
            until(lambda: set(kit.states(journal).values()) == {"running"})
            control.cancel(journal)
        assert outcomes == [RunOutcome.CANCELLED]
        assert kit.states(journal) == {"a": "waiting", "b": "waiting"}
        assert kit.events(journal, "b") == ["started", "stopped"]
        assert Executor(journal, kinds).run() is RunOutcome.CANCELLED


def test_first_interrupt_lets_steps_finish_second_does_not(journal_of: Create, kinds: Kinds) -> None:
    go = threading.Event()

    @kinds.step("deaf", args=kit.Free, no_undo="a test's")
    def deaf(context: Context) -> None:
        go.wait(30)

    with journal_of(Step("a", "deaf"), Step("b", "deaf"), after={"b": ["a"]}) as journal:
        with running(journal, kinds) as (executor, outcomes):
            until(lambda: kit.states(journal)["a"] == "running")
            executor.interrupt()
            executor.interrupt()
        assert outcomes == [RunOutcome.INTERRUPTED]
        assert kit.states(journal)["a"] == "running"
        assert status(journal).state == "interrupted"
        go.set()
        with running(journal, kinds) as (executor, outcomes):
            go.clear()
            until(lambda: kit.states(journal)["a"] in ("running", "done"))
            executor.interrupt()
            go.set()
        assert outcomes[0] in (RunOutcome.INTERRUPTED, RunOutcome.DONE)
        assert Executor(journal, kinds).run() is RunOutcome.DONE
        assert "interrupted" in kit.events(journal, "a")


def test_two_executors_exclude_each_other(journal_of: Create, kinds: Kinds) -> None:
    go = threading.Event()

    @kinds.step("t", args=kit.Free, no_undo="a test's")
    def t(context: Context) -> None:
        go.wait(10)

    with journal_of(Step("a", "t")) as journal:
        with running(journal, kinds):
            until(lambda: kit.states(journal)["a"] == "running")
            with pytest.raises(PlanError, match="another executor") as caught, Journal.open(journal.where) as other:
                Executor(other, kinds).run()
            assert str(os.getpid()) in caught.value.detail
            go.set()
        assert not journal.is_running()


def test_run_that_was_taken_over_writes_no_more(journal_of: Create, kinds: Kinds) -> None:
    go = threading.Event()

    @kinds.step("t", args=kit.Free, no_undo="a test's")
    def t(context: Context) -> None:
        go.wait(10)

    with journal_of(Step("a", "t")) as journal:
        errors: list[PlanError] = []

        def run() -> None:
            try:
                Executor(journal, kinds).run()
            except PlanError as error:
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        until(lambda: kit.states(journal)["a"] == "running")
        with journal.write() as connection:
            connection.execute(schema.control.update().values(owner=99))
        go.set()
        thread.join(10)
        assert "has taken over" in errors[0].summary
        assert kit.states(journal)["a"] == "running"


def test_progress_and_requests_are_seen_while_the_step_runs(journal_of: Create, kinds: Kinds) -> None:
    go = threading.Event()

    @kinds.step("copy", args=kit.Free, no_undo="a test's")
    def copy(context: Context) -> None:
        context.log("POST /v3/volumes", "req-1")
        context.progress(512, 2048)
        go.wait(10)
        context.progress(2048, 2048)

    with journal_of(Step("a", "copy", title="Copy")) as journal:
        with running(journal, kinds):
            until(lambda: bool(status(journal).running) and status(journal).running[0].done == 512)
            seen = status(journal)
            assert (seen.bytes, seen.bytes_total, seen.running[0].title) == (512, 2048, "Copy")
            assert seen.eta is not None
            go.set()
        assert status(journal).bytes == 2048
        with journal.read() as connection:
            row = connection.execute(select(schema.requests)).one()
        assert (row.text, row.request_id, row.attempt) == ("POST /v3/volumes", "req-1", 1)


def test_secrets_do_not_reach_the_journal(
    journal_of: Create, kinds: Kinds, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OLD_PASSWORD", 'pä"ss-w0rd')

    @kinds.step("t", args=kit.Free, no_undo="a test's", retry=())
    def t(context: Context) -> Any:
        secret = context.secret(context.args["password"])
        context.log(f"login --password {secret}")
        context.save({"token": secret})
        if context.args["fails"]:
            raise ValueError(f"{secret} was refused")
        return [secret]

    steps = [Step(f"s{fails}", "t", {"password": "OLD_PASSWORD", "fails": fails}) for fails in (False, True)]
    with journal_of(*steps) as journal:
        assert Executor(journal, kinds).run() is RunOutcome.FAILED
        assert "*** was refused" in error_of(journal, "sTrue")["summary"]
    for file in (tmp_path / "work").iterdir():
        assert b"ss-w0rd" not in file.read_bytes(), file


@pytest.mark.parametrize("secret", ["true", "1", "null", "id", "e", '"', "***", "a{b"])
def test_a_secret_that_looks_like_json_does_not_break_the_journal(
    journal_of: Create, kinds: Kinds, secret: str
) -> None:
    @kinds.step("t", args=kit.Free, no_undo="a test's", retry=())
    def t(context: Context) -> Any:
        context.hide(secret)
        context.save({"id": 1, "on": True, "off": None})
        context.log(f"login {secret} {secret}more")
        if context.args["fails"]:
            raise ValueError(f"refused: {secret}")
        return {"id": "v-11", "number": 11, "one": 1, "on": True, "off": None, "told": [f"it is {secret}"]}

    steps = [Step(f"s{fails}", "t", {"fails": fails}) for fails in (False, True)]
    with journal_of(*steps) as journal:
        assert Executor(journal, kinds).run() is RunOutcome.FAILED
        with journal.read() as connection:
            result = json.loads(
                connection.execute(select(schema.steps.c.result).where(schema.steps.c.id == "sFalse")).scalar_one()
            )
        told = result.pop("told")
        assert result == {"id": "v-11", "number": 11, "one": 1, "on": True, "off": None}
        assert told == ["it is ***"] and "refused: ***" in error_of(journal, "sTrue")["summary"]


def test_a_secret_that_is_too_short_is_refused_where_it_comes_in(
    journal_of: Create, kinds: Kinds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLD_PASSWORD", "true")

    @kinds.step("t", args=kit.Free, no_undo="a test's", retry=())
    def t(context: Context) -> None:
        context.secret("OLD_PASSWORD")

    with journal_of(Step("a", "t")) as journal:
        assert Executor(journal, kinds).run() is RunOutcome.FAILED
        error = error_of(journal, "a")
        assert "OLD_PASSWORD is too short" in error["summary"] and "longer" in error["hint"]


def test_work_directory_is_its_owners_alone(journal_of: Create) -> None:
    old = os.umask(0)
    try:
        with journal_of(Step("a", "noop")) as journal:
            assert kit.run(journal.where) is RunOutcome.DONE
            directory = Path(journal.where)
            assert directory.stat().st_mode & 0o777 == 0o700
            for file in directory.iterdir():
                assert file.stat().st_mode & 0o777 == 0o600, file
    finally:
        os.umask(old)


def test_what_is_remembered_is_recalled(journal_of: Create) -> None:
    with journal_of(Step("a", "noop")) as journal:
        assert journal.recall("schedule") is None
        journal.remember("schedule", {"waves": [1]})
        journal.remember("schedule", {"waves": [2]})
        assert journal.recall("schedule") == {"waves": [2]} and journal.recall("other") is None
        assert kit.events(journal) == ["schedule", "schedule"]


def test_texts_are_added_to_what_is_remembered(journal_of: Create) -> None:
    with journal_of(Step("a", "noop")) as journal:
        journal.remember_more("off", ["b", "a"])
        journal.remember_more("off", {"c"})
        journal.remember_more("off", [])
        journal.remember_more("off", ["a"])
        assert journal.recall("off") == ["a", "b", "c"]
        assert kit.events(journal) == ["off", "off"]


def test_journal_of_version_1_is_opened_and_run(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as connection:
        connection.executescript((Path(__file__).parent / "golden" / "journal-1.sql").read_text(encoding="utf-8"))
    with Journal.open(tmp_path) as journal:
        assert journal.made_with == 1
        plan = journal.plan()
        assert plan.title == "An old plan"
        assert [(step.id, step.title, step.limits, step.queue) for step in plan.steps] == [
            ("network", "create network", ("네트워크",), ""),
            ("server", 'start server "a"', ("nova@new",), ""),
            ("copy", "", ("default",), "storage"),
        ]
        assert {(step.about, step.purpose) for step in plan.steps} == {(None, "")}
        assert [finding.summary for finding in journal.findings()] == ["DNS names stay"]
        assert journal.recall("schedule") == {"naru_schedule": 1, "waves": []}
        assert status(journal).groups == [("default", 8, 0, 1), ("nova@new", 4, 0, 1)]
        # one that is made now has the same tables
        columns = "SELECT m.name, p.name FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table'"
        indexes = "SELECT name FROM sqlite_master WHERE type IN ('index', 'trigger') AND name NOT LIKE 'sqlite%'"
        with Journal.create(tmp_path / "new", Plan()) as new, journal.read() as ours, new.read() as theirs:
            for query in (columns, indexes):
                assert set(ours.exec_driver_sql(query)) == set(theirs.exec_driver_sql(query))
        control.skip(journal, "no worker here", steps=["copy"])
    assert kit.run(tmp_path) is RunOutcome.DONE
    with Journal.open(tmp_path) as journal:
        assert journal.made_with == 1 and kit.states(journal)["server"] == "done"


def test_journal_of_version_1_that_is_being_run_is_left_alone(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as connection:
        connection.executescript((Path(__file__).parent / "golden" / "journal-1.sql").read_text(encoding="utf-8"))
    with (tmp_path / "executor.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(PlanInputError, match="an executor of an older Naru is running this plan"):
            Journal.open(tmp_path)
    Journal.open(tmp_path).close()


def test_kind_with_a_new_name_runs_journals_that_have_the_old_one(journal_of: Create) -> None:
    kinds = Kinds()
    seen = []

    @kinds.step("cloud.make", args=kit.Free, no_undo="it does nothing", was=["move.make"])
    def make(context: Context) -> None:
        seen.append((context.kind, context.running(["cloud.make"])))

    with journal_of(Step("a", "move.make"), Step("b", "cloud.make"), limits={"default": 1}) as journal:
        assert Executor(journal, kinds).run() is RunOutcome.DONE
        assert seen == [("cloud.make", 1)] * 2
    with pytest.raises(ValueError, match=r"move\.make is registered as cloud\.make already"):
        kinds.alias("move.make", "other")


def test_a_placed_step_that_becomes_runnable_without_workers_fails_and_says_what_to_do(
    journal_of: Create, kinds: Kinds
) -> None:
    go = threading.Event()

    @kinds.step("long", args=kit.Free, no_undo="a test's")
    def long(context: Context) -> None:
        go.wait(10)

    kinds.step("placed", args=kit.Free, no_undo="a test's")(lambda context: None)
    with journal_of(Step("a", "long"), Step("b", "placed", queue="storage")) as journal:
        with journal.write() as connection:
            connection.execute(schema.steps.update().where(schema.steps.c.id == "b").values(state="failed"))
        with running(journal, kinds) as (_, outcomes):
            until(lambda: kit.states(journal)["a"] == "running")
            control.retry(journal, steps=["b"])
            until(lambda: kit.states(journal)["b"] == "failed")
            go.set()
        assert outcomes == [RunOutcome.FAILED] and kit.states(journal)["a"] == "done"
        error = error_of(journal, "b")
        assert "worker queues storage" in error["summary"] and "a file" in error["detail"]
        assert "naru worker --queue storage" in error["hint"]


def test_newer_schema_is_refused_and_a_second_journal_too(journal_of: Create, tmp_path: Path) -> None:
    with journal_of(Step("a", "noop")) as journal:
        with pytest.raises(PlanInputError, match="there is a journal already"):
            Journal.create(tmp_path / "work", Plan())
        with journal.write() as connection:
            connection.execute(schema.schema_version.update().values(version=99))
        with pytest.raises(PlanError, match="schema version 99"):
            Journal.open(journal.where)
    with pytest.raises(PlanInputError, match="no journal there"):
        Journal.open(tmp_path / "nothing")


def test_events_are_append_only(journal_of: Create) -> None:
    with journal_of(Step("a", "noop")) as journal:
        kit.run(journal.where)
        for change in (schema.events.delete(), schema.events.update().values(what="nothing")):
            with pytest.raises(DBAPIError, match="append-only"), journal.engine.begin() as connection:
                connection.execute(change)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"steps": [Step("a", "no.such.kind")]}, "no module registers the step kind no.such.kind"),
        ({"steps": [Step("a", "noop", queue="storage")]}, "worker queues storage"),
        ({"steps": [Step("a", "noop")], "findings": [Finding("error", "No quota")]}, "findings of severity error"),
    ],
)
def test_plan_that_cannot_be_run_here_is_refused_before_it_begins(
    tmp_path: Path, fields: dict[str, Any], expected: str
) -> None:
    with Journal.create(tmp_path / "work", Plan(**fields)) as journal:
        with pytest.raises(PlanInputError, match=expected):
            Executor(journal).run()
        assert set(kit.states(journal).values()) == {"waiting"}


def test_kind_is_registered_once_and_says_whether_it_can_be_undone() -> None:
    kinds = Kinds()
    with pytest.raises(TypeError, match="args"):
        kinds.step("t", no_undo="a test's")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="exactly one of"):
        kinds.step("t", args=kit.Free)(lambda context: None)
    with pytest.raises(ValueError, match="exactly one of"):
        kinds.step("t", args=kit.Free, undo="u", commit="no way back")
    kinds.step("t", args=kit.Free, no_undo="a test's")(lambda context: None)
    with pytest.raises(ValueError, match="registered by"):
        kinds.step("t", args=kit.Free, no_undo="a test's")(kit.thing)
    with pytest.raises(PlanInputError, match="step kind u"):
        kinds.step("v", args=kit.Free, undo="u")(lambda context: None)
        kinds.check(["v"])

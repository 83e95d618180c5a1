"""Steps at workers: the journal on PostgreSQL, leases, and workers that are killed or only stopped for a while."""

import json
import logging
import multiprocessing
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import select, text, update

from naru.plan import control, leases, rollback, run, schema
from naru.plan.context import Context
from naru.plan.errors import LeaseLost, PlanError, Transient
from naru.plan.executor import Executor, RunOutcome
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS, Kinds, step
from naru.plan.model import Plan, Step
from naru.plan.workers import Worker, Workers

from . import conftest, kit

pytestmark = pytest.mark.postgresql
fork = multiprocessing.get_context("fork")
LEASE = 1.0
KILLS = 40


@step("pieces", args=kit.Free, no_undo="a test's", writes=lambda args: str(args["file"]))
def pieces(context: Context) -> int:
    """Writes many small pieces into a file, each after a look at the lease."""
    for piece in range(context.args["pieces"]):
        context.check()
        with Path(context.args["file"]).open("a") as file:
            file.write(f"{context.attempt}\n")
        context.progress(piece + 1, context.args["pieces"], "count")
        time.sleep(0.02)
    return context.attempt


@step(
    "divided",
    args=kit.Free,
    undo="divided.undo",
    before=lambda context: {"by": os.getpid(), "attempt": context.attempt},
    after=lambda context, result: [*result, os.getpid(), context.given["by"]],
)
def divided(context: Context) -> list[int]:
    """Tells which processes did what of it: before, itself, after."""
    return [context.given["by"], os.getpid()]


@step("divided.undo", args=kit.Free, no_undo="it is an undo itself", here=True)
def divided_undo(context: Context) -> int:
    return os.getpid()


def _not_at_first(context: Context) -> int:
    if context.attempt == 1:
        raise Transient("not yet")
    return context.attempt


@step("until", args=kit.Free, no_undo="a test's")
def until(context: Context) -> None:
    """Ends when its file is there."""
    while not Path(context.args["file"]).exists():
        context.sleep(0.05)


@step(
    "late",
    args=kit.Free,
    no_undo="a test's",
    before=_not_at_first,
    after=lambda context, result: _not_at_first(context) + result,
)
def late(context: Context) -> int:
    return int(context.given)


def serve(url: str, concurrency: int = 4) -> None:
    Worker(url, ["here"], concurrency).run()


def start_worker(url: str, concurrency: int = 4) -> multiprocessing.process.BaseProcess:
    process = fork.Process(target=serve, args=(url, concurrency))
    process.start()
    return process


def end(process: multiprocessing.process.BaseProcess) -> None:
    process.terminate()
    process.join(15)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise AssertionError("the worker did not end on SIGTERM")


def serve_and_log(url: str, log: Path) -> None:
    logging.basicConfig(filename=log, level=logging.WARNING, force=True)
    serve(url)


def coordinate(url: str, seconds: float = LEASE) -> None:
    with Journal.open(url) as journal:
        Executor(journal, remote=Workers(journal, seconds)).run()


def coordinate_to_the_end(url: str) -> None:
    """What lost its worker so often that it failed is run again, as an operator would."""
    with Journal.open(url) as journal:
        while Executor(journal, remote=Workers(journal, LEASE)).run() is RunOutcome.FAILED:
            with journal.read() as connection:
                errors = connection.execute(select(schema.steps.c.error).where(schema.steps.c.state == "failed"))
                assert {json.loads(error)["type"] for error in errors.scalars()} == {LeaseLost.__name__}
            control.retry_failed(journal)


def prepare(url: str, plan: Plan) -> None:
    """Creates the journal, and the queues so that workers can be started first."""
    with Journal.create(url, plan) as journal:
        Workers(journal, LEASE).close()


def wait_for(path: Path, lines: int) -> None:
    until = time.monotonic() + 30
    while not path.exists() or len(path.read_text().splitlines()) < lines:
        assert time.monotonic() < until, f"{path} is not written"
        time.sleep(0.01)


def test_plan_on_postgresql_runs_and_rolls_back(database: str, tmp_path: Path) -> None:
    plan = kit.things_plan(tmp_path, 5, 20)
    Journal.create(database, plan).close()
    assert kit.run(database) is RunOutcome.DONE
    assert kit.all_things(tmp_path) == sorted(step.id for step in plan.steps)
    with Journal.open(database) as journal:
        assert not journal.is_running()
        rollback.start(journal)
    assert kit.run(database) is RunOutcome.DONE
    assert kit.all_things(tmp_path) == []


def test_two_executors_on_postgresql_exclude_each_other(database: str) -> None:
    Journal.create(database, Plan(steps=[Step("a", "noop")])).close()
    with Journal.open(database) as one, Journal.open(database) as other, one.exclusive():
        assert other.is_running()
        with pytest.raises(PlanError, match="another executor"):
            Executor(other).run()


def test_steps_run_at_a_worker(database: str, tmp_path: Path) -> None:
    plan = kit.things_plan(tmp_path, 4, 10, place="here")
    prepare(database, plan)
    worker = start_worker(database)
    try:
        with Journal.open(database) as journal:
            assert Executor(journal, remote=Workers(journal, LEASE)).run() is RunOutcome.DONE
    finally:
        end(worker)
    assert kit.all_things(tmp_path) == sorted(step.id for step in plan.steps)


def test_stopped_worker_is_replaced_and_cannot_write_on(database: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    prepare(database, Plan(steps=[Step("copy", "pieces", {"file": str(file), "pieces": 60}, queue="here")]))
    first = start_worker(database, 1)
    coordinator = fork.Process(target=coordinate, args=(database,))
    coordinator.start()
    second = None
    try:
        wait_for(file, 3)
        assert first.pid is not None
        os.kill(first.pid, signal.SIGSTOP)
        second = start_worker(database, 1)
        written = len(file.read_text().splitlines())
        wait_for(file, written + 3)
        os.kill(first.pid, signal.SIGCONT)
        coordinator.join(60)
        assert coordinator.exitcode == 0
        lines = file.read_text().splitlines()
        assert lines == sorted(lines), "the stopped worker wrote after it was replaced"
        assert lines.count("2") == 60
        with Journal.open(database) as journal, journal.read() as connection:
            row = connection.execute(select(schema.steps)).one()
            assert (row.state, row.attempt, row.result) == ("done", 2, "2")
            assert kit.events(journal, "copy") == ["started", "retry", "started", "done"]
    finally:
        for process in (first, second):
            if process is not None:
                end(process)
        coordinator.kill()
        coordinator.join()


def write_and_stand_still(url: str, begun: Path) -> None:
    with Journal.open(url) as journal, journal.write() as connection:
        connection.execute(update(schema.steps).values(attempt=7))
        begun.write_text("written\n")
        os.kill(os.getpid(), signal.SIGSTOP)


def test_a_process_that_stands_still_while_it_writes_holds_up_nobody_for_long(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("naru.plan.journal.STILL", 1.0)
    prepare(database, Plan(steps=[Step("a", "noop")]))
    process = fork.Process(target=write_and_stand_still, args=(database, tmp_path / "begun"))
    process.start()
    try:
        wait_for(tmp_path / "begun", 1)
        with Journal.open(database) as journal, journal.write() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 20000"))
            attempts = connection.execute(update(schema.steps).values(state="held").returning(schema.steps.c.attempt))
            assert attempts.scalars().all() == [0]  # what the other one wrote is not there
    finally:
        process.kill()
        process.join()


def test_cancel_reaches_a_worker(database: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    prepare(database, Plan(steps=[Step("copy", "pieces", {"file": str(file), "pieces": 5000}, queue="here")]))
    worker = start_worker(database, 1)
    try:
        with Journal.open(database) as journal:
            threading.Thread(target=lambda: (wait_for(file, 3), control.cancel(journal))).start()
            assert Executor(journal, remote=Workers(journal, LEASE)).run() is RunOutcome.CANCELLED
            assert kit.states(journal) == {"copy": "waiting"}
    finally:
        end(worker)


def test_a_placed_step_that_is_retried_later_runs_at_its_worker(database: str, tmp_path: Path) -> None:
    file, go = tmp_path / "out", tmp_path / "go"
    plan = Plan(steps=[Step("a", "until", {"file": str(go)})])
    plan.add(Step("copy", "pieces", {"file": str(file), "pieces": 3}, queue="here"))
    prepare(database, plan)
    with Journal.open(database) as journal:
        with journal.write() as connection:
            connection.execute(schema.steps.update().where(schema.steps.c.id == "copy").values(state="failed"))
        worker = start_worker(database)
        outcomes: list[RunOutcome] = []
        executor = Executor(journal, remote=run._remote(journal))
        thread = threading.Thread(target=lambda: outcomes.append(executor.run()), daemon=True)
        try:
            thread.start()
            while kit.states(journal)["a"] != "running":
                time.sleep(0.05)
            control.retry(journal, steps=["copy"])
            wait_for(file, 3)
            go.touch()
            thread.join(30)
            assert outcomes == [RunOutcome.DONE]
        finally:
            end(worker)


def test_a_database_that_is_gone_for_a_while_is_waited_for(tmp_path: Path) -> None:
    with conftest.serving() as server:
        url, file, log = conftest.new_database(server.url), tmp_path / "out", tmp_path / "log"
        pieces = 200
        plan = Plan(steps=[Step("copy", "pieces", {"file": str(file), "pieces": pieces}, queue="here")])
        plan.add(Step("more", "pieces", {"file": str(tmp_path / "more"), "pieces": 3}, queue="here"), after=["copy"])
        prepare(url, plan)
        worker = fork.Process(target=serve_and_log, args=(url, log))
        worker.start()
        executor = fork.Process(target=coordinate, args=(url, 40.0))
        executor.start()
        try:
            wait_for(file, 20)
            server.stop()
            executor.join(30)  # it says that its journal cannot be written, and ends
            wait_for(file, pieces)  # the lease is valid: the step goes on
            time.sleep(1.0)
            server.start()
            executor = fork.Process(target=coordinate, args=(url, 40.0))
            executor.start()
            executor.join(40)
            assert executor.exitcode == 0
            with Journal.open(url) as journal:
                assert kit.states(journal) == {"copy": "done", "more": "done"}
            assert set(file.read_text().split()) == {"1"}, "it ran once"
        finally:
            executor.kill()
            executor.join()
            end(worker)
        told = log.read_text()
        assert "its lease is not renewed" in told and "Traceback" not in told


def test_work_whose_lease_cannot_be_renewed_is_stopped_before_it_ends_and_told(tmp_path: Path) -> None:
    with conftest.serving() as server:
        url, file, log = conftest.new_database(server.url), tmp_path / "out", tmp_path / "log"
        prepare(url, Plan(steps=[Step("copy", "pieces", {"file": str(file), "pieces": 5000}, queue="here")]))
        worker = fork.Process(target=serve_and_log, args=(url, log))
        worker.start()
        executor = fork.Process(target=coordinate, args=(url, 10.0))
        executor.start()
        try:
            wait_for(file, 20)
            began = time.monotonic()
            server.stop()
            while "it is stopped before that ends" not in (log.read_text() if log.exists() else ""):
                assert time.monotonic() - began < 10.0, "its lease has ended"
                time.sleep(0.05)
            time.sleep(0.3)
            written = file.read_text()
            time.sleep(1.0)
            assert file.read_text() == written, "it writes on"
            server.start()
            executor.join(30)
            # what it is given next it does as before
            executor = fork.Process(target=coordinate, args=(url, 10.0))
            executor.start()
            until_lines = len(written.splitlines()) + 20
            wait_for(file, until_lines)
        finally:
            executor.kill()
            executor.join()
            worker.kill()
            worker.join()


@pytest.mark.parametrize("error", [RuntimeError("a bug"), OSError("no more files")])
def test_no_error_ends_the_renewing_of_leases(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    file, often = tmp_path / "out", iter(range(2))
    renew = Worker._renew

    def renews(self: Worker, *args: Any) -> None:
        if next(often, None) is not None:
            raise error
        renew(self, *args)

    monkeypatch.setattr(Worker, "_renew", renews)
    prepare(database, Plan(steps=[Step("copy", "pieces", {"file": str(file), "pieces": 500}, queue="here")]))
    worker = start_worker(database)
    try:
        with Journal.open(database) as journal:
            # a lease of 6 s, which has to be renewed for the 10 s of the step
            assert Executor(journal, remote=Workers(journal, 6.0)).run() is RunOutcome.DONE
        assert set(file.read_text().split()) == {"1"}
    finally:
        end(worker)


def test_what_is_done_around_a_step_is_done_in_the_executor(database: str) -> None:
    worker = start_worker(database)  # before there is any plan
    try:
        plan = Plan(limits={"default": 4})
        for name, kind, place in (("here", "divided", ""), ("there", "divided", "here"), ("late", "late", "here")):
            plan.add(Step(name, kind, queue=place))
        Journal.create(database, plan).close()
        with Journal.open(database) as journal:
            assert Executor(journal, remote=Workers(journal, LEASE)).run() is RunOutcome.DONE, errors(journal)
            ours, found = os.getpid(), results(journal)
            assert found["here"] == [ours] * 4
            assert found["there"] == [ours, worker.pid, ours, ours]
            assert found["late"] == 4 and kit.events(journal, "late") == ["started", "retry", "started", "done"]
            assert journal.running(["divided"]) == 0
            rollback.start(journal)
            assert journal.queues() == []  # no worker is needed to undo it
        end(worker)
        assert kit.run(database) is RunOutcome.DONE
        with Journal.open(database) as journal:
            assert results(journal)["undo/there"] == ours
    finally:
        if worker.is_alive():
            end(worker)


def errors(journal: Journal) -> list[Any]:
    with journal.read() as connection:
        return list(connection.execute(select(schema.steps.c.error)).scalars())


def results(journal: Journal) -> dict[str, Any]:
    with journal.read() as connection:
        rows = connection.execute(select(schema.steps.c.id, schema.steps.c.result))
        return {row.id: json.loads(row.result) if row.result else None for row in rows}


def test_what_waits_for_a_worker_is_found_out_anew_and_rolled_back_by_a_cancel(database: str) -> None:
    Journal.create(database, Plan(steps=[Step("a", "divided", queue="nobody")])).close()
    with Journal.open(database) as journal:
        asked: list[float] = []

        def look() -> None:
            until = time.monotonic() + 30
            while len(set(asked)) < 3 and time.monotonic() < until:
                asked.extend(job["at"] for job in queued(database))
                time.sleep(0.05)
            control.cancel(journal)

        looking = threading.Thread(target=look)
        looking.start()
        assert Executor(journal, remote=Workers(journal, LEASE)).run() is RunOutcome.CANCELLED
        looking.join()
        assert len(set(asked)) >= 3 and queued(database) == []
        assert kit.states(journal) == {"a": "waiting"}


def queued(database: str) -> list[Any]:
    with psycopg.connect(database) as connection:
        if connection.execute("SELECT to_regclass('procrastinate_jobs')").fetchone() == (None,):
            return []
        return [args for (args,) in connection.execute("SELECT args FROM procrastinate_jobs").fetchall()]


def test_a_kind_that_a_worker_does_not_have_fails_its_step(database: str) -> None:
    known = Kinds(dict(KINDS.by_name))
    known.step("own", args=kit.Free, no_undo="a test's")(lambda context: 1)
    Journal.create(database, Plan(steps=[Step("a", "own", queue="here")])).close()
    worker = start_worker(database)
    try:
        with Journal.open(database) as journal:
            assert Executor(journal, known, remote=Workers(journal, LEASE)).run() is RunOutcome.FAILED
            with journal.read() as connection:
                assert (
                    "no module registers the step kind own"
                    in connection.execute(select(schema.steps.c.error)).scalar_one()
                )
    finally:
        end(worker)


def test_steps_under_way_are_counted_wherever_they_run(database: str) -> None:
    plan = Plan(steps=[Step(name, "noop", queue=place) for name, place in (("a", ""), ("b", "here"), ("c", "here"))])
    with Journal.create(database, plan) as journal:
        assert journal.running(["noop"]) == 0
        with journal.write() as connection:
            connection.execute(schema.steps.update().values(state="running", attempt=1))
        assert journal.running(["noop"]) == 1  # those that wait for a worker are not under way
        lease = leases.acquire(journal, "b", 2, 1, "worker-1")
        assert lease is not None and journal.running(["noop"]) == 2 and journal.running(["sleep"]) == 0
        with journal.write() as connection:
            leases.finish(connection, lease, "{}")
        assert journal.running(["noop"]) == 1


def _running_step(database: str) -> Journal:
    journal = Journal.create(database, Plan(steps=[Step("a", "noop")]))
    with journal.write() as connection:
        connection.execute(schema.steps.update().values(state="running", attempt=1))
    return journal


def test_expired_lease_is_refused_by_journal_and_by_its_holder(database: str) -> None:
    with _running_step(database) as journal:
        lease = leases.acquire(journal, "disk", 1, 1, "worker-1", seconds=0.2)
        assert lease is not None
        lease.check()
        time.sleep(0.25)
        with pytest.raises(LeaseLost):
            lease.check()
        with pytest.raises(LeaseLost), journal.write() as connection:
            leases.finish(connection, lease, "{}")
        with journal.write() as connection:
            assert not leases.renew(connection, lease)


def test_fence_grows_and_one_attempt_has_one_lease(database: str) -> None:
    with _running_step(database) as journal:
        first = leases.acquire(journal, "disk", 1, 1, "worker-1", seconds=0.1)
        assert first is not None
        assert leases.acquire(journal, "disk", 1, 1, "worker-2", seconds=0.1) is None
        assert not leases.is_current(journal, 1, 1)
        time.sleep(0.2)
        assert [held.lost for held in leases.look(journal, [1], 0.1)] == [True]
        assert leases.acquire(journal, "disk", 1, 1, "worker-2", seconds=0.1) is None
        with journal.write() as connection:
            connection.execute(schema.steps.update().values(attempt=2))
        second = leases.acquire(journal, "disk", 1, 2, "worker-2")
        assert second is not None and second.fence > first.fence


@pytest.mark.kill
def test_workers_and_executor_killed_at_random(database: str, tmp_path: Path) -> None:
    plan = kit.things_plan(tmp_path, 20, 40, nap=0.005, place="here", limit=16)
    prepare(database, plan)
    workers = [start_worker(database, 8) for _ in range(2)]
    coordinator = fork.Process(target=coordinate_to_the_end, args=(database,))
    coordinator.start()
    kills = made = 0
    until = time.monotonic() + 900
    try:
        while coordinator.exitcode != 0:
            assert time.monotonic() < until, f"not done after {kills} kills"
            coordinator.join(random.random() * 0.5)
            # on a busy machine processes that die too soon would never come to anything
            if coordinator.exitcode is None and (kills == KILLS or len(kit.all_things(tmp_path)) == made):
                continue
            made = len(kit.all_things(tmp_path))
            if coordinator.exitcode is not None and coordinator.exitcode != 0:
                assert coordinator.exitcode == -signal.SIGKILL, f"after {kills} kills"
                coordinator = fork.Process(target=coordinate_to_the_end, args=(database,))
                coordinator.start()
            elif coordinator.exitcode is None:
                if random.random() < 0.3:
                    coordinator.kill()
                else:
                    place = random.randrange(len(workers))
                    workers[place].kill()
                    workers[place].join()
                    workers[place] = start_worker(database, 8)
                kills += 1
    finally:
        coordinator.kill()
        coordinator.join()
        for worker in workers:
            end(worker)
    assert kills > KILLS / 2
    assert kit.all_things(tmp_path) == sorted(step.id for step in plan.steps)
    with Journal.open(database) as journal:
        assert set(kit.states(journal).values()) == {"done"}

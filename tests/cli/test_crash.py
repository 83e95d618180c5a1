"""A fault in a C library, in a thread of its own as librbd's are, while a command runs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]

KINDS = """
import ctypes, os, pathlib, signal, threading, time
from naru.plan.arguments import Arguments
from naru.plan.kinds import step

class Args(Arguments):
    directory: str
    faults: int
    call: str

@step("faulty", args=Args, no_undo="nothing stays")
def faulty(context):
    files = list(pathlib.Path(context.args["directory"]).glob("fault-*"))
    if len(files) < context.args["faults"]:
        (pathlib.Path(context.args["directory"]) / f"fault-{len(files)}").write_text(str(os.getpid()))
        def fault():
            libc = ctypes.CDLL(None)
            libc.abort() if context.args["call"] == "abort" else libc.strlen(ctypes.c_void_p(8))
        def blocked():
            signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGINT, signal.SIGTERM})
            fault()
        threading.Thread(target=blocked).start()
        time.sleep(60)
    (pathlib.Path(context.args["directory"]) / "begun").touch()
    while (pathlib.Path(context.args["directory"]) / "wait").exists():
        context.check()
        time.sleep(0.05)
"""


def run(directory: Path, faults: int, call: str = "abort") -> "subprocess.Popen[str]":
    (directory / "faulty_kinds.py").write_text(KINDS)
    before = {"id": "before", "kind": "noop"}
    args = {"directory": str(directory), "faults": faults, "call": call}
    faulty = {"id": "faulty", "kind": "faulty", "args": args, "after": ["before"]}
    (directory / "plan.json").write_text(json.dumps({"modules": ["faulty_kinds"], "steps": [before, faulty]}))
    naru = [sys.executable, "-m", "naru.cli.main", "plan"]
    env = {**os.environ, "PYTHONPATH": str(directory)}
    subprocess.run([*naru, "create", directory / "plan.json", "--work", directory / "work"], env=env, check=True)
    process = [*naru, "run", str(directory / "work"), "-f", "json"]
    return subprocess.Popen(process, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


@pytest.mark.parametrize(("call", "name"), [("abort", "SIGABRT"), ("strlen", "SIGSEGV")])
def test_the_run_goes_on_as_the_same_process(tmp_path: Path, call: str, name: str) -> None:
    process = run(tmp_path, 2, call)
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert json.loads(out)["state"] == "done"
    assert json.loads(out)["steps"]["done"] == 2
    for number in (1, 2):
        assert f"naru: a fault in a C library ended this run ({name}); it goes on" in errors
        assert f"({number} of 3)" in errors
    assert {file.read_text() for file in tmp_path.glob("fault-*")} == {str(process.pid)}


def test_a_fault_that_comes_back_ends_it(tmp_path: Path) -> None:
    process = run(tmp_path, 100)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGABRT
    assert len(list(tmp_path.glob("fault-*"))) == 4
    assert "(3 of 3)" in errors


def test_it_can_be_interrupted_after_a_fault(tmp_path: Path) -> None:
    (tmp_path / "wait").touch()
    process = run(tmp_path, 1)
    end = time.monotonic() + 60
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    time.sleep(1)  # two that come together are one
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130

"""A real shipper, syslog-ng, follows a service's log and pushes it to a watch, which is killed and started again:
nothing is lost.

Debian's syslog-ng cannot be installed beside rsyslog. It need not be: `apt-get download syslog-ng-core
syslog-ng-mod-http libivykis0 libnet1 libpcre3 libwrap0`, `dpkg -x` of each into one directory, and
NARU_TEST_SYSLOG_NG=DIRECTORY.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .lines import FRAMES, line, traceback
from .test_push import TOKEN, Watch

pytestmark = [pytest.mark.unit, pytest.mark.releases]
RECORDS = 3000
BATCH = 50

CONFIGURATION = """@version: 3.38
options {{ stats-freq(0); time-reopen(1); log-msg-size(262144); }};
source lines {{ file("{log}" follow-freq(0.1) flags(no-parse, no-multi-line) program-override("nova-compute")); }};
destination naru {{
    http(
        url("http://127.0.0.1:{port}/")
        method("POST")
        headers("Authorization: Bearer {token}", "Content-Type: application/json")
        body("$(format-json log=$MSG program=$PROGRAM hostname=h1)")
        delimiter("\\n")
        batch-lines({batch}) batch-timeout(200) workers(1) retries(1000) timeout(30)
        disk-buffer(reliable(yes) disk-buf-size(10485760) mem-buf-size(1048576) dir("{directory}"))
    );
}};
log {{ source(lines); destination(naru); flags(flow-control); }};
"""


def _program() -> tuple[str, dict[str, str], list[str]]:
    """syslog-ng, its environment, and where its modules are."""
    if given := os.environ.get("NARU_TEST_SYSLOG_NG"):
        root = Path(given).absolute()
        (module,) = root.rglob("libhttp.so")
        libraries = {str(one.parent) for one in root.rglob("lib*.so.*")}
        return (
            str(root / "usr" / "sbin" / "syslog-ng"),
            {**os.environ, "LD_LIBRARY_PATH": ":".join(sorted(libraries))},
            [f"--module-path={module.parent}"],
        )
    if found := shutil.which("syslog-ng", path=f"{os.environ['PATH']}:/usr/sbin"):
        return found, dict(os.environ), []
    pytest.skip("syslog-ng is not there: see the beginning of this file")


@contextmanager
def shipping(directory: Path, log: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    program, environment, modules = _program()
    configuration = directory / "syslog-ng.conf"
    configuration.write_text(CONFIGURATION.format(log=log, port=port, token=TOKEN, directory=directory, batch=BATCH))
    argv = [program, "--foreground", "--no-caps", *modules, f"--cfgfile={configuration}"]
    argv += [f"--persist-file={directory}/persist", f"--pidfile={directory}/pid", f"--control={directory}/control"]
    with (
        (directory / "syslog-ng.log").open("w") as out,
        subprocess.Popen(argv, stdout=out, stderr=out, env=environment, cwd=directory) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def test_nothing_is_lost_when_the_watch_is_killed_and_comes_back(tmp_path: Path) -> None:
    directory, log = tmp_path / "shipper", tmp_path / "nova-compute.log"
    directory.mkdir()
    log.touch()
    watch = Watch(tmp_path)
    written = 0

    def write(count: int) -> None:
        nonlocal written
        with log.open("a") as out:
            for _ in range(count):
                written += 1
                head = line(f"number {written} failed on {written}")
                out.write("\n".join([head, *(traceback(*FRAMES) if written % 3 == 0 else ())]) + "\n")

    with shipping(directory, log, watch.port) as shipper:
        write(RECORDS // 3)  # nobody listens yet
        time.sleep(2)
        with watch.running() as running:
            _until(lambda: watch.count() > RECORDS // 6)
            write(RECORDS // 3)
            time.sleep(0.3)
            os.kill(running.pid, signal.SIGKILL)
            running.wait(20)
        write(RECORDS // 3)
        time.sleep(2)
        assert shipper.poll() is None, (directory / "syslog-ng.log").read_text()
        with watch.running():
            _until(lambda: watch.count() >= written)
            time.sleep(3)
            found = watch.count()
    print(f"{written} records, {found} counted")
    assert written <= found <= written + BATCH  # what had no answer may come again within another batch


def _until(ready: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.2)

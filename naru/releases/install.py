"""One virtual environment for each release, installed from its lock, cached and shared by all who use it.

An environment lies at `$XDG_CACHE_HOME/naru/venvs/<release>-<12 hex digits>`; the digits are of everything that
shapes it (lock, edits, files of etc/, Python version), so that a changed lock makes another one and what runs
keeps its own. It is built where it will stay, because console scripts name their interpreter by absolute path: it
counts only once the file `complete` lies in it, which is written last. A lock on `<environment>.lock` lets one
process build at a time. The tools that do the work inherit that lock, so an installation whose Naru was killed
still holds it until the last of them has ended; the next one then begins again.

uv does all of it, except for Python 2.7, which uv cannot use: there uv runs the last virtualenv that could make 2.7
environments in a tool environment of its own, and the old pip inside the new environment does the rest.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import uv

from naru.errors import NaruError
from naru.files import FileLock
from naru.releases import python
from naru.releases.release import Release, load, lock_path

# (release, what is being done, packages done, packages in all); called from several threads
Progress = Callable[[str, str, int, int], None]
Argument = str | Path

VIRTUALENV = "virtualenv==20.15.1"  # the last that supports Python 2.7; it brings pip 20.3.4, setuptools and wheel
BATCH = 24  # packages a command: few commands, yet progress to be seen
TAIL = 15  # lines of a failed command's output that are shown
DISK_FULL = 64 * 2**20  # bytes: with less than this left, a failure is put down to the disk


def venvs_directory() -> Path:
    """Where all environments lie: `$XDG_CACHE_HOME/naru/venvs`, by default under ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "naru" / "venvs"


def venv_path(release: Release) -> Path:
    """Where the environment of `release` is or will be."""
    digest = hashlib.sha256(lock_path(release.name).read_bytes())
    digest.update(json.dumps([release.python, release.build]).encode())
    digest.update("".join(edit.model_dump_json() for edit in release.edits).encode())
    for file in sorted(release.etc.rglob("*")):
        if file.is_file():
            digest.update(str(file.relative_to(release.etc)).encode() + file.read_bytes())
    return venvs_directory() / f"{release.name}-{digest.hexdigest()[:12]}"


def installed(release: Release) -> bool:
    """Whether the environment is complete and its interpreter still there."""
    venv = venv_path(release)
    return (venv / "complete").exists() and (venv / "bin" / "python").exists()


def record(release: Release) -> dict[str, float]:
    """What is known of a complete environment: `seconds` its installation took, `bytes` it has."""
    answer: dict[str, float] = json.loads((venv_path(release) / "complete").read_text())
    return answer


def site_packages(venv: Path) -> Path:
    """The directory of an environment's modules."""
    return next(venv.glob("lib/python*/site-packages"))


def install(releases: Sequence[str], progress: Progress | None = None) -> dict[str, Path]:
    """Makes the environments that are not there yet, as many at once as there are cores; gives the path of each.

    Raises InputError for an unknown release or a missing Python before anything is done, and NaruError when an
    installation fails: those that had begun are finished, those that had not are left out.
    """
    wanted = [load(name) for name in dict.fromkeys(releases)]
    missing = [release for release in wanted if not installed(release)]
    interpreters = [python.find(release.python, needed_by=release.name) for release in missing]
    report = progress or (lambda release, phase, done, total: None)
    interrupted = threading.Event()
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="install") as pool:
        builds = [
            _Build(release, interpreter, report, interrupted)
            for release, interpreter in zip(missing, interpreters, strict=True)
        ]
        futures: list[Future[None]] = [pool.submit(build.ensure) for build in builds]
        try:
            for future in futures:
                future.result()
        except KeyboardInterrupt:
            interrupted.set()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return {release.name: venv_path(release) for release in wanted}


def python2_environment(interpreter: Path, venv: Path) -> list[Argument]:
    """The command that makes a virtual environment of Python 2.7 at `venv`."""
    tool = [uv.find_uv_bin(), "tool", "run", "--python", sys.executable, "--from", VIRTUALENV]
    return [*tool, "virtualenv", "--python", interpreter, venv]


class _Build:
    """The environment of one release being built; `interrupted` is set when nothing more is to be begun."""

    def __init__(self, release: Release, interpreter: Path, report: Progress, interrupted: threading.Event) -> None:
        self.release = release
        self.interpreter = interpreter
        self.report = report
        self.interrupted = interrupted
        self.venv = venv_path(release)
        self.log = self.venv.with_name(f"{self.venv.name}.log")
        self.python = self.venv / "bin" / "python"
        self.packages = [f"{name}=={version}" for name, version in release.lock.items()]
        self.done = 0
        self.counting = threading.Lock()
        self.lock = -1  # the descriptor that holds the lock, which every command inherits

    def ensure(self) -> None:
        """Builds the environment unless another process has done so meanwhile. Raises NaruError."""
        try:
            self.venv.parent.mkdir(parents=True, exist_ok=True)
            with self._exclusive():
                if not installed(self.release):
                    self._build()
        except OSError as error:
            raise self._failure(str(error)) from error
        self.done = len(self.packages)
        self._phase("done")

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with FileLock(self.venv.with_name(f"{self.venv.name}.lock")) as lock:
            self.lock = lock.fileno()
            while not lock.take():
                self._phase("waiting for another installation")
                self._check()
                time.sleep(0.5)
            yield

    def _build(self) -> None:
        started = time.monotonic()
        self._phase("environment")
        shutil.rmtree(self.venv, ignore_errors=True)
        self.log.write_text("")
        if self.release.python == "2.7":
            self._python2()
        else:
            self._python3()
        self._phase("bytecode")
        self._files()
        # the packages' own tests are half of all modules and never imported; modules in the syntax of another Python,
        # which some carry, make it fail
        jobs = [] if self.release.python == "2.7" else ["-j", "0"]
        compiler: list[Argument] = [self.python, "-m", "compileall", "-q", "-x", "/tests/", *jobs]
        self._run([*compiler, site_packages(self.venv)], may_fail=True)
        size = sum(file.lstat().st_size for file in self.venv.rglob("*") if not file.is_dir())
        temporary = self.venv / "complete.new"
        temporary.write_text(json.dumps({"seconds": round(time.monotonic() - started, 1), "bytes": size}) + "\n")
        temporary.rename(self.venv / "complete")

    def _python3(self) -> None:
        self._run([uv.find_uv_bin(), "venv", "--no-project", "--python", self.interpreter, self.venv])
        self._phase("packages")
        build = self.venv / "build-constraints.txt"
        build.write_text("".join(f"{line}\n" for line in self.release.build))
        pip: list[Argument] = [uv.find_uv_bin(), "pip", "install", "--python", self.python, "--no-deps"]
        for batch in self._batches():
            self._run([*pip, "--build-constraints", build, *batch])
            self._count(len(batch))

    def _python2(self) -> None:
        self._run(python2_environment(self.interpreter, self.venv))
        self._phase("packages")
        pip: list[Argument] = [self.python, "-m", "pip", "--disable-pip-version-check"]
        if self.release.build:
            # the old pip builds inside the environment, so what setup.py files import must be there before
            self._run([*pip, "install", "--no-deps", *self.release.build])
        wheels = self.venv / "wheels"

        def build(batch: list[str]) -> None:
            self._run([*pip, "wheel", "--no-deps", "--wheel-dir", wheels, *batch])
            self._count(len(batch))

        # most packages of that time come as source, and pip builds one after the other: so several pips at once
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            list(pool.map(build, self._batches()))
        self._phase("unpacking")
        self._run([*pip, "install", "--no-deps", "--no-compile", "--no-index", "--find-links", wheels, *self.packages])
        shutil.rmtree(wheels)

    def _files(self) -> None:
        """Puts in place what the wheels lack, and makes the release's edits."""
        if self.release.etc.is_dir():
            shutil.copytree(self.release.etc, self.venv / "etc", dirs_exist_ok=True)
        for edit in self.release.edits:
            file = site_packages(self.venv) / edit.file
            text = file.read_text(encoding="utf-8")
            if text.count(edit.find) != 1:
                raise NaruError(f"{self.release.name}: the edit of {edit.file} does not fit the installed file")
            # never in place: the file may be a hard link into uv's cache
            file.unlink()
            file.write_text(text.replace(edit.find, edit.replace), encoding="utf-8")

    def _batches(self) -> list[list[str]]:
        return [self.packages[start : start + BATCH] for start in range(0, len(self.packages), BATCH)]

    def _phase(self, name: str) -> None:
        self.report(self.release.name, name, self.done, len(self.packages))

    def _count(self, packages: int) -> None:
        with self.counting:
            self.done += packages
        self._phase("packages")

    def _run(self, command: Sequence[Argument], *, may_fail: bool = False) -> None:
        """Runs one command; its output goes to the log. Raises NaruError with the output's end when it fails."""
        self._check()
        # PYTHONPATH and the like would reach into the other Python; proxies, UV_* and PIP_* are the user's say
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        argv = [str(part) for part in command]
        tail: deque[str] = deque(maxlen=TAIL)
        with (
            self.log.open("a") as log,
            subprocess.Popen(
                argv,
                cwd=self.venv.parent,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                pass_fds=[self.lock],
            ) as process,
        ):
            assert process.stdout is not None
            for line in process.stdout:
                tail.append(line.rstrip())
                log.write(line)
        if process.returncode and not may_fail:
            raise self._failure("\n".join(tail))

    def _check(self) -> None:
        if self.interrupted.is_set():
            raise NaruError(f"installing {self.release.name} was interrupted")

    def _failure(self, detail: str) -> NaruError:
        free = shutil.disk_usage(next(parent for parent in self.venv.parents if parent.exists())).free
        what = f"installing {self.release.name} failed"
        if free < DISK_FULL or "No space left on device" in detail:
            what = f"{what}: no space left on the disk ({free // 2**20} MiB free in {self.venv.parent})"
        return NaruError(what, detail=detail, hint=f"The installer's whole output: {self.log}")

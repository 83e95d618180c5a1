"""Installing: a tiny release with small real packages, from the registry, into a cache of the test's own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv
import yaml

from naru.errors import InputError, NaruError
from naru.releases import install, python, release

THIS = f"{sys.version_info.major}.{sys.version_info.minor}"
TINY = {
    "name": "tiny",
    "released": "2020-01-01",
    "python": THIS,
    "packages": {"six": "1.17.0"},
    "api": {"nothing": {"script": "nothing"}},
}
LOCK = "iniconfig==2.1.0\nsix==1.17.0\n"
# a process of its own that installs the tiny release; what it does at each report is appended
SCRIPT = """
import os, pathlib, signal, sys
from naru.errors import NaruError
from naru.releases import install, release
release.DATA, release.LOCKS = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[1])
def report(name, phase, done, total):
    {at_report}
try:
    print(install.install(["tiny"], report)["tiny"])
except NaruError as error:
    print(error)
"""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with the one release `tiny`, its lock and nothing installed; uv keeps the cache it has."""
    cache = subprocess.run([uv.find_uv_bin(), "cache", "dir"], capture_output=True, text=True, check=True)
    monkeypatch.setenv("UV_CACHE_DIR", cache.stdout.strip())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    directory = tmp_path / "releases"
    directory.mkdir()
    monkeypatch.setattr(release, "DATA", directory)
    monkeypatch.setattr(release, "LOCKS", directory)
    release.load.cache_clear()
    describe(directory)
    yield directory
    release.load.cache_clear()


def describe(directory: Path, lock: str = LOCK, **changes: object) -> None:
    """Writes the tiny release anew with those fields changed."""
    (directory / "tiny.yaml").write_text(yaml.safe_dump(TINY | changes))
    (directory / "tiny.txt").write_text(lock)
    release.load.cache_clear()


def start(directory: Path, at_report: str = "pass") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(at_report=at_report), str(directory)], stdout=subprocess.PIPE, text=True
    )


def imports(venv: Path, module: str) -> bool:
    return subprocess.run([venv / "bin" / "python", "-c", f"import {module}"], capture_output=True).returncode == 0


@pytest.mark.unit
def test_installs_once_and_reports(data: Path) -> None:
    reports: list[tuple[str, str, int, int]] = []
    venv = install.install(["tiny", "tiny"], lambda *report: reports.append(report))["tiny"]
    assert venv == install.venv_path(release.load("tiny"))
    assert imports(venv, "six, iniconfig")
    assert list(install.site_packages(venv).rglob("six.*.pyc")), "bytecode is compiled at installation"
    assert [phase for _, phase, _, _ in reports] == ["environment", "packages", "packages", "bytecode", "done"]
    assert reports[-1] == ("tiny", "done", 2, 2)
    assert install.record(release.load("tiny"))["bytes"] > 1000

    inode = (venv / "complete").stat().st_ino
    reports.clear()
    assert install.install(["tiny"], lambda *report: reports.append(report)) == {"tiny": venv}
    assert reports == []
    assert (venv / "complete").stat().st_ino == inode


@pytest.mark.unit
def test_what_shapes_an_environment_is_in_its_name(data: Path) -> None:
    paths = {install.venv_path(release.load("tiny"))}
    describe(data, lock="six==1.17.0\n")
    paths.add(install.venv_path(release.load("tiny")))
    describe(data, edits=[{"file": "six.py", "find": "a", "replace": "b", "why": "c"}])
    paths.add(install.venv_path(release.load("tiny")))
    describe(data, python="2.7")
    paths.add(install.venv_path(release.load("tiny")))
    describe(data)
    (data / "etc" / "tiny").mkdir(parents=True)
    (data / "etc" / "tiny" / "paste.ini").write_text("[a]\n")
    paths.add(install.venv_path(release.load("tiny")))
    assert len(paths) == 5


@pytest.mark.unit
def test_edits_and_files_stay_in_the_environment(data: Path) -> None:
    plain = install.install(["tiny"])["tiny"]
    edit = {"file": "six.py", "find": "__version__ = ", "replace": "NARU = 1\n__version__ = ", "why": "a test"}
    describe(data, edits=[edit])
    (data / "etc" / "tiny" / "demo").mkdir(parents=True)
    (data / "etc" / "tiny" / "demo" / "paste.ini").write_text("[a]\n")
    edited = install.install(["tiny"])["tiny"]
    assert (edited / "etc" / "demo" / "paste.ini").read_text() == "[a]\n"
    assert imports(edited, "six; six.NARU")
    # uv links files from its cache: an edit in place would be in every environment, this one too
    assert not imports(plain, "six; six.NARU")


@pytest.mark.unit
def test_an_edit_that_does_not_fit_is_an_error(data: Path) -> None:
    describe(data, edits=[{"file": "six.py", "find": "not in there", "replace": "", "why": "a test"}])
    with pytest.raises(NaruError, match=r"the edit of six\.py does not fit"):
        install.install(["tiny"])
    assert not install.installed(release.load("tiny"))


@pytest.mark.unit
def test_a_failure_shows_the_end_of_the_output_and_can_be_repeated(data: Path) -> None:
    describe(data, lock="iniconfig==2.1.0\nsix==99.9\n")
    for _ in range(2):
        with pytest.raises(NaruError, match="installing tiny failed") as caught:
            install.install(["tiny"])
        assert "six==99.9" in caught.value.detail
        log = Path(caught.value.hint.rpartition(": ")[2])
        assert "six==99.9" in log.read_text()
    assert not install.installed(release.load("tiny"))


@pytest.mark.unit
def test_no_way_to_the_registry(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(data / "cold"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(NaruError, match="installing tiny failed") as caught:
        install.install(["tiny"])
    assert "127.0.0.1:9" in caught.value.detail


@pytest.mark.unit
def test_killed_midway_is_rebuilt(data: Path) -> None:
    victim = start(data, "phase != 'packages' or os.kill(os.getpid(), signal.SIGKILL)")
    assert victim.wait(timeout=120) == -9
    venv = install.venv_path(release.load("tiny"))
    assert venv.is_dir()
    assert not install.installed(release.load("tiny"))
    (venv / "left-over").touch()
    assert imports(install.install(["tiny"])["tiny"], "six, iniconfig")
    assert not (venv / "left-over").exists()


@pytest.mark.unit
def test_tools_that_outlive_a_killed_installation_are_waited_for(data: Path, tmp_path: Path) -> None:
    """A fake uv that goes on after its parent was killed: it holds the lock until it ends."""
    fake, going_on = tmp_path / "uv", tmp_path / "going-on"
    fake.write_text(f"#!/bin/sh\ntouch {going_on}\nsleep 3\nrm {going_on}\n")
    fake.chmod(0o755)
    kill = "import threading; threading.Timer(1, os.kill, (os.getpid(), signal.SIGKILL)).start()"
    victim = start(data, f"install.uv.find_uv_bin = lambda: {str(fake)!r}; {kill}")
    assert victim.wait(timeout=300) == -9
    assert going_on.exists()
    phases: list[str] = []
    install.install(["tiny"], lambda _release, phase, _done, _total: phases.append(phase))
    assert phases[0] == "waiting for another installation"
    assert not going_on.exists()


@pytest.mark.unit
def test_two_at_once_build_it_once(data: Path) -> None:
    both = [start(data, "phase != 'environment' or print('builds')") for _ in range(2)]
    printed = [process.communicate(timeout=300)[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert {words[-1] for words in printed} == {str(install.venv_path(release.load("tiny")))}
    assert sum(words.count("builds") for words in printed) == 1


@pytest.mark.unit
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_full_disk(data: Path, tmp_path: Path) -> None:
    small = tmp_path / "cache"
    small.mkdir()
    script = SCRIPT.format(at_report="pass")
    mounting = f'mount -t tmpfs -o size=64k none {small} && exec "$@"'
    # a mount namespace of its own: nothing to clean up, even when the test is killed
    command = ["unshare", "--mount", "sh", "-c", mounting, "sh", sys.executable, "-c", script, str(data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert "installing tiny failed: no space left on the disk (0 MiB free in" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.unit
def test_a_missing_python_is_reported_before_anything_is_done(data: Path) -> None:
    describe(data, python="2.6")
    with pytest.raises(InputError, match=r"tiny needs Python 2\.6"):
        install.install(["tiny"])
    assert not install.venvs_directory().exists()


@pytest.mark.unit
@pytest.mark.skipif(not python.available("2.7"), reason="no Python 2.7 on this machine")
def test_python_2(data: Path) -> None:
    describe(data, python="2.7", lock="iniconfig==1.1.1\nsix==1.16.0\n", build=["six==1.16.0"])
    venv = install.install(["tiny"])["tiny"]
    assert imports(venv, "six, iniconfig")
    assert not (venv / "wheels").exists()


@pytest.mark.unit
def test_the_commands(data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from naru.cli.main import main

    assert main(["lab", "releases", "-f", "json"]) == 0
    listed = yaml.safe_load(capfd.readouterr().out)
    assert [(row["Name"], row["Installed"], row["Services"]) for row in listed] == [("tiny", False, ["nothing"])]
    assert main(["lab", "install", "--all"]) == 0
    out, err = capfd.readouterr()
    assert out == f"tiny {install.venv_path(release.load('tiny'))}\n"
    assert "tiny: done (2/2 packages)" in err
    assert main(["lab", "install", "ocata"]) == 2
    assert "Known: tiny." in capfd.readouterr().err


@pytest.mark.releases
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", release.names())
def test_every_release_has_what_its_data_says(name: str) -> None:
    """What serves each API is there, and so are the files that a service's configuration is built on."""
    loaded = release.load(name)
    venv = install.install([name])[name]
    modules = install.site_packages(venv)
    for service, serving in loaded.api.items():
        if serving.script:
            assert shutil.which(serving.script, path=str(venv / "bin")), service
        else:
            module, _, attribute = str(serving.wsgi).partition(":")
            file = modules.joinpath(*module.split("."))
            source = file.with_suffix(".py") if file.with_suffix(".py").exists() else file / "__init__.py"
            assert attribute.removesuffix("()") in source.read_text(), service
    for file in ("nova/api-paste.ini", "neutron/api-paste.ini", "cinder/api-paste.ini", "glance/glance-api-paste.ini"):
        assert (venv / "etc" / file).is_file()
    assert list((venv / "etc" / "cinder" / "rootwrap.d").glob("*.filters"))
    assert list((venv / "etc" / "os-brick" / "rootwrap.d").glob("*.filters"))

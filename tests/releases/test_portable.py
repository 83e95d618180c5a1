"""Environments as archives for other hosts: nothing in them names the place where they were installed."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from naru.errors import InputError
from naru.releases import install, portable, release

pytestmark = pytest.mark.unit


def test_an_environment_is_moved_with_what_names_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    loaded = release.load("queens")
    with pytest.raises(InputError, match="not installed"):
        portable.pack("queens")
    with pytest.raises(InputError, match="not installed"):
        portable.requirements("queens")
    venv, base = install.venv_path(loaded), tmp_path / "python"
    for directory in ("bin", "lib/python2.7/site-packages/nova/tests", "lib/python2.7/site-packages/numpy/tests"):
        (venv / directory).mkdir(parents=True)
    for directory in ("bin", "lib/python2.7/test", "lib/python2.7/site-packages/wheel", "include"):
        (base / directory).mkdir(parents=True)
    (venv / "pyvenv.cfg").write_text(f"home = {base}/bin\n")
    (venv / "bin/nova-manage").write_text(f"#!{venv}/bin/python\nimport nova\n")
    (venv / "bin/nova-manage").chmod(0o755)
    (venv / "bin/python").symlink_to(base / "bin/python2.7")
    (venv / "bin/data").write_bytes(b"\0" + str(venv).encode())
    (venv / "complete").write_text("{}")
    for file in ("nova/tests/test_x.py", "numpy/tests/__init__.py", "nova/a.py"):
        (venv / "lib/python2.7/site-packages" / file).write_text(f"# {venv}\n")
    for file in ("bin/python2.7", "lib/python2.7/os.py", "lib/python2.7/test/x.py", "include/Python.h", "lib/libx.a"):
        (base / file).write_text("")
    (base / "lib/python2.7/site-packages/wheel/__init__.py").write_text("")
    (base / "lib/libc.so.1").write_bytes(b"\x7fELF\0GLIBC_2.9\0GLIBC_2.2.5\0GLIBC_PRIVATE\0")
    (venv / "lib/python2.7/site-packages/numpy/a.so").write_bytes(b"\x7fELF\0GLIBC_2.17\0")
    (venv / "lib/python2.7/site-packages/numpy/a.py").write_bytes(b"\x7fELF\0GLIBC_2.99\0")
    assert portable.requirements("queens") == ("2.17", "")
    archive = portable.pack("queens")
    assert portable.pack("queens") == archive and list(archive.parent.glob("*.part")) == []
    place = portable.place(loaded)
    with tarfile.open(archive) as found:
        names = set(found.getnames())
        script = found.extractfile("bin/nova-manage")
        assert script and script.read().decode() == f"#!{place}/bin/python\nimport nova\n"
        assert found.getmember("bin/nova-manage").mode == 0o755
        settings = found.extractfile("pyvenv.cfg")
        assert settings and settings.read().decode() == f"home = {place}/base/bin\n"
        assert found.getmember("bin/python").linkname == f"{place}/base/bin/python2.7"
        program = found.extractfile("bin/data")
        assert program and program.read() == b"\0" + str(venv).encode()  # what is no text is left alone
    packages = "lib/python2.7/site-packages"
    assert {"base/bin/python2.7", "base/lib/python2.7/os.py", f"{packages}/numpy/tests/__init__.py"} <= names
    left = {f"{packages}/nova/tests", "base/lib/python2.7/test", "base/include", "base/lib/libx.a"}
    assert not left & names and f"base/{packages}/wheel" not in names


def test_a_program_that_looks_for_a_library_at_its_place_looks_at_the_new_one(tmp_path: Path) -> None:
    """With a real program: this Python's own interpreter, given such a path."""
    program = tmp_path / "bin" / "python"
    program.parent.mkdir()
    program.write_bytes(Path(os.path.realpath(sys.executable)).read_bytes())
    program.chmod(0o755)
    portable._patchelf("--set-rpath", "/old/lib", program)
    changed = portable._program(program, {b"/old": b"/opt/naru/new"})
    assert changed is not None
    program.write_bytes(changed)
    assert portable._patchelf("--print-rpath", program).strip() == "/opt/naru/new/lib"
    assert subprocess.run([program, "-V"], capture_output=True, timeout=60).returncode in (0, 127)
    assert portable._program(program, {b"/old": b"/other"}) is None

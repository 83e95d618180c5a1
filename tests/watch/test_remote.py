"""A site's hosts by SSH: their files are read as those of this machine, and their code by its own interpreter."""

import asyncio
import gzip
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
import yaml

from naru.cli.main import main
from naru.errors import NaruError
from naru.site import site as sites
from naru.site.ssh import Fleet
from naru.watch import phases, remote
from naru.watch.group import HOLE
from naru.watch.place import Changed, Here, Known
from naru.watch.store import Store

from . import journals as real
from .lines import REQUEST, line

pytestmark = pytest.mark.unit


class Server:
    """An SSH server on loopback whose shell is this machine's."""

    def __init__(self, directory: Path) -> None:
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.key.write_private_key(str(directory / "key"))
        (directory / "key").chmod(0o600)
        self.port = 0
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self.serve(directory), self.loop).result(30)

    async def serve(self, directory: Path) -> None:
        public = self.key.export_public_key().decode().strip()
        (directory / "authorized").write_text(f"{public}\n")
        self.listener = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[self.key],
            authorized_client_keys=str(directory / "authorized"),
            process_factory=self.shell,
            encoding=None,
        )
        self.port = self.listener.get_port()
        (directory / "known").write_text(f"[127.0.0.1]:{self.port} {public}\n")

    @staticmethod
    async def shell(process: "asyncssh.SSHServerProcess[bytes]") -> None:
        given = await process.stdin.read()
        done = await asyncio.to_thread(
            subprocess.run, ["/bin/sh", "-c", process.command or ""], input=given, capture_output=True, timeout=60
        )
        process.stdout.write(done.stdout)
        process.stderr.write(done.stderr)
        process.exit(done.returncode)

    def stop(self) -> None:
        async def close() -> None:
            self.listener.close()
            await self.listener.wait_closed()

        asyncio.run_coroutine_threadsafe(close(), self.loop).result(30)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    server = Server(tmp_path)
    (tmp_path / "log").mkdir()
    file = tmp_path / "site.yaml"
    (tmp_path / "code" / "nova").mkdir(parents=True)
    (tmp_path / "code" / "nova" / "manager.py").write_text("LOG.error('number %d failed', 5)\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@" --root {tmp_path / "code"}\n')
    python.chmod(0o755)
    service = {
        **{"name": "nova-compute", "hosts": ["c1"], "managed": {"unit": "nova-compute"}, "python": str(python)},
        "logs": [str(tmp_path / "log" / "*.log")],
    }
    login = {"user": "any", "port": server.port, "key": str(tmp_path / "key"), "known_hosts": str(tmp_path / "known")}
    content = {
        **{"naru_site": 1, "name": "lab", "login": login, "services": [service]},
        "hosts": [{"name": "c1", "address": "127.0.0.1"}],
    }
    file.write_text(yaml.safe_dump(content))
    yield file
    server.stop()


def test_files_are_as_they_are_here(site: Path, tmp_path: Path) -> None:
    odd = tmp_path / "log" / "it's a [b].log"
    odd.write_bytes(b"\xff\x00 one\n" * 100)
    with gzip.open(tmp_path / "log" / "old.log.1.gz", "wb") as out:
        out.write(b"packed\n" * 50)
    here = Here("c1")
    patterns = [str(tmp_path / "log" / "*.log"), str(tmp_path / "log" / "old.log?*")]
    with Fleet(sites.load(site)) as fleet:
        there = remote.There(fleet, "c1")
        seen = there.files(patterns)
        assert [one._replace(modified=int(one.modified)) for one in here.files(patterns)] == seen
        assert abs(there.now() - here.now()) < 5
        for one in seen:
            known = Known(one.device, one.inode, one.head)
            assert there.read(one.path, 7, 60, known) == here.read(one.path, 7, 60, known)
            with pytest.raises(Changed):
                there.read(one.path, 7, 60, known._replace(inode=1))
            with pytest.raises(Changed):
                there.read(one.path, 7, 60, known._replace(head=b"other"))
        with pytest.raises(Changed):
            there.read(str(tmp_path / "log" / "none.log"), 0, 5)
        assert there.files([str(tmp_path / "none*")]) == []


def test_a_watch_of_a_site(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "log" / "nova-compute.log"
    file.write_text("".join(line(f"number {number} failed") + "\n" for number in range(5)))
    os.utime(file, (0, 0))
    work = tmp_path / "watch"
    words = ["-q", "watch", "run", str(work), "--once"]
    assert main([*words, "--site", str(site)]) == 0
    shutil.copy(file, f"{file}.1")
    file.write_text("".join(line(f"number {number} failed") + "\n" for number in range(2)))
    os.utime(file, (0, 0))
    assert main(words) == 0
    with Store(work) as store:
        (group,) = store.groups()
        assert group["text"] == f"number {HOLE} failed"
        assert group["count"] == 7
        assert store.hosts()[group["key"]] == {"c1": 7}
    capsys.readouterr()
    assert main(["watch", "statements", "--site", str(site), "-f", "json"]) == 0
    assert [one["package"] for one in json.loads(capsys.readouterr().out)] == ["nova"]


def test_a_host_that_cannot_be_reached_is_told(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise NaruError("c1: no answer by SSH within 10 s")

    monkeypatch.setattr(remote.There, "files", unreachable)
    assert main(["-q", "watch", "run", str(tmp_path / "watch"), "--once", "--site", str(site)]) == 1
    assert "not read: c1: no answer" in capsys.readouterr().err


def test_hosts_side_by_side_each_with_its_time_zone(site: Path, tmp_path: Path) -> None:
    """Three hosts, which are one: each has its own files, and its own zone."""
    content = yaml.safe_load(site.read_text())
    content["hosts"] = [
        {"name": "c1", "address": "127.0.0.1", "time_zone": "UTC"},
        {"name": "c2", "address": "127.0.0.1", "time_zone": "Asia/Seoul"},
        {"name": "c3", "address": "127.0.0.1"},
    ]
    content["services"][0]["hosts"] = ["c[1:3]"]
    site.write_text(yaml.safe_dump(content))
    file = tmp_path / "log" / "nova-compute.log"
    file.write_text("".join(line(f"number {number} failed") + "\n" for number in range(5)))
    os.utime(file, (0, 0))
    work = tmp_path / "watch"
    words = ["-q", "watch", "run", str(work), "--once", "--zone", "America/New_York", "--at-once", "2"]
    assert main([*words, "--site", str(site)]) == 0
    with Store(work) as store:
        (group,) = store.groups()
        minutes = dict(store.connection.execute("SELECT host, minute FROM rate"))
        assert store.hosts()[group["key"]] == {"c1": 5, "c2": 5, "c3": 5}
    assert (minutes["c1"] - minutes["c2"], minutes["c3"] - minutes["c1"]) == (9 * 60, 4 * 60)
    assert main([*words, "--files", str(file), "--host", "c2"]) == 2  # it is a host of the site
    content["hosts"][0]["time_zone"] = "Nowhere/Else"
    site.write_text(yaml.safe_dump(content))
    assert main([*words, "--site", str(site)]) == 2


@pytest.mark.skipif(not real.there, reason="needs systemd-journal-remote")
def test_journals_of_hosts(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the units that the site names, on each host by its journalctl; also one request in them."""
    journal = real.JournalFile(tmp_path / "journal")
    unit = {"_SYSTEMD_UNIT": "nova-compute.service", "SYSLOG_IDENTIFIER": "nova-compute", "_PID": "7"}
    other = {**unit, "_SYSTEMD_UNIT": "other.service"}
    journal.write([{**unit, "MESSAGE": line("no room")}, {**other, "MESSAGE": line("another's")}])
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "journalctl"
    program.write_text(f'#!/bin/sh\nexec {shutil.which("journalctl")} -D {journal.directory} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    file, work = tmp_path / "sources.yaml", tmp_path / "watch"
    file.write_text(yaml.safe_dump({"naru_watch_sources": 1, "site_journals": True}))
    words = ["-q", "watch", "run", str(work), "--once", "--sources", str(file)]
    assert main(words) == 2  # there is no site
    assert main([*words, "--site", str(site)]) == 0
    with Store(work) as store:
        (group,) = store.groups()
        assert (group["text"], group["binary"], group["count"]) == ("no room", "nova-compute", 1)
        assert store.hosts()[group["key"]] == {"c1": 1}
    found, skipped = phases.request(work, REQUEST)
    assert [(one.host, one.program, one.record.message) for one in found] == [("c1", "nova-compute", "no room")]
    assert skipped == []

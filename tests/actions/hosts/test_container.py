"""Containers on a real host with podman: what is done to them, found, and taken back."""

import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.lab import spec
from naru.lab.hosts import base
from naru.lab.hosts.hosts import Hosts
from naru.lab.lab import Lab
from naru.plan.executor import RunOutcome
from naru.plan.model import Step
from naru.site import site as sites
from naru.site.ssh import Fleet

from ...lab.hosts.machine import left_of
from ...lab.scenario import come_up
from . import kit

pytestmark = [pytest.mark.hosts, pytest.mark.releases]
HOST = "pod1"
LAYOUT = """naru_layout: 1
networks:
  management: { cidr: 10.76.0.0/24 }
hosts:
  - name: pod1
"""
# an image that is nothing but the host's own programs; the kernel of a lab's host has no overlay on its overlay, and
# its limits cannot be raised
MAKE = """
mkdir -p /etc/containers /root/image
printf '[storage]\\ndriver = "vfs"
runroot = "/run/containers/storage"\\ngraphroot = "/var/lib/containers/storage"\\n' >/etc/containers/storage.conf
printf '[containers]\\ndefault_ulimits = ["nofile=20000:20000", "nproc=1000:1000"]\\n[engine]\\nruntime = "runc"
cgroup_manager = "cgroupfs"\\nevents_logger = "file"\\n' >/etc/containers/containers.conf
cd /root/image
mkdir -p usr root etc proc sys dev run tmp
for name in bin sbin lib lib64; do ln -sfn usr/$name $name; done
tar -c . | podman import - naru-test:1 2>&1
podman create --name t --network host --volume /usr:/usr:ro --volume /root/log:/root/log naru-test:1 \
  sh -c 'echo start >>/root/log/t; trap "echo stop >>/root/log/t; exit" TERM; while :; do sleep 0.1; done'
"""

Do = Callable[..., Path]


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of one host, whose base has podman; nothing of it may be left at the end."""
    directory = tmp_path_factory.mktemp("pods")
    layout = directory / "layout.yaml"
    layout.write_text(LAYOUT)
    lab = Lab(directory / "lab")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "PACKAGES", (*base.PACKAGES, "podman", "runc"))
        come_up(lab, spec.build_hosts(str(layout)))
    hosts = lab.hosts()
    try:
        yield lab
    finally:
        lab.down()
    assert left_of(hosts) == []


@pytest.fixture(scope="module")
def hosts(pods: Lab) -> Hosts:
    return pods.hosts()


@pytest.fixture(scope="module")
def sees(pods: Lab, hosts: Hosts) -> Iterator[kit.See]:
    """What a command says that is run there beside the plan. There is a container `t`."""
    with Fleet(sites.load(pods.site_yaml)) as fleet:
        asked = kit.asking(fleet, hosts, HOST)
        asked("mkdir -p /root/log")
        asked(MAKE)
        yield asked


@pytest.fixture
def do(pods: Lab, sees: kit.See, tmp_path: Path) -> Iterator[Do]:
    """A plan of one step for the container, which runs; its log is empty."""
    sees("podman start t >/dev/null; sleep 0.3; rm -f /root/log/t; touch /root/log/t")

    def made(do: str, **args: Any) -> Path:
        given = {"host": HOST, "site": str(pods.site_yaml), "container": "t", "do": do, **args}
        return kit.journal(tmp_path / f"work-{len(list(tmp_path.iterdir()))}", Step("do", "host.container", given))

    yield made


def state(sees: kit.See) -> str:
    """Running or exited; what podman calls created after a boot is at rest, too."""
    found = sees("podman container inspect --format '{{.State.Status}}' t").strip()
    return "exited" if found == "created" else found


def log(sees: kit.See) -> list[str]:
    return sees("cat /root/log/t").split()


def test_each_is_done_found_and_undone(do: Do, sees: kit.See) -> None:
    for what, becomes, said in (
        ("start", "running", []),
        ("restart", "running", ["stop", "start"]),
        ("stop", "exited", ["stop"]),
    ):
        sees("rm -f /root/log/t; touch /root/log/t")
        work = do(what, **({"engine": "podman"} if what == "stop" else {}))
        assert kit.run(work) == RunOutcome.DONE, kit.error(work, "do")
        assert (state(sees), log(sees)) == (becomes, said)
        assert json.loads(kit.rows(work)["do"].result) == {"before": "running", "engine": "podman"}
        assert kit.back(work) == RunOutcome.DONE and state(sees) == "running"
    sees("podman stop t")
    work = do("start")
    sees("podman stop t")
    assert kit.run(work) == RunOutcome.DONE and state(sees) == "running"
    assert kit.back(work) == RunOutcome.DONE and state(sees) == "exited"
    assert sees("find /var/lib/naru -type f | grep -v -e lock -e fence || true") == ""


def test_what_cannot_be_is_told(do: Do, sees: kit.See) -> None:
    work = do("start", container="none")
    assert kit.run(work) == RunOutcome.FAILED
    assert "neither podman nor docker has a container none" in kit.error(work, "do")
    work = do("start", engine="docker")
    assert kit.run(work) == RunOutcome.FAILED and "there is no docker" in kit.error(work, "do")
    sees("podman create --name bad --network host --volume /usr:/usr:ro naru-test:1 sh -c 'echo broken; exit 3'")
    work = do("start", container="bad")
    assert kit.run(work) == RunOutcome.FAILED
    assert "bad starts and ends again: it is exited (3)" in kit.error(work, "do") and "broken" in kit.error(work, "do")
    assert kit.back(work) == RunOutcome.DONE


@pytest.mark.parametrize("what", ["restart", "stop"])
def test_killed_at_any_instant_it_is_done_once(do: Do, sees: kit.See, what: str) -> None:
    work = do(what)
    kit.killed(work, (0.7 + 1.3 * random.random() for _ in range(6)))
    assert kit.run(work) == RunOutcome.DONE
    assert log(sees) == {"restart": ["stop", "start"], "stop": ["stop"]}[what]
    assert kit.back(work) == RunOutcome.DONE and state(sees) == "running"


@pytest.mark.parametrize("what", ["start", "restart", "stop"])
@pytest.mark.parametrize("how", ["reset", "reboot", "link"])
def test_a_host_that_goes_away_in_the_middle(do: Do, sees: kit.See, hosts: Hosts, what: str, how: str) -> None:
    work = do(what)
    executor = kit.begin(work)
    time.sleep(0.9 + random.random())
    kit.befall(hosts, HOST, how)
    assert executor.ended() == RunOutcome.DONE, kit.error(work, "do")
    time.sleep(2.5 if how == "link" else 0)
    # a step that was done when the host went down: a container that ran does not come up with it
    if how == "link" or what == "stop":
        assert state(sees) == ("exited" if what == "stop" else "running")
    if how == "link" and what == "restart":
        assert log(sees) == ["stop", "start"]
    # it begins before the host goes down, or after
    before = json.loads(kit.rows(work)["do"].result)["before"]
    assert before in ("running", "exited", "created")
    assert kit.back(work) == RunOutcome.DONE
    assert state(sees) == ("running" if before == "running" else "exited")

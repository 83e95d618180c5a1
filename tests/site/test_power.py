"""Power controllers by IPMI: ipmitool against a real simulator of one."""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.site import power
from naru.site.model import Power

from ..processes import started

pytestmark = pytest.mark.hosts

SMBIOS = "12345678-9abc-def0-1122-334455667788"
LAN = """name "sim"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 {port}
    priv_limit admin
    allowed_auths_admin none md2 md5 straight
    guid 78563412bc9af0de1122334455667788
  endlan
  chassis_control "{directory}/chassis"
  user 1 true "" "test" user 10 none md2 md5 straight
  user 2 true "admin" "secret" admin 10 none md2 md5 straight
"""
CHASSIS = """#!/bin/sh
echo "$@" >> {directory}/asked
case "$*" in
  *"get power"*) echo "power:$(cat {directory}/on)" ;;
  *"set power"*) for word; do :; done; [ -e {directory}/refuses ] || echo "$word" > {directory}/on ;;
esac
"""
EMULATED = "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nmc_enable 0x20\n"


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    (tmp_path / "lan").write_text(LAN.format(port=number, directory=tmp_path))
    (tmp_path / "emulated").write_text(EMULATED)
    (tmp_path / "on").write_text("1")
    (tmp_path / "chassis").write_text(CHASSIS.format(directory=tmp_path))
    (tmp_path / "chassis").chmod(0o755)
    argv = ["ipmi_sim", "-c", f"{tmp_path}/lan", "-f", f"{tmp_path}/emulated", "-s", str(tmp_path), "-n"]
    with started(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as simulator:
        time.sleep(1)
        assert simulator.poll() is None
        try:
            yield number
        finally:
            simulator.terminate()


def of(port: int, user: str = "admin") -> Power:
    given = {"address": "127.0.0.1", "protocol": "ipmi", "user": user, "password": {"file": "x"}, "port": port}
    return Power.model_validate(given)


def test_what_a_controller_says_by_ipmi(port: int, tmp_path: Path) -> None:
    (found,) = power.statuses(of(port), "secret", None)
    assert found.on is True and power.same_uuid(found.uuid, SMBIOS)
    (tmp_path / "on").write_text("0")
    assert power.statuses(of(port), "secret", None)[0].on is False
    with pytest.raises(power.Denied, match="does not let admin in"):
        power.statuses(of(port), "wrong", None)
    with pytest.raises(power.Denied, match="does not let nobody in"):
        power.statuses(of(port, "nobody"), "secret", None)
    with pytest.raises(power.NoAnswer):
        power.statuses(of(9), "secret", None)


@pytest.mark.releases
def test_it_is_switched_off_by_ipmi_and_only_what_is_read_back_counts(port: int, tmp_path: Path) -> None:
    power.order(of(port), "secret", None, "off")
    assert power.statuses(of(port), "secret", None)[0].on is False
    (tmp_path / "refuses").touch()
    power.order(of(port), "secret", None, "on")  # it is answered, and nothing happens
    assert power.statuses(of(port), "secret", None)[0].on is False

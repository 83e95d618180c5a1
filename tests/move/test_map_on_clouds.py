"""`naru move map` on the demo company, from Pike to the newest release."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from naru.lab.cloud import Cloud
from naru.lab.lab import Lab

from ..lab.scenario import Rest, connect

pytestmark = pytest.mark.lab


def move(pair: Lab, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(pair.clouds_yaml)}
    argv = [sys.executable, "-m", "naru.cli.main", "move", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, env=env, timeout=300)


def test_a_map_is_suggested_edited_and_then_whole(pair: Lab, company: Cloud, tmp_path: Path) -> None:
    which = ("map", "--from", "old", "--to", "new", "--project", "hanok", "--project", "hanok-lab")
    file = tmp_path / "map.yaml"
    done = move(pair, *which, "--map", str(file), "--suggest", "--work", str(tmp_path), "-f", "json")
    assert done.returncode == 1, done.stderr  # not all is decided: the sample has volume types of its own
    rows = {(row["section"], row["old"]): row["new"] for row in json.loads(done.stdout)}
    assert rows["networks", "public"] == "public" and rows["flavors", "m1.nano"] == "m1.nano"
    assert rows["volume_types", "ceph"] == "ceph" and rows["volume_types", "nfs"] == "nfs"
    undecided = [key for key, target in rows.items() if target is None]
    assert undecided and {section for section, _ in undecided} <= {"volume_types", "images", "physical_networks"}

    # what servers and volumes use, asked from the cloud itself, is all in it
    rest = Rest(connect(pair, "old"))
    projects = {item["id"] for item in rest("identity", "GET", "/projects")["projects"] if item["name"] in which}
    volumes = rest("volumev3", "GET", "/volumes/detail?all_tenants=1")["volumes"]
    types = {item["volume_type"] for item in volumes if item["os-vol-tenant-attr:tenant_id"] in projects}
    assert types == {key for section, key in rows if section == "volume_types"}

    text = file.read_text()
    answers = {"volume_types": "nfs", "images": "create", "physical_networks": "external"}
    for section, key in undecided:
        assert section in text and f"  {key}: null  # " in text
        text = text.replace(f"  {key}: null", f"  {key}: {answers[section]}")
    file.write_text(text)
    done = move(pair, *which, "--map", str(file), "-f", "json")
    assert done.returncode == 0, done.stderr
    assert {row["why"] for row in json.loads(done.stdout)} == {"as written"}


def test_bad_input_is_one_clear_error(pair: Lab, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text("naru_map: 1\nflavors: {none-such: m1.nano}\n")
    base = ("map", "--from", "old", "--to", "new")
    for arguments, message in (
        ((*base, "--project", "none-such"), "no such project"),
        (("map", "--from", "old", "--to", "old", "--all"), "Give two clouds"),
        (("map", "--from", "old", "--to", "elsewhere", "--all"), "cloud 'elsewhere' is not in"),
        ((*base, "--all", "--map", str(tmp_path / "absent.yaml")), "there is no map"),
        ((*base, "--all", "--map", str(tmp_path / "map.yaml")), "none-such: old has no such flavor"),
        (("map", "--from", "old-user", "--to", "new", "--all"), "needs an administrator"),
    ):
        done = move(pair, *arguments)
        assert (done.returncode, done.stdout) == (2, ""), (arguments, done)
        assert message in done.stderr and "Traceback" not in done.stderr

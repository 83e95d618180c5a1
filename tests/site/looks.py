"""A small site, and what was seen on its hosts, for tests of what is concluded of it."""

from pathlib import Path
from typing import Any

import yaml

from naru.site import site as sites
from naru.site.check.look import Clock, Disk, Look
from naru.site.check.result import Results
from naru.site.site import Site

HOSTS = """
naru_site: 1
name: seoul
release: pike
hosts:
  - {name: "ctl[1:3]", address: "10.0.0.[11:13]"}
"""


def site(more: str = "") -> Site:
    return sites.parse(yaml.safe_load(HOSTS + more), Path("site.yaml"))


def bad(results: Results) -> dict[tuple[str, str, str], str]:
    return {(one.state, one.field, one.host): one.what for one in results if one.state != "right"}


def look(name: str = "ctl1", **fields: Any) -> Look:
    given = {"root": True, "whole": True, "name": name, "boot": name, "clock": Clock(-0.1, 0.1)} | fields
    given.setdefault("disks", [Disk("disk", "/", 100, 50)])
    return Look(**given)


RUNS = {"nova-api": {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "Id": "nova-api.service"}}

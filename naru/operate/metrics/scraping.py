"""What Prometheus scrapes of a site, made from the site: its configuration, targets by job, rules, dashboards."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from naru.errors import InputError
from naru.files import write_whole
from naru.operate.metrics import boards
from naru.site.model import Ceph
from naru.site.rabbitmq import bracketed
from naru.site.site import Host, Site

PORTS = {
    "node": 9100,
    "libvirt": 9177,
    "mysqld": 9104,
    "rabbitmq": 15692,
    "ceph": 9283,
    "haproxy": 9101,
    "memcached": 9150,
}
"""The ports at which exporters listen by themselves, or as kolla-ansible sets them."""
RULES = "rules.yaml"


@dataclass(frozen=True)
class Settings:
    """`exporter` is where `naru exporter` listens, `openstack` where openstack-exporter does ("" for none). `ports` are
    those of jobs that are not as `PORTS` has them, `without` the jobs that are left out. Prometheus scrapes every
    `interval` seconds."""

    exporter: str
    openstack: str = ""
    ports: Mapping[str, int] | None = None
    without: frozenset[str] = frozenset()
    interval: int = 30

    def check(self) -> None:
        """Raises InputError for a job that there is not."""
        for name in (*(self.ports or {}), *self.without):
            if name not in PORTS:
                raise InputError(f"there is no job {name!r}", hint=f"There is {', '.join(PORTS)}.")


def write(site: Site, settings: Settings, directory: Path) -> list[Path]:
    """Writes prometheus.yml, targets/JOB.json, rules/naru.yaml and dashboards/NAME.json; the files, in order. Given
    again it writes them again."""
    settings.check()
    found = targets(site, settings)
    contents = {"prometheus.yml": yaml.safe_dump(configuration(site, settings, found), sort_keys=False)}
    contents |= {f"targets/{job}.json": _json(groups) for job, groups in found.items()}
    contents["rules/naru.yaml"] = (files("naru.operate.metrics") / RULES).read_text()
    contents |= {f"dashboards/{name}.json": _json(board) for name, board in boards.all_of_them().items()}
    written = []
    for name, text in contents.items():
        file = directory / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, text, private=False)
        except OSError as error:
            raise InputError(f"{file} cannot be written: {error.strerror}", hint="Name another --out.") from error
        written.append(file)
    return written


def configuration(site: Site, settings: Settings, found: Mapping[str, Any]) -> dict[str, Any]:
    """prometheus.yml: a job for each kind of exporter, whose targets are files that it reads again when they change."""
    return {
        "global": {
            "scrape_interval": f"{settings.interval}s",
            "evaluation_interval": f"{settings.interval}s",
            "external_labels": {"site": site.content.name},
        },
        "rule_files": ["rules/*.yaml"],
        "scrape_configs": [
            {
                "job_name": job,
                **({"honor_labels": True} if job in ("naru", "ceph", "openstack") else {}),
                **({"scrape_interval": "60s", "scrape_timeout": "55s"} if job == "openstack" else {}),
                "file_sd_configs": [{"files": [f"targets/{job}.json"]}],
            }
            for job in found
        ],
    }


def targets(site: Site, settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """The targets of each job that the site has any for, in the form of Prometheus' file_sd."""
    found = {"naru": [{"targets": [settings.exporter]}]}
    if settings.openstack:
        found["openstack"] = [{"targets": [settings.openstack]}]
    for job, hosts in _hosts(site):
        if hosts and job not in settings.without:
            port = (settings.ports or {}).get(job, PORTS[job])
            found[job] = [_target(host, port) for host in hosts]
    return found


def _target(host: Host, port: int) -> dict[str, Any]:
    labels = {"host": host.name, "rack": host.rack, "zone": host.zone}
    return {
        "targets": [f"{bracketed(host.address)}:{port}"],
        "labels": {name: value for name, value in labels.items() if value},
    }


def _hosts(site: Site) -> Iterator[tuple[str, list[Host]]]:
    """Which hosts have what each job scrapes."""
    part = site.part
    yield "node", list(site.hosts.values())
    yield "libvirt", _each(site, [one.hosts for one in part.services if one.name == "nova-compute"])
    yield "mysqld", _each(site, [one.hosts for one in part.databases])
    yield "rabbitmq", _each(site, [one.hosts for one in part.queues])
    # the managers are where the monitors are, as cephadm and ceph-ansible have it; only the active one says anything
    yield "ceph", _each(site, [one.monitors for one in part.storage if isinstance(one, Ceph)])
    yield "haproxy", _each(site, [one.hosts for one in part.load_balancers if one.kind == "haproxy"])
    yield "memcached", _each(site, [one.hosts for one in part.services if one.name == "memcached"])


def _each(site: Site, lines: list[tuple[str, ...]]) -> list[Host]:
    return site.named([name for names in lines for name in names])


def _json(content: Any) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

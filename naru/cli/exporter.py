"""`naru exporter`, `naru exporter config`: metrics for Prometheus, and what Prometheus and Grafana are given."""

import argparse
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Command, Lister
from naru.cli.site import add_site, find_site
from naru.errors import InputError
from naru.listen import Address, Tls
from naru.operate.metrics import scraping
from naru.operate.metrics.exporter import Exporter, Settings

LISTEN = "127.0.0.1:9795"


class Run(Command):
    """Export what nobody else does of a cloud and its site, for Prometheus, until it is ended.

    Each source is read at a pace of its own, and a scrape is answered from what was read last, with how old that is:
    naru_source_read_timestamp_seconds. The cloud is the one that the site names in clouds.yaml, as an administrator;
    without one only hosts are asked. Nothing is changed anywhere. Ctrl-C or SIGTERM ends it.

    Without TLS whoever reaches the address can read the names of hosts, pools and networks, and the ids of projects.

    Exit codes: 2 bad input, 130 ended.
    """

    examples = """
naru exporter --site site.yaml --plans /srv/naru --newest backup='/srv/backups/*.sql.gz' --state /var/lib/naru
naru exporter --listen 10.0.0.5:9795 --certificate host.pem --key host.key --client-ca prometheus-ca.pem
naru exporter --without power --without placement
curl http://127.0.0.1:9795/metrics
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_site(parser)
        parser.add_argument("--listen", default=LISTEN, metavar="HOST:PORT", help="where it is scraped (%(default)s)")
        parser.add_argument("--certificate", type=Path, metavar="FILE", help="its certificate: it speaks TLS then")
        parser.add_argument("--key", type=Path, metavar="FILE", help="the key of the certificate")
        parser.add_argument(
            "--client-ca", type=Path, metavar="FILE", help="only clients with a certificate of these may read"
        )
        parser.add_argument(
            "--plans",
            action="append",
            default=[],
            type=Path,
            metavar="DIR",
            help="a work directory, or a directory with work directories, whose plans are told (several times)",
        )
        parser.add_argument(
            "--newest",
            action="append",
            default=[],
            metavar="NAME=PATTERN",
            help="files of which the age of the newest is told, as backup='/srv/backups/*.sql.gz' (several times)",
        )
        parser.add_argument(
            "--state", type=Path, metavar="DIR", help="where samples for naru trends are kept; without, none are"
        )
        parser.add_argument(
            "--without", action="append", default=[], metavar="SOURCE", help="a source not to read (several times)"
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        site = find_site(arguments)
        if bool(arguments.certificate) != bool(arguments.key) or (arguments.client_ca and not arguments.certificate):
            raise InputError("--certificate and --key go together, and --client-ca with both")
        tls = None
        if arguments.certificate:
            tls = Tls(arguments.certificate, arguments.key, arguments.client_ca)
        for directory in arguments.plans:
            if not directory.is_dir():
                raise InputError(f"--plans {directory}: there is no such directory")
        settings = Settings(
            Address(arguments.listen),
            tls,
            arguments.plans,
            [_pattern(text) for text in arguments.newest],
            arguments.state,
            frozenset(arguments.without),
        )
        exporter = Exporter(site, settings)
        try:
            exporter.start()
            host = settings.address.host or "*"
            where = f"http{'s' if tls else ''}://{f'[{host}]' if ':' in host else host}:{exporter.port}/metrics"
            print(f"naru: {where}", file=sys.stderr, flush=True)
            threading.Event().wait()
        finally:
            exporter.close()


def _pattern(text: str) -> tuple[str, str]:
    name, _, pattern = text.partition("=")
    if not name or not pattern:
        raise InputError(f"--newest {text}: give NAME=PATTERN, as in backup='/srv/backups/*.sql.gz'")
    return name, pattern


class Config(Lister):
    """Write what Prometheus and Grafana are given: the scrape configuration with the targets that the site has, alert
    rules, dashboards.

    Of naru exporter, and of the exporters that others have written: node_exporter on each host, libvirt's where
    nova-compute is, mysqld_exporter, RabbitMQ's and Ceph's own, HAProxy's, memcached's; each at its usual port, as
    kolla-ansible has it. Nothing is installed anywhere, and nothing is asked of any host. Given again it writes the
    files again; Prometheus reads targets by itself when they change.

    Exit codes: 0, 2 bad input.
    """

    examples = """
naru exporter config --site site.yaml --out /etc/prometheus/naru
naru exporter config --out out --exporter ops1:9795 --port mysqld=9105 --without libvirt --openstack ops1:9180
promtool check config /etc/prometheus/naru/prometheus.yml
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_site(parser)
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the directory of the files")
        parser.add_argument(
            "--exporter", default=LISTEN, metavar="HOST:PORT", help="where naru exporter is scraped (%(default)s)"
        )
        parser.add_argument(
            "--openstack", default="", metavar="HOST:PORT", help="an openstack-exporter, if there is one"
        )
        parser.add_argument(
            "--port",
            action="append",
            default=[],
            metavar="JOB=PORT",
            help=f"another port of {', '.join(scraping.PORTS)} (several times)",
        )
        parser.add_argument("--without", action="append", default=[], metavar="JOB", help="a job that is left out")
        parser.add_argument(
            "--interval", type=int, default=30, metavar="SECONDS", help="seconds between scrapes (%(default)s)"
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        site = find_site(arguments)
        if arguments.interval < 1:
            raise InputError("--interval is at least 1")
        ports = {}
        for text in arguments.port:
            job, _, port = text.partition("=")
            if not port.isdecimal() or not 0 < int(port) <= 65535:
                raise InputError(f"--port {text}: give JOB=PORT, as in mysqld=9105")
            ports[job] = int(port)
        settings = scraping.Settings(
            arguments.exporter, arguments.openstack, ports, frozenset(arguments.without), arguments.interval
        )
        written = scraping.write(site, settings, arguments.out)
        found = scraping.targets(site, settings)
        return ("file", "targets"), (
            (str(file), sum(len(one["targets"]) for one in found[file.stem]) if file.parent.name == "targets" else None)
            for file in written
        )

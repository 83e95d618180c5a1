"""HAProxy, and keepalived with the virtual address, on the hosts of the role `balancer`, and of `next-balancer`. Before
the APIs on all controllers, those of the other release as well: servers that do not answer get no requests."""

from collections.abc import Iterable
from pathlib import Path

from naru.lab.hosted.cloud import HostedCloud, address
from naru.lab.hosts.layout import MANAGEMENT, NEXT_BALANCER, NEXT_CONTROLLER, Host
from naru.lab.process import Command
from naru.site.write_gate import haproxy as gate

ROLES = ("balancer", NEXT_BALANCER)
KEEPALIVED = "keepalived"
"""What starts at each boot on hosts of the first role alone."""
SOCKET = "/run/haproxy/admin.sock"
_PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
RUN_DIRECTORY = ("mkdir", "-p", "/run/haproxy")
# a balancer that has not got the virtual address listens on it all the same
FOREIGN = ("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_nonlocal_bind")


def _file(cloud: HostedCloud, name: str) -> Path:
    return cloud.etc / name / f"{name}.cfg"


def commands(cloud: HostedCloud) -> list[tuple[Command, tuple[tuple[str, ...], ...]]]:
    """The two programs of a balancer, each with what is run before it."""
    haproxy = ("haproxy", "-W", "-db", "-f", str(_file(cloud, "haproxy")))
    keepalived = ("keepalived", "--dont-fork", "--log-console", "--use-file", str(_file(cloud, "keepalived")))
    return [
        (Command("haproxy", haproxy, _PATH), (RUN_DIRECTORY, FOREIGN)),
        (Command(KEEPALIVED, keepalived, _PATH), ()),
    ]


def files(cloud: HostedCloud, host: Host) -> dict[Path, str]:
    """Their configuration on one host, with the write gates of all services, open."""
    own = {_file(cloud, "haproxy"): _haproxy(cloud), _file(cloud, "keepalived"): _keepalived(cloud, host)}
    gates = gate.files(cloud.apis, [address(one) for one in cloud.all_hosts])
    return {**own, **{gate_directory(cloud) / name: text for name, text in gates.items()}}


def gate_directory(cloud: HostedCloud) -> Path:
    """Where a balancer has the files of its write gates."""
    return _file(cloud, "haproxy").parent / "naru"


def _haproxy(cloud: HostedCloud) -> str:
    apis = "\n".join(_api(cloud, service) for service in cloud.apis)
    closed = "\n".join(line for name in cloud.apis for line in gate.backend(name, str(gate_directory(cloud))))
    return f"""global
  log stdout format raw local0 notice
  stats socket {SOCKET} mode 600 level admin
  maxconn 8000

defaults
  log global
  mode http
  option redispatch 1
  retries 3
  timeout connect 2s
  timeout client 10m
  timeout server 10m
  timeout check 10s
  default-server check inter 2s fall 2 rise 2 on-marked-down shutdown-sessions

{apis}
{closed}

{_database(cloud)}
"""


def _api(cloud: HostedCloud, service: str) -> str:
    servers = _servers(cloud, service, cloud.having("controller", NEXT_CONTROLLER))
    return f"""listen {service}
  bind {cloud.at(service)}
  option httpchk GET /
  http-check expect rstatus ^[234]
  retry-on conn-failure empty-response
{_gate(cloud, service)}
{servers}
"""


def _gate(cloud: HostedCloud, service: str) -> str:
    found = [*gate.lines(service, str(gate_directory(cloud))), gate.silent(service)]
    return "\n".join(f"  {line}" for line in found)


def _database(cloud: HostedCloud) -> str:
    """One member at a time is written to: two that change the same row would fail each other's transactions."""
    members = cloud.roles["database"]
    check = f" port {cloud.ports['galera-check']}" if len(members) > 1 else ""
    servers = _servers(cloud, "mariadb", members, check, backups=True)
    return f"""listen mariadb
  bind {cloud.at("mariadb")}
  mode tcp
  {"option httpchk GET /" if check else "option tcp-check"}
  timeout client 1d
  timeout server 1d
{servers}
"""


def _servers(cloud: HostedCloud, service: str, hosts: Iterable[Host], further: str = "", backups: bool = False) -> str:
    return "\n".join(
        f"  server {host.name} {address(host)}:{cloud.ports[service]}{further}{' backup' if backups and number else ''}"
        for number, host in enumerate(hosts)
    )


def _keepalived(cloud: HostedCloud, host: Host) -> str:
    rank = cloud.having(*ROLES).index(host)
    return f"""global_defs {{
  router_id {host.name}
  vrrp_version 3
  enable_script_security
  script_user root
}}
vrrp_script haproxy {{
  script "/usr/bin/pgrep -x haproxy"
  interval 2
  weight -50
}}
vrrp_instance api {{
  state {"BACKUP" if rank else "MASTER"}
  interface {host.nic(MANAGEMENT)}
  virtual_router_id 51
  priority {200 - rank}
  advert_int 0.5
  virtual_ipaddress {{
    {cloud.at("keystone").address}/{host.address(MANAGEMENT).network.prefixlen}
  }}
  track_script {{
    haproxy
  }}
}}
"""

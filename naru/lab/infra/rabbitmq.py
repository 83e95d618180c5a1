"""One RabbitMQ broker of one cloud, with an epmd of its own."""

from collections.abc import Iterable
from pathlib import Path

from naru.errors import NaruError
from naru.lab.ports import LOOPBACK, At, Ports
from naru.lab.process import Command

ROOT = Path("/usr/lib/rabbitmq/lib")
USER = "openstack"
VHOST = "/openstack"


def command(directory: Path, ports: Ports, password: str) -> Command:
    """The broker, with one user `openstack` and the virtual host `/openstack`, both made at its first start."""
    at = At(LOOPBACK, ports["rabbitmq"])
    etc = directory / "etc"
    etc.mkdir(parents=True, exist_ok=True)
    config = etc / "rabbitmq.conf"
    config.touch(mode=0o600)
    config.write_text(configuration(at, password))
    (etc / "enabled_plugins").write_text("[].\n")
    node = f"naru{ports.base}@localhost"
    return Command("rabbitmq", (server(),), env=environment(directory, ports, node, at.address), port=at.port, grace=10)


def server(root: Path = Path("/")) -> str:
    """The server itself, of the system at `root`: the packaged wrapper changes to another user."""
    servers = sorted((root / ROOT.relative_to("/")).glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    if not servers:
        raise NaruError(f"no RabbitMQ under {root / ROOT.relative_to('/')}", hint="Install it: naru lab deps --install")
    return f"/{servers[-1].relative_to(root)}"


def configuration(at: At, password: str, user: str = USER, vhost: str = VHOST) -> str:
    """What a broker has in its rabbitmq.conf."""
    return f"""listeners.tcp.default = {at}
default_vhost = {vhost}
default_user = {user}
default_pass = {password}
loopback_users = none
log.console = true
log.console.level = warning
log.file = false
vm_memory_high_watermark.absolute = 600MB
disk_free_limit.absolute = 50MB
"""


def environment(directory: Path, ports: Ports, node: str, address: str) -> dict[str, str]:
    """What a broker is started with; others of its cluster, and epmd, reach it at the address."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(directory),
        "LANG": "C.UTF-8",
        "RABBITMQ_NODENAME": node,
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_CONFIG_FILE": str(directory / "etc" / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "etc" / "enabled_plugins"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_DIST_PORT": str(ports["rabbitmq-dist"]),
        "ERL_EPMD_PORT": str(ports["epmd"]),
        "ERL_EPMD_ADDRESS": address,
        # one scheduler that does not spin: two brokers on two cores must not burn them idle
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none "
        f"-kernel inet_dist_use_interface {{{address.replace('.', ',')}}}",
    }


def url(servers: Iterable[At], password: str) -> str:
    """The transport URL; the double slash belongs to the virtual host's name."""
    return f"rabbit://{','.join(f'{USER}:{password}@{at}' for at in servers)}//openstack"

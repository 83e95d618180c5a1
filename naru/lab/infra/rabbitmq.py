"""One RabbitMQ broker of one cloud, with an epmd of its own."""

from pathlib import Path

from naru.errors import NaruError
from naru.lab.ports import Ports
from naru.lab.process import Command

ROOT = Path("/usr/lib/rabbitmq/lib")


def command(directory: Path, ports: Ports, password: str) -> Command:
    """The broker, with one user `openstack` and the virtual host `/openstack`, both made at its first start."""
    servers = sorted(ROOT.glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    if not servers:
        raise NaruError(f"no RabbitMQ under {ROOT}", hint="Install it: naru lab deps --install")
    etc = directory / "etc"
    etc.mkdir(parents=True, exist_ok=True)
    config = etc / "rabbitmq.conf"
    config.touch(mode=0o600)
    config.write_text(
        f"""listeners.tcp.default = 127.0.0.1:{ports["rabbitmq"]}
default_vhost = /openstack
default_user = openstack
default_pass = {password}
loopback_users = none
log.console = true
log.console.level = warning
log.file = false
vm_memory_high_watermark.absolute = 600MB
disk_free_limit.absolute = 50MB
"""
    )
    (etc / "enabled_plugins").write_text("[].\n")
    return Command(
        "rabbitmq",
        # the packaged wrapper changes to another user; the server itself runs as whoever runs the lab
        (str(servers[-1]),),
        env={
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(directory),
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": f"naru{ports.base}@localhost",
            "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(etc / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_DIST_PORT": str(ports["rabbitmq-dist"]),
            "ERL_EPMD_PORT": str(ports["epmd"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # one scheduler that does not spin: two brokers on two cores must not burn them idle
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none "
            "-kernel inet_dist_use_interface {127,0,0,1}",
        },
        port=ports["rabbitmq"],
        grace=10,
    )


def url(ports: Ports, password: str) -> str:
    """The transport URL; the double slash belongs to the virtual host's name."""
    return f"rabbit://openstack:{password}@127.0.0.1:{ports['rabbitmq']}//openstack"

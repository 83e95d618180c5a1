"""What was seen on a host, as what a site says: services and what manages them, databases, queues, load balancers."""

import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from naru.site.discover import services
from naru.site.discover.found import HOST, Gap, HostSeen, Piece, ServiceSeen, Source
from naru.site.discover.look import Container, Look, Process
from naru.site.discover.openstack_ansible import inside

_ID = re.compile(r"[0-9a-f]{64}")
_LXC = re.compile(r"/lxc(?:\.payload)?[./](?P<name>[^/]+)/(?:.*/)?(?P<unit>[^/]+\.service)")
_UNIT = re.compile(r"(?P<unit>[^/]+\.service)(?:/[^/]*)*$")
# log files of a database that are no logs to read
_NO_LOG = re.compile(r".*/(ddl_recovery|tc|mysql-bin[^/]*|ib[^/]*|\d+)\.log")
_SHELLS = frozenset({"sh", "bash", "dash", "tini", "dumb-init", "env", "kolla_start"})
_INTERPRETERS = re.compile(r"(python[0-9.]*|uwsgi|uwsgi_[a-z0-9_]*|gunicorn[0-9]*|perl)")
LOCAL = ("", "localhost", "127.0.0.1", "::1")


def of_look(host: str, look: Look) -> Source:
    """What a host shows of itself."""
    return _Seen(host, look).source


class _Seen:
    def __init__(self, host: str, look: Look) -> None:
        self.host = host
        self.look = look
        self.by_id = {one.id: one for one in look.containers}
        self.source = Source(f"looking on {host}", looked=True, whole=look.root and not look.refused)
        names = tuple(name for name in look.names if name not in ("localhost", "localhost.localdomain"))
        self.source.hosts.append(
            HostSeen(host, names, addresses=tuple(look.addresses), machine=look.machine, power=look.bmc)
        )
        self.found: dict[tuple[str, str], ServiceSeen] = {}
        if not look.root:
            why = f"{HOST} was looked at as a user that is not root: containers and other users' processes are hidden"
            self.tell(f"hosts.{HOST}", why, "Set login.sudo (--sudo), or log in as root.")
        for engine in look.refused:
            self.tell(
                f"hosts.{HOST}", f"{engine} is installed on {HOST} and does not answer", "Start it, or remove it."
            )
        for process in look.processes.values():
            self._process(process)
        self._units()
        self._containers()
        self._apache()
        self.source.services = list(self.found.values())
        self._shares()

    def tell(self, field: str, why: str, what_to_do: str) -> None:
        self.source.gaps.append(Gap(field, why, what_to_do, self.host))

    # -- services

    def _managed(self, process: Process) -> tuple[dict[str, str] | None, Container | None, str]:
        """What manages a process, its container, and the name of either. None: nothing that is known."""
        for number in _ID.findall(process.group):
            if container := self.by_id.get(number):
                return {"container": container.name, "engine": container.engine}, container, container.name
        if found := _LXC.search(process.group):
            return inside(found["name"], found["unit"].removesuffix(".service")), None, found["unit"]
        if found := _UNIT.search(process.group):
            unit = found["unit"]
            if not unit.startswith(("ssh.", "sshd.", "user@", "cron", "docker.", "containerd.")):
                return {"unit": unit}, None, unit
        return None, None, ""

    def _process(self, process: Process) -> None:
        managed, container, manager = self._managed(process)
        names = [services.named(title) for title in process.titles] or [self._named(process, manager)]
        for name in dict.fromkeys(filter(None, names)):
            if not managed:
                if name not in services.ELSEWHERE:
                    why = f"a process on {HOST} ({' '.join(process.args)[:120]}) is of no unit and no container"
                    self.tell(f"services.{name}", why, "Add managed: {start: LINE, stop: LINE, status: LINE}.")
                self._pieces(name, process, managed, container)
                continue
            if name not in services.ELSEWHERE:
                self._add(self._service(name, process, managed, container))
            self._pieces(name, process, managed, container)

    def _service(
        self, name: str, process: Process, managed: dict[str, str], container: Container | None
    ) -> ServiceSeen:
        python = next((arg for arg in process.args[:1] if PurePosixPath(arg).name.startswith("python")), "")
        inner = "start" in managed  # in an LXC container, whose files are none of the host's
        config = [] if inner else [self._outside(path, container) for path in process.config]
        logs = [] if inner else [self._outside(path, container) for path in process.logs if not _NO_LOG.fullmatch(path)]
        return ServiceSeen(
            name,
            self.host,
            managed,
            port=process.ports[0] if len(process.ports) == 1 else _usual(name, process.ports),
            python=python if services.of_openstack(name) and python.startswith("/") and not inner else "",
            config=tuple(dict.fromkeys(filter(None, config))),
            logs=tuple(dict.fromkeys(filter(None, logs))),
        )

    def _named(self, process: Process, manager: str) -> str:
        """The service: by its program, the file that says what it serves, or what manages it."""
        programs = [arg for arg in process.args if not _is_wrapper(arg)]
        if any("beam" in PurePosixPath(arg).name for arg in process.args):
            programs = ["rabbitmq"]
        files = [
            PurePosixPath(value).stem for key, value in process.words if key in ("ini", "wsgi-file", "config-file")
        ]
        by_program = next(filter(None, map(services.named, programs)), "")
        if by_program:
            return by_program
        if any(word in " ".join(process.args) for word in ("apache2", "httpd", "nginx")) and not process.titles:
            return services.named(manager) if "httpd" not in manager and "apache" not in manager else ""
        return services.named(manager) or next(filter(None, map(services.named, files)), "")

    def _add(self, service: ServiceSeen) -> None:
        key = (service.name, str(service.managed))
        if key not in self.found:
            self.found[key] = service

    def _outside(self, path: str, container: Container | None) -> str:
        """Where the host has a file of a container, "" for one that it has only inside. Kolla's images copy their
        configuration, at each start, from a directory of the host."""
        if container is None:
            return path
        mounts = {within.rstrip("/"): outside.rstrip("/") for within, outside in container.mounts.items()}
        for within in sorted(mounts, key=len, reverse=True):
            if within and (path == within or path.startswith(f"{within}/")):
                return mounts[within] + path.removeprefix(within)
        copied = path.startswith("/etc/") and mounts.get("/var/lib/kolla/config_files")
        return f"{copied}/{PurePosixPath(path).name}" if copied else ""

    def _units(self) -> None:
        """Units that have no process that was seen: failed ones, and all where processes are hidden."""
        for unit, state in self.look.units.items():
            name = services.named(unit)
            if not name or any(one.name == name for one in self.found.values()) or name in services.ELSEWHERE:
                continue
            self._add(ServiceSeen(name, self.host, {"unit": unit}))
            if state == "failed":
                self.tell(f"services.{name}", f"{unit} on {HOST} has failed", "Start it, or remove it from services.")

    def _containers(self) -> None:
        for container in self.look.containers:
            name = services.named(container.name)
            if not name or any(
                one.managed and one.managed.get("container") == container.name for one in self.found.values()
            ):
                continue
            managed = {"container": container.name, "engine": container.engine}
            if container.state != "running":
                why = f"the container {container.name} on {HOST} is {container.state}"
                self.tell(f"services.{name}", why, "Start it, or leave it out.")
            elif name not in services.ELSEWHERE:
                self._add(ServiceSeen(name, self.host, managed))

    def _apache(self) -> None:
        """What Apache serves without a process that is named after it."""
        unit = next((unit for unit in self.look.units if unit in ("apache2.service", "httpd.service")), "")
        for _, program in self.look.aliases if unit else ():
            name = services.named(program) or services.named(PurePosixPath(program).parent.name)
            if name and not any(one.name == name for one in self.found.values()):
                project = name.partition("-")[0]
                config = tuple(self.look.config.get(project, ()))
                self._add(ServiceSeen(name, self.host, {"unit": unit}, config=config))
                self._connections(self.look.settings.get(project, {}))
        for program, files in self.look.balances.items():
            units = {"apache": ("apache2.service", "httpd.service"), "nginx": ("nginx.service",)}[program]
            unit = next((one for one in units if self.look.units.get(one) == "active"), "")
            if unit:
                content = {
                    "kind": program,
                    "managed": {"unit": unit},
                    "files": files,
                    "reload": f"systemctl reload {unit}",
                }
                notes = {"": "it has upstreams" if program == "nginx" else "it has balancers"}
                self.source.pieces.append(Piece("load_balancers", program, content, (self.host,), notes=notes))

    # -- the rest

    def _pieces(self, name: str, process: Process, managed: dict[str, str] | None, container: Container | None) -> None:
        if name == "mariadb":
            galera = any("wsrep" in key and "address" in key for key, _ in process.words) or any(
                key == "wsrep_on" and value.lower() in ("on", "1") for (_, key), value in process.settings.items()
            )
            port = next((int(v) for (_, key), v in process.settings.items() if key == "port" and v.isdigit()), 3306)
            content: dict[str, Any] = {"kind": "galera" if galera or 4567 in process.ports else "mariadb"}
            if port != 3306 and port in process.ports:
                content["port"] = port
            self._piece("databases", content, "MariaDB runs there")
        elif name == "rabbitmq":
            self._piece("queues", {}, "RabbitMQ runs there")
            if 15672 not in self.look.listening and self.look.root:
                why = f"nothing listens at port 15672 of {HOST}"
                self.tell("queues.main.management", why, "Enable rabbitmq_management, or give its url.")
        elif name == "haproxy" and not managed:
            why = f"HAProxy on {HOST} is of no unit and no container"
            self.tell("load_balancers", why, "Add it, with managed: {start: LINE, stop: LINE, status: LINE}.")
        elif name == "haproxy":
            admin = [path for path, level in process.sockets if level == "admin"]
            content = {"kind": "haproxy", "managed": managed}
            if socket := self._outside(admin[0], container) if admin else "":
                content["socket"] = socket
            elif admin:
                why = f"HAProxy on {HOST} has its socket {admin[0]} inside its container alone"
                self.tell("load_balancers.api.socket", why, "Mount its directory from the host.")
            else:
                why = f"HAProxy on {HOST} has no socket of level admin"
                self.tell("load_balancers.api.socket", why, "Add to haproxy.cfg: stats socket PATH level admin.")
            self._piece("load_balancers", content, "HAProxy runs there", "api")
        elif name == "keepalived":
            for address in dict.fromkeys(process.virtual):
                self._piece(
                    "virtual_addresses", {"managed": managed} if managed else {}, "keepalived's configuration", address
                )
        elif name in ("ceph-mon", "ceph-osd"):
            to = "monitors" if name == "ceph-mon" else "osds"
            piece = Piece("storage", "ceph", {"kind": "ceph"}, (self.host,), to, {"": "its daemons run there"})
            self.source.pieces.append(piece)
        else:
            self._connections(process.settings)

    def _piece(self, section: str, content: dict[str, Any], note: str, key: str = "main") -> None:
        self.source.pieces.append(Piece(section, key, content, (self.host,), notes={"": note}))

    def _connections(self, settings: dict[tuple[str, str], str]) -> None:
        """Where services find their database and their queue."""
        for (_, key), value in settings.items():
            if key in ("connection", "sql_connection") and value.startswith(("mysql", "mariadb")):
                where = _split(value)
                if where is None:
                    continue
                host, port, name = where
                content: dict[str, Any] = {}
                if host not in LOCAL:
                    content["address"] = host
                if port not in (None, 3306):
                    content["port"] = port
                if name:
                    content["schemas"] = [name]
                notes = {"address": "address: where services connect"}
                self.source.pieces.append(Piece("databases", "main", content, notes=notes))
            elif key == "transport_url" and value.startswith(("rabbit", "kombu")):
                # as oslo.messaging reads it: what is behind the slash that ends the hosts, "/" when that is nothing
                several, _, vhost = value.partition("://")[2].partition("/")
                where = _split(f"rabbit://{several.partition(',')[0]}")
                content = {"vhosts": [vhost or "/"]}
                if where and where[1] not in (None, 5672):
                    content["port"] = where[1]
                self.source.pieces.append(Piece("queues", "main", content))

    def _shares(self) -> None:
        shares = list(dict.fromkeys(share for share in self.look.shares if ":" in share))
        if shares:
            notes = {"": "mounted there, or of /etc/cinder/nfs_shares"}
            self.source.pieces.append(Piece("storage", "nfs", {"kind": "nfs", "shares": shares}, notes=notes))


def _is_wrapper(arg: str) -> bool:
    name = PurePosixPath(arg).name
    return name in _SHELLS or bool(_INTERPRETERS.fullmatch(name))


_PORTS = {
    "keystone": 5000,
    "glance-api": 9292,
    "nova-api": 8774,
    "nova-metadata": 8775,
    "nova-novncproxy": 6080,
    "placement": 8778,
    "neutron-server": 9696,
    "cinder-api": 8776,
    "heat-api": 8004,
    "heat-api-cfn": 8000,
    "barbican-api": 9311,
    "octavia-api": 9876,
    "designate-api": 9001,
    "mariadb": 3306,
    "rabbitmq": 5672,
    "memcached": 11211,
}


def _usual(name: str, ports: list[int]) -> int | None:
    """Of several ports, the one that the service usually has; None when none is."""
    return _PORTS.get(name) if _PORTS.get(name) in ports else None


def _split(url: str) -> tuple[str, int | None, str] | None:
    """Host, port and path of a URL; None for one that cannot be read."""
    try:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port, parts.path.lstrip("/")
    except ValueError:
        return None

"""What `naru exporter` costs for a big cloud; `make bench-exporter`.

The cloud is a stand-in: a process that answers as Keystone, Nova, Neutron, Cinder and Placement do, at once, with pages
that were made before. So the numbers are the exporter's own, with HTTP and JSON; what the services of a real cloud need
for the same requests is not in them, but how many requests these are is. Each source is read again and again; meanwhile
/metrics is scraped as Prometheus does it. The last line is a JSON object:

    hosts, servers      the cloud's size
    first_s             seconds until all sources were read once
    first_requests      requests for that
    round_s             seconds of a later reading of all sources, in the median; a minute has one
    round_requests      requests for one
    round_cpu_s         processor seconds of the exporter for one
    placement_rounds    readings until Placement was asked about every host
    scrape_ms, scrape_ms_max    a scrape, median and slowest, packed, also while sources are read
    series, bytes, packed_bytes what a scrape has
    memory_mib          the exporter's memory at the end, in this process
    load                the machine's load average over the minute before: numbers taken on a busy machine are worse
"""

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from naru.operate.metrics.exporter import Exporter, Settings
from naru.operate.metrics.server import Address
from naru.site import site as sites

PAGE = 1000
NOW = "2026-11-30T12:00:00"


def server(number: int, hosts: int) -> dict[str, Any]:
    """A server about as long as Nova tells one."""
    identity = f"{number:08x}-0000-4000-8000-000000000000"
    return {
        "id": identity,
        "name": f"server-{number}",
        "status": "ERROR" if number % 500 == 0 else "ACTIVE",
        "tenant_id": f"{number % 700:032x}",
        "user_id": f"{number % 900:032x}",
        "created": f"{NOW}Z",
        "updated": f"{NOW}Z",
        "hostId": "0" * 56,
        "addresses": {"private": [{"version": 4, "addr": "10.0.0.1", "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:00"}]},
        "flavor": {"id": "1", "links": [{"rel": "bookmark", "href": "http://127.0.0.1/flavors/1"}]},
        "metadata": {"role": "web"},
        "links": [{"rel": "self", "href": f"http://127.0.0.1/v2.1/servers/{identity}"}],
        "OS-EXT-SRV-ATTR:host": f"compute{number % hosts:04}",
        "OS-EXT-STS:task_state": "migrating" if number % 1000 == 1 else None,
        "OS-EXT-AZ:availability_zone": "nova",
        **({"fault": {"message": "No valid host was found."}} if number % 500 == 0 else {}),
    }


class StandIn:
    """The answers of a cloud of so many hosts and servers, by path."""

    def __init__(self, url: str, hosts: int, servers: int) -> None:
        self.url = url
        names = [f"compute{number:04}" for number in range(hosts)]
        self.pages: list[bytes] = []
        every = [server(number, hosts) for number in range(servers)]
        for begin in range(0, servers, PAGE):
            page: dict[str, Any] = {"servers": every[begin : begin + PAGE]}
            if begin + PAGE < servers:
                link = f"{url}/compute/v2.1/servers/detail?limit={PAGE}&all_tenants=1&marker={begin // PAGE + 1}"
                page["servers_links"] = [{"rel": "next", "href": link}]
            self.pages.append(json.dumps(page).encode())
        self.changed = json.dumps({"servers": every[:20]}).encode()
        services = [
            {"id": name, "binary": "nova-compute", "host": name, "zone": "nova", "state": "up", "status": "enabled"}
            for name in names
        ]
        hypervisors = [
            {
                **{"id": f"node-{name}", "hypervisor_hostname": name, "service": {"id": name, "host": name}},
                **{"vcpus": 64, "vcpus_used": 50, "memory_mb": 524288, "memory_mb_used": 400000},
                **{"local_gb": 4000, "local_gb_used": 1000, "hypervisor_type": "QEMU", "running_vms": 50},
            }
            for name in names
        ]
        agents = [
            {"id": name, "binary": "neutron-openvswitch-agent", "host": name, "alive": True, "admin_state_up": True}
            for name in names
        ]
        flavors = [
            {"id": str(number), "name": f"m{number}", "vcpus": number, "ram": 2048 * number, "disk": 20}
            for number in range(1, 21)
        ]
        pool = {"name": "ceph@rbd#rbd", "capabilities": {"total_capacity_gb": 1e6, "free_capacity_gb": 4e5}}
        self.fixed = {
            "/compute/v2.1/os-services": {"services": services},
            "/compute/v2.1/os-hypervisors/detail": {"hypervisors": hypervisors},
            "/compute/v2.1/os-migrations": {"migrations": []},
            "/compute/v2.1/flavors/detail": {"flavors": flavors},
            "/network/v2.0/agents": {"agents": agents},
            "/network/v2.0/extensions": {"extensions": [{"alias": "agent"}, {"alias": "network-ip-availability"}]},
            "/network/v2.0/networks": {"networks": []},
            "/network/v2.0/network-ip-availabilities": {"network_ip_availabilities": []},
            "/volume/v3/os-services": {"services": []},
            "/volume/v3/scheduler-stats/get_pools": {"pools": [pool]},
        }
        self.answers = {path: json.dumps(content).encode() for path, content in self.fixed.items()}
        total = {"total": 64, "reserved": 0, "allocation_ratio": 4.0}
        memory = {"total": 524288, "reserved": 4096, "allocation_ratio": 1.0}
        self.inventories = json.dumps({"inventories": {"VCPU": total, "MEMORY_MB": memory}}).encode()
        self.on: dict[str, list[str]] = {name: [] for name in names}
        for one in every:
            self.on[one["OS-EXT-SRV-ATTR:host"]].append(one["id"])
        self.versions = {
            "/identity/v3": {"id": "v3.14", "status": "stable"},
            "/compute/v2.1": {"id": "v2.1", "version": "2.96", "min_version": "2.1", "status": "CURRENT"},
            "/network/v2.0": {"id": "v2.0", "status": "CURRENT"},
            "/volume/v3": {"id": "v3.0", "version": "3.71", "min_version": "3.0", "status": "CURRENT"},
            "/placement": {"id": "v1.0", "max_version": "1.39", "min_version": "1.0", "status": "CURRENT"},
        }

    def answer(self, path: str, query: dict[str, list[str]]) -> bytes:
        """What a GET is answered with."""
        bare = path.rstrip("/")
        if bare == "/compute/v2.1/servers/detail":
            return self.changed if "changes-since" in query else self.pages[int(query.get("marker", ["0"])[0])]
        if bare in self.answers:
            return self.answers[bare]
        if bare in self.versions:
            version = {**self.versions[bare], "links": [{"rel": "self", "href": f"{self.url}{bare}/"}]}
            return json.dumps({"versions": [version]} if bare == "/placement" else {"version": version}).encode()
        if bare.endswith("/inventories"):
            return self.inventories
        if bare.endswith("/allocations"):
            there = self.on[bare.split("/")[-2].removeprefix("node-")]
            one = {"resources": {"VCPU": 2, "MEMORY_MB": 4096}}
            return json.dumps({"allocations": dict.fromkeys(there, one)}).encode()
        raise KeyError(path)

    def token(self) -> bytes:
        endpoints = [
            {"type": kind, "name": kind, "id": kind, "endpoints": [{"interface": "public", "region": "r", "url": url}]}
            for kind, url in (
                ("identity", f"{self.url}/identity/v3"),
                ("compute", f"{self.url}/compute/v2.1"),
                ("network", f"{self.url}/network/v2.0"),
                ("block-storage", f"{self.url}/volume/v3"),
                ("placement", f"{self.url}/placement"),
            )
        ]
        scope = {"id": "p", "name": "admin", "domain": {"id": "default", "name": "Default"}}
        times = {"issued_at": "2026-01-01T00:00:00.000000Z", "expires_at": "2099-01-01T00:00:00.000000Z"}
        return json.dumps({"token": {"user": scope, "project": scope, "catalog": endpoints, **times}}).encode()


def serve(hosts: int, servers: int, pipe: Connection, asked: Any) -> None:
    """The stand-in, in its own process: says its URL when it is ready."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = 1 << 16

        def do_GET(self) -> None:
            with asked.get_lock():
                asked.value += 1
            parts = urlsplit(self.path)
            try:
                self.say(200, cloud.answer(parts.path, parse_qs(parts.query)))
            except KeyError:
                self.say(404, b'{"error": {"message": "nothing there"}}')

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.say(201, cloud.token())

        def say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Subject-Token", "token")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    cloud = StandIn(f"http://127.0.0.1:{made.server_address[1]}", hosts, servers)
    pipe.send(cloud.url)
    made.serve_forever()


def scraping(url: str, found: list[float], last: list[bytes], stop: threading.Event) -> None:
    """Scrapes until it is stopped, with a pause between, and notes the milliseconds of each."""
    while not stop.is_set():
        began = time.monotonic()
        request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            last[0] = answer.read()
        found.append((time.monotonic() - began) * 1000)
        stop.wait(0.1)


def memory() -> float:
    """MiB of this process that are in memory."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds, and processor seconds of this process."""
    began, used = time.monotonic(), time.process_time()
    work()
    return time.monotonic() - began, time.process_time() - used


def measure(directory: Path, hosts: int, rounds: int, url: str, asked: Any) -> dict[str, float]:
    auth = {"auth_url": f"{url}/identity/v3", "username": "admin", "password": "no secret", "project_name": "admin"}
    auth |= {"user_domain_id": "default", "project_domain_id": "default"}
    (directory / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"big": {"auth": auth, "region_name": "r"}}}))
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(directory / "clouds.yaml")
    file = directory / "site.yaml"
    file.write_text(yaml.safe_dump({"naru_site": 1, "name": "big", "cloud": "big"}))
    exporter = Exporter(sites.load(file), Settings(Address("127.0.0.1:0"), state=directory / "state"))
    threading.Thread(target=exporter.server.serve_forever, daemon=True).start()
    collector = exporter.collector

    def every() -> None:
        for source in collector.sources:
            collector.read(source)

    first, _ = timed(every)
    wrong = {name: state.said for name, state in collector.states.items() if state.failed}
    if wrong:
        raise SystemExit(f"these could not be read: {wrong}")
    first_requests = asked.value
    scrapes: list[float] = []
    last, stop = [b""], threading.Event()
    metrics = f"http://127.0.0.1:{exporter.port}/metrics"
    scraper = threading.Thread(target=scraping, args=(metrics, scrapes, last, stop))
    scraper.start()
    turns = max(rounds, -(-hosts // 100))
    times = [timed(every) for _ in range(turns)]
    stop.set()
    scraper.join()
    body = collector.answer(packed=False)
    result = {
        "first_s": round(first, 2),
        "first_requests": first_requests,
        "round_s": round(statistics.median(one[0] for one in times), 2),
        "round_requests": round((asked.value - first_requests) / turns),
        "round_cpu_s": round(statistics.median(one[1] for one in times), 2),
        "placement_rounds": -(-hosts // 100),
        "scrape_ms": round(statistics.median(scrapes), 1),
        "scrape_ms_max": round(max(scrapes), 1),
        "series": sum(1 for line in body.splitlines() if not line.startswith(b"#")),
        "bytes": len(body),
        "packed_bytes": len(last[0]),
        "memory_mib": round(memory()),
        "load": round(os.getloadavg()[0], 1),
    }
    exporter.server.shutdown()
    exporter.close()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--servers", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    asked = multiprocessing.Value("i", 0)
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(
        target=serve, args=(arguments.hosts, arguments.servers, theirs, asked), daemon=True
    )
    process.start()
    try:
        url = ours.recv()
        with tempfile.TemporaryDirectory() as directory:
            found = measure(Path(directory), arguments.hosts, arguments.rounds, url, asked)
    finally:
        process.terminate()
        process.join()
    print(json.dumps({"hosts": arguments.hosts, "servers": arguments.servers, **found}))


if __name__ == "__main__":
    main()

"""agents.py FILE: many fake network agents in one process, each with a broker's connections of its own.

Runs in a release's virtual environment, on Python 2.7 and 3, and makes the calls by that release's own classes: the
state reports, and of the first synchronisation what an agent asks the server for (naru.twin.agents says which). What
the server sends is consumed, and counted. Nothing is done on any host.

FILE is JSON: `config` (a file of oslo.messaging's options), `socket` (on which it is told what to start), `events` (a
file to write, lines of JSON), `report` in seconds, `agents` by name: `kind`, `host`, `ip`, `ports`. A line on the
socket is JSON: {"start": [names]}; the answer is a line when all of them are begun.
"""

import eventlet

eventlet.monkey_patch()

import collections
import json
import os
import socket
import sys
import time
import traceback

import kombu
import neutron
import oslo_messaging
from neutron.agent import resource_cache
from neutron.agent import rpc as agent_rpc
from neutron.agent.dhcp import agent as dhcp_agent
from neutron.agent.l3 import agent as l3_agent
from neutron.api.rpc.callbacks import resources
from neutron.api.rpc.handlers import resources_rpc
from neutron.api.rpc.handlers import securitygroups_rpc
from neutron.conf.agent import common as agent_options
from neutron import objects
from neutron_lib import context
from oslo_config import cfg

try:
    from neutron_lib.agent import topics
except ImportError:  # Pike
    from neutron.common import topics
try:
    from neutron_lib import rpc

    rpc.BackingOffClient
except (ImportError, AttributeError):  # Pike
    from neutron.common import rpc

EXCHANGE = "neutron"
OVS_AGENT = ("plugins", "ml2", "drivers", "openvswitch", "agent", "ovs_neutron_agent.py")
IDLE = 30.0
AGAIN = 2.0  # as an agent that goes on with its loop
CHUNK = 256  # routers that an L3 agent asks for at a time
RELEASE_TYPES = ("PORT", "SECURITYGROUP", "SECURITYGROUPRULE", "NETWORK", "SUBNET")


def patient():
    """Who consumes and has nothing to do wakes up twice a minute and not every second: there are thousands of them."""
    from oslo_messaging._drivers import impl_rabbit

    made = impl_rabbit.Connection.__init__

    def __init__(self, *args, **kwargs):
        made(self, *args, **kwargs)
        self._poll_timeout = IDLE

    impl_rabbit.Connection.__init__ = __init__


class Sink(object):
    """Takes every message, of every version, and counts it."""

    target = oslo_messaging.Target(version="1.999")

    def __init__(self):
        self.taken = 0

    def __getattr__(self, name):
        if name.startswith(("_", "oslo_")):
            raise AttributeError(name)

        def take(context, **arguments):
            self.taken += 1

        return take


class Events(object):
    """What happened, a line of JSON each."""

    def __init__(self, path):
        self._file = open(path, "a")  # noqa: SIM115 - as long as the process

    def write(self, name, event, **more):
        line = dict(more, agent=name, event=event, time=time.time())
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


class Agent(object):
    """One agent: `run` lives as long as the process."""

    def __init__(self, name, given, common, events):
        self.name, self.host, self.kind, self.ip = name, given["host"], given["kind"], given["ip"]
        self.ports, self.common, self.events = given.get("ports", []), common, events
        self.context = context.get_admin_context_without_session()
        self.sink, self.calls, self.devices, self.connection = Sink(), 0, 0, None
        self.state = dict(STATES[self.kind], host=self.host, agent_type=TYPES[self.kind], start_flag=True)
        self.state["configurations"] = dict(self.state["configurations"])
        if self.kind == "ovs":
            self.state["configurations"]["tunneling_ip"] = self.ip
            self.state["resource_versions"] = resources.LOCAL_RESOURCE_VERSIONS

    def run(self):
        self.events.write(self.name, "begun")
        self.until_done(self.reached)
        eventlet.spawn_n(self.go_on)
        self.until_done(self.synchronised)
        self.events.write(self.name, "synchronised", calls=self.calls)
        self.state.pop("start_flag", None)

    def until_done(self, do):
        """What fails is tried again."""
        while True:
            try:
                return do()
            except Exception:
                self.events.write(self.name, "failed", why=traceback.format_exc()[-1500:])
                eventlet.sleep(AGAIN)

    def reached(self):
        """The first report is answered."""
        if self.connection is None:
            self.connect()
        self.report()
        self.events.write(self.name, "reported")

    def go_on(self):
        """Reports, also while it is at its first synchronisation."""
        while True:
            eventlet.sleep(self.common["report"])
            try:
                self.report()
            except Exception:
                self.events.write(self.name, "late", why=traceback.format_exc()[-300:])

    def connect(self):
        """Its transport, its clients, and the queues that it consumes, all as one that has a process of its own."""
        transport = oslo_messaging.get_rpc_transport(cfg.CONF, allowed_remote_exmods=ALLOWED_MODULES)
        # from here to the end nothing waits: the process-wide names are this agent's
        rpc.TRANSPORT, cfg.CONF.host = transport, self.host
        vars(resources_rpc.ResourcesPullRpcApi).get("_instance") and delattr(
            resources_rpc.ResourcesPullRpcApi, "_instance"
        )
        self.reports = agent_rpc.PluginReportStateAPI(topics.REPORTS)
        connection = getattr(rpc, "create_connection", rpc.Connection)()
        for topic, fanout in self.consumed():
            connection.create_consumer(topic, [self.sink], fanout=fanout)
        if self.kind == "ovs":
            self.plugin = agent_rpc.CacheBackedPluginApi.__new__(agent_rpc.CacheBackedPluginApi)
            agent_rpc.PluginApi.__init__(self.plugin, topics.PLUGIN)
            self.cache = self.plugin.remote_resource_cache = resource_cache.RemoteResourceCache(WATCHED)
            # without the notifications within a process, which other agents of this one would hear
            self.groups = securitygroups_rpc.SecurityGroupServerAPIShim.__new__(
                securitygroups_rpc.SecurityGroupServerAPIShim
            )
            self.groups.rcache = self.cache
        elif self.kind == "l3":
            self.plugin = l3_agent.L3PluginApi(topics.L3PLUGIN, self.host)
        else:
            self.plugin = dhcp_agent.DhcpPluginApi(topics.PLUGIN, self.host)
        for client in (self.reports, self.plugin, getattr(getattr(self, "cache", None), "_puller", None)):
            if client is not None:
                self.measured(client)
        self.connection = connection
        connection.consume_in_threads()

    def consumed(self):
        """Topics, and whether only what goes to all is."""
        if self.kind == "l3":
            return [
                (topics.L3_AGENT, False),
                (topics.get_topic_name(topics.AGENT, topics.NETWORK, topics.UPDATE), True),
            ]
        if self.kind == "dhcp":
            return [(topics.DHCP_AGENT, False)]
        found = [("tunnel", topics.UPDATE), ("tunnel", topics.DELETE), (topics.DVR, topics.UPDATE)]
        if SINKHOLE:
            found += [(topics.PORT, topics.UPDATE), (topics.PORT, topics.DELETE)]
            found += [(topics.SECURITY_GROUP, topics.UPDATE), (topics.NETWORK, topics.UPDATE)]
        named = [(topics.get_topic_name(topics.AGENT, one, operation), True) for one, operation in found]
        if self.state["configurations"]["l2_population"]:
            population = topics.get_topic_name(topics.AGENT, topics.L2POPULATION, topics.UPDATE)
            named += [(population, True), ("%s.%s" % (population, self.host), False)]
        return named + [(resources_rpc.resource_type_versioned_topic(one), True) for one in WATCHED]

    def measured(self, api):
        """The calls of an API are counted, and how long each takes is written."""
        prepare, agent = api.client.prepare, self

        class Client(object):
            def prepare(self, *args, **kwargs):
                return Calls(agent, prepare(*args, **kwargs))

        api.client = Client()

    def report(self):
        if self.kind == "ovs":
            self.state["configurations"]["devices"] = self.devices
        self.reports.report_state(self.context, self.state, True)
        self.state.pop("resource_versions", None)

    def synchronised(self):
        """What it asks for first, in the order of the release's agent."""
        getattr(self, "first_" + self.kind)()

    def first_ovs(self):
        if hasattr(self.reports, "has_alive_neutron_server"):
            self.reports.has_alive_neutron_server(self.context)
        for kind in self.state["configurations"]["tunnel_types"]:
            self.plugin.tunnel_sync(self.context, self.ip, kind, self.host)
        if not self.ports:
            return
        self.groups.security_group_info_for_devices(self.context, self.ports)
        id_ = "ovs-agent-%s" % self.host
        found = self.plugin.get_devices_details_list_and_failed_devices(self.context, self.ports, id_, self.host)
        if found["failed_devices"]:
            raise RuntimeError("no details of %s" % found["failed_devices"])
        # its ports' networks and groups are in the cache: nothing more is asked for
        self.plugin.update_device_list(self.context, self.ports, [], id_, self.host)
        self.devices = len(self.ports)

    def first_l3(self):
        if hasattr(self.plugin, "get_host_ha_router_count"):
            self.plugin.get_host_ha_router_count(self.context)
        else:
            self.plugin.get_service_plugin_list(self.context)
        self.plugin.update_all_ha_network_port_statuses(self.context)
        routers = list(self.plugin.get_router_ids(self.context) or [])
        for first in range(0, len(routers), CHUNK):
            self.plugin.get_routers(self.context, routers[first : first + CHUNK])
        self.state["configurations"]["routers"] = len(routers)

    def first_dhcp(self):
        networks = self.plugin.get_active_networks_info(enable_dhcp_filter=False)
        ports = [port.id for network in networks for port in network.ports]
        for first in range(0, len(ports), READY):
            self.plugin.dhcp_ready_on_ports(ports[first : first + READY])
        self.state["configurations"]["networks"] = len(networks)


class Calls(object):
    """The calls of a prepared client."""

    def __init__(self, agent, prepared):
        self._agent, self._prepared = agent, prepared

    def call(self, context, method, **arguments):
        began = time.time()
        try:
            return self._prepared.call(context, method, **arguments)
        finally:
            self._agent.calls += 1
            self._agent.events.write(self._agent.name, "call", method=method, seconds=round(time.time() - began, 4))

    def cast(self, context, method, **arguments):
        return self._prepared.cast(context, method, **arguments)


TYPES = {"ovs": "Open vSwitch agent", "l3": "L3 agent", "dhcp": "DHCP agent"}
STATES = {
    "ovs": {
        "binary": "neutron-openvswitch-agent",
        "topic": "N/A",
        "configurations": {
            "bridge_mappings": {},
            "tunnel_types": ["vxlan"],
            "l2_population": False,
            "arp_responder_enabled": False,
            "enable_distributed_routing": False,
            "log_agent_heartbeats": False,
            "extensions": [],
            "datapath_type": "system",
            "ovs_capabilities": {"datapath_types": [], "iface_types": []},
            "vhostuser_socket_dir": "/var/run/openvswitch",
            "ovs_hybrid_plug": False,
        },
    },
    "l3": {
        "binary": "neutron-l3-agent",
        "topic": topics.L3_AGENT,
        "availability_zone": "nova",
        "configurations": {
            "agent_mode": "legacy",
            "handle_internal_only_routers": True,
            "interface_driver": "openvswitch",
        },
    },
    "dhcp": {
        "binary": "neutron-dhcp-agent",
        "topic": topics.DHCP_AGENT,
        "availability_zone": "nova",
        "configurations": {"dhcp_driver": "neutron.agent.linux.dhcp.Dnsmasq", "dhcp_lease_duration": 86400},
    },
}
ALLOWED_MODULES = ["neutron_lib.exceptions", "neutron.common.exceptions"]
READY = getattr(dhcp_agent, "DHCP_READY_PORTS_SYNC_MAX", 1 << 30)
WATCHED = [getattr(resources, name) for name in RELEASE_TYPES]
WATCHED += [resources.ADDRESSGROUP] if hasattr(resources, "ADDRESSGROUP") else []
# Pike's agents consume, and leave alone, what older servers send
with open(os.path.join(os.path.dirname(neutron.__file__), *OVS_AGENT)) as source:
    SINKHOLE = "old_consumers" in source.read()


def until_served():
    """Returns when there are the queues of which a server takes agents' calls: before, a call would be lost."""
    url = oslo_messaging.TransportURL.parse(cfg.CONF)
    [host] = url.hosts[:1]
    for topic in (topics.REPORTS, topics.PLUGIN, topics.L3PLUGIN):
        while True:
            try:
                with kombu.Connection(
                    hostname=host.hostname,
                    port=host.port,
                    userid=host.username,
                    password=host.password,
                    virtual_host=url.virtual_host,
                ) as connection:
                    connection.channel().queue_declare(topic, passive=True)
                break
            except connection.channel_errors + connection.connection_errors:
                eventlet.sleep(0.2)


def serve(listening, agents):
    """Starts what it is told to."""
    while True:
        stream, _ = listening.accept()
        eventlet.spawn_n(answer, stream, agents)


def answer(stream, agents):
    reader = stream.makefile("r")
    for line in iter(reader.readline, ""):
        for name in json.loads(line)["start"]:
            eventlet.spawn_n(agents[name].run)
        stream.sendall(b"begun\n")


def main():
    with open(sys.argv[1]) as file:
        given = json.load(file)
    agent_options.register_agent_state_opts_helper(cfg.CONF)
    cfg.CONF(["--config-file", given["config"]], project="neutron")
    oslo_messaging.set_transport_defaults(EXCHANGE)
    objects.register_objects()
    patient()
    until_served()
    events = Events(given["events"])
    agents = collections.OrderedDict((name, Agent(name, one, given, events)) for name, one in given["agents"].items())
    if os.path.exists(given["socket"]):
        os.unlink(given["socket"])
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # a path of a socket has 107 bytes at most
    os.chdir(os.path.dirname(given["socket"]))
    listening.bind(os.path.basename(given["socket"]))
    listening.listen(64)
    events.write("", "ready")
    serve(listening, agents)


if __name__ == "__main__":
    main()

"""ML2 mechanism driver that binds every port of every segment at once, with no agent. Those of hosts that have one
are their agent's.

Ports on hosts whose name begins with `guest` get a macvtap, which libvirt makes by itself and whose name
differs from host to host, as a live migration within one network namespace needs. All others (fake hosts) are bound as
Open vSwitch, the usual answer. From Pike to the newest release; on Python 2.7 and 3.
"""

import os

from neutron_lib.api.definitions import portbindings

try:
    from neutron_lib.plugins.ml2 import api

    api.MechanismDriver
except (ImportError, AttributeError):  # Pike
    from neutron.plugins.ml2 import driver_api as api


class NaruMechanismDriver(api.MechanismDriver):
    # releases up to about Train read these with getattr()
    vif_type = "ovs"
    vif_details = {"port_filter": True, "ovs_hybrid_plug": False}
    supported_qos_rule_types = []

    def initialize(self):
        pass

    @property
    def connectivity(self):
        return "l2"

    def bind_port(self, context):
        if context.host in os.environ["NARU_AGENT_HOSTS"].split(","):
            return
        for segment in context.segments_to_bind:
            vif_type, details = self.vif_type, dict(self.vif_details)
            if context.host.startswith("guest"):
                link = os.environ["NARU_GUEST_LINKS"] + context.host[len("guest") :]
                vif_type = "macvtap"
                details = {
                    "port_filter": False,
                    "macvtap_source": link,
                    "physical_interface": link,
                    "macvtap_mode": "bridge",
                }
            context.set_binding(segment["id"], vif_type, details, status="ACTIVE")
            return

    def update_port_postcommit(self, context):
        """What an agent does once a live migration has activated a binding: Neutron has put the port down before."""
        port = context.current
        bound = port.get(portbindings.VIF_TYPE) in (self.vif_type, "macvtap")
        ours = context.host and context.host not in os.environ["NARU_AGENT_HOSTS"].split(",")
        if port["status"] == "DOWN" and bound and ours and port["device_owner"].startswith("compute:"):
            context._plugin.update_port_status(context._plugin_context, port["id"], "ACTIVE", context.host)

    def get_allowed_vnic_types(self):
        return [portbindings.VNIC_NORMAL, portbindings.VNIC_DIRECT, portbindings.VNIC_MACVTAP]

    def try_to_bind_segment_for_agent(self, *args, **kwargs):
        return False

    def check_vlan_transparency(self, context):
        return True

    def filter_hosts_with_segment_access(self, context, segments, candidate_hosts, agent_getter):
        return set(candidate_hosts)

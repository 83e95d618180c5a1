"""Octavia's network driver of the lab's worker: nothing is plugged, since there are no amphorae, but the VIP's port
that the API made is removed with its load balancer. On Python 2.7 and 3, from Pike to the newest release.
"""

from octavia.network.drivers.neutron import allowed_address_pairs
from octavia.network.drivers.noop_driver import driver


class NaruNetworkDriver(driver.NoopNetworkDriver):
    def deallocate_vip(self, vip):
        allowed_address_pairs.AllowedAddressPairsDriver().deallocate_vip(vip)

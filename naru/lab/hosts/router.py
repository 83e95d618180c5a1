"""A rack's router: FRR, which tells the other racks' routers by BGP what its rack has of each network."""

from naru.lab.hosts.layout import FABRIC, Host

PACKAGE = "frr"
# the first of the numbers that RFC 6996 keeps for private use, and that fit in two bytes
FIRST_AS = 64512
UNIT = "/lib/systemd/system/frr.service"


def number_of(host: Host) -> int:
    """Its number as an autonomous system: each rack is one."""
    return FIRST_AS + host.number


def files(host: Host, routers: list[Host]) -> dict[str, str]:
    """What its disk has beside what other hosts' have, by path. FRR's defaults for data centers let two systems tell
    each other their networks without a policy, and notice within 9 seconds that one is gone."""
    own = host.address(FABRIC).ip
    lines = [
        "frr defaults datacenter",
        f"hostname {host.name}",
        "ip forwarding",
        f"router bgp {number_of(host)}",
        f" bgp router-id {own}",
        *(f" neighbor {one.address(FABRIC).ip} remote-as {number_of(one)}" for one in routers if one.name != host.name),
        " address-family ipv4 unicast",
        *(f"  network {host.part(network)}" for network in host.networks if host.part_of_rack(network)),
        " exit-address-family",
        "",
    ]
    return {
        "etc/frr/frr.conf": "\n".join(lines),
        "etc/frr/vtysh.conf": "service integrated-vtysh-config\n",
        "etc/frr/daemons": 'bgpd=yes\nvtysh_enable=yes\nzebra_options="-A 127.0.0.1"\nbgpd_options="-A 127.0.0.1"\n',
    }

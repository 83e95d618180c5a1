"""Virtual addresses: each on exactly one of its hosts."""

from collections.abc import Mapping

from naru.site.check import services
from naru.site.check.look import Look
from naru.site.check.result import Results
from naru.site.discover.found import listed
from naru.site.site import Site


def judge(site: Site, looks: Mapping[str, Look], results: Results) -> None:
    """All virtual addresses of a site."""
    for one in site.part.virtual_addresses:
        address = str(one.address)
        field = f"virtual_addresses.{address}"
        own = [host.name for host in site.named(one.hosts)]
        holders = [name for name, look in looks.items() if address in (look.addresses or ())]
        blind = [name for name in own if name not in looks or looks[name].addresses is None]
        ours = [name for name in holders if name in own]
        others = [name for name in holders if name not in own]
        if len(ours) > 1:
            what = f"{listed(ours)} have it at the same time"
            results.wrong(field, "", what, "See keepalived on both: they do not hear each other.")
        if others:
            what = f"{listed(others)} {'has' if len(others) == 1 else 'have'} it"
            results.wrong(f"{field}.hosts", "", what, "Correct hosts, or take it away there.")
        if not holders and not blind:
            results.wrong(field, "", f"none of {listed(own)} has it", "See keepalived, or correct the address.")
        elif blind and len(ours) < 2:
            seen = f"{ours[0]} has it, and" if ours else "no host that was looked at has it;"
            results.unknown(
                field, "", f"{seen} {listed(blind)} could not be seen", "Correct what is said of them first."
            )
        elif len(ours) == 1 and not others:
            results.right(field, ours[0], f"{ours[0]} has it")
        if one.managed:
            for name in own:
                if look := looks.get(name):
                    services.runs(field, one.managed, name, look, results)
                else:
                    results.unseen(f"{field}.managed", name)

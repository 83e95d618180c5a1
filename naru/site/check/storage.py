"""Storage: a Ceph cluster's monitors and OSDs are on the hosts that the site says, an NFS server has its shares."""

import json
from collections.abc import Mapping
from typing import Any

from naru.site.check.look import Look
from naru.site.check.result import Results
from naru.site.discover.found import listed
from naru.site.model import Ceph, Nfs
from naru.site.site import Site


def judge(site: Site, looks: Mapping[str, Look], results: Results) -> None:
    """All storage of a site."""
    for one in site.part.storage:
        match one:
            case Ceph():
                _ceph(site, one, looks, results)
            case Nfs():
                _nfs(site, one, looks, results)


def _ceph(site: Site, ceph: Ceph, looks: Mapping[str, Look], results: Results) -> None:
    field = f"storage.{ceph.name}"
    monitors = [host.name for host in site.named(ceph.monitors)]
    answered: dict[str, Any] | None = None
    quorum: dict[str, Any] = {}
    for name in monitors:
        look = looks.get(name)
        if look is None:
            results.unseen(f"{field}.monitors", name)
            continue
        if ceph.name in look.no_ceph:
            do = "Install ceph-common there: it is how the cluster is asked."
            results.unknown(f"{field}.monitors", name, "there is no program ceph", do)
            continue
        code, said = look.ceph.get((ceph.name, "node ls"), (-1, "it was not asked"))
        nodes = _json(said) if code == 0 else None
        if nodes is None:
            what = f"ceph --cluster {ceph.cluster} --name client.{ceph.client} gives no answer: {said[-200:]}"
            results.wrong(f"{field}.monitors", name, what, "Correct cluster or client, or see to the cluster.")
        elif answered is None:
            answered = nodes
            code, said = look.ceph.get((ceph.name, "quorum_status"), (-1, ""))
            quorum = (_json(said) if code == 0 else None) or {}
    if answered is None:
        return
    shorts = {_short(look.name): name for name, look in looks.items() if look.name}
    for key, kind, wanted in (
        ("mon", "monitors", monitors),
        ("osd", "osds", [host.name for host in site.named(ceph.osds)]),
    ):
        there = {shorts.get(_short(host), host) for host, daemons in (answered.get(key) or {}).items() if daemons}
        for name in wanted:
            if name in there:
                results.right(f"{field}.{kind}", name, f"its {kind} are there")
            else:
                what = f"the cluster has no {kind} there; it has them on {listed(sorted(there)) or 'none'}"
                results.wrong(f"{field}.{kind}", name, what, f"Correct {kind}.")
        if others := sorted(there - set(wanted)):
            results.wrong(
                f"{field}.{kind}", "", f"the cluster has some on {listed(others)}, too", f"Add them to {kind}."
            )
    known = [str(one.get("name")) for one in (quorum.get("monmap") or {}).get("mons", [])]
    inside = [str(one) for one in quorum.get("quorum_names", [])]
    if not inside:
        results.unknown(f"{field}.monitors", "", "its quorum could not be seen", "ceph quorum_status")
    elif out := [one for one in known if one not in inside]:
        results.wrong(f"{field}.monitors", "", f"not in the quorum: {listed(out)}", "Start them.")
    else:
        results.right(f"{field}.monitors", "", f"in the quorum: {listed(inside)}")


def _json(text: str) -> dict[str, Any] | None:
    # libraries may say something before it
    begin = text.find("{")
    try:
        found = json.loads(text[begin:]) if begin >= 0 else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _short(name: str) -> str:
    return name.partition(".")[0].lower()


def _nfs(site: Site, nfs: Nfs, looks: Mapping[str, Look], results: Results) -> None:
    field = f"storage.{nfs.name}.shares"
    servers = [host.name for host in site.named(nfs.hosts)]
    for share in nfs.shares:
        path = share.rpartition(":")[2]
        silent = [
            (name, look.mounted[share][0])
            for name, look in looks.items()
            if share in look.mounted and not look.mounted[share][1]
        ]
        mounted = [name for name, look in looks.items() if share in look.mounted and look.mounted[share][1]]
        seen = {name: looks[name].exports for name in servers if name in looks}
        exporting = [name for name, exports in seen.items() if exports is not None and path in exports]
        for name, target in silent:
            results.wrong(field, name, f"{share}, mounted at {target}, does not answer", "See to its server.")
        if exporting or mounted:
            told = f"{listed(exporting)} exports it" if exporting else f"mounted on {listed(mounted)}"
            if not silent:
                results.right(field, "", f"{share}: {told}")
        elif servers and len(seen) == len(servers) and all(exports is not None for exports in seen.values()):
            what = f"{listed(servers)} does not export {path}"
            results.wrong(field, "", f"{share}: {what}", "Correct shares or hosts, or export it.")
        elif servers and seen and all(not _serves(looks[name]) for name in seen) and len(seen) == len(servers):
            results.wrong(
                field, "", f"{share}: on {listed(servers)} no NFS server listens", "Start it, or correct hosts."
            )
        elif not silent:
            what = f"{share}: no host that was looked at has it mounted or exports it"
            results.unknown(field, "", what, "Mount it by hand, or give hosts: the servers that export it.")


def _serves(look: Look) -> bool:
    return any(port == 2049 for _, port in look.listening)

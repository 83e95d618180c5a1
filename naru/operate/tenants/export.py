"""Writing the file of what a cloud has: given to another cloud, and written from that one, it is the same file."""

from collections.abc import Sequence
from typing import NamedTuple

import yaml

from naru.errors import InputError
from naru.inventory.rows import Row
from naru.operate.tenants.exporter import Exporter
from naru.operate.tenants.facts import Facts
from naru.operate.tenants.file import HEADER
from naru.operate.tenants.kinds import (
    address_group,
    identity,
    image_export,
    key_pair,
    members,
    network,
    offers,
    quota,
    router,
    security_group,
    undeclared,
)
from naru.operate.tenants.model import FORMAT

RULES = (
    *(identity.export, members.export, key_pair.export, offers.export),
    *(quota.export, address_group.export, security_group.export, network.export, router.export, image_export.export),
    undeclared.export,
)


def chosen(facts: Facts, names: Sequence[str]) -> list[Row]:
    """The projects of these names, DOMAIN/NAMEs or ids; all without any. Raises InputError for a name that no project
    has, or several."""
    found = []
    for name in names:
        fitting = [
            row
            for row in facts.all("project").values()
            if name in (row.id, row.name, f"{facts.domain(row) or 'Default'}/{row.name}")
        ]
        if len(fitting) != 1:
            why = "has no such project" if not fitting else f"has {len(fitting)} projects of this name"
            raise InputError(f"--project {name}: {facts.cloud} {why}", hint="Give a name, DOMAIN/NAME, or an id.")
        found += fitting
    return found or list(facts.all("project").values())


class Written(NamedTuple):
    """The file's text; what of the projects is not in it; the images whose content belongs beside it, by file name."""

    text: str
    left: list[str]
    contents: dict[str, Row]


def text(facts: Facts, projects: Sequence[Row], *, whole: bool, images: str = "") -> Written:
    """What is written. The content of images is to be in the directory `images`, "" for nowhere."""
    out = Exporter(facts, projects, whole=whole, images=images)
    for rule in RULES:
        rule(out)
    content = {HEADER: FORMAT} | {name: items for name, items in out.sections.items() if items}
    dumped = yaml.dump(content, Dumper=_Dumper, allow_unicode=True, sort_keys=False, default_flow_style=None, width=120)
    return Written(dumped, out.left, out.contents)


class _Dumper(yaml.SafeDumper):
    """Without anchors, which people would have to follow; lists of named things as people write them."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

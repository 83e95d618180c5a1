"""Terraform `import` blocks for what a project has on the new cloud, and how to make them for an existing state.

Resource types and the forms of their import ids are those of terraform-provider-openstack's documentation
(docs/resources/*.md, read in its source of July 2026): the thing's own id, a key pair's name, a router interface's
port, `server/volume` for an attachment. What its source has no importer for is in NOT_IMPORTABLE. `import` blocks need
Terraform 1.5 or OpenTofu 1.6.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from naru.move.kinds import KINDS
from naru.move.kinds.port import INTERFACES
from naru.move.outcome import Item
from naru.report.names import unique, visible

# what has no list of its own in the inventory
_PARTS = {
    "router interface": "openstack_networking_router_interface_v2",
    "security group rule": "openstack_networking_secgroup_rule_v2",
    "volume attachment": "openstack_compute_volume_attach_v2",
}
RESOURCES = {kind.name: kind.terraform for kind in KINDS if kind.terraform and kind.importable} | _PARTS
NOT_IMPORTABLE = {kind.name: kind.terraform for kind in KINDS if kind.terraform and not kind.importable}


def kind_of(item: Item) -> str:
    """The key in RESOURCES of the thing; empty for what Terraform has no resource for."""
    if item.kind == "port" and item.device_owner.startswith("network:"):
        return "router interface" if item.device_owner in INTERFACES else ""  # gateways and such are Neutron's own
    return item.kind if item.kind in RESOURCES else ""


def import_id(item: Item) -> str:
    """What the provider wants as `id`. A key pair is known by its name alone, to its own user."""
    return item.new_id.partition("/")[2] if item.kind == "key pair" else item.new_id


def imports(project: str, items: Iterable[Item]) -> str:
    """The file: a block for each thing that is on the new cloud and is a resource of the provider's."""
    existing = [item for item in items if import_id(item)]
    lines = [
        f"# What the project {visible(project)} has on the new cloud. Needs Terraform 1.5 or OpenTofu 1.6, or newer.",
        "# Each `to` is a suggestion: write the address that the thing has in your configuration, and delete the",
        "# blocks of what your configuration does not have. To begin without one, let Terraform write it:",
        "#   terraform plan -generate-config-out=generated.tf",
        "# With a state of the old cloud, make these blocks from it as the report says.",
    ]
    for kind, resource in RESOURCES.items():
        chosen = {item.old_id: item for item in existing if kind_of(item) == kind}
        fallback = kind.lower().replace(" ", "_")
        names = unique(
            {item.old_id: item.name for item in chosen.values()},
            lambda name, fallback=fallback: label(name) or fallback,  # type: ignore[misc]
            joint="_",
        )
        if kind == "port" and chosen:
            lines += [
                "",
                "# Ports: keep the blocks of those alone that are resources of their own in your configuration.",
            ]
        for identity, item in sorted(chosen.items(), key=lambda pair: (pair[1].name, pair[0])):
            lines += [
                "",
                f"# {kind} {visible(item.name) or '(no name)'}, was {visible(identity)}",
                "import {",
                f"  to = {resource}.{names[identity]}",
                f"  id = {quote(import_id(item))}",
                "}",
            ]
    lines += _left_out(existing)
    return "\n".join(lines) + "\n"


def _left_out(items: list[Item]) -> Iterator[str]:
    for kind, resource in NOT_IMPORTABLE.items():
        chosen = sorted((item for item in items if item.kind == kind), key=lambda item: (item.name, item.old_id))
        if chosen:
            yield from ("", f"# The provider cannot import {resource}:")
        for item in chosen:
            yield f"#   {visible(item.name) or '(no name)'}: {visible(item.new_id)}, was {visible(item.old_id)}"


def label(name: str) -> str:
    """A name for a Terraform resource, in ASCII; empty when nothing of the name is left."""
    text = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    text = re.sub(r"[^0-9A-Za-z_]+", "_", text).strip("_").lower()[:60]
    return f"_{text}" if text[:1].isdigit() else text


def quote(text: str) -> str:
    """A string in HCL's quotes, with nothing in it taken for a template."""
    written = text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${").replace("%{", "%%{")
    return '"' + "".join(c if visible(c) == c else _escape(c) for c in written) + '"'


def _escape(character: str) -> str:
    if "\ud800" <= character <= "\udfff":  # half of a pair, which HCL cannot say
        return "\ufffd"
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


# what of a state is to be imported again, at its own address: each id in the resource's id is looked up in the map, so
# that joined ones (`server/volume`, `router-route-...`) come out right as well
_MAKE = """\
terraform show -json old.tfstate | jq -r --slurpfile map {map} '
  ([$map[0].items[] | select(.new_id != "") | {{(.old_id): .new_id}}] | add) as $new
  | .values | .. | objects | select(.mode? == "managed" and has("address"))
  | select(.type | startswith("openstack_"))
  | select(.type | IN({excluded}) | not)
  | .values.id as $old
  | ($old | gsub("(?<id>[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}|[0-9a-f]{{32}})"; $new[.id] // .id)) as $id
  | select($id != $old)
  | "import {{\\n  to = \\(.address)\\n  id = \\"\\($id)\\"\\n}}"' > imports.tf"""


def from_state(map_file: str) -> list[str]:
    """Commands, one a step, that turn a state of the old cloud into `imports.tf` for the new one; `map_file` is quoted
    for a shell. jq 1.6 or newer."""
    excluded = ", ".join(f'"{resource}"' for resource in NOT_IMPORTABLE.values())
    return [
        "terraform state pull > old.tfstate",
        _MAKE.format(map=map_file, excluded=excluded),
        "sed -n 's/^  to = //p' imports.tf | tr '\\n' '\\0' | xargs -0 terraform state rm",
        "terraform plan",
        "terraform apply",
    ]

"""What projects have that a file does not declare: who exports it is told so of each."""

from naru.operate.tenants.exporter import Exporter
from naru.operate.tenants.facts import UNDECLARED


def export(out: Exporter) -> None:
    """Says of each that it is not in the file."""
    for kind in UNDECLARED:
        for row in sorted(out.facts.all(kind).values(), key=lambda one: (one.name, one.id)):
            if out.whole or row.project in out.ids:
                out.leave(kind, row, "a file does not declare any")

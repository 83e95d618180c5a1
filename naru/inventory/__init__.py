"""What a cloud owns, read in bulk: one list call per kind, page after page, never one call per thing."""

from naru.inventory.read import Row, read

__all__ = ["Row", "read"]

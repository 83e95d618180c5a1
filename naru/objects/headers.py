"""Which headers are carried. Everything that a user can set is; what only the service knows is not."""

import datetime
import math

from naru.objects.wire import Headers

OF_OBJECT = frozenset(
    (
        *("content-type", "content-encoding", "content-disposition", "content-language", "cache-control", "expires"),
        *("x-robots-tag", "x-delete-at", "x-object-manifest"),
    )
)
MANIFEST = "x-object-manifest"
STATIC = "x-static-large-object"
LINK = "x-symlink-target"
OF_LINK = (LINK, "x-symlink-target-account", "x-symlink-target-etag")
KEPT_MODIFIED = "x-object-meta-naru-last-modified"
"""When the source's object was last changed, where that is asked for: no service lets it be set."""

READ, WRITE = "x-container-read", "x-container-write"
VERSIONING = ("x-versions-location", "x-history-location", "x-versions-enabled")
QUOTAS = ("x-container-meta-quota-bytes", "x-container-meta-quota-count")
LATE = frozenset((*VERSIONING, *QUOTAS))
"""What would be in the way of a copy, a quota, or keep what a copy overwrites, versioning: set when all is carried."""
SYNC = ("x-container-sync-to", "x-container-sync-key")
POLICY = "x-storage-policy"


def of_object(found: Headers) -> Headers:
    """Of an object's headers those that are carried; an empty one is none to Swift."""
    return {
        name: value
        for name, value in found.items()
        if (name in OF_OBJECT or name.startswith("x-object-meta-")) and value != ""
    }


def of_container(found: Headers) -> Headers:
    """Of a container's headers those that are carried, as they are: access lists name projects and users."""
    named = {name: value for name, value in found.items() if name in (READ, WRITE, *VERSIONING) and value}
    if named.get("x-versions-enabled", "").lower() == "false":
        del named["x-versions-enabled"]
    return named | {name: value for name, value in found.items() if name.startswith("x-container-meta-") and value}


def of_account(found: Headers) -> Headers:
    """Of an account's headers those that are carried."""
    return {name: value for name, value in found.items() if name.startswith("x-account-meta-") and value}


def removal(name: str) -> str:
    """The header that takes one of a container or account away."""
    return f"x-remove-{name.removeprefix('x-')}"


def changes(wanted: Headers, found: Headers) -> Headers:
    """What to send for a container or account that has `found`, so that it has `wanted`."""
    sent = {name: value for name, value in wanted.items() if found.get(name) != value}
    return sent | {removal(name): "x" for name in found if name not in wanted}


def etag(found: Headers) -> str:
    """The ETag without the quotes that a large object's is in."""
    return found.get("etag", "").strip('"')


def is_md5(text: str) -> bool:
    """Whether an ETag can be the MD5 of a content: of an object that came in parts through S3 it is not."""
    return len(text) == 32 and all(digit in "0123456789abcdef" for digit in text)


def second(modified: str) -> int:
    """The second, since 1970, that the service tells as Last-Modified (rounded up) of what a listing has with parts of
    a second; 0 for none."""
    if not modified:
        return 0
    moment = datetime.datetime.fromisoformat(modified.removesuffix("Z")).replace(tzinfo=datetime.UTC)
    return math.ceil(moment.timestamp())

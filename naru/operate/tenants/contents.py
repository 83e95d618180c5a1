"""The content of images, between Glance and files: written beside an exported file, and read from there, or from a
URL, when an image is made."""

import hashlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import requests

from naru.actions import durations
from naru.actions.arguments import Id, resolve
from naru.actions.clouds import RETRY, SETTLE, cloud, get, remove
from naru.actions.image import CHUNK, fill
from naru.actions.request import Action
from naru.cloud.client import Cloud
from naru.errors import InputError, NaruError
from naru.files import sync_directory
from naru.inventory.rows import Row
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.plan.kinds import step

URL_SECONDS = (20.0, 120.0)
"""To connect to a URL's host, and to wait for the next bytes from it."""
DIGESTS = {32: "md5", 64: "sha256", 128: "sha512"}
"""Which digest a checksum is of, by its length."""


def told(row: Row) -> str:
    """The checksum that a cloud tells of an image's content: its MD5, else what it tells in its place; "" for none that
    is known here. Clouds that keep to FIPS tell no MD5."""
    if row.body.get("checksum"):
        return str(row.body["checksum"])
    return str(row.body.get("os_hash_value") or "") if row.body.get("os_hash_algo") in DIGESTS.values() else ""


class Content(Action):
    """The content of the new `image`, called `name`: that of `file`, from `directory` on, or what is at `url`; with the
    `checksum`, "" for any. `size` is in bytes, as far as it is known."""

    step_kind: ClassVar[str] = "tenant.image_content"

    image: Id
    name: str
    directory: str
    file: str = ""
    url: str = ""
    checksum: str = ""
    size: int = 0


def _limit(args: Mapping[str, Any]) -> float:
    """A file is read twice, before it is sent and while it is. How much is at a URL is known when it answers: it may
    take a day, and one that says nothing more ends sooner."""
    if args.get("url"):
        return durations.DAY
    return durations.limit(float(args.get("size") or 0), times=2)


def _seconds(args: Mapping[str, Any]) -> float:
    return durations.expected(float(args.get("size") or 0), durations.STREAM, more=5.0)


@step(
    "tenant.image_content",
    args=Content,
    no_undo="the content goes with its image",
    retry=RETRY,
    deadline=_limit,
    estimate=_seconds,
)
def content(context: Context) -> dict[str, Any]:
    """Gives a new image the content that the file names, if it has the right checksum. A half-sent one is none: Glance
    drops it, and the next attempt sends all of it."""
    args = resolve(context.args, context.results(), context)
    source, wanted = args.get("file") or args.get("url"), args.get("checksum", "")
    sent: list[str] = []
    if wanted and args.get("file"):  # before anything is sent: old Glances take a part for the whole
        for _ in _checked(context, args, wanted, []):
            pass
    client = cloud(context, args["cloud"])
    original = {"checksum": wanted if DIGESTS.get(len(wanted)) == "md5" else None}
    found = fill(
        context, client, args["image"], lambda: closing(_checked(context, args, wanted, sent)), original, str(source)
    )
    if not sent and not original["checksum"]:  # an attempt before this one has sent it
        for _ in _checked(context, args, wanted, sent):
            pass
    if sent and found["checksum"] and sent[-1] != found["checksum"]:  # a Glance without MD5 tells none
        raise NaruError(
            f"image {args['name']}: Glance has other content than {source}: MD5 {found['checksum']}, not {sent[-1]}",
            hint="Take it back (naru tenant rollback), and apply it again.",
        )
    return found


def _checked(context: Context, args: Mapping[str, Any], wanted: str, sent: list[str]) -> Generator[bytes, None, None]:
    """The content in pieces; the last one alone when all of them have the checksum that is wanted, so that Glance never
    has a whole image of others. Their MD5 is added to `sent`."""
    seen = hashlib.md5(usedforsecurity=False)
    own = hashlib.new(DIGESTS[len(wanted)], usedforsecurity=False) if wanted else None
    done, last = 0, b""
    for piece in _of_file(args) if args.get("file") else _of_url(args):
        seen.update(piece)
        if own:
            own.update(piece)
        done += len(piece)
        context.progress(done, args.get("size") or None)
        context.check()
        if last:
            yield last
        last = piece
    if own and own.hexdigest() != wanted:
        source = args.get("file") or args.get("url")
        raise NaruError(
            f"image {args['name']}: {source} is not the content that the file means",
            detail=f"Its {own.name} is {own.hexdigest()}, in the file {wanted}.",
            hint="Correct data or checksum, and apply it again.",
        )
    sent.append(seen.hexdigest())
    if last:
        yield last


def delete_unfilled(context: Context, args: Mapping[str, Any], ids: Iterable[str]) -> int:
    """Deletes what a step that makes an image left when it did not come to its end, and says how many. Such an image
    has no content: one that has some, or gets it now, is that of another run with the same ids."""
    client = cloud(context, args["cloud"])
    paths = [f"{args['path']}/{one}" for one in ids]

    def look() -> list[str]:
        found = ((path, get(client, args["service"], path, "")) for path in paths)
        return [path for path, image in found if image and image["status"] == "queued"]

    left = look()
    if not left:  # the request of a process that was killed goes on in the service
        context.sleep(SETTLE)
        left = look()
    for path in left:
        remove(context, client, args["service"], path)
    return len(left)


def size(directory: Path, file: str) -> int:
    """The bytes of the file with an image's content, as far as it is there already."""
    path = directory / Path(file).expanduser()
    return path.stat().st_size if path.is_file() else 0


def check(directory: Path, name: str, file: str) -> None:
    """Raises InputError where the file with an image's content cannot be read."""
    path = directory / Path(file).expanduser()
    try:
        with path.open("rb") as opened:
            opened.read(1)
    except OSError as error:
        raise InputError(
            f"image {name}: data: {path}: {error.strerror}", hint="A path is from the file's directory on."
        ) from error


def _of_file(args: Mapping[str, Any]) -> Iterator[bytes]:
    path = Path(args["directory"]) / Path(args["file"]).expanduser()
    try:
        with path.open("rb") as opened:
            while piece := opened.read(CHUNK):
                yield piece
    except OSError as error:
        raise InputError(f"image {args['name']}: data: {path}: {error.strerror}") from error


def _of_url(args: Mapping[str, Any]) -> Iterator[bytes]:
    try:
        with (
            _session(args["url"]) as session,
            session.get(args["url"], stream=True, timeout=URL_SECONDS) as answer,
        ):
            if answer.status_code != 200:
                raise NaruError(f"image {args['name']}: {args['url']}: HTTP {answer.status_code} {answer.reason}")
            yield from answer.iter_content(CHUNK)
    except requests.RequestException as error:
        raise Transient(f"image {args['name']}: {args['url']}: {error}") from error


def _session(url: str) -> requests.Session:
    """With the environment's proxies and certificates, but without the passwords in its ~/.netrc: whoever wrote the URL
    may be another person than whose they are, and any host would be given them that it names or is led on to."""
    session = requests.Session()
    session.trust_env = False
    session.proxies.update(requests.utils.get_environ_proxies(url))
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
    return session


# -- beside an exported file


def fetch(client: Cloud, directory: Path, images: Mapping[str, Row]) -> None:
    """Writes the content of images into files of the directory, by their names. One that is there with the right
    checksum stays; killed, a file is whole or not there. Raises NaruError for one that cannot be had."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, row in images.items():
            path = directory / name
            if not path.exists() or _digest(path, _algorithm(row)) != told(row):
                _fetch(client, path, row)
    except OSError as error:
        raise InputError(f"--images {directory}: {error.strerror or error}", hint="Name another directory.") from error


def _fetch(client: Cloud, path: Path, row: Row) -> None:
    new = path.with_name(f".{path.name}.new")
    seen = hashlib.new(_algorithm(row), usedforsecurity=False)

    def write(opened: BinaryIO, pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            seen.update(piece)
            opened.write(piece)

    _into(new, lambda opened: write(opened, _pieces(client, row)))
    if seen.hexdigest() != told(row):
        new.unlink()
        raise NaruError(
            f"image {row.name} on {client.name} came with the {seen.name.upper()} {seen.hexdigest()}, not {told(row)}",
            hint="Give the command again; if it stays so, the image is damaged there.",
        )
    new.replace(path)
    sync_directory(path.parent)


def _into(path: Path, write: Callable[[BinaryIO], None]) -> None:
    # it may hold whatever an image holds: for its owner alone
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        write(opened)
        opened.flush()
        os.fsync(opened.fileno())


def _pieces(client: Cloud, row: Row) -> Iterator[bytes]:
    try:
        with client.request("image", "GET", f"/images/{row.id}/file", stream=True) as answer:
            yield from answer.iter_content(CHUNK)
    except requests.RequestException as error:
        raise NaruError(f"image {row.name} on {client.name} ended too soon", detail=str(error)) from error


def _algorithm(row: Row) -> str:
    return DIGESTS[len(told(row))]


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()

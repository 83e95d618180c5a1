"""Locations as text, and from what Cinder says of a volume."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naru.errors import InputError
from naru.volumes.ceph.location import Rbd
from naru.volumes.files.location import File
from naru.volumes.open import parse
from naru.volumes.volume import Location
from naru.volumes.where import Backends, load, location

pytestmark = pytest.mark.unit

WORD = st.text("abcxyz019-_.", min_size=1).filter(lambda word: word not in (".", ".."))
PATH = WORD.map(lambda word: f"/etc/{word}")


@given(
    st.builds(Rbd, WORD, WORD, PATH, WORD, st.one_of(st.just(""), PATH), st.one_of(st.just(""), WORD))
    | st.builds(File, PATH, st.sampled_from(["raw", "qcow2"]))
)
def test_a_location_reads_as_it_is_written(where: Location) -> None:
    assert parse(str(where)) == where


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rbd:",
        "rbd:pool",
        "rbd:/image",
        "rbd:a/b/c/d",
        "rbd:a/b@conf",
        "rbd:a/b@size=1",
        "file:",
        "/etc/x",
        "vmdk:/a",
    ],
)
def test_what_is_no_location_is_told_with_the_forms(text: str) -> None:
    with pytest.raises(InputError, match="POOL/IMAGE"):
        parse(text)


def test_a_colon_or_at_sign_in_a_path_is_a_part_of_it() -> None:
    assert parse("file:/mnt/a:b@c=d") == File("/mnt/a:b@c=d")


BACKENDS: dict[str, Any] = {
    "ceph": {"kind": "rbd", "pool": "volumes", "conf": "/etc/ceph/old.conf"},
    "b@ceph": {"kind": "rbd", "pool": "fast", "user": "admin", "template": "vol-%s"},
}


def answer(host: str | None, identity: str = "1-2", name_id: str | None = None) -> dict[str, Any]:
    return {"id": identity, "os-vol-host-attr:host": host, "os-vol-mig-status-attr:name_id": name_id}


@pytest.mark.parametrize(
    ("volume", "found"),
    [
        (answer("a@ceph#ceph"), Rbd("volumes", "volume-1-2", "/etc/ceph/old.conf", "cinder")),
        (answer("b@ceph#ceph"), Rbd("fast", "vol-1-2", user="admin")),
        (answer("a@ceph#ceph", name_id="3-4"), Rbd("volumes", "volume-3-4", "/etc/ceph/old.conf", "cinder")),
    ],
)
def test_the_backend_and_the_name_are_cinders(volume: dict[str, Any], found: Location) -> None:
    assert location(volume, Backends.model_validate({"backends": BACKENDS})) == found


@pytest.mark.parametrize(
    ("volume", "message"),
    [(answer(None), "does not say which backend"), ({"id": "1"}, "administrator"), (answer("a@lvm#lvm"), "described")],
)
def test_what_cannot_be_known_is_not_guessed(volume: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        location(volume, Backends.model_validate({"backends": BACKENDS}))
    assert message in str(raised.value)


def test_a_file_is_searched_on_the_shares_and_its_active_one_taken(tmp_path: Path) -> None:
    backends = Backends.model_validate({"backends": {"nfs": {"kind": "file", "root": str(tmp_path)}}})
    share = tmp_path / "0a1b"
    share.mkdir()
    with pytest.raises(InputError, match="on no share"):
        location(answer("h@nfs#nfs"), backends)
    (share / "volume-1-2").touch()
    assert location(answer("h@nfs#nfs"), backends) == File(str(share / "volume-1-2"))
    info = share / "volume-1-2.info"
    info.write_text(json.dumps({"active": "volume-1-2.77", "77": "volume-1-2.77"}))
    assert location(answer("h@nfs#nfs"), backends) == File(str(share / "volume-1-2.77"), "qcow2")
    info.write_text(json.dumps({"active": "volume-1-2"}))
    assert location(answer("h@nfs#nfs"), backends) == File(str(share / "volume-1-2"))
    info.write_text("{}")
    with pytest.raises(InputError, match="active"):
        location(answer("h@nfs#nfs"), backends)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "volume-1-2").touch()
    with pytest.raises(InputError, match="several shares"):
        location(answer("h@nfs#nfs"), backends)


def test_a_description_names_every_wrong_field(tmp_path: Path) -> None:
    file = tmp_path / "backends.yaml"
    file.write_text("backends: {a: {kind: rbd, template: v}, b: {kind: lvm}, c: {kind: file, root: /mnt, size: 3}}")
    with pytest.raises(InputError) as raised:
        load(file)
    assert [part in raised.value.detail for part in ("a.rbd.pool", "a.rbd.template", "b", "c.file.size")] == [True] * 4
    file.write_text("backends: {a: {kind: file, root: /mnt}}")
    assert load(file).backends["a"].template == "volume-%s"
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path / "missing")


GIB = 1 << 30


@pytest.mark.parametrize(
    ("said", "own", "begins", "size", "taken", "problem"),
    [
        ("raw", None, b"\0\0\0\0", GIB, "raw", ""),
        ("raw", None, b"QFI\xfb", GIB, "raw", ""),  # a guest's own
        ("raw", None, b"QFI\xfb", 196608, "", "begins as qcow2, is said to be raw"),
        ("raw", "qcow2", b"QFI\xfb", 196608, "qcow2", ""),
        ("qcow2", None, b"QFI\xfb", 196608, "qcow2", ""),
        ("qcow2", None, b"\0\0\0\0", GIB, "", "is said to be qcow2 and does not begin as one"),
        ("qcow2", "raw", b"\0\0\0\0", GIB, "raw", ""),
    ],
)
def test_the_format_of_a_file_is_said_and_has_to_fit(
    tmp_path: Path, said: str, own: str | None, begins: bytes, size: int, taken: str, problem: str
) -> None:
    file = tmp_path / "volume-v"
    file.write_bytes(begins)
    os.truncate(file, size)
    backend = {"kind": "file", "root": str(tmp_path), "format": said, "formats": {"v": own} if own else {}}
    backends = Backends.model_validate({"backends": {"nfs": backend}})
    volume = {"id": "v", "size": 1, "os-vol-host-attr:host": "h@nfs#pool"}
    if problem:
        with pytest.raises(InputError) as refused:
            location(volume, backends)
        assert problem in refused.value.summary and "volume v" in refused.value.summary
        assert "formats: {v: " in refused.value.hint
    else:
        assert location(volume, backends) == File(str(file), taken)


def test_what_a_backup_was_restored_into_is_its_bytes(tmp_path: Path) -> None:
    """Pike's NFS driver backs up the newest file of a volume with snapshots as it is: a qcow2 file."""
    file = tmp_path / "volume-v"
    file.write_bytes(b"QFI\xfb" + bytes(983036))
    backends = Backends.model_validate({"backends": {"nfs": {"kind": "file", "root": str(tmp_path)}}})
    volume = {"id": "v", "size": 1, "os-vol-host-attr:host": "h@nfs#pool"}
    with pytest.raises(InputError, match="begins as qcow2"):
        location(volume, backends)
    assert location(volume, backends, restored=True) == File(str(file), "raw")

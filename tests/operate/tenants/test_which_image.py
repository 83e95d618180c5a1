"""Which image of the cloud an image of the file is; images that were made and not filled; what cannot be told."""

from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from naru.errors import InputError
from naru.inventory.rows import Row
from naru.operate.tenants import contents, export, planner
from naru.operate.tenants.facts import Facts

from .small import bare, drafted, row, shop, step, told
from .test_images import MD5, OTHER, SHA, image, of_shop

pytestmark = pytest.mark.unit
THIRD = "1" * 32
DATA = "data: {file: base.img}"


def queued(identity: str = "i-1", status: str = "queued", name: str = "base") -> Row:
    return row("image", **{**image(name, status=status, size=None, checksum=None).body, "id": identity})


def other(identity: str, **more: Any) -> Row:
    return row("image", **{**image(**more).body, "id": identity})


# -- made, and not filled


def test_one_that_was_made_and_not_filled_is_filled(tmp_path: Path) -> None:
    (tmp_path / "base.img").write_bytes(b"content")
    text = of_shop(
        f"{{name: base, disk_format: raw, checksum: {MD5}, protected: true, deactivated: true, {DATA}, "
        "members: [admin]}"
    )
    draft = drafted(tmp_path, text, [*bare(), *shop(), queued()])
    assert ("change", "image", "shop/base", "content") in told(draft)
    fill = step(draft, "content image/shop/base")
    assert (fill.args["image"], fill.args["file"], fill.args["checksum"]) == ("i-1", "base.img", MD5)
    befores = draft.plan.befores()
    for later in ("change image/shop/base", "deactivate image/shop/base", "add members image/shop/base/admin"):
        assert "content image/shop/base" in befores[later], later
    assert not any(one.kind == "tenant.create" for one in draft.plan.steps), "it is not made once more"
    (tmp_path / "base.img").unlink()
    with pytest.raises(InputError, match=r"base\.img: No such file"):
        planner.check_files(draft)


@pytest.mark.parametrize(("status", "data"), [("queued", ""), ("saving", DATA), ("killed", DATA)])
def test_one_without_content_is_a_difference_though_nothing_can_be_done(tmp_path: Path, status: str, data: str) -> None:
    (tmp_path / "base.img").write_bytes(b"content")
    draft = drafted(
        tmp_path, of_shop(f"{{name: base, disk_format: raw, {data}}}"), [*bare(), *shop(), queued(status=status)]
    )
    assert told(draft) == [("change", "image", "shop/base", "content")]
    assert draft.plan.steps == []
    (finding,) = draft.plan.findings
    assert finding.severity == "warning" and f"is {status} on seoul" in str(finding.summary)


def test_of_two_with_one_name_the_one_that_this_declaration_made_is_filled(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"content")
    text = of_shop(
        ", ".join(
            f"{{name: base, disk_format: raw, checksum: '{checksum}', data: {{file: {file}}}}}"
            for checksum, file in ((OTHER, "a"), (THIRD, "b"))
        )
    )
    first = drafted(tmp_path, text, bare() + shop())
    made = {one.args["find"]["ids"][0]: one.id for one in first.plan.steps if one.kind == "tenant.create"}
    assert len(made) == 2
    ids = list(made)
    draft = drafted(tmp_path, text, [*bare(), *shop(), queued(ids[1]), other(ids[0], checksum=OTHER)])
    assert told(draft) == [("change", "image", "shop/base", "content")]
    (fill,) = draft.plan.steps
    assert (fill.args["image"], fill.args["file"]) == (ids[1], "b")


# -- which one


@pytest.mark.parametrize("checksum", [MD5, SHA])
def test_a_checksum_of_any_length_says_which(tmp_path: Path, checksum: str) -> None:
    hashes = {"os_hash_algo": "sha512", "os_hash_value": SHA}
    rows = [*bare(), *shop(), other("i-1", checksum=OTHER, os_hash_algo="sha512", os_hash_value="f" * 128)]
    text = of_shop(f"{{name: base, disk_format: raw, checksum: {checksum}, {DATA}}}")
    (tmp_path / "base.img").write_bytes(b"content")
    draft = drafted(tmp_path, text, [*rows, other("i-2", **hashes)])
    assert told(draft) == [] and draft.plan.steps == []


def test_where_nothing_tells_which_is_meant_none_is_made(tmp_path: Path) -> None:
    (tmp_path / "base.img").write_bytes(b"content")
    rows = [*bare(), *shop(), other("i-1", checksum=OTHER), other("i-2", checksum=THIRD)]
    with pytest.raises(InputError, match=r"(?s)2 images of this name.*i-1 \(active\), i-2 \(active\)"):
        drafted(tmp_path, of_shop(f"{{name: base, disk_format: raw, {DATA}}}"), rows)
    # a Glance that tells no SHA-512
    with pytest.raises(InputError, match="2 images of this name, and nothing tells"):
        drafted(tmp_path, of_shop(f"{{name: base, disk_format: raw, checksum: {SHA}, {DATA}}}"), rows)
    twins = [*bare(), *shop(), other("i-1"), other("i-2")]
    with pytest.raises(InputError, match="2 images of this name and content"):
        drafted(tmp_path, of_shop(f"{{name: base, disk_format: raw, checksum: {MD5}, {DATA}}}"), twins)


def test_one_that_is_there_goes_to_the_declaration_of_its_content(tmp_path: Path) -> None:
    (tmp_path / "base.img").write_bytes(b"content")
    text = of_shop(
        f"{{name: base, disk_format: raw, checksum: '{OTHER}', {DATA}, min_disk: 1}}, "
        f"{{name: base, disk_format: raw, checksum: {MD5}, min_disk: 2}}"
    )
    draft = drafted(tmp_path, text, [*bare(), *shop(), image(min_disk=2)])
    assert told(draft) == [("create", "image", "shop/base", "")]
    (made,) = [one for one in draft.plan.steps if one.kind == "tenant.create"]
    assert made.args["body"]["min_disk"] == 1


# -- ids


def test_two_that_run_at_once_make_one_image_together(tmp_path: Path) -> None:
    (tmp_path / "base.img").write_bytes(b"content")
    text = of_shop(f"{{name: base, disk_format: raw, checksum: {MD5}, {DATA}}}")
    ids = [step(drafted(tmp_path, text, bare() + shop()), "image/shop/base").args["find"]["ids"] for _ in range(2)]
    assert ids[0][:-1] == ids[1][:-1] and len(ids[0]) == 4
    assert ids[0][-1] != ids[1][-1], "the last one is new: Glance never gives the id of a deleted image again"
    # somebody has renamed the one that was made: it is another one now
    renamed = other(ids[0][0], name="old")
    draft = drafted(tmp_path, text, [*bare(), *shop(), renamed])
    assert step(draft, "image/shop/base").args["find"]["ids"][:2] == ids[0][1:3]


# -- content


@pytest.mark.parametrize(
    ("args", "seconds"),
    [
        ({"url": "https://h/a", "size": 0}, 86400.0),
        ({"file": "a", "size": 50 << 30}, 3600.0 + 2 * (50 << 30) / (5 << 20)),
    ],
)
def test_how_long_content_may_take(args: dict[str, object], seconds: float) -> None:
    assert contents._limit(args) == seconds


def test_no_password_of_netrc_goes_to_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine images.example login mina password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/own.pem")
    with contents._session("https://images.example/a") as session:
        sent = session.prepare_request(requests.Request("GET", "https://images.example/a"))
        assert "Authorization" not in sent.headers
        assert session.proxies["https"] == "http://proxy.example:3128" and session.verify == "/etc/own.pem"


# -- written into a file


def test_images_of_a_cloud_that_tells_no_md5(tmp_path: Path) -> None:
    rows = [
        *(*bare(), *shop()),
        image(checksum=None, os_hash_algo="sha512", os_hash_value=SHA),
        image("untold", checksum=None, os_hash_algo="sha384", os_hash_value="a" * 96),
    ]
    facts = Facts("seoul", rows)
    written = export.text(facts, export.chosen(facts, ["shop"]), whole=False, images="images")
    (project,) = yaml.safe_load(written.text)["projects"]
    assert [(one["name"], one["checksum"]) for one in project["images"]] == [("base", SHA)]
    assert list(written.contents) == [f"{SHA}.raw"]
    assert "image shop/untold: the cloud tells no checksum of its content" in "\n".join(written.left)
    assert told(drafted(tmp_path, written.text, rows)) == []
    assert contents.told(rows[-2]) == SHA

"""Images of projects: declared, compared, written into a file; their content read from files and URLs."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.errors import InputError, NaruError
from naru.inventory.rows import Row
from naru.operate.tenants import contents, export, planner
from naru.operate.tenants import file as files
from naru.operate.tenants.facts import Facts

from .small import SHOP, bare, drafted, row, shop, step, told

pytestmark = pytest.mark.unit
MD5, OTHER = hashlib.md5(b"content").hexdigest(), "0" * 32
SHA = hashlib.sha512(b"content").hexdigest()


def image(name: str = "base", **more: Any) -> Row:
    body = {"status": "active", "visibility": "shared", "disk_format": "raw", "container_format": "bare", "size": 7}
    body |= {"min_disk": 0, "min_ram": 0, "protected": False, "os_hidden": False, "tags": [], "checksum": MD5}
    return row("image", id=f"i-{name}", name=name, owner=SHOP, **{**body, **more})


def of_shop(text: str) -> str:
    return f"naru_tenants: 1\nprune: [image_members]\nprojects: [{{name: shop, images: [{text}]}}]\n"


def test_one_that_is_there_is_found_by_its_name_and_left_as_it_is(tmp_path: Path) -> None:
    text = of_shop(
        f"{{name: base, disk_format: raw, checksum: {MD5}, properties: {{os_distro: debian}}, tags: [b, a]}}"
    )
    draft = drafted(tmp_path, text, [*bare(), *shop(), image(os_distro="debian", tags=["a", "b"], note="own")])
    assert told(draft) == [] and draft.plan.steps == []
    assert ("undeclared", "properties") in [(one.what, one.field) for one in draft.differences]


def test_one_that_is_not_there_is_made_gets_its_content_and_then_the_rest(tmp_path: Path) -> None:
    (tmp_path / "base.img").write_bytes(b"content")
    text = of_shop(
        f"{{name: base, disk_format: raw, checksum: {MD5}, protected: true, os_hidden: true, deactivated: true, "
        "data: {file: base.img}, properties: {hw_disk_bus: scsi}, members: [{name: admin, status: pending}]}"
    )
    draft = drafted(tmp_path, text, bare() + shop())
    made, content = step(draft, "image/shop/base").args, step(draft, "content image/shop/base").args
    formats = {"disk_format": "raw", "container_format": "bare"}  # without both Glance takes no content
    assert made["body"] == {"name": "base", "owner": SHOP, **formats, "hw_disk_bus": "scsi"}
    assert made["closing"]["body"] == [{"op": "replace", "path": "/protected", "value": False}]
    assert (content["file"], content["checksum"], content["size"]) == ("base.img", MD5, 7)
    befores = draft.plan.befores()
    assert "content image/shop/base" in befores["finish image/shop/base"]
    assert "content image/shop/base" in befores["add members image/shop/base/admin"]
    ops = step(draft, "finish image/shop/base").args["requests"]
    assert [one["method"] for one in ops] == ["PATCH", "POST"]
    planner.check_files(draft)
    (tmp_path / "base.img").unlink()
    with pytest.raises(InputError, match=r"image shop/base: data: .*base\.img: No such file"):
        planner.check_files(draft)


def test_without_content_it_is_left_out_and_told(tmp_path: Path) -> None:
    draft = drafted(tmp_path, of_shop("{name: base, disk_format: raw}"), bare() + shop())
    assert told(draft) == [("create", "image", "shop/base", "")]
    assert draft.plan.steps == [] and [one.severity for one in draft.plan.findings] == ["warning"]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (f"{{name: base, disk_format: raw, checksum: '{OTHER}'}}", "checksum"),
        ("{name: base, disk_format: qcow2}", "disk_format"),
    ],
)
def test_other_content_is_refused_and_never_replaced(tmp_path: Path, text: str, field: str) -> None:
    draft = drafted(tmp_path, of_shop(text), [*bare(), *shop(), image()])
    assert told(draft) == [("refused", "image", "shop/base", field)] and draft.plan.steps == []


def test_of_two_with_one_name_the_checksum_says_which(tmp_path: Path) -> None:
    rows = [*bare(), *shop(), image(), row("image", **{**image(checksum=OTHER).body, "id": "i-2"})]
    draft = drafted(tmp_path, of_shop(f"{{name: base, disk_format: raw, checksum: '{OTHER}', min_disk: 3}}"), rows)
    assert told(draft) == [("change", "image", "shop/base", "min_disk")]
    assert step(draft, "change image/shop/base").args["requests"][0]["path"] == "/images/i-2"


def test_a_change_is_taken_back_property_by_property(tmp_path: Path) -> None:
    text = of_shop("{name: base, disk_format: raw, visibility: public, properties: {a/b: new, c: d}}")
    draft = drafted(tmp_path, text, [*bare(), *shop(), image(**{"a/b": "old"})])
    args = step(draft, "change image/shop/base").args
    assert args["requests"][0]["body"] == [
        {"op": "replace", "path": "/visibility", "value": "public"},
        {"op": "add", "path": "/a~1b", "value": "new"},
        {"op": "add", "path": "/c", "value": "d"},
    ]
    assert args["undo"][0]["body"] == [
        {"op": "replace", "path": "/visibility", "value": "shared"},
        {"op": "add", "path": "/a~1b", "value": "old"},
        {"op": "remove", "path": "/c"},
    ]


def test_members_come_go_and_say_something_else(tmp_path: Path) -> None:
    member = row("image member", image_id="i-base", member_id="p-admin", status="pending")
    other = row("project", id="p-old", name="old", domain_id="default", parent_id="default", enabled=True)
    gone = row("image member", image_id="i-base", member_id="p-old", status="accepted")
    rows = [*bare(), *shop(), other, image(), member, gone]
    draft = drafted(tmp_path, of_shop("{name: base, disk_format: raw, members: [admin]}"), rows)
    assert told(draft) == [
        ("remove", "image", "shop/base", "members"),
        ("change", "image", "shop/base", "members: admin"),
    ]
    undo = step(draft, "remove members image/shop/base/old").args["undo"]
    assert undo[-1] == {
        "method": "PUT",
        "path": ["/images/", "i-base", "/members", "/", "p-old"],
        "body": {"status": "accepted"},
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{name: a, disk_format: raw, data: {url: 'https://h/a'}}", "checksum is missing"),
        ("{name: a, disk_format: raw, data: {url: 'https://u:p@h/a'}}", "it may hold no user and no password"),
        ("{name: a, disk_format: raw, data: {}}", "give file or url"),
        ("{name: a, disk_format: raw, properties: {size: '1'}}", "properties: size: no property"),
        ("{name: a, disk_format: raw, visibility: public, members: [shop]}", "visibility is shared alone"),
        ("{name: a, disk_format: raw, checksum: abc}", "checksum"),
        ("{name: a, disk_format: raw}, {name: a, disk_format: raw}", "image a of project shop is declared 2 times"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "t.yaml").write_text(of_shop(text))
    with pytest.raises(InputError) as error:
        files.load(tmp_path / "t.yaml")
    assert says in str(error.value)


# -- written into a file


def test_a_file_of_them_is_no_difference_there(tmp_path: Path) -> None:
    member = row("image member", image_id="i-base", member_id=SHOP, status="accepted")
    rows = [
        *(*bare(), *shop(), image(hw_disk_bus="scsi", tags=["b", "a"]), member),
        image("off", status="deactivated", visibility="public", protected=True),
        image("snap", image_type="snapshot"),
        image("queued", status="queued", size=None, checksum=None),
        image("kernel", kernel_id="i-base"),
    ]
    facts = Facts("seoul", rows)
    written = export.text(facts, export.chosen(facts, ["shop"]), whole=False)
    (project,) = yaml.safe_load(written.text)["projects"]
    assert [one["name"] for one in project["images"]] == ["base", "kernel", "off"]
    assert project["images"][0] == {
        **{"name": "base", "disk_format": "raw", "tags": ["a", "b"], "properties": {"hw_disk_bus": "scsi"}},
        **{"members": ["shop"], "checksum": MD5},
    }
    left = "\n".join(written.left)
    assert f"image shop/base: its content is not in the file (7 B, MD5 {MD5})" in left
    assert "image shop/snap: it was made of a server" in left and "image shop/queued: it has no content" in left
    assert "image shop/kernel: its property kernel_id names something by its id" in left
    draft = drafted(tmp_path, written.text, rows)
    assert told(draft) == [] and draft.plan.steps == []
    beside = export.text(facts, export.chosen(facts, ["shop"]), whole=False, images="images")
    assert list(beside.contents) == [f"{MD5}.raw"]
    assert yaml.safe_load(beside.text)["projects"][0]["images"][0]["data"] == {"file": f"images/{MD5}.raw"}


# -- content


class Quiet:
    """A step's context as far as reading content needs one."""

    def progress(self, *_: object) -> None: ...

    def check(self) -> None: ...


@pytest.mark.parametrize("checksum", ["", MD5, SHA])
def test_content_of_a_file(tmp_path: Path, checksum: str) -> None:
    (tmp_path / "a.img").write_bytes(b"content")
    args = {"name": "a", "directory": str(tmp_path), "file": "a.img"}
    sent: list[str] = []
    assert b"".join(contents._checked(Quiet(), args, checksum, sent)) == b"content"  # type: ignore[arg-type]
    assert sent == [MD5]


def test_the_end_of_other_content_is_never_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "CHUNK", 3)
    (tmp_path / "a.img").write_bytes(b"content")
    args = {"name": "a", "directory": str(tmp_path), "file": "a.img"}
    got = []
    with pytest.raises(NaruError, match="is not the content that the file means"):
        for piece in contents._checked(Quiet(), args, OTHER, []):  # type: ignore[arg-type]
            got.append(piece)
    assert b"".join(got) == b"conten"

"""An image made, filled and taken back by the executor, on a stand-in for Glance that keeps what it is sent."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.actions import clouds
from naru.cloud.client import Cloud
from naru.errors import NaruError
from naru.inventory.kinds import BY_NAME
from naru.inventory.rows import Row
from naru.operate.tenants import contents
from naru.plan import rollback
from naru.plan.executor import Executor, RunOutcome
from naru.plan.journal import Journal

from ...cloud.service import Handler, Service, clouds_yaml, serving, usual
from .small import bare, drafted, shop

pytestmark = pytest.mark.unit
CONTENT = b"content " * 1000
MD5 = hashlib.md5(CONTENT).hexdigest()


class Glance:
    """Images by id, with their content; `calls` are what was asked of each."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.images: dict[str, dict[str, Any]] = {}
        self.content: dict[str, bytes] = {}
        self.calls: list[str] = []
        self.taken = False
        service.further = {"image": "image/v2"}
        service.usual = self.answer

    def answer(self, request: Handler) -> None:
        path = request.path.partition("?")[0]
        if not path.startswith("/image"):
            return usual(request)
        words = path.removeprefix("/image/v2").strip("/").split("/")
        if words == [""]:
            link = [{"rel": "self", "href": f"{self.service.url}/image/v2/"}]
            version = {"id": "v2.17", "status": "CURRENT", "links": link}
            return request.answer(200, {"versions": [version]})
        self.calls.append(f"{request.command} {'/'.join(words[2:])}".strip())
        if request.command == "POST" and len(words) == 1:
            made = {**json.loads(request.body), "status": "queued", "protected": False}
            self.images[made["id"]] = made
            return request.answer(201, made)
        image = self.images.get(words[1])
        if image is None:
            return request.answer(404, {"message": "no such image"})
        match request.command, words[2:]:
            case "GET", []:
                return request.answer(200, image)
            case "GET", ["file"]:
                return request.answer(200, self.content[words[1]], Content_Type="application/octet-stream")
            case "PUT", ["file"]:
                self.content[words[1]] = request.body
                digest = hashlib.md5(request.body).hexdigest()
                image |= {"status": "active", "checksum": digest, "size": len(request.body)}
                if self.taken:
                    return request.answer(409, {"message": "another one is sending it"})
            case "PATCH", []:
                assert request.headers["Content-Type"] == "application/openstack-images-v2.1-json-patch"
                for change in json.loads(request.body):
                    image[change["path"][1:]] = change["value"]
                return request.answer(200, image)
            case "DELETE", []:
                if image["protected"]:
                    return request.answer(403, {"message": "it is protected"})
                del self.images[words[1]]
        return request.answer(204)


@pytest.fixture
def glance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Glance]:
    with serving() as service:
        file = Path(clouds_yaml(tmp_path, service))
        file.write_text(file.read_text().replace('"c":', '"seoul":'))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(file))
        monkeypatch.setattr(clouds, "_clouds", {})
        yield Glance(service)


def planned(tmp_path: Path, more: str = f"checksum: {MD5}, ") -> Journal:
    text = (
        f"naru_tenants: 1\nprojects: [{{name: shop, images: [{{name: base, disk_format: raw, {more}protected: true, "
        "data: {file: base.img}, members: [admin]}]}]\n"
    )
    return Journal.create(tmp_path / "work", drafted(tmp_path, text, bare() + shop()).plan)


@pytest.mark.parametrize("more", ["", f"checksum: {MD5}, ", f"checksum: {hashlib.sha512(CONTENT).hexdigest()}, "])
def test_there_and_back(tmp_path: Path, glance: Glance, more: str) -> None:
    (tmp_path / "base.img").write_bytes(CONTENT)
    with planned(tmp_path, more) as journal:
        assert Executor(journal).run() is RunOutcome.DONE
        ((identity, made),) = glance.images.items()
        assert (made["name"], made["status"], made["protected"]) == ("base", "active", True)
        assert glance.content[identity] == CONTENT
        assert {"POST members", "PUT members/p-admin"} <= set(glance.calls)
        rollback.start(journal)
        assert Executor(journal, undoing=True).run() is RunOutcome.DONE
        assert glance.images == {}, "protected as it was"


def test_content_that_another_run_is_sending_is_left_to_it(tmp_path: Path, glance: Glance) -> None:
    (tmp_path / "base.img").write_bytes(CONTENT)
    glance.taken = True
    with planned(tmp_path) as journal:
        assert Executor(journal).run() is RunOutcome.DONE
    assert [made["status"] for made in glance.images.values()] == ["active"]


def test_one_that_was_made_in_vain_is_filled_when_the_file_is_right(tmp_path: Path, glance: Glance) -> None:
    (tmp_path / "base.img").write_bytes(b"another content")
    with planned(tmp_path) as journal:
        assert Executor(journal).run() is RunOutcome.FAILED
    ((identity, made),) = glance.images.items()
    assert made["status"] == "queued"
    (tmp_path / "base.img").write_bytes(CONTENT)
    defaults = {"visibility": "shared", "container_format": "bare", "min_disk": 0, "min_ram": 0, "os_hidden": False}
    row = Row.of(BY_NAME["image"], {**defaults, **made, "tags": [], "size": None, "checksum": None})
    text = (
        f"naru_tenants: 1\nprojects: [{{name: shop, images: [{{name: base, disk_format: raw, checksum: {MD5}, "
        "protected: true, data: {file: base.img}}]}]\n"
    )
    with Journal.create(tmp_path / "again", drafted(tmp_path, text, [*bare(), *shop(), row]).plan) as journal:
        assert Executor(journal).run() is RunOutcome.DONE
    assert list(glance.images) == [identity]
    assert (glance.images[identity]["status"], glance.images[identity]["protected"]) == ("active", True)


class Quiet:
    """A step's context as far as deleting needs one."""

    deadline = None

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def test_only_what_has_no_content_is_deleted_of_a_step_that_did_not_end(glance: Glance) -> None:
    glance.images |= {name: {"id": name, "status": name, "protected": False} for name in ("queued", "active", "saving")}
    args = {"cloud": "seoul", "service": "image", "path": "/images"}
    ids = ["queued", "active", "saving", "none"]
    assert contents.delete_unfilled(Quiet(), args, ids) == 1  # type: ignore[arg-type]
    assert set(glance.images) == {"active", "saving"}
    assert contents.delete_unfilled(Quiet(), args, ids) == 0  # type: ignore[arg-type]


def test_other_content_than_the_checksum_says_is_never_sent(tmp_path: Path, glance: Glance) -> None:
    (tmp_path / "base.img").write_bytes(b"another content")
    with planned(tmp_path) as journal:
        assert Executor(journal).run() is RunOutcome.FAILED
    assert glance.content == {}
    assert not any(call.startswith("PUT file") for call in glance.calls)


def test_content_is_written_beside_a_file_once(tmp_path: Path, glance: Glance) -> None:
    glance.images["i"] = {"id": "i"}
    glance.content["i"] = CONTENT
    row = Row.of(BY_NAME["image"], {"id": "i", "name": "base", "owner": "p", "checksum": MD5, "status": "active"})
    with Cloud("seoul") as client:
        for _ in range(2):
            contents.fetch(client, tmp_path / "images", {f"{MD5}.raw": row})
        assert glance.calls.count("GET file") == 1
        glance.content["i"] = b"damaged"
        (tmp_path / "images" / f"{MD5}.raw").unlink()
        with pytest.raises(NaruError, match="came with the MD5"):
            contents.fetch(client, tmp_path / "images", {f"{MD5}.raw": row})
    assert list((tmp_path / "images").iterdir()) == []

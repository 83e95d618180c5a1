"""What a company has in object storage: every form of object and container there is, put by plain HTTP, and read back
so: an oracle that knows nothing of the engine."""

import hashlib
import json
import time
from typing import Any
from urllib.parse import quote

import requests

OTHER, OTHER_NEW = "f" * 32, "e" * 32
USER, USER_NEW = "d" * 32, "c" * 32
STRANGER = "b" * 32
NAMES = (
    *(
        "plain",
        "a b",
        "한국/나루",
        "x//y",
        "/leading",
        "trailing/",
        "..",
        "a/../b",
        "100%",
        "q?a=b&c",
        "#h",
        "new\nline",
    ),
    *("quote'\"", "😀", "Ünï", "back\\slash", "%41", "+plus", "~tilde", ";semi:colon", "é", "\u00a0nbsp", "tab\there"),
)


class Plain:
    """One account by plain HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = requests.Session()

    def __call__(self, method: str, container: str = "", name: str = "", query: str = "", **options: Any) -> Any:
        url = self.url + "".join(f"/{quote(part)}" for part in (container, name) if part)
        stream = options.pop("stream", False)
        prepared = self.http.prepare_request(requests.Request(method, "http://x", **options))
        prepared.url = f"{url}?{query}" if query else url  # as it is: requests would take /../ away
        return self.http.send(prepared, timeout=120, stream=stream)

    def put(self, container: str, name: str = "", body: bytes = b"", query: str = "", **headers: str) -> Any:
        told = {key.replace("_", "-"): value.encode() for key, value in headers.items()}
        answer = self("PUT", container, name, query, data=body, headers=told)
        assert answer.status_code in (201, 202), (container, name, answer.status_code, answer.text)
        return answer

    def names(self, container: str) -> list[str]:
        found: list[str] = []
        while page := self("GET", container, query=f"format=json&marker={quote(found[-1] if found else '')}").json():
            found += [item["name"] for item in page]
        return found

    def whole(self, container: str, name: str) -> dict[str, Any]:
        """All that a user sees of an object: its content by a digest, and its headers but those of the moment."""
        got = self("GET", container, name, headers={"Accept-Encoding": "identity"}, stream=True)
        kept = {
            key.lower(): value
            for key, value in got.headers.items()
            if key.lower().startswith("x-object-")
            or key.lower()
            in (
                *("etag", "content-length", "content-type", "content-encoding", "content-disposition", "cache-control"),
                *("content-language", "expires", "x-delete-at", "x-static-large-object", "x-robots-tag"),
            )
        }
        digest = hashlib.sha256(got.raw.read(decode_content=False)).hexdigest()
        return {"status": got.status_code, "sha256": digest, **kept}

    def everything(self) -> dict[str, Any]:
        """The account: containers with their headers, and each object whole."""
        found: dict[str, Any] = {}
        for item in self("GET", query="format=json").json():
            told = self("HEAD", item["name"]).headers
            kept = {
                key.lower(): value
                for key, value in told.items()
                if key.lower().startswith(("x-container-meta-", "x-container-read", "x-container-write", "x-storage"))
                or key.lower() in ("x-versions-location", "x-history-location")
            }
            objects = {name: self.whole(item["name"], name) for name in self.names(item["name"])}
            found[item["name"]] = {"headers": kept, "objects": objects}
        account = {k.lower(): v for k, v in self("HEAD").headers.items() if k.lower().startswith("x-account-meta-")}
        return {"account": account, "containers": found}


def manifest(*parts: tuple[str, bytes], span: str = "") -> bytes:
    """A static large object of those objects, each as /CONTAINER/NAME with its content."""
    listed: list[dict[str, Any]] = [
        {"path": path, "etag": hashlib.md5(body).hexdigest(), "size_bytes": len(body)} for path, body in parts
    ]
    if span:
        listed[-1]["range"] = span
    return json.dumps(listed).encode()


def nest(plain: Plain) -> None:
    """Puts a large object whose segment is another."""
    told = plain("HEAD", "large", "static").headers
    named = {"path": "/large/static", "etag": told["Etag"].strip('"'), "size_bytes": int(told["Content-Length"])}
    plain.put("large", "a nested one", json.dumps([named]).encode(), "multipart-manifest=put")


def fill(plain: Plain) -> None:
    """Puts all of it."""
    answer = plain(
        "POST", headers={"X-Account-Meta-Color": b"blue", "X-Account-Meta-Temp-URL-Key": b"key-of-temp-urls"}
    )
    assert answer.status_code == 204, answer.text
    access = f".r:*,.rlistings,{OTHER}:{USER},{OTHER}:*,*:{USER},{STRANGER}:{STRANGER},shop:ann"
    plain.put("web", X_Container_Read=access, X_Container_Meta_Web_Index="index.html", X_Container_Meta_Color="röt")
    plain.put("web", "index.html", b"<html>", Content_Type="text/html", Cache_Control="max-age=60")
    plain.put("names")
    for number, name in enumerate(NAMES):
        plain.put("names", name, f"content {number}".encode(), X_Object_Meta_Number=str(number))
    plain.put("컨테이너 ü", X_Storage_Policy="silver", X_Container_Write=f"{OTHER}:{USER}")
    headers = {
        "Content-Type": "text/x-odd; charset=utf-8",
        "Content-Encoding": "gzip",
        "Content-Disposition": 'attachment; filename="a b.txt"',
        "Content-Language": "ko",
        "Expires": "Thu, 01 Dec 2033 16:00:00 GMT",
        "X-Object-Meta-Empty-Not": "0",
        "X-Object-Meta-Text": "나루",
        "X-Delete-At": str(int(time.time()) + 86400 * 30),
    }
    plain.put("컨테이너 ü", "full", b"not gzip at all", **headers)
    plain.put("컨테이너 ü", "empty", b"", Content_Type="application/x-empty")
    plain.put("컨테이너 ü", "directory/", b"", Content_Type="application/directory")
    plain.put("large_segments")
    bodies = [bytes([65 + number]) * (1 << 20) for number in range(3)]
    for number, body in enumerate(bodies):
        plain.put("large_segments", f"video/{number:04}", body)
    plain.put("large_segments", "video/orphan", b"nobody names it")
    plain.put("large", X_Container_Meta_Quota_Bytes=str(1 << 30), X_Container_Meta_Quota_Count="1000")
    named = [(f"/large_segments/video/{number:04}", body) for number, body in enumerate(bodies)]
    static = {"Content-Type": "video/mp4", "X-Object-Meta-Title": "film"}
    plain.put("large", "static", manifest(*named), "multipart-manifest=put", **static)
    plain.put("large", "range", manifest(*named, span="0-99"), "multipart-manifest=put")
    nest(plain)
    plain.put("large", "dynamic", b"", X_Object_Manifest="large_segments/video/00", Content_Type="video/webm")
    plain.put("large", "one", b"1" * (5 << 20))
    plain.put("old versions")
    plain.put("versioned", X_Versions_Location="old%20versions")
    for text in (b"one", b"two", b"three"):
        plain.put("versioned", "file", text)
    plain.put("nothing", X_Container_Meta_Empty="yes")

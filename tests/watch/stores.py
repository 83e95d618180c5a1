"""OpenSearch and Loki for tests: servers that answer as their documentation says, from what they are given."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Answering:
    """A server on loopback; `answer` is given the path with its query, the body, and the headers, and gives a status
    and what is answered."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any, dict[str, str]]] = []
        answering = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or b"null")
                answering.asked.append((self.path, body, dict(self.headers)))
                status, said = answering.answer(self.path, body)
                data = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self) -> None:
                self.headers["Content-Length"] = "0"
                self.do_POST()

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        raise NotImplementedError

    @contextmanager
    def serving(self) -> Iterator[None]:
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class Documents(Answering):
    """An OpenSearch with one index of one shard, to which documents are added as (milliseconds, document). It looks at
    the times and levels, or at the identifiers that are wanted, and at search_after."""

    def __init__(self) -> None:
        super().__init__()
        self.hits: list[dict[str, Any]] = []
        self.failed = 0

    def add(self, milliseconds: int, document: dict[str, Any]) -> None:
        number = len(self.hits)
        identity = f"{(number * 7919) % 10007:05}"  # in no order
        hit = {"_index": "flog-2026.10.05", "_id": identity, "_source": document, "_seq_no": number}
        self.hits.append({**hit, "sort": [milliseconds, identity]})

    def answer(self, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        if "_count" in path:
            return 200, {"count": len(self.hits)}
        times, wanted = body["query"]["bool"]["filter"]
        moments = times.get("terms", {}).get("@timestamp")
        span = {"gte": 0} if moments else times["range"]["@timestamp"]
        ways = wanted["bool"]["should"]
        found = []
        for hit in sorted(self.hits, key=lambda hit: hit["sort"]):
            document = hit["_source"]
            fits = any(
                document.get("log_level") in way["terms"].get("log_level.keyword", ())
                if "terms" in way
                else any(
                    way["multi_match"]["query"] in str(document.get(name)) for name in way["multi_match"]["fields"]
                )
                for way in ways
            )
            inside = span["gte"] <= hit["sort"][0] <= span.get("lte", 1 << 60)
            inside = inside and (not moments or hit["sort"][0] in moments)
            if fits and inside and hit["sort"] > body.get("search_after", [0, ""]):
                found.append(hit)
        return 200, {"timed_out": False, "_shards": {"failed": self.failed}, "hits": {"hits": found[: body["size"]]}}


class Lines(Answering):
    """A Loki, to which lines are added as (nanoseconds, labels, line)."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[int, dict[str, str], str]] = []

    def answer(self, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        assert urlsplit(path).path == "/loki/api/v1/query_range"
        assert asked["direction"] == "forward"
        _, _, ways = asked["query"].partition(" |~ `")
        found = [
            row
            for row in sorted(self.rows, key=lambda row: row[0])
            if int(asked["start"]) <= row[0] < int(asked["end"]) and re.search(ways.rstrip("`"), row[2])
        ][: int(asked["limit"])]
        streams: dict[str, dict[str, Any]] = {}
        for when, labels, line in found:
            one = streams.setdefault(json.dumps(labels), {"stream": labels, "values": []})
            one["values"].append([str(when), line])
        return 200, {"status": "success", "data": {"resultType": "streams", "result": list(streams.values())}}

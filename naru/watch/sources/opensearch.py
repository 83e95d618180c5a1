"""OpenSearch, as kolla's fluentd fills it: documents of warnings and errors in the order of their time, a page at a
time."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from naru.errors import NaruError
from naru.watch.formats import LEVELS, WARNING, Format
from naru.watch.sources.documents import entry_of, moment_of
from naru.watch.sources.entries import Entry, Joined, join
from naru.watch.sources.kolla import Pieces
from naru.watch.sources.late import Cursor
from naru.watch.sources.stream import DAY, Batch, Window
from naru.watch.sources.web import Web
from naru.watch.tally import Arrived

PAGE = 5000
"""Documents of an answer; an index lets one have 10,000."""
_MOMENTS = 1000
_LEVELS = sorted(
    one for name, number in LEVELS.items() if number >= WARNING for one in (name, name.lower(), name.capitalize())
)


class OpenSearch:
    """The documents of indices that `index` names, as in `flog-*`. Without a cursor it begins `since` seconds ago."""

    def __init__(self, name: str, web: Web, formats: Sequence[Format], index: str, since: float = DAY) -> None:
        self.name = name
        self._web, self._formats, self._index, self._since = web, formats, index, since

    def follow(self, cursor: str) -> Batch:
        at = Cursor.read(cursor, time.time() - self._since)
        asked = {"range": {"@timestamp": {"gte": int(at.begin * 1000), "format": "epoch_millis"}}}
        hits = self._search([asked, {"bool": {"should": _levels(), "minimum_should_match": 1}}], at.after)
        full = len(hits) == PAGE
        if full:
            # documents of one time may be of one record: they are read together
            last = hits[-1]["sort"][0]
            whole = [hit for hit in hits if hit["sort"][0] != last]
            hits = whole or hits
        new = [hit for hit in hits if hit["_id"] not in at.seen]
        joined = self._join(new, WARNING)
        for hit in hits:
            moment = hit["sort"][0] / 1000
            at.seen[hit["_id"]] = moment
            # what is dated in the future must not hide what comes meanwhile
            at.newest = max(at.newest, min(moment, time.time()))
        at.after = hits[-1]["sort"] if full else None
        return Batch(joined.arrived, at.text(), len(new), joined.unread, more=full)

    def by_request(self, ids: Sequence[str], window: Window) -> list[Arrived]:
        fields = ["request_id", "global_request_id", "Payload"]
        ways = [
            {"multi_match": {"query": way, "type": "phrase", "fields": fields}}
            for one in ids
            for way in (one, f"req-{one}")
        ]
        begin, end = int(window.begin * 1000), int(window.end * 1000)
        times = {"range": {"@timestamp": {"gte": begin, "lte": end, "format": "epoch_millis"}}}
        hits = self._search([times, {"bool": {"should": ways, "minimum_should_match": 1}}], None)
        # parts of their tracebacks have neither request nor message
        moments = sorted({hit["sort"][0] for hit in hits if hit["_source"].get("log_level") in _LEVELS})[:_MOMENTS]
        if moments:
            known = {hit["_id"] for hit in hits}
            records = {_record_of(hit) for hit in hits}
            errors = {"bool": {"should": _levels(), "minimum_should_match": 1}}
            beside = self._search([{"terms": {"@timestamp": moments}}, errors], None)
            hits += [hit for hit in beside if hit["_id"] not in known and _record_of(hit) in records]
        return self._join(hits, 0).arrived

    def check(self) -> str:
        said = self._web.ask("POST", f"{self._index}/_count", json={"query": {"exists": {"field": "python_module"}}})
        if not said.get("count"):
            raise NaruError(
                f"{self.name}: {self._index} has no documents of OpenStack's services",
                hint="Does index name the right ones? kolla's are flog-*, with the fields of its fluentd.",
            )
        return f"{said['count']} documents of OpenStack's services"

    def _search(self, wanted: Sequence[Mapping[str, Any]], after: Any) -> list[dict[str, Any]]:
        asked: dict[str, Any] = {
            "size": PAGE,
            "query": {"bool": {"filter": list(wanted)}},
            "sort": [{"@timestamp": {"order": "asc", "unmapped_type": "date"}}, {"_id": "asc"}],
            "seq_no_primary_term": True,
            "track_total_hits": False,
        }
        if after is not None:
            asked["search_after"] = after
        said = self._web.ask("POST", f"{self._index}/_search", params={"ignore_unavailable": "true"}, json=asked)
        failed = said.get("_shards", {}).get("failed", 0)
        if failed or said.get("timed_out"):
            # what is missing now would never be asked for again
            raise NaruError(f"{self.name}: {failed} shards of {self._index} did not answer")
        found = said.get("hits")
        hits = found.get("hits") if isinstance(found, dict) else None
        if not isinstance(hits, list) or not all(map(_is_document, hits)):
            raise NaruError(f"{self.name}: what it answers are no documents with a @timestamp")
        return hits

    def _join(self, hits: Sequence[dict[str, Any]], lowest: int) -> Joined:
        """Records of documents. Of one time those come first that were written first, which their number says where an
        index has one shard, as kolla's have."""
        pieces = Pieces()
        entries: list[Entry] = []
        for hit in sorted(hits, key=lambda hit: (hit["sort"][0], hit["_index"], hit.get("_seq_no", 0))):
            document = hit["_source"]
            moment = moment_of(document.get("@timestamp")) or hit["sort"][0] / 1000
            made = pieces.entry(document, hit["_id"], moment)
            entries.append(made if made is not None else entry_of(document, hit["_id"], moment))
        return join(entries, self._formats, lowest=lowest)


def _is_document(hit: Any) -> bool:
    """Whether a hit has all that is asked for."""
    if not isinstance(hit, dict) or not hit.keys() >= {"_id", "_index"} or not isinstance(hit.get("_source"), dict):
        return False
    order = hit.get("sort")
    return isinstance(order, list) and bool(order) and isinstance(order[0], int | float)


def _levels() -> list[dict[str, Any]]:
    return [{"terms": {field: _LEVELS}} for field in ("log_level", "log_level.keyword")]


def _record_of(hit: Mapping[str, Any]) -> tuple[Any, ...]:
    """What all parts of a record have in common."""
    document = hit["_source"]
    return hit["sort"][0], document.get("Hostname"), document.get("Pid"), document.get("python_module")

"""Queues that do not become empty in a freeze."""

from typing import Any

import pytest

from naru.upgrade.freeze.draining import Depth, Draining, depths

from .test_freeze import site

pytestmark = pytest.mark.unit

CONDUCTOR = Depth(3, 1, ("nova-conductor from 10.0.0.1",))


def test_a_queue_that_was_empty_once_is_waited_for_no_more_and_one_without_a_consumer_is_told() -> None:
    draining = Draining(site(), None, ["left"])  # type: ignore[arg-type]
    first = {"conductor": CONDUCTOR, "plugin": CONDUCTOR, "dead_fanout": Depth(9, 0), "left": CONDUCTOR}
    told = [(one.how, one.service, one.id, one.state) for one in draining.told("main", first)]
    assert told == [
        ("wait", "main", "conductor", "3 messages, consumed by nova-conductor from 10.0.0.1"),
        ("wait", "main", "plugin", "3 messages, consumed by nova-conductor from 10.0.0.1"),
        ("stuck", "main", "dead_fanout", "9 messages, no consumer"),
    ]
    # one is empty now, another one, which was, is not
    assert [one.id for one in draining.told("main", {"plugin": CONDUCTOR, "new": CONDUCTOR})] == ["plugin"]
    assert [one.id for one in draining.told("main", {"plugin": CONDUCTOR, "conductor": CONDUCTOR})] == ["plugin"]
    assert draining.told("main", {}) == [] and draining.told("main", first) == []
    assert [one.id for one in draining.told("other", {"q": Depth(1, 2)})] == ["q"]


def test_what_is_full_is_named_with_who_consumes_it_and_notifications_are_not() -> None:
    said: dict[str, list[dict[str, Any]]] = {
        "queues": [
            {"name": "conductor", "vhost": "/openstack", "messages": 4, "consumers": 2},
            {"name": "idle", "vhost": "/openstack", "messages": 0, "consumers": 2},
            {"name": "other", "vhost": "/", "messages": 4, "consumers": 0},
            {"name": "notifications.info", "vhost": "/openstack", "messages": 400, "consumers": 0},
            {"name": "young", "vhost": "/openstack"},
        ],
        "connections": [
            {
                "name": "a",
                "user": "u",
                "peer_host": "10.0.0.1",
                "client_properties": {"connection_name": "nova-conductor:7:x"},
            },
            {"name": "b", "user": "u", "peer_host": "10.0.0.2", "client_properties": {}},
        ],
        "consumers": [
            {"queue": {"name": "conductor"}, "channel_details": {"connection_name": name, "peer_host": "10.0.0.9"}}
            for name in ("a", "b", "c", "a")
        ],
    }
    asked: list[str] = []

    def get(path: str) -> Any:
        asked.append(path)
        return said[path.partition("?")[0]]

    who = ("nova-conductor from 10.0.0.1", "u from 10.0.0.2", "10.0.0.9")
    assert depths(get, ["/openstack"]) == {"conductor": Depth(4, 2, who)}
    said["queues"] = []
    asked.clear()
    assert depths(get, ["/openstack"]) == {} and len(asked) == 1

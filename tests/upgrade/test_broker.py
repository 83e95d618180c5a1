"""What message queues no longer have that somebody relies on."""

import pytest

from naru.errors import NaruError
from naru.upgrade.broker import Broker, Said, removed

pytestmark = pytest.mark.unit
MIRRORED = {"/openstack HA": ["ha-mode", "ha-sync-mode"], "/ limit": ["max-length"]}
OLD = {"main": Broker("3.13.7", MIRRORED)}


def told(now: Said, coming: Said) -> list[tuple[object, ...]]:
    then = {**now, **coming}
    return [
        (one.state, one.where, one.what.split(":")[0], one.examples) for one in removed(now, then, coming, "2026.2")
    ]


def test_mirrors_are_told_where_the_queue_that_is_to_run_has_none_any_more() -> None:
    assert told(OLD, {}) == []
    mirrored = ("on the way", "main", "rabbitmq 4.1.2", ("/openstack HA",))
    assert told(OLD, {"main": Broker("4.1.2", {})}) == [mirrored]
    assert told({"main": Broker("4.1.2", MIRRORED)}, {}) == [mirrored]
    assert told({"main": Broker("4.1.2", {"/ limit": ["max-length"]})}, {}) == []


def test_whether_transient_queues_are_permitted_is_not_known_of_a_new_queue_alone() -> None:
    transient = ("unknown", "new", "rabbitmq 4.3.0", ("new",))
    assert told({"main": Broker("3.13.7", {})}, {"new": Broker("4.3.0", {})}) == [transient]
    assert told({"main": Broker("4.3.0", {})}, {}) == []  # services run with it already
    assert told({"main": Broker("3.13.7", {})}, {"new": Broker("4.2.9", {})}) == []


def test_a_queue_that_says_nothing_is_told_of_once_by_its_version() -> None:
    assert told({"main": NaruError("gone"), "other": Broker("", {})}, {}) == []

"""What message queues no longer have that somebody relies on."""

from pathlib import Path

import pytest

from naru.errors import NaruError
from naru.releases import path
from naru.site import site as sites
from naru.site.ssh import Fleet
from naru.upgrade.check.broker import Broker, Said, check, lost
from naru.upgrade.finding import Span

pytestmark = pytest.mark.unit
MIRRORED = {"/openstack HA": ["ha-mode", "ha-sync-mode"], "/ limit": ["max-length"]}
OLD = {"main": Broker("3.13.7", MIRRORED)}


def told(now: Said, coming: Said, old: str = "main") -> list[tuple[object, ...]]:
    """What is told where all that come take the place of one, by name."""
    then = {**{name: broker for name, broker in now.items() if not coming or name != old}, **coming}
    follows = dict.fromkeys(coming, old)
    return [(one.state, one.where, one.what.split(":")[0], one.examples) for one in lost(now, then, follows, "2026.2")]


def test_mirrors_are_told_where_the_queue_that_is_to_run_has_none_any_more() -> None:
    assert told(OLD, {}) == []
    mirrored = ("on the way", "main", "rabbitmq 4.1.2", ("/openstack HA",))
    assert told(OLD, {"main": Broker("4.1.2", {})}) == [mirrored]
    assert told({"main": Broker("4.1.2", MIRRORED)}, {}) == [mirrored]
    assert told({"main": Broker("4.1.2", {"/ limit": ["max-length"]})}, {}) == []
    lazy = {"/ lazy": ["queue-mode"]}
    assert told({"main": Broker("4.2.9", lazy)}, {}) == []
    assert told({"main": Broker("4.3.0", {**lazy, **MIRRORED})}, {}) == [
        ("on the way", "main", "rabbitmq 4.3.0", ("/openstack HA",)),
        ("on the way", "main", "rabbitmq 4.3.0", ("/ lazy",)),
    ]


def test_whether_transient_queues_are_permitted_is_not_known_of_a_new_queue_alone() -> None:
    transient = ("unknown", "new", "rabbitmq 4.3.0", ("new",))
    assert told({"main": Broker("3.13.7", {})}, {"new": Broker("4.3.0", {})}) == [transient]
    assert told({"main": Broker("4.3.0", {})}, {}) == []  # services run with it already
    assert told({"main": Broker("3.13.7", {})}, {"new": Broker("4.2.9", {})}) == []


def test_a_queue_that_says_nothing_is_told_of_once_by_its_version() -> None:
    assert told({"main": NaruError("gone"), "other": Broker("", {})}, {}) == []


def test_each_queue_is_held_against_the_policies_of_its_own_and_of_the_one_that_it_follows() -> None:
    now: Said = {"rpc": Broker("3.8.0", MIRRORED), "notifications": Broker("4.0.0", {})}
    assert told(now, {}) == []
    assert told(now, {"new": Broker("4.1.0", {})}, "notifications") == []
    mirrored = ("on the way", "new", "rabbitmq 4.1.0", ("/openstack HA",))
    assert told(now, {"new": Broker("4.1.0", {})}, "rpc") == [mirrored]
    unknown = ("unknown", "new", "whether rabbitmq 4.1.0 has what policies of rpc need", ("new",))
    assert told({"rpc": NaruError("gone")}, {"new": Broker("4.1.0", {})}, "rpc") == [unknown]


def test_a_queue_without_management_is_not_asked() -> None:
    content = {"naru_site": 1, "name": "one", "hosts": [{"name": "q1"}], "queues": [{"name": "main", "hosts": ["q1"]}]}
    site = sites.parse({**content, "next": {"queues": [{"name": "new", "hosts": ["q1"]}]}}, Path("site.yaml"))
    with Fleet(site) as fleet:
        assert check(site, fleet, Span("pike", "2026.2"), list(path.services().values())) == []

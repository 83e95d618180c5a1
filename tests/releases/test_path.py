"""The way from one release to another."""

import itertools

import pytest

from naru.errors import InputError
from naru.releases import path, release
from naru.releases.path import Begins, Ended, Floor, Service

pytestmark = pytest.mark.unit


def stops(service: str, start: str, goal: str) -> tuple[list[str], list[str]]:
    (way,) = path.ways(start, goal, [service])
    return [hop.release for hop in way.hops], [hop.release for hop in way.shortest]


def test_each_release_up_to_the_first_slurp_one_and_those_alone_after_it() -> None:
    hops, _ = stops("nova", "pike", "2026.2")
    names = release.names()
    assert hops == [*names[1 : names.index("2023.1") + 1], "2024.1", "2025.1", "2026.1", "2026.2"]
    assert stops("nova", "2023.2", "2025.2")[0] == ["2024.1", "2025.1", "2025.2"]
    assert stops("nova", "2024.1", "2024.2")[0] == ["2024.2"]


def test_the_shortest_ways_are_what_the_releases_code_takes() -> None:
    assert stops("glance", "pike", "2026.2")[1] == ["2023.1", "2026.2"]
    assert stops("glance", "rocky", "2026.2")[1] == ["2026.2"]
    assert stops("keystone", "pike", "2026.2")[1] == ["xena", "2023.1", "2026.2"]
    assert stops("nova", "pike", "2026.2")[1] == ["stein", "victoria", "2023.1", "2026.2"]
    assert stops("cinder", "pike", "2026.2")[1] == ["rocky", "train", "wallaby", "2023.1", "2026.2"]
    assert stops("neutron", "pike", "2026.2")[1] == ["2026.1", "2026.2"]


def test_a_database_that_a_release_does_not_take_has_stops_before_it() -> None:
    nova = path.services()["nova"]
    refused = path.refusals(nova, "stein", "2023.2")
    assert any(one.startswith("2023.2 takes no database before xena") for one in refused)
    hops, shortest = stops("nova", "stein", "2023.2")
    assert shortest == ["victoria", "2023.1", "2023.2"] and set(shortest) <= set(hops)


def test_placement_begins_with_the_release_that_takes_it_out_of_nova() -> None:
    hops, shortest = stops("placement", "pike", "2025.1")
    assert (hops[0], shortest) == ("stein", ["stein", "2025.1"])
    assert stops("placement", "stein", "train") == (["train"], ["train"])
    assert stops("placement", "pike", "queens") == ([], [])


def test_no_stop_of_a_shortest_way_can_be_passed_over() -> None:
    for start, goal in itertools.combinations(release.names(), 2):
        for way in path.ways(start, goal):
            at = [start, *(hop.release for hop in way.shortest)]
            assert not any(path.refusals(way.service, *pair) for pair in itertools.pairwise(at)), (start, way)
            assert all(hop.why for hop in way.shortest[:-1]), (start, way)
            assert len(way.shortest) <= len(way.hops)


def test_what_only_some_releases_make_and_what_a_release_takes_are_reasons() -> None:
    service = Service(
        name="x",
        order=1,
        why="",
        schemas=("x",),
        config="",
        manage="",
        sync=(),
        begins=Begins(release="queens", why="begins"),
        floors=(Floor(since="ussuri", takes="stein", why="steps"),),
        ended=(Ended(first="rocky", last="stein", name="rows", what="some"),),
    )
    assert path.refusals(service, "pike", "queens") == []
    assert path.refusals(service, "pike", "rocky") == ["begins"]
    # made before, by the code that the database comes from, or after, by that which it goes to
    assert path.refusals(service, "rocky", "train") == []
    assert path.refusals(service, "queens", "stein") == []
    assert path.refusals(service, "queens", "train") == ["only rocky to stein have rows: some"]
    refused = path.refusals(service, "queens", "ussuri")
    assert refused == ["ussuri takes no database before stein: steps", "only rocky to stein have rows: some"]


@pytest.mark.parametrize(
    ("start", "goal", "services", "said"),
    [
        ("ocata", "pike", (), "unknown OpenStack release 'ocata'"),
        ("pike", "zebra", (), "unknown OpenStack release 'zebra'"),
        ("queens", "pike", (), "pike is not later than queens"),
        ("pike", "pike", (), "pike is not later than pike"),
        ("pike", "queens", ("heat",), "the way of 'heat' is not known"),
    ],
)
def test_what_has_no_way_is_told(start: str, goal: str, services: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        path.ways(start, goal, services)


def test_what_is_filled_at_once_is_what_the_releases_that_begin_with_it_and_later_ones_fill_row_by_row() -> None:
    nova = path.services()["nova"]
    found = {name: [one.name for one in path.filled(nova, name)] for name in release.names()}
    assert found["pike"] == found["ussuri"] == found["2023.1"] == []
    assert found["queens"] == found["train"] == ["populate_uuids"]
    assert found["2024.1"] == found["2026.2"] == ["populate_instance_compute_id"]
    assert all(not path.filled(one, name) for one in path.services().values() if one.name != "nova" for name in found)

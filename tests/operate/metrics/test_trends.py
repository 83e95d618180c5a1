"""Answers from samples: what is full when, what is lost with a host or a rack."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from naru.cli.main import main
from naru.errors import InputError
from naru.operate.metrics.families import Labels, Samples
from naru.operate.metrics.store import FILE, Store
from naru.operate.metrics.trends import DAY, WEEK, Answer, answers, growth, shortened

pytestmark = pytest.mark.unit
NOW = 1_790_000_000.0


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr("time.time", lambda: NOW)
    with closing(Store(tmp_path / FILE)) as made:
        yield made


def keep(store: Store, at: float, values: Mapping[tuple[str, Labels], float]) -> None:
    samples = Samples()
    for (name, labels), value in values.items():
        samples.add(name, value, *labels)
    store.keep(samples, at)


def days(store: Store, count: int, used: float, per_day: float) -> None:
    """A pool of 1,000 bytes, one value a day up to now."""
    for day in range(count):
        at = NOW - (count - 1 - day) * DAY
        keep(store, at, {("naru_pool_bytes", ("p",)): 1000, ("naru_pool_used_bytes", ("p",)): used + day * per_day})


def ask(store: Store, question: str) -> list[Answer]:
    return list(answers(store, [question]))  # type: ignore[list-item]


def test_growth_is_not_changed_by_one_day_out_of_the_order() -> None:
    points = [(day * DAY, 10.0 * day) for day in range(14)]
    assert growth(points) == pytest.approx(70)
    points[6] = (6 * DAY, 5000.0)
    assert growth(points) == pytest.approx(70, rel=0.05)
    assert growth(points[:2]) is None, "a day is too little"
    assert growth([]) is None


def test_what_is_full_when(store: Store) -> None:
    days(store, 15, 500, 10)
    (found,) = ask(store, "full")
    assert found.state == "soon"
    assert found.used == 640
    assert found.per_week == pytest.approx(70)
    assert found.weeks == pytest.approx((900 - 640) / 70)


@pytest.mark.parametrize(("count", "used", "state"), [(15, 760, "full"), (1, 500, "unknown"), (15, 10, "ok")])
def test_how_a_pool_is(store: Store, count: int, used: float, state: str) -> None:
    days(store, count, used, 10 if state == "full" else 0.1)
    (found,) = ask(store, "full")
    assert found.state == state


def test_what_was_removed_is_not_asked_about(store: Store) -> None:
    for day in range(8):
        keep(store, NOW - (20 - day) * DAY, {("naru_flavor_room", ("m1", "nova")): 100 - 5 * day})
    assert [one.state for one in ask(store, "full")] == ["no samples"]


def test_room_for_a_flavor_ends(store: Store) -> None:
    for day in range(8):
        keep(store, NOW - (7 - day) * DAY, {("naru_flavor_room", ("m1", "nova")): 100 - 5 * day})
    (found,) = ask(store, "full")
    assert (found.state, found.used) == ("soon", 65)
    assert found.weeks == pytest.approx(65 / 35)


def hosts(store: Store, *rows: tuple[str, str, float, float, float]) -> None:
    """Hosts of 100 MB of memory each: name, rack, used, largest server, whether it takes servers."""
    values: dict[tuple[str, Labels], float] = {}
    for name, rack, used, largest, is_open in rows:
        place = (name, "nova", rack)
        values["naru_host_open", place] = is_open
        for what, value in (("capacity", 100), ("used", used), ("largest", largest)):
            values[f"naru_placement_{what}", (*place, "MEMORY_MB")] = value
    keep(store, NOW, values)


def states(store: Store) -> dict[str, str]:
    return {one.name: one.state for one in ask(store, "loss")}


def test_what_is_on_a_host_fits_on_the_others(store: Store) -> None:
    hosts(store, ("a", "r1", 60, 5, 1), ("b", "r1", 60, 5, 1), ("c", "r2", 60, 5, 1), ("d", "r2", 50, 35, 1))
    assert states(store) == {
        "host a": "ok",
        "host b": "ok",
        "host c": "ok",
        "host d": "tight",
        "rack r1": "no room",
        "rack r2": "no room",
    }


def test_a_host_that_takes_no_servers_has_no_room(store: Store) -> None:
    hosts(store, ("a", "", 60, 5, 1), ("b", "", 20, 5, 0))
    found = {one.name: one for one in ask(store, "loss")}
    assert found["host a"].state == "no room"
    assert found["racks"].state == "unknown", "the site says no racks"


def test_one_big_server_may_fit_on_no_host(store: Store) -> None:
    hosts(store, ("a", "", 60, 60, 1), ("b", "", 50, 5, 1), ("c", "", 50, 5, 1))
    found = {one.name: one for one in ask(store, "loss")}["host a"]
    assert found.state == "no room"
    assert "a server of 60, 50 free on any host" in found.why


def test_what_is_free_of_one_resource_alone_is_nobodys(store: Store) -> None:
    # servers of 5 CPUs and 5 MB; on b only CPUs are free, on c only memory: by either sum all fit, and not one does
    values: dict[tuple[str, Labels], float] = {}
    for name, cpus, memory in (("a", 60, 60), ("b", 0, 90), ("c", 90, 0)):
        place = (name, "nova", "")
        values["naru_host_open", place] = 1
        for resource, used in (("VCPU", cpus), ("MEMORY_MB", memory)):
            values["naru_placement_capacity", (*place, resource)] = 100
            values["naru_placement_used", (*place, resource)] = used
            values["naru_placement_largest", (*place, resource)] = 5
    keep(store, NOW, values)
    assert states(store)["host a"] == "tight"


def test_from_old_samples_and_from_a_part_of_them_nothing_follows(store: Store) -> None:
    for name in ("naru_host_open", "naru_placement_used"):
        hosts(store, ("a", "r1", 60, 5, 1), ("b", "r1", 10, 5, 1))
        assert states(store)["host a"] == "ok"
        store._database.execute("UPDATE latest SET time = time - 7300 WHERE name = ?", (name,))
        assert states(store) == {"hosts": "no samples"}
    hosts(store, ("a", "r1", 60, 5, 1), ("b", "r1", 10, 5, 1))
    keep(store, NOW, {("naru_placement_nodes_without_provider", ()): 2})
    found = {one.name: one for one in ask(store, "loss")}
    assert found["hosts"].state == "unknown" and "of 2 hypervisors" in found["hosts"].why
    assert found["host a"].state == "ok"


def test_a_person_sees_of_what_fits_the_tightest(store: Store) -> None:
    hosts(store, *((f"h{number}", "", 10 + number, 1, 1) for number in range(8)))
    found = [one for one in shortened(ask(store, "loss")) if one.name != "racks"]
    assert [one.name for one in found] == ["any other host"]
    assert "host h7" in found[0].why


def test_hosts_out_of_line(store: Store) -> None:
    hosts(store, *((f"h{number}", "", 50 + number, 1, 1) for number in range(6)), ("idle", "", 0, 0, 1))
    assert [one.name for one in ask(store, "hosts")] == ["host idle"]


def test_projects_that_grow(store: Store) -> None:
    for day in range(8):
        values = {("naru_project_servers", (name,)): 10 + day * step for name, step in (("a", 1), ("b", 3), ("c", 0))}
        keep(store, NOW - (7 - day) * DAY, values)  # type: ignore[arg-type]
    assert [(one.name, round(one.per_week or 0)) for one in ask(store, "growth")] == [
        ("project b", 21),
        ("project a", 7),
    ]


def test_samples_older_than_a_year_go_and_hosts_that_are_gone(store: Store) -> None:
    keep(store, NOW - 500 * DAY, {("naru_pool_bytes", ("p",)): 1})
    keep(store, NOW, {("naru_pool_bytes", ("p",)): 2, ("naru_host_open", ("a", "z", "")): 1})
    assert [value for _, value in store.trend("naru_pool_bytes", 0)["p",]] == [2]
    keep(store, NOW, {("naru_host_open", ("b", "z", "")): 1})
    assert store.latest("naru_host_open") == {("b", "z", ""): 1}


def test_without_samples_no_question_is_answered_well(store: Store, tmp_path: Path) -> None:
    for question in ("full", "loss", "growth", "hosts"):
        assert [one.state for one in ask(store, question)] == ["no samples"]
        assert main(["trends", question, "--state", str(tmp_path)]) == 1


def test_the_command(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    days(store, 15, 500, 10)
    assert main(["trends", "full", "--state", str(tmp_path), "-f", "json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["question"], found["name"], found["state"]) == ("full", "pool p", "soon")
    assert main(["trends", "full", "--state", str(tmp_path), "--within", "1"]) == 0
    assert "64% is used" in capsys.readouterr().out
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["weather", "--state", "."], "weather: is no question"),
        (["--state", "nowhere"], "there is no nowhere/samples.db"),
        (["--prometheus", "here"], "--prometheus here is no URL"),
        (["--state", ".", "--full", "0"], "--full is a percentage"),
    ],
)
def test_bad_input(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trends", *words]) == 2
    assert says in capsys.readouterr().err


def test_a_file_that_is_something_else(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("no database, but long enough to be taken for one" * 100)
    with pytest.raises(InputError, match="holds no samples"):
        Store(tmp_path / FILE)
    assert WEEK == 7 * DAY

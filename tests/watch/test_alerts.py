"""Each group is told once, with its incident, and in time; storms, backlogs and first runs in one digest."""

from pathlib import Path

import pytest

from naru.watch import follow, phases
from naru.watch.alerts.outbox import DIGEST, ESCALATING, NEW, OVER
from naru.watch.match import Matcher
from naru.watch.statements import Statement
from naru.watch.store import MUTED, REGRESSED, RESOLVED

from .lines import FRAMES
from .watched import DAY, HOUR, Watched, req

pytestmark = pytest.mark.unit

SERVERS = ("5e5e5e5e-1111-4222-8333-444444444444", "6e6e6e6e-1111-4222-8333-444444444444")
BAD_REQUEST = (
    '  File "/v/lib/python3.11/site-packages/keystone/api/users.py", line 10, in post',
    "    validate(body)",
    "keystone.exception.SchemaValidationError: no name",
)


@pytest.fixture(autouse=True)
def _nothing_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "QUIET", 0)


@pytest.fixture
def cloud(tmp_path: Path) -> Watched:
    """A watch whose first run is over."""
    return Watched(tmp_path).begun()


def clients(name: str) -> Matcher:
    """Code of which an exception answers with 400."""
    return Matcher([Statement("p", "keystone.exception", "exc", 0, "", (1,), name, status=400)])


def test_one_group_with_both_requests_and_servers(cloud: Watched) -> None:
    """Scenario 1."""
    for number, server in enumerate(SERVERS, 1):
        cloud.error("nova-compute", f"[instance: {server}] no room on {number} hosts", number, trace=FRAMES)
    assert cloud.round() == []
    assert cloud.round(5) == []
    (alert,) = cloud.round(5)
    assert (alert.why, alert.root) == (NEW, cloud.key("no room"))
    body = alert.body
    assert body["how_often"] == {"five_minutes": 2, "hour": 2, "day": 2, "total": 2, "requests": 2}
    assert body["requests"] == [req(1), req(2)]
    assert body["who"] == {"users": ["u1"], "projects": ["p1"], "instances": list(SERVERS), "trusted": True}
    assert body["where"] == {"h1": 2}
    assert body["what"]["exception"] == "NovaException"
    assert body["what"]["frame"] == "nova/compute/manager.py:spawn"
    assert body["example"]["traceback"].endswith("no room")
    cloud.error("nova-compute", "no room on 7 hosts", 3, trace=FRAMES)
    assert cloud.round(60) == []


def test_services_under_one_request_are_one_incident(cloud: Watched) -> None:
    """Scenario 3: Nova asked Cinder, which had no room; Nova's id is Cinder's global one."""
    cloud.error("cinder-scheduler", "no backend", 2, sent=1, logger="cinder.scheduler.manager")
    cloud.round()
    cloud.now += 3
    cloud.error("nova-compute", "the volume failed", 1)
    cloud.error("neutron-server", "another's", 9, logger="neutron.api")
    cloud.round(2)
    made = cloud.round(5)
    assert [(one.root, one.body["others"] and one.body["others"][0]["group"]) for one in made] == [
        (cloud.key("no backend"), cloud.key("the volume failed"))
    ]
    assert [one["program"] for one in made[0].body["joined"]] == ["cinder-scheduler", "nova-compute"]
    assert made[0].body["requests"] == [req(2), req(1)]
    (other,) = cloud.round(5)
    assert other.root == cloud.key("another's")


def test_the_callee_is_the_root_though_its_host_is_late(cloud: Watched) -> None:
    """Clocks differ: Cinder's record seems to be later than Nova's, which had asked it."""
    cloud.error("nova-compute", "the volume failed", 1, ago=2)
    cloud.error("cinder-scheduler", "no backend", 2, sent=1, ago=1, logger="cinder.scheduler.manager")
    cloud.read()
    key = cloud.key("no backend")
    cloud.store.connection.execute("UPDATE example SET host = 'h2' WHERE grp = ?", (key,))
    from naru.watch.alerts.incidents import incidents, recent

    examples = {one["key"]: recent(cloud.store.examples(one["key"])) for one in cloud.store.groups()}
    (found,) = incidents(examples, lambda example: True)
    assert found.root == key


def test_a_stale_context_is_neither_named_nor_joined(cloud: Watched) -> None:
    """Scenario 7: a bad token is told in the context of the request before, which was another user's."""
    cloud.error("nova-api", "a real error", 1, user="victim", project="victims")
    cloud.error("nova-api", '10.0.0.1 "GET /servers HTTP/1.1" status: 500 len: 1', 1, level="INFO", user="victim")
    cloud.error("nova-api", "refused what a thread said", 1, level="WARNING", user="victim")
    cloud.error("nova-api", "bad token", 1, level="WARNING", logger="keystonemiddleware.auth_token", user="victim")
    cloud.round()
    made = {one.body["what"]["text"]: one.body for one in cloud.round(10)}
    assert set(made) == {"a real error", "refused what a thread said", "bad token"}
    assert made["a real error"]["who"]["users"] == ["victim"]
    for text in ("refused what a thread said", "bad token"):
        assert made[text]["who"] == {"users": [], "projects": [], "instances": [], "trusted": False}
        assert made[text]["others"] == made[text]["requests"] == []


def test_callers_mistakes_are_told_when_they_escalate(tmp_path: Path) -> None:
    """Scenarios 8, 38 and 43."""
    cloud = Watched(tmp_path, matcher=clients("SchemaValidationError")).begun()
    cloud.error("keystone", "no name", 1, trace=BAD_REQUEST, logger="keystone.server")
    cloud.round()
    assert [one["class"] for one in cloud.store.groups()] == ["client"]
    assert cloud.round(20) == []
    for number in range(500):
        cloud.error("keystone", "no name", number, trace=BAD_REQUEST, logger="keystone.server")
    (alert,) = cloud.round(20)
    assert (alert.why, alert.body["how_often"]["five_minutes"]) == (ESCALATING, 501)
    for number in range(500):
        cloud.error("keystone", "no name", number, trace=BAD_REQUEST, logger="keystone.server")
    for _ in range(10):
        assert cloud.round(60) == []


def test_escalating(cloud: Watched) -> None:
    """A group that is known: told again when it escalates, once."""
    for hours in range(2 * 24, 0, -1):
        cloud.error("nova-compute", "at times", hours, ago=hours * HOUR)
    cloud.round()
    assert [one.why for one in cloud.round(10)] == [DIGEST]
    for number in range(25):
        cloud.error("nova-compute", "at times", number)
    assert [one.why for one in cloud.round(11)] == [ESCALATING]
    assert cloud.round(11) == []
    assert cloud.round(2 * HOUR) == []
    for number in range(25):
        cloud.error("nova-compute", "at times", number)
    assert [one.why for one in cloud.round(11)] == [ESCALATING]


def test_requests_are_counted(cloud: Watched) -> None:
    """Scenario 9: two records for each request."""
    for number in range(98):
        cloud.error("nova-api", "not implemented", number // 2, trace=FRAMES)
    cloud.round()
    (alert,) = cloud.round(10)
    assert alert.body["how_often"]["total"] == 98
    assert alert.body["how_often"]["requests"] == 49


def test_the_first_run_is_one_digest(tmp_path: Path) -> None:
    """Scenario 24: what a day left, and nothing of it once more."""
    cloud = Watched(tmp_path)
    for number in range(50):
        cloud.error("nova-api", f"error {'abcdefghij'[number % 10]}{'klmno'[number // 10]}", number, ago=DAY - number)
    (digest,) = cloud.round()
    assert (digest.why, digest.body["count"], len(digest.body["groups"])) == (DIGEST, 50, 20)
    assert cloud.round(20) == []
    cloud.error("nova-api", "something new", 77)
    cloud.round()
    assert [one.why for one in cloud.round(10)] == [NEW]


def test_a_backlog_is_one_digest(cloud: Watched) -> None:
    """What came while nobody watched."""
    for number, text in enumerate(("one", "two", "three")):
        cloud.error("nova-api", text, number, ago=HOUR)
    cloud.start(away=DAY)
    (digest,) = cloud.round(DAY)
    assert (digest.why, digest.body["count"], digest.body["because"]) == (DIGEST, 3, "a backlog")
    assert cloud.round(20) == []


def test_a_storm_is_one_digest_an_hour(cloud: Watched) -> None:
    """Scenario 25, the smaller part: more groups than are told one by one."""
    words = [f"{a}{b}{c}" for a in "abcdefghij" for b in "klmnopqrst" for c in "uvwxyz"]
    for number, word in enumerate(words[:300]):
        cloud.error("nova-api", f"failed {word}", number)
    cloud.round()
    (digest,) = cloud.round(10)
    assert (digest.why, digest.body["count"]) == (DIGEST, 300)
    for number, word in enumerate(words[300:]):
        cloud.error("nova-api", f"failed {word}", number)
    for _ in range(5):
        assert cloud.round(300) == []
    (digest,) = cloud.round(HOUR)
    assert digest.body["count"] == 300
    assert cloud.round(HOUR) == []


def test_the_budget_is_of_an_hour(cloud: Watched) -> None:
    told = []
    for number in range(30):
        cloud.error("nova-api", f"failed {'abcdefghij'[number % 10]}{'klmno'[number // 10]}", number)
        cloud.round()
        told += [one.why for one in cloud.round(10)]
    assert (told.count(NEW), told.count(DIGEST)) == (20, 1)
    told = [one for _ in range(10) for one in cloud.round(600)]
    assert [(one.why, one.body["count"]) for one in told] == [(DIGEST, 9)]


def test_muting_one_group(cloud: Watched) -> None:
    """Scenario 26: another one of the same service is told."""
    cloud.error("nova-api", "known", 1)
    cloud.round()
    phases.mark(cloud.store, cloud.key("known"), MUTED, now=cloud.now)
    cloud.error("nova-api", "known", 2)
    cloud.error("nova-api", "unknown", 3)
    cloud.round()
    assert [one.root for one in cloud.round(10)] == [cloud.key("unknown")]


def test_muted_up_to_a_rate(cloud: Watched) -> None:
    """Scenario 27."""
    cloud.error("nova-api", "some are normal", 1)
    cloud.round()
    assert len(cloud.round(10)) == 1
    key = cloud.key("some are normal")
    phases.mark(cloud.store, key, MUTED, per_hour=5, now=cloud.now)
    cloud.now += 60
    for number in range(5):
        cloud.error("nova-api", "some are normal", number)
    assert cloud.round(20) == []
    cloud.error("nova-api", "some are normal", 6)
    (alert,) = cloud.round(20)
    assert (alert.why, alert.root) == (OVER, key)
    assert phases.group_of(cloud.store, key)["state"] == "open"
    assert cloud.round(20) == []


def test_muted_for_a_time(cloud: Watched) -> None:
    """When that is over it counts again."""
    cloud.error("nova-api", "known", 1)
    cloud.round()
    cloud.round(10)
    key = cloud.key("known")
    phases.mark(cloud.store, key, MUTED, until=cloud.now + DAY, now=cloud.now)
    for hours in range(1, 48):
        cloud.error("nova-api", "known", hours, ago=-hours * HOUR)
    cloud.now += 2 * DAY
    for number in range(30):
        cloud.error("nova-api", "known", number)
    assert [one.why for one in cloud.round(10)] == [ESCALATING]


def test_no_secret_is_told(cloud: Watched) -> None:
    """Also not by a group that has no statement, whose text is what was printed."""
    cloud.error("nova-api", "refused gAAAAABcDEFGHIJKLMNOP with password=hunter2", 1)
    cloud.round()
    (alert,) = cloud.round(10)
    assert "gAAAAAB" not in str(alert.body) and "hunter2" not in str(alert.body)


def test_what_came_back(cloud: Watched) -> None:
    """Scenario 28, and what somebody had resolved."""
    cloud.error("nova-api", "rare", 1)
    cloud.round()
    assert len(cloud.round(10)) == 1
    cloud.now += 15 * DAY
    cloud.error("nova-api", "rare", 2)
    assert cloud.round() == []
    assert [one.why for one in cloud.round(10)] == [REGRESSED]
    phases.mark(cloud.store, cloud.key("rare"), RESOLVED, now=cloud.now)
    cloud.now += 1
    cloud.error("nova-api", "rare", 3)
    cloud.round()
    assert [one.why for one in cloud.round(10)] == [REGRESSED]
    assert cloud.round(60) == []


def test_a_caller_that_is_killed_tells_the_same(cloud: Watched) -> None:
    """What is due is known by the database alone."""
    cloud.error("nova-api", "an error", 1)
    cloud.round()
    cloud.start()
    (alert,) = cloud.round(10)
    cloud.start()
    assert cloud.round(60) == []
    assert [one.uid for one, _, _ in cloud.outbox.alerts(0)] == [alert.uid]


def test_the_last_change_is_named(cloud: Watched) -> None:
    cloud.store.add_change(cloud.now - 60, "nova deployed")
    cloud.error("nova-api", "an error", 1)
    cloud.round()
    (alert,) = cloud.round(10)
    assert alert.body["last_change"]["what"] == "nova deployed"


def test_nobody_is_told(tmp_path: Path) -> None:
    """Without sinks nothing is made; groups that were there before the first sink are one digest."""
    cloud = Watched(tmp_path, sinks=())
    cloud.error("nova-api", "an error", 1)
    assert cloud.round() == cloud.round(10) == []
    cloud.sinks = ("sink",)
    cloud.start()
    assert [one.why for one in cloud.round()] == [DIGEST]


def test_what_goes_on_under_another_name_is_not_told_anew(cloud: Watched) -> None:
    """A deploy gave its statement another text: what was told of the one group is told of the other."""
    cloud.error("nova-api", "old text", 1)
    cloud.round()
    assert len(cloud.round(10)) == 1
    (old,) = cloud.store.groups()
    with cloud.store.transaction():
        change = cloud.store.add_change(cloud.now, "nova deployed")
        row = change, old["module"], old["text"], old["module"], "new text", "nearest text"
        cloud.store.connection.execute("INSERT INTO carried VALUES (?, ?, ?, ?, ?, ?)", row)
    cloud.error("nova-api", "new text", 2)
    cloud.round()
    assert cloud.round(10) == []
    assert len(cloud.store.groups()) == 2

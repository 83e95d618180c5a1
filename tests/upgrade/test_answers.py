"""What users are asked before and after an upgrade, and which of the differences are wrong."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.cloud import transport
from naru.cloud.client import MAJORS, Cloud
from naru.errors import InputError
from naru.inventory.archive import Archive
from naru.inventory.kinds import BY_NAME
from naru.inventory.rows import Row
from naru.releases import release
from naru.releases.reads import reads
from naru.upgrade.compare import answers as of_users
from naru.upgrade.compare import tokens
from naru.upgrade.compare.answers import Answer, Asked, Of, Question, ask, ask_after, ask_before, judge, questions
from naru.upgrade.compare.tokens import Token
from naru.upgrade.finding import Span

from ..cloud.service import Service, clouds_yaml, serving

pytestmark = pytest.mark.unit

FAR = Span("pike", "2026.1")


def judged(
    was: tuple[int, bool], now: tuple[int, bool], path: str = "/servers", of: Of = "own", service: str = "compute"
) -> list[tuple[str, str]]:
    """The judgement and the change of one answer that was one thing, and is another."""
    before = Asked([Question(service, path, of)], [Answer(*was)], [])
    return [(one.judged, one.change) for one in judge("member", before, [Answer(*now)], FAR)]


@pytest.mark.parametrize(
    ("was", "now", "of", "said"),
    [
        ((200, False), (200, False), "own", []),
        ((200, True), (200, True), "administrators", []),
        # refused is refused, in whichever way
        ((403, False), (404, False), "another's", []),
        ((404, False), (404, False), "own", []),
        ((403, False), (200, False), "administrators", [("wrong", "was refused, is answered")]),
        ((404, False), (200, False), "another's", [("wrong", "was refused, is answered")]),
        ((404, False), (200, False), "own", [("new", "was not there, is answered")]),
        ((404, False), (200, True), "administrators", [("wrong", "was refused, is answered")]),
        ((200, False), (403, False), "own", [("wrong", "was answered, is refused")]),
        ((200, False), (401, False), "own", [("wrong", "was answered, is refused")]),
        ((200, False), (200, True), "administrators", [("wrong", "shows now what is not the user's")]),
        ((200, True), (200, False), "administrators", [("wrong", "no longer shows what is others'")]),
        ((200, False), (500, False), "own", [("wrong", "no answer now")]),
        ((403, False), (0, False), "own", [("wrong", "no answer now")]),
        # what nobody knew before is not taken for right
        ((503, False), (200, False), "own", [("not known", "no answer before")]),
        ((429, False), (429, False), "own", [("not known", "no answer before")]),
    ],
)
def test_who_was_refused_is_refused_still_and_who_was_answered_is_answered(
    was: tuple[int, bool], now: tuple[int, bool], of: Of, said: list[tuple[str, str]]
) -> None:
    assert judged(was, now, of=of) == said


def test_what_a_release_opened_is_its_own_as_long_as_it_shows_nothing_of_others() -> None:
    path: Any = ("/credentials", "administrators", "identity")
    said = [judged((403, False), (200, more), *path)[0] for more in (False, True)]
    assert said[0][0] == "another release's" and "since train" in said[0][1]
    assert said[1] == ("wrong", "was refused, is answered")


def test_the_worst_is_first_and_says_what_it_likely_comes_of() -> None:
    asked = [
        Question("compute", "/servers/detail", "own"),
        *(Question("compute", f"/list-{number}", "administrators") for number in range(7)),
    ]
    before = Asked(asked, [Answer(200, False), *[Answer(403, False)] * 7], ["backup"])
    found = judge("member", before, [Answer(403, False), *[Answer(200, True)] * 7], FAR)
    assert [(one.judged, one.kind, one.field, one.number) for one in found] == [
        ("wrong", "answers to member", "compute", 7),
        ("wrong", "answers to member", "compute", 1),
        ("not compared", "answers to member", "", 1),
    ]
    assert found[0].examples[0] == "GET /list-0: 403 -> 200, not only its own"
    assert "policy.json is read no more since 2026.1" in found[0].examples[-1] and len(found[0].examples) == 6
    assert "since 2023.1 its default policies ask for the role member" in found[1].examples[-1]
    assert found[2].examples == ("backup",)
    near = judge("member", before, [Answer(403, False), *[Answer(200, True)] * 7], Span("pike", "queens"))
    assert "policy.json" not in near[0].examples[-1] and near[1].examples == ("GET /servers/detail: 200 -> 403",)


def test_a_user_is_asked_for_what_is_his_and_for_what_is_anothers_but_not_everybodys(tmp_path: Path) -> None:
    def row(kind: str, **body: Any) -> Row:
        return Row.of(BY_NAME[kind], body)

    with Archive(tmp_path / "archive.db") as archive:
        number = archive.begin("seoul")
        archive.add(
            number,
            [
                *(row("project", id=id) for id in ("p", "q")),
                *(row("user", id=id) for id in ("u", "v")),
                *(row("server", id=f"server-{id}", tenant_id=id) for id in ("p", "q")),
                row("image", id="1", owner="q", visibility="public"),
                row("image", id="2", owner="q", visibility="private"),
                row("network", id="3", tenant_id="q", shared=True),
                row("network", id="4", tenant_id="q", **{"router:external": True}),
                row("subnet", id="5", tenant_id="q", network_id="4"),
                row("subnet", id="6", tenant_id="q", network_id="3"),
            ],
        )
        archive.end(number, [])
        found, missing = questions(archive, number, "p", "u")
    of = {(one.path, one.of) for one in found}
    assert {("/servers/server-p", "own"), ("/servers/server-q", "another's")} <= of
    assert {("/users/u", "own"), ("/users/v", "another's"), ("/projects/q", "another's")} <= of
    assert {("/images/2", "another's"), ("/os-hypervisors", "administrators")} <= of
    assert ("/subnets/6", "another's") in of
    assert not any(one.path.startswith(("/images/1", "/networks/3", "/networks/4", "/subnets/5")) for one in found)
    assert "network" in missing and "server" not in missing and "image" not in missing


def test_what_is_known_of_requests_is_of_this_world() -> None:
    kinds = {kind for one in reads().values() for kind in one.things}
    assert kinds <= BY_NAME.keys() and reads().keys() <= MAJORS.keys()
    paths = [path for one in reads().values() for path in (*one.own, *one.administrators)]
    assert all(path.startswith("/") and "{" not in path for path in paths)
    assert all("{id}" in path for one in reads().values() for paths in one.things.values() for path in paths)
    named = [*(one.new_defaults for one in reads().values()), *(o.since for r in reads().values() for o in r.opened)]
    assert set(named) <= set(release.names())


# -- against a service on loopback


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(transport, "PAUSE", 0.01)
    with serving() as server:
        yield server


@pytest.fixture
def cloud(service: Service, tmp_path: Path) -> Iterator[Cloud]:
    with Cloud("c", config_files=[clouds_yaml(tmp_path, service)]) as opened:
        yield opened


def answers(service: Service, path: str, status: int, body: Any) -> None:
    service.deeds.setdefault(("GET", path), []).append(lambda request: request.answer(status, body))


@pytest.mark.parametrize(
    ("of", "items", "more"),
    [
        ("own", [{"tenant_id": "p"}, {"name": "of nobody"}], False),
        ("own", [{"tenant_id": "p"}, {"tenant_id": "q"}], True),
        ("administrators", [{"tenant_id": "p"}], False),
        ("administrators", [{"name": "of nobody"}], True),
        ("administrators", [], False),
        ("another's", [{"tenant_id": "q"}], False),
    ],
)
def test_a_list_tells_whether_it_shows_more_than_what_is_the_users(
    service: Service, cloud: Cloud, of: Of, items: list[Any], more: bool
) -> None:
    answers(service, "/compute/v2.1/servers", 200, {"servers": items, "servers_links": []})
    assert ask(cloud, [Question("compute", "/servers", of)]) == [Answer(200, more)]


def test_subnets_of_external_networks_are_shown_to_all_by_the_releases_that_do_so(
    service: Service, cloud: Cloud
) -> None:
    service.further["network"] = "network"
    for path in ("/network", "/network/v2.0"):
        link = [{"rel": "self", "href": f"{service.url}/network/v2.0/"}]
        version = {"id": "v2.0", "status": "CURRENT", "links": link}
        for _ in range(2):
            answers(service, path, 200, {"versions": [version]})
            answers(service, f"{path}/", 200, {"versions": [version]})
    shown = [{"tenant_id": "q", "network_id": "public"}]
    own = [{"tenant_id": "p", "network_id": "n"}]
    others = [{"tenant_id": "q", "network_id": "n"}]
    for items in (own, [*own, *shown], [*own, *shown, *others]):
        answers(service, "/network/v2.0/subnets", 200, {"subnets": items})
    answers(service, "/network/v2.0/ports", 200, {"ports": shown})
    asked = [Question("network", "/subnets", "own")]
    said = [*ask(cloud, asked, ["public"]), *ask(cloud, asked, ["public"]), *ask(cloud, asked, ["public"])]
    assert said == [Answer(200, False), Answer(200, False, True), Answer(200, True, True)]
    # nobody is shown others' ports
    assert ask(cloud, [Question("network", "/ports", "own")], ["public"]) == [Answer(200, True)]
    before = Asked(asked, said[:1], [], ["public"])
    (opened,) = judge("u", before, said[1:2], FAR)
    assert (opened.judged, "since 2025.1" in opened.change) == ("another release's", True)
    assert [one.judged for one in judge("u", before, said[1:2], Span("pike", "2024.1"))] == ["wrong"]
    assert [one.judged for one in judge("u", before, said[2:], FAR)] == ["wrong"]


def test_each_answer_is_its_status_and_a_service_that_is_not_there_is_404(service: Service, cloud: Cloud) -> None:
    answers(service, "/compute/v2.1/os-services", 403, {"forbidden": {"message": "no"}})
    asked = [Question("compute", "/os-services", "administrators"), Question("network", "/ports", "own")]
    assert [one.status for one in ask(cloud, asked)] == [403, 404]
    assert {method for method, path in service.asked if not path.endswith("/auth/tokens")} == {"GET"}


def test_what_differs_is_asked_once_more_and_what_was_given_away_at_first_is_told(
    service: Service, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_users, "PAUSE", 0.01)
    others, own = [{"tenant_id": "q"}], [{"tenant_id": "p"}]
    for items in (own, others):  # the first request is answered as if there were no rules yet
        answers(service, "/compute/v2.1/flavors", 200, {"flavors": items})
    for items in (others, own):
        answers(service, "/compute/v2.1/images", 200, {"images": items})
    for items in (own, own):
        answers(service, "/compute/v2.1/servers", 200, {"servers": items})
    for status in (200, 403):
        answers(service, "/compute/v2.1/os-services", status, {})
    for items in (others, others):
        answers(service, "/compute/v2.1/os-keypairs", 200, {"keypairs": items})
    paths = ("/flavors", "/images", "/servers", "/os-services", "/os-keypairs")
    asked = [Question("compute", path, "own") for path in paths]
    was = [Answer(200, True), Answer(200, False), Answer(200, True), Answer(403, False), Answer(200, False)]
    before = Asked(asked, was, [])
    now, first = ask_after(cloud, before)
    assert now == [Answer(200, True), Answer(200, False), Answer(200, False), Answer(403, False), Answer(200, True)]
    assert sorted(first) == [0, 1, 2, 3, 4]
    found = {(one.judged, one.number, one.examples[0]) for one in judge("u", before, now, FAR, first)}
    assert found == {
        ("wrong", 1, "GET /servers: 200, not only its own -> 200"),
        ("wrong", 1, "GET /os-keypairs: 200 -> 200, not only its own"),
        ("passing", 2, "GET /images: 200 -> 200, not only its own -> 200"),
    }


def test_a_user_of_another_cloud_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    with Archive(tmp_path / "archive.db") as archive:
        number = archive.begin("seoul")
        archive.end(number, [])
        with pytest.raises(InputError, match="its project p is not in this cloud"):
            ask_before(cloud, archive, number)


def test_tokens_are_kept_until_they_were_accepted_and_by_nobody_else(
    service: Service, cloud: Cloud, tmp_path: Path
) -> None:
    seen, file = "/identity/v3/auth/tokens", tmp_path / tokens.FILE
    expires = {"token": {"expires_at": "2099-01-01T00:00:00.000000Z"}}
    answers(service, seen, 200, expires)
    issued = tokens.issued(cloud, cloud)
    assert issued == Token("token-1", 4070908800.0)
    tokens.keep(tmp_path, {"member": issued, "reader": Token("old", 1.0)})
    assert file.stat().st_mode & 0o777 == 0o600
    answers(service, seen, 404, {"error": {"message": "no such token"}})
    found = tokens.compare(tmp_path, cloud)
    assert [(one.judged, one.kind, one.change) for one in found] == [
        ("wrong", "answers to member", "the token of before is refused"),
        ("not compared", "answers to reader", "the token of before has expired"),
    ]
    assert "token-1" not in str(found)
    # it is asked for again, until Keystone accepts it
    assert list(json.loads(file.read_text())) == ["member"]
    answers(service, seen, 200, expires)
    assert tokens.compare(tmp_path, cloud) == [] and not file.exists()
    assert tokens.compare(tmp_path, cloud) == []

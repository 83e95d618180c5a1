"""`naru move secrets` and what the plan says of secrets, against a Barbican that answers as its source has it."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from naru.cloud.client import Cloud
from naru.errors import InputError
from naru.inventory.archive import Archive
from naru.inventory.elsewhere import read_elsewhere
from naru.inventory.kinds import BY_NAME as KINDS
from naru.inventory.rows import Row as Thing
from naru.messages import say
from naru.move import work
from naru.move.decisions import Decision
from naru.move.draft import Draft, Options
from naru.move.facts import Facts, Side
from naru.move.kinds import BY_NAME, further, secret
from naru.move.outcome import Item
from naru.move.pages import tasks as pages
from naru.move.secrets import record, run, told
from naru.move.secrets.people import Given
from naru.move.secrets.run import Row, Wish
from naru.plan.model import Plan
from naru.report import markdown
from naru.report.blocks import Page

from .fake_barbican import Barbican, two
from .outcomes import company

pytestmark = pytest.mark.unit

OWN = Given("sora-old", "sora-new")
PAYLOAD = b"the-very-secret-payload-\xc3\xa9\n"
ITSELF = {"auth_url": "http://x", "region": "r", "user_id": "admin", "versions": {}, "extensions": {}}


class Quiet:
    def say(self, line: str) -> None: ...

    def warn(self, line: str) -> None: ...


class Scene:
    """Both clouds, and the work directory of a move of the project `p` (there: `p2`) with sora and jun."""

    def __init__(self, old: Barbican, new: Barbican, directory: Path) -> None:
        self.old, self.new, self.directory = old, new, directory
        self.draft: Draft

    def plan(self) -> list[tuple[str, str]]:
        """Plans, reading what the administrator may see; the findings."""
        self.directory.mkdir(exist_ok=True)
        users = [{"id": name, "name": name, "domain_id": "default"} for name in ("sora", "jun", "octavia")]
        image = {"id": "i", "name": "signed", "owner": "p", "status": "active"}
        image |= {"img_signature_certificate_uuid": next(iter(self.old.secrets), "none")}
        roles = [{"id": "creator", "name": "creator"}]
        given = {"user": {"id": "octavia"}, "role": {"id": "creator"}, "scope": {"project": {"id": "service"}}}
        with Archive(self.directory / "archive.db") as archive:
            for cloud, project in (("old", "p"), ("new", "p2")):
                number = archive.begin(cloud)
                bodies: dict[str, list[dict[str, Any]]] = {
                    "cloud": [{**ITSELF, "name": cloud, "catalogue": [{"type": "key-manager", "name": "barbican"}]}],
                    "domain": [{"id": "default", "name": "Default"}],
                    "project": [
                        {"id": project, "name": "shop", "domain_id": "default"},
                        {"id": "service", "name": "service", "domain_id": "default"},
                    ],
                    "user": [
                        {**one, "id": f"{one['id']}2" if one["id"] == "octavia" and cloud == "new" else one["id"]}
                        for one in users
                    ],
                    "role": roles,
                    "role assignment": [{**given, "user": {"id": "octavia" if cloud == "old" else "octavia2"}}],
                    "image": [image] if cloud == "old" else [],
                }
                for kind, rows in bodies.items():
                    archive.add(number, [Thing.of(KINDS[kind], body) for body in rows])
                readings = []
                if cloud == "old":
                    with Cloud("old") as asked:
                        readings = read_elsewhere(asked, lambda rows, to=number: archive.add(to, rows), {"p"})
                archive.end(number, readings)
            sides = [Side(archive, 1, "old"), Side(archive, 2, "new")]
            settings = {"from": "old", "to": "new", "projects": ["p"], "key": "", "map": ""}
            draft = Draft(
                Facts(*sides, ["shop"]),
                {},
                Plan(title="", settings=settings),
                Options(key="/key", directory=str(self.directory)),
                BY_NAME,
            )
            for kind, old, new in (("project", "p", "p2"), ("user", "sora", "sora"), ("user", "jun", "jun")):
                draft.decisions[kind, old] = Decision(
                    kind, old, "shop" if kind == "project" else old, "", "match", "", new=new
                )
            draft.decisions["image", "i"] = Decision("image", "i", "signed", "p", "create", "", new="i2")
            secret.secrets(draft)
            self.draft = draft
            work.create(self.directory, draft, {"old": 1, "new": 2}, "")
        return [(say(one.summary), say(one.hint)) for one in draft.plan.findings]

    def run(self, name: str = "sora", given: Given = OWN, **wish: Any) -> tuple[list[Row], int]:
        return run.run(work.Work(self.directory), name, given, Wish(["p"], **wish), Quiet())  # type: ignore[arg-type]

    def recorded(self) -> dict[str, record.Moved]:
        with work.Work(self.directory).journal() as journal:
            return record.recorded(journal)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with two(tmp_path) as (old, new, file):
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", file)
        for name in ("NARU_OLD_PASSWORD", "NARU_NEW_PASSWORD"):
            monkeypatch.delenv(name, raising=False)
        new.images["i2"] = {"id": "i2"}
        yield Scene(old, new, tmp_path / "work")


def fill(old: Barbican) -> dict[str, str]:
    """Secrets of every kind; their ids by what they are."""
    about = {"algorithm": "aes", "bit_length": 256, "mode": "cbc", "secret_type": "symmetric"}
    made = {
        "certificate": old.store(
            "p",
            "sora",
            b"-----BEGIN CERTIFICATE-----\n",
            "application/octet-stream",
            name="crt",
            secret_type="certificate",
        ),
        "text": old.store(
            "p", "sora", PAYLOAD, "text/plain", name="text", expiration="2099-01-02T03:04:05", secret_type="passphrase"
        ),
        "key": old.store("p", "sora", bytes(range(256)), name="key", **about),
        "twin 1": old.store("p", "sora", b"one", name="twin"),
        "twin 2": old.store("p", "sora", b"two", name="twin"),
        "pkcs8": old.store("p", "sora", b"\x30\x00pk", "application/pkcs8", secret_type="private"),
        "nothing": old.store("p", "sora", name="empty"),
        "unnamed": old.store("p", "sora", b"u"),
        "jun's": old.store("p", "jun", b"of jun", name="jun"),
        "private": old.store("p", "jun", b"private to jun", name="mine"),
    }
    old.acls[made["private"]] = {"read": {"project-access": False, "users": []}}
    old.acls[made["key"]] = {"read": {"project-access": False, "users": ["jun", "octavia", "gone"]}}
    old.metadata[made["text"]] = {"place": "rack 3"}
    return made


def by_name(cloud: Barbican, project: str = "p2") -> dict[tuple[Any, bytes], str]:
    return {
        (body["name"], cloud.payloads.get(identity, b"")): identity
        for identity, body in cloud.secrets.items()
        if body["project"] == project
    }


def test_everything_of_a_secret_goes_with_it(scene: Scene) -> None:
    made = fill(scene.old)
    box = scene.old.contain(
        "p",
        "sora",
        {"certificate": made["certificate"], "private_key": made["pkcs8"]},
        name="tls",
        type="certificate",
        consumers=[{"name": "Octavia", "URL": "http://x"}],
    )
    both = scene.old.contain("p", "sora", {"a": made["text"], "b": made["jun's"]}, name="both")
    scene.plan()
    scene.new.images["i2"]["img_signature_certificate_uuid"] = made["certificate"]

    rows, code = scene.run()

    state = {(row.kind, row.old.rpartition("/")[2]): row.state for row in rows}
    assert state[("secret", made["jun's"])] == state[("secret", made["private"])] == "another's"
    assert state[("secret container", both)] == "waiting" and state[("secret container", box)] == "moved" and code == 1
    mine = {one for name, one in made.items() if name not in ("jun's", "private")}
    assert {one for (kind, one), what in state.items() if kind == "secret" and what == "moved"} == mine
    there = scene.recorded()
    for identity in mine:
        old, new = scene.old.secrets[identity], scene.new.secrets[there[identity].new_id]
        changed = {"project", "creator_id"}
        assert {k: v for k, v in old.items() if k not in changed} == {k: v for k, v in new.items() if k not in changed}
        assert new["project"] == "p2" and new["creator_id"] == "sora"
        assert scene.old.payloads.get(identity) == scene.new.payloads.get(there[identity].new_id)
    assert scene.new.acls[there[made["key"]].new_id] == {
        "read": {"project-access": False, "users": ["jun", "octavia2"]}
    }
    assert scene.new.metadata[there[made["text"]].new_id] == {"place": "rack 3"}
    (moved,) = scene.new.containers.values()
    assert (moved["name"], moved["type"]) == ("tls", "certificate")
    assert {(one["name"], one["secret_ref"]) for one in moved["secret_refs"]} == {
        ("certificate", there[made["certificate"]].new),
        ("private_key", there[made["pkcs8"]].new),
    }
    (key,) = [row for row in rows if row.old.endswith(made["key"])]
    assert key.why == "users that are not on the new cloud are not in its ACL: gone"
    # what names a secret by its id gets the new one
    assert scene.new.images["i2"]["img_signature_certificate_uuid"] == there[made["certificate"]].new_id
    assert [(row.kind, row.state) for row in rows if row.kind == "image"] == [("image", "set again")]


def test_the_next_user_goes_on_and_a_second_time_makes_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    made = fill(scene.old)
    scene.old.contain("p", "sora", {"a": made["text"], "b": made["jun's"]}, name="both")
    scene.plan()
    scene.run()
    monkeypatch.setenv("NARU_OLD_PASSWORD", "jun-password")
    monkeypatch.setenv("NARU_NEW_PASSWORD", "jun-password")
    rows, code = scene.run("jun", Given())
    assert code == 0 and {row.state for row in rows if row.creator == "jun"} == {"moved"}
    rows, code = scene.run()
    assert code == 0 and {row.state for row in rows} == {"moved"}
    assert len(scene.new.containers) == 1 and len(scene.new.secrets) == len(made)
    written = [one for one in scene.new.server.asked if one[0] != "GET"]
    assert scene.run()[1] == 0
    assert [one for one in scene.new.server.asked if one[0] != "GET" and "auth" not in one[1]] == [
        one for one in written if "auth" not in one[1]
    ]


def test_others_secrets_are_moved_when_that_is_asked_for_and_may_be_read(scene: Scene) -> None:
    made = fill(scene.old)
    scene.plan()
    rows, _ = scene.run(others=True)
    found = {row.old.rpartition("/")[2]: row for row in rows}
    assert found[made["jun's"]].state == "moved" and found[made["jun's"]].why == "its creator is sora there"
    assert found[made["private"]].state == "another's" and found[made["private"]].why == "sora may not read it"
    assert b"private to jun" not in scene.new.payloads.values()


def test_nothing_is_written_when_it_only_lists(scene: Scene) -> None:
    made = fill(scene.old)
    scene.plan()
    rows, code = scene.run(given=Given("sora-old"), nothing=True)
    assert code == 0 and not scene.new.secrets
    assert not [path for method, path in scene.new.server.asked if method != "GET" and "auth" not in path]
    assert not [path for _, path in scene.old.server.asked if path.endswith("/payload")]
    found = {row.old.rpartition("/")[2]: row.state for row in rows}
    assert found[made["text"]] == "can be moved" and found[made["private"]] == "another's"


class Killed(BaseException):
    """The process ends here."""


@contextmanager
def killed_at(count: int, *, before: bool) -> Iterator[Callable[[], bool]]:
    """The process ends when the request with this number that writes is answered, or before it is sent."""
    seen = [0]
    usual = Cloud.request

    def request(self: Cloud, service: str, method: str, path: str, **options: Any) -> Any:
        writes = service == "key-manager" and method != "GET"
        seen[0] += writes
        if writes and before and seen[0] >= count:
            raise Killed
        answer = usual(self, service, method, path, **options)
        if writes and seen[0] >= count:
            raise Killed
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cloud, "request", request)
        patch.setattr(run, "AT_ONCE", 1)
        yield lambda: seen[0] >= count


@pytest.mark.parametrize("before", [True, False])
def test_killed_at_any_request_it_goes_on_and_makes_nothing_twice(scene: Scene, before: bool) -> None:
    made = {
        "twin 1": scene.old.store("p", "sora", PAYLOAD, "text/plain", name="twin"),
        "twin 2": scene.old.store("p", "sora", b"two", "text/plain", name="twin"),
        "pkcs8": scene.old.store("p", "sora", b"\x30pk", "application/pkcs8"),
    }
    scene.old.acls[made["twin 2"]] = {"read": {"project-access": False, "users": ["jun"]}}
    scene.old.contain("p", "sora", made, name="all")
    scene.plan()
    for count in range(1, 40):
        with killed_at(count, before=before) as reached:
            with suppress(Killed):
                scene.run()
            if not reached():
                break
        rows, code = scene.run()
        assert code == 0 and {row.state for row in rows} == {"moved"}, (count, rows)
        held = sorted(scene.new.payloads.get(one, b"") for one in scene.new.secrets)
        assert held == sorted(scene.old.payloads.get(one, b"") for one in scene.old.secrets), count
        assert len(scene.new.containers) == 1
        there = scene.recorded()
        assert {one: scene.new.payloads.get(there[one].new_id) for one in made.values()} == {
            one: scene.old.payloads.get(one) for one in made.values()
        }
        assert scene.new.acls == {there[made["twin 2"]].new_id: {"read": {"project-access": False, "users": ["jun"]}}}
        rows, code = scene.run(undo=True, given=OWN)
        assert code == 0 and not scene.new.secrets and not scene.new.containers and not scene.recorded()
        scene.new.acls.clear()
        scene.new.payloads.clear()
    else:
        raise AssertionError("it never came to its end")
    assert count == 8
    for file in scene.directory.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert PAYLOAD.strip() not in content and b"sora-password" not in content, file


def test_what_somebody_has_copied_by_hand_is_found_and_stays(scene: Scene) -> None:
    made = scene.old.store("p", "sora", b"same", "text/plain", name="db")
    by_hand = scene.new.store("p2", "jun", b"same", "text/plain", name="db")
    scene.new.store("p2", "jun", b"another", "text/plain", name="db")
    scene.plan()
    (row, *_), code = scene.run()
    assert (row.state, row.new, row.why) == ("moved", scene.new.reference("secrets", by_hand), "was there already")
    assert code == 0 and len(scene.new.secrets) == 2 and scene.recorded()[made].made is False
    (row,), _ = scene.run(undo=True)
    assert row.why == "it was there before, and stays" and len(scene.new.secrets) == 2


def test_one_that_expired_since_it_was_planned_is_told(scene: Scene) -> None:
    scene.old.members |= {("admin", "p")}
    made = scene.old.store("p", "sora", b"x", name="old", expiration="2099-01-01T00:00:00")
    box = scene.old.contain("p", "sora", {"a": made}, name="box")
    said = scene.plan()
    assert ("secret old expires on 2099-01-01T00:00:00: move it before, for after that nobody can read it", "") in said
    scene.old.secrets[made]["expiration"] = "2020-01-01T00:00:00"
    rows, code = scene.run()
    found = {row.old.rpartition("/")[2]: (row.state, row.why) for row in rows}
    assert found[made] == ("gone", "it expired on 2099-01-01T00:00:00: nobody can read it")
    assert found[box][0] == "waiting" and code == 1


def test_what_is_refused_is_told_without_what_it_holds(scene: Scene) -> None:
    scene.old.store("p", "sora", b"top-secret-bytes", "text/plain", name="big")
    scene.plan()
    usual = scene.new.server.usual

    def refuse(request: Any) -> None:
        if request.command == "PUT":
            request.answer(413, {"title": "too large: top-secret-bytes"})
        else:
            usual(request)

    scene.new.server.usual = refuse
    (row, *_), code = scene.run()
    assert code == 1 and row.state == "failed" and "413" in row.why and "top-secret" not in row.why


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("mina", OWN, "--as 'mina': no user of this move"),
        ("sora", Given(), "no credentials of sora on old"),
        ("jun", Given("sora-old", "sora-new"), "--old-cloud sora-old: that is the user sora, not jun (jun)"),
        ("sora", Given("sora-old"), "no credentials of sora on new"),
    ],
)
def test_credentials_that_cannot_be_used_are_one_clear_error(scene: Scene, name: str, given: Given, said: str) -> None:
    scene.old.store("p", "sora", b"x")
    scene.plan()
    with pytest.raises(InputError) as error:
        scene.run(name, given)
    assert error.value.summary == said and error.value.hint


def test_a_wrong_password_is_told_and_not_taken_for_no_secrets(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.old.store("p", "sora", b"x")
    scene.plan()
    monkeypatch.setenv("NARU_OLD_PASSWORD", "a-wrong-one")
    with pytest.raises(InputError, match="old refuses the password of sora") as error:
        scene.run(given=Given(), nothing=True)
    assert "a-wrong-one" not in str(error.value)


# -- the plan


def test_the_plan_tells_who_could_move_each(scene: Scene) -> None:
    made = fill(scene.old)
    scene.old.members |= {("admin", "p")}
    scene.plan()
    why = {decision.id: say(decision.why) for decision in scene.draft.decisions.values() if decision.kind == "secret"}
    by_project = "whoever has a role of Barbican's (creator, admin, observer) in the project"
    assert why[made["text"]] == f"only who may read it can move it: its creator sora; {by_project}"
    assert why[made["key"]] == (
        "only who may read it can move it: its creator sora; by its ACL jun, octavia, gone; "
        "it is private: else only who is an administrator in the project"
    )
    (hint,) = [say(one.hint) for one in scene.draft.plan.findings if one.about == made["private"]]
    assert hint == f"naru move secrets {scene.directory} --as jun"
    assert not [path for _, path in scene.old.server.asked if path.endswith("/payload")]


def test_a_project_that_the_administrator_is_not_in_is_told_with_the_command(scene: Scene) -> None:
    fill(scene.old)
    ((summary, hint),) = scene.plan()
    assert summary.startswith(
        "shop: whether it has secrets in Barbican cannot be seen: the administrator of old has no"
    )
    assert "openstack --os-cloud old role add --project p --user admin creator" in hint
    assert f"naru move secrets {scene.directory} --as USER --nothing" in hint


def test_a_new_cloud_without_barbican_is_told(scene: Scene) -> None:
    scene.old.members |= {("admin", "p")}
    scene.old.store("p", "sora", b"x", name="x")
    del scene.new.server.further["key-manager"]
    scene.plan()
    draft = scene.draft
    draft.facts.new.itself["catalogue"].clear()  # type: ignore[attr-defined]
    draft.decisions = {key: one for key, one in draft.decisions.items() if key[0] != "secret"}
    draft.plan.findings.clear()
    with Archive(scene.directory / "archive.db") as archive:
        draft.facts.old._archive = draft.facts.new._archive = archive
        secret.secrets(draft)
    said = [say(one.summary) for one in draft.plan.findings]
    assert said[-1] == "new has no key manager (Barbican), and 1 secrets and containers of shop are in that of old"


def test_the_report_has_a_task_with_commands_until_it_is_moved(scene: Scene) -> None:
    scene.old.members |= {("admin", "p")}
    made = scene.old.store("p", "sora", b"x", "text/plain", name="db 1", secret_type="passphrase")
    scene.old.acls[made] = {"read": {"project-access": False, "users": ["jun"]}}
    box = scene.old.contain("p", "sora", {"certificate": made}, name="tls", type="certificate")
    scene.plan()
    move = work.Work(scene.directory)
    item = Item("secret", made, "", "db 1", "p", "leave", "why", state="left", reason="why")

    def now() -> tuple[str, tuple[Item, ...]]:
        with move.archive() as archive:
            found = list(told.tasks(move, Side(archive, 1, "old"), move.made(), scene.recorded()))
        text = markdown.render(Page("en", tuple(pages.blocks(company(), found)))) if found else ""
        return text, told.items([item], scene.recorded())

    text, (same,) = now()
    assert same == item
    text = re.sub(r" \\\n\s+", " ", text)
    assert f"secret get --payload_content_type text/plain --file secret-{made}" in text
    assert "acl submit --user jun --no-project-access --operation-type read REFERENCE" in text
    assert "secret container create --name tls --type certificate --secret certificate=CERTIFICATE" in text
    scene.run()
    text, (moved,) = now()
    assert text == "" and (moved.decision, moved.state) == ("create", "right")
    assert moved.new_id == scene.recorded()[made].new_id and box in scene.recorded()
    assert say(moved.why) == "moved as sora, by naru move secrets"
    json.dumps([say(moved.why, "ko")])


def test_each_service_that_is_not_moved_is_told_once(scene: Scene) -> None:
    scene.plan()
    draft = scene.draft
    draft.facts.old.itself["catalogue"].extend(  # type: ignore[attr-defined]
        [{"type": kind, "name": ""} for kind in ("object-store", "s3", "dns", "load-balancer", "compute", "odd")]
    )
    draft.plan.findings.clear()
    with Archive(scene.directory / "archive.db") as archive:
        draft.facts.old._archive = draft.facts.new._archive = archive
        further.services(draft)
    told = {one.about: say(one.hint) for one in draft.plan.findings}
    assert list(told) == ["service object-store", "service dns", "service odd"]
    assert "naru object copy" in told["service object-store"]

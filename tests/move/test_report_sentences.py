"""What the planner says in English is in every other language of the report, and names stay what they are."""

import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from naru.inventory.kinds import BY_NAME
from naru.move.kinds.server import STATES
from naru.move.outcome import Difference, Item
from naru.move.report import sentences, texts, write
from naru.move.report.sentences import PLACE, Thing, patterns, say
from naru.plan.model import Finding
from naru.text import duration
from tests.move import outcomes, planner_texts
from tests.move.outcomes import SHOP, uuid
from tests.move.pages import Html

pytestmark = pytest.mark.unit
KOREAN = texts.of("ko")
OTHERS = tuple(language for language in texts.languages() if language != "en")


def _skeleton(pattern: str) -> str:
    return PLACE.sub(planner_texts.HOLE, pattern)


# -- that it is whole


@pytest.mark.parametrize("language", OTHERS)
def test_all_that_the_planner_says_is_in_the_language(language: str) -> None:
    known = set(map(_skeleton, patterns(language)))
    missing = [
        f"{said.where}: {said.text}"
        for said in planner_texts.said()
        if said.text not in known and not _is_read(language, said.text.replace(planner_texts.HOLE, "x"))
    ]
    assert not missing, "\n".join(["not in naru/move/report/sentences/:", *missing])


def _is_read(language: str, text: str) -> bool:
    return say(texts.of(language), text) != text


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_is_kept_that_the_planner_does_not_say(language: str) -> None:
    said = {said.text for said in planner_texts.said()}
    assert not [pattern for pattern in patterns(language) if _skeleton(pattern) not in said]


def test_the_planner_is_read_whole() -> None:
    said = {text.text: text.where for text in planner_texts.said()}
    assert said["it is {}, {}"].startswith("naru/move/kinds/server.py:")
    for text in (
        "{} is not moved: {}",  # of Draft.leave
        "it is paused: its memory stays behind, and it arrives switched off",  # of a table
        "is the backend's",  # of a table of tables
        "it is not known to this version of Naru",  # of a generator of pairs
        "same name and size",  # of a function that returns pairs
        "same name, but other {}",  # added to
        "not there; there is none on {}",  # of a function within a text
        "group {} has role {} on the domain {}",  # with a name that is one of two
        "volume groups are not moved",  # with a name of a loop
        "Servers keep the key in their disk; the user can add a newer one.",  # of a constant
        "its port {} is not moved",  # put into a list of problems
    ):
        assert text in said


def test_text_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "naru" / "move"
    package.mkdir(parents=True)
    (package / "new.py").write_text("def rule(draft, row):\n    draft.leave(row, spell(row))\n")
    monkeypatch.setattr(planner_texts, "HERE", package)
    with pytest.raises(ValueError, match=r"naru/move/new.py:2: spell\(row\) cannot be read"):
        list(planner_texts.said())


@pytest.mark.parametrize("language", OTHERS)
def test_places_are_the_same(language: str) -> None:
    for pattern, said in patterns(language).items():
        places = [found[1] for found in PLACE.finditer(pattern)]
        assert len(set(places)) == len(places), pattern
        assert sorted(re.findall(r"\{(\w+)\}", said)) == sorted(places), pattern
        assert said == said.strip() and "\n" not in said, pattern
        assert "{thing}" not in pattern or pattern.startswith("{thing}"), pattern


def test_korean_is_korean() -> None:
    for pattern, said in patterns("ko").items():
        assert re.search("[가-힣]", PLACE.sub("", said)) or not re.search("[a-z]", PLACE.sub("", pattern)), pattern
        assert not re.search(r"\}(은|는|이|가|을|를|과|와|으로|로)(\s|,|\.|$)", said), pattern


# -- values

FIXED = {
    "kind": ("security group", KOREAN.label("kinds", "security group")),
    "counts": ("2 servers, 1 floating IP", "서버 2개, 유동 IP 1개"),
    "duration": ("12 min 05 s", "12분 5초"),
    "sentence": ("same name and CIDR", "이름과 CIDR이 같습니다"),
}


def _filled(draw: st.DrawFn, pattern: str, values: dict[str, st.SearchStrategy[str]]) -> tuple[str, str, Thing]:
    """The English text, the Korean one, and the thing that it is about."""
    english, korean, thing = pattern, patterns("ko")[pattern], ("", "")
    given: dict[str, tuple[str, str]] = {}
    for place in PLACE.finditer(pattern):
        if place[1] == "thing":
            thing = draw(st.sampled_from(sorted(BY_NAME))), draw(values["line"])
            given["thing"] = f"{thing[0]} {thing[1]}", f"{KOREAN.label('kinds', thing[0])} {thing[1]}"
        elif place[2] in FIXED:
            given[place[1]] = FIXED[place[2]]
        else:
            given[place[1]] = (draw(values[place[2] or "line"]),) * 2
    english = PLACE.sub(lambda place: given[place[1]][0], pattern)
    korean = PLACE.sub(lambda place: given[place[1]][1], korean)
    return english, korean, thing


PIECES = [piece for pattern in patterns("ko") for piece in PLACE.split(pattern)[::3] if piece]
# names that are pieces of what the planner says, and names of any characters
ANY = st.text() | st.lists(st.sampled_from([*PIECES, "{name}", "{thing}", " ", "\\1", "x"]), max_size=4).map("".join)
NAMES = {
    "line": ANY.map(lambda text: text.replace("\n", "")),
    "word": ANY.map(lambda text: "".join(text.split()) or "x"),
}
# as people call things
USUAL = {
    "line": st.from_regex(r"[a-z가-힣]{1,9}([-_.][a-z0-9]{1,9}){0,2}( [0-9]{1,3})?", fullmatch=True),
    "word": st.from_regex(r"[0-9a-f]{8}-[0-9a-f]{12}|10\.0\.0\.[0-9]{1,2}(/24)?", fullmatch=True),
}


@pytest.mark.parametrize("pattern", [pattern for pattern in patterns("ko") if PLACE.search(pattern)])
@settings(max_examples=10)
@given(st.data())
def test_usual_names(pattern: str, data: st.DataObject) -> None:
    english, korean, thing = data.draw(st.composite(_filled)(pattern, USUAL))
    assert say(KOREAN, english, (thing,)) == korean


@settings(max_examples=300)
@given(st.sampled_from(sorted(patterns("ko"))), st.data())
def test_any_name_is_kept_as_it_is(pattern: str, data: st.DataObject) -> None:
    english, korean, thing = data.draw(st.composite(_filled)(pattern, NAMES))
    assert say(KOREAN, english, (thing,)) in (korean, english)


@settings(max_examples=20)
@given(ANY)
@example("same name")
@example("")
def test_english_is_what_it_was(text: str) -> None:
    assert say(texts.of("en"), text) == text


@settings(max_examples=100)
@given(st.integers(0, 10**6) | st.floats(0, 10**6))
def test_every_duration(seconds: float) -> None:
    assert say(KOREAN, f"web: {duration(seconds)}").endswith(("초", "분"))


@pytest.mark.parametrize("told", sorted({told for movable, _, told in STATES.values() if movable and told}))
def test_states_of_servers(told: str) -> None:
    assert say(KOREAN, f"server web: {told}") == f"서버 web: {say(KOREAN, told)}"


# -- what is read


def test_several_at_once() -> None:
    problems = "its flavor is not on the new cloud; its volume v1 is not moved; its volume v2 is not moved"
    assert say(KOREAN, problems) == (
        "Flavor가 새 클라우드에 없습니다; 볼륨을 이전하지 않습니다(ID v1); 볼륨을 이전하지 않습니다(ID v2)"
    )
    assert say(KOREAN, "web: 45 s\ndb; 1: 3 h 05 min") == "web: 45초\ndb; 1: 3시간 5분"
    one_unknown = "its flavor is not on the new cloud; it is cursed by witches"
    assert say(KOREAN, one_unknown) == one_unknown


def test_more_than_one_way_to_read() -> None:
    two = "server group x: its MAC address is in use on new"
    assert say(KOREAN, two) == two
    assert say(KOREAN, two, (("server", "group x"),)).startswith("서버 group x: ")
    assert say(KOREAN, two, (("server group", "x"),)).startswith("서버 그룹 x: ")
    name = "not there; old has one has two"  # a cloud `old` and a network `one has two`, or the other way about
    assert say(KOREAN, name) == name


def test_report_is_korean(tmp_path: Path) -> None:
    name = "<b>a|b</b> is not moved: same name"
    item = Item(
        "volume", uuid(50), "", name, SHOP, "leave", "it is encrypted with a key that only its project may read"
    )
    rule = Difference("mtu", 1400, None, "new & old has no net-mtu-writable")
    network = outcomes.item("network", 51, "inner", SHOP, rule)
    findings = (
        Finding(
            "warning",
            f"volume {name} is not moved: {item.why}",
            hint="Its user copies it inside a server to a new encrypted volume; the key is theirs alone.",
            about=item.old_id,
        ),
        Finding("error", "project shop: the moon is full", about=SHOP),
        Finding("error", "network inner: its MAC address is in use on new", "by port p (no device)", about=uuid(51)),
    )
    company = outcomes.company()
    outcome = dataclasses.replace(company, items=(*company.items, item, network), findings=findings)
    write(outcome, tmp_path / "report")
    for page in ("shop", "overview"):
        text = Html((tmp_path / "report" / f"{page}.ko.html").read_text()).text
        why = "해당 프로젝트만 읽을 수 있는 키로 암호화되어 있습니다"
        for said in (
            f"볼륨 {name}: 이전하지 않습니다. 이유: {why}",
            "키는 사용자만 가지고 있으므로",
            "네트워크 inner: new 클라우드에서 이미 사용 중인 MAC 주소입니다",
            "사용하는 포트: p (연결된 장치 없음)",
            "project shop: the moon is full",
        ):
            assert said in text
        english = Html((tmp_path / "report" / f"{page}.en.html").read_text()).text
        assert item.why in english and findings[2].detail in english
    page = (tmp_path / "report" / "shop.ko.md").read_text()
    assert "new \\& old 클라우드에 확장 기능이 없습니다(net-mtu-writable)" in page
    assert "\\<b\\>a\\|b\\</b\\> is not moved: same name: 이전하지 않습니다." in page
    assert item.why in (tmp_path / "report" / "shop.map.csv").read_text()  # for programs


def test_texts_of_many_rules_are_read_once() -> None:
    sentences._read.cache_clear()
    for _ in range(10_000):
        say(KOREAN, "it is not known to this version of Naru")
    assert sentences._read.cache_info().misses == 1

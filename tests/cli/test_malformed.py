"""Malformed input of every kind: each is one clear error that names the file, the field and the fix, and leaves
everything as it was."""

import contextlib
import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from naru.cli.main import main
from naru.cloud import transport
from naru.lab.lab import Lab
from naru.move.facts import Facts
from naru.releases import install
from tests.move.test_mapping import facts as small_facts

from . import moves

pytestmark = pytest.mark.unit
Spoil = Callable[[Path], object]
PLAN = "move plan --from old --to new --project hanok --work w --key key"
MAP = f"{PLAN} --map map.yaml"
STORAGE = f"{PLAN} --storage old=b.yaml --storage new=backends.yaml"
CUTOVER = "move cutover work"


class Case(NamedTuple):
    """What is spoiled, the command, and the words that its one message has."""

    words: str
    says: tuple[str, ...]
    spoil: Spoil | None = None
    code: int = 2


def put(file: str, content: str | bytes | dict[str, Any]) -> Spoil:
    """Writes the content over the file."""
    data = json.dumps(content) if isinstance(content, dict) else content
    return lambda at: (at / file).write_bytes(data if isinstance(data, bytes) else data.encode())


def gone(file: str) -> Spoil:
    return lambda at: (at / file).unlink()


def half(file: str) -> Spoil:
    """The first half of it, as after a full disk."""
    return lambda at: (at / file).write_bytes((at / file).read_bytes()[: (at / file).stat().st_size // 2])


def instead(file: str) -> Spoil:
    """A directory in place of a file: nobody can read that, not even root."""

    def spoil(at: Path) -> None:
        (at / file).unlink(missing_ok=True)
        (at / file).mkdir()

    return spoil


def journal(statement: str) -> Spoil:
    def spoil(at: Path) -> None:
        with contextlib.closing(sqlite3.connect(at / "work" / "journal.db")) as database:
            database.execute(statement)
            database.commit()

    return spoil


def cloud(**fields: Any) -> Spoil:
    """A clouds.yaml in which `old` has these fields; None takes one away."""
    entry = {"auth": moves.AUTH, "region_name": "r", **fields}
    return put("clouds.yaml", {"clouds": {"old": {name: value for name, value in entry.items() if value is not None}}})


def auth(**fields: Any) -> Spoil:
    return cloud(auth={name: value for name, value in {**moves.AUTH, **fields}.items() if value is not None})


def decided(**fields: Any) -> Spoil:
    content = {name: value for name, value in {**moves.DECISIONS, **fields}.items() if value is not None}
    return put("work/decisions.json", content)


def settled(**fields: Any) -> Spoil:
    told = {"from": "old", "to": "new", "projects": ["p"], "map": "", "key": ""} | fields
    return journal(f"UPDATE setup SET settings = '{json.dumps(told)}'")


INVENTORY = "inventory old"
CLOUDS = {
    "missing": Case(INVENTORY, ("there is no", "clouds.yaml", "OS_CLIENT_CONFIG_FILE"), gone("clouds.yaml")),
    "unreadable": Case(INVENTORY, ("clouds.yaml cannot be read",), instead("clouds.yaml")),
    "binary": Case(INVENTORY, ("clouds.yaml cannot be read",), put("clouds.yaml", b"\xff\xfe\x00")),
    "not YAML": Case(INVENTORY, ("clouds.yaml is not YAML", "line 1, column 10"), put("clouds.yaml", "clouds: [")),
    "empty": Case(INVENTORY, ("clouds.yaml", "`clouds` is not a mapping"), put("clouds.yaml", "")),
    "a list": Case(INVENTORY, ("`clouds` is not a mapping",), put("clouds.yaml", "clouds: [old]")),
    "twice": Case(INVENTORY, ("'old' is there twice", "line 1"), put("clouds.yaml", "clouds: {old: {}, old: {}}")),
    "unknown": Case("inventory elsewhere", ("'elsewhere' is not in", "clouds.yaml", "It has: new, old")),
    "no mapping": Case(INVENTORY, ("clouds.old", "give it at least auth"), put("clouds.yaml", "clouds: {old: 7}")),
    "auth": Case(INVENTORY, ("clouds.old", "auth: give a mapping"), cloud(auth="x")),
    "no auth": Case(INVENTORY, ("clouds.old", "auth_url"), cloud(auth=None)),
    "no auth_url": Case(INVENTORY, ("clouds.old", "auth_url"), auth(auth_url=None)),
    "no URL": Case(INVENTORY, ("clouds.old", "auth.auth_url", "https://HOST:5000"), auth(auth_url="keystone")),
    "number": Case(INVENTORY, ("clouds.old", "auth.project_name: give a text"), auth(project_name=7)),
    "no password": Case(INVENTORY, ("clouds.old", "auth.password: is missing"), auth(password=None)),
    "unknown field": Case(INVENTORY, ("clouds.old", "passwort"), auth(passwort="x")),
    "time-out": Case(INVENTORY, ("clouds.old", "api_timeout: give a number of seconds"), cloud(api_timeout="soon")),
    "certificate": Case(INVENTORY, ("clouds.old", "cacert: there is no /none"), cloud(cacert="/none")),
}
MAPS = {
    "missing": Case(MAP, ("there is no map map.yaml", "--suggest"), gone("map.yaml")),
    "unreadable": Case(MAP, ("map.yaml cannot be read",), instead("map.yaml")),
    "not YAML": Case(MAP, ("map.yaml is not YAML", "line 1"), put("map.yaml", "naru_map: [")),
    "empty": Case(MAP, ("map.yaml is not a map", "naru_map: 1"), put("map.yaml", "")),
    "binary": Case(MAP, ("map.yaml cannot be read",), put("map.yaml", b"\x00\xff\xfe")),
    "newer": Case(MAP, ("map.yaml was written for a newer Naru",), put("map.yaml", "naru_map: 2")),
    "older than any": Case(MAP, ("map.yaml is not a map", "naru_map: 1"), put("map.yaml", "naru_map: 0")),
    "section": Case(
        MAP, ("flavours: there is no such section", "flavors"), put("map.yaml", "naru_map: 1\nflavours: {}")
    ),
    "list": Case(MAP, ("flavors: give a mapping",), put("map.yaml", "naru_map: 1\nflavors: [a]")),
    "type": Case(MAP, ("flavors.a: give a name", "in quotes"), put("map.yaml", "naru_map: 1\nflavors: {a: 7}")),
    "twice": Case(
        MAP, ("map.yaml", "'a' is there twice", "line 2"), put("map.yaml", "naru_map: 1\nflavors: {a: b, a: c}")
    ),
    "section twice": Case(
        MAP, ("map.yaml", "'flavors' is there twice"), put("map.yaml", "naru_map: 1\nflavors: {a: b}\nflavors: {c: d}")
    ),
    "other clouds": Case(MAP, ("for prod, not for old", "`from`"), put("map.yaml", "naru_map: 1\nfrom: prod")),
    "suggested over": Case(
        "move map --from old --to new --project p --suggest --map map.yaml",
        ("map.yaml is not a map",),
        put("map.yaml", ""),
    ),
}
BACKENDS = {
    "missing": Case(STORAGE, ("b.yaml cannot be read", "No such file")),
    "not YAML": Case(STORAGE, ("b.yaml is not YAML", "line 1"), put("b.yaml", "backends: [")),
    "empty": Case(STORAGE, ("b.yaml does not describe backends", "naru_backends: 1"), put("b.yaml", "")),
    "kind": Case(STORAGE, ("backends.a", "floppy", "'rbd', 'file'"), put("b.yaml", "backends: {a: {kind: floppy}}")),
    "no pool": Case(STORAGE, ("backends.a.rbd.pool: is missing",), put("b.yaml", "backends: {a: {kind: rbd}}")),
    "field": Case(
        STORAGE,
        ("a.file.colour: there is no such field",),
        put("b.yaml", "backends: {a: {kind: file, root: /, colour: 1}}"),
    ),
    "template": Case(
        STORAGE, ("template", "%s once"), put("b.yaml", "backends: {a: {kind: rbd, pool: p, template: x}}")
    ),
    "newer": Case(
        STORAGE, ("b.yaml is of format 9", "naru_backends: 1"), put("b.yaml", "naru_backends: 9\nbackends: {}")
    ),
    "twice": Case(
        STORAGE, ("'a' is there twice",), put("b.yaml", "backends: {a: {kind: rbd, pool: p}, a: {kind: rbd, pool: q}}")
    ),
    "no cloud": Case(f"{PLAN} --storage backends.yaml", ("--storage backends.yaml", "CLOUD=FILE")),
    "no file": Case(f"{PLAN} --storage old=", ("--storage old=", "CLOUD=FILE")),
    "other cloud": Case(f"{PLAN} --storage third=backends.yaml", ("--storage third=", "old=FILE")),
    "one": Case(f"{PLAN} --storage old=backends.yaml", ("--storage of new is missing", "both")),
    "same cloud": Case(
        f"{PLAN} --storage old=backends.yaml --storage old=backends.yaml", ("--storage old is given twice",)
    ),
}
KEYS = {
    "no key": Case(PLAN, ("key is not a key of Naru's",), put("key", "x")),
    "open to others": Case(PLAN, ("key may be read by others", "chmod 600"), lambda at: (at / "key").chmod(0o644)),
    "inside": Case(PLAN.replace("--key key", "--key w/key"), ("--key", "lies in the work directory", "keep it apart")),
    "a directory": Case(PLAN, ("key cannot be read",), instead("key")),
    "below a file": Case(PLAN.replace("--key key", "--key map.yaml/key"), ("--key", "its directory cannot be made")),
    "another": Case("move handover work --key key", ("key is another one", "planned with")),
}
OPTIONS = {
    "same cloud": Case(PLAN.replace("new", "old"), ("--from and --to are both 'old'", "two clouds")),
    "unknown cloud": Case(PLAN.replace("--to new", "--to there"), ("'there' is not in", "clouds.yaml")),
    "all and one": Case(f"{PLAN} --all", ("--all", "not allowed with argument --project")),
    "none": Case(PLAN.replace("--project hanok", ""), ("--project --all is required",)),
    "no work": Case(PLAN.replace("--work w", ""), ("the work directory is missing", "--work work/hanok")),
    "limit": Case("plan limit nova -1 --work work", ("limit nova: -1 is negative",)),
    "no number": Case("plan limit nova many --work work", ("argument N", "'many'")),
    "last": Case("plan events work --last 0", ("--last 0", "above 0")),
    "concurrency": Case("worker --place x --concurrency 0 --work work", ("--concurrency 0", "above 0")),
    "project": Case(f"{CUTOVER} --project nobody", ("does not move it", "Projects: hanok")),
    "snapshots": Case("archive diff 1 99 --work work", ("no whole snapshot 99", "naru archive list")),
    "one snapshot": Case("archive diff 1 --work work", ("one snapshot", "two numbers")),
    "rate": Case("volume copy file:a file:b --rate=-5", ("--rate", "'-5' is not a rate", "80M")),
    "command": Case("move fly", ("move fly", "--help", "move finalize")),
}
DIRECTORIES = {
    "none": Case("move prepare nothing", ("nothing is not the work directory of a move", "naru move plan")),
    "a file": Case("move status key", ("key is not the work directory of a move", "naru move plan")),
    "plain plan": Case("move rollback plain", ("plain is not the work directory of a move", "naru move plan")),
    "planned over a plan": Case(
        PLAN.replace("--work w", "--work plain"), ("plain holds a plan that naru move did not make",)
    ),
    "begun": Case(
        PLAN.replace("--work w", "--work work"),
        ("this move has begun", "prepare"),
        journal("UPDATE steps SET attempt = 1"),
    ),
    "below a file": Case(PLAN.replace("--work w", "--work key/w"), ("--work key/w cannot be made",)),
    "another move": Case(CUTOVER, ("work: journal.db is of another move", "projects: ['q']"), settled(projects=["q"])),
    "other clouds": Case(
        "move verify work", ("journal.db is of another move", "from: prod"), settled(**{"from": "prod"})
    ),
    "no journal": Case(CUTOVER, ("work/journal.db is missing", "copy"), gone("work/journal.db")),
    "newer journal": Case(
        CUTOVER,
        ("schema version 99", "version of Naru that wrote it"),
        journal("UPDATE schema_version SET version = 99"),
    ),
    "half a journal": Case(CUTOVER, ("work: the journal is damaged", "copy"), half("work/journal.db")),
    "no database": Case(CUTOVER, ("work: the journal is damaged", "copy"), put("work/journal.db", "hello" * 999)),
    "no setup": Case(CUTOVER, ("work: the journal is damaged", "copy"), journal("DELETE FROM setup")),
    "plan's journal": Case("plan show work", ("work: the journal is damaged",), half("work/journal.db")),
    "no archive": Case("move verify work", ("work/archive.db is missing", "copy"), gone("work/archive.db")),
    "empty archive": Case("move report work", ("work/archive.db is empty", "copy"), put("work/archive.db", "")),
    "half an archive": Case("move verify work", ("work/archive.db is not an archive",), half("work/archive.db")),
    "another archive": Case(
        "move verify work", ("not the archive of this move", "reading of new"), decided(snapshots={"old": 1, "new": 7})
    ),
    "broken decisions": Case(CUTOVER, ("work/decisions.json cannot be read", "copy"), half("work/decisions.json")),
    "other decisions": Case(CUTOVER, ("work/decisions.json", "naru_decisions"), put("work/decisions.json", "[]")),
    "newer decisions": Case(CUTOVER, ("work was written by a newer Naru",), decided(naru_decisions=2)),
    "fields": Case(CUTOVER, ("decisions.json is damaged", "to, projects"), decided(to=None, projects=None)),
    "one decision": Case(CUTOVER, ("decisions.json is damaged", "why"), decided(decisions=[{"kind": "server"}])),
}
VOLUMES = {
    "no location": Case("volume where sda", ("'sda' is no location", "rbd:POOL/IMAGE")),
    "no image": Case("volume points rbd:pool", ("'rbd:pool' names no image", "rbd:POOL/IMAGE")),
    "option": Case("volume clean rbd:a/b@user=x", ("'user=x' is no option", "id=USER")),
    "no path": Case("volume diff qcow2:", ("'qcow2:' is no location",)),
    "no file": Case("volume where file:none", ("none cannot be opened", "No such file")),
    "no qcow2": Case("volume where qcow2:key", ("key", "not in qcow2 format")),
    "a directory": Case("volume where file:work", ("work is neither a file nor a block device",)),
    "half an id": Case("volume where x --cloud old", ("--cloud and --backends belong together",)),
    "same": Case("volume copy file:key file:key --work w", ("is the source and the target",)),
    "no target": Case("volume copy file:key file:none --work w", ("none cannot be opened",)),
    "job": Case("volume copy file:key file:map.yaml --work w --job a/b@c", ("--job 'a/b@c'", "letters, digits")),
    "no points": Case("volume diff file:key --since naru-a-1", ("has no stable points", "hashes")),
}
SEED = "lab seed ./s.yaml"
LAB = {
    "name": Case("lab up --name ../x", ("--name '../x'", "a-z, 0-9 and -")),
    "cloud": Case("lab up --cloud old", ("--cloud 'old'", "NAME=RELEASE")),
    "cloud twice": Case("lab up --cloud a=pike --cloud a=queens", ("--cloud a is given twice",)),
    "release": Case("lab up --cloud a=zebra", ("'zebra'",)),
    "service": Case("lab up --services sweft", ("--services 'sweft'", "swift")),
    "service's cloud": Case("lab up --services x:swift", ("there is no cloud 'x'", "old or new")),
    "computes": Case("lab up --computes -1", ("--computes -1", "0 to 200")),
    "guests": Case("lab up --guests 99", ("--guests 99", "0 to 8")),
    "port": Case("lab up --port-base 0", ("--port-base 0", "1024")),
    "all": Case("lab install --all pike", ("either --all or releases",)),
    "no lab": Case("lab logs old/nova-api", ("there is no lab",)),
    "lab.json": Case("lab status", ("lab.json cannot be read", "naru lab down"), lambda at: _lab(at, "{")),
    "sample": Case("lab seed nothing", ("no sample 'nothing'", "demo")),
    "seed": Case(SEED, ("s.yaml cannot be read", "line 1"), put("s.yaml", "projects: [")),
    "seed's shape": Case(SEED, ("s.yaml", "a sample is a mapping"), put("s.yaml", "[]")),
    "seed's field": Case(SEED, ("s.yaml", "projcts: there is no such field"), put("s.yaml", "projcts: []")),
    "seed's parameter": Case("lab seed large --set nope=3", ("no parameter 'nope'", "servers")),
    "seed's number": Case("lab seed large --set servers=many", ("--set", "'servers=many'", "NAME=NUMBER")),
}
GROUPS = {
    "clouds.yaml": CLOUDS,
    "map.yaml": MAPS,
    "storage": BACKENDS,
    "key": KEYS,
    "options": OPTIONS,
    "directory": DIRECTORIES,
    "volume": VOLUMES,
    "lab": LAB,
}
ALL = {f"{group}: {name}": case for group, cases in GROUPS.items() for name, case in cases.items()}


def _lab(at: Path, text: str) -> None:
    directory = at / "state" / "naru" / "labs" / "default"
    directory.mkdir(parents=True)
    (directory / "lab.json").write_text(text)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with sound files; nothing in it can reach a cloud or start a lab."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a malformed input went through")

    for name in ("up", "start", "stop", "down"):
        monkeypatch.setattr(Lab, name, never)
    monkeypatch.setattr(install, "install", never)
    monkeypatch.setattr(transport.Transport, "request", never)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NARU_WORK", raising=False)
    monkeypatch.delenv("NARU_LABS", raising=False)
    for name in ("CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(moves.clouds(tmp_path / "clouds.yaml")))
    moves.key(tmp_path / "key")
    moves.move(tmp_path / "work")
    moves.plan(tmp_path / "plain")
    (tmp_path / "map.yaml").write_text("naru_map: 1\n")
    (tmp_path / "backends.yaml").write_text(moves.BACKENDS)
    return tmp_path


def content(place: Path) -> dict[str, bytes | None]:
    """Everything in the directory. SQLite folds its log into the database whenever the last one closes it."""
    files = [file for file in place.rglob("*") if file.suffix not in (".db", ".db-wal", ".db-shm")]
    names: dict[str, bytes | None] = {str(file): file.read_bytes() if file.is_file() else None for file in files}
    return names | {f"{file} there": None for file in place.rglob("*.db")}


def run(words: str) -> tuple[int, str]:
    """The exit code and everything that was said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = main(words.split())
        except SystemExit as end:  # argparse's own, as it leaves the program
            code = int(end.code or 0)
    return code, said.getvalue()


@pytest.mark.parametrize("name", ALL)
def test_one_clear_error(place: Path, name: str) -> None:
    case = ALL[name]
    if case.spoil:
        case.spoil(place)
    before = content(place)
    code, said = run(case.words)
    assert code == case.code, said
    for word in case.says:
        assert word in said, said
    heads = [line for line in said.splitlines() if line.startswith("naru: ") or ": error: " in line]
    assert len(heads) == 1 or ("is not a" in said and "command" in said), said
    assert "Traceback" not in said and "secret-of-admin" not in said
    assert content(place) == before


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("flavors: {large: small}", "flavors: large: old has no such flavor"),
        ("flavors: {small: huge}", "flavors: small: no flavor is called huge; new has small"),
        ("volume_types: {fast: create}", "volume_types: fast: a volume_type cannot be created"),
        ("networks: {public: nowhere}", "networks: public: no network is called nowhere"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "map"])
def test_a_map_that_names_what_is_not_there(
    place: Path, monkeypatch: pytest.MonkeyPatch, command: str, line: str, says: str
) -> None:
    @contextlib.contextmanager
    def given(*_: object) -> Any:
        found: Facts = small_facts()
        yield found

    monkeypatch.setattr("naru.move.reading.facts", given)
    (place / "map.yaml").write_text(f"naru_map: 1\n{line}\n")
    words = (
        PLAN.replace("hanok", "shop") if command == "plan" else "move map --from old --to new --project shop --suggest"
    )
    code, said = run(f"{words} --map map.yaml")
    assert code == 2 and says in said and "Correct these lines" in said and "Traceback" not in said
    assert (place / "map.yaml").read_text() == f"naru_map: 1\n{line}\n" and not (place / "w" / "journal.db").exists()

"""What a new message queue is given of the old one, and who names or has which: pure, and by the host's own awk."""

import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from naru.errors import InputError, NaruError
from naru.site import site as sites
from naru.site.site import Site
from naru.upgrade.check import queues as checked
from naru.upgrade.check.rows import Denied
from naru.upgrade.compare import connected
from naru.upgrade.finding import Span
from naru.upgrade.window import queues
from naru.upgrade.window.carried import carried

pytestmark = pytest.mark.unit

HASH = {"password_hash": "aGFzaA==", "hashing_algorithm": "rabbit_password_hashing_sha256"}
RIGHT = {"configure": ".*", "write": ".*", "read": ""}
OLD: dict[str, Any] = {
    "rabbit_version": "3.10.8",
    "vhosts": [
        {"name": "/"},
        {"name": "/openstack", "metadata": {"description": "", "tags": ["a", "b"]}, "default_queue_type": "quorum"},
        {"name": "other"},
    ],
    "users": [
        {"name": "openstack", "tags": "", **HASH},
        {"name": "admin", "tags": ["administrator", "monitoring"], **HASH},
        {"name": "alien", "tags": "", **HASH},
        {"name": "ancient", "tags": "", "password_hash": "bWQ1", "limits": {"max-channels": 5}},
    ],
    "permissions": [
        {"user": "openstack", "vhost": "/openstack", **RIGHT},
        {"user": "admin", "vhost": "/openstack", **RIGHT},
        {"user": "alien", "vhost": "other", **RIGHT},
        {"user": "ancient", "vhost": "/openstack", **RIGHT},
        {"user": "openstack", "vhost": "other", **RIGHT},
    ],
    "topic_permissions": [{"user": "openstack", "vhost": "/openstack", "exchange": "nova", "write": ".*", "read": ""}],
    "policies": [
        {
            "vhost": "/openstack",
            "name": "ha",
            "pattern": "^(?!amq)",
            "apply-to": "all",
            "priority": 0,
            "definition": {"ha-mode": "all", "message-ttl": 0},
        },
        {"vhost": "/openstack", "name": "mirrors", "pattern": ".*", "definition": {"ha-mode": "all"}},
        {"vhost": "other", "name": "theirs", "pattern": ".*", "definition": {"expires": 1}},
    ],
    "parameters": [{"vhost": "/openstack", "component": "shovel", "name": "away", "value": {}}],
}


NOBODY = [
    f"the user {name} has no right in these virtual hosts: it is not made"
    for name in ("openstack", "admin", "alien", "ancient")
]


def new(version: str, **more: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {name: [] for name in ("vhosts", "users", "permissions", "topic_permissions", "policies")}
    return {"rabbit_version": version, **empty, **more}


def test_all_that_users_of_a_virtual_host_have_is_carried_and_nothing_else() -> None:
    found = carried(OLD, new("3.13.7"), ["/openstack"])
    assert found.made == [
        ("vhosts/%2Fopenstack", {"tags": "a,b", "default_queue_type": "quorum"}),
        ("users/openstack", {"tags": "", **HASH}),
        ("users/admin", {"tags": "administrator,monitoring", **HASH}),
        (
            "users/ancient",
            {"tags": "", "password_hash": "bWQ1", "hashing_algorithm": "rabbit_password_hashing_md5"},
        ),
        ("permissions/%2Fopenstack/openstack", RIGHT),
        ("permissions/%2Fopenstack/admin", RIGHT),
        ("permissions/%2Fopenstack/ancient", RIGHT),
        ("topic-permissions/%2Fopenstack/openstack", {"exchange": "nova", "write": ".*", "read": ""}),
        (
            "policies/%2Fopenstack/ha",
            {
                "pattern": "^(?!amq)",
                "priority": 0,
                "apply-to": "all",
                "definition": {"ha-mode": "all", "message-ttl": 0},
            },
        ),
        ("policies/%2Fopenstack/mirrors", {"pattern": ".*", "definition": {"ha-mode": "all"}}),
    ]
    assert found.told == [
        "the user alien has no right in these virtual hosts: it is not made",
        "the limits of the user ancient are not set",
        "the parameter shovel away of /openstack is not made",
    ]


def test_a_virtual_host_that_is_not_there_is_told() -> None:
    assert carried(OLD, new("3.13.7"), ["gone"]) == ([], ["there is no virtual host gone", *NOBODY])


def test_what_a_version_has_no_more_is_left_out_of_policies_and_told() -> None:
    found = carried(OLD, new("4.1.0"), ["/openstack"])
    policies = {what: given for what, given in found.made if what.startswith("policies")}
    assert policies.keys() == {"policies/%2Fopenstack/ha"}  # of the other one nothing would be left
    assert policies["policies/%2Fopenstack/ha"]["definition"] == {"message-ttl": 0}
    assert "the policy ha of /openstack: RabbitMQ 4.1.0 has no ha-mode" in found.told
    assert "the policy mirrors of /openstack: RabbitMQ 4.1.0 has no ha-mode" in found.told
    with pytest.raises(NaruError, match="does not say its version"):
        carried(OLD, new(""), ["/openstack"])


def test_what_is_there_already_is_left_as_it_is() -> None:
    there = new(
        "3.13.7",
        vhosts=[{"name": "/openstack"}],
        users=[{"name": "openstack", "password_hash": "other"}, {"name": "admin", **HASH}],
        permissions=[{"user": "openstack", "vhost": "/openstack", **RIGHT, "read": "other"}],
        topic_permissions=OLD["topic_permissions"],
        policies=[{"vhost": "/openstack", "name": "ha", "definition": {"expires": 5}}],
    )
    found = carried(OLD, there, ["/openstack"])
    assert [what for what, _ in found.made] == [
        "users/ancient",
        "permissions/%2Fopenstack/admin",
        "permissions/%2Fopenstack/ancient",
        "policies/%2Fopenstack/mirrors",
    ]
    assert "the user openstack is there, perhaps with another password, and is left as it is" in found.told
    assert not any("admin" in line for line in found.told)
    assert "the policy ha of /openstack is another one there, and is left as it is" in found.told
    assert "the permissions of openstack in /openstack are others there, and are left" in found.told
    whole = carried(OLD, {**OLD, "users": OLD["users"][:2]}, ["/openstack"])
    assert [what for what, _ in whole.made] == ["users/ancient"]
    assert [line for line in whole.told if "left" in line] == []


def site(*running: str, later: tuple[str, ...] = ()) -> Site:
    def queue(name: str) -> dict[str, Any]:
        return {"name": name, "hosts": [f"{name}1"]}

    content = {
        "naru_site": 1,
        "name": "s",
        "hosts": [
            {"name": f"{name}1", "address": f"10.0.0.{at}"} for at, name in enumerate(("main", "b", "rpc", "n"), 1)
        ],
        "queues": [queue(name) for name in running],
        "next": {"queues": [queue(name) for name in later]},
    }
    return sites.parse(content, Path("site.yaml"))


def test_each_new_queue_takes_the_place_of_one() -> None:
    def pairs(*running: str, later: tuple[str, ...]) -> list[tuple[str, str]]:
        return [(pair.new.name, pair.old.name) for pair in queues.pairs(site(*running, later=later))]

    assert pairs("main", later=()) == []
    assert pairs("main", later=("rpc", "n")) == [("rpc", "main"), ("n", "main")]
    assert pairs("main", "b", later=("b",)) == [("b", "b")]
    with pytest.raises(InputError, match=r"next.queues.0.name: it takes the place of one of the same name: main, b"):
        pairs("main", "b", later=("rpc",))


def test_a_group_that_is_another_one_later_does_not_hide_the_old_servers() -> None:
    content = {
        "naru_site": 1,
        "name": "s",
        "hosts": [{"name": "old1", "address": "10.0.0.1"}, {"name": "new1", "address": "10.0.0.2"}],
        "groups": {"controllers": ["old1"]},
        "queues": [{"name": "main", "hosts": "controllers", "addresses": ["rabbit.example", "10.9.0.1:5671"]}],
        "next": {
            "groups": {"controllers": ["new1"]},
            "queues": [{"name": "main", "hosts": "controllers", "addresses": ["10.0.0.2", "10.9.0.1:5671"]}],
        },
    }
    (pair,) = queues.pairs(sites.parse(content, Path("site.yaml")))
    assert pair.left == {f"{name}{port}" for name in ("old1", "10.0.0.1", "rabbit.example") for port in ("", ":5672")}
    assert "10.9.0.1:5671" in pair.right  # it stays
    later = queues.coming(sites.parse(content, Path("site.yaml")))
    assert queues.servers(later, pair.new) == ["10.0.0.2:5672", "10.9.0.1:5671"]


def test_of_files_nothing_but_the_servers_is_read(tmp_path: Path) -> None:
    file = tmp_path / "nova.conf"
    file.write_text(
        "[DEFAULT]\n# transport_url = rabbit://u:commented@h0:1//v\n"
        "transport_url = rabbit://openstack:s3cret@10.0.0.1:5672,openstack:s3cret@rabbit2//openstack?ssl=1\n"
        "transport_url = rabbit://openstack:s3/cr?et@h:5672/raw\n"
        "[oslo_messaging_notifications]\ntransport_url=rabbit://u:a,s3cret@[fd00::1]:5671/v\n"
        "[other]\ntransport_url : rabbit://nobody:5672?ssl=1\nmy_transport_url = rabbit://u:s3cret@no:1/\n"
    )
    argv = ["awk", checked._AWK, str(file)]
    said = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "s3" not in said and "et@" not in said
    assert [line.split("\t")[1:] for line in said.splitlines()] == [
        ["10.0.0.1:5672", "/openstack"],
        ["rabbit2", "/openstack"],
        ["h:5672", "raw"],
        ["[fd00::1]:5671", "v"],
        ["nobody:5672", ""],
    ]


def test_a_service_that_names_the_old_queue_blocks() -> None:
    (pair,) = queues.pairs(site("main", later=("rpc",)))
    known = checked.Known(pair.right, pair.left, {server: {"/"} for server in pair.right | pair.left}, "rpc")
    assert pair.right == {"rpc1:5672", "10.0.0.3:5672", "rpc1", "10.0.0.3"}
    read: dict[str, list[checked.Named] | NaruError] = {
        "c1": [
            checked.Named("/n", "10.0.0.3:5672", "/other"),
            *(checked.Named("/c", server, "/") for server in ("10.0.0.1:5672", "rpc1")),
            checked.Named("/g", "elsewhere:5672", "/not-looked-at"),
            checked.Named("/g", "a password?", "/"),
        ],
        "c2": NaruError("it does not answer"),
    }
    c1 = {"/n": "nova", "/c": "cinder", "/g": "glance", "/q": "neutron", "/k": "keystone"}
    files = {"c1": c1, "c2": {"/n": "nova"}}
    using = {"c1": {"nova", "cinder", "neutron"}}
    rows = list(checked._judged(read, files, using, known, Span("pike", "queens")))
    assert [(one.state, one.service, one.where, one.examples) for one in rows] == [
        ("unknown", "neutron", "c1", ("/q",)),
        ("blocks", "nova", "c1", ("/other",)),
        ("blocks", "cinder", "c1", ("10.0.0.1:5672",)),
        ("unknown", "glance", "c1", ("something that is no HOST:PORT", "elsewhere:5672")),
        ("unknown", "nova", "c2", ()),
    ]
    assert rows[2].cure == "Name the servers of rpc in transport_url of /c."


def test_who_is_connected_is_told_once_by_program_and_host() -> None:
    def get(what: str) -> Any:
        assert what.startswith("connections?")
        named = {"connection_name": "nova-compute:42:5f5f"}
        return [
            {"user": "openstack", "vhost": "/openstack", "peer_host": "10.0.0.9", "client_properties": named},
            {"user": "openstack", "vhost": "/openstack", "peer_host": "10.0.0.9", "client_properties": named},
            {"user": "heat", "vhost": "/openstack", "peer_host": "10.0.0.8", "client_properties": None},
            {"user": "alien", "vhost": "other", "peer_host": "10.0.0.7"},
        ]

    assert connected._clients(get, ["/openstack"]) == ["heat from 10.0.0.8", "nova-compute from 10.0.0.9"]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        # the first database has nova_api, whose cells all follow the configuration; the second has not
        ([[], None], []),
        ([None, [("cell1", "rpc1:5672/")]], []),
        ([[("cell1", "elsewhere:5672//v")], None], ["blocks"]),
        ([None, None], ["unknown"]),
        ([Denied("SELECT command denied"), None], ["unknown"]),
    ],
)
def test_cells_are_those_of_the_database_that_has_them(
    monkeypatch: pytest.MonkeyPatch, answers: list[Any], said: list[str]
) -> None:
    database = {"kind": "mariadb", "hosts": ["main1"], "user": "u", "password": {"file": "p"}}
    databases = [{"name": name, **database} for name in ("one", "two")]
    content = site("main").content.model_dump(mode="json", exclude_unset=True)
    two = sites.parse({**content, "databases": databases}, Path("site.yaml"))

    def asked(_site: Site, _fleet: Any, database: Any, _work: Any, **_: Any) -> Any:
        answer = answers[[one["name"] for one in databases].index(database.name)]
        if isinstance(answer, Denied):
            raise answer
        return answer

    monkeypatch.setattr(checked, "asked_anywhere", asked)
    known = checked.Known({"rpc1:5672"}, {"main1"}, {}, "rpc")
    found = list(checked._cells(two, cast(Any, None), known, Span("pike", "queens")))
    assert [one.state for one in found] == said

"""Calls of a mix made against a twin's APIs, each project's as a user of that project, at a steady rate."""

import random
import re
import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import requests
from keystoneauth1 import session as keystone_session
from keystoneauth1.exceptions import ClientException
from keystoneauth1.identity import v3

from naru.errors import InputError, NaruError
from naru.lab.api import Api, direct
from naru.lab.cloud import Cloud
from naru.plan.timings import p95
from naru.twin import rows
from naru.twin.mix import Calls, Mix

USER = "naru-load"
ROLES = ("member", "_member_", "Member", "reader")
"""What users of projects have, by what release and operator call it."""
WORKERS = 64
"""Calls at a time, at most."""
ANSWER = 60.0
"""Seconds after which a call without an answer has failed."""
IDS = 1000
"""Things of one kind and project that calls are made of."""
SEED = 20261130

COLLECTIONS: Mapping[tuple[str, str], tuple[str, str, str]] = {
    ("nova", "servers"): ("nova.instances", "uuid", "deleted = 0 AND project_id = %s"),
    ("nova", "flavors"): ("nova_api.flavors", "flavorid", "is_public = 1 OR %s = ''"),
    ("cinder", "volumes"): ("cinder.volumes", "id", "deleted = 0 AND project_id = %s"),
    ("cinder", "snapshots"): ("cinder.snapshots", "id", "deleted = 0 AND project_id = %s"),
    ("glance", "images"): ("glance.images", "id", "deleted = 0 AND (owner = %s OR visibility = 'public')"),
    ("neutron", "networks"): ("neutron.networks", "id", "project_id = %s"),
    ("neutron", "subnets"): ("neutron.subnets", "id", "project_id = %s"),
    ("neutron", "ports"): ("neutron.ports", "id", "project_id = %s"),
    ("neutron", "routers"): ("neutron.routers", "id", "project_id = %s"),
    ("neutron", "floatingips"): ("neutron.floatingips", "id", "project_id = %s"),
    ("neutron", "security-groups"): ("neutron.securitygroups", "id", "project_id = %s"),
}
"""Where the ids of a path's {id} are, by service and the word before it: table, column, and which are the project's."""
_VERSION = re.compile(r"/v\d[\d.]*(?=/|$)")


@dataclass(frozen=True)
class Call:
    """One path that is asked for, and with which weight: `url` with {id}, and the ids that may stand there."""

    service: str
    url: str
    project: str
    count: int
    ids: tuple[str, ...]


class Answer(NamedTuple):
    """What became of a call: its status, 0 without an answer, and the seconds that it took."""

    service: str
    status: int
    seconds: float


class Summary(NamedTuple):
    """Of one service: calls, those that failed (no answer, or a server's error), refused ones (4xx), and seconds."""

    service: str
    calls: int
    failed: int
    refused: int
    median: float
    p95: float
    slowest: float


class Load(NamedTuple):
    """What came of it all: `left_out` are calls of the mix that cannot be made, since nobody knows of what they were;
    `rate` is what was reached, in calls a second."""

    services: list[Summary]
    left_out: int
    rate: float


def check(cloud: Cloud) -> None:
    """Raises NaruError where the twin does not run: before logs are read for it."""
    rows.connected(cloud, "keystone").close()


def replay(cloud: Cloud, mix: Mix, rate: float, seconds: float) -> Load:
    """Makes calls of the mix, `rate` a second for so long. Raises NaruError."""
    calls, left_out = prepared(cloud, mix)
    if not calls:
        raise InputError("of the mix no call can be made here", hint="What can be: docs/reference/twin.md")
    sessions = _sessions(cloud, sorted({call.project for call in calls}))
    chosen = random.Random(SEED).choices(calls, [call.count for call in calls], k=max(1, round(rate * seconds)))
    began = time.monotonic()
    answers = _asked(chosen, sessions, rate)
    took = time.monotonic() - began
    return Load(summaries(answers), left_out, len(answers) / took)


def prepared(cloud: Cloud, mix: Mix) -> tuple[list[Call], int]:
    """The calls that can be made, with ids of the project's own things, and how many of the mix cannot."""
    found, left_out = [], 0
    known: dict[tuple[str, str, str], tuple[str, ...]] = {}
    with rows.connected(cloud, "keystone") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM project WHERE enabled = 1 AND is_domain = 0")
        projects = {str(id_) for (id_,) in cursor.fetchall()}
        for one in mix.calls:
            project = one.project if one.project in projects else ""
            path, word = path_of(one, project)
            ids: tuple[str, ...] = ("",)
            if "{id}" in path:
                key = one.service, word, project
                if key not in known and (where := COLLECTIONS.get(key[:2])):
                    table, column, condition = where
                    cursor.execute(f"SELECT {column} FROM {table} WHERE {condition} LIMIT {IDS}", (project,))
                    known[key] = tuple(str(id_) for (id_,) in cursor.fetchall())
                ids = known.get(key, ())
            if path.count("{id}") > 1 or "{project}" in path or not ids or one.service not in cloud.apis:
                left_out += one.count
                continue
            found.append(Call(one.service, cloud.url(one.service, path), project, one.count, ids))
    return found, left_out


def path_of(call: Calls, project: str) -> tuple[str, str]:
    """The path as the twin's service has it, without what stood before the version at the site, with the project's id
    where one is known; and the word before its {id}."""
    version = _VERSION.search(call.path)
    path = call.path[version.start() :] if version else call.path
    word = path.partition("/{id}")[0].rpartition("/")[2]
    return (path.replace("{project}", project) if project else path), word


def _sessions(cloud: Cloud, projects: Sequence[str]) -> dict[str, keystone_session.Session]:
    """A login for each project: of a user who is an ordinary one of it, or the administrator where there is none."""
    api = Api(cloud)
    found = api("keystone", "GET", f"/users?name={USER}&domain_id=default")["users"]
    body = {"name": USER, "domain_id": "default", "password": cloud.secret, "enabled": True}
    user = (found or [api("keystone", "POST", "/users", {"user": body})["user"]])[0]["id"]
    roles = [one["id"] for one in api("keystone", "GET", "/roles")["roles"] if one["name"] in ROLES]
    if not roles:
        raise NaruError(f"Keystone has none of the roles {', '.join(ROLES)}: users cannot be played")
    sessions = {"": api.session}
    for project in filter(None, projects):
        for role in roles:
            api("keystone", "PUT", f"/projects/{project}/users/{user}/roles/{role}")
        auth = v3.Password(
            auth_url=cloud.url("keystone", "/v3"), user_id=user, password=cloud.secret, project_id=project
        )
        sessions[project] = keystone_session.Session(auth=auth, session=direct(), timeout=ANSWER, redirect=False)
        try:
            sessions[project].get_token()
        except ClientException as error:
            raise NaruError(f"{USER} cannot log in to the project {project}", detail=str(error)) from error
    return sessions


def _asked(chosen: Sequence[Call], sessions: Mapping[str, keystone_session.Session], rate: float) -> list[Answer]:
    """Each call at its time, or as soon as one of the workers is free."""
    began, lock = time.monotonic(), threading.Lock()
    numbers, dice = iter(range(len(chosen))), random.Random(SEED)
    answers: list[Answer] = []

    def work() -> None:
        with direct() as client:
            while True:
                with lock:
                    number = next(numbers, None)
                    if number is None:
                        return
                    call = chosen[number]
                    url = call.url.replace("{id}", dice.choice(call.ids))
                time.sleep(max(0.0, began + number / rate - time.monotonic()))
                answer = _ask(client, call.service, url, sessions[call.project])
                with lock:
                    answers.append(answer)

    with ThreadPoolExecutor(WORKERS) as pool:
        for job in [pool.submit(work) for _ in range(min(WORKERS, len(chosen)))]:
            job.result()
    return answers


def _ask(client: requests.Session, service: str, url: str, session: keystone_session.Session) -> Answer:
    began = time.monotonic()
    try:
        token = str(session.get_token())
        # a token follows no answer to another host
        asked = client.get(url, headers={"X-Auth-Token": token}, timeout=ANSWER, allow_redirects=False)
        status = asked.status_code
    except (requests.RequestException, ClientException):
        status = 0
    return Answer(service, status, time.monotonic() - began)


def summaries(answers: Sequence[Answer]) -> list[Summary]:
    """What came of the calls, by service."""
    found = []
    for service in sorted({one.service for one in answers}):
        mine = [one for one in answers if one.service == service]
        seconds = sorted(one.seconds for one in mine)
        failed = sum(one.status == 0 or one.status >= 500 for one in mine)
        refused = sum(400 <= one.status < 500 for one in mine)
        figures = (statistics.median(seconds), p95(seconds), seconds[-1])
        found.append(Summary(service, len(mine), failed, refused, *(round(one, 3) for one in figures)))
    return found

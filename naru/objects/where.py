"""Which account a user means, and the way to it."""

import re
from typing import NamedTuple

from naru.cloud.client import Cloud, CloudError
from naru.errors import InputError
from naru.objects.wire import Account

FORMS = "CLOUD, or CLOUD/PROJECT: a name of clouds.yaml, and another project than that identity's by id or name"


class Place(NamedTuple):
    """An account: the cloud's name in clouds.yaml, and the project by name or id, "" for the identity's own."""

    cloud: str
    project: str = ""

    def __str__(self) -> str:
        return f"{self.cloud}/{self.project}" if self.project else self.cloud


def parse(text: str) -> Place:
    """The account that is meant by CLOUD or CLOUD/PROJECT. Raises InputError."""
    cloud, slash, project = text.partition("/")
    if not cloud or (slash and not project):
        raise InputError(f"{text!r} is no account", hint=f"Give {FORMS}.")
    return Place(cloud, project)


def open_account(place: Place, connections: int = 16) -> Account:
    """The account, with the identity of clouds.yaml: of another project with a token for that project where the
    identity has a role in it, else with its own, which then has to be a reseller's. Raises InputError for what does not
    exist, CloudError when Keystone does not answer."""
    cloud = Cloud(place.cloud)
    own = cloud.project_id
    project = _project(cloud, place) if place.project else own
    if project != own:
        other = cloud.acting(project)
        try:
            url = other.address("object-store")
            if url:
                return Account(other, str(place), url, connections)
        except CloudError as error:
            if error.status not in (401, 403):
                raise
    url = cloud.address("object-store")
    if not url:
        raise InputError(
            f"{place.cloud} has no object storage", hint="Its catalogue has no service of the type object-store."
        )
    if project != own:
        there = re.sub(rf"{re.escape(own)}$", project, url) if own else url
        if there == url:
            raise InputError(
                f"{place}: the URL of {place.cloud}'s object storage does not name the project",
                detail=url,
                hint="Use an identity of that project, or give the identity a role in it.",
            )
        url = there
    return Account(cloud, str(place), url, connections)


def _project(cloud: Cloud, place: Place) -> str:
    """The id of the project that is meant."""
    wanted = place.project
    mine = list(cloud.items("identity", "/auth/projects", "projects"))
    found = [item["id"] for item in mine if wanted in (item["id"], item["name"])]
    if not found:
        try:
            found = [
                item["id"]
                for item in cloud.items("identity", "/projects", "projects")
                if wanted in (item["id"], item["name"])
            ]
        except CloudError as error:
            if error.status != 403:
                raise
    if len(found) == 1:
        return str(found[0])
    if found:
        raise InputError(f"{place}: {len(found)} projects have this name", detail=", ".join(found), hint="Give the id.")
    raise InputError(
        f"{place}: there is no such project", hint="Or this identity may not see it: give it a role in it."
    )

"""What services have that a cloud may well do without: Barbican, Heat, Manila, Magnum, Trove.

They are asked last, for what single projects have. One that does not answer, or refuses, keeps
nobody from reading a cloud: what could not be read is a row of its own (`unread list`), with the reason. Barbican and
Heat show what a project has to those who are in it: an administrator without a role there is refused, and no role is
given for this. Of secrets nothing is read but what stands about them.
"""

import copy
import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from naru.cloud.client import Cloud, CloudError
from naru.inventory.kinds import BY_NAME, KINDS, SECRET, Kind
from naru.inventory.kinds import ELSEWHERE as EACH
from naru.inventory.read import WORKERS, Reading, Sink
from naru.inventory.rows import Row, owner

UNREAD = BY_NAME["unread list"]
IN_PROJECT = ("secret", "secret container", "secret order", "stack")
"""The kinds that are asked for in a project."""
NO_ROLE = "the identity has no role in the project"
DEPTH = 5
"""How deep stacks within stacks are followed for their resources; Heat itself makes none deeper."""

Items = Iterator[dict[str, Any]]


def read_elsewhere(cloud: Cloud, sink: Sink, projects: Collection[str]) -> list[Reading]:
    """Reads into `sink` what the further services have of `projects` (ids), several lists at a time."""
    kinds = [kind for kind in KINDS if kind.each == EACH and kind is not UNREAD]
    services = {service: _has(cloud, service) for service in dict.fromkeys(kind.service for kind in kinds)}
    readings = {kind.name: Reading(kind.name) for kind in kinds}
    unread: list[Row] = []
    asked: list[tuple[Kind, str]] = []
    for kind in kinds:
        there = services[kind.service]
        lists = [(kind, project) for project in (sorted(projects) if kind.name in IN_PROJECT else ("",))]
        if there is False:
            readings[kind.name].problem = f"no {kind.service} service"
        elif isinstance(there, CloudError):
            unread += [_unread(*one, there) for one in lists]
        else:
            asked += lists
    for one, found in zip(asked, _answers(cloud, asked, projects), strict=True):
        if isinstance(found, CloudError):
            unread.append(_unread(*one, found))
        elif found:
            readings[one[0].name].count += len(found)
            sink(found)
    for row in unread:
        readings[row.body["list"]].problem = row.body["problem"]
    if unread:
        sink(unread)
    return [*readings.values(), Reading(UNREAD.name, len(unread))]


def _answers(
    cloud: Cloud, asked: Sequence[tuple[Kind, str]], projects: Collection[str]
) -> Iterator[list[Row] | CloudError]:
    """What each list, of a project or of all, is, or why it cannot be had."""
    inside: dict[str, Cloud] = {}
    outside = CloudError(NO_ROLE, status=401)
    if any(project for _, project in asked):
        try:
            inside = {project: cloud.acting(project) for project in _entered(cloud, projects)}
        except CloudError as error:
            outside = error

    def answer(one: tuple[Kind, str]) -> list[Row] | CloudError:
        kind, project = one
        if project and project not in inside:
            return outside
        try:
            found = _in_project(inside[project], details, kind) if project else _of_all(cloud, kind, projects)
            return [Row.of(kind, {**item, "project_id": project or owner(item)}) for item in found]
        except CloudError as error:
            return error
        except (KeyError, TypeError, AttributeError) as error:
            return CloudError(f"its answer has another form than is known: {error!r}")

    # what is asked for each thing of a list has threads of its own, or all could wait for one another
    with ThreadPoolExecutor(WORKERS) as details, ThreadPoolExecutor(WORKERS) as pool:
        yield from pool.map(answer, asked)


def _entered(cloud: Cloud, projects: Collection[str]) -> set[str]:
    """Those of the projects that the identity has a role in, by itself, a group or from above. Asked for at once: to
    try each would end in a refusal for most."""
    return {one["id"] for one in cloud.items("identity", "/auth/projects", "projects")}.intersection(projects)


def _has(cloud: Cloud, service: str) -> bool | CloudError:
    try:
        return cloud.has(service)
    except CloudError as error:
        return error


def _unread(kind: Kind, project: str, error: CloudError) -> Row:
    if error.status == 401:
        problem = NO_ROLE
    elif error.status == 403:
        problem = "the identity may not list it"
    elif error.status in (404, 405):
        problem = "its release does not have this list"
    else:
        problem = str(error).splitlines()[0]
    body = {"list": kind.name, "service": kind.service, "project_id": project, "problem": problem}
    return Row.of(UNREAD, {**body, "status_code": error.status})


def _of_all(cloud: Cloud, kind: Kind, projects: Collection[str]) -> Items:
    for item in cloud.items(kind.service, kind.path, kind.collection):
        if owner(item) in projects:
            yield item


def _in_project(inside: Cloud, details: ThreadPoolExecutor, kind: Kind) -> Items:
    hidden = dict.fromkeys(kind.secret, SECRET)
    complete = functools.partial(_COMPLETE[kind.name], inside)
    for item in details.map(complete, inside.items(kind.service, kind.path, kind.collection)):
        yield {**item, **hidden}


# -- Barbican


def _secret(cloud: Cloud, item: dict[str, Any]) -> dict[str, Any]:
    identity = last_part(item["secret_ref"])
    return {**item, "id": identity, "acl": _acl(cloud, f"/secrets/{identity}")}


def _container(cloud: Cloud, item: dict[str, Any]) -> dict[str, Any]:
    identity = last_part(item["container_ref"])
    refs = [{**one, "secret_id": last_part(one["secret_ref"])} for one in item.get("secret_refs") or []]
    return {**item, "id": identity, "secret_refs": refs, "acl": _acl(cloud, f"/containers/{identity}")}


def _order(cloud: Cloud, item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "id": last_part(item["order_ref"])}


def _acl(cloud: Cloud, path: str) -> dict[str, Any] | None:
    """Who may read it; None where that is refused, or it is gone."""
    try:
        found: dict[str, Any] = cloud("key-manager", "GET", f"{path}/acl")
    except CloudError as error:
        if error.status in (403, 404):
            return None
        raise
    return {name: {"users": one.get("users") or [], **_access(one)} for name, one in found.items()}


def _access(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"project-access": entry.get("project-access", True)}


def last_part(reference: str) -> str:
    """The id in one of Barbican's references, which are URLs."""
    return reference.rstrip("/").rpartition("/")[2]


# -- Heat


def _stack(cloud: Cloud, item: dict[str, Any]) -> dict[str, Any]:
    """With its template, its resources, and its parameters but those that are hidden; not its outputs, which may tell
    those. What Heat refuses of a single stack is missing, and said so."""
    path = f"/stacks/{item['stack_name']}/{item['id']}"
    whole = dict(item)
    refused = []
    for name, more in (("template", "/template"), ("stack", ""), ("resources", f"/resources?nested_depth={DEPTH}")):
        try:
            found = cloud("orchestration", "GET", f"{path}{more}")
        except CloudError as error:
            if error.status == 0 or error.status == 401:
                raise
            refused.append(name)
            continue
        whole |= {"template": found} if name == "template" else _parts(found)
    hidden = hidden_parameters(whole.get("template"))
    parameters = whole.get("parameters") or {}
    whole["parameters"] = {name: value for name, value in parameters.items() if name not in hidden}
    whole["template"] = without_hidden(whole.get("template"), hidden)
    return {**whole, "not_read": refused} if refused else whole


def _parts(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of the answers about a stack and its resources."""
    stack = answer.get("stack") or {}
    kept = ("parameters", "description", "timeout_mins", "disable_rollback", "tags", "stack_owner", "parent")
    found = {name: stack[name] for name in kept if name in stack}
    if "resources" in answer:
        fields = ("resource_name", "resource_type", "physical_resource_id", "resource_status", "parent_resource")
        found["resources"] = [{name: one.get(name) for name in fields} for one in answer["resources"]]
    return found


def _declared(template: Any) -> dict[str, Any]:
    """The parameters that a template declares, in HOT or as CloudFormation writes them."""
    if not isinstance(template, dict):
        return {}
    found = template.get("parameters") or template.get("Parameters") or {}
    return found if isinstance(found, dict) else {}


def hidden_parameters(template: Any) -> set[str]:
    """The names of the parameters that a template declares as hidden."""
    return {
        name
        for name, one in _declared(template).items()
        if isinstance(one, dict) and str(one.get("hidden", one.get("NoEcho", False))).lower() in ("true", "1", "yes")
    }


def without_hidden(template: Any, hidden: Collection[str]) -> Any:
    """The template without the defaults of hidden parameters."""
    if not hidden:
        return template
    mended = copy.deepcopy(template)
    declared = _declared(mended)
    for name in hidden:
        declared[name] = {key: SECRET if key.lower() == "default" else value for key, value in declared[name].items()}
    return mended


_COMPLETE: Mapping[str, Callable[[Cloud, dict[str, Any]], dict[str, Any]]] = {
    "secret": _secret,
    "secret container": _container,
    "secret order": _order,
    "stack": _stack,
}

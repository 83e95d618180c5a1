"""Images of projects: what they are, who may use them, and where their content comes from when they are made.

Content is never changed and never deleted: of an image that is there with other content the file is refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from naru.actions.create import Find
from naru.actions.request import Request
from naru.inventory.rows import Row
from naru.messages import message
from naru.operate.tenants import contents
from naru.operate.tenants.contents import DIGESTS, Content
from naru.operate.tenants.draft import CHANGE, CREATE, Difference, Draft, OfProject
from naru.operate.tenants.kind import Field, Kind
from naru.operate.tenants.kinds import images_there
from naru.operate.tenants.kinds.neutron import made
from naru.operate.tenants.model import IMAGE_FIELDS, Image, ImageMember
from naru.operate.tenants.names import Thing
from naru.operate.tenants.steps import Make
from naru.plan.arguments import REF
from naru.plan.model import Finding

PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
IMAGE = Kind(
    "image",
    "image",
    "/images",
    "",
    "images",
    {
        "disk_format": Field(fixed=True),
        "container_format": Field("bare", fixed=True),
        "visibility": Field("shared"),
        "min_disk": Field(0),
        "min_ram": Field(0),
        "protected": Field(False),
        "os_hidden": Field(False, since="2.7"),
        "tags": Field([], unordered=True),
    },
)
LATER = ("protected", "os_hidden")
"""Fields that an image gets when it has its content: then it is whole, and found as long as it is not."""
CONTENT = message("tenant.title.content", en="content of image {name}", ko="이미지 {name}의 내용")
NO_CONTENT = message(
    "tenant.image.no_content",
    en="image {name} is not on {cloud}, and the file does not say where its content is; it is left out",
    ko="이미지 {name}이(가) {cloud} 클라우드에 없고 파일에 내용의 위치가 없어 제외합니다",
)
GIVE_CONTENT = message(
    "tenant.image.give_content",
    en="Write its data, a file or a url; naru tenant export --images DIR writes both.",
    ko="data 항목에 file 또는 url을 적어 주십시오. naru tenant export --images DIR 명령은 둘 다 만듭니다.",
)
NOT_WHOLE = message(
    "tenant.image.not_whole",
    en="image {name} is {status} on {cloud}: it has no content, and no server can be made of it",
    ko="이미지 {name}은(는) {cloud} 클라우드에서 {status} 상태로 내용이 없어 서버를 만들 수 없습니다",
)
WAIT_FOR_CONTENT = message(
    "tenant.image.wait_for_content",
    en="Give the command again when its content has come. If it stays so, nobody is sending it: delete image {id}.",
    ko="내용 전송이 끝난 뒤 명령을 다시 실행하십시오. 상태가 바뀌지 않으면 전송이 중단된 것이므로 이미지 {id}을(를) "
    "삭제하십시오.",
)
NOT_COMPARED = message(
    "tenant.image.not_compared",
    en="image {name}: {cloud} does not tell the {digest} of its content, which is not compared",
    ko="이미지 {name}: {cloud} 클라우드가 내용의 {digest} 값을 알려 주지 않아 비교하지 않습니다",
)


def declare(draft: Draft) -> None:
    """All images of the file; of several with one name the checksum says which is meant."""
    for project in draft.projects:
        for one in project.written.images:
            draft.needs(IMAGE.name, f"{project.thing.label}/{one.name}", IMAGE.service)
        for name in dict.fromkeys(one.name for one in project.written.images):
            wanted = [one for one in project.written.images if one.name == name]
            for thing, one in zip(images_there.declare(draft, project, name, wanted), wanted, strict=True):
                draft.things.setdefault(IMAGE.name, []).append((thing, one, project))


# -- planned


def images(draft: Draft) -> None:
    """Images, their content, and who may use them."""
    for thing, written, project in draft.things.get(IMAGE.name, ()):
        body = draft.known(IMAGE, thing, made(written, IMAGE))
        before: list[str] = []
        if thing.row:
            before = _compare_content(draft, thing, written, project)
            _change(draft, thing, body, written, project, before)
        elif not written.data:
            draft.differences.append(Difference("create", IMAGE.name, thing.label))
            summary = NO_CONTENT(name=thing.label, cloud=draft.cloud)
            draft.plan.findings.append(Finding("warning", summary, hint=GIVE_CONTENT(), about=thing.label))
            continue
        else:
            before = _make(draft, thing, body, written, project)
        if "members" in written.model_fields_set:
            _members(draft, thing, written.members, project, before)
    for project in draft.projects:
        if project.thing.row:
            draft.unlisted(IMAGE.name, draft.facts.owned(IMAGE.name, project.thing.id), project.thing)


def _make(draft: Draft, thing: Thing, body: Mapping[str, Any], written: Image, project: OfProject) -> list[str]:
    """The steps that make an image, fill it, and give it the rest; the one that fills it comes before all else."""
    # Glance has no default for it, and takes no content without
    formats = {"container_format": written.container_format}
    first = formats | {name: value for name, value in body.items() if name not in LATER}
    action = Make(
        cloud=draft.cloud,
        service=IMAGE.service,
        path=IMAGE.path,
        wrap="",
        body={"name": thing.name, "owner": project.thing.target, **first, **written.properties},
        # names of images are not unique, not even those of one project
        find=Find(ids=images_there.own_ids(draft, project.thing.label, written)),
        closing=Request(method="PATCH", body=_replace({"protected": False}), headers=PATCH),
    )
    draft.differences.append(Difference("create", IMAGE.name, thing.label))
    title = CREATE(kind=IMAGE.name, name=thing.label)
    after = draft.before.get(project.thing.label, ())
    step = draft.step(thing.target[REF], action, title, thing, unit=project.unit, after=after)
    last = _fill(draft, thing, written, project)
    path = [f"{IMAGE.path}/", thing.target]
    requests: list[dict[str, Any]] = []
    if later := {name: body[name] for name in LATER if body.get(name)}:
        requests.append({"method": "PATCH", "path": path, "body": _replace(later), "headers": PATCH})
    if written.deactivated:
        requests.append({"method": "POST", "path": [*path, "/actions/deactivate"]})
    if requests:
        title = CHANGE(kind=IMAGE.name, name=thing.label, fields=[*later, *["deactivated"] * written.deactivated])
        draft.call(f"finish {step}", IMAGE.service, requests, (), title, thing, unit=project.unit, after=[last])
    return [last]


def _fill(draft: Draft, thing: Thing, written: Image, project: OfProject) -> str:
    """The step that gives an image its content. Its id."""
    assert written.data
    content = Content(
        cloud=draft.cloud,
        service=IMAGE.service,
        image=thing.target,
        name=thing.label,
        directory=str(draft.directory),
        checksum=written.checksum or "",
        size=contents.size(draft.directory, written.data.file) if written.data.file else 0,
        **written.data.written(),
    )
    made = thing.target[REF] if thing.row is None else f"{IMAGE.name}/{thing.label}"
    return draft.step(f"content {made}", content, CONTENT(name=thing.label), thing, unit=project.unit)


def _compare_content(draft: Draft, thing: Thing, written: Image, project: OfProject) -> list[str]:
    """Whether an image that is there has its content, and the right one. One that was made and not filled, because the
    run that made it ended in between, is filled now: the step that does it, which comes before all else."""
    assert thing.row
    status = str(thing.row.body["status"])
    if status not in images_there.WHOLE:
        draft.differences.append(Difference("change", IMAGE.name, thing.label, "content", status, "active"))
        if status == "queued" and written.data:
            return [_fill(draft, thing, written, project)]
        summary = NOT_WHOLE(name=thing.label, cloud=draft.cloud, status=status)
        hint = GIVE_CONTENT() if status == "queued" else WAIT_FOR_CONTENT(id=thing.id)
        draft.plan.findings.append(Finding("warning", summary, hint=hint, about=thing.id))
        return []
    if not written.checksum:
        return []
    there = images_there.digest(thing.row, written.checksum)
    if not there:
        summary = NOT_COMPARED(name=thing.label, cloud=draft.cloud, digest=DIGESTS[len(written.checksum)])
        draft.plan.findings.append(Finding("warning", summary, about=thing.id))
    elif there != written.checksum:
        draft.differences.append(Difference("refused", IMAGE.name, thing.label, "checksum", there, written.checksum))
    return []


def _change(
    draft: Draft, thing: Thing, body: Mapping[str, Any], written: Image, project: OfProject, after: Sequence[str]
) -> None:
    """One step for all fields and properties that are otherwise, after those that give it its content."""
    assert thing.row
    there = thing.row.body
    forth: list[dict[str, Any]] = []
    back: list[dict[str, Any]] = []
    fields = []
    for name, value in body.items():
        if IMAGE.fields[name].same(there.get(name), value):
            continue
        fixed = IMAGE.fields[name].fixed
        draft.differences.append(
            Difference("refused" if fixed else "change", IMAGE.name, thing.label, name, there.get(name), value)
        )
        if not fixed:
            fields.append(name)
            forth += _replace({name: value})
            back += _replace({name: there.get(name, IMAGE.fields[name].default)})
    for name, value in written.properties.items():
        old = there.get(name)
        if old == value:
            continue
        draft.differences.append(Difference("change", IMAGE.name, thing.label, f"properties: {name}", old, value))
        fields.append(name)
        forth.append({"op": "add", "path": _pointer(name), "value": value})
        back.append(
            {"op": "remove", "path": _pointer(name)}
            if old is None
            else {"op": "add", "path": _pointer(name), "value": old}
        )
    for name in properties(thing.row) if "properties" in written.model_fields_set else ():
        if name not in written.properties:
            draft.undeclared(thing, "properties", name)
    title = CHANGE(kind=IMAGE.name, name=thing.label, fields=fields)
    path = f"{IMAGE.path}/{thing.id}"
    if fields:
        request, undo = ({"method": "PATCH", "path": path, "body": ops, "headers": PATCH} for ops in (forth, back))
        identity = f"change {IMAGE.name}/{thing.label}"
        back_again = [{**undo, "ok": [404]}]
        draft.call(identity, IMAGE.service, [request], back_again, title, thing, unit=project.unit, after=after)
    is_off = there["status"] == "deactivated"
    if "deactivated" in written.model_fields_set and written.deactivated != is_off:
        draft.differences.append(
            Difference("change", IMAGE.name, thing.label, "deactivated", is_off, written.deactivated)
        )
        verbs = ("reactivate", "deactivate") if is_off else ("deactivate", "reactivate")
        off = [{"method": "POST", "path": f"{path}/actions/{verb}"} for verb in verbs]
        title = CHANGE(kind=IMAGE.name, name=thing.label, fields=["deactivated"])
        identity = f"{verbs[0]} {IMAGE.name}/{thing.label}"
        draft.call(identity, IMAGE.service, off[:1], off[1:], title, thing, unit=project.unit, after=after)


def _members(
    draft: Draft, thing: Thing, written: Iterable[ImageMember], project: OfProject, after: Sequence[str]
) -> None:
    """Who may use it; each as it has said that it will, or not yet. After the steps that give it its content."""
    rows = draft.facts.of("image member", "image_id", thing.id) if thing.row else ()
    there = {str(row.body["member_id"]): str(row.body["status"]) for row in rows}
    path = [f"{IMAGE.path}/", thing.target, "/members"]
    statuses = {}
    for one in written:
        other = draft.names.of_domain("project", one, f"images: {thing.label}: members")
        if other:
            statuses[str(other.target)] = one.status

    def requests(target: Any, status: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [{"method": "POST", "path": path, "body": {"member": target}, "ok": [409]}]
        return [*found, *([_say(path, target, status)] if status != "pending" else [])]

    def link(called: str, target: Any, remove: bool) -> None:
        gone = [{"method": "DELETE", "path": [*path, "/", target], "ok": [404]}]
        back = requests(target, there[target] if remove else statuses[str(target)])
        forth, undo = (gone, back) if remove else (back, gone)
        draft.link(
            *(thing, "members", called, IMAGE.service, forth, undo),
            unit=project.unit,
            remove=remove,
            after=after,
        )

    draft.named(thing, "members", "project", written, {one: one for one in sorted(there)}, "image_members", link)
    for target, status in statuses.items():
        if target in there and there[target] != status:
            member = draft.names.of_id("project", target)
            label = member.label if member else target
            draft.differences.append(
                Difference("change", IMAGE.name, thing.label, f"members: {label}", there[target], status)
            )
            title = CHANGE(kind=IMAGE.name, name=thing.label, fields=[f"members: {label}"])
            request, undo = _say(path, target, status), _say(path, target, there[target])
            draft.call(
                f"status members image/{thing.label}/{label}",
                *(IMAGE.service, [request], [{**undo, "ok": [404]}], title, thing),
                unit=project.unit,
            )


def _say(path: list[Any], project: Any, status: str) -> dict[str, Any]:
    return {"method": "PUT", "path": [*path, "/", project], "body": {"status": status}}


def _replace(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"op": "replace", "path": f"/{name}", "value": value} for name, value in fields.items()]


def _pointer(name: str) -> str:
    """A property as JSON Pointer has it (RFC 6901)."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def properties(row: Row) -> dict[str, str]:
    """The properties that people have given an image, and those that Nova reads."""
    return {
        name: str(value)
        for name, value in sorted(row.body.items())
        if name not in IMAGE_FIELDS and not name.startswith("os_glance_") and value is not None
    }

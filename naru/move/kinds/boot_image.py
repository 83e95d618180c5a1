"""Images that servers are booted from: an empty one where it was deleted since, and access where the new cloud has it
for others alone."""

import uuid
from typing import Any

from naru.actions.arguments import ref
from naru.inventory.rows import Row
from naru.messages import message
from naru.move.decisions import FieldChange
from naru.move.draft import THING, Draft, thing
from naru.move.facts import boots_from_volume
from naru.move.kinds.flavor import MAY_USE
from naru.move.kinds.image import KIND, MEMBER, Usable, accept, spare_ids
from naru.move.steps.images import EMPTY, PATCH, EmptyData

STAND_IN = message(
    "move.image.stand_in",
    en="it was deleted while servers have it: an empty one stands in",
    ko="서버가 사용하는 중에 삭제된 이미지이므로 빈 이미지를 대신 만듭니다",
)
GONE = message(
    "move.image.gone",
    en="{thing}: its image {image} was deleted; an empty one stands in, until its own disk comes at the cut-over",
    ko="{thing}: 이미지가 삭제되어({image}) 전환 때 서버의 디스크를 옮기기 전까지 빈 이미지를 대신 씁니다",
)
DELETE_IT = message(
    "move.image.delete_it",
    en="When the move is final, {name} may be deleted on the new cloud.",
    ko="이전을 마무리한 뒤에는 새 클라우드에서 {name} 이미지를 삭제해도 됩니다.",
)
NOT_ALLOWED = message(
    "move.image.not_allowed",
    en="{thing} of {cloud} is others' alone: {project} is given access, which a rollback takes back",
    ko="{thing}: {cloud} 클라우드에서 다른 프로젝트만 쓸 수 있으므로 프로젝트 {project}에 사용을 허용합니다. 되돌리면"
    " 다시 회수합니다",
)
DEACTIVATED = message(
    "move.image.deactivated",
    en="{thing} is deactivated on {cloud}: no server can be booted from it",
    ko="{thing}: {cloud} 클라우드에서 비활성화되어 있어 서버를 부팅할 수 없습니다",
)
REACTIVATE = message(
    "move.image.reactivate",
    en="Reactivate it, or write another image into the map; then plan again.",
    ko="다시 활성화하거나 map.yaml에 다른 이미지를 적은 뒤 계획을 다시 세워 주십시오.",
)
FOR_SERVERS = message(
    "move.boot_image.for_servers",
    en="servers of other projects are booted from it",
    ko="다른 프로젝트의 서버가 이 이미지로 부팅합니다",
)
SHARE = message("move.title.share_image", en="share {thing}", ko="{thing} 공유")
EMPTY_DATA = message("move.title.empty_image", en="empty data of {thing}", ko="{thing}의 빈 데이터")


def of_servers(draft: Draft) -> None:
    """The image of each server: there to be booted from, and for the server's project."""
    known = draft.facts.old.all(KIND.name)
    for server in draft.facts.owned("server"):
        identity = str((server.body.get("image") or {}).get("id") or "")
        if identity and identity not in known and not boots_from_volume(draft.facts.old, server):
            _stand_in(draft, server, identity)
        if identity and draft.ref(KIND.name, identity) is not None:
            _may_use(draft, server, identity)


def _stand_in(draft: Draft, server: Row, identity: str) -> None:
    """An empty image in place of one that was deleted: the server is booted from it once, and gets its own disk at the
    cut-over. It is the project's of the first server that needs it."""
    usable = draft.note(Usable)
    if identity not in usable.ready:
        row = Row(KIND.name, identity, f"deleted-{identity[:8]}", server.project, "", {})
        body = {"name": row.name, "disk_format": "raw", "container_format": "bare", "visibility": "private"}
        body["owner"] = draft.ref("project", server.project)
        spare = str(uuid.uuid5(uuid.NAMESPACE_OID, f"stand-in {identity}"))
        step = draft.create(row, KIND.creation(draft.new, body, ids=spare_ids(spare)), why=STAND_IN())
        usable.ready[identity] = draft.step(
            f"{step} data",
            EmptyData(cloud=draft.new, service=KIND.service, to=ref(step), size=EMPTY),
            EMPTY_DATA(thing=thing(row)),
            about=row,
            project=server.project,
        )
    said = GONE(thing=thing(server), image=identity)
    draft.report("info", said, about=server.id, hint=DELETE_IT(name=f"deleted-{identity[:8]}"))


def _may_use(draft: Draft, server: Row, identity: str) -> None:
    """The server's project may use its image on the new cloud: one that is there already may be others' alone, and the
    old cloud's may have been taken away from the project since."""
    project, usable = server.project, draft.note(Usable)
    decision = draft.decisions[KIND.name, identity]
    side, named = (draft.facts.new, decision.new) if decision.new else (draft.facts.old, identity)
    row = side.all(KIND.name).get(named)
    if row and row.status == "deactivated" and decision.new:
        draft.report("error", DEACTIVATED(thing=thing(row), cloud=draft.new), about=identity, hint=REACTIVATE())
    owner = row.body.get("owner") if row else decision.project
    visibility = row.body.get("visibility") if row else "private"
    mine = draft.ref("project", project) if decision.new else project
    if (project, identity) in usable.access or owner == mine or visibility in ("public", "community"):
        return
    # a project that is made is known by a reference, and is nobody's member yet
    members = [(one.body["member_id"], one.body["status"]) for one in side.by(MEMBER.name, "image_id", named)]
    if decision.new and (mine, "accepted") in members:
        return
    new = draft.ref("project", project)
    here, shared = draft.ref(KIND.name, identity), f"{KIND.name}/{identity} shared"
    called = row or draft.facts.old.all(KIND.name).get(identity)
    name = thing(called) if called else THING(kind=KIND.name, name=identity)
    if visibility == "private" and shared not in draft.steps:
        requests = [{**_visible(one), "path": [f"{KIND.path}/", here]} for one in ("shared", "private")]
        done = [usable.ready.get(identity, "")]
        draft.call(shared, KIND.service, requests[:1], SHARE(thing=name), undo=requests[1:], after=done)
        if called and not decision.new:
            draft.change(called, FieldChange("visibility", visibility, "shared", FOR_SERVERS()))
    usable.access[project, identity] = draft.call(
        f"{KIND.name}/{identity} member {project}",
        KIND.service,
        accept(here, new, "accepted"),
        MAY_USE(project=draft.facts.projects[project].name, thing=name),
        undo=[
            {
                "method": "DELETE",
                "path": [f"{KIND.path}/", here, "/members/", draft.ref("project", project)],
                "ok": [404],
            }
        ],
        project=project,
        after=[usable.ready.get(identity, ""), shared if shared in draft.steps else ""],
        joins=decision.project in draft.facts.projects,
    )
    said = NOT_ALLOWED(thing=name, project=draft.facts.projects[project].name, cloud=draft.new)
    draft.report("info", said, about=identity)


def _visible(visibility: str) -> dict[str, Any]:
    """The request to an image's path that changes who sees it; of one that is gone it changes nothing."""
    body = [{"op": "replace", "path": "/visibility", "value": visibility}]
    return {"method": "PATCH", "body": body, "headers": PATCH, "ok": [404]}

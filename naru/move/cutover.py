"""The window, the end of preparing before it, and the end of the move after it: steps behind gates, a set a project."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from naru.actions.arguments import ref
from naru.actions.call import Final
from naru.actions.request import Request
from naru.inventory.rows import Row
from naru.messages import message
from naru.move import acting, marks, moments, purposes
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, thing
from naru.move.facts import boots_from_volume
from naru.move.kinds import floating_ip, load_balancer, port, quota, router, server, volume
from naru.move.off import Off
from naru.move.steps import hook
from naru.move.steps.by_image import BOOT_IMAGES, VOLUME, RootContent, VolumeImage, disk_properties
from naru.move.steps.volume_content import Compared, End, Flatten, Kept, VolumeContent
from naru.move.switching import Servers, Start, Stop
from naru.move.work import ARCHIVE

SHARED_MADE = message(
    "move.title.shared_made",
    en="all that belongs to no project is made",
    ko="프로젝트에 속하지 않는 리소스를 모두 만듦",
)
PROJECT_MADE = message("move.title.project_made", en="all of {project} is made", ko="{project}: 리소스를 모두 만듦")
CUT_OVER = message("move.title.cut_over", en="{project}: the cut-over begins", ko="{project}: 전환 시작")
FOUND = message(
    "move.title.servers_found",
    en="{project}: see which old servers run",
    ko="{project}: 실행 중인 기존 서버 확인",
)
STOP_OLD = message("move.title.stop_old", en="old cloud: stop {thing}", ko="기존 클라우드: {thing} 중지")
START = message("move.title.start", en="start {thing}", ko="{thing} 시작")
CONTENT = message(
    "move.title.volume_content", en="content of {thing}, {size} GiB", ko="{thing}의 내용 복사({size} GiB)"
)
ROOT_CONTENT = message("move.title.root_content", en="the own disk of {thing}", ko="{thing}의 자체 디스크 복사")
PROOFS = message(
    "move.title.proofs",
    en="keep the proofs of the content of {count} volumes in the archive",
    ko="볼륨 {count}개의 내용 비교 결과를 아카이브에 보관",
)
HOOKS = message("move.title.hooks", en="hooks {moment}: {thing}", ko="훅 {moment}: {thing}")
NO_REIMAGE = message(
    "move.content.no_reimage",
    en="the Cinder of {cloud} cannot write an image into a volume: that needs microversion {version}",
    ko="{cloud} 클라우드의 Cinder는 볼륨에 이미지를 쓸 수 없습니다(마이크로버전 {version} 필요)",
)
WITH_STORAGE = message(
    "move.content.with_storage",
    en="Describe the storage of both clouds (--storage): then content goes from storage to storage.",
    ko="두 클라우드의 스토리지를 알려 주십시오(--storage). 그러면 내용을 스토리지 사이에서 바로 복사합니다.",
)
FINAL = message("move.title.final", en="{project}: finalizing begins", ko="{project}: 마무리 시작")
NO_ROLLBACK = message(
    "move.title.no_rollback",
    en="{project}: remove what is held for a rollback; no rollback after this",
    ko="{project}: 되돌리기 위해 남겨 둔 것 정리(이후 되돌릴 수 없음)",
)
FLATTEN = message(
    "move.title.flatten",
    en="flatten {thing}, if it is a clone of the old one",
    ko="{thing}: 기존 볼륨의 클론이면 독립시키기(flatten)",
)
CLEANED = message(
    "move.title.cleaned",
    en="remove what copies left on {thing}",
    ko="{thing}에 남은 복사 지점 삭제",
)
BY_IMAGE = message(
    "move.server.by_image",
    en="its disk came by that image",
    ko="서버의 디스크를 옮길 때 사용한 이미지입니다",
)
COMPUTE = "compute"
SECONDS = 10.0
"""What a server is expected to take to stop or start."""
HOOK_SECONDS = 0.1
"""What a step for hooks takes when there are none."""


def gate(draft: Draft, phase: str, project: str) -> str:
    """The name of the gate before a project's phase, made when it is first asked for."""
    name = f"{phase} {draft.called[project]}"
    if name not in draft.plan.gates:
        draft.plan.gates.append(name)
    return name


def prepared(draft: Draft) -> None:
    """The end of preparing: nothing exists twice, no mark is left, no role for a while."""
    draft.milestone("prepared", "", SHARED_MADE())
    for project, row in draft.facts.projects.items():
        made = draft.milestone(f"prepared {project}", project, PROJECT_MADE(project=row.name))
        acting.leave(draft, project, marks.removal(draft, project, made))


# -- the window


def cut_over(draft: Draft) -> None:
    """The window: old servers stopped, content carried, addresses changed over, new servers started."""
    for project, row in draft.facts.projects.items():
        name = gate(draft, "cutover", project)
        begin = draft.milestone(
            *(f"cutover {project}", project, CUT_OVER(project=row.name)), gate=name, purpose=purposes.CUTOVER
        )
        told = _hooks(draft, row, moments.BEFORE_CUTOVER, moments.AFTER_ROLLBACK, purposes.TELL_CUTOVER, [begin])
        # both, since after a rollback of one that waits for little (see WAITS) the other still waits for everything
        begun = [begin, told]
        servers = [one for one in draft.facts.owned(server.KIND.name, project) if _moved(draft, one)]
        found = _found(draft, row, servers, begun) if servers else ""
        stopped = {one.id: _stop(draft, one, begun, found) for one in servers}
        arrived = _contents(draft, project, begun, stopped)
        off = Off(begun, stopped)
        floating_ip.change_over(draft, project, off)
        active = port.activate(draft, project, off)
        load_balancer.change_over(draft, project, off, active)
        for one in servers:
            _start(draft, one, arrived[one.id], active)
        _kept(draft, project, begun)
        _hooks(draft, row, moments.AFTER_CUTOVER, "", purposes.TELL_CUT_OVER, draft.so_far(project))


def _hooks(
    draft: Draft,
    row: Row,
    moment: str,
    back: str,
    purpose: str,
    after: Iterable[str],
    ran: Mapping[str, Any] | None = None,
) -> str:
    """The step that runs the operator's hooks of a moment of a project or of a server, and in a rollback those of
    the moment `back`. Of a server that did not run, by what another step has found (`ran`), nobody is told."""
    of_server = row.kind == server.KIND.name
    project = draft.facts.projects[row.project] if of_server else row
    known = draft.ref("project", project.id)
    more: dict[str, Any] = {}
    if of_server:
        more = {"server": hook.server(row), "ran": ran, "runs": server.runs(row)}
    return draft.step(
        f"{moment} {row.kind}/{row.id}",
        hook.Hooks(
            cloud=draft.new,
            service=hook.Hooks.limit_group,
            directory=draft.options.directory,
            moment=moment,
            back=back,
            project=hook.Told(name=project.name, old_id=project.id, new_id=known if isinstance(known, str) else ""),
            **more,
        ),
        HOOKS(moment=moment, thing=thing(row)),
        about=row,
        purpose=purpose,
        project=project.id,
        unit=server.unit(row) if of_server else "",
        after=after,
        estimate=HOOK_SECONDS,
    )


def _moved(draft: Draft, row: Row) -> bool:
    return draft.ref(server.KIND.name, row.id) is not None


def _found(draft: Draft, project: Row, servers: list[Row], after: list[str]) -> str:
    """Looks which of the project's old servers run: those are stopped, and started on the new cloud."""
    return draft.step(
        f"servers {project.id}",
        Servers(cloud=draft.old, service=COMPUTE, project=project.id, servers=[row.id for row in servers]),
        FOUND(project=project.name),
        about=project,
        project=project.id,
        after=after,
    )


def _stop(draft: Draft, row: Row, begun: list[str], found: str) -> str:
    """Stops the old server, if it runs by then; others are still, whatever they are called."""
    ran = ref(found, f"ran.{row.id}")
    told = _hooks(draft, row, moments.BEFORE_STOP, moments.AFTER_BACK, purposes.TELL_STOP, begun, ran)
    return draft.step(
        _stop_step(row),
        Stop(
            cloud=draft.old,
            service=COMPUTE,
            server=row.id,
            ran=ran,
            runs=server.runs(row),
        ),
        STOP_OLD(thing=thing(row)),
        about=row,
        purpose=purposes.STOP,
        project=row.project,
        unit=server.unit(row),
        after=[*begun, told],
        estimate=SECONDS if server.runs(row) else 0.0,
    )


def _stop_step(row: Row) -> str:
    return f"stop server/{row.id}"


def _start(draft: Draft, row: Row, after: list[str], active: dict[str, str]) -> None:
    """Starts the new server, if the old one ran: `active` are the steps that activate ports, by the old port.

    It does not wait for floating IPs and gateways, which no guest knows of: they are changed over while it boots. Its
    own ports on a shared network it needs, or it would boot without them."""
    own = [active[one.id] for one in server.nics(draft.facts.old, row) if one.id in active]
    started = draft.step(
        _start_step(row),
        Start(
            cloud=draft.new,
            service=COMPUTE,
            server=draft.ref(server.KIND.name, row.id),
            ran=ref(_stop_step(row), "ran"),
            runs=server.runs(row),
        ),
        START(thing=thing(row)),
        about=row,
        purpose=purposes.START,
        project=row.project,
        unit=server.unit(row),
        after=[*after, *own],
        estimate=SECONDS if server.runs(row) else 0.0,
    )
    _hooks(draft, row, moments.AFTER_START, moments.BEFORE_BACK, purposes.TELL_RUNS, [started], ref(started, "ran"))


def _start_step(row: Row) -> str:
    return f"start server/{row.id}"


# -- content


def _contents(draft: Draft, project: str, begun: list[str], stopped: dict[str, str]) -> dict[str, list[str]]:
    """The steps that carry content; by server, those that it waits for."""
    arrived: dict[str, list[str]] = {identity: [step] for identity, step in stopped.items()}
    for row in draft.facts.owned(volume.KIND.name, project):
        if draft.ref(volume.KIND.name, row.id) is None:
            continue
        servers = [identity for identity in volume.holders(draft.facts.old, row) if identity in stopped]
        step = _content(draft, row, [*begun, *(stopped[identity] for identity in servers)])
        for identity in servers:
            arrived[identity].append(step)
    for row in draft.facts.owned(server.KIND.name, project):
        if row.id in stopped and not boots_from_volume(draft.facts.old, row):
            identity = row.body["image"]["id"]
            image = draft.facts.old.all("image").get(identity)
            arrived[row.id].append(_root(draft, row, [*begun, stopped[row.id]], image))
            draft.change(row, FieldChange("image", identity, "an image of its disk", BY_IMAGE()))
    return arrived


def _content(draft: Draft, row: Row, after: list[str]) -> str:
    """The step that carries a volume's content: from storage to storage where both can be reached, else by images."""
    title = CONTENT(thing=thing(row), size=row.body["size"])
    if draft.options.storage:
        return draft.step(
            *(_content_step(row), volume.copy_action(draft, row, VolumeContent), title),
            about=row,
            purpose=purposes.CONTENT,
            project=row.project,
            after=[*after, volume.access_step(row)],
            queue=draft.queue(row),
        )
    _check_reimage(draft)
    here = draft.ref(volume.KIND.name, row.id)
    by_image = VolumeImage(
        cloud=draft.new,
        service=volume.SERVICE,
        old=draft.old,
        source=row.id,
        to=here,
        size=int(row.body["size"]) << 30,
        properties=[Request(**one) for one in volume.properties(draft, row, here)],
    )
    return draft.step(
        *(_content_step(row), by_image, title),
        about=row,
        purpose=purposes.CONTENT,
        project=row.project,
        after=after,
    )


@dataclass
class Reimage:
    """Whether the reader was told that the new Cinder cannot write images into volumes."""

    told: bool = False


def _check_reimage(draft: Draft) -> None:
    """Content by images needs a Cinder that writes an image into a volume that is there."""
    note = draft.note(Reimage)
    if not note.told and not draft.facts.new.supports(volume.SERVICE, VOLUME):
        note.told = True
        draft.report("error", NO_REIMAGE(cloud=draft.new, version=VOLUME), hint=WITH_STORAGE())


def _content_step(row: Row) -> str:
    return f"content volume/{row.id}"


def _root(draft: Draft, row: Row, after: list[str], image: Row | None) -> str:
    """The step that carries a server's own disk, with what the image that it was booted from says of it."""
    body: dict[str, Any] = image.body if image else {}
    kept = disk_properties(body)
    kept |= {name: new for name in BOOT_IMAGES if (new := draft.ref("image", body.get(name))) is not None}
    return draft.step(
        f"content server/{row.id}",
        RootContent(
            cloud=draft.new,
            service="image",
            old=draft.old,
            source=row.id,
            to=draft.ref(server.KIND.name, row.id),
            project=draft.ref("project", row.project),
            image=kept,
            shelved=row.status.startswith("SHELVED"),
            size=int(body.get("size") or 0),
        ),
        ROOT_CONTENT(thing=thing(row)),
        about=row,
        purpose=purposes.ROOT_CONTENT,
        project=row.project,
        unit=server.unit(row),
        after=after,
    )


def _kept(draft: Draft, project: str, begun: list[str]) -> None:
    """The step that keeps in the archive what comparisons of volumes' content have found; no server waits for it."""
    if volumes := _carried(draft, project):
        copies = [volume.copy_action(draft, row, VolumeContent) for row in volumes]
        draft.step(
            f"kept {project}",
            Kept(
                cloud=draft.old,
                service=volume.SERVICE,
                archive=f"{draft.options.directory}/{ARCHIVE}",
                volumes=[Compared(source=one.source, to=one.to, directory=one.directory) for one in copies],
            ),
            PROOFS(count=len(volumes)),
            project=project,
            after=[*begun, *map(_content_step, volumes)],
        )


def _carried(draft: Draft, project: str) -> list[Row]:
    """The volumes of a project whose content goes from storage to storage."""
    volumes = draft.facts.owned(volume.KIND.name, project) if draft.options.storage else ()
    return [row for row in volumes if draft.ref(volume.KIND.name, row.id) is not None]


# -- the end


def finalize(draft: Draft) -> None:
    """The end: exact quotas; the addresses held for a rollback are given up, after which there is none."""
    for project, row in draft.facts.projects.items():
        name = gate(draft, "finalize", project)
        begin = draft.milestone(
            *(f"finalize {project}", project, FINAL(project=row.name)), gate=name, purpose=purposes.FINALIZE
        )
        after = [*quota.exact(draft, project, [begin]), *_clean(draft, project, begin)]
        held = [Request(method="DELETE", path=["/ports/", ref(step)], ok=[404]) for step in router.held(draft, project)]
        draft.step(
            f"no way back {project}",
            Final(cloud=draft.old, service="network", requests=held),
            NO_ROLLBACK(project=row.name),
            about=row,
            purpose=purposes.END,
            project=project,
            after=after or [begin],
        )


def _flatten(draft: Draft, row: Row) -> str:
    """The step that makes a volume independent that became a clone, when its servers run again. It stands outside of
    the window: neither what is cut over next nor how far this project is waits for it, only the end of the move does.
    """
    holders = volume.holders(draft.facts.old, row)
    servers = [draft.facts.old.all(server.KIND.name).get(identity) for identity in holders]
    started = [_start_step(one) for one in servers if one and _moved(draft, one)]
    return draft.step(
        f"flatten volume/{row.id}",
        volume.copy_action(draft, row, Flatten),
        FLATTEN(thing=thing(row)),
        about=row,
        project=row.project,
        after=[_content_step(row), *started],
        queue=draft.queue(row),
    )


def _clean(draft: Draft, project: str, after: str) -> list[str]:
    """The steps that remove the points that copies left on old volumes."""
    if not draft.options.storage:
        return []
    described, _ = draft.options.storage
    return [
        draft.step(
            f"clean volume/{row.id}",
            End(cloud=draft.old, service=volume.SERVICE, source=row.id, storage=described),
            CLEANED(thing=thing(row)),
            about=row,
            project=project,
            after=[after, _flatten(draft, row)],
            queue=draft.queue(row),
        )
        for row in _carried(draft, project)
    ]

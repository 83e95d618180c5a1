"""The window, the end of preparing before it, and the end of the move after it: steps behind gates, a set a project."""

from naru.inventory.rows import Row
from naru.messages import say
from naru.move.draft import FLATTENS, Draft, Rule, ref, title
from naru.move.kinds import quota, router
from naru.move.kinds.server import from_volume, nics, runs, unit
from naru.move.kinds.volume import placed, properties, way
from naru.move.purposes import ACT, CONTENT, CUTOVER, END, FINALIZE, ROOT_CONTENT, START, STOP
from naru.move.work import ARCHIVE

COMPUTE = "compute"


def gate(draft: Draft, phase: str, project: str) -> str:
    """The name of the gate before a project's phase, made when it is first asked for."""
    name = f"{phase} {draft.called[project]}"
    if name not in draft.plan.gates:
        draft.plan.gates.append(name)
    return name


def prepared(draft: Draft) -> None:
    """The end of preparing: nothing there twice, no mark left, no role for a while."""
    draft.barrier("prepared", "", "all that belongs to no project is made")
    for project in draft.facts.projects:
        name = draft.facts.projects[project].name
        marks = draft.marks.get(project, [])
        everything = draft.barrier(f"prepared {project}", project, f"all of {name} is made")
        after = everything
        if marks:
            lists = {
                entry.wrap: {
                    "service": entry.service,
                    "path": entry.listing,
                    "collection": entry.collection,
                    "item": entry.item,
                    "wrap": entry.wrap,
                    "field": entry.field,
                    "version": entry.version,
                }
                for entry in marks
            }
            swept = draft.step(
                f"sweep {project}",
                "move.sweep",
                {
                    "cloud": draft.new,
                    "service": "network",
                    "lists": list(lists.values()),
                    "made": {entry.mark: ref(entry.step) for entry in marks},
                },
                title=f"nothing of {name} is there twice",
                project=project,
                after=[everything],
            )
            after = _unmark(draft, project, swept)
        for (where, user), entered in draft.actors.items():
            if where == project and draft.steps[entered].purpose == ACT:
                _leave(draft, project, user, entered, after)


def _unmark(draft: Draft, project: str, after: str) -> str:
    services = sorted({entry.service for entry in draft.marks[project]})
    for service in services:
        entries = [entry for entry in draft.marks[project] if entry.service == service]
        requests = [
            {**entry.unmark, "path": [entry.item, ref(entry.step), entry.unmark.get("path", "")], "optional": True}
            for entry in entries
        ]
        after = draft.step(
            f"unmark {service} {project}",
            "move.call",
            {"cloud": draft.new, "service": service, "requests": requests},
            title=f"take {len(requests)} marks away",
            project=project,
            after=[after],
        )
    return after


def _leave(draft: Draft, project: str, user: str, entered: str, after: str) -> None:
    step = draft.steps[entered]
    name = f"{entered} left"
    if name in draft.steps:
        return
    draft.step(
        name,
        "move.call",
        {"cloud": draft.new, "service": "identity", "requests": list(step.args["undo"])},
        title=say(step.title).replace("a role", "no role any more").replace(" for a while", ""),
        project=project,
        after=[after],
    )


def cut_over(draft: Draft) -> None:
    """The window: old servers stopped, content carried, addresses changed over, new servers started."""
    for project in draft.facts.projects:
        name = gate(draft, "cutover", project)
        title_ = f"{draft.facts.projects[project].name} is cut over"
        begin = draft.barrier(f"cutover {project}", project, title_, gate=name, purpose=CUTOVER)
        servers = [row for row in draft.facts.owned("server", project) if _moved(draft, row)]
        stopped = {row.id: _stop(draft, row, begin) for row in servers}
        arrived = _contents(draft, project, begin, stopped)
        after = [begin, *stopped.values()]
        freed = router.release(draft, project, "", after)
        reached = router.take_over(draft, project, "", [*after, *freed])
        for row in servers:
            _start(draft, row, arrived[row.id], reached)
        for row in draft.facts.owned("port", project):
            if row.id in draft.dark_ports:
                _light(draft, row, after)
        _kept(draft, project, begin)


def _moved(draft: Draft, row: Row) -> bool:
    return draft.ref("server", row.id) is not None


def _stop(draft: Draft, row: Row, after: str) -> str:
    """Stops the old server, if it runs; others are still, whatever they are called."""
    if row.status != "ACTIVE":
        return after
    return draft.step(
        f"stop server/{row.id}",
        "move.power",
        {"cloud": draft.old, "service": COMPUTE, "server": row.id, "to": "SHUTOFF", "back": "ACTIVE"},
        title=f"old cloud: stop {title(row)}",
        project=row.project,
        unit=unit(row),
        after=[after],
        estimate=10.0,
        about=row,
        purpose=STOP,
    )


def _contents(draft: Draft, project: str, begin: str, stopped: dict[str, str]) -> dict[str, list[str]]:
    """The steps that carry content; by server, those that it waits for."""
    arrived: dict[str, list[str]] = {server: [step] for server, step in stopped.items()}
    for row in draft.facts.owned("volume", project):
        if draft.ref("volume", row.id) is None:
            continue
        servers = [item["server_id"] for item in row.body.get("attachments", []) if item["server_id"] in stopped]
        step = _content(draft, row, [begin, *(stopped[server] for server in servers)])
        for server in servers:
            arrived[server].append(step)
    for row in draft.facts.owned("server", project):
        if row.id in stopped and not from_volume(row):
            image = draft.facts.old.all("image").get(row.body["image"]["id"])
            arrived[row.id].append(_root(draft, row, stopped[row.id], image))
            draft.rule(
                row, Rule("image", row.body["image"]["id"], "an image of its disk", "its disk came by that image")
            )
    return arrived


def _content(draft: Draft, row: Row, after: list[str]) -> str:
    """The step that carries a volume's content: from storage to storage where both can be reached, else by images."""
    content = _content_step(row)
    if draft.storage:
        return draft.step(
            content,
            "move.content",
            way(draft, row),
            title=f"content of {title(row)}, {row.body['size']} GiB",
            project=row.project,
            after=[*after, placed(row)],
            place=draft.place(row),
            about=row,
            purpose=CONTENT,
        )
    volume = draft.ref("volume", row.id)
    return draft.step(
        content,
        "move.volume_image",
        {
            "cloud": draft.new,
            "service": "block-storage",
            "old": draft.old,
            "from": row.id,
            "to": volume,
            "size": int(row.body["size"]) << 30,
            "properties": properties(draft, row, volume),
        },
        title=f"content of {title(row)}, {row.body['size']} GiB",
        project=row.project,
        after=after,
        about=row,
        purpose=CONTENT,
    )


def _content_step(row: Row) -> str:
    """The step that carries the volume's content."""
    return f"content volume/{row.id}"


def _kept(draft: Draft, project: str, begin: str) -> None:
    """The step that keeps in the archive what comparisons of volumes' content have found; no server waits for it."""
    if volumes := _carried(draft, project):
        ways = [way(draft, row) for row in volumes]
        draft.step(
            f"kept {project}",
            "move.content.kept",
            {
                "cloud": draft.old,
                "service": "block-storage",
                "archive": f"{draft.directory}/{ARCHIVE}",
                "volumes": [{name: one[name] for name in ("from", "to", "directory")} for one in ways],
            },
            title=f"proofs of the content of {len(volumes)} volumes are in the archive",
            project=project,
            after=[begin, *(_content_step(row) for row in volumes)],
        )


def _carried(draft: Draft, project: str) -> list[Row]:
    """The volumes of a project whose content goes from storage to storage."""
    volumes = draft.facts.owned("volume", project) if draft.storage else ()
    return [row for row in volumes if draft.ref("volume", row.id) is not None]


def _root(draft: Draft, row: Row, after: str, image: Row | None) -> str:
    kept = {
        key: value
        for key, value in (image.body if image else {}).items()
        if key.startswith(("hw_", "os_distro", "os_type", "os_version"))
    }
    return draft.step(
        f"content server/{row.id}",
        "move.root_content",
        {
            "cloud": draft.new,
            "service": "image",
            "old": draft.old,
            "from": row.id,
            "to": draft.ref("server", row.id),
            "project": draft.ref("project", row.project),
            "image": kept,
            "shelved": row.status.startswith("SHELVED"),
            "size": int((image.body if image else {}).get("size") or 0),
        },
        title=f"the own disk of {title(row)}",
        project=row.project,
        unit=unit(row),
        after=[after],
        about=row,
        purpose=ROOT_CONTENT,
    )


def _start(draft: Draft, row: Row, after: list[str], reached: dict[str, str]) -> None:
    if not runs(row):
        return
    addresses = [reached[port.id] for port in nics(draft.facts.old, row) if port.id in reached]
    gateways = [reached[""]] if "" in reached else []
    draft.step(
        _start_step(row),
        "move.power",
        {
            "cloud": draft.new,
            "service": COMPUTE,
            "server": draft.ref("server", row.id),
            "to": "ACTIVE",
            "back": "SHUTOFF",
        },
        title=f"start {title(row)}",
        project=row.project,
        unit=unit(row),
        after=[*after, *addresses, *gateways],
        estimate=10.0,
        about=row,
        purpose=START,
    )


def _start_step(row: Row) -> str:
    """The step that starts the new server."""
    return f"start server/{row.id}"


def _light(draft: Draft, row: Row, after: list[str]) -> None:
    path = ["/ports/", draft.ref("port", row.id)]
    draft.step(
        f"light port/{row.id}",
        "move.call",
        {
            "cloud": draft.new,
            "service": "network",
            "requests": [{"method": "PUT", "path": path, "body": {"port": {"admin_state_up": True}}}],
            "undo": [{"method": "PUT", "path": path, "body": {"port": {"admin_state_up": False}}, "ok": [404]}],
        },
        title=f"port {row.name or row.id} comes up on the shared network",
        project=row.project,
        after=after,
    )


def finalize(draft: Draft) -> None:
    """The end: exact quotas; the addresses held for a rollback are given up, after which there is none."""
    for project in draft.facts.projects:
        row = draft.facts.projects[project]
        name = gate(draft, "finalize", project)
        begin = draft.barrier(f"finalize {project}", project, f"{row.name} is final", gate=name, purpose=FINALIZE)
        after = [*quota.exact(draft, project, "", [begin]), *_clean(draft, project, begin)]
        draft.step(
            f"no way back {project}",
            "move.final",
            {
                "cloud": draft.old,
                "service": "network",
                "requests": [
                    {"method": "DELETE", "path": ["/ports/", ref(step)], "ok": [404]}
                    for step in router.held(draft, project)
                ],
            },
            title=f"{row.name}: the way back is given up",
            project=project,
            after=after or [begin],
            about=row,
            purpose=END,
        )


def _settle(draft: Draft, row: Row) -> str:
    """The step that makes a volume independent that became a clone, when its servers run again. It stands outside of
    the window: neither what is cut over next nor this project's standing waits for it, only the end of the move does.
    """
    servers = [draft.facts.old.all("server").get(item["server_id"]) for item in row.body.get("attachments", [])]
    started = [_start_step(server) for server in servers if server and _moved(draft, server) and runs(server)]
    return draft.step(
        f"settle volume/{row.id}",
        "move.content.settle",
        {**way(draft, row), "service": FLATTENS},
        title=f"{title(row)} stands alone, if it is a clone of the old one",
        project=row.project,
        after=[_content_step(row), *started],
        place=draft.place(row),
    )


def _clean(draft: Draft, project: str, after: str) -> list[str]:
    """The steps that remove the points that copies left on old volumes."""
    return [
        draft.step(
            f"clean volume/{row.id}",
            "move.content.end",
            {"cloud": draft.old, "service": "block-storage", "from": row.id, "storage": way(draft, row)["storage"][0]},
            title=f"no point of the move is left on {title(row)}",
            project=project,
            after=[after, _settle(draft, row)],
            place=draft.place(row),
        )
        for row in _carried(draft, project)
    ]

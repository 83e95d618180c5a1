"""Compute services of before that start on the way back so that they leave guests as they are.

What Nova knows of servers is then what the dump had, and users have started, stopped and deleted some since: Nova would
stop those that run and are recorded as stopped, stop for good those that are off and recorded as running, and destroy
those whose deletion the dump has. So, when the window stops them, their configuration gets lines that keep Nova from
that. Who starts them on the way back needs do nothing, and `naru upgrade settle` takes the lines out.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from naru.actions.hosts.file import AbsolutePath
from naru.actions.hosts.place import HostAction, Place
from naru.messages import message
from naru.plan.context import Context
from naru.plan.kinds import step
from naru.site.model import Service

QUIET = "quiet"
"""What the steps are for."""
DEADLINE = 900.0
KEPT = "it is for those that are started on the way back: naru upgrade settle takes it out"

TITLE = message(
    "upgrade.title.quiet",
    en="the old {service} on {host} would leave guests as they are",
    ko="{host}의 이전 {service}이(가) 게스트를 그대로 두도록 설정",
)


class Quiet(HostAction):
    """See `quiet`."""

    step_kind: ClassVar[str] = "upgrade.quiet"

    file: AbsolutePath


class Loud(Quiet):
    """See `loud`."""

    step_kind: ClassVar[str] = "upgrade.loud"


@step("upgrade.quiet", args=Quiet, no_undo=KEPT, deadline=DEADLINE, retry=())
def quiet(context: Context) -> dict[str, Any]:
    """Lets a nova-compute whose configuration `file` is, the last one that it reads, leave guests as they are from its
    next start on: it compares no power states, destroys nothing that it finds running though deleted, and starts
    nothing after a boot. Where there is no such file (`found`) it does nothing."""
    return _change(context, "lay")


@step("upgrade.loud", args=Loud, no_undo="whoever stops it again does so himself", deadline=DEADLINE, retry=())
def loud(context: Context) -> dict[str, Any]:
    """Takes out of `file` what `upgrade.quiet` has put there."""
    return _change(context, "lift")


def _change(context: Context, verb: str) -> dict[str, Any]:
    place = Place(context, context.args, context.id)
    file = context.args["file"]
    context.log(f"{place.host}: {verb} in {file} that guests are left as they are")
    said = place.change("quiet", verb, file, package="naru.upgrade").strip()
    return {"found": said != "none"}


def file_of(service: Service, coming: Sequence[Service]) -> str:
    """The file that gets the lines; "" where none is known, or where the next one on that host would read them, too, or
    may do so: of which the site does not say what it reads."""
    file = service.config[-1] if service.config else ""
    return "" if any(file in one.config or _is_blind(one, service) for one in coming) else file


def _is_blind(one: Service, service: Service) -> bool:
    return one.name == service.name and not one.config

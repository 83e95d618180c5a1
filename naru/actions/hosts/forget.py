"""What steps keep on a host, removed when nobody rolls back any more."""

from typing import ClassVar

from naru.actions.hosts.place import HostAction, Place, plan_directory
from naru.plan.context import Context
from naru.plan.kinds import step


class Forget(HostAction):
    """See `forget`."""

    step_kind: ClassVar[str] = "host.forget"


@step("host.forget", args=Forget, commit="what steps kept on the host to be undone is removed", deadline=3600, retry=())
def forget(context: Context) -> None:
    """Removes what this plan's steps keep on `host`: former files, what commands have said, what units were. After it
    they cannot be rolled back. Fails while a command of the plan still runs there."""
    place = Place(context, context.args, context.id)
    context.log(f"{place.host}: rm -r {plan_directory(context.plan)}")
    place.look("forget", plan_directory(context.plan), context.plan)

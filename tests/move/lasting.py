"""A step kind that cannot be rolled back, for plans of a move's shape."""

from naru.plan.builtin import Nothing
from naru.plan.context import Context
from naru.plan.kinds import step


@step("lasting", args=Nothing, commit="what was held for a rollback is given up")
def lasting(context: Context) -> None:
    """Does nothing, for good."""

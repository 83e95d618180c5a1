"""Which compute services of before leave guests as they are after the way back: those that were told to, and were
stopped since. One that ran on all the time reads no configuration anew."""

from naru.plan.journal import Journal
from naru.plan.queries import reading
from naru.upgrade.back.quiet import QUIET
from naru.upgrade.window.placed import COMPUTE
from naru.upgrade.window.window import OLD, STOP

LEAVING = "leave guests"
"""What the journal remembers: their hosts, from before it is undone that they were stopped, which takes the results."""


def note(journal: Journal) -> None:
    """Remembers them: their way back is about to begin."""
    journal.remember(LEAVING, leaving(journal))


def leaving(journal: Journal) -> list[str]:
    """Their hosts."""
    known: list[str] | None = journal.recall(LEAVING)
    if known is not None:
        return known
    with reading(journal) as now:
        told = now.steps(unit=OLD, purpose=QUIET, states=["done"], args=True, result=True)
        stops = now.steps(unit=OLD, purpose=STOP, states=["done"], args=True)
    stopped = {step.args["host"] for step in stops if step.about and step.about.name == COMPUTE}
    has_lines = {step.args["host"] for step in told if step.result and step.result["found"]}
    return sorted(has_lines & stopped)

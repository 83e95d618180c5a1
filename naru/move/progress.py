"""How far each project of a move is."""

from collections.abc import Iterable

from naru.move.purposes import CUTOVER, END, FINALIZE
from naru.move.windows import WORDS
from naru.plan.journal import Journal
from naru.plan.windows import progress


class ProgressReader(progress.ProgressReader):
    """Reads how far projects (ids) are. Raises PlanInputError for a plan that does not have their phases."""

    def __init__(self, journal: Journal, projects: Iterable[str]) -> None:
        super().__init__(journal, WORDS, progress.Points(window=CUTOVER, end=FINALIZE, last=END), projects)

"""A move's words for what goes through time windows: its projects, and the phases that each goes through."""

from naru.plan.windows.phases import Phases
from naru.plan.windows.vocabulary import Vocabulary

PHASES = Phases(prepare="prepare", window="cutover", end="finalize")
WORDS = Vocabulary(
    plan="move",
    unit="project",
    units="projects",
    phases=PHASES,
    opening="cut-over",
    openings="cut-overs",
    passed="cut over",
    ended="finalized",
    listing="naru move waves WORK",
    again="naru move plan moves it again, in another work directory",
)

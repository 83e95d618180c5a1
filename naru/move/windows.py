"""A move's words for what goes through time windows: its projects, and the phases that each goes through."""

from naru.plan.windows.phases import Phases

PHASES = Phases(
    plan="move",
    unit="project",
    units="projects",
    prepare="prepare",
    window="cutover",
    end="finalize",
    opening="cut-over",
    openings="cut-overs",
    passed="cut over",
    ended="finalized",
    listing="naru move waves WORK",
    again="naru move plan moves it anew, in another work directory",
)

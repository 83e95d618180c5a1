"""The names of the events in a journal: what writers and readers of the history agree on."""

from enum import StrEnum


class Event(StrEnum):
    """What happened, as the column `what` of an event has it. A capability's notes are events by their own keys."""

    # of a step
    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    RETRY = "retry"
    """It failed, and is tried again after a pause."""
    STOPPED = "stopped"
    """It was asked to stop, and waits again."""
    OVERDUE = "overdue"
    INTERRUPTED = "interrupted"
    """Its run was killed; it waits again."""
    HELD = "held"
    RELEASED = "released"
    UNDONE = "undone"

    # of a step, by an operator
    RETRIED = "retried"
    SKIPPED = "skipped"
    ARGUMENTS_CHANGED = "arguments changed"

    # of the plan, by an operator
    PAUSED = "paused"
    CANCELLED = "cancelled"
    RESUMED = "resumed"
    LIMIT = "limit"
    GATE_HELD = "gate held"
    GATE_RELEASED = "gate released"
    GATE_OPENED = "gate opened"
    ROLLBACK_PLANNED = "rollback planned"
    REMARK = "remark"
    LEFT = "left out"
    TAKEN_BACK = "taken back"

    RUN_STARTED = "run started"
    RUN_ENDED = "run ended"

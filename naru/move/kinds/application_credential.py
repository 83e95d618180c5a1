"""Application credentials: tasks of their users."""

from naru.messages import message
from naru.move import showing
from naru.move.draft import Draft
from naru.move.kind import Kind

KIND = Kind("application credential", used_by=showing.of_user)
USERS_TASK = message(
    "move.application_credential.users_task",
    en="only its user can make it, with a new secret",
    ko="소유한 사용자만 새 시크릿으로 다시 만들 수 있습니다",
)


def application_credentials(draft: Draft) -> None:
    """Nobody but their user can make application credentials, and their secret is known to nobody: tasks."""
    for row in draft.facts.old.all(KIND.name).values():
        if row.body.get("project_id") in draft.facts.projects and row.body.get("user_id") in draft.facts.users:
            draft.leave(row, USERS_TASK(), severity="info")

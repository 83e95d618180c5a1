"""Messages as services of Pike and 2026.2 sent them: recorded from their own code, which was run without a cloud (see
`notifications/`), by exchange and routing key."""

import json
import uuid
from pathlib import Path
from typing import Any, NamedTuple

RELEASES = ("pike", "2026.2")
SECRETS = ("gAAAA", "pw-very-secret", "sw0rdfish", "m3ta-secret", "cGFzc3dvcmQ9c2VjcmV0")
"""What stands in some of them, and may be kept nowhere."""


class Message(NamedTuple):
    exchange: str
    key: str
    body: str

    @property
    def said(self) -> dict[str, Any]:
        """What is in the envelope."""
        return dict(json.loads(json.loads(self.body)["oslo.message"]))

    def again(self, **fields: Any) -> "Message":
        """The same, sent once more: with another id, and with some fields as they are given."""
        said = {**self.said, "message_id": str(uuid.uuid4()), **fields}
        return self._replace(body=json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(said)}))


def recorded(release: str) -> list[Message]:
    """All of a release, as they were sent."""
    text = (Path(__file__).parent / "notifications" / f"{release}.jsonl").read_text()
    return [Message(**json.loads(line)) for line in text.splitlines()]


def one(release: str, kind: str, *, versioned: bool = False) -> Message:
    """The first of a type of event."""
    return next(
        each
        for each in recorded(release)
        if each.said["event_type"] == kind and each.key.startswith("versioned") is versioned
    )

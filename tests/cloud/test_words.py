"""What a service says when it refuses something, from each form of answer."""

import pytest

from naru.cloud.client import words

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ('{"badRequest": {"code": 400, "message": "Invalid input received: key"}}', "Invalid input received: key"),
        ('{"error": {"code": 409, "message": "Duplicate entry", "title": "Conflict"}}', "Duplicate entry"),
        ('{"NeutronError": {"type": "X", "message": "Quota exceeded", "detail": ""}}', "Quota exceeded"),
        ('{"errors": [{"status": 404, "title": "Not Found", "detail": "No provider"}]}', "No provider"),
        (
            "<html><head><title>415 Unsupported</title></head><body>Image &amp; co</body></html>",
            "415 Unsupported Image & co",
        ),
        ("Overloaded", "Overloaded"),
        ('["odd"]', '["odd"]'),
        ('{"odd": 1}', '{"odd": 1}'),
        ("", ""),
    ],
)
def test_words(answer: str, says: str) -> None:
    assert words(answer) == says

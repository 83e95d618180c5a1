"""What `naru move map` says of who uses a thing: words in a table, numbers for programs."""

import pytest

from naru.cli.move import UsedBy
from naru.move.mapping import Need

pytestmark = pytest.mark.unit


def test_words_for_people_and_numbers_for_programs() -> None:
    column = UsedBy(Need("domain", "Default", {"project": 2, "user": 1}))
    assert column.human_readable() == "2 projects, 1 user"
    assert column.machine_readable() == {"project": 2, "user": 1}

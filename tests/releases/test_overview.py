"""Which releases are listed, and which are installed when nobody says which."""

import pytest

from naru.errors import InputError
from naru.releases import overview, release

pytestmark = pytest.mark.unit


def test_every_release_is_a_row() -> None:
    rows = overview.rows()
    assert [row.name for row in rows] == release.names()
    first = rows[0]
    loaded = release.load(first.name)
    assert (first.released, first.python, first.services) == (loaded.released, loaded.python, loaded.services)


def test_the_oldest_and_the_newest_unless_said_otherwise() -> None:
    names = release.names()
    assert overview.choose([]) == [names[0], names[-1]]
    assert overview.choose([], everything=True) == names
    assert overview.choose(["queens", "2025.1"]) == ["queens", "2025.1"]
    with pytest.raises(InputError, match="either --all or releases by name"):
        overview.choose(["queens"], everything=True)

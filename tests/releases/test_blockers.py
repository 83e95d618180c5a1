"""The page of what is in the way is made of the data."""

from pathlib import Path

import pytest

from naru.releases import blockers, path
from naru.releases.settings import settings

pytestmark = pytest.mark.unit


def test_the_page_is_as_the_data_says() -> None:
    page = (Path(__file__).parents[2] / blockers.PAGE).read_text()
    assert page == blockers.page(), "make docs"


def test_everything_that_is_known_is_on_it() -> None:
    page = blockers.page()
    for service in path.services().values():
        for row in (*service.refuses, *service.ended):
            assert " ".join(row.what.replace("|", "\\|").split()) in page
    assert all(option in page for setting in settings() for option in setting.options)

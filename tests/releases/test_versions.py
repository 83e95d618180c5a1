"""Releases by the versions of their distributions."""

import pytest

from naru.releases import release
from naru.releases.versions import ORDER, releases_of
from naru.site.discover.release import RELEASES

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("name", release.names())
def test_every_release_is_told_by_its_packages(name: str) -> None:
    of = release.load(name)
    for package in ("keystone", "glance", "nova", "neutron", "cinder", "openstack-placement", "octavia", "swift"):
        if package in of.packages:
            assert name in releases_of(package, of.packages[package]), package


def test_the_table_of_versions_counts_the_releases_that_there_are() -> None:
    assert ORDER == RELEASES and set(release.names()) <= set(ORDER)
    assert releases_of("nova", "15.0.0") == () == releases_of("nova", "99.1") == releases_of("nova", "x")
    assert releases_of("ironic", "9.1.0") == ()
    assert releases_of("glance", "15.0.2") == ("pike", "queens")
    assert releases_of("horizon", "23.1.1") == ("2023.1",) and releases_of("horizon", "23.10") == ()

"""`host.tree` without a host: what its script says of a directory that is there, and the cap of what is sent."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from naru.actions.hosts.place import script_text
from naru.actions.hosts.tree import capped
from naru.errors import InputError
from naru.plan.errors import PlanError
from naru.work.rate import RATE, set_rate

pytestmark = pytest.mark.unit

BEGIN = 'set -eu; place=$1; shift; settle() { mv -fT "$1" "$2"; }; fail() { echo "$1" >&2; exit 70; }; '


def said(place: Path, *words: str) -> dict[str, str]:
    argv = ["sh", "-c", BEGIN + script_text("tree"), "naru", str(place), *words]
    out = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout
    return dict(line.split("=", 1) for line in out.splitlines())


@pytest.mark.parametrize(
    ("mark", "wanted", "found"),
    [
        ("abc", "abc", "ours"),
        ("abc", "", "ours"),  # whichever it was
        ("abc", "def", "other"),
        ("", "", "other"),  # it is from none
        ("", "abc", "other"),
        (None, "", "none"),
        (None, "abc", "none"),
    ],
)
def test_a_directory_is_known_by_its_archive(tmp_path: Path, mark: str | None, wanted: str, found: str) -> None:
    place, directory, link = tmp_path / "place-1", tmp_path / "opt" / "new", tmp_path / "opt" / "now"
    place.mkdir()
    if mark is not None:
        directory.mkdir(parents=True)
        (directory / "file").touch()
    if mark:
        (directory / ".naru-tree").write_text(f"{mark}\n")
    assert said(place, "begin", str(directory), str(link), wanted)["is"] == found
    if found == "ours":
        said(place, "switch", str(directory), str(link), wanted)
        assert link.readlink() == directory
    # the way back removes nothing that this step has not made
    said(place, "undo", str(directory), str(link))
    assert not link.is_symlink() and directory.exists() == (mark is not None)


def test_nothing_is_sent_without_the_cap_that_is_wanted(tmp_path: Path) -> None:
    context: Any = SimpleNamespace(running=lambda kinds: 2, log=lambda line: None)
    assert capped(context, tmp_path)() is None
    set_rate(tmp_path, 1000)
    assert capped(context, tmp_path)() == 500
    (tmp_path / RATE).write_text("much")
    with pytest.raises(InputError, match="is not a rate"):
        capped(context, tmp_path)
    with pytest.raises(PlanError, match="no longer there"):  # as of a work directory that was moved
        capped(context, tmp_path / "moved")

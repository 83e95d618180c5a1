"""What the script of `host.tree` says of a directory that is there, on directories of this machine."""

import subprocess
from pathlib import Path

import pytest

from naru.actions.hosts.place import script_text

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

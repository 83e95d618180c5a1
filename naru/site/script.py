"""Scripts that look on a host, as they are sent to it."""

from importlib.resources import files

SAY = (files("naru.site") / "say.sh").read_text()
"""The functions that all of them have."""


def text(name: str) -> str:
    """The script `name`, from this directory on, behind the functions that all of them have."""
    return f"{SAY}\n{(files('naru.site') / name).read_text()}"

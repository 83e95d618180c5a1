"""Scripts that look on a host, as they are sent to it."""

from importlib.resources import files


def text(name: str) -> str:
    """The script `name`, from this directory on, behind the functions that all of them have (`say.sh`)."""
    return "\n".join((files("naru.site") / one).read_text() for one in ("say.sh", name))

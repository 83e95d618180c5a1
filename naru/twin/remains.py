"""Where dumps of a site lie, or may lie, on its own hosts: written down before one is begun, and crossed out when it is
gone. So none is forgotten there, whatever ends a command in between."""

from pathlib import Path

import pydantic

from naru.errors import NaruError
from naru.files import write_whole
from naru.site import site as sites
from naru.site.ssh import Fleet, Remote

FILE = "on-hosts.json"
SECONDS = 60.0
"""How long the removal of one may take."""


class Remain(pydantic.BaseModel):
    """A dump at `path` on a `host` of the `site`, which is that file."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    site: str
    host: str
    path: str


_LIST = pydantic.TypeAdapter(tuple[Remain, ...])


class Remains:
    """What is written down in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / FILE

    def known(self) -> tuple[Remain, ...]:
        """All of it. Raises NaruError where the file cannot be read."""
        try:
            return _LIST.validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return ()
        except ValueError as error:
            raise NaruError(
                f"{self._file} cannot be read",
                detail=str(error),
                hint="It says where dumps lie on hosts of the site: look for /var/lib/naru/twin-* on its databases' "
                "hosts, remove them there, and remove the file.",
            ) from error

    def add(self, one: Remain) -> None:
        """Writes it down, before anything is there."""
        self._write((*(other for other in self.known() if other != one), one))

    def drop(self, one: Remain) -> None:
        """Crosses it out: nothing is there any more."""
        self._write(tuple(other for other in self.known() if other != one))

    def _write(self, whole: tuple[Remain, ...]) -> None:
        if whole:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(self._file, _LIST.dump_json(whole, indent=1).decode() + "\n")
        else:
            self._file.unlink(missing_ok=True)

    def remove(self) -> list[str]:
        """Removes all of it from the hosts, by connections of its own; says of each that may be there still why, and
        where: for a person, who removes it there."""
        try:
            known = self.known()
        except NaruError as error:
            return [f"{error}: {error.hint}"]
        left = []
        for one in known:
            try:
                with Fleet(sites.load(Path(one.site))) as fleet:
                    if one.host not in fleet.site.hosts:
                        raise NaruError(f"{one.site} has no host {one.host} any more")
                    fleet.call(gone(fleet.remote(one.host), one.path))
                self.drop(one)
            except NaruError as error:
                left.append(f"a dump with the site's secrets may be on {one.host} in {one.path}: {error}")
        return left


async def gone(remote: Remote, path: str) -> None:
    """Removes a dump from its host, with what is there of one that was not finished. Raises NaruError."""
    await remote.checked(["rm", "-rf", "--", path, f"{path}.part", f"{path}.own"], seconds=SECONDS)

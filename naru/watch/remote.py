"""Files and deployed code of a site's hosts, by SSH: parts of files are fetched as they are read, nothing is installed
and nothing is written there."""

import base64
import binascii
import gzip
import re
import shlex
import time
from collections.abc import Callable, Iterable, Sequence

from naru.errors import NaruError
from naru.site.model import Container
from naru.site.site import Site
from naru.site.ssh import Fleet
from naru.watch.place import HEAD, Changed, Known, Seen
from naru.watch.statements import Code, read, script

_SECONDS = 120.0
_READING = 1800.0
_ANOTHER = 44
"""Exit code of a script that finds another file than is known, or none."""
_LIST = f"""
for file in PATTERNS; do
  [ -f "$file" ] || continue
  [ -r "$file" ] || {{ printf '- - - - :- %s\\n' "$file"; continue; }}
  about=$(stat -c '%d %i %s %Y' "$file") || continue
  case $file in
    *.gz) head=$(gzip -dc "$file" 2>/dev/null | head -c {HEAD} | base64 -w0) ;;
    *) head=$(head -c {HEAD} "$file" | base64 -w0) ;;
  esac
  printf '%s :%s %s\\n' "$about" "$head" "$file"
done
date +%s.%N
"""
_READ = f"""
file=FILE
content() {{ case $file in *.gz) gzip -dc "$file" ;; *) cat "$file" ;; esac }}
same() {{
  [ "KNOWN" = "" ] && return
  [ "$(stat -c '%d %i' "$file" 2>/dev/null)" = "KNOWN" ] && [ "$(content | head -c LENGTH | base64 -w0)" = "BEGIN" ]
}}
[ -f "$file" ] && same || exit {_ANOTHER}
case $file in
  *.gz) content | tail -c +FROM | head -c SIZE | gzip -c | base64 -w0 ;;
  *) tail -c +FROM "$file" | head -c SIZE | gzip -c | base64 -w0 ;;
esac
same || exit {_ANOTHER}
"""


class There:
    """Files of a host of a site. What cannot be reached raises NaruError."""

    def __init__(self, fleet: Fleet, host: str) -> None:
        self.host = host
        self._fleet = fleet
        self._ahead = 0.0
        self.refused: dict[str, str] = {}

    def files(self, patterns: Sequence[str]) -> list[Seen]:
        if not patterns:
            return []
        ran = self._fleet.run(self.host, _LIST.replace("PATTERNS", " ".join(map(_pattern, patterns))), seconds=_SECONDS)
        *lines, now = ran.out.splitlines() or [""]
        try:
            self._ahead = float(now) - time.time()
        except ValueError as error:
            raise NaruError(f"{self.host}: its files cannot be listed", detail=ran.errors.strip()) from error
        found = {}
        for line in lines:
            if line.startswith("- "):
                self.refused[line.split(" ", 5)[5]] = "Permission denied"
                continue
            device, inode, size, modified, head, path = line.split(" ", 5)
            begin = base64.b64decode(head[1:])
            found[path] = Seen(path, int(device), int(inode), int(size), float(modified), begin)
        return list(found.values())

    def read(self, path: str, place: int, size: int, known: Known | None = None) -> bytes:
        words = {
            "FILE": shlex.quote(path),
            "KNOWN": f"{known.device} {known.inode}" if known else "",
            "LENGTH": str(len(known.head)) if known else "0",
            "BEGIN": base64.b64encode(known.head).decode() if known else "",
            "FROM": str(place + 1),
            "SIZE": str(size),
        }
        line = re.sub("|".join(words), lambda found: words[found[0]], _READ)
        ran = self._fleet.run(self.host, line, seconds=_SECONDS)
        if ran.code == _ANOTHER:
            raise Changed(path)
        try:
            return gzip.decompress(base64.b64decode(ran.out))
        except (binascii.Error, OSError, EOFError) as error:
            raise NaruError(f"{self.host}: {path} cannot be read", detail=ran.errors.strip()) from error

    def now(self) -> float:
        return time.time() + self._ahead


def _pattern(text: str) -> str:
    """A pattern as a shell takes it: all is quoted that is no sign of a pattern."""
    return "".join(part if part[:1] in "*?[]" else shlex.quote(part) for part in re.split(r"([*?\[\]]+)", text) if part)


def logs(site: Site) -> dict[str, tuple[str, ...]]:
    """By host the log files of its services, as patterns."""
    found: dict[str, dict[str, None]] = {}
    for number, service in enumerate(site.part.services):
        for host in site.named(service.hosts, f"services[{number}].hosts"):
            found.setdefault(host.name, {}).update(dict.fromkeys(service.logs))
    return {host: tuple(patterns) for host, patterns in found.items() if patterns}


def code(site: Site, fleet: Fleet, only: Sequence[str] = ()) -> Code:
    """The statements of the site's services: of each interpreter that they name (`python`, or `environment`), on
    the first of its hosts, which has to answer; inside of its container, where it runs in one. Raises NaruError."""
    packages, statements = [], []
    asked: dict[tuple[str, str], str] = {}
    for number, service in enumerate(site.part.services):
        python = service.python or (f"{service.environment}/bin/python" if service.environment else "")
        if not python:
            continue
        inside = ""
        if isinstance(service.managed, Container):
            engine = service.managed.engine or "$(command -v podman docker | head -n 1)"
            inside = f"{engine} exec -i {shlex.quote(service.managed.container)} "
        host = site.named(service.hosts, f"services[{number}].hosts")[0].name
        asked.setdefault((f"{inside}{shlex.quote(python)}", service.release or ""), host)
    for (python, _), host in asked.items():
        found = read(_asking(fleet, host, python), only)
        packages += list(found.packages)
        statements += list(found.statements)
    return Code(tuple(packages), tuple(statements))


def _asking(fleet: Fleet, host: str, python: str) -> Callable[[Sequence[str]], Iterable[str]]:
    def ask(words: Sequence[str]) -> Iterable[str]:
        line = f"PYTHONIOENCODING=utf-8 PYTHONDONTWRITEBYTECODE=1 {python} -W ignore - {shlex.join(words)}"
        ran = fleet.run(host, line, given=script(), seconds=_READING)
        if ran.code:
            raise NaruError(f"{host}: its log statements cannot be read", detail=ran.errors.strip()[-2000:])
        return ran.out.splitlines()

    return ask

"""The report's files, and the directory of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from naru.errors import NaruError
from naru.messages import LANGUAGES
from naru.move.outcome import Item, Outcome, Project
from naru.move.pages import maps, overview, project, terraform
from naru.move.pages.parts import parts
from naru.report import page
from naru.report.directory import write_directory
from naru.report.names import stem, unique

OVERVIEW = "overview"


def write(outcome: Outcome, directory: Path, languages: Sequence[str] = LANGUAGES) -> Path:
    """Writes the report to `directory` and returns the overview's page in the first language.

    An earlier report there is replaced; at every instant the directory is a whole report or is not there. Raises
    InputError for a language that there are no texts in and for a directory with anything else in it, NaruError when
    it cannot be written.
    """
    page.check_languages(languages)
    _check(outcome)
    files = _files(outcome, tuple(dict.fromkeys(languages)))
    return write_directory(files, directory, marker=f"{OVERVIEW}.map.json") / f"{OVERVIEW}.{languages[0]}.html"


def _check(outcome: Outcome) -> None:
    ids = [project.old_id for project in outcome.projects]
    if twice := sorted({identity for identity in ids if ids.count(identity) > 1}):
        raise NaruError(f"the outcome has a project twice: {', '.join(twice)}")


def _files(outcome: Outcome, languages: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(name, content) of every file."""
    found = list(parts(outcome))
    names = {part.project.old_id: part.project.name for part in found}
    stems = unique(names, stem, taken=(OVERVIEW,))
    for part in found:
        name = stems[part.project.old_id]
        maps_of = {"csv": f"{name}.map.csv", "json": f"{name}.map.json", "tf": f"{name}.imports.tf"}
        maps_of["downtimes"] = f"{name}.downtimes.csv"
        yield maps_of["csv"], maps.as_csv(part.items)
        yield maps_of["json"], maps.as_json(outcome, [part.project], part.items, part.downtimes, part.contents)
        yield maps_of["tf"], terraform.imports(part.project.name, _own(part.project, part.items))
        yield maps_of["downtimes"], maps.downtimes_as_csv(part.downtimes)
        for language in languages:
            files = [(f"{name}.{language}.html", "html"), (f"{name}.{language}.md", "md")]
            files += [(file, key) for key, file in maps_of.items()]
            yield from page.files(name, language, languages, project.blocks(outcome, part, files, maps_of["json"]))
    yield f"{OVERVIEW}.map.csv", maps.as_csv(outcome.items)
    yield (
        f"{OVERVIEW}.map.json",
        maps.as_json(outcome, outcome.projects, outcome.items, outcome.downtimes, outcome.contents),
    )
    yield f"{OVERVIEW}.downtimes.csv", maps.downtimes_as_csv(outcome.downtimes)
    for language in languages:
        reports = {identity: f"{name}.{language}.html" for identity, name in stems.items()}
        files = [(f"{OVERVIEW}.map.csv", "csv"), (f"{OVERVIEW}.map.json", "json")]
        files.append((f"{OVERVIEW}.downtimes.csv", "downtimes"))
        yield from page.files(OVERVIEW, language, languages, overview.blocks(outcome, found, reports, files))


def _own(project: Project, items: Sequence[Item]) -> list[Item]:
    """What a project's configuration can be in charge of: its own things, and its users' key pairs."""
    return [item for item in items if item.project == project.old_id or item.kind == "key pair"]

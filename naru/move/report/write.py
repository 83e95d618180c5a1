"""The report's directory: written beside its place, then put there in one piece."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from naru.errors import InputError, NaruError
from naru.move.outcome import Item, Outcome, Project
from naru.move.report import html, maps, markdown, overview, pages, terraform, texts
from naru.move.report.blocks import Block, Heading, Page
from naru.move.report.names import stem, unique
from naru.move.report.pages import Part

OVERVIEW = "overview"
_T = TypeVar("_T")


def write(outcome: Outcome, directory: Path, languages: Sequence[str] = ("en", "ko")) -> Path:
    """Writes the report to `directory` and returns the overview's page in the first language.

    An earlier report there is replaced; at every instant the directory is a whole report or is not there. Raises
    InputError for a language that there are no texts in and for a directory with anything else in it, NaruError when
    it cannot be written.
    """
    if not languages:
        raise InputError("a report needs a language", hint=f"There is: {', '.join(texts.languages())}")
    for language in languages:
        texts.of(language)
    _check(outcome)
    directory = directory.absolute()
    if not directory.name:
        raise InputError(f"{directory} is no place for a report", hint="Name a directory that is not there yet.")
    new, old = (directory.with_name(f".{directory.name}.{what}") for what in ("new", "old"))
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        _recover(directory, old)
        _refuse_foreign(directory)
        if new.exists():  # of one that was killed
            shutil.rmtree(new)
        new.mkdir(mode=0o700)
        try:
            for name, content in _files(outcome, tuple(dict.fromkeys(languages))):
                # a lone surrogate is no character of UTF-8; in JSON its escape is what it was
                (new / name).write_bytes(content.encode(errors="backslashreplace"))
            if directory.exists():
                directory.rename(old)
            new.rename(directory)
        except BaseException:
            _recover(directory, old)
            shutil.rmtree(new, ignore_errors=True)  # the error that is under way says more
            raise
        if old.exists():
            shutil.rmtree(old)
    except OSError as error:
        raise NaruError(f"the report cannot be written to {directory}", detail=str(error)) from error
    return directory / f"{OVERVIEW}.{languages[0]}.html"


def _recover(directory: Path, old: Path) -> None:
    """Ends what a killed run began: the earlier report goes back to its place, or away when a new one is there."""
    if old.exists() and not directory.exists():
        old.rename(directory)
    elif old.exists():
        shutil.rmtree(old)


def _refuse_foreign(directory: Path) -> None:
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise InputError(f"{directory} is not a directory", hint="Name one that is not there yet.")
    if directory.exists() and any(directory.iterdir()) and not (directory / f"{OVERVIEW}.map.json").exists():
        raise InputError(
            f"{directory} has something else in it than a report",
            hint="Name a directory that is not there yet: an earlier report is replaced whole.",
        )


def _check(outcome: Outcome) -> None:
    ids = [project.old_id for project in outcome.projects]
    if twice := sorted({identity for identity in ids if ids.count(identity) > 1}):
        raise NaruError(f"the outcome has a project twice: {', '.join(twice)}")


def _files(outcome: Outcome, languages: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(name, content) of every file."""
    parts = list(_parts(outcome))
    names = {part.project.old_id: part.project.name for part in parts}
    stems = unique(names, stem, taken=(OVERVIEW,))
    for part in parts:
        name = stems[part.project.old_id]
        maps_of = {"csv": f"{name}.map.csv", "json": f"{name}.map.json", "tf": f"{name}.imports.tf"}
        maps_of["downtimes"] = f"{name}.downtimes.csv"
        yield maps_of["csv"], maps.as_csv(part.items)
        yield maps_of["json"], maps.as_json(outcome, [part.project], part.items, part.downtimes, part.contents)
        yield maps_of["tf"], terraform.imports(part.project.name, _own(part.project, part.items))
        yield maps_of["downtimes"], maps.downtimes_as_csv(part.downtimes)
        for language in languages:
            text = texts.of(language)
            files = [(f"{name}.{language}.html", "html"), (f"{name}.{language}.md", "md")]
            files += [(file, key) for key, file in maps_of.items()]
            yield from _pages(name, text, languages, pages.blocks(text, outcome, part, files, maps_of["json"]))
    yield f"{OVERVIEW}.map.csv", maps.as_csv(outcome.items)
    yield (
        f"{OVERVIEW}.map.json",
        maps.as_json(outcome, outcome.projects, outcome.items, outcome.downtimes, outcome.contents),
    )
    yield f"{OVERVIEW}.downtimes.csv", maps.downtimes_as_csv(outcome.downtimes)
    for language in languages:
        text = texts.of(language)
        reports = {identity: f"{name}.{language}.html" for identity, name in stems.items()}
        files = [(f"{OVERVIEW}.map.csv", "csv"), (f"{OVERVIEW}.map.json", "json")]
        files.append((f"{OVERVIEW}.downtimes.csv", "downtimes"))
        yield from _pages(OVERVIEW, text, languages, overview.blocks(text, outcome, parts, reports, files))


def _pages(
    name: str, text: texts.Texts, languages: Sequence[str], blocks: Sequence[Block]
) -> Iterator[tuple[str, str]]:
    for suffix, render in (("html", html.render), ("md", markdown.render)):
        other = [
            (f"{name}.{one}.{suffix}", texts.of(one).word("language")) for one in languages if one != text.language
        ]
        title = "".join(segment.text for block in blocks[:1] if isinstance(block, Heading) for segment in block.words)
        search, found = text.word("search"), text.texts["found"]
        page = Page(text.language, title, tuple(blocks), search, found, tuple(other))
        yield f"{name}.{text.language}.{suffix}", render(page)


def _parts(outcome: Outcome) -> Iterator[Part]:
    """What each project is concerned with, by one pass over everything."""
    items: dict[str, list[Item]] = {project.old_id: [] for project in outcome.projects}
    for item in outcome.items:
        for identity in dict.fromkeys((item.project, *item.used_by)):
            if identity in items:
                items[identity].append(item)
    tasks = _grouped(outcome.tasks, lambda task: task.project)
    downtimes = _grouped(outcome.downtimes, lambda downtime: downtime.server_old_id)
    contents = _grouped(outcome.contents, lambda content: content.volume_old_id)
    findings = _grouped(outcome.findings, lambda finding: finding.about)
    for project in outcome.projects:
        own = items[project.old_id]
        ids = dict.fromkeys((project.old_id, *(item.old_id for item in own)))
        yield Part(
            project,
            own,
            tasks.get(project.old_id, []),
            [downtime for item in own if item.kind == "server" for downtime in downtimes.get(item.old_id, [])],
            [content for item in own if item.kind == "volume" for content in contents.get(item.old_id, [])],
            [finding for identity in ids for finding in findings.get(identity, [])],
        )


def _grouped(things: Iterable[_T], key: Callable[[_T], str]) -> dict[str, list[_T]]:
    result: dict[str, list[_T]] = {}
    for thing in things:
        result.setdefault(key(thing), []).append(thing)
    return result


def _own(project: Project, items: Sequence[Item]) -> list[Item]:
    """What a project's configuration can be in charge of: its own things, and its users' key pairs."""
    return [item for item in items if item.project == project.old_id or item.kind == "key pair"]

"""Hooks: an operator's own programs, run at moments that a capability names, such as before a server stops.

The file `hooks.yaml` in a work directory says which program runs at which moment, how long it may take, and what it
means when it fails. It may be changed at any time: it is read anew at every moment. A program gets the facts as JSON on
its standard input, the environment as it is, and the work directory as its current directory. What it writes is kept,
without the values of environment variables whose names say that they are secrets.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from naru import yamlfile
from naru.errors import InputError
from naru.messages import Text
from naru.plan.errors import PlanError
from naru.plan.program import run_program
from naru.plan.redaction import Redaction
from naru.text import duration, parse_duration

FILE = "hooks.yaml"
FORMAT = 1
DEADLINE = "30s"
"""How long a hook may take where the file does not say it."""
STOP, GO_ON = "stop", "go on"
SECRET = re.compile(r"pass|secret|token|credential|private|(^|_)key($|_)", re.IGNORECASE)
"""Names of environment variables whose values are no one's to read."""


@dataclass(frozen=True)
class Moment:
    """When hooks may run. At one that `may_stop`, what comes after it waits for them, and a hook may keep it from
    beginning by failing."""

    name: str
    what: Text
    may_stop: bool = False


Moments = Mapping[str, Moment]


def _seconds(value: Any) -> float:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a duration; like 30s, 10m or 1h")
    return parse_duration(value)


class Hook(pydantic.BaseModel):
    """One program at one moment; `deadline` is in seconds."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True)

    moment: str
    command: Annotated[list[Annotated[str, pydantic.Field(min_length=1)]], pydantic.Field(min_length=1)]
    deadline: Annotated[float, pydantic.BeforeValidator(_seconds)] = parse_duration(DEADLINE)
    on_failure: Literal["stop", "go on"]

    @property
    def called(self) -> str:
        """The program with its words, as a shell takes them."""
        return subprocess.list2cmdline(self.command)


class _File(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True)

    naru_hooks: int = FORMAT
    hooks: list[Hook] = pydantic.Field(default_factory=list)


@dataclass(frozen=True)
class Ran:
    """How a hook ended: its `exit` code (negative: the signal; None: it has none), the `seconds` that it took, the end
    of its output; `problem` says why it failed, "" for one that did not."""

    command: list[str]
    exit: int | None
    seconds: float
    output: str
    problem: str


class HookFailed(PlanError):
    """A hook that may stop what comes after it has failed. `ran` are the hooks of its moment so far."""

    def __init__(self, hook: Hook, file: Path, ran: Sequence[Ran], hint: str) -> None:
        super().__init__(
            f"hook {hook.called} at {hook.moment}: {ran[-1].problem}",
            detail=ran[-1].output,
            hint=f"{file} says that what comes after it does not begin then. {hint}".strip(),
        )
        self.ran = list(ran)


# -- the file


def load(directory: Path, moments: Moments) -> list[Hook]:
    """The hooks of a work directory, in their order; none without the file. Raises InputError that names the file,
    every field that is wrong, and what to write there."""
    file = directory / FILE
    if not file.exists():
        return []
    raw = yamlfile.load(file)
    if not isinstance(raw, dict) or type(raw.get("naru_hooks")) is not int or raw["naru_hooks"] < 1:
        raise InputError(f"{file} holds no hooks", hint=f"Its first line is `naru_hooks: {FORMAT}`.")
    if raw["naru_hooks"] > FORMAT:
        raise InputError(f"{file} was written for a newer Naru (naru_hooks: {raw['naru_hooks']})", hint="Use that one.")
    try:
        found = _File.model_validate(raw).hooks
        problems = [
            problem for place, hook in enumerate(found) for problem in _problems(directory, place, hook, moments)
        ]
    except pydantic.ValidationError as error:
        problems = [f"{_place(item['loc'])}: {_explain(item)}" for item in error.errors()]
    if problems:
        raise InputError(f"{file} is not right", detail="\n".join(problems), hint="Correct these fields.")
    return found


def _problems(directory: Path, place: int, hook: Hook, moments: Moments) -> Iterator[str]:
    where = f"hooks[{place}]"
    moment = moments.get(hook.moment)
    if moment is None:
        yield f"{where}.moment: there is no {hook.moment}; give one of {', '.join(moments)}"
    elif hook.on_failure == STOP and not moment.may_stop:
        yield f"{where}.on_failure: nothing waits for {hook.moment}, so a hook cannot stop it; write `{GO_ON}`"
    if problem := _not_executable(directory, hook.command[0]):
        yield f"{where}.command: {problem}"


def _not_executable(directory: Path, program: str) -> str:
    if "/" not in program:
        return "" if shutil.which(program) else f"there is no program {program} in PATH; give its path"
    file = directory / program
    if not file.exists():
        return f"there is no file {file}; a path that does not begin with / is one in {directory}"
    if not file.is_file() or not os.access(file, os.X_OK):
        return f"{file} is not executable; chmod +x {file}" if file.is_file() else f"{file} is no program"
    return ""


def _place(location: Sequence[str | int]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _explain(item: Any) -> str:
    kind, field = item["type"], item["loc"][-1]
    if kind == "extra_forbidden":
        model: type[pydantic.BaseModel] = Hook if len(item["loc"]) == 3 else _File
        return f"there is no such field; there are: {', '.join(model.model_fields)}"
    if kind == "missing":
        return f"is missing; write `{STOP}` or `{GO_ON}`" if field == "on_failure" else "is missing"
    if field == "command":
        return "give a list: the program and its words, like [./drain.sh, web]"
    if kind == "list_type":
        return "give a list"
    if kind == "literal_error":
        return f"write `{STOP}` or `{GO_ON}`"
    if kind == "model_type":
        return f"give its fields: {', '.join(Hook.model_fields)}"
    if kind == "string_type":
        return "give a text, in quotes when it looks like a number"
    if kind == "too_short" or kind == "string_too_short":
        return "is empty"
    return str(item["msg"]).removeprefix("Value error, ")


# -- running


def at(directory: Path, moments: Moments, moment: str) -> list[Hook]:
    """The hooks of a moment. Raises InputError as `load`."""
    return [hook for hook in load(directory, moments) if hook.moment == moment]


def run(
    directory: Path,
    hooks: Sequence[Hook],
    facts: Mapping[str, Any],
    check: Callable[[], None] = lambda: None,
    *,
    hint: str = "",
) -> list[Ran]:
    """Runs the hooks of one moment, one after the other, each with the facts; how they ended. What `check` raises, from
    time to time, ends the one that runs. Raises HookFailed at the first that fails and may stop what comes after it:
    `hint` says how to go on then."""
    ran: list[Ran] = []
    for hook in hooks:
        ran.append(_run(directory, hook, json.dumps(facts, ensure_ascii=False) + "\n", check))
        if ran[-1].problem and hook.on_failure == STOP:
            raise HookFailed(hook, directory / FILE, ran, hint)
    return ran


def _run(directory: Path, hook: Hook, facts: str, check: Callable[[], None]) -> Ran:
    begun = time.monotonic()
    code, output = None, ""
    try:
        code, output = run_program(hook.command, check=check, cwd=directory, given=facts, deadline=hook.deadline)
        problem = "" if code == 0 else f"exited with {code}"
        if code is None:
            problem = f"did not end within its deadline of {duration(hook.deadline)}, and was ended"
        elif code < 0:
            problem = f"was killed by signal {-code}"
    except PlanError as error:
        problem = f"cannot be run: {error.detail}"
    return Ran(hook.command, code, round(time.monotonic() - begun, 3), without_secrets(output), problem)


def without_secrets(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """The text without the values of the environment variables whose names say that they are secrets."""
    return Redaction([value for name, value in environment.items() if SECRET.search(name)]).text(text)


def written(ran: Collection[Ran]) -> list[dict[str, Any]]:
    """How hooks ended, as JSON."""
    return [asdict(one) for one in ran]


def failed(ran: Collection[Mapping[str, Any]]) -> list[str]:
    """Of hooks (as `written`) that failed: what failed, a line each."""
    return [f"{subprocess.list2cmdline(one['command'])} {one['problem']}" for one in ran if one["problem"]]

"""The one shape of an error that a person is meant to read."""


class NaruError(Exception):
    """What went wrong, for a person: shown without a traceback.

    `summary` says what is wrong and names the thing (file, field, port, service), `detail` what was found,
    `hint` what to do next. `exit_code` is the process's: 1 for a failed operation, 2 for bad input.
    """

    exit_code = 1

    def __init__(self, summary: str, *, detail: str = "", hint: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail
        self.hint = hint

    def __str__(self) -> str:
        return "\n".join(part for part in (self.summary, self.detail, self.hint) if part)


class InputError(NaruError):
    """The caller asked for something that cannot be: names the file or option, the field and the fix."""

    exit_code = 2

"""Commands to copy into a shell. Whatever users have named is quoted."""

from naru.report.names import shell


def command(*parts: str) -> str:
    """One command of parts that are quoted already; on several lines when it is long."""
    line = " ".join(parts)
    return line if len(line) <= 110 else " \\\n    ".join(parts)


def each_after(*commands: str) -> str:
    """Commands in a shell of their own, each only when those before it went well."""
    return "(\n  " + " &&\n  ".join(command.replace("\n", "\n  ") for command in commands) + "\n)"


def option(name: str, value: str) -> str:
    """`--name value`, in one word where the value would be taken for an option."""
    return f"--{name} {shell(value)}" if not value.startswith("-") else shell(f"--{name}={value}")


def last(*texts: str) -> str:
    """The last words of a command, that are not options, whatever they begin with."""
    words = " ".join(map(shell, texts))
    return f"-- {words}" if any(text.startswith("-") for text in texts) else words

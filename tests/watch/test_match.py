"""Statements are read from code, and found again by what they print."""

import subprocess
import sys
from pathlib import Path

import pytest

from naru.errors import InputError
from naru.watch import statements
from naru.watch.formats import OSLO
from naru.watch.group import CLIENT, DEPRECATION, RETRY, UNKNOWN, Group, group
from naru.watch.match import Match, Matcher, values
from naru.watch.records import Record, read
from naru.watch.statements import ANY, Statement

from .lines import FRAMES, line, traceback

pytestmark = pytest.mark.unit

CODE = """
from oslo_log import log as logging, versionutils
from .i18n import _, _LE
LOG = logging.getLogger(__name__)
OTHER = logging.getLogger("access.log")
GONE = _("gone: %(name)s")


class Missing(Exception):
    msg_fmt = _("Thing %(thing)s could not be found.")
    code = 404


class Subtle(Missing):
    pass


class Manager(object):
    def one(self, host, quiet):
        LOG.error(_LE("no room on %s for %d servers"), host, 3)
        LOG.warning("attempt %(n)s of %(of)s failed, retrying", {"n": 1, "of": 3})
        LOG.error("made by hand: %s" % host)
        LOG.error("made by {}, {}".format(host, 1))
        LOG.error(GONE, {"name": host})
        text = "slow " + host
        if quiet:
            text = "silent %s"
        LOG.warning(text, host)
        LOG.debug("never %s", host)
        log = LOG.debug if quiet else LOG.warning
        log("perhaps %s", host)
        try:
            self.say("told by a caller: %s")
        except Exception as error:
            LOG.exception(error)
        versionutils.report_deprecated_feature(LOG, "old way of %s", host)

    def say(self, text):
        LOG.error(text, 5)
"""


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> list[Statement]:
    root = tmp_path_factory.mktemp("venv") / "lib" / "python3" / "site-packages"
    (root / "shop").mkdir(parents=True)
    (root / "shop" / "manager.py").write_text(CODE)
    (root / "shop" / "broken.py").write_text("LOG.error('x')\nasync = 1\nprint 'old'\n")
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(root.parents[3] / "cache"))
    found = statements.of_environment(root.parents[2])
    (package,) = found.packages
    assert [name for name, _ in package.refused] == ["shop/broken.py"]
    assert (package.known, package.opaque) == (False, 1)
    again = statements.of_environment(root.parents[2])
    assert again.statements == found.statements
    assert again.packages[0].known
    (root / "shop" / "manager.py").write_text(CODE + "LOG.error('patched')\n")
    patched = statements.of_environment(root.parents[2])
    assert not patched.packages[0].known
    assert len(patched.statements) == len(found.statements) + 1
    patch.undo()
    return list(found.statements)


def matched(code: list[Statement], text: str, level: str = "ERROR", *, trace: list[str] | None = None) -> Match:
    return Matcher(code).match(record(text, level, trace))


def record(text: str, level: str = "ERROR", trace: list[str] | None = None) -> Record:
    lines = [*line(text, level, "shop.manager").split("\n"), *(trace or [])]
    (found,) = read(lines, 0, OSLO, last=True).records
    return found


@pytest.mark.parametrize(
    ("text", "level", "found"),
    [
        ("no room on h1 for 3 servers", "ERROR", f"no room on {ANY} for {ANY} servers"),
        ("no room on h1 for 3 servers: ValueError: no", "ERROR", f"no room on {ANY} for {ANY} servers"),
        ("attempt 1 of 3 failed, retrying", "WARNING", f"attempt {ANY} of {ANY} failed, retrying"),
        ("made by hand: h1", "ERROR", f"made by hand: {ANY}"),
        ("made by h1, 1", "ERROR", f"made by {ANY}, {ANY}"),
        ("gone: h1", "ERROR", f"gone: {ANY}"),
        ("slow h1", "WARNING", f"slow {ANY}"),
        ("silent h1", "WARNING", f"silent {ANY}"),
        ("perhaps h1", "WARNING", f"perhaps {ANY}"),
        ("told by a caller: 5", "ERROR", f"told by a caller: {ANY}"),
        ("Deprecated: old way of x", "WARNING", f"Deprecated: old way of {ANY}"),
        ("no room on h1 for 3 servers\nprinted beside", "ERROR", f"no room on {ANY} for {ANY} servers"),
    ],
)
def test_found_by_text(code: list[Statement], text: str, level: str, found: str) -> None:
    match = matched(code, text, level)
    assert match.statement
    assert (match.how, match.module, match.text) == ("module", "shop.manager", found)


def test_a_level_that_the_code_does_not_have_is_another_statement(code: list[Statement]) -> None:
    assert matched(code, "no room on h1 for 3 servers", "WARNING").how == "opaque"


def test_by_file_and_line(code: list[Statement]) -> None:
    """Where the record says them; of several texts that a line may print, the one that it printed."""
    said = next(one for one in code if one.text == f"silent {ANY}")
    one = record("silent h1", "WARNING")
    one.pathname, one.line, one.logger = "/v/lib/python3/site-packages/shop/manager.py", said.lines[0], "other"
    found = Matcher(code).match(one)
    assert (found.how, found.module, found.text) == ("place", "shop.manager", f"silent {ANY}")


def test_values_have_the_names_of_the_code(code: list[Statement]) -> None:
    statement = matched(code, "no room on h1 for 3 servers").statement
    assert statement
    assert values(statement, "no room on h1 for 3 servers: ValueError: x") == {"host": "h1", "value 2": "3"}


def grouped(code: list[Statement], text: str, level: str = "ERROR", trace: list[str] | None = None) -> Group:
    matcher = Matcher(code)
    one = record(text, level, trace)
    return group(one, matcher.match(one), "shop-api", matcher)


def test_groups_differ_by_statement_exception_and_frame_alone(code: list[Statement]) -> None:
    first = grouped(code, "no room on h1 for 3 servers")
    assert first.key == grouped(code, "no room on h22 for 4 servers").key
    trace = traceback(*FRAMES, logger="shop.manager")
    raised = grouped(code, "no room on h1 for 3 servers", trace=trace)
    assert (raised.exception, raised.frame) == ("NovaException", "nova/compute/manager.py:spawn")
    assert raised.key != first.key
    moved = [one.replace("line 10", "line 99").replace("no room", "none") for one in trace]
    assert grouped(code, "no room on h9 for 3 servers", trace=moved).key == raised.key


def test_what_only_prints_an_exception_is_named_by_its_class(code: list[Statement]) -> None:
    one = grouped(code, "Thing 5 could not be found.")
    assert (one.exception, one.text, one.kind) == ("Missing", "", CLIENT)
    # as oslo.log appends it
    two = grouped(code, "Thing 7 could not be found.: shop.manager.Missing: Thing 7 could not be found.")
    assert two.key == one.key
    assert grouped(code, "nobody knows 5 of 'these'").text == "nobody knows # of '#'"


def test_classes(code: list[Statement]) -> None:
    subtle = traceback(*FRAMES[:-1], "shop.manager.Subtle_Remote: gone", logger="shop.manager")
    assert grouped(code, "no room on h1 for 3 servers", trace=subtle).kind == CLIENT
    assert grouped(code, "attempt 1 of 3 failed, retrying", "WARNING").kind == RETRY
    assert grouped(code, "Deprecated: old way of x", "WARNING").kind == DEPRECATION
    assert grouped(code, "no room on h1 for 3 servers").kind == UNKNOWN


def test_no_environment(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no virtual environment"):
        statements.of_environment(tmp_path)


def test_the_script_takes_no_module_of_ours() -> None:
    """It is handed to other interpreters, on other hosts."""
    done = subprocess.run(
        [sys.executable, "-I", "-", "list"], input=statements.script(), capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr

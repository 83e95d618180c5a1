"""What a traceback says: which exception was raised, and where in the cloud's own code."""

import re
from functools import lru_cache
from typing import NamedTuple

_FRAME = re.compile(r'^ +File "(?P<file>[^"]+)", line \d+, in (?P<function>.+)')
_EXCEPTION = re.compile(r"^(?P<type>[A-Za-z_][\w.]*)(?::(?: |$)|$)")
_PLUMBING = re.compile(
    r"/(oslo_utils/excutils|oslo_messaging|oslo_db|oslo_concurrency/lockutils|oslo_versionedobjects|oslo_middleware|"
    r"oslo_log|oslo_service|oslo_policy|keystonemiddleware|keystoneauth1|six|osprofiler|eventlet|futurist|concurrent|"
    r"tenacity|retrying|debtcollector|webob|routes|paste|decorator|sqlalchemy|pymysql|contextlib|threading|functools|"
    r"stevedore|wrapt|amqp|kombu|requests|urllib3|flask|flask_restful|werkzeug|pecan|jsonschema)(/|\.py)"
)
_CHAINED = ("During handling of the above exception", "The above exception was the direct cause")


class Raised(NamedTuple):
    """The last exception of a chain: its type without module, and the deepest frame of it that is not plumbing, as
    `nova/compute/manager.py:spawn`. Either is empty where the traceback does not say it."""

    exception: str
    frame: str


@lru_cache(maxsize=500)
def raised(text: str) -> Raised:
    """What a traceback ends with. An exception that came from another service is named as it was there, and its frames
    are of that service."""
    exception, frames, last = "", [], []
    for line in text.splitlines():
        if found := _FRAME.match(line):
            frames.append((_within(found["file"]), found["function"].strip()))
        elif line.startswith("Traceback (") or line.startswith(_CHAINED):
            if frames and not exception:
                continue
            frames = []
        elif frames and (found := _EXCEPTION.match(line)):
            exception, last, frames = found["type"], frames, []
    return Raised(named(exception), _own(last or frames))


def named(exception: str) -> str:
    """An exception's type without its module, and without what oslo.messaging adds to one of another service."""
    return exception.rpartition(".")[2].removesuffix("_Remote")


def _within(file: str) -> str:
    """A file's path within what is installed."""
    return re.sub(r"^.*/(?:site|dist)-packages/", "", file)


def _own(frames: list[tuple[str, str]]) -> str:
    own = [one for one in frames if not one[0].startswith(("/", "<")) and not _PLUMBING.search("/" + one[0])]
    chosen = own[-1] if own else frames[-1] if frames else None
    return f"{chosen[0]}:{chosen[1]}" if chosen else ""

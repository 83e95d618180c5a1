"""Where records come from: files of this machine and of a site's hosts; journals; what shippers push over HTTP;
OpenSearch and Loki.

`settings` is what a watch is given, `given` the file that names what is no file, `watched` opens all of it. A `Stream`
is what is no file: `follow` gives what is new since a cursor, `by_request` what has an identifier in it, `check` says
whether it can be read.
"""

from naru.watch.sources.settings import Settings
from naru.watch.sources.watched import Source, Sources, opened

__all__ = ["Settings", "Source", "Sources", "opened"]

"""`naru` in a process of its own, for moves without clouds: nothing has changed since they were planned."""

import sys

_DRIVER = """
import sys
from naru.cli.main import main
from naru.move import freshness
freshness.look = lambda *_: []
sys.exit(main(sys.argv[1:]))
"""
NARU = [sys.executable, "-c", _DRIVER]

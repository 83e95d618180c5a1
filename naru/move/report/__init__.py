"""The report of a move: for each project what its users have to know and do, and for operators all of it.

`outcome` (beside this package) is what it is written from; `pages` and `overview` say what stands in it, as `blocks`,
in the words of `texts` and, for what the planner says, of `sentences`; `html` and `markdown` are made of blocks; `maps`
and `terraform` are for programs; `write` puts it all in a directory.
"""

from naru.move.report.write import write

__all__ = ["write"]

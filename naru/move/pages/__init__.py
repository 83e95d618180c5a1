"""What the reports of a move say: for each project what its users have to know and do, and for operators all of it.

`outcome` (beside this package) is what it is written from. `project` and `overview` are the pages, as blocks of
messages, with `tasks`, `iac` and the `tables` that both have; `maps` and `terraform` are for programs; `write` puts it
all in a directory.
"""

from naru.move.pages.write import write

__all__ = ["write"]

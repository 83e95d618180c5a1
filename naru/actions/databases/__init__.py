"""Step kinds on databases, run on a host of the site that reaches them: what is carried never comes here.

`server`    which server a step asks, and how its scripts do
`dump`      `database.dump`, `database.point`: schemas dumped whole and checked; a point is gone back to by its undo
`restore`   `database.restore`: a dump put into a server and compared
`scratch`   `database.scratch`: a server of one's own on a host, to try things on

docs/reference/database-steps.md says what they take and what lies on a host.
"""

from naru.actions.databases import dump, restore, scratch

__all__ = ["dump", "restore", "scratch"]

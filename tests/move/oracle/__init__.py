"""What became of a project, judged straight from the APIs of two clouds and by nothing else.

Nothing here imports the product: neither its reading of a cloud nor its marks nor its maps. What is the counterpart of
what is worked out from names, addresses and contents alone (`pairs`), every field that an API shows is compared unless
a table says why it cannot be equal (`fields`), and what is missing or too much is a difference like any other.

    before = snapshot(old)                       # before the move: a cut-over stops servers and frees addresses
    for mismatch in project(before, new, project_id): ...
    assert not leftovers(new, before_of_new)     # after a rollback
"""

from .compare import Mismatch, leftovers, project
from .read import snapshot

__all__ = ["Mismatch", "leftovers", "project", "snapshot"]

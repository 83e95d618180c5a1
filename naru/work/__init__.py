"""Work directories: one for each plan of a tenant, with its journal, its rounds, and what the tenant keeps beside them.

`directory` (WorkDirectory, Rounds), `keys` (the key that passwords are derived from, which lies elsewhere).
"""
